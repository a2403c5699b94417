//! One file at a glance: what it is, by its name or, failing that, by its first bytes.

use std::path::{Path, PathBuf};

use super::glimpse::FirstBatch;
use super::tail::Tail;
use crate::checkpoint::{
    CleanShutdown, EpochCheckpoint, MetaProperties, OffsetCheckpoint, PartitionMetadata, QuorumState,
};
use crate::error::{Error, Result};
use crate::fs::{Fs, Source};
use crate::inspect::SmallFile;
use crate::producer::{MAX_SNAPSHOT_BYTES, ProducerSnapshot};
use crate::segment::{OffsetIndex, SegmentFile, SegmentName, TimeIndex, TxnIndex};
use crate::units::Offset;

/// What a look at one file tells.
#[derive(Debug)]
pub struct FileSummary {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
    /// The name of a segment's file, taken apart.
    pub name: Option<SegmentName>,
    /// What it holds.
    pub content: FileContent,
}

/// What a file holds.
#[derive(Debug)]
pub enum FileContent {
    /// Batches: a `.log` file, a snapshot of the metadata log, or anything that begins with a batch.
    Batches {
        /// Its start.
        first: FirstBatch,
        /// Its end.
        tail: Tail,
    },
    /// A `.index` file.
    OffsetIndex(OffsetIndex),
    /// A `.timeindex` file.
    TimeIndex(TimeIndex),
    /// A `.txnindex` file.
    TxnIndex(TxnIndex),
    /// A `.snapshot` file.
    Producers(ProducerSnapshot),
    /// One of the four offset checkpoints.
    Offsets(OffsetCheckpoint),
    /// `leader-epoch-checkpoint`.
    Epochs(EpochCheckpoint),
    /// `meta.properties`.
    Identity(MetaProperties),
    /// `partition.metadata`.
    Partition(PartitionMetadata),
    /// `.kafka_cleanshutdown`.
    CleanShutdown(CleanShutdown),
    /// `quorum-state`.
    Quorum(QuorumState),
    /// Known by its name, but its bytes break a rule.
    Broken(Error),
    /// Neither the name nor the first bytes say what it is.
    Unknown,
}

impl FileSummary {
    /// Looks at the file at `path`.
    ///
    /// # Errors
    /// [`Error::NotReadable`] and [`Error::Io`] where it cannot be opened or read; broken rules are in the answer.
    pub fn of(fs: &dyn Fs, path: &Path) -> Result<Self> {
        let source = Source::open(fs, path)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let segment = SegmentName::parse(name);
        let content = match segment {
            Some(segment) => segment_file(fs, path, segment, &source),
            None => text_file(fs, path, name).unwrap_or_else(|| sniffed(fs, path)),
        };
        let content = match content {
            Err(error @ Error::Corrupt(_)) => FileContent::Broken(error),
            content => content?,
        };
        Ok(Self { path: path.to_owned(), len: source.len(), name: segment, content })
    }
}

fn segment_file(fs: &dyn Fs, path: &Path, name: SegmentName, source: &Source) -> Result<FileContent> {
    Ok(match name.file {
        SegmentFile::Log => {
            let index = SegmentName { file: SegmentFile::OffsetIndex, ..name };
            batches(fs, path, &path.with_file_name(index.to_string()), name.base)?
        }
        SegmentFile::OffsetIndex => FileContent::OffsetIndex(OffsetIndex::read(source, name.base)?),
        SegmentFile::TimeIndex => FileContent::TimeIndex(TimeIndex::read(source, name.base)?),
        SegmentFile::TxnIndex => FileContent::TxnIndex(TxnIndex::read(source, name.base)?),
        SegmentFile::Snapshot => {
            FileContent::Producers(ProducerSnapshot::decode(&source.read_all(MAX_SNAPSHOT_BYTES)?, path)?)
        }
    })
}

fn batches(fs: &dyn Fs, log: &Path, index: &Path, base: Offset) -> Result<FileContent> {
    Ok(FileContent::Batches { first: FirstBatch::read(fs, log)?, tail: Tail::of(fs, log, index, base)? })
}

/// The small text file with this name; `None` if it is none of them.
fn text_file(fs: &dyn Fs, path: &Path, name: &str) -> Option<Result<FileContent>> {
    /// What was read, as the content that `wrap` makes of it.
    fn read<T>(
        fs: &dyn Fs,
        path: &Path,
        parse: impl FnOnce(&[u8], &Path) -> Result<T>,
        wrap: impl FnOnce(T) -> FileContent,
    ) -> Option<Result<FileContent>> {
        match SmallFile::read(fs, path, parse) {
            SmallFile::Missing => None,
            SmallFile::Read { content, .. } => Some(Ok(wrap(content))),
            SmallFile::Unreadable(error) => Some(Err(error)),
        }
    }
    use FileContent as Is;
    match name {
        OffsetCheckpoint::RECOVERY_POINT
        | OffsetCheckpoint::LOG_START
        | OffsetCheckpoint::HIGH_WATERMARK
        | OffsetCheckpoint::CLEANER => read(fs, path, OffsetCheckpoint::parse, Is::Offsets),
        EpochCheckpoint::FILE_NAME => read(fs, path, EpochCheckpoint::parse, Is::Epochs),
        MetaProperties::FILE_NAME => read(fs, path, MetaProperties::parse, Is::Identity),
        PartitionMetadata::FILE_NAME => read(fs, path, PartitionMetadata::parse, Is::Partition),
        CleanShutdown::FILE_NAME => read(fs, path, CleanShutdown::parse, Is::CleanShutdown),
        QuorumState::FILE_NAME => read(fs, path, QuorumState::parse, Is::Quorum),
        _ => None,
    }
}

/// Batches, if the file begins with one whose format is known.
fn sniffed(fs: &dyn Fs, path: &Path) -> Result<FileContent> {
    let first = FirstBatch::read(fs, path)?;
    match first.batch().filter(|batch| (0..=2).contains(&batch.magic)) {
        Some(batch) => Ok(FileContent::Batches { first, tail: Tail::of(fs, path, Path::new(""), batch.base_offset)? }),
        None => Ok(FileContent::Unknown),
    }
}
