//! What an append gives, what it refuses, and when it begins a segment.

use std::path::Path;
use std::sync::Arc;

use log_engine::batch::AppendOrigin;
use log_engine::checkpoint::{PartitionMetadata, Uuid};
use log_engine::log::RunTasks;
use log_engine::segment::SegmentFile;
use log_engine::{
    AppendAsLeader, BatchBuilder, Codec, Compression, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset,
    ProducerEpoch, ProducerId, Refusal, Rule, Scratch, Sequence, Timestamp, Walk,
};

use crate::partition::{DIR, EPOCH, LEN, NOW, Partition, by, clean, fetched, full_with, records, refusal, txn};

// conformance: LLG-008 ULG-003
#[test]
fn an_empty_log_reads_as_nothing_and_appends_tell_their_first_offset() {
    let log = Partition::new(LogConfig::default());
    assert!(log.read(Offset::ZERO, 1000, Isolation::LogEnd, true).unwrap().is_empty());
    assert_eq!((log.append(3), log.append(3)), (0, 3));
    assert_eq!((log.end().get(), log.recovery_point().get()), (6, 0));
    assert_eq!(records(&log.bytes(0, Isolation::LogEnd)).len(), 6);
    log.roll().unwrap();
    assert_eq!(log.append(1), 6);
}

// conformance: ULG-002
#[test]
fn a_raft_leaders_batches_keep_their_offsets_and_must_fit() {
    let log = Partition::new(LogConfig::default());
    let how = AppendAsLeader { origin: AppendOrigin::RaftLeader, ..AppendAsLeader::client(EPOCH) };
    let append = |base| log.append_as_leader(&mut fetched(base, 0, 3), &how);
    assert_eq!(append(0).unwrap().last_offset.unwrap().get(), 2);
    assert_eq!(refusal(append(1)), Refusal::UnexpectedAppendOffset { first: 1, last: 3, end: 3 });
    append(3).unwrap();
    assert_eq!((log.end().get(), log.all()), (6, vec![0, 3]));
}

// conformance: ULG-055
#[test]
fn a_hundred_records_over_many_segments_come_back_as_they_were() {
    let log = Partition::new(full_with(3));
    let row = |i: i64| (i, NOW + i, Some(format!("key {i}").into_bytes()), Some(format!("value {i}").into_bytes()));
    for i in 0..100 {
        let (_, timestamp, key, value) = row(i);
        let timestamp = Some(Timestamp::new(timestamp));
        let record = NewRecord { timestamp, key: key.as_deref(), value: value.as_deref(), headers: &[] };
        log.append_records([record], None, &AppendAsLeader::client(EPOCH)).unwrap();
    }
    let bytes: Vec<u8> = log.segments().into_iter().flat_map(|base| log.bytes(base, Isolation::LogEnd)).collect();
    assert_eq!(records(&bytes), (0..100).map(row).collect::<Vec<_>>());
    assert!(log.segments().len() > 20);
    log.run_tasks(RunTasks::Immediate).unwrap();
    assert!(log.recovery_point() >= log.active_segment());
}

// conformance: ULG-076 ULG-080
#[test]
fn a_record_may_have_no_value_and_no_time() {
    let log = Partition::new(LogConfig::default());
    log.append_at(&[-1]);
    log.append_records([NewRecord::default()], None, &AppendAsLeader::client(EPOCH)).unwrap();
    let rows = records(&log.bytes(0, Isolation::LogEnd));
    assert_eq!(rows, [(0, -1, None, Some(vec![7; 20])), (1, NOW, None, None)]);
}

// conformance: ULG-058 ULG-060
#[test]
fn a_leaders_batch_may_be_as_large_as_the_topic_and_a_segment_allow() {
    for (max_message_bytes, segment_bytes, refused) in [
        (LEN, LEN, None),
        (LEN - 1, LEN, Some(Refusal::MessageTooLarge { size: LEN, limit: LEN - 1 })),
        (LEN, LEN - 1, Some(Refusal::RecordListTooLarge { size: LEN, limit: LEN - 1 })),
    ] {
        let log = Partition::new(LogConfig { max_message_bytes, segment_bytes, ..LogConfig::default() });
        match refused {
            None => assert_eq!(log.append(1), 0),
            Some(expected) => assert_eq!(refusal(log.send(None, 1)), expected),
        }
    }
}

