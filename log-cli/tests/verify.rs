//! `verify` and `explain`: the form of the answers, exit codes, and what a person reads.

use std::path::Path;

use log_engine::testing::expected::expected_findings;
use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, log_cli, run, stdout};

/// When the golden directories were written.
const NOW: &str = "1795600000000";

fn report(path: &Path, exit: Option<i32>) -> Value {
    let output = run(&["verify", "--level", "deep", "--now", NOW, "--json", arg(path)]);
    if let Some(exit) = exit {
        assert_eq!(output.status.code(), Some(exit), "{}", path.display());
    }
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_answer_has_its_form_and_the_exit_code_is_right_for_every_golden_directory() {
    let mut reports = Vec::new();
    let mut cases: Vec<_> = expected_findings().into_iter().map(|line| (line.case, line.exit)).collect();
    cases.dedup();
    for (case, exit) in cases {
        reports.push(report(golden::damage(&case).before(), Some(exit)));
    }
    for case in golden::kafka_cases().into_iter().filter(|case| case != "dirs") {
        reports.push(report(&golden::kafka(&case).join("dir"), None));
    }
    assert_valid("verify", &reports);
}

/// The text for a damaged case, whose directory is called `before`.
fn text(case: &str, args: &[&str]) -> String {
    let damaged = golden::damage(case);
    let mut command = log_cli();
    command.args(["verify", "--level", "deep", "--now", NOW]).args(args).arg("before");
    stdout(&command.current_dir(damaged.before().parent().unwrap()).output().unwrap())
}

#[test]
fn the_text_is_what_was_agreed() {
    for (name, case, args) in [
        ("crc", "plain/crc-value-middle__killed", &[][..]),
        ("crc-behind-marker", "plain/crc-value-middle__clean", &[]),
        ("torn-tail", "plain/tail-cut-mid-batch__clean", &[]),
        ("fine", "plain/none__clean", &["-v"]),
        ("index", "plain/index-zeros__clean", &[]),
        ("foreign-folder", "plain/root-lost-and-found__clean", &[]),
        ("log-start", "plain/log-start-beyond-end__clean", &[]),
        ("stray", "plain/partition-metadata-missing__clean", &[]),
    ] {
        assert_expected(&format!("verify-{name}.txt"), &text(case, args));
    }
}

#[test]
fn flags_choose_what_counts() {
    let damaged = golden::damage("plain/index-size__clean");
    let dir = arg(damaged.before());
    let exit = |args: &[&str]| run(&[&["verify"], args, &[dir]].concat()).status.code();
    assert_eq!(exit(&[]), Some(1));
    assert_eq!(exit(&["--fail-on", "error"]), Some(0));
    assert_eq!(exit(&["--only", "B,T"]), Some(0));
    assert_eq!(exit(&["--only", "i001"]), Some(1));
    assert_eq!(exit(&["--only", "Q"]), Some(2));
    assert_eq!(exit(&["-t", "other*"]), Some(0));
    assert_eq!(exit(&["--config", "retention.ms=1"]), Some(2));
    assert_eq!(run(&["fsck", dir]).status.code(), Some(1));
    let flushed = golden::damage("plain/crc-value-below-recovery-point__killed");
    assert_eq!(run(&["verify", arg(flushed.before())]).status.code(), Some(1));
    assert_eq!(run(&["verify", "--since-checkpoint", arg(flushed.before())]).status.code(), Some(0));
    let cluster = golden::damage("plain/none__clean");
    assert_eq!(run(&["verify", "--cluster-id", "another", arg(cluster.before())]).status.code(), Some(1));
    assert_eq!(run(&["verify", "--node-id", "99", arg(cluster.before())]).status.code(), Some(1));
    assert_eq!(run(&["verify", "--node-id", "1", arg(cluster.before())]).status.code(), Some(0));
    for path in ["no such directory", "/dev/null"] {
        let output = run(&["verify", path]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(4), ""), "{path}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(path));
        let some = run(&["verify", "--fail-on", "error", path, dir]);
        assert_eq!(some.status.code(), Some(4), "{path}");
        assert!(stdout(&some).contains("1 partition: 1 suspect."), "{path}");
        let json: Value = serde_json::from_slice(&run(&["verify", "--json", path]).stdout).unwrap();
        assert!(json["failed"][0].as_str().is_some_and(|why| why.contains(path)), "{json}");
    }
    assert_eq!(run(&["verify", "-"]).status.code(), Some(2));
}

#[test]
fn what_a_baseline_knows_is_not_told_again() {
    let damaged = golden::damage("plain/index-size__clean");
    let out = tempfile::tempdir().unwrap();
    let (known, junit) = (out.path().join("known.json"), out.path().join("junit.xml"));
    std::fs::write(&known, run(&["verify", "--json", arg(damaged.before())]).stdout).unwrap();
    let again = run(&["verify", "--baseline", arg(&known), arg(damaged.before())]);
    assert_eq!(again.status.code(), Some(0), "{}", stdout(&again));
    run(&["verify", "--junit", arg(&junit), arg(damaged.before())]);
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("<failure type=\"I001\""), "{xml}");
    std::fs::write(&known, "{}").unwrap();
    assert_eq!(run(&["verify", "--baseline", arg(&known), arg(damaged.before())]).status.code(), Some(2));
}

#[test]
fn one_partition_or_one_segment_can_be_checked_alone() {
    let damaged = golden::damage("plain/crc-value-middle__killed");
    let folder = damaged.before().join("plain-0");
    assert_eq!(report(&folder, Some(1))["partitions"][0]["broker"]["recordsDropped"], 93);
    report(&folder.join("00000000000000000126.log"), Some(1));
    report(&folder.join("00000000000000000042.index"), Some(0));
    let output = log_cli().args(["verify", "."]).current_dir(&folder).output().unwrap();
    assert!(stdout(&output).starts_with("plain-0  DAMAGED"), "{}", stdout(&output));
}

#[test]
fn every_code_is_explained() {
    assert_expected("explain-b013.txt", &stdout(&run(&["explain", "b013"])));
    assert_expected("explain.txt", &stdout(&run(&["explain"])));
    assert_eq!(run(&["explain", "B099"]).status.code(), Some(2));
    let all: Value = serde_json::from_slice(&run(&["explain", "--json"]).stdout).unwrap();
    assert_eq!(all["codes"].as_array().unwrap().len(), 45);
    assert_valid("explain", &[all]);
}

#[test]
fn strange_files_are_told_and_the_answer_is_given_all_the_same() {
    let copy = golden::private_copy(&golden::sample());
    let folder = copy.path().join("txn-0");
    let last = golden::files(&folder).into_iter().rfind(|file| file.extension().is_some_and(|e| e == "log")).unwrap();
    assert!(
        std::process::Command::new("mkfifo").arg(folder.join("00000000000000000099.log")).status().unwrap().success()
    );
    std::os::unix::fs::symlink("/etc", copy.path().join("away-0")).unwrap();
    let log = std::fs::OpenOptions::new().write(true).open(folder.join(last)).unwrap();
    log.set_len(1 << 43).unwrap();
    let found = report(copy.path(), Some(1));
    let codes: Vec<_> =
        found["partitions"].as_array().unwrap().iter().flat_map(|it| it["findings"].as_array()).flatten().collect();
    for code in ["B013", "D006"] {
        assert!(codes.iter().any(|finding| finding["code"] == code), "{code}");
    }
}
