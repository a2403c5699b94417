//! Salvage against every damaged directory and every set of replicas: what goes in comes out, byte for byte, or lies beside it.
//!
//! What should be kept is counted here by other means: by looking at every position of every file, and at every chain of batches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use log_engine::inspect::{FindingCode, Severity};
use log_engine::log::{DirectoryState, LogDirectory, OpenOptions, PartitionDirectory};
use log_engine::salvage::{Reason, Report, SalvageError, SalvageRequest, SalvageSource, salvage};
use log_engine::testing::golden;
use log_engine::{Batch, Log, LogConfig, Offset, OsFs, RecoveryMode, Scratch, Timestamp};
use tempfile::TempDir;

/// When the golden directories were written.
const NOW: i64 = 1_795_600_000_000;

/// A folder in memory where there is such a place: salvage syncs everything that it writes.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn source(dir: &Path) -> SalvageSource {
    SalvageSource { folder: PartitionDirectory::list(&OsFs, dir).unwrap(), only: None }
}

fn request(copies: &[PathBuf], output: &Path) -> SalvageRequest {
    SalvageRequest {
        partitions: vec![copies.iter().map(|dir| source(dir)).collect()],
        output: output.to_owned(),
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
struct Seen {
    segment: i64,
    offsets: (i64, i64),
    epoch: i32,
    /// Its records decode and are as many as its offsets promise.
    is_whole: bool,
    bytes: Vec<u8>,
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
fn batches_in(bytes: &[u8], segment: i64) -> Vec<Seen> {
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

fn batches_of(dir: &Path) -> Vec<Seen> {
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

/// Opens a salvaged log as a broker would.
fn open(dir: &Path, clean: bool, end: i64) {
    let copy = golden::private_copy(dir);
    let recovery_point = Offset::new(if clean { end } else { 0 });
    let options = OpenOptions { mode: RecoveryMode::Kafka, clean, recovery_point, ..OpenOptions::default() };
    let (log, report) = Log::open(Arc::new(OsFs), copy.path(), LogConfig::default(), options).unwrap();
    assert_eq!(log.end().get(), end, "{}: {report:?}", dir.display());
    log.close().unwrap();
    let logs = |dir: &Path| {
        let logs = golden::files(dir).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "log"));
        logs.map(|file| (file.clone(), std::fs::read(dir.join(file)).unwrap())).collect::<Vec<_>>()
    };
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
