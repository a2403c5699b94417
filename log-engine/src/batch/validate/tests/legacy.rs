//! Messages of formats 0 and 1, which become batches of format 2.

use super::*;
use crate::batch::testing::{message, wrapper as wrapped};

fn plain(magic: i8, offset: i64, time: i64) -> Vec<u8> {
    message(magic, offset, 0, time, Some(b"k"), Some(b"v"))
}

fn wrapper(magic: i8, offset: i64, codec: Codec, inner: &[u8]) -> Vec<u8> {
    wrapped(magic, offset, codec, NOW, inner)
}

fn three(magic: i8) -> Vec<u8> {
    [NOW - 1, NOW + 1, NOW].iter().zip(0..).flat_map(|(time, offset)| plain(magic, offset, *time)).collect()
}

// conformance: VAL-005 VAL-008 VAL-020 VAL-021 VAL-022 VAL-024 VAL-027 VAL-034 VAL-035
#[test]
fn messages_become_one_batch_of_format_2() {
    for magic in [0, 1] {
        let times = if magic == 0 { [-1; 3] } else { [NOW - 1, NOW + 1, NOW] };
        let max = times.into_iter().max().unwrap();
        let compressed =
            [Codec::Gzip, Codec::Snappy, Codec::Lz4].map(|codec| (codec, wrapper(magic, 2, codec, &three(magic))));
        for (source, before) in compressed.into_iter().chain([(Codec::None, three(magic))]) {
            for compression in [Compression::Producer, to(Codec::None), to(Codec::Gzip), to(Codec::Zstd)] {
                let (after, said) = appended(&before, &ValidationRules { compression, ..RULES }).unwrap();
                assert_eq!(said, Validated { rebuilt: Some(Vec::new()), ..validated(3, max) });
                let expected: Vec<_> = (NEXT..).zip(times).collect();
                assert_eq!(rows(&after), expected, "format {magic}, {source} to {compression:?}");
                let batch = Batch::parse(&after).unwrap();
                assert_eq!(
                    (batch.magic(), batch.codec(), batch.producer()),
                    (2, Ok(compression.target(source).0), None)
                );
                assert_eq!(batch.leader_epoch(), Some(LeaderEpoch::new(40)));
            }
        }
    }
}

// conformance: VAL-001
#[test]
fn wrong_offsets_in_a_compressed_message_are_repaired() {
    for magic in [0, 1] {
        let inner: Vec<u8> = (0..20).flat_map(|_| plain(magic, 0, NOW)).collect();
        let (after, said) = appended(&wrapper(magic, 0, Codec::Gzip, &inner), &RULES).unwrap();
        assert_eq!(said.last_offset.get(), NEXT + 19);
        assert!(rows(&after).iter().map(|row| row.0).eq(NEXT..NEXT + 20));
    }
}

// conformance: VAL-004 VAL-045
#[test]
fn another_format_inside_a_compressed_message_is_an_error_of_each_record() {
    for (outer, inner) in [(1, 0), (0, 1)] {
        let content: Vec<u8> = (0..20).flat_map(|offset| plain(inner, offset, NOW)).collect();
        let rule = RecordRule::Magic { found: inner, expected: outer };
        let errors = (0..20).map(|index| RecordError { index, rule }).collect();
        assert_eq!(refused(&wrapper(outer, 19, Codec::Gzip, &content), &RULES), Refusal::InvalidRecords { errors });
    }
}

