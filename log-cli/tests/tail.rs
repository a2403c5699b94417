//! `tail`: the last records, and what is appended while it looks.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use log_engine::testing::golden;
use log_engine::{BatchBuilder, Offset, Timestamp};

use crate::support::{arg, lines, log_cli, run};

/// Long enough for the slowest machine; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A batch of `n` records from `offset` on.
fn batch(offset: i64, n: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(offset));
    for i in offset..offset + n {
        builder.push(Timestamp::new(i), None, Some(format!("value {i}").as_bytes()), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

fn segment(folder: &Path, base: i64) -> PathBuf {
    folder.join(format!("{base:020}.log"))
}

fn append(folder: &Path, base: i64, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(segment(folder, base)).unwrap().write_all(bytes).unwrap();
}

#[test]
fn the_last_records_are_those_a_dump_ends_with() {
    for (case, partition) in [
        ("txn", "txn-seg-0"),
        ("plain", "plain-0"),
        ("legacy", "m1-gzip-0"),
        ("compacted", "compact-0"),
        ("segments", "seg-0"),
    ] {
        let folder = golden::kafka(case).join("dir").join(partition);
        let all = lines(&run(&["dump", "--json", arg(&folder)]));
        for n in [0, 1, 2, 10, 37, all.len(), all.len() + 5] {
            let last = lines(&run(&["tail", "--json", arg(&folder), "-n", &n.to_string()]));
            assert_eq!(last, all[all.len().saturating_sub(n)..], "{partition} -n {n}");
        }
        let default = lines(&run(&["tail", "--json", arg(&folder)]));
        assert_eq!(default, all[all.len().saturating_sub(10)..], "{partition}");
        let keyed = lines(&run(&["dump", "--json", arg(&folder), "--null-key"]));
        let last = lines(&run(&["tail", "--json", arg(&folder), "--null-key", "-n", "3"]));
        assert_eq!(last, keyed[keyed.len().saturating_sub(3)..], "{partition}");
    }
}

/// A running `tail -F`: the offsets it prints, and what it says.
struct Following {
    child: Child,
    offsets: Receiver<i64>,
    said: Receiver<String>,
}

impl Following {
    fn start(args: &[&str]) -> Self {
        let mut child = log_cli()
            .args(["tail", "-F", "--json"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (to_offsets, offsets) = channel();
        let (to_said, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                let _ = to_offsets.send(line["offset"].as_i64().unwrap_or(-1));
            }
        });
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).for_each(|line| drop(to_said.send(line)))
        });
        Self { child, offsets, said }
    }

    fn expect(&self, offsets: impl IntoIterator<Item = i64>) {
        for offset in offsets {
            assert_eq!(self.offsets.recv_timeout(PATIENCE), Ok(offset));
        }
    }

    fn expect_said(&self, what: &str) {
        let said = self.said.recv_timeout(PATIENCE).unwrap();
        assert!(said.contains(what), "{said:?}, not {what:?}");
    }

    fn expect_nothing(&self) {
        assert_eq!(self.offsets.recv_timeout(Duration::from_millis(400)), Err(RecvTimeoutError::Timeout));
    }

    /// Interrupts it as Ctrl-C does, and gives the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn following_waits_for_half_batches_and_goes_over_rolls() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("orders-0");
    std::fs::create_dir(&folder).unwrap();
    append(&folder, 0, &[batch(0, 3), batch(3, 2)].concat());
    let tail = Following::start(&[arg(&folder), "-n", "4"]);
    tail.expect([1, 2, 3, 4]);

    // A writer that is stopped in the middle of a batch.
    let next = batch(5, 2);
    append(&folder, 0, &next[..30]);
    tail.expect_said("30 bytes of a batch are in flight");
    tail.expect_nothing();
    append(&folder, 0, &next[30..]);
    tail.expect([5, 6]);

    // A roll: the rest of the old segment and the beginning of the new one, in pieces.
    append(&folder, 0, &batch(7, 1));
    let (ninth, tenth) = (batch(8, 1), batch(9, 5));
    append(&folder, 8, &ninth[..70]);
    append(&folder, 8, &[&ninth[70..], &tenth[..17]].concat());
    tail.expect([7, 8]);
    append(&folder, 8, &tenth[17..]);
    tail.expect(9..14);
    assert_eq!(tail.interrupt(), Some(130));
}

/// A process that appends the pieces it is given, and stops itself (`SIGSTOP`) behind each; killed when dropped.
#[cfg(target_os = "linux")]
struct Appender(Child);