// conformance: ULG-059
#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let log = Partition::new(LogConfig { compact: true, ..LogConfig::default() });
    let append = |keys: &[Option<&[u8]>], codec| {
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
        keys.iter().for_each(|key| builder.push(Timestamp::new(NOW), *key, Some(b"v"), &[]).unwrap());
        log.append_as_leader(&mut builder.into_batch().unwrap(), &AppendAsLeader::client(EPOCH))
    };
    let (with, without) = (Some(&b"k"[..]), None);
    for (keys, codec, index) in
        [(&[without][..], Codec::None, 0), (&[without, with], Codec::None, 0), (&[with, without], Codec::Gzip, 1)]
    {
        match refusal(append(keys, codec)) {
            Refusal::InvalidRecords { errors } => {
                assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [index]);
            }
            other => panic!("{other:?}"),
        }
    }
    append(&[with, with], Codec::None).unwrap();
    append(&[with], Codec::Gzip).unwrap();
    assert_eq!(log.end().get(), 3);
}

// conformance: ULG-056
#[test]
fn a_compressed_batch_is_read_from_its_first_record_on() {
    let gzip = Compression::Codec(Codec::Gzip, None);
    let log = Partition::new(LogConfig { compression: gzip, ..LogConfig::default() });
    log.append(2);
    log.append(2);
    for (from, first) in [(0, 0), (1, 0), (2, 2), (3, 2)] {
        assert_eq!(records(&log.bytes(from, Isolation::LogEnd))[0].0, first, "{from}");
    }
}

// conformance: ULG-101 ULG-102
#[test]
fn leaders_stamp_their_epoch_and_followers_note_the_one_that_comes() {
    let leader = Partition::new(full_with(10));
    let how = AppendAsLeader::client(LeaderEpoch::new(72));
    for _ in 0..50 {
        let record = NewRecord { value: Some(&[7; 20]), ..NewRecord::default() };
        leader.append_records([record], None, &how).unwrap();
    }
    let epoch_of = |base| {
        let bytes = leader.bytes(base, Isolation::LogEnd);
        Walk::new(&bytes).next().unwrap().1.unwrap().leader_epoch()
    };
    assert!((0..50).all(|base| epoch_of(base) == Some(LeaderEpoch::new(72))));
    assert_eq!(leader.epochs(), [(72, 0)]);

    let follower = Partition::new(full_with(10));
    (0..50).for_each(|base| drop(follower.follow(&fetched(base, 42, 1)).unwrap()));
    assert_eq!((follower.latest_epoch(), follower.epochs()), (Some(LeaderEpoch::new(42)), vec![(42, 0)]));
}

// conformance: ULG-078
#[test]
fn a_follower_takes_no_offset_twice_in_any_format() {
    let batch = |base: i64, codec| {
        let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(EPOCH).codec(codec, None);
        builder.push(Timestamp::new(NOW), None, Some(b"v"), &[]).unwrap();
        builder.into_batch().unwrap()
    };
    let formats: [&dyn Fn(i64) -> Vec<u8>; 4] =
        [&|base| message(0, base, b"v"), &|base| message(1, base, b"v"), &|base| batch(base, Codec::None), &|base| {
            batch(base, Codec::Lz4)
        }];
    for of in formats {
        let log = Partition::new(LogConfig::default());
        log.follow(&of(0)).unwrap();
        log.follow(&of(1)).unwrap();
        assert_eq!(refusal(log.follow(&of(0))), Refusal::UnexpectedAppendOffset { first: 0, last: 0, end: 2 });
        log.follow(&of(5)).unwrap();
        assert_eq!(log.end().get(), 6);
    }
}

/// A message of format 0 or 1, without a key.
fn message(magic: u8, offset: i64, value: &[u8]) -> Vec<u8> {
    let mut body = vec![magic, 0];
    if magic == 1 {
        body.extend(NOW.to_be_bytes());
    }
    body.extend((-1_i32).to_be_bytes());
    body.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend(value);
    let length = i32::try_from(body.len() + 4).unwrap();
    [&offset.to_be_bytes()[..], &length.to_be_bytes(), &crc32fast::hash(&body).to_be_bytes(), &body].concat()
}

