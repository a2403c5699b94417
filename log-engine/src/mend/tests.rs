//! Changes carried out and undone on a disk that crashes after every operation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::fs::sim::{Outcome, SimFs};
use crate::fs::{Fs, OpenMode, WriteFs, write_all_at};

const ROOT: &str = "/data";
const BACKUP: &str = "/data.log-cli";

fn disk() -> SimFs {
    SimFs::with_files([
        ("/data/a-0/0.index", &b"wrong index"[..]),
        ("/data/a-0/0.log", b"batch batch torn"),
        ("/data/a-0/9.log", b"later"),
        ("/data/a-0/9.index", b"later index"),
        ("/data/a-0/5.snapshot", b"bad"),
        ("/data/checkpoint", b"points"),
    ])
}

fn changes() -> Vec<Change> {
    let write = |path: &str, bytes: &[u8]| Change::Write { path: path.into(), bytes: bytes.into() };
    let renamed = |name: &str| Change::Rename { from: name.into(), to: format!("{name}.deleted").into() };
    vec![
        renamed("a-0/9.log"),
        renamed("a-0/9.index"),
        Change::Remove { path: "a-0/5.snapshot".into() },
        Change::Cut { path: "a-0/0.log".into(), len: 12 },
        write("a-0/0.index", b"right index, and longer"),
        write("a-0/leader-epoch-checkpoint", b"new"),
        write("checkpoint", b"other points"),
    ]
}

/// What lies in the folder that is mended.
fn mended(disk: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with(ROOT)).collect()
}

fn carry_out(disk: &SimFs, id: &str, changes: &[Change]) -> Result<RunReport, Error> {
    let mut run = Run::begin(Arc::new(disk.clone()), Path::new(ROOT), Path::new(BACKUP), id)?;
    for change in changes {
        run.prepare(change)?;
    }
    run.carry_out()
}

fn undo(disk: &SimFs, id: &str) -> Result<usize, Error> {
    Undo::open(Arc::new(disk.clone()), &Path::new(BACKUP).join(id))?.carry_out()
}

#[test]
fn a_run_does_what_was_prepared_and_undoing_it_brings_every_byte_back() {
    let disk = disk();
    let before = mended(&disk);
    assert_eq!(carry_out(&disk, "run", &changes()).unwrap(), RunReport { changes: 7 });
    let after = mended(&disk);
    let expected = [
        ("a-0/0.index", &b"right index, and longer"[..]),
        ("a-0/0.log", b"batch batch "),
        ("a-0/9.index.deleted", b"later index"),
        ("a-0/9.log.deleted", b"later"),
        ("a-0/leader-epoch-checkpoint", b"new"),
        ("checkpoint", b"other points"),
    ];
    let expected = expected.map(|(path, bytes)| (Path::new(ROOT).join(path), bytes.to_vec()));
    assert_eq!(after, BTreeMap::from(expected));
    assert_eq!(undo(&disk, "run").unwrap(), 7);
    assert_eq!(mended(&disk), before);
    assert_eq!(undo(&disk, "run").unwrap(), 0);
}

#[test]
fn what_changes_nothing_is_left_out_and_an_abandoned_run_leaves_nothing() {
    let disk = disk();
    let before = disk.files();
    let mut run = Run::begin(Arc::new(disk.clone()), Path::new(ROOT), Path::new(BACKUP), "run").unwrap();
    for change in [
        Change::Write { path: "checkpoint".into(), bytes: b"points"[..].into() },
        Change::Cut { path: "a-0/0.log".into(), len: 16 },
        Change::Remove { path: "a-0/none".into() },
    ] {
        run.prepare(&change).unwrap();
    }
    assert!(run.is_empty());
    run.prepare(&Change::Remove { path: "checkpoint".into() }).unwrap();
    run.abandon().unwrap();
    assert_eq!(disk.files(), before);
}

#[test]
fn a_run_of_a_name_that_is_taken_and_one_that_is_not_there_are_errors() {
    let disk = disk();
    carry_out(&disk, "run", &changes()).unwrap();
    let after = disk.files();
    assert!(matches!(carry_out(&disk, "run", &[]), Err(Error::Io { .. })));
    assert!(matches!(undo(&disk, "other"), Err(Error::Io { .. })));
    assert_eq!(disk.files(), after);
}

