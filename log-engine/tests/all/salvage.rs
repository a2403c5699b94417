//! Salvage against every damaged directory and every set of replicas: what goes in comes out, byte for byte, or lies beside it.
//!
//! What should be kept is counted here by other means: by looking at every position of every file, and at every chain of batches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use log_engine::inspect::{Finding, FindingCode, Severity, Target};
use log_engine::log::{DirectoryState, LogDirectory, OpenOptions, PartitionDirectory};
use log_engine::salvage::{
    Cause, NextOfProducer, Reason, Report, SalvageError, SalvageRequest, SalvageSource, WhyLost, salvage,
};
use log_engine::testing::golden;
use log_engine::{Batch, Log, LogConfig, Offset, OsFs, RecoveryMode, Scratch, Timestamp};
use tempfile::TempDir;

/// When the golden directories were written.
pub(crate) const NOW: i64 = 1_795_600_000_000;

/// A folder in memory where there is such a place: salvage syncs everything that it writes.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn source(dir: &Path) -> SalvageSource {
    SalvageSource { folder: PartitionDirectory::list(&OsFs, dir).unwrap(), only: None }
}

pub(crate) fn request(copies: &[PathBuf], output: &Path) -> SalvageRequest {
    SalvageRequest {
        partitions: vec![copies.iter().map(|dir| source(dir)).collect()],
        output: output.to_owned(),
        offsets: None,
        is_log_directory: false,
        jobs: 2.try_into().unwrap(),
        now: Timestamp::new(NOW),
    }
}

fn run(copies: &[PathBuf], output: &Path) -> Result<Report, SalvageError> {
    let request = request(copies, output);
    let salvaged = salvage(&OsFs, &OsFs, &request, &AtomicU64::new(0))?;
    Ok(salvaged.commit(b"{}\n")?)
}

/// The folders of live partitions in a log directory.
fn partitions(dir: &Path) -> Vec<PathBuf> {
    let listed = LogDirectory::list(&OsFs, dir).unwrap();
    let live = listed.partitions.into_iter().filter(|(name, _)| name.state == DirectoryState::Live);
    live.map(|(_, path)| path).collect()
}

/// A batch whose checksum fits, as a look at its bytes shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    segment: i64,
    offsets: (i64, i64),
    epoch: i32,
    /// Its records decode and are as many as its offsets promise.
    is_whole: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The batch of format 2 or above at the start of `bytes`, if its checksum fits.
fn batch_at(bytes: &[u8], segment: i64) -> Option<Seen> {
    let long = |at: usize| Some(i64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let int = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let magic = bytes.get(16)?.cast_signed();
    let len = usize::try_from(int(8)?).ok()?.checked_add(12)?;
    if magic < 2 || len < 61 || crc32c::crc32c(bytes.get(21..len)?) != int(17)?.cast_unsigned() {
        return None;
    }
    let bytes = &bytes[..len];
    let first = long(0)?;
    let last = first.wrapping_add(i64::from(int(23)?));
    let batch = Batch::parse(bytes).unwrap();
    let mut scratch = Scratch::default();
    let records: Option<Vec<i64>> = batch
        .records(&mut scratch)
        .ok()
        .and_then(|records| records.map(|record| record.ok().map(|record| record.offset.get())).collect());
    let is_whole = magic == 2 && records.is_some_and(|records| records == (first..=last).collect::<Vec<_>>());
    Some(Seen { segment, offsets: (first, last), epoch: int(12)?, is_whole, bytes: bytes.to_vec() })
}

/// Every batch of a file whose checksum fits, found by looking at every position that lies in none.
pub(crate) fn batches_in(bytes: &[u8], segment: i64) -> Vec<Seen> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        match batch_at(&bytes[at..], segment) {
            Some(batch) => {
                at += batch.bytes.len();
                found.push(batch);
            }
            None => at += 1,
        }
    }
    found
}

pub(crate) fn batches_of(dir: &Path) -> Vec<Seen> {
    let folder = PartitionDirectory::list(&OsFs, dir).unwrap();
    let read = |base: Offset| std::fs::read(dir.join(format!("{:020}.log", base.get()))).unwrap();
    folder.logs().flat_map(|(base, _)| batches_in(&read(base), base.get())).collect()
}

