//! Kafka's own cases, and the table of its epoch cache.

use proptest::prelude::*;

use super::*;

fn entry_of((epoch, start): (i32, i64)) -> EpochEntry {
    EpochEntry { epoch: LeaderEpoch::new(epoch), start: Offset::new(start) }
}

fn file(pairs: &[(i32, i64)]) -> EpochCheckpoint {
    EpochCheckpoint { entries: pairs.iter().copied().map(entry_of).collect() }
}

fn epochs(pairs: &[(i32, i64)]) -> LeaderEpochs {
    LeaderEpochs::load(&file(pairs))
}

fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
    epochs.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect()
}

/// The answer as Kafka writes it: (-1, -1) for none.
fn end(epochs: &LeaderEpochs, epoch: i32, log_end: i64) -> (i32, i64) {
    let end = epochs.end_offset_for(LeaderEpoch::new(epoch), Offset::new(log_end));
    end.map_or((-1, -1), |end| (end.epoch.get(), end.end.get()))
}

fn from_start(before: &[(i32, i64)], start: i64) -> Vec<(i32, i64)> {
    let mut epochs = epochs(before);
    epochs.truncate_from_start(Offset::new(start));
    pairs(&epochs)
}

fn from_end(before: &[(i32, i64)], end: i64) -> Vec<(i32, i64)> {
    let mut epochs = epochs(before);
    epochs.truncate_from_end(Offset::new(end));
    pairs(&epochs)
}

const THREE: [(i32, i64); 3] = [(2, 6), (3, 8), (4, 11)];

/// Answers of Kafka's class to this very sequence.
#[test]
fn the_table_of_the_epoch_cache() {
    let mut cache = epochs(&[(1, 10), (3, 20), (5, 30)]);
    for (asked, answer) in [
        (-1, (-1, -1)),
        (0, (0, 10)),
        (1, (1, 20)),
        (2, (1, 20)),
        (3, (3, 30)),
        (4, (3, 30)),
        (5, (5, 50)),
        (6, (-1, -1)),
    ] {
        assert_eq!(end(&cache, asked, 50), answer, "epoch {asked}");
    }
    assert!(cache.truncate_from_start(Offset::new(25)));
    assert_eq!(pairs(&cache), [(3, 25), (5, 30)]);
    assert!(cache.truncate_from_start(Offset::new(30)));
    assert_eq!(pairs(&cache), [(5, 30)]);
    assert!(cache.assign(entry_of((4, 40))));
    assert_eq!(pairs(&cache), [(4, 40)]);
    assert!(cache.assign(entry_of((7, 50))) && cache.assign(entry_of((8, 45))));
    assert_eq!(pairs(&cache), [(4, 40), (8, 45)]);
    assert!(cache.truncate_from_end(Offset::new(45)));
    assert_eq!(pairs(&cache), [(4, 40)]);
}

// conformance: LEC-004 LEC-008 LEC-010 LEC-012 LEC-013 LEC-015 LEC-016
#[test]
fn ends_of_known_unknown_and_missing_epochs() {
    assert_eq!(end(&epochs(&[(2, 11), (3, 12)]), -1, 20), (-1, -1));
    assert_eq!(end(&epochs(&[]), 0, 0), (-1, -1));
    assert_eq!(end(&epochs(&[(5, 11), (6, 12), (7, 13)]), 4, 20), (4, 11));
    assert_eq!(end(&epochs(&[(1, 11), (2, 13), (3, 15)]), 2, 17), (2, 15));
    let sparse = epochs(&[(0, 10), (2, 13), (4, 17)]);
    assert_eq!([1, 2, 3].map(|epoch| end(&sparse, epoch, 20)), [(0, 13), (2, 17), (2, 17)]);
    assert_eq!(end(&epochs(&[(2, 100)]), 3, 100), (-1, -1));
    assert_eq!(end(&epochs(&[(2, 6)]), 2, 7), (2, 7));
}

