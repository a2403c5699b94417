//! Logs that real brokers wrote, read as its clients read them: every record, every offset by time.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use log_engine::error::Corrupt;
use log_engine::log::{Located, LogRecord, OnDamage, Reading, RecordItem, View};
use log_engine::testing::golden;
use log_engine::{LogReader, Offset, OsFs, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A recorded answer of a real client, and the folder of the partition that it asked for.
struct Recorded {
    file: PathBuf,
    partition: PathBuf,
}

/// The files in the `expected` folders whose names are `<kind>-<partition><ending>`.
fn recorded(kind: &str, ending: &str) -> Vec<Recorded> {
    let mut found = Vec::new();
    for case in golden::kafka_cases() {
        let case = golden::kafka(&case);
        for name in golden::files(&case.join("expected")) {
            let name = name.to_str().unwrap();
            let partition = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(ending));
            let Some(partition) = partition.filter(|partition| !partition.contains(".read_committed")) else {
                continue;
            };
            let file = case.join("expected").join(name);
            let folders = ["dir", "dir/disk1", "dir/disk2"].map(|dir| case.join(dir).join(partition));
            // Of the damaged crash directories only the partitions are stored that differ.
            let same = golden::kafka("crash/after").join("dir").join(partition);
            let partition = folders.into_iter().chain([same]).find(|folder| folder.is_dir());
            found.push(Recorded { partition: partition.unwrap_or_else(|| panic!("{}", file.display())), file });
        }
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A record as the recorder of the real consumer wrote it down.
fn as_recorded(LogRecord { batch, record }: &LogRecord<'_>) -> Value {
    let headers: Vec<_> =
        record.headers.map(|header| json!([String::from_utf8_lossy(header.key), header.value.map(hex)])).collect();
    let mut row = json!({
        "offset": record.offset.get(),
        "timestamp": record.timestamp.get(),
        "timestampType": batch.batch.timestamp_type().name(),
        "leaderEpoch": batch.batch.leader_epoch().map(|epoch| epoch.get()),
        "key": record.key.map(hex),
        "headers": headers,
    });
    match record.value {
        Some(value) if value.len() > 2048 => {
            row["valueLength"] = value.len().into();
            row["valueSha256"] = hex(&Sha256::digest(value)).into();
        }
        value => row["value"] = value.map(hex).into(),
    }
    row
}

/// What a consumer reads of a partition: its records, and whether damage stopped it.
fn consume(partition: &Path, view: View) -> (Vec<Value>, bool) {
    let log = LogReader::open(&OsFs, partition).unwrap();
    let reading = Reading { on_damage: OnDamage::Stop, ..Reading::view(view) };
    let mut records = Vec::new();
    let mut stopped = false;
    log.records(log.range_of(view).unwrap(), reading, |item| {
        match item {
            RecordItem::Record(record) => records.push(as_recorded(&record)),
            RecordItem::Damage(_) => stopped = true,
        }
        ControlFlow::<()>::Continue(())
    })
    .unwrap();
    (records, stopped)
}

/// Compares all readouts with this ending; how many records there were.
fn compare_consumers(ending: &str, view: View) -> usize {
    let mut rows = 0;
    for Recorded { file, partition } in recorded("consumer", ending) {
        let lines = fs::read_to_string(&file).unwrap();
        let mut expected: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stops = expected.pop_if(|row| row.get("error").is_some()).is_some();
        let (records, stopped) = consume(&partition, view);
        for (ours, theirs) in records.iter().zip(&expected) {
            assert_eq!(ours, theirs, "{}", file.display());
        }
        assert_eq!((records.len(), stopped), (expected.len(), stops), "{}", file.display());
        rows += expected.len();
    }
    rows
}

#[test]
fn consumers_read_the_same_records() {
    let rows = compare_consumers(".jsonl", View::ReadUncommitted);
    println!("{rows} records");
    assert!(rows > 1000, "{rows}");
}

#[test]
fn consumers_of_committed_records_read_the_same() {
    let rows = compare_consumers(".read_committed.jsonl", View::ReadCommitted);
    println!("{rows} committed records");
    assert!(rows > 100, "{rows}");
}

/// Which transactions reach into a log, and which of its records are committed, the index and the markers say alike.
#[test]
fn aborted_transactions_of_real_logs_are_those_of_their_indexes() {
    let mut aborted = 0;
    for Recorded { file, partition } in recorded("consumer", ".read_committed.jsonl") {
        if file.to_str().unwrap().contains("compact-") {
            continue; // The index keeps what cleaning removed.
        }
        let log = LogReader::open(&OsFs, &partition).unwrap();
        let end = log.log_end().unwrap().get();
        for (from, until) in [(0, end), (end / 3, end / 2), (end / 2, end), (end / 4, end / 4 + 1)] {
            let range = Offset::new(from)..Offset::new(until);
            let by_marker = log.aborted_transactions(range.clone()).unwrap();
            let by_index = log.aborted_by_index(range).unwrap();
            let mut markers: Vec<_> = by_marker.iter().map(|txn| (txn.producer_id, txn.last_offset)).collect();
            let mut entries: Vec<_> = by_index.iter().map(|txn| (txn.producer_id, txn.last_offset)).collect();
            markers.sort();
            entries.sort();
            assert_eq!(markers, entries, "{} {from} to {until}", partition.display());
            aborted += markers.len();
        }
    }
    assert!(aborted > 20, "{aborted}");
}

fn answered(found: Option<Located>) -> Value {
    match found {
        Some(found) => json!({
            "offset": found.offset.get(),
            "timestamp": found.timestamp.get(),
            "leaderEpoch": found.leader_epoch.map(|epoch| epoch.get()),
        }),
        None => json!({"offset": -1, "timestamp": -1, "leaderEpoch": null}),
    }
}

/// Compares a recorded answer, unless the client refused to ask.
fn compare(ours: Value, theirs: &Value, what: &str) -> usize {
    if theirs.is_null() || theirs.get("error").is_some() {
        return 0;
    }
    assert_eq!(&ours, theirs, "{what}");
    1
}

#[test]
fn offsets_are_those_of_a_broker() {
    let mut answers = 0;
    for Recorded { file, partition } in recorded("offsets", ".json") {
        let recorded = golden::json(&file);
        // A segment without timestamps counts as old as its file; archives do not keep that.
        let root = golden::private_copy(partition.parent().unwrap());
        let log = LogReader::open(&OsFs, &root.path().join(partition.file_name().unwrap())).unwrap();
        let (start, end, stable) = (log.log_start(), log.log_end().unwrap(), log.last_stable_offset().unwrap());
        let epoch = log.epochs().unwrap().earliest().filter(|earliest| earliest.start <= start);
        let earliest =
            json!({"offset": start.get(), "timestamp": -1, "leaderEpoch": epoch.map(|earliest| earliest.epoch.get())});
        let name = file.display().to_string();
        answers += compare(earliest, &recorded["earliest(-2)"], &name);
        answers += compare(end.get().into(), &recorded["latest(-1) read_uncommitted"]["offset"], &name);
        answers += compare(stable.get().into(), &recorded["latest(-1) read_committed"]["offset"], &name);
        let is_damaged = name.contains("/crash-");
        let max = log.offset_for_max_timestamp().unwrap();
        assert!(is_damaged || max.doubts.is_empty(), "{name}: {:?}", max.doubts);
        answers += compare(answered(max.found), &recorded["maxTimestamp(-3)"], &name);
        for row in recorded["forTimestamp"].as_array().unwrap() {
            let answer = log.offset_for_time(Timestamp::new(row["for"].as_i64().unwrap())).unwrap();
            let case = format!("{name} for {} by {:?}", row["for"], answer.via);
            assert!(is_damaged || answer.doubts.is_empty(), "{case}: {:?}", answer.doubts);
            for (level, bound) in [("read_uncommitted", end), ("read_committed", stable)] {
                let visible = answer.found.filter(|found| found.offset < bound);
                answers += compare(answered(visible), &row[level], &case);
            }
        }
    }
    println!("{answers} answers");
    assert!(answers > 1000, "{answers}");
}

/// Everything that can be asked, answered; and what was found wrong with the indexes on the way.
fn interview(partition: &Path) -> (Vec<Option<Located>>, Vec<Value>, Vec<Corrupt>) {
    let log = LogReader::open(&OsFs, partition).unwrap();
    let mut answers = vec![log.offset_for_max_timestamp().unwrap()];
    let offsets = (0..=log.log_end().unwrap().get()).step_by(3);
    answers.extend(offsets.map(|offset| log.find_offset(Offset::new(offset)).unwrap()));
    let times: Vec<_> = answers.iter().filter_map(|answer| Some(answer.found?.timestamp.get())).collect();
    for time in times.iter().step_by(7).flat_map(|time| [*time, time + 1]) {
        answers.push(log.offset_for_time(Timestamp::new(time)).unwrap());
    }
    let doubts = answers.iter().flat_map(|answer| answer.doubts.clone()).collect();
    let found = answers.into_iter().map(|answer| answer.found).collect();
    (found, consume(partition, View::ReadCommitted).0, doubts)
}

#[test]
fn indexes_that_lie_are_noticed_and_change_no_answer() {
    let mut bases: HashMap<String, (Vec<Option<Located>>, Vec<Value>)> = HashMap::new();
    let (mut cases, mut unnoticed) = (0, Vec::new());
    for case in golden::damage_cases() {
        let name = case.split('/').next_back().unwrap();
        if !["index-", "timeindex-", "txnindex-", "snapshot-"].iter().any(|kind| name.starts_with(kind)) {
            continue;
        }
        let damaged = golden::damage(&case);
        let file = damaged.truth()["damage"]["file"].as_str().unwrap();
        let partition = Path::new(file).parent().unwrap();
        let base = damaged.truth()["before"]["base"].as_str().unwrap();
        let (answers, committed) = bases.entry(base.to_owned()).or_insert_with(|| {
            let base = golden::unpacked("damage", "bases").join("bases").join(base);
            let (answers, committed, doubts) = interview(&base.join(partition));
            assert_eq!(doubts, [], "{}", base.display());
            (answers, committed)
        });
        let (ours, read, doubts) = interview(&damaged.before().join(partition));
        assert_eq!((&ours, &read), (&*answers, &*committed), "{case}");
        if doubts.is_empty() && name.contains("index-") && !name.starts_with("txnindex") {
            unnoticed.push(case);
        }
        cases += 1;
    }
    println!("{cases} cases; nothing was noticed in {unnoticed:?}");
    assert!(cases > 50, "{cases}");
    // An index without entries says nothing untrue, and nobody asks for offsets behind the log end.
    let harmless = ["index-empty", "-empty__", "-last-segment-offset-past-end", "-last-segment-zeros"];
    unnoticed.retain(|case| !harmless.iter().any(|kind| case.contains(kind)));
    assert_eq!(unnoticed, [""; 0]);
}
