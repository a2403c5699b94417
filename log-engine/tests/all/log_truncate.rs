//! What a cut leaves, and the high watermark that follows the log's end.

use log_engine::checkpoint::EpochCheckpoint;
use log_engine::log::OffsetMetadata;
use log_engine::segment::SegmentFile;
use log_engine::{Isolation, LeaderEpoch, LogConfig, Offset};

use crate::partition::{DIR, LEN, Partition, fetched, full_with};

// conformance: LLG-021
#[test]
fn a_cut_takes_the_segments_behind_it_and_the_end_of_its_own() {
    let log = Partition::new(LogConfig::default());
    for i in 0..12 {
        log.append(1);
        if i % 3 == 2 {
            log.roll().unwrap();
        }
    }
    assert_eq!(log.segments(), [0, 3, 6, 9, 12]);
    assert!(log.truncate_to(Offset::new(7)).unwrap());
    assert_eq!((log.segments(), log.active_segment().get()), (vec![0, 3, 6], 6));
    assert_eq!((log.end().get(), log.recovery_point().get()), (7, 0));
    assert_eq!(log.read_from(6, Isolation::LogEnd), [6]);
    let gone = |base| log.names().contains(&format!("{}.deleted", SegmentFile::Log.name(Offset::new(base))));
    assert!(gone(9) && gone(12) && !gone(6));
    assert_eq!((log.append(1), log.end().get()), (7, 8));
}

// conformance: LLG-018
#[test]
fn a_log_that_begins_anew_has_one_segment_and_the_old_one_is_on_its_way_out() {
    let log = Partition::new(LogConfig::default());
    log.append(1);
    log.truncate_fully_and_start_at(Offset::new(1), Some(Offset::ZERO)).unwrap();
    assert_eq!((log.segments(), log.end().get(), log.recovery_point().get()), (vec![1], 1, 0));
    assert!(log.bytes(1, Isolation::LogEnd).is_empty());
    assert!(log.names().contains(&"00000000000000000000.log.deleted".to_owned()));
}

// conformance: ULG-073
#[test]
fn a_log_is_cut_filled_and_cut_again() {
    let log = Partition::new(full_with(100));
    log.fill(10);
    for (target, end) in [(10, 10), (11, 10), (5, 5), (0, 0)] {
        log.truncate_to(Offset::new(target)).unwrap();
        assert_eq!((log.end().get(), log.size()), (end, end as u64 * LEN), "{target}");
    }
    log.fill(10);
    assert_eq!((log.end().get(), log.size()), (10, 10 * LEN));
    log.truncate_fully_and_start_at(Offset::new(1), None).unwrap();
    assert_eq!((log.end().get(), log.size()), (1, 0));
    log.fill(10);
    assert_eq!((log.end().get(), log.size()), (11, 10 * LEN));
    log.truncate_to(Offset::ZERO).unwrap();
    assert_eq!((log.start().get(), log.end().get(), log.size()), (0, 0, 0), "below the log's start");
}

// conformance: ULG-074
#[test]
fn a_cut_leaves_room_in_the_indexes() {
    // Each batch has an entry but the first, and 10 entries are full for times.
    let config = LogConfig { index_interval_bytes: 1, segment_index_bytes: 10 * 12, ..full_with(10) };
    let log = Partition::new(config);
    let fill = || {
        for i in 0..10 {
            log.append_at(&[crate::partition::NOW + i]);
        }
    };
    fill();
    log.roll().unwrap();
    let path = std::path::Path::new(DIR).join(SegmentFile::OffsetIndex.name(Offset::ZERO));
    assert_eq!(log.disk.files()[&path].len(), 9 * 8, "no more room than it needs");
    fill();
    assert_eq!(log.segments(), [0, 10]);
    log.truncate_to(Offset::ZERO).unwrap();
    fill();
    assert_eq!((log.segments(), log.describe().unwrap().segments[0].index_entries), (vec![0], 9));
}

// conformance: ULG-007
#[test]
fn the_high_watermark_stays_between_start_and_end() {
    let log = Partition::new(LogConfig::default());
    let is_at = |offset: i64| {
        let read = log.read(Offset::new(offset), 1000, Isolation::HighWatermark, true).unwrap();
        assert_eq!((log.high_watermark().get(), read.at.offset.get()), (offset, offset));
        assert!(matches!(read.at, OffsetMetadata { place: Some(_), .. }), "{read:?}");
    };
    is_at(0);
    log.follow(&[fetched(0, 0, 1), fetched(1, 0, 1), fetched(2, 0, 1)].concat()).unwrap();
    is_at(0);
    assert!(log.maybe_increment_high_watermark(Offset::new(1)).unwrap());
    is_at(1);
    assert_eq!(log.set_high_watermark(Offset::new(5)).unwrap().get(), 3, "held to the end");
    is_at(3);
    log.follow(&fetched(3, 0, 3)).unwrap();
    assert_eq!(log.set_high_watermark(Offset::new(6)).unwrap().get(), 6);
    is_at(6);
    log.truncate_to(Offset::new(3)).unwrap();
    is_at(3);
    log.append(3);
    is_at(3);
    assert_eq!(log.end().get(), 6);
    log.truncate_fully_and_start_at(Offset::new(4), None).unwrap();
    is_at(4);
    assert_eq!((log.start().get(), log.end().get()), (4, 4));
}

/// The epochs as the file in the folder says them.
fn written_epochs(log: &Partition) -> usize {
    log.run_tasks(log_engine::log::RunTasks::Immediate).unwrap();
    let path = std::path::Path::new(DIR).join(EpochCheckpoint::FILE_NAME);
    EpochCheckpoint::parse(&log.disk.files()[&path], &path).unwrap().entries.len()
}

// conformance: ULG-105
#[test]
fn epochs_are_cut_with_the_log() {
    let log = Partition::new(full_with(10));
    for (epoch, batches) in [(0, 10), (1, 6), (2, 4)] {
        log.assign_epoch(LeaderEpoch::new(epoch), log.end()).unwrap();
        (0..batches).for_each(|_| drop(log.follow(&fetched(log.end().get(), epoch, 1)).unwrap()));
    }
    assert_eq!(log.epochs(), [(0, 0), (1, 10), (2, 16)]);
    for (target, left) in [(20, 3), (11, 2), (10, 1), (0, 0)] {
        log.truncate_to(Offset::new(target)).unwrap();
        assert_eq!((log.epochs().len(), written_epochs(&log)), (left, left), "{target}");
    }
}

// conformance: ULG-016
#[test]
fn an_epoch_without_a_record_goes_with_a_cut_at_its_start() {
    for (epoch, cut) in [(20, 29), (24, 30)] {
        let log = Partition::new(LogConfig::default());
        log.truncate_fully_and_start_at(Offset::new(27), None).unwrap();
        log.follow(&fetched(27, 19, 2)).unwrap();
        log.assign_epoch(LeaderEpoch::new(epoch), log.end()).unwrap();
        assert_eq!(log.epochs(), [(19, 27), (epoch, 29)]);
        assert!(!log.truncate_to(Offset::new(cut)).unwrap());
        assert_eq!((log.epochs(), log.end().get()), (vec![(19, 27)], 29));
    }
}
