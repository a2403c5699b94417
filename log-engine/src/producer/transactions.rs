//! The transactions of one log: open ones, and ended ones whose marker may not be replicated yet.

use std::collections::BTreeMap;

use crate::batch::{Batch, ControlRecord, ControlType, Scratch};
use crate::error::{Malformed, Rule};
use crate::segment::AbortedTxn;
use crate::units::{Offset, ProducerId, Timestamp};

/// The end of a transaction, as the record of a control batch says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Committed, or else aborted.
    pub commit: bool,
    /// Epoch of the coordinator that ended it.
    pub coordinator_epoch: i32,
    /// When the coordinator wrote it.
    pub timestamp: Timestamp,
}

impl Marker {
    /// What the first record of a producer's control batch says; `None` for data, for batches without a producer, and for a
    /// control batch that is empty because compaction removed the transaction.
    ///
    /// # Errors
    /// As [`Batch::records`] and [`ControlRecord::parse`], with places in the batch; [`Rule::Mismatch`] for a control record
    /// that ends no transaction.
    ///
    /// Kafka: `EndTransactionMarker.deserialize`.
    pub fn of(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Option<Self>, Malformed> {
        if !batch.is_control() || batch.producer().is_none() {
            return Ok(None);
        }
        let Some(record) = batch.records(scratch)?.next().transpose()? else {
            return Ok(None);
        };
        // Places in a record's key or value say nothing about the batch.
        let in_record = |malformed: Malformed| Malformed::new(0, malformed.rule);
        let kind = ControlType::parse(record.key.unwrap_or_default()).map_err(in_record)?;
        let is_marker = matches!(kind, ControlType::Abort | ControlType::Commit);
        match is_marker.then(|| ControlRecord::parse(&record)).transpose().map_err(in_record)? {
            Some(ControlRecord::EndTransaction { commit, coordinator_epoch, .. }) => {
                Ok(Some(Self { commit, coordinator_epoch, timestamp: record.timestamp }))
            }
            _ => {
                let what = "type of a producer's control record";
                Err(Malformed::new(0, Rule::Mismatch { what, found: kind.id().into(), expected: 0 }))
            }
        }
    }
}

/// A transaction that no marker has ended yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Whose it is.
    pub producer_id: ProducerId,
    /// Where it began.
    pub first_offset: Offset,
}

/// A transaction that a marker has ended. Of aborted ones this is the entry in the transaction index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// Where it began.
    pub first_offset: Offset,
    /// The marker's offset.
    pub last_offset: Offset,
    /// Where the first other open transaction began when this one ended; behind the marker if there was none.
    pub last_stable_offset: Offset,
    /// Aborted, or else committed.
    pub aborted: bool,
}

impl CompletedTransaction {
    /// What the index of aborted transactions says of it; `None` if it was committed.
    #[must_use]
    pub fn aborted_txn(&self) -> Option<AbortedTxn> {
        self.aborted.then_some(AbortedTxn {
            stored_version: 0,
            producer_id: self.producer_id,
            first_offset: self.first_offset,
            last_offset: self.last_offset,
            last_stable_offset: self.last_stable_offset,
        })
    }
}

/// Transactions by their first offset.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    open: BTreeMap<Offset, ProducerId>,
    /// Ended ones and their markers' offsets, as far as these are not known to be replicated.
    ended: BTreeMap<Offset, Offset>,
    high_watermark: Offset,
}

impl Transactions {
    pub(super) fn open(&mut self, producer_id: ProducerId, first_offset: Offset) {
        self.open.insert(first_offset, producer_id);
    }

    pub(super) fn complete(&mut self, completed: &CompletedTransaction) {
        self.open.remove(&completed.first_offset);
        if completed.last_offset >= self.high_watermark {
            self.ended.insert(completed.first_offset, completed.last_offset);
        }
    }

    pub(super) fn advance_high_watermark(&mut self, high_watermark: Offset) {
        self.high_watermark = high_watermark;
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    pub(super) fn forget_completed_before(&mut self, log_start: Offset) {
        self.ended.retain(|_, marker| *marker >= log_start);
    }

    /// The beginning of the first open transaction of any producer but this one.
    ///
    /// Kafka: `ProducerStateManager.lastStableOffset`.
    pub(super) fn stable_without(&self, producer_id: ProducerId) -> Option<Offset> {
        self.open.iter().find(|(_, id)| **id != producer_id).map(|(first, _)| *first)
    }

    pub(super) fn first_unstable(&self) -> Option<Offset> {
        let open = self.open.first_key_value().map(|(first, _)| *first);
        let ended = self.ended.first_key_value().map(|(first, _)| *first);
        open.into_iter().chain(ended).min()
    }

    pub(super) fn iter_open(&self) -> impl Iterator<Item = OpenTransaction> {
        self.open.iter().map(|(first, id)| OpenTransaction { producer_id: *id, first_offset: *first })
    }
}
