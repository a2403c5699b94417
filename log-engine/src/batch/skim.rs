//! v2 records as a leader sees them that only checks: their deltas and whether there is a key, and nothing is borrowed.
//!
//! Kafka checks compressed batches less closely than others: it passes over keys, values and headers by their lengths and
//! does not look whether the record's own length agrees. What it accepts so must be accepted here.
//!
//! Kafka: `DefaultRecord.readPartiallyFrom`, `DefaultRecordBatch.skipKeyValueIterator`.

use crate::encoding::Reader;
use crate::error::{Malformed, Rule};

/// What is looked at of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skimmed {
    pub(super) body_len: usize,
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) has_key: bool,
}

/// Passes over one record.
pub(super) fn skim(reader: &mut Reader<'_>) -> Result<Skimmed, Malformed> {
    let body_len = take_length(reader, "record length")?;
    reader.take_i8()?;
    let timestamp_delta = reader.take_varlong()?;
    let offset_delta = reader.take_varint()?;
    let has_key = pass_nullable(reader)?;
    pass_nullable(reader)?;
    for _ in 0..take_length(reader, "header count")? {
        let key = take_length(reader, "header key length")?;
        reader.take_bytes(key)?;
        pass_nullable(reader)?;
    }
    Ok(Skimmed { body_len, timestamp_delta, offset_delta, has_key })
}

/// A length that cannot be negative.
fn take_length(reader: &mut Reader<'_>, field: &'static str) -> Result<usize, Malformed> {
    let at = reader.at();
    let length = reader.take_varint()?;
    usize::try_from(length).map_err(|_| Malformed::new(at, Rule::Negative { field, value: length.into() }))
}

/// A length and as many bytes; whether it is not null.
fn pass_nullable(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let Ok(len) = usize::try_from(reader.take_varint()?) else {
        return Ok(false);
    };
    reader.take_bytes(len)?;
    Ok(true)
}
