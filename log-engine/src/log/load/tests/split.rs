//! Segments that are too long for their offsets, split as a broker does.

use super::*;

/// A segment of which only the last batch is too far from the first, as old brokers left them.
fn overflowing() -> Files {
    let far = i64::from(i32::MAX) + 10;
    let mut files = healthy(&[0], 3);
    files.insert(log_path(0), [batches(0..3), batch_of(far, 0)].concat());
    files
}

// conformance: LDR-024
#[test]
fn a_segment_that_is_too_long_for_its_offsets_is_split_as_a_broker_does() {
    let far = i64::from(i32::MAX) + 10;
    let files = overflowing();
    let (made, after) = loaded(&files, &options(RecoveryMode::Kafka));
    let made = made.unwrap();
    let bases: Vec<_> = made.segments.iter().map(|segment| segment.base().get()).collect();
    assert_eq!((bases, made.log_end.get()), (vec![0, far], far + 1));
    assert_eq!([&after[&log_path(0)][..], &after[&log_path(far)]].concat(), files[&log_path(0)]);
    assert!(matches!(broken(loaded(&files, &options(RecoveryMode::Strict)).0).2, Rule::OffsetOverflow { .. }));
}

/// Bases of the segments that a broker makes of these files, and whether it kept all batches.
fn split(files: &Files) -> (Vec<i64>, bool) {
    let (made, after) = loaded(files, &options(RecoveryMode::Kafka));
    let bases: Vec<_> = made.unwrap().segments.iter().map(|segment| segment.base().get()).collect();
    let before: Vec<u8> = files.values().flatten().copied().collect();
    let after: Vec<u8> = bases.iter().flat_map(|base| after[&log_path(*base)].clone()).collect();
    (bases, after == before)
}

// conformance: ULG-088 ULG-089
#[test]
fn a_split_keeps_all_batches_and_leaves_no_segment_too_long() {
    let far = 1_i64 << 31;
    let all = |offsets: &[i64]| offsets.iter().flat_map(|offset| batch_of(*offset, 0)).collect::<Vec<u8>>();
    let files: Files = [
        (log_path(0), all(&[0, 1])),
        (log_path(2), all(&[2, 3, far + 5, far + 6])),
        (log_path(far + 7), all(&[far + 7])),
    ]
    .into();
    assert_eq!(split(&files), (vec![0, 2, far + 5, far + 7], true));
    let files: Files = [(log_path(0), all(&[far, far + 1]))].into();
    assert_eq!(split(&files), (vec![far], true), "nothing fits the old base");
}

// conformance: SEG-022
#[test]
fn a_split_copies_batches_of_any_size() {
    let large = |offset: i64| {
        let mut builder = BatchBuilder::new(Offset::new(offset));
        builder.push(Timestamp::new(T), None, Some(&vec![7; (1 << 20) + 1]), &[]).unwrap();
        builder.into_batch().unwrap()
    };
    let far = (1_i64 << 31) + 4;
    let files: Files = [(log_path(0), [0, 500, far].into_iter().flat_map(large).collect())].into();
    let (made, after) = loaded(&files, &options(RecoveryMode::Kafka));
    assert_eq!(made.unwrap().log_end.get(), far + 1);
    assert_eq!(after[&log_path(0)], [large(0), large(500)].concat());
    assert_eq!(after[&log_path(far)], large(far));
}

// conformance: LDR-025 LDR-026 LDR-027 LDR-029
#[test]
fn a_split_that_was_interrupted_anywhere_ends_the_same() {
    let how = options(RecoveryMode::Kafka);
    let disk = SimFs::with_files(&overflowing());
    load_on(&disk, &how).unwrap();
    let logs = |files: Files| {
        let is_log = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "log");
        files.into_iter().filter(|(path, _)| is_log(path)).collect::<Files>()
    };
    let whole = logs(disk.files());
    for stops_after in 0..disk.operations() as u64 {
        let disk = SimFs::with_files(&overflowing());
        disk.set_faults(Faults { stops_after: Some(stops_after), ..Faults::default() });
        let _ = load_on(&disk, &how);
        let again = disk.restart();
        again.set_faults(Faults::default());
        load_on(&again, &how).unwrap_or_else(|error| panic!("after {stops_after} operations: {error}"));
        assert_eq!(logs(again.files()), whole, "after {stops_after} operations");
    }
}
