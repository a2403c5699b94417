//! An open segment on a real disk; fault by fault.

mod life;

use std::fs;
use std::ops::ControlFlow;

use proptest::prelude::*;
use tempfile::TempDir;

use super::index_file::{GROUP, MAPPED_FROM};
use super::*;
use crate::batch::{BatchBuilder, Scratch};
use crate::error::Refusal;
use crate::fs::OsFs;
use crate::segment::Indexer;
use crate::units::ProducerId;

pub(super) const T: i64 = 1_700_000_000_000;
pub(super) const BASE: Offset = Offset::new(1000);
pub(super) const NOW: Timestamp = Timestamp::new(T);

/// A batch of `records` records that begins at `base`; each has a value of `size` bytes.
pub(super) fn batch_of(base: i64, timestamp: i64, records: i64, size: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(base));
    for n in 0..records {
        builder.push(Timestamp::new(timestamp + n), None, Some(&vec![7; size]), &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    out
}

/// A batch of 95 bytes: two records.
pub(super) fn batch(base: i64, timestamp: i64) -> Vec<u8> {
    batch_of(base, timestamp, 2, 10)
}

pub(super) fn options() -> SegmentOptions {
    SegmentOptions {
        index_interval_bytes: 100,
        segment_index_bytes: 1 << 20,
        preallocate: None,
        segment_bytes: 1 << 30,
    }
}

pub(super) struct Made {
    pub(super) dir: TempDir,
    pub(super) fs: Arc<dyn WriteFs>,
    pub(super) segment: Segment,
}

impl Made {
    fn with(options: SegmentOptions) -> Self {
        Self::at(BASE, options)
    }

    pub(super) fn at(base: Offset, options: SegmentOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let fs: Arc<dyn WriteFs> = Arc::new(OsFs);
        let segment = Segment::create(&fs, dir.path(), base, &options, NOW).unwrap();
        Self { dir, fs, segment }
    }

    /// Eight batches, offsets 1000 to 1015; the last one is earlier than the one before it.
    pub(super) fn filled() -> Self {
        let made = Self::with(options());
        for i in 0..6 {
            made.segment.append(&batch(1000 + 2 * i, T + 10 * i)).unwrap();
        }
        made.segment.append(&[batch(1012, T + 500), batch(1014, T + 400)].concat()).unwrap();
        made
    }

    pub(super) fn reopened(&self) -> Segment {
        Segment::open(&self.fs, self.dir.path(), BASE, &options(), NOW).unwrap()
    }

    pub(super) fn bytes(&self, file: SegmentFile) -> Vec<u8> {
        fs::read(self.dir.path().join(file.name(BASE))).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn offsets(segment: &Segment) -> Vec<(i64, i32)> {
    segment.offsets.read(|index| index.iter().map(|e| (e.offset(BASE).get(), e.position)).collect()).unwrap()
}

fn times(segment: &Segment) -> Vec<(i64, i64)> {
    segment.times.read(|index| index.iter().map(|e| (e.timestamp.get() - T, e.offset(BASE).get())).collect()).unwrap()
}

pub(super) fn found(segment: &Segment, offset: i64) -> Option<(i64, u64)> {
    segment.translate(Offset::new(offset)).unwrap().map(|found| (found.offset.get(), found.position.get()))
}

#[test]
fn a_new_segment_takes_the_place_of_files_with_its_names() {
    let dir = tempfile::tempdir().unwrap();
    for file in [SegmentFile::Log, SegmentFile::TimeIndex, SegmentFile::TxnIndex] {
        fs::write(dir.path().join(file.name(BASE)), b"old").unwrap();
    }
    let fs: Arc<dyn WriteFs> = Arc::new(OsFs);
    let segment = Segment::create(&fs, dir.path(), BASE, &options(), NOW).unwrap();
    let made = Made { dir, fs, segment };
    let named = |suffix| format!("00000000000000001000.{suffix}");
    assert_eq!(made.names(), [named("log")], "an index file is made when it is first used");
    made.segment.make_indexes().unwrap();
    assert_eq!(made.names(), ["index", "log", "timeindex"].map(named));
    assert!(made.bytes(SegmentFile::Log).is_empty());
    assert_eq!((made.segment.base(), made.segment.size()), (BASE, 0));
    assert_eq!(made.segment.next_offset().unwrap(), BASE);
    let facts = RollFacts { size: 0, first_timestamp: None, created: NOW, is_index_full: false };
    assert_eq!(made.segment.roll_facts().unwrap(), facts);
}

#[test]
fn entries_are_made_for_each_batch_however_many_come_at_once() {
    let made = Made::filled();
    assert_eq!(offsets(&made.segment), [(1005, 190), (1009, 380), (1013, 570)]);
    assert_eq!(times(&made.segment), [(21, 1005), (41, 1009), (501, 1013)]);
    let largest = TimestampOffset { timestamp: Timestamp::new(T + 501), offset: Offset::new(1013) };
    assert_eq!(made.segment.max_timestamp().unwrap(), largest);
    assert_eq!(made.segment.roll_facts().unwrap().first_timestamp, Some(Timestamp::new(T + 1)));
    assert_eq!(made.segment.size(), 760);
    assert_eq!(made.bytes(SegmentFile::Log).len(), 760);
    assert!(made.bytes(SegmentFile::OffsetIndex).is_empty(), "a group has not come together");
}

#[test]
fn an_inactive_segment_has_the_bytes_that_recovery_makes_of_it() {
    let made = Made::filled();
    made.segment.become_inactive().unwrap();
    made.segment.flush().unwrap();
    made.segment.close().unwrap();
    let rebuilt = made.reopened().check(true, None, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(made.bytes(SegmentFile::OffsetIndex), rebuilt.indexes.offsets.bytes());
    assert_eq!(made.bytes(SegmentFile::TimeIndex), rebuilt.indexes.times.bytes());
    assert_eq!(rebuilt.indexes.times.bytes().len(), 36, "the last time is there already");
}

#[test]
fn a_group_of_entries_is_written_together() {
    let made = Made::with(options());
    for i in 0..2 * GROUP as i64 + 4 {
        made.segment.append(&batch_of(1000 + i, T + i, 1, 100)).unwrap();
    }
    assert_eq!(offsets(&made.segment).len(), 2 * GROUP + 3);
    assert_eq!(made.bytes(SegmentFile::OffsetIndex).len(), 2 * GROUP * 8);
    assert_eq!(made.bytes(SegmentFile::TimeIndex).len(), 2 * GROUP * 12);
    made.segment.close().unwrap();
    assert_eq!(made.bytes(SegmentFile::OffsetIndex).len(), (2 * GROUP + 3) * 8);
}

#[test]
fn a_batch_is_found_by_any_of_its_offsets_and_read_whole_if_asked() {
    let made = Made::filled();
    for segment in [&made.segment, &made.reopened()] {
        assert_eq!(found(segment, 0), Some((1000, 0)));
        for offset in 1000..1016 {
            let nth = (offset - 1000) / 2;
            assert_eq!(found(segment, offset), Some((1000 + 2 * nth, 95 * nth as u64)), "{offset}");
        }
        assert_eq!(found(segment, 1016), None);
        assert_eq!(segment.next_offset().unwrap(), Offset::new(1016));
    }
    let read = |offset, max, until, min_one| {
        let read = made.segment.read(Offset::new(offset), max, until, min_one).unwrap()?;
        Some((read.offset.get(), read.position.get(), read.len, read.first_entry_incomplete))
    };
    assert_eq!(read(1003, 1000, Some(760), false), Some((1002, 95, 665, false)));
    assert_eq!(read(1003, 100, Some(760), false), Some((1002, 95, 100, false)));
    assert_eq!(read(1003, 94, Some(760), false), Some((1002, 95, 94, true)));
    assert_eq!(read(1003, 1, Some(760), true), Some((1002, 95, 95, false)));
    assert_eq!(read(1003, 0, Some(760), false), Some((1002, 95, 0, false)));
    assert_eq!(read(1003, 1000, None, true), Some((1002, 95, 0, false)));
    assert_eq!(read(1003, 1000, Some(190), false), Some((1002, 95, 95, false)));
    assert_eq!(read(1003, 1000, Some(10), false), Some((1002, 95, 0, false)));
    assert_eq!(read(1016, 1000, Some(760), true), None);
}

#[test]
fn what_an_index_says_is_looked_at_before_it_is_believed() {
    let made = Made::filled();
    made.segment.close().unwrap();
    let index = made.dir.path().join(SegmentFile::OffsetIndex.name(BASE));
    let entry = |offset: i32, position: i32| [(offset - 1000).to_be_bytes(), position.to_be_bytes()].concat();
    for lie in [entry(1005, 191), entry(1005, 380), entry(1005, 7000), entry(1005, -1), entry(900, 95), vec![0; 80]] {
        fs::write(&index, &lie).unwrap();
        let segment = made.reopened();
        for offset in 1000..1016 {
            let nth = (offset - 1000) / 2;
            assert_eq!(found(&segment, offset), Some((1000 + 2 * nth, 95 * nth as u64)), "{offset} {lie:?}");
        }
        assert_eq!(segment.next_offset().unwrap(), Offset::new(1016));
    }
    fs::write(&index, entry(1005, 7000)).unwrap();
    assert_eq!(made.reopened().next_offset_by_index().unwrap(), BASE, "as a broker does");
}

#[test]
fn records_are_found_by_time() {
    let made = Made::filled();
    let at = |time: i64, from: i64| {
        let mut scratch = Scratch::default();
        let found = made.segment.find_by_timestamp(Timestamp::new(T + time), Offset::new(from), &mut scratch).unwrap();
        found.map(|found| (found.timestamp.get() - T, found.offset.get()))
    };
    assert_eq!(at(-5, 0), Some((0, 1000)));
    assert_eq!(at(21, 0), Some((21, 1005)));
    assert_eq!(at(22, 0), Some((30, 1006)));
    assert_eq!(at(22, 1010), Some((50, 1010)));
    assert_eq!(at(501, 0), Some((501, 1013)));
    assert_eq!(at(502, 0), None);
}

// conformance: SEG-001
#[test]
fn offsets_that_cannot_be_told_relative_to_the_base_are_refused() {
    let two_31 = 1_i64 << 31;
    let pairs = [(0, -two_31), (0, two_31), (1, 0), (100, 10), (two_31, 0), (-two_31, 0), (two_31, 2 * two_31)];
    for (base, offset) in pairs {
        let dir = tempfile::tempdir().unwrap();
        let fs: Arc<dyn WriteFs> = Arc::new(OsFs);
        let segment = Segment::create(&fs, dir.path(), Offset::new(base), &options(), NOW).unwrap();
        let Err(Error::Refused(refusal)) = segment.append(&batch_of(offset, T, 1, 1)) else {
            panic!("{base} {offset}")
        };
        assert_eq!(*refusal, Refusal::OffsetOverflow { offset, base });
        assert_eq!(segment.size(), 0);
    }
}

/// A segment that begins at 40 and holds batches that begin at `offsets`, of two records each.
fn holding(offsets: &[i64]) -> Made {
    let made = Made::at(Offset::new(40), options());
    offsets.iter().for_each(|offset| made.segment.append(&batch(*offset, T)).unwrap());
    made
}

/// The base offset of the batch that a read at `offset` begins with.
fn first_read(made: &Made, offset: i64) -> Option<i64> {
    let read = made.segment.read(Offset::new(offset), 300, Some(made.segment.size()), false).unwrap();
    read.map(|read| read.offset.get())
}

// conformance: SEG-002 SEG-004 SEG-005 SEG-012
#[test]
fn a_read_begins_at_the_next_batch_there_is() {
    assert_eq!(first_read(&holding(&[]), 40), None);
    assert_eq!(holding(&[]).segment.next_offset().unwrap(), Offset::new(40));
    assert_eq!(first_read(&holding(&[50]), 52), None);
    assert_eq!(first_read(&holding(&[50, 60]), 55), Some(60));
    let made = Made::at(Offset::new(40), options());
    made.segment.append(&batch_of(50, T, 3, 1)).unwrap();
    assert_eq!(made.segment.next_offset().unwrap(), Offset::new(53));
}

// conformance: SEG-007 SEG-021
#[test]
fn batches_come_and_go_again_and_a_gap_is_cut_at() {
    let made = holding(&[]);
    for offset in 40..70 {
        made.segment.append(&batch_of(offset, T, 1, 5)).unwrap();
        made.segment.append(&batch_of(offset + 1, T, 1, 5)).unwrap();
        assert_eq!((first_read(&made, offset), first_read(&made, offset + 1)), (Some(offset), Some(offset + 1)));
        made.segment.truncate_to(Offset::new(offset + 1), NOW).unwrap();
        assert_eq!((first_read(&made, offset), first_read(&made, offset + 1)), (Some(offset), None));
    }
    let gap = Made::at(Offset::new(40), options());
    gap.segment.append(&batch_of(40, T, 1, 5)).unwrap();
    gap.segment.append(&batch_of(43, T, 1, 5)).unwrap();
    gap.segment.truncate_to(Offset::new(41), NOW).unwrap();
    assert_eq!((first_read(&gap, 40), first_read(&gap, 41)), (Some(40), None));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let full = SegmentOptions { segment_index_bytes: 24, ..options() };
    let made = Made::with(full);
    let refused = |segment: &Segment, bytes: &[u8]| match segment.append(bytes).unwrap_err() {
        Error::Refused(refusal) => *refusal,
        other => panic!("{other}"),
    };
    let far = 1000 + i64::from(i32::MAX);
    let overflow = |offset| Refusal::OffsetOverflow { offset, base: 1000 };
    assert_eq!(refused(&made.segment, &batch_of(far + 1, T, 1, 1)), overflow(far + 1));
    assert_eq!(refused(&made.segment, &batch_of(999, T, 1, 1)), overflow(999));
    let mut torn = batch(1000, T);
    torn.pop();
    assert!(matches!(refused(&made.segment, &torn), Refusal::CorruptMessage(_)));
    assert_eq!(made.segment.size(), 0);
    assert!(made.bytes(SegmentFile::Log).is_empty());

    // Two time entries of twelve bytes fit, and one slot is kept; three batches below make two entries.
    for i in 0..3 {
        made.segment.append(&batch(1000 + 2 * i, T + i)).unwrap();
    }
    assert!(made.segment.is_index_full().unwrap());
    made.segment.append(&batch(1006, T)).unwrap();
    assert_eq!(refused(&made.segment, &batch(1008, T)), Refusal::IndexFull { entries: 1 });
    assert_eq!((made.segment.size(), offsets(&made.segment).len()), (4 * 95, 1));

    // An offset that does not rise above the last entry.
    let made = Made::filled();
    let order = Refusal::OffsetsOutOfOrder { found: 1003, previous: 1013 };
    assert_eq!(refused(&made.segment, &batch(1002, T)), order);
    made.segment.append(&batch_of(far, T, 1, 1)).unwrap();
}

// conformance: FRC-001 FRC-002
#[test]
fn the_largest_segment_has_a_byte_less_than_two_gibibytes() {
    let made = Made::filled();
    let log = fs::OpenOptions::new().write(true).open(made.segment.path()).unwrap();
    for (len, opens) in [(MAX_SEGMENT_BYTES, true), (MAX_SEGMENT_BYTES + 1, false)] {
        log.set_len(len).unwrap();
        let opened = Segment::open(&made.fs, made.dir.path(), BASE, &options(), NOW);
        assert_eq!(opened.is_ok(), opens, "{len}");
        if let Ok(segment) = opened {
            assert!(matches!(segment.append(&batch(1016, T)), Err(Error::Refused(r))
                if matches!(*r, Refusal::RecordListTooLarge { limit: MAX_SEGMENT_BYTES, .. })));
        }
    }
}

// conformance: FRC-011
#[test]
fn a_cut_takes_whole_batches_and_forgets_what_the_indexes_said_of_them() {
    for (target, kept) in
        [(0, 0), (1000, 0), (1001, 0), (1002, 1), (1009, 4), (1010, 5), (1013, 6), (1016, 8), (2000, 8)]
    {
        let made = Made::filled();
        let later = Timestamp::new(T + 9);
        let cut = made.segment.truncate_to(Offset::new(target), later).unwrap();
        assert_eq!((cut, made.segment.size()), (760 - 95 * kept, 95 * kept), "{target}");
        assert_eq!(made.bytes(SegmentFile::Log).len() as u64, 95 * kept);
        assert_eq!(made.segment.generation(), u64::from(kept < 8));
        let whole = [(1005, 190), (1009, 380), (1013, 570)];
        let left: Vec<_> = whole.into_iter().filter(|(offset, _)| *offset < target).collect();
        assert_eq!(offsets(&made.segment), left, "{target}");
        let newest = (0..kept as i64).map(|n| (if n < 6 { 10 * n + 1 } else { 901 - 100 * (n - 2) }, 1001 + 2 * n));
        let newest = newest.fold((-1 - T, 1000), |best, this| if this.0 > best.0 { this } else { best });
        let largest = made.segment.max_timestamp().unwrap();
        assert_eq!((largest.timestamp.get() - T, largest.offset.get()), newest, "{target}");
        let facts = made.segment.roll_facts().unwrap();
        assert_eq!(facts.created, if kept == 0 { later } else { NOW });
        assert_eq!(facts.first_timestamp.is_some(), kept > 0);
        if kept < 8 {
            made.segment.append(&batch(1000 + 2 * kept as i64, T + 5000)).unwrap();
            assert_eq!(made.segment.next_offset().unwrap().get(), 1002 + 2 * kept as i64);
        }
    }
}

// conformance: TXI-010
#[test]
fn an_aborted_transaction_is_in_the_file_at_once_and_rises() {
    let made = Made::filled();
    let txn = |first, last| AbortedTxn {
        stored_version: 0,
        producer_id: ProducerId::new(7),
        first_offset: Offset::new(first),
        last_offset: Offset::new(last),
        last_stable_offset: Offset::new(last),
    };
    made.segment.flush().unwrap();
    assert!(!made.names().iter().any(|name| name.ends_with(".txnindex")));
    made.segment.append_aborted(&txn(1000, 1005)).unwrap();
    made.segment.flush().unwrap();
    assert_eq!(made.bytes(SegmentFile::TxnIndex).len(), 34);
    made.segment.append_aborted(&txn(1006, 1011)).unwrap();
    assert!(made.segment.append_aborted(&txn(1006, 1011)).is_err());
    assert_eq!(made.bytes(SegmentFile::TxnIndex).len(), 68);
    let collected =
        |segment: &Segment| segment.collect_aborted(Offset::new(1007), Offset::new(1016)).unwrap().transactions;
    assert_eq!(collected(&made.segment), [txn(1006, 1011)]);
    assert_eq!(collected(&made.reopened()), [txn(1006, 1011)]);
    made.segment.truncate_to(Offset::new(1011), NOW).unwrap();
    assert_eq!(made.bytes(SegmentFile::TxnIndex).len(), 34);
    made.segment.append_aborted(&txn(1006, 1010)).unwrap();
    assert_eq!(made.segment.index_entries().unwrap().2, 2);
}

// conformance: SEG-019 SEG-020 FRC-015 FRC-017
#[test]
fn a_file_that_grew_ahead_is_read_as_far_as_its_data_and_cut_when_it_is_closed() {
    let grows = SegmentOptions { preallocate: Some(512 << 20), ..options() };
    let made = Made::at(Offset::new(40), grows);
    assert_eq!((made.segment.size(), fs::metadata(made.segment.path()).unwrap().len()), (0, 512 << 20));
    made.segment.append(&batch(50, T)).unwrap();
    made.segment.append(&batch(60, T)).unwrap();
    assert_eq!(first_read(&made, 55), Some(60));
    let read = made.segment.read(Offset::new(55), 1 << 30, Some(made.segment.size()), false).unwrap().unwrap();
    assert_eq!((read.position.get(), read.len), (95, 95));
    assert_eq!(fs::metadata(made.segment.path()).unwrap().len(), 512 << 20);
    made.segment.close().unwrap();
    assert_eq!(fs::metadata(made.segment.path()).unwrap().len(), 190);
    let again = Segment::open(&made.fs, made.dir.path(), Offset::new(40), &grows, NOW).unwrap();
    assert_eq!((again.size(), again.next_offset().unwrap().get()), (190, 62));
}

#[test]
fn a_file_that_grows_ahead_ends_with_its_data_when_nothing_more_comes() {
    let made = Made::with(SegmentOptions { preallocate: Some(4096), segment_bytes: 6000, ..options() });
    let mut lens = Vec::new();
    for i in 0..70 {
        made.segment.append(&batch(1000 + 2 * i, T + i)).unwrap();
        assert_eq!(made.segment.size(), 95 * (i as u64 + 1));
        lens.push(made.bytes(SegmentFile::Log).len());
    }
    lens.dedup();
    assert_eq!(lens[..2], [4096, 6000]);
    assert_eq!(lens.last(), Some(&(70 * 95)), "the data goes on behind the bound");
    made.segment.truncate_to(Offset::new(1010), NOW).unwrap();
    made.segment.append(&batch(1010, T)).unwrap();
    assert_eq!(made.bytes(SegmentFile::Log).len(), 5 * 95 + 4096);
    made.segment.become_inactive().unwrap();
    assert_eq!(made.bytes(SegmentFile::Log).len(), 6 * 95);
}

#[test]
fn a_whole_segment_is_grown_when_it_is_made_and_not_again() {
    let made = Made::with(SegmentOptions { preallocate: Some(u64::MAX), segment_bytes: 1000, ..options() });
    assert_eq!(made.bytes(SegmentFile::Log).len(), 1000);
    made.segment.append(&batch(1000, T)).unwrap();
    assert_eq!(made.bytes(SegmentFile::Log).len(), 1000);
    made.segment.append(&batch(1002, T)).unwrap();
    made.segment.truncate_to(Offset::new(1002), NOW).unwrap();
    made.segment.append(&batch(1002, T)).unwrap();
    assert_eq!(made.bytes(SegmentFile::Log).len(), 2 * 95);
}

#[test]
fn what_a_failed_append_left_behind_is_cut() {
    let made = Made::filled();
    let log = fs::OpenOptions::new().write(true).open(made.segment.path()).unwrap();
    log.set_len(800).unwrap();
    made.segment.undo().unwrap();
    assert_eq!(made.bytes(SegmentFile::Log).len(), 760);
    made.segment.append(&batch(1016, T)).unwrap();
    assert_eq!(found(&made.segment, 1017), Some((1016, 760)));
}

#[test]
fn a_deleted_segment_can_be_read_until_it_is_dropped() {
    let made = Made::filled();
    made.segment
        .append_aborted(&AbortedTxn {
            stored_version: 0,
            producer_id: ProducerId::new(7),
            first_offset: BASE,
            last_offset: BASE,
            last_stable_offset: BASE,
        })
        .unwrap();
    made.segment.close().unwrap();
    let segment = made.reopened();
    segment.mark_deleted().unwrap();
    assert_eq!(made.names().len(), 4);
    assert!(made.names().iter().all(|name| name.ends_with(".deleted")), "{:?}", made.names());
    assert_eq!(found(&segment, 1006), Some((1006, 285)));
    assert_eq!(segment.index_entries().unwrap(), (3, 3, 1));
    segment.remove_files().unwrap();
    assert!(made.names().is_empty());
    assert_eq!(found(&segment, 1006), Some((1006, 285)));
}
