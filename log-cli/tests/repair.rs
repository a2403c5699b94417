//! `repair`: plans, what is done, what is refused, and that all of it can be undone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use log_engine::{OsFs, WriteFs};
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, run, stdout};

fn repair(dir: &Path, flags: &[&str]) -> (i32, Value) {
    let output = run(&[&["repair", "--json", arg(dir)], flags].concat());
    let documents = lines(&output);
    if !flags.contains(&"--undo") {
        assert_valid("repair", &documents);
    }
    (output.status.code().unwrap(), documents.into_iter().next().unwrap_or(Value::Null))
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    golden::files(dir).into_iter().map(|file| (file.clone(), fs::read(dir.join(file)).unwrap())).collect()
}

/// A copy of a damaged directory in a folder of its own, which also takes what is kept beside it.
fn damaged(case: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let case = golden::damage(case);
    for file in golden::files(case.before()) {
        fs::create_dir_all(data.join(&file).parent().unwrap()).unwrap();
        fs::copy(case.before().join(&file), data.join(&file)).unwrap();
    }
    (home, data)
}

fn run_of(document: &Value) -> String {
    document["directories"][0]["applied"]["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_changes_nothing_applying_it_mends_and_undoing_brings_all_back() {
    let (_home, data) = damaged("plain/index-garbage__clean");
    let before = tree(&data);
    let (exit, plan) = repair(&data, &[]);
    assert_eq!(exit, 1, "{plan}");
    assert_eq!(tree(&data), before);
    let (exit, done) = repair(&data, &["--apply"]);
    assert_eq!(exit, 0, "{done}");
    assert_eq!(done["directories"][0]["partitions"], plan["directories"][0]["partitions"]);
    assert_ne!(tree(&data), before);
    assert_eq!(repair(&data, &[]).0, 0, "nothing is left to do");
    assert_eq!(run(&["verify", "--level", "deep", arg(&data)]).status.code(), Some(0));
    let id = run_of(&done);
    let (exit, steps) = repair(&data, &["--undo", &id]);
    assert_eq!((exit, steps["isApplied"].as_bool()), (1, Some(false)));
    assert_eq!(repair(&data, &["--undo", &id, "--apply"]).0, 0);
    assert_eq!(tree(&data), before);
}

#[test]
fn what_a_person_reads_is_as_expected() {
    let (home, data) = damaged("plain/index-garbage__clean");
    let said = stdout(&run(&["repair", arg(&data)]));
    assert_expected("repair.txt", &said.replace(arg(home.path()), "."));
}

#[test]
fn records_go_only_where_they_were_named() {
    let (_home, data) = damaged("plain/crc-value-middle__killed");
    let before = tree(&data);
    let (exit, plan) = repair(&data, &["--level", "broker"]);
    let dropped = plan["directories"][0]["partitions"][0]["recordsDropped"].as_u64().unwrap();
    assert!(exit == 1 && dropped > 0, "{plan}");
    for confirm in [&[][..], &["--confirm", "other-0"]] {
        let flags = [&["--level", "broker", "--apply"], confirm].concat();
        let output = run(&[&["repair", arg(&data)][..], &flags].concat());
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--confirm plain-0"), "{output:?}");
        assert_eq!(tree(&data), before, "nothing was changed");
    }
    let (exit, done) = repair(&data, &["--level", "broker", "--apply", "--confirm", "plain-0"]);
    assert_eq!(exit, 0, "{done}");
    assert_eq!(repair(&data, &["--undo", &run_of(&done), "--apply"]).0, 0);
    assert_eq!(tree(&data), before);
}

#[test]
fn a_marker_is_left_where_no_error_is_and_nowhere_else() {
    let (_home, data) = damaged("plain/tail-cut-mid-batch__killed");
    let before = tree(&data);
    let (exit, refused) = repair(&data, &["--mark-clean"]);
    assert_eq!((exit, refused["directories"][0]["marked"].as_bool()), (5, Some(false)), "{refused}");
    let (exit, done) = repair(&data, &["--level", "tail", "--mark-clean", "--apply"]);
    assert_eq!((exit, done["directories"][0]["marked"].as_bool()), (0, Some(true)), "{done}");
    let marker = fs::read_to_string(data.join(".kafka_cleanshutdown")).unwrap();
    assert!(marker.contains("-1"), "{marker}");
    assert_eq!(repair(&data, &["--undo", &run_of(&done), "--apply"]).0, 0);
    assert_eq!(tree(&data), before);
    let (_home, data) = damaged("plain/crc-value-middle__killed");
    assert_eq!(repair(&data, &["--mark-clean", "--apply"]).0, 5);
    assert!(!data.join(".kafka_cleanshutdown").exists());
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let (home, data) = damaged("plain/index-garbage__clean");
    let before = tree(&data);
    let refused = |args: &[&str], exit: i32, says: &str| {
        let output = run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(exit) && told.contains(says), "{args:?}: {output:?}");
    };
    let data_arg = arg(&data);
    refused(&["repair", data_arg, data_arg], 2, "twice");
    refused(&["repair", data_arg, "--undo", "20260101T000000Z-0000", "--apply"], 5, "there is no run");
    refused(&["repair", data_arg, "--undo", "../data", "--apply"], 5, "there is no run");
    refused(&["repair", arg(&data.join("plain-0")), "--mark-clean"], 2, "--mark-clean");
    refused(&["repair", data_arg, "-t", "plain", "--mark-clean"], 2, "--mark-clean");
    refused(&["repair", arg(&data.join("meta.properties"))], 2, "is a file");
    refused(&["repair", arg(&home.path().join("none"))], 4, "No such file");
    refused(&["repair", data_arg, "--config", "segment.jitter.ms=1"], 2, "changes nothing here");
    let inside = data.join("backup");
    refused(&["repair", data_arg, "--apply", "--backup-dir", arg(&inside)], 2, "no broker would start with it");
    assert_eq!(tree(&data), before);
    let lock = OsFs.lock(&data.join(".lock")).unwrap();
    refused(&["repair", data_arg, "--apply"], 5, "is locked");
    refused(&["repair", data_arg], 5, "is locked");
    drop(lock);
    fs::remove_file(data.join(".lock")).unwrap();
    assert_eq!(tree(&data), before);
}

#[test]
fn a_file_that_was_changed_since_keeps_a_run_from_being_undone() {
    let (_home, data) = damaged("plain/index-garbage__clean");
    let (_, done) = repair(&data, &["--apply"]);
    let changed = done["directories"][0]["partitions"][0]["changes"][0]["path"].as_str().unwrap().to_owned();
    fs::write(data.join(&changed), b"by somebody else").unwrap();
    let now = tree(&data);
    let (exit, steps) = repair(&data, &["--undo", &run_of(&done), "--apply"]);
    assert_eq!(exit, 5, "{steps}");
    assert!(steps["steps"].as_array().unwrap().iter().any(|step| step["verb"] == "conflict"), "{steps}");
    assert_eq!(tree(&data), now);
}