// conformance: ULG-040 ULG-041
#[test]
fn a_follower_does_not_check_sequences() {
    let of = |base: i64, id: i64, sequence: i32, records: usize| {
        let producer = (ProducerId::new(id), ProducerEpoch::new(0), Sequence::new(sequence));
        let mut builder = BatchBuilder::new(Offset::new(base)).producer(producer.0, producer.1, producer.2);
        (0..records).for_each(|_| builder.push(Timestamp::new(NOW), None, Some(b"v"), &[]).unwrap());
        builder.leader_epoch(EPOCH).into_batch().unwrap()
    };
    let log = Partition::new(LogConfig::default());
    log.follow(&of(0, 1, 0, 2)).unwrap();
    log.follow(&of(2, 1, 0, 2)).unwrap();
    assert_eq!((log.end().get(), log.all()), (4, vec![0, 2]));
    let log = Partition::new(LogConfig::default());
    let batches = [of(0, 1, 0, 1), of(1, 2, 0, 1), of(2, 1, 1, 1), of(3, 2, 1, 1), of(4, 2, 1, 1)].concat();
    log.follow(&batches).unwrap();
    assert_eq!((log.end().get(), log.all()), (5, vec![0, 1, 2, 3, 4]));
}

// conformance: ULG-042 ULG-135
#[test]
fn an_old_epoch_is_fenced_and_a_new_producer_may_begin_with_any_sequence() {
    let log = Partition::new(LogConfig::default());
    let of = |id, epoch, sequence| log_engine::log::Sender { epoch: ProducerEpoch::new(epoch), ..by(id, sequence) };
    log.send(Some(of(1, 1, 0)), 1).unwrap();
    let fenced = Refusal::InvalidProducerEpoch { producer: 1, offset: 1, found: 0, current: 1 };
    assert_eq!(refusal(log.send(Some(of(1, 0, 0)), 1)), fenced);
    log.send(Some(of(2, 5, 3)), 1).unwrap();
    assert_eq!(log.producers(), [(1, 0), (2, 3)]);
}

// conformance: ULG-024
#[test]
fn a_cleaned_batch_counts_the_records_that_it_had() {
    let log = Partition::new(LogConfig::default());
    let producer = (ProducerId::new(1), ProducerEpoch::new(0), Sequence::new(0));
    let mut builder = BatchBuilder::new(Offset::new(23)).producer(producer.0, producer.1, producer.2);
    builder = builder.leader_epoch(EPOCH).last_offset(Offset::new(26));
    for offset in [23, 25] {
        builder.push_at(Offset::new(offset), Timestamp::new(NOW), None, Some(b"v"), &[]).unwrap();
    }
    log.follow(&builder.into_batch().unwrap()).unwrap();
    assert_eq!((log.producers(), log.end().get()), (vec![(1, 3)], 27));
}

// conformance: ULG-045
#[test]
fn a_segment_is_full_when_the_next_batch_would_be_above_its_bytes() {
    let log = Partition::new(LogConfig { segment_bytes: 10 * (LEN - 1), ..LogConfig::default() });
    log.fill(11);
    assert_eq!(log.segments(), [0, 9]);
}

// conformance: LLG-004
#[test]
fn settings_are_changed_while_the_log_is_open() {
    let log = Partition::new(full_with(1));
    log.append(1);
    log.update_config(LogConfig { segment_bytes: 2 * LEN, ..log.config() });
    assert_eq!(log.config().segment_bytes, 2 * LEN);
    log.fill(2);
    assert_eq!(log.segments(), [0, 2]);
}

// conformance: LLG-002 LLG-034
#[test]
fn an_empty_segment_is_made_anew_and_others_are_followed_by_one_at_the_end() {
    let log = Partition::new(LogConfig::default());
    assert_eq!((log.roll().unwrap().get(), log.segments()), (0, vec![0]));
    assert!(log.names().contains(&"00000000000000000000.log.deleted".to_owned()), "{:?}", log.names());
    log.wait(log.config().file_delete_delay_ms);
    log.run_tasks(RunTasks::Due).unwrap();
    assert!(!log.names().iter().any(|name| name.ends_with(".deleted")), "{:?}", log.names());
    log.append(1);
    assert_eq!((log.roll().unwrap().get(), log.segments()), (1, vec![0, 1]));
    log.append(1);
    assert_eq!((log.roll().unwrap().get(), log.segments()), (2, vec![0, 1, 2]));
    assert_eq!((log.end().get(), log.all()), (2, vec![0, 1]));
}

// conformance: ULG-014
#[test]
fn an_empty_segment_whose_index_is_full_is_made_anew_by_the_next_append() {
    let log = Partition::new(LogConfig::default());
    log.roll().unwrap();
    assert_eq!(log.segments(), [0]);
    log.fill(2);
    log.update_config(LogConfig { segment_index_bytes: 7, ..log.config() });
    assert_eq!(log.roll().unwrap().get(), 2);
    log.update_config(LogConfig { segment_index_bytes: 1000, ..log.config() });
    assert_eq!(log.append(1), 2);
    assert_eq!((log.segments(), log.read_from(2, Isolation::LogEnd)), (vec![0, 2], vec![2]));
    assert!(log.names().contains(&"00000000000000000002.log.deleted".to_owned()));
}

