//! Finding offsets and times, and the indexes that lead there, in logs made here.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::batch::BatchBuilder;
use crate::batch::testing::message;
use crate::fs::MemoryFile;
use crate::segment::{IndexEntry, Indexer, OffsetEntry, TimeEntry};
use crate::units::OffsetDelta;

const T: i64 = 1_700_000_000_000;
const BASE: Offset = Offset::new(1000);

/// A batch of records without keys and with values of ten bytes.
fn batch(base: i64, timestamps: &[i64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(LeaderEpoch::new(3));
    for timestamp in timestamps {
        builder.push(Timestamp::new(*timestamp), None, Some(&[7; 10]), &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    out
}

/// Eight batches of 95 bytes, offsets 1000 to 1015; the last one is earlier than the one before it.
fn log() -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..6 {
        bytes.extend(batch(1000 + 2 * i, &[T + 10 * i, T + 10 * i + 1]));
    }
    bytes.extend(batch(1012, &[T + 500, T + 501]));
    bytes.extend(batch(1014, &[T + 400, T + 401]));
    bytes
}

fn source(bytes: &[u8]) -> Source {
    Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap()
}

fn offsets(entries: &[(i32, i32)]) -> OffsetIndex {
    let mut bytes = Vec::new();
    for (delta, position) in entries {
        OffsetEntry { delta: OffsetDelta::new(*delta), position: *position }.encode(&mut bytes);
    }
    OffsetIndex::new("x.index", BASE, bytes)
}

fn times(entries: &[(i64, i32)]) -> TimeIndex {
    let mut bytes = Vec::new();
    for (timestamp, delta) in entries {
        TimeEntry { timestamp: Timestamp::new(*timestamp), delta: OffsetDelta::new(*delta) }.encode(&mut bytes);
    }
    TimeIndex::new("x.timeindex", BASE, bytes)
}

/// Both kinds of entries that real classes made for this log: one an append of two batches, one a batch.
fn indexes() -> [OffsetIndex; 2] {
    [offsets(&[(5, 190), (9, 380), (15, 570)]), offsets(&[(5, 190), (9, 380), (13, 570)])]
}

fn time_index() -> TimeIndex {
    times(&[(T + 21, 5), (T + 41, 9), (T + 501, 13)])
}

#[test]
fn an_offset_is_found_in_the_batch_that_holds_it() {
    let (log, zeros) = (source(&log()), OffsetIndex::new("x.index", BASE, vec![0; 80]));
    for index in indexes().into_iter().chain([offsets(&[]), zeros]) {
        for offset in 1000..1016 {
            let nth = (offset - 1000) / 2;
            let found = translate(&log, &index, Offset::new(offset)).unwrap().unwrap();
            assert_eq!(found.position, FilePosition::new(95 * u64::try_from(nth).unwrap()), "{offset}");
            assert_eq!((found.last_offset.get(), found.len), (1001 + 2 * nth, 95));
        }
        assert_eq!(translate(&log, &index, Offset::new(1016)).unwrap(), None);
        assert_eq!(translate(&log, &index, Offset::new(0)).unwrap().unwrap().position, FilePosition::START);
        assert_eq!(next_offset(&log, &index).unwrap(), Offset::new(1016));
    }
}

// conformance: FRC-009
#[test]
fn an_offset_that_is_missing_is_found_in_the_next_batch() {
    let log = source(&[0, 1, 50].map(|base| batch(base, &[T])).concat());
    let starts = [0, 78, 156];
    for entries in [vec![], vec![(0, 0)], vec![(1, 78)]] {
        let bytes =
            entries.iter().flat_map(|(delta, position): &(i32, i32)| [delta.to_be_bytes(), position.to_be_bytes()]);
        let index = OffsetIndex::new("x.index", Offset::ZERO, bytes.flatten().collect());
        for (offset, nth, last) in [(0, 0, 0), (1, 1, 1), (3, 2, 50), (50, 2, 50)] {
            let found = translate(&log, &index, Offset::new(offset)).unwrap().unwrap();
            let (position, last_offset) = (FilePosition::new(starts[nth]), Offset::new(last));
            assert_eq!((found.position, found.last_offset, found.len), (position, last_offset, 78), "{offset}");
        }
        assert_eq!(translate(&log, &index, Offset::new(51)).unwrap(), None);
    }
}

// conformance: FRC-020
#[test]
fn messages_without_times_are_never_found_by_one() {
    let v2 = |offset: i64, epoch, time| {
        let mut builder = BatchBuilder::new(Offset::new(offset)).leader_epoch(LeaderEpoch::new(epoch));
        builder.push(Timestamp::new(time), None, None, &[]).unwrap();
        builder.into_batch().unwrap()
    };
    for magic in [0, 1, 2] {
        let part = |offset, epoch, time| match magic {
            2 => v2(offset, epoch, time),
            _ => message(magic, offset, 0, time, None, None),
        };
        let log = source(&[part(5, 0, 10), part(6, 1, 11)].concat());
        for (time, found) in [(9, Some((10, 5, 0))), (10, Some((10, 5, 0))), (11, Some((11, 6, 1))), (12, None)] {
            let (index, times) =
                (OffsetIndex::new("i", Offset::ZERO, vec![]), TimeIndex::new("t", Offset::ZERO, vec![]));
            let mut scratch = Scratch::default();
            let record = find_by_timestamp(&log, &index, &times, Timestamp::new(time), Offset::ZERO, &mut scratch);
            let record =
                record.unwrap().map(|record| (record.timestamp.get(), record.offset.get(), record.leader_epoch));
            let epoch = |epoch| (magic == 2).then(|| LeaderEpoch::new(epoch));
            let wanted = found.filter(|_| magic > 0).map(|(time, offset, e)| (time, offset, epoch(e)));
            assert_eq!(record, wanted, "format {magic}, time {time}");
        }
    }
}

#[test]
fn a_time_is_found_at_the_first_record_that_reaches_it() {
    let log = source(&log());
    let find = |index: &OffsetIndex, time, from| {
        let (time, from) = (Timestamp::new(time), Offset::new(from));
        let found = find_by_timestamp(&log, index, &time_index(), time, from, &mut Scratch::default()).unwrap();
        found.map(|record| {
            assert_eq!(record.leader_epoch, Some(LeaderEpoch::new(3)));
            (record.timestamp.get(), record.offset.get())
        })
    };
    for index in &indexes() {
        assert_eq!(find(index, T + 400, 0), Some((T + 500, 1012)));
        assert_eq!(find(index, T + 501, 0), Some((T + 501, 1013)));
        assert_eq!(find(index, T + 502, 0), None);
        assert_eq!(find(index, T - 1, 0), Some((T, 1000)));
        assert_eq!(find(index, T + 11, 0), Some((T + 11, 1003)));
        assert_eq!(find(index, T, 1005), Some((T + 21, 1005)));
        assert_eq!(find(index, T + 400, 1014), Some((T + 400, 1014)));
        assert_eq!(find(index, T, 1016), None);
    }
}

/// What a broker makes of the last slot behind a clean marker.
#[test]
fn the_next_offset_is_the_base_where_the_last_slot_leads_nowhere() {
    let bytes = log();
    let next = |index: &OffsetIndex, cut: usize| next_offset(&source(&bytes[..cut]), index).unwrap().get();
    let whole = bytes.len();
    for (entry, cut, expected) in [
        ((13, 570), whole, 1016),
        ((13, 570), whole - 1, 1014),
        ((13, 570), 570 + 95, 1014),
        ((13, 570), 570 + 94, 1000),
        ((13, 570), 500, 1000),
        ((13, 760), whole, 1000),
        ((13, i32::MAX), whole, 1000),
        ((500, 570), whole, 1000),
        ((13, 571), whole, 1000),
        ((-5, 570), whole, 1016),
    ] {
        assert_eq!(next(&offsets(&[entry]), cut), expected, "{entry:?} in {cut} bytes");
    }
}

#[test]
fn what_a_broker_throws_at_is_an_error_with_its_place() {
    let mut bytes = log();
    bytes.extend([0; 18]);
    let said = |index: &OffsetIndex| next_offset(&source(&bytes), index).unwrap_err().to_string();
    assert_eq!(said(&offsets(&[])), "x.log at byte 760: size 0 is below the minimum of 14");
    let negative = "x.index at byte 12: position is -7; it cannot be negative";
    assert_eq!(said(&offsets(&[(5, 190), (9, -7)])), negative);
    assert_eq!(next_offset(&source(&bytes[..10]), &offsets(&[(9, -7)])).unwrap(), BASE);
    assert!(next_offset(&source(&bytes[..11]), &offsets(&[(9, -7)])).is_err());
    // 17 bytes are no frame, whatever stands in them.
    assert_eq!(next_offset(&source(&bytes[..777]), &offsets(&[])).unwrap(), Offset::new(1016));

    // A frame that fits, with a magic whose head does not.
    let mut short = bytes[..760].to_vec();
    short.extend(batch(1016, &[T]).into_iter().take(40));
    short[760 + 8..760 + 12].copy_from_slice(&28_i32.to_be_bytes());
    let said = next_offset(&source(&short), &offsets(&[])).unwrap_err().to_string();
    assert_eq!(said, "x.log at byte 760: 61 bytes are needed here, 40 are left");
}

#[test]
fn records_that_do_not_decode_are_an_error_only_where_they_are_looked_at() {
    let mut bytes = log();
    bytes[95 + 61] = 0xff; // the length of the second batch's first record
    let find = |time, from| {
        let (index, time, from) = (offsets(&[(5, 190)]), Timestamp::new(time), Offset::new(from));
        find_by_timestamp(&source(&bytes), &index, &times(&[]), time, from, &mut Scratch::default())
    };
    assert_eq!(find(T + 31, 1000).unwrap().unwrap().offset, Offset::new(1007));
    assert_eq!(find(T, 1005).unwrap().unwrap().offset, Offset::new(1005));
    assert!(find(T + 11, 1000).unwrap_err().to_string().starts_with("x.log at byte 156: "));
}

/// Batches that are larger than the distance between entries, and so have an entry each but for the first.
#[test]
fn one_read_brings_a_batch_that_has_an_entry() {
    let (mut bytes, mut indexer, mut places) = (Vec::new(), Indexer::new(BASE, 4096), Vec::new());
    for count in [300, 300, 400, 280, 300] {
        let base = BASE.get() + places.len() as i64;
        let made = batch(base, &vec![T; count]);
        let position = FilePosition::new(bytes.len() as u64);
        indexer.add(position, Offset::new(base + count as i64 - 1), Timestamp::new(T)).unwrap();
        places.extend(vec![(position, made.clone()); count]);
        bytes.extend(made);
    }
    let (log, index, mut into) = (source(&bytes), indexer.finish().0.offsets, AlignedBuffer::default());
    for (offset, (position, expected)) in (BASE.get()..).map(Offset::new).zip(places) {
        let read = read_around(&log, BASE, index.around(offset), offset, &mut into).unwrap();
        let found = read.map(|(position, range)| (position, into.as_slice()[range].to_vec()));
        assert_eq!(found, (position > FilePosition::START).then_some((position, expected)), "offset {offset}");
    }
}

proptest! {
    #[test]
    fn an_index_with_any_interval_finds_what_a_scan_finds(
        batches in prop::collection::vec((1..4_i64, 0..3_i64, -5..50_i64), 1..40), interval in 0..600_u64,
        target in 990..1200_i64, time in -10..60_i64,
    ) {
        let (mut bytes, mut next, mut records) = (Vec::new(), 1000, Vec::new());
        let mut indexer = Indexer::new(BASE, interval);
        for (count, gap, time) in batches {
            let base = next + gap;
            next = base + count;
            let position = FilePosition::new(bytes.len() as u64);
            let timestamps: Vec<i64> = (0..count).map(|n| T + time - n).collect();
            bytes.extend(batch(base, &timestamps));
            indexer.add(position, Offset::new(next - 1), Timestamp::new(T + time)).unwrap();
            records.extend(timestamps.iter().zip(base..).map(|(&time, offset)| (position, next - 1, offset, time)));
        }
        let (indexes, fault) = indexer.finish();
        prop_assert_eq!(fault, None);
        let log = source(&bytes);
        let found = translate(&log, &indexes.offsets, Offset::new(target)).unwrap();
        let scanned = records.iter().find(|record| record.1 >= target);
        prop_assert_eq!(found.map(|batch| (batch.position, batch.last_offset.get())), scanned.map(|r| (r.0, r.1)));
        let around = indexes.offsets.around(Offset::new(target));
        let read = read_around(&log, BASE, around, Offset::new(target), &mut AlignedBuffer::default()).unwrap();
        prop_assert!(read.is_none() || read.map(|read| read.0) == scanned.map(|r| r.0));
        prop_assert_eq!(next_offset(&log, &indexes.offsets).unwrap(), Offset::new(next));

        let (time, from) = (Timestamp::new(T + time), Offset::new(target));
        let timed =
            find_by_timestamp(&log, &indexes.offsets, &indexes.times, time, from, &mut Scratch::default()).unwrap();
        let scanned = records.iter().find(|record| record.2 >= target && record.3 >= time.get());
        prop_assert_eq!(timed.map(|record| record.offset.get()), scanned.map(|record| record.2));
    }

    #[test]
    fn any_bytes_in_any_file_have_an_answer(
        damage in prop::collection::vec((0..760_usize, any::<u8>()), 0..20), cut in 0..760_usize,
        slots in prop::collection::vec(any::<u8>(), 0..60), target: i64, time: i64,
    ) {
        let mut bytes = log();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        let (log, target) = (source(&bytes[cut..]), Offset::new(target));
        let offsets = OffsetIndex::new("x.index", BASE, slots.clone());
        let times = TimeIndex::new("x.timeindex", BASE, slots);
        let _ = translate(&log, &offsets, target);
        let _ = next_offset(&log, &offsets);
        let _ = find_by_timestamp(&log, &offsets, &times, Timestamp::new(time), target, &mut Scratch::default());
    }
}
