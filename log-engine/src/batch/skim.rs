//! v2 records as a leader sees them that only checks: their deltas and whether there is a key, and nothing is borrowed.
//!
//! Kafka checks compressed batches less closely than others: it passes over keys, values and headers by their lengths and
//! does not look whether the record's own length agrees. What it accepts so must be accepted here.
//!
//! Kafka: `DefaultRecord.readPartiallyFrom`.

use super::record::{Base, decode};
use crate::encoding::Reader;
use crate::error::{Malformed, Rule};

/// What is looked at of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skimmed {
    /// What the record says of its own length.
    pub(super) body_len: usize,
    /// That it is as long.
    pub(super) is_exact: bool,
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) has_key: bool,
}

/// Passes over one record by the lengths in it; `None` if they do not fit ([`reason`]).
#[inline]
pub(super) fn skim(reader: &mut Reader<'_>) -> Option<Skimmed> {
    let body_len = take_length(reader)?;
    let before = reader.left();
    reader.try_skip(1)?;
    let timestamp_delta = reader.try_varlong()?;
    let offset_delta = reader.try_varint()?;
    let has_key = pass_nullable(reader)?;
    pass_nullable(reader)?;
    for _ in 0..take_length(reader)? {
        let key = take_length(reader)?;
        reader.try_skip(key)?;
        pass_nullable(reader)?;
    }
    Some(Skimmed { body_len, is_exact: before - reader.left() == body_len, timestamp_delta, offset_delta, has_key })
}

/// Why the record at the start of `rest` is not passed over, or is not as long as it says.
#[cold]
pub(super) fn reason(mut rest: Reader<'_>) -> Malformed {
    let base = Base { offset: 0, timestamp: 0, append_time: None, sequence: None };
    let found = rest.left() as u64;
    // Whatever decodes is passed over and has its length: the other rule is never met.
    let too_long = Malformed::new(rest.at(), Rule::Trailing { what: "a record", left: found });
    decode(&mut rest, &base).err().unwrap_or(too_long)
}

/// A length that cannot be negative.
#[inline]
fn take_length(reader: &mut Reader<'_>) -> Option<usize> {
    usize::try_from(reader.try_varint()?).ok()
}

/// A length and as many bytes; whether it is not null.
#[inline]
fn pass_nullable(reader: &mut Reader<'_>) -> Option<bool> {
    let Ok(len) = usize::try_from(reader.try_varint()?) else {
        return Some(false);
    };
    reader.try_skip(len)?;
    Some(true)
}

#[cfg(test)]
mod tests;