// conformance: ULG-067
#[test]
fn a_followers_times_go_to_the_index_as_a_leaders_do() {
    let log = Partition::new(LogConfig { index_interval_bytes: 1, ..LogConfig::default() });
    for i in 0..100 {
        let mut builder = BatchBuilder::new(Offset::new(i)).leader_epoch(EPOCH);
        builder.push(Timestamp::new(NOW + i), None, Some(&[7; 20]), &[]).unwrap();
        log.follow(&builder.into_batch().unwrap()).unwrap();
    }
    log.close().unwrap();
    let path = Path::new(DIR).join(SegmentFile::TimeIndex.name(Offset::ZERO));
    let bytes = &log.disk.files()[&path];
    assert_eq!(bytes.len(), 99 * 12);
    assert_eq!(bytes[98 * 12..], [&(NOW + 99).to_be_bytes()[..], &99_i32.to_be_bytes()].concat());
}

// conformance: LDR-020 LDR-022
#[test]
fn a_batch_too_far_from_its_segments_base_begins_a_segment() {
    let far = 1_i64 << 31;
    let gzip = |base: i64| {
        let mut builder = BatchBuilder::new(Offset::new(base)).codec(Codec::Gzip, None).leader_epoch(EPOCH);
        (0..2).for_each(|_| builder.push(Timestamp::new(NOW), None, Some(b"v"), &[]).unwrap());
        builder.into_batch().unwrap()
    };
    let plain = |base| fetched(base, 0, 1);
    let check = |batch: &dyn Fn(i64) -> Vec<u8>, offsets: [i64; 4]| {
        let log = Partition::new(LogConfig { index_interval_bytes: 1, ..LogConfig::default() });
        offsets.iter().for_each(|base| drop(log.follow(&batch(*base)).unwrap()));
        assert_eq!((log.segments(), log.all()), (vec![0, far + 1], offsets.to_vec()));
        assert_eq!(log.files(SegmentFile::Snapshot), [far + 1]);
        log.close().unwrap();
        assert_eq!(log.files(SegmentFile::OffsetIndex), [0, far + 1]);
        let indexed = log.reopened(clean());
        assert_eq!(offsets.map(|base| indexed.read_from(base, Isolation::LogEnd)[0]), offsets);
    };
    check(&plain, [0, far + 1, far + 2, far + 3]);
    check(&gzip, [0, far + 1, far + 3, far + 5]);
}

// conformance: LDR-023
#[test]
fn a_wrapper_of_format_1_too_far_away_begins_a_segment_that_can_tell_its_last_offset() {
    let far = 1_i64 << 31;
    let wrapper = |last: i64| {
        let inner = [message(1, 0, b"a"), message(1, 1, b"b")].concat();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &inner).unwrap();
        let value = gzip.finish().unwrap();
        let mut wrapper = message(1, last, &value);
        wrapper[17] = Codec::Gzip.bits();
        let checksum = crc32fast::hash(&wrapper[16..]).to_be_bytes();
        wrapper[12..16].copy_from_slice(&checksum);
        wrapper
    };
    let log = Partition::new(LogConfig { index_interval_bytes: 1, ..LogConfig::default() });
    let bases = [1, 3, 5].map(|n| far + n);
    log.follow(&wrapper(1)).unwrap();
    bases.iter().for_each(|base| drop(log.follow(&wrapper(base + 1)).unwrap()));
    assert_eq!(log.segments(), [0, 3, far + 3]);
    assert_eq!(log.files(SegmentFile::Snapshot), [3, far + 3]);
    log.close().unwrap();
    assert_eq!(log.files(SegmentFile::OffsetIndex), [0, 3, far + 3]);
}

