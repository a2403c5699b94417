//! What `verify` answers.

use std::path::PathBuf;

use super::finding::{Finding, Severity};
use crate::error::Error;
use crate::log::PartitionName;
use crate::units::Offset;

/// The findings of everything that was looked at.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// What concerns whole log directories, in the order in which they were given.
    pub log_dirs: Vec<LogDirReport>,
    /// The partitions, sorted by name within their log directory.
    pub partitions: Vec<PartitionReport>,
    /// Why folders of partitions could not be listed.
    pub unlisted: Vec<Error>,
}

/// One log directory.
#[derive(Debug)]
pub struct LogDirReport {
    /// Where it is.
    pub path: PathBuf,
    /// The clean-shutdown marker is there, whatever is in it.
    pub clean: bool,
    /// A broker holds its lock.
    pub in_use: bool,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// How a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionState {
    /// No finding above info.
    Ok,
    /// Warnings, but no error.
    Suspect,
    /// Errors.
    Damaged,
    /// Some of it could not be read, so that nothing is known for sure.
    Unreadable,
}

impl PartitionState {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Suspect => "suspect",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One partition's folder.
#[derive(Debug)]
pub struct PartitionReport {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says; `None` for a copy under another name.
    pub name: Option<PartitionName>,
    /// The first offset that consumers may read: the checkpoint's, but not below the first segment.
    pub log_start: Offset,
    /// The offset behind the last sound batch.
    pub log_end: Offset,
    /// Data records in sound batches; those of control batches are not counted.
    pub records: u64,
    /// Sound batches.
    pub batches: u64,
    /// Segments with a `.log`.
    pub segments: u64,
    /// Bytes of these `.log` files.
    pub bytes: u64,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Files that could not be read, and why.
    pub failures: Vec<Error>,
    /// The recovery point, where the clean-shutdown marker is there and it lies below the log's end all the same.
    pub(super) unflushed_from: Option<Offset>,
    /// The clean-shutdown marker is there, and the active offset index is padded all the same.
    pub(super) index_is_padded: bool,
}

impl PartitionReport {
    /// How it is.
    #[must_use]
    pub fn state(&self) -> PartitionState {
        match worst(&self.findings) {
            _ if !self.failures.is_empty() => PartitionState::Unreadable,
            Some(Severity::Error) => PartitionState::Damaged,
            Some(Severity::Warning) => PartitionState::Suspect,
            Some(Severity::Info) | None => PartitionState::Ok,
        }
    }
}

fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

impl VerifyReport {
    /// All findings: those of the log directories, then those of the partitions.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let dirs = self.log_dirs.iter().flat_map(|dir| &dir.findings);
        dirs.chain(self.partitions.iter().flat_map(|partition| &partition.findings))
    }

    /// The weight of the worst finding.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings().map(|finding| finding.severity).max()
    }

    /// Files and folders that could not be read.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.unlisted.iter().chain(self.partitions.iter().flat_map(|partition| &partition.failures))
    }
}
