//! What an append would change of the producers: checked before anything is written, and taken over when all of it was.
//!
//! Kafka: `ProducerAppendInfo`, `UnifiedLog.analyzeAndValidateProducerState`.

use super::ProducerStates;
use super::entry::{CachedBatch, ProducerEntry};
use super::transactions::{CompletedTransaction, Marker};
use super::verification::VerificationGuard;
use crate::batch::{AppendOrigin, BatchHeader};
use crate::error::Refusal;
use crate::units::{Offset, ProducerEpoch, ProducerId, Sequence};

/// The first transaction version in which every transaction has an epoch of its own.
const FIRST_WITH_OWN_EPOCHS: i16 = 2;

/// What came with the batches of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerRules {
    /// Where the batches come from.
    pub origin: AppendOrigin,
    /// The version of the transaction that a coordinator's marker ends (Kafka's feature `transaction.version`); `None` if it
    /// does not say.
    pub transaction_version: Option<i16>,
    /// `transaction.partition.verification.enable`: a batch that begins a transaction must have been announced.
    pub is_verification_required: bool,
    /// What the announcement gave ([`ProducerStates::start_verification`]).
    pub guard: Option<VerificationGuard>,
}

impl ProducerRules {
    /// Of batches that a leader has accepted.
    pub(super) const REPLICATED: Self = Self {
        origin: AppendOrigin::Replication,
        transaction_version: None,
        is_verification_required: false,
        guard: None,
    };
}

/// The producers of one append as they will be after it.
#[derive(Clone, Debug)]
pub struct PendingUpdates {
    rules: ProducerRules,
    /// In the order of their first batches.
    producers: Vec<Pending>,
    ended: Vec<Ended>,
}

/// One producer of an append.
#[derive(Clone, Debug)]
struct Pending {
    id: ProducerId,
    /// As it will be; of its batches those of this append alone.
    entry: ProducerEntry,
    /// Where transactions of this append begin.
    started: Vec<Offset>,
    ends_verification: bool,
}

/// A transaction that a marker of this append ends.
#[derive(Clone, Copy, Debug)]
struct Ended {
    id: ProducerId,
    first_offset: Offset,
    last_offset: Offset,
    is_aborted: bool,
}

impl PendingUpdates {
    /// Nothing yet.
    #[must_use]
    pub const fn new(rules: ProducerRules) -> Self {
        Self { rules, producers: Vec::new(), ended: Vec::new() }
    }

    /// Checks the next batch of the append against what the log and the batches before it say of its producer. The batch has
    /// its final offset. `marker` is what the first record of a control batch says ([`Marker::of`]); `None` for data, and for a
    /// control batch whose records compaction removed.
    ///
    /// `Some` if a client sent the batch before: then nothing of the append is written, and the client gets the offsets of the
    /// first time.
    ///
    /// # Errors
    /// [`Refusal::InvalidProducerEpoch`], [`Refusal::OutOfOrderSequence`], [`Refusal::InvalidTxnState`],
    /// [`Refusal::TransactionCoordinatorFenced`], [`Refusal::MissingTransactionVersion`]. Of batches that were replicated only a
    /// batch outside the transaction that its producer has open is refused.
    pub fn add(
        &mut self,
        states: &ProducerStates,
        header: &BatchHeader,
        marker: Option<Marker>,
    ) -> Result<Option<CachedBatch>, Refusal> {
        let id = header.producer_id();
        if id.get() == -1 {
            return Ok(None);
        }
        if self.rules.origin == AppendOrigin::Client
            && let Some(duplicate) = states.producer(id).and_then(|entry| entry.duplicate_of(header))
        {
            return Ok(Some(*duplicate));
        }
        self.check_verification(states, header)?;
        let rules = self.rules;
        let index = self.index_of(states, id);
        let Some(pending) = self.producers.get_mut(index) else {
            return Ok(None);
        };
        if header.attributes().is_control() {
            if let Some(marker) = marker {
                self.ended.extend(pending.end_transaction(header, marker, &rules)?);
            }
        } else {
            pending.add_data(states, header, &rules)?;
        }
        pending.ends_verification |= states.is_verification_over(header);
        Ok(None)
    }

    /// A leader's batch that begins a transaction: its epoch is not an old one, and it was announced.
    fn check_verification(&self, states: &ProducerStates, header: &BatchHeader) -> Result<(), Refusal> {
        let (id, epoch) = (header.producer_id(), header.producer_epoch());
        let is_followed = !self.rules.origin.assigns_offsets();
        if is_followed || !header.attributes().is_transactional() || states.has_open_transaction(id, epoch) {
            return Ok(());
        }
        states.check_epoch(id, epoch, header.base_offset())?;
        let is_announced = self.rules.guard.is_some() && self.rules.guard == states.verification_guard(id);
        if self.rules.is_verification_required && !header.attributes().is_control() && !is_announced {
            let reason = "its transaction was not announced to this partition";
            return Err(Refusal::InvalidTxnState { producer: id.get(), offset: header.base_offset().get(), reason });
        }
        Ok(())
    }

    /// The place of a producer, which is made if this is its first batch.
    fn index_of(&mut self, states: &ProducerStates, id: ProducerId) -> usize {
        let known = self.producers.iter().position(|pending| pending.id == id);
        known.unwrap_or_else(|| {
            let entry = states.producer(id).map_or_else(ProducerEntry::default, ProducerEntry::without_batches);
            self.producers.push(Pending { id, entry, started: Vec::new(), ends_verification: false });
            self.producers.len() - 1
        })
    }
}

