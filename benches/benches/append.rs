//! Appending to the page cache: batches that come encoded, records that the engine encodes, single records. Against write(2) of the
//! same bytes into a growing file.
//!
//! Included in every line of ours: checksum, the checks of a leader, offsets and leader epoch, both indexes, segments of 64 MiB.

use std::fs::File;
use std::hint::black_box;
#[cfg(feature = "peers")]
use std::path::Path;
use std::sync::Arc;

use log_benches::{
    Aligned, Ratio, Runs, Sample, Shape, Subject, batch, engine, interleave, rounds, timed, touch_memory, write_pieces,
};
use log_engine::{
    Accumulator, AccumulatorOptions, AppendAsLeader, Codec, LeaderEpoch, Log, LogConfig, NewRecord, Offset,
};

const SEGMENT: u64 = 64 << 20;
const STEP: u64 = 16 << 20;
const ROUND: usize = 256 << 20;
const LEADER: AppendAsLeader = AppendAsLeader::client(LeaderEpoch::new(0));

fn main() {
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| name.contains(wanted));
    println!("append, page cache, one thread, {} MiB a round, median and tenth to ninetieth percentile", ROUND >> 20);
    println!("ours: CRC checked or made, records checked, offsets, indexes, a roll each {} MiB\n", SEGMENT >> 20);
    touch_memory(3 << 30);
    for (kib, value) in [(16, 100), (64, 1014), (108, 100), (108, 1014), (1020, 1014)] {
        if is_wanted("encoded") {
            encoded(kib << 10, value);
        }
    }
    for (count, value) in [(1000, 100), (100, 1024)] {
        if is_wanted("records") {
            records(count, value);
        }
    }
    if is_wanted("single") {
        singles(100);
    }
}

fn config(preallocate: Option<u64>) -> LogConfig {
    LogConfig { segment_bytes: SEGMENT, preallocate, ..LogConfig::default() }
}

/// A run on a new log: only `work` is timed.
fn on_new_log(preallocate: Option<u64>, work: impl FnOnce(&Log)) -> Sample {
    let dir = log_benches::folder();
    let log = engine(&dir.path().join("bench-0"), config(preallocate));
    timed(|| work(&log))
}

/// A run on a new file.
fn on_new_file(work: impl FnOnce(&mut File)) -> Sample {
    let dir = log_benches::folder();
    let mut file = File::create(dir.path().join("plain")).expect("a file");
    timed(|| work(&mut file))
}

/// A run of a peer in a new folder.
#[cfg(feature = "peers")]
fn on_new_peer<P>(open: impl FnOnce(&Path) -> P, work: impl FnOnce(&mut P)) -> Sample {
    let dir = log_benches::folder();
    let mut peer = open(dir.path());
    timed(|| work(&mut peer))
}

/// Batches of about `bytes` that a client encoded, of records with values of `value` bytes.
fn encoded(bytes: usize, value: usize) {
    let records = bytes / (value + 9);
    let made = batch(Shape { value, records, codec: Codec::None }, Offset::ZERO, 1);
    let times = ROUND / made.len();
    let (plain, mut ours, mut grown) = (Aligned::from(&made), Aligned::from(&made), Aligned::from(&made));
    let append = |batch: &mut Aligned, log: &Log| {
        for _ in 0..times {
            batch[..8].fill(0);
            black_box(log.append_as_leader(batch, &LEADER).expect("an append"));
        }
    };
    let runs = interleave(
        rounds(9),
        vec![
            Subject::new("write(2)", || on_new_file(|file| write_pieces(file, &plain, times))),
            Subject::new("growing file", || on_new_log(None, |log| append(&mut ours, log))),
            Subject::new("preallocated", || on_new_log(Some(STEP), |log| append(&mut grown, log))),
        ],
    );
    println!("encoded batches of {} KiB, {records} records of {value} B", made.len() >> 10);
    let total = made.len() * times;
    for run in &runs {
        line(run, &runs[0], times * records, total);
    }
    println!();
}

