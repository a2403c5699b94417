//! `salvage`: what people and programs are told, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

fn salvage(sources: &[&Path], output: &Path, flags: &[&str]) -> Output {
    let sources: Vec<&str> = sources.iter().map(|source| arg(source)).collect();
    run(&[&["salvage"], &sources[..], &["-o", arg(output)], flags].concat())
}

fn document(output: &Output) -> Value {
    let documents = lines(output);
    assert_valid("salvage", &documents);
    documents[0].clone()
}

/// All files below a folder with their bytes.
fn tree(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    golden::files(dir).into_iter().map(|file| (file.clone(), fs::read(dir.join(file)).unwrap())).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_text_is_what_was_agreed() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("plain-0");
    let output = salvage(&[&golden::sample_damaged().join("plain-0")], &out, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_expected("salvage-plain.txt", &stdout(&output).replace(arg(scratch.path()), "OUT"));
    assert_eq!(run(&["verify", "--level", "deep", "--fail-on", "error", arg(&out)]).status.code(), Some(0));

    let beside = scratch.path().join("plain-0.lost+found");
    let report: Value = serde_json::from_slice(&fs::read(beside.join("report.json")).unwrap()).unwrap();
    assert_valid("salvage", std::slice::from_ref(&report));
    let lost = &report["partitions"][0]["lost"][0];
    assert_eq!((&lost["from"], &lost["last"], &lost["cause"]), (&141.into(), &145.into(), &"bit-flip".into()));
    let unreadable = &report["partitions"][0]["unreadable"][0];
    let raw = fs::read(beside.join(unreadable["keptAs"].as_str().unwrap())).unwrap();
    let log = fs::read(golden::sample_damaged().join("plain-0/00000000000000000126.log")).unwrap();
    assert_eq!(raw, log[1054..1054 + raw.len()]);
}

#[test]
fn an_undamaged_directory_comes_out_as_it_went_in() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("data");
    let output = salvage(&[&golden::sample()], &out, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document = document(&output);
    assert_eq!((&document["complete"], &document["lostAndFound"]), (&true.into(), &Value::Null));
    let logs = |dir: &Path| tree(dir).into_iter().filter(|(file, _)| file.extension().is_some_and(|it| it == "log"));
    assert!(logs(&out).eq(logs(&golden::sample())));
    assert!(!scratch.path().join("data.lost+found").exists() && !scratch.path().join("data.partial").exists());
}

#[test]
fn what_must_not_be_is_refused_and_nothing_changes() {
    let scratch = tempfile::tempdir().unwrap();
    let place = |name: &str| scratch.path().join(name);
    let copy = |from: &Path, to: &str| {
        for (file, bytes) in tree(from) {
            let file = place(to).join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
    };
    copy(&golden::sample(), "a");
    copy(&golden::sample(), "b");
    copy(&golden::sample(), "c");
    let properties = place("c/meta.properties");
    let text = fs::read_to_string(&properties).unwrap();
    let other: String = text
        .lines()
        .map(|line| if line.starts_with("cluster.id") { "cluster.id=another".to_owned() } else { line.to_owned() } + "\n")
        .collect();
    fs::write(&properties, other).unwrap();
    fs::write(place("b/txn-1/partition.metadata"), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ").unwrap();
    fs::create_dir(place("there")).unwrap();
    fs::create_dir(place("beside.lost+found")).unwrap();
    let before = tree(scratch.path());
    let (a, b, c) = (place("a"), place("b"), place("c"));
    for (what, sources, output, code, words) in [
        ("a target that is there", vec![a.join("txn-0")], place("there"), 5, "exists"),
        ("a folder beside it that is there", vec![a.join("txn-0")], place("beside"), 5, "beside.lost+found exists"),
        ("a target in a source", vec![a.join("txn-0")], a.join("txn-0/out"), 5, "lie within each other"),
        ("a target in a log directory", vec![a.clone()], a.join("out"), 5, "in the log directory"),
        ("a target beside a broker's partitions", vec![a.join("txn-0")], a.join("txn-7"), 5, "in the log directory"),
        ("a copy given twice", vec![a.join("txn-0"), a.join("../a/txn-0")], place("x"), 5, "is given twice"),
        ("two partitions", vec![a.join("txn-0"), b.join("txn-1")], place("x"), 5, "copies of one partition"),
        ("two topics of one name", vec![a.join("txn-1"), b.join("txn-1")], place("x"), 5, "belongs to the topic"),
        ("two clusters", vec![a.join("txn-0"), c.join("txn-0")], place("x"), 5, "of the cluster"),
        ("many partitions under the name of one", vec![a.clone()], place("x-0"), 2, "named like a partition"),
        ("no such source", vec![place("none")], place("x"), 4, "cannot open"),
        ("no partition", vec![place("there")], place("x"), 4, "neither"),
        ("standard input", vec![PathBuf::from("-")], place("x"), 2, "standard input"),
    ] {
        let sources: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
        let output = salvage(&sources, &output, &[]);
        assert_eq!(output.status.code(), Some(code), "{what}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{what}: {}", stderr(&output));
        assert!(stdout(&output).is_empty() && tree(scratch.path()) == before, "{what}");
    }
    let nothing = run(&["salvage", arg(&a), "-t", "none", "-o", arg(&place("x"))]);
    assert_eq!(nothing.status.code(), Some(4), "{}", stderr(&nothing));
    assert_eq!(run(&["salvage", arg(&a)]).status.code(), Some(2));
}

#[test]
fn a_target_that_another_salvage_writes_to_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let partial = scratch.path().join("txn-0.partial");
    fs::create_dir(&partial).unwrap();
    let held = log_engine::WriteFs::lock(&log_engine::OsFs, &partial.join("salvage.lock")).unwrap();
    let target = scratch.path().join("txn-0");
    let refused = salvage(&[&golden::sample().join("txn-0")], &target, &[]);
    assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
    drop(held);
    // What a salvage that was killed left is cleared.
    fs::create_dir_all(partial.join("kept/txn-0")).unwrap();
    fs::write(partial.join("kept/txn-0/00000000000000000000.log"), b"half").unwrap();
    assert_eq!(salvage(&[&golden::sample().join("txn-0")], &target, &[]).status.code(), Some(0));
    assert!(!partial.exists());
}

#[test]
fn one_segment_alone_and_log_directories_are_sources_too() {
    let scratch = tempfile::tempdir().unwrap();
    let segment = golden::sample_damaged().join("plain-0/00000000000000000166.log");
    let output = salvage(&[&segment], &scratch.path().join("one"), &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = scratch.path().join("one/plain-0/00000000000000000166.log");
    assert_eq!(fs::read(path).unwrap(), fs::read(segment).unwrap());

    let one = salvage(&[&golden::sample()], &scratch.path().join("two"), &["-t", "txn", "-p", "0", "--json"]);
    let document = document(&one);
    assert_eq!(document["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(document["partitions"][0]["topic"], "txn");
    // By its name, the folder is that of the partition.
    let named = salvage(&[&golden::sample()], &scratch.path().join("copy-5"), &["-t", "txn", "-p", "0"]);
    assert_eq!(named.status.code(), Some(0));
    assert!(scratch.path().join("copy-5/00000000000000000000.log").exists());
}

#[test]
fn a_path_relative_to_the_working_folder_is_a_target() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = log_cli();
    command.current_dir(scratch.path()).args(["salvage", arg(&golden::sample().join("txn-0")), "-o", "new/txn-0"]);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert!(scratch.path().join("new/txn-0/00000000000000000000.log").exists());
}
