//! The rules of Kafka's `VerificationGuardTest`, and of its `UnifiedLogTest` about announced transactions.

use super::super::testing::{Batch, CLIENT, COORDINATOR, Leader};
use super::super::{PendingUpdates, ProducerRules};
use super::*;

const NOW: Timestamp = Timestamp::new(1_700_000_000_000);

const FIRST: Announcement = Announcement {
    producer_id: ProducerId::new(1),
    epoch: ProducerEpoch::new(0),
    sequence: Sequence::new(0),
    has_own_epochs: false,
};

fn announced(epoch: i16, sequence: i32) -> Announcement {
    Announcement { epoch: ProducerEpoch::new(epoch), sequence: Sequence::new(sequence), ..FIRST }
}

fn start(leader: &mut Leader, announced: &Announcement) -> Option<VerificationGuard> {
    leader.0.start_verification(announced, NOW, Offset::new(9)).unwrap()
}

fn with(guard: Option<VerificationGuard>) -> ProducerRules {
    ProducerRules { is_verification_required: true, guard, ..CLIENT }
}

/// One record of a transaction of producer 1.
fn txn(epoch: i16, sequence: i32, offset: i64) -> Batch {
    Batch { epoch, sequence, offset, is_transactional: true, ..Batch::ONE }
}

fn guard(leader: &Leader) -> Option<VerificationGuard> {
    leader.0.verification_guard(ProducerId::new(1))
}

// conformance: VGD-001 VGD-002 PSM-048
#[test]
fn a_transaction_begins_with_the_guard_of_its_announcement() {
    let mut leader = Leader::default();
    let reason = "its transaction was not announced to this partition";
    let refused = Err(Refusal::InvalidTxnState { producer: 1, offset: 3, reason });
    let begin = txn(0, 0, 3);
    assert_eq!(leader.append(with(None), &[begin]), refused, "none was announced: no guard is like none");
    let other = start(&mut Leader::default(), &announced(0, 1));
    let given = start(&mut leader, &announced(0, 1));
    assert!(given.is_some() && given != other);
    assert_eq!((start(&mut leader, &announced(0, 1)), guard(&leader)), (given, given), "asked again");
    for wrong in [None, other] {
        assert_eq!(leader.append(with(wrong), &[begin]), refused);
    }
    leader.append(with(None), &[Batch { offset: 3, ..Batch::ONE }]).unwrap();
    assert_eq!(guard(&leader), given, "data outside a transaction needs none and ends none");
    leader.append(with(given), &[txn(0, 1, 4)]).unwrap();
    assert_eq!((guard(&leader), start(&mut leader, &announced(0, 2))), (None, None), "it is open");
    leader.append(with(None), &[txn(0, 2, 5)]).unwrap();
    leader.marker(COORDINATOR, &txn(0, -1, 6), 1).unwrap();
    assert_ne!(start(&mut leader, &announced(0, 3)), given);
}

#[test]
fn a_coordinators_transaction_needs_it_too_and_markers_do_not() {
    let mut leader = Leader::default();
    let strict = ProducerRules { is_verification_required: true, ..COORDINATOR };
    assert!(leader.append(strict, &[txn(0, -1, 0)]).is_err());
    assert_eq!(leader.marker(strict, &txn(0, -1, 0), 1), Ok(None));
}

#[test]
fn a_marker_takes_the_guard_away() {
    let mut leader = Leader::default();
    let given = start(&mut leader, &FIRST);
    leader.marker(COORDINATOR, &txn(0, -1, 0), 1).unwrap();
    assert_eq!(guard(&leader), None);
    assert!(leader.append(with(given), &[txn(0, 0, 1)]).is_err());
}