/// Batches that the engine makes of `count` values of `value` bytes.
fn records(count: usize, value: usize) {
    let times = ROUND / (count * value);
    let values: Vec<Vec<u8>> = (0..count).map(|i| vec![b'a' + (i % 23) as u8; value]).collect();
    let append = |log: &Log| {
        for _ in 0..times {
            let records = values.iter().map(|value| NewRecord { value: Some(value), ..NewRecord::default() });
            black_box(log.append_records(records, None, &LEADER).expect("an append"));
        }
    };
    let mut buffer = Aligned::zeros(count * value);
    let mut subjects = vec![
        Subject::new("copy + write(2)", || {
            on_new_file(|file| {
                for _ in 0..times {
                    for (place, value) in buffer.chunks_exact_mut(value).zip(&values) {
                        place.copy_from_slice(black_box(value));
                    }
                    write_pieces(file, &buffer, 1);
                }
            })
        }),
        Subject::new("growing file", || on_new_log(None, append)),
        Subject::new("preallocated", || on_new_log(Some(STEP), append)),
    ];
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject::new("commitlog", || {
            on_new_peer(log_benches::peers::Commitlog::open, |peer| {
                (0..times).for_each(|_| peer.append_all(values.iter().map(Vec::as_slice)));
            })
        }),
        Subject::new("raft-engine", || {
            on_new_peer(log_benches::peers::Raft::open, |peer| {
                (0..times).for_each(|i| peer.append((i * count) as u64, values.iter().map(Vec::as_slice), false));
            })
        }),
    ]);
    let runs = interleave(rounds(9), std::mem::take(&mut subjects));
    println!("{count} records of {value} B, encoded by the engine");
    for run in &runs {
        line(run, &runs[0], times * count, times * count * value);
    }
    println!();
}

/// One record of `value` bytes an append.
fn singles(value: usize) {
    const TIMES: usize = 200_000;
    let bytes = Aligned::from(&vec![b'a'; value]);
    let record = || std::iter::once(NewRecord { value: Some(&bytes), ..NewRecord::default() });
    let append = |log: &Log| {
        for _ in 0..TIMES {
            black_box(log.append_records(record(), None, &LEADER).expect("an append"));
        }
    };
    // Buffered: written when 16 KiB have come together, each record with a claim of its own.
    let gather = |log: Log| {
        let accumulator = Accumulator::new(Arc::new(log), LEADER, AccumulatorOptions::default());
        let record = NewRecord { value: Some(&bytes), ..NewRecord::default() };
        for _ in 0..TIMES {
            black_box(accumulator.append(black_box(&record)).expect("room"));
        }
        accumulator.flush().expect("an append");
    };
    let mut subjects = vec![
        Subject::new("write(2)", || on_new_file(|file| write_pieces(file, &bytes, TIMES))),
        Subject::new("growing file", || on_new_log(None, append)),
        Subject::new("preallocated", || on_new_log(Some(STEP), append)),
        Subject::new("accumulator", || {
            let dir = log_benches::folder();
            let log = engine(&dir.path().join("bench-0"), config(None));
            timed(|| gather(log))
        }),
    ];
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject::new("commitlog", || {
            on_new_peer(log_benches::peers::Commitlog::open, |peer| (0..TIMES).for_each(|_| peer.append(&bytes)))
        }),
        Subject::new("raft-engine", || {
            on_new_peer(log_benches::peers::Raft::open, |peer| {
                (0..TIMES).for_each(|i| peer.append(i as u64, std::iter::once(&bytes[..]), false));
            })
        }),
    ]);
    let runs = interleave(rounds(9), std::mem::take(&mut subjects));
    println!("single appends of {value} B, written at return");
    for run in &runs {
        line(run, &runs[0], TIMES, TIMES * value);
    }
    println!();
}

#[expect(clippy::cast_precision_loss, reason = "rates")]
fn line(run: &Runs, floor: &Runs, records: usize, bytes: usize) {
    let ratio: Ratio = run.against(floor);
    println!(
        "  {:<16} {ratio} {:<16} {:>6.2} M records/s {:>5.2} GB/s   processor: {:>6.1} ns a record, {:.2} ns a byte, {:.2} x",
        run.name,
        floor.name,
        records as f64 / run.wall() / 1e6,
        bytes as f64 / run.wall() / 1e9,
        run.cpu() / records as f64 * 1e9,
        run.cpu() / bytes as f64 * 1e9,
        ratio.of_cpu,
    );
}
