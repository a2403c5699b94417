//! `import`: what was exported is there again, and what cannot be taken is refused with its place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use log_engine::testing::golden;
use serde_json::{Value, json};

use crate::support::{arg, assert_valid, lines, log_cli, run, stdout};

/// The partitions of all undamaged and crashed cases.
fn partitions() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for case in golden::kafka_cases() {
        let mut folders = vec![golden::kafka(&case).join("dir")];
        while let Some(folder) = folders.pop() {
            let below: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            if below.iter().any(|path| path.extension().is_some_and(|kind| kind == "log")) {
                found.push(folder);
            } else {
                folders.extend(below.into_iter().filter(|path| path.is_dir()));
            }
        }
    }
    found.sort();
    found
}

/// What an export says of a record that does not lie in the file's layout, and is the same in all message formats.
fn content(lines: Vec<Value>) -> Vec<Value> {
    let of_the_file = ["segment", "position", "crcOk", "magic", "crc", "size"];
    let is_whole = |line: &Value| line.get("type").is_none();
    lines
        .into_iter()
        .filter(is_whole)
        .map(|mut line| {
            let fields = line.as_object_mut().unwrap();
            let is_old = fields["magic"].as_i64() < Some(2);
            of_the_file.iter().for_each(|name| drop(fields.remove(*name)));
            if is_old {
                // A message around others is named by its last offset, a batch by its first; only the latter has a kind of time always.
                ["batchOffset", "timestampType"].iter().for_each(|name| drop(fields.remove(*name)));
            }
            line
        })
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_was_exported_is_there_again() {
    let (mut records, mut damaged, mut doubled) = (0, 0, 0);
    let partitions = partitions();
    for folder in &partitions {
        let scratch = tempfile::tempdir().unwrap();
        let name = folder.file_name().unwrap();
        let (file, copy) = (scratch.path().join("x.ndjson"), scratch.path().join(name));
        let exported = run(&["export", arg(folder), "-o", arg(&file), "-q"]);
        let original: Vec<Value> =
            std::fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let imported = run(&["import", arg(&file), "-o", arg(&copy)]);
        if stderr(&imported).contains("is below") {
            // Kafka left offsets there that were given twice.
            assert_eq!(imported.status.code(), Some(4), "{}", folder.display());
            doubled += 1;
            continue;
        }
        let expected = if exported.status.success() { 0 } else { 3 };
        assert_eq!(imported.status.code(), Some(expected), "{}: {}", folder.display(), stderr(&imported));
        damaged += usize::from(expected == 3);
        let again = run(&["export", arg(&copy), "-o", "-"]);
        assert_eq!(again.status.code(), Some(0), "{}: {}", folder.display(), stderr(&again));
        let (mut original, mut found) = (content(original), content(lines(&again)));
        let old = original.iter().any(|line| line.get("batchOffset").is_none() && line.get("count").is_none());
        if old {
            let fields = ["batchOffset", "timestampType"];
            for line in original.iter_mut().chain(&mut found) {
                fields.iter().for_each(|name| drop(line.as_object_mut().unwrap().remove(*name)));
            }
        }
        // A batch has to name an epoch, or no follower takes it; old messages name none.
        for line in original.iter_mut().filter(|line| line["leaderEpoch"].is_null() && line.get("offset").is_some()) {
            line["leaderEpoch"] = 0.into();
        }
        assert_eq!(found.len(), original.len(), "{}", folder.display());
        for (found, original) in found.iter().zip(&original) {
            assert_eq!(found, original, "{}", folder.display());
        }
        records += found.len();
    }
    assert!(partitions.len() > 100 && records > 5000 && damaged > 3 && doubled <= 3, "{records} {damaged} {doubled}");
}

#[test]
fn a_whole_directory_becomes_one_that_a_start_can_use_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let (file, copy) = (scratch.path().join("x.ndjson"), scratch.path().join("new/copy"));
    assert!(run(&["export", arg(&golden::sample()), "-o", arg(&file)]).status.success());
    let imported = run(&["import", arg(&file), "-o", arg(&copy), "--json", "--segment-bytes", "1500"]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let report: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_valid("import", std::slice::from_ref(&report));
    let whole = lines(&run(&["export", arg(&golden::sample()), "-o", "-"]));
    let again = lines(&run(&["export", arg(&copy), "-o", "-"]));
    assert_eq!(content(again), content(whole));
    // Nothing says whose broker and which topics they are: that is not in an export. Everything else is right.
    let verified = run(&["verify", arg(&copy), "--level", "deep", "--json"]);
    let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let codes = codes(&verified);
    assert!(codes.iter().all(|code| code.starts_with('D')), "{codes:?}");
    for name in ["recovery-point-offset-checkpoint", "replication-offset-checkpoint", ".kafka_cleanshutdown"] {
        assert!(copy.join(name).exists(), "{name}");
    }
    let of = |topic: &str| report["partitions"].as_array().unwrap().iter().find(|part| part["topic"] == topic).unwrap();
    assert_eq!((of("txn-seg")["start"].clone(), of("txn-seg")["partition"].clone()), (json!(0), json!(0)));
    let segments = std::fs::read_dir(copy.join("txn-seg-0")).unwrap();
    let logs = segments.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "log"));
    assert!(logs.count() > 2, "--segment-bytes makes segments");
}

