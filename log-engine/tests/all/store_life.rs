//! A store from its first partition to its close and its next start, and what it does about directories and logs that fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::checkpoint::{CleanShutdown, MetaProperties, OffsetCheckpoint, PartitionMetadata, Uuid};
use log_engine::fs::{sim::Faults, sim::SimFs};
use log_engine::log::{ManualClock, RunTasks, root_files};
use log_engine::store::Identity;
use log_engine::{
    AppendAsLeader, Error, Fs, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset, OpenOptions, OsFs, Store,
    StoreOptions, StoreReport, Timestamp, TopicPartition, WriteFs,
};

const START: i64 = 1_700_000_000_000;

fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.to_owned(), partition }
}

fn options(clock: &Arc<ManualClock>) -> StoreOptions {
    let config = LogConfig { segment_bytes: 1000, file_delete_delay_ms: 1000, ..LogConfig::default() };
    StoreOptions { config, clock: Arc::clone(clock) as _, ..StoreOptions::default() }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::new(START)))
}

fn open(dirs: &[PathBuf]) -> (Store, StoreReport) {
    Store::open(Arc::new(OsFs), dirs, options(&clock())).unwrap()
}

fn append(log: &Log, records: usize) {
    for n in 0..records {
        let value = n.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
    }
}

fn checkpoint(dir: &Path, name: &str) -> Vec<(String, i64)> {
    let path = dir.join(name);
    let parsed = OffsetCheckpoint::parse(&fs::read(&path).unwrap_or_default(), &path);
    let entries = parsed.map(|checkpoint| checkpoint.entries).unwrap_or_default();
    entries.into_iter().map(|entry| (entry.partition.to_string(), entry.offset.get())).collect()
}

#[test]
fn a_clean_stop_is_a_quick_start_with_everything_where_it_was() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    let identity = Identity { cluster_id: "c1".to_owned(), node_id: 7, directory_id: Uuid::from_bytes([9; 16]) };
    let with_identity = || StoreOptions { identity: Some(identity.clone()), ..options(&clock()) };
    let (store, report) = Store::open(Arc::new(OsFs), &dirs, with_identity()).unwrap();
    assert!(report.directories.iter().all(|told| told.offline.is_none() && !told.was_clean && told.opened.is_empty()));
    let (orders, bills) = (partition("orders", 0), partition("bills", 3));
    let topic_id = Uuid::from_bytes([5; 16]);
    let log = store.create(&orders, Some(topic_id)).unwrap();
    append(&log, 50);
    log.set_high_watermark(Offset::new(40)).unwrap();
    log.delete_records_to(Offset::new(3)).unwrap();
    append(&store.create(&bills, None).unwrap(), 1);
    assert_eq!(store.list(), [bills.clone(), orders.clone()]);
    assert!(Arc::ptr_eq(&store.create(&orders, None).unwrap(), &log), "the same log, not another on the same folder");
    store.close().unwrap();

    // The fewest partitions decide where one goes.
    let (a, b) = (&dirs[0], &dirs[1]);
    let metadata = a.join("orders-0").join(PartitionMetadata::FILE_NAME);
    let metadata = PartitionMetadata::parse(&fs::read(&metadata).unwrap(), &metadata).unwrap();
    assert_eq!(metadata.topic_id, topic_id);
    assert_eq!(checkpoint(a, OffsetCheckpoint::RECOVERY_POINT), [("orders-0".to_owned(), 50)]);
    assert_eq!(checkpoint(a, OffsetCheckpoint::LOG_START), [("orders-0".to_owned(), 3)]);
    assert_eq!(checkpoint(a, OffsetCheckpoint::HIGH_WATERMARK), [("orders-0".to_owned(), 40)]);
    assert_eq!(checkpoint(b, OffsetCheckpoint::HIGH_WATERMARK), [("bills-3".to_owned(), 0)]);
    let ids = dirs.each_ref().map(|dir| {
        let path = dir.join(MetaProperties::FILE_NAME);
        let properties = MetaProperties::parse(&fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!((properties.cluster_id(), properties.node_id()), (Some("c1"), Some(7)));
        properties.directory_id().unwrap()
    });
    assert_ne!(ids[0], ids[1]);

    let (store, report) = Store::open(Arc::new(OsFs), &dirs, with_identity()).unwrap();
    assert!(report.directories.iter().all(|told| told.was_clean && told.opened.len() == 1), "{report:?}");
    assert!(!a.join(CleanShutdown::FILE_NAME).exists(), "it speaks for nothing any more");
    let log = store.log(&orders).unwrap();
    assert_eq!([log.start(), log.high_watermark(), log.end(), log.recovery_point()].map(Offset::get), [3, 40, 50, 50]);
    drop(store);

    let other = Identity { node_id: 8, ..identity };
    let options = StoreOptions { identity: Some(other), ..options(&clock()) };
    match Store::open(Arc::new(OsFs), &dirs, options) {
        Err(Error::Corrupt(corrupt)) => assert!(corrupt.to_string().contains("node.id is 7, but 8 fits"), "{corrupt}"),
        other => panic!("{other:?}"),
    }
}

