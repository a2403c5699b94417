//! A segment cut, recovered, filled, closed and deleted.

use super::*;

#[test]
fn a_segment_without_times_is_as_old_as_its_file() {
    let made = Made::with(options());
    made.segment.append(&batch(1000, -1)).unwrap();
    made.segment.truncate_to(BASE, NOW).unwrap();
    let modified = UNIX_EPOCH + std::time::Duration::from_millis(12_345);
    fs::OpenOptions::new().write(true).open(made.segment.path()).unwrap().set_modified(modified).unwrap();
    assert_eq!(made.segment.largest_timestamp().unwrap(), Timestamp::new(12_345));
    made.segment.append(&batch(1000, T)).unwrap();
    assert_eq!(made.segment.largest_timestamp().unwrap(), Timestamp::new(T + 1));
}

#[test]
fn every_slot_of_an_untrimmed_index_counts_as_a_broker_counts_them() {
    let made = Made::filled();
    made.segment.close().unwrap();
    let index = made.dir.path().join(SegmentFile::OffsetIndex.name(BASE));
    fs::OpenOptions::new().write(true).open(&index).unwrap().set_len(1 << 20).unwrap();
    let segment = made.reopened();
    assert_eq!(segment.index_entries().unwrap().0, (1 << 20) / 8);
    assert!(segment.is_index_full().unwrap());
}

#[test]
fn a_large_index_is_not_read_and_can_be_changed_all_the_same() {
    let made = Made::with(SegmentOptions { index_interval_bytes: 0, ..options() });
    let batches = MAPPED_FROM as i64 / 8 + 100;
    for i in 0..batches {
        made.segment.append(&batch_of(1000 + i, T + i, 1, 1)).unwrap();
    }
    made.segment.become_inactive().unwrap();
    let whole = made.bytes(SegmentFile::OffsetIndex);
    assert!(whole.len() as u64 >= MAPPED_FROM);
    let segment = made.reopened();
    for i in [0, 1, batches / 2, batches - 1] {
        assert_eq!(found(&segment, 1000 + i).map(|found| found.0), Some(1000 + i));
    }
    assert_eq!(segment.index_entries().unwrap().0, whole.len() / 8);
    // Appended to, and cut, under readers that hold nothing of the mapping.
    segment.append(&batch_of(1000 + batches, T, 1, 100)).unwrap();
    segment.append(&batch_of(1001 + batches, T, 1, 100)).unwrap();
    segment.close().unwrap();
    assert_eq!(made.bytes(SegmentFile::OffsetIndex).len(), whole.len() + 8);
    assert_eq!(made.bytes(SegmentFile::OffsetIndex)[..whole.len()], whole);
    let again = made.reopened();
    again.truncate_to(Offset::new(1010), NOW).unwrap();
    assert_eq!(found(&again, 1009), Some((1009, 9 * (again.size() / 10))));
    assert_eq!(made.bytes(SegmentFile::OffsetIndex), whole[..9 * 8]);
    // An odd tail goes when the segment is closed for good.
    let mut odd = whole.clone();
    odd.extend([7; 5]);
    fs::write(made.dir.path().join(SegmentFile::OffsetIndex.name(BASE)), odd).unwrap();
    let odd = made.reopened();
    assert_eq!(odd.index_entries().unwrap().0, whole.len() / 8);
    odd.become_inactive().unwrap();
    assert_eq!(made.bytes(SegmentFile::OffsetIndex), whole);
}

