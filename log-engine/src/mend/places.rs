//! The log directory around a partition, and the lines of its checkpoints that speak of it.

use std::path::PathBuf;

use super::Change;
use crate::checkpoint::{MAX_TEXT_BYTES, OffsetCheckpoint, PartitionOffset};
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::inspect::Target;
use crate::log::{DirectoryState, PartitionDirectory};
use crate::units::{Offset, TopicPartition};

/// Where a partition lies.
pub(super) struct Places {
    /// The log directory; the partition's folder where there is none.
    pub(super) root: PathBuf,
    /// The partition's folder below the root.
    pub(super) inside: PathBuf,
    /// There is a log directory around the folder.
    pub(super) is_log_directory: bool,
    /// The next start believes the log as it is.
    pub(super) is_clean: bool,
    /// What checkpoints call it; `None` without a log directory, and for a folder that is on its way in or out, or under another name.
    name: Option<TopicPartition>,
}

/// What a checkpoint is to say of a partition, by what it says; `None`: what it says now.
pub(super) type Edit<'e> = &'e dyn Fn(Option<Offset>) -> Option<Offset>;

impl Places {
    pub(super) fn of(fs: &dyn Fs, folder: &PartitionDirectory) -> Self {
        let around = folder.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let around = around.and_then(|parent| match Target::of(fs, parent) {
            Ok(Target::LogDirectory(dir)) => Some(dir),
            _ => None,
        });
        let name = folder.name.as_ref().filter(|name| name.state == DirectoryState::Live);
        match (around, folder.path.file_name()) {
            (Some(dir), Some(inside)) => Self {
                inside: PathBuf::from(inside),
                is_log_directory: true,
                is_clean: dir.has_clean_marker(),
                name: name.map(|name| name.partition.clone()),
                root: dir.path,
            },
            _ => Self {
                root: folder.path.clone(),
                inside: PathBuf::new(),
                is_log_directory: false,
                is_clean: false,
                name: None,
            },
        }
    }

    /// True if checkpoints can speak of the partition.
    pub(super) const fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// The checkpoints whose line of the partition changes. A file that is not there is made only if a line is to be in it.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for a file that cannot be read: it has to be repaired before.
    pub(super) fn edited(&self, fs: &dyn Fs, edits: &[(&str, Edit<'_>)]) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        let Some(name) = &self.name else { return Ok(changes) };
        for (file, edit) in edits {
            let path = self.root.join(file);
            let mut checkpoint = match fs.stat(&path)? {
                None => OffsetCheckpoint::default(),
                Some(_) => OffsetCheckpoint::parse(&Source::open(fs, &path)?.read_all(MAX_TEXT_BYTES)?, &path)?,
            };
            let before = checkpoint.by_partition().get(name).copied();
            let Some(after) = edit(before).filter(|after| Some(*after) != before) else { continue };
            let mut lines = checkpoint.entries.iter_mut().filter(|entry| entry.partition == *name);
            match lines.next_back() {
                Some(line) => line.offset = after,
                None => checkpoint.entries.push(PartitionOffset { partition: name.clone(), offset: after }),
            }
            changes.push(Change::Write { path: PathBuf::from(file), bytes: checkpoint.encode().into() });
        }
        Ok(changes)
    }
}
