//! `copy`: what goes in comes out, byte for byte or made anew, and what is written is sound.

use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use log_engine::{BatchBuilder, LeaderEpoch, Offset, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{arg, assert_valid, lines, run, stdout};

/// The folders of live partitions in a log directory, in order.
fn partitions(dir: &Path) -> Vec<PathBuf> {
    let names = stdout(&run(&["ls", "--json", arg(dir)]));
    let rows = names.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["state"] == "live").map(|row| PathBuf::from(row["path"].as_str().unwrap())).collect()
}

/// The `.log` files of a partition, one behind the other.
fn bytes(partition: &Path) -> Vec<u8> {
    let logs = golden::files(partition).into_iter().filter(|file| file.extension().is_some_and(|e| e == "log"));
    logs.flat_map(|file| std::fs::read(partition.join(file)).unwrap()).collect()
}

/// The records as lines, without what says where they lie and how they are batched.
fn records(target: &Path, flags: &[&str]) -> Vec<Value> {
    let output = run(&[&["dump", "--format", "ndjson", "--bytes", "hex", arg(target)], flags].concat());
    let mut records = lines(&output);
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        ["segment", "position", "batchOffset", "topic", "partition", "codec", "magic"]
            .iter()
            .for_each(|field| drop(record.remove(*field)));
    }
    records
}

struct Copied {
    _around: TempDir,
    place: PathBuf,
    code: i32,
    report: Value,
}

