//! Who wrote what last in one log: the producers' state, in memory and as it lies on disk.
//!
//! Knows no file and no clock: batches come as heads, the time comes as an argument.

mod entry;
mod order;
mod snapshot;
mod transactions;

use std::collections::BTreeMap;

pub use entry::{CACHED_BATCHES, CachedBatch, ProducerEntry};
pub use snapshot::{MAX_SNAPSHOT_BYTES, ProducerSnapshot, SnapshotEntry};
pub use transactions::{CompletedTransaction, Marker, OpenTransaction};

use self::order::JavaOrder;
use self::transactions::Transactions;
use crate::batch::BatchHeader;
use crate::error::{Malformed, Rule};
use crate::units::{Offset, ProducerId, Timestamp};

/// When a producer without an open transaction is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The time.
    pub now: Timestamp,
    /// Milliseconds without a word after which it goes. Kafka: `producer.id.expiration.ms`.
    pub after_ms: i64,
}

impl Expiry {
    /// Kafka's default of `producer.id.expiration.ms`: one day.
    pub const DEFAULT_MS: i64 = 86_400_000;

    /// With Kafka's default, at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self { now, after_ms: Self::DEFAULT_MS }
    }

    fn is_due(self, entry: &ProducerEntry) -> bool {
        // Kafka's difference wraps as well.
        entry.open_since().is_none() && self.now.get().wrapping_sub(entry.timestamp().get()) >= self.after_ms
    }
}

/// All producers of one log, as a broker knows them after the batches that were applied.
///
/// Batches are taken as a follower takes them: sequences and epochs are noted and not questioned, because a leader has accepted
/// them before. Only one thing is refused: a batch outside the transaction that its producer has open.
///
/// Kafka: `ProducerStateManager` with `AppendOrigin.REPLICATION`.
#[derive(Clone, Debug, Default)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, (ProducerEntry, u64)>,
    order: JavaOrder,
    transactions: Transactions,
}

impl ProducerStates {
    /// The state that a snapshot holds, without the producers that are due to be forgotten.
    #[must_use]
    pub fn from_snapshot(snapshot: &ProducerSnapshot, expiry: Option<Expiry>) -> Self {
        let mut states = Self::default();
        for entry in &snapshot.entries {
            let (id, producer) = (entry.producer_id, ProducerEntry::from_snapshot(entry));
            if expiry.is_some_and(|expiry| expiry.is_due(&producer)) {
                continue;
            }
            if let Some(first) = producer.open_since() {
                states.transactions.open(id, first);
            }
            states.insert(id, producer);
        }
        states
    }

    /// Notes one batch. `marker` is what the first record of a control batch says ([`Marker::of`]); `None` for data, and for a
    /// control batch whose records compaction removed. Batches without a producer change nothing. The transaction that the
    /// batch ends, if it ends one that has records.
    ///
    /// # Errors
    /// [`Rule::NotTransactional`] at the batch's first byte for data outside a transaction while its producer has one open;
    /// nothing changes then. A broker that meets this while it loads a log ends.
    ///
    /// Kafka: `ProducerAppendInfo.append`.
    pub fn apply(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
    ) -> Result<Option<CompletedTransaction>, Malformed> {
        let id = header.producer_id();
        if id.get() == -1 {
            return Ok(None);
        }
        let mut entry = self.producer(id).cloned().unwrap_or_default();
        let completed = match (header.attributes().is_control(), marker) {
            (true, Some(marker)) => entry.end_transaction(header.producer_epoch(), marker).map(|first_offset| {
                let last_offset = header.base_offset();
                let last_stable_offset = self.transactions.stable_without(id).unwrap_or(last_offset.next());
                CompletedTransaction {
                    producer_id: id,
                    first_offset,
                    last_offset,
                    last_stable_offset,
                    aborted: !marker.commit,
                }
            }),
            (true, None) => None,
            (false, _) => {
                self.apply_data(id, &mut entry, header)?;
                None
            }
        };
        if let Some(completed) = &completed {
            self.transactions.complete(completed);
        }
        self.insert(id, entry);
        Ok(completed)
    }

    fn apply_data(&mut self, id: ProducerId, entry: &mut ProducerEntry, header: &BatchHeader) -> Result<(), Malformed> {
        match (entry.open_since(), header.attributes().is_transactional()) {
            (Some(since), false) => {
                return Err(Malformed::new(0, Rule::NotTransactional { producer: id.get(), since: since.get() }));
            }
            (None, true) => {
                entry.begin_transaction(header.base_offset());
                self.transactions.open(id, header.base_offset());
            }
            _ => {}
        }
        entry.add_batch(header);
        Ok(())
    }

    fn insert(&mut self, id: ProducerId, entry: ProducerEntry) {
        if let Some((known, _)) = self.producers.get_mut(&id) {
            *known = entry;
        } else {
            let size = self.producers.len().saturating_add(1);
            self.producers.insert(id, (entry, self.order.inserted(size)));
        }
    }

    /// Forgets the producers that are due.
    ///
    /// Kafka: `ProducerStateManager.removeExpiredProducers`.
    pub fn expire(&mut self, expiry: Expiry) {
        self.producers.retain(|_, (entry, _)| !expiry.is_due(entry));
    }

    /// All before `high_watermark` is known to be replicated: transactions that ended before it no longer hold back readers.
    ///
    /// Until this is called, every ended transaction is kept as if its marker were not replicated. Who does not ask for the first
    /// unstable offset calls it once with [`i64::MAX`], and none is kept.
    ///
    /// Kafka: `ProducerStateManager.onHighWatermarkUpdated`.
    pub fn advance_high_watermark(&mut self, high_watermark: Offset) {
        self.transactions.advance_high_watermark(high_watermark);
    }

    /// The first offset that a reader of committed records must not pass: the beginning of the first transaction that is open, or
    /// whose marker is not known to be replicated.
    ///
    /// Kafka: `ProducerStateManager.firstUnstableOffset`.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.transactions.first_unstable()
    }

    /// The beginning of the first transaction that is open.
    ///
    /// Kafka: `ProducerStateManager.firstUndecidedOffset`.
    #[must_use]
    pub fn first_undecided_offset(&self) -> Option<Offset> {
        self.transactions.iter_open().next().map(|open| open.first_offset)
    }

    /// How far a reader of committed records may read in a log that begins at `log_start`, with this high watermark.
    ///
    /// Kafka: `UnifiedLog.lastStableOffset`.
    #[must_use]
    pub fn last_stable_offset(&self, log_start: Offset, high_watermark: Offset) -> Offset {
        let unstable = self.first_unstable_offset().map(|offset| offset.max(log_start));
        unstable.map_or(high_watermark, |offset| offset.min(high_watermark))
    }

    /// The open transactions, by their first offset.
    pub fn open_transactions(&self) -> impl Iterator<Item = OpenTransaction> {
        self.transactions.iter_open()
    }

    /// What is known of one producer.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id).map(|(entry, _)| entry)
    }

    /// All producers, by their id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, (entry, _))| (*id, entry))
    }

    /// The state as a snapshot, in the order in which a broker with the same history writes it.
    ///
    /// Kafka: `ProducerStateManager.takeSnapshot`.
    #[must_use]
    pub fn snapshot(&self) -> ProducerSnapshot {
        let mut producers: Vec<_> = self.producers.iter().collect();
        producers.sort_by_key(|(id, (_, inserted))| (self.order.bucket(**id), *inserted));
        ProducerSnapshot { entries: producers.into_iter().map(|(id, (entry, _))| entry.to_snapshot(*id)).collect() }
    }
}

#[cfg(test)]
mod tests;
