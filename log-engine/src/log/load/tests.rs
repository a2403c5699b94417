//! Logs made by hand on a simulated disk, opened in every mode; what brokers did with theirs is in `tests/all/load.rs`.

mod refused;
mod split;

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::batch::{BatchBuilder, assign};
use crate::checkpoint::{EpochCheckpoint, EpochEntry};
use crate::error::{Error, Rule};
use crate::fs::sim::{Faults, SimFs};
use crate::units::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp};

const DIR: &str = "/logs/orders-0";
const T: i64 = 1_700_000_000_000;
/// Bytes of a batch of one record.
const LEN: u64 = 88;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A batch of one record by the leader of `epoch`.
fn batch_of(offset: i64, epoch: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(offset));
    builder.push(Timestamp::new(T + offset), None, Some(&[7; 20]), &[]).unwrap();
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    assign(&mut out, Offset::new(offset), LeaderEpoch::new(epoch)).unwrap();
    out
}

fn batches(offsets: std::ops::Range<i64>) -> Vec<u8> {
    offsets.flat_map(|offset| batch_of(offset, 0)).collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn log_path(base: i64) -> PathBuf {
    path(&SegmentFile::Log.name(Offset::new(base)))
}

fn config() -> LogConfig {
    LogConfig { index_interval_bytes: 100, segment_index_bytes: 4096, ..LogConfig::default() }
}

fn options(mode: RecoveryMode) -> LoadOptions<'static> {
    LoadOptions {
        mode,
        clean: false,
        recovery_point: Offset::ZERO,
        log_start: Offset::ZERO,
        expiry: Expiry::at(Timestamp::new(T)),
        trust_cache: true,
        max_unsynced_bytes: 0,
        is_compacted: false,
        progress: None,
    }
}

fn load_on(disk: &SimFs, options: &LoadOptions<'_>) -> Result<Loaded> {
    let fs: Arc<dyn WriteFs> = Arc::new(disk.clone());
    load(&fs, Path::new(DIR), &config(), options)
}

/// Loads a disk with these files; what it holds then.
fn loaded(files: &Files, options: &LoadOptions<'_>) -> (Result<Loaded>, Files) {
    let disk = SimFs::with_files(files);
    let loaded = load_on(&disk, options);
    (loaded, disk.files())
}

/// A log as a clean stop leaves it, whose segments begin at `bases` and that ends at `end`. Offsets from 10 on are of epoch 1.
fn healthy(bases: &[i64], end: i64) -> Files {
    let ends = bases.iter().skip(1).copied().chain([end]);
    let epoch = |offset| i32::from(offset >= 10);
    let logs = bases.iter().zip(ends).map(|(base, end)| {
        let bytes = (*base..end).flat_map(|offset| batch_of(offset, epoch(offset))).collect::<Vec<_>>();
        (log_path(*base), bytes)
    });
    let (made, files) = loaded(&logs.collect(), &options(RecoveryMode::TornTail));
    assert_eq!(made.unwrap().log_end.get(), end);
    files
}

fn end_of(loaded: Result<Loaded>) -> i64 {
    loaded.unwrap().log_end.get()
}

/// File, position and rule of an error.
fn broken(loaded: Result<Loaded>) -> (PathBuf, u64, Rule) {
    match loaded.map(|loaded| loaded.report) {
        Err(Error::Corrupt(corrupt)) => (corrupt.file, corrupt.position.get(), corrupt.rule),
        other => panic!("{other:?}"),
    }
}

fn change(files: &Files, path: &Path, how: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    how(files.get_mut(path).unwrap());
    files
}

// conformance: ULG-019
#[test]
fn a_folder_without_a_segment_gets_one_at_the_log_start() {
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail, RecoveryMode::Kafka] {
        for clean in [true, false] {
            let disk = SimFs::with_folder(DIR);
            let made = load_on(&disk, &LoadOptions { clean, log_start: Offset::new(5), ..options(mode) }).unwrap();
            assert_eq!((made.log_start.get(), made.log_end.get(), made.segments.len()), (5, 5, 1));
            assert!(made.report.is_untouched());
            assert!(disk.files().contains_key(&log_path(5)));
        }
    }
}

