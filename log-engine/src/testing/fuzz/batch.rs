//! Any bytes as a batch.

use super::{OUTPUT_LIMIT, assert_within};
use crate::batch::{
    Batch, BatchBuilder, ControlRecord, FRAMING_LEN, Header, Headers, Record, Scratch, TimestampType, Walk, assign,
};
use crate::error::Rule;
use crate::units::{LeaderEpoch, Offset};

/// Decodes the bytes as one batch, its records and control records, and encodes what was decoded.
///
/// # Panics
/// If an error lies outside the bytes, records come back changed or more than the bytes can hold, the same records give other
/// bytes the second time, or stamping offset and epoch touches anything else.
pub fn batch(data: &[u8]) {
    assert_walk_tiles(data);
    let batch = match Batch::parse(data) {
        Ok(batch) => batch,
        Err(malformed) => return assert_within(&malformed, data.len()),
    };
    assert!(data.starts_with(batch.bytes()) && batch.bytes().len() > FRAMING_LEN);
    assert_stamps_only_its_fields(&batch);
    let _ = (batch.producer(), batch.last_offset(), batch.delete_horizon(), batch.codec(), batch.leader_epoch());

    let mut scratch = Scratch::with_limit(OUTPUT_LIMIT);
    let Some(records) = decoded(&batch, &mut scratch) else { return };
    if batch.is_control() {
        records.iter().for_each(assert_control_within);
    }
    if let Some(bytes) = encoded(&batch, &records) {
        let again = Batch::parse(&bytes).expect("a batch of our own");
        again.check_crc().expect("its checksum");
        let mut room = Scratch::default();
        let same = decoded(&again, &mut room).expect("records of our own");
        assert_eq!(same.len(), records.len());
        same.iter().zip(&records).for_each(|(same, record)| assert_same(same, record));
        assert_eq!(encoded(&again, &same).as_ref(), Some(&bytes), "the same records, other bytes");
    }
}

/// The records of `batch`, if all can be read.
///
/// # Panics
/// If what is wrong lies outside the batch, or records have more bytes than there are.
pub(super) fn decoded<'s>(batch: &Batch<'s>, scratch: &'s mut Scratch) -> Option<Vec<Record<'s>>> {
    let len = batch.bytes().len();
    let records = match batch.records(scratch) {
        Ok(records) => records,
        Err(malformed) => {
            assert_within(&malformed, len);
            return None;
        }
    };
    let mut found = Vec::new();
    let mut bytes = 0;
    for record in records {
        match record {
            Ok(record) => {
                let headers: Vec<Header<'_>> = record.headers.collect();
                assert_eq!(headers.len(), record.headers.len(), "headers that were counted can be read");
                bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                found.push(record);
            }
            Err(malformed) => {
                // A place inside a decompressed wrapper counts from the wrapper's content.
                assert!(malformed.at <= len.max(OUTPUT_LIMIT), "{malformed}");
                return None;
            }
        }
    }
    assert!(bytes <= len.max(OUTPUT_LIMIT), "{bytes} bytes of keys and values in a batch of {len}");
    Some(found)
}

/// The v2 batch that holds `records` as `batch` does, uncompressed; `None` where the builder refuses what damage alone can bring.
fn encoded(batch: &Batch<'_>, records: &[Record<'_>]) -> Option<Vec<u8>> {
    let header = batch.header().filter(|_| !batch.is_control() && !records.is_empty())?;
    let mut builder = BatchBuilder::new(header.base_offset()).leader_epoch(header.leader_epoch());
    if batch.timestamp_type() == TimestampType::LogAppendTime {
        builder = builder.append_time(header.max_timestamp());
    }
    if let Some(horizon) = batch.delete_horizon() {
        builder = builder.delete_horizon(horizon);
    }
    if batch.is_transactional() {
        builder = builder.transactional();
    }
    if let Some(producer) = batch.producer() {
        builder = builder.producer(producer.id, producer.epoch, header.base_sequence());
    } else if header.base_sequence().get() != -1 {
        return None;
    }
    for record in records {
        let headers: Vec<Header<'_>> = record.headers.collect();
        builder.push_at(record.offset, record.own_timestamp, record.key, record.value, &headers).ok()?;
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).ok()?;
    Some(bytes)
}

/// Equal but for the form of their numbers, which may be longer than they need be: that makes a record longer, and its headers.
fn assert_same<'a>(one: &Record<'a>, other: &Record<'a>) {
    let plain = |record: &Record<'a>| Record { headers: Headers::default(), encoded_len: 0, ..*record };
    assert_eq!(plain(one), plain(other));
    assert!(one.headers.eq(other.headers), "{one:?} has not the headers of {other:?}");
}

fn assert_control_within(record: &Record<'_>) {
    if let Err(malformed) = ControlRecord::parse(record) {
        let len = record.key.map_or(0, <[u8]>::len).max(record.value.map_or(0, <[u8]>::len));
        assert_within(&malformed, len);
    }
}

/// The checksum covers neither of the two fields that a leader stamps; nothing else may move.
fn assert_stamps_only_its_fields(batch: &Batch<'_>) {
    let mut stamped = batch.bytes().to_vec();
    match assign(&mut stamped, Offset::new(i64::MIN), LeaderEpoch::new(i32::MIN)) {
        Ok(()) => {
            let same = |range: std::ops::Range<usize>| stamped.get(range.clone()) == batch.bytes().get(range);
            assert!(same(8..12) && same(16..stamped.len()));
            let after = Batch::parse(&stamped).expect("the same length");
            assert_eq!(after.check_crc().is_ok(), batch.check_crc().is_ok());
            assert_eq!(
                (after.base_offset().get(), after.leader_epoch().map(LeaderEpoch::get)),
                (i64::MIN, Some(i32::MIN))
            );
        }
        Err(malformed) => {
            assert_ne!(batch.magic(), 2, "{malformed}");
            assert!(matches!(malformed.rule, Rule::Version { .. }), "{malformed}");
            assert_eq!(stamped, batch.bytes());
        }
    }
}

/// The batches of a slice lie one behind the other from its first byte on.
fn assert_walk_tiles(data: &[u8]) {
    let mut walk = Walk::new(data);
    let mut end = 0;
    while let Some((at, batch)) = walk.next() {
        assert_eq!(at, end);
        end = walk.position();
        match batch {
            Ok(batch) => assert_eq!(Some(batch.bytes()), data.get(at..end)),
            Err(malformed) => assert_within(&malformed, end),
        }
    }
    assert_eq!(walk.position(), end);
    assert!(walk.stop().is_some());
}
