//! What is known of producers, and the snapshots of it: when they are written, and when they go.

use std::path::Path;

use log_engine::fs::{sim::Faults, sim::SimFs};
use log_engine::log::RunTasks;
use log_engine::segment::SegmentFile;
use log_engine::{LogConfig, Offset, OpenOptions, RecoveryMode, WriteFs};

use crate::partition::{DIR, Partition, by, clean, full_with, unclean};

fn snapshots(log: &Partition) -> Vec<i64> {
    log.files(SegmentFile::Snapshot)
}

/// Starts after a crash that looks at everything, as a broker and as we do.
fn unclean_starts() -> [OpenOptions; 2] {
    [unclean(0), OpenOptions { mode: RecoveryMode::TornTail, ..unclean(0) }]
}

// conformance: ULG-021
#[test]
fn records_of_nobody_advance_the_state_of_producers() {
    let log = Partition::new(LogConfig::default());
    log.append(1);
    assert_eq!(log.describe().unwrap().producer_map_end.get(), 1);
    log.roll().unwrap();
    assert_eq!(snapshots(&log), [1]);
}

// conformance: ULG-034
#[test]
fn each_roll_writes_a_snapshot_and_no_flush_takes_one() {
    let log = Partition::new(LogConfig::default());
    for i in 0..3 {
        log.send(Some(by(1, i)), 1).unwrap();
        log.roll().unwrap();
    }
    assert_eq!(snapshots(&log), [1, 2, 3]);
    log.send(Some(by(1, 3)), 1).unwrap();
    log.send(Some(by(1, 4)), 1).unwrap();
    log.flush(true).unwrap();
    assert_eq!((snapshots(&log), log.recovery_point().get()), (vec![1, 2, 3], 5));
}

// conformance: ULG-136
#[test]
fn a_snapshot_is_synced_before_the_recovery_point_moves() {
    let log = Partition::new(LogConfig::default());
    log.send(Some(by(1, 0)), 1).unwrap();
    log.roll().unwrap();
    log.disk.set_faults(Faults { failing_sync: Some(0), ..Faults::default() });
    let error = log.run_tasks(RunTasks::Immediate).unwrap_err();
    assert!(error.to_string().contains(".snapshot"), "{error}");
    assert_eq!(log.recovery_point().get(), 0);
}

// conformance: ULG-037
#[test]
fn a_producer_is_forgotten_when_it_was_not_heard_of_for_so_long() {
    let log = Partition::new(LogConfig { producer_id_expiration_ms: 200, ..LogConfig::default() });
    log.send(Some(by(1, 0)), 1).unwrap();
    for (after, left) in [(100, 1), (99, 1), (1, 0)] {
        log.wait(after);
        assert_eq!(log.expire_producers(), left);
    }
    // The task looks every ten minutes.
    log.send(Some(by(1, 0)), 1).unwrap();
    log.wait(599_799);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!(log.producers().len(), 1);
    log.wait(1);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!(log.producers(), []);
}

/// Three segments of a batch each, by three producers, and an empty one; all of them replicated.
fn three_producers() -> Partition {
    let log = Partition::new(LogConfig::default());
    for id in 1..=3 {
        log.send(Some(by(id, 0)), 1).unwrap();
        log.roll().unwrap();
    }
    log.replicate();
    assert_eq!((log.segments(), snapshots(&log)), (vec![0, 1, 2, 3], vec![1, 2, 3]));
    log
}

const ALL: [(i64, i32); 3] = [(1, 0), (2, 0), (3, 0)];

// conformance: ULG-029 ULG-033 ULG-043
#[test]
fn a_segment_takes_its_snapshot_along_and_no_producer() {
    for start in 1..=3 {
        let log = three_producers();
        log.delete_records_to(Offset::new(start)).unwrap();
        log.delete_old_segments().unwrap();
        let expected: Vec<i64> = (start..=3).collect();
        assert_eq!(log.segments(), expected);
        assert_eq!((snapshots(&log), log.producers()), (expected, ALL.to_vec()), "{start}");
    }
    // By age.
    let log = three_producers();
    log.update_config(LogConfig { retention_ms: Some(10), ..log.config() });
    log.wait(11);
    assert_eq!(log.delete_old_segments().unwrap(), 3);
    assert_eq!((log.segments(), snapshots(&log), log.producers()), (vec![3], vec![3], ALL.to_vec()));
}