// conformance: LMG-047
#[test]
fn two_stores_never_hold_one_directory() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().to_owned()];
    let (store, _) = open(&dirs);
    assert!(matches!(Store::open(Arc::new(OsFs), &dirs, options(&clock())), Err(Error::Locked { .. })));
    drop(store);
    open(&dirs);
}

#[test]
fn a_deleted_partition_is_gone_at_once_and_its_folder_later() {
    let root = tempfile::tempdir().unwrap();
    let clock = clock();
    let dirs = [root.path().to_owned()];
    let (store, _) = Store::open(Arc::new(OsFs), &dirs, options(&clock)).unwrap();
    let orders = partition("orders", 0);
    let old = store.create(&orders, None).unwrap();
    append(&old, 3);
    let id = Uuid::from_bytes([0xcd; 16]);
    assert!(store.delete(&orders, id).unwrap());
    assert!(!store.delete(&orders, id).unwrap());
    assert!(store.log(&orders).is_none());
    assert!(matches!(old.flush(true), Err(Error::Closed { .. })));
    // conformance: ULG-020
    clock.set(Timestamp::new(START + 600_000));
    assert_eq!(old.run_tasks(RunTasks::Due).unwrap(), []);
    clock.set(Timestamp::new(START));
    let folder = root.path().join(format!("orders-0.{}-delete", "cd".repeat(16)));
    assert!(folder.is_dir() && !root.path().join("orders-0").exists());
    assert_eq!(store.create(&orders, None).unwrap().end().get(), 0);
    assert_eq!(store.tick().folders_removed, 0);
    clock.set(Timestamp::new(START + 1000));
    let ticked = store.tick();
    assert_eq!((ticked.folders_removed, ticked.failed.len()), (1, 0));
    assert!(!folder.exists());
    // A folder that is left over from before is removed, too.
    fs::create_dir(&folder).unwrap();
    drop(store);
    let (store, report) = open(&dirs);
    assert_eq!(report.directories[0].to_be_removed, std::slice::from_ref(&folder));
    assert_eq!(store.tick().folders_removed, 1);
    assert!(!folder.exists());
}

#[test]
fn upkeep_writes_down_what_moves() {
    let root = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(Arc::new(OsFs), &[root.path().to_owned()], options(&clock)).unwrap();
    let log = store.create(&partition("orders", 0), None).unwrap();
    append(&log, 5);
    log.flush(false).unwrap();
    log.set_high_watermark(Offset::new(4)).unwrap();
    let recovery_point = || checkpoint(root.path(), OffsetCheckpoint::RECOVERY_POINT);
    let high_watermark = || checkpoint(root.path(), OffsetCheckpoint::HIGH_WATERMARK);
    assert!(store.tick().failed.is_empty());
    assert_eq!((recovery_point().len(), high_watermark().len()), (0, 0));
    clock.set(Timestamp::new(START + 1000));
    store.tick();
    // One less than is durable: the next roll adds to the indexes of the segment that ends here.
    assert_eq!((recovery_point(), high_watermark().len()), (vec![("orders-0".to_owned(), 4)], 0));
    clock.set(Timestamp::new(START + 5000));
    store.tick();
    assert_eq!(high_watermark(), [("orders-0".to_owned(), 4)]);
}

// conformance: LMG-008 LMG-049
#[test]
fn one_failed_directory_does_not_take_the_others_down() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), b"no directory").unwrap();
    // A file, a path that is none, and a folder in which nobody may make a file.
    for bad in [root.path().join("file"), root.path().join("bad\0path"), PathBuf::from("/proc/self")] {
        let dirs = [bad, root.path().join("good")];
        let (store, report) = open(&dirs);
        assert!(report.directories[0].offline.is_some() && report.directories[1].offline.is_none(), "{report:?}");
        append(&store.create(&partition("orders", 0), None).unwrap(), 1);
        assert!(dirs[1].join("orders-0").is_dir());
        store.close().unwrap();
        assert!(dirs[1].join(CleanShutdown::FILE_NAME).exists());
        assert!(!dirs[0].join(root_files::LOCK).exists());
        assert!(matches!(Store::open(Arc::new(OsFs), &dirs[..1], options(&clock())), Err(Error::Io { .. })));
    }
}

