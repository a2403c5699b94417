//! Appending what is durable when the append returns: one thread, and sixteen that share syncs. Against a write and an fdatasync of
//! the same bytes, one behind the other.
//!
//! Included in every line of ours: checksum, the checks of a leader, offsets and leader epoch, both indexes.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use log_benches::{Runs, Sample, Subject, engine, folder, interleave, quantile, rounds, timed};
use log_engine::{AppendAsLeader, Durability, LeaderEpoch, Log, LogConfig, NewRecord};

const STEP: u64 = 16 << 20;
const THREADS: usize = 16;
const VALUE: [u8; 100] = [b'a'; 100];
const LEADER: AppendAsLeader = AppendAsLeader::client(LeaderEpoch::new(0));

fn main() {
    println!("durable at return, in {}\n", folder().path().display());
    one_thread(&VALUE, 400);
    one_thread(&vec![b'a'; 100 << 10], 100);
    many_threads(60);
}

fn durable_log(dir: &Path, preallocate: Option<u64>) -> Log {
    engine(&dir.join("bench-0"), LogConfig { durability: Durability::Synced, preallocate, ..LogConfig::default() })
}

fn append(log: &Log, value: &[u8]) {
    let record = NewRecord { value: Some(value), ..NewRecord::default() };
    log.append_records([record], None, &LEADER).expect("an append");
}

/// Opens something in a new folder, appends once so that all files are there, and times the rest.
fn in_new_folder<P>(open: impl FnOnce(&Path) -> P, append: impl Fn(&mut P, u64), times: u64) -> Sample {
    let dir = folder();
    let mut opened = open(dir.path());
    append(&mut opened, 0);
    timed(|| (1..=times).for_each(|i| append(&mut opened, i)))
}

fn plain_file(dir: &Path) -> File {
    File::create(dir.join("plain")).expect("a file")
}

fn write_and_sync(file: &mut File, value: &[u8]) {
    file.write_all(value).expect("a write");
    file.sync_data().expect("a sync");
}

fn one_thread(value: &[u8], times: u64) {
    let mut subjects = vec![
        Subject::new("write + fdatasync", || in_new_folder(plain_file, |file, _| write_and_sync(file, value), times)),
        Subject::new("growing file", || {
            in_new_folder(|dir| durable_log(dir, None), |log, _| append(log, value), times)
        }),
        Subject::new("preallocated", || {
            in_new_folder(|dir| durable_log(dir, Some(STEP)), |log, _| append(log, value), times)
        }),
    ];
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject::new("raft-engine", || {
            let append = |peer: &mut log_benches::peers::Raft, i| peer.append(i, std::iter::once(value), true);
            in_new_folder(log_benches::peers::Raft::open, append, times)
        }),
        Subject::new("okaywal", || {
            in_new_folder(log_benches::peers::Okaywal::open, |peer, _| peer.append(value), times)
        }),
    ]);
    let runs = interleave(rounds(7), std::mem::take(&mut subjects));
    println!("single appends of {} B, one thread", value.len());
    for run in &runs {
        line(run, &runs[0], times);
    }
    println!();
}

/// Every thread appends so many times; seconds of all, and the latencies of single appends.
fn threads(latencies: &Mutex<Vec<f64>>, times: u64, append: &(impl Fn(u64, u64) + Sync)) -> Sample {
    timed(|| {
        std::thread::scope(|scope| {
            for thread in 0..THREADS as u64 {
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    for i in 1..=times {
                        let start = Instant::now();
                        append(thread, i);
                        mine.push(start.elapsed().as_secs_f64());
                    }
                    latencies.lock().expect("no panic").extend(mine);
                });
            }
        });
    })
}

fn many_threads(times: u64) {
    let latencies: [Mutex<Vec<f64>>; 5] = Default::default();
    let mut subjects = vec![
        Subject::new("write + fdatasync", || {
            let dir = folder();
            let files: Vec<_> =
                (0..THREADS).map(|i| File::create(dir.path().join(i.to_string())).expect("a file")).collect();
            threads(&latencies[0], times, &|thread, _| {
                let mut file = &files[usize::try_from(thread).expect("a small number")];
                file.write_all(&VALUE).expect("a write");
                file.sync_data().expect("a sync");
            })
        }),
        Subject::new("growing file", || {
            let dir = folder();
            let log = durable_log(dir.path(), None);
            append(&log, &VALUE);
            threads(&latencies[1], times, &|_, _| append(&log, &VALUE))
        }),
        Subject::new("preallocated", || {
            let dir = folder();
            let log = durable_log(dir.path(), Some(STEP));
            append(&log, &VALUE);
            threads(&latencies[2], times, &|_, _| append(&log, &VALUE))
        }),
    ];
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject::new("raft-engine", || {
            let dir = folder();
            let peer = log_benches::peers::Raft::open(dir.path());
            peer.append_shared(THREADS as u64, 1, &VALUE);
            threads(&latencies[3], times, &|thread, i| peer.append_shared(thread, i, &VALUE))
        }),
        Subject::new("okaywal", || {
            let dir = folder();
            let peer = log_benches::peers::Okaywal::open(dir.path());
            peer.append(&VALUE);
            threads(&latencies[4], times, &|_, _| peer.append(&VALUE))
        }),
    ]);
    let runs = interleave(rounds(7), std::mem::take(&mut subjects));
    println!("single appends of {} B, {THREADS} threads, one log; write + fdatasync: a file each", VALUE.len());
    for (run, latencies) in runs.iter().zip(&latencies) {
        let latencies = latencies.lock().expect("no panic").clone();
        let (half, most) = (quantile(latencies.clone(), 0.5), quantile(latencies, 0.99));
        line(run, &runs[0], times * THREADS as u64);
        println!("{:>60} p50 {:.2} ms, p99 {:.2} ms: {:.1} x", "", half * 1e3, most * 1e3, most / half);
    }
    if let [_, _, ours, peers @ ..] = &runs[..]
        && let Some(best) = peers.iter().min_by(|a, b| a.wall().total_cmp(&b.wall()))
    {
        println!("  {:<18} {} the best peer, {}", ours.name, ours.against(best), best.name);
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates")]
fn line(run: &Runs, floor: &Runs, appends: u64) {
    let per_second = appends as f64 / run.wall();
    println!("  {:<18} {} {:<18} {per_second:>8.0} appends/s", run.name, run.against(floor), floor.name);
}
