//! A log's producers as a leader keeps them, for tests.

use super::{CachedBatch, CompletedTransaction, Marker, PendingUpdates, ProducerEntry, ProducerRules, ProducerStates};
use crate::batch::{self, AppendOrigin, BatchBuilder, BatchHeader, Scratch};
use crate::error::Refusal;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

pub(super) const CLIENT: ProducerRules = ProducerRules {
    origin: AppendOrigin::Client,
    transaction_version: None,
    is_verification_required: false,
    guard: None,
};
pub(super) const COORDINATOR: ProducerRules =
    ProducerRules { origin: AppendOrigin::Coordinator, transaction_version: Some(0), ..CLIENT };
pub(super) const FOLLOWER: ProducerRules = ProducerRules::REPLICATED;

/// What a batch says; of a marker, `sequence` and `count` do not matter.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) sequence: i32,
    pub(super) offset: i64,
    pub(super) count: i64,
    pub(super) time: i64,
    pub(super) is_transactional: bool,
}

impl Batch {
    /// One record of producer 1 in its first epoch.
    pub(super) const ONE: Self =
        Self { id: 1, epoch: 0, sequence: 0, offset: 0, count: 1, time: 1_700_000_000_000, is_transactional: false };

    pub(super) fn header(&self) -> BatchHeader {
        // A builder asks for a sequence, as a client must; a coordinator has none.
        let sequence = Sequence::new(self.sequence.max(0));
        let mut builder = BatchBuilder::new(Offset::new(self.offset));
        builder = builder.producer(ProducerId::new(self.id), ProducerEpoch::new(self.epoch), sequence);
        if self.is_transactional {
            builder = builder.transactional();
        }
        for _ in 0..self.count {
            builder.push(Timestamp::new(self.time), None, None, &[]).unwrap();
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        bytes[53..57].copy_from_slice(&self.sequence.to_be_bytes());
        *BatchHeader::at_start_of(&bytes).unwrap()
    }

    pub(super) fn marker(&self, coordinator_epoch: i32, commit: bool) -> (BatchHeader, Marker) {
        let producer = (ProducerId::new(self.id), ProducerEpoch::new(self.epoch));
        let (offset, time) = (Offset::new(self.offset), Timestamp::new(self.time));
        let bytes =
            BatchBuilder::end_transaction(offset, LeaderEpoch::new(0), producer, time, commit, coordinator_epoch)
                .unwrap();
        let batch = batch::Batch::parse(&bytes).unwrap();
        (*batch.header().unwrap(), Marker::of(&batch, &mut Scratch::default()).unwrap().unwrap())
    }
}

#[derive(Default)]
pub(super) struct Leader(pub(super) ProducerStates);

impl Leader {
    /// One append of data. A refusal or a duplicate changes nothing.
    pub(super) fn append(&mut self, rules: ProducerRules, batches: &[Batch]) -> Result<Option<CachedBatch>, Refusal> {
        let mut pending = PendingUpdates::new(rules);
        for batch in batches {
            if let Some(duplicate) = pending.add(&self.0, &batch.header(), None)? {
                return Ok(Some(duplicate));
            }
        }
        assert_eq!(self.0.commit(pending), []);
        Ok(None)
    }

    /// One append of a marker that commits.
    pub(super) fn marker(
        &mut self,
        rules: ProducerRules,
        marker: &Batch,
        coordinator_epoch: i32,
    ) -> Result<Option<CompletedTransaction>, Refusal> {
        self.end(rules, marker.marker(coordinator_epoch, true))
    }

    /// One append of a marker that aborts.
    pub(super) fn abort(
        &mut self,
        rules: ProducerRules,
        marker: &Batch,
        coordinator_epoch: i32,
    ) -> Result<Option<CompletedTransaction>, Refusal> {
        self.end(rules, marker.marker(coordinator_epoch, false))
    }

    fn end(
        &mut self,
        rules: ProducerRules,
        (header, marker): (BatchHeader, Marker),
    ) -> Result<Option<CompletedTransaction>, Refusal> {
        let mut pending = PendingUpdates::new(rules);
        assert_eq!(pending.add(&self.0, &header, Some(marker))?, None);
        Ok(self.0.commit(pending).pop())
    }

    pub(super) fn entry(&self, id: i64) -> &ProducerEntry {
        self.0.producer(ProducerId::new(id)).unwrap()
    }

    pub(super) fn last_sequence(&self, id: i64) -> Option<i32> {
        self.entry(id).last_sequence().map(Sequence::get)
    }
}