/// The codes of all findings of warnings and errors in a report.
fn codes(report: &Value) -> Vec<String> {
    match report {
        Value::Object(fields) if fields.contains_key("code") && fields["severity"] != "info" => {
            vec![fields["code"].as_str().unwrap().to_owned()]
        }
        Value::Object(fields) => fields.values().flat_map(codes).collect(),
        Value::Array(items) => items.iter().flat_map(codes).collect(),
        _ => Vec::new(),
    }
}

/// Imports `text` as `t-0`.
fn import(scratch: &Path, text: &str, flags: &[&str]) -> Output {
    let mut child = log_cli()
        .args(["import", "-", "-o"])
        .arg(scratch.join("t-0"))
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn batches(scratch: &Path) -> Vec<(Value, Value, Value)> {
    let found = lines(&run(&["dump", arg(&scratch.join("t-0")), "--batches", "--json"]));
    found.iter().map(|b| (b["baseOffset"].clone(), b["count"].clone(), b["compresscodec"].clone())).collect()
}

#[test]
fn lines_by_hand_need_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let text = "{\"key\":\"a\"}\n\n{\"offset\":7,\"value\":\"b\",\"timestamp\":5}\n{}\n";
    let output = import(scratch.path(), text, &[]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    assert_eq!(stderr(&output), "t-0  3 records in 1 batch, 89 B, offsets 0..9\n");
    let found = lines(&run(&["dump", arg(&scratch.path().join("t-0")), "--json"]));
    let fields = |name: &str| found.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(fields("offset"), [json!(0), json!(7), json!(8)]);
    assert_eq!(fields("key"), [json!("a"), Value::Null, Value::Null]);
    assert_eq!(fields("leaderEpoch"), [0, 0, 0].map(Value::from));
    assert_eq!(found[1]["timestamp"], 5);
    assert!(found[0]["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!(run(&["verify", arg(&scratch.path().join("t-0"))]).status.code(), Some(0));
}

#[test]
fn batches_and_codecs_can_be_chosen() {
    let text: String =
        (0..5).map(|n| format!("{{\"offset\":{n},\"batchOffset\":0,\"batchLastOffset\":4}}\n")).collect();
    for (flags, expected) in [
        (&[][..], vec![(0, 5, "NONE")]),
        (&["--codec", "zstd"], vec![(0, 5, "ZSTD")]),
        (&["--batch-records", "3", "--codec", "lz4"], vec![(0, 3, "LZ4"), (3, 2, "LZ4")]),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        assert!(import(scratch.path(), &text, flags).status.success());
        let found: Vec<_> = batches(scratch.path())
            .into_iter()
            .map(|(base, count, codec)| (base, count, codec.as_str().unwrap().to_uppercase()))
            .collect();
        let expected: Vec<_> =
            expected.into_iter().map(|(base, count, codec)| (json!(base), json!(count), codec.to_owned())).collect();
        assert_eq!(found, expected, "{flags:?}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_place() {
    for (text, code, said) in [
        (
            "{\"offset\":3}\n{\"key\":\"k\",\"offset\":3}",
            4,
            "<stdin> line 2 column 12: offset 3 is below 4, where the log ends",
        ),
        ("{}\n{\"key\":7}", 4, "<stdin> line 2 column 8: invalid type: integer `7`, expected a string"),
        ("{\"topic\":\"a\"}\n{\"topic\":\"b\"}", 4, "line 2 column 1: a second partition"),
        ("{\"type\":\"damage\",\"code\":\"B001\"}", 3, "1 line of damage: what stood there is missing"),
        ("{\"crcOk\":false}", 0, "1 record of batches whose checksum did not fit"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let output = import(scratch.path(), text, &[]);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(stderr(&output).contains(said), "{text}: {}", stderr(&output));
    }
    let scratch = tempfile::tempdir().unwrap();
    let big = format!("{{\"value\":\"{}\"}}", "x".repeat(2000));
    let output = import(scratch.path(), &big, &["--segment-bytes", "1000"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("1000"), "{}", stderr(&output));
}

#[test]
fn exit_codes_say_what_happened() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("x.ndjson");
    std::fs::write(&file, "{}\n").unwrap();
    let (full, free) = (scratch.path().join("full-0"), scratch.path().join("free"));
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("something"), "").unwrap();
    for (args, code) in [
        (&["import", arg(&file), "-o", arg(&full)][..], 5),
        (&["import", arg(&file), "-o", arg(&file)], 4),
        (&["import", arg(&file)], 2),
        (&["import", "/no/such/file", "-o", arg(&free)], 4),
        (&["import", arg(scratch.path()), "-o", arg(&free)], 4),
        (&["import", arg(&file), "-o", arg(&free)], 4),
        (&["import", arg(&file), "-o", arg(&free), "--batch-records", "0"], 2),
        (&["import", arg(&file), "-o", arg(&free), "--segment-bytes", "0"], 2),
        (&["import", "--schema"], 0),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
    // Somebody's log directory, which is in use.
    let data = scratch.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let _held = log_engine::WriteFs::lock(&log_engine::OsFs, &data.join(".lock")).unwrap();
    let output = run(&["import", arg(&file), "-o", arg(&data.join("t-0"))]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(!data.join("t-0").exists());
}
