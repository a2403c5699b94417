//! The command as a process: `verify` against reading and checksumming the same files on as many threads, `dump` against a pipe's
//! speed goal, `kafka-dump-log`, start-up, and the memory that each takes.
//!
//! Wants the command built in the same profile: `cargo build --release -p log-cli`. `BENCH_GIB` sets the size of the directory
//! (1). With `KAFKA_LIBS` naming the folder of Kafka's jars and Java at hand, Kafka's own tool runs beside `kafka-dump-log`.

use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use log_benches::{SMALL_RECORDS, Shape, partition, ratio, read_and_checksum, rounds};
use log_engine::Codec;

fn main() {
    let command = command();
    let gib: usize = std::env::var("BENCH_GIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let root = tempfile::tempdir().expect("a folder");
    let dir = partition(root.path(), SMALL_RECORDS, 256 << 20, gib << 30);
    let logs = logs(&dir);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{gib} GiB in {} segments of 16 KiB batches of 100 B records, page cache, {threads} threads\n",
        logs.len()
    );

    let verified = ratio(
        rounds(7),
        || run(&command, &["verify", "--fail-on", "error"], &dir),
        || read_in_parallel(&logs, threads),
    );
    println!("verify, normal level          {verified} read(2) + CRC-32C      {:.1} GB/s", rate(&logs, verified.ours));

    memory(&command, &dir, root.path());
    dump(&command, &dir);
    kafka_dump_log(&command, root.path());

    let started = ratio(
        rounds(21),
        || run(&command, &["--version"], Path::new("")),
        || run(Path::new("/bin/true"), &[], Path::new("")),
    );
    println!(
        "start-up, --version           {:.2} ms (an empty process: {:.2} ms)",
        started.ours * 1e3,
        started.floor * 1e3
    );
}

/// The command beside this program's folder.
fn command() -> PathBuf {
    let here = std::env::current_exe().expect("this program's path");
    let built = here.ancestors().nth(2).map(|dir| dir.join("log-cli")).filter(|path| path.exists());
    built.expect("target/release/log-cli; build it first: cargo build --release -p log-cli")
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut logs: Vec<_> = entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "log")).collect();
    logs.sort();
    logs
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(logs: &[PathBuf], seconds: f64) -> f64 {
    let bytes: u64 = logs.iter().map(|path| path.metadata().expect("a file").len()).sum();
    bytes as f64 / seconds / 1e9
}

fn run(command: &Path, args: &[&str], dir: &Path) {
    let mut child = Command::new(command);
    child.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    if dir.as_os_str().is_empty() {
        &mut child
    } else {
        child.arg(dir)
    };
    black_box(child.status().expect("the command to run"));
}

fn read_in_parallel(logs: &[PathBuf], threads: usize) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = logs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    black_box(read_and_checksum(path));
                }
            });
        }
    });
}

/// Runs a command with its output in a pipe that is only emptied; bytes that came, and seconds.
fn piped(command: &mut Command) -> (u64, f64) {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the command to run");
    let mut pipe = child.stdout.take().expect("a pipe");
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match pipe.read(&mut buffer).expect("bytes") {
            0 => break,
            n => bytes += n as u64,
        }
    }
    child.wait().expect("an end");
    (bytes, start.elapsed().as_secs_f64())
}

/// The most memory that `verify` holds: for the directory at hand, and for batches as large as they are held at all.
fn memory(command: &Path, dir: &Path, root: &Path) {
    let large = |name: &str, codec| {
        let shape = Shape { value: 31 << 20, records: 2, codec };
        partition(&root.join(name), shape, 64 << 20, 256 << 20)
    };
    let dirs = [
        ("these batches", dir.to_owned()),
        ("62 MiB", large("plain", Codec::None)),
        ("62 MiB, zstd", large("zstd", Codec::Zstd)),
    ];
    for (what, dir) in &dirs {
        for level in ["normal", "deep"] {
            let peak = peak(Command::new(command).args(["verify", "-j", "8", "--level", level]).arg(dir));
            println!("verify -j 8, {level:<6}  {what:<14} {:.0} MiB of memory", peak >> 20);
        }
    }
}

/// The most resident memory that a command had, in bytes, asked for again and again while it runs.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command to run");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("the command").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(peak, |kib| peak.max(kib << 10));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    peak
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn dump(command: &Path, dir: &Path) {
    for bytes in ["utf8", "hex"] {
        let mut runs: Vec<_> = (0..rounds(5))
            .map(|_| piped(Command::new(command).args(["dump", "--format", "ndjson", "--bytes", bytes]).arg(dir)))
            .map(|(bytes, seconds)| bytes as f64 / seconds / 1e6)
            .collect();
        runs.sort_by(f64::total_cmp);
        println!("dump, ndjson, --bytes {bytes:<5}   {:.0} MB/s of output through a pipe", runs[runs.len() / 2]);
    }
}

/// 256 MiB through `kafka-dump-log`, with and without data, and through Kafka's own tool where it is at hand.
fn kafka_dump_log(command: &Path, root: &Path) {
    let dir = partition(&root.join("one"), SMALL_RECORDS, 256 << 20, 256 << 20);
    let log = logs(&dir).remove(0);
    let libs = std::env::var_os("KAFKA_LIBS").map(PathBuf::from);
    for (what, args) in [("plain", &[][..]), ("deep", &["--deep-iteration"]), ("with data", &["--print-data-log"])] {
        let mut ours = Command::new(command);
        ours.arg("kafka-dump-log").args(args).arg("--files").arg(&log);
        piped(&mut ours);
        let (_, seconds) = piped(&mut ours);
        let speed = rate(std::slice::from_ref(&log), seconds) * 1e3;
        let Some(libs) = &libs else {
            println!(
                "kafka-dump-log, {what:<9}     {speed:.0} MB/s of log; Kafka's own tool is not at hand (KAFKA_LIBS)"
            );
            continue;
        };
        let mut theirs = Command::new("java");
        theirs
            .arg("-cp")
            .arg(libs.join("*"))
            .arg("org.apache.kafka.tools.DumpLogSegments")
            .args(args)
            .arg("--files")
            .arg(&log);
        piped(&mut theirs);
        let (_, floor) = piped(&mut theirs);
        println!(
            "kafka-dump-log, {what:<9}     {:.1} x Kafka's own tool as a process      {speed:.0} MB/s of log",
            floor / seconds
        );
    }
}
