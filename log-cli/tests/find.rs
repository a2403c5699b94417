//! `find` against what real brokers answered, and every form of its output.

use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, run, stdout};

/// The one JSON document that the command prints, its exit code, and what it says on standard error.
fn find(dir: &Path, args: &[&str]) -> (Value, i32, String) {
    let output = run(&[&["find", arg(dir), "--format", "json"], args].concat());
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let document = lines(&output).pop().unwrap_or_else(|| panic!("{}: {stderr}", dir.display()));
    (document, output.status.code().unwrap(), stderr)
}

/// The recorded `ListOffsets` answers of a case, and the folder of the partition of each.
fn recorded(case: &Path) -> Vec<(PathBuf, Value)> {
    let expected = case.join("expected");
    let files = if expected.is_dir() { golden::files(&expected) } else { Default::default() };
    let names = files.iter().filter_map(|file| file.to_str()?.strip_prefix("offsets-")?.strip_suffix(".json"));
    names
        .filter_map(|partition| {
            let folders = ["dir", "dir/disk1", "dir/disk2"].map(|dir| case.join(dir).join(partition));
            let folder = folders.into_iter().find(|folder| folder.is_dir())?;
            Some((folder, golden::json(&expected.join(format!("offsets-{partition}.json")))))
        })
        .collect()
}

fn assert_answer((found, code, _): &(Value, i32, String), recorded: &Value, what: &str) {
    if recorded.get("error").is_some() {
        return; // The client of that time could not ask.
    }
    for field in ["offset", "timestamp", "leaderEpoch"] {
        assert_eq!(found[field], recorded[field], "{what}: {found}");
    }
    assert_eq!(*code, i32::from(found["offset"] == -1), "{what}");
}

#[test]
fn every_recorded_answer_of_a_broker_is_found() {
    let mut answers = 0;
    for name in golden::kafka_cases() {
        let case = golden::private_copy(&golden::kafka(&name));
        for (folder, recorded) in recorded(case.path()) {
            let what = format!("{name} {}", folder.display());
            assert_answer(&find(&folder, &["--max-timestamp"]), &recorded["maxTimestamp(-3)"], &what);
            for row in recorded["forTimestamp"].as_array().unwrap() {
                let time = row["for"].to_string();
                assert_answer(
                    &find(&folder, &["--time", &time]),
                    &row["read_uncommitted"],
                    &format!("{what} for {time}"),
                );
                answers += 1;
            }
        }
    }
    println!("{answers} times");
    assert!(answers > 500, "{answers}");
}

#[test]
fn beginning_and_end_are_where_a_broker_has_them() {
    for case in ["plain", "epochs", "segments", "txn", "empty"] {
        for (folder, recorded) in recorded(&golden::kafka(case)) {
            let start = recorded["earliest(-2)"]["offset"].as_i64().unwrap();
            let end = recorded["latest(-1) read_uncommitted"]["offset"].as_i64().unwrap();
            let (_, code, said) = find(&folder, &["--offset", &end.to_string()]);
            assert_eq!(code, 1, "{}", folder.display());
            assert!(said.contains(&format!("offsets {start} to {end}")), "{said}");
            if start < end {
                let (found, ..) = find(&folder, &["--offset", &(end - 1).to_string()]);
                assert_eq!(found["offset"], end - 1);
            }
        }
    }
}

/// Exactly these fields, whatever the answer, and all of them valid by the schema.
#[test]
fn documents_have_the_promised_fields() {
    let partition = golden::sample().join("txn-0");
    let (found, code, _) = find(&partition, &["--offset", "3"]);
    let fields: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    let promised = ["offset", "timestamp", "leaderEpoch", "segment", "position", "batchOffset", "via"];
    assert_eq!((fields, code), (promised.to_vec(), 0));
    let (none, code, _) = find(&partition, &["--offset", "1000"]);
    assert_eq!((code, &none["offset"], &none["segment"]), (1, &Value::from(-1), &Value::Null));
    let (scanned, ..) = find(&partition, &["--max-timestamp"]);
    assert_valid("find", &[found, none, scanned]);
}

#[test]
fn people_get_a_few_lines() {
    let partition = golden::sample().join("txn-0");
    let output = run(&["find", arg(&partition), "--offset", "3"]);
    assert_eq!(output.status.code(), Some(0));
    assert_expected("find-offset.txt", &stdout(&output));
    let output = run(&["find", arg(&partition), "--offset", "1000"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "no such record: the log holds offsets 0 to 26\n");
}

#[test]
fn a_lying_index_is_told_and_changes_nothing() {
    let mut told = 0;
    for (case, asked) in [
        ("plain/index-past-end__clean", "--offset"),
        ("plain/index-off-boundary__clean", "--offset"),
        ("plain/index-below-base__clean", "--offset"),
        ("plain/timeindex-future__clean", "--time"),
        ("plain/timeindex-zeros__clean", "--time"),
    ] {
        let damaged = golden::damage(case);
        let index = Path::new(damaged.truth()["damage"]["file"].as_str().unwrap());
        let base: i64 = index.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let partition = damaged.before().join(index.parent().unwrap());
        let truth = golden::unpacked("damage", "bases").join("bases");
        let truth = truth.join(damaged.truth()["before"]["base"].as_str().unwrap()).join(index.parent().unwrap());
        for offset in base..base + 30 {
            let (honest, ..) = find(&truth, &["--offset", &offset.to_string()]);
            let value = if asked == "--offset" { offset.to_string() } else { honest["timestamp"].to_string() };
            let (mut found, code, said) = find(&partition, &[asked, &value]);
            let (mut expected, ..) = find(&truth, &[asked, &value]);
            assert_eq!(code, 0);
            if found["via"] == "scan" {
                told += usize::from(said.contains(index.file_name().unwrap().to_str().unwrap()));
            }
            (found["via"], expected["via"]) = (Value::Null, Value::Null);
            assert_eq!(found, expected, "{case} {asked} {value}");
        }
    }
    assert!(told > 30, "{told}");
}

#[test]
fn wrong_arguments_are_usage_errors_and_what_cannot_be_read_is_4() {
    let sample = golden::sample();
    let partition = sample.join("txn-0");
    let (sample, partition) = (arg(&sample), arg(&partition));
    for (args, code) in [
        (&["find"][..], 2),
        (&["find", partition], 2),
        (&["find", partition, "--offset", "1", "--max-timestamp"], 2),
        (&["find", partition, "--offset", "-1"], 2),
        (&["find", partition, "--time", "yesterday"], 2),
        (&["find", sample, "--offset", "1"], 2),
        (&["find", "/no/such/folder", "--offset", "1"], 4),
        (&["find", "--schema"], 0),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_offset_in_a_gap_is_the_next_one_and_what_lies_before_the_log_start_is_said() {
    let epochs = golden::kafka("epochs").join("dir/epochs-seg-0");
    let (found, code, said) = find(&epochs, &["--offset", "3"]);
    assert_eq!((code, &found["offset"]), (0, &Value::from(3)));
    assert!(said.contains("the log starts at 7"), "{said}");
    let compacted = golden::kafka("compacted").join("dir/compact-0");
    let gaps = (0..60).filter(|offset| {
        let (found, code, said) = find(&compacted, &["--offset", &offset.to_string()]);
        assert!(code == 0 && found["offset"].as_i64().unwrap() >= *offset);
        (found["offset"] != *offset) == said.contains("this is the next one") && found["offset"] != *offset
    });
    assert!(gaps.count() > 5);
}