// conformance: ULG-032
#[test]
fn a_log_that_begins_anew_has_no_producers_and_no_snapshots() {
    let log = three_producers();
    log.truncate_fully_and_start_at(Offset::new(29), None).unwrap();
    let state = log.describe().unwrap();
    assert_eq!((log.segments(), state.producer_map_end.get(), log.producers()), (vec![29], 29, vec![]));
    assert!(snapshots(&log).is_empty());
}

/// Removes the snapshots by hand; how many there were.
fn remove_snapshots(log: &Partition) -> usize {
    let snapshots = snapshots(log);
    for base in &snapshots {
        log.disk.remove(&Path::new(DIR).join(SegmentFile::Snapshot.name(Offset::new(*base)))).unwrap();
    }
    snapshots.len()
}

// conformance: ULG-026
#[test]
fn a_cut_without_snapshots_reads_the_producers_from_the_batches() {
    let log = Partition::new(LogConfig::default());
    (0..2).for_each(|sequence| drop(log.send(Some(by(1, sequence)), 1).unwrap()));
    log.close().unwrap();
    let log = log.reopened(clean());
    assert_eq!(remove_snapshots(&log), 1);
    log.truncate_to(Offset::new(1)).unwrap();
    assert_eq!((log.producers(), log.end().get()), (vec![(1, 0)], 1));
}

// conformance: ULG-018
#[test]
fn a_log_without_snapshots_gets_those_that_its_next_start_needs() {
    let segments = [0, 1, 2, 3, 4];
    for (options, expected) in
        [(clean_as_a_broker(), vec![3, 4, 5]), (unclean(5), vec![3, 4, 5]), (unclean(0), vec![1, 2, 3, 4, 5])]
    {
        let log = Partition::new(full_with(1));
        log.fill(5);
        log.close().unwrap();
        assert_eq!(remove_snapshots(&log), 5);
        let log = log.reopened(options);
        assert_eq!((log.segments(), snapshots(&log)), (segments.to_vec(), expected));
    }
}

fn clean_as_a_broker() -> OpenOptions {
    OpenOptions { mode: RecoveryMode::Kafka, ..clean() }
}

// conformance: LDR-004
#[test]
fn the_state_of_producers_ends_where_the_log_ends() {
    let log = Partition::new(LogConfig::default());
    let map_end = |log: &Partition| log.describe().unwrap().producer_map_end.get();
    assert_eq!((map_end(&log), snapshots(&log)), (0, vec![]));
    for end in [1, 2] {
        log.append(1);
        assert_eq!(map_end(&log), end);
    }
    log.truncate_to(Offset::new(1)).unwrap();
    assert_eq!((map_end(&log), snapshots(&log)), (1, vec![1]));
}

// conformance: LDR-008
#[test]
fn snapshots_that_belong_to_no_segment_go_at_a_start() {
    let snapshot = |offset| Path::new(DIR).join(SegmentFile::Snapshot.name(Offset::new(offset)));
    let log = Partition::new(LogConfig::default());
    log.close().unwrap();
    let disk = SimFs::with_files(
        log.disk.files().into_iter().chain([(snapshot(5), b"?".to_vec()), (snapshot(7), b"?".to_vec())]),
    );
    let log = Partition::open(disk, LogConfig::default(), clean_as_a_broker());
    let state = log.describe().unwrap();
    assert_eq!((state.producer_map_end.get(), log.end().get(), log.producers()), (0, 0, vec![]));
    assert!(snapshots(&log).is_empty());
}

// conformance: LDR-009 LDR-011
#[test]
fn producers_are_those_of_the_segments_that_are_left() {
    let moved = |roll: bool, options: OpenOptions| {
        let log = Partition::new(LogConfig::default());
        log.send(Some(by(1, 0)), 1).unwrap();
        if roll {
            log.roll().unwrap();
        }
        log.send(Some(by(2, 0)), 1).unwrap();
        log.replicate();
        log.delete_records_to(Offset::new(1)).unwrap();
        assert_eq!(log.delete_old_segments().unwrap(), usize::from(roll));
        log.run_tasks(RunTasks::All).unwrap();
        assert_eq!(log.producers(), [(1, 0), (2, 0)]);
        log.reopened(OpenOptions { log_start: Offset::new(1), ..options }).producers()
    };
    for options in unclean_starts() {
        assert_eq!(moved(false, options.clone()), [(1, 0), (2, 0)], "in one segment");
        assert_eq!(moved(true, options), [(2, 0)], "the first one's segment is gone");
    }
}
