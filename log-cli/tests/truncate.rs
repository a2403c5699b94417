//! `truncate`: what goes, what follows, what is refused, and that a broker's checks find nothing wrong with the result.

use std::path::Path;

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

fn truncate(partition: &Path, flags: &[&str]) -> (i32, Value) {
    let output = run(&[&["truncate", "--json", arg(partition)], flags].concat());
    let documents = lines(&output);
    assert_valid("truncate", &documents);
    (output.status.code().unwrap(), documents.into_iter().next().unwrap_or_else(|| panic!("{output:?}")))
}

/// Offsets and keys and values, from the log start on.
fn records(partition: &Path) -> Vec<Value> {
    lines(&run(&["dump", "--json", arg(partition)]))
}

/// Codes and files of the findings above info at the deep level.
fn findings(dir: &Path) -> Vec<String> {
    let document: Value =
        serde_json::from_slice(&run(&["verify", "--level", "deep", "--json", arg(dir)]).stdout).unwrap();
    let lists = ["logDirs", "partitions"].into_iter().flat_map(|name| document[name].as_array().unwrap().clone());
    let all = lists.flat_map(|entry| entry["findings"].as_array().unwrap().clone());
    all.filter(|found| found["severity"] != "info")
        .map(|found| format!("{} {} {}", found["code"], found["file"], found["message"]))
        .collect()
}