#[test]
fn a_batch_torn_at_any_byte_is_cut_and_told() {
    let files = healthy(&[0, 6], 12);
    let last = 5 * LEN as usize;
    for keep in last..=last + LEN as usize {
        let torn = change(&files, &log_path(6), |log| log.truncate(keep));
        let is_whole = keep == last || keep == last + LEN as usize;
        let end = if keep == last + LEN as usize { 12 } else { 11 };
        for clean in [true, false] {
            let (made, after) = loaded(&torn, &LoadOptions { clean, ..options(RecoveryMode::TornTail) });
            let made = made.unwrap();
            assert_eq!((made.log_end.get(), made.report.cuts.len()), (end, usize::from(!is_whole)), "{keep}");
            assert_eq!(after[&log_path(6)].len() as u64, LEN * (end - 6) as u64);
            assert_eq!(made.report.bytes_cut(), if is_whole { 0 } else { keep as u64 - LEN * 5 });
            let (strict, after) = loaded(&torn, &LoadOptions { clean, ..options(RecoveryMode::Strict) });
            if is_whole {
                assert_eq!(end_of(strict), end);
            } else {
                assert_eq!(broken(strict).1, LEN * 5);
                assert_eq!(after, torn, "nothing is changed");
            }
        }
    }
}

#[test]
fn zeros_that_a_file_grew_ahead_are_cut() {
    let files = healthy(&[0], 3);
    for zeros in [1, 17, 18, 5000] {
        let grown = change(&files, &log_path(0), |log| log.extend(vec![0; zeros]));
        let made = loaded(&grown, &options(RecoveryMode::TornTail)).0.unwrap();
        assert_eq!((made.log_end.get(), made.report.bytes_cut()), (3, zeros as u64));
    }
}

#[test]
fn bytes_that_were_durable_are_not_cut() {
    let files = healthy(&[0], 6);
    let torn = change(&files, &log_path(0), |log| log.truncate(5 * LEN as usize + 30));
    for (point, is_cut) in [(4, true), (5, true), (6, false)] {
        let recovery_point = Offset::new(point);
        let (made, after) = loaded(&torn, &LoadOptions { recovery_point, ..options(RecoveryMode::TornTail) });
        if is_cut {
            assert_eq!(end_of(made), 5);
        } else {
            assert_eq!((broken(made).1, after), (5 * LEN, torn.clone()));
        }
    }
    // A log that ends at a batch, but too early, cannot be mended: it is told.
    let short = change(&files, &log_path(0), |log| log.truncate(5 * LEN as usize));
    let made = loaded(&short, &LoadOptions { recovery_point: Offset::new(6), ..options(RecoveryMode::TornTail) });
    let lost = made.0.unwrap().report.lost_durable.unwrap();
    assert_eq!((lost.recovery_point.get(), lost.end.get()), (6, 5));
}

#[test]
fn a_sound_batch_too_far_behind_says_that_it_is_damage() {
    let files = healthy(&[0, 4], 10);
    // Of offsets 4 to 9 the second is broken: the last sound batch begins 4 batches behind it.
    let flipped = change(&files, &log_path(4), |log| log[LEN as usize + 70] ^= 1);
    let with = |max_unsynced_bytes, mode| loaded(&flipped, &LoadOptions { max_unsynced_bytes, ..options(mode) });
    for (window, is_torn) in [(0, false), (LEN, false), (4 * LEN - 1, false), (4 * LEN, true), (u64::MAX, true)] {
        let (made, after) = with(window, RecoveryMode::TornTail);
        if is_torn {
            assert_eq!(end_of(made), 5, "{window}");
        } else {
            let (file, position, rule) = broken(made);
            assert_eq!((file, position), (log_path(4), LEN), "{window}");
            assert!(matches!(rule, Rule::Checksum { .. }));
            assert_eq!(after, flipped);
        }
        assert_eq!(broken(with(window, RecoveryMode::Strict).0).1, LEN);
    }
    let broker = with(0, RecoveryMode::Kafka).0.unwrap();
    assert_eq!((broker.log_end.get(), broker.report.bytes_cut()), (5, 5 * LEN));
}

