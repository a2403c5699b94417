//! What is known of a partition and its segments before a batch is read, and what it makes a finding weigh.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::VerifyLevel;
use super::finding::{Severity, Weight};
use crate::checkpoint::EpochEntry;
use crate::log::SegmentFiles;
use crate::segment::SegmentFile;
use crate::units::{Offset, Timestamp};

/// What the files beside a partition's segments say, and how it is to be looked at.
#[derive(Debug)]
pub(super) struct Facts {
    /// The partition's folder.
    pub(super) path: PathBuf,
    /// The same, as findings name it.
    pub(super) folder: PathBuf,
    /// The clean-shutdown marker is there: the next start checks nothing.
    pub(super) marker: bool,
    /// A broker holds the lock of the log directory.
    pub(super) in_use: bool,
    /// One segment was asked for: nothing is said of the log as a whole.
    pub(super) is_part: bool,
    /// The log of the cluster's metadata, which is always recovered from its start.
    pub(super) is_metadata_log: bool,
    /// Written by brokers for themselves, by other rules: `__consumer_offsets` and its like.
    pub(super) is_internal: bool,
    /// This partition's entry in the recovery points.
    pub(super) recovery_point: Option<i64>,
    /// Its entry in the file of log starts.
    pub(super) log_start: Option<i64>,
    /// Its entry in the file of high watermarks.
    pub(super) high_watermark: Option<i64>,
    /// Its entry in the file of first offsets not cleaned.
    pub(super) cleaner: Option<i64>,
    /// The entries of the epoch file, if they rise.
    pub(super) epochs: Option<Vec<EpochEntry>>,
    /// `index.interval.bytes`, if the caller knows it.
    pub(super) index_interval: Option<u64>,
    /// How closely to look.
    pub(super) level: VerifyLevel,
    /// Look closely only from the recovery point on.
    pub(super) since_checkpoint: bool,
    /// The time.
    pub(super) now: Timestamp,
    /// Locked by who takes more memory for a batch than all threads can have.
    pub(super) large_batches: Arc<Mutex<()>>,
}

impl Facts {
    /// A file of the partition, as findings name it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// True if the next start looks at every batch above the recovery point.
    pub(super) const fn is_recovered(&self) -> bool {
        !self.marker || self.is_metadata_log
    }

    /// What missing offsets from `offset` on weigh.
    pub(super) fn gap_weight(&self, offset: i64) -> Weight {
        match self.cleaner {
            Some(cleaner) if offset < cleaner => Severity::Info.into(),
            Some(_) => Severity::Warning.into(),
            None => Weight::unless_cleaned(Severity::Warning),
        }
    }

    /// `severity`, but only info where compaction, or a broker writing for itself, breaks the rules of producers.
    pub(super) const fn history_weight(&self, severity: Severity) -> Weight {
        if self.is_internal || self.cleaner.is_some() {
            Weight::fixed(Severity::Info)
        } else {
            Weight::unless_cleaned(severity)
        }
    }

    /// The plans of all segments that have a `.log`, in order.
    pub(super) fn plans(self: &Arc<Self>, segments: &[(Offset, SegmentFiles)]) -> Vec<SegmentPlan> {
        let recovery_point = if self.is_metadata_log { 0 } else { self.recovery_point.unwrap_or(0) };
        let holds_point = segments.iter().rposition(|(base, _)| base.get() <= recovery_point).unwrap_or(0);
        let plan = |n: usize| {
            let (base, files) = segments.get(n)?;
            let next_base = segments.get(n + 1).map(|(base, _)| *base);
            Some(SegmentPlan {
                facts: Arc::clone(self),
                log: self.file(&SegmentFile::Log.name(*base)),
                base: *base,
                files: *files,
                next_base,
                segments_behind: segments.len().saturating_sub(n + 1),
                is_unflushed: n >= holds_point,
                is_recovered: self.is_recovered() && n >= holds_point,
            })
        };
        (0..segments.len()).filter_map(plan).collect()
    }
}

/// What is known of one segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentPlan {
    /// What is known of its partition.
    pub(super) facts: Arc<Facts>,
    /// The `.log`, as findings name it.
    pub(super) log: PathBuf,
    /// The offset in its name.
    pub(super) base: Offset,
    /// Its files and their sizes.
    pub(super) files: SegmentFiles,
    /// Where the next segment begins; `None` for the last, which is the active one.
    pub(super) next_base: Option<Offset>,
    /// How many segments follow.
    pub(super) segments_behind: usize,
    /// It holds the recovery point or lies behind it.
    pub(super) is_unflushed: bool,
    /// The next start reads it whole and makes its indexes anew.
    pub(super) is_recovered: bool,
}

impl SegmentPlan {
    /// One of its files, as findings name it.
    pub(super) fn file(&self, file: SegmentFile) -> PathBuf {
        self.facts.file(&file.name(self.base))
    }

    /// One of its files, where it is.
    pub(super) fn path(&self, file: SegmentFile) -> PathBuf {
        self.facts.path.join(file.name(self.base))
    }

    /// True for the active segment.
    pub(super) const fn is_last(&self) -> bool {
        self.next_base.is_none()
    }

    /// True if its batches are looked at, not only the names and sizes of its files.
    pub(super) fn is_walked(&self) -> bool {
        match self.facts.level {
            VerifyLevel::Quick => self.is_last(),
            VerifyLevel::Normal | VerifyLevel::Deep => self.is_unflushed || !self.facts.since_checkpoint,
        }
    }

    /// True if its index files are at full size and may hold anything behind the entries in use.
    pub(super) const fn has_open_indexes(&self) -> bool {
        self.is_recovered && self.is_last()
    }

    /// What a wrong index entry weighs: `severity` if it is believed, `if_recovered` if the file is made anew, and nothing where the
    /// file was still growing.
    pub(super) const fn index_weight(&self, severity: Severity, if_recovered: Severity) -> Severity {
        match (self.is_recovered, self.is_last()) {
            (false, _) => severity,
            (true, false) => if_recovered,
            (true, true) => Severity::Info,
        }
    }

    /// What wrong bytes at the end of the `.log` weigh: the start cuts them off the last segment only, and only if it looks.
    pub(super) fn tail_weight(&self) -> Severity {
        match (self.is_last(), self.facts.is_recovered()) {
            (true, true) => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// `severity`, but only info where the cleaner has been: below its checkpoint or, without an entry there, wherever the log shows
    /// its traces. A leader's active segment is never cleaned; a follower's holds what the leader's cleaner left.
    pub(super) fn cleaning_weight(&self, severity: Severity, offset: i64) -> Weight {
        match self.facts.cleaner {
            Some(cleaner) if offset < cleaner => Severity::Info.into(),
            Some(_) => severity.into(),
            None => Weight::unless_cleaned(severity),
        }
    }
}
