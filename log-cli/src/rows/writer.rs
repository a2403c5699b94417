//! A record as a line that can be read again.

use log_engine::TopicPartition;

use super::Row;
use crate::render::{base64, json_string};

/// Adds `row` of `partition` to `out`, as a line of JSON in the words of an export.
pub(crate) fn write_line(out: &mut Vec<u8>, partition: &TopicPartition, row: &Row) {
    let batch = &row.batch;
    let text = |out: &mut Vec<u8>, text: String| out.extend_from_slice(text.as_bytes());
    let or_null = |number: Option<i64>| number.map_or("null".to_owned(), |number| number.to_string());
    out.extend_from_slice(b"{\"topic\":");
    json_string(out, &partition.topic);
    let time = if batch.is_append_time { "LogAppendTime" } else { "CreateTime" };
    let (id, epoch) = batch.producer.unzip();
    text(
        out,
        format!(
            ",\"partition\":{},\"offset\":{},\"timestamp\":{},\"timestampType\":\"{time}\",\"leaderEpoch\":{},\"producerId\":{},\
             \"producerEpoch\":{},\"sequence\":{},\"isTransactional\":{},\"isControl\":{},\"headers\":[",
            partition.partition,
            or_null(row.offset),
            row.timestamp,
            or_null((batch.leader_epoch >= 0).then_some(batch.leader_epoch.into())),
            or_null(id),
            or_null(epoch.map(i64::from)),
            or_null(row.sequence.map(i64::from)),
            batch.is_transactional,
            batch.is_control,
        ),
    );
    for (i, (key, value)) in row.headers.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"{" } else { b",{" });
        bytes(out, "key", "keyEnc", Some(key));
        out.push(b',');
        bytes(out, "value", "enc", value.as_deref());
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
    bytes(out, "key", "keyEnc", row.key.as_deref());
    out.push(b',');
    bytes(out, "value", "valueEnc", row.value.as_deref());
    text(
        out,
        format!(
            ",\"batchOffset\":{},\"batchLastOffset\":{},\"deleteHorizonMs\":{},\"codec\":\"{}\"}}\n",
            or_null(batch.first_offset),
            or_null(batch.last_offset),
            or_null(batch.delete_horizon),
            batch.codec.name(),
        ),
    );
}

/// A field with bytes, and how they are written.
fn bytes(out: &mut Vec<u8>, name: &str, encoding: &str, bytes: Option<&[u8]>) {
    out.extend_from_slice(format!("\"{name}\":").as_bytes());
    let Some(bytes) = bytes else {
        return out.extend_from_slice(b"null");
    };
    let how = match std::str::from_utf8(bytes) {
        Ok(text) => {
            json_string(out, text);
            "utf8"
        }
        Err(_) => {
            out.push(b'"');
            base64(out, bytes);
            out.push(b'"');
            "base64"
        }
    };
    out.extend_from_slice(format!(",\"{encoding}\":\"{how}\"").as_bytes());
}
