//! Batches typed from the reference's golden vectors, and round trips.

use proptest::prelude::*;

use super::*;

mod kinds;

const T: i64 = 1_700_000_000_000;
const A1: &str = "00000000000000000000003e00000000025e93538d0000000000000000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff0000000118000000026b02760202680278";
const A2: &str = "0000000000000064000000420000000702f7ae80e20000000000010000018bcfe568000000018bcfe568050000000000000fa000037fffffff000000020e0000000102610010000a02046b320100";
const A3: &str = "00000000000000050000004200000007023a9760040030000000000000018bcfe568000000018bcfe568000000000000000fa00003ffffffff000000012000000008000000010c00000000000900";
const A4: &str = "000000000000000a0000003100000002022589ffee000000000004ffffffffffffffff0000018bcfe568000000000000000fa000030000001400000000";
const A5: &str = "0000000000000003000000101fecd70a0000000000016b0000000176";
const A6: &str = "00000000000000030000001839268c3301000000018bcfe56800000000016b0000000176";
const A14: &str = "000000000000000a0000006c000000020205ad925a0040000000040000018bd50bc7e80000018bcfe568090000000000000fa0000300000014000000051600cfffb2520002610231001600c5ffb2520202620232001400c9ffb25204026301001600bdffb2520602640234001600cdffb252080265023500";
const A15: &str = "000000000000000a000000430000000202de8891190000000000040000018bcfe568050000018bcfe568090000000000000fa000030000001400000002100000020262023200100008060264023400";
const A17: &str = "0000000000000005000000450000000702bec371610070000000000000018bd50bc7e80000018bcfe568000000000000000fa00003ffffffff000000012600cfffb2520008000000010c00000000000900";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Offset, timestamp, key and value of each record.
type Rows = Vec<(i64, i64, Option<String>, Option<String>)>;

fn rows(batch: &Batch<'_>) -> Result<Rows, Malformed> {
    let mut scratch = Scratch::default();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let rows = batch.records(&mut scratch)?.map(|record| {
        let record = record?;
        Ok((record.offset.get(), record.timestamp.get(), text(record.key), text(record.value)))
    });
    rows.collect()
}

fn row(
    offset: i64,
    timestamp: i64,
    key: Option<&str>,
    value: Option<&str>,
) -> (i64, i64, Option<String>, Option<String>) {
    (offset, timestamp, key.map(str::to_owned), value.map(str::to_owned))
}

// conformance: RB-002 RB-003
#[test]
fn golden_batches_decode() {
    let a1 = bytes(A1);
    let batch = Batch::parse(&a1).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!((batch.producer(), batch.leader_epoch()), (None, Some(LeaderEpoch::new(0))));
    assert_eq!(rows(&batch).unwrap(), [row(0, T, Some("k"), Some("v"))]);

    let a2 = bytes(A2);
    let batch = Batch::parse(&a2).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    let producer = batch.producer().unwrap();
    assert_eq!((producer.id.get(), producer.epoch.get()), (4000, 3));
    assert_eq!(producer.base_sequence, Some(Sequence::new(i32::MAX)));
    assert_eq!(producer.last_sequence, Some(Sequence::new(0)));
    assert_eq!(batch.last_offset(), Offset::new(101));
    assert_eq!(rows(&batch).unwrap(), [row(100, T, None, Some("a")), row(101, T + 5, Some("k2"), None)]);
}

// conformance: RB-016 ETM-005
#[test]
fn a_marker_decodes_and_encodes() {
    let a3 = bytes(A3);
    let batch = Batch::parse(&a3).unwrap();
    assert!(batch.is_control() && batch.is_transactional());
    let mut scratch = Scratch::default();
    let record = batch.records(&mut scratch).unwrap().next().unwrap().unwrap();
    let expected = ControlRecord::EndTransaction { commit: true, version: 0, coordinator_epoch: 9 };
    assert_eq!(ControlRecord::parse(&record), Ok(expected));
    let producer = (ProducerId::new(4000), ProducerEpoch::new(3));
    let built =
        BatchBuilder::end_transaction(Offset::new(5), LeaderEpoch::new(7), producer, Timestamp::new(T), true, 9)
            .unwrap();
    assert_eq!(built, a3);
}

