//! Every kind of fault on directories of real brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use super::{Change, Fault, Kind, MAX_SHOWN, Wish, plan};
use crate::fs::Fs;
use crate::fs::sim::SimFs;
use crate::inspect::{Severity, Target, VerifyLevel, VerifyOptions, verify};
use crate::testing::golden;
use crate::testing::memory_fs::MemoryFs;
use crate::units::Timestamp;

/// Undamaged log directories that together have a place for every kind.
fn bases() -> Vec<MemoryFs> {
    let bases = golden::unpacked("damage", "bases").join("bases");
    ["plain-killed", "plain-clean", "txn-clean", "compact-clean", "page-killed"]
        .map(|name| MemoryFs::load(&bases.join(name)))
        .into()
}

fn root() -> &'static Path {
    Path::new("/")
}

fn disk_of(base: &MemoryFs) -> SimFs {
    SimFs::with_files(base.files())
}

fn one(fs: &dyn Fs, seed: u64, kind: &'static Kind) -> Option<Fault> {
    plan(fs, root(), seed, &Wish { kinds: vec![kind], count: 1 }).unwrap().pop()
}

fn applied(base: &MemoryFs, fault: &Fault) -> BTreeMap<PathBuf, Vec<u8>> {
    let disk = disk_of(base);
    fault.apply(&disk, root()).unwrap();
    disk.files()
}

#[test]
fn names_are_one_each_and_of_one_form() {
    let mut seen = BTreeSet::new();
    for kind in Kind::all() {
        assert!(seen.insert(kind.name), "{kind:?} twice");
        assert!(kind.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{kind:?}");
        assert!(!kind.about.is_empty() && !kind.about.ends_with('.'), "{kind:?}");
        assert_eq!(Kind::named(kind.name), Some(kind));
    }
    assert_eq!(Kind::named("no-such-kind"), None);
}

#[test]
fn the_kinds_of_the_golden_cases_are_there() {
    // Two of them are no faults, one needs a second directory, one is another kind followed by a stop.
    let left_out = ["none", "none-then-clean-stop", "two-dirs-same-partition", "crc-value-middle-then-clean-stop"];
    for case in golden::damage_cases() {
        let kind = case.split_once('/').unwrap().1.split_once("__").unwrap().0;
        assert!(left_out.contains(&kind) || Kind::named(kind).is_some(), "{kind}");
    }
}

#[test]
fn every_kind_has_a_place_and_does_what_it_says_it_does() {
    let bases = bases();
    for kind in Kind::all() {
        let mut planned = 0;
        for base in &bases {
            for seed in 0..2 {
                let Some(fault) = one(base, seed, kind) else { continue };
                planned += 1;
                assert_eq!(one(&disk_of(base), seed, kind).as_ref(), Some(&fault), "{kind:?}: the disk matters");
                check_application(base, &fault);
            }
        }
        assert!(planned > 0, "{kind:?} has a place nowhere");
    }
}

/// The files that differ are those that the fault names, and they differ as it says.
fn check_application(base: &MemoryFs, fault: &Fault) {
    let after = applied(base, fault);
    let named: BTreeSet<PathBuf> = fault.changes().iter().map(|change| root().join(change.path())).collect();
    let before: BTreeMap<PathBuf, Vec<u8>> =
        base.files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
    let mut differ = 0;
    for path in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let differs = before.get(path) != after.get(path);
        differ += usize::from(differs);
        assert!(!differs || named.contains(path), "{:?} changes {}", fault.kind(), path.display());
    }
    assert!(differ > 0, "{:?} changes nothing", fault.kind());
    for change in fault.changes() {
        let path = root().join(change.path());
        match change {
            Change::Bytes { position, old_len, old, new, .. } => {
                let at = position.get() as usize;
                assert!(before[&path][at..].starts_with(old) && old.len() == (*old_len as usize).min(MAX_SHOWN));
                assert_eq!(after[&path][at..][..new.len()], new[..], "{fault:?}");
                let len = before[&path].len() + new.len() - *old_len as usize;
                assert!(after[&path].len() == len || fault.changes().len() > 1);
            }
            Change::NewFile { bytes, .. } => assert!(after[&path] == *bytes && !before.contains_key(&path)),
            Change::Copy { from, cut, .. } => {
                let whole: Vec<u8> = from.iter().flat_map(|file| before[&root().join(file)].clone()).collect();
                assert_eq!(after[&path], whole[..whole.len() - *cut as usize]);
            }
            Change::Removed { len, .. } => assert!(before[&path].len() as u64 == *len && !after.contains_key(&path)),
            Change::RemovedFolder { .. } => assert!(!after.keys().any(|file| file.starts_with(&path))),
        }
    }
}

