//! An index file of an open segment: mapped or read when it is first asked, grown in memory, written behind.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Place, bytes_of};
use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFile, write_all_at};
use crate::segment::entries::{Index, IndexEntry, MAX_INDEX_BYTES};
use crate::segment::name::SegmentFile;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Index files of fewer bytes are read, not mapped: each mapping costs the system something, however small it is.
pub(super) const MAPPED_FROM: u64 = 16 << 10;
/// Entries that are gathered in memory before they are appended to the file.
pub(super) const GROUP: usize = 64;

/// One index of an open segment.
///
/// The file may hold fewer entries than there are, or for a moment after a failed write other ones: [`Self::write`] mends that, and
/// recovery makes the index again if the process dies before.
#[derive(Debug)]
pub(super) struct IndexFile<E> {
    place: Arc<Place>,
    file: SegmentFile,
    state: RwLock<State<E>>,
    /// How many entries there are, for who appends and asks each time; [`UNKNOWN`] until the index is loaded.
    len: AtomicUsize,
}

/// The index was not asked for yet.
const UNKNOWN: usize = usize::MAX;

#[derive(Debug)]
struct State<E> {
    /// `None` until it is asked for.
    index: Option<Index<E>>,
    /// How many entries are in the file as they should be.
    written: usize,
    /// Open while the index grows.
    handle: Option<Arc<dyn WriteFile>>,
    is_synced: bool,
    /// The file of a new index is made when the index is first used. Kafka: `LazyIndex`.
    is_to_be_made: bool,
}

impl<E: IndexEntry> IndexFile<E> {
    pub(super) fn new(place: &Arc<Place>, file: SegmentFile) -> Self {
        let state = State { index: None, written: 0, handle: None, is_synced: true, is_to_be_made: false };
        Self { place: Arc::clone(place), file, state: RwLock::new(state), len: AtomicUsize::new(UNKNOWN) }
    }

    /// Begins without an entry. The file, which must not be there, is made when the index is first used.
    pub(super) fn create(&self) {
        let mut state = self.state_mut();
        state.index = Some(Index::new(self.place.path(self.file), self.place.base, Vec::new()));
        state.is_to_be_made = true;
    }

