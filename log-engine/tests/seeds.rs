//! Random damage: directories that brokers wrote, with the faults of one seed after the other, repaired and salvaged in memory.
//!
//! Whatever the faults: no panic, the plan of a repair that only makes derived files again cuts, removes and renames no `.log` and drops no
//! sound batch, and what salvage wrote passes every check. By default a few hundred seeds are tried, from `SEEDS_FROM` on; `SEEDS=20000`
//! says how many.
#![allow(clippy::disallowed_methods, reason = "tests prepare folders")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use log_engine::damage::{self, Wish};
use log_engine::fs::sim::SimFs;
use log_engine::inspect::{Finding, FindingCode, Severity, Target, VerifyLevel, VerifyOptions, verify};
use log_engine::log::PartitionDirectory;
use log_engine::mend::{Change, Repair, RepairOptions};
use log_engine::salvage::{SalvageError, SalvageRequest, SalvageSource, salvage};
use log_engine::testing::golden;
use log_engine::{Fs, Timestamp, WriteFs};

const SEEDS: u64 = 150;
const NOW: Timestamp = Timestamp::new(1_785_000_000_000);
const BASES: [&str; 5] = ["plain-killed", "plain-clean", "txn-clean", "comp-killed", "compact-killed"];

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The files of an undamaged directory, below `/data`.
fn base(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = golden::unpacked("damage", "bases").join("bases").join(name);
    let read = |file: PathBuf| (Path::new("/data").join(&file), std::fs::read(folder.join(&file)).unwrap());
    golden::files(&folder).into_iter().map(read).collect()
}

/// Damages the directory as the seed says; the disk and the words for what was done.
fn damaged(files: &[(PathBuf, Vec<u8>)], seed: u64) -> (SimFs, String) {
    let disk = SimFs::with_files(files.iter().map(|(path, bytes)| (path, bytes)));
    let count = usize::try_from(seed % 3).unwrap() + 1;
    let root = Path::new("/data");
    let faults = damage::plan(&disk, root, seed, &Wish { kinds: Vec::new(), count }).unwrap();
    for fault in &faults {
        // A folder may be gone, or not be empty, by the fault before: what is planted by half is a fault, too.
        let _ = fault.apply(&disk, root);
    }
    disk.settle();
    (disk, faults.iter().map(|fault| fault.kind().name).collect::<Vec<_>>().join(" + "))
}

fn check_repair(disk: &SimFs) -> Result<(), String> {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let target = Target::of(fs.as_ref(), Path::new("/data")).map_err(|error| error.to_string())?;
    let done = AtomicU64::new(0);
    let looked = Repair::look(fs, &target, RepairOptions::new(NOW), &|_| true, &done);
    let Some(repair) = looked.map_err(|error| error.to_string())? else { return Ok(()) };
    for folder in repair.folders() {
        let plan = repair.plan(folder, &done).map_err(|error| error.to_string())?;
        for change in &plan.changes {
            let is_log = change.path().extension().is_some_and(|suffix| suffix == "log");
            if is_log || matches!(change, Change::Rename { .. }) {
                return Err(format!("the plan would {change:?}"));
            }
        }
        if plan.after().batches < plan.before.batches || plan.records_dropped() > 0 {
            return Err(format!("{} of {} batches are left", plan.after().batches, plan.before.batches));
        }
    }
    Ok(())
}

fn check_salvage(disk: &SimFs) -> Result<(), String> {
    let listed = disk.list(Path::new("/data")).map_err(|error| error.to_string())?;
    for entry in listed {
        let path = Path::new("/data").join(&entry.name);
        let Ok(folder) = PartitionDirectory::list(disk, &path) else { continue };
        let is_live = folder.name.as_ref().is_some_and(|name| name.state == log_engine::log::DirectoryState::Live);
        if !is_live {
            continue;
        }
        let deep = VerifyOptions { level: VerifyLevel::Deep, ..VerifyOptions::new(NOW) };
        let found = verify(disk, &[Target::Partition(folder.clone())], &deep, &|_| true, &AtomicU64::new(0));
        let found = found.map_err(|error| error.to_string())?;
        let request = SalvageRequest {
            partitions: vec![vec![SalvageSource { folder, only: None }]],
            output: Path::new("/out").join(&entry.name),
            offsets: None,
            is_log_directory: false,
            jobs: 1.try_into().unwrap(),
            now: NOW,
        };
        if disk.stat(Path::new("/out")).map_err(|error| error.to_string())?.is_none() {
            disk.create_dir(Path::new("/out")).map_err(|error| error.to_string())?;
        }
        let salvaged = match salvage(disk, disk, &request, &AtomicU64::new(0)) {
            Ok(salvaged) => salvaged,
            Err(SalvageError::Refused(_)) => continue,
            Err(error) => return Err(error.to_string()),
        };
        let report = salvaged.commit(b"{}").map_err(|error| error.to_string())?;
        for partition in &report.partitions {
            // A batch whose checksum fits is copied as it is, with a producer's number in it that cannot be; and one that lacks records
            // weighs nothing where a cleaner's checkpoint lies beside it.
            let was = |finding: &Finding| {
                [FindingCode::B007, FindingCode::B011].contains(&finding.code)
                    && found.findings().any(|old| old.code == finding.code && old.file == finding.file)
            };
            let errors = partition.findings.iter().filter(|finding| finding.severity == Severity::Error);
            let wrong = errors.filter(|finding| !was(finding));
            let wrong: Vec<_> = wrong.map(|finding| format!("{} {}", finding.code.name(), finding.message)).collect();
            if !wrong.is_empty() {
                return Err(format!("salvaged, and {}", wrong.join("; ")));
            }
        }
    }
    Ok(())
}

#[test]
fn whatever_the_faults_nothing_that_is_good_is_lost() {
    let (from, count) = (number("SEEDS_FROM", 1), number("SEEDS", SEEDS));
    let bases: Vec<_> = BASES.iter().map(|name| base(name)).collect();
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let faults = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let seed = from + n;
                    let at = usize::try_from(seed).unwrap() % bases.len();
                    let tried = catch_unwind(AssertUnwindSafe(|| {
                        let (disk, what) = damaged(&bases[at], seed);
                        faults.fetch_add(what.split(" + ").filter(|kind| !kind.is_empty()).count(), Ordering::Relaxed);
                        let told = |name: &str, said: Result<(), String>| {
                            said.err().map(|said| format!("seed {seed} ({}, {what}): {name}: {said}", BASES[at]))
                        };
                        [told("repair", check_repair(&disk)), told("salvage", check_salvage(&disk))]
                    }));
                    let said = tried.unwrap_or_else(|_| [Some(format!("seed {seed} ({}) panics", BASES[at])), None]);
                    failures.lock().unwrap().extend(said.into_iter().flatten());
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let faults = faults.into_inner();
    println!("seeds {from} to {}: {faults} faults, {} failures", from + count - 1, failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(faults as u64 > count, "{faults}");
}