/// The batches in the folder beside the output.
fn batches_beside(report: &Report) -> Vec<Seen> {
    let Some(dir) = &report.lost_and_found else { return Vec::new() };
    let raw = golden::files(dir).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "bin"));
    raw.flat_map(|file| batches_in(&std::fs::read(dir.join(file)).unwrap(), 0)).collect()
}

/// How many batches are in the largest set that can stand in one log in this order: each whole and within its segment, offsets rising,
/// epochs not falling.
fn longest_log(all: &[Seen], is_cleaned: bool) -> usize {
    let bases: BTreeSet<i64> = all.iter().map(|batch| batch.segment).collect();
    let next = |batch: &Seen| bases.range(batch.segment + 1..).next().copied().unwrap_or(i64::MAX);
    let can_stand = |batch: &&Seen| {
        let (first, last) = batch.offsets;
        (batch.is_whole || is_cleaned)
            && first >= batch.segment
            && last >= first
            && last - batch.segment <= i64::from(i32::MAX)
            && first < next(batch)
    };
    let fit: Vec<&Seen> = all.iter().filter(can_stand).collect();
    let mut longest: Vec<usize> = Vec::new();
    for (n, batch) in fit.iter().enumerate() {
        let before = fit[..n].iter().zip(&longest);
        let before = before.filter(|(other, _)| other.offsets.1 < batch.offsets.0 && other.epoch <= batch.epoch);
        longest.push(1 + before.map(|(_, length)| *length).max().unwrap_or(0));
    }
    longest.into_iter().max().unwrap_or(0)
}

fn by_bytes(batches: &[Seen]) -> BTreeMap<&[u8], usize> {
    let mut count = BTreeMap::new();
    for batch in batches {
        *count.entry(&batch.bytes[..]).or_default() += 1;
    }
    count
}

/// The `.log` files of a folder with their bytes.
pub(crate) fn logs(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let logs = golden::files(dir).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "log"));
    logs.map(|file| (file.clone(), std::fs::read(dir.join(file)).unwrap())).collect()
}

/// The log directories below `top`, which is one itself or holds some.
fn log_dirs(top: &Path) -> Vec<PathBuf> {
    match Target::of(&OsFs, top) {
        Ok(Target::LogDirectory(_)) => vec![top.to_owned()],
        _ => std::fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect(),
    }
}

/// Opens a salvaged log as a broker would.
fn open(dir: &Path, clean: bool, end: i64) {
    let copy = golden::private_copy(dir);
    let recovery_point = Offset::new(if clean { end } else { 0 });
    let options = OpenOptions { mode: RecoveryMode::Kafka, clean, recovery_point, ..OpenOptions::default() };
    let (log, report) = Log::open(Arc::new(OsFs), copy.path(), LogConfig::default(), options).unwrap();
    assert_eq!(log.end().get(), end, "{}: {report:?}", dir.display());
    log.close().unwrap();
    assert!(logs(dir) == logs(copy.path()), "{}: opening changed a segment", dir.display());
}

/// Findings that a lost or strange batch leaves, because its bytes stay what they are.
fn is_entailed(code: FindingCode) -> bool {
    // A gap; times, sequences and transactional bits that were wrong in the source; sequences behind a gap.
    [FindingCode::B012, FindingCode::B008, FindingCode::B009, FindingCode::B011, FindingCode::X002].contains(&code)
}

