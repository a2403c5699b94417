//! One line of an export, as JSON: what it may say, and what that means.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log_engine::Codec;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};

use super::{BatchFacts, Emptied, HeaderBytes, Item, Row};

/// Everything that a line may say. What only tells where something was is read and left.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Line {
    pub(super) topic: Option<String>,
    pub(super) partition: Option<i32>,
    // A record.
    offset: Option<Int<i64>>,
    timestamp: Option<Int<i64>>,
    timestamp_type: Option<String>,
    /// Without a word of it 0, what a broker's first leader has; null is none.
    #[serde(default = "first_epoch")]
    leader_epoch: Option<i32>,
    producer_id: Option<Int<i64>>,
    producer_epoch: Option<i16>,
    sequence: Option<i32>,
    is_transactional: bool,
    is_control: bool,
    headers: Vec<HeaderLine>,
    key: Option<String>,
    key_enc: Encoding,
    value: Option<String>,
    value_enc: Encoding,
    batch_offset: Option<Int<i64>>,
    batch_last_offset: Option<Int<i64>>,
    delete_horizon_ms: Option<Int<i64>>,
    codec: Option<CodecName>,
    crc_ok: Option<bool>,
    // A batch without records.
    base_offset: Option<Int<i64>>,
    last_offset: Option<Int<i64>>,
    count: Option<i64>,
    base_sequence: Option<i32>,
    partition_leader_epoch: Option<i32>,
    max_timestamp: Option<Int<i64>>,
    // Damage.
    r#type: Option<String>,
    message: Option<IgnoredAny>,
    code: Option<IgnoredAny>,
    bytes: Option<IgnoredAny>,
    // Where it was.
    segment: Option<IgnoredAny>,
    position: Option<IgnoredAny>,
    magic: Option<IgnoredAny>,
    control_type: Option<IgnoredAny>,
    last_sequence: Option<IgnoredAny>,
    size: Option<IgnoredAny>,
    crc: Option<IgnoredAny>,
    compresscodec: Option<IgnoredAny>,
    isvalid: Option<IgnoredAny>,
}

/// A header.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HeaderLine {
    key: String,
    #[serde(default)]
    key_enc: Encoding,
    value: Option<String>,
    #[serde(default)]
    enc: Encoding,
}

/// How a text stands for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// It is them.
    #[default]
    Utf8,
    Base64,
}

/// A codec by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CodecName {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::None => Self::None,
            CodecName::Gzip => Self::Gzip,
            CodecName::Snappy => Self::Snappy,
            CodecName::Lz4 => Self::Lz4,
            CodecName::Zstd => Self::Zstd,
        }
    }
}

/// A number, or its digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Int<T>(T);