fn copy(source: &Path, name: &str, flags: &[&str]) -> Copied {
    let around = tempfile::tempdir().unwrap();
    let place = around.path().join(name);
    let output = run(&[&["copy", arg(source), "-o", arg(&place), "--json"], flags].concat());
    let documents = lines(&output);
    assert_eq!(documents.len(), 1, "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    assert_valid("copy", &documents);
    let names: Vec<_> = std::fs::read_dir(around.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [name], "nothing else stays");
    Copied { _around: around, place, code: output.status.code().unwrap(), report: documents[0].clone() }
}

/// Every partition at `place` passes the deepest check.
fn assert_sound(place: &Path) {
    let has_log = |dir: &Path| {
        golden::files(dir)
            .iter()
            .any(|file| file.extension().is_some_and(|e| e == "log") && file.parent() == Some(Path::new("")))
    };
    let inside = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let folders = if has_log(place) { vec![place.to_owned()] } else { inside.collect() };
    for folder in folders {
        let output = run(&["verify", "--level", "deep", "--fail-on", "error", arg(&folder)]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    }
}

/// The undamaged directories of brokers.
fn undamaged() -> Vec<(String, PathBuf)> {
    let cases = golden::kafka_cases().into_iter().filter(|case| !case.starts_with("crash") && case != "metadata");
    cases
        .map(|case| (case.clone(), golden::kafka(&case).join("dir")))
        .filter(|(_, dir)| dir.join("meta.properties").is_file())
        .collect()
}

#[test]
fn everything_that_a_broker_wrote_is_copied_byte_for_byte_and_is_sound() {
    let mut seen = 0;
    for (case, dir) in undamaged() {
        let copied = copy(&dir, "spare", &[]);
        assert_eq!(copied.code, 0, "{case}: {}", copied.report);
        assert_sound(&copied.place);
        for source in partitions(&dir) {
            let target = copied.place.join(source.file_name().unwrap());
            if bytes(&source).is_empty() {
                continue;
            }
            assert!(bytes(&source) == bytes(&target), "{case}: {}", source.display());
            let metadata = |folder: &Path| std::fs::read(folder.join("partition.metadata")).ok();
            assert_eq!(metadata(&source), metadata(&target), "{case}: {}", source.display());
            seen += 1;
        }
        assert_eq!(copied.report["rebuilt"], 0, "{case}");
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn records_that_are_compressed_anew_are_the_same_records() {
    for (case, flags) in [
        ("codecs", &["--recompress", "zstd:1"][..]),
        ("txn", &["--recompress", "none"]),
        ("compacted", &["--recompress", "lz4"]),
    ] {
        let dir = golden::kafka(case).join("dir");
        let copied = copy(&dir, "spare", flags);
        assert_eq!(copied.code, 0, "{case}");
        assert!(copied.report["rebuilt"].as_u64().unwrap() > 0, "{case}");
        assert_sound(&copied.place);
        for source in partitions(&dir) {
            let target = copied.place.join(source.file_name().unwrap());
            assert_eq!(records(&source, &[]), records(&target, &[]), "{case}: {}", source.display());
            let batches = lines(&run(&["dump", "--batches", "--json", arg(&target)]));
            let codec = flags[1].split(':').next().unwrap();
            for batch in batches.iter().filter(|batch| batch["isControl"] == false && batch["count"] != 0) {
                assert_eq!(batch["compresscodec"].as_str().unwrap().to_lowercase(), codec, "{case}: {batch}");
            }
        }
    }
}

#[test]
fn old_messages_become_batches_and_keep_what_they_say() {
    let dir = golden::kafka("legacy").join("dir");
    for source in partitions(&dir) {
        let before = records(&source, &[]);
        if before.is_empty() {
            continue;
        }
        let copied = copy(&source, source.file_name().unwrap().to_str().unwrap(), &["--to-magic", "2"]);
        assert_eq!(copied.code, 0);
        assert_sound(&copied.place);
        let after = records(&copied.place, &[]);
        let plain = |records: &[Value]| -> Vec<Value> {
            let fields = ["offset", "timestamp", "key", "value"];
            records.iter().map(|record| fields.iter().map(|field| record[*field].clone()).collect()).collect()
        };
        assert_eq!(plain(&before), plain(&after), "{}", source.display());
        let batches = lines(&run(&["dump", "--batches", "--json", arg(&copied.place)]));
        assert!(batches.iter().all(|batch| batch["magic"] == 2), "{}", source.display());
    }
}

#[test]
fn offsets_move_together() {
    for (case, name, flags) in [
        ("segments", "seg-size-0", &["--rebase", "0"][..]),
        ("txn", "txn-0", &["--rebase", "5000"]),
        ("compacted", "compact-txn-0", &["--rebase", "100", "--offset", "37:90"]),
        ("plain", "plain-1", &["--rebase", "7", "--offset", "13:25"]),
    ] {
        let source = golden::kafka(case).join("dir").join(name);
        let copied = copy(&source, "moved-0", flags);
        assert_sound(&copied.place);
        let before = records(&source, &flags[2..]);
        let after = records(&copied.place, &[]);
        let start = copied.report["partitions"][0]["start"].as_i64().unwrap();
        assert_eq!(start, flags[1].parse::<i64>().unwrap(), "{case}");
        assert!(!after.is_empty());
        let shift = after[0]["offset"].as_i64().unwrap() - before[0]["offset"].as_i64().unwrap();
        let mut moved = before;
        moved.iter_mut().for_each(|record| record["offset"] = (record["offset"].as_i64().unwrap() + shift).into());
        assert_eq!(moved, after, "{case} {flags:?}");
    }
}

#[test]
fn what_is_chosen_is_there_and_nothing_else_but_markers() {
    let dir = golden::kafka("txn").join("dir");
    let source = dir.join("txn-0");
    let all = records(&source, &[]);
    let markers: Vec<&Value> = all.iter().filter(|record| record["isControl"] == true).collect();
    assert!(!markers.is_empty() && markers.len() < all.len());
    let chosen = |flags: &[&str]| {
        let copied = copy(&source, "txn-0", flags);
        assert_sound(&copied.place);
        records(&copied.place, &[])
    };
    assert_eq!(chosen(&["--offset", "3:9"]), records(&source, &["--offset", "3:9"]));
    let tombstones = chosen(&["--tombstone"]);
    assert_eq!(tombstones.iter().filter(|record| record["isControl"] == true).count(), markers.len());
    assert!(tombstones.iter().all(|record| record["isControl"] == true || record["value"].is_null()));
    let committed = chosen(&["--isolation", "read_committed"]);
    let data: Vec<Value> = committed.into_iter().filter(|record| record["isControl"] == false).collect();
    assert_eq!(data, records(&source, &["--isolation", "read_committed"]));
    let limited = chosen(&["--limit", "4"]);
    assert_eq!(limited[..], all[..4]);
}

/// One partition whose first batch holds the offsets 0 to 9.
fn ten(dir: &Path) -> PathBuf {
    let folder = dir.join("ten-0");
    std::fs::create_dir(&folder).unwrap();
    let mut builder = BatchBuilder::new(Offset::ZERO).leader_epoch(LeaderEpoch::new(3));
    for n in 0..10_u8 {
        builder.push(Timestamp::new(1000 + i64::from(n)), Some(&[b'k', n]), Some(b"value"), &[]).unwrap();
    }
    let mut batch = Vec::new();
    builder.finish(&mut batch).unwrap();
    std::fs::write(folder.join("00000000000000000000.log"), batch).unwrap();
    folder
}

#[test]
fn of_a_batch_those_records_share_one_again_that_follow_each_other() {
    let around = tempfile::tempdir().unwrap();
    let source = ten(around.path());
    let copied = copy(&source, "ten-0", &["--offset", "3:6"]);
    assert_eq!(copied.report["rebuilt"], 1);
    let batches = lines(&run(&["dump", "--batches", "--json", arg(&copied.place)]));
    let facts = (&batches[0]["baseOffset"], &batches[0]["lastOffset"], &batches[0]["count"]);
    assert_eq!(facts, (&3.into(), &5.into(), &3.into()));
    let sparse = copy(&source, "ten-0", &["--key-hex", "6b02", "--key-hex", "6b03", "--key-hex", "6b07"]);
    assert_sound(&sparse.place);
    let batches = lines(&run(&["dump", "--batches", "--json", arg(&sparse.place)]));
    let counts: Vec<_> = batches.iter().map(|batch| (batch["baseOffset"].as_i64(), batch["count"].as_i64())).collect();
    assert_eq!(counts, [(Some(2), Some(2)), (Some(7), Some(1))]);
    // What all tests choose is what it was.
    let whole = copy(&source, "ten-0", &["--value-contains", "val"]);
    assert_eq!((&whole.report["copied"], &whole.report["rebuilt"]), (&1.into(), &0.into()));
    assert_eq!(bytes(&whole.place), bytes(&source));
}

#[test]
fn damage_is_left_out_and_told() {
    let copied = copy(&golden::sample_damaged(), "spare", &[]);
    assert_eq!(copied.code, 3);
    assert!(copied.report["leftOut"].as_u64().unwrap() > 0);
    assert_sound(&copied.place);
    let sound: Vec<Value> =
        records(&golden::sample_damaged(), &[]).into_iter().filter(|record| record["crcOk"] == true).collect();
    assert_eq!(records(&copied.place, &[]), sound);
}

#[test]
fn segments_are_as_large_as_is_asked() {
    let name = "seg-0";
    let source = golden::kafka("segments").join("dir").join(name);
    let one = copy(&source, name, &[]);
    let many = copy(&source, name, &["--segment-bytes", "4KiB"]);
    let logs =
        |place: &Path| golden::files(place).iter().filter(|file| file.extension().is_some_and(|e| e == "log")).count();
    assert!(logs(&one.place) == 1 && logs(&many.place) > 1, "{} and {}", logs(&one.place), logs(&many.place));
    assert_sound(&many.place);
    assert_eq!(bytes(&one.place), bytes(&many.place));
}

#[test]
fn an_open_transaction_is_told() {
    let source = golden::kafka("txn").join("dir/txn-0");
    let all = records(&source, &[]);
    let marker = all.iter().find(|record| record["isControl"] == true).unwrap()["offset"].as_i64().unwrap();
    let copied = copy(&source, "txn-0", &["--offset", &format!(":{marker}")]);
    let open = copied.report["openTransactions"].as_array().unwrap();
    assert_eq!((open.len(), &open[0]["partition"]), (1, &"txn-0".into()));
    assert!(open[0]["lastStableOffset"].as_i64().unwrap() < marker);
}

#[test]
fn what_must_not_be_written_is_not() {
    let around = tempfile::tempdir().unwrap();
    let source = ten(around.path());
    let target = around.path().join("there-0");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("mine"), b"x").unwrap();
    let out = arg(&target);
    assert_eq!(run(&["copy", arg(&source), "-o", out]).status.code(), Some(5), "it exists");
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);
    let other = around.path().join("other-0");
    let twice = run(&["copy", arg(&source), arg(&source), "-o", arg(&other)]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("second source"));
    assert!(!other.exists());
    let nameless = around.path().join("nameless");
    std::fs::rename(&source, &nameless).unwrap();
    assert_eq!(run(&["copy", arg(&nameless), "-o", arg(&around.path().join("x"))]).status.code(), Some(2));
    assert_eq!(run(&["copy", arg(&nameless), "-o", arg(&around.path().join("x-0"))]).status.code(), Some(0));
    assert_eq!(run(&["copy", arg(&nameless), "-o", out, "--recompress", "zip"]).status.code(), Some(2));
    assert_eq!(run(&["copy", "nowhere", "-o", arg(&around.path().join("y-0"))]).status.code(), Some(4));
    assert_eq!(run(&["copy", "--schema"]).status.code(), Some(0));
}
