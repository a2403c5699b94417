//! `replay`: the same records elsewhere, at their pace, and once only.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use log_engine::testing::golden;
use serde_json::{Value, json};

use crate::support::{arg, assert_valid, lines, log_cli, run, stdout};

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What an export says of each record, without where it lay.
fn exported(dir: &Path) -> Vec<Value> {
    let mut found = lines(&run(&["export", arg(dir), "-o", "-"]));
    for line in &mut found {
        ["segment", "position", "crc", "size"]
            .iter()
            .for_each(|name| drop(line.as_object_mut().unwrap().remove(*name)));
    }
    found
}

fn to(dir: &Path) -> String {
    format!("dir:{}", dir.display())
}

/// Makes `name` in `folder` of lines of JSON.
fn make(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let dir = folder.join(name);
    let mut child = log_cli().args(["import", "-", "-q", "-o"]).arg(&dir).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    dir
}

#[test]
fn everything_travels_with_its_transactions_where_nothing_is_chosen() {
    for case in ["txn", "compacted", "idempotent", "codecs"] {
        let dir = golden::kafka(case).join("dir");
        let scratch = tempfile::tempdir().unwrap();
        let copy = scratch.path().join("copy");
        let output = run(&["replay", arg(&dir), "--to", &to(&copy)]);
        assert_eq!(output.status.code(), Some(0), "{case}: {}", stderr(&output));
        assert_eq!(exported(&copy), exported(&dir), "{case}");
    }
}

