//! The rules of Kafka's `DefaultRecordTest` for records that are passed over.

use proptest::prelude::*;

use super::*;
use crate::batch::record::{Base, Header, decode, encode};

/// The record of golden vector A1: key `k`, value `v`, header `h` = `x`.
const A1: &[u8] = &[0x18, 0, 0, 0, 0x02, 0x6b, 0x02, 0x76, 0x02, 0x02, 0x68, 0x02, 0x78];

fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = A1.to_vec();
    bytes[at] = byte;
    bytes
}

/// As records of compressed batches are passed over.
fn loosely(bytes: &[u8]) -> Result<Skimmed, Malformed> {
    let mut reader = Reader::new(bytes);
    skim(&mut reader).ok_or_else(|| reason(Reader::new(bytes)))
}

/// As records of plain batches are, which must have their length.
fn exactly(bytes: &[u8]) -> Result<Skimmed, Malformed> {
    loosely(bytes).and_then(|record| if record.is_exact { Ok(record) } else { Err(reason(Reader::new(bytes))) })
}

// conformance: REC-005 REC-006 REC-007 REC-009 REC-013 REC-015 REC-017 REC-018
#[test]
fn lengths_that_do_not_fit_are_refused() {
    let found = Skimmed { body_len: 12, is_exact: true, timestamp_delta: 0, offset_delta: 0, has_key: true };
    assert_eq!((loosely(A1), exactly(A1)), (Ok(found), Ok(found)));
    let long = 105 * 2;
    for (what, at, bytes) in [
        ("key", 4, [long, 1]),
        ("value", 6, [long, 1]),
        ("null key, value", 4, [1, long]),
        ("header value", 11, [long, 1]),
        ("time", 2, [0x80, 0x80]),
    ] {
        let mut wrong = A1.to_vec();
        wrong[at..at + 2].copy_from_slice(&bytes);
        assert!(loosely(&wrong).is_err() && exactly(&wrong).is_err(), "{what}");
    }
    let negative = |at, field| Malformed::new(at, Rule::Negative { field, value: -1 });
    for (at, field) in [(0, "record length"), (8, "header count"), (9, "header key length")] {
        assert_eq!(loosely(&with(at, 1)), Err(negative(at, field)));
        assert_eq!(exactly(&with(at, 1)), Err(negative(at, field)));
    }
    assert!(loosely(&[6, 0, 0x80]).is_err(), "cut in a time of two bytes");
    let endless = [&[0x30, 0][..], &[0xff; 12]].concat();
    assert!(loosely(&endless).is_err() && exactly(&endless).is_err(), "a time that does not end");
}

#[test]
fn the_length_counts_where_it_must() {
    for wrong in [0x16, 0x1a] {
        assert!(loosely(&with(0, wrong)).is_ok());
        let bytes = [&with(0, wrong)[..], &[0]].concat();
        assert!(exactly(&bytes).is_err());
    }
    assert_eq!(
        exactly(&with(0, 0x1a)),
        Err(Malformed::new(0, Rule::Length { field: "record length", promised: 13, present: 12 }))
    );
    let rest = [&A1[..8], &[0], &A1[9..]].concat();
    assert_eq!(exactly(&rest), Err(Malformed::new(9, Rule::Trailing { what: "a record", left: 4 })));
}

proptest! {
    /// Where a record is held to its length, it is taken if it decodes, and not otherwise.
    #[test]
    fn what_decodes_is_passed_over(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..60),
        timestamp_delta in any::<i64>(),
        offset_delta in any::<i32>(),
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..5)),
        is_record in any::<bool>(),
        flip in any::<(prop::sample::Index, u8)>(),
    ) {
        if is_record {
            let mut record = Vec::new();
            let headers = [Header { key: b"h", value: Some(b"v") }];
            encode(&mut record, timestamp_delta, offset_delta, key.as_deref(), Some(&bytes), &headers).unwrap();
            let at = flip.0.index(record.len());
            record[at] ^= flip.1 & 1;
            bytes = record;
        }
        let base = Base { offset: 0, timestamp: 0, append_time: None, sequence: None };
        let (mut one, mut other) = (Reader::new(&bytes), Reader::new(&bytes));
        match (decode(&mut one, &base), skim(&mut other).filter(|skimmed| skimmed.is_exact)) {
            (Ok(record), Some(skimmed)) => {
                prop_assert_eq!(one.at(), other.at());
                prop_assert_eq!(record.own_timestamp.get(), skimmed.timestamp_delta);
                prop_assert_eq!(record.offset.get(), i64::from(skimmed.offset_delta));
                prop_assert_eq!(record.key.is_some(), skimmed.has_key);
            }
            (decoded, skimmed) => prop_assert!(decoded.is_err() && skimmed.is_none(), "{decoded:?} {skimmed:?}"),
        }
    }
}
