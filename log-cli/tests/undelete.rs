//! `undelete`: what brokers had set aside is listed, and copied out whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_valid, lines, run, stdout};

fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    golden::files(dir).into_iter().map(|file| (file.clone(), std::fs::read(dir.join(file)).unwrap())).collect()
}

fn report(args: &[&str]) -> (i32, Value) {
    let output = run(&[&["undelete", "--json"], args].concat());
    let documents = lines(&output);
    assert_valid("undelete", &documents);
    (output.status.code().unwrap(), documents.into_iter().next().unwrap_or(Value::Null))
}

/// The records of a partition, by the names of their fields that say nothing of files.
fn records(target: &Path) -> Vec<Value> {
    let mut records = lines(&run(&["dump", "--format", "ndjson", arg(target)]));
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        ["segment", "position", "topic", "partition"].iter().for_each(|field| drop(record.remove(*field)));
    }
    records
}

#[test]
fn folders_that_were_set_aside_are_copied_byte_for_byte() {
    let disk = golden::kafka("dirs").join("dir/disk1");
    let before = tree(&disk);
    let (code, listed) = report(&[arg(&disk)]);
    assert_eq!(code, 0);
    let states: Vec<&str> =
        listed["found"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["delete", "delete", "stray", "future"]);
    let around = tempfile::tempdir().unwrap();
    let target = around.path().join("back");
    // One partition is there twice.
    let refused = run(&["undelete", arg(&disk), "-o", arg(&target)]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--state"));
    assert!(!target.exists());
    let (code, done) = report(&[arg(&disk), "-o", arg(&target), "--state", "delete", "--state", "future"]);
    assert_eq!(code, 0, "{done}");
    for one in done["found"].as_array().unwrap() {
        let name = format!("{}-{}", one["topic"].as_str().unwrap(), one["partition"]);
        let source = Path::new(one["path"].as_str().unwrap());
        assert!(!tree(source).is_empty());
        assert_eq!(tree(source), tree(&target.join(name)));
    }
    assert_eq!(tree(&disk), before);
    let names: Vec<_> = std::fs::read_dir(around.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["back"]);
    assert_eq!(
        run(&["undelete", arg(&disk), "-o", arg(&target), "--state", "stray"]).status.code(),
        Some(5),
        "it exists"
    );
    let stray = golden::files(&disk).into_iter().find(|file| file.to_string_lossy().contains("-stray/")).unwrap();
    let stray = disk.join(stray.parent().unwrap());
    let (code, alone) = report(&[arg(&stray)]);
    assert_eq!((code, alone["found"].as_array().unwrap().len()), (0, 1));
}

#[test]
fn deleted_segments_are_a_log_again_with_those_that_are_there() {
    let source = golden::kafka("segments").join("dir/seg-cut-2");
    let before = tree(&source);
    let around = tempfile::tempdir().unwrap();
    let target = around.path().join("back");
    let (code, done) = report(&[arg(&source), "-o", arg(&target)]);
    assert_eq!(code, 0, "{done}");
    let restored = target.join("seg-cut-2");
    for (file, bytes) in &before {
        let name = file.to_string_lossy();
        if let Some(log) = name.strip_suffix(".deleted").filter(|name| name.ends_with(".log")) {
            assert!(bytes.is_empty() || std::fs::read(restored.join(log)).unwrap() == *bytes, "{name}");
        }
    }
    let verified = run(&["verify", "--level", "deep", "--fail-on", "error", arg(&restored)]);
    assert_eq!(verified.status.code(), Some(0), "{}", stdout(&verified));
    let all = records(&restored);
    let live = records(&source);
    assert!(all.len() > live.len());
    assert_eq!(all[all.len() - live.len()..], live[..]);
    assert_eq!(all[0]["offset"], 0);
    assert_eq!(tree(&source), before);
}

#[test]
fn a_deleted_segment_that_overlaps_another_is_left_out_and_told() {
    let copy = golden::private_copy(&golden::kafka("segments").join("dir/seg-0"));
    let around = tempfile::tempdir().unwrap();
    let source = around.path().join("seg-0");
    std::fs::create_dir(&source).unwrap();
    for (file, bytes) in tree(copy.path()) {
        std::fs::write(source.join(file), bytes).unwrap();
    }
    let none = run(&["undelete", arg(&source)]);
    assert_eq!((none.status.code(), stdout(&none).as_str()), (Some(1), "nothing is set aside to be removed\n"));
    let logs: Vec<PathBuf> =
        golden::files(&source).into_iter().filter(|f| f.extension().is_some_and(|e| e == "log")).collect();
    let deleted = |log: &Path| source.join(format!("{}.deleted", log.display()));
    std::fs::copy(source.join(&logs[3]), deleted(&logs[3])).unwrap();
    std::fs::rename(source.join(&logs[0]), deleted(&logs[0])).unwrap();
    let target = around.path().join("back");
    let (code, done) = report(&[arg(&source), "-o", arg(&target)]);
    assert_eq!(code, 3);
    let left_out = done["leftOut"].as_array().unwrap();
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0]["path"].as_str().unwrap().ends_with(&format!("{}.deleted", logs[3].display())));
    assert_eq!(records(&target.join("seg-0")), records(copy.path()));
}

#[test]
fn what_is_nothing_to_undelete_is_said() {
    let around = tempfile::tempdir().unwrap();
    assert_eq!(run(&["undelete", arg(&golden::sample())]).status.code(), Some(1));
    assert_eq!(run(&["undelete", arg(around.path())]).status.code(), Some(4));
    assert_eq!(run(&["undelete"]).status.code(), Some(2));
    assert_eq!(run(&["undelete", arg(&golden::sample()), "-o", arg(&around.path().join("x"))]).status.code(), Some(1));
    assert!(!around.path().join("x").exists());
}
