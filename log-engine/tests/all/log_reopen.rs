//! What a log is after it was closed, or was not, and opened again.

use std::path::{Path, PathBuf};

use log_engine::fs::{sim::Faults, sim::SimFs};
use log_engine::log::RunTasks;
use log_engine::segment::SegmentFile;
use log_engine::{Durability, Error, LogConfig, Offset, OpenOptions, RecoveryMode, Timestamp};

use crate::partition::{DIR, LEN, NOW, Partition, clean, full_with, unclean};

fn path(kind: SegmentFile, base: i64) -> PathBuf {
    Path::new(DIR).join(kind.name(Offset::new(base)))
}

fn with_care(recovery_point: i64) -> OpenOptions {
    OpenOptions { mode: RecoveryMode::TornTail, ..unclean(recovery_point) }
}

// conformance: LLG-007
#[test]
fn a_flush_moves_the_recovery_point_to_the_end() {
    let log = Partition::new(LogConfig { durability: Durability::Os, ..LogConfig::default() });
    log.append(1);
    assert_eq!(log.roll().unwrap().get(), 1);
    assert_eq!(log.recovery_point().get(), 0);
    log.flush(false).unwrap();
    assert_eq!(log.recovery_point().get(), 1);
}

// conformance: LLG-009 LLG-010
#[test]
fn a_closed_log_takes_nothing_and_a_second_close_changes_nothing() {
    let log = Partition::new(LogConfig::default());
    log.append(1);
    log.close().unwrap();
    let files = log.disk.files();
    assert!(matches!(log.send(None, 1), Err(Error::Closed { .. })));
    assert!(matches!(log.close(), Err(Error::Closed { .. })));
    assert_eq!(log.disk.files(), files);
    assert_eq!(log.reopened(clean()).all(), [0]);
}

// conformance: LDR-012
#[test]
fn indexes_and_recovery_point_are_as_they_were() {
    let config = LogConfig { segment_bytes: 7 * LEN, index_interval_bytes: 3 * LEN, ..LogConfig::default() };
    for mode in [RecoveryMode::Kafka, RecoveryMode::TornTail] {
        let log = Partition::new(config.clone());
        (0..100).for_each(|i| log.append_at(&[NOW + 10 * i]));
        log.close().unwrap();
        let before = log.describe().unwrap().segments;
        let indexes = |log: &Partition| {
            let mut files = log.disk.files();
            files.retain(|path, _| path.to_str().unwrap().ends_with("index"));
            files
        };
        let files = indexes(&log);
        let log = log.reopened(OpenOptions { mode, ..unclean(100) });
        assert_eq!((log.end().get(), log.recovery_point().get()), (100, 100));
        assert_eq!((log.describe().unwrap().segments, indexes(&log)), (before.clone(), files.clone()));
        let last = before.last().unwrap();
        assert_eq!(last.largest_timestamp, Some(Timestamp::new(NOW + 990)));
        log.close().unwrap();

        let log = log.reopened(OpenOptions { mode, ..unclean(10) });
        assert_eq!((log.end().get(), log.recovery_point().get()), (100, 10));
        log.flush(false).unwrap();
        assert_eq!(log.recovery_point().get(), 100);
        assert_eq!((log.describe().unwrap().segments, indexes(&log)), (before, files));
    }
}

// conformance: LDR-017
#[test]
fn a_recovered_log_can_be_cut() {
    for options in [unclean(0), with_care(0)] {
        let log = Partition::new(full_with(5));
        log.fill(100);
        let log = log.reopened(options);
        assert_eq!(log.segments().len(), 20);
        log.truncate_to(Offset::new(3)).unwrap();
        assert_eq!((log.segments(), log.end().get(), log.all()), (vec![0], 3, vec![0, 1, 2]));
    }
}

