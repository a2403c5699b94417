//! Control records as Kafka's tool shows them. It reads every value by version 0 of its schema, whatever the value says.

use std::fmt::Write;

use log_engine::Record;
use log_engine::batch::ControlType;
use log_engine::checkpoint::Uuid;

use super::buffer::{Buffer, Fault};
use super::java::put_text;
use super::thrown::Thrown;

/// The most elements of an array and tagged fields that Kafka reads.
const MAX_ELEMENTS: usize = 1_000_000;
const MAX_TAGGED_FIELDS: usize = 10_000;

/// Adds what the record says, or throws before it adds anything.
pub(super) fn put(out: &mut Vec<u8>, record: &Record<'_>) -> Result<(), Thrown> {
    let key = record.key.ok_or_else(|| null("java.nio.ByteBuffer.duplicate()", "key"))?;
    let kind = parse_type(key)?;
    let text = match kind {
        ControlType::Abort | ControlType::Commit => end_of_transaction(kind, record.value)?,
        ControlType::LeaderChange => format!(" LeaderChange: {}", leader_change(value(record, "slice")?)?),
        ControlType::SnapshotHeader => format!(" SnapshotHeader {}", snapshot_header(value(record, "slice")?)?),
        ControlType::SnapshotFooter => format!(" SnapshotFooter {}", snapshot_footer(value(record, "slice")?)?),
        ControlType::KRaftVersion => format!(" KRaftVersion {}", kraft_version(value(record, "slice")?)?),
        ControlType::KRaftVoters => format!(" KRaftVoters {}", voters(value(record, "slice")?)?),
        ControlType::Unknown(id) => format!(" controlType: UNKNOWN({id})"),
    };
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Kafka: `ControlRecordType.parseTypeId`.
fn parse_type(key: &[u8]) -> Result<ControlType, Thrown> {
    let len = key.len();
    let mut buffer = Buffer::new(key);
    match buffer.short() {
        _ if len < 4 => Err(Thrown::invalid_record(format!(
            "Invalid value size found for control record key. Must have at least 4 bytes, but found only {len}"
        ))),
        Ok(version) if version < 0 => Err(Thrown::invalid_record(format!(
            "Invalid version found for control record: {version}. May indicate data corruption"
        ))),
        _ => ControlType::parse(key).map_err(|_| Thrown::out_of_bounds()),
    }
}

/// Kafka: `EndTransactionMarker.deserializeValue`.
fn end_of_transaction(kind: ControlType, value: Option<&[u8]>) -> Result<String, Thrown> {
    let mut buffer = Buffer::new(value.ok_or_else(|| null("java.nio.ByteBuffer.getShort()", "value"))?);
    let version = buffer.short()?;
    if version < 0 {
        let message =
            format!("Invalid version found for end transaction marker: {version}. May indicate data corruption");
        return Err(Thrown::invalid_record(message));
    }
    Ok(format!(" endTxnMarker: {} coordinatorEpoch: {}", kind.name(), buffer.int()?))
}

fn value<'a>(record: &Record<'a>, method: &str) -> Result<Buffer<'a>, Thrown> {
    record.value.map(Buffer::new).ok_or_else(|| null(&format!("java.nio.ByteBuffer.{method}()"), "data"))
}

