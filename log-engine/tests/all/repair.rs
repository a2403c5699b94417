//! Every damaged directory repaired: nothing derived is wrong then, no record is gone, and undoing brings every byte back. What a broker
//! made of the same bytes is what the level of the broker makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use log_engine::checkpoint::{EpochCheckpoint, EpochEntry};
use log_engine::epoch::LeaderEpochs;
use log_engine::inspect::{
    Finding, Severity, StartOptions, Target, VerifyLevel, VerifyOptions, VerifyReport, predict_start, verify,
};
use log_engine::mend::{Change, DirectoryLock, PartitionPlan, Repair, RepairLevel, RepairOptions, Run, Undo};
use log_engine::testing::golden;
use log_engine::{Fs, LeaderEpoch, LogConfig, Offset, OsFs, Timestamp};

const NOW: Timestamp = Timestamp::new(1_785_000_000_000);

fn options(level: RepairLevel) -> RepairOptions {
    let config = LogConfig {
        segment_bytes: 3 << 10,
        segment_index_bytes: 512,
        index_interval_bytes: 300,
        retention_ms: None,
        ..LogConfig::default()
    };
    RepairOptions { level, config, index_interval: Some(300), ..RepairOptions::new(NOW) }
}

/// Every file with its bytes and the time of its last change.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let entry = |file: PathBuf| {
        let path = root.join(&file);
        (file, (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap()))
    };
    golden::files(root).into_iter().map(entry).collect()
}

struct Planned {
    repair: Repair,
    plans: Vec<PartitionPlan>,
}

fn plan(root: &Path, options: RepairOptions) -> log_engine::Result<Planned> {
    let done = AtomicU64::new(0);
    let target = Target::of(&OsFs, root)?;
    let repair = Repair::look(Arc::new(OsFs), &target, options, &|_| true, &done)?.unwrap();
    let plans = repair.folders().to_vec().iter().map(|folder| repair.plan(folder, &done)).collect::<Result<_, _>>()?;
    Ok(Planned { repair, plans })
}

/// Carries a plan out; where its run is kept.
fn apply(root: &Path, planned: &Planned, with_marker: bool) -> PathBuf {
    let fs: Arc<OsFs> = Arc::new(OsFs);
    let backup = root.with_extension("log-cli");
    let _lock = DirectoryLock::take(fs.clone(), root).unwrap();
    let id = format!("run-{}", fs.list(root.parent().unwrap()).unwrap().len());
    let mut run = Run::begin(fs, root, &backup, &id).unwrap();
    let marker = planned.repair.marker_change();
    let (first, last): (Vec<_>, Vec<_>) =
        marker.into_iter().partition(|change| matches!(change, Change::Remove { .. }));
    let partitions = planned.plans.iter().flat_map(|plan| &plan.changes);
    for change in first.into_iter().chain(planned.repair.root_changes()).chain(partitions) {
        run.prepare(change).unwrap();
    }
    for change in last.into_iter().filter(|_| with_marker) {
        run.prepare(change).unwrap();
    }
    run.carry_out().unwrap();
    backup.join(id)
}

fn verified(root: &Path) -> VerifyReport {
    verified_with(root, Some(300))
}

fn verified_with(root: &Path, index_interval: Option<u64>) -> VerifyReport {
    let deep = VerifyOptions { level: VerifyLevel::Deep, index_interval, ..VerifyOptions::new(NOW) };
    verify(&OsFs, &[Target::of(&OsFs, root).unwrap()], &deep, &|_| true, &AtomicU64::new(0)).unwrap()
}

/// What is wrong with a file that can be made of others.
fn is_derived(finding: &Finding) -> bool {
    let name = finding.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let only_a_broker_knew = ["log-start-offset-checkpoint", "replication-offset-checkpoint"].contains(&name);
    finding.severity > Severity::Info
        && finding.code.name().starts_with(['I', 'T', 'X', 'S', 'E', 'C'])
        && !only_a_broker_knew
        && finding.code.name() != "X002"
}

