//! What is known of one producer: its epoch, its last batches, its open transaction.

use std::collections::VecDeque;

use super::snapshot::SnapshotEntry;
use super::transactions::Marker;
use crate::batch::BatchHeader;
use crate::units::{Offset, OffsetDelta, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// How many batches of a producer are remembered. Kafka: `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`.
pub const CACHED_BATCHES: usize = 5;

/// A batch that is remembered, so that it is known again when it is sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedBatch {
    /// The sequence of its last record; `None` if its records are not counted.
    pub last_sequence: Option<Sequence>,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// How far that lies past the offset of its first record.
    pub offset_delta: OffsetDelta,
    /// Its maximum timestamp.
    pub timestamp: Timestamp,
}

impl CachedBatch {
    /// The sequence of its first record.
    #[must_use]
    pub fn first_sequence(&self) -> Option<Sequence> {
        self.last_sequence.map(|last| last.minus(self.offset_delta.get()))
    }

    /// The offset of its first record; wraps where the batch's head is damaged.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        Offset::new(self.last_offset.get().wrapping_sub(i64::from(self.offset_delta.get())))
    }
}

/// One producer of a log.
///
/// Kafka: `ProducerStateEntry`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    epoch: ProducerEpoch,
    coordinator_epoch: Option<i32>,
    timestamp: Timestamp,
    open_since: Option<Offset>,
    /// Oldest first, all of the same epoch.
    batches: VecDeque<CachedBatch>,
}

impl Default for ProducerEntry {
    /// A producer of which nothing is known yet.
    fn default() -> Self {
        Self {
            epoch: ProducerEpoch::new(-1),
            coordinator_epoch: None,
            timestamp: Timestamp::NONE,
            open_since: None,
            batches: VecDeque::new(),
        }
    }
}

impl ProducerEntry {
    /// Its latest incarnation; -1 if all that is known of it is a control batch without records.
    #[must_use]
    pub const fn epoch(&self) -> ProducerEpoch {
        self.epoch
    }

    /// The epoch of the coordinator that wrote its last marker, if there was one.
    #[must_use]
    pub const fn coordinator_epoch(&self) -> Option<i32> {
        self.coordinator_epoch
    }

    /// When it was last heard of: the maximum timestamp of its last batch, or its last marker's.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Where its open transaction began, if one is open.
    #[must_use]
    pub const fn open_since(&self) -> Option<Offset> {
        self.open_since
    }

    /// Its last batches of this epoch, up to [`CACHED_BATCHES`], oldest first. From a snapshot only the last one comes.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &CachedBatch> {
        self.batches.iter()
    }

    /// The sequence of its last record of this epoch.
    #[must_use]
    pub fn last_sequence(&self) -> Option<Sequence> {
        self.batches.back().and_then(|batch| batch.last_sequence)
    }

    /// The batch of the same epoch and sequences that is remembered.
    ///
    /// Kafka: `ProducerStateEntry.findDuplicateBatch`.
    #[must_use]
    pub fn duplicate_of(&self, header: &BatchHeader) -> Option<&CachedBatch> {
        let counted = |sequence: Sequence| Some(sequence).filter(|sequence| sequence.get() != -1);
        let sequences = (counted(header.base_sequence()), counted(header.last_sequence()));
        let mut batches = self.batches.iter().filter(|_| header.producer_epoch() == self.epoch);
        batches.find(|batch| (batch.first_sequence(), batch.last_sequence) == sequences)
    }

    /// The same, for what comes next.
    pub(super) fn without_batches(&self) -> Self {
        Self { batches: VecDeque::new(), ..*self }
    }

    /// Takes over what an append made of [`Self::without_batches`].
    ///
    /// Kafka: `ProducerStateEntry.update`.
    pub(super) fn update(&mut self, next: Self) {
        self.set_epoch(next.epoch);
        for batch in next.batches {
            self.push(batch);
        }
        self.coordinator_epoch = next.coordinator_epoch;
        self.timestamp = next.timestamp;
        self.open_since = next.open_since;
    }

    pub(super) fn from_snapshot(entry: &SnapshotEntry) -> Self {
        let cached = entry.last_offset.filter(|offset| *offset >= Offset::ZERO).map(|last_offset| CachedBatch {
            last_sequence: entry.last_sequence,
            last_offset,
            offset_delta: entry.offset_delta,
            timestamp: entry.timestamp,
        });
        Self {
            epoch: entry.producer_epoch,
            coordinator_epoch: entry.coordinator_epoch,
            timestamp: entry.timestamp,
            open_since: entry.txn_first_offset.filter(|offset| *offset >= Offset::ZERO),
            batches: cached.into_iter().collect(),
        }
    }

    pub(super) fn to_snapshot(&self, producer_id: ProducerId) -> SnapshotEntry {
        let last = self.batches.back();
        SnapshotEntry {
            producer_id,
            producer_epoch: self.epoch,
            last_sequence: last.and_then(|batch| batch.last_sequence),
            last_offset: last.map(|batch| batch.last_offset),
            offset_delta: last.map_or(OffsetDelta::new(0), |batch| batch.offset_delta),
            timestamp: self.timestamp,
            coordinator_epoch: self.coordinator_epoch,
            txn_first_offset: self.open_since,
        }
    }

    pub(super) fn begin_transaction(&mut self, first_offset: Offset) {
        self.open_since = Some(first_offset);
    }

    /// Takes a marker in; where the transaction began that it ends, if one was open.
    pub(super) fn end_transaction(&mut self, epoch: ProducerEpoch, marker: Marker) -> Option<Offset> {
        self.set_epoch(epoch);
        self.coordinator_epoch = Some(marker.coordinator_epoch).filter(|epoch| *epoch != -1);
        self.timestamp = marker.timestamp;
        self.open_since.take()
    }

    pub(super) fn add_batch(&mut self, header: &BatchHeader) {
        self.set_epoch(header.producer_epoch());
        self.push(CachedBatch {
            last_sequence: Some(header.last_sequence()).filter(|sequence| sequence.get() != -1),
            last_offset: header.last_offset(),
            offset_delta: OffsetDelta::new(header.last_offset_delta()),
            timestamp: header.max_timestamp(),
        });
        self.timestamp = header.max_timestamp();
    }

    fn push(&mut self, batch: CachedBatch) {
        if self.batches.len() == CACHED_BATCHES {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }

    /// Another epoch, even a lower one, forgets the batches.
    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}