// conformance: VAL-013 VAL-014 VAL-018
#[test]
fn records_of_messages_keep_the_same_rules() {
    let old = plain(1, 0, NOW - 1001);
    for bytes in [old.clone(), wrapper(1, 0, Codec::Gzip, &old), [plain(1, 0, NOW), old].concat()] {
        let Refusal::InvalidTimestamps { errors } = refused(&bytes, &RULES) else {
            panic!("not about timestamps");
        };
        assert_eq!(
            errors.iter().map(|error| error.index).collect::<Vec<_>>(),
            [0],
            "each message is a batch of its own"
        );
    }
    for magic in [0, 1] {
        let nameless = message(magic, 0, 0, NOW, None, Some(b"v"));
        let rules = ValidationRules { compact: true, ..RULES };
        let errors = vec![RecordError { index: 0, rule: RecordRule::NoKey }];
        for bytes in [nameless.clone(), wrapper(magic, 0, Codec::Gzip, &nameless)] {
            assert_eq!(refused(&bytes, &rules), Refusal::InvalidRecords { errors: errors.clone() });
        }
    }
    let claims = message(1, 0, 8, NOW, Some(b"k"), Some(b"v"));
    let append_time = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    let errors = vec![RecordError { index: 0, rule: RecordRule::TimestampType }];
    assert_eq!(refused(&claims, &append_time), Refusal::InvalidTimestamps { errors });
}

// conformance: VAL-053
#[test]
fn messages_get_the_time_of_the_append() {
    let rules = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    for (magic, base_timestamp) in [(0, -1), (1, NOW - 1)] {
        for before in [three(magic), wrapper(magic, 2, Codec::Gzip, &three(magic))] {
            let (after, said) = appended(&before, &rules).unwrap();
            assert_eq!((said.max_timestamp.get(), said.append_time), (NOW, Some(Timestamp::new(NOW))));
            assert_eq!(rows(&after), [NEXT, NEXT + 1, NEXT + 2].map(|offset| (offset, NOW)));
            assert_eq!(Batch::parse(&after).unwrap().header().unwrap().base_timestamp().get(), base_timestamp);
        }
    }
}

#[test]
fn a_compressed_message_must_be_whole_and_alone() {
    let one = || wrapper(1, 0, Codec::Gzip, &plain(1, 0, NOW));
    assert_eq!(refused(&[one(), one()].concat(), &RULES), invalid("the number of batches", 2, "1"));
    assert_eq!(refused(&[plain(1, 0, NOW), one()].concat(), &RULES), invalid("the number of batches", 2, "1"));
    let mixed = [plain(1, 0, NOW), plain(0, 1, NOW)].concat();
    assert_eq!(refused(&mixed, &RULES), invalid("the message format of a batch", 0, "that of the first batch"));
    let nested = wrapper(1, 0, Codec::Gzip, &one());
    assert_eq!(refused(&nested, &RULES), Refusal::InvalidRecord(Malformed::new(26, Rule::Nested)));
    let empty = wrapper(1, 0, Codec::Gzip, &[]);
    assert_eq!(refused(&empty, &RULES), Refusal::InvalidRecord(Malformed::new(26, Rule::EmptyWrapper)));
    let mut torn = plain(1, 0, NOW);
    *torn.last_mut().unwrap() ^= 1;
    let torn_inside = wrapper(1, 0, Codec::Gzip, &torn);
    assert!(matches!(refused(&torn_inside, &RULES), Refusal::CorruptMessage(_)));
    let zstd = message(1, 0, Codec::Zstd.bits(), NOW, None, Some(b"v"));
    assert!(matches!(refused(&zstd, &RULES), Refusal::InvalidRecord(_)));
    let junk = message(1, 0, Codec::Gzip.bits(), NOW, None, Some(b"junk"));
    assert!(matches!(refused(&junk, &RULES), Refusal::Undecodable(_) | Refusal::InvalidRecord(_)));
}

// conformance: LGR-002
#[test]
fn any_byte_behind_the_checksum_counts() {
    for magic in [0, 1] {
        let right = plain(magic, 0, NOW);
        assert!(appended(&right, &RULES).is_ok());
        for at in 16..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 0x41;
            assert!(matches!(refused(&wrong, &RULES), Refusal::CorruptMessage(_)), "format {magic}, byte {at}");
        }
    }
}
