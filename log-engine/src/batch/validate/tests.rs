//! The rules of Kafka's `LogValidatorTest`, and edges that Kafka 4.4 was seen to take so.

use proptest::prelude::*;

use super::*;
use crate::batch::{AnalysisRules, Batch, BatchBuilder, HEADER_LEN, analyze};
use crate::encoding::crc32c;
use crate::error::{Malformed, RecordError, RecordRule, Rule};
use crate::units::{ProducerEpoch, ProducerId, Sequence};

mod legacy;
mod observed;

const NOW: i64 = 1_700_000_000_000;
const NEXT: i64 = 1_234_567;

const RULES: ValidationRules = ValidationRules {
    next_offset: Offset::new(NEXT),
    leader_epoch: LeaderEpoch::new(40),
    now: Timestamp::new(NOW),
    origin: AppendOrigin::Client,
    timestamp_type: TimestampType::CreateTime,
    before_max_ms: 1000,
    after_max_ms: 1000,
    compact: false,
    compression: Compression::Producer,
    max_record_bytes: 1000,
    source_codec: Codec::None,
};

const COMPRESSED: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn to(codec: Codec) -> Compression {
    Compression::Codec(codec, None)
}

fn builder(codec: Codec, times: &[i64]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
    for (i, time) in times.iter().enumerate() {
        builder.push(Timestamp::new(*time), Some(b"key"), Some(format!("value {i}").as_bytes()), &[]).unwrap();
    }
    builder
}

