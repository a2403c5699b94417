//! Salvage where the disk does not do as it should: it crashes, fails, is full, changes a source meanwhile, or cannot read a page.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use log_engine::fs::sim::{Faults, Outcome, SimFs};
use log_engine::log::PartitionDirectory;
use log_engine::salvage::{Cause, Refused, Report, SalvageError, SalvageRequest, SalvageSource, WhyLost, salvage};
use log_engine::testing::golden;
use log_engine::{Fs, OsFs, Timestamp, WriteFs};

use crate::salvage::{NOW, batches_in, batches_of, logs, request, scratch};

/// The damaged sample and a target on a disk in memory.
fn on_a_simulated_disk() -> (SimFs, PathBuf) {
    let dir = golden::sample_damaged().join("plain-0");
    let files = golden::files(&dir);
    let disk = SimFs::with_files(files.into_iter().map(|file| {
        let bytes = std::fs::read(dir.join(&file)).unwrap();
        (Path::new("/broker/plain-0").join(file), bytes)
    }));
    WriteFs::create_dir(&disk, Path::new("/spare")).unwrap();
    disk.settle();
    (disk, PathBuf::from("/spare/plain-0"))
}

fn salvage_on(disk: &SimFs, output: &Path) -> Result<Report, SalvageError> {
    let folder = PartitionDirectory::list(disk, Path::new("/broker/plain-0")).unwrap();
    let request = SalvageRequest {
        partitions: vec![vec![SalvageSource { folder, only: None }]],
        output: output.to_owned(),
        offsets: None,
        is_log_directory: false,
        jobs: 1.try_into().unwrap(),
        now: Timestamp::new(NOW),
    };
    let salvaged = salvage(disk, disk, &request, &AtomicU64::new(0))?;
    Ok(salvaged.commit(b"{}\n")?)
}

/// All files but those of the source.
fn files_on(disk: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| !path.starts_with("/broker")).collect()
}

fn is_there(disk: &SimFs, path: &Path) -> bool {
    Fs::stat(disk, path).unwrap().is_some()
}

#[test]
fn a_crash_leaves_all_under_its_name_or_nothing_and_the_next_salvage_ends_the_same() {
    let (disk, output) = on_a_simulated_disk();
    salvage_on(&disk, &output).unwrap();
    let expected = files_on(&disk);
    let source: Vec<_> = disk.files().into_iter().filter(|(path, _)| path.starts_with("/broker")).collect();
    let beside = PathBuf::from("/spare/plain-0.lost+found");
    assert!(
        expected.keys().all(|path| path.starts_with(&output) || path.starts_with(&beside)),
        "{:?}",
        expected.keys()
    );
    let (mut replay, mut crashes, mut whole) = (disk.replay(), 0, 0);
    while let Some(operation) = replay.step() {
        let operation = operation.to_string();
        for seed in 0..6 {
            let found = match seed {
                0 => replay.restart(),
                _ => replay.after_crash(Outcome::Mixed, seed),
            };
            crashes += 1;
            if is_there(&found, &output) {
                // Whole, with what is beside it; only the folder in which it was made may be left.
                whole += 1;
                let there: BTreeMap<_, _> = files_on(&found)
                    .into_iter()
                    .filter(|(path, _)| !path.starts_with("/spare/plain-0.partial"))
                    .collect();
                assert_eq!(
                    there.keys().collect::<Vec<_>>(),
                    expected.keys().collect::<Vec<_>>(),
                    "{operation}, {seed}"
                );
                assert!(there == expected, "{operation}, {seed}");
                let refused = salvage_on(&found, &output);
                assert!(
                    matches!(refused, Err(SalvageError::Refused(Refused::Exists { .. }))),
                    "{operation}: {refused:?}"
                );
            } else {
                salvage_on(&found, &output).unwrap_or_else(|error| panic!("{operation}, {seed}: {error}"));
                assert!(files_on(&found) == expected, "{operation}, {seed}");
            }
            let after: Vec<_> = found.files().into_iter().filter(|(path, _)| path.starts_with("/broker")).collect();
            assert!(after == source, "{operation}: the source has changed");
        }
    }
    println!("{crashes} crashes, {whole} of them behind the end");
    assert!(crashes > 500 && whole > 5, "{crashes}, {whole}");
}

#[test]
fn a_disk_that_fails_or_is_full_ends_the_salvage_and_the_next_one_is_whole() {
    let (disk, output) = on_a_simulated_disk();
    salvage_on(&disk, &output).unwrap();
    let expected = files_on(&disk);
    let used: u64 = disk.files().values().map(|bytes| bytes.len() as u64).sum();
    let mut all = Vec::new();
    for seed in 0..60 {
        all.push(Faults { seed, failing_sync: Some(seed), ..Faults::default() });
        all.push(Faults { seed, failing_write: Some(seed), ..Faults::default() });
        all.push(Faults { seed, failing_read: Some(seed), ..Faults::default() });
        all.push(Faults { seed, short_write: Some(seed), ..Faults::default() });
    }
    all.push(Faults { quota: Some(used / 2), ..Faults::default() });
    let (mut failed, tried) = (0, all.len());
    for faults in all {
        let (disk, output) = on_a_simulated_disk();
        disk.set_faults(faults.clone());
        let salvaged = salvage_on(&disk, &output);
        disk.set_faults(Faults::default());
        if salvaged.is_err() {
            failed += 1;
            assert!(
                !is_there(&disk, &output) || files_on(&disk).keys().filter(|it| it.starts_with(&output)).count() > 10
            );
        }
        if !is_there(&disk, &output) {
            salvage_on(&disk, &output).unwrap_or_else(|error| panic!("behind {faults:?}: {error}"));
            assert!(files_on(&disk) == expected, "behind {faults:?}");
        }
    }
    println!("{failed} of {tried} salvages were ended by a failure");
    assert!(failed > 50 && failed < tried, "{failed}");
}