fn leader_change(mut value: Buffer<'_>) -> Result<String, Thrown> {
    let (version, leader) = (value.short()?, value.int()?);
    let mut lists = [String::new(), String::new()];
    for (list, name) in lists.iter_mut().zip(["voters", "grantingVoters"]) {
        for _ in 0..array(&mut value, name)? {
            let id = value.int()?;
            tagged_fields(&mut value)?;
            // Later versions have a directory id, which version 0 of the schema does not read.
            let directory =
                if version >= 1 { format!(r#","voterDirectoryId":"{}""#, Uuid::ZERO) } else { String::new() };
            separate(list);
            let _ = write!(list, r#"{{"voterId":{id}{directory}}}"#);
        }
    }
    tagged_fields(&mut value)?;
    let [voters, granting] = lists;
    Ok(format!(r#"{{"version":{version},"leaderId":{leader},"voters":[{voters}],"grantingVoters":[{granting}]}}"#))
}

fn snapshot_header(mut value: Buffer<'_>) -> Result<String, Thrown> {
    let (version, timestamp) = (value.short()?, value.long()?);
    tagged_fields(&mut value)?;
    Ok(format!(r#"{{"version":{version},"lastContainedLogTimestamp":{timestamp}}}"#))
}

fn snapshot_footer(mut value: Buffer<'_>) -> Result<String, Thrown> {
    let version = value.short()?;
    tagged_fields(&mut value)?;
    Ok(format!(r#"{{"version":{version}}}"#))
}

fn kraft_version(mut value: Buffer<'_>) -> Result<String, Thrown> {
    let (version, kraft_version) = (value.short()?, value.short()?);
    tagged_fields(&mut value)?;
    Ok(format!(r#"{{"version":{version},"kRaftVersion":{kraft_version}}}"#))
}

fn voters(mut value: Buffer<'_>) -> Result<String, Thrown> {
    let version = value.short()?;
    let mut list = String::new();
    for _ in 0..array(&mut value, "voters")? {
        let (id, directory) = (value.int()?, Uuid::from_bytes(value.uuid()?));
        separate(&mut list);
        let _ = write!(list, r#"{{"voterId":{id},"voterDirectoryId":"{directory}","endpoints":["#);
        for n in 0..array(&mut value, "endpoints")? {
            let (name, host) = (string(&mut value, "name")?, string(&mut value, "host")?);
            let port = value.short()?.cast_unsigned();
            tagged_fields(&mut value)?;
            let comma = if n > 0 { "," } else { "" };
            let _ = write!(list, r#"{comma}{{"name":{name},"host":{host},"port":{port}}}"#);
        }
        let (least, most) = (value.short()?, value.short()?);
        tagged_fields(&mut value)?;
        tagged_fields(&mut value)?;
        let feature = format!(r#"{{"minSupportedVersion":{least},"maxSupportedVersion":{most}}}"#);
        let _ = write!(list, r#"],"kRaftVersionFeature":{feature}}}"#);
    }
    tagged_fields(&mut value)?;
    Ok(format!(r#"{{"version":{version},"voters":[{list}]}}"#))
}

fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push(',');
    }
}

/// The number of elements of an array that must be there.
fn array(value: &mut Buffer<'_>, field: &str) -> Result<usize, Thrown> {
    let len = value.unsigned_varint()?.wrapping_sub(1);
    let remaining = value.remaining();
    let Ok(count) = usize::try_from(len) else {
        return Err(runtime(format!("non-nullable field {field} was serialized as null")));
    };
    if count > remaining {
        let message =
            format!("Tried to allocate a collection of size {count}, but there are only {remaining} bytes remaining.");
        return Err(runtime(message));
    }
    if count > MAX_ELEMENTS {
        let message = format!(
            "Tried to read a collection of size {count}, which exceeds the maximum allowed size of {MAX_ELEMENTS}."
        );
        return Err(runtime(message));
    }
    Ok(count)
}

/// A string as it stands in JSON.
fn string(value: &mut Buffer<'_>, field: &str) -> Result<String, Thrown> {
    let len = value.unsigned_varint()?.wrapping_sub(1);
    if len < 0 {
        return Err(runtime(format!("non-nullable field {field} was serialized as null")));
    }
    if len > i16::MAX.into() {
        return Err(runtime(format!("string field {field} had invalid length {len}")));
    }
    let mut text = Vec::new();
    put_text(&mut text, bytes(value, len)?);
    Ok(serde_json::Value::from(String::from_utf8_lossy(&text)).to_string())
}

/// Tagged fields, all of them unknown.
fn tagged_fields(value: &mut Buffer<'_>) -> Result<(), Thrown> {
    let count = value.unsigned_varint()?;
    let remaining = value.remaining();
    let Ok(fields) = usize::try_from(count) else {
        return Err(runtime(format!("Invalid negative number of tagged fields {count}")));
    };
    if fields > remaining {
        let message = format!("Tried to read {count} tagged fields, but there are only {remaining} bytes remaining.");
        return Err(runtime(message));
    }
    if fields > MAX_TAGGED_FIELDS {
        let message = format!(
            "Tried to read {count} tagged fields, which exceeds the maximum allowed count of {MAX_TAGGED_FIELDS}."
        );
        return Err(runtime(message));
    }
    for _ in 0..fields {
        value.unsigned_varint()?;
        let size = value.unsigned_varint()?;
        bytes(value, size)?;
    }
    Ok(())
}

/// Kafka: `ByteBufferAccessor.readArray`.
fn bytes<'a>(value: &mut Buffer<'a>, size: i32) -> Result<&'a [u8], Thrown> {
    let remaining = value.remaining();
    let Ok(len) = usize::try_from(size) else {
        return Err(Thrown::new("java.lang.NegativeArraySizeException", size.to_string()));
    };
    value.bytes(len).map_err(|_: Fault| {
        runtime(format!("Error reading byte array of {size} byte(s): only {remaining} byte(s) available"))
    })
}

fn runtime(message: String) -> Thrown {
    Thrown::new("java.lang.RuntimeException", message)
}

fn null(method: &str, variable: &str) -> Thrown {
    let message = format!("Cannot invoke \"{method}\" because \"{variable}\" is null");
    Thrown::new("java.lang.NullPointerException", message)
}
