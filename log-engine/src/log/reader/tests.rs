//! Logs of a few batches: ranges, damage, and what consumers pass over.

use std::fs;
use std::ops::ControlFlow;
use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::batch::{BatchBuilder, Stop};
use crate::error::Rule;
use crate::fs::OsFs;
use crate::log::RetentionReason;
use crate::units::{FilePosition, LeaderEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp};

fn at(offset: i64) -> Offset {
    Offset::new(offset)
}

/// `count` records from `offset` on, each with its offset for a time.
fn batch(offset: i64, count: i64) -> Vec<u8> {
    built(BatchBuilder::new(at(offset)), offset, count)
}

/// One record of producer `id` in a transaction.
fn transactional(id: i64, offset: i64) -> Vec<u8> {
    let producer = (ProducerId::new(id), ProducerEpoch::new(0), Sequence::new(0));
    let builder = BatchBuilder::new(at(offset)).transactional().producer(producer.0, producer.1, producer.2);
    built(builder, offset, 1)
}

fn marker(id: i64, offset: i64, commit: bool) -> Vec<u8> {
    let producer = (ProducerId::new(id), ProducerEpoch::new(0));
    let time = Timestamp::new(offset);
    BatchBuilder::end_transaction(at(offset), LeaderEpoch::new(0), producer, time, commit, 0).unwrap()
}

