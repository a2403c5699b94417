//! `leader-epoch-checkpoint` of a partition: where each leader epoch begins. `<epoch> <start offset>` a line.
//!
//! What the entries mean together is the room `epoch`'s.

use std::path::Path;

use super::java::{Lines, parse_int, parse_long};
use super::{Entry, NotANumber, encode_entries, parse_entries};
use crate::error::{Malformed, Result, Rule};
use crate::units::{FilePosition, LeaderEpoch, Offset};

/// One line of the epoch file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset written in it.
    pub start: Offset,
}

/// The epoch file: its entries in the order of the file, rising or not.
///
/// A broker answers [`TextFault::Storage`](super::TextFault::Storage) by giving up the log directory and
/// [`TextFault::Runtime`](super::TextFault::Runtime) by ending.
///
/// Kafka: `LeaderEpochCheckpointFile`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCheckpoint {
    /// The lines; no number in them is negative when they come from [`Self::parse`].
    pub entries: Vec<EpochEntry>,
}

impl EpochCheckpoint {
    /// The name of the file.
    pub const FILE_NAME: &'static str = "leader-epoch-checkpoint";

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the line that cannot be read or holds a negative number (which Kafka refuses
    /// after it has read the file), or at the count if the number of lines differs.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::parse_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let entries: Vec<EpochEntry> = parse_entries(bytes)?;
        let lines = Lines::new(bytes)?.skip(2);
        for (line, entry) in lines.zip(&entries) {
            let (epoch, start) = (i64::from(entry.epoch.get()), entry.start.get());
            for (field, value) in [("leader epoch", epoch), ("start offset", start)] {
                if value < 0 {
                    return Err(Malformed::new(line?.at, Rule::Negative { field, value }));
                }
            }
        }
        Ok(Self { entries })
    }

    /// The bytes of the file, as Kafka writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode_entries(&self.entries)
    }
}

impl Entry for EpochEntry {
    const FORM: &'static str = "`<epoch> <start offset>`";

    fn from_parts<'a>(parts: &[&'a str]) -> Result<Option<Self>, NotANumber<'a>> {
        let [epoch, start] = *parts else { return Ok(None) };
        let epoch = parse_int(epoch).ok_or(NotANumber { found: epoch, expected: "32-bit number" })?;
        let start = parse_long(start).ok_or(NotANumber { found: start, expected: "64-bit number" })?;
        Ok(Some(Self { epoch: LeaderEpoch::new(epoch), start: Offset::new(start) }))
    }

    fn line(&self) -> String {
        format!("{} {}", self.epoch, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TextFault;
    use crate::error::Error;

    fn parse(text: &str) -> Result<EpochCheckpoint> {
        EpochCheckpoint::parse(text.as_bytes(), Path::new(EpochCheckpoint::FILE_NAME))
    }

    fn entries(pairs: &[(i32, i64)]) -> Vec<EpochEntry> {
        let entry = |&(epoch, start)| EpochEntry { epoch: LeaderEpoch::new(epoch), start: Offset::new(start) };
        pairs.iter().map(entry).collect()
    }

    // conformance: ECF-002
    #[test]
    fn the_file_of_three_epochs_reads_and_writes_as_kafkas() {
        let text = "0\n3\n1 10\n3 20\n5 30\n";
        let checkpoint = parse(text).unwrap();
        assert_eq!(checkpoint.entries, entries(&[(1, 10), (3, 20), (5, 30)]));
        assert_eq!(checkpoint.encode(), text.as_bytes());
        assert!(parse("").unwrap().entries.is_empty());
    }

    #[test]
    fn order_is_not_judged_here() {
        assert_eq!(parse("0\n2\n2 125\n0 0\n").unwrap().entries, entries(&[(2, 125), (0, 0)]));
    }

    #[test]
    fn malformed_lines_and_bad_numbers_are_told_apart() {
        for (text, fault) in [
            ("0\n2\n0 0\n2;125\n", TextFault::Storage),
            ("0\n3\n0 0\n2 125\n", TextFault::Storage),
            ("1\n1\n0 0\n", TextFault::Storage),
            ("0\n2\n0 0\n2x 125\n", TextFault::Runtime),
            ("0\n1\n 125\n", TextFault::Runtime),
        ] {
            assert_eq!(TextFault::of(&parse(text).unwrap_err()), fault, "{text:?}");
        }
    }

    #[test]
    fn negative_numbers_are_refused_after_the_lines() {
        for (text, field, value) in
            [("0\n2\n0 0\n1 -5\n", "start offset", -5), ("0\n2\n0 0\n-1 5\n", "leader epoch", -1)]
        {
            let error = parse(text).unwrap_err();
            assert_eq!(TextFault::of(&error), TextFault::Runtime);
            let Error::Corrupt(corrupt) = error else { panic!("{error}") };
            assert_eq!((corrupt.position.get(), &corrupt.rule), (8, &Rule::Negative { field, value }));
        }
        assert_eq!(TextFault::of(&parse("0\n2\n-1 0\n2;5\n").unwrap_err()), TextFault::Storage);
    }
}
