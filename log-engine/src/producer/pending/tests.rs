//! The rules of Kafka's `ProducerStateManagerTest` for what a leader is asked to append.

use super::super::testing::{Batch, CLIENT, COORDINATOR, FOLLOWER, Leader};
use super::*;
use crate::units::Timestamp;

fn out_of_order(batch: &Batch, last: i32) -> Refusal {
    Refusal::OutOfOrderSequence { producer: batch.id, offset: batch.offset, found: batch.sequence, last }
}

fn old_epoch(batch: &Batch, current: i16) -> Refusal {
    Refusal::InvalidProducerEpoch { producer: batch.id, offset: batch.offset, found: batch.epoch, current }
}

/// A batch of one record of producer 1.
fn one(epoch: i16, sequence: i32, offset: i64) -> Batch {
    Batch { epoch, sequence, offset, ..Batch::ONE }
}

// conformance: PSM-002
#[test]
fn a_marker_without_a_transaction_sets_the_epoch() {
    let mut leader = Leader::default();
    assert_eq!(leader.marker(COORDINATOR, &one(2, -1, 27), 1), Ok(None));
    assert_eq!((leader.entry(1).epoch().get(), leader.entry(1).last_sequence()), (2, None));
    let old = one(0, 0, 28);
    assert_eq!(leader.append(CLIENT, &[old]), Err(old_epoch(&old, 2)));
    let late = one(2, 17, 28);
    assert_eq!(leader.append(CLIENT, &[late]), Err(out_of_order(&late, -1)));
    leader.append(CLIENT, &[one(2, 0, 28)]).unwrap();
    assert_eq!(leader.last_sequence(1), Some(0));
}

// conformance: PSM-003 PSM-005
#[test]
fn sequences_wrap_to_0() {
    let mut leader = Leader::default();
    leader.append(FOLLOWER, &[one(0, i32::MAX, 9)]).unwrap();
    let wrong = one(0, 1, 10);
    assert_eq!(leader.append(CLIENT, &[wrong]), Err(out_of_order(&wrong, i32::MAX)));
    leader.append(CLIENT, &[one(0, 0, 10)]).unwrap();
    let cached: Vec<_> = leader.entry(1).batches().map(|batch| batch.last_sequence.unwrap().get()).collect();
    assert_eq!(cached, [i32::MAX, 0]);
    let across = Batch { count: 3, ..one(0, i32::MAX - 1, 20) };
    let mut leader = Leader::default();
    leader.append(CLIENT, &[across]).unwrap();
    assert_eq!(leader.append(CLIENT, &[across]).unwrap().unwrap().last_offset.get(), 22, "known again");
    leader.append(CLIENT, &[one(0, 1, 23)]).unwrap();
}

// conformance: PSM-026
#[test]
fn a_client_leaves_no_gap_and_others_may() {
    for rules in [FOLLOWER, COORDINATOR] {
        let mut leader = Leader::default();
        leader.append(CLIENT, &[one(0, 0, 0)]).unwrap();
        let gap = one(0, 3, 1);
        assert_eq!(leader.append(CLIENT, &[gap]), Err(out_of_order(&gap, 0)));
        assert_eq!(leader.last_sequence(1), Some(0));
        leader.append(rules, &[gap]).unwrap();
        assert_eq!(leader.last_sequence(1), Some(3));
    }
}

#[test]
fn an_unknown_producer_may_begin_anywhere_and_a_new_epoch_at_0() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[one(4, 16, 0)]).unwrap();
    let wrong = one(5, 17, 1);
    assert_eq!(leader.append(CLIENT, &[wrong]), Err(out_of_order(&wrong, -1)));
    leader.append(CLIENT, &[one(5, 0, 1)]).unwrap();
    assert_eq!(leader.entry(1).batches().count(), 1, "those of the old epoch are forgotten");
    let old = one(4, 17, 2);
    assert_eq!(leader.append(CLIENT, &[old]), Err(old_epoch(&old, 5)));
    assert_eq!(leader.append(COORDINATOR, &[old]), Err(old_epoch(&old, 5)));
    leader.append(FOLLOWER, &[old]).unwrap();
    assert_eq!(leader.entry(1).epoch().get(), 4);
}

