//! Logs opened after all that can happen to them, held against what real brokers did with the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::checkpoint::OffsetCheckpoint;
use log_engine::fs::{MemoryFile, Source};
use log_engine::inspect::{FailureEffect, StartOptions, StartRule, predict_start};
use log_engine::log::{ManualClock, PartitionName};
use log_engine::segment::{Resync, Scan, Step};
use log_engine::testing::golden;
use log_engine::{Error, Log, LogConfig, Offset, OpenOptions, OsFs, RecoveryMode, RecoveryReport, Rule, Timestamp};

/// Cases whose outcome no single directory tells; see the tests of `predict_start`.
const EXCEPTIONS: &str = include_str!("../golden/damage/start-exceptions.tsv");

/// The settings of the topics in the damaged set.
fn damage_config() -> LogConfig {
    LogConfig {
        segment_bytes: 3 << 10,
        segment_index_bytes: 512,
        index_interval_bytes: 300,
        retention_ms: None,
        // No crash: any sound batch behind damage says that it is none's.
        max_unsynced_bytes: 0,
        ..LogConfig::default()
    }
}

/// What the files of a log directory say of one of its partitions.
fn options(root: &Path, partition: &str, mode: RecoveryMode, now: Timestamp) -> OpenOptions {
    let offset = |file: &str| {
        let path = root.join(file);
        let parsed = fs::read(&path).ok().and_then(|bytes| OffsetCheckpoint::parse(&bytes, &path).ok());
        let name = PartitionName::parse(partition).map(|name| name.partition);
        let found = parsed.and_then(|parsed| parsed.by_partition().get(&name?).copied());
        found.unwrap_or(Offset::ZERO)
    };
    OpenOptions {
        mode,
        clean: root.join(".kafka_cleanshutdown").exists(),
        recovery_point: offset(OffsetCheckpoint::RECOVERY_POINT),
        log_start: offset(OffsetCheckpoint::LOG_START),
        clock: Arc::new(ManualClock::at(now)),
        ..OpenOptions::default()
    }
}

fn open(root: &Path, partition: &str, mode: RecoveryMode) -> Result<(Log, RecoveryReport), Error> {
    let options = options(root, partition, mode, Timestamp::new(1_700_000_500_000));
    Log::open(Arc::new(OsFs), &root.join(partition), damage_config(), options)
}

/// All files of a folder with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    golden::files(folder).into_iter().map(|file| (file.clone(), fs::read(folder.join(file)).unwrap())).collect()
}

/// Base offsets and bytes of the sound batches that stand anywhere in the `.log` files of a folder.
fn sound_batches(folder: &Path) -> BTreeSet<(i64, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for (path, bytes) in contents(folder) {
        if path.extension().is_none_or(|suffix| suffix != "log") {
            continue;
        }
        let mut scan = Scan::new(Source::new(&path, Arc::new(MemoryFile::new(bytes))).unwrap());
        loop {
            let is_sound = match scan.next().unwrap() {
                Step::Batch(frame) if frame.check_crc().is_ok() => {
                    found.insert((frame.offset().get(), frame.bytes().unwrap().to_vec()));
                    true
                }
                _ => false,
            };
            if !is_sound && !matches!(scan.resync().unwrap(), Resync::Found(_)) {
                break;
            }
        }
    }
    found
}

/// Names of the `.log` files of a folder.
fn logs_in(folder: &Path) -> BTreeSet<String> {
    let names = golden::files(folder).into_iter().map(|file| file.to_str().unwrap().to_owned());
    names.filter(|name| name.ends_with(".log")).collect()
}

fn exceptions() -> BTreeSet<&'static str> {
    EXCEPTIONS.lines().skip(1).filter_map(|line| line.split('\t').next()).collect()
}

#[test]
fn every_damaged_log_opens_as_the_broker_opened_it() {
    let exceptions = exceptions();
    let (mut opened, mut refused, mut wrong) = (0, 0, Vec::new());
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        let truth = damaged.truth();
        let partition = format!("{}-0", truth["cluster"]["topic"].as_str().unwrap());
        if !damaged.before().join(&partition).is_dir() || exceptions.contains(case.as_str()) {
            continue;
        }
        let start = predict_start(&OsFs, &[damaged.before().to_owned()], &StartOptions::default()).unwrap();
        let predicted = start.directories[0].partitions.iter().find(|p| p.path.ends_with(&partition)).unwrap();
        let logs_before = logs_in(&damaged.before().join(&partition));
        let result = open(damaged.before(), &partition, RecoveryMode::Kafka);
        let broker = &truth["broker"];
        // What is wrong with the topic's id or with files outside the folder is not the log's to say.
        let of_log = predicted.failure.as_ref().filter(|failure| {
            failure.file.file_name().is_none_or(|name| name != "partition.metadata")
                && failure.effect != FailureEffect::Stray
                && !matches!(failure.rule, StartRule::OpenTransaction { .. })
        });
        match (of_log, result) {
            (Some(_), Err(Error::Corrupt(_) | Error::NotReadable { .. })) => refused += 1,
            (None, Ok((log, report))) => {
                opened += 1;
                let ends = (log.start().get(), log.end().get());
                let expected = (broker["log_start"].as_i64(), broker["log_end"].as_i64());
                if let (Some(start), Some(end)) = expected
                    && ends != (start, end)
                {
                    wrong.push(format!("{case}: {ends:?}, but {start} to {end} seen"));
                }
                let seen: BTreeSet<_> = broker["segments_deleted"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|file| file.as_str().unwrap().rsplit('/').next().unwrap().to_owned())
                    .collect();
                let mut gone: BTreeSet<_> = report.segments_deleted.iter().cloned().collect();
                if gone.is_empty() {
                    // What finished cleaning replaced.
                    gone = logs_before.difference(&logs_in(&damaged.before().join(&partition))).cloned().collect();
                }
                if broker["started"].as_bool() == Some(true) && gone != seen {
                    wrong.push(format!("{case}: {gone:?} went, but {seen:?} seen"));
                }
            }
            (expected, other) => wrong.push(format!("{case}: {:?}, but {expected:?} expected", other.map(|(_, r)| r))),
        }
    }
    eprintln!("load: {opened} opened, {refused} refused");
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(opened > 250 && refused > 10, "{opened} {refused}");
}

