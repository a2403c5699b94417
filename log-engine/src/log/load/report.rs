//! What opening a log found and did: nothing is mended without being told.

use std::path::PathBuf;

use crate::error::Rule;
use crate::units::{FilePosition, Offset};

/// What is done about damage when a log is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecoveryMode {
    /// Any byte of a checked `.log` that belongs to no sound batch is an error, and nothing is changed.
    Strict,
    /// What a crash leaves behind is cut: bytes that are not known to be durable, behind the last sound batch of the log. Anything
    /// else is an error, and nothing is changed.
    #[default]
    TornTail,
    /// What a broker does: cut at the first damage, whatever follows, and drop all later segments.
    Kafka,
}

/// Bytes that were cut off a `.log` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCut {
    /// The file.
    pub file: PathBuf,
    /// Bytes that stayed: where the first batch was that is none.
    pub position: FilePosition,
    /// Bytes that went.
    pub bytes: u64,
    /// What was wrong there.
    pub rule: Rule,
}

/// A log that ends before what was known to be durable: the disk did not keep what it promised, or files were taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostDurable {
    /// The first offset that was not known to be durable, as the checkpoint says.
    pub recovery_point: Offset,
    /// Where the log ends.
    pub end: Offset,
}

/// What opening a log found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments that were read whole and checked.
    pub segments_checked: usize,
    /// Their bytes.
    pub bytes_checked: u64,
    /// `.log` files that became shorter, in the order in which that happened.
    pub cuts: Vec<RecoveryCut>,
    /// Names of the `.log` files that were renamed to `.deleted`, in the order in which that happened.
    pub segments_deleted: Vec<String>,
    /// Names of index files and of the epoch file that were not what the batches say, and were made again.
    pub files_rebuilt: Vec<String>,
    /// Names of files that were removed: what an interrupted deletion, cleaning or split left behind, and indexes without a `.log`.
    pub files_removed: Vec<String>,
    /// Set if the log ends before its recovery point.
    pub lost_durable: Option<LostDurable>,
    /// The log start as it was asked for, if the log could not begin there.
    pub log_start_moved_from: Option<Offset>,
}

impl RecoveryReport {
    /// Bytes that were cut off `.log` files.
    #[must_use]
    pub fn bytes_cut(&self) -> u64 {
        self.cuts.iter().fold(0, |sum, cut| sum.saturating_add(cut.bytes))
    }

    /// True if every batch that was in the folder is in the log.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.cuts.is_empty() && self.segments_deleted.is_empty() && self.lost_durable.is_none()
    }
}

/// How far checking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Segments that are done.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of all segments that are to be checked.
    pub of_bytes: u64,
}
