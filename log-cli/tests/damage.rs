//! `damage` on copies: the same faults for the same seed, told to the byte, and never in what may be an original.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use log_engine::{OsFs, WriteFs};
use tempfile::TempDir;

use crate::support::{arg, assert_valid, lines, run, stdout};

/// A copy of a log directory without its identity.
fn copy() -> TempDir {
    let copy = golden::private_copy(&golden::sample());
    std::fs::remove_file(copy.path().join("meta.properties")).unwrap();
    copy
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    golden::files(dir).into_iter().map(|file| (file.clone(), std::fs::read(dir.join(file)).unwrap())).collect()
}

#[test]
fn the_same_seed_gives_the_same_faults_and_they_are_told_to_the_byte() {
    for seed in ["1", "2", "3", "4", "5", "6"] {
        let (one, other) = (copy(), copy());
        let before = tree(one.path());
        let planned = run(&["damage", arg(one.path()), "--seed", seed, "--count", "3", "--dry-run", "--json"]);
        assert_eq!(tree(one.path()), before, "a dry run changes something");
        let mut told = Vec::new();
        for dir in [&one, &other] {
            let output = run(&["damage", arg(dir.path()), "--seed", seed, "--count", "3", "--json"]);
            assert_eq!(output.status.code(), Some(0));
            let documents = lines(&output);
            assert_valid("damage", &documents);
            told.push(documents[0]["faults"].clone());
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0], lines(&planned)[0]["faults"]);
        let after = tree(one.path());
        assert_eq!(after, tree(other.path()));
        let named: Vec<String> = told[0]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|fault| fault["changes"].as_array().unwrap())
            .map(|change| change["file"].as_str().unwrap().to_owned())
            .collect();
        assert_ne!(before, after);
        for file in before.keys().chain(after.keys()) {
            let is_named = named.iter().any(|name| Path::new(name) == file);
            assert!(before.get(file) == after.get(file) || is_named, "seed {seed}: {}", file.display());
        }
    }
}

#[test]
fn a_kind_that_is_asked_for_is_planted_and_found() {
    let copy = copy();
    let text = stdout(&run(&["damage", arg(copy.path()), "--seed", "9", "--kind", "crc-value-middle"]));
    let mut told = text.lines();
    assert!(told.next().unwrap().starts_with("crc-value-middle: a bit of a record flips"), "{text}");
    let change = told.next().unwrap();
    assert!(change.contains(".log @") && change.contains(" -> "), "{text}");
    let verified = run(&["verify", arg(copy.path())]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(stdout(&verified).contains("B001"), "{}", stdout(&verified));
}

#[test]
fn what_may_be_an_original_is_refused_and_what_is_in_use_always() {
    let original = golden::private_copy(&golden::sample());
    let dir = original.path();
    let before = tree(dir);
    for target in [dir.to_owned(), dir.join("txn-0")] {
        let refused = run(&["damage", arg(&target), "--seed", "1"]);
        assert_eq!(refused.status.code(), Some(5));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("meta.properties"));
    }
    let lock = OsFs.lock(&dir.join(".lock")).unwrap();
    for target in [dir.to_owned(), dir.join("txn-0")] {
        assert_eq!(run(&["damage", arg(&target), "--seed", "1", "--i-made-a-copy"]).status.code(), Some(5));
    }
    drop(lock);
    std::fs::remove_file(dir.join(".lock")).unwrap();
    assert_eq!(tree(dir), before);
    assert_eq!(run(&["damage", arg(dir), "--seed", "1", "--i-made-a-copy"]).status.code(), Some(0));
    let after = tree(dir);
    assert!(after != before && !after.contains_key(Path::new(".lock")));
}

#[test]
fn what_cannot_be_planted_is_said() {
    let copy = copy();
    let folder = copy.path().join("txn-0");
    let before = tree(copy.path());
    let none = run(&["damage", arg(&folder), "--seed", "1", "--kind", "recovery-point-empty"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no place"));
    assert_eq!(run(&["damage", arg(&folder), "--seed", "1", "--kind", "no-such"]).status.code(), Some(2));
    assert_eq!(run(&["damage", arg(&folder)]).status.code(), Some(2));
    assert_eq!(run(&["damage", "nowhere", "--seed", "1"]).status.code(), Some(4));
    assert_eq!(tree(copy.path()), before);
    let few = run(&["damage", arg(&folder), "--seed", "1", "--kind", "epochs-empty", "--count", "2"]);
    assert_eq!(few.status.code(), Some(3));
}

#[test]
fn the_list_names_every_kind_once() {
    let text = stdout(&run(&["damage", "--list"]));
    let listed: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let known: Vec<&str> = log_engine::damage::Kind::all().map(|kind| kind.name).collect();
    assert_eq!(listed, known);
    let documents = lines(&run(&["damage", "--list", "--json"]));
    assert_eq!(documents[0].as_array().unwrap().len(), known.len());
}
