//! `partition.metadata` of a partition: which topic's it is, by id. Two lines, no end after the second.

use std::path::Path;

use super::java::{Line, Lines, parse_int};
use super::uuid::Uuid;
use crate::error::{Malformed, Result, Rule};
use crate::units::FilePosition;

/// The identity of a partition's folder.
///
/// A broker sets a folder without this file aside as `-stray`; on [`TextFault::Runtime`](super::TextFault::Runtime) (0 bytes, or
/// the second line missing) it ends, on [`TextFault::Storage`](super::TextFault::Storage) it gives up the log directory.
///
/// Kafka: `PartitionMetadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The version of the file: 0; a higher one is read the same way.
    pub version: i32,
    /// The topic's id; never [`Uuid::ZERO`] when it comes from [`Self::parse`].
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// The name of the file.
    pub const FILE_NAME: &'static str = "partition.metadata";

    /// Reads a file's bytes. The keys before the colons are not looked at, nor is anything behind the second line.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the line that cannot be read.
    ///
    /// Kafka: `PartitionMetadataReadBuffer.read`.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::parse_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut lines = Lines::of_text(bytes)?;
        let mut next = |what| match lines.next() {
            Some(line) => line,
            None => Err(Malformed::new(bytes.len(), Rule::Missing { what })),
        };
        let line = next("the version line")?;
        let form = "`version: <number>`";
        let version = value_of(&line, form).and_then(|text| parse_int(text).ok_or_else(|| line.malformed(form)))?;
        if version < 0 {
            let rule = Rule::Version { what: Self::FILE_NAME, found: i64::from(version), known: "0 and above" };
            return Err(Malformed::new(line.at, rule));
        }
        let line = next("the topic id line")?;
        let id = Uuid::parse(value_of(&line, "`topic_id: <id>`")?);
        let topic_id = id.filter(|id| *id != Uuid::ZERO);
        let topic_id = topic_id.ok_or_else(|| line.malformed("an id of 22 characters that is not zero"))?;
        Ok(Self { version, topic_id })
    }

    /// The bytes of the file, as Kafka writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format!("version: {}\ntopic_id: {}", self.version, self.topic_id).into_bytes()
    }
}

/// The second part of a line of two parts.
///
/// Java: `line.split(":\\s+")`, which drops empty parts at the end.
fn value_of<'a>(line: &Line<'a>, form: &'static str) -> Result<&'a str, Malformed> {
    let value = split_at_colon(line.text()?).and_then(|(_, rest)| match split_at_colon(rest) {
        None => Some(rest),
        Some((value, "")) => Some(value),
        Some(_) => None,
    });
    value.filter(|value| !value.is_empty()).ok_or_else(|| line.malformed(form))
}

/// What stands before and behind the first `:` with whitespace behind it.
fn split_at_colon(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':').find_map(|(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + 1..)?);
        let rest = after.trim_start_matches([' ', '\t', '\x0b', '\x0c']);
        (rest.len() < after.len()).then_some((before, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::TextFault;
    use crate::error::Error;

    const ID: &str = "AAAAAAAAAAEAAAAAAAAAAg";

    fn parse(text: &str) -> Result<PartitionMetadata> {
        PartitionMetadata::parse(text.as_bytes(), Path::new(PartitionMetadata::FILE_NAME))
    }

    fn fault(text: &str) -> (TextFault, u64) {
        let error = parse(text).unwrap_err();
        let Error::Corrupt(corrupt) = &error else { panic!("{error}") };
        (TextFault::of(&error), corrupt.position.get())
    }

    // conformance: PMF-005
    #[test]
    fn the_two_lines_read_and_write_as_kafkas() {
        let text = format!("version: 0\ntopic_id: {ID}");
        let metadata = parse(&text).unwrap();
        assert_eq!((metadata.version, metadata.topic_id.to_string()), (0, ID.to_owned()));
        assert_eq!(metadata.encode(), text.as_bytes());
    }

    #[test]
    fn keys_and_what_follows_the_second_line_do_not_matter() {
        let expected = PartitionMetadata { version: 7, topic_id: Uuid::parse(ID).unwrap() };
        assert_eq!(parse(&format!("a:\t +7\r\nb: {ID}: \r\nnothing")).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_missing_is_a_runtime_fault() {
        assert_eq!(fault(""), (TextFault::Runtime, 0));
        assert_eq!(fault("version: 0\n"), (TextFault::Runtime, 11));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_a_storage_fault() {
        for text in [
            "version 0\nnothing\n",
            "version:0\n",
            "version: \n",
            "version: 0 \n",
            "version: -1\n",
            "a: : 0\n",
            "version: 0: x\n",
            "\n",
        ] {
            assert_eq!(fault(text), (TextFault::Storage, 0), "{text:?}");
        }
        let zero = Uuid::ZERO.to_string();
        for line in
            ["", "nothing", "topic_id: ", "topic_id: short", &format!("topic_id: {zero}"), &format!("a: b: {ID}")]
        {
            assert_eq!(fault(&format!("version: 0\n{line}\n")), (TextFault::Storage, 11), "{line:?}");
        }
    }
}