#[test]
fn every_sound_batch_of_every_damaged_directory_is_kept_or_beside() {
    let (mut total, mut kept, mut beside, mut partitions_seen) = (0, 0, 0, 0);
    let mut complaints = Vec::new();
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        let mut dirs = partitions(damaged.before());
        for other in ["data2", "other"] {
            let other = damaged.before().join(other);
            dirs.extend(if other.is_dir() { partitions(&other) } else { Vec::new() });
        }
        for dir in dirs {
            let root = scratch();
            let output = root.path().join(dir.file_name().unwrap());
            let before = golden::files(&dir);
            let report = run(std::slice::from_ref(&dir), &output).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(golden::files(&dir), before, "{case}: the source has changed");
            let partition = &report.partitions[0];
            let (all, out, aside) = (batches_of(&dir), batches_of(&output), batches_beside(&report));
            partitions_seen += 1;
            (total, kept, beside) = (total + all.len(), kept + out.len(), beside + aside.len());
            let mut say =
                |what: String| complaints.push(format!("{case} {}: {what}", dir.file_name().unwrap().display()));

            let both: Vec<Seen> = out.iter().chain(&aside).cloned().collect();
            if by_bytes(&all) != by_bytes(&both) {
                say(format!("{} sound batches, {} kept and {} beside", all.len(), out.len(), aside.len()));
            }
            let longest = longest_log(&all, partition.is_cleaned);
            // What would keep a broker from starting, and an epoch that only the file beside the batches denies, is set aside besides.
            let is_known = |it: &log_engine::salvage::SetAside| {
                matches!(it.reason, Reason::NotTransactional | Reason::Epoch { .. })
            };
            let more: u64 = partition.aside.iter().filter(|it| is_known(it)).map(|it| it.batches).sum();
            if !(longest.saturating_sub(more as usize)..=longest).contains(&out.len()) {
                say(format!("{longest} batches can stand in one log, {} were kept", out.len()));
            }
            if partition.batches != out.len() as u64 || partition.verified_batches != partition.batches {
                say(format!("{} batches were read again, {} told", partition.verified_batches, partition.batches));
            }
            for finding in &partition.findings {
                if finding.severity > Severity::Info && !is_entailed(finding.code) {
                    say(format!("{finding:?}"));
                }
            }
            if out.len() < all.len() && report.is_complete() {
                say("told to be complete".to_owned());
            }
            let end = partition.offsets.map_or(0, |(_, last)| last.get() + 1);
            let last_base = PartitionDirectory::list(&OsFs, &output).unwrap().logs().next_back().unwrap().0;
            open(&output, true, end.max(last_base.get()));
            open(&output, false, end.max(last_base.get()));
        }
    }
    println!("{partitions_seen} partitions: {total} sound batches, {kept} kept, {beside} beside");
    assert!(complaints.is_empty(), "{} complaints\n{}", complaints.len(), complaints.join("\n"));
    assert!(partitions_seen > 300 && total == kept + beside && beside > 0);
}

#[test]
fn undamaged_directories_come_out_as_they_went_in() {
    let mut seen = 0;
    for case in golden::kafka_cases() {
        let damaged_on_purpose = ["crash-cut/", "crash-flip/", "crash-garbage/"];
        if damaged_on_purpose.iter().any(|damaged| case.starts_with(damaged)) {
            continue;
        }
        for log_dir in log_dirs(&golden::kafka(&case).join("dir")) {
            for dir in partitions(&log_dir) {
                let root = scratch();
                let output = root.path().join(dir.file_name().unwrap());
                let report = run(std::slice::from_ref(&dir), &output).unwrap();
                assert!(report.is_complete(), "{case}: {report:?}");
                assert!(logs(&dir) == logs(&output), "{case}, {}", dir.display());
                let loud = report.partitions[0].findings.iter().filter(|finding| finding.severity > Severity::Info);
                assert_eq!(loud.collect::<Vec<_>>(), Vec::<&Finding>::new(), "{case}, {}", dir.display());
                seen += 1;
            }
        }
    }
    println!("{seen} partitions");
    assert!(seen > 30, "{seen}");
}

/// The values of all records in some batches, by offset.
fn values(batches: &[Seen]) -> BTreeSet<(i64, Vec<u8>)> {
    let mut values = BTreeSet::new();
    let mut scratch = Scratch::default();
    for seen in batches.iter().filter(|seen| seen.is_whole) {
        let batch = Batch::parse(&seen.bytes).unwrap();
        let records = batch.records(&mut scratch).unwrap().map(Result::unwrap);
        values.extend(records.map(|record| (record.offset.get(), record.value.unwrap_or_default().to_vec())));
    }
    values
}

