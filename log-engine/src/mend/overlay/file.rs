//! A file of an overlay: what is left of the one below, and what was written over it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::super::change::Change;
use crate::error::{Error, Result, Rule};
use crate::fs::{File, Source, WriteFile};
use crate::units::FilePosition;

/// Bytes that are compared at once.
const PIECE: usize = 1 << 20;
/// The most bytes of a file that is told as a whole. Segments are cut, not written; a split one is the exception.
const MAX_WRITTEN: usize = i32::MAX as usize;

/// A file that may differ from the one below.
#[derive(Debug)]
pub(super) struct Layered {
    origin: Option<Source>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// So much of the file below still shows through.
    kept: u64,
    /// What was written, by where it begins; no two touch the same byte. Where nothing was and nothing shows through are zeros.
    pieces: BTreeMap<u64, Vec<u8>>,
    modified: Option<SystemTime>,
}

impl Layered {
    pub(super) fn over(origin: Source, modified: Option<SystemTime>) -> Self {
        let len = origin.len();
        Self { origin: Some(origin), state: Mutex::new(State { len, kept: len, pieces: BTreeMap::new(), modified }) }
    }

    pub(super) const fn empty() -> Self {
        let state = State { len: 0, kept: 0, pieces: BTreeMap::new(), modified: None };
        Self { origin: None, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.state().len
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.state().modified
    }

    /// Where the file below was when it was opened.
    pub(super) fn came_from(&self) -> Option<&Path> {
        self.origin.as_ref().map(Source::path)
    }

    /// What makes this file, called `relative` now, of the one below: nothing, a cut, or all of its bytes.
    pub(super) fn difference(&self, relative: &Path) -> Result<Option<Change>> {
        let (len, is_prefix) = {
            let state = self.state();
            (state.len, state.pieces.is_empty() && state.len == state.kept)
        };
        match &self.origin {
            Some(origin) if is_prefix => {
                let cut = Change::Cut { path: relative.to_owned(), len };
                Ok((len < origin.len()).then_some(cut))
            }
            origin => self.whole_instead_of(origin.as_ref(), relative),
        }
    }

    /// What makes this file, called `relative`, of what is `there`.
    pub(super) fn whole_instead_of(&self, there: Option<&Source>, relative: &Path) -> Result<Option<Change>> {
        if let Some(there) = there
            && self.begins(there)?
        {
            let cut = Change::Cut { path: relative.to_owned(), len: self.len() };
            return Ok((self.len() < there.len()).then_some(cut));
        }
        let len = usize::try_from(self.len()).ok().filter(|len| *len <= MAX_WRITTEN).ok_or_else(|| {
            Error::corrupt(
                relative,
                FilePosition::START,
                Rule::TooLarge { what: "the file", limit: MAX_WRITTEN as u64 },
            )
        })?;
        let mut bytes = vec![0; len];
        self.read(&mut bytes, 0).map_err(|e| Error::io("read", relative, e))?;
        Ok(Some(Change::Write { path: relative.to_owned(), bytes: bytes.into() }))
    }

    /// True if these are the first bytes of `there`.
    fn begins(&self, there: &Source) -> Result<bool> {
        let len = self.len();
        if len > there.len() {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
        let mut at = 0;
        while at < len {
            let within = usize::try_from(len.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let (ours, theirs) =
                (ours.get_mut(..within).unwrap_or_default(), theirs.get_mut(..within).unwrap_or_default());
            let read = self.read(ours, at).map_err(|e| Error::io("read", there.path(), e))?;
            if there.read_at(theirs, at)? != read || ours != theirs || read == 0 {
                return Ok(false);
            }
            at = at.saturating_add(read as u64);
        }
        Ok(true)
    }

    /// Fills `into` as far as the file goes.
    fn read(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let state = self.state();
        let within = usize::try_from(state.len.saturating_sub(position)).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..within).unwrap_or_default();
        if into.is_empty() {
            return Ok(0);
        }
        into.fill(0);
        let end = position.saturating_add(within as u64);
        if let Some(origin) = &self.origin
            && position < state.kept
        {
            let shown = usize::try_from(state.kept.min(end).saturating_sub(position)).unwrap_or(within).min(within);
            let read = origin.read_at(into.get_mut(..shown).unwrap_or_default(), position);
            read.map_err(io::Error::other)?;
        }
        let before = state.pieces.range(..=position).next_back();
        let behind = state.pieces.range(position.saturating_add(1)..end);
        for (start, bytes) in before.into_iter().chain(behind) {
            overlap(*start, bytes, position, into);
        }
        Ok(within)
    }

    fn write(&self, bytes: &[u8], position: u64, now: Option<SystemTime>) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.state();
        let end = position.saturating_add(bytes.len() as u64);
        state.clear(position, end);
        // Appends grow the piece before them.
        let grown = state
            .pieces
            .range_mut(..position)
            .next_back()
            .filter(|(start, piece)| start.saturating_add(piece.len() as u64) == position);
        match grown {
            Some((_, piece)) => piece.extend_from_slice(bytes),
            None => {
                state.pieces.insert(position, bytes.to_vec());
            }
        }
        state.len = state.len.max(end);
        state.modified = now;
    }

    fn set_len(&self, len: u64, now: Option<SystemTime>) {
        let mut state = self.state();
        if len < state.len {
            state.clear(len, u64::MAX);
            state.kept = state.kept.min(len);
        }
        state.len = len;
        state.modified = now;
    }
}

impl State {
    /// Forgets what was written from `from` to `to`; what is below does not come back.
    fn clear(&mut self, from: u64, to: u64) {
        let touched: Vec<u64> = {
            let before = self.pieces.range(..from).next_back().map(|(start, _)| *start);
            before.into_iter().chain(self.pieces.range(from..to).map(|(start, _)| *start)).collect()
        };
        for start in touched {
            let Some(mut piece) = self.pieces.remove(&start) else { continue };
            let end = start.saturating_add(piece.len() as u64);
            if end > to {
                let keep = usize::try_from(to.saturating_sub(start)).unwrap_or(piece.len()).min(piece.len());
                self.pieces.insert(to.max(start), piece.split_off(keep));
            }
            if start < from {
                piece.truncate(usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX));
                self.pieces.insert(start, piece);
            }
        }
    }
}

/// Copies what `bytes`, which begin at `start`, have of the range of `into`, which begins at `position`.
fn overlap(start: u64, bytes: &[u8], position: u64, into: &mut [u8]) {
    let skip = usize::try_from(position.saturating_sub(start)).unwrap_or(usize::MAX);
    let at = usize::try_from(start.saturating_sub(position)).unwrap_or(usize::MAX);
    let (from, to) = (bytes.get(skip..).unwrap_or_default(), into.get_mut(at..).unwrap_or_default());
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
}

/// An open file of an overlay.
#[derive(Debug)]
pub(super) struct Handle {
    pub(super) file: Arc<Layered>,
    pub(super) now: Option<SystemTime>,
}

impl File for Handle {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.len())
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read(into, position)
    }
}

impl WriteFile for Handle {
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut written: usize = 0;
        for part in parts {
            self.file.write(part, position.saturating_add(written as u64), self.now);
            written = written.saturating_add(part.len());
        }
        Ok(written)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len, self.now);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len > self.file.len() {
            self.file.set_len(len, self.now);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.state().modified = Some(time);
        Ok(())
    }
}
