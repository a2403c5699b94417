//! An open file with its path and its length at opening, and the page-aligned buffer that files are read into.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{File, Fs};
use crate::error::{Error, Result, Rule};
use crate::units::FilePosition;

/// An open file: where it is, and how long it was when it was opened. Reads never go beyond that length.
#[derive(Clone, Debug)]
pub struct Source {
    path: Arc<Path>,
    file: Arc<dyn File>,
    len: u64,
}

impl Source {
    /// Opens `path` of `fs`.
    ///
    /// # Errors
    /// As [`Fs::open`].
    pub fn open(fs: &dyn Fs, path: &Path) -> Result<Self> {
        Self::new(path, fs.open(path)?)
    }

    /// An open file under the name by which errors call it.
    ///
    /// # Errors
    /// [`Error::Io`] if the file does not tell its length.
    pub fn new(path: impl Into<PathBuf>, file: Arc<dyn File>) -> Result<Self> {
        let path = path.into();
        let len = file.size().map_err(|e| Error::io("stat", &path, e))?;
        Ok(Self { path: path.into(), file, len })
    }

    /// An open file of which the first `len` bytes are there.
    pub(crate) const fn of_len(path: Arc<Path>, file: Arc<dyn File>, len: u64) -> Self {
        Self { path, file, len }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes when it was opened; [`u64::MAX`] for a stream.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True if it had no bytes when it was opened.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The same file, read no further than `len`.
    #[must_use]
    pub fn bounded(mut self, len: u64) -> Self {
        self.len = self.len.min(len);
        self
    }

    /// Fills as much of `into` as there is from `position` on; how many bytes came.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize> {
        let within = usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX).min(into.len());
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..within).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, position.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) => return Err(self.io("read", e)),
            }
        }
        Ok(filled)
    }

    /// The whole of a small file.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with [`Rule::TooLarge`] above `limit` bytes, [`Error::Io`] where the system refuses.
    pub fn read_all(&self, limit: usize) -> Result<Vec<u8>> {
        let too_large = || {
            Error::corrupt(&self.path, FilePosition::START, Rule::TooLarge { what: "the file", limit: limit as u64 })
        };
        let len = usize::try_from(self.len).ok().filter(|len| *len <= limit).ok_or_else(too_large)?;
        let mut bytes = vec![0; len];
        let n = self.read_at(&mut bytes, 0)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    /// The first position at or behind `position`, and before the length at opening, that may hold anything but a hole's
    /// zeros.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn next_data(&self, position: u64) -> Result<Option<u64>> {
        let found = self.file.next_data(position).map_err(|e| self.io("seek in", e))?;
        Ok(found.filter(|data| *data < self.len))
    }

    /// Says that the bytes before `position` will not be read again (a hint to the page cache).
    pub fn done_until(&self, position: u64) {
        self.file.done_until(position);
    }

    fn io(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, &self.path, source)
    }
}

/// Bytes of a page on every machine this runs on; buffers for file data begin at a multiple of it.
const PAGE: usize = 4096;

/// A buffer whose first byte lies at the start of a page.
///
/// Where a buffer begins within its page decides a factor of ten in the speed of reading into it on some processors, and an
/// allocator places large blocks 16 bytes behind a page's start. The bytes therefore stand behind a gap that reaches the next
/// page.
#[derive(Debug, Default)]
pub(crate) struct AlignedBuffer {
    bytes: Vec<u8>,
    gap: usize,
}

impl AlignedBuffer {
    /// A buffer of `len` bytes, all zero.
    pub(crate) fn new(len: usize) -> Self {
        let bytes = vec![0; len.saturating_add(PAGE)];
        let gap = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Self { bytes, gap }
    }

    /// Bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(PAGE)
    }

    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.gap..self.gap + self.len()).unwrap_or_default()
    }

    /// The bytes, to be filled.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        let len = self.len();
        self.bytes.get_mut(self.gap..self.gap + len).unwrap_or_default()
    }

    /// Makes room for `len` bytes and keeps what is there.
    pub(crate) fn grow(&mut self, len: usize) {
        if len > self.len() {
            let mut larger = Self::new(len);
            let kept = self.len();
            if let Some(to) = larger.as_mut_slice().get_mut(..kept) {
                to.copy_from_slice(self.as_slice());
            }
            *self = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemoryFile;

    #[test]
    fn a_buffer_begins_at_a_page_and_keeps_its_bytes_when_it_grows() {
        for len in [1, 4095, 4096, 1 << 17, 1 << 20] {
            let mut buffer = AlignedBuffer::new(len);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(PAGE), 0);
            assert_eq!(buffer.as_slice().len(), len);
            buffer.as_mut_slice()[len - 1] = 7;
            buffer.grow(3 * len);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(PAGE), 0);
            assert_eq!((buffer.as_slice()[len - 1], buffer.as_slice().len()), (7, 3 * len));
        }
    }

    #[test]
    fn the_length_at_opening_bounds_every_read() {
        let source = Source::new("x", Arc::new(MemoryFile::new(*b"0123456789"))).unwrap().bounded(6);
        let mut into = [0; 8];
        assert_eq!(source.read_at(&mut into, 4).unwrap(), 2);
        assert_eq!(&into[..2], b"45");
        assert_eq!(source.read_at(&mut into, 6).unwrap(), 0);
        assert_eq!(source.read_all(6).unwrap(), b"012345");
        assert!(matches!(source.read_all(5), Err(Error::Corrupt(_))));
        assert_eq!(source.next_data(6).unwrap(), None);
    }
}
