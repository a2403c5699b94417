//! `export`: what a dump says and what the batch says beside it, into a file that is there whole or not at all.

use std::collections::BTreeSet;

use log_engine::testing::golden;
use serde_json::{Value, json};

use crate::support::{arg, assert_expected, assert_valid, lines, run, stdout};

/// What an export says of each record beside what a dump says.
const OF_THE_BATCH: [&str; 2] = ["batchLastOffset", "deleteHorizonMs"];

#[test]
fn an_export_says_what_a_dump_says_and_the_rest_of_the_batch() {
    let (mut emptied, mut horizons, mut kinds) = (0, 0, BTreeSet::new());
    for case in ["plain", "codecs", "txn", "legacy", "compacted", "append-time", "idempotent"] {
        let dir = golden::kafka(case).join("dir");
        let exported = lines(&run(&["export", arg(&dir), "-o", "-"]));
        assert_valid("export", &exported);
        let (records, others): (Vec<_>, Vec<_>) = exported.into_iter().partition(|line| line.get("key").is_some());
        emptied += others.iter().filter(|line| line["count"] == 0).count();
        assert!(others.iter().all(|line| line["count"] == 0), "{case}: {others:?}");
        let dumped = lines(&run(&["dump", arg(&dir), "--json"]));
        assert_eq!(records.len(), dumped.len(), "{case}");
        let batches = lines(&run(&["dump", arg(&dir), "--json", "--batches"]));
        for (mut record, dumped) in records.into_iter().zip(dumped) {
            let of_the_batch = OF_THE_BATCH.map(|name| record.as_object_mut().unwrap().remove(name).unwrap());
            assert_eq!(record, dumped, "{case}");
            let place = ["topic", "partition", "segment", "position"];
            let batch = batches.iter().find(|batch| place.iter().all(|name| batch[name] == record[name])).unwrap();
            assert_eq!(of_the_batch, [batch["lastOffset"].clone(), batch["deleteHorizonMs"].clone()], "{case}");
            horizons += usize::from(!of_the_batch[1].is_null());
            kinds.insert(record["codec"].to_string());
        }
    }
    assert!(emptied > 0 && horizons > 0 && kinds.len() > 3, "{emptied} {horizons} {kinds:?}");
}

#[test]
fn the_file_is_there_whole_or_not_at_all_and_none_is_overwritten() {
    let sample = golden::sample();
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("txn.ndjson");
    let args = ["export", arg(&sample), "-t", "txn", "-o", arg(&file)];
    let output = run(&args);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    let written = std::fs::read(&file).unwrap();
    assert_eq!(written, run(&["export", arg(&sample), "-t", "txn", "-o", "-"]).stdout);
    let said = String::from_utf8(output.stderr).unwrap();
    let count = written.iter().filter(|byte| **byte == b'\n').count();
    assert!(said.starts_with(&format!("{count} lines in ")), "{said}");

    let again = run(&args);
    assert_eq!(again.status.code(), Some(5));
    assert!(String::from_utf8(again.stderr).unwrap().contains("txn.ndjson exists"));
    assert_eq!(std::fs::read(&file).unwrap(), written);
    let names: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["txn.ndjson"]);

    let nowhere = scratch.path().join("no/such/folder.ndjson");
    let output = run(&["export", arg(&sample), "-o", arg(&nowhere)]);
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no/such/folder.ndjson"));
}

#[test]
fn selectors_choose_and_damage_is_a_line() {
    let (sample, damaged) = (golden::sample(), golden::sample_damaged());
    let offsets = |args: &[&str]| -> Vec<Value> {
        let output = run(&[&["export", "-o", "-"], args].concat());
        lines(&output).into_iter().map(|line| line["offset"].clone()).collect()
    };
    let txn = sample.join("txn-0");
    assert_eq!(offsets(&[arg(&txn), "--offset", "3:+2"]), [json!(3), json!(4)]);
    assert_eq!(offsets(&[arg(&txn), "--isolation", "read_committed", "-n", "1"]).len(), 1);
    let of_damaged = run(&["export", arg(&damaged), "-o", "-"]);
    assert_eq!(of_damaged.status.code(), Some(1));
    assert_eq!(lines(&of_damaged).iter().filter(|line| line["type"] == "damage").count(), 1);
}

#[test]
fn a_table_has_the_encodings_in_columns() {
    let sample = golden::sample();
    let output = run(&["export", arg(&sample), "-t", "txn", "-p", "0", "-o", "-", "--format", "csv"]);
    assert_expected("export.csv", &stdout(&output));
    let codecs = golden::kafka("codecs").join("dir");
    let rows = stdout(&run(&["export", arg(&codecs), "-o", "-", "--format", "csv"]));
    for ends in [",utf8,utf8", ",base64,base64", ",utf8,"] {
        assert!(rows.lines().any(|line| line.ends_with(ends)), "{ends}");
    }
}

#[test]
fn exit_codes_say_what_happened() {
    let sample = golden::sample();
    let dir = arg(&sample);
    for (args, code) in [
        (&["export", dir, "-o", "-", "-n", "1"][..], 0),
        (&["export", dir], 2),
        (&["export", "-o", "-"], 2),
        (&["export", dir, "-o", "-", "--format", "json"], 2),
        (&["export", dir, "-o", "-", "--format", "raw"], 2),
        (&["export", dir, "-o", "-", "-t", "no-such-topic"], 1),
        (&["export", "/no/such/directory", "-o", "-"], 4),
        (&["export", dir, "-o", dir], 5),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
}