#[cfg(target_os = "linux")]
impl Appender {
    /// Pairs of a piece's file and the segment that it is appended to.
    fn start(pieces: &[(PathBuf, PathBuf)]) -> Self {
        let script = "while [ $# -gt 1 ]; do cat \"$1\" >> \"$2\"; shift 2; kill -STOP $$; done";
        let words = pieces.iter().flat_map(|(piece, segment)| [piece, segment]);
        Self(Command::new("sh").args(["-c", script, "sh"]).args(words).stdin(Stdio::null()).spawn().unwrap())
    }

    fn wait_until_stopped(&self) {
        let stat = format!("/proc/{}/stat", self.0.id());
        let is_stopped = || std::fs::read_to_string(&stat).unwrap().contains(") T ");
        let began = std::time::Instant::now();
        while !is_stopped() {
            assert!(began.elapsed() < PATIENCE, "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn go_on(&self) {
        assert!(Command::new("kill").args(["-CONT", &self.0.id().to_string()]).status().unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for Appender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_writer_that_is_stopped_in_a_batch_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("orders-0");
    std::fs::create_dir(&folder).unwrap();
    append(&folder, 0, &batch(0, 2));
    let (old, new) = ([batch(2, 2), batch(4, 3)].concat(), [batch(7, 1), batch(8, 4)].concat());
    // Both cuts go through a batch: the first in its records, the second in its head.
    let (in_records, in_head) = (old.len() - 5, batch(7, 1).len() + 40);
    let pieces = [(&old[..in_records], 0), (&old[in_records..], 0), (&new[..in_head], 7), (&new[in_head..], 7)];
    let pieces: Vec<_> = (0..)
        .zip(pieces)
        .map(|(n, (bytes, base))| {
            let piece = root.path().join(format!("piece-{n}"));
            std::fs::write(&piece, bytes).unwrap();
            (piece, segment(&folder, base))
        })
        .collect();
    let tail = Following::start(&[arg(&folder), "-n", "1"]);
    tail.expect([1]);

    let writer = Appender::start(&pieces);
    writer.wait_until_stopped();
    tail.expect([2, 3]);
    tail.expect_said("of a batch are in flight");
    tail.expect_nothing();
    for whole in [4..7, 7..8, 8..12] {
        writer.go_on();
        writer.wait_until_stopped();
        tail.expect(whole);
        tail.expect_nothing();
    }
    assert_eq!(tail.interrupt(), Some(130));
}

#[test]
fn truncation_and_deletion_are_said_and_what_comes_then_is_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("orders-0");
    std::fs::create_dir(&folder).unwrap();
    append(&folder, 0, &batch(0, 3));
    append(&folder, 3, &[batch(3, 1), batch(4, 1)].concat());
    let tail = Following::start(&[arg(&folder), "-n", "1"]);
    tail.expect([4]);

    let kept = batch(3, 1).len() as u64;
    File::options().write(true).open(segment(&folder, 3)).unwrap().set_len(kept).unwrap();
    tail.expect_said("was truncated from");
    append(&folder, 3, &batch(4, 2));
    tail.expect([4, 5]);

    // Retention takes the segment that was read, behind which there is a new one.
    append(&folder, 6, &batch(6, 1));
    tail.expect([6]);
    append(&folder, 7, &batch(7, 1));
    tail.expect([7]);
    std::fs::remove_file(segment(&folder, 0)).unwrap();
    std::fs::remove_file(segment(&folder, 3)).unwrap();
    tail.expect_nothing();

    // Truncation to before the segment that was read.
    std::fs::remove_file(segment(&folder, 7)).unwrap();
    tail.expect_said("was truncated: the segment at 7 is gone");
    append(&folder, 6, &batch(7, 1));
    tail.expect([7]);

    // As a broker does it: a rename, so that nothing is seen half deleted.
    std::fs::rename(&folder, root.path().join("orders-0.5a1f-delete")).unwrap();
    tail.expect_said("was deleted");
    std::fs::create_dir(&folder).unwrap();
    append(&folder, 0, &batch(0, 1));
    tail.expect_said("is there again");
    tail.expect([0]);
    assert_eq!(tail.interrupt(), Some(130));
}

#[test]
fn new_partitions_of_a_log_directory_are_followed() {
    let root = tempfile::tempdir().unwrap();
    let first = root.path().join("orders-0");
    std::fs::create_dir(&first).unwrap();
    append(&first, 0, &batch(0, 1));
    let tail = Following::start(&[arg(root.path()), "-n", "1"]);
    tail.expect([0]);
    append(&first, 0, &batch(1, 1));
    tail.expect([1]);
    let second = root.path().join("orders-1");
    std::fs::create_dir(&second).unwrap();
    append(&second, 0, &batch(0, 2));
    tail.expect_said("orders-1: is new");
    tail.expect([0, 1]);
    assert_eq!(tail.interrupt(), Some(130));
}