#[test]
fn later_segments_go_only_if_nothing_sound_is_in_them() {
    let mut files = healthy(&[0, 4, 8], 10);
    let torn = change(&files, &log_path(4), |log| log.truncate(3 * LEN as usize + 5));
    assert_eq!(broken(loaded(&torn, &options(RecoveryMode::TornTail)).0).0, log_path(4));
    let far = LoadOptions { max_unsynced_bytes: LEN + 4, ..options(RecoveryMode::TornTail) };
    assert_eq!(broken(loaded(&torn, &far).0).0, log_path(4), "the last sound batch begins one byte further behind");
    let far = LoadOptions { max_unsynced_bytes: LEN + 5, ..options(RecoveryMode::TornTail) };
    let (made, after) = loaded(&torn, &far);
    let made = made.unwrap();
    assert_eq!((made.log_end.get(), &made.report.segments_deleted), (7, &vec![SegmentFile::Log.name(Offset::new(8))]));
    assert_eq!(made.deleted.len(), 1);
    assert!(!after.contains_key(&log_path(8)));
    assert!(after.contains_key(&path("00000000000000000008.log.deleted")));

    // The crash came just behind a roll: the new segment is empty, the old one was not synced.
    files = torn;
    files.insert(log_path(8), Vec::new());
    let made = loaded(&files, &options(RecoveryMode::TornTail)).0.unwrap();
    assert_eq!((made.log_end.get(), made.segments.len()), (7, 2));
}

#[test]
fn what_a_checksum_does_not_cover_is_looked_at_as_well() {
    let files = healthy(&[0], 12);
    let field =
        |batch: u64, at: usize, byte: u8| change(&files, &log_path(0), |log| log[(batch * LEN) as usize + at] = byte);
    for (what, damaged) in [
        ("an offset that falls", field(5, 7, 3)),
        ("an offset that rises", field(4, 5, 1)),
        ("an epoch that falls", field(11, 15, 0)),
        ("a magic that nobody knows", field(5, 16, 3)),
        ("an offset too far away", field(5, 2, 1)),
    ] {
        let position = broken(loaded(&damaged, &options(RecoveryMode::Strict)).0).1;
        assert!([5 * LEN, 11 * LEN].contains(&position), "{what}: {position}");
        // Torn in whatever way, a batch has no checksum that fits: this is damage, even of the last one.
        let (made, after) = loaded(&damaged, &options(RecoveryMode::TornTail));
        assert_eq!((broken(made).1, after), (position, damaged), "{what}");
    }
    // A gap is none: compaction and truncation leave them.
    let gap = change(&files, &log_path(0), |log| drop(log.drain(3 * LEN as usize..4 * LEN as usize)));
    assert_eq!(end_of(loaded(&gap, &options(RecoveryMode::Strict)).0), 12);
}

#[test]
fn segments_that_overlap_are_damage_except_to_a_broker() {
    let mut files = healthy(&[0, 4], 8);
    files.insert(log_path(0), batches(0..6));
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail] {
        let (file, position, rule) = broken(loaded(&files, &options(mode)).0);
        let expected = Rule::Below { what: "the base offset of the segment", found: 4, least: 6 };
        assert_eq!((file, position, rule), (log_path(4), 0, expected));
    }
    assert_eq!(end_of(loaded(&files, &options(RecoveryMode::Kafka)).0), 8);
}

