//! The rules of Kafka's `MemoryRecordsTest` and `LegacyRecordTest`: all formats and codecs hold the same records.

use super::*;
use crate::batch::testing::{HEAD, KINDS, Row, batches, message, wrapper};

/// Offset, time, key and value of a record.
type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of all batches in `bytes`, and how many batches these are.
fn read(bytes: &[u8]) -> (usize, Vec<Owned>) {
    let (mut count, mut found) = (0, Vec::new());
    for (_, batch) in Walk::new(bytes) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        let mut scratch = Scratch::default();
        for record in batch.records(&mut scratch).unwrap() {
            let record = record.unwrap();
            assert_eq!(record.headers.len(), 0);
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            found.push((record.offset.get(), record.timestamp.get(), owned(record.key), owned(record.value)));
        }
        count += 1;
    }
    (count, found)
}

fn expected(magic: i8, base: i64, rows: &[Row<'_>]) -> Vec<Owned> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let time = |time| if magic == 0 { -1 } else { time };
    (base..).zip(rows).map(|(offset, row)| (offset, time(row.0), owned(row.1), owned(row.2))).collect()
}

// conformance: MEM-001 MEM-019 MRB-015
#[test]
fn records_come_back_from_every_format_and_codec() {
    let rows: [Row<'_>; 6] = [
        (1, Some(b"a"), Some(b"1")),
        (2, Some(b"b"), Some(b"2")),
        (3, Some(b"c"), Some(b"3")),
        (4, None, Some(b"4")),
        (6, Some(b"d"), None),
        (5, None, None),
    ];
    for (magic, codec) in KINDS {
        for (base, rows) in [(0, &rows[..]), (57, &rows), (0, &rows[..1]), (57, &rows[..1])] {
            let bytes = batches((magic, codec), base, rows);
            let (count, found) = read(&bytes);
            assert_eq!(found, expected(magic, base, rows), "format {magic}, {codec}, from {base}");
            assert_eq!(count, if magic < 2 && codec == Codec::None { rows.len() } else { 1 });
            let batch = Batch::parse(&bytes).unwrap();
            assert_eq!((batch.magic(), batch.codec()), (magic, Ok(codec)));
            if magic < 2 {
                assert_eq!((batch.producer(), batch.leader_epoch(), batch.record_count()), (None, None, None));
                continue;
            }
            let (leader_epoch, id, epoch, sequence) = HEAD;
            let last = sequence + i32::try_from(rows.len()).unwrap() - 1;
            let producer = Producer {
                id: ProducerId::new(id),
                epoch: ProducerEpoch::new(epoch),
                base_sequence: Some(Sequence::new(sequence)),
                last_sequence: Some(Sequence::new(last)),
            };
            assert_eq!(
                (batch.producer(), batch.leader_epoch()),
                (Some(producer), Some(LeaderEpoch::new(leader_epoch)))
            );
            assert_eq!((batch.base_offset().get(), batch.record_count()), (base, i32::try_from(rows.len()).ok()));
            assert_eq!(batch.max_timestamp().get(), rows.iter().map(|row| row.0).max().unwrap());
            let mut scratch = Scratch::default();
            let sequences = batch.records(&mut scratch).unwrap().map(|record| record.unwrap().sequence.unwrap().get());
            assert!(sequences.eq(sequence..=last));
        }
    }
}

// conformance: LGR-001
#[test]
fn a_message_says_what_was_put_into_it() {
    let long = vec![7; 1000];
    let fields: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"short"), Some(&long)];
    for (magic, codec) in KINDS.into_iter().filter(|(magic, _)| *magic < 2) {
        for time in [-1, 0, 1] {
            for row in fields.into_iter().flat_map(|key| fields.map(|value| (time, key, value))) {
                let bytes = batches((magic, codec), 0, &[row]);
                assert_eq!(read(&bytes).1, expected(magic, 0, &[row]));
                let batch = Batch::parse(&bytes).unwrap();
                let wanted = if magic == 0 { TimestampType::None } else { TimestampType::CreateTime };
                assert_eq!((batch.magic(), batch.codec(), batch.timestamp_type()), (magic, Ok(codec), wanted));
                assert_eq!(batch.max_timestamp().get(), if magic == 0 { -1 } else { time });
            }
        }
    }
}

// conformance: MEM-004
#[test]
fn checksums_are_those_of_kafka() {
    let (first, second) =
        ((283_843, Some(&b"key1"[..]), Some(&b"value1"[..])), (1234, Some(&b"key2"[..]), Some(&b"value2"[..])));
    for (magic, checksum) in [(0, 1_978_725_405), (1, 109_425_508)] {
        let bytes = batches((magic, Codec::None), 0, &[first, second]);
        assert_eq!(Batch::parse(&bytes).unwrap().stored_crc(), checksum);
    }
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for (time, key, value) in [first, second] {
        builder.push(Timestamp::new(time), key, value, &[]).unwrap();
    }
    let bytes = builder.into_batch().unwrap();
    assert_eq!(Batch::parse(&bytes).unwrap().stored_crc(), 3_851_219_455);
}

// conformance: SLR-004
#[test]
fn four_bytes_are_no_message() {
    let mut tiny = 0_i64.to_be_bytes().to_vec();
    tiny.extend([0, 0, 0, 4, 0, 0, 0, 0]);
    assert!(Batch::parse(&tiny).is_err());
    for magic in [0, 1] {
        let inside = wrapper(magic, 0, Codec::Gzip, T, &tiny);
        let mut scratch = Scratch::default();
        let refused = Batch::parse(&inside).unwrap().records(&mut scratch).map(drop).unwrap_err();
        assert_eq!(refused.rule, Rule::SizeTooSmall { size: 4, minimum: 14 });
    }
    assert!(Batch::parse(&message(0, 0, 0, T, None, None)).is_ok(), "fourteen can be one");
}
