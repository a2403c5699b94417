//! The small text files beside the data: bytes to typed contents and back; pure.
//!
//! Knows no disk: a file's bytes come in, its path only names it in errors. Kafka's four offset checkpoints and its epoch file share
//! one form, read and written here:
//!
//! ```text
//! 0            version, always 0
//! 2            number of entries
//! orders 0 125 one entry a line
//! orders 1 99
//! ```
//!
//! Contents are taken as Kafka takes them, quirks of Java included (`java`), so that what we call readable a broker can read.

mod clean_shutdown;
mod epochs;
mod java;
mod json;
mod meta_properties;
mod offsets;
mod partition;
mod properties;
mod quorum_state;
mod uuid;

pub use clean_shutdown::CleanShutdown;
pub use epochs::{EpochCheckpoint, EpochEntry};
pub use java::{MAX_LINE_BYTES, MAX_LINES, MAX_TEXT_BYTES};
pub use json::MAX_JSON_BYTES;
pub use meta_properties::MetaProperties;
pub use offsets::{OffsetCheckpoint, PartitionOffset};
pub use partition::PartitionMetadata;
pub use quorum_state::{QuorumForm, QuorumState};
pub use uuid::Uuid;

use crate::error::{Corrupt, Error, Malformed, Rule};
use java::{Line, Lines, excerpt, parse_int, split_whitespace};

/// How a Kafka broker fails on a checkpoint, epoch or `partition.metadata` file that it cannot read.
///
/// The two weigh differently: see what each file's type says. The bounds of this crate ([`MAX_TEXT_BYTES`] and others) count as
/// [`Self::Storage`]; Kafka has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// A Java `IOException`: a malformed line, a wrong count or version. The log directory goes offline.
    Storage,
    /// Any other Java exception, such as `NumberFormatException`. Ends the broker where nothing catches it.
    Runtime,
}

impl TextFault {
    /// The kind of `error`, which came from parsing one of these files.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Corrupt(corrupt) => Self::of_rule(corrupt),
            _ => Self::Storage,
        }
    }

    fn of_rule(corrupt: &Corrupt) -> Self {
        match corrupt.rule {
            Rule::Number { .. } | Rule::Negative { .. } | Rule::Missing { .. } => Self::Runtime,
            _ => Self::Storage,
        }
    }
}

/// The only version of the shared form.
const VERSION: i32 = 0;

/// An entry of the shared form.
trait Entry: Sized {
    /// What a line must look like, for errors.
    const FORM: &'static str;

    /// The entry that these parts say; none if they are too few or too many.
    fn from_parts<'a>(parts: &[&'a str]) -> Result<Option<Self>, NotANumber<'a>>;

    /// Its line, without the end.
    fn line(&self) -> String;
}

/// A part of a line that is no number of its type.
struct NotANumber<'a> {
    found: &'a str,
    expected: &'static str,
}

/// The entries of a file in the shared form, in its order. A file of 0 bytes (as Kafka creates it) or with its first line only has
/// none.
///
/// Kafka: `CheckpointFile.CheckpointReadBuffer.read`.
fn parse_entries<T: Entry>(bytes: &[u8]) -> Result<Vec<T>, Malformed> {
    let mut lines = Lines::of_text(bytes)?;
    let Some(line) = lines.next().transpose()? else { return Ok(Vec::new()) };
    let version = header_number(&line, "the version, a number")?;
    if version != VERSION {
        let rule = Rule::Version { what: "checkpoint", found: i64::from(version), known: "0" };
        return Err(Malformed::new(line.at, rule));
    }
    let Some(count_line) = lines.next().transpose()? else { return Ok(Vec::new()) };
    let count = i64::from(header_number(&count_line, "the number of entries")?);
    if count < 0 {
        return Err(Malformed::new(count_line.at, Rule::Negative { field: "entry count", value: count }));
    }
    let entries = lines.map(|line| parse_entry(&line?)).collect::<Result<Vec<T>, Malformed>>()?;
    let present = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    if count != present {
        let rule = Rule::Mismatch { what: "entry count", found: count, expected: present };
        return Err(Malformed::new(count_line.at, rule));
    }
    Ok(entries)
}

/// The inverse of [`parse_entries`].
///
/// Kafka: `CheckpointFile.CheckpointWriteBuffer.write`.
fn encode_entries<T: Entry>(entries: &[T]) -> Vec<u8> {
    let mut out = format!("{VERSION}\n{}\n", entries.len());
    for entry in entries {
        out.push_str(&entry.line());
        out.push('\n');
    }
    out.into_bytes()
}

/// A line that is a number; an I/O error for Kafka if it is none.
fn header_number(line: &Line<'_>, expected: &'static str) -> Result<i32, Malformed> {
    parse_int(line.text()?).ok_or_else(|| line.malformed(expected))
}

fn parse_entry<T: Entry>(line: &Line<'_>) -> Result<T, Malformed> {
    match T::from_parts(&split_whitespace(line.text()?)) {
        Ok(entry) => entry.ok_or_else(|| line.malformed(T::FORM)),
        Err(NotANumber { found, expected }) => {
            Err(Malformed::new(line.at, Rule::Number { line: line.number, found: excerpt(found), expected }))
        }
    }
}

#[cfg(test)]
mod tests;
