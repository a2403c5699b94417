//! What a salvage kept, what it lost, and what it set aside.

use std::path::PathBuf;

use super::aside::Reason;
use super::hole::Cause;
use super::transactions::OpenAtGap;
use crate::inspect::{Finding, Severity};
use crate::units::{Offset, TopicPartition};

/// Everything that was salvaged by one call.
#[derive(Debug)]
pub struct Report {
    /// In order of topic and number.
    pub partitions: Vec<PartitionReport>,
    /// The folder with what could not be salvaged; `None` if everything was.
    pub lost_and_found: Option<PathBuf>,
}

/// One partition.
#[derive(Debug)]
pub struct PartitionReport {
    /// Which; `None` for copies under other names.
    pub partition: Option<TopicPartition>,
    /// Where it is now.
    pub path: PathBuf,
    /// The copies that it was salvaged from, in the order in which they were given.
    pub sources: Vec<SourceReport>,
    /// The copy whose history this is. Others fill its holes.
    pub leader: usize,
    /// Segments written.
    pub segments: u64,
    /// Batches kept.
    pub batches: u64,
    /// Data records in them; those of control batches are not counted.
    pub records: u64,
    /// Bytes of these batches.
    pub bytes: u64,
    /// The first and the last offset; `None` if nothing was kept.
    pub offsets: Option<(Offset, Offset)>,
    /// Offsets that the salvaged log does not have.
    pub lost: Vec<Lost>,
    /// Batches whose checksum fits and which cannot stand in the log.
    pub aside: Vec<SetAside>,
    /// Bytes of sources that are no sound batch.
    pub unreadable: Vec<Unreadable>,
    /// The log shows that it was cleaned: offsets that no damage took are missing without a word.
    pub is_cleaned: bool,
    /// There are so many producers that their state was not written: the next start makes it from the log.
    pub left_out_producers: bool,
    /// What was found when the salvaged log was read again, at the deepest level.
    pub findings: Vec<Finding>,
    /// Batches that were found then.
    pub verified_batches: u64,
}

/// A copy of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// Its folder.
    pub path: PathBuf,
    /// Its segments.
    pub segments: u64,
    /// Bytes of their `.log` files.
    pub bytes: u64,
    /// Batches that were taken from it.
    pub batches: u64,
}

/// Offsets that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first.
    pub from: Offset,
    /// The first one behind them that is there; `None` if it is not known how far the log went on.
    pub until: Option<Offset>,
    /// Why.
    pub why: WhyLost,
    /// The file in which they should stand, and where; `None` where no file should.
    pub place: Option<(PathBuf, u64)>,
    /// Transactions that were open in front of them: markers may be lost, and readers of committed records see these differently.
    pub transactions: Vec<OpenAtGap>,
    /// How many more there are.
    pub more_transactions: u64,
}

/// Why offsets are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyLost {
    /// Bytes that are no sound batch.
    Unreadable(Cause),
    /// A batch that was set aside.
    SetAside(Reason),
    /// No segment holds them.
    NoSegment,
    /// The batches around them touch each other.
    NoBytes,
    /// The log ends, and the checkpoints beside it say that it went on.
    Checkpoint,
}

impl WhyLost {
    /// One word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreadable(cause) => cause.name(),
            Self::SetAside(reason) => reason.name(),
            Self::NoSegment => "no-segment",
            Self::NoBytes => "no-bytes",
            Self::Checkpoint => "behind-the-end",
        }
    }
}

impl std::fmt::Display for WhyLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(cause) => cause.fmt(f),
            Self::SetAside(reason) => write!(f, "a batch that was set aside: {reason}"),
            Self::NoSegment => f.write_str("no segment holds them"),
            Self::NoBytes => f.write_str("no bytes stand there: removed, or never written"),
            Self::Checkpoint => f.write_str("the log ends here, and the checkpoints beside it say that it went on"),
        }
    }
}

/// Batches that were set aside for one reason, one behind the other in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The place of their copy among the sources.
    pub source: usize,
    /// Their file.
    pub file: PathBuf,
    /// Their first byte.
    pub position: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The first and the last offset, as they say.
    pub offsets: (Offset, Offset),
    /// How many batches.
    pub batches: u64,
    /// How many records they say they hold.
    pub records: u64,
    /// Why.
    pub reason: Reason,
    /// The file in the folder beside the output that holds them as they were.
    pub kept_as: PathBuf,
}

/// Bytes that are no sound batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The place of their copy among the sources.
    pub source: usize,
    /// Their file.
    pub file: PathBuf,
    /// The first of them.
    pub position: u64,
    /// How many.
    pub bytes: u64,
    /// The offsets that should stand there: the first, and the first behind them; `None` where nothing says it.
    pub offsets: (Option<Offset>, Option<Offset>),
    /// What most likely happened.
    pub cause: Cause,
    /// What rule the bytes break.
    pub rule: String,
    /// The search for the next sound batch was given up: what follows in the file was not looked at.
    pub gave_up: bool,
    /// Another copy had what should stand there.
    pub is_healed: bool,
    /// The file in the folder beside the output that holds them as they were.
    pub kept_as: PathBuf,
}

impl PartitionReport {
    /// True if nothing is lost and nothing was set aside.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.aside.is_empty() && self.unreadable.iter().all(|unreadable| unreadable.is_healed)
    }

    /// The weight of the worst finding in what was written.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

impl Report {
    /// True if nothing is lost and nothing was set aside.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.partitions.iter().all(PartitionReport::is_complete)
    }
}
