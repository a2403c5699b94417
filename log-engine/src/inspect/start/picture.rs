//! The folder of a partition as it would be at a moment of the start: names, and where the bytes of each come from.
//!
//! Nothing is written and no `.log` is held: a file is a stretch of one on the disk, or one that was made on the way.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::{FailureEffect, Outcome, StartFailure, StartRule};
use crate::error::{Error, Result};
use crate::fs::{File, Fs, Kind, MemoryFile, Source};
use crate::log::PartitionDirectory;
use crate::producer::ProducerSnapshot;
use crate::segment::{IndexEntry, OffsetEntry, OffsetIndex, SegmentFile};
use crate::units::Offset;

/// Where the bytes of a file come from.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A part of a file that is on the disk.
    Disk(Stretch),
    /// None, or only zeros: a file that was made or emptied.
    Empty,
    /// An index that was made again.
    Rebuilt(Rebuilt),
    /// Producers that were written down on the way.
    Snapshot(ProducerSnapshot),
}

/// Bytes `from` to `to` of the file that is on the disk under `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) name: String,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What is kept of an index that was made again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rebuilt {
    /// Whether its bytes differ from those of the file that is on the disk under the same name, zeros at the end aside.
    pub(super) differs: bool,
    /// The last entry of an offset index. The others lead to no other end: they rise.
    pub(super) last: Option<OffsetEntry>,
}

/// The folder: how it is on the disk, and how it would be now.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    fs: &'a dyn Fs,
    folder: &'a Path,
    before: BTreeMap<String, u64>,
    now: BTreeMap<String, Content>,
    /// Segments that were renamed to `.deleted`, in the order in which that happened: the names of their `.log` files.
    pub(super) deleted_segments: Vec<String>,
}

impl<'a> Picture<'a> {
    /// The folder as it is on the disk.
    pub(super) fn of(fs: &'a dyn Fs, folder: &'a PartitionDirectory) -> Self {
        let mut before = BTreeMap::new();
        for (base, files) in &folder.segments {
            let of_segment = [
                (SegmentFile::Log, files.log),
                (SegmentFile::OffsetIndex, files.offset_index),
                (SegmentFile::TimeIndex, files.time_index),
                (SegmentFile::TxnIndex, files.txn_index),
            ];
            before.extend(of_segment.into_iter().filter_map(|(file, len)| Some((file.name(*base), len?))));
        }
        before.extend(folder.snapshots.iter().map(|(offset, len)| (SegmentFile::Snapshot.name(*offset), *len)));
        let rest = folder.leftovers.iter().map(|(_, entry)| entry).chain(&folder.others);
        before.extend(
            rest.filter(|entry| entry.stat.kind == Kind::File)
                .map(|entry| (entry.name.to_string_lossy().into_owned(), entry.stat.len)),
        );
        let whole = |(name, len): (&String, &u64)| {
            (name.clone(), Content::Disk(Stretch { name: name.clone(), from: 0, to: *len }))
        };
        let now = before.iter().map(whole).collect();
        Self { fs, folder: &folder.path, before, now, deleted_segments: Vec::new() }
    }