fn built(mut builder: BatchBuilder, offset: i64, count: i64) -> Vec<u8> {
    for n in 0..count {
        builder.push(Timestamp::new(offset + n), None, Some(b"value"), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

/// A folder with these segments, each with an index of one entry for each batch but the first.
fn folder(segments: &[(i64, Vec<Vec<u8>>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (base, batches) in segments {
        fs::write(log_path(&folder, *base), batches.concat()).unwrap();
        let mut index = Vec::new();
        let mut position = 0;
        for bytes in batches {
            let last = crate::batch::Batch::parse(bytes).unwrap().last_offset();
            if let (1.., Some(delta)) = (position, last.delta_from(at(*base))) {
                index.extend(delta.get().to_be_bytes());
                index.extend(i32::try_from(position).unwrap().to_be_bytes());
            }
            position += bytes.len();
        }
        fs::write(folder.path().join(format!("{base:020}.index")), index).unwrap();
        fs::write(folder.path().join(format!("{base:020}.timeindex")), b"").unwrap();
    }
    folder
}

fn log_path(folder: &TempDir, base: i64) -> std::path::PathBuf {
    folder.path().join(format!("{base:020}.log"))
}

/// Three segments: 0 to 9, 10 to 19, 20 to 24, in batches of five.
fn plain() -> TempDir {
    folder(&[(0, vec![batch(0, 5), batch(5, 5)]), (10, vec![batch(10, 5), batch(15, 5)]), (20, vec![batch(20, 5)])])
}

/// Offsets of records, and `!<position>` for damage.
fn read(path: &Path, range: Range<i64>, reading: Reading) -> Vec<String> {
    let log = LogReader::open(&OsFs, path).unwrap();
    let mut seen = Vec::new();
    log.records(at(range.start)..at(range.end), reading, |item| {
        seen.push(match item {
            RecordItem::Record(found) => found.record.offset.to_string(),
            RecordItem::Damage(damage) => format!("!{}@{}", damage.segment, damage.what.position),
        });
        ControlFlow::<()>::Continue(())
    })
    .unwrap();
    seen
}

fn offsets(range: Range<i64>) -> Vec<String> {
    range.map(|offset| offset.to_string()).collect()
}

#[test]
fn a_range_begins_and_ends_anywhere() {
    let folder = plain();
    for (from, until) in [(0, 25), (0, 0), (3, 4), (4, 6), (9, 11), (10, 20), (7, 22), (24, 25), (24, 99)] {
        let expected = offsets(from..until.min(25));
        assert_eq!(read(folder.path(), from..until, Reading::default()), expected, "{from} to {until}");
    }
    assert_eq!(read(folder.path(), i64::MIN..i64::MAX, Reading::default()), offsets(0..25));
    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    assert_eq!((log.log_start(), log.log_end().unwrap(), log.first_base()), (at(0), at(25), at(0)));
}

#[test]
fn an_impossible_offset_ends_no_range() {
    for wrong in [5 + i64::from(i32::MAX), i64::MAX - 5, i64::MAX] {
        let mut moved = batch(5, 5);
        crate::batch::assign(&mut moved, at(wrong), LeaderEpoch::new(0)).unwrap();
        let folder = folder(&[(0, vec![batch(0, 5), moved.clone(), batch(10, 5)])]);
        let seen = read(folder.path(), 0..20, Reading::default());
        assert_eq!(seen, [offsets(0..5), offsets(10..15)].concat(), "{wrong}");
    }
}

#[test]
fn an_empty_folder_is_a_log_without_records() {
    let folder = tempfile::tempdir().unwrap();
    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    assert_eq!((log.log_start(), log.log_end().unwrap(), log.last_stable_offset().unwrap()), (at(0), at(0), at(0)));
    assert_eq!(log.find_offset(at(0)).unwrap().found, None);
    assert_eq!(log.offset_for_time(Timestamp::new(0)).unwrap().found, None);
    assert_eq!(log.offset_for_max_timestamp().unwrap().found, None);
    assert_eq!(read(folder.path(), 0..10, Reading::default()), offsets(0..0));
}

#[test]
fn the_log_start_is_the_checkpoint_but_never_below_the_first_segment() {
    let folder = folder(&[(10, vec![batch(10, 5)])]);
    let starts = |log_start: Option<i64>| {
        let checkpointed = Checkpointed { log_start: log_start.map(at), high_watermark: None };
        let listed = PartitionDirectory::list(&OsFs, folder.path()).unwrap();
        LogReader::new(&OsFs, listed, checkpointed).log_start().get()
    };
    assert_eq!([None, Some(0), Some(12), Some(99)].map(starts), [10, 10, 12, 99]);
}

#[test]
fn checkpoints_beside_the_folder_are_read_and_bad_ones_say_nothing() {
    let root = tempfile::tempdir().unwrap();
    let partition = root.path().join("orders-3");
    fs::create_dir(&partition).unwrap();
    fs::write(root.path().join(OffsetCheckpoint::LOG_START), "0\n2\norders 3 7\norders 4 1\n").unwrap();
    fs::write(root.path().join(OffsetCheckpoint::HIGH_WATERMARK), "0\n9\norders 3 8\n").unwrap();
    let log = LogReader::open(&OsFs, &partition).unwrap();
    assert_eq!((log.log_start(), log.high_watermark()), (at(7), None));
    fs::write(root.path().join(OffsetCheckpoint::HIGH_WATERMARK), "0\n1\norders 3 8\n").unwrap();
    let log = LogReader::open(&OsFs, &partition).unwrap();
    assert_eq!(log.high_watermark(), Some(at(8)));
}

#[test]
fn reading_goes_on_behind_damage_or_ends_there() {
    let folder = plain();
    let path = log_path(&folder, 10);
    let mut bytes = fs::read(&path).unwrap();
    bytes[80] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let behind = [offsets(0..10), vec!["!10@0".to_owned()], offsets(15..25)].concat();
    assert_eq!(read(folder.path(), 0..25, Reading::default()), behind);
    let stopping = Reading { on_damage: OnDamage::Stop, ..Reading::default() };
    assert_eq!(read(folder.path(), 0..25, stopping), behind[..11]);

    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    let mut batches = log.batches(at(10)..at(25), OnDamage::GoOn);
    let Some(BatchItem::Damage(damage)) = batches.next().unwrap() else { panic!("no damage") };
    assert!(matches!(damage.what.rule, Rule::Checksum { .. }));
    let second = FilePosition::new(batch(10, 5).len() as u64);
    assert_eq!((damage.stop, damage.resumes, damage.is_tail), (None, Some(second), false));
}

#[test]
fn a_torn_tail_is_the_end_of_the_log_and_of_the_last_segment_only() {
    let folder = plain();
    for base in [10, 20] {
        let path = log_path(&folder, base);
        let whole = fs::read(&path).unwrap();
        let cut = whole.len() - 7;
        fs::write(&path, &whole[..cut]).unwrap();
        let log = LogReader::open(&OsFs, folder.path()).unwrap();
        let mut batches = log.batches(at(0)..at(25), OnDamage::GoOn);
        let mut damage = None;
        while let Some(item) = batches.next().unwrap() {
            if let BatchItem::Damage(found) = item {
                damage = Some(found);
            }
        }
        let damage = damage.unwrap();
        assert!(matches!(damage.stop, Some(Stop::PastEnd { .. })), "{damage:?}");
        assert_eq!((damage.segment, damage.is_tail, damage.resumes), (at(base), base == 20, None));
        assert_eq!(log.log_end().unwrap(), if base == 20 { at(20) } else { at(25) });
        fs::write(&path, &whole).unwrap();
    }
}

/// Consumers go forward only; what was written twice is read once.
#[test]
fn a_consumer_passes_over_repeated_offsets() {
    let folder = folder(&[(0, vec![batch(0, 5), batch(5, 5), batch(5, 5), batch(10, 1)])]);
    let repeated = [offsets(0..10), offsets(5..11)].concat();
    assert_eq!(read(folder.path(), 0..11, Reading::default()), repeated);
    assert_eq!(read(folder.path(), 0..11, Reading::view(View::ReadUncommitted)), offsets(0..11));
}

#[test]
fn a_wrong_offset_in_the_middle_hides_nothing_behind_it() {
    let folder = folder(&[(0, vec![batch(0, 5), batch(1 << 40, 1), batch(6, 4)]), (10, vec![batch(10, 1)])]);
    let expected = [offsets(0..5), offsets(6..11)].concat();
    assert_eq!(read(folder.path(), 0..11, Reading::default()), expected);
}

#[test]
fn aborted_data_markers_and_open_transactions_are_left_out() {
    let folder = folder(&[
        (0, vec![transactional(1, 0), transactional(2, 1), batch(2, 1), marker(1, 3, false)]),
        (4, vec![transactional(1, 4), marker(2, 5, true), marker(1, 6, true), transactional(1, 7), batch(8, 1)]),
    ]);
    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    assert_eq!(log.last_stable_offset().unwrap(), at(7));
    assert_eq!(log.range_of(View::ReadCommitted).unwrap(), at(0)..at(7));
    let committed = Reading::view(View::ReadCommitted);
    assert_eq!(read(folder.path(), 0..7, committed), ["1", "2", "4"]);
    assert_eq!(read(folder.path(), 0..7, Reading { with_control: true, ..committed }), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(read(folder.path(), 0..1, committed), [""; 0], "its marker lies behind the range");
    assert_eq!(read(folder.path(), 0..9, Reading::view(View::ReadUncommitted)), ["0", "1", "2", "4", "7", "8"]);
    let aborted = log.aborted_transactions(at(0)..at(9)).unwrap();
    assert_eq!(aborted.iter().map(|txn| (txn.first_offset, txn.last_offset)).collect::<Vec<_>>(), [(at(0), at(3))]);
    assert!(log.aborted_by_index(at(0)..at(9)).unwrap().is_empty(), "there is no index");
}

#[test]
fn an_offset_is_found_or_the_next_one() {
    let folder = folder(&[(0, vec![batch(0, 5), batch(7, 3)]), (20, vec![batch(20, 5)])]);
    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    let second = batch(0, 5).len() as u64;
    for (asked, found) in
        [(0, Some((0, 0, 0))), (4, Some((4, 0, 0))), (5, Some((7, 0, second))), (10, Some((20, 20, 0)))]
    {
        let answer = log.find_offset(at(asked)).unwrap();
        let place = answer.found.map(|found| (found.offset.get(), found.segment.get(), found.position.get()));
        assert_eq!(place, found, "{asked}");
        assert_eq!(answer.doubts, []);
    }
    assert_eq!(log.find_offset(at(25)).unwrap().found, None);
    assert_eq!(log.find_offset(at(9)).unwrap().via, Via::Index);
    assert_eq!(log.find_offset(at(21)).unwrap().via, Via::Scan, "the last segment's index has no entry");
}

#[test]
fn an_index_that_lies_is_told_and_the_segment_scanned() {
    let folder = folder(&[(0, vec![batch(0, 5), batch(5, 5), batch(10, 5)]), (20, vec![batch(20, 1)])]);
    let path = folder.path().join("00000000000000000000.index");
    let good = fs::read(&path).unwrap();
    let honest = LogReader::open(&OsFs, folder.path()).unwrap().find_offset(at(14)).unwrap();
    assert_eq!(honest.via, Via::Index);
    let size = i32::try_from(batch(0, 5).len()).unwrap();
    let entries = |entries: &[(i32, i32)]| {
        entries.iter().flat_map(|(delta, at)| [delta.to_be_bytes(), at.to_be_bytes()].concat()).collect::<Vec<u8>>()
    };
    for (lie, at_byte) in [
        (entries(&[(9, size), (14, 2 * size + 1)]), 12),
        (entries(&[(9, size), (12, 3 * size)]), 12),
        (entries(&[(9, size), (8, 2 * size)]), 8),
        (entries(&[(9, size), (14, size)]), 12),
        (entries(&[(-1, size), (14, 2 * size)]), 0),
        (entries(&[(9, size), (20, 2 * size)]), 8),
        (entries(&[(3, size), (9, 2 * size)]), 12),
        (entries(&[(9, -size)]), 4),
    ] {
        fs::write(&path, &lie).unwrap();
        let answer = LogReader::open(&OsFs, folder.path()).unwrap().find_offset(at(14)).unwrap();
        assert_eq!((answer.found, answer.via), (honest.found, Via::Scan), "{lie:?}");
        let doubts: Vec<_> = answer.doubts.iter().map(|doubt| doubt.position.get()).collect();
        assert_eq!(doubts, [at_byte], "{lie:?}: {:?}", answer.doubts);
    }
    fs::write(&path, [good.as_slice(), &[0; 3]].concat()).unwrap();
    let answer = LogReader::open(&OsFs, folder.path()).unwrap().find_offset(at(14)).unwrap();
    assert_eq!((answer.found, answer.via, answer.doubts.len()), (honest.found, Via::Index, 1));
    fs::remove_file(&path).unwrap();
    let answer = LogReader::open(&OsFs, folder.path()).unwrap().find_offset(at(14)).unwrap();
    assert_eq!((answer.found, answer.via), (honest.found, Via::Scan));
    assert!(matches!(answer.doubts[0].rule, Rule::Missing { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes in any file: every question has an answer, and an index changes none of the offsets that are found.
    #[test]
    fn any_bytes_answer_every_question(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        sides in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 5),
    ) {
        let folder = folder(&[
            (0, vec![transactional(1, 0), batch(1, 4), batch(5, 5)]),
            (10, vec![batch(10, 5), marker(1, 15, false)]),
        ]);
        let path = log_path(&folder, 0);
        let mut bytes = fs::read(&path).unwrap();
        for (place, byte) in &flips {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        fs::write(&path, &bytes).unwrap();
        let find = || {
            let log = LogReader::open(&OsFs, folder.path()).unwrap();
            (0..16).map(|offset| log.find_offset(at(offset)).unwrap().found).collect::<Vec<_>>()
        };
        let found = find();
        let names = ["00.index", "10.index", "00.timeindex", "00.txnindex", "10.snapshot"];
        for (name, bytes) in names.iter().zip(&sides) {
            let (base, ending) = name.split_once('.').unwrap();
            fs::write(folder.path().join(format!("{base:0>20}.{ending}")), bytes).unwrap();
        }
        if flips.is_empty() {
            prop_assert_eq!(find(), found);
        }
        let log = LogReader::open(&OsFs, folder.path()).unwrap();
        for time in [i64::MIN, -1, 0, 7, 14, i64::MAX] {
            log.offset_for_time(Timestamp::new(time)).unwrap();
        }
        log.offset_for_max_timestamp().unwrap();
        let _ = log.aborted_by_index(at(0)..at(16));
        for view in [View::Everything, View::ReadUncommitted, View::ReadCommitted] {
            read(folder.path(), i64::MIN..i64::MAX, Reading::view(view));
        }
    }
}

/// Three segments with the times 0 to 9, 10 to 19, 20 to 24, and time indexes that say so; the last one's is empty.
fn timed() -> TempDir {
    let folder = plain();
    for (base, time, delta) in [(0, 9_i64, 9_i32), (10, 19, 9)] {
        write_time_index(&folder, base, time, delta);
    }
    folder
}

fn write_time_index(folder: &TempDir, base: i64, time: i64, delta: i32) {
    let entry = [&time.to_be_bytes()[..], &delta.to_be_bytes()].concat();
    fs::write(folder.path().join(format!("{base:020}.timeindex")), entry).unwrap();
}

fn fates(
    folder: &TempDir,
    high_watermark: Option<i64>,
    log_start: Option<i64>,
    rules: RetentionRules,
) -> Vec<RetentionFate> {
    let listed = PartitionDirectory::list(&OsFs, folder.path()).unwrap();
    let checkpointed = Checkpointed { log_start: log_start.map(at), high_watermark: high_watermark.map(at) };
    let verdicts = LogReader::new(&OsFs, listed, checkpointed).plan_retention(&rules).unwrap();
    verdicts.iter().map(|verdict| verdict.fate).collect()
}

#[test]
fn retention_takes_the_oldest_and_says_why_the_others_stay() {
    use RetentionFate::{AboveHighWatermark, BehindKept, Deleted, NotDeleting, Young};
    let folder = timed();
    let size = fs::metadata(log_path(&folder, 0)).unwrap().len();
    let young = |until: i64| Young { until: Some(Timestamp::new(until)) };
    let (age, start) = (Deleted(RetentionReason::Age), Deleted(RetentionReason::LogStart));
    let rules = |now, ms, bytes| RetentionRules { now: Timestamp::new(now), ms, bytes, delete: true };
    for (high_watermark, log_start, rules, expected) in [
        (None, None, rules(109, Some(100), None), [young(110), BehindKept, BehindKept]),
        (None, None, rules(110, Some(100), None), [age, young(120), BehindKept]),
        (None, None, rules(999, Some(100), None), [age, age, age]),
        (Some(19), None, rules(999, Some(100), None), [age, AboveHighWatermark, BehindKept]),
        (None, Some(12), rules(0, None, None), [start, Young { until: None }, BehindKept]),
        (None, None, rules(0, None, Some(2 * size)), [Young { until: None }, BehindKept, BehindKept]),
        (None, None, rules(0, None, Some(size)), [Deleted(RetentionReason::Size), Young { until: None }, BehindKept]),
        (
            None,
            Some(12),
            RetentionRules { delete: false, ..rules(999, Some(1), Some(0)) },
            [start, NotDeleting, BehindKept],
        ),
        (None, None, rules(999, Some(i64::MAX), None), [Young { until: None }, BehindKept, BehindKept]),
    ] {
        assert_eq!(fates(&folder, high_watermark, log_start, rules), expected, "{rules:?}");
    }
    fs::write(log_path(&folder, 20), b"").unwrap();
    assert_eq!(fates(&folder, None, None, rules(999, Some(1), None)), [age, age, RetentionFate::Empty]);
}

#[test]
fn retention_believes_the_time_index_of_a_closed_segment_and_tells_the_lie() {
    let folder = timed();
    write_time_index(&folder, 0, 900, 4);
    let rules = RetentionRules { now: Timestamp::new(500), ms: Some(1), bytes: None, delete: true };
    let log = LogReader::open(&OsFs, folder.path()).unwrap();
    let ages: Vec<_> = log.plan_retention(&rules).unwrap().into_iter().map(|verdict| verdict.age).collect();
    assert_eq!((ages[0].timestamp, ages[0].offset), (Timestamp::new(900), Some(at(4))));
    assert!(ages[0].doubt.is_some() && ages[1].doubt.is_none() && ages[2].doubt.is_none());
    assert_eq!((ages[2].timestamp, ages[2].offset), (Timestamp::new(24), Some(at(24))));

    // Without an entry the file's own time counts, which is now.
    fs::write(folder.path().join(format!("{:020}.timeindex", 0)), b"").unwrap();
    let first = log.plan_retention(&rules).unwrap().remove(0);
    assert!(first.age.offset.is_none() && first.age.timestamp > Timestamp::new(1_700_000_000_000), "{first:?}");
    assert!(first.age.doubt.is_some());
}