// conformance: RB-001
#[test]
fn a_batch_emptied_by_compaction_keeps_its_head_and_has_no_records() {
    let a4 = bytes(A4);
    let batch = Batch::parse(&a4).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!((batch.base_offset().get(), batch.last_offset().get(), batch.record_count()), (10, 14, Some(0)));
    assert_eq!(batch.producer().unwrap().last_sequence, Some(Sequence::new(24)));
    assert_eq!(rows(&batch).unwrap(), []);
    let mut out = Vec::new();
    BatchBuilder::new(Offset::new(10))
        .leader_epoch(LeaderEpoch::new(2))
        .producer(ProducerId::new(4000), ProducerEpoch::new(3), Sequence::new(20))
        .last_offset(Offset::new(14))
        .finish_emptied(batch.max_timestamp(), &mut out)
        .unwrap();
    assert_eq!(out, a4);
}

// conformance: RB-004
#[test]
fn sequences_of_records_wrap_to_0() {
    let mut builder = BatchBuilder::new(Offset::ZERO).producer(
        ProducerId::new(1),
        ProducerEpoch::new(0),
        Sequence::new(i32::MAX - 1),
    );
    for _ in 0..3 {
        builder.push(Timestamp::new(T), None, None, &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    let (batch, mut scratch) = (Batch::parse(&out).unwrap(), Scratch::default());
    let records = batch.records(&mut scratch).unwrap();
    let sequences: Vec<_> = records.map(|record| record.unwrap().sequence.unwrap().get()).collect();
    assert_eq!(sequences, [i32::MAX - 1, i32::MAX, 0]);
    assert_eq!(batch.producer().unwrap().last_sequence, Some(Sequence::new(0)));
}

#[test]
fn messages_of_formats_0_and_1_decode() {
    let a5 = bytes(A5);
    let batch = Batch::parse(&a5).unwrap();
    assert_eq!((batch.check_crc(), batch.magic(), batch.timestamp_type()), (Ok(()), 0, TimestampType::None));
    assert_eq!(rows(&batch).unwrap(), [row(3, -1, Some("k"), Some("v"))]);
    let a6 = bytes(A6);
    let batch = Batch::parse(&a6).unwrap();
    assert_eq!((batch.check_crc(), batch.magic(), batch.timestamp_type()), (Ok(()), 1, TimestampType::CreateTime));
    assert_eq!(rows(&batch).unwrap(), [row(3, T, Some("k"), Some("v"))]);
}

#[test]
fn records_of_a_cleaned_batch_count_from_its_delete_horizon() {
    let a14 = bytes(A14);
    let batch = Batch::parse(&a14).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!(batch.delete_horizon(), Some(Timestamp::new(1_700_086_401_000)));
    let all = [
        row(10, T, Some("a"), Some("1")),
        row(11, T + 5, Some("b"), Some("2")),
        row(12, T + 3, Some("c"), None),
        row(13, T + 9, Some("d"), Some("4")),
        row(14, T + 1, Some("e"), Some("5")),
    ];
    assert_eq!(rows(&batch).unwrap(), all);
    let a15 = bytes(A15);
    let batch = Batch::parse(&a15).unwrap();
    assert_eq!((batch.check_crc(), batch.record_count(), batch.last_offset().get()), (Ok(()), Some(2), 14));
    assert_eq!(rows(&batch).unwrap(), [all[1].clone(), all[3].clone()]);
    let a17 = bytes(A17);
    let batch = Batch::parse(&a17).unwrap();
    assert_eq!((batch.check_crc(), batch.is_control()), (Ok(()), true));
    assert_eq!(rows(&batch).unwrap()[0].1, T);
}

#[test]
fn golden_batches_are_built_again_byte_for_byte() {
    let mut out = Vec::new();
    let mut a1 = BatchBuilder::new(Offset::ZERO).leader_epoch(LeaderEpoch::new(0));
    a1.push(Timestamp::new(T), Some(b"k"), Some(b"v"), &[Header { key: b"h", value: Some(b"x") }]).unwrap();
    a1.finish(&mut out).unwrap();
    assert_eq!(out, bytes(A1));

    out.clear();
    let mut a2 = BatchBuilder::new(Offset::new(100)).leader_epoch(LeaderEpoch::new(7)).producer(
        ProducerId::new(4000),
        ProducerEpoch::new(3),
        Sequence::new(i32::MAX),
    );
    a2.push(Timestamp::new(T), None, Some(b"a"), &[]).unwrap();
    a2.push(Timestamp::new(T + 5), Some(b"k2"), None, &[]).unwrap();
    a2.finish(&mut out).unwrap();
    assert_eq!(out, bytes(A2));

    out.clear();
    let mut a14 = BatchBuilder::new(Offset::new(10))
        .leader_epoch(LeaderEpoch::new(2))
        .delete_horizon(Timestamp::new(1_700_086_401_000))
        .producer(ProducerId::new(4000), ProducerEpoch::new(3), Sequence::new(20));
    for (key, value, delta) in [
        (b"a", Some(&b"1"[..]), 0),
        (b"b", Some(b"2"), 5),
        (b"c", None, 3),
        (b"d", Some(b"4"), 9),
        (b"e", Some(b"5"), 1),
    ] {
        a14.push(Timestamp::new(T + delta), Some(key), value, &[]).unwrap();
    }
    a14.finish(&mut out).unwrap();
    assert_eq!(out, bytes(A14));
}

// conformance: MRB-002 MRB-004 MRB-005 MRB-006 MRB-018
#[test]
fn the_builder_refuses_what_kafkas_refuses() {
    let mut out = Vec::new();
    BatchBuilder::new(Offset::ZERO).finish(&mut out).unwrap();
    assert!(out.is_empty());
    let one = |builder: BatchBuilder| {
        let mut builder = builder;
        builder.push(Timestamp::new(0), None, None, &[]).unwrap();
        builder.finish(&mut Vec::new())
    };
    let producer = |id, epoch, sequence| {
        BatchBuilder::new(Offset::ZERO).producer(
            ProducerId::new(id),
            ProducerEpoch::new(epoch),
            Sequence::new(sequence),
        )
    };
    assert_eq!(one(BatchBuilder::new(Offset::ZERO).transactional()), Err(BuildError::Producer("to be there")));
    assert_eq!(one(producer(1, -1, 0)), Err(BuildError::Producer("an epoch")));
    assert_eq!(one(producer(1, 0, -1)), Err(BuildError::Producer("a sequence")));
    assert_eq!(one(producer(1, 0, 0)), Ok(()));
    let mut builder = BatchBuilder::new(Offset::new(5));
    let at =
        |builder: &mut BatchBuilder, offset| builder.push_at(Offset::new(offset), Timestamp::new(0), None, None, &[]);
    assert_eq!(at(&mut builder, 4), Err(BuildError::OffsetNotRising { offset: 4, previous: 4 }));
    assert_eq!(at(&mut builder, 5), Ok(()));
    assert_eq!(at(&mut builder, 5), Err(BuildError::OffsetNotRising { offset: 5, previous: 5 }));
    assert_eq!(builder.push(Timestamp::new(-2), None, None, &[]), Err(BuildError::Timestamp(-2)));
    assert_eq!(builder.len(), 1);
}

// conformance: RB-012 RB-013
#[test]
fn offset_and_epoch_are_assigned_without_the_checksum() {
    let mut a1 = bytes(A1);
    assign(&mut a1, Offset::new(500), LeaderEpoch::new(9)).unwrap();
    let batch = Batch::parse(&a1).unwrap();
    assert_eq!((batch.base_offset().get(), batch.leader_epoch()), (500, Some(LeaderEpoch::new(9))));
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!(rows(&batch).unwrap(), [row(500, T, Some("k"), Some("v"))]);
    assert!(assign(&mut bytes(A6), Offset::ZERO, LeaderEpoch::new(0)).is_err());
}

// conformance: RB-006
#[test]
fn a_frame_that_cannot_be_a_batch_says_why() {
    let with_size = |size: i32| {
        let mut a1 = bytes(A1);
        a1[8..12].copy_from_slice(&size.to_be_bytes());
        Batch::parse(&a1).map(|_| ()).unwrap_err()
    };
    assert_eq!(with_size(10), Malformed::new(8, Rule::SizeTooSmall { size: 10, minimum: 14 }));
    assert_eq!(with_size(48), Malformed::new(8, Rule::SizeTooSmall { size: 48, minimum: 49 }));
    let promised = Rule::Length { field: "batch length", promised: 63, present: 62 };
    assert_eq!(with_size(63), Malformed::new(8, promised));
    assert!(matches!(Batch::parse(&[0; 17]).unwrap_err().rule, Rule::Short { needed: 18, present: 17 }));
}

/// Writes `count` into the head and makes the checksum fit again.
fn with_count(batch: &[u8], count: i32) -> Vec<u8> {
    let mut batch = batch.to_vec();
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c(&batch[header::CRC_FROM..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

fn three_records(codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
    for i in 0..3 {
        builder.push(Timestamp::new(i), None, Some(b"value"), &[]).unwrap();
    }
    let mut out = Vec::new();
    builder.finish(&mut out).unwrap();
    out
}

// conformance: RB-008 RB-009
#[test]
fn a_count_that_does_not_fit_is_found_at_the_end_of_the_records() {
    for codec in Codec::ALL {
        let batch = three_records(codec);
        let errors = |count| {
            let wrong = with_count(&batch, count);
            let mut scratch = Scratch::default();
            let batch = Batch::parse(&wrong).unwrap();
            let all: Vec<_> = match batch.records(&mut scratch) {
                Ok(records) => records.map(|r| r.map(|_| ()).map_err(|e| e.rule)).collect(),
                Err(e) => vec![Err(e.rule)],
            };
            all
        };
        assert_eq!(errors(3), [Ok(()), Ok(()), Ok(())], "{codec}");
        let two = errors(2);
        assert!(matches!(two[..], [Ok(()), Ok(()), Err(Rule::Trailing { .. })]), "{codec}: {two:?}");
        let five = errors(5);
        assert!(matches!(five[..], [Ok(()), Ok(()), Ok(()), Err(Rule::Short { .. })]), "{codec}: {five:?}");
        assert_eq!(errors(-1), [Err(Rule::Negative { field: "record count", value: -1 })]);
        assert_eq!(errors(0), [], "{codec}");
    }
}

#[test]
fn the_payload_is_where_the_records_stand() {
    let plain = three_records(Codec::None);
    let records = plain[HEADER_LEN..].to_vec();
    for codec in Codec::ALL {
        let batch = three_records(codec);
        let mut scratch = Scratch::default();
        assert_eq!(Batch::parse(&batch).unwrap().payload(&mut scratch), Ok(&records[..]), "{codec}");
    }
}

#[test]
fn a_walk_ends_where_the_bytes_end_being_batches() {
    let mut all = bytes(A1);
    all.extend(bytes(A6));
    let whole = all.len();
    all.extend([0; 20]);
    let mut walk = Walk::new(&all);
    let found: Vec<_> = walk.by_ref().map(|(at, batch)| (at, batch.unwrap().magic())).collect();
    assert_eq!(found, [(0, 2), (74, 1)]);
    assert_eq!((walk.position(), walk.stop()), (whole, Some(Stop::Size { size: 0 })));
}

proptest! {
    // conformance: RB-017
    #[test]
    fn any_records_come_back_from_any_codec(
        values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..100)), 1..40),
        codec in proptest::sample::select(Codec::ALL.to_vec()),
        base in 0_i64..1 << 40,
    ) {
        let mut builder = BatchBuilder::new(Offset::new(base)).codec(codec, None);
        for (i, value) in values.iter().enumerate() {
            builder.push(Timestamp::new(i as i64 * 7), value.as_deref(), value.as_deref(), &[]).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out).unwrap();
        let batch = Batch::parse(&out).unwrap();
        prop_assert_eq!(batch.check_crc(), Ok(()));
        prop_assert_eq!(batch.codec(), Ok(codec));
        prop_assert_eq!(batch.max_timestamp().get(), (values.len() as i64 - 1) * 7);
        let mut scratch = Scratch::default();
        let read: Vec<_> = batch.records(&mut scratch).unwrap().map(|r| r.unwrap().value.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn a_flipped_byte_under_the_checksum_is_seen(at in 21_usize..78, flip in 1_u8..) {
        let mut a2 = bytes(A2);
        a2[at] ^= flip;
        prop_assert!(Batch::parse(&a2).unwrap().check_crc().is_err());
    }
}
