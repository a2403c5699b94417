//! The JSON Schema of records, batches and damage.
//!
//! The lines are written by hand for speed; these types say what is in them, and tests hold the lines against the schema.

use schemars::JsonSchema;

/// One line of a dump.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(untagged)]
pub(crate) enum DumpLine {
    /// A record.
    Record(Box<RecordLine>),
    /// A batch, with --batches.
    Batch(BatchLine),
    /// Bytes that could not be read.
    Damage(DamageLine),
}

/// A number of 64 bits; text with --int64 string.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(untagged)]
pub(crate) enum Int64 {
    /// A number.
    Number(i64),
    /// Its digits.
    Text(String),
}

/// How bytes are written.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// Text.
    Utf8,
    /// Base64 with padding.
    Base64,
    /// A JSON value.
    Json,
}

/// A record.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordLine {
    /// The topic; null where no folder says it.
    topic: Option<String>,
    /// The partition's number; null where no folder says it.
    partition: Option<i32>,
    offset: Int64,
    /// Milliseconds since 1970, -1: none; RFC 3339 or null with --time-format rfc3339.
    timestamp: Option<Int64>,
    /// CreateTime, LogAppendTime or NoTimestampType.
    timestamp_type: String,
    leader_epoch: Option<i32>,
    producer_id: Option<Int64>,
    producer_epoch: Option<i16>,
    sequence: Option<i32>,
    is_transactional: bool,
    is_control: bool,
    headers: Vec<HeaderLine>,
    /// By --bytes.
    key: Option<serde_json::Value>,
    /// Where --bytes leaves the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_enc: Option<Encoding>,
    /// By --bytes; absent with --no-values.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    /// Where --bytes leaves the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_enc: Option<Encoding>,
    /// Bytes of the value, with --no-values.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_bytes: Option<u64>,
    /// COMMIT, ABORT and their like, for control records.
    #[serde(skip_serializing_if = "Option::is_none")]
    control_type: Option<String>,
    /// The file's name.
    segment: String,
    /// The first byte of the batch in the file.
    position: Int64,
    /// The base offset of the batch.
    batch_offset: Int64,
    /// The last offset of the batch, in an export: its record may be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_last_offset: Option<Int64>,
    /// When tombstones of the batch may go, in an export.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_horizon_ms: Option<Int64>,
    codec: String,
    magic: i8,
    /// Whether the batch's checksum fits; null with --no-verify.
    crc_ok: Option<bool>,
}

/// A header.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeaderLine {
    key: String,
    /// Only for a name that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_enc: Option<Encoding>,
    /// By --bytes.
    value: Option<serde_json::Value>,
    /// Where --bytes leaves the choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    enc: Option<Encoding>,
}

/// A batch, in the words of Kafka's own tool.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BatchLine {
    topic: Option<String>,
    partition: Option<i32>,
    segment: String,
    /// Null for messages of formats 0 and 1, which name their last offset only.
    base_offset: Option<Int64>,
    last_offset: Int64,
    count: Option<i32>,
    base_sequence: Option<i32>,
    last_sequence: Option<i32>,
    producer_id: Option<Int64>,
    producer_epoch: Option<i16>,
    partition_leader_epoch: Option<i32>,
    position: Int64,
    size: u64,
    magic: i8,
    crc: u32,
    delete_horizon_ms: Option<Int64>,
    is_transactional: bool,
    is_control: bool,
    timestamp_type: String,
    max_timestamp: Option<Int64>,
    compresscodec: String,
    isvalid: Option<bool>,
}

/// Bytes that could not be read.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DamageLine {
    /// damage; leftOut if nothing is wrong but the batch is too large to be shown.
    r#type: String,
    /// The finding; null for leftOut.
    code: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
    segment: String,
    /// The first byte.
    position: Int64,
    /// How many bytes it concerns, where that is known.
    bytes: Option<Int64>,
    /// The offset that the batch claims.
    offset: Option<Int64>,
    message: String,
}
