//! What is counted of batches whose content is known, and that it does not matter how they are dealt out.

use super::*;
use crate::batch::{BatchBuilder, Header, Scratch};
use crate::compress::Codec;
use crate::units::{ProducerEpoch, ProducerId, Sequence};

/// A batch from `offset` on with these times; every third record has no key, every fourth no value, every fifth a header.
fn batch(offset: i64, times: &[i64], codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(offset)).codec(codec, None);
    for (n, time) in times.iter().enumerate() {
        let key = format!("key-{}", n % 2);
        let key = (n % 3 != 0).then_some(key.as_bytes());
        let value = (n % 4 != 0).then_some(&[b'v'; 50][..]);
        let header = [Header { key: b"trace", value: Some(b"1") }];
        builder.push(Timestamp::new(*time), key, value, if n % 5 == 0 { &header[..] } else { &[] }).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    out
}

fn count(stats: &mut Stats, bytes: &[u8]) {
    let batch = Batch::parse(bytes).unwrap();
    let mut scratch = Scratch::default();
    let mut amount = Amount::default();
    for record in batch.records(&mut scratch).unwrap() {
        stats.record(&batch, &record.unwrap(), &mut amount);
    }
    stats.batch(&batch, amount);
}

const OPTIONS: StatsOptions = StatsOptions { keys: true, headers: true, now: Some(Timestamp::new(10_000)) };

#[test]
fn everything_is_counted_once() {
    let mut stats = Stats::new(OPTIONS);
    let plain = batch(0, &[100, 200, 3_600_000, -1, 500, 600], Codec::None);
    let zipped = batch(6, &[700; 100], Codec::Zstd);
    count(&mut stats, &plain);
    count(&mut stats, &zipped);
    assert_eq!((stats.data.records, stats.control.records), (106, 0));
    assert_eq!((stats.null_keys, stats.null_values, stats.with_headers), (2 + 34, 2 + 25, 2 + 20));
    assert_eq!((stats.without_time, stats.in_future), (1, 1));
    assert_eq!(stats.times, Some((Timestamp::new(100), Timestamp::new(3_600_000))));
    assert_eq!(stats.offsets, Some((Offset::new(0), Offset::new(105))));
    assert_eq!((stats.record_bytes.count(), stats.key_bytes.count(), stats.value_bytes.count()), (106, 70, 79));
    assert_eq!((stats.records_per_batch.min(), stats.records_per_batch.max()), (Some(6), Some(100)));
    assert_eq!(stats.hours.spans(1).len(), 2);

    let none = stats.codecs[usize::from(Codec::None.bits())];
    assert_eq!((none.batches, none.stored), (1, plain.len() as u64));
    // Uncompressed, the records are all of the batch behind its head.
    assert_eq!(none.records.bytes, plain.len() as u64 - 61);
    let zstd = stats.codecs[usize::from(Codec::Zstd.bits())];
    assert_eq!((zstd.batches, zstd.stored, zstd.records.records), (1, zipped.len() as u64, 100));
    assert!(zstd.records.bytes > 4 * zstd.stored);

    let keys: Vec<_> = stats.keys.most(9).into_iter().map(|named| (named.name, named.count)).collect();
    assert_eq!(keys, [(b"key-0".to_vec(), 2 + 33), (b"key-1".to_vec(), 2 + 33)]);
    assert_eq!(stats.headers.most(1)[0].count, 22);
    assert_eq!(stats.producers.most(9)[0].name, b"-1");
}

#[test]
fn it_does_not_matter_who_counted_what() {
    let batches: Vec<_> = (0..20_i64).map(|n| batch(10 * n, &[n * 1_000_000; 10], Codec::Lz4)).collect();
    let mut one = Stats::new(OPTIONS);
    batches.iter().for_each(|batch| count(&mut one, batch));
    let mut dealt = [Stats::new(OPTIONS), Stats::new(OPTIONS), Stats::new(OPTIONS)];
    for (n, batch) in batches.iter().enumerate() {
        count(&mut dealt[n % 3], batch);
    }
    let mut merged = Stats::new(OPTIONS);
    dealt.into_iter().for_each(|part| merged.merge(part));
    assert_eq!((merged.record_bytes, merged.hours, merged.codecs), (one.record_bytes, one.hours, one.codecs));
    assert_eq!((merged.keys.most(9), merged.leader_epochs.most(9)), (one.keys.most(9), one.leader_epochs.most(9)));
    assert_eq!((merged.times, merged.offsets, merged.data), (one.times, one.offsets, one.data));
}

#[test]
fn producers_and_leader_epochs_have_their_records() {
    let mut out = Vec::new();
    let mut builder = BatchBuilder::new(Offset::ZERO)
        .producer(ProducerId::new(77), ProducerEpoch::new(1), Sequence::new(0))
        .leader_epoch(crate::units::LeaderEpoch::new(5));
    builder.push(Timestamp::new(1), None, None, &[]).unwrap();
    builder.finish(&mut out).unwrap();
    let mut stats = Stats::new(StatsOptions::default());
    count(&mut stats, &out);
    assert_eq!(stats.producers.most(1)[0].name, b"77");
    assert_eq!(stats.leader_epochs.most(1)[0].name, b"5");
    assert_eq!((stats.keys.distinct(), stats.in_future), (0, 0));
}