#[test]
fn a_log_that_cannot_be_opened_keeps_its_offsets_and_no_marker_speaks_for_it() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().to_owned()];
    let (store, _) = open(&dirs);
    for topic in ["good", "bad"] {
        let log = store.create(&partition(topic, 0), None).unwrap();
        append(&log, 30);
        log.set_high_watermark(Offset::new(9)).unwrap();
        log.delete_records_to(Offset::new(9)).unwrap();
    }
    store.close().unwrap();
    // Not a clean stop any more: everything is looked at, and a first segment is damaged in the middle.
    fs::remove_file(root.path().join(CleanShutdown::FILE_NAME)).unwrap();
    fs::remove_file(root.path().join(OffsetCheckpoint::RECOVERY_POINT)).unwrap();
    let segment = root.path().join("bad-0/00000000000000000000.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let mut options = options(&clock());
    options.config.max_unsynced_bytes = 500;
    let (store, report) = Store::open(Arc::new(OsFs), &dirs, options).unwrap();
    let told = &report.directories[0];
    assert_eq!(told.opened.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [partition("good", 0)]);
    assert!(matches!(&told.failed[..], [(name, Error::Corrupt(_))] if *name == partition("bad", 0)), "{told:?}");
    store.close().unwrap();
    assert_eq!(fs::read(&segment).unwrap(), bytes, "nothing was cut");
    assert!(!root.path().join(CleanShutdown::FILE_NAME).exists());
    for name in [OffsetCheckpoint::LOG_START, OffsetCheckpoint::HIGH_WATERMARK] {
        let mut entries = checkpoint(root.path(), name);
        entries.sort();
        assert_eq!(entries, [("bad-0".to_owned(), 9), ("good-0".to_owned(), 9)], "{name}");
    }
}

#[test]
fn a_partition_in_two_directories_is_opened_in_neither() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    for dir in &dirs {
        OsFs.create_dir(dir).unwrap();
        OsFs.create_dir(&dir.join("orders-0")).unwrap();
    }
    let (store, report) = open(&dirs);
    assert!(store.list().is_empty());
    assert!(report.directories.iter().all(|told| told.failed.len() == 1), "{report:?}");
    assert!(OsFs.list(&dirs[0].join("orders-0")).unwrap().is_empty());
}

// conformance: LMG-017
#[test]
fn what_is_no_partition_in_use_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let id = "ab".repeat(16);
    let names = [format!("orders-0.{id}-stray"), format!("orders-1.{id}-future"), "__cluster_metadata-0".to_owned()];
    for name in names.iter().chain(["lost+found".to_owned(), "remote-log-index-cache".to_owned()].iter()) {
        OsFs.create_dir(&root.path().join(name)).unwrap();
    }
    let (store, report) = open(&[root.path().to_owned()]);
    assert!(store.list().is_empty());
    assert_eq!(report.directories[0].left_alone.len(), 4, "a broker's cache is its own affair");
    store.close().unwrap();
    assert!(!root.path().join(CleanShutdown::FILE_NAME).exists(), "it would speak for the copy that is under way");
}

#[test]
fn a_directory_taken_offline_takes_its_partitions_with_it() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().join("a"), root.path().join("b")];
    let (store, _) = open(&dirs);
    let (first, second) = (partition("x", 0), partition("x", 1));
    store.create(&first, None).unwrap();
    store.create(&second, None).unwrap();
    store.take_offline(&dirs[0]);
    assert_eq!(store.list(), [second]);
    store.create(&first, None).unwrap();
    assert!(dirs[1].join("x-0").is_dir(), "where a directory is online");
}

// conformance: LMG-016
#[test]
fn partitions_go_where_the_fewest_are() {
    let root = tempfile::tempdir().unwrap();
    let dirs = ["a", "b", "c"].map(|name| root.path().join(name));
    let (store, _) = open(&dirs);
    (0..20).for_each(|n| drop(store.create(&partition("x", n), None).unwrap()));
    let count =
        |dir: &PathBuf| fs::read_dir(dir).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    let mut counts = dirs.each_ref().map(count);
    counts.sort_unstable();
    assert_eq!(counts, [6, 7, 7]);
}