fn built(builder: BatchBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

fn batch(codec: Codec, times: &[i64]) -> Vec<u8> {
    built(builder(codec, times))
}

/// The same batch with other bytes from `at` on, and a checksum that fits.
fn with(mut bytes: Vec<u8>, at: usize, field: &[u8]) -> Vec<u8> {
    bytes[at..at + field.len()].copy_from_slice(field);
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// The batches as they are appended, and what is said of them. A refusal leaves them as they were.
fn appended(bytes: &[u8], rules: &ValidationRules) -> Result<(Vec<u8>, Validated), Refusal> {
    let heads = AnalysisRules { origin: rules.origin, leader_epoch: rules.leader_epoch, max_message_bytes: None };
    let source_codec = analyze(bytes, &heads)?.source_codec;
    let mut out = bytes.to_vec();
    match validate(&mut out, &ValidationRules { source_codec, ..*rules }, &mut Scratch::with_limit(1 << 20)) {
        Ok(mut validated) => {
            if let Some(rebuilt) = validated.rebuilt.take() {
                assert_eq!(out, bytes, "what came stays");
                return Ok((rebuilt, Validated { rebuilt: Some(Vec::new()), ..validated }));
            }
            Ok((out, validated))
        }
        Err(refusal) => {
            assert_eq!(out, bytes, "refused, and changed: {refusal}");
            Err(refusal)
        }
    }
}

fn refused(bytes: &[u8], rules: &ValidationRules) -> Refusal {
    appended(bytes, rules).unwrap_err()
}

/// Offset and time of each record.
fn rows(bytes: &[u8]) -> Vec<(i64, i64)> {
    let batch = Batch::parse(bytes).unwrap();
    assert_eq!(batch.bytes().len(), bytes.len(), "one batch");
    batch.check_crc().unwrap();
    let mut scratch = Scratch::default();
    let records = batch.records(&mut scratch).unwrap();
    records.map(Result::unwrap).map(|record| (record.offset.get(), record.timestamp.get())).collect()
}

fn changed(before: &[u8], after: &[u8]) -> Vec<usize> {
    assert_eq!(before.len(), after.len());
    before.iter().zip(after).enumerate().filter(|(_, (a, b))| a != b).map(|(i, _)| i).collect()
}

fn validated(count: i64, max: i64) -> Validated {
    Validated {
        first_offset: Offset::new(NEXT),
        last_offset: Offset::new(NEXT + count - 1),
        max_timestamp: Timestamp::new(max),
        append_time: None,
        rebuilt: None,
    }
}

fn invalid(what: &'static str, found: i64, expected: &'static str) -> Refusal {
    Refusal::InvalidBatch { what, found, expected }
}

// conformance: VAL-009 VAL-010 VAL-023 VAL-025 VAL-051
#[test]
fn a_batch_that_fits_gets_offset_and_epoch_and_nothing_else() {
    for codec in Codec::ALL {
        let full = builder(codec, &[NOW - 1, NOW + 1, NOW])
            .producer(ProducerId::new(1324), ProducerEpoch::new(10), Sequence::new(984))
            .transactional();
        let before = built(full);
        for compression in [Compression::Producer, to(codec)] {
            let (after, said) = appended(&before, &ValidationRules { compression, ..RULES }).unwrap();
            assert_eq!(said, validated(3, NOW + 1), "{codec}");
            assert!(changed(&before, &after).iter().all(|at| (0..8).contains(at) || (12..16).contains(at)), "{codec}");
            let header = *Batch::parse(&after).unwrap().header().unwrap();
            assert_eq!((header.base_offset().get(), header.leader_epoch().get()), (NEXT, 40));
            assert_eq!(rows(&after), [(NEXT, NOW - 1), (NEXT + 1, NOW + 1), (NEXT + 2, NOW)]);
        }
    }
}

#[test]
fn a_wrong_maximum_timestamp_is_mended_with_its_checksum() {
    for codec in Codec::ALL {
        let right = batch(codec, &[NOW, NOW + 7]);
        let wrong = with(right.clone(), 35, &(NOW + 99).to_be_bytes());
        let (after, said) = appended(&wrong, &RULES).unwrap();
        assert_eq!((said, &after), (validated(2, NOW + 7), &appended(&right, &RULES).unwrap().0), "{codec}");
    }
}

// conformance: VAL-054
#[test]
fn the_time_of_the_append_changes_type_maximum_and_checksum() {
    let rules = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    for codec in Codec::ALL {
        // Times that would be refused otherwise.
        let before = batch(codec, &[1234, 5, NOW * 2]);
        let (after, said) = appended(&before, &rules).unwrap();
        assert_eq!(said, Validated { append_time: Some(Timestamp::new(NOW)), ..validated(3, NOW) });
        let fields = [0..8, 12..16, 17..23, 35..43];
        assert!(changed(&before, &after).iter().all(|at| fields.iter().any(|field| field.contains(at))), "{codec}");
        assert_eq!(rows(&after), [NEXT, NEXT + 1, NEXT + 2].map(|offset| (offset, NOW)));
        let header = *Batch::parse(&after).unwrap().header().unwrap();
        assert_eq!((header.base_timestamp().get(), header.attributes().bits()), (1234, 8 | codec.bits()));
    }
}

#[test]
fn bits_without_a_meaning_go_when_the_head_is_written_anew() {
    let odd = with(batch(Codec::None, &[NOW]), 21, &[0x55, 0x80]);
    let (after, _) = appended(&odd, &RULES).unwrap();
    assert_eq!(&after[21..23], [0x55, 0x80], "nothing to write");
    let rules = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    assert_eq!(&appended(&odd, &rules).unwrap().0[21..23], [0, 8]);
}

#[test]
fn the_delete_horizon_stays_in_place_and_goes_when_a_batch_is_built_anew() {
    let before = built(builder(Codec::None, &[NOW]).delete_horizon(Timestamp::new(NOW - 3)));
    let before = with(before, 21, &[0, 0x40]);
    let (after, _) = appended(&before, &RULES).unwrap();
    assert_eq!(&after[16..], &before[16..]);
    let (after, _) = appended(&before, &ValidationRules { compression: to(Codec::Gzip), ..RULES }).unwrap();
    let header = *Batch::parse(&after).unwrap().header().unwrap();
    assert_eq!((header.attributes().bits(), header.base_timestamp()), (1, Timestamp::new(NOW)));
}

#[test]
fn a_batch_that_claims_the_brokers_clock_gets_its_own_back_or_is_refused() {
    // On a topic with the producers' times its claim is dropped, if the time is in range.
    let claims = with(batch(Codec::None, &[5, 6]), 21, &[0, 8]);
    let claims = with(claims, 35, &NOW.to_be_bytes());
    let (after, said) = appended(&claims, &RULES).unwrap();
    assert_eq!((said, after[22]), (validated(2, NOW), 0));
    let none = with(claims.clone(), 35, &(-1_i64).to_be_bytes());
    let append_time = ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    let errors = vec![0, 1].into_iter().map(|index| RecordError { index, rule: RecordRule::TimestampType }).collect();
    let expected = Refusal::InvalidTimestamps { errors };
    assert_eq!(refused(&none, &RULES), expected);
    assert_eq!(refused(&claims, &append_time), expected);
}

// conformance: VAL-011 VAL-017 VAL-042
#[test]
fn each_rule_for_a_clients_head() {
    let (count, offsets) = ("the record count of a batch", "the number of offsets of a batch");
    let sequence = "the base sequence of a batch with a producer id";
    for codec in Codec::ALL {
        let three = batch(codec, &[NOW; 3]);
        let delta = |delta: i32| with(three.clone(), 23, &delta.to_be_bytes());
        let counted = |count: i32| with(three.clone(), 57, &count.to_be_bytes());
        let producer = |sequence: i32| {
            let counted = with(three.clone(), 43, &7_i64.to_be_bytes());
            with(with(counted, 51, &0_i16.to_be_bytes()), 53, &sequence.to_be_bytes())
        };
        let cases = [
            (delta(0), invalid(count, 3, "the number of its offsets")),
            (delta(15), invalid(count, 3, "the number of its offsets")),
            (delta(-3), invalid(offsets, -2, "1 or more")),
            (delta(-1), invalid(offsets, 0, "1 or more")),
            (counted(0), invalid(count, 0, "1 or more")),
            (counted(-1), invalid(count, -1, "1 or more")),
            (counted(2), invalid(count, 2, "the number of its offsets")),
            (producer(-1), invalid(sequence, -1, "0 or more")),
            (producer(-2), invalid(sequence, -2, "0 or more")),
            (
                with(three.clone(), 21, &[0, 0x20 | codec.bits()]),
                invalid("the control bit of a client's batch", 1, "0"),
            ),
            ([three.clone(), three.clone()].concat(), invalid("the number of batches", 2, "1")),
        ];
        for (bytes, expected) in cases {
            for compression in [Compression::Producer, to(Codec::None), to(Codec::Gzip)] {
                assert_eq!(refused(&bytes, &ValidationRules { compression, ..RULES }), expected, "{codec}");
            }
        }
        assert!(appended(&producer(0), &RULES).is_ok());
    }
    assert_eq!(
        validate(&mut [], &RULES, &mut Scratch::default()),
        Err(invalid("the number of batches", 0, "1 or more"))
    );
}

/// The batch of two records whose second has the offset delta `second`.
fn with_gap(codec: Codec, second: i64, last_offset_delta: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
    for offset in [0, second] {
        builder.push_at(Offset::new(offset), Timestamp::new(NOW), None, None, &[]).unwrap();
    }
    with(built(builder), 23, &last_offset_delta.to_be_bytes())
}

#[test]
fn offsets_of_plain_records_are_not_compared() {
    let (after, said) = appended(&with_gap(Codec::None, 2, 1), &RULES).unwrap();
    assert_eq!(said, validated(2, NOW));
    assert_eq!(rows(&after), [(NEXT, NOW), (NEXT + 2, NOW)], "past the batch's last offset");
    let trusted = ValidationRules { origin: AppendOrigin::Coordinator, ..RULES };
    let (after, said) = appended(&with_gap(Codec::None, 2, 2), &trusted).unwrap();
    assert_eq!(said, validated(2, NOW), "the log's end moves by the count");
    assert_eq!(rows(&after), [(NEXT - 1, NOW), (NEXT + 1, NOW)], "the batch begins below the log's end");
}

// conformance: VAL-001
#[test]
fn a_compressed_batch_with_other_offsets_can_not_be_built_anew() {
    for codec in COMPRESSED {
        let expected = Refusal::UnsupportedOffsets { index: 1, found: 2 };
        assert_eq!(refused(&with_gap(codec, 2, 1), &RULES), expected);
        let (after, _) = appended(&with_gap(codec, 2, 1), &ValidationRules { compression: to(Codec::None), ..RULES })
            .expect("another codec builds it anew from all that is in it");
        assert_eq!(rows(&after), [(NEXT, NOW), (NEXT + 1, NOW)]);
    }
    let zeros = with(batch(Codec::None, &[NOW, NOW]), 23, &1_i32.to_be_bytes());
    let second = HEADER_LEN + zeros[HEADER_LEN..].len() / 2 + 3;
    assert_eq!(zeros[second], 2, "the second record's delta of 1");
    let plain = with(zeros, second, &[0]);
    let (after, _) = appended(&plain, &ValidationRules { compression: to(Codec::Gzip), ..RULES }).unwrap();
    assert_eq!(rows(&after), [(NEXT, NOW), (NEXT + 1, NOW)], "built anew for its codec");
    let body = |codec| {
        let mut out = Vec::new();
        crate::compress::compress(codec, None, 2, &plain[HEADER_LEN..], &mut out).unwrap();
        out
    };
    for codec in COMPRESSED {
        let packed = [&plain[..HEADER_LEN], &body(codec)].concat();
        let length = i32::try_from(packed.len() - 12).unwrap();
        let packed = with(with(packed, 8, &length.to_be_bytes()), 21, &[0, codec.bits()]);
        assert_eq!(refused(&packed, &RULES), Refusal::UnsupportedOffsets { index: 1, found: 0 });
    }
}

// conformance: VAL-049 VAL-050 BCI-001 BCT-001
#[test]
fn another_codec_builds_anew_and_another_level_does_not() {
    let times = [NOW, NOW + 5, NOW - 5];
    for source in Codec::ALL {
        let before = batch(source, &times);
        for target in Codec::ALL {
            let rules = ValidationRules { compression: to(target), ..RULES };
            let (after, said) = appended(&before, &rules).unwrap();
            let mut expected = BatchBuilder::new(Offset::new(NEXT)).leader_epoch(LeaderEpoch::new(40));
            expected = expected.codec(target, None);
            for (i, time) in times.iter().enumerate() {
                let value = format!("value {i}");
                expected.push(Timestamp::new(*time), Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
            }
            let expected_said = Validated { rebuilt: (source != target).then(Vec::new), ..validated(3, NOW + 5) };
            assert_eq!((said, after), (expected_said, built(expected)), "{source} to {target}");
        }
    }
    let strong = built(builder(Codec::Gzip, &times).codec(Codec::Gzip, Some(9)));
    let (after, said) =
        appended(&strong, &ValidationRules { compression: Compression::Codec(Codec::Gzip, Some(1)), ..RULES }).unwrap();
    assert_eq!((said.rebuilt, &after[16..]), (None, &strong[16..]));
    assert_eq!(Compression::Codec(Codec::Zstd, Some(7)).target(Codec::Gzip), (Codec::Zstd, Some(7)));
    assert_eq!(Compression::Producer.target(Codec::Gzip), (Codec::Gzip, None));
}

#[test]
fn what_a_batch_says_of_its_producer_survives_being_built_anew() {
    let before = built(
        builder(Codec::None, &[NOW])
            .producer(ProducerId::new(9), ProducerEpoch::new(3), Sequence::new(77))
            .transactional(),
    );
    let (after, _) = appended(&before, &ValidationRules { compression: to(Codec::Zstd), ..RULES }).unwrap();
    let batch = Batch::parse(&after).unwrap();
    assert_eq!(batch.producer(), Batch::parse(&before).unwrap().producer());
    assert_eq!((batch.is_transactional(), batch.leader_epoch()), (true, Some(LeaderEpoch::new(40))));
    // A coordinator may send what a new batch cannot hold.
    let nameless = with(before, 53, &(-1_i32).to_be_bytes());
    let rules = ValidationRules { compression: to(Codec::Zstd), origin: AppendOrigin::Coordinator, ..RULES };
    assert!(matches!(refused(&nameless, &rules), Refusal::NotRebuilt { .. }));
    assert!(appended(&nameless, &ValidationRules { origin: AppendOrigin::Coordinator, ..RULES }).is_ok());
}

// conformance: VAL-031
#[test]
fn markers_stay_uncompressed() {
    let producer = (ProducerId::new(1), ProducerEpoch::new(0));
    let epoch = LeaderEpoch::new(-1);
    let marker = BatchBuilder::end_transaction(Offset::ZERO, epoch, producer, Timestamp::new(NOW), true, 7).unwrap();
    for compression in [Compression::Producer, to(Codec::Snappy), to(Codec::None)] {
        let rules = ValidationRules { compression, origin: AppendOrigin::Coordinator, ..RULES };
        let (after, said) = appended(&marker, &rules).unwrap();
        assert_eq!((said, &after[16..]), (validated(1, NOW), &marker[16..]));
        assert_eq!(after.len(), 78);
    }
}

// conformance: VAL-018
#[test]
fn a_compacted_topic_needs_keys() {
    for codec in Codec::ALL {
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
        for key in [None, Some(&b"k"[..]), None, Some(&b""[..])] {
            builder.push(Timestamp::new(NOW), key, Some(b"v"), &[]).unwrap();
        }
        let bytes = built(builder);
        for compression in [Compression::Producer, to(Codec::Lz4), to(Codec::None)] {
            let rules = ValidationRules { compact: true, compression, ..RULES };
            let errors = [0, 2].map(|index| RecordError { index, rule: RecordRule::NoKey }).to_vec();
            assert_eq!(refused(&bytes, &rules), Refusal::InvalidRecords { errors }, "{codec}");
        }
        assert!(appended(&bytes, &RULES).is_ok());
    }
}

// conformance: VAL-047 PRQ-002
#[test]
fn times_are_held_to_their_bounds() {
    let out_of_range = |index, found| RecordError {
        index,
        rule: RecordRule::TimestampOutOfRange { found, least: NOW - 1000, most: NOW + 1000 },
    };
    for codec in Codec::ALL {
        for compression in [Compression::Producer, to(Codec::Lz4), to(Codec::None)] {
            let rules = ValidationRules { compression, ..RULES };
            assert!(appended(&batch(codec, &[NOW - 1000, NOW, -1, NOW + 1000]), &rules).is_ok(), "{codec}");
            let times = [NOW - 1001, NOW, NOW + 1001, -1, 0];
            let errors = vec![out_of_range(0, NOW - 1001), out_of_range(2, NOW + 1001), out_of_range(4, 0)];
            assert_eq!(refused(&batch(codec, &times), &rules), Refusal::InvalidTimestamps { errors }, "{codec}");
        }
    }
    let any = ValidationRules { before_max_ms: i64::MAX, after_max_ms: i64::MAX, ..RULES };
    assert!(appended(&batch(Codec::None, &[0, i64::MAX]), &any).is_ok());
}

// conformance: VAL-046
#[test]
fn one_wrong_time_makes_it_an_error_about_times_with_all_records() {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    for index in 0..6 {
        let (key, time) = if index == 3 { (Some(&b"k"[..]), NOW + 1001) } else { (None, NOW) };
        builder.push(Timestamp::new(time), key, None, &[]).unwrap();
    }
    let Refusal::InvalidTimestamps { errors } = refused(&built(builder), &ValidationRules { compact: true, ..RULES })
    else {
        panic!("not about timestamps");
    };
    assert_eq!(errors.iter().map(|error| error.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(errors.iter().filter(|error| error.rule == RecordRule::NoKey).count(), 5);
}

#[test]
fn records_that_do_not_decode_are_refused() {
    for codec in Codec::ALL {
        let more = with(with(batch(codec, &[NOW; 3]), 57, &4_i32.to_be_bytes()), 23, &3_i32.to_be_bytes());
        let fewer = with(with(batch(codec, &[NOW; 3]), 57, &2_i32.to_be_bytes()), 23, &1_i32.to_be_bytes());
        for compression in [Compression::Producer, to(Codec::Lz4)] {
            let rules = ValidationRules { compression, ..RULES };
            assert!(matches!(refused(&more, &rules), Refusal::InvalidRecord(_)), "{codec}");
            assert!(matches!(
                refused(&fewer, &rules),
                Refusal::InvalidRecord(Malformed { rule: Rule::Trailing { .. }, .. })
            ));
        }
    }
    for codec in COMPRESSED {
        let mut bytes = batch(codec, &[NOW; 3]);
        bytes.truncate(HEADER_LEN + 4);
        let cut = with(bytes, 8, &(i32::try_from(HEADER_LEN).unwrap() + 4 - 12).to_be_bytes());
        assert!(matches!(refused(&cut, &RULES), Refusal::Undecodable(_)), "{codec}: {:?}", appended(&cut, &RULES));
    }
}

/// Kafka does not look at a record's own length where it passes over keys and values.
#[test]
fn compressed_records_are_not_held_to_their_length() {
    let plain = batch(Codec::None, &[NOW]);
    let mut body = plain[HEADER_LEN..].to_vec();
    body[0] -= 2;
    let wrong = with(plain.clone(), HEADER_LEN, &body);
    assert!(matches!(refused(&wrong, &RULES), Refusal::InvalidRecord(_)));
    let mut packed = Vec::new();
    crate::compress::compress(Codec::Gzip, None, 2, &body, &mut packed).unwrap();
    let bytes = [&plain[..HEADER_LEN], &packed].concat();
    let length = i32::try_from(bytes.len() - 12).unwrap();
    let bytes = with(with(bytes, 8, &length.to_be_bytes()), 21, &[0, 1]);
    assert!(appended(&bytes, &RULES).is_ok());
    let rules = ValidationRules { compression: to(Codec::None), ..RULES };
    assert!(matches!(refused(&bytes, &rules), Refusal::InvalidRecord(_)));
}

#[test]
fn a_large_record_is_refused_where_it_was_compressed() {
    let one = |codec, len: usize| {
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, None);
        builder.push(Timestamp::new(NOW), None, Some(&vec![b'x'; len]), &[]).unwrap();
        built(builder)
    };
    // Attributes, two deltas, key and header count take a byte each, the value's length two.
    let fits = 1000 - 7;
    for target in [Codec::Gzip, Codec::Lz4] {
        let rules = ValidationRules { compression: to(target), ..RULES };
        assert!(appended(&one(Codec::Gzip, fits), &rules).is_ok());
        assert!(matches!(
            refused(&one(Codec::Gzip, fits + 1), &rules),
            Refusal::InvalidRecord(Malformed { rule: Rule::TooLarge { limit: 1000, .. }, .. })
        ));
        assert!(appended(&one(Codec::None, 5000), &rules).is_ok());
    }
    let bomb = one(Codec::Zstd, 3 << 20);
    assert!(matches!(
        refused(&bomb, &RULES),
        Refusal::Undecodable(Malformed { rule: Rule::TooLarge { limit: 1_048_576, .. }, .. })
    ));
}

proptest! {
    /// Whatever a batch holds behind a checksum that fits, it is taken or refused, and then left as it was.
    #[test]
    fn any_batch_is_taken_or_refused(
        source in prop::sample::select(&Codec::ALL[..]),
        target in prop::sample::select(&Codec::ALL[..]),
        is_client in any::<bool>(),
        is_append_time in any::<bool>(),
        flips in proptest::collection::vec((8_usize..200, any::<u8>()), 0..4),
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)),
    ) {
        let mut bytes = batch(source, &[NOW, NOW + 1, NOW - 1]);
        if let Some(body) = body {
            bytes.truncate(HEADER_LEN);
            bytes.extend_from_slice(&body);
            let length = i32::try_from(bytes.len() - 12).unwrap();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
        }
        for (at, byte) in flips {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        let bytes = with(bytes, 16, &[2]);
        let rules = ValidationRules {
            origin: if is_client { AppendOrigin::Client } else { AppendOrigin::Coordinator },
            timestamp_type: if is_append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
            compression: to(target),
            ..RULES
        };
        // A batch that is cut short is none, and nothing of it is there to validate.
        if let Ok((after, said)) = appended(&bytes, &rules) {
            prop_assert!(said.first_offset.get() == NEXT && said.last_offset.get() >= NEXT - 1);
            if !after.is_empty() {
                prop_assert_eq!(Batch::parse(&after).unwrap().check_crc(), Ok(()));
            }
        }
    }
}
