//! `diff` on the replicas that brokers left.

use std::path::PathBuf;

use log_engine::testing::golden;

use crate::support::{arg, assert_expected, assert_valid, lines, run, stdout};

fn replicas(scenario: &str, stage: &str) -> Vec<PathBuf> {
    let dirs = golden::replicas(scenario).join("dirs").join(stage);
    ["1", "2", "3"].map(|node| dirs.join(node).join("orders-0")).into()
}

fn diff(dirs: &[PathBuf], flags: &[&str]) -> std::process::Output {
    let dirs: Vec<&str> = dirs.iter().map(|dir| arg(dir)).collect();
    run(&[&["diff"], &dirs[..], flags].concat())
}

#[test]
fn the_text_is_what_was_agreed() {
    let dirs = replicas("leader-failure", "old-leader-down");
    let output = diff(&dirs, &[]);
    assert_eq!(output.status.code(), Some(1));
    let above = dirs[0].parent().unwrap().parent().unwrap().to_str().unwrap().to_owned() + "/";
    assert_expected("diff-leader-failure.txt", &stdout(&output).replace(&above, "node-"));
}

#[test]
fn identical_replicas_are_exit_code_0_and_others_1() {
    for scenario in golden::replica_scenarios() {
        let truth = golden::json(&golden::replicas(&scenario).join("truth.json"));
        for (stage, known) in truth["stages"].as_object().unwrap() {
            let same = known["divergence"].as_array().unwrap().iter().all(|pair| pair["kind"] == "identical");
            let output = diff(&replicas(&scenario, stage), &["--json"]);
            assert_eq!(output.status.code(), Some(i32::from(!same)), "{scenario} {stage}");
            let documents = lines(&output);
            assert_valid("diff", &documents);
            let document = &documents[0];
            assert_eq!(document["identical"], same, "{scenario} {stage}");
            assert_eq!(document["pairs"].as_array().unwrap().len(), 3, "{scenario} {stage}");
        }
    }
}

#[test]
fn a_damaged_replica_is_told() {
    let dirs = replicas("leader-changes", "stopped");
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("orders-0");
    std::fs::create_dir(&copy).unwrap();
    for file in golden::files(&dirs[1]) {
        std::fs::copy(dirs[1].join(&file), copy.join(&file)).unwrap();
    }
    let log = copy.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let output = diff(&[dirs[0].clone(), copy], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("DAMAGED: log-cli verify"), "{}", stdout(&output));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let dirs = replicas("leader-changes", "stopped");
    let twice = diff(&[dirs[0].clone(), dirs[0].clone()], &[]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("is given twice"));
    assert_eq!(diff(&dirs[..1], &[]).status.code(), Some(2));
    assert_eq!(diff(&[dirs[0].clone(), PathBuf::from("/nowhere/orders-0")], &[]).status.code(), Some(4));
    let directory = dirs[1].parent().unwrap().to_owned();
    assert_eq!(diff(&[dirs[0].clone(), directory], &[]).status.code(), Some(2));
}
