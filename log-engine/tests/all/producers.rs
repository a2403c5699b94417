//! Producers replayed from logs that real brokers wrote: snapshots and transaction indexes come out as the brokers wrote them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::checkpoint::OffsetCheckpoint;
use log_engine::fs::Source;
use log_engine::producer::{CompletedTransaction, Marker, ProducerSnapshot, ProducerStates, SnapshotEntry};
use log_engine::segment::{Scan, Step};
use log_engine::testing::golden;
use log_engine::{Offset, OsFs, Scratch};

/// The numbers in the names of a folder's files with this ending, rising.
fn numbers(partition: &Path, suffix: &str) -> Vec<i64> {
    let names = golden::files(partition);
    let plain = names.iter().filter_map(|name| name.to_str()?.strip_suffix(suffix));
    plain.map(|number| number.parse().unwrap()).collect()
}

/// What a walk over a log from `from` on gives.
struct Replayed {
    /// The state at each offset that a snapshot of the folder names.
    states: BTreeMap<i64, ProducerSnapshot>,
    /// The transactions that were aborted, by the segment of their marker.
    aborted: BTreeMap<i64, Vec<CompletedTransaction>>,
}

fn replay(partition: &Path, mut states: ProducerStates, from: i64) -> Replayed {
    let mut asked = numbers(partition, ".snapshot").into_iter().filter(|offset| *offset >= from).peekable();
    let mut replayed = Replayed { states: BTreeMap::new(), aborted: BTreeMap::new() };
    let mut scratch = Scratch::default();
    for base in numbers(partition, ".log") {
        let aborted = replayed.aborted.entry(base).or_default();
        let log = Source::open(&OsFs, &partition.join(format!("{base:020}.log"))).unwrap();
        let mut scan = Scan::new(log);
        while let Step::Batch(frame) = scan.next().unwrap() {
            let batch = frame.batch().unwrap();
            while let Some(offset) = asked.next_if(|offset| *offset <= batch.base_offset().get()) {
                replayed.states.insert(offset, states.snapshot());
            }
            if let Some(header) = batch.header().filter(|header| header.base_offset().get() >= from) {
                let completed = states.apply(header, Marker::of(&batch, &mut scratch).unwrap()).unwrap();
                aborted.extend(completed.filter(|completed| completed.aborted));
            }
        }
    }
    replayed.states.extend(asked.map(|offset| (offset, states.snapshot())));
    replayed
}

/// The partitions below `folder` that hold all they ever held: from offset 0 on, never cleaned.
fn whole_partitions(folder: &Path) -> Vec<PathBuf> {
    let files = golden::files(folder);
    let logs = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "log"));
    let mut partitions: Vec<_> = logs.map(|file| folder.join(file.parent().unwrap())).collect();
    partitions.dedup();
    partitions.retain(|partition| {
        let cleaner = partition.with_file_name(OffsetCheckpoint::CLEANER);
        let cleaned = fs::read(&cleaner)
            .is_ok_and(|bytes| !OffsetCheckpoint::parse(&bytes, &cleaner).unwrap().entries.is_empty());
        !cleaned && numbers(partition, ".log").first() == Some(&0)
    });
    partitions
}

fn all_whole_partitions() -> Vec<PathBuf> {
    let undamaged = golden::kafka_cases().into_iter().filter(|case| !case.starts_with("crash-"));
    let folders = undamaged.map(|case| golden::kafka(&case));
    let folders = folders.chain(golden::replica_scenarios().into_iter().map(|scenario| golden::replicas(&scenario)));
    folders.flat_map(|folder| whole_partitions(&folder)).collect()
}

fn stored(partition: &Path, offset: i64) -> ProducerSnapshot {
    let path = partition.join(format!("{offset:020}.snapshot"));
    ProducerSnapshot::decode(&fs::read(&path).unwrap(), &path).unwrap()
}

fn by_id(snapshot: &ProducerSnapshot) -> BTreeMap<i64, SnapshotEntry> {
    snapshot.entries.iter().map(|entry| (entry.producer_id.get(), *entry)).collect()
}

/// Whether `ours` is what a broker wrote, but for producers that it had forgotten because they were idle.
fn same_but_for_expiry(ours: &ProducerSnapshot, theirs: &ProducerSnapshot) -> bool {
    let (mut ours, theirs) = (by_id(ours), by_id(theirs));
    ours.retain(|id, entry| entry.txn_first_offset.is_some() || theirs.contains_key(id));
    ours == theirs
}

#[test]
fn snapshots_are_what_a_replay_gives() {
    let (mut same_bytes, mut expired) = (0, 0);
    for partition in all_whole_partitions() {
        for (offset, ours) in replay(&partition, ProducerStates::default(), 0).states {
            let theirs = stored(&partition, offset);
            let same = ours == theirs;
            assert!(same || same_but_for_expiry(&ours, &theirs), "{} at {offset}: {ours:?}", partition.display());
            if same {
                assert_eq!(ours.encode(), fs::read(partition.join(format!("{offset:020}.snapshot"))).unwrap());
            }
            (same_bytes, expired) = (same_bytes + usize::from(same), expired + usize::from(!same));
        }
    }
    println!("{same_bytes} snapshots have the same bytes, {expired} lack idle producers");
    assert!(same_bytes > 200 && expired * 10 < same_bytes, "{same_bytes} and {expired}");
}

#[test]
fn a_replay_from_a_snapshot_gives_the_next_ones() {
    let mut pairs = 0;
    for partition in all_whole_partitions() {
        for from in numbers(&partition, ".snapshot") {
            let states = ProducerStates::from_snapshot(&stored(&partition, from), None);
            for (offset, ours) in replay(&partition, states, from).states {
                let theirs = stored(&partition, offset);
                assert!(same_but_for_expiry(&ours, &theirs), "{} {from} to {offset}: {ours:?}", partition.display());
                pairs += usize::from(offset > from);
            }
        }
    }
    println!("{pairs} snapshots from an older one");
    assert!(pairs > 500, "{pairs}");
}

#[test]
fn aborted_transactions_are_the_entries_of_the_index() {
    let mut entries = 0;
    for partition in all_whole_partitions() {
        for (base, aborted) in replay(&partition, ProducerStates::default(), 0).aborted {
            let path = partition.join(format!("{base:020}.txnindex"));
            let encoded: Vec<u8> = aborted
                .iter()
                .flat_map(|txn| {
                    let numbers = [txn.first_offset, txn.last_offset, txn.last_stable_offset].map(Offset::get);
                    let numbers = [txn.producer_id.get()].into_iter().chain(numbers);
                    [0, 0].into_iter().chain(numbers.flat_map(i64::to_be_bytes))
                })
                .collect();
            assert_eq!(encoded, fs::read(&path).unwrap_or_default(), "{}", path.display());
            entries += aborted.len();
        }
    }
    println!("{entries} aborted transactions");
    assert!(entries > 30, "{entries}");
}