#[test]
fn a_choice_travels_as_plain_data_under_new_names() {
    let txn = golden::sample();
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("copy");
    let args = ["replay", arg(&txn), "-t", "txn", "--isolation", "read_committed", "--map", "txn=new", "--to"];
    let output = run(&[&args[..], &[&to(&copy), "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_valid("replay", std::slice::from_ref(&report));
    assert_eq!(report["partitions"][0]["topic"], "new");
    let found = exported(&copy);
    let expected = lines(&run(&["dump", arg(&txn), "-t", "txn", "--isolation", "read_committed", "--json"]));
    let content = |lines: &[Value]| -> Vec<Value> {
        lines
            .iter()
            .map(|line| json!([line["partition"], line["offset"], line["timestamp"], line["key"], line["value"]]))
            .collect()
    };
    assert!(expected.len() > 5);
    assert_eq!(content(&found), content(&expected));
    assert!(
        found
            .iter()
            .all(|line| line["topic"] == "new" && line["producerId"].is_null() && line["isTransactional"] == false)
    );
}

#[test]
fn keys_choose_partitions_as_kafkas_producer_does() {
    let scratch = tempfile::tempdir().unwrap();
    let text: String = ["21", "foobar", "abc", "21"].map(|key| format!("{{\"key\":\"{key}\"}}\n")).concat() + "{}\n";
    let source = make(scratch.path(), "t-1", &text);
    let copy = scratch.path().join("wide");
    let output = run(&["replay", arg(&source), "--partition", "hash:7", "--to", &to(&copy)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = exported(&copy);
    let at = |key: Value| -> Vec<(i64, i64)> {
        let of_key = found.iter().filter(|line| line["key"] == key);
        of_key.map(|line| (line["partition"].as_i64().unwrap(), line["offset"].as_i64().unwrap())).collect()
    };
    // Kafka: murmur2("21") = -973932308, ("foobar") = -790332482, ("abc") = 479470107; without the sign bit, modulo 7.
    let partition = |hash: i32| i64::from((hash & i32::MAX) % 7);
    assert_eq!(at(json!("21")).iter().map(|at| at.0).collect::<Vec<_>>(), [partition(-973_932_308); 2]);
    assert_eq!(at(json!("foobar"))[0].0, partition(-790_332_482));
    assert_eq!(at(json!("abc"))[0].0, partition(479_470_107));
    assert_eq!(at(Value::Null)[0].0, 1, "without a key the number stays");
    assert_eq!(at(json!("21"))[0].1 + 1, at(json!("21"))[1].1, "offsets are counted anew");
}

/// Milliseconds from line to line of a child's standard output.
fn arrivals(mut command: Command) -> (Vec<i64>, Vec<Duration>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut times, mut arrived) = (Vec::new(), Vec::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let now = Instant::now();
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        times.push(line["timestamp"].as_i64().unwrap());
        arrived.push(now);
    }
    assert!(child.wait().unwrap().success());
    let first = arrived[0];
    (times, arrived.into_iter().map(|at| at.duration_since(first)).collect())
}

#[test]
fn gaps_are_kept_at_ten_times_the_speed() {
    // Two partitions whose records alternate.
    let scratch = tempfile::tempdir().unwrap();
    let gaps = [0, 3_000, 2_400, 4_800, 2_700, 5_400, 2_100, 3_600];
    let mut time = 1_700_000_000_000_i64;
    let mut texts = [String::new(), String::new()];
    for (n, gap) in gaps.iter().enumerate() {
        time += gap;
        texts[n % 2].push_str(&format!("{{\"topic\":\"t\",\"partition\":{},\"timestamp\":{time}}}\n", n % 2));
    }
    let dir = make(scratch.path(), "data", &texts.concat());
    let worst = || {
        let mut command = log_cli();
        command.args(["replay", arg(&dir), "--rate", "original", "--speed", "10", "--to", "-"]);
        let (times, arrived) = arrivals(command);
        let recorded: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(recorded, gaps[1..], "in order of time");
        let found = arrived.windows(2).map(|two| (two[1] - two[0]).as_secs_f64() * 10_000.0);
        found.zip(&gaps[1..]).map(|(found, gap)| (found / *gap as f64 - 1.0).abs()).fold(0.0, f64::max)
    };
    assert_undisturbed(worst, 0.0..0.05);
}

/// A machine that is busy with other tests wakes late once in a while: one of some attempts has to be undisturbed.
fn assert_undisturbed(attempt: impl FnMut() -> f64, fine: std::ops::Range<f64>) {
    let attempts = std::iter::repeat_with(attempt).take(5);
    let tried: Vec<f64> =
        attempts.scan(false, |done, x| (!std::mem::replace(done, fine.contains(&x))).then_some(x)).collect();
    assert!(tried.last().is_some_and(|x| fine.contains(x)), "{tried:?}, none in {fine:?}");
}

#[test]
fn a_number_of_records_a_second() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = make(scratch.path(), "t-0", &"{}\n".repeat(11));
    let took = || {
        let mut command = log_cli();
        command.args(["replay", arg(&dir), "--rate", "20/s", "--to", "-"]);
        arrivals(command).1.last().unwrap().as_secs_f64()
    };
    assert_undisturbed(took, 0.45..0.7);
}

#[test]
fn times_move_by_a_length_or_to_now() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = make(scratch.path(), "t-0", "{\"timestamp\":1000}\n{\"timestamp\":-1}\n{\"timestamp\":5000}\n");
    let times = |shift: &str| -> Vec<i64> {
        let found = lines(&run(&["replay", arg(&dir), "--to", "-", "--shift-time", shift]));
        found.iter().map(|line| line["timestamp"].as_i64().unwrap()).collect()
    };
    assert_eq!(times("1h"), [3_601_000, -1, 3_605_000]);
    assert_eq!(times("-2s"), [0, -1, 3_000], "no time is below 0");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let moved = times("now");
    assert!((moved[2] - now).abs() < 60_000 && moved[2] - moved[0] == 4000 && moved[1] == -1, "{moved:?}");
}

/// The bytes of all segments below `path`, which may be missing.
fn log_bytes(path: &Path) -> u64 {
    let Ok(names) = std::fs::read_dir(path) else { return 0 };
    let of = |path: &Path| match path.extension() {
        Some(end) if end == "log" => path.metadata().map_or(0, |stat| stat.len()),
        _ => log_bytes(path),
    };
    names.flatten().map(|entry| of(&entry.path())).sum()
}

#[test]
fn what_was_interrupted_goes_on_without_doubling() {
    let scratch = tempfile::tempdir().unwrap();
    let text: String = (0..400).map(|n| format!("{{\"key\":\"k{n}\",\"batchOffset\":{}}}\n", n / 10 * 10)).collect();
    let source = make(scratch.path(), "t-0", &text);
    for partitioning in ["keep", "hash:3"] {
        let copy = scratch.path().join(format!("copy-of-{}", &partitioning[..4]));
        let args = ["replay", arg(&source), "--to", &to(&copy), "--partition", partitioning];
        // Killed in the middle, twice.
        for _ in 0..2 {
            let before = log_bytes(&copy);
            let resume: &[&str] = if copy.exists() { &["--resume"] } else { &[] };
            let mut child =
                log_cli().args(args).args(["--rate", "150/s"]).args(resume).stderr(Stdio::null()).spawn().unwrap();
            while log_bytes(&copy) <= before && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success(), "it was over before");
        }
        let there = exported(&copy).len();
        assert!((1..400).contains(&there), "{there}");
        assert_eq!(run(&args).status.code(), Some(5), "without --resume nothing is overwritten");
        let dry = run(&[&args[..], &["--resume", "--dry-run", "--json"]].concat());
        let left: Value = serde_json::from_slice(&dry.stdout).unwrap();
        let sum =
            |name: &str| left["partitions"].as_array().unwrap().iter().map(|p| p[name].as_i64().unwrap()).sum::<i64>();
        assert_eq!((sum("records") + sum("skipped"), sum("skipped")), (400, there as i64), "{partitioning}");
        let output = run(&[&args[..], &["--resume"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let mut keys: Vec<String> =
            exported(&copy).iter().map(|line| line["key"].as_str().unwrap().to_owned()).collect();
        if partitioning == "keep" {
            assert_eq!(keys, (0..400).map(|n| format!("k{n}")).collect::<Vec<_>>());
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 400, "{partitioning}");
        assert_eq!(exported(&copy).len(), 400, "{partitioning}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("copy");
    let output = run(&["replay", arg(&golden::sample()), "-t", "txn", "--to", &to(&copy), "--dry-run"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    let said = stderr(&output);
    assert!(
        said.contains("txn-0  26 records, 2023-11-14T22:14:34.942Z to ") && said.ends_with("nothing was written\n"),
        "{said}"
    );
    assert!(!copy.exists());
}

#[test]
fn exit_codes_say_what_happened() {
    let sample = golden::sample();
    let scratch = tempfile::tempdir().unwrap();
    let (dir, copy) = (arg(&sample), to(&scratch.path().join("copy")));
    let segment = sample.join("txn-0/00000000000000000000.log");
    std::fs::copy(&segment, scratch.path().join("x.log")).unwrap();
    for (args, code) in [
        (&["replay", dir, "--to", "-", "-n", "1"][..], 0),
        (&["replay", dir], 2),
        (&["replay", dir, "--to", "kafka://host/topic"], 2),
        (&["replay", dir, "--to", "-", "--resume"], 2),
        (&["replay", dir, "--to", "-", "--speed", "2"], 2),
        (&["replay", dir, "--to", "-", "--rate", "0/s"], 2),
        (&["replay", dir, "--to", "-", "--shift-time", "tomorrow"], 2),
        (&["replay", dir, "--to", &copy, "--resume", "--shift-time", "now"], 2),
        (&["replay", dir, "--to", &copy, "--map", "txn=txn-seg"], 2),
        (&["replay", arg(&scratch.path().join("x.log")), "--to", &copy], 2),
        (&["replay", dir, "--to", "-", "-t", "no-such-topic"], 1),
        (&["replay", "/no/such/directory", "--to", "-"], 4),
        (&["replay", dir, "--to", &to(scratch.path())], 5),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn a_target_that_cannot_be_written_ends_the_replay_at_once() {
    let source = golden::kafka("plain").join("dir/plain-1");
    let target = tempfile::tempdir().unwrap();
    let to = format!("dir:{}", target.path().join("small").display());
    let output = run(&["replay", arg(&source), "--to", &to, "--segment-bytes", "1KiB"]);
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    assert!(said.contains("cannot write the output: batches of"), "{said}");
}