#[test]
fn every_acknowledged_record_that_a_replica_has_is_kept_or_beside() {
    let mut stages_seen = 0;
    for scenario in golden::replica_scenarios() {
        let folder = golden::replicas(&scenario);
        let acked = std::fs::read_to_string(folder.join("acked.jsonl")).unwrap();
        let acked: BTreeSet<(i64, Vec<u8>)> = acked
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|record| record["acked"] == true)
            .map(|record| (record["offset"].as_i64().unwrap(), record["value"].as_str().unwrap().as_bytes().to_vec()))
            .collect();
        let truth = golden::json(&folder.join("truth.json"));
        for (stage, known) in truth["stages"].as_object().unwrap() {
            let copies = [1, 2, 3].map(|node| folder.join("dirs").join(stage).join(node.to_string()).join("orders-0"));
            let root = scratch();
            let output = root.path().join("orders-0");
            let report = run(&copies, &output).unwrap();
            let partition = &report.partitions[0];

            let held: BTreeSet<_> = copies.iter().flat_map(|dir| values(&batches_of(dir))).collect();
            let held: BTreeSet<_> = held.intersection(&acked).cloned().collect();
            let (kept, beside) = (values(&batches_of(&output)), values(&batches_beside(&report)));
            let (in_log, aside) = (held.intersection(&kept).count(), held.difference(&kept).count());
            println!(
                "{scenario}, {stage}: {} acknowledged records are on some replica: {in_log} in the log, {aside} beside it",
                held.len()
            );
            assert!(held.iter().all(|record| kept.contains(record) || beside.contains(record)), "{scenario}, {stage}");

            // Only what loses by the leader epochs is beside: the histories that differ from the latest one.
            let parts = known["divergence"].as_array().unwrap().iter().any(|pair| pair["kind"] == "diverged");
            assert_eq!(parts, !partition.aside.is_empty(), "{scenario}, {stage}: {:?}", partition.aside);
            for it in &partition.aside {
                assert!(matches!(it.reason, Reason::LosesByEpoch { .. }), "{scenario}, {stage}: {it:?}");
            }
            assert!(partition.unreadable.is_empty(), "{scenario}, {stage}");
            // The history of the leader at that time is whole.
            let leader = &copies[partition.leader];
            assert!(
                by_bytes(&batches_of(leader)).keys().all(|bytes| by_bytes(&batches_of(&output)).contains_key(bytes))
            );
            let loud =
                partition.findings.iter().filter(|it| it.severity > Severity::Info && it.code != FindingCode::B012);
            assert_eq!(loud.count(), 0, "{scenario}, {stage}: {:?}", partition.findings);
            stages_seen += 1;
        }
    }
    assert!(stages_seen > 8, "{stages_seen}");
}

#[test]
fn holes_are_filled_from_another_replica_batch_by_batch() {
    let stage = golden::replicas("leader-changes").join("dirs/stopped");
    let root = scratch();
    let original = stage.join("2/orders-0");
    let all = logs(&original);
    // Each copy is damaged in another place: every third batch of one, every fourth of the next.
    let copies: Vec<PathBuf> = [(3, 0), (4, 1)]
        .map(|(every, from)| {
            let copy = root.path().join(format!("broker{every}/orders-0"));
            std::fs::create_dir_all(&copy).unwrap();
            for file in golden::files(&original) {
                std::fs::copy(original.join(&file), copy.join(&file)).unwrap();
            }
            let mut n = 0;
            for (file, bytes) in &all {
                let (mut damaged, mut at) = (bytes.clone(), 0);
                for batch in batches_in(bytes, 0) {
                    n += 1;
                    if n % (every * 4) == from {
                        damaged[at + batch.bytes.len() - 1] ^= 0x40;
                    }
                    at += batch.bytes.len();
                }
                std::fs::write(copy.join(file), damaged).unwrap();
            }
            copy
        })
        .into();
    let output = root.path().join("out/orders-0");
    let report = run(&copies, &output).unwrap();
    let partition = &report.partitions[0];
    assert!(report.is_complete(), "{partition:?}");
    assert!(partition.unreadable.len() > 3 && partition.unreadable.iter().all(|it| it.is_healed));
    assert!(partition.sources.iter().all(|source| source.batches > 0), "{:?}", partition.sources);
    assert!(logs(&output) == all);

    // One alone has holes, each with its cause.
    let alone = run(&copies[..1], &root.path().join("alone/orders-0")).unwrap();
    let partition = &alone.partitions[0];
    assert_eq!(partition.lost.len(), partition.unreadable.len());
    assert!(partition.lost.iter().all(|lost| lost.why == WhyLost::Unreadable(Cause::BitFlip)), "{:?}", partition.lost);
}