#[test]
fn the_last_five_batches_are_known_again() {
    let mut leader = Leader::default();
    for i in 0..6 {
        leader.append(CLIENT, &[Batch { count: 2, ..one(0, i * 2, i64::from(i) * 2) }]).unwrap();
    }
    for i in 1..6 {
        let again = Batch { count: 2, ..one(0, i * 2, 12) };
        let cached = leader.append(CLIENT, &[again]).unwrap().unwrap();
        let offsets = (cached.first_offset().get(), cached.last_offset.get());
        assert_eq!(offsets, (i64::from(i) * 2, i64::from(i) * 2 + 1));
    }
    for other in
        [Batch { count: 2, ..one(0, 0, 12) }, one(0, 10, 12), one(0, 11, 12), Batch { count: 3, ..one(0, 10, 12) }]
    {
        assert_eq!(leader.append(CLIENT, &[other]), Err(out_of_order(&other, 11)), "the sixth last, or other bounds");
    }
    let again = Batch { count: 2, ..one(0, 10, 12) };
    assert_eq!(leader.append(COORDINATOR, &[again]), Ok(None), "a client's alone");
    let next_epoch = Batch { count: 2, ..one(1, 0, 14) };
    leader.append(CLIENT, &[next_epoch]).unwrap();
    assert!(leader.append(CLIENT, &[Batch { epoch: 0, ..again }]).is_err());
}

#[test]
fn batches_of_one_append_follow_each_other_and_none_is_taken_if_one_is_refused() {
    let mut leader = Leader::default();
    let two = [Batch { count: 3, ..one(0, 0, 0) }, one(0, 3, 3)];
    leader.append(CLIENT, &two).unwrap();
    assert_eq!(leader.entry(1).batches().count(), 2);
    let before = leader.0.snapshot();
    let gap = one(0, 6, 5);
    assert_eq!(leader.append(CLIENT, &[one(0, 4, 4), gap]), Err(out_of_order(&gap, 4)));
    assert_eq!(leader.0.snapshot(), before);
    let other = Batch { id: 2, ..one(0, 0, 5) };
    leader.append(CLIENT, &[one(0, 4, 4), other, one(0, 5, 6)]).unwrap();
    assert_eq!((leader.last_sequence(1), leader.last_sequence(2)), (Some(5), Some(0)));
    // A marker between changes the epoch within the append.
    let mut pending = PendingUpdates::new(COORDINATOR);
    let (header, marker) = one(3, -1, 7).marker(1, true);
    pending.add(&leader.0, &header, Some(marker)).unwrap();
    let (old, new) = (one(0, 6, 8), one(3, 0, 8));
    assert_eq!(pending.clone().add(&leader.0, &old.header(), None), Err(old_epoch(&old, 3)));
    assert_eq!(pending.add(&leader.0, &new.header(), None), Ok(None));
}

// conformance: PSM-013
#[test]
fn nothing_changes_before_the_commit() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[Batch { count: 6, ..one(0, 0, 15) }]).unwrap();
    let before = leader.0.snapshot();
    let mut pending = PendingUpdates::new(CLIENT);
    let txn = Batch { count: 5, is_transactional: true, ..one(0, 6, 26) };
    pending.add(&leader.0, &txn.header(), None).unwrap();
    assert_eq!((leader.0.snapshot(), leader.0.first_unstable_offset()), (before, None));
    assert_eq!(leader.0.commit(pending), []);
    assert_eq!((leader.last_sequence(1), leader.entry(1).batches().count()), (Some(10), 2));
    assert_eq!(leader.0.first_unstable_offset(), Some(Offset::new(26)));
}

