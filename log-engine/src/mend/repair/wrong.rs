//! Which derived files of a partition are wrong, by what was found.

use std::collections::BTreeSet;

use crate::checkpoint::EpochCheckpoint;
use crate::inspect::{Finding, FindingCode, Severity};
use crate::log::PartitionDirectory;
use crate::segment::{SegmentFile, SegmentName};
use crate::units::Offset;

/// Derived files that have to be made again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) offset_indexes: BTreeSet<Offset>,
    pub(super) time_indexes: BTreeSet<Offset>,
    pub(super) txn_indexes: BTreeSet<Offset>,
    /// Snapshots that are wrong, or missing, by their offsets.
    pub(super) snapshots: BTreeSet<Offset>,
    /// No snapshot says who produced at the log's end, and one has to.
    pub(super) lacks_last_snapshot: bool,
    pub(super) epochs: bool,
}

impl Wrong {
    /// What the findings that weigh at least `least` say.
    pub(super) fn of(findings: &[Finding], least: Severity) -> Self {
        let mut wrong = Self::default();
        for finding in findings.iter().filter(|finding| finding.severity >= least) {
            wrong.note(finding);
        }
        wrong
    }

    fn note(&mut self, finding: &Finding) {
        let name = finding.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of = |letters: &[&str]| letters.iter().any(|letter| finding.code.name().starts_with(letter));
        if name == EpochCheckpoint::FILE_NAME {
            self.epochs |= is_of(&["E", "C"]);
            return;
        }
        match SegmentName::parse(name).filter(|name| name.leftover.is_none()) {
            Some(SegmentName { file: SegmentFile::OffsetIndex, base, .. }) if is_of(&["I", "B014"]) => {
                self.offset_indexes.insert(base);
            }
            Some(SegmentName { file: SegmentFile::TimeIndex, base, .. }) if is_of(&["T", "B014"]) => {
                self.time_indexes.insert(base);
            }
            Some(SegmentName { file: SegmentFile::TxnIndex, base, .. }) if is_of(&["X"]) => {
                self.txn_indexes.insert(base);
            }
            Some(SegmentName { file: SegmentFile::Snapshot, base, .. }) if is_of(&["S"]) => {
                self.snapshots.insert(base);
            }
            _ => self.lacks_last_snapshot |= finding.code == FindingCode::S004,
        }
    }

    /// A clean stop leaves a snapshot at the log's end, and none that belongs to no segment.
    pub(super) fn want_snapshots_of_a_clean_stop(&mut self, folder: &PartitionDirectory, log_end: Offset) {
        self.lacks_last_snapshot |= !folder.snapshots.contains_key(&log_end);
        let is_base = |offset: &Offset| folder.segments.get(offset).is_some_and(|files| files.log.is_some());
        self.snapshots.extend(folder.snapshots.keys().filter(|offset| **offset != log_end && !is_base(offset)));
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True if it takes the history of the producers to make them again.
    pub(super) fn needs_producers(&self) -> bool {
        !self.txn_indexes.is_empty() || !self.snapshots.is_empty() || self.lacks_last_snapshot
    }
}
