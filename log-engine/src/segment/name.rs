//! The names of a segment's files: twenty digits and a suffix, build beside parse.

use std::fmt;

use crate::units::Offset;

/// What a file of a partition holds, by its suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentFile {
    /// `.log`: the batches.
    Log,
    /// `.index`: offsets to positions.
    OffsetIndex,
    /// `.timeindex`: timestamps to offsets.
    TimeIndex,
    /// `.txnindex`: aborted transactions.
    TxnIndex,
    /// `.snapshot`: producers up to, and without, the offset in the name.
    Snapshot,
}

impl SegmentFile {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex, Self::Snapshot];

    /// The suffix, with its dot.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Log => ".log",
            Self::OffsetIndex => ".index",
            Self::TimeIndex => ".timeindex",
            Self::TxnIndex => ".txnindex",
            Self::Snapshot => ".snapshot",
        }
    }

    /// The file's name for a segment, or a state of producers, that begins at `base`.
    #[must_use]
    pub fn name(self, base: Offset) -> String {
        format!("{:020}{}", base.get(), self.suffix())
    }
}

/// A file that is on its way in or out, by a second suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leftover {
    /// `.deleted`: waits to be removed.
    Deleted,
    /// `.cleaned`: output of a cleaning or split that did not finish.
    Cleaned,
    /// `.swap`: finished output on its way in.
    Swap,
}

impl Leftover {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deleted, Self::Cleaned, Self::Swap];

    /// The suffix, with its dot.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Deleted => ".deleted",
            Self::Cleaned => ".cleaned",
            Self::Swap => ".swap",
        }
    }
}

/// The name of a segment's file, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The number: base offset of the segment, end offset of the producers' state.
    pub base: Offset,
    /// What it holds.
    pub file: SegmentFile,
    /// The second suffix, if it has one.
    pub leftover: Option<Leftover>,
    /// How many digits the number has. Kafka writes 20; a `.log` with another count is not taken for a segment's.
    pub digits: usize,
}

impl SegmentName {
    /// Takes a name apart; `None` if it is not digits, a known suffix, and at most one second suffix.
    ///
    /// # Examples
    /// `00000000000000000042.timeindex.deleted` is the time index of segment 42, waiting to be removed.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (rest, leftover) = match Leftover::ALL.into_iter().find_map(|l| Some((name.strip_suffix(l.suffix())?, l))) {
            Some((rest, leftover)) => (rest, Some(leftover)),
            None => (name, None),
        };
        let (digits, file) = SegmentFile::ALL.into_iter().find_map(|f| Some((rest.strip_suffix(f.suffix())?, f)))?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let base = Offset::new(digits.parse().ok()?);
        Some(Self { base, file, leftover, digits: digits.len() })
    }

    /// True for the name that Kafka itself would write for these parts.
    #[must_use]
    pub const fn is_canonical(&self) -> bool {
        self.digits == 20
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.digits;
        write!(f, "{:0width$}{}{}", self.base.get(), self.file.suffix(), self.leftover.map_or("", Leftover::suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: LLG-033 ULG-012
    #[test]
    fn names_are_built_and_taken_apart() {
        for (name, base, file, leftover) in [
            ("00000000000023423423.log", 23_423_423, SegmentFile::Log, None),
            ("00000000000023423423.index", 23_423_423, SegmentFile::OffsetIndex, None),
            ("00000000000023423423.timeindex", 23_423_423, SegmentFile::TimeIndex, None),
            ("00000000000023423423.snapshot", 23_423_423, SegmentFile::Snapshot, None),
            ("00000000000000000000.log", 0, SegmentFile::Log, None),
            ("00000000000000000042.index", 42, SegmentFile::OffsetIndex, None),
            ("00000000000000000042.timeindex.deleted", 42, SegmentFile::TimeIndex, Some(Leftover::Deleted)),
            ("09223372036854775807.txnindex.swap", i64::MAX, SegmentFile::TxnIndex, Some(Leftover::Swap)),
            ("00000000000000000007.snapshot.cleaned", 7, SegmentFile::Snapshot, Some(Leftover::Cleaned)),
        ] {
            let parsed = SegmentName::parse(name).unwrap();
            assert_eq!((parsed.base.get(), parsed.file, parsed.leftover), (base, file, leftover), "{name}");
            assert!(parsed.is_canonical());
            assert_eq!(parsed.to_string(), name);
            if leftover.is_none() {
                assert_eq!(file.name(parsed.base), name);
            }
        }
    }

    #[test]
    fn other_names_are_none_and_other_widths_are_not_canonical() {
        for name in [
            "",
            ".log",
            "x.log",
            "0000000000000000000x.log",
            "1.log.bak",
            "1.deleted",
            "1.log.deleted.deleted",
            "-1.log",
        ] {
            assert_eq!(SegmentName::parse(name), None, "{name}");
        }
        assert_eq!(SegmentName::parse("99999999999999999999.log"), None, "does not fit an offset");
        for name in ["7.log", "000000000000000000042.log"] {
            assert!(!SegmentName::parse(name).unwrap().is_canonical(), "{name}");
        }
    }
}