/// Nothing was taken out of the log.
fn is_whole(report: &RecoveryReport) -> bool {
    report.cuts.is_empty() && report.segments_deleted.is_empty()
}

/// Everything that the set holds, in the modes that lose nothing: an error changes no byte, and an open log has every sound batch
/// that was there.
#[test]
fn no_sound_batch_is_lost_unless_a_broker_is_asked_to() {
    let (mut opened, mut refused, mut wrong) = ([0; 2], [0; 2], Vec::new());
    for case in golden::damage_cases() {
        for (n, mode) in [RecoveryMode::TornTail, RecoveryMode::Strict].into_iter().enumerate() {
            let damaged = golden::damage(&case);
            let partition = format!("{}-0", damaged.truth()["cluster"]["topic"].as_str().unwrap());
            let folder = damaged.before().join(&partition);
            if !folder.is_dir() {
                continue;
            }
            let before = contents(&folder);
            let is_swap = before.keys().any(|name| name.to_str().unwrap().ends_with(".swap"));
            let batches = sound_batches(&folder);
            match open(damaged.before(), &partition, mode) {
                Err(error) => {
                    refused[n] += 1;
                    let after = contents(&folder);
                    if after != before && !is_swap {
                        let changed = after.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes));
                        let changed: Vec<_> = changed.map(|(name, _)| name).collect();
                        wrong.push(format!("{case} {mode:?}: {error}, and {changed:?} changed"));
                    }
                }
                Ok((log, report)) => {
                    opened[n] += 1;
                    // A torn head can have any offset; that is no part of the checksum.
                    let is_head = |rule: &Rule| matches!(rule, Rule::OffsetOverflow { .. } | Rule::Below { .. });
                    let heads = report.cuts.iter().filter(|cut| is_head(&cut.rule)).count();
                    let lost = batches.difference(&sound_batches(&folder)).count();
                    if lost > heads && !is_swap {
                        wrong.push(format!("{case} {mode:?}: {lost} batches lost: {report:?}"));
                    }
                    if mode == RecoveryMode::Strict && !is_whole(&report) {
                        wrong.push(format!("{case}: strict, and {report:?}"));
                    }
                    let ends = (log.start(), log.end());
                    drop(log);
                    let once = contents(&folder);
                    let (again, second) = open(damaged.before(), &partition, mode).unwrap();
                    let same = (again.start(), again.end()) == ends && contents(&folder) == once;
                    if !same || !is_whole(&second) || !second.files_rebuilt.is_empty() {
                        wrong.push(format!("{case} {mode:?}: a second time {second:?}, {ends:?}"));
                    }
                }
            }
        }
    }
    eprintln!("load: {opened:?} opened, {refused:?} refused");
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(opened[0] > opened[1] && refused[0] > 50);
}

/// `index.interval.bytes` of the topics of the crashed directories.
fn crash_config(partition: &str) -> LogConfig {
    let interval = match partition {
        "crash-seg-0" | "crash-txn-0" | "crash-idem-0" => 100,
        "crash-none-0" | "__transaction_state-0" => 4096,
        _ => 300,
    };
    LogConfig { index_interval_bytes: interval, segment_index_bytes: 1024, ..LogConfig::default() }
}

/// When the broker ran: what the markers of its transactions say.
fn time_of(root: &Path) -> Timestamp {
    let mut latest = Timestamp::NONE;
    for file in golden::files(root).into_iter().filter(|file| file.extension().is_some_and(|suffix| suffix == "log")) {
        let source = Source::open(&OsFs, &root.join(file)).unwrap();
        let mut scan = Scan::new(source);
        while let Step::Batch(frame) = scan.next().unwrap() {
            latest = latest.max(frame.max_timestamp().unwrap());
        }
    }
    latest
}

#[test]
fn crashed_logs_come_to_the_bytes_that_the_broker_made_of_them() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for crash in ["crash", "crash-cut", "crash-flip", "crash-garbage"] {
        let root = golden::private_copy(&golden::kafka(&format!("{crash}/before")).join("dir"));
        let after = golden::kafka(&format!("{crash}/after")).join("dir");
        let now = time_of(root.path());
        for entry in fs::read_dir(&after).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
            let partition = entry.file_name().into_string().unwrap();
            let options = options(root.path(), &partition, RecoveryMode::Kafka, now);
            let folder = root.path().join(&partition);
            let (log, report) = Log::open(Arc::new(OsFs), &folder, crash_config(&partition), options).unwrap();
            log.run_tasks(log_engine::log::RunTasks::All).unwrap();
            log.close().unwrap();
            let (ours, theirs) = (contents(&folder), contents(&entry.path()));
            let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            // The broker was elected once more, so that its epochs are one more.
            for name in names.into_iter().filter(|name| name.to_str() != Some("leader-epoch-checkpoint")) {
                compared += 1;
                if ours.get(name) != theirs.get(name) {
                    let len = |bytes: Option<&Vec<u8>>| bytes.map(Vec::len);
                    let (ours, theirs) = (len(ours.get(name)), len(theirs.get(name)));
                    wrong.push(format!("{crash} {partition} {}: {ours:?}, {theirs:?} {report:?}", name.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} files:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 200, "{compared}");
}
