//! What was decoded from Kafka's own batches, encoded again: the same bytes where nothing is compressed, the same records where
//! something is. Messages of formats 0 and 1 are read and never written.

use std::path::Path;

use log_engine::batch::{Header, TimestampType};
use log_engine::fs::Source;
use log_engine::segment::{Scan, Step};
use log_engine::testing::golden;
use log_engine::{Batch, BatchBuilder, Codec, LeaderEpoch, Offset, OsFs, Record, Scratch};

/// A record with nothing borrowed.
type Row = (i64, i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn row(record: &Record<'_>) -> Row {
    let headers = record.headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
    let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let times = (record.timestamp.get(), record.own_timestamp.get());
    (record.offset.get(), times.0, times.1, bytes(record.key), bytes(record.value), headers)
}

fn rows(batch: &Batch<'_>) -> Vec<Row> {
    let mut scratch = Scratch::default();
    batch.records(&mut scratch).unwrap().map(|record| row(&record.unwrap())).collect()
}

/// The batch made again from nothing but what was decoded.
fn encoded_again(batch: &Batch<'_>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(batch.base_offset())
        .leader_epoch(batch.leader_epoch().unwrap_or(LeaderEpoch::new(-1)))
        .codec(batch.codec().unwrap(), None)
        .last_offset(batch.last_offset());
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.append_time(batch.max_timestamp());
    }
    if let Some(horizon) = batch.delete_horizon() {
        builder = builder.delete_horizon(horizon);
    }
    // Group coordinators write sequence 0 without a producer.
    if let Some(header) = batch.header() {
        builder = builder.producer(header.producer_id(), header.producer_epoch(), header.base_sequence());
    }
    if batch.is_transactional() {
        builder = builder.transactional();
    }
    if batch.is_control() {
        builder = builder.control();
    }
    let mut out = Vec::new();
    if batch.record_count() == Some(0) {
        builder.finish_emptied(batch.max_timestamp(), &mut out).unwrap();
        return out;
    }
    let mut scratch = Scratch::default();
    for record in batch.records(&mut scratch).unwrap() {
        let record = record.unwrap();
        let headers: Vec<Header<'_>> = record.headers.collect();
        builder.push_at(record.offset, record.own_timestamp, record.key, record.value, &headers).unwrap();
    }
    builder.finish(&mut out).unwrap();
    out
}

/// Checks every sound batch of one file; how many were plain, compressed and of older formats.
fn check(path: &Path) -> [u64; 3] {
    let mut counts = [0; 3];
    let mut scan = Scan::new(Source::open(&OsFs, path).unwrap());
    while let Step::Batch(frame) = scan.next().unwrap() {
        let Ok(batch) = frame.batch() else { continue };
        if batch.check_crc().is_err() || batch.magic() != 2 {
            counts[2] += u64::from(batch.magic() < 2);
            continue;
        }
        let again = encoded_again(&batch);
        let place = format!("{} at byte {}", path.display(), frame.position());
        if batch.codec() == Ok(Codec::None) {
            assert_eq!(again, batch.bytes(), "{place}");
            counts[0] += 1;
        } else {
            let again = Batch::parse(&again).unwrap();
            assert_eq!(again.check_crc(), Ok(()), "{place}");
            assert_eq!(rows(&again), rows(&batch), "{place}");
            assert_eq!(again.max_timestamp(), batch.max_timestamp(), "{place}");
            counts[1] += 1;
        }
    }
    counts
}

// conformance: RB-014 MRB-013 MRB-014
#[test]
fn batches_that_kafka_wrote_are_encoded_again_as_they_were() {
    let mut totals = [0; 3];
    let cases = golden::kafka_cases().into_iter().map(|case| golden::kafka(&case).join("dir"));
    let replicas = golden::replica_scenarios().into_iter().map(|scenario| golden::replicas(&scenario));
    for folder in cases.chain(replicas) {
        for file in golden::files(&folder) {
            if file.extension().is_some_and(|suffix| suffix == "log") {
                let counts = check(&folder.join(&file));
                totals.iter_mut().zip(counts).for_each(|(total, n)| *total += n);
            }
        }
    }
    let [plain, compressed, older] = totals;
    println!(
        "{plain} plain batches byte for byte, {compressed} compressed ones record for record, {older} older messages read"
    );
    assert!(plain > 3_000 && compressed > 300 && older > 300, "{totals:?}");
}

#[test]
fn a_changed_record_makes_other_bytes() {
    let mut out = Vec::new();
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.push(log_engine::Timestamp::new(1), Some(b"k"), Some(b"v"), &[]).unwrap();
    builder.finish(&mut out).unwrap();
    let batch = Batch::parse(&out).unwrap();
    assert_eq!(encoded_again(&batch), out);
    let mut other = out.clone();
    *other.last_mut().unwrap() ^= 2;
    assert_ne!(Batch::parse(&other).map(|batch| batch.check_crc()), Ok(Ok(())));
}
