//! `kill -9` of a process that appends: what it acknowledged is there when the log is opened again.
//!
//! `KILLS` says how often, `KILL_SEED` repeats the waits of a run.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log_engine::{OsFs, Store, StoreOptions, TopicPartition};
use serde_json::Value;

use crate::support::{arg, log_cli, run};

/// Kills, where `KILLS` says nothing.
const DEFAULT_KILLS: u64 = 10;
/// Kills of one log before another one is begun.
const EACH: u64 = 5;

/// Starts a process that appends to the log directory `dir` until it is killed, and says what it has appended.
fn writer(dir: &Path, fsync: &str) -> Child {
    let mut command = log_cli();
    command.args([
        "bench",
        "write",
        arg(dir),
        "--acknowledge",
        "--records",
        "100M",
        "--at-most",
        "1h",
        "--size",
        "300",
    ]);
    command.args(["--batch", "3", "--threads", "2", "--segment-bytes", "64KiB", "--fsync", fsync]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Lets a writer run for a while, kills it, and gives the largest offset that it acknowledged, and how many times it did.
fn killed(dir: &Path, fsync: &str, after: Duration) -> (i64, usize) {
    let mut child = writer(dir, fsync);
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(out).read_to_string(&mut text).unwrap();
        text
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait_with_output().unwrap();
    assert_eq!(status.status.code(), None, "it ended by itself: {}", String::from_utf8_lossy(&status.stderr));
    let text = reader.join().unwrap();
    // The last line may be cut: then the append was done, but nobody was told.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let offsets: Vec<i64> = whole.lines().map(|line| line.parse().unwrap()).collect();
    (offsets.iter().copied().max().unwrap_or(-1), offsets.len())
}

/// Opens the log as after a crash and gives its end.
fn reopened(dir: &Path) -> i64 {
    let (store, report) = Store::open(Arc::new(OsFs), &[dir.to_owned()], StoreOptions::default()).unwrap();
    for told in &report.directories {
        assert!(told.failed.is_empty() && told.offline.is_none(), "{told:?}");
        assert!(!told.was_clean, "nobody closed it");
    }
    store.log(&TopicPartition { topic: "bench".to_owned(), partition: 0 }).map_or(0, |log| log.end().get())
}

/// That every offset from 0 to before `end` is there, and no check finds anything but what every crash leaves.
fn assert_whole(dir: &Path, end: i64) {
    let folder = dir.join("bench-0");
    let output = run(&["dump", arg(&folder), "-f", "%o\\n"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let offsets = String::from_utf8(output.stdout).unwrap();
    let mut count = 0;
    for line in offsets.lines() {
        assert_eq!(line, count.to_string());
        count += 1;
    }
    assert_eq!(count, end);
    let verified = run(&["verify", arg(&folder), "--level", "deep", "--json"]);
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    let mut errors = Vec::new();
    collect(&report, &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
}

/// The findings of the log's own files that are errors.
fn collect(value: &Value, errors: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            let code = fields.get("code").and_then(Value::as_str).unwrap_or_default();
            if fields.get("severity").is_some_and(|severity| severity == "error") && !code.starts_with('D') {
                errors.push(value.clone());
            }
            fields.values().for_each(|value| collect(value, errors));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, errors)),
        _ => {}
    }
}

/// Numbers that look like chance; the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_kill() {
    let kills = number("KILLS").unwrap_or(DEFAULT_KILLS);
    let seed = number("KILL_SEED").unwrap_or_else(|| {
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() % (1 << 60)).unwrap() | 1
    });
    let mut chance = Chance(seed);
    let (mut acknowledged, mut scratch) = ([0, 0], None);
    let mut log: Option<(PathBuf, i64)> = None;
    for kill in 0..kills {
        let (level, fsync) = if (kill / EACH).is_multiple_of(2) { (0, "never") } else { (1, "every:1") };
        if kill % EACH == 0 {
            let folder = tempfile::tempdir().unwrap();
            log = Some((folder.path().join("data"), 0));
            scratch = Some(folder);
        }
        let Some((dir, end)) = &mut log else { unreachable!("a log was begun") };
        let after = Duration::from_millis(5 + chance.below(250));
        let (last, count) = killed(dir, fsync, after);
        acknowledged[level] += count;
        let before = *end;
        // Killed before it made its folder: then there is nothing to open.
        *end = if dir.exists() { reopened(dir) } else { 0 };
        let case = format!("seed {seed}, kill {kill}, {fsync}, after {after:?}");
        assert!(*end > last && *end >= before, "{case}: acknowledged to {last}, before {before}, now {end}");
        if dir.join("bench-0").exists() {
            assert_whole(dir, *end);
        }
    }
    drop(scratch);
    println!(
        "{kills} kills (seed {seed}): {} appends acknowledged at level os, {} at level synced, 0 lost",
        acknowledged[0], acknowledged[1]
    );
    assert!(
        kills < 2 * EACH || acknowledged.iter().all(|count| *count > 0),
        "{acknowledged:?}: no writer got to append"
    );
}

#[test]
fn two_processes_cannot_write_one_log() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    let mut first = writer(&dir, "never");
    let mut line = String::new();
    let mut out = BufReader::new(first.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.trim_end().parse::<i64>().is_ok(), "{line:?}");
    // What it goes on to say is read, so that it is not kept from writing.
    let drain = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).unwrap());
    let second = run(&["bench", "write", arg(&dir), "--keep", "--records", "1"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(5), "{said}");
    assert!(said.contains(".lock"), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();
    drain.join().unwrap();
    assert_eq!(
        run(&["bench", "write", arg(&dir), "--keep", "--records", "1"]).status.code(),
        Some(0),
        "the lock is free again"
    );
}