#[test]
fn a_fault_in_a_batch_is_found_by_verify() {
    // A compacted log has gaps, an epoch can be new, and sealed records can be any: nothing proves these wrong everywhere.
    let quiet = [
        "batch-removed",
        "marker-removed",
        "leader-epoch-down",
        "leader-epoch-up-last",
        "records-garbage-sealed",
        "last-offset-delta-plus-5-sealed",
        "last-offset-delta-minus-1-sealed",
    ];
    let bases = bases();
    let batch_kinds = super::batches::KINDS.iter().filter(|kind| !quiet.contains(&kind.name));
    for kind in batch_kinds {
        for base in &bases {
            for seed in 0..2 {
                let Some(fault) = one(base, seed, kind) else { continue };
                let disk = disk_of(base);
                fault.apply(&disk, root()).unwrap();
                assert!(is_found(&disk), "{fault:?}");
            }
        }
    }
}

/// Whether `verify` warns of anything at its deepest level.
fn is_found(disk: &SimFs) -> bool {
    let options = VerifyOptions { level: VerifyLevel::Deep, ..VerifyOptions::new(Timestamp::new(1_800_000_000_000)) };
    let target = Target::of(disk, root()).unwrap();
    let report = verify(disk, &[target], &options, &|_| true, &AtomicU64::new(0)).unwrap();
    report.worst() > Some(Severity::Info)
}

#[test]
fn several_faults_lie_in_different_files() {
    let base = &bases()[2];
    let wish = Wish { kinds: Vec::new(), count: 8 };
    let mut firsts = BTreeSet::new();
    for seed in 0..20 {
        let faults = plan(base, root(), seed, &wish).unwrap();
        assert_eq!(faults, plan(base, root(), seed, &wish).unwrap());
        assert_eq!(faults.len(), 8);
        let paths: Vec<_> = faults.iter().flat_map(Fault::changes).map(Change::path).collect();
        let different: BTreeSet<_> = paths.iter().collect();
        assert!(different.len() + 8 > paths.len(), "{faults:?}");
        let disk = disk_of(base);
        faults.iter().for_each(|fault| fault.apply(&disk, root()).unwrap());
        firsts.insert(faults[0].kind().name);
    }
    assert!(firsts.len() > 10, "{firsts:?}");
}

#[test]
fn a_partitions_folder_alone_can_be_damaged() {
    let base = &bases()[0];
    let folder = Path::new("/plain-0");
    for seed in 0..50 {
        let fault = plan(base, folder, seed, &Wish::default()).unwrap().pop().unwrap();
        let disk = disk_of(base);
        fault.apply(&disk, folder).unwrap();
        let outside = |path: &PathBuf| !path.starts_with(folder);
        assert!(
            disk.files().keys().filter(|path| outside(path)).count()
                == base.files().filter(|(path, _)| outside(&path.to_path_buf())).count()
        );
    }
    let kinds = vec![Kind::named("recovery-point-missing").unwrap(), Kind::named("partition-missing").unwrap()];
    assert!(plan(base, folder, 1, &Wish { kinds, count: 1 }).unwrap().is_empty());
    assert!(plan(base, Path::new("/plain-0/leader-epoch-checkpoint"), 1, &Wish::default()).is_err());
}