// conformance: PSM-007 PSM-015
#[test]
fn after_a_marker_of_a_new_epoch_sequences_begin_at_0() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[Batch { is_transactional: true, ..one(0, 0, 0) }]).unwrap();
    let completed = leader.abort(COORDINATOR, &one(1, -1, 1), 1).unwrap().unwrap();
    assert!(completed.aborted && completed.first_offset.get() == 0 && completed.last_stable_offset.get() == 2);
    for wrong in [one(1, 2, 2), one(2, 2, 2), one(1, 1, 2)] {
        assert_eq!(leader.append(CLIENT, &[wrong]), Err(out_of_order(&wrong, -1)));
    }
    let old = one(0, 1, 2);
    assert_eq!(leader.append(CLIENT, &[old]), Err(old_epoch(&old, 1)));
    leader.append(CLIENT, &[one(1, 0, 2)]).unwrap();
    assert_eq!(leader.last_sequence(1), Some(0));
}

// conformance: PSM-036
#[test]
fn a_coordinators_batches_are_not_counted() {
    let mut leader = Leader::default();
    for offset in 0..3 {
        leader.append(COORDINATOR, &[Batch { is_transactional: true, ..one(0, -1, offset) }]).unwrap();
    }
    assert_eq!((leader.last_sequence(1), leader.entry(1).batches().count()), (None, 3));
}

// conformance: PSM-016
#[test]
fn data_belongs_to_the_open_transaction() {
    for rules in [CLIENT, COORDINATOR, FOLLOWER] {
        let mut leader = Leader::default();
        leader.append(rules, &[Batch { is_transactional: true, ..one(0, 0, 5) }]).unwrap();
        let reason = "the batch is not transactional, but a transaction is open";
        let expected = Refusal::InvalidTxnState { producer: 1, offset: 6, reason };
        assert_eq!(leader.append(rules, &[one(0, 1, 6)]), Err(expected));
    }
}

// conformance: PSM-037
#[test]
fn markers_of_old_epochs_and_coordinators_are_fenced() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[Batch { is_transactional: true, ..one(5, 0, 0) }]).unwrap();
    let old = one(3, -1, 1);
    assert_eq!(leader.marker(COORDINATOR, &old, 1), Err(old_epoch(&old, 5)));
    leader.marker(COORDINATOR, &one(5, -1, 1), 4).unwrap().unwrap();
    let fenced = Refusal::TransactionCoordinatorFenced { producer: 1, found: 3, current: 4 };
    assert_eq!(leader.marker(COORDINATOR, &one(5, -1, 2), 3), Err(fenced));
    assert_eq!(leader.marker(COORDINATOR, &one(5, -1, 2), 4), Ok(None));
    assert_eq!(leader.marker(FOLLOWER, &one(3, -1, 3), 3), Ok(None), "a leader took it");
    assert_eq!((leader.entry(1).epoch().get(), leader.entry(1).coordinator_epoch()), (3, Some(3)));
}

#[test]
fn a_marker_names_the_version_of_its_transaction() {
    let versioned = |version| ProducerRules { transaction_version: version, ..COORDINATOR };
    let begun = || {
        let mut leader = Leader::default();
        leader.append(CLIENT, &[Batch { is_transactional: true, ..one(5, 0, 0) }]).unwrap();
        leader
    };
    let missing = Refusal::MissingTransactionVersion { producer: 1 };
    assert_eq!(begun().marker(versioned(None), &one(5, -1, 1), 1), Err(missing));
    for version in [0, 1] {
        assert!(begun().marker(versioned(Some(version)), &one(5, -1, 1), 1).unwrap().is_some());
    }
    let mut leader = begun();
    let equal = one(5, -1, 1);
    assert_eq!(leader.marker(versioned(Some(2)), &equal, 1), Err(old_epoch(&equal, 5)));
    assert!(leader.marker(versioned(Some(2)), &one(6, -1, 1), 1).unwrap().is_some());
    assert_eq!(leader.marker(versioned(Some(2)), &one(6, -1, 2), 1), Ok(None), "written again");
    let old = one(5, -1, 3);
    assert_eq!(leader.marker(versioned(Some(2)), &old, 1), Err(old_epoch(&old, 6)));
    let mut last = Leader::default();
    last.append(CLIENT, &[Batch { is_transactional: true, ..one(i16::MAX, 0, 0) }]).unwrap();
    assert!(last.marker(versioned(Some(2)), &one(i16::MAX, -1, 1), 1).unwrap().is_some(), "there is no higher epoch");
}

