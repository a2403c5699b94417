//! Who wrote what last in one log: the producers' state, in memory and as it lies on disk.
//!
//! Knows no file and no clock: batches come as heads, the time comes as an argument.

mod entry;
mod order;
mod pending;
mod snapshot;
mod transactions;
mod verification;

use std::collections::BTreeMap;

pub use entry::{CACHED_BATCHES, CachedBatch, ProducerEntry};
pub use pending::{PendingUpdates, ProducerRules};
pub use snapshot::{MAX_SNAPSHOT_BYTES, ProducerSnapshot, SnapshotEntry};
pub use transactions::{CompletedTransaction, Marker, OpenTransaction};
pub use verification::{Announcement, VerificationGuard};

use self::order::JavaOrder;
use self::transactions::Transactions;
use self::verification::Verification;
use crate::batch::BatchHeader;
use crate::error::{Malformed, Rule};
use crate::units::{Offset, ProducerEpoch, ProducerId, Timestamp};

/// How long after its latest end a transaction is late. Kafka: `ProducerStateManager.LATE_TRANSACTION_BUFFER_MS`.
const LATE_TRANSACTION_BUFFER_MS: i64 = 300_000;

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
/// What a leader appends is checked first ([`PendingUpdates`]) and committed when it was written. What a leader has accepted is
/// applied: sequences and epochs are noted and not questioned.
///
/// Kafka: `ProducerStateManager`.
#[derive(Clone, Debug, Default)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, (ProducerEntry, u64)>,
    order: JavaOrder,
    transactions: Transactions,
    /// Transactions that are announced and have no batch.
    verifications: BTreeMap<ProducerId, Verification>,
}

impl ProducerStates {
    /// The state that a snapshot holds, without the producers that are due to be forgotten.
    #[must_use]
    pub fn from_snapshot(snapshot: &ProducerSnapshot, expiry: Option<Expiry>) -> Self {
        let mut states = Self::default();
        states.reload(Some(snapshot), expiry);
        states
    }

    /// Forgets all producers and transactions for those of a snapshot, if there is one. Announcements stay: they are not from the log.
    ///
    /// Kafka: in `ProducerStateManager.truncateAndReload`.
    pub fn reload(&mut self, snapshot: Option<&ProducerSnapshot>, expiry: Option<Expiry>) {
        self.producers.clear();
        self.transactions = Transactions::default();
        for entry in snapshot.iter().flat_map(|snapshot| &snapshot.entries) {
            let (id, producer) = (entry.producer_id, ProducerEntry::from_snapshot(entry));
            if expiry.is_some_and(|expiry| expiry.is_due(&producer)) {
                continue;
            }
            if let Some(first) = producer.open_since() {
                self.transactions.open(id, first);
            }
            self.update(id, producer);
        }
    }

    /// Notes one batch that a leader has accepted. `marker` is what the first record of a control batch says ([`Marker::of`]); `None`
    /// for data, and for a control batch whose records compaction removed. Batches without a producer change nothing. The
    /// transaction that the batch ends, if it ends one that has records.
    ///
    /// # Errors
    /// [`Rule::NotTransactional`] at the batch's first byte for data outside a transaction while its producer has one open;
    /// nothing changes then. A broker that meets this while it loads a log ends.
    ///
    /// Kafka: `ProducerAppendInfo.append` with `AppendOrigin.REPLICATION`.
    pub fn apply(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
    ) -> Result<Option<CompletedTransaction>, Malformed> {
        let mut pending = PendingUpdates::new(ProducerRules::REPLICATED);
        pending.add(self, header, marker).map_err(|_| {
            // The only refusal of what was replicated.
            let id = header.producer_id();
            let since = self.producer(id).and_then(ProducerEntry::open_since).map_or(-1, Offset::get);
            Malformed::new(0, Rule::NotTransactional { producer: id.get(), since })
        })?;
        Ok(self.commit(pending).pop())
    }

    /// Takes over what is new of one producer.
    fn update(&mut self, id: ProducerId, next: ProducerEntry) {
        if let Some((known, _)) = self.producers.get_mut(&id) {
            known.update(next);
        } else {
            let size = self.producers.len().saturating_add(1);
            self.producers.insert(id, (next, self.order.inserted(size)));
        }
    }

    /// Forgets the producers that are due, and announcements of the same age.
    ///
    /// Kafka: `ProducerStateManager.removeExpiredProducers`.
    pub fn expire(&mut self, expiry: Expiry) {
        self.producers.retain(|_, (entry, _)| !expiry.is_due(entry));
        self.verifications.retain(|_, entry| !entry.is_due(expiry));
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

    /// Forgets ended transactions whose markers lie before the log's start.
    ///
    /// Kafka: `ProducerStateManager.removeUnreplicatedTransactions`.
    pub fn forget_completed_before(&mut self, log_start: Offset) {
        self.transactions.forget_completed_before(log_start);
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

    /// True if this incarnation of a producer has a transaction open.
    ///
    /// Kafka: `UnifiedLog.hasOngoingTransaction`.
    #[must_use]
    pub fn has_open_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.producer(id).is_some_and(|entry| entry.open_since().is_some() && entry.epoch() == epoch)
    }

    /// True if the producer of the first open transaction was last heard of so long ago that its coordinator must have given the
    /// transaction up, and 5 minutes before that: its marker is missing. `max_timeout_ms` is Kafka's `transaction.max.timeout.ms`.
    ///
    /// Kafka: `ProducerStateManager.hasLateTransaction`.
    #[must_use]
    pub fn has_late_transaction(&self, now: Timestamp, max_timeout_ms: i64) -> bool {
        let oldest = self.transactions.iter_open().next();
        let heard = oldest.and_then(|open| self.producer(open.producer_id)).map(|entry| entry.timestamp().get());
        let late_after = max_timeout_ms.saturating_add(LATE_TRANSACTION_BUFFER_MS);
        heard.is_some_and(|heard| heard > 0 && now.get().wrapping_sub(heard) > late_after)
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
mod testing;
#[cfg(test)]
mod tests;
