//! What is set aside in a log directory or a partition's folder.

use std::fmt;
use std::path::Path;

use log_engine::inspect::Target;
use log_engine::log::{DirectoryState, PartitionDirectory};
use log_engine::segment::{Leftover, SegmentFile};
use log_engine::{Error, Fs, Offset, TopicPartition};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::select::targets::resolve;

/// How something was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// A folder, with its topic or for another copy
    Delete,
    /// A folder that the metadata does not know
    Stray,
    /// A folder that was on its way into this log directory
    Future,
    /// Segments in a partition's folder
    Deleted,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delete => "delete",
            Self::Stray => "stray",
            Self::Future => "future",
            Self::Deleted => "deleted",
        })
    }
}

/// Something that can be copied out.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) partition: TopicPartition,
    pub(super) state: State,
    pub(super) folder: PartitionDirectory,
    /// Bytes of the files that were set aside.
    pub(super) bytes: u64,
}

impl Found {
    /// The first offsets of the segments that were set aside, in order.
    pub(super) fn logs(&self) -> impl Iterator<Item = Offset> + '_ {
        let deleted = self.state == State::Deleted;
        let aside = deleted_logs(&self.folder).filter(move |_| deleted).map(|(base, _)| base);
        aside.chain(self.folder.logs().filter(move |_| !deleted).map(|(base, _)| base))
    }

    /// Bytes that a copy takes.
    pub(super) fn needed(&self) -> u64 {
        let live = self.folder.logs().filter(|_| self.state == State::Deleted);
        live.fold(self.bytes, |sum, (_, len)| sum.saturating_add(len))
    }
}

/// The `.log.deleted` files: first offset and bytes, in order.
pub(super) fn deleted_logs(folder: &PartitionDirectory) -> impl Iterator<Item = (Offset, u64)> + '_ {
    let logs = folder.leftovers_of(Leftover::Deleted).filter(|(name, _)| name.file == SegmentFile::Log);
    logs.map(|(name, entry)| (name.base, entry.stat.len))
}

/// Everything that is set aside at `path`, by partition.
pub(super) fn find(fs: &dyn Fs, path: &Path) -> Result<Vec<Found>, CliError> {
    let mut found = Vec::new();
    match Target::of(fs, &resolve(path)?)? {
        Target::File(path) => {
            return Err(Error::NotReadable { path, what: "a file, not a log directory or a partition's folder" }.into());
        }
        Target::Partition(folder) => found.extend(in_folder(fs, folder)?),
        Target::LogDirectory(dir) => {
            for (_, path) in &dir.partitions {
                found.extend(in_folder(fs, PartitionDirectory::list(fs, path)?)?);
            }
        }
    }
    found.sort_by(|a, b| (&a.partition, &a.folder.path).cmp(&(&b.partition, &b.folder.path)));
    Ok(found)
}

/// What is set aside of one folder: itself, or segments in it.
fn in_folder(fs: &dyn Fs, folder: PartitionDirectory) -> Result<Option<Found>, CliError> {
    let Some(name) = folder.name.clone() else { return Ok(None) };
    let state = match name.state {
        DirectoryState::Delete => State::Delete,
        DirectoryState::Stray => State::Stray,
        DirectoryState::Future => State::Future,
        DirectoryState::Live if deleted_logs(&folder).next().is_some() => State::Deleted,
        DirectoryState::Live => return Ok(None),
    };
    let bytes = if state == State::Deleted {
        folder.leftovers_of(Leftover::Deleted).fold(0_u64, |sum, (_, entry)| sum.saturating_add(entry.stat.len))
    } else {
        fs.list(&folder.path)?.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.stat.len))
    };
    Ok(Some(Found { partition: name.partition, state, folder, bytes }))
}