// conformance: LMG-009
#[test]
fn a_partition_goes_to_the_next_directory_if_no_folder_can_be_made_in_the_first() {
    let root = tempfile::tempdir().unwrap();
    let dirs = ["a", "b", "c"].map(|name| root.path().join(name));
    let (store, _) = open(&dirs);
    for broken in &dirs[..2] {
        fs::remove_dir_all(broken).unwrap();
        fs::write(broken, b"no directory any more").unwrap();
    }
    let log = store.create(&partition("x", 0), None).unwrap();
    assert_eq!(log.path(), dirs[2].join("x-0"));
    fs::remove_dir_all(&dirs[2]).unwrap();
    assert!(
        matches!(store.create(&partition("x", 1), None), Err(Error::Io { path, .. }) if path.starts_with(&dirs[0]))
    );
}

/// A value of 20 bytes makes a batch of 88.
fn append_88(log: &Log, batches: usize) {
    for _ in 0..batches {
        let record = NewRecord { value: Some(&[7; 20]), ..NewRecord::default() };
        log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
    }
}

// conformance: LMG-012 LMG-014
#[test]
fn upkeep_keeps_logs_as_large_as_they_may_be_and_leaves_compacted_ones_alone() {
    let root = tempfile::tempdir().unwrap();
    let clock = clock();
    let small = LogConfig {
        segment_bytes: 10 * 88,
        retention_bytes: Some(50 * 88 + 10),
        retention_ms: None,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    let compact = LogConfig { compact: true, delete: false, retention_ms: Some(1), ..small.clone() };
    let topics = vec![("compact".to_owned(), compact)];
    let options = StoreOptions { config: small, topics, ..options(&clock) };
    let interval = options.retention_check_interval_ms;
    let (store, _) = Store::open(Arc::new(OsFs), &[root.path().to_owned()], options).unwrap();
    let log = store.create(&partition("orders", 0), None).unwrap();
    append_88(&log, 200);
    log.set_high_watermark(log.end()).unwrap();
    let compacted = store.create(&partition("compact", 0), None).unwrap();
    for _ in 0..20 {
        let record = NewRecord { key: Some(b"k"), value: Some(&[7; 200]), ..NewRecord::default() };
        compacted.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
    }
    compacted.set_high_watermark(compacted.end()).unwrap();
    let segments = |log: &Log| log.describe().unwrap().segments.len();
    let before = (segments(&log), segments(&compacted));
    assert!(before.0 == 20 && before.1 > 5, "{before:?}");
    for round in 1..3 {
        clock.set(Timestamp::new(START + round * interval));
        assert!(store.tick().failed.is_empty());
    }
    assert_eq!((segments(&log), segments(&compacted)), (6, before.1));
    let files = fs::read_dir(log.path()).unwrap().count();
    assert_eq!(files, 6 * 4 + 1, "log, two indexes and a snapshot each, and the epochs");
    assert!(matches!(log.read(Offset::ZERO, 1000, Isolation::LogEnd, true), Err(Error::OffsetOutOfRange { .. })));
}

// conformance: LMG-021 LMG-025
#[test]
fn every_log_of_a_directory_stands_in_its_checkpoint_file() {
    let root = tempfile::tempdir().unwrap();
    let with_slash = PathBuf::from(format!("{}/", root.path().display()));
    let (store, _) = open(&[with_slash]);
    for n in 0..5 {
        let log = store.create(&partition("x", n), None).unwrap();
        append(&log, usize::try_from(n).unwrap());
        log.roll().unwrap();
        log.flush(true).unwrap();
    }
    store.write_recovery_points().unwrap();
    let mut written = checkpoint(root.path(), OffsetCheckpoint::RECOVERY_POINT);
    written.sort();
    assert_eq!(written, (0..5).map(|n| (format!("x-{n}"), n)).collect::<Vec<_>>());
}

// conformance: CSF-001 CSF-002
#[test]
fn a_marker_is_read_by_the_next_start_and_gone_then() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().to_owned()];
    let path = root.path().join(CleanShutdown::FILE_NAME);
    let was_clean = || open(&dirs).1.directories[0].was_clean;
    assert!(!was_clean(), "there is none, which is no error");
    fs::write(&path, CleanShutdown { broker_epoch: Some(10) }.encode()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"version":0,"brokerEpoch":10}"#);
    assert_eq!(CleanShutdown::parse(&fs::read(&path).unwrap(), &path).unwrap().broker_epoch, Some(10));
    assert!(was_clean() && !path.exists());
    assert!(!was_clean());
}