#[test]
fn a_leaders_batch_of_an_old_epoch_is_fenced_before_anything_else() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[one(5, 0, 0)]).unwrap();
    let old = Batch { is_transactional: true, ..one(4, 7, 1) };
    let strict = ProducerRules { is_verification_required: true, ..CLIENT };
    assert_eq!(leader.append(strict, &[old]), Err(old_epoch(&old, 5)));
}

#[test]
fn a_control_batch_without_records_changes_nothing() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[Batch { is_transactional: true, ..one(0, 0, 0) }]).unwrap();
    let before = leader.entry(1).clone();
    let (header, _) = one(3, -1, 1).marker(1, true);
    let mut pending = PendingUpdates::new(ProducerRules { transaction_version: None, ..COORDINATOR });
    assert_eq!(pending.add(&leader.0, &header, None), Ok(None));
    assert_eq!(leader.0.commit(pending), []);
    assert_eq!(leader.entry(1), &before);
}

// conformance: PSM-052
#[test]
fn what_is_stable_is_told_after_all_transactions_of_the_append_began() {
    let mut leader = Leader::default();
    let txn = |id, offset| Batch { id, is_transactional: true, ..one(0, 0, offset) };
    leader.append(CLIENT, &[txn(1, 10)]).unwrap();
    let mut pending = PendingUpdates::new(COORDINATOR);
    let (header, marker) = one(0, -1, 11).marker(1, true);
    pending.add(&leader.0, &header, Some(marker)).unwrap();
    pending.add(&leader.0, &txn(2, 12).header(), None).unwrap();
    let (header, marker) = Batch { id: 2, ..one(0, -1, 13) }.marker(1, false);
    pending.add(&leader.0, &header, Some(marker)).unwrap();
    pending.add(&leader.0, &txn(1, 14).header(), None).unwrap();
    let completed: Vec<_> = leader
        .0
        .commit(pending)
        .iter()
        .map(|txn| (txn.first_offset.get(), txn.last_stable_offset.get(), txn.aborted))
        .collect();
    assert_eq!(completed, [(10, 12, false), (12, 14, true)]);
    let open: Vec<_> = leader.0.open_transactions().map(|open| open.first_offset.get()).collect();
    assert_eq!(open, [14]);
}

// conformance: PSM-009 PSM-010
#[test]
fn a_transaction_is_late_5_minutes_after_its_longest_time() {
    let (max, buffer) = (300_000, 300_000);
    let mut leader = Leader::default();
    let begun = 1_700_000_000_000;
    let txn = |id, offset, time| Batch { id, time, is_transactional: true, ..one(0, 0, offset) };
    leader.append(CLIENT, &[txn(1, 99, begun)]).unwrap();
    leader.append(CLIENT, &[txn(2, 100, begun + 500)]).unwrap();
    let late = |states: &ProducerStates, after: i64| states.has_late_transaction(Timestamp::new(begun + after), max);
    let first = max + buffer;
    assert!(!late(&leader.0, first) && late(&leader.0, first + 1) && late(&leader.0, first + 501));
    let reloaded = ProducerStates::from_snapshot(&leader.0.snapshot(), None);
    assert!(!late(&reloaded, first) && late(&reloaded, first + 1));
    leader.marker(COORDINATOR, &Batch { id: 1, time: begun + first, ..one(0, -1, 101) }, 1).unwrap();
    assert!(!late(&leader.0, first + 500) && late(&leader.0, first + 501));
    leader.marker(COORDINATOR, &Batch { id: 2, time: begun + first, ..one(0, -1, 102) }, 1).unwrap();
    assert!(!late(&leader.0, i64::MAX - begun));
}
