//! `stats`: its form on every golden directory, its counts against what `dump` shows, and what it says of some.

use std::path::Path;

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

/// What `stats --json` says with these arguments before the path.
fn report(args: &[&str], path: &Path) -> Value {
    let output = log_cli().args(["stats", "--json"]).args(args).arg(path).output().unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{}: {code:?}", path.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_answer_has_the_form_of_its_schema_and_counts_what_dump_shows() {
    let mut reports = Vec::new();
    for case in golden::kafka_cases().into_iter().filter(|case| case != "dirs") {
        let dir = golden::kafka(&case).join("dir");
        let report = report(&["--by", "key,header"], &dir);
        let dumped = lines(&run(&["dump", "--format", "ndjson", arg(&dir)]));
        let records: Vec<&Value> = dumped.iter().filter(|line| line.get("offset").is_some_and(Value::is_i64)).collect();
        let records: Vec<&&Value> = records.iter().filter(|line| line.get("isControl").is_some()).collect();
        let count = |test: &dyn Fn(&Value) -> bool| records.iter().filter(|line| test(line)).count() as u64;
        let data = |line: &Value| line["isControl"] == false;
        for (field, expected) in [
            ("records", count(&data)),
            ("controlRecords", count(&|line| line["isControl"] == true)),
            ("nullKeys", count(&|line| data(line) && line["key"].is_null())),
            ("tombstones", count(&|line| data(line) && line["value"].is_null())),
            ("recordsWithHeaders", count(&|line| line["headers"].as_array().is_some_and(|all| !all.is_empty()))),
        ] {
            assert_eq!(report[field], expected, "{case}: {field}");
        }
        let hours: u64 = report["hours"].as_array().unwrap().iter().map(|hour| hour["records"].as_u64().unwrap()).sum();
        assert_eq!(hours + report["times"]["withoutTime"].as_u64().unwrap(), report["records"], "{case}");
        reports.push(report);
    }
    assert!(reports.len() > 20);
    assert_valid("stats", &reports);
}

#[test]
fn the_text_is_what_was_agreed() {
    let text = |case: &str, args: &[&str]| {
        let mut command = log_cli();
        command.arg("stats").args(["--now", "2026-11-25T00:00Z"]).args(args).current_dir(golden::kafka(case));
        stdout(&command.output().unwrap())
    };
    for (name, found) in [
        ("codecs", text("codecs", &["dir"])),
        ("transactions", text("txn", &["dir", "-t", "txn*"])),
        ("times", text("plain", &["dir", "-t", "plain_times", "--by", "hour"])),
        ("keys", text("compacted", &["dir", "-t", "compact*", "--by", "key", "--top", "5"])),
        ("headers", text("plain", &["dir", "--by", "header,key", "--top", "8"])),
        ("damaged", text("crash-flip/before", &["dir", "--by", "size"])),
    ] {
        assert_expected(&format!("stats-{name}.txt"), &found);
    }
}

#[test]
fn selectors_and_threads_do_what_they_say() {
    let dir = golden::kafka("segments").join("dir");
    let partition = dir.join("seg-size-0");
    let all = report(&[], &partition);
    let first = all["firstOffset"].as_i64().unwrap();
    let range = format!("{}:+7", first + 3);
    let some = report(&["-o", &range], &partition);
    assert_eq!((&some["records"], some["firstOffset"].as_i64()), (&Value::from(7), Some(first + 3)));
    assert_eq!(report(&["-n", "5"], &partition)["records"], 5);
    assert!(report(&["--key", "no such key"], &partition)["batches"] == 0);
    assert_eq!(report(&["-j", "1", "--by", "key"], &dir), report(&["-j", "5", "--by", "key"], &dir));
    let none = run(&["stats", "-t", "no such topic", arg(&dir)]);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_segment_from_standard_input_is_counted() {
    let file = golden::sample().join("txn-seg-0/00000000000000000000.log");
    let from_file = report(&[], &file);
    let input = std::fs::File::open(&file).unwrap();
    let output = log_cli().args(["stats", "--json", "-"]).stdin(input).output().unwrap();
    let from_stdin: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(from_stdin, from_file);
    assert_eq!(from_file["lastOffset"], 7);
}