    /// Where a file of this name is, or would be.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder.
    pub(super) const fn folder(&self) -> &'a Path {
        self.folder
    }

    /// The names that are there now, in order.
    pub(super) fn names(&self) -> Vec<String> {
        self.now.keys().cloned().collect()
    }

    /// All that is there now, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.now.iter().map(|(name, content)| (name.as_str(), content))
    }

    /// What is on the disk: names and bytes.
    pub(super) fn on_disk(&self) -> impl Iterator<Item = (&str, u64)> {
        self.before.iter().map(|(name, len)| (name.as_str(), *len))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.now.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Content> {
        self.now.get(name)
    }

    pub(super) fn put(&mut self, name: &str, content: Content) {
        self.now.insert(name.to_owned(), content);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.now.remove(name);
    }

    /// Cuts the file `name` to `len` bytes, if its bytes come from the disk.
    pub(super) fn cut(&mut self, name: &str, len: u64) {
        if let Some(Content::Disk(stretch)) = self.now.get_mut(name) {
            stretch.to = stretch.to.min(stretch.from.saturating_add(len));
        }
    }

    /// Removes the files of the segment at `base`, and the snapshot that was taken where it begins, as if renamed to `.deleted`.
    pub(super) fn delete_segment(&mut self, base: Offset) {
        for file in SegmentFile::ALL {
            self.remove(&file.name(base));
        }
        self.deleted_segments.push(SegmentFile::Log.name(base));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(content) = self.now.remove(from) {
            self.now.insert(to.to_owned(), content);
        }
    }

    /// The file that is on the disk under this name, if there is one.
    pub(super) fn original(&self, name: &str) -> Result<Option<Source>> {
        self.before.contains_key(name).then(|| Source::open(self.fs, &self.path(name))).transpose()
    }

    /// The file `name` as it would be now, if its bytes come from the disk.
    pub(super) fn source(&self, name: &str) -> Result<Option<Source>> {
        let Some(Content::Disk(stretch)) = self.get(name) else {
            return Ok(None);
        };
        let file = self.fs.open(&self.path(&stretch.name))?;
        let file = if stretch.from == 0 { file } else { Arc::new(Behind { file, from: stretch.from }) };
        Ok(Some(Source::new(self.path(name), file)?.bounded(stretch.to.saturating_sub(stretch.from))))
    }

    /// The batches of the segment at `base`; none of an empty file.
    pub(super) fn log(&self, base: Offset) -> Outcome<Source> {
        self.log_named(&SegmentFile::Log.name(base))
    }

    /// The batches of the file `name`.
    pub(super) fn log_named(&self, name: &str) -> Outcome<Source> {
        /// Kafka: `FileRecords` counts bytes with an `i32`.
        const MOST: u64 = i32::MAX as u64;
        match self.source(name)? {
            None => Ok(Source::new(self.path(name), Arc::new(MemoryFile::new(Vec::new())))?),
            Some(source) if source.len() > MOST => {
                let rule = StartRule::SegmentTooLarge { len: source.len(), most: MOST };
                Err(StartFailure::whole(FailureEffect::Fatal, source.path(), rule).into())
            }
            Some(source) => Ok(source),
        }
    }

    /// The offset index `name` of a segment that begins at `base`.
    pub(super) fn offset_index(&self, name: &str, base: Offset) -> Result<OffsetIndex> {
        if let Some(source) = self.source(name)? {
            return OffsetIndex::read(&source, base);
        }
        let mut bytes = Vec::new();
        if let Some(Content::Rebuilt(Rebuilt { last: Some(last), .. })) = self.get(name) {
            last.encode(&mut bytes);
        }
        Ok(OffsetIndex::new(self.path(name), base, bytes))
    }

    /// The offset behind the last batch of the segment at `base`, as its index leads there; the base if it leads nowhere.
    pub(super) fn next_offset(&self, base: Offset) -> Outcome<Offset> {
        let index = self.offset_index(&SegmentFile::OffsetIndex.name(base), base)?;
        crate::segment::next_offset(&self.log(base)?, &index).map_err(fatal_if_corrupt)
    }
}

/// Broken bytes end the process; other errors say that we cannot read them.
pub(super) fn fatal_if_corrupt(error: Error) -> super::failure::Halt {
    match error {
        Error::Corrupt(corrupt) => StartFailure::of(FailureEffect::Fatal, *corrupt).into(),
        error => error.into(),
    }
}

/// The number before the first dot of a name.
///
/// Kafka: `LogFileUtils.offsetFromFileName`.
pub(super) fn number_of(name: &str) -> Option<Offset> {
    name.split_once('.')?.0.parse().ok().map(Offset::new)
}

/// A file without its first bytes.
#[derive(Debug)]
struct Behind {
    file: Arc<dyn File>,
    from: u64,
}

impl File for Behind {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.size()?.saturating_sub(self.from))
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(into, position.saturating_add(self.from))
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        let found = self.file.next_data(position.saturating_add(self.from))?;
        Ok(found.map(|data| data.saturating_sub(self.from)))
    }

    fn done_until(&self, position: u64) {
        self.file.done_until(position.saturating_add(self.from));
    }
}
