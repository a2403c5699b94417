//! The place that faults are planned for: one partition, and the log directory around it if there is one.

use std::path::{Path, PathBuf};

use super::fault::{Change, MAX_SHOWN};
use crate::error::Result;
use crate::fs::{Fs, Kind, Source};
use crate::log::{PartitionDirectory, root_files};
use crate::random::Random;
use crate::segment::SegmentFile;
use crate::units::{FilePosition, Offset, TopicPartition};

/// Files of more bytes are not read whole; faults that would have to have no place there.
const MAX_WHOLE: usize = 64 << 20;

/// Where a fault is looked for.
pub(super) struct Site<'a> {
    pub(super) fs: &'a dyn Fs,
    /// What paths are relative to.
    dir: &'a Path,
    /// Whether that is a log directory, and not a partition's folder.
    has_root: bool,
    pub(super) folder: PartitionDirectory,
    pub(super) random: Random,
}

impl<'a> Site<'a> {
    /// The partition in `folder`, which is `dir` or lies in it.
    pub(super) fn new(fs: &'a dyn Fs, dir: &'a Path, folder: PartitionDirectory, random: Random) -> Self {
        let has_root = folder.path != dir;
        Self { fs, dir, has_root, folder, random }
    }

    /// The relative path of a name beside the segments.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        let path = self.folder.path.join(name);
        path.strip_prefix(self.dir).map_or_else(|_| PathBuf::from(name), Path::to_owned)
    }

    /// The relative path of a segment's file.
    pub(super) fn file(&self, base: Offset, file: SegmentFile) -> PathBuf {
        self.beside(&file.name(base))
    }

    /// The relative path of a name at the root; `None` where only a partition's folder is given.
    pub(super) fn at_root(&self, name: &str) -> Option<PathBuf> {
        self.has_root.then(|| PathBuf::from(name))
    }

    /// Which partition it is, where the folder's name says so.
    pub(super) fn partition(&self) -> Option<&TopicPartition> {
        self.folder.name.as_ref().map(|name| &name.partition)
    }

    /// Opens a file by its relative path.
    pub(super) fn open(&self, file: &Path) -> Result<Source> {
        Source::open(self.fs, &self.dir.join(file))
    }

    /// Bytes of a regular file.
    pub(super) fn len(&self, file: &Path) -> Result<Option<u64>> {
        let stat = self.fs.stat(&self.dir.join(file))?;
        Ok(stat.filter(|stat| stat.kind == Kind::File).map(|stat| stat.len))
    }

    /// True if nothing has this name.
    pub(super) fn is_free(&self, path: &Path) -> Result<bool> {
        Ok(self.fs.stat(&self.dir.join(path))?.is_none())
    }

    /// The whole of a file; `None` if it is not there, or too large for that.
    pub(super) fn read(&self, file: &Path) -> Result<Option<Vec<u8>>> {
        match self.len(file)? {
            Some(len) if len <= MAX_WHOLE as u64 => self.open(file)?.read_all(MAX_WHOLE).map(Some),
            _ => Ok(None),
        }
    }

    /// Segments with a `.log`: base offset and bytes, ascending.
    pub(super) fn logs(&self) -> Vec<(Offset, u64)> {
        self.folder.logs().collect()
    }

    /// The files of the segment at `base`, without the snapshot.
    pub(super) fn segment_files(&self, base: Offset) -> Vec<PathBuf> {
        let files = self.folder.segments.get(&base).copied().unwrap_or_default();
        let there = [
            (SegmentFile::Log, files.log),
            (SegmentFile::OffsetIndex, files.offset_index),
            (SegmentFile::TimeIndex, files.time_index),
            (SegmentFile::TxnIndex, files.txn_index),
        ];
        there.into_iter().filter(|(_, len)| len.is_some()).map(|(file, _)| self.file(base, file)).collect()
    }

    /// All files of the partition's folder, in order.
    pub(super) fn all_files(&self) -> Result<Vec<PathBuf>> {
        Ok(self.names(&self.folder.path)?.iter().map(|name| self.beside(name)).collect())
    }

    /// All files at the root, in order; none where only a partition's folder is given. A lock's content is nobody's business.
    pub(super) fn root_files(&self) -> Result<Vec<PathBuf>> {
        let names = if self.has_root { self.names(self.dir)? } else { Vec::new() };
        Ok(names.into_iter().filter(|name| name != root_files::LOCK).map(PathBuf::from).collect())
    }

    fn names(&self, dir: &Path) -> Result<Vec<String>> {
        let files = self.fs.list(dir)?.into_iter().filter(|entry| entry.stat.kind == Kind::File);
        let mut names: Vec<String> = files.filter_map(|entry| entry.name.into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// A segment among several: neither the first nor the last, where there are more than two; `None` if there are none with bytes.
    pub(super) fn inner_segment(&mut self) -> Option<(Offset, u64)> {
        let logs: Vec<_> = self.logs().into_iter().filter(|(_, len)| *len > 0).collect();
        let inner = logs.get(1..logs.len().saturating_sub(1)).filter(|inner| !inner.is_empty()).unwrap_or(&logs);
        inner.get(self.random.below(inner.len())).copied()
    }

    /// The last segment.
    pub(super) fn last_segment(&self) -> Option<(Offset, u64)> {
        self.folder.logs().next_back()
    }

    /// The removal of a file.
    pub(super) fn removal(&self, file: PathBuf) -> Result<Option<Change>> {
        Ok(self.len(&file)?.map(|len| Change::Removed { file, len }))
    }

    /// The change from `old`, the whole file, to `new`: of the bytes that differ only. `None` if none do.
    pub(super) fn rewritten(&self, file: PathBuf, old: &[u8], new: &[u8]) -> Option<Change> {
        changed(file, FilePosition::START, old, new)
    }

    /// A byte that is not zero.
    pub(super) fn byte(&mut self) -> u8 {
        u8::try_from(self.random.below(255)).unwrap_or(0).saturating_add(1)
    }

    /// So many bytes, none of them zero.
    pub(super) fn garbage(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}

/// The change of the bytes at `position` from `old` to `new`, less what they have in common at both ends.
pub(super) fn changed(file: PathBuf, position: FilePosition, old: &[u8], new: &[u8]) -> Option<Change> {
    if old == new {
        return None;
    }
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(front..)?, new.get(front..)?);
    let back = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(..old.len() - back)?, new.get(..new.len() - back)?);
    Some(Change::Bytes {
        file,
        position: position.plus(front as u64),
        old_len: old.len() as u64,
        old: old.iter().copied().take(MAX_SHOWN).collect(),
        new: new.to_vec(),
    })
}