// conformance: LEC-002 LEC-005 LEC-014 LEC-017
#[test]
fn an_epoch_is_assigned_once_and_survives_its_file() {
    let mut cache = epochs(&[(2, 9)]);
    assert!(!cache.assign(entry_of((2, 9))) && !cache.assign(entry_of((2, 10))));
    assert_eq!(pairs(&cache), [(2, 9)]);
    let mut cache = LeaderEpochs::default();
    assert!(cache.assign(entry_of((2, 10))));
    assert_eq!((cache.latest(), end(&cache, 2, 11)), (Some(entry_of((2, 10))), (2, 11)));
    assert_eq!(LeaderEpochs::load(&cache.to_checkpoint()), cache);
}

// conformance: LEC-011 LEC-018 LEC-019
#[test]
fn the_last_assignment_pushes_out_what_it_contradicts() {
    let conflict = epochs(&[(5, 11), (6, 12), (7, 13), (7, 12)]);
    assert_eq!((end(&conflict, 5, 20), end(&conflict, 6, 20)), ((5, 12), (5, 12)));
    let older = epochs(&[(1, 5), (2, 6), (1, 7)]);
    assert_eq!(pairs(&older), [(1, 7)]);
    assert_eq!((end(&older, 1, 8), end(&older, 2, 8)), ((1, 8), (-1, -1)));
    assert_eq!(pairs(&epochs(&[(2, 6), (3, 5)])), [(3, 5)]);
    assert_eq!(pairs(&epochs(&[(0, 0), (2, 125), (4, 239), (1, 130)])), [(0, 0), (1, 130)]);
}

#[test]
fn negative_values_are_never_entered() {
    let mut cache = epochs(&[(0, 5)]);
    assert!(!cache.assign(entry_of((-1, 9))) && !cache.assign(entry_of((1, -1))));
    assert_eq!(pairs(&cache), [(0, 5)]);
}

// conformance: LEC-020 LEC-021
#[test]
fn epochs_of_a_leader_and_of_a_follower() {
    let mut leader = epochs(&[(0, 0), (1, 0)]);
    assert_eq!(leader.latest(), Some(entry_of((1, 0))));
    assert_eq!((end(&leader, 1, 0), end(&leader, 0, 0)), ((1, 0), (0, 0)));
    assert_eq!(end(&leader, 1, 5), (1, 5));
    assert!(leader.assign(entry_of((2, 5))));
    assert_eq!([2, 1, 0].map(|epoch| end(&leader, epoch, 10)), [(2, 10), (1, 5), (0, 0)]);

    let batches = [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5), (2, 6), (2, 7), (2, 8)];
    let follower = epochs(&batches);
    assert_eq!(pairs(&follower), [(0, 0), (1, 3), (2, 6)]);
    assert_eq!([0, 1, 2].map(|epoch| end(&follower, epoch, 9)), [(0, 3), (1, 6), (2, 9)]);
}

// conformance: LEC-024 LEC-025 LEC-026 LEC-028 LEC-029 LEC-030 LEC-033 LEC-037
#[test]
fn a_log_that_begins_later_forgets_its_first_epochs() {
    assert_eq!(from_start(&THREE, 9), [(3, 9), (4, 11)]);
    assert_eq!(from_start(&THREE, 1), THREE);
    assert_eq!(from_start(&THREE, 6), THREE);
    assert_eq!(from_start(&THREE, 8), [(3, 8), (4, 11)]);
    assert_eq!(from_start(&THREE, 15), [(4, 15)]);
    assert_eq!(from_start(&THREE, -1), THREE);
    assert_eq!(from_start(&[(0, 0), (1, 7), (2, 10)], 5), [(0, 5), (1, 7), (2, 10)]);
    assert_eq!(from_start(&[], 7), []);
}