// conformance: ULG-062 ULG-064 ULG-066 LMI-001
#[test]
fn a_topic_id_is_written_with_the_first_append_and_stays() {
    let topic_id = Uuid::from_bytes([5; 16]);
    let name = PartitionMetadata::FILE_NAME;
    let options = log_engine::OpenOptions { topic_id: Some(topic_id), ..clean() };
    let log = Partition::open(log_engine::fs::sim::SimFs::with_folder("/data"), LogConfig::default(), options.clone());
    assert!(!log.names().contains(&name.to_owned()));
    log.append(1);
    let path = Path::new(DIR).join(name);
    let id_of = |log: &Partition| PartitionMetadata::parse(&log.disk.files()[&path], &path).unwrap().topic_id;
    assert_eq!(id_of(&log), topic_id);
    log.close().unwrap();
    let log = log.reopened(options);
    assert_eq!(id_of(&log), topic_id);

    // The log of a topic that was deleted is not that of the next one with its name.
    let other = Uuid::from_bytes([6; 16]);
    let options = log_engine::OpenOptions { topic_id: Some(other), ..clean() };
    match Log::open(Arc::new(log.disk.clone()), Path::new(DIR), LogConfig::default(), options) {
        Err(Error::Corrupt(corrupt)) => {
            let (found, expected) = (topic_id.to_string(), other.to_string());
            assert_eq!(corrupt.rule, Rule::OtherText { what: "topic id", found, expected });
        }
        opened => panic!("{opened:?}"),
    }

    // A crash can take it, if the disk loses what was not synced; the log opens all the same.
    let disk = log.disk.clone();
    log_engine::WriteFs::remove(&disk, &path).unwrap();
    let log = log.reopened(clean());
    assert_eq!((log.all(), log.append(1)), (vec![0], 1));
}

// conformance: ULG-134
#[test]
fn with_verification_on_a_transaction_has_to_be_announced() {
    let log = Partition::new(LogConfig { transaction_verification: true, ..LogConfig::default() });
    assert!(matches!(refusal(log.send(Some(txn(1, 0)), 1)), Refusal::InvalidTxnState { producer: 1, .. }));
    assert_eq!((log.end().get(), log.first_unstable_offset()), (0, None));
    let guard = log.start_verification(&announced(0)).unwrap();
    let how = AppendAsLeader { guard, ..AppendAsLeader::client(EPOCH) };
    log.append_records([NewRecord::default()], Some(txn(1, 0)), &how).unwrap();
    assert_eq!((log.end().get(), log.first_unstable_offset()), (1, Some(Offset::ZERO)));
}

fn announced(sequence: i32) -> log_engine::producer::Announcement {
    let (producer_id, epoch, sequence) = (ProducerId::new(1), ProducerEpoch::new(0), Sequence::new(sequence));
    log_engine::producer::Announcement { producer_id, epoch, sequence, has_own_epochs: false }
}

// conformance: ULG-131
#[test]
fn a_guard_lasts_until_the_transactions_first_batch_and_the_next_one_is_another() {
    let log = Partition::new(LogConfig { transaction_verification: true, ..LogConfig::default() });
    let open = || log.first_unstable_offset().is_some();
    let first = log.start_verification(&announced(1)).unwrap();
    assert!(first.is_some() && !open());
    log.send(Some(by(1, 0)), 1).unwrap();
    assert_eq!((log.start_verification(&announced(1)).unwrap(), open()), (first, false));
    let how = AppendAsLeader { guard: first, ..AppendAsLeader::client(EPOCH) };
    log.append_records([NewRecord::default()], Some(txn(1, 1)), &how).unwrap();
    assert_eq!((log.start_verification(&announced(2)).unwrap(), open()), (None, true));
    log.end_transaction(1, true);
    log.replicate();
    let next = log.start_verification(&announced(2)).unwrap();
    assert!(next.is_some() && next != first && !open());
    // What was announced first does not speak for the next transaction.
    assert!(log.append_records([NewRecord::default()], Some(txn(1, 2)), &how).is_err());

    // The first sequence of a producer that nobody knows may be any.
    let sender = log_engine::log::Sender { id: ProducerId::new(9), epoch: ProducerEpoch::new(1), ..txn(9, 3) };
    let announced = log_engine::producer::Announcement {
        producer_id: sender.id,
        epoch: sender.epoch,
        sequence: sender.base_sequence,
        has_own_epochs: false,
    };
    let guard = log.start_verification(&announced).unwrap();
    let how = AppendAsLeader { guard, ..AppendAsLeader::client(EPOCH) };
    log.append_records([NewRecord::default()], Some(sender), &how).unwrap();
}

#[test]
fn what_the_kit_makes_is_as_long_as_it_says() {
    let log = Partition::new(LogConfig::default());
    log.append(1);
    assert_eq!((log.size(), fetched(0, 0, 1).len() as u64), (LEN, LEN));
    let bytes = log.bytes(0, Isolation::LogEnd);
    let (_, batch) = Walk::new(&bytes).next().unwrap();
    assert_eq!(batch.unwrap().records(&mut Scratch::default()).unwrap().count(), 1);
}
