//! Rebuilding indexes of logs made here; those that real brokers wrote are in `tests/`.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::batch::BatchBuilder;
use crate::error::Rule;
use crate::fs::{MemoryFile, Source};

const T: i64 = 1_700_000_000_000;
const BASE: Offset = Offset::new(1000);

/// A batch of 95 bytes: two records without keys and with values of ten bytes.
fn batch(base: i64, timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(base));
    for n in 0..2 {
        builder.push(Timestamp::new(timestamp + n), None, Some(&[7; 10]), &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    out
}

/// Eight batches, offsets 1000 to 1015; the last one is earlier than the one before it.
fn log() -> Vec<u8> {
    let later = [batch(1012, T + 500), batch(1014, T + 400)];
    (0..6).map(|i| batch(1000 + 2 * i, T + 10 * i)).chain(later).flatten().collect()
}

fn rebuilt(bytes: &[u8], indexer: Indexer) -> Rebuilt {
    let mut scan = Scan::new(Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap());
    rebuild(&mut scan, indexer, |_| ControlFlow::Continue(())).unwrap()
}

fn hundred() -> Indexer {
    Indexer::new(BASE, 100)
}

fn offsets(indexes: &Indexes) -> Vec<(i64, i32)> {
    indexes.offsets.iter().map(|entry| (entry.offset(BASE).get(), entry.position)).collect()
}

fn times(indexes: &Indexes) -> Vec<(i64, i64)> {
    indexes.times.iter().map(|entry| (entry.timestamp.get() - T, entry.offset(BASE).get())).collect()
}

#[test]
fn entries_are_made_where_recovery_makes_them() {
    let Rebuilt { indexes, end, valid_end } = rebuilt(&log(), hundred());
    assert_eq!(offsets(&indexes), [(1005, 190), (1009, 380), (1013, 570)]);
    assert_eq!(times(&indexes), [(21, 1005), (41, 1009), (501, 1013)]);
    assert_eq!((indexes.offsets.bytes().len(), indexes.times.bytes().len()), (24, 36));
    assert_eq!((end, valid_end), (RebuildEnd::Stop(Stop::End), FilePosition::new(760)));
    assert_eq!(indexes.largest, TimestampOffset { timestamp: Timestamp::new(T + 501), offset: Offset::new(1013) });
    assert_eq!(indexes.offsets.path().to_str(), Some("00000000000000001000.index"));
}

#[test]
fn the_last_time_entry_closes_the_segment_and_is_not_written_twice() {
    let two = rebuilt(&log()[..190], hundred()).indexes;
    assert_eq!((offsets(&two), times(&two)), (vec![], vec![(11, 1003)]));
    let nothing = rebuilt(&[], hundred());
    assert!(nothing.indexes.times.is_empty());
    assert_eq!(nothing.indexes.largest, TimestampOffset { timestamp: Timestamp::NONE, offset: BASE });
}

#[test]
fn the_earliest_batch_with_the_largest_time_gives_its_offset() {
    let bytes: Vec<u8> = [batch(1000, T), batch(1002, T + 5), batch(1004, T + 5)].concat();
    let indexes = rebuilt(&bytes, hundred()).indexes;
    assert_eq!((offsets(&indexes), times(&indexes)), (vec![(1005, 190)], vec![(6, 1003)]));
}

#[test]
fn the_interval_must_be_exceeded() {
    for (interval, expected) in [(94, 7), (95, 3), (189, 3), (190, 2), (664, 1), (665, 0)] {
        assert_eq!(offsets(&rebuilt(&log(), Indexer::new(BASE, interval)).indexes).len(), expected, "{interval}");
    }
    assert_eq!(offsets(&rebuilt(&log(), Indexer::new(BASE, 0)).indexes)[0], (1003, 95));
}

#[test]
fn damage_ends_it_with_its_place_and_what_went_before_is_kept() {
    let mut bytes = log();
    bytes[400] ^= 1;
    let found = rebuilt(&bytes, hundred());
    assert!(matches!(found.end, RebuildEnd::Corrupt(_)));
    assert_eq!((offsets(&found.indexes), found.valid_end.get()), (vec![(1005, 190)], 380));
    assert_eq!(times(&found.indexes), [(21, 1005), (31, 1007)]);

    let torn = rebuilt(&log()[..700], hundred());
    assert_eq!(torn.end, RebuildEnd::Stop(Stop::PastEnd { size: 83, left: 35 }));
    assert_eq!(torn.valid_end.get(), 665);
    let mut zeros = log();
    zeros.extend([0; 100]);
    assert_eq!(rebuilt(&zeros, hundred()).end, RebuildEnd::Stop(Stop::Size { size: 0 }));
}

/// The log with the batch in place `n` at another base offset, which no checksum covers.
fn moved(n: usize, base: i64) -> Vec<u8> {
    let mut bytes = log();
    bytes[95 * n..95 * n + 8].copy_from_slice(&base.to_be_bytes());
    bytes
}

#[test]
fn an_offset_that_is_too_high_is_met_at_the_next_entry() {
    let found = rebuilt(&moved(2, 5000), hundred());
    let fault = IndexFault::InvalidOffset { offset: Offset::new(1009), last: Offset::new(5001) };
    assert_eq!((found.end, found.valid_end.get()), (RebuildEnd::Refused(fault), 380));
    // No entry behind it: accepted.
    assert_eq!(rebuilt(&moved(7, 5000), hundred()).end, RebuildEnd::Stop(Stop::End));
    // Too low, between entries: accepted.
    assert_eq!(rebuilt(&moved(3, 1000), hundred()).end, RebuildEnd::Stop(Stop::End));
}

#[test]
fn a_time_entry_below_the_last_one_is_met_as_well() {
    // The batch with the largest time is behind all entries, and its offset below the last time entry's.
    let mut bytes = log()[..570].to_vec();
    bytes.extend(batch(1000, T + 900));
    let found = rebuilt(&bytes, Indexer::new(BASE, 400));
    let fault = IndexFault::InvalidOffset { offset: Offset::new(1001), last: Offset::new(1011) };
    assert_eq!((found.end, found.valid_end.get()), (RebuildEnd::Refused(fault), 665));
}

#[test]
fn an_offset_out_of_reach_ends_it() {
    for base in [0, 998, 1000 + i64::from(i32::MAX), i64::MAX - 1, i64::MIN] {
        let found = rebuilt(&moved(4, base), hundred());
        let offset = Offset::new(base.wrapping_add(1));
        assert_eq!(found.end, RebuildEnd::Refused(IndexFault::Overflow { offset, base: BASE }), "{base}");
        assert_eq!(found.valid_end.get(), 380);
    }
    let last = moved(7, 1000 + i64::from(i32::MAX) - 1);
    assert_eq!(rebuilt(&last, hundred()).end, RebuildEnd::Stop(Stop::End));
}

#[test]
fn a_full_index_ends_it() {
    let end = |bytes| rebuilt(&log(), hundred().with_index_bytes(bytes)).end;
    assert_eq!(end(48), RebuildEnd::Stop(Stop::End));
    assert_eq!(end(47), RebuildEnd::Refused(IndexFault::Full { entries: 2 }), "the slot kept for the last time");
    assert_eq!(end(0), RebuildEnd::Refused(IndexFault::Full { entries: 0 }));
}

#[test]
fn each_batch_is_shown_once_and_may_end_it() {
    let ended = |with: Option<Malformed>| {
        let mut scan = Scan::new(Source::new("x.log", Arc::new(MemoryFile::new(log()))).unwrap());
        let mut seen = Vec::new();
        let found = rebuild(&mut scan, hundred(), |frame| {
            seen.push(frame.offset().get());
            if seen.len() == 2 { ControlFlow::Break(with.clone()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, [1000, 1002]);
        found.unwrap()
    };
    let left = ended(None);
    assert_eq!((left.end, left.valid_end.get()), (RebuildEnd::Interrupted, 190));
    let damage = Malformed::new(61, Rule::Nested);
    let cut = ended(Some(damage.clone()));
    assert_eq!((cut.end, cut.valid_end.get()), (RebuildEnd::Corrupt(damage), 190));
    assert_eq!(left.indexes.times.len() + 1, cut.indexes.times.len(), "the last time entry");
}

proptest! {
    #[test]
    fn any_bytes_are_rebuilt_to_an_end_inside_them(
        damage in prop::collection::vec((0..760_usize, any::<u8>()), 0..20), cut in 0..760_usize, interval in 0..300_u64,
    ) {
        let mut bytes = log();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let found = rebuilt(&bytes[cut..], Indexer::new(BASE, interval));
        prop_assert!(found.valid_end.get() <= (760 - cut) as u64);
        let again = rebuilt(&bytes[cut..][..usize::try_from(found.valid_end.get()).unwrap()], Indexer::new(BASE, interval));
        prop_assert_eq!(again.valid_end, found.valid_end);
        if !matches!(found.end, RebuildEnd::Refused(_)) {
            prop_assert_eq!(again.indexes, found.indexes);
        }
    }
}
