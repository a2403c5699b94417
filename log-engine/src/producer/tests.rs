//! The rules of Kafka's `ProducerStateManagerTest`, as far as they concern batches that a leader has accepted.

use std::path::Path;

use super::*;
use crate::batch::{Batch, BatchBuilder, Scratch};
use crate::units::{LeaderEpoch, ProducerEpoch, Sequence};

const T: Timestamp = Timestamp::new(1_700_000_000_000);

fn at(offset: i64) -> Offset {
    Offset::new(offset)
}

/// Batches in, transactions out.
#[derive(Default)]
struct Log(ProducerStates);

impl Log {
    /// A batch of `count` records at `offset`: of producer `id`, in `epoch`, from `sequence` on.
    fn try_data(
        &mut self,
        (id, epoch, sequence): (i64, i16, i32),
        (offset, count): (i64, i64),
        transactional: bool,
    ) -> Result<Option<CompletedTransaction>, Malformed> {
        let mut builder = BatchBuilder::new(at(offset));
        builder = builder.producer(ProducerId::new(id), ProducerEpoch::new(epoch), Sequence::new(sequence));
        if transactional {
            builder = builder.transactional();
        }
        for _ in 0..count {
            builder.push(T, None, Some(b"v"), &[]).unwrap();
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        self.0.apply(Batch::parse(&bytes).unwrap().header().unwrap(), None)
    }

    fn data(&mut self, producer: (i64, i16, i32), offset: i64) {
        assert_eq!(self.try_data(producer, (offset, 1), false), Ok(None));
    }

    /// One record of producer `id` in a transaction.
    fn txn(&mut self, id: i64, offset: i64) {
        assert_eq!(self.try_data((id, 0, 0), (offset, 1), true), Ok(None));
    }

    fn marker(&mut self, id: i64, epoch: i16, offset: i64, commit: bool) -> Option<CompletedTransaction> {
        let producer = (ProducerId::new(id), ProducerEpoch::new(epoch));
        let bytes = BatchBuilder::end_transaction(at(offset), LeaderEpoch::new(0), producer, T, commit, 7).unwrap();
        let batch = Batch::parse(&bytes).unwrap();
        let marker = Marker::of(&batch, &mut Scratch::default()).unwrap();
        assert_eq!(marker, Some(Marker { commit, coordinator_epoch: 7, timestamp: T }));
        self.0.apply(batch.header().unwrap(), marker).unwrap()
    }

    fn commit(&mut self, id: i64, offset: i64) -> (i64, i64) {
        let completed = self.marker(id, 0, offset, true).unwrap();
        (completed.first_offset.get(), completed.last_stable_offset.get())
    }

    fn entry(&self, id: i64) -> &ProducerEntry {
        self.0.producer(ProducerId::new(id)).unwrap()
    }

    fn last_sequence(&self, id: i64) -> Option<i32> {
        self.entry(id).last_sequence().map(Sequence::get)
    }

    fn unstable(&self) -> Option<i64> {
        self.0.first_unstable_offset().map(Offset::get)
    }

    fn undecided(&self) -> Option<i64> {
        self.0.first_undecided_offset().map(Offset::get)
    }

    /// What comes back from a snapshot's bytes.
    fn reloaded(&self, expiry: Option<Expiry>) -> Self {
        let bytes = self.0.snapshot().encode();
        let snapshot = ProducerSnapshot::decode(&bytes, Path::new("x.snapshot")).unwrap();
        Self(ProducerStates::from_snapshot(&snapshot, expiry))
    }
}

// conformance: PSM-006 PSM-025 PSM-026
#[test]
fn what_a_leader_accepted_is_not_questioned() {
    let mut log = Log::default();
    log.data((1, 0, 16), 735);
    let batch = *log.entry(1).batches().next().unwrap();
    assert_eq!((batch.first_sequence(), batch.last_sequence), (Some(Sequence::new(16)), Some(Sequence::new(16))));
    assert_eq!((batch.first_offset(), batch.last_offset), (at(735), at(735)));
    log.data((1, 0, 20), 736);
    assert_eq!(log.last_sequence(1), Some(20), "a gap");
    log.data((1, 0, 3), 737);
    assert_eq!(log.last_sequence(1), Some(3), "a step back");
}

#[test]
fn a_sequence_wraps_within_a_batch() {
    let mut log = Log::default();
    assert_eq!(log.try_data((1, 0, i32::MAX), (9, 2), false), Ok(None));
    let batch = log.entry(1).batches().next().unwrap();
    let sequences = (batch.first_sequence(), batch.last_sequence);
    assert_eq!(sequences, (Some(Sequence::new(i32::MAX)), Some(Sequence::new(0))));
    assert_eq!((batch.first_offset(), batch.last_offset), (at(9), at(10)));
}

#[test]
fn five_batches_are_remembered_until_the_epoch_changes() {
    let mut log = Log::default();
    for i in 0..7 {
        log.data((1, 0, i), i64::from(i));
    }
    let offsets = |log: &Log| log.entry(1).batches().map(|batch| batch.last_offset.get()).collect::<Vec<_>>();
    assert_eq!(offsets(&log), [2, 3, 4, 5, 6]);
    assert_eq!(offsets(&log.reloaded(None)), [6], "a snapshot holds the last one");
    log.data((1, 1, 0), 7);
    assert_eq!(offsets(&log), [7]);
    log.data((1, 0, 9), 8);
    assert_eq!((offsets(&log), log.entry(1).epoch()), (vec![8], ProducerEpoch::new(0)), "a lower epoch too");
}

// conformance: PSM-007 PSM-023
#[test]
fn a_marker_of_a_higher_epoch_ends_the_transaction_and_fences() {
    let mut log = Log::default();
    log.txn(1, 0);
    let completed = log.marker(1, 1, 5, false);
    let expected = CompletedTransaction {
        producer_id: ProducerId::new(1),
        first_offset: at(0),
        last_offset: at(5),
        last_stable_offset: at(6),
        aborted: true,
    };
    assert_eq!(completed, Some(expected));
    let entry = log.entry(1);
    assert_eq!((entry.epoch(), entry.open_since(), entry.batches().count()), (ProducerEpoch::new(1), None, 0));
    assert_eq!(entry.coordinator_epoch(), Some(7));
    let young = Expiry { now: Timestamp::new(T.get() + 999), after_ms: 1000 };
    assert_eq!(log.reloaded(Some(young)).entry(1).epoch(), ProducerEpoch::new(1), "the fence outlives a restart");
}

// conformance: PSM-022
#[test]
fn a_marker_without_data_is_remembered_with_its_time() {
    let mut log = Log::default();
    assert_eq!(log.marker(1, 2, 0, false), None);
    let log = log.reloaded(None);
    let entry = log.entry(1);
    assert_eq!((entry.timestamp(), entry.open_since(), entry.last_sequence()), (T, None, None));
    assert_eq!(log.0.snapshot().entries[0].last_offset, None);
}

#[test]
fn a_control_batch_without_records_names_a_producer_and_nothing_else() {
    let mut log = Log::default();
    log.txn(1, 0);
    let before = log.entry(1).clone();
    let producer = |id| (ProducerId::new(id), ProducerEpoch::new(3));
    for id in [1, 2] {
        let bytes = BatchBuilder::end_transaction(at(1), LeaderEpoch::new(0), producer(id), T, true, 7).unwrap();
        let header = *Batch::parse(&bytes).unwrap().header().unwrap();
        assert_eq!(log.0.apply(&header, None), Ok(None));
    }
    assert_eq!(log.entry(1), &before);
    assert_eq!(log.entry(2), &ProducerEntry::default());
}

// conformance: PSM-016
#[test]
fn data_outside_an_open_transaction_is_refused_and_changes_nothing() {
    let mut log = Log::default();
    log.txn(1, 3);
    let before = log.0.snapshot();
    let refused = log.try_data((1, 0, 1), (4, 1), false).unwrap_err();
    assert_eq!(refused, Malformed::new(0, Rule::NotTransactional { producer: 1, since: 3 }));
    assert_eq!(log.0.snapshot(), before);
    log.data((2, 0, 0), 4);
    assert_eq!(log.commit(1, 5), (3, 6));
    log.data((1, 0, 1), 6);
}

// conformance: PSM-034
#[test]
fn readers_wait_for_the_marker_to_be_replicated() {
    let mut log = Log::default();
    log.txn(1, 99);
    log.txn(2, 105);
    assert_eq!((log.undecided(), log.unstable()), (Some(99), Some(99)));
    log.commit(1, 109);
    assert_eq!((log.undecided(), log.unstable()), (Some(105), Some(99)));
    log.0.advance_high_watermark(at(100));
    assert_eq!(log.unstable(), Some(99));
    log.0.advance_high_watermark(at(109));
    assert_eq!(log.unstable(), Some(99));
    log.0.advance_high_watermark(at(110));
    assert_eq!(log.unstable(), Some(105));
    log.marker(2, 0, 112, false);
    assert_eq!((log.undecided(), log.unstable()), (None, Some(105)));
    log.0.advance_high_watermark(at(113));
    assert_eq!(log.unstable(), None);
}

#[test]
fn the_last_stable_offset_is_the_high_watermark_or_below() {
    let mut log = Log::default();
    let stable = |log: &Log, start, high| log.0.last_stable_offset(at(start), at(high)).get();
    assert_eq!(stable(&log, 0, 9), 9);
    log.txn(1, 5);
    assert_eq!(stable(&log, 0, 9), 5);
    assert_eq!(stable(&log, 0, 4), 4);
    assert_eq!(stable(&log, 7, 9), 7, "never below the log start");
}

// conformance: PSM-052
#[test]
fn a_completed_transaction_names_the_first_other_open_one() {
    let mut log = Log::default();
    for (id, first) in [(1, 10), (2, 35), (3, 67)] {
        log.txn(id, first);
    }
    assert_eq!(log.commit(1, 70), (10, 35));
    assert_eq!(log.commit(3, 71), (67, 35));
    assert_eq!(log.commit(2, 72), (35, 73));
    log.0.advance_high_watermark(at(73));
    assert_eq!(log.unstable(), None);
}

// conformance: PSM-053
#[test]
fn markers_without_a_transaction_complete_none() {
    let mut log = Log::default();
    assert_eq!(log.try_data((1, 0, 0), (16, 5), true), Ok(None));
    assert_eq!(log.commit(1, 21), (16, 22));
    assert_eq!(log.marker(1, 0, 22, true), None);
    assert_eq!(log.marker(1, 0, 23, false), None);
    assert_eq!(log.try_data((1, 0, 5), (24, 4), true), Ok(None));
    let aborted = log.marker(1, 0, 28, false).unwrap();
    assert_eq!((aborted.first_offset, aborted.last_offset, aborted.aborted), (at(24), at(28), true));
    assert_eq!(log.marker(1, 0, 29, false), None);
    assert_eq!(log.try_data((1, 0, 9), (30, 2), true), Ok(None));
    let open: Vec<_> = log.0.open_transactions().map(|open| open.first_offset.get()).collect();
    assert_eq!(open, [30]);
    log.0.advance_high_watermark(at(32));
    assert_eq!(log.unstable(), Some(30));
}

// conformance: PSM-035
#[test]
fn idle_producers_expire_and_those_with_an_open_transaction_never() {
    let mut log = Log::default();
    log.data((1, 0, 0), 0);
    log.txn(2, 1);
    let expiry = |age| Expiry { now: Timestamp::new(T.get() + age), after_ms: 1000 };
    let ids = |log: &Log| log.0.iter().map(|(id, _)| id.get()).collect::<Vec<_>>();
    assert_eq!(ids(&log.reloaded(Some(expiry(999)))), [1, 2]);
    assert_eq!(ids(&log.reloaded(Some(expiry(1000)))), [2]);
    assert_eq!(log.reloaded(Some(expiry(1000))).unstable(), Some(1), "a snapshot brings the open one back");
    log.0.expire(expiry(999));
    assert_eq!(ids(&log), [1, 2]);
    log.0.expire(expiry(1000));
    assert_eq!(ids(&log), [2]);
    log.marker(2, 0, 2, true);
    log.0.expire(expiry(i64::MAX - T.get()));
    assert_eq!(ids(&log), [0; 0]);
}

/// Ids in the order of Java's map: a broker that saw producers 3, 4, 17 writes 17 first.
#[test]
fn a_snapshot_has_a_brokers_order() {
    let mut log = Log::default();
    for id in [3, 4, 17] {
        log.data((id, 0, 0), id);
    }
    let ids = |log: &Log| log.0.snapshot().entries.iter().map(|entry| entry.producer_id.get()).collect::<Vec<_>>();
    assert_eq!(ids(&log), [17, 3, 4]);
    assert_eq!(ids(&log.reloaded(None)), [17, 3, 4]);
}

#[test]
fn another_control_record_of_a_producer_is_refused() {
    let producer = (ProducerId::new(1), ProducerEpoch::new(0));
    let mut bytes = BatchBuilder::end_transaction(at(0), LeaderEpoch::new(0), producer, T, true, 7).unwrap();
    // The type in the record's key: behind the head, length, attributes, two deltas, key length and version.
    let place = crate::batch::HEADER_LEN + 5 + 3;
    assert_eq!(bytes[place], 1);
    bytes[place] = 5;
    let refused = Marker::of(&Batch::parse(&bytes).unwrap(), &mut Scratch::default()).unwrap_err();
    assert!(matches!(refused.rule, Rule::Mismatch { found: 5, .. }), "{refused}");
}
