//! What reads and look-ups by time give.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use log_engine::fs::sim::SimFs;
use log_engine::log::{OffsetMetadata, TimeTarget};
use log_engine::segment::SegmentFile;
use log_engine::{
    AppendAsLeader, Error, Isolation, LeaderEpoch, LogConfig, NewRecord, Offset, OpenOptions, RecoveryMode, Timestamp,
    Walk,
};

use crate::partition::{DIR, EPOCH, LEN, NOW, Partition, clean, fetched, full_with, records};

// conformance: ULG-047
#[test]
fn every_offset_is_read_whole_however_few_bytes_are_asked_for() {
    let log = Partition::new(full_with(1));
    for i in 0..50_u8 {
        let record = NewRecord { value: Some(&[i; 20]), ..NewRecord::default() };
        log.append_records([record], None, &AppendAsLeader::client(EPOCH)).unwrap();
    }
    for i in 0..50_u8 {
        let read = log.read(Offset::new(i.into()), 1, Isolation::LogEnd, true).unwrap();
        let rows = records(&read.slice.unwrap().read_to_vec().unwrap());
        assert_eq!(rows, [(i.into(), NOW, None, Some(vec![i; 20]))]);
    }
    assert!(log.read(log.end(), 1, Isolation::LogEnd, true).unwrap().is_empty());
}

// conformance: ULG-049
#[test]
fn a_read_in_a_gap_goes_on_in_the_next_segment() {
    // The first segment has lost its end.
    let files: BTreeMap<PathBuf, Vec<u8>> = [(0, fetched(0, 0, 1)), (2, fetched(2, 0, 1))]
        .map(|(base, batch)| (Path::new(DIR).join(SegmentFile::Log.name(Offset::new(base))), batch))
        .into();
    for mode in [RecoveryMode::Kafka, RecoveryMode::TornTail, RecoveryMode::Strict] {
        let options = OpenOptions { mode, ..clean() };
        let log = Partition::open(SimFs::with_files(&files), LogConfig::default(), options);
        assert_eq!((log.segments(), log.read_from(1, Isolation::LogEnd)), (vec![0, 2], vec![2]), "{mode:?}");
    }
}

// conformance: ULG-053
#[test]
fn offsets_that_the_log_does_not_have_are_out_of_range() {
    let log = Partition::new(LogConfig::default());
    log.truncate_fully_and_start_at(Offset::new(1024), None).unwrap();
    assert_eq!(log.append(1), 1024);
    assert!(log.bytes(1025, Isolation::LogEnd).is_empty());
    for offset in [0, 1023, 1026] {
        let read = log.read(Offset::new(offset), 1000, Isolation::LogEnd, true);
        assert!(matches!(read, Err(Error::OffsetOutOfRange { start: 1024, end: 1025, .. })), "{offset}");
    }
}

/// Segments of the offsets 0 and 1, 2 and 3, and 4.
fn three_segments() -> Partition {
    let log = Partition::new(full_with(2));
    log.fill(5);
    assert_eq!(log.segments(), [0, 2, 4]);
    log
}

// conformance: LLG-020 ULG-009
#[test]
fn nothing_is_read_at_or_above_the_high_watermark_and_where_that_is_is_told() {
    let log = three_segments();
    let at = |offset, base, position| OffsetMetadata::at(Offset::new(offset), Offset::new(base), position);
    let place = [at(0, 0, 0), at(1, 0, LEN), at(2, 2, 0), at(3, 2, LEN), at(4, 4, 0), at(5, 4, LEN)];
    for high_watermark in [0, 3, 4, 5] {
        log.set_high_watermark(Offset::new(high_watermark)).unwrap();
        for from in 0..=5 {
            let read = log.read(Offset::new(from), 1000, Isolation::HighWatermark, true).unwrap();
            assert_eq!(read.at, place[usize::try_from(from).unwrap()], "{from} of {high_watermark}");
            let bases = log.read_from(from, Isolation::HighWatermark);
            // A read ends where its segment does.
            let expected: Vec<i64> = (from..high_watermark.min(from / 2 * 2 + 2)).collect();
            assert_eq!(bases, expected, "{from} of {high_watermark}");
        }
    }
}

// conformance: ULG-001
#[test]
fn the_high_watermark_keeps_its_place_across_a_roll() {
    let log = Partition::new(LogConfig::default());
    log.append(3);
    assert!(log.read_from(0, Isolation::HighWatermark).is_empty());
    log.replicate();
    let three = |log: &Partition| records(&log.bytes(0, Isolation::HighWatermark)).len();
    assert_eq!(three(&log), 3);
    log.roll().unwrap();
    assert_eq!(three(&log), 3);
    log.append(1);
    assert!(log.read_from(3, Isolation::HighWatermark).is_empty());
    assert_eq!(three(&log), 3);
}

/// Offset, time and leader epoch that a look-up gives.
fn found(log: &Partition, target: TimeTarget) -> Option<(i64, i64, Option<i32>)> {
    let found = log.offset_for_time(target).unwrap()?;
    Some((found.offset.get(), found.timestamp.get(), found.leader_epoch.map(LeaderEpoch::get)))
}

