//! One partition's folder, read as a log: from its first offset to its last, by offset or by time.
//!
//! Nothing is believed that can be checked: an index only says where to begin, and what stands there decides whether it is right.
//! Reads only and takes no lock. Beside a live broker it sees the log as it was when it was opened.

mod batches;
mod index;
mod locate;
mod records;
mod retention;
mod segment;
mod times;
mod transactions;
mod walk;

use std::cell::OnceCell;
use std::path::Path;

pub use batches::{BatchItem, Batches, LogBatch};
pub use locate::{Answer, Located, Via};
pub use records::{LogRecord, Reading, RecordItem, View};
pub use retention::{RetentionFate, RetentionRules, RetentionVerdict, SegmentAge};
pub use walk::{Damage, OnDamage};

use self::segment::SegmentReader;
use super::directory::{PartitionDirectory, PartitionName};
use crate::checkpoint::{EpochCheckpoint, MAX_TEXT_BYTES, OffsetCheckpoint};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::units::{Offset, TopicPartition};

/// What the root of a log directory knows of one of its logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpointed {
    /// The first offset that clients see, where it lies above the first segment's base.
    pub log_start: Option<Offset>,
    /// The first offset that was not known to be replicated when the file was written.
    pub high_watermark: Option<Offset>,
}

impl Checkpointed {
    /// What stands in the files of the log directory `root`. A file that is missing or cannot be read says nothing, as for a
    /// broker that loads a log.
    #[must_use]
    pub fn read(fs: &dyn Fs, root: &Path, partition: &TopicPartition) -> Self {
        let offset = |name: &str| {
            let path = root.join(name);
            let bytes = Source::open(fs, &path).and_then(|source| source.read_all(MAX_TEXT_BYTES)).ok()?;
            let file = OffsetCheckpoint::parse(&bytes, &path).ok()?;
            file.by_partition().get(partition).copied()
        };
        Self {
            log_start: offset(OffsetCheckpoint::LOG_START),
            high_watermark: offset(OffsetCheckpoint::HIGH_WATERMARK),
        }
    }

    /// What stands in the files beside a partition's folder; nothing for a folder whose name is no partition's.
    #[must_use]
    pub fn beside(fs: &dyn Fs, folder: &PartitionDirectory) -> Self {
        match (folder.path.parent(), &folder.name) {
            (Some(root), Some(PartitionName { partition, .. })) => Self::read(fs, root, partition),
            _ => Self::default(),
        }
    }
}

/// A log, open to read.
#[derive(Debug)]
pub struct LogReader<'f> {
    fs: &'f dyn Fs,
    folder: PartitionDirectory,
    /// Base offsets of the segments, rising; one that is gone since the folder was listed is still among them.
    bases: Vec<Offset>,
    checkpointed: Checkpointed,
    log_end: OnceCell<Offset>,
}

impl<'f> LogReader<'f> {
    /// The log in a folder. Only the names in it are known yet; files are opened when they are read.
    #[must_use]
    pub fn new(fs: &'f dyn Fs, folder: PartitionDirectory, checkpointed: Checkpointed) -> Self {
        let bases = folder.logs().map(|(base, _)| base).collect();
        Self { fs, folder, bases, checkpointed, log_end: OnceCell::new() }
    }

    /// The log in the folder `path`, with what the files beside the folder say of it.
    ///
    /// # Errors
    /// As [`Fs::list`].
    pub fn open(fs: &'f dyn Fs, path: &Path) -> Result<Self> {
        let folder = PartitionDirectory::list(fs, path)?;
        let checkpointed = Checkpointed::beside(fs, &folder);
        Ok(Self::new(fs, folder, checkpointed))
    }

    /// The folder as it was listed.
    #[must_use]
    pub const fn folder(&self) -> &PartitionDirectory {
        &self.folder
    }

    /// The base offset of the first segment; 0 if there is no segment.
    #[must_use]
    pub fn first_base(&self) -> Offset {
        self.bases.first().copied().unwrap_or(Offset::ZERO)
    }

    /// The first offset that clients see: what is checkpointed, but never below the first segment.
    ///
    /// Kafka: `UnifiedLog.logStartOffset`.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        self.checkpointed.log_start.map_or(self.first_base(), |start| start.max(self.first_base()))
    }

    /// The offset behind the last sound batch of the last segment; that segment's base if there is none.
    ///
    /// What stands in the file, not what the next start makes of it.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn log_end(&self) -> Result<Offset> {
        if let Some(end) = self.log_end.get() {
            return Ok(*end);
        }
        let end = match self.segments().last() {
            None => self.first_base(),
            Some(last) => last.end()?,
        };
        Ok(*self.log_end.get_or_init(|| end))
    }

    /// What was known to be replicated when the checkpoint was written; it may lie behind the log end and, in a damaged directory,
    /// beyond it. `None` where no checkpoint says it.
    #[must_use]
    pub const fn high_watermark(&self) -> Option<Offset> {
        self.checkpointed.high_watermark
    }

    /// The leader epochs that the folder's file says; none if it is missing.
    ///
    /// # Errors
    /// As [`EpochCheckpoint::parse`]; [`crate::Error::Io`] where reading fails.
    pub fn epochs(&self) -> Result<LeaderEpochs> {
        if self.folder.epochs.is_none() {
            return Ok(LeaderEpochs::default());
        }
        let path = self.folder.path.join(EpochCheckpoint::FILE_NAME);
        let bytes = Source::open(self.fs, &path)?.read_all(MAX_TEXT_BYTES)?;
        Ok(LeaderEpochs::load(&EpochCheckpoint::parse(&bytes, &path)?))
    }

    /// The segments, by base offset.
    fn segments(&self) -> impl DoubleEndedIterator<Item = SegmentReader<'_>> {
        let next = self.bases.iter().copied().skip(1).map(Some).chain([None]).collect::<Vec<_>>();
        self.bases.iter().copied().zip(next).map(|(base, next_base)| self.segment(base, next_base))
    }

    /// The segment in slot `n`.
    fn nth_segment(&self, n: usize) -> Option<SegmentReader<'_>> {
        let base = *self.bases.get(n)?;
        Some(self.segment(base, self.bases.get(n.saturating_add(1)).copied()))
    }

    /// The slot of the segment that holds `offset`: the last one that begins at or before it, else the first.
    fn slot_of(&self, offset: Offset) -> usize {
        self.bases.partition_point(|base| *base <= offset).saturating_sub(1)
    }

    fn segment(&self, base: Offset, next_base: Option<Offset>) -> SegmentReader<'_> {
        SegmentReader { fs: self.fs, folder: &self.folder, base, next_base }
    }
}

#[cfg(test)]
mod tests;
