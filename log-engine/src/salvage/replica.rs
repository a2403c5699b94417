//! One copy of a partition as a source: its files as they were when it was listed, and what stands beside them.

use std::path::PathBuf;

use super::forgiving::{self, Unread};
use super::refused::Refused;
use crate::checkpoint::{EpochCheckpoint, MetaProperties, PartitionMetadata};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::{Fs, Source, Stat};
use crate::inspect::{Checkpoints, RootFiles, SmallFile};
use crate::log::{PartitionDirectory, read_snapshot};
use crate::producer::ProducerSnapshot;
use crate::segment::SegmentFile;
use crate::units::Offset;

/// One segment of a source.
#[derive(Clone, Debug)]
pub(super) struct SourceSegment {
    pub(super) base: Offset,
    pub(super) source: Source,
    /// What of it could not be read so far.
    pub(super) unread: Unread,
    stat: Option<Stat>,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) folder: PartitionDirectory,
    /// One segment alone.
    pub(super) is_part: bool,
    pub(super) segments: Vec<SourceSegment>,
    /// What the file of leader epochs says, as far as it can be read.
    pub(super) epochs: LeaderEpochs,
    pub(super) checkpoints: Checkpoints,
    pub(super) metadata: Option<PartitionMetadata>,
    pub(super) cluster_id: Option<String>,
}

impl Replica {
    /// Opens the segments in `folder`, all or the one that begins at `only`, and reads the small files.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::NotReadable`] for a `.log` that cannot be opened.
    pub(super) fn open(fs: &dyn Fs, folder: PartitionDirectory, only: Option<Offset>) -> Result<Self> {
        let mut segments = Vec::new();
        for (base, _) in folder.logs().filter(|(base, _)| only.is_none_or(|only| only == *base)) {
            let path = folder.file(base, SegmentFile::Log);
            let stat = fs.stat(&path)?;
            let (source, unread) = forgiving::open(fs, &path)?;
            segments.push(SourceSegment { base, source, unread, stat });
        }
        let root = folder.path.parent().map(|root| RootFiles::read(fs, root));
        let cluster =
            |root: &RootFiles| root.identity.content().and_then(MetaProperties::cluster_id).map(str::to_owned);
        // What is said of a whole log says nothing of a segment alone.
        let around = root.as_ref().filter(|_| only.is_none());
        let checkpoints = around.map_or_else(Checkpoints::default, |root| Checkpoints::of(root, &folder));
        let epochs = SmallFile::read(fs, &folder.path.join(EpochCheckpoint::FILE_NAME), EpochCheckpoint::parse);
        let epochs = epochs.content().map(LeaderEpochs::load).unwrap_or_default();
        let metadata = folder.path.join(PartitionMetadata::FILE_NAME);
        let metadata = SmallFile::read(fs, &metadata, PartitionMetadata::parse).content().copied();
        let cluster_id = root.as_ref().and_then(cluster);
        let is_part = only.is_some();
        Ok(Self { folder, is_part, segments, epochs, checkpoints, metadata, cluster_id })
    }

    /// The bases of its segments.
    pub(super) fn bases(&self) -> Vec<Offset> {
        self.segments.iter().map(|segment| segment.base).collect()
    }

    /// Bytes of its `.log` files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.source.len()))
    }

    /// The producers up to `offset`, if a snapshot says it that can be read.
    pub(super) fn snapshot(&self, fs: &dyn Fs, offset: Offset) -> Option<ProducerSnapshot> {
        self.folder.snapshots.get(&offset)?;
        let path = self.folder.file(offset, SegmentFile::Snapshot);
        read_snapshot(fs, &path).ok()
    }

    /// The first file that is not any more what it was when it was opened.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    pub(super) fn changed_file(&self, fs: &dyn Fs) -> Result<Option<PathBuf>> {
        for segment in &self.segments {
            let path = segment.source.path();
            if fs.stat(path)? != segment.stat {
                return Ok(Some(path.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Refuses replicas that are not of one partition.
pub(super) fn refuse_strangers(replicas: &[Replica]) -> Result<(), Refused> {
    let all = |n: usize| replicas.iter().enumerate().skip(n.saturating_add(1)).map(|(_, other)| other);
    for (n, one) in replicas.iter().enumerate() {
        for other in all(n) {
            let paths = || [one.folder.path.clone(), other.folder.path.clone()];
            let names = [one, other].map(|it| it.folder.name.as_ref().map(|name| &name.partition));
            if let [Some(a), Some(b)] = names
                && a != b
            {
                return Err(Refused::OtherPartition { paths: paths(), are: [a.to_string(), b.to_string()] });
            }
            if let (Some(a), Some(b)) = (&one.metadata, &other.metadata)
                && a.topic_id != b.topic_id
            {
                return Err(Refused::OtherTopic { paths: paths(), ids: [a, b].map(|it| it.topic_id.to_string()) });
            }
            if let (Some(a), Some(b)) = (&one.cluster_id, &other.cluster_id)
                && a != b
            {
                return Err(Refused::OtherCluster { paths: paths(), ids: [a.clone(), b.clone()] });
            }
        }
    }
    Ok(())
}
