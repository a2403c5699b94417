//! Truncations of directories that brokers left, on a disk that crashes after every operation.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::fs::sim::{Outcome, SimFs};
use crate::fs::{Source, WriteFs};
use crate::inspect::{StartOptions, predict_start};
use crate::mend::{Run, Undo};
use crate::testing::golden;

const ROOT: &str = "/data";
const BACKUP: &str = "/data.log-cli";

/// The undamaged directory `base` as `/data`.
fn disk(base: &str) -> SimFs {
    let dir = golden::unpacked("damage", "bases").join("bases").join(base);
    let files = golden::files(&dir).into_iter().filter(|file| !file.ends_with(".lock"));
    SimFs::with_files(files.map(|file| (Path::new(ROOT).join(&file), std::fs::read(dir.join(file)).unwrap())))
}

fn mended(disk: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with(ROOT)).collect()
}

fn plan(disk: &SimFs, topic: &str, target: TruncateTarget) -> Truncation {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let folder = PartitionDirectory::list(disk, &Path::new(ROOT).join(topic)).unwrap();
    plan_truncation(&fs, &folder, target, None).unwrap()
}

fn truncate(disk: &SimFs, id: &str, topic: &str, target: TruncateTarget) {
    let changes = plan(disk, topic, target).changes;
    let fs: Arc<dyn WriteFs> = Arc::new(disk.clone());
    let mut run = Run::begin(fs, Path::new(ROOT), Path::new(BACKUP), id).unwrap();
    changes.iter().for_each(|change| run.prepare(change).unwrap());
    run.carry_out().unwrap();
}

fn undo(disk: &SimFs, id: &str) {
    let dir = Path::new(BACKUP).join(id);
    if disk.stat(&dir).unwrap().is_some() {
        Undo::open(Arc::new(disk.clone()), &dir).unwrap().carry_out().unwrap();
    }
}

/// The bytes of the batches between two offsets.
fn batches(disk: &SimFs, topic: &str, from: Offset, until: Offset) -> Vec<Vec<u8>> {
    let reader = LogReader::open(disk, &Path::new(ROOT).join(topic)).unwrap();
    let mut batches = reader.batches(from..until, OnDamage::GoOn);
    let mut found = Vec::new();
    while let Some(item) = batches.next().unwrap() {
        let BatchItem::Batch(batch) = item else { continue };
        found.push(batch.batch.bytes().to_vec());
    }
    found
}

#[test]
fn after_a_crash_at_any_moment_what_stays_is_there_and_the_rest_can_be_finished_or_undone() {
    for (base, topic, target) in [
        ("plain-clean", "plain-0", TruncateTarget::Offset(Offset::new(100))),
        ("plain-killed", "plain-0", TruncateTarget::Offset(Offset::new(100))),
        ("txn-clean", "txn-0", TruncateTarget::Offset(Offset::new(60))),
        ("plain-clean", "plain-0", TruncateTarget::Before(Offset::new(100))),
    ] {
        let disk = disk(base);
        let before = mended(&disk);
        let planned = plan(&disk, topic, target);
        let (from, until) = (planned.log_start.1, planned.log_end.1);
        let stays = batches(&disk, topic, from, until);
        truncate(&disk, "run", topic, target);
        let after = mended(&disk);
        assert_eq!(batches(&disk, topic, from, until), stays);
        let mut replay = disk.replay();
        while let Some(operation) = replay.step().map(ToString::to_string) {
            for seed in 0..3 {
                let outcome = [Outcome::Everything, Outcome::Nothing, Outcome::Mixed][seed as usize];
                let found = replay.after_crash(outcome, seed);
                let at = format!("{base} {target:?}: {operation}, {outcome:?}");
                assert_eq!(batches(&found, topic, from, until), stays, "{at}");
                let start = predict_start(&found, &[ROOT.into()], &StartOptions::default()).unwrap();
                let partition = &start.directories[0].partitions[0];
                assert!(start.starts && partition.log_end >= Some(until), "{at}: {partition:?}");
                assert!(partition.log_start <= Some(from), "{at}: {partition:?}");
                truncate(&found, "again", topic, target);
                assert_eq!(mended(&found), after, "{at}: done again");
                undo(&found, "again");
                undo(&found, "run");
                assert_eq!(mended(&found), before, "{at}: undone");
            }
        }
    }
}

#[test]
fn a_replacement_that_waits_and_a_checkpoint_that_cannot_be_read_stop_it() {
    let disk = disk("plain-clean");
    let write = |path: &str, bytes: &[u8]| {
        crate::fs::replace(&disk, &Path::new(ROOT).join(path), bytes).unwrap();
    };
    let tried = |target| {
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let folder = PartitionDirectory::list(&disk, &Path::new(ROOT).join("plain-0")).unwrap();
        plan_truncation(&fs, &folder, target, None).map(|it| it.changes.len())
    };
    let target = TruncateTarget::Offset(Offset::new(100));
    write("recovery-point-offset-checkpoint", b"0\n1\nplain 0\n");
    assert!(matches!(tried(target), Err(TruncateError::Engine(Error::Corrupt(_)))));
    write("recovery-point-offset-checkpoint", b"0\n1\nplain 0 239\n");
    assert!(tried(target).unwrap() > 10);
    write("plain-0/00000000000000000042.log.swap", b"");
    assert!(matches!(tried(target), Err(TruncateError::Unfinished(_))));
}

#[test]
fn leftovers_that_any_start_removes_stay() {
    let disk = disk("plain-clean");
    let path = Path::new(ROOT).join("plain-0/00000000000000000007.log.deleted");
    crate::fs::replace(&disk, &path, b"the only copy").unwrap();
    truncate(&disk, "run", "plain-0", TruncateTarget::Offset(Offset::new(100)));
    assert_eq!(Source::open(&disk, &path).unwrap().read_all(100).unwrap(), b"the only copy");
}
