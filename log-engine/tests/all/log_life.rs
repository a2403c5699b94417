//! A log from its first record to its close, through the public API, on the real disk.

use std::path::Path;
use std::sync::Arc;

use log_engine::log::{ManualClock, RunTasks, TimeTarget};
use log_engine::{
    AppendAsLeader, BatchBuilder, Codec, Durability, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset,
    OpenOptions, OsFs, ProducerEpoch, ProducerId, Refusal, Sequence, Timestamp,
};

const EPOCH: LeaderEpoch = LeaderEpoch::new(0);
const START: Timestamp = Timestamp::new(1_700_000_000_000);

fn config() -> LogConfig {
    LogConfig { segment_bytes: 1000, index_interval_bytes: 100, segment_index_bytes: 1000, ..LogConfig::default() }
}

fn open(dir: &Path, config: LogConfig, clean: bool) -> Log {
    let options = OpenOptions { clean, clock: Arc::new(ManualClock::at(START)), ..OpenOptions::default() };
    Log::open(Arc::new(OsFs), &dir.join("orders-0"), config, options).unwrap().0
}

fn append(log: &Log, values: &[&str]) -> (i64, i64) {
    let records = values.iter().map(|value| NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() });
    let appended = log.append_records(records, None, &AppendAsLeader::client(EPOCH)).unwrap();
    (appended.first_offset.unwrap().get(), appended.last_offset.unwrap().get())
}

fn read(log: &Log, from: i64) -> Vec<u8> {
    let read = log.read(Offset::new(from), 1 << 20, Isolation::LogEnd, true).unwrap();
    read.slice.map(|slice| slice.read_to_vec().unwrap()).unwrap_or_default()
}

#[test]
fn records_come_back_across_rolls_and_the_end_follows() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), config(), true);
    assert_eq!(append(&log, &["a", "b"]), (0, 1));
    for n in 0..20 {
        assert_eq!(append(&log, &["0123456789".repeat(10).as_str()]), (n + 2, n + 2));
    }
    assert_eq!((log.start().get(), log.end().get()), (0, 22));
    let state = log.describe().unwrap();
    assert!(state.segments.len() > 2, "{state:?}");
    assert_eq!(log.active_segment(), state.segments.last().unwrap().base);
    assert!(read(&log, 0).ends_with(b"0123456789\0"));
    log.run_tasks(RunTasks::Immediate).unwrap();
    assert_eq!(log.recovery_point(), log.active_segment());
    log.flush(false).unwrap();
    assert_eq!(log.recovery_point(), log.end());
    let latest = log.offset_for_time(TimeTarget::Latest).unwrap().unwrap();
    assert_eq!((latest.offset.get(), latest.leader_epoch), (22, Some(EPOCH)));
    let closed = log.close().unwrap();
    assert_eq!(closed.recovery_point.get(), 22);
    assert!(matches!(log.append_records([], None, &AppendAsLeader::client(EPOCH)), Err(Error::Closed { .. })));
}

#[test]
fn a_ticket_is_durable_after_a_wait_and_at_once_at_the_level_synced() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), config(), true);
    let record = || [NewRecord { value: Some(b"x"), ..NewRecord::default() }];
    let written = log.append_records(record(), None, &AppendAsLeader::client(EPOCH)).unwrap();
    assert!(!written.ticket.is_durable().unwrap());
    written.ticket.wait().unwrap();
    assert!(written.ticket.is_durable().unwrap());
    let how = AppendAsLeader { durability: Some(Durability::Synced), ..AppendAsLeader::client(EPOCH) };
    assert!(log.append_records(record(), None, &how).unwrap().ticket.is_durable().unwrap());
}

// conformance: PRQ-001
#[test]
fn plain_and_compressed_batches_follow_each_other_with_the_producers_times() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), LogConfig::default(), true);
    for (codec, records, offsets) in [(Codec::None, 1, (0, 0)), (Codec::Gzip, 2, (1, 2))] {
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
        for n in 0..records {
            builder.push(Timestamp::new(START.get() + n), Some(b"key"), Some(b"value"), &[]).unwrap();
        }
        let mut batch = builder.into_batch().unwrap();
        let appended = log.append_as_leader(&mut batch, &AppendAsLeader::client(EPOCH)).unwrap();
        let found = (appended.first_offset.unwrap().get(), appended.last_offset.unwrap().get());
        assert_eq!((found, appended.append_time, appended.source_codec), (offsets, None, codec));
        assert_eq!(appended.max_timestamp.get(), START.get() + records - 1);
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Refusal {
    match result.unwrap_err() {
        Error::Refused(refusal) => *refusal,
        error => panic!("{error}"),
    }
}

/// A batch of 600 bytes that a leader of `epoch` has accepted from producer 7.
fn replicated(offset: i64, epoch: i32, transactional: bool) -> Vec<u8> {
    let producer = (ProducerId::new(7), ProducerEpoch::new(0), Sequence::new(0));
    let builder = BatchBuilder::new(Offset::new(offset)).leader_epoch(LeaderEpoch::new(epoch));
    let mut builder = builder.producer(producer.0, producer.1, producer.2);
    if transactional {
        builder = builder.transactional();
    }
    builder.push(START, None, Some(&[1; 600]), &[]).unwrap();
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_follower_goes_on_behind_a_refused_append_that_rolled_beyond_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), config(), true);
    log.append_as_follower(&replicated(0, 0, true), EPOCH).unwrap();
    let refused = log.append_as_follower(&replicated(50, 0, false), EPOCH);
    assert!(matches!(refusal(refused), Refusal::InvalidTxnState { offset: 50, .. }));
    log.run_tasks(RunTasks::Immediate).unwrap();
    assert_eq!((log.active_segment().get(), log.end().get(), log.recovery_point().get()), (50, 1, 1));
    let appended = log.append_as_follower(&replicated(1, 0, true), EPOCH).unwrap();
    assert_eq!((appended.first_offset, appended.segment.get(), log.end().get()), (Some(Offset::new(1)), 1, 2));
    assert_eq!(read(&log, 1), replicated(1, 0, true));
    log.run_tasks(RunTasks::All).unwrap();
    drop(log);
    let again = open(dir.path(), config(), false);
    assert_eq!((again.end().get(), again.active_segment().get()), (2, 1));
    let state = again.describe().unwrap();
    assert_eq!(state.segments.iter().map(|segment| segment.base.get()).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn epochs_below_zero_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), config(), true);
    let expected = Refusal::InvalidLeaderEpoch { epoch: -1, offset: 0 };
    assert_eq!(refusal(log.append_as_follower(&replicated(0, -1, true), EPOCH)), expected);
    assert_eq!(refusal(log.assign_epoch(LeaderEpoch::new(-1), Offset::ZERO)), expected);
    assert_eq!((log.end().get(), log.leader_epochs()), (0, Vec::new()));
}

#[test]
fn an_append_without_a_producer_moves_the_first_unstable_offset_behind_a_truncation() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), config(), true);
    log.append_as_follower(&replicated(0, 0, true), EPOCH).unwrap();
    log.set_high_watermark(Offset::new(1)).unwrap();
    assert_eq!((log.first_unstable_offset(), log.last_stable_offset().get()), (Some(Offset::ZERO), 0));
    log.truncate_to(Offset::ZERO).unwrap();
    append(&log, &["a"]);
    assert_eq!(log.first_unstable_offset(), None);
}