// conformance: LDR-015 LDR-030
#[test]
fn what_can_be_made_again_is_made_again_behind_a_clean_stop_too() {
    let files = healthy(&[0, 6], 12);
    let derived: Vec<PathBuf> =
        files.keys().filter(|path| path.extension().is_none_or(|e| e != "log")).cloned().collect();
    assert_eq!(derived.len(), 7, "{derived:?}");
    for lost in &derived {
        for bytes in [None, Some(vec![]), Some(vec![b' ', b' ']), Some(vec![0xff; 4096])] {
            for (clean, mode) in [(true, RecoveryMode::TornTail), (false, RecoveryMode::TornTail)] {
                let mut damaged = files.clone();
                match &bytes {
                    Some(bytes) => drop(damaged.insert(lost.clone(), bytes.clone())),
                    None => drop(damaged.remove(lost)),
                }
                let (made, after) = loaded(&damaged, &LoadOptions { clean, ..options(mode) });
                let made = made.unwrap_or_else(|error| panic!("{}: {error}", lost.display()));
                assert_eq!((made.log_end.get(), made.report.is_untouched()), (12, true), "{}", lost.display());
                let epochs: Vec<_> = made.epochs.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect();
                assert_eq!(epochs, [(0, 0), (1, 10)], "{}", lost.display());
                for segment in made.segments.iter() {
                    for offset in segment.base().get()..12.min(segment.base().get() + 6) {
                        let found = segment.translate(Offset::new(offset)).unwrap().unwrap();
                        assert_eq!(found.offset.get(), offset, "{}", lost.display());
                    }
                }
                // Of an older segment's index nothing is read behind a clean stop, and one without entries says nothing wrong.
                let is_older = lost.to_str().unwrap().contains("00000.");
                let is_trusted = clean && bytes.as_ref().is_some_and(|bytes| is_older || bytes.is_empty());
                // Nor is an older snapshot, while there is a newer one.
                let is_trusted = is_trusted || clean && lost.ends_with("00000000000000000006.snapshot");
                assert!(is_trusted || after == files, "{} {bytes:?} {clean}", lost.display());
            }
        }
    }
}

#[test]
fn an_index_that_lost_many_entries_is_made_again_behind_a_clean_stop() {
    for (end, is_rebuilt) in [(66, false), (67, true)] {
        let files = healthy(&[0], end);
        let mut without = files.clone();
        without.insert(path("00000000000000000000.index"), Vec::new());
        let (made, after) = loaded(&without, &LoadOptions { clean: true, ..options(RecoveryMode::TornTail) });
        assert_eq!((made.unwrap().log_end.get(), after == files), (end, is_rebuilt), "{end}");
    }
}

// conformance: LDR-038
#[test]
fn a_log_start_before_the_first_segment_is_where_that_begins() {
    let files = healthy(&[5, 8], 12);
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let made = loaded(&files, &LoadOptions { clean: true, ..options(mode) }).0.unwrap();
        assert_eq!((made.log_start.get(), made.log_end.get()), (5, 12), "{mode:?}");
    }
}

#[test]
fn a_log_start_that_is_wrong_takes_no_segment() {
    let files = healthy(&[2, 6], 12);
    for (asked, start) in [(0, 2), (3, 3), (12, 12), (40, 12)] {
        let how = LoadOptions { log_start: Offset::new(asked), ..options(RecoveryMode::TornTail) };
        let made = loaded(&files, &how).0.unwrap();
        assert_eq!((made.log_start.get(), made.log_end.get(), made.segments.len()), (start, 12, 2), "{asked}");
        assert_eq!(made.report.log_start_moved_from.is_some(), asked == 40);
    }
    let how = LoadOptions { log_start: Offset::new(40), ..options(RecoveryMode::Kafka) };
    let (made, after) = loaded(&files, &how);
    let made = made.unwrap();
    assert_eq!((made.log_start.get(), made.log_end.get(), made.segments.len()), (40, 40, 1));
    assert!(after.contains_key(&log_path(40)), "its indexes are made when they are first used");
}

// conformance: LDR-018
#[test]
fn leftovers_go_and_a_finished_segment_takes_its_place_if_it_is_sound() {
    let files = healthy(&[0, 4], 8);
    let mut with_leftovers = files.clone();
    for name in
        ["00000000000000000000.log.deleted", "00000000000000000004.index.deleted", "00000000000000000000.log.cleaned"]
    {
        with_leftovers.insert(path(name), b"x".to_vec());
    }
    with_leftovers.insert(path("00000000000000000009.index"), Vec::new());
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let (made, after) = loaded(&with_leftovers, &LoadOptions { clean: true, ..options(mode) });
        assert_eq!((made.unwrap().report.files_removed.len(), after == files), (4, true), "{mode:?}");
    }

    // One segment in the place of both.
    let mut swapped = files.clone();
    swapped.insert(path("00000000000000000000.log.swap"), batches(0..8));
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail] {
        let (made, after) = loaded(&swapped, &LoadOptions { clean: true, ..options(mode) });
        let made = made.unwrap();
        assert_eq!((made.log_end.get(), made.segments.len()), (8, 1));
        assert!(!after.contains_key(&log_path(4)) && after[&log_path(0)] == batches(0..8));
        let torn = change(&swapped, &path("00000000000000000000.log.swap"), |log| log.truncate(7 * LEN as usize + 5));
        let (refused, after) = loaded(&torn, &LoadOptions { clean: true, ..options(mode) });
        assert_eq!((broken(refused).1, after == torn), (7 * LEN, true));
    }
}

