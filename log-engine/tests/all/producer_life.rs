//! What a log knows of its producers, through the public API: markers, idle producers, batches that leave nothing behind.

use std::path::Path;
use std::sync::Arc;

use log_engine::log::{ManualClock, RunTasks, Sender};
use log_engine::{
    AppendAsLeader, Appended, BatchBuilder, Codec, Compression, Error, LeaderEpoch, Log, LogConfig, NewRecord, Offset,
    OpenOptions, OsFs, ProducerEpoch, ProducerId, Sequence, Timestamp,
};

const EPOCH: LeaderEpoch = LeaderEpoch::new(0);
const START: i64 = 1_700_000_000_000;

fn open(dir: &Path, config: LogConfig, clock: &Arc<ManualClock>) -> Log {
    let options = OpenOptions { clean: true, clock: Arc::clone(clock) as _, ..OpenOptions::default() };
    Log::open(Arc::new(OsFs), &dir.join("orders-0"), config, options).unwrap().0
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::new(START)))
}

fn produce(log: &Log, base_sequence: i32) -> Appended {
    let (id, epoch) = (ProducerId::new(7), ProducerEpoch::new(0));
    let sender = Sender { id, epoch, base_sequence: Sequence::new(base_sequence), is_transactional: false };
    let record = NewRecord { value: Some(b"v"), ..NewRecord::default() };
    log.append_records([record], Some(sender), &AppendAsLeader::client(EPOCH)).unwrap()
}

fn producers(log: &Log) -> Vec<i64> {
    log.describe().unwrap().producers.iter().map(|(id, _)| id.get()).collect()
}

/// A control batch of a producer with one record.
fn control(key: &[u8], value: &[u8]) -> Vec<u8> {
    let producer = (ProducerId::new(7), ProducerEpoch::new(0));
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder = builder.producer(producer.0, producer.1, Sequence::new(-1)).transactional().control();
    builder.push(Timestamp::new(START), Some(key), Some(value), &[]).unwrap();
    builder.into_batch().unwrap()
}

// conformance: ETM-002 ETM-003
#[test]
fn a_marker_that_cannot_be_one_is_refused_as_kafka_refuses_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), LogConfig::default(), &clock());
    let (commit, value) = ([0, 0, 0, 1], [0, 0, 0, 0, 0, 1]);
    let (invalid, unknown) = (Some("INVALID_RECORD"), Some("UNKNOWN_SERVER_ERROR"));
    for (what, key, value, expected) in [
        ("a commit", &commit[..], &value[..], None),
        ("an abort of a later version of the key, with more in it", &[0, 5, 0, 0, 9], &value, None),
        ("a later version of the value, with more in it", &commit, &[0, 3, 0, 0, 0, 1, 9], None),
        ("three bytes of a key", &commit[..3], &value, invalid),
        ("a version of the key below 0", &[0xff, 0xff, 0, 1], &value, invalid),
        ("a version of the value below 0", &commit, &[0xff, 0xff, 0, 0, 0, 1], invalid),
        ("another type", &[0, 0, 0, 5], &value, unknown),
        ("another type, and no whole value", &[0, 0, 0, 2], &[0, 0], unknown),
        ("a type that nobody knows", &[0, 0, 1, 0x51], &value, unknown),
    ] {
        let end = log.end();
        let appended = log.append_as_leader(&mut control(key, value), &AppendAsLeader::coordinator(EPOCH, 0));
        let refused = match appended {
            Ok(appended) => {
                assert_eq!(appended.first_offset, Some(end));
                None
            }
            Err(Error::Refused(refusal)) => Some(refusal.protocol_name()),
            Err(other) => panic!("{what}: {other}"),
        };
        assert_eq!(refused, expected, "{what}");
        assert_eq!(log.end().get() - end.get(), i64::from(expected.is_none()), "{what}");
    }
}

/// Kafka takes such a batch from a coordinator; where it has to be written in another codec, nothing is left of it.
#[test]
fn a_batch_without_records_that_is_built_anew_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { compression: Compression::Codec(Codec::Gzip, None), ..LogConfig::default() };
    let log = open(dir.path(), config, &clock());
    let mut empty = Vec::new();
    BatchBuilder::new(Offset::ZERO).finish_emptied(Timestamp::NONE, &mut empty).unwrap();
    assert_eq!(empty.len(), 61);
    for records in 0..2 {
        let before = log.describe().unwrap();
        let appended =
            log.append_as_leader(&mut empty.clone(), &AppendAsLeader::coordinator(LeaderEpoch::new(4), 0)).unwrap();
        let offsets = (appended.first_offset, appended.last_offset);
        assert_eq!(offsets, (Some(Offset::new(records)), Some(Offset::new(records - 1))));
        assert_eq!(log.describe().unwrap(), before);
        produce(&log, i32::try_from(records).unwrap());
    }
    assert_eq!(log.end(), Offset::new(2));
}

// conformance: PIE-001 PIE-003
#[test]
fn an_idle_producer_is_forgotten_and_known_again_with_its_next_batch() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let config = |ms| LogConfig { producer_id_expiration_ms: ms, ..LogConfig::default() };
    let after = |ms: i64| clock.set(Timestamp::new(START + ms));
    let log = open(dir.path(), config(600_000), &clock);
    produce(&log, 0);
    after(599_999);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!(producers(&log), [7]);
    after(600_000);
    log.run_tasks(RunTasks::Due).unwrap();
    assert_eq!(producers(&log), [0; 0]);
    produce(&log, 1);
    assert_eq!((producers(&log), log.end().get()), (vec![7], 2));
    // A shorter time holds from then on, and for what a restart reads.
    after(600_100);
    log.update_config(config(100));
    assert_eq!(log.expire_producers(), 0);
    produce(&log, 2);
    log.close().unwrap();
    after(600_199);
    assert_eq!(producers(&open(dir.path(), config(100), &clock)), [7]);
    after(600_200);
    assert_eq!(producers(&open(dir.path(), config(100), &clock)), [0; 0]);
}