#[test]
fn a_marker_leaves_the_guard_of_the_next_transaction_if_each_has_its_epoch() {
    let next = |has_own_epochs| Announcement { has_own_epochs, ..announced(1, 0) };
    for (announced, epoch, stays) in [(next(true), 1, true), (next(true), 2, false), (next(false), 1, false)] {
        let mut leader = Leader::default();
        leader.append(CLIENT, &[txn(0, 0, 0)]).unwrap();
        let given = start(&mut leader, &announced);
        let version = ProducerRules { transaction_version: Some(2), ..COORDINATOR };
        leader.marker(version, &txn(epoch, -1, 1), 1).unwrap();
        assert_eq!(guard(&leader), given.filter(|_| stays), "{announced:?}, marker of epoch {epoch}");
    }
}

#[test]
fn an_old_epoch_announces_nothing() {
    let mut leader = Leader::default();
    leader.append(CLIENT, &[Batch { epoch: 5, ..Batch::ONE }]).unwrap();
    let refused = leader.0.start_verification(&announced(4, 0), NOW, Offset::new(9));
    assert_eq!(refused, Err(Refusal::InvalidProducerEpoch { producer: 1, offset: 9, found: 4, current: 5 }));
    assert!(start(&mut leader, &announced(5, 1)).is_some() && start(&mut leader, &announced(6, 0)).is_some());
}

#[test]
fn no_batch_overtakes_the_lowest_that_was_announced() {
    let out_of_order = |found, last| Err(Refusal::OutOfOrderSequence { producer: 1, offset: 3, found, last });
    let mut leader = Leader::default();
    let given = start(&mut leader, &announced(0, 5));
    start(&mut leader, &announced(0, 7));
    assert_eq!(leader.append(with(given), &[txn(0, 7, 3)]), out_of_order(7, 5));
    start(&mut leader, &announced(0, 3));
    assert_eq!(leader.append(with(given), &[txn(0, 5, 3)]), out_of_order(5, 3));
    start(&mut leader, &announced(1, 9));
    assert_eq!(leader.append(with(given), &[txn(1, 10, 3)]), out_of_order(10, 9), "a new epoch counts anew");
    start(&mut leader, &announced(0, 1));
    leader.append(with(given), &[txn(1, 9, 3)]).unwrap();
}

#[test]
fn where_each_transaction_has_its_epoch_an_unknown_producer_begins_at_0() {
    let mut leader = Leader::default();
    let given = start(&mut leader, &Announcement { has_own_epochs: true, ..announced(0, 5) });
    let refused = leader.append(with(given), &[txn(0, 5, 3)]);
    assert_eq!(refused, Err(Refusal::OutOfOrderSequence { producer: 1, offset: 3, found: 5, last: -1 }));
    leader.append(with(given), &[txn(0, 0, 3)]).unwrap();
}

#[test]
fn announcements_expire_as_producers_do() {
    let mut leader = Leader::default();
    let given = start(&mut leader, &FIRST);
    let at = |age: i64| Expiry { now: Timestamp::new(NOW.get() + age), after_ms: 1000 };
    leader.0.expire(at(999));
    assert_eq!(guard(&leader), given);
    leader.0.expire(at(1000));
    assert_eq!(guard(&leader), None);
}

#[test]
fn a_refused_append_keeps_the_announcement() {
    let mut leader = Leader::default();
    let given = start(&mut leader, &FIRST);
    let mut pending = PendingUpdates::new(with(given));
    pending.add(&leader.0, &txn(0, 0, 0).header(), None).unwrap();
    assert!(pending.add(&leader.0, &txn(0, 9, 1).header(), None).is_err());
    drop(pending);
    assert_eq!(guard(&leader), given);
}

#[test]
fn an_announcement_outlives_a_truncation_that_reads_the_producers_back() {
    let mut leader = Leader::default();
    let guard_of_it = start(&mut leader, &announced(0, 3));
    leader.0.reload(None, None);
    assert_eq!(guard(&leader), guard_of_it);
    assert!(leader.0.verification(ProducerId::new(1)).is_some_and(|entry| entry.lowest_sequence == Sequence::new(3)));
}