#[test]
fn a_batch_with_a_producer_id_below_none_has_no_producer() {
    let id = (ProducerId::new(-2), ProducerEpoch::new(0), Sequence::new(-1));
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(id.0, id.1, id.2).transactional().control();
    builder.push(Timestamp::new(T), Some(b"no marker"), None, &[]).unwrap();
    let mut log = Vec::new();
    builder.finish(&mut log).unwrap();
    let (made, mut files) = loaded(&[(log_path(0), log)].into(), &options(RecoveryMode::TornTail));
    assert_eq!(end_of(made), 1);
    files.retain(|path, _| path.extension() != Some("snapshot".as_ref()));
    let (made, _) = loaded(&files, &LoadOptions { clean: true, ..options(RecoveryMode::TornTail) });
    assert_eq!(end_of(made), 1, "without a snapshot all batches are looked at");
}

#[test]
fn recovery_that_was_interrupted_anywhere_ends_the_same() {
    let files = healthy(&[0, 4, 8], 12);
    let mut torn = change(&files, &log_path(8), |log| log.truncate(2 * LEN as usize + 9));
    torn.insert(path("00000000000000000004.index"), vec![1; 13]);
    torn.insert(path("00000000000000000000.timeindex.deleted"), vec![1; 13]);
    for mode in [RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let disk = SimFs::with_files(&torn);
        assert_eq!(end_of(load_on(&disk, &options(mode))), 10);
        let (whole, operations) = (disk.files(), disk.operations() as u64);
        for stops_after in 0..operations {
            let disk = SimFs::with_files(&torn);
            disk.set_faults(Faults { stops_after: Some(stops_after), ..Faults::default() });
            let _ = load_on(&disk, &options(mode));
            let again = disk.restart();
            assert_eq!(end_of(load_on(&again, &options(mode))), 10, "{mode:?} after {stops_after}");
            assert_eq!(again.files(), whole, "{mode:?} after {stops_after}");
        }
    }
}

#[test]
fn only_what_the_disk_holds_is_believed_where_the_cache_may_lie() {
    let files = healthy(&[0], 4);
    let disk = SimFs::with_files(&files);
    let file = disk.open_write(&log_path(0), crate::fs::OpenMode::Existing).unwrap();
    disk.set_faults(Faults { failing_sync: Some(0), seed: 3, ..Faults::default() });
    crate::fs::write_all_at(file.as_ref(), &log_path(0), &batches(4..8), 4 * LEN).unwrap();
    assert!(file.sync().is_err());
    disk.set_faults(Faults::default());
    let lied = disk.restart();
    assert_eq!(
        end_of(load_on(&lied, &options(RecoveryMode::TornTail))),
        8,
        "the page cache shows what the disk has not"
    );
    let how = LoadOptions { trust_cache: false, max_unsynced_bytes: u64::MAX, ..options(RecoveryMode::TornTail) };
    let asked = disk.restart();
    let end = end_of(load_on(&asked, &how));
    assert!(end < 8, "{end}");
    let crashed = asked.after_crash(crate::fs::sim::Outcome::Nothing, 0);
    assert_eq!(end_of(load_on(&crashed, &how)), end, "what was believed is durable");
}