#[test]
fn a_full_disk_is_refused_before_the_beginning() {
    let (disk, output) = on_a_simulated_disk();
    let used: u64 = disk.files().values().map(|bytes| bytes.len() as u64).sum();
    let before = disk.files();
    disk.set_faults(Faults { quota: Some(used + 20_000), ..Faults::default() });
    let refused = salvage_on(&disk, &output);
    let Err(SalvageError::Refused(Refused::NoSpace { needed, free, .. })) = refused else { panic!("{refused:?}") };
    assert!(needed > free && free <= 20_000, "{needed}, {free}");
    assert!(disk.files() == before);
}

/// A disk on which a file grows once it was opened.
#[derive(Debug)]
struct Growing(AtomicU64);

impl Fs for Growing {
    fn open(&self, path: &Path) -> log_engine::Result<Arc<dyn log_engine::fs::File>> {
        OsFs.open(path)
    }

    fn list(&self, dir: &Path) -> log_engine::Result<Vec<log_engine::fs::Entry>> {
        OsFs.list(dir)
    }

    fn stat(&self, path: &Path) -> log_engine::Result<Option<log_engine::fs::Stat>> {
        let stat = OsFs.stat(path)?;
        let grown = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(stat.map(|stat| log_engine::fs::Stat { len: stat.len + grown, ..stat }))
    }

    fn lock_holder(&self, path: &Path) -> log_engine::Result<Option<log_engine::fs::LockHolder>> {
        OsFs.lock_holder(path)
    }
}

#[test]
fn a_source_that_changes_meanwhile_is_told_and_nothing_is_left() {
    let root = scratch();
    let request = request(&[golden::sample().join("txn-0")], &root.path().join("new/txn-0"));
    let refused = salvage(&Growing(AtomicU64::new(0)), &OsFs, &request, &AtomicU64::new(0));
    assert!(matches!(refused, Err(SalvageError::Refused(Refused::Changed { .. }))), "{:?}", refused.map(|_| ()));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

/// A disk of which one page of each file cannot be read.
#[derive(Debug)]
struct BadPage(u64);

#[derive(Debug)]
struct BadFile(Arc<dyn log_engine::fs::File>, u64);

impl log_engine::fs::File for BadFile {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> std::io::Result<usize> {
        let end = position.saturating_add(into.len() as u64).min(self.size()?);
        if position < self.1 + 4096 && self.1 < end {
            return Err(std::io::Error::from_raw_os_error(5));
        }
        self.0.read_at(into, position)
    }
}

impl Fs for BadPage {
    fn open(&self, path: &Path) -> log_engine::Result<Arc<dyn log_engine::fs::File>> {
        Ok(Arc::new(BadFile(OsFs.open(path)?, self.0)))
    }

    fn list(&self, dir: &Path) -> log_engine::Result<Vec<log_engine::fs::Entry>> {
        OsFs.list(dir)
    }

    fn stat(&self, path: &Path) -> log_engine::Result<Option<log_engine::fs::Stat>> {
        OsFs.stat(path)
    }

    fn lock_holder(&self, path: &Path) -> log_engine::Result<Option<log_engine::fs::LockHolder>> {
        OsFs.lock_holder(path)
    }
}

#[test]
fn a_page_that_the_disk_cannot_read_costs_the_batches_in_it() {
    let dir = golden::unpacked("damage", "bases").join("bases/page-clean/page-0");
    let root = scratch();
    let output = root.path().join("page-0");
    let request = request(std::slice::from_ref(&dir), &output);
    let report = salvage(&BadPage(4096), &OsFs, &request, &AtomicU64::new(0)).unwrap().commit(b"").unwrap();
    let partition = &report.partitions[0];
    let segments = logs(&dir).iter().filter(|(_, bytes)| bytes.len() > 4096).count();
    assert!(segments > 1);
    assert_eq!(partition.unreadable.len(), segments, "{:?}", partition.unreadable);
    assert!(partition.unreadable.iter().all(|it| it.cause == Cause::Io));
    assert!(partition.lost.iter().all(|it| it.why == WhyLost::Unreadable(Cause::Io)), "{:?}", partition.lost);
    // Every batch that does not reach into a page that cannot be read is there.
    let mut expected = Vec::new();
    for (_, bytes) in logs(&dir) {
        let mut at = 0;
        for batch in batches_in(&bytes, 0) {
            let end = at + batch.bytes.len();
            if end <= 4096 || at >= 8192 {
                expected.push(batch.bytes.clone());
            }
            at = end;
        }
    }
    assert!(batches_of(&output).into_iter().map(|seen| seen.bytes).eq(expected));
}