impl<'de> Deserialize<'de> for Int<i64> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Int<i64>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of 64 bits")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Int<i64>, E> {
                Ok(Int(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Int<i64>, E> {
                i64::try_from(number).map(Int).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Int<i64>, E> {
                i64::from_str(text).map(Int).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        from.deserialize_any(Number)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
const fn first_epoch() -> Option<i32> {
    Some(0)
}

/// What is wrong with a line, and with which of its fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The field's name as it stands in the line.
    pub(super) field: &'static str,
    pub(super) rule: String,
}

fn wrong(field: &'static str, rule: impl Into<String>) -> Wrong {
    Wrong { field, rule: rule.into() }
}

fn get(number: Option<Int<i64>>) -> Option<i64> {
    number.map(|number| number.0)
}

impl Line {
    /// What it stands for; `now` in milliseconds, for records that have no time.
    pub(super) fn item(self, now: i64) -> Result<Item, Wrong> {
        if self.r#type.is_some() {
            return match self.r#type.as_deref() {
                Some("damage" | "leftOut") => Ok(Item::Damage),
                _ => Err(wrong("type", "the type of a line is damage or leftOut; a record has none")),
            };
        }
        let is_append_time = match self.timestamp_type.as_deref() {
            None | Some("CreateTime" | "NoTimestampType") => false,
            Some("LogAppendTime") => true,
            Some(_) => return Err(wrong("timestampType", "a timestampType is CreateTime or LogAppendTime")),
        };
        let producer = match (get(self.producer_id), self.producer_epoch) {
            (None | Some(-1), _) => None,
            (Some(id), Some(epoch)) if id >= 0 && epoch >= 0 => Some((id, epoch)),
            (Some(_), Some(_)) => return Err(wrong("producerId", "a producer's id and epoch are not below 0")),
            (Some(_), None) => return Err(wrong("producerId", "a producerId needs a producerEpoch")),
        };
        if producer.is_none() && self.is_transactional {
            return Err(wrong("isTransactional", "a transaction needs a producerId"));
        }
        let facts = BatchFacts {
            first_offset: get(self.batch_offset),
            last_offset: get(self.batch_last_offset),
            leader_epoch: self.leader_epoch.unwrap_or(-1),
            producer,
            is_transactional: self.is_transactional,
            is_control: self.is_control,
            is_append_time,
            delete_horizon: get(self.delete_horizon_ms),
            codec: self.codec.map_or(Codec::None, Codec::from),
        };
        if self.base_offset.is_some() || self.count.is_some() {
            return self.emptied(facts);
        }
        self.record(facts, now)
    }

    fn emptied(self, facts: BatchFacts) -> Result<Item, Wrong> {
        if self.count != Some(0) {
            return Err(wrong("count", "a batch is a line only where it has no records: count is 0"));
        }
        let (Some(first), Some(last)) = (get(self.base_offset), get(self.last_offset)) else {
            return Err(wrong("baseOffset", "a batch without records has a baseOffset and a lastOffset"));
        };
        check_offset("baseOffset", first)?;
        if last < first {
            return Err(wrong("lastOffset", format!("lastOffset {last} is below baseOffset {first}")));
        }
        let batch = BatchFacts {
            first_offset: Some(first),
            last_offset: Some(last),
            leader_epoch: self.partition_leader_epoch.unwrap_or(-1),
            ..facts
        };
        let max_timestamp = get(self.max_timestamp).unwrap_or(-1);
        Ok(Item::Emptied(Emptied { batch, base_sequence: self.base_sequence, max_timestamp }))
    }

    fn record(self, facts: BatchFacts, now: i64) -> Result<Item, Wrong> {
        let offset = get(self.offset);
        check_offset("offset", offset.unwrap_or(0))?;
        let timestamp = get(self.timestamp).unwrap_or(now);
        if timestamp < -1 {
            return Err(wrong("timestamp", format!("timestamp {timestamp} is below -1")));
        }
        if facts.producer.is_some() && !facts.is_control && self.sequence.is_none_or(|sequence| sequence < 0) {
            return Err(wrong("sequence", "a record of a producer has a sequence from 0 on"));
        }
        let key = self.key.map(|text| bytes("key", text, self.key_enc)).transpose()?;
        let value = self.value.map(|text| bytes("value", text, self.value_enc)).transpose()?;
        let headers = self.headers.into_iter().map(header).collect::<Result<_, _>>()?;
        let sequence = self.sequence.filter(|sequence| *sequence >= 0);
        let row = Row { batch: Arc::new(facts), offset, timestamp, sequence, key, value, headers };
        Ok(Item::Row { row, is_sound: self.crc_ok != Some(false) })
    }
}

fn check_offset(field: &'static str, offset: i64) -> Result<(), Wrong> {
    if (0..i64::MAX).contains(&offset) { Ok(()) } else { Err(wrong(field, format!("{offset} is no offset"))) }
}

fn header(line: HeaderLine) -> Result<HeaderBytes, Wrong> {
    let key = bytes("headers", line.key, line.key_enc)?;
    let value = line.value.map(|text| bytes("headers", text, line.enc)).transpose()?;
    Ok((key, value))
}

fn bytes(field: &'static str, text: String, encoding: Encoding) -> Result<Vec<u8>, Wrong> {
    match encoding {
        Encoding::Utf8 => Ok(text.into_bytes()),
        Encoding::Base64 => STANDARD.decode(&text).map_err(|e| wrong(field, format!("no base64: {e}"))),
    }
}
