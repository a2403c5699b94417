//! What the model knows of producers: a replay of Kafka's rules over plain values.

use std::collections::{BTreeMap, VecDeque};

use super::model::Batch;

/// How many batches of a producer are known again.
const REMEMBERED: usize = 5;

/// Who sent a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) kind: Kind,
}

impl Stamp {
    pub(super) const fn is_transactional_data(&self) -> bool {
        matches!(self.kind, Kind::Data { transactional: true, .. })
    }
}

/// What a producer's batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records with these sequences.
    Data { first: i32, last: i32, transactional: bool },
    /// The end of a transaction.
    Marker { commit: bool, coordinator: i32 },
}

/// Sequences and offsets of a batch, the first and the last of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) sequences: (i32, i32),
    pub(super) offsets: (i64, i64),
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    pub(super) coordinator: i32,
    pub(super) open_since: Option<i64>,
    pub(super) batches: VecDeque<Remembered>,
}

impl Producer {
    fn unknown() -> Self {
        Self { epoch: -1, coordinator: -1, open_since: None, batches: VecDeque::new() }
    }

    pub(super) fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.sequences.1)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

/// A transaction that was ended: where it began, and its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndedTxn {
    pub(super) id: i64,
    pub(super) first: i64,
    pub(super) marker: i64,
    pub(super) commit: bool,
}

/// All producers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producers(pub(super) BTreeMap<i64, Producer>);

impl Producers {
    /// What a leader says to a batch: the batch that it repeats, or the class of Kafka's exception.
    pub(super) fn check(&self, stamp: &Stamp) -> Result<Option<Remembered>, &'static str> {
        let Some(known) = self.0.get(&stamp.id) else { return Ok(None) };
        match stamp.kind {
            Kind::Data { first, last, transactional } => {
                let mut batches = known.batches.iter().filter(|_| known.epoch == stamp.epoch);
                if let Some(same) = batches.find(|batch| batch.sequences == (first, last)) {
                    return Ok(Some(*same));
                }
                if stamp.epoch < known.epoch {
                    return Err("InvalidProducerEpochException");
                }
                let next = if stamp.epoch > known.epoch { 0 } else { next_sequence(known.last_sequence()) };
                if first != next {
                    return Err("OutOfOrderSequenceException");
                }
                if known.open_since.is_some() && !transactional {
                    return Err("InvalidTxnStateException");
                }
            }
            Kind::Marker { coordinator, .. } => {
                if stamp.epoch < known.epoch {
                    return Err("InvalidProducerEpochException");
                }
                if coordinator < known.coordinator {
                    return Err("TransactionCoordinatorFencedException");
                }
            }
        }
        Ok(None)
    }

    /// Takes a batch in; the transaction that it ends.
    pub(super) fn apply(&mut self, batch: &Batch) -> Option<EndedTxn> {
        let stamp = batch.stamp?;
        let known = self.0.entry(stamp.id).or_insert_with(Producer::unknown);
        known.set_epoch(stamp.epoch);
        match stamp.kind {
            Kind::Data { first, last, transactional } => {
                if transactional {
                    known.open_since.get_or_insert(batch.base);
                }
                if known.batches.len() == REMEMBERED {
                    known.batches.pop_front();
                }
                known.batches.push_back(Remembered { sequences: (first, last), offsets: (batch.base, batch.last) });
                None
            }
            Kind::Marker { commit, coordinator } => {
                known.coordinator = coordinator;
                let first = known.open_since.take()?;
                Some(EndedTxn { id: stamp.id, first, marker: batch.base, commit })
            }
        }
    }

    /// Where the first open transaction begins.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.0.values().filter_map(|producer| producer.open_since).min()
    }
}

pub(super) fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}
