//! Odd batches, and what Kafka 4.4.0 did with each of them on topics of five kinds.

use super::*;
use crate::encoding::crc32;

/// A name, who appends, the bytes; then for each topic of [`topics`] either the protocol's error and the records it names, or
/// first and last offset, the largest timestamp, and the CRC-32 of the bytes in the log, `-` where they depend on how a codec's
/// library was built.
const OBSERVED: &str = include_str!("observed.tsv");

const TOPICS: [&str; 5] = ["plain", "gzip", "none", "lat", "compact"];

fn rules(topic: &str) -> ValidationRules {
    let open = ValidationRules {
        leader_epoch: LeaderEpoch::new(3),
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        max_record_bytes: usize::MAX,
        ..RULES
    };
    match topic {
        "plain" => ValidationRules { before_max_ms: 5000, after_max_ms: 1000, ..open },
        "gzip" => ValidationRules { compression: to(Codec::Gzip), ..open },
        "none" => ValidationRules { compression: to(Codec::None), ..open },
        "lat" => ValidationRules { timestamp_type: TimestampType::LogAppendTime, ..open },
        _ => ValidationRules { compact: true, compression: to(Codec::Lz4), ..open },
    }
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What is said of the batches here, in the words of the table. `expected` says where the log ended.
fn answer(bytes: &[u8], rules: &ValidationRules, expected: &str) -> String {
    let heads = AnalysisRules { origin: rules.origin, leader_epoch: rules.leader_epoch, max_message_bytes: None };
    let words: Vec<&str> = expected.split(' ').collect();
    let said = analyze(bytes, &heads).and_then(|found| {
        if found.valid_bytes == 0 {
            return Ok("-1 -1 -1 -".to_owned());
        }
        let mut bytes = bytes[..found.valid_bytes].to_vec();
        let next_offset = Offset::new(words[0].parse().unwrap_or(0));
        let rules = ValidationRules { next_offset, source_codec: found.source_codec, ..*rules };
        let validated = validate(&mut bytes, &rules, &mut Scratch::default())?;
        let written = validated.rebuilt.unwrap_or(bytes);
        let crc = if words.last() == Some(&"-") { "-".to_owned() } else { format!("{:08x}", crc32(&written)) };
        Ok(format!("{} {} {} {crc}", validated.first_offset, validated.last_offset, validated.max_timestamp))
    });
    said.unwrap_or_else(|refusal| {
        let code = refusal.protocol_name();
        match &refusal {
            Refusal::InvalidRecords { errors } | Refusal::InvalidTimestamps { errors } => {
                let indexes: Vec<_> = errors.iter().map(|error| error.index.to_string()).collect();
                format!("{code} {}", indexes.join(","))
            }
            _ => code.to_owned(),
        }
    })
}

// conformance: LGB-003 SLR-001 SLR-002
#[test]
fn odd_batches_are_taken_and_refused_as_kafka_did() {
    let mut wrong = Vec::new();
    let mut lines = OBSERVED.lines();
    let columns: Vec<_> = lines.next().unwrap().split('\t').skip(3).collect();
    assert_eq!(columns, TOPICS);
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let origin = if cells[1] == "client" { AppendOrigin::Client } else { AppendOrigin::Coordinator };
        let bytes = unhex(cells[2]);
        for (topic, expected) in TOPICS.iter().zip(&cells[3..]) {
            let found = answer(&bytes, &ValidationRules { origin, ..rules(topic) }, expected);
            if found != *expected {
                wrong.push(format!("{} on {topic}: {found}, but Kafka said {expected}", cells[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