fn at(time: i64) -> TimeTarget {
    TimeTarget::At(Timestamp::new(time))
}

// conformance: ULG-068 ULG-071
#[test]
fn look_ups_by_time_say_the_leader_epoch() {
    let log = Partition::new(LogConfig::default());
    assert_eq!(found(&log, at(NOW)), None);
    for epoch in [0, 1] {
        let timestamp = Some(Timestamp::new(NOW + i64::from(epoch)));
        let record = NewRecord { timestamp, value: Some(b"v"), ..NewRecord::default() };
        log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(epoch))).unwrap();
    }
    assert_eq!(found(&log, at(NOW)), Some((0, NOW, Some(0))));
    assert_eq!(found(&log, at(NOW + 1)), Some((1, NOW + 1, Some(1))));
    assert_eq!(found(&log, TimeTarget::Earliest), Some((0, -1, Some(0))));
    assert_eq!(found(&log, TimeTarget::EarliestLocal), Some((0, -1, Some(0))));
    assert_eq!(found(&log, TimeTarget::Latest), Some((2, -1, Some(1))));
    log.assign_epoch(LeaderEpoch::new(2), Offset::new(2)).unwrap();
    assert_eq!(found(&log, TimeTarget::Latest), Some((2, -1, Some(2))));
    assert_eq!(found(&log, TimeTarget::LatestTiered), Some((-1, -1, Some(-1))));
}

// conformance: LOF-004 LOF-006 LOF-007
#[test]
fn the_largest_time_is_found_wherever_it_is() {
    let log = Partition::new(full_with(3));
    for _ in 0..3 {
        assert_eq!(found(&log, TimeTarget::Earliest), Some((0, -1, None)));
    }
    assert_eq!(found(&log, TimeTarget::MaxTimestamp), None);
    [0, 1, 2, 3, 4, 6, 5].iter().for_each(|time| log.append_at(&[*time]));
    assert_eq!((found(&log, TimeTarget::MaxTimestamp), log.end().get()), (Some((5, 6, Some(0))), 7));
}

// conformance: LOQ-003
#[test]
fn a_new_leader_changes_the_epoch_of_the_end_alone() {
    let log = Partition::new(LogConfig::default());
    (0..10).for_each(|i| log.append_at(&[NOW + i]));
    let answers = |log: &Partition| {
        [at(0), TimeTarget::Earliest, TimeTarget::EarliestLocal, TimeTarget::Latest, TimeTarget::MaxTimestamp]
            .map(|target| found(log, target).map(|(offset, _, epoch)| (offset, epoch.unwrap())).unwrap())
    };
    assert_eq!(answers(&log), [(0, 0), (0, 0), (0, 0), (10, 0), (9, 0)]);
    log.assign_epoch(LeaderEpoch::new(2), log.end()).unwrap();
    assert_eq!(answers(&log), [(0, 0), (0, 0), (0, 0), (10, 2), (9, 0)]);
}

/// A small generator of numbers below a bound.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

// conformance: LCC-002
#[test]
fn what_was_read_below_the_high_watermark_stays_whoever_leads() {
    const END: i64 = 200;
    let log = Partition::new(full_with(2));
    let is_done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut seen, mut next) = (Vec::new(), 0);
            while next < END {
                let is_last = is_done.load(Ordering::Acquire);
                // A segment that was cut meanwhile says so, and is read again.
                let read = log.read(Offset::new(next), 1000, Isolation::HighWatermark, true).unwrap();
                let bytes = match read.slice.map(|slice| slice.read_to_vec()) {
                    Some(Ok(bytes)) => bytes,
                    Some(Err(Error::Overtaken { .. })) => continue,
                    Some(Err(other)) => panic!("{other}"),
                    None => {
                        assert!(!is_last, "nothing at {next}");
                        continue;
                    }
                };
                for (_, batch) in Walk::new(&bytes) {
                    let Ok(batch) = batch else { break };
                    seen.push((batch.base_offset().get(), batch.leader_epoch().unwrap().get()));
                    next = batch.last_offset().get() + 1;
                }
            }
            seen
        });
        let (mut random, mut epoch) = (numbers(7), 0);
        while log.high_watermark().get() < END {
            if random(5) == 0 {
                log.truncate_to_high_watermark().unwrap();
                epoch += 1;
            }
            let former = log.end();
            for _ in 0..=random(3) {
                let record = NewRecord { value: Some(&[7; 20]), ..NewRecord::default() };
                log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(epoch))).unwrap();
            }
            log.maybe_increment_high_watermark(former).unwrap();
        }
        is_done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    let mut stored = Vec::new();
    for base in log.segments() {
        let bytes = log.bytes(base, Isolation::LogEnd);
        stored.extend(Walk::new(&bytes).map(|(_, batch)| {
            let batch = batch.unwrap();
            (batch.base_offset().get(), batch.leader_epoch().unwrap().get())
        }));
    }
    assert_eq!(seen, stored[..seen.len()]);
}