#[test]
fn every_derived_file_is_made_right_again_and_no_record_goes() {
    let (mut changed, mut wrong) = (0, Vec::new());
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        let root = damaged.before();
        let (before, found) = (tree(root), verified(root));
        let planned = match plan(root, options(RepairLevel::Derived)) {
            Ok(planned) => planned,
            Err(error) => {
                wrong.push(format!("{case}: {error}"));
                continue;
            }
        };
        assert_eq!(tree(root), before, "{case}: a plan changed something");
        let run = apply(root, &planned, false);
        changed += 1;
        let after = verified(root);
        for finding in after.findings().filter(|finding| is_derived(finding)) {
            let was = found.findings().any(|old| old.code == finding.code && old.file == finding.file);
            wrong.push(format!(
                "{case}: {} {} ({was}): {}",
                finding.code.name(),
                finding.file.display(),
                finding.message
            ));
        }
        let records = |report: &VerifyReport| report.partitions.iter().map(|p| p.records).sum::<u64>();
        assert_eq!(records(&after), records(&found), "{case}");
        let undo = Undo::open(Arc::new(OsFs), &run).unwrap();
        undo.carry_out().unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(tree(root), before, "{case}: undone");
    }
    assert!(wrong.is_empty(), "{} findings of {changed} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(changed > 300);
}

/// What the broker did in these cases has its reason outside the directory, or is no part of the start.
const EXCEPTIONS: [(&str, &str); 12] = [
    ("compact/cleaner-offset-beyond-end__clean", "the cleaner worked after the load"),
    ("compact/crc-value-middle__killed", "the cleaner worked after the load"),
    ("plain/base-offset-up__killed", "old entries lie on behind the count of none, which is in no file"),
    ("plain/epochs-decreasing__killed", "becoming leader, the broker removed an older epoch as well"),
    ("plain/leader-epoch-up__killed", "becoming leader, the broker removed an older epoch as well"),
    ("plain/meta-properties-no-directory-id__clean", "the broker drew an id"),
    ("plain/partition-metadata-other-id__clean", "only the metadata log knows the topic's id"),
    ("plain/partition-metadata-other-id__killed", "only the metadata log knows the topic's id"),
    ("plain/partition-missing__clean", "only the metadata log names the partition"),
    ("plain/root-stray-is-the-only-copy__clean", "only the metadata log names the partition"),
    ("plain/root-unknown-topic__killed", "only the metadata log knows the topic's settings"),
    ("plain/root-unknown-topic__clean", "only the metadata log knows the topic's id"),
];

/// Files that a running broker writes behind its start.
fn is_of_the_broker(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".lock", "replication-offset-checkpoint"].contains(&name)
}

/// A file as far as the start decides it: of an index not the zeros at its end, of the epochs what the broker leaves that led from epoch
/// 4 on.
fn decided(path: &Path, bytes: &[u8], log_end: Option<i64>) -> Vec<u8> {
    let is_index = path.extension().is_some_and(|suffix| suffix == "index" || suffix == "timeindex");
    let name = path.to_str().unwrap();
    if is_index || name.ends_with("index.deleted") {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        return bytes[..end].to_vec();
    }
    match (EpochCheckpoint::parse(bytes, path), log_end) {
        (Ok(file), Some(end)) if name.ends_with(EpochCheckpoint::FILE_NAME) => {
            let mut epochs = LeaderEpochs::load(&file);
            epochs.assign(EpochEntry { epoch: LeaderEpoch::new(4), start: Offset::new(end) });
            epochs.to_checkpoint().encode()
        }
        _ => bytes.to_vec(),
    }
}

/// The name that a file has in both trees: ids of folders that were set aside are drawn. Behind such a folder the metadata log makes an
/// empty one.
fn common_name(path: &Path, has_stray: bool) -> Option<String> {
    let name = path.to_str().unwrap();
    match name.split_once("-stray/") {
        Some((folder, file)) => Some(format!("{}-stray/{file}", folder.split('.').next().unwrap())),
        None => (!has_stray || !name.contains('/')).then(|| name.to_owned()),
    }
}

fn is_rename(change: &Change) -> bool {
    matches!(change, Change::Rename { from, .. } if from.parent() == Some(Path::new("")))
}

