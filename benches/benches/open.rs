//! Opening a log: after a clean close, by size, and after a kill, against reading and checksumming what has to be recovered.
//!
//! `BENCH_GIB` sets the size of the log that is recovered (1).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_benches::{
    SMALL_RECORDS, Sample, Shape, Subject, folder, interleave, partition, read_and_checksum, rounds, timed,
};
use log_engine::{Codec, Log, LogConfig, Offset, OpenOptions, OsFs};

const SEGMENT: usize = 256 << 20;

fn main() {
    let gib: usize = std::env::var("BENCH_GIB").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    clean();
    for (shape, name) in [
        (SMALL_RECORDS, "16 KiB batches of 148 records of 100 B"),
        (Shape { value: 1014, records: 15, codec: Codec::None }, "15.5 KiB batches of 15 records of 1 KiB"),
        (Shape { value: 100, records: 1, codec: Codec::None }, "batches of single records of 100 B"),
    ] {
        killed(shape, name, gib << 30);
    }
}

fn open(dir: &Path, clean: bool, recovery_point: Offset) -> Log {
    let options = OpenOptions { clean, recovery_point, ..OpenOptions::default() };
    Log::open(Arc::new(OsFs), dir, LogConfig::default(), options).expect("a log").0
}

/// A log that this library closed, opened again.
fn clean() {
    println!("open after a clean close, 16 KiB batches, segments of 256 MiB");
    for bytes in [64 << 20, 256 << 20, 1 << 30] {
        let root = folder();
        let dir = partition(root.path(), SMALL_RECORDS, SEGMENT, bytes);
        let mut closed = open(&dir, false, Offset::ZERO).close().expect("a clean close");
        let runs = interleave(
            rounds(9),
            vec![Subject::new("open", || {
                let mut log = None;
                let sample = timed(|| log = Some(open(&dir, true, closed.recovery_point)));
                closed = log.expect("a log").close().expect("a clean close");
                sample
            })],
        );
        println!("  {:>5} MiB          {:.2} ms", bytes >> 20, runs[0].wall() * 1e3);
    }
    println!();
}

/// A log of which nothing is known to be durable, opened in the default mode: every batch verified, indexes made again.
fn killed(shape: Shape, name: &str, bytes: usize) {
    let root = folder();
    let dir = partition(root.path(), shape, SEGMENT, bytes);
    let logs = logs(&dir);
    let total: u64 = logs.iter().map(|path| path.metadata().expect("a file").len()).sum();
    let runs = interleave(
        rounds(5),
        vec![
            Subject::new("open", || opened(&dir)),
            Subject::new("read(2) + CRC-32C", || {
                timed(|| logs.iter().for_each(|path| assert!(read_and_checksum(path) > 0)))
            }),
        ],
    );
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let per_gib = runs[0].wall() / total as f64 * f64::from(1 << 30);
    let time = runs[0].wall() / runs[1].wall();
    println!("open after a kill, {name}");
    println!("  {time:.2} x the time of {} on one thread, {per_gib:.3} s a GiB\n", runs[1].name);
}

fn opened(dir: &Path) -> Sample {
    timed(|| drop(open(dir, false, Offset::ZERO)))
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "log")).collect()
}