#[test]
fn a_read_that_fails_is_an_error_and_no_reason_to_cut() {
    let files = healthy(&[0, 6], 12);
    for mode in [RecoveryMode::Strict, RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let mut failed = 0;
        for nth in 0..40 {
            let disk = SimFs::with_files(&files);
            disk.set_faults(Faults { failing_read: Some(nth), ..Faults::default() });
            match load_on(&disk, &options(mode)) {
                Ok(loaded) => assert_eq!(loaded.log_end.get(), 12),
                Err(Error::Io { .. }) => failed += 1,
                Err(other) => panic!("{other}"),
            }
            for base in [0, 6] {
                assert_eq!(disk.files()[&log_path(base)], files[&log_path(base)]);
            }
        }
        assert!(failed > 2, "{mode:?}: {failed}");
    }
}

#[test]
fn progress_is_told_for_each_segment_that_is_checked() {
    let files = healthy(&[0, 4, 8], 12);
    let told = Mutex::new(Vec::new());
    let progress = |progress: RecoveryProgress| told.lock().unwrap().push((progress.segments, progress.bytes));
    for (point, checked) in [(0, 3), (4, 2), (11, 1)] {
        let recovery_point = Offset::new(point);
        let how = LoadOptions { recovery_point, progress: Some(&progress), ..options(RecoveryMode::TornTail) };
        let report = loaded(&files, &how).0.unwrap().report;
        assert_eq!((report.segments_checked, report.bytes_checked), (checked, 4 * LEN * checked as u64));
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(told.last(), Some(&(checked, 4 * LEN * checked as u64)));
    }
    let how = LoadOptions { clean: true, progress: Some(&progress), ..options(RecoveryMode::TornTail) };
    assert_eq!(loaded(&files, &how).0.unwrap().report.segments_checked, 0);
}

#[test]
fn epochs_follow_the_batches_where_the_file_says_nothing_and_the_file_elsewhere() {
    let files = healthy(&[0, 6], 12);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let epochs = path(EpochCheckpoint::FILE_NAME);
    assert_eq!(text(&files[&epochs]), "0\n2\n0 0\n1 10\n");
    let mut said = files.clone();
    said.insert(epochs.clone(), b"0\n3\n0 0\n1 9\n4 12\n".to_vec());
    let (made, after) = loaded(&said, &options(RecoveryMode::TornTail));
    made.unwrap();
    assert_eq!(text(&after[&epochs]), "0\n2\n0 0\n1 9\n", "an epoch without a batch at the end goes");
    said.insert(epochs.clone(), b"nonsense".to_vec());
    assert!(matches!(loaded(&said, &options(RecoveryMode::Strict)).0, Err(Error::Corrupt(_))));
    assert!(matches!(loaded(&said, &options(RecoveryMode::Kafka)).0, Err(Error::Corrupt(_))));
}

#[test]
fn producers_are_replayed_where_no_snapshot_says_them() {
    let by = |offset: i64, sequence: i32| {
        let producer = (ProducerId::new(7), ProducerEpoch::new(0), Sequence::new(sequence));
        let mut builder = BatchBuilder::new(Offset::new(offset)).producer(producer.0, producer.1, producer.2);
        builder.push(Timestamp::new(T), None, Some(b"v"), &[]).unwrap();
        let mut out = Vec::new();
        builder.finish(&mut out).unwrap();
        out
    };
    let log: Vec<u8> = (0..4).flat_map(|n| by(n, i32::try_from(n).unwrap())).collect();
    let files: Files = [(log_path(0), log)].into();
    for (clean, mode) in [(false, RecoveryMode::TornTail), (true, RecoveryMode::TornTail), (false, RecoveryMode::Kafka)]
    {
        let made = loaded(&files, &LoadOptions { clean, ..options(mode) }).0.unwrap();
        let entry = made.producers.states().producer(ProducerId::new(7)).unwrap();
        assert_eq!((entry.last_sequence(), made.producers.map_end().get()), (Some(Sequence::new(3)), 4));
    }
}

// conformance: SEG-016
#[test]
fn epochs_are_found_in_the_batches_of_a_segment_that_is_recovered() {
    let log = [(104, 0), (106, 1), (108, 1), (110, 2)].into_iter().flat_map(|(offset, epoch)| batch_of(offset, epoch));
    let files: Files = [(log_path(100), log.collect())].into();
    for mode in [RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let made = loaded(&files, &options(mode)).0.unwrap();
        let epochs: Vec<_> = made.epochs.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect();
        assert_eq!(epochs, [(0, 104), (1, 106), (2, 110)]);
    }
}

