//! `index`, `checkpoint`, `producers`: the small files shown and held against their logs.

use std::collections::BTreeMap;
use std::path::Path;

use log_engine::testing::expected::expected_findings;
use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

const COMMANDS: [&str; 3] = ["index", "checkpoint", "producers"];

/// The command that speaks of findings with this code.
fn command_of(code: &str) -> Option<&'static str> {
    match code.as_bytes().first()? {
        b'I' | b'T' => Some("index"),
        b'C' | b'E' => Some("checkpoint"),
        b'S' => Some("producers"),
        _ if code == "X001" => Some("index"),
        _ if ["D003", "D004", "D005"].contains(&code) => Some("checkpoint"),
        _ => None,
    }
}

fn check(command: &str, path: &Path) -> (i32, Value) {
    let output = run(&[command, "check", "--json", arg(path)]);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn what_is_wrong_with_a_small_file_is_told_of_that_file() {
    let mut expected: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for line in expected_findings() {
        expected.entry(line.case).or_default().extend(line.finding);
    }
    let mut told = 0;
    for (case, findings) in expected {
        let ours = findings.iter().filter_map(|finding| Some((command_of(&finding.code)?, finding)));
        let ours: Vec<_> = ours.filter(|(_, finding)| finding.severity != 'i').collect();
        let Some(damaged) = (!ours.is_empty()).then(|| golden::damage(&case)) else { continue };
        for (command, finding) in ours {
            let (exit, document) = check(command, damaged.before());
            assert_eq!(exit, 1, "{case}");
            let path = damaged.before().join(&finding.file);
            let row = document["files"].as_array().unwrap().iter().find(|row| row["path"] == arg(&path));
            let row = row.unwrap_or_else(|| panic!("{case}: nothing of {}", finding.file));
            let has = row["findings"].as_array().unwrap().iter().any(|found| found["code"] == finding.code.as_str());
            assert!(has, "{case}: {row}");
            let is_told = row["broker"].as_str().is_some_and(|word| word != "taken as it is");
            assert!(row["state"] != "ok" && is_told, "{case}: {row}");
            told += 1;
        }
    }
    assert!(told >= 80, "{told}");
}

#[test]
fn nothing_is_wrong_with_what_brokers_left_and_every_entry_fits() {
    // One has several log directories, others were damaged before or between two starts.
    let is_whole = |case: &String| case != "dirs" && !case.starts_with("crash-");
    for case in golden::kafka_cases().into_iter().filter(is_whole) {
        let dir = golden::kafka(&case).join("dir");
        for command in COMMANDS {
            let (exit, document) = check(command, &dir);
            assert_eq!(exit, 0, "{case} {command}: {document}");
            assert_valid(&format!("{command} check"), &[document]);
            let shown = run(&[command, "show", "--json", arg(&dir)]);
            assert_eq!(shown.status.code(), Some(0), "{case} {command}");
            let rows = lines(&shown);
            assert_valid(&format!("{command} show"), &rows);
            let odd: Vec<_> = rows.iter().filter(|row| row["fits"] == false).collect();
            assert!(odd.is_empty(), "{case} {command}: {odd:?}");
        }
    }
}

/// The text for a damaged case, whose directory is called `before`.
fn text(case: &str, args: &[&str]) -> String {
    let damaged = golden::damage(case);
    let mut command = log_cli();
    command.args(args).arg("before").current_dir(damaged.before().parent().unwrap());
    stdout(&command.output().unwrap())
}

#[test]
fn the_text_is_what_was_agreed() {
    for (name, case, args) in [
        ("index-check", "plain/index-off-boundary__clean", &["index", "check"][..]),
        ("index-check-missing", "plain/index-missing__killed", &["index", "check"]),
        ("index-check-version", "txn/txnindex-version__clean", &["index", "check"]),
        ("index-show", "txn/txnindex-version__clean", &["index", "show", "-p", "0"]),
        ("checkpoint-check", "plain/recovery-point-malformed__clean", &["checkpoint", "check", "-v"]),
        ("checkpoint-check-epochs", "plain/epochs-bad-number__clean", &["checkpoint", "check"]),
        ("checkpoint-show", "plain/none__clean", &["checkpoint", "show"]),
        ("producers-check", "txn/snapshot-crc__clean", &["producers", "check"]),
        ("producers-show", "txn/none__clean", &["producers", "show"]),
    ] {
        assert_expected(&format!("{name}.txt"), &text(case, args));
    }
}

#[test]
fn one_file_can_be_named_and_only_of_the_right_kind() {
    let damaged = golden::damage("plain/index-off-boundary__clean");
    let (exit, all) = check("index", damaged.before());
    assert_eq!(exit, 1);
    let rows = all["files"].as_array().unwrap();
    for row in rows {
        let path = row["path"].as_str().unwrap();
        let (exit, one) = check("index", Path::new(path));
        assert_eq!((exit, &one["files"]), (i32::from(row["state"] != "ok"), &Value::from(vec![row.clone()])), "{path}");
    }
    let wrong = rows.iter().find(|row| row["state"] != "ok").unwrap()["path"].as_str().unwrap();
    for (folder, name) in [("plain-0", "00000000000000000042.index"), ("", "plain-0")] {
        let folder = damaged.before().join(folder);
        let output = log_cli().args(["index", "check", name]).current_dir(folder).output().unwrap();
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(text.starts_with(name) && text.contains("a broker starting now: Believed behind a marker"), "{text}");
    }
    let shown = lines(&run(&["index", "show", wrong, "--json"]));
    assert!(shown.iter().any(|row| row["because"] == "inside a batch"), "{shown:?}");
    for command in COMMANDS {
        let log = damaged.before().join("plain-0/00000000000000000000.log");
        for verb in ["check", "show"] {
            assert_eq!(run(&[command, verb, arg(&log)]).status.code(), Some(2), "{command} {verb}");
            assert_eq!(run(&[command, verb, "no such directory"]).status.code(), Some(4), "{command} {verb}");
            assert_eq!(run(&[command, verb, "-"]).status.code(), Some(2), "{command} {verb}");
        }
        assert_eq!(run(&[command]).status.code(), Some(2), "{command}");
    }
}

#[test]
fn lines_about_other_partitions_are_left_out() {
    let sample = golden::sample();
    let all = lines(&run(&["checkpoint", "show", "--json", arg(&sample)]));
    let some = lines(&run(&["checkpoint", "show", "--json", "-t", "txn", arg(&sample)]));
    let of_others = |row: &&Value| row["kind"] == "offset" && row["topic"] != "txn";
    assert!(all.iter().any(|row| of_others(&row)) && !some.iter().any(|row| of_others(&row)));
    assert!(some.iter().any(|row| row["kind"] == "offset"));
}

#[test]
fn what_checkpoints_say_of_a_partition_can_be_set() {
    let copy = golden::private_copy(&golden::sample());
    let partition = copy.path().join("txn-seg-0");
    let set = |flags: &[&str]| {
        let output = run(&[&["checkpoint", "set", "--json", arg(&partition)], flags].concat());
        let documents = lines(&output);
        assert_valid("checkpoint set", &documents);
        (output.status.code().unwrap(), documents.into_iter().next())
    };
    let said = |name: &str| -> Vec<String> {
        std::fs::read_to_string(copy.path().join(name)).unwrap().lines().skip(2).map(str::to_owned).collect()
    };
    let mut expected = said("replication-offset-checkpoint");
    let (exit, plan) = set(&["--high-watermark", "30"]);
    assert_eq!((exit, plan.unwrap()["changes"].as_array().unwrap().len()), (1, 1));
    assert_eq!(said("replication-offset-checkpoint"), expected, "a plan changes nothing");
    assert_eq!(set(&["--high-watermark", "30", "--apply"]).0, 0);
    let line = expected.iter_mut().find(|line| line.starts_with("txn-seg 0 ")).unwrap();
    *line = "txn-seg 0 30".to_owned();
    assert_eq!(said("replication-offset-checkpoint"), expected, "the other lines stay as they are");
    assert_eq!(set(&["--high-watermark", "30"]).0, 0, "nothing is left to do");

    assert_eq!(set(&["--log-start", "20", "--apply"]).0, 5, "a rising log start loses records");
    assert_eq!(set(&["--log-start", "20", "--apply", "--confirm", "txn-seg-0"]).0, 0);
    assert!(said("log-start-offset-checkpoint").contains(&"txn-seg 0 20".to_owned()));
    let id = "6HZtaoFuTWK1JxohrG_zCQ";
    assert_eq!(set(&["--topic-id", id, "--apply"]).0, 0);
    assert_eq!(
        std::fs::read_to_string(partition.join("partition.metadata")).unwrap(),
        format!("version: 0\ntopic_id: {id}")
    );
    for wrong in
        [&["--log-start", "99999"][..], &["--recovery-point", "-1"], &["--cleaner", "99999"], &["--topic-id", "x"], &[]]
    {
        assert_eq!(set(wrong).0, 2, "{wrong:?}");
    }
    std::fs::write(copy.path().join("recovery-point-offset-checkpoint"), "0\n1\ntxn-seg 0\n").unwrap();
    assert_eq!(set(&["--recovery-point", "30"]).0, 5);
    let deep = copy.path().join("txn-seg-0");
    std::fs::rename(&deep, copy.path().join("txn-seg-0.0123-delete")).unwrap();
    assert_eq!(
        run(&["checkpoint", "set", arg(&copy.path().join("txn-seg-0.0123-delete")), "--log-start", "1"]).status.code(),
        Some(5)
    );
}

/// Each file with its bytes.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = |file: &Path| std::fs::read(dir.join(file)).unwrap();
    golden::files(dir).into_iter().map(|file| (file.display().to_string(), bytes(&file))).collect()
}

