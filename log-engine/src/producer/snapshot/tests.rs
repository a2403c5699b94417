//! Bytes as Kafka's class writes them, then what damage says.

use proptest::prelude::*;

use super::*;

/// Producer 4000, epoch 3, last sequence 24 at offset 14, delta 4, at 1700000000000, coordinator epoch 9, no open transaction.
const ONE: &str = "00014f02fb85000000010000000000000fa0000300000018000000000000000e000000040000018bcfe5680000000009\
                   ffffffffffffffff";

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|two| u8::try_from(two[0] << 4 | two[1]).unwrap()).collect()
}

fn one() -> SnapshotEntry {
    SnapshotEntry {
        producer_id: ProducerId::new(4000),
        producer_epoch: ProducerEpoch::new(3),
        last_sequence: Some(Sequence::new(24)),
        last_offset: Some(Offset::new(14)),
        offset_delta: OffsetDelta::new(4),
        timestamp: Timestamp::new(1_700_000_000_000),
        coordinator_epoch: Some(9),
        txn_first_offset: None,
    }
}

/// `bytes` with the checksum that fits them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes[CHECKED_FROM..]);
    bytes[CRC_AT..CHECKED_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn refused(bytes: &[u8]) -> Malformed {
    ProducerSnapshot::decode_bytes(bytes).unwrap_err()
}

#[test]
fn kafkas_bytes_read_and_write() {
    let snapshot = ProducerSnapshot::decode_bytes(&bytes_of(ONE)).unwrap();
    assert_eq!(snapshot.entries, [one()]);
    assert_eq!(snapshot.encode(), bytes_of(ONE));
}

#[test]
fn no_producers_are_ten_bytes() {
    let empty = ProducerSnapshot::default().encode();
    assert_eq!(empty, bytes_of("000148674bc700000000"));
    assert_eq!(ProducerSnapshot::decode_bytes(&empty).unwrap(), ProducerSnapshot::default());
}

// conformance: PSM-054
#[test]
fn two_producers_with_and_without_a_batch() {
    let first = SnapshotEntry {
        producer_id: ProducerId::new(1),
        producer_epoch: ProducerEpoch::new(2),
        last_sequence: Some(Sequence::new(1)),
        last_offset: Some(Offset::new(2)),
        offset_delta: OffsetDelta::new(3),
        timestamp: Timestamp::NONE,
        coordinator_epoch: Some(3),
        txn_first_offset: Some(Offset::new(100)),
    };
    let second = SnapshotEntry {
        producer_id: ProducerId::new(11),
        producer_epoch: ProducerEpoch::new(12),
        last_sequence: None,
        last_offset: None,
        offset_delta: OffsetDelta::new(0),
        timestamp: Timestamp::new(123_456),
        coordinator_epoch: Some(13),
        txn_first_offset: None,
    };
    let snapshot = ProducerSnapshot { entries: vec![first, second] };
    let bytes = snapshot.encode();
    let checked = "00000002\
                   0000000000000001000200000001000000000000000200000003ffffffffffffffff000000030000000000000064\
                   000000000000000b000cffffffffffffffffffffffff00000000000000000001e2400000000dffffffffffffffff";
    assert_eq!(bytes[6..], bytes_of(checked));
    assert_eq!(ProducerSnapshot::decode_bytes(&bytes).unwrap(), snapshot);
}

#[test]
fn minus_one_stands_for_none() {
    let none = SnapshotEntry { last_sequence: None, last_offset: None, coordinator_epoch: None, ..one() };
    let open = SnapshotEntry { txn_first_offset: Some(Offset::new(12)), ..none };
    let bytes = ProducerSnapshot { entries: vec![open] }.encode();
    assert_eq!(bytes[20..32], [0xff; 12]);
    assert_eq!(bytes[44..56], bytes_of("ffffffff000000000000000c"));
    assert_eq!(ProducerSnapshot::decode_bytes(&bytes).unwrap().entries, [open]);
}

#[test]
fn each_kind_of_damage_has_its_place_and_rule() {
    let good = bytes_of(ONE);
    let mut version = good.clone();
    version[1] = 2;
    let rule = Rule::Version { what: "producer snapshot", found: 2, known: "1" };
    assert_eq!(refused(&version), Malformed::new(0, rule));

    let mut flipped = good.clone();
    flipped[55] = 0xfe;
    let computed = crc32c(&flipped[6..]);
    assert_eq!(refused(&flipped), Malformed::new(2, Rule::Checksum { stored: 0x4f02_fb85, computed }));

    let trailing = [good.as_slice(), &[0; 3]].concat();
    let rule = Rule::Trailing { what: "producer snapshot", left: 3 };
    assert_eq!(refused(&trailing), Malformed::new(56, rule.clone()));
    assert_eq!(refused(&sealed(trailing)), Malformed::new(56, rule));

    assert_eq!(refused(&[]), Malformed::new(0, Rule::Short { needed: 2, present: 0 }));
    assert_eq!(refused(&good[..9]), Malformed::new(6, Rule::Short { needed: 4, present: 3 }));
    assert_eq!(refused(&good[..55]), Malformed::new(48, Rule::Short { needed: 8, present: 7 }));
}

#[test]
fn kafka_reads_past_bytes_behind_the_entries_if_the_checksum_covers_them() {
    let trailing = [bytes_of(ONE).as_slice(), &[0; 3]].concat();
    let unsealed = ProducerSnapshot::decode_prefix(&trailing).map(drop).unwrap_err();
    assert!(matches!(unsealed.rule, Rule::Checksum { stored: 0x4f02_fb85, .. }));
    assert_eq!(ProducerSnapshot::decode_prefix(&sealed(trailing)).unwrap().entries, [one()]);
}

/// A count that lies takes no memory: what is reserved follows the bytes that are there.
#[test]
fn a_count_that_lies_is_refused() {
    let with_count = |count: i32| {
        let mut bytes = bytes_of(ONE);
        bytes[6..10].copy_from_slice(&count.to_be_bytes());
        refused(&sealed(bytes))
    };
    assert_eq!(with_count(0), Malformed::new(10, Rule::Trailing { what: "producer snapshot", left: 46 }));
    assert_eq!(with_count(2), Malformed::new(56, Rule::Short { needed: 8, present: 0 }));
    assert_eq!(with_count(i32::MAX), Malformed::new(56, Rule::Short { needed: 8, present: 0 }));
    assert_eq!(with_count(-1), Malformed::new(6, Rule::Negative { field: "number of entries", value: -1 }));
}

#[test]
fn no_flipped_byte_passes() {
    let good = bytes_of(ONE);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        assert!(ProducerSnapshot::decode_bytes(&bytes).is_err(), "byte {at}");
    }
}

proptest! {
    #[test]
    fn any_bytes_with_a_checksum_that_fits_are_encoded_again(count in 0..4_i32, body in prop::collection::vec(any::<u8>(), 184)) {
        let len = usize::try_from(count).unwrap() * ENTRY_LEN;
        let file = [&[0, 1, 0, 0, 0, 0], &count.to_be_bytes()[..], &body[..len]].concat();
        let file = sealed(file);
        prop_assert_eq!(ProducerSnapshot::decode_bytes(&file).unwrap().encode(), file);
    }

    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = ProducerSnapshot::decode_bytes(&bytes);
    }
}
