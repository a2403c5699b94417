//! One partition at a glance: its names, the first batch of each segment, the last batch of the active one, its text files.

use std::collections::{BTreeMap, HashMap};

use super::glimpse::FirstBatch;
use super::recovery::{NextScan, Recovery, RecoveryPoint};
use super::root::RootFiles;
use super::tail::Tail;
use crate::checkpoint::{EpochCheckpoint, OffsetCheckpoint, PartitionMetadata};
use crate::error::Result;
use crate::fs::{Fs, Kind};
use crate::inspect::SmallFile;
use crate::log::{DirectoryState, PartitionDirectory, root_files};
use crate::segment::SegmentFile;
use crate::units::{Offset, TopicPartition};

/// What a look at a partition's folder tells.
#[derive(Debug)]
pub struct PartitionSummary {
    /// The names in the folder.
    pub directory: PartitionDirectory,
    /// Which topic's it is, by id.
    pub metadata: SmallFile<PartitionMetadata>,
    /// Where its leader epochs begin.
    pub epochs: SmallFile<EpochCheckpoint>,
    /// The start of each `.log` file.
    pub first: BTreeMap<Offset, Result<FirstBatch>>,
    /// The end of the last segment; `None` without one.
    pub tail: Option<Result<Tail>>,
    /// What the log directory's checkpoints say of it.
    pub checkpoints: Checkpoints,
    /// What the next start scans of it.
    pub next_scan: NextScan,
}

/// What the four checkpoints of a log directory say of one partition; `None` where they do not name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The first offset not known to be on disk.
    pub recovery_point: Option<Offset>,
    /// The first offset that consumers may read.
    pub log_start: Option<Offset>,
    /// The high watermark.
    pub high_watermark: Option<Offset>,
    /// The first offset not cleaned yet.
    pub cleaner: Option<Offset>,
}

impl Checkpoints {
    /// What the files at the root of a log directory say of the partition in `directory`.
    #[must_use]
    pub fn of(root: &RootFiles, directory: &PartitionDirectory) -> Self {
        Surroundings::of(root).checkpoints(directory)
    }
}

/// The log directory around a partition, ready to be asked about many.
pub(super) struct Surroundings<'a> {
    root: &'a RootFiles,
    offsets: [HashMap<&'a TopicPartition, Offset>; 4],
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(root: &'a RootFiles) -> Self {
        let offsets = root.checkpoints().map(|(_, file)| file.content().map(OffsetCheckpoint::by_partition));
        Self { root, offsets: offsets.map(Option::unwrap_or_default) }
    }

    fn checkpoints(&self, directory: &PartitionDirectory) -> Checkpoints {
        let Some(name) = &directory.name else { return Checkpoints::default() };
        let [recovery_point, log_start, high_watermark, cleaner] =
            self.offsets.each_ref().map(|offsets| offsets.get(&name.partition).copied());
        Checkpoints { recovery_point, log_start, high_watermark, cleaner }
    }
}

impl PartitionSummary {
    /// Looks at the partition in `directory`, which lies in the log directory with these `root` files.
    #[must_use]
    pub fn of(fs: &dyn Fs, directory: PartitionDirectory, root: &RootFiles) -> Self {
        Self::within(fs, directory, &Surroundings::of(root))
    }

    pub(super) fn within(fs: &dyn Fs, directory: PartitionDirectory, around: &Surroundings<'_>) -> Self {
        let dir = &directory.path;
        let bases: Vec<Offset> = directory.logs().map(|(base, _)| base).collect();
        let first =
            bases.iter().map(|base| (*base, FirstBatch::read(fs, &directory.file(*base, SegmentFile::Log)))).collect();
        let checkpoints = around.checkpoints(&directory);
        let recovery = recovery(around.root, &directory, checkpoints);
        Self {
            metadata: SmallFile::read(fs, &dir.join(PartitionMetadata::FILE_NAME), PartitionMetadata::parse),
            epochs: SmallFile::read(fs, &dir.join(EpochCheckpoint::FILE_NAME), EpochCheckpoint::parse),
            first,
            tail: bases.last().map(|base| {
                let (log, index) =
                    [SegmentFile::Log, SegmentFile::OffsetIndex].map(|file| directory.file(*base, file)).into();
                Tail::of(fs, &log, &index, *base)
            }),
            checkpoints,
            next_scan: NextScan::of(recovery, directory.segments.iter()),
            directory,
        }
    }

    /// The first offset that consumers may read: the checkpoint's, but not below the first segment; `None` without a segment.
    ///
    /// Kafka: `LogLoader.load`.
    #[must_use]
    pub fn log_start(&self) -> Option<Offset> {
        let (first, _) = self.directory.logs().next()?;
        Some(self.checkpoints.log_start.map_or(first, |start| start.max(first)))
    }

    /// The offset behind the last whole batch of the last segment; `None` where there is none or it cannot be read.
    #[must_use]
    pub fn log_end(&self) -> Option<Offset> {
        self.tail.as_ref()?.as_ref().ok().map(|tail| tail.end)
    }

    /// Bytes of all files in the folder.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let directory = &self.directory;
        let segments = directory
            .segments
            .values()
            .flat_map(|files| [files.log, files.offset_index, files.time_index, files.txn_index].into_iter().flatten());
        let leftovers = directory.leftovers.iter().map(|(_, entry)| entry.stat.len);
        let others = directory.others.iter().filter(|entry| entry.stat.kind == Kind::File).map(|entry| entry.stat.len);
        let text = [directory.epochs, directory.metadata].into_iter().flatten();
        segments
            .chain(directory.snapshots.values().copied())
            .chain(leftovers)
            .chain(others)
            .chain(text)
            .fold(0, u64::saturating_add)
    }

    /// Bytes of the `.log` files.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.directory.logs().map(|(_, bytes)| bytes).fold(0, u64::saturating_add)
    }
}

/// Whether the next start recovers the partition, and from where on.
fn recovery(root: &RootFiles, directory: &PartitionDirectory, checkpoints: Checkpoints) -> Recovery {
    let file = &root.recovery_points;
    let is_metadata_log = directory.path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
    if directory.name.as_ref().is_some_and(|name| name.state == DirectoryState::Delete) {
        Recovery::Deleted
    } else if is_metadata_log {
        Recovery::From(RecoveryPoint::MetadataLog)
    } else if root.is_clean() {
        Recovery::Skipped
    } else {
        Recovery::From(match checkpoints.recovery_point {
            Some(offset) => RecoveryPoint::At(offset),
            None if file.is_missing() => RecoveryPoint::FileMissing,
            None if file.is_empty() => RecoveryPoint::FileEmpty,
            None if file.error().is_some() => RecoveryPoint::FileUnreadable,
            None => RecoveryPoint::NotNamed,
        })
    }
}