/// A batch of two records of a producer; of its transaction if it has one.

#[test]
fn a_broker_writes_down_at_once_which_epochs_batches_bring() {
    let log = [batch_of(0, 5), batch_of(1, 4)].concat();
    let entry = EpochEntry { epoch: LeaderEpoch::new(4), start: Offset::new(1) };
    let stale = EpochCheckpoint { entries: vec![entry] }.encode();
    let files = Files::from([(log_path(0), log[..log.len() - 1].to_vec()), (path(EpochCheckpoint::FILE_NAME), stale)]);
    let (loaded, files) = loaded(&files, &options(RecoveryMode::Kafka));
    let loaded = loaded.unwrap();
    let first = EpochEntry { epoch: LeaderEpoch::new(5), start: Offset::ZERO };
    assert_eq!(loaded.epochs.iter().collect::<Vec<_>>(), [first]);
    assert_eq!(files[&path(EpochCheckpoint::FILE_NAME)], EpochCheckpoint { entries: vec![first] }.encode());
}

fn by_producer(offset: i64, id: i64, sequence: i32) -> Vec<u8> {
    let producer = (ProducerId::new(id), ProducerEpoch::new(0), Sequence::new(sequence));
    let mut builder =
        BatchBuilder::new(Offset::new(offset)).producer(producer.0, producer.1, producer.2).transactional();
    for _ in 0..2 {
        builder.push(Timestamp::new(T), None, Some(b"v"), &[]).unwrap();
    }
    builder.into_batch().unwrap()
}

// conformance: SEG-015
#[test]
fn the_index_of_aborted_transactions_is_made_again_from_the_producers_before_and_the_batches() {
    let end = |offset, id, commit| {
        let (epoch, producer) = (LeaderEpoch::new(0), (ProducerId::new(id), ProducerEpoch::new(0)));
        BatchBuilder::end_transaction(Offset::new(offset), epoch, producer, Timestamp::new(T), commit, 0).unwrap()
    };
    let plain = [batch_of(104, 0), batch_of(105, 0)].concat();
    let of =
        |ten: Vec<u8>| [by_producer(100, 5, 0), ten, plain.clone(), end(106, 10, false), end(107, 5, true)].concat();
    let aborted = |made: &Loaded| {
        let segment = made.segments.last().unwrap();
        let found = segment.collect_aborted(Offset::ZERO, Offset::new(i64::MAX)).unwrap().transactions;
        let [only] = found[..] else { panic!("{found:?}") };
        (only.producer_id.get(), only.first_offset.get(), only.last_offset.get(), only.last_stable_offset.get())
    };
    let mut files: Files = [(log_path(100), of(by_producer(102, 10, 0)))].into();
    for mode in [RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let made = loaded(&files, &options(mode)).0.unwrap();
        assert_eq!((aborted(&made), made.producers.map_end().get()), ((10, 102, 106, 100), 108));
    }
    // The same, of a producer whose transaction began in a segment before.
    let before: Files = [(log_path(75), by_producer(75, 10, 0))].into();
    let (_, before) = loaded(&before, &options(RecoveryMode::Kafka));
    let snapshot = before[&path("00000000000000000077.snapshot")].clone();
    files.insert(log_path(100), of(by_producer(102, 10, 2)));
    files.insert(path("00000000000000000100.snapshot"), snapshot.clone());
    for mode in [RecoveryMode::TornTail, RecoveryMode::Kafka] {
        let (made, mut after) = loaded(&files, &options(mode));
        let made = made.unwrap();
        assert_eq!((aborted(&made), made.producers.map_end().get()), ((10, 75, 106, 100), 108));
        // A snapshot of where the log begins goes when it is loaded.
        after.insert(path("00000000000000000100.snapshot"), snapshot.clone());
        let again = loaded(&after, &options(mode)).0.unwrap();
        assert_eq!(aborted(&again), (10, 75, 106, 100), "made again, not added to");
    }
}