    /// Makes the file if that is still to be done.
    fn make(&self, state: &mut State<E>) -> Result<()> {
        if state.is_to_be_made {
            state.handle = Some(self.place.fs.open_write(&self.place.path(self.file), OpenMode::New)?);
            state.is_to_be_made = false;
            self.len.store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Uses the index: the file is made if it is still to be.
    pub(super) fn touch(&self) -> Result<()> {
        self.make(&mut self.state_mut())
    }

    /// Lets the file be as long as a broker makes it while entries may be added. Nothing happens if there is no file.
    pub(super) fn allocate(&self, len: u64) -> Result<()> {
        let mut state = self.state_mut();
        if state.is_to_be_made {
            return Ok(());
        }
        self.loaded(&mut state)?;
        self.write_waiting(&mut state)?;
        let path = self.place.path(self.file);
        self.handle(&mut state)?.set_len(len).map_err(|e| Error::io("lengthen", &path, e))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> Result<usize> {
        match self.len.load(Ordering::Acquire) {
            UNKNOWN => self.read(Index::len),
            len => Ok(len),
        }
    }

    /// What `ask` makes of the index. No disk is waited for but at the first time.
    pub(super) fn read<R>(&self, ask: impl FnOnce(&Index<E>) -> R) -> Result<R> {
        let state = self.state();
        if let Some(index) = &state.index
            && !state.is_to_be_made
        {
            return Ok(ask(index));
        }
        drop(state);
        let mut state = self.state_mut();
        Ok(ask(self.loaded(&mut state)?))
    }

    /// Adds an entry; how many wait to be written now.
    pub(super) fn push(&self, entry: &E) -> Result<usize> {
        let mut state = self.state_mut();
        let index = self.loaded(&mut state)?;
        index.push(entry);
        self.len.store(index.len(), Ordering::Release);
        state.is_synced = false;
        Ok(state.waiting())
    }

    /// Brings the file up to the entries that are in memory.
    pub(super) fn write(&self) -> Result<()> {
        let mut state = self.state_mut();
        self.write_waiting(&mut state)
    }

    /// Brings the file up to the entries that are in memory, and to their length.
    pub(super) fn trim(&self) -> Result<()> {
        let mut state = self.state_mut();
        self.make(&mut state)?;
        let Some(len) = state.index.as_ref().map(|index| bytes_of::<E>(index.len())) else {
            return Ok(());
        };
        self.write_waiting(&mut state)?;
        let path = self.place.path(self.file);
        let on_disk = self.place.fs.stat(&path)?;
        if on_disk.is_some_and(|stat| stat.len != len) {
            if let Some(index) = &mut state.index {
                index.unmap();
            }
            self.handle(&mut state)?.set_len(len).map_err(|e| Error::io("cut", &path, e))?;
        }
        Ok(())
    }

    /// Keeps the first `entries` entries, in memory and in the file.
    pub(super) fn truncate(&self, entries: usize) -> Result<()> {
        let mut state = self.state_mut();
        let index = self.loaded(&mut state)?;
        if entries >= index.len() {
            return Ok(());
        }
        index.truncate(entries);
        self.len.store(entries, Ordering::Release);
        state.is_synced = false;
        if state.written > entries {
            state.written = entries;
            let path = self.place.path(self.file);
            let cut = self.handle(&mut state)?.set_len(bytes_of::<E>(entries));
            cut.map_err(|e| Error::io("cut", &path, e))?;
        }
        Ok(())
    }

    /// Puts `index` in the place of what is there. If the disk has no room the file is written later. True if the file was or has
    /// to be changed.
    pub(super) fn replace(&self, index: Index<E>) -> Result<bool> {
        let before = self.on_disk()?;
        let before = before.as_ref().map(Index::bytes);
        let is_same = before == Some(index.bytes());
        let same = before.unwrap_or_default().iter().zip(index.bytes()).take_while(|(a, b)| a == b).count();
        let mut state = self.state_mut();
        self.len.store(index.len(), Ordering::Release);
        state.index = Some(index);
        state.written = same / E::LEN;
        // Also what stands there already may only be in memory: the process that wrote it may have died before it synced.
        state.is_synced = false;
        if is_same {
            return Ok(false);
        }
        match self.write_replaced(&mut state) {
            Err(error) if !error.is_disk_full() => Err(error),
            _ => Ok(true),
        }
    }

    /// Makes what is in the file durable, after all entries are in it.
    pub(super) fn sync(&self) -> Result<()> {
        let mut state = self.state_mut();
        self.make(&mut state)?;
        if state.is_synced {
            return Ok(());
        }
        self.write_waiting(&mut state)?;
        let handle = Arc::clone(self.handle(&mut state)?);
        state.is_synced = true;
        drop(state);
        handle.sync().map_err(|e| Error::io("sync", &self.place.path(self.file), e))
    }

    /// Closes the file; the entries stay in memory.
    pub(super) fn close(&self) {
        self.state_mut().handle = None;
    }

    /// The file as it is; `None` if there is none, or one that is too large for an index.
    fn on_disk(&self) -> Result<Option<Index<E>>> {
        let path = self.place.path(self.file);
        if self.place.fs.stat(&path)?.is_none() {
            return Ok(None);
        }
        match Index::read(&Source::open(self.place.fs.as_ref(), &path)?, self.place.base) {
            Ok(index) => Ok(Some(index)),
            Err(Error::Corrupt(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_replaced(&self, state: &mut State<E>) -> Result<()> {
        let len = state.index.as_ref().map_or(0, |index| bytes_of::<E>(index.len()));
        let path = self.place.path(self.file);
        self.write_waiting(state)?;
        self.handle(state)?.set_len(len).map_err(|e| Error::io("cut", &path, e))
    }

    fn write_waiting(&self, state: &mut State<E>) -> Result<()> {
        if state.waiting() == 0 {
            return Ok(());
        }
        self.handle(state)?;
        let State { index: Some(index), written, handle: Some(handle), .. } = state else {
            return Ok(());
        };
        let from = written.saturating_mul(E::LEN);
        let whole = index.len().saturating_mul(E::LEN);
        let bytes = index.bytes().get(from..whole).unwrap_or_default();
        write_all_at(handle.as_ref(), &self.place.path(self.file), bytes, from as u64)?;
        *written = index.len();
        Ok(())
    }

    fn handle<'s>(&self, state: &'s mut State<E>) -> Result<&'s Arc<dyn WriteFile>> {
        if let Some(handle) = state.handle.take() {
            return Ok(state.handle.insert(handle));
        }
        let opened = self.place.fs.open_write(&self.place.path(self.file), OpenMode::Any)?;
        Ok(state.handle.insert(opened))
    }

    fn loaded<'s>(&self, state: &'s mut State<E>) -> Result<&'s mut Index<E>> {
        self.make(state)?;
        if let Some(index) = state.index.take() {
            return Ok(state.index.insert(index));
        }
        let path = self.place.path(self.file);
        let index = match self.place.fs.stat(&path)? {
            Some(stat) if (MAPPED_FROM..=MAX_INDEX_BYTES as u64).contains(&stat.len) => self.mapped(path, stat.len)?,
            Some(_) => Index::read(&Source::open(self.place.fs.as_ref(), &path)?, self.place.base)?,
            None => Index::new(path, self.place.base, Vec::new()),
        };
        state.written = index.len();
        self.len.store(index.len(), Ordering::Release);
        Ok(state.index.insert(index))
    }

    /// The index whose file has `len` bytes, without reading them. It is copied before the file is changed.
    fn mapped(&self, path: PathBuf, len: u64) -> Result<Index<E>> {
        let file = self.place.fs.open_write(&path, OpenMode::Existing)?;
        match file.map(len) {
            Ok(mapping) => Ok(Index::mapped(path, self.place.base, mapping)),
            // The system maps only so many files: then it is read.
            Err(_) => Index::read(&Source::open(self.place.fs.as_ref(), &path)?, self.place.base),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State<E>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State<E>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: IndexEntry> State<E> {
    /// How many entries are not in the file.
    fn waiting(&self) -> usize {
        self.index.as_ref().map_or(0, |index| index.len().saturating_sub(self.written))
    }
}