/// Code and file of what a check finds above info.
fn wrong(command: &str, dir: &Path) -> Vec<(String, String)> {
    let (_, document) = check(command, dir);
    let rows = document["files"].as_array().unwrap().iter();
    let found = rows.flat_map(|row| row["findings"].as_array().unwrap()).filter(|found| found["severity"] != "info");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found.map(|found| (text(&found["code"]), text(&found["file"]))).collect()
}

#[test]
fn what_is_wrong_is_made_again_from_the_logs_and_no_log_is_touched() {
    let mut cases: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in expected_findings() {
        let finding = line.finding.filter(|finding| finding.severity != 'i');
        cases.entry(line.case).or_default().extend(finding.and_then(|finding| command_of(&finding.code)));
    }
    let (mut mended, mut stay) = (0, 0);
    for (case, mut commands) in cases {
        commands.dedup();
        for command in commands {
            let damaged = golden::damage(&case);
            let dir = damaged.before();
            let before = tree(dir);
            let plan = run(&[command, "rebuild", "--json", arg(dir)]);
            assert_eq!(tree(dir), before, "{case}: a plan changes nothing");
            let done = run(&[command, "rebuild", "--json", "--apply", arg(dir)]);
            let (plan, applied) = (lines(&plan), lines(&done));
            assert_valid(&format!("{command} rebuild"), &applied);
            let directory = &applied[0]["directories"][0];
            assert_eq!(directory["changes"], plan[0]["directories"][0]["changes"], "{case} {command}");
            let after = tree(dir);
            for (file, bytes) in before.iter().filter(|(file, _)| file.ends_with(".log")) {
                assert_eq!(after.get(file), Some(bytes), "{case} {command}: {file}");
            }
            let told: Vec<_> = ["left", "notes"].iter().flat_map(|name| directory[name].as_array().unwrap()).collect();
            assert_eq!(done.status.code(), Some(if told.is_empty() { 0 } else { 3 }), "{case} {command}: {directory}");
            for (code, file) in wrong(command, dir) {
                assert!(
                    told.iter().any(|it| it["file"] == file.as_str()),
                    "{case} {command}: {code} {file}, {directory}"
                );
                stay += 1;
            }
            mended += usize::from(directory["changes"] != Value::from(Vec::<Value>::new()));
            let again = lines(&run(&[command, "rebuild", "--json", arg(dir)]));
            assert_eq!(again[0]["directories"][0]["changes"], Value::from(Vec::<Value>::new()), "{case} {command}");
        }
    }
    assert!(mended > 60 && stay < 30, "{mended} mended, {stay} stay");
}

