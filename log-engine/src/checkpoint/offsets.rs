//! The four offset checkpoints of a log directory: an offset for each partition. `<topic> <partition> <offset>` a line.
//!
//! What a missing entry means is the reader's to say: recovery point and high watermark 0, log start the first segment's base.

use std::collections::HashMap;
use std::path::Path;

use super::java::{parse_int, parse_long};
use super::{Entry, NotANumber, encode_entries, parse_entries};
use crate::error::Result;
use crate::units::{FilePosition, Offset, TopicPartition};

/// One line of an offset checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// Whose offset.
    pub partition: TopicPartition,
    /// As stored: may be negative or past the log's end.
    pub offset: Offset,
}

/// An offset checkpoint: its entries in the order of the file, which in Kafka's files is none in particular.
///
/// A broker answers [`TextFault`](super::TextFault) so: recovery points and log starts are all forgotten, and with `Storage` the
/// directory goes offline later; a bad high watermark or cleaner file takes it offline, or with `Runtime` leaves its partitions
/// without a leader.
///
/// Kafka: `OffsetCheckpointFile`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetCheckpoint {
    /// The lines. A partition that stands here twice has the last line's offset: see [`Self::by_partition`].
    pub entries: Vec<PartitionOffset>,
}

impl OffsetCheckpoint {
    /// The file of recovery points: the first offset of each log that is not known to be on disk.
    pub const RECOVERY_POINT: &'static str = "recovery-point-offset-checkpoint";
    /// The file of log starts, where they lie above the first segment's base.
    pub const LOG_START: &'static str = "log-start-offset-checkpoint";
    /// The file of high watermarks.
    pub const HIGH_WATERMARK: &'static str = "replication-offset-checkpoint";
    /// The file of first offsets not cleaned yet.
    pub const CLEANER: &'static str = "cleaner-offset-checkpoint";

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the line that cannot be read, or at the count if the number of lines differs.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        let entries = parse_entries(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))?;
        Ok(Self { entries })
    }

    /// The bytes of the file, as Kafka writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode_entries(&self.entries)
    }

    /// The offset of each partition.
    #[must_use]
    pub fn by_partition(&self) -> HashMap<&TopicPartition, Offset> {
        self.entries.iter().map(|entry| (&entry.partition, entry.offset)).collect()
    }
}

impl Entry for PartitionOffset {
    const FORM: &'static str = "`<topic> <partition> <offset>`";

    fn from_parts<'a>(parts: &[&'a str]) -> Result<Option<Self>, NotANumber<'a>> {
        let [topic, partition, offset] = *parts else { return Ok(None) };
        let number = parse_int(partition).ok_or(NotANumber { found: partition, expected: "32-bit number" })?;
        let offset = parse_long(offset).ok_or(NotANumber { found: offset, expected: "64-bit number" })?;
        let partition = TopicPartition { topic: topic.to_owned(), partition: number };
        Ok(Some(Self { partition, offset: Offset::new(offset) }))
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.partition.topic, self.partition.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TextFault;
    use crate::error::{Error, Rule};

    fn parse(text: &str) -> Result<OffsetCheckpoint> {
        OffsetCheckpoint::parse(text.as_bytes(), Path::new("replication-offset-checkpoint"))
    }

    fn entry(topic: &str, partition: i32, offset: i64) -> PartitionOffset {
        let partition = TopicPartition { topic: topic.to_owned(), partition };
        PartitionOffset { partition, offset: Offset::new(offset) }
    }

    // conformance: OCF-001 OCF-002
    #[test]
    fn lines_keep_their_order_both_ways() {
        let text = "0\n3\na-b 3 77\n__consumer_offsets 49 0\nfoo.1 0 9223372036854775807\n";
        let checkpoint = parse(text).unwrap();
        let expected = [entry("a-b", 3, 77), entry("__consumer_offsets", 49, 0), entry("foo.1", 0, i64::MAX)];
        assert_eq!(checkpoint.entries, expected);
        assert_eq!(checkpoint.encode(), text.as_bytes());
    }

    // conformance: OCF-003
    #[test]
    fn an_empty_file_has_no_entries_and_no_entries_are_two_lines() {
        assert_eq!(parse("").unwrap(), OffsetCheckpoint::default());
        assert_eq!(parse("0\n0\n").unwrap(), OffsetCheckpoint::default());
        assert_eq!(OffsetCheckpoint::default().encode(), b"0\n0\n");
    }

    #[test]
    fn the_last_line_of_a_partition_counts() {
        let checkpoint = parse("0\n3\na 0 1\nb 0 5\na 0 2\n").unwrap();
        let offsets = checkpoint.by_partition();
        assert_eq!(offsets.len(), 2);
        assert_eq!(offsets.get(&entry("a", 0, 0).partition), Some(&Offset::new(2)));
    }

    /// Lines as damaged directories hold them, and what a broker did with each.
    #[test]
    fn a_malformed_line_and_a_number_that_is_none_are_told_apart() {
        for line in ["plain-0 5", "plain 0", "plain 0:125", "", "a b 0 5", " a 0 5"] {
            let error = parse(&format!("0\n1\n{line}\n")).unwrap_err();
            assert_eq!(TextFault::of(&error), TextFault::Storage, "{line:?}");
            let Error::Corrupt(corrupt) = error else { panic!("{line:?}") };
            let expected = "`<topic> <partition> <offset>`";
            assert_eq!(corrupt.rule, Rule::Text { line: 3, found: line.to_owned(), expected });
            assert_eq!(corrupt.position, FilePosition::new(4));
        }
        for (line, found) in [("a 0 1x", "1x"), ("a x 1", "x"), ("a 2147483648 1", "2147483648"), ("a 0 -", "-")] {
            let error = parse(&format!("0\n1\n{line}\n")).unwrap_err();
            assert_eq!(TextFault::of(&error), TextFault::Runtime, "{line}");
            let Error::Corrupt(corrupt) = error else { panic!("{line}") };
            assert!(matches!(&corrupt.rule, Rule::Number { line: 3, found: f, .. } if f == found), "{corrupt}");
        }
    }

    #[test]
    fn leading_space_makes_the_first_part_empty_as_in_java() {
        assert_eq!(parse("0\n1\n 7 5\n").unwrap().entries, [entry("", 7, 5)]);
        assert_eq!(parse("0\r\n1\r\na\t+7  5 \r\n").unwrap().entries, [entry("a", 7, 5)]);
    }
}