#[test]
fn what_was_changed_since_is_not_undone() {
    let disk = disk();
    carry_out(&disk, "run", &changes()).unwrap();
    let file = disk.open_write(Path::new("/data/checkpoint"), OpenMode::Existing).unwrap();
    write_all_at(&*file, Path::new("checkpoint"), b"X", 0).unwrap();
    let after = mended(&disk);
    let error = undo(&disk, "run").unwrap_err().to_string();
    assert_eq!(error, "/data/checkpoint: changed since the run; nothing was undone");
    assert_eq!(mended(&disk), after);
}

#[test]
fn a_renamed_file_that_is_gone_is_not_undone() {
    let disk = disk();
    carry_out(&disk, "run", &changes()).unwrap();
    disk.remove(Path::new("/data/a-0/9.log.deleted")).unwrap();
    let after = mended(&disk);
    let error = undo(&disk, "run").unwrap_err().to_string();
    assert_eq!(error, "/data/a-0/9.log.deleted: changed since the run; nothing was undone");
    assert_eq!(mended(&disk), after);
}

/// Every file is as it was or as it is to be; then the same work and the undoing of all runs end as if there had been no crash.
fn check_crashed(found: &SimFs, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>, at: &str) {
    let lies_there = mended(found);
    for (path, bytes) in &lies_there {
        let is_known = before.get(path) == Some(bytes) || after.get(path) == Some(bytes);
        assert!(is_known, "{at}: {} holds {}", path.display(), String::from_utf8_lossy(bytes));
    }
    for path in before.keys().filter(|path| after.contains_key(*path)) {
        assert!(lies_there.contains_key(path), "{at}: {} is gone", path.display());
    }
    let again: Vec<Change> = changes().into_iter().filter(|change| is_to_be_done(found, change)).collect();
    carry_out(found, "again", &again).unwrap();
    assert_eq!(&mended(found), after, "{at}: done again");
    undo(found, "again").unwrap();
    if found.stat(&Path::new(BACKUP).join("run")).unwrap().is_some() {
        undo(found, "run").unwrap();
    }
    assert_eq!(&mended(found), before, "{at}: undone");
}

fn is_to_be_done(disk: &SimFs, change: &Change) -> bool {
    let there = disk.stat(&Path::new(ROOT).join(change.path())).unwrap();
    there.is_some() || matches!(change, Change::Write { .. })
}

#[test]
fn a_crash_at_any_moment_leaves_each_file_old_or_new() {
    let disk = disk();
    let before = mended(&disk);
    carry_out(&disk, "run", &changes()).unwrap();
    let after = mended(&disk);
    let (mut replay, mut states) = (disk.replay(), 0);
    while let Some(operation) = replay.step().map(ToString::to_string) {
        for seed in 0..6 {
            states += 1;
            let outcome = [Outcome::Everything, Outcome::Nothing, Outcome::Mixed][seed as usize % 3];
            let found = replay.after_crash(outcome, seed);
            check_crashed(&found, &before, &after, &format!("{operation}, {outcome:?} {seed}"));
        }
    }
    assert!(states > 100, "{states}");
}

#[test]
fn a_crash_while_undoing_is_undone_by_undoing_again() {
    let disk = disk();
    let before = mended(&disk);
    carry_out(&disk, "run", &changes()).unwrap();
    disk.settle();
    undo(&disk, "run").unwrap();
    let mut replay = disk.replay();
    while let Some(operation) = replay.step().map(ToString::to_string) {
        for seed in 0..6 {
            let outcome = [Outcome::Everything, Outcome::Nothing, Outcome::Mixed][seed as usize % 3];
            let found = replay.after_crash(outcome, seed);
            undo(&found, "run").unwrap_or_else(|error| panic!("{operation}, {outcome:?} {seed}: {error}"));
            assert_eq!(mended(&found), before, "{operation}, {outcome:?} {seed}");
        }
    }
}

#[test]
fn the_lock_keeps_others_away_and_leaves_nothing() {
    let disk = disk();
    let before = disk.files();
    let lock = DirectoryLock::take(Arc::new(disk.clone()), Path::new(ROOT)).unwrap();
    let other = DirectoryLock::take(Arc::new(disk.clone()), Path::new(ROOT));
    assert!(matches!(other, Err(Error::Locked { .. })));
    drop(lock);
    assert_eq!(disk.files(), before);
    DirectoryLock::take(Arc::new(disk.clone()), Path::new(ROOT)).unwrap();
}