// conformance: LDR-001
#[test]
fn a_start_that_dies_has_taken_the_marker_away_before_it_changed_anything() {
    let dirs = [PathBuf::from("/data")];
    let store_on = |disk: &SimFs| Store::open(Arc::new(disk.clone()), &dirs, options(&clock()));
    let disk = SimFs::with_folder("/data");
    let (store, report) = store_on(&disk).unwrap();
    assert!(!report.directories[0].was_clean);
    append(&store.create(&partition("orders", 0), None).unwrap(), 30);
    store.close().unwrap();
    let closed = disk.files();
    let marker = dirs[0].join(CleanShutdown::FILE_NAME);
    assert!(closed.contains_key(&marker));
    let (mut stopped_before, mut stopped_behind) = (0, 0);
    for stops_after in 0.. {
        let disk = SimFs::with_files(&closed);
        disk.set_faults(Faults { stops_after: Some(stops_after), ..Faults::default() });
        let opened = store_on(&disk);
        if !disk.has_stopped() {
            assert!(opened.unwrap().1.directories[0].was_clean);
            break;
        }
        drop(opened);
        let again = disk.restart();
        if again.files().contains_key(&marker) {
            stopped_before += 1;
            assert_eq!(again.files(), closed, "after {stops_after}");
            assert!(store_on(&again).unwrap().1.directories[0].was_clean);
        } else {
            stopped_behind += 1;
            assert!(!store_on(&again).unwrap().1.directories[0].was_clean);
        }
    }
    assert!(stopped_before > 0 && stopped_behind > 0, "{stopped_before} {stopped_behind}");
}

// conformance: HWP-001 HWP-002
#[test]
fn each_checkpoint_holds_the_high_watermarks_of_all_partitions() {
    let root = tempfile::tempdir().unwrap();
    let (store, _) = open(&[root.path().to_owned()]);
    let written = || {
        store.write_high_watermarks().unwrap();
        checkpoint(root.path(), OffsetCheckpoint::HIGH_WATERMARK)
    };
    let entry = |topic: &str, offset| (format!("{topic}-0"), offset);
    assert_eq!(written(), []);
    let first = store.create(&partition("topic1", 0), None).unwrap();
    assert_eq!(written(), [entry("topic1", 0)]);
    assert_eq!(first.set_high_watermark(Offset::new(5)).unwrap(), Offset::ZERO, "the log is empty");
    assert_eq!(written(), [entry("topic1", 0)]);
    append(&first, 6);
    first.set_high_watermark(Offset::new(5)).unwrap();
    assert_eq!(written(), [entry("topic1", 5)]);
    let second = store.create(&partition("topic2", 0), None).unwrap();
    append(&first, 6);
    append(&second, 18);
    first.set_high_watermark(Offset::new(10)).unwrap();
    second.set_high_watermark(Offset::new(15)).unwrap();
    let mut both = written();
    both.sort();
    assert_eq!(both, [entry("topic1", 10), entry("topic2", 15)]);
    assert_eq!((first.high_watermark().get(), second.high_watermark().get()), (10, 15));
}

// conformance: PMF-001 PMF-002
#[test]
fn a_partition_belongs_to_one_topic_id() {
    let root = tempfile::tempdir().unwrap();
    let dirs = [root.path().to_owned()];
    let (orders, id, other) = (partition("orders", 0), Uuid::from_bytes([5; 16]), Uuid::from_bytes([6; 16]));
    let said = |error| match error {
        Error::Corrupt(corrupt) => corrupt.to_string(),
        other => panic!("{other}"),
    };
    let expected = format!("topic id is \"{id}\", but \"{other}\" fits");
    let (store, _) = open(&dirs);
    let log = store.create(&orders, Some(id)).unwrap();
    let written = root.path().join("orders-0").join(PartitionMetadata::FILE_NAME);
    for is_written in [false, true] {
        assert_eq!(written.exists(), is_written);
        store.create(&orders, Some(Uuid::parse(&id.to_string()).unwrap())).unwrap();
        store.create(&orders, None).unwrap();
        assert!(said(store.create(&orders, Some(other)).unwrap_err()).contains(&expected));
        append(&log, 1);
    }
    store.close().unwrap();
    let open_as = |topic_id| {
        let options = OpenOptions { clean: true, topic_id, ..OpenOptions::default() };
        Log::open(Arc::new(OsFs), &root.path().join("orders-0"), LogConfig::default(), options).map(drop)
    };
    assert!(said(open_as(Some(other)).unwrap_err()).contains(&expected));
    open_as(Some(id)).unwrap();
    open_as(None).unwrap();
}
