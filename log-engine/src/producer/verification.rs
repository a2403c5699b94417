//! Transactions that are announced to the log before their first batch, so that none begins which its coordinator has ended.
//!
//! A leader asks the coordinator whether a transaction goes on. Meanwhile it may end, and a batch that is appended after its
//! marker would open it for good. So the leader announces it here before it asks, keeps the guard, and appends with it: a marker
//! that comes between takes the guard away.
//!
//! Kafka: `VerificationStateEntry`, `VerificationGuard`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Expiry, ProducerStates};
use crate::batch::BatchHeader;
use crate::error::Refusal;
use crate::units::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Stands for one announcement; no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerificationGuard(u64);

impl VerificationGuard {
    fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A transaction that is to be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Whose it is.
    pub producer_id: ProducerId,
    /// In which incarnation.
    pub epoch: ProducerEpoch,
    /// The first sequence of the batch that begins it.
    pub sequence: Sequence,
    /// Its version gives every transaction an epoch of its own (2 and above).
    pub has_own_epochs: bool,
}

/// An announced transaction without batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verification {
    guard: VerificationGuard,
    since: Timestamp,
    epoch: ProducerEpoch,
    /// The lowest first sequence that was announced in this epoch: a higher one must not be written before it, or it never can be.
    pub(super) lowest_sequence: Sequence,
    pub(super) has_own_epochs: bool,
}

impl Verification {
    fn new(announced: &Announcement, now: Timestamp) -> Self {
        Self {
            guard: VerificationGuard::fresh(),
            since: now,
            epoch: announced.epoch,
            lowest_sequence: announced.sequence,
            has_own_epochs: announced.has_own_epochs,
        }
    }

    /// Kafka: `VerificationStateEntry.maybeUpdateLowestSequenceAndEpoch`.
    fn note(&mut self, announced: &Announcement) {
        if announced.epoch > self.epoch {
            (self.epoch, self.lowest_sequence) = (announced.epoch, announced.sequence);
        } else if announced.epoch == self.epoch {
            self.lowest_sequence = self.lowest_sequence.min(announced.sequence);
        }
    }

    pub(super) fn is_due(&self, expiry: Expiry) -> bool {
        expiry.now.get().wrapping_sub(self.since.get()) >= expiry.after_ms
    }
}

impl ProducerStates {
    /// Announces a transaction. `None` if it is open already in this epoch: then its batches need no guard. `end` is the log's end,
    /// for the error.
    ///
    /// # Errors
    /// [`Refusal::InvalidProducerEpoch`] if the producer was replaced.
    ///
    /// Kafka: `UnifiedLog.maybeStartTransactionVerification`.
    pub fn start_verification(
        &mut self,
        announced: &Announcement,
        now: Timestamp,
        end: Offset,
    ) -> Result<Option<VerificationGuard>, Refusal> {
        let id = announced.producer_id;
        self.check_epoch(id, announced.epoch, end)?;
        if self.has_open_transaction(id, announced.epoch) {
            return Ok(None);
        }
        let entry = self.verifications.entry(id).or_insert_with(|| Verification::new(announced, now));
        entry.note(announced);
        Ok(Some(entry.guard))
    }

    /// What the announcement of this producer's transaction gave, while it has no batch.
    ///
    /// Kafka: `UnifiedLog.verificationGuard`.
    #[must_use]
    pub fn verification_guard(&self, id: ProducerId) -> Option<VerificationGuard> {
        self.verification(id).map(|entry| entry.guard)
    }

    pub(super) fn verification(&self, id: ProducerId) -> Option<&Verification> {
        self.verifications.get(&id)
    }

    /// True if this batch ends the announcement of its producer's transaction: its first batch does, and a marker does, unless what
    /// is announced is the transaction after the one it ends.
    ///
    /// Kafka: `UnifiedLog.updateProducers`.
    pub(super) fn is_verification_over(&self, header: &BatchHeader) -> bool {
        let is_next = |entry: &Verification| {
            entry.has_own_epochs && header.attributes().is_control() && header.producer_epoch() == entry.epoch
        };
        header.attributes().is_transactional() && self.verification(header.producer_id()).is_some_and(|e| !is_next(e))
    }

    /// That this epoch is not below the one that is known.
    pub(super) fn check_epoch(&self, id: ProducerId, epoch: ProducerEpoch, offset: Offset) -> Result<(), Refusal> {
        match self.producer(id).map(|entry| entry.epoch()).filter(|current| epoch < *current) {
            Some(current) => Err(Refusal::InvalidProducerEpoch {
                producer: id.get(),
                offset: offset.get(),
                found: epoch.get(),
                current: current.get(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