/// A copy of a partition in which a byte of one batch is another, and where the batch lay.
fn with_damaged(dir: &Path, root: &Path, target: &Seen) -> PathBuf {
    let copy = root.join("damaged").join(dir.file_name().unwrap());
    std::fs::create_dir_all(&copy).unwrap();
    for file in golden::files(dir) {
        let mut bytes = std::fs::read(dir.join(&file)).unwrap();
        let len = target.bytes.len();
        if let Some(at) = bytes.windows(len).position(|window| window == target.bytes) {
            bytes[at + len - 1] ^= 1;
        }
        std::fs::write(copy.join(file), bytes).unwrap();
    }
    copy
}

#[test]
fn a_lost_marker_is_told_with_what_its_producer_has_next() {
    let dir = golden::sample().join("txn-seg-0");
    let all = batches_of(&dir);
    // Its producer, and whether it is a marker, and one that commits.
    let of = |seen: &Seen| {
        let batch = Batch::parse(&seen.bytes).unwrap();
        let mut scratch = Scratch::default();
        let commits = log_engine::producer::Marker::of(&batch, &mut scratch).unwrap().map(|marker| marker.commit);
        (batch.producer().map(|producer| producer.id), batch.is_control(), commits)
    };
    let mut told = BTreeSet::new();
    for (n, marker) in all.iter().enumerate().filter(|(_, seen)| of(seen).1) {
        let (producer, ..) = of(marker);
        let root = scratch();
        let report = run(&[with_damaged(&dir, root.path(), marker)], &root.path().join("out/txn-seg-0")).unwrap();
        let lost = &report.partitions[0].lost[..];
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].from.get(), marker.offsets.0);
        // A marker may also end a transaction without records: then nothing is open.
        let begun = all[..n].iter().rev().find(|seen| of(seen).0 == producer);
        let is_open = begun.is_some_and(|seen| !of(seen).1 && Batch::parse(&seen.bytes).unwrap().is_transactional());
        let open = lost[0].transactions.iter().find(|open| Some(open.producer_id) == producer);
        assert_eq!(open.is_some(), is_open, "{marker:?}");
        let Some(open) = open else { continue };
        let expected = match all[n + 1..].iter().find(|seen| of(seen).0 == producer) {
            None => NextOfProducer::Nothing,
            Some(next) => match of(next).2 {
                Some(commit) => NextOfProducer::Marker { offset: Offset::new(next.offsets.0), commit },
                None => NextOfProducer::Data { offset: Offset::new(next.offsets.0) },
            },
        };
        assert_eq!(open.next, expected);
        told.insert(format!("{expected:?}").split([' ', '{']).next().unwrap().to_owned());
    }
    println!("{told:?}");
    assert!(told.len() > 1, "{told:?}");
}

#[test]
fn a_range_of_offsets_takes_whole_batches_and_loses_nothing_else() {
    let dir = golden::sample_damaged().join("plain-0");
    let all = batches_of(&dir);
    for range in [0..1, 40..100, 90..91, 141..146, 143..150, 200..10_000, 500..600] {
        let root = scratch();
        let output = root.path().join("plain-0");
        let offsets = Some(Offset::new(range.start)..Offset::new(range.end));
        let request = SalvageRequest { offsets, ..request(std::slice::from_ref(&dir), &output) };
        let report = salvage(&OsFs, &OsFs, &request, &AtomicU64::new(0)).unwrap().commit(b"").unwrap();
        let within = |seen: &&Seen| seen.offsets.0 < range.end && seen.offsets.1 >= range.start;
        let expected: Vec<&Seen> = all.iter().filter(within).collect();
        let out = batches_of(&output);
        assert!(out.iter().map(|seen| &seen.bytes).eq(expected.iter().map(|seen| &seen.bytes)), "{range:?}");
        // The batch 141..145 is damaged.
        let is_touched = range.start < 146 && range.end > 141;
        assert_eq!(report.is_complete(), !is_touched, "{range:?}: {:?}", report.partitions[0].lost);
    }
}