// conformance: FRC-006
#[test]
fn readers_see_whole_batches_only_while_one_appends() {
    let made = Made::with(options());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..2000 {
                made.segment.append(&batch(1000 + 2 * i, T + i)).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let size = made.segment.size();
                    assert_eq!(size % 95, 0);
                    if let Some(last) = (size / 95).checked_sub(1) {
                        let last = i64::try_from(last).unwrap();
                        assert_eq!(found(&made.segment, 1001 + 2 * last), Some((1000 + 2 * last, 95 * last as u64)));
                        let read = made.segment.read(BASE, u64::MAX, Some(size), false).unwrap().unwrap();
                        let file = made.segment.file().unwrap();
                        let slice =
                            crate::fs::FileSlice::new(file, made.segment.path(), read.position.get(), read.len, None);
                        assert_eq!((read.len, slice.read_to_vec().unwrap().len() as u64), (size, size));
                    }
                }
            });
        }
    });
    assert_eq!(made.segment.next_offset().unwrap(), Offset::new(5000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Appended in any portions, the indexes are those that a recovery makes of the file.
    #[test]
    fn live_indexes_are_rebuilt_ones(
        portions in prop::collection::vec(prop::collection::vec((1..4_i64, 0..300_usize, 0..50_i64), 1..5), 1..12),
        interval in 0..600_u64,
    ) {
        let made = Made::with(SegmentOptions { index_interval_bytes: interval, ..options() });
        let mut next = BASE.get();
        for portion in &portions {
            let mut bytes = Vec::new();
            for (records, size, time) in portion {
                bytes.extend(batch_of(next, T + time, *records, *size));
                next += records;
            }
            made.segment.append(&bytes).unwrap();
        }
        let last = made.segment.next_offset().unwrap();
        prop_assert_eq!(last.get(), next);
        made.segment.become_inactive().unwrap();
        let mut scan = crate::segment::Scan::new(made.segment.source().unwrap());
        let rebuilt =
            crate::segment::rebuild(&mut scan, Indexer::new(BASE, interval), |_| ControlFlow::Continue(())).unwrap();
        prop_assert_eq!(made.bytes(SegmentFile::OffsetIndex), rebuilt.indexes.offsets.bytes());
        prop_assert_eq!(made.bytes(SegmentFile::TimeIndex), rebuilt.indexes.times.bytes());
        prop_assert_eq!(made.segment.max_timestamp().unwrap(), rebuilt.indexes.largest);
    }
}

/// Large batches are found by the entries that they have themselves, small ones by a walk; both where they lie, and where a large one
/// stands behind small ones that have no entry. Wherever an entry points that lies, the answer is the same.
#[test]
fn every_offset_is_found_among_large_and_small_batches_whatever_the_index_says() {
    let options = SegmentOptions { index_interval_bytes: 4096, ..options() };
    let made = Made::with(options);
    let mut expected = Vec::new();
    let mut next = BASE.get();
    for size in [10, 9000, 10, 10, 4800, 20_000, 20_000, 10, 10, 10, 100, 9000, 4600, 4500, 10] {
        let position = made.segment.size();
        made.segment.append(&batch_of(next, T, 2, size)).unwrap();
        expected.extend([(next, (next, position)), (next + 1, (next, position))]);
        next += 2;
    }
    let answers = |segment: &Segment| -> Vec<_> {
        (BASE.get()..next).map(|offset| (offset, found(segment, offset).unwrap())).collect()
    };
    assert_eq!(answers(&made.segment), expected);
    assert!(offsets(&made.segment).len() >= 6, "{:?}", offsets(&made.segment));

    made.segment.close().unwrap();
    let sound = made.bytes(SegmentFile::OffsetIndex);
    let path = made.dir.path().join(SegmentFile::OffsetIndex.name(BASE));
    for entry in 0..sound.len() / 8 {
        for by in [-9001_i32, -95, -1, 1, 61, 9031, 1 << 20] {
            let mut lying = sound.clone();
            let place = &mut lying[entry * 8 + 4..entry * 8 + 8];
            let position = i32::from_be_bytes((&*place).try_into().unwrap());
            place.copy_from_slice(&position.saturating_add(by).to_be_bytes());
            fs::write(&path, &lying).unwrap();
            assert_eq!(answers(&made.reopened()), expected, "entry {entry} moved by {by}");
        }
    }
}