#[test]
fn one_file_is_rebuilt_and_kept_and_a_held_directory_is_left_alone() {
    use log_engine::{OsFs, WriteFs};
    let damaged = golden::damage("plain/index-off-boundary__clean");
    let dir = damaged.before();
    let before = tree(dir);
    let held = OsFs.lock(&dir.join(".lock")).unwrap();
    for flags in [&[][..], &["--apply"]] {
        assert_eq!(run(&[&["index", "rebuild", arg(dir)], flags].concat()).status.code(), Some(5));
    }
    drop(held);
    std::fs::remove_file(dir.join(".lock")).unwrap();
    let other = dir.join("plain-0/00000000000000000000.index");
    assert_eq!(run(&["index", "rebuild", arg(&other)]).status.code(), Some(0));
    let file = dir.join("plain-0/00000000000000000042.index");
    let plan = run(&["index", "rebuild", arg(&file)]);
    assert_eq!(plan.status.code(), Some(1));
    assert!(stdout(&plan).contains("write   plain-0/00000000000000000042.index (48 bytes)"), "{}", stdout(&plan));
    let done = lines(&run(&["index", "rebuild", "--apply", "--json", arg(&file)]));
    let after = tree(dir);
    let changed: Vec<&String> = after.keys().filter(|file| before.get(*file) != after.get(*file)).collect();
    assert_eq!(changed, ["plain-0/00000000000000000042.index"]);
    let kept = Path::new(done[0]["directories"][0]["applied"]["kept"].as_str().unwrap()).join("originals/0");
    assert_eq!(std::fs::read(kept).unwrap(), before["plain-0/00000000000000000042.index"]);
    assert_eq!(run(&["index", "rebuild", arg(&dir.join("plain-0/leader-epoch-checkpoint"))]).status.code(), Some(2));
}