#[test]
fn the_level_of_the_broker_makes_of_a_directory_what_a_broker_made_of_it() {
    let (mut compared, mut cases, mut wrong) = (0, 0, Vec::new());
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        let truth = damaged.truth().clone();
        let is_exception = EXCEPTIONS.iter().any(|(name, _)| *name == case) || case.contains("-then-clean-stop");
        if truth["broker"]["started"].as_bool() != Some(true) || is_exception {
            continue;
        }
        let root = damaged.before().to_owned();
        let planned = match plan(&root, options(RepairLevel::Broker)) {
            Ok(planned) => planned,
            Err(error) => {
                wrong.push(format!("{case}: {error}"));
                continue;
            }
        };
        apply(&root, &planned, false);
        cases += 1;
        let theirs = tree(damaged.after());
        let is_stray = |path: &PathBuf| path.to_str().unwrap().contains("-stray/");
        let has_stray =
            theirs.keys().any(is_stray) && planned.plans.iter().flat_map(|plan| &plan.changes).any(is_rename);
        let log_end = truth["broker"]["log_end"].as_i64();
        let known = |tree: BTreeMap<PathBuf, (Vec<u8>, SystemTime)>| {
            let files = tree.into_iter().filter(|(path, _)| !is_of_the_broker(path));
            let named = files.filter_map(|(path, (bytes, _))| {
                Some((common_name(&path, has_stray)?, decided(&path, &bytes, log_end.filter(|_| !has_stray))))
            });
            named.collect::<BTreeMap<_, _>>()
        };
        let (ours, theirs) = (known(tree(&root)), known(theirs));
        // Deleted snapshots are gone a little sooner or later.
        let names = ours.keys().chain(theirs.keys()).filter(|name| !name.ends_with(".snapshot.deleted"));
        for name in names.collect::<BTreeSet<_>>() {
            compared += 1;
            let (ours, theirs) = (ours.get(name), theirs.get(name));
            if ours != theirs {
                wrong.push(format!("{case}: {name}: {:?} {:?}", ours.map(Vec::len), theirs.map(Vec::len)));
            }
        }
    }
    eprintln!("repair: {compared} files of {cases} directories as the broker left them");
    assert!(compared > 8000 && cases > 250);
    assert!(wrong.is_empty(), "{} of {compared} files in {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// The crashed directories, and those of brokers that were killed, come to be as a clean stop leaves them: a start would recover nothing
/// and lose nothing.
#[test]
fn a_directory_that_was_left_in_a_hurry_is_marked_as_cleanly_stopped() {
    for case in ["crash/before", "plain"] {
        let copy = golden::private_copy(&golden::kafka(case).join("dir"));
        let root = copy.path();
        let _ = fs::remove_file(root.join(".kafka_cleanshutdown"));
        let before = tree(root);
        let found = verified_with(root, None);
        let how = RepairOptions { mark_clean: true, index_interval: None, ..options(RepairLevel::Derived) };
        let planned = plan(root, how).unwrap();
        for plan in &planned.plans {
            let left: Vec<_> = plan.after().findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert!(plan.is_whole(), "{case} {}: {left:?}", plan.path.display());
        }
        let run = apply(root, &planned, true);
        let start = predict_start(&OsFs, &[root.to_owned()], &StartOptions::default()).unwrap();
        assert!(start.starts && start.directories[0].is_clean);
        for partition in start.directories[0].partitions.iter().filter(|p| !p.path.ends_with("__cluster_metadata-0")) {
            let was = found.partitions.iter().find(|report| report.path == partition.path).unwrap();
            assert_eq!(partition.log_end, Some(was.log_end), "{case} {}", partition.path.display());
            assert!(partition.cuts.is_empty() && partition.files_rebuilt.is_empty(), "{case}: {partition:?}");
        }
        let after = verified_with(root, None);
        let wrong: Vec<_> =
            after.findings().filter(|f| f.severity > Severity::Info && f.code.name() != "D005").collect();
        assert!(wrong.is_empty(), "{case}: {wrong:?}");
        Undo::open(Arc::new(OsFs), &run).unwrap().carry_out().unwrap();
        assert_eq!(tree(root), before, "{case}");
    }
}
