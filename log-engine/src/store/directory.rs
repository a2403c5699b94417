//! One log directory that a store holds: its lock, its marker, its checkpoint files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::{DirectoryReport, Identity};
use crate::checkpoint::{CleanShutdown, MAX_TEXT_BYTES, MetaProperties, OffsetCheckpoint, PartitionOffset};
use crate::error::{Error, Result, Rule};
use crate::fs::{Fs, Lock, Source, WriteFs, replace};
use crate::log::root_files;
use crate::plant::Fault;
use crate::units::{FilePosition, Offset, TopicPartition};

/// A log directory under this process's lock.
#[derive(Debug)]
pub(super) struct DataDirectory {
    pub(super) path: PathBuf,
    /// Held until the store is gone; `None` for a directory that is offline.
    pub(super) lock: Option<Box<dyn Lock>>,
    /// Partitions here whose log could not be opened: what is known of them goes on to stand in the checkpoint files.
    pub(super) unopened: BTreeMap<TopicPartition, BTreeMap<&'static str, Offset>>,
    /// Everything here was closed cleanly before, and everything is open now, so that a marker may speak for all of it.
    pub(super) may_be_marked: bool,
    /// What the checkpoint files say now, by their names.
    written: BTreeMap<&'static str, Vec<u8>>,
}

/// What the small files of a log directory said when it was opened.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) is_clean: bool,
    /// The offsets of each partition by the names of the files that say them.
    pub(super) offsets: BTreeMap<TopicPartition, BTreeMap<&'static str, Offset>>,
}

impl Known {
    /// What the file `name` says of a partition; 0 where it says nothing.
    pub(super) fn offset(&self, partition: &TopicPartition, name: &str) -> Offset {
        self.offsets.get(partition).and_then(|offsets| offsets.get(name)).copied().unwrap_or(Offset::ZERO)
    }
}

impl DataDirectory {
    pub(super) const fn offline(path: PathBuf) -> Self {
        Self { path, lock: None, unopened: BTreeMap::new(), may_be_marked: false, written: BTreeMap::new() }
    }

    pub(super) const fn is_online(&self) -> bool {
        self.lock.is_some()
    }

    /// Takes the lock, makes the folder and its identity if they are not there, and reads what the last stop left.
    pub(super) fn take(
        fs: &dyn WriteFs,
        path: &Path,
        identity: Option<&Identity>,
        report: &mut DirectoryReport,
    ) -> Result<(Self, Known)> {
        if fs.stat(path)?.is_none() {
            fs.create_dir(path)?;
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                fs.sync_dir(parent)?;
            }
        }
        let lock = fs.lock(&path.join(root_files::LOCK))?;
        identify(fs, path, identity)?;
        let is_clean = fs.stat(&path.join(root_files::CLEAN_SHUTDOWN))?.is_some();
        let mut known = Known { is_clean, ..Known::default() };
        for name in [OffsetCheckpoint::RECOVERY_POINT, OffsetCheckpoint::LOG_START, OffsetCheckpoint::HIGH_WATERMARK] {
            for entry in read_checkpoint(fs, path, name, report)? {
                known.offsets.entry(entry.partition).or_default().insert(name, entry.offset);
            }
        }
        Ok((Self { lock: Some(lock), may_be_marked: true, ..Self::offline(path.to_owned()) }, known))
    }

    /// Takes the marker away, durably, before anything is written that it would speak for. Folders of partitions whose names were
    /// not durable when the last process died are so, too, before anything in them is promised.
    pub(super) fn begin(&self, fs: &dyn WriteFs) -> Result<()> {
        let marker = self.path.join(root_files::CLEAN_SHUTDOWN);
        if fs.stat(&marker)?.is_some() && !Fault::MarkerKept.is_planted() {
            fs.remove(&marker)?;
        }
        fs.sync_dir(&self.path)
    }

    /// Leaves the marker that lets the next start skip recovery. Everything it speaks for must be durable.
    pub(super) fn end(&self, fs: &dyn WriteFs) -> Result<()> {
        // Without a registration at a controller there is no epoch to tell; -1 says so.
        let marker = CleanShutdown { broker_epoch: Some(-1) };
        replace(fs, &self.path.join(root_files::CLEAN_SHUTDOWN), &marker.encode())
    }

    /// Writes a checkpoint file if it would say something else than it does.
    pub(super) fn write_checkpoint(
        &mut self,
        fs: &dyn WriteFs,
        name: &'static str,
        mut entries: Vec<PartitionOffset>,
    ) -> Result<()> {
        entries.extend(self.unopened.iter().filter_map(|(partition, offsets)| {
            Some(PartitionOffset { partition: partition.clone(), offset: *offsets.get(name)? })
        }));
        let bytes = OffsetCheckpoint { entries }.encode();
        if self.written.get(name) == Some(&bytes) {
            return Ok(());
        }
        replace(fs, &self.path.join(name), &bytes)?;
        self.written.insert(name, bytes);
        Ok(())
    }
}

/// The lines of a checkpoint file. One that cannot be read is told, and says nothing: recovery then looks at everything.
fn read_checkpoint(
    fs: &dyn WriteFs,
    dir: &Path,
    name: &str,
    report: &mut DirectoryReport,
) -> Result<Vec<PartitionOffset>> {
    let path = dir.join(name);
    if fs.stat(&path)?.is_none() {
        return Ok(Vec::new());
    }
    let fs: &dyn Fs = fs;
    let read = Source::open(fs, &path).and_then(|source| source.read_all(MAX_TEXT_BYTES));
    match read.and_then(|bytes| OffsetCheckpoint::parse(&bytes, &path)) {
        Ok(checkpoint) => Ok(checkpoint.entries),
        Err(error @ (Error::Corrupt(_) | Error::NotReadable { .. })) => {
            report.unreadable.push(error);
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Compares the directory's identity with what the caller says, or writes it into a new one.
fn identify(fs: &dyn WriteFs, dir: &Path, identity: Option<&Identity>) -> Result<()> {
    let path = dir.join(root_files::META_PROPERTIES);
    if fs.stat(&path)?.is_none() {
        let Some(identity) = identity else { return Ok(()) };
        let properties = MetaProperties::new(&identity.cluster_id, identity.node_id, identity.directory_id);
        return replace(fs, &path, &properties.encode());
    }
    let fs: &dyn Fs = fs;
    let found = MetaProperties::parse(&Source::open(fs, &path)?.read_all(MAX_TEXT_BYTES)?, &path)?;
    let Some(identity) = identity else { return Ok(()) };
    if let Some(node) = found.node_id().filter(|node| *node != identity.node_id) {
        let rule = Rule::Mismatch { what: "node.id", found: node.into(), expected: identity.node_id.into() };
        return Err(Error::corrupt(&path, FilePosition::START, rule));
    }
    if let Some(cluster) = found.cluster_id().filter(|cluster| *cluster != identity.cluster_id) {
        let rule =
            Rule::OtherText { what: "cluster.id", found: cluster.to_owned(), expected: identity.cluster_id.clone() };
        return Err(Error::corrupt(&path, FilePosition::START, rule));
    }
    Ok(())
}
