//! Reading one record by its offset, decoded, at random from the page cache. Against pread(2) of the bytes of its batch.
//!
//! Included in every line of ours: index look-up, the walk to the batch, reading it, decoding it up to the record. No checksum, as in
//! Kafka's own fetch.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use log_benches::{Aligned, Runs, Shape, Subject, engine, folder, interleave, rounds, timed};
use log_engine::log::RecordBuffer;
use log_engine::{AppendAsLeader, Isolation, LeaderEpoch, LogConfig, NewRecord, Offset};

const BYTES: usize = 256 << 20;
const TIMES: u64 = 20_000;
const VALUE: [u8; 100] = [b'a'; 100];

fn main() {
    println!("one record of 100 B by its offset, {} MiB, {TIMES} random offsets a round\n", BYTES >> 20);
    for records in [1, 148, 1000] {
        fetch(Shape { value: VALUE.len(), records, codec: log_engine::Codec::None });
    }
}

/// So many offsets below `end`, as good as random and the same in every run.
fn offsets(end: u64) -> impl Iterator<Item = u64> {
    (0..TIMES).scan(0x5eed_u64, move |state, _| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        Some(*state % end)
    })
}

fn fetch(shape: Shape) {
    let root = folder();
    let log = engine(&root.path().join("bench-0"), LogConfig::default());
    let appends = BYTES / (shape.records * 108 + 61) / if shape.records == 1 { 2 } else { 1 };
    for _ in 0..appends {
        let records = (0..shape.records).map(|_| NewRecord { value: Some(&VALUE), ..NewRecord::default() });
        log.append_records(records, None, &AppendAsLeader::client(LeaderEpoch::new(0))).expect("an append");
    }
    let end = log.end().get().unsigned_abs();
    let size = log.size() / appends as u64;
    let file = File::open(root.path().join("bench-0/00000000000000000000.log")).expect("a file");
    let mut buffer = Aligned::zeros(usize::try_from(size).expect("a small batch"));
    let mut room = RecordBuffer::default();
    let mut subjects = vec![
        Subject::new("pread(2)", || {
            timed(|| {
                for offset in offsets(end) {
                    let at = offset / shape.records as u64 * size;
                    file.read_exact_at(black_box(&mut buffer), at).expect("bytes");
                }
            })
        }),
        Subject::new("fetch", || {
            timed(|| {
                for offset in offsets(end) {
                    let offset = Offset::new(offset.cast_signed());
                    let record = log.record(offset, Isolation::LogEnd, &mut room).expect("a read").expect("a record");
                    assert_eq!(black_box(record.value).map(<[u8]>::len), Some(VALUE.len()));
                }
            })
        }),
    ];
    #[cfg(feature = "peers")]
    let (peers, values) = (folder(), vec![&VALUE[..]; shape.records]);
    #[cfg(feature = "peers")]
    let (commitlog, raft) = {
        let mut commitlog = log_benches::peers::Commitlog::open(&peers.path().join("commitlog"));
        let mut raft = log_benches::peers::Raft::open(&peers.path().join("raft"));
        for i in 0..appends {
            commitlog.append_all(values.iter().copied());
            raft.append((i * shape.records) as u64, values.iter().copied(), false);
        }
        (commitlog, raft)
    };
    #[cfg(feature = "peers")]
    subjects.extend([
        Subject::new("commitlog", move || random(end, |offset| commitlog.read(offset))),
        Subject::new("raft-engine", move || random(end, |offset| raft.read(offset))),
    ]);
    let runs = interleave(rounds(7), std::mem::take(&mut subjects));
    println!("batches of {} records", shape.records);
    for run in &runs {
        line(run, &runs[0]);
    }
    println!();
}

#[cfg(feature = "peers")]
fn random(end: u64, read: impl Fn(u64) -> usize) -> log_benches::Sample {
    timed(|| {
        for offset in offsets(end) {
            assert_eq!(black_box(read(offset)), VALUE.len());
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "rates")]
fn line(run: &Runs, floor: &Runs) {
    let per_second = TIMES as f64 / run.wall() / 1e6;
    println!("  {:<16} {} {:<16} {per_second:>6.3} M records/s", run.name, run.against(floor), floor.name);
}