// conformance: LEC-031 LEC-034 LEC-035 LEC-038
#[test]
fn a_log_that_ends_earlier_forgets_its_last_epochs() {
    assert_eq!(from_end(&THREE, 9), [(2, 6), (3, 8)]);
    assert_eq!(from_end(&THREE, 8), [(2, 6)]);
    assert_eq!(from_end(&THREE, 0), []);
    assert_eq!(from_end(&THREE, 12), THREE);
    assert_eq!(from_end(&THREE, -1), THREE);
    assert_eq!(from_end(&[], 7), []);
    assert_eq!(epochs(&[]).latest(), None);
}

// conformance: LEC-001 LEC-039 LEC-040 LEC-041
#[test]
fn neighbours_of_an_epoch() {
    let mut cache = epochs(&[(2, 10), (4, 15), (10, 20)]);
    let before = |cache: &LeaderEpochs, epoch| cache.before(LeaderEpoch::new(epoch));
    assert_eq!((before(&cache, 2), before(&cache, 4)), (None, Some(entry_of((2, 10)))));
    assert_eq!(before(&cache, 10), Some(entry_of((4, 15))));
    assert!(cache.truncate_from_end(Offset::new(18)));
    let latest = cache.latest().unwrap();
    assert_eq!(cache.before(latest.epoch), Some(entry_of((2, 10))));
    assert_eq!(LeaderEpochs::default().before(LeaderEpoch::new(1)), None);

    let cache = epochs(&[(0, 0), (1, 100), (2, 200)]);
    let after = |epoch| cache.after(LeaderEpoch::new(epoch)).map(|entry| entry.epoch.get());
    assert_eq!([-1, 0, 1, 2, 100].map(after), [Some(0), Some(1), Some(2), None, None]);
    assert_eq!(cache.earliest(), Some(entry_of((0, 0))));
}

#[test]
fn the_epoch_of_an_offset() {
    let cache = epochs(&THREE);
    let epoch = |offset| cache.epoch_for(Offset::new(offset)).map(LeaderEpoch::get);
    assert_eq!([5, 6, 7, 8, 10, 11, 1000].map(epoch), [None, Some(2), Some(2), Some(3), Some(3), Some(4), Some(4)]);
}

proptest! {
    /// Whatever a file says, what is loaded rises, and loads again from the file it makes.
    #[test]
    fn loaded_epochs_rise(lines in prop::collection::vec((-2..8_i32, -2..40_i64), 0..12)) {
        let cache = epochs(&lines);
        let loaded = pairs(&cache);
        prop_assert!(loaded.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1), "{:?}", loaded);
        prop_assert_eq!(LeaderEpochs::load(&cache.to_checkpoint()), cache);
    }
}

#[test]
fn a_follower_cuts_where_its_epochs_and_the_leaders_part() {
    for (follower, end, leader, leader_end, expected) in [
        // One epoch: the shorter end.
        (&[(0, 0)][..], 10, &[(0, 0)][..], 7, Some(7)),
        (&[(0, 0)], 7, &[(0, 0)], 10, Some(7)),
        // The leader went on in a later epoch.
        (&[(0, 0)], 112, &[(0, 0), (1, 72)], 109, Some(72)),
        // The follower knows an epoch that the leader never had.
        (&[(0, 0), (1, 65)], 92, &[(0, 0), (2, 65)], 94, Some(65)),
        (&[(0, 0), (3, 40), (5, 60)], 80, &[(0, 0), (2, 30), (4, 50), (6, 90)], 90, Some(30)),
        // Neither knows an epoch of the other but the first.
        (&[(1, 0), (2, 10), (4, 20)], 30, &[(1, 0), (3, 15), (5, 25)], 40, Some(10)),
        // The leader knows nothing that low, nothing that high, or nothing at all.
        (&[(0, 0)], 5, &[(2, 3)], 9, Some(3)),
        (&[(0, 0)], 5, &[], 9, None),
        (&[(7, 0)], 5, &[(2, 0)], 9, None),
        (&[], 5, &[(2, 3)], 9, None),
    ] {
        let found = epochs(follower).truncation(Offset::new(end), &epochs(leader), Offset::new(leader_end));
        assert_eq!(found.map(Offset::get), expected, "{follower:?} {end} under {leader:?} {leader_end}");
    }
}
