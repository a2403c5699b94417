//! `inspect`: its form on every golden directory, what it says of some of them, and strange arguments.

use std::path::Path;

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, log_cli, run, stdout};

/// What `inspect --json` says of `path`.
fn report(path: &Path) -> Value {
    let output = run(&["inspect", "--json", arg(path)]);
    assert_eq!(output.status.code(), Some(0), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_answer_has_the_form_of_its_schema_for_every_golden_directory() {
    let mut reports: Vec<Value> = golden::kafka_cases()
        .into_iter()
        .filter(|case| case != "dirs")
        .map(|case| report(&golden::kafka(&case).join("dir")))
        .collect();
    reports.extend(golden::damage_cases().into_iter().map(|case| report(golden::damage(&case).before())));
    for file in golden::files(&golden::sample()).into_iter().filter(|file| file.components().count() < 3) {
        reports.push(report(&golden::sample().join(file)));
    }
    assert!(reports.len() > 350, "{}", reports.len());
    assert_valid("inspect", &reports);
}

/// Text of `inspect` with these arguments, the last ones being paths below `folder`.
fn text(folder: &Path, args: &[&str]) -> String {
    let output = log_cli().arg("inspect").args(args).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

#[test]
fn the_text_is_what_was_agreed() {
    let kafka = |case: &str, args: &[&str]| text(&golden::kafka(case), args);
    let damage = |case: &str| text(golden::damage(case).before().parent().unwrap(), &["before"]);
    for (name, found) in [
        ("clean", kafka("codecs", &["dir"])),
        ("crash", kafka("crash/before", &["dir"])),
        ("recovery", kafka("crash/before", &["--recovery", "dir"])),
        ("two-directories", kafka("dirs", &["dir/disk1", "dir/disk2"])),
        ("zookeeper", kafka("older-2.8.2-txn", &["dir"])),
        ("metadata", kafka("metadata", &["dir"])),
        ("segments", kafka("legacy", &["--segments", "dir/m0-mixed-0"])),
        ("partition", kafka("segments", &["dir/seg-cut-1"])),
        ("empty-checkpoint", damage("plain/recovery-point-empty__killed")),
        ("lost-and-found", damage("plain/root-lost-and-found__clean")),
        ("torn-tail", damage("plain/tail-cut-mid-batch__killed")),
        (
            "files",
            text(
                &golden::sample(),
                &[
                    "meta.properties",
                    "recovery-point-offset-checkpoint",
                    "txn-0/leader-epoch-checkpoint",
                    "txn-0/partition.metadata",
                    "txn-seg-0/00000000000000000000.log",
                    "txn-seg-0/00000000000000000000.index",
                    "txn-seg-0/00000000000000000000.timeindex",
                ],
            ),
        ),
    ] {
        assert_expected(&format!("inspect-{name}.txt"), &found);
    }
}

#[test]
fn the_next_start_is_told_with_its_reasons() {
    let damaged = golden::damage("plain/recovery-point-empty__killed");
    let report = report(damaged.before());
    let dir = &report["logDirs"][0];
    assert_eq!((&dir["clean"], &dir["inUse"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(dir["nextStart"]["segments"], 6);
    assert_eq!(dir["nextStart"]["reasons"][0]["why"], "fileEmpty");
    let attention: Vec<_> = dir["attention"].as_array().unwrap().iter().map(|note| &note["kind"]).collect();
    assert_eq!(attention, ["checkpoint-empty"]);
}

#[test]
fn one_partition_in_two_directories_is_fatal() {
    let first = golden::private_copy(&golden::sample());
    let both = run(&["inspect", "--json", arg(first.path()), arg(&golden::sample())]);
    let report: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(report["logDirs"][0]["attention"].as_array().unwrap().len(), 0);
    let notes = report["logDirs"][1]["attention"].as_array().unwrap();
    assert!(notes.len() == 5 && notes.iter().all(|note| note["kind"] == "second-copy"), "{notes:?}");
}

#[test]
fn what_cannot_be_looked_at_is_said_and_the_rest_is_looked_at() {
    let sample = golden::sample();
    for (paths, code) in
        [(vec!["no such path"], 4), (vec!["/dev/null"], 4), (vec!["no such path", arg(&sample)], 4), (vec!["-"], 2)]
    {
        let output = log_cli().arg("inspect").args(&paths).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{paths:?}");
        assert!(!output.stderr.is_empty());
        assert_eq!(stdout(&output).contains("partitions of"), paths.len() > 1, "{paths:?}");
    }
    let chosen = run(&["inspect", "--json", "-t", "txn-*", arg(&sample)]);
    let report: Value = serde_json::from_slice(&chosen.stdout).unwrap();
    assert_eq!(report["total"]["partitions"], 1);
    assert_eq!(report["logDirs"][0]["partitions"][0]["topic"], "txn-seg");
}

#[test]
fn strange_entries_hinder_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let copy = golden::private_copy(&golden::sample());
    let partition = copy.path().join("txn-0");
    std::fs::create_dir(copy.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9-0"))).unwrap();
    std::fs::write(partition.join(std::ffi::OsStr::from_bytes(b"\xff.log")), b"x").unwrap();
    std::fs::write(partition.join("000000000000000000042.log"), b"21 digits").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", partition.join("00000000000000009001.log")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(partition.join("00000000000000009002.log")).unwrap();
    std::fs::File::create(partition.join("00000000000000009003.log")).unwrap().set_len(8 << 40).unwrap();
    std::fs::write(copy.path().join("txn-1").join("leader-epoch-checkpoint"), [0xff; 100]).unwrap();

    let report = report(copy.path());
    assert_valid("inspect", std::slice::from_ref(&report));
    let notes = report["logDirs"][0]["attention"].as_array().unwrap();
    let kinds: Vec<_> = notes.iter().map(|note| note["kind"].as_str().unwrap()).collect();
    for kind in ["foreign-folder", "foreign-file", "special-entry", "bytes-behind-last-batch", "epochs-unreadable"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
}
