//! The rules of Kafka's `UnifiedLogTest` about batches as they come.

use super::*;
use crate::batch::BatchBuilder;
use crate::encoding::crc32c;

const CLIENT: AnalysisRules =
    AnalysisRules { origin: AppendOrigin::Client, leader_epoch: LeaderEpoch::new(5), max_message_bytes: None };
const FOLLOWER: AnalysisRules = AnalysisRules { origin: AppendOrigin::Replication, ..CLIENT };

/// Two records at `base`.
fn batch(base: i64, epoch: i32, codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(LeaderEpoch::new(epoch)).codec(codec, None);
    for time in [base + 10, base + 5] {
        builder.push(Timestamp::new(time), None, Some(b"value"), &[]).unwrap();
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

fn resealed(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    bytes[at] = byte;
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn heads_say_offsets_times_codec_and_epoch() {
    let bytes = [batch(3, 4, Codec::Gzip), batch(7, 5, Codec::None)].concat();
    let found = analyze(&bytes, &FOLLOWER).unwrap();
    let expected = Analysis {
        first_offset: Some(Offset::new(3)),
        last_offset_of_first_batch: Offset::new(4),
        last_offset: Offset::new(8),
        max_timestamp: Timestamp::new(17),
        valid_bytes: bytes.len(),
        source_codec: Codec::Gzip,
        last_leader_epoch: Some(LeaderEpoch::new(5)),
        batches: 2,
    };
    assert_eq!(found, expected);
    assert_eq!(found.first_or_last_offset(), Offset::new(3));
}

// conformance: BLI-001
#[test]
fn a_tail_that_is_no_whole_batch_is_left_out() {
    let one = batch(0, -1, Codec::None);
    for extra in (0..one.len()).chain([one.len()]) {
        let bytes = [&one[..], &one[..extra]].concat();
        let found = analyze(&bytes, &CLIENT).unwrap();
        let whole = if extra == one.len() { 2 } else { 1 };
        assert_eq!((found.batches, found.valid_bytes), (whole, whole * one.len()), "{extra}");
    }
    for len in 0..one.len() {
        assert_eq!(analyze(&one[..len], &CLIENT), Ok(Analysis::NOTHING), "{len}");
    }
}

// conformance: BLI-003 MEM-018
#[test]
fn what_is_no_batch_is_corrupt_and_has_its_place() {
    let one = batch(0, -1, Codec::None);
    let at = one.len();
    let tail = |tail: &[u8]| analyze(&[&one[..], tail].concat(), &CLIENT);
    let small = |size: i32| Refusal::CorruptMessage(Malformed::new(at + 8, Rule::SizeTooSmall { size, minimum: 14 }));
    assert_eq!(tail(&[0; 12]), Err(small(0)));
    assert_eq!(tail(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13]), Err(small(13)));
    assert!(tail(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14]).is_ok(), "short, and not wrong so far");
    for magic in [-1_i8, 3, 10, 37] {
        let mut bytes = one.clone();
        bytes[16] = magic.cast_unsigned();
        let rule = Rule::Version { what: "batch", found: magic.into(), known: "0, 1 and 2" };
        assert_eq!(tail(&bytes), Err(Refusal::CorruptMessage(Malformed::new(at + 16, rule))));
    }
    let mut bytes = one.clone();
    *bytes.last_mut().unwrap() ^= 1;
    let Err(Refusal::CorruptMessage(malformed)) = tail(&bytes) else {
        panic!("a wrong checksum");
    };
    assert!(malformed.at == at && matches!(malformed.rule, Rule::Checksum { .. }), "{malformed}");
    // A v2 head in less than its 61 bytes.
    let mut bytes = one[..60].to_vec();
    bytes[8..12].copy_from_slice(&48_i32.to_be_bytes());
    assert!(matches!(tail(&bytes), Err(Refusal::CorruptMessage(_))));
}

#[test]
fn codec_bits_must_name_a_codec() {
    for bits in 5..8 {
        let bytes = resealed(batch(0, -1, Codec::None), 22, bits);
        assert_eq!(analyze(&bytes, &CLIENT), Err(Refusal::UnknownCodec { codec: bits }));
    }
}

#[test]
fn a_client_begins_at_0_and_a_raft_leader_names_its_epoch() {
    let what = "the base offset of a client's batch";
    let expected = Err(Refusal::InvalidBatch { what, found: 1, expected: "0" });
    assert_eq!(analyze(&batch(1, -1, Codec::None), &CLIENT), expected);
    let coordinator = AnalysisRules { origin: AppendOrigin::Coordinator, ..CLIENT };
    assert!(analyze(&batch(1, -1, Codec::None), &coordinator).is_ok());
    let raft = AnalysisRules { origin: AppendOrigin::RaftLeader, ..CLIENT };
    assert!(analyze(&batch(1, 5, Codec::None), &raft).is_ok());
    for epoch in [-1, 4, 6] {
        let refused = analyze(&batch(1, epoch, Codec::None), &raft);
        assert!(
            matches!(refused, Err(Refusal::InvalidBatch { found, .. }) if found == i64::from(epoch)),
            "{refused:?}"
        );
    }
}

#[test]
fn size_is_held_to_its_limit() {
    let one = batch(0, -1, Codec::None);
    let size = one.len() as u64;
    let limited = |limit| analyze(&one, &AnalysisRules { max_message_bytes: Some(limit), ..CLIENT });
    assert!(limited(size).is_ok() && limited(size + 1).is_ok());
    assert_eq!(limited(size - 1), Err(Refusal::MessageTooLarge { size, limit: size - 1 }));
}

#[test]
fn batches_with_their_own_offsets_must_rise() {
    let cases = [([3, 3], 4, 4), ([3, 1], 2, 4), ([3, 0], 1, 4)];
    let raft = AnalysisRules { origin: AppendOrigin::RaftLeader, ..CLIENT };
    for (bases, found, previous) in cases {
        let bytes: Vec<u8> = bases.iter().flat_map(|base| batch(*base, 5, Codec::None)).collect();
        for rules in [FOLLOWER, raft] {
            assert_eq!(analyze(&bytes, &rules), Err(Refusal::OffsetsOutOfOrder { found, previous }));
        }
    }
    let overlapping = [batch(3, 5, Codec::None), batch(4, 5, Codec::None)].concat();
    assert!(analyze(&overlapping, &FOLLOWER).is_ok(), "the last offsets count");
    assert!(analyze(&batch(-2, 5, Codec::None), &FOLLOWER).is_err(), "before the first offset of any log");
}

#[test]
fn a_follower_leaves_batches_of_later_leaders() {
    let bytes = [batch(3, 5, Codec::None), batch(5, 6, Codec::None), batch(7, 5, Codec::None)].concat();
    let found = analyze(&bytes, &FOLLOWER).unwrap();
    assert_eq!((found.batches, found.last_offset.get(), found.valid_bytes * 3), (1, 4, bytes.len()));
    let newer = AnalysisRules { leader_epoch: LeaderEpoch::new(6), ..FOLLOWER };
    assert_eq!(analyze(&bytes, &newer).unwrap().batches, 3);
}
