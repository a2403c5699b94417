//! Kafka's own storage classes and this engine in one run: appending, opening, decoding, over the same shapes of batches.
//!
//! Wants `tests/kafka-oracle` of the engine, or the folder that `KAFKA_ORACLE` names, and Java with Maven to build it; without them
//! it says so and ends. Kafka runs in a warm process of its own and its best run counts; of ours the median does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use log_benches::{Aligned, Sample, Shape, Subject, batch, engine, folder, interleave, partition, rounds, timed};
use log_engine::fs::Source;
use log_engine::segment::{Scan, Step};
use log_engine::{AppendAsLeader, Codec, LeaderEpoch, Log, LogConfig, Offset, OpenOptions, OsFs, Scratch};

const BYTES: usize = 128 << 20;
const EPOCH: LeaderEpoch = LeaderEpoch::new(0);

fn main() {
    let Some(oracle) = oracle() else {
        println!("Kafka's own classes are not at hand: Java, Maven and KAFKA_ORACLE (log-engine/tests/kafka-oracle)");
        return;
    };
    println!("Kafka's own classes in a warm process, its best run; ours, the median; {} MiB, page cache", BYTES >> 20);
    for (shape, name) in [
        (Shape { value: 100, records: 148, codec: Codec::None }, "16 KiB batches of 148 x 100 B"),
        (Shape { value: 1024, records: 15, codec: Codec::None }, "15.5 KiB batches of 15 x 1 KiB"),
        (Shape { value: 100, records: 1, codec: Codec::None }, "single records of 100 B"),
    ] {
        // Single-record batches take Kafka so long that a part says enough.
        let bytes = if shape.records == 1 { BYTES / 8 } else { BYTES };
        println!("\n{name}");
        append(&oracle, shape, bytes);
        open(&oracle, shape, bytes);
        decode(&oracle, shape, bytes);
    }
}

fn oracle() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../log-engine/tests/kafka-oracle");
    let run = std::env::var_os("KAFKA_ORACLE").map_or(beside, PathBuf::from).join("run");
    let is_there =
        |command: &str| Command::new(command).arg("--version").output().is_ok_and(|out| out.status.success());
    (run.exists() && is_there("java") && is_there("mvn")).then_some(run)
}