// conformance: LDR-037
#[test]
fn an_empty_segments_indexes_are_made_when_they_are_needed() {
    let rolled = || {
        let log = Partition::new(full_with(100));
        log.fill(100);
        log.roll().unwrap();
        assert!(!log.files(SegmentFile::OffsetIndex).contains(&100));
        log
    };
    let log = rolled();
    log.flush(true).unwrap();
    assert_eq!(log.files(SegmentFile::OffsetIndex), [0, 100]);
    for options in [unclean(0), with_care(0)] {
        let log = rolled().reopened(options);
        assert_eq!((log.end().get(), log.files(SegmentFile::OffsetIndex)), (100, vec![0, 100]));
        assert_eq!(log.describe().unwrap().segments[1].time_index_entries, 0);
    }
}

/// Four batches over as many segments and an empty one, of which the second was overwritten, with a log start behind it.
fn overwritten() -> SimFs {
    let log = Partition::new(full_with(1));
    log.fill(5);
    log.roll().unwrap();
    let mut files = log.disk.files();
    *files.get_mut(&path(SegmentFile::Log, 1)).unwrap() = b"rubbish".repeat(20);
    SimFs::with_files(files)
}

// conformance: LDR-035 LDR-036
#[test]
fn a_log_that_would_end_below_its_start_begins_anew_there() {
    let options = OpenOptions { log_start: Offset::new(4), ..unclean(0) };
    let log = Partition::open(overwritten(), LogConfig { file_delete_delay_ms: 1000, ..full_with(1) }, options);
    assert_eq!((log.segments(), log.start().get(), log.end().get()), (vec![4], 4, 4));
    for kind in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
        assert_eq!(log.files(kind), [4], "{kind:?}");
    }
    assert_eq!(log.files(SegmentFile::Snapshot).into_iter().filter(|offset| *offset < 4).count(), 0);
    // What was deleted at the start goes later, and takes nothing of the same name with it.
    for _ in 0..5 {
        log.append(1);
        log.roll().unwrap();
    }
    log.run_tasks(RunTasks::Immediate).unwrap();
    let snapshots = log.files(SegmentFile::Snapshot);
    assert!(snapshots.ends_with(&[5, 6, 7, 8, 9]), "{snapshots:?}");
    log.wait(1000);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!((log.files(SegmentFile::Snapshot), log.segments()), (snapshots, vec![4, 5, 6, 7, 8, 9]));
    assert!(!log.names().iter().any(|name| name.ends_with(".deleted")), "{:?}", log.names());
}

// conformance: LDF-001
#[test]
fn a_roll_that_the_disk_refuses_ends_appends_and_keeps_what_was_there() {
    for after in 0..4 {
        let log = Partition::new(full_with(2));
        log.fill(2);
        // Of the operations that a roll is made of, the first, the second and so on.
        log.disk.set_faults(Faults { stops_after: Some(after), ..Faults::default() });
        assert!(matches!(log.send(None, 1), Err(Error::Io { .. } | Error::Poisoned { .. })), "{after}");
        assert!(log.send(None, 1).is_err());
        assert_eq!(log.end().get(), 2);
        let disk = log.disk.restart();
        let log = Partition::open(disk, full_with(2), unclean(0));
        assert_eq!((log.all(), log.append(1)), (vec![0, 1], 2), "{after}");
    }
}

// conformance: LDR-014
#[test]
fn messages_without_times_have_no_times_in_the_index() {
    let message = |offset: i64| {
        let body = [&[0, 0][..], &(-1_i32).to_be_bytes(), &20_i32.to_be_bytes(), &[7; 20]].concat();
        let length = i32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&offset.to_be_bytes()[..], &length, &crc32fast::hash(&body).to_be_bytes(), &body].concat()
    };
    let logs = [(0..20), (20..40)].map(|offsets: std::ops::Range<i64>| {
        (path(SegmentFile::Log, offsets.start), offsets.flat_map(message).collect::<Vec<u8>>())
    });
    for options in [unclean(0), with_care(0)] {
        let config = LogConfig { index_interval_bytes: 1, ..LogConfig::default() };
        let log = Partition::open(SimFs::with_files(logs.clone()), config, options);
        let files = log.disk.files();
        assert!(files[&path(SegmentFile::TimeIndex, 0)].is_empty());
        assert_eq!(files[&path(SegmentFile::OffsetIndex, 0)].len(), 19 * 8);
        assert_eq!((log.end().get(), log.describe().unwrap().segments[0].time_index_entries), (40, 0));
    }
}