/// All files with their bytes, but for the lock.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = golden::files(dir)
        .into_iter()
        .map(|file| (file.display().to_string(), std::fs::read(dir.join(file)).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_end_goes_at_any_offset_and_nothing_else() {
    for (base, topic) in [
        ("plain-clean", "plain-0"),
        ("plain-killed", "plain-0"),
        ("txn-clean", "txn-0"),
        ("txn-killed", "txn-0"),
        ("comp-killed", "comp-0"),
    ] {
        let whole = golden::unpacked("damage", "bases").join("bases").join(base);
        let all = records(&whole.join(topic));
        let before = findings(&whole);
        let end = all.last().unwrap()["offset"].as_i64().unwrap() + 1;
        for to in [0, 1, end / 3, end / 2, end - 7, end - 1] {
            let copy = golden::private_copy(&whole);
            let partition = copy.path().join(topic);
            let kept = tree(copy.path());
            let (exit, plan) = truncate(&partition, &["--to-offset", &to.to_string()]);
            assert_eq!(exit, 1, "{base} {to}");
            assert_eq!(tree(copy.path()), kept, "a plan changes nothing");
            let (exit, done) = truncate(&partition, &["--to-offset", &to.to_string(), "--apply", "--confirm", topic]);
            assert_eq!((exit, &done["changes"]), (0, &plan["changes"]), "{base} {to}");
            let left = records(&partition);
            assert_eq!(left[..], all[..left.len()], "{base} {to}");
            let new_end = plan["newLogEnd"].as_i64().unwrap();
            assert!(new_end <= to, "{base} {to}: {plan}");
            assert!(left.last().is_none_or(|last| last["offset"].as_i64().unwrap() < new_end), "{base} {to}");
            // A batch that ends below the offset stays.
            let batch_end = |record: &Value| {
                let of_batch = all.iter().filter(|other| other["batchOffset"] == record["batchOffset"]);
                of_batch.map(|other| other["offset"].as_i64().unwrap()).max().unwrap()
            };
            assert!(all[left.len()..].iter().all(|gone| batch_end(gone) >= to), "{base} {to}");
            let wrong: Vec<_> = findings(copy.path()).into_iter().filter(|finding| !before.contains(finding)).collect();
            assert!(wrong.is_empty(), "{base} {to}: {wrong:#?}");
            assert_eq!(
                truncate(&partition, &["--to-offset", &to.to_string()]).0,
                0,
                "{base} {to}: nothing is left to do"
            );
        }
    }
}

#[test]
fn the_beginning_goes_as_delete_records_does() {
    for base in ["plain-clean", "plain-killed"] {
        let whole = golden::unpacked("damage", "bases").join("bases").join(base);
        let all = records(&whole.join("plain-0"));
        for before in [1, 42, 60, 100] {
            let copy = golden::private_copy(&whole);
            let partition = copy.path().join("plain-0");
            let (exit, done) =
                truncate(&partition, &["--before", &before.to_string(), "--apply", "--confirm", "plain-0"]);
            assert_eq!((exit, done["newLogStart"].as_i64()), (0, Some(before)), "{base}");
            assert_eq!(done["records"].as_u64().unwrap() > 0, before > 0);
            let left = records(&partition);
            let first_kept =
                done["changes"].as_array().unwrap().iter().filter(|change| change["verb"] == "remove").count();
            assert!(before < 42 || first_kept > 0, "{base} {before}");
            assert_eq!(left[..], all[all.len() - left.len()..], "{base}");
            assert!(left[0]["offset"].as_i64().unwrap() <= before);
            let found = lines(&run(&["find", arg(&partition), "--offset", "0", "--json"]));
            assert!(found[0]["offset"].as_i64().unwrap() <= before, "{found:?}");
            assert_eq!(findings(copy.path()), Vec::<String>::new(), "{base} {before}");
            assert_eq!(truncate(&partition, &["--before", &before.to_string()]).0, 0);
        }
        let copy = golden::private_copy(&whole);
        let above = run(&["truncate", arg(&copy.path().join("plain-0")), "--before", "239"]);
        let expected = if base == "plain-clean" { Some(1) } else { Some(5) };
        assert_eq!(above.status.code(), expected, "{base}: {}", String::from_utf8_lossy(&above.stderr));
    }
}

#[test]
fn the_high_watermark_and_epochs_name_an_offset() {
    let copy = golden::private_copy(&golden::unpacked("damage", "bases").join("bases/plain-killed"));
    let partition = copy.path().join("plain-0");
    let ends = |flags: &[&str]| truncate(&partition, flags).1["newLogEnd"].as_i64().unwrap();
    // Epoch 2 begins at 125, which is the high watermark of the checkpoint as well.
    assert_eq!([ends(&["--to-hw"]), ends(&["--to-epoch", "0"]), ends(&["--to-epoch", "1"])], [125, 125, 125]);
    assert_eq!(truncate(&partition, &["--to-epoch", "2"]).0, 0);
    std::fs::write(partition.join("leader-epoch-checkpoint"), "0\n1\n3 0\n").unwrap();
    assert_eq!(run(&["truncate", arg(&partition), "--to-epoch", "2"]).status.code(), Some(2));
    std::fs::remove_file(copy.path().join("replication-offset-checkpoint")).unwrap();
    assert_eq!(run(&["truncate", arg(&partition), "--to-hw"]).status.code(), Some(5));
}

#[test]
fn the_plan_is_what_was_agreed() {
    let case = golden::damage("plain/none__killed");
    let mut command = log_cli();
    command.args(["truncate", "before/plain-0", "--to-offset", "100"]);
    let output = command.current_dir(case.before().parent().unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_expected("truncate.txt", &stdout(&output));
}

#[test]
fn originals_are_kept_beside_the_directory_or_where_it_is_said() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    std::fs::rename(golden::private_copy(&golden::sample()).keep(), &data).unwrap();
    let partition = data.join("txn-seg-0");
    let flags = ["--to-offset", "30", "--apply", "--confirm", "txn-seg-0"];
    let inside = run(&[&["truncate", arg(&partition), "--backup-dir", arg(&data.join("kept"))], &flags[..]].concat());
    assert_eq!(inside.status.code(), Some(2));
    assert!(!data.join("kept").exists());
    let (_, done) = truncate(&partition, &flags);
    let kept = Path::new(done["applied"]["kept"].as_str().unwrap()).to_owned();
    assert_eq!(kept.parent().unwrap(), root.path().canonicalize().unwrap().join("data.log-cli"));
    assert!(kept.join("journal").exists() && !data.join(".lock").exists());
    let elsewhere = root.path().join("elsewhere");
    let (_, done) = truncate(
        &partition,
        &[&["--backup-dir", arg(&elsewhere)], &["--to-offset", "10", "--apply", "--confirm", "txn-seg-0"][..]].concat(),
    );
    assert!(elsewhere.join(done["applied"]["run"].as_str().unwrap()).join("journal").exists());
}

#[test]
fn what_would_do_harm_is_refused_and_changes_nothing() {
    let copy = golden::private_copy(&golden::unpacked("damage", "bases").join("bases/plain-killed"));
    let partition = copy.path().join("plain-0");
    let before = tree(copy.path());
    let exit = |flags: &[&str]| run(&[&["truncate", arg(&partition)], flags].concat()).status.code();
    for (flags, expected) in [
        (&["--to-offset", "100", "--apply"][..], 5),
        (&["--to-offset", "100", "--apply", "--confirm", "plain-1"], 5),
        (&["--to-offset", "-1"], 2),
        (&["--before", "9999"], 2),
        (&[], 2),
        (&["--to-offset", "1", "--before", "2"], 2),
        (&["--to-offset", "9999"], 0),
    ] {
        assert_eq!(exit(flags), Some(expected), "{flags:?}");
    }
    assert_eq!(run(&["truncate", arg(copy.path()), "--to-offset", "1"]).status.code(), Some(2));
    assert_eq!(run(&["truncate", "no such directory", "--to-offset", "1"]).status.code(), Some(4));
    let log = partition.join("00000000000000000042.log");
    assert_eq!(run(&["truncate", arg(&log), "--to-offset", "1"]).status.code(), Some(2));
    assert_eq!(tree(copy.path()), before);

    // Damage before the cut in its segment: what lies between would go as well.
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let before = tree(copy.path());
    assert_eq!(exit(&["--to-offset", "70", "--apply", "--confirm", "plain-0"]), Some(5));
    assert_eq!(tree(copy.path()), before);
    assert_eq!(exit(&["--to-offset", "42", "--apply", "--confirm", "plain-0"]), Some(0), "damage behind it goes");
}

#[test]
fn a_held_lock_is_respected() {
    use log_engine::{OsFs, WriteFs};
    let copy = golden::private_copy(&golden::sample());
    let held = OsFs.lock(&copy.path().join(".lock")).unwrap();
    let before = tree(copy.path());
    let partition = copy.path().join("txn-seg-0");
    for flags in [&["--to-offset", "30"][..], &["--to-offset", "30", "--apply", "--confirm", "txn-seg-0"]] {
        let output = run(&[&["truncate", arg(&partition)], flags].concat());
        assert_eq!(output.status.code(), Some(5), "{output:?}");
    }
    assert_eq!(tree(copy.path()), before);
    drop(held);
}

#[test]
fn a_partition_alone_is_cut_without_a_directory_around_it() {
    let root = tempfile::tempdir().unwrap();
    let partition = root.path().join("somewhere/orders-0");
    std::fs::create_dir_all(&partition).unwrap();
    let source = golden::unpacked("damage", "bases").join("bases/plain-clean/plain-0");
    for file in golden::files(&source) {
        std::fs::copy(source.join(&file), partition.join(&file)).unwrap();
    }
    std::fs::rename(root.path().join("somewhere/orders-0"), root.path().join("somewhere/copy")).unwrap();
    let partition = root.path().join("somewhere/copy");
    let (exit, done) = truncate(&partition, &["--to-offset", "100", "--apply", "--confirm", "copy"]);
    assert_eq!((exit, done["newLogEnd"].as_i64().unwrap() <= 100), (0, true));
    assert!(root.path().join("somewhere/copy.log-cli").exists() && !root.path().join("somewhere/.lock").exists());
    assert_eq!(run(&["truncate", arg(&partition), "--before", "10"]).status.code(), Some(5));
    assert_eq!(truncate(&partition, &["--before", "42", "--apply", "--confirm", "copy"]).1["newLogStart"], 42);
}