impl Pending {
    /// Kafka: `ProducerAppendInfo.appendDataBatch`.
    fn add_data(
        &mut self,
        states: &ProducerStates,
        header: &BatchHeader,
        rules: &ProducerRules,
    ) -> Result<(), Refusal> {
        let offset = header.base_offset();
        let is_replicated = rules.origin == AppendOrigin::Replication;
        if header.producer_epoch() < self.entry.epoch() && !is_replicated {
            return Err(self.old_epoch(header.producer_epoch(), offset));
        }
        if rules.origin == AppendOrigin::Client {
            self.check_sequence(states, header)?;
        }
        match (self.entry.open_since(), header.attributes().is_transactional()) {
            (Some(_), false) => {
                let reason = "the batch is not transactional, but a transaction is open";
                return Err(Refusal::InvalidTxnState { producer: self.id.get(), offset: offset.get(), reason });
            }
            (None, true) => {
                self.entry.begin_transaction(offset);
                self.started.push(offset);
            }
            _ => {}
        }
        self.entry.add_batch(header);
        Ok(())
    }

    /// A client's first sequence follows the last one of its epoch.
    ///
    /// Kafka: `ProducerAppendInfo.checkSequence`.
    fn check_sequence(&self, states: &ProducerStates, header: &BatchHeader) -> Result<(), Refusal> {
        let found = header.base_sequence();
        let stored = states.producer(self.id);
        let last_of = |entry: Option<&ProducerEntry>| entry.and_then(ProducerEntry::last_sequence);
        let out_of_order = |last: Option<Sequence>| {
            Err(Refusal::OutOfOrderSequence {
                producer: self.id.get(),
                offset: header.base_offset().get(),
                found: found.get(),
                last: last.map_or(-1, Sequence::get),
            })
        };
        if let Some(awaited) = states.verification(self.id) {
            let is_unknown = stored.is_none_or(|entry| entry.batches().next().is_none());
            if awaited.has_own_epochs && is_unknown && found.get() != 0 {
                return out_of_order(None);
            }
            if found > awaited.lowest_sequence {
                return out_of_order(Some(awaited.lowest_sequence));
            }
        }
        let epoch = header.producer_epoch();
        if epoch != self.entry.epoch() {
            let is_unknown = self.entry.epoch().get() == -1;
            return if found.get() == 0 || is_unknown { Ok(()) } else { out_of_order(None) };
        }
        let stored_epoch = stored.map_or(-1, |entry| entry.epoch().get());
        let last = if self.entry.batches().next().is_some() {
            last_of(Some(&self.entry))
        } else {
            last_of(stored.filter(|entry| entry.epoch() == epoch))
        };
        let expected = last.map_or(0, |last| last.plus(1).get());
        if stored_epoch == -1 || found.get() == expected { Ok(()) } else { out_of_order(last) }
    }

    /// Kafka: `ProducerAppendInfo.appendEndTxnMarker`.
    fn end_transaction(
        &mut self,
        header: &BatchHeader,
        marker: Marker,
        rules: &ProducerRules,
    ) -> Result<Option<Ended>, Refusal> {
        let (epoch, offset) = (header.producer_epoch(), header.base_offset());
        if rules.origin != AppendOrigin::Replication {
            let version = rules.transaction_version;
            let version = version.ok_or(Refusal::MissingTransactionVersion { producer: self.id.get() })?;
            if !self.may_end_in(epoch, version) {
                return Err(self.old_epoch(epoch, offset));
            }
            let (found, current) = (marker.coordinator_epoch, self.entry.coordinator_epoch().unwrap_or(-1));
            if current > found {
                return Err(Refusal::TransactionCoordinatorFenced { producer: self.id.get(), found, current });
            }
        }
        let first_offset = self.entry.end_transaction(epoch, marker);
        Ok(first_offset.map(|first_offset| Ended {
            id: self.id,
            first_offset,
            last_offset: offset,
            is_aborted: !marker.commit,
        }))
    }

    /// Whether a marker of this epoch may end a transaction. Where each transaction has its own epoch, the marker's must be a new
    /// one, unless it is written again: then no transaction is open, or there is no higher epoch.
    ///
    /// Kafka: `ProducerAppendInfo.checkProducerEpoch`.
    fn may_end_in(&self, epoch: ProducerEpoch, version: i16) -> bool {
        let current = self.entry.epoch();
        if version < FIRST_WITH_OWN_EPOCHS || epoch != current {
            return epoch >= current;
        }
        self.entry.open_since().is_none() || epoch.get() == i16::MAX
    }

    fn old_epoch(&self, epoch: ProducerEpoch, offset: Offset) -> Refusal {
        let (found, current) = (epoch.get(), self.entry.epoch().get());
        Refusal::InvalidProducerEpoch { producer: self.id.get(), offset: offset.get(), found, current }
    }
}

impl ProducerStates {
    /// Takes over what an append changed, after all of it was written. The transactions that it ended, in order, each with what
    /// was stable when it ended.
    ///
    /// Kafka: in `UnifiedLog.append`, `ProducerStateManager.update` for all producers before `completeTxn` for each transaction.
    pub fn commit(&mut self, pending: PendingUpdates) -> Vec<CompletedTransaction> {
        for Pending { id, entry, started, ends_verification } in pending.producers {
            self.update(id, entry);
            for first_offset in started {
                self.transactions.open(id, first_offset);
            }
            if ends_verification {
                self.verifications.remove(&id);
            }
        }
        let mut completed = Vec::with_capacity(pending.ended.len());
        for Ended { id, first_offset, last_offset, is_aborted } in pending.ended {
            let last_stable_offset = self.transactions.stable_without(id).unwrap_or(last_offset.next());
            let transaction = CompletedTransaction {
                producer_id: id,
                first_offset,
                last_offset,
                last_stable_offset,
                aborted: is_aborted,
            };
            self.transactions.complete(&transaction);
            completed.push(transaction);
        }
        completed
    }
}

#[cfg(test)]
mod tests;