/// Seconds of Kafka's best run of each thing that `bench` measures, by its name.
fn kafka(oracle: &Path, bench: &str, shape: Shape, bytes: usize) -> Vec<(String, f64)> {
    let batch_bytes = batch(shape, Offset::ZERO, 1).len();
    let args = [
        ("--bytes", bytes),
        ("--batch-bytes", batch_bytes),
        ("--records-per-batch", shape.records),
        ("--value-bytes", shape.value),
        ("--reps", rounds(5)),
        ("--warmup", rounds(5).min(3)),
    ];
    let mut command = Command::new(oracle);
    command.args(["bench", bench]);
    for (name, value) in args {
        command.arg(name).arg(value.to_string());
    }
    let out = command.output().expect("Kafka's classes to run");
    let text = String::from_utf8(out.stdout).expect("text");
    assert!(out.status.success() && !text.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    let field = |line: &str, name: &str| {
        let value = line.split_once(&format!("\"{name}\":")).expect("a field").1;
        value.trim_start_matches('"').split(['"', ',']).next().unwrap_or_default().to_owned()
    };
    text.lines().map(|line| (field(line, "what"), field(line, "best_s").parse().expect("a number"))).collect()
}

fn best(of: &[(String, f64)], what: &str) -> f64 {
    of.iter().find(|(name, _)| name == what).map_or(f64::NAN, |(_, seconds)| *seconds)
}

fn append(oracle: &Path, shape: Shape, bytes: usize) {
    let theirs = kafka(oracle, "append", shape, bytes);
    let made = batch(shape, Offset::ZERO, 1);
    let times = bytes / made.len();
    let on_new_log = |preallocate, work: &mut dyn FnMut(&Log)| -> Sample {
        let dir = folder();
        let log = engine(&dir.path().join("bench-0"), LogConfig { preallocate, ..LogConfig::default() });
        timed(|| work(&log))
    };
    let [mut led, mut grown, mut followed] = [(); 3].map(|()| Aligned::from(&made));
    let lead = |batch: &mut Aligned, log: &Log| {
        for _ in 0..times {
            batch[..8].fill(0);
            log.append_as_leader(batch, &AppendAsLeader::client(EPOCH)).expect("an append");
        }
    };
    let mut follow = |log: &Log| {
        for i in 0..times {
            followed[..8].copy_from_slice(&((i * shape.records) as u64).to_be_bytes());
            log.append_as_follower(&followed, EPOCH).expect("an append");
        }
    };
    let runs = interleave(
        rounds(7),
        vec![
            Subject::new("append as leader", || on_new_log(None, &mut |log| lead(&mut led, log))),
            Subject::new("the same, preallocated", || on_new_log(Some(16 << 20), &mut |log| lead(&mut grown, log))),
            Subject::new("append as follower", || on_new_log(None, &mut follow)),
        ],
    );
    for (run, what) in runs.iter().zip(["leader", "leader", "follower"]) {
        compare(&run.name, run.wall(), best(&theirs, what));
    }
}

fn open(oracle: &Path, shape: Shape, bytes: usize) {
    let theirs = kafka(oracle, "open", shape, bytes);
    let root = folder();
    let dir = partition(root.path(), shape, bytes, bytes);
    let open = |clean, recovery_point| {
        let options = OpenOptions { clean, recovery_point, ..OpenOptions::default() };
        Log::open(Arc::new(OsFs), &dir, LogConfig::default(), options).expect("a log").0
    };
    let closed = open(false, Offset::ZERO).close().expect("a clean close");
    let runs = interleave(
        rounds(5),
        vec![
            Subject::new("open after a kill", || timed(|| drop(open(false, Offset::ZERO)))),
            Subject::new("open after a clean stop", || timed(|| drop(open(true, closed.recovery_point)))),
        ],
    );
    for (run, what) in runs.iter().zip(["unclean", "clean"]) {
        compare(&run.name, run.wall(), best(&theirs, what));
    }
}

fn decode(oracle: &Path, shape: Shape, bytes: usize) {
    let theirs = kafka(oracle, "read", shape, bytes);
    let root = folder();
    let dir = partition(root.path(), shape, bytes, bytes);
    let path = dir.join("00000000000000000000.log");
    let scan = |each: &mut dyn FnMut(&log_engine::segment::Frame<'_>)| {
        let mut scan = Scan::new(Source::open(&OsFs, &path).expect("a file"));
        while let Step::Batch(frame) = scan.next().expect("bytes") {
            each(&frame);
        }
    };
    let mut scratch = Scratch::default();
    let runs = interleave(
        rounds(5),
        vec![
            Subject::new("batches and checksums", || timed(|| scan(&mut |frame| frame.check_crc().expect("sound")))),
            Subject::new("records decoded", || {
                timed(|| {
                    scan(&mut |frame| {
                        let batch = frame.batch().expect("a batch");
                        let records = batch.records(&mut scratch).expect("records");
                        assert_eq!(
                            records.filter(|record| std::hint::black_box(record).is_ok()).count(),
                            shape.records
                        );
                    });
                })
            }),
        ],
    );
    for (run, what) in runs.iter().zip(["batches", "records"]) {
        compare(&run.name, run.wall(), best(&theirs, what));
    }
}

fn compare(name: &str, ours: f64, theirs: f64) {
    println!(
        "  {name:<24} {:>6.1} x Kafka's own classes   {:.1} ms against {:.1} ms",
        theirs / ours,
        ours * 1e3,
        theirs * 1e3
    );
}
