//! A range of an open file: what a read of a log gives, without copying a record.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::File;
use crate::error::{Error, Result, Rule};
use crate::units::FilePosition;

/// Who knows whether the bytes of a slice are still the ones it was made for.
pub trait SliceGuard: Debug + Send + Sync {
    /// Asked before the bytes are read and again behind it.
    ///
    /// # Errors
    /// [`Error::Overtaken`] once the range may have been cut, even if other bytes stand there now.
    fn check(&self) -> Result<()>;
}

/// Bytes `position` to `position + len` of a file, which stays open with it: also of a removed file they can be read. What has been cut
/// off meanwhile is an error and never padded, and with a [`SliceGuard`] never other bytes either.
#[derive(Clone, Debug)]
pub struct FileSlice {
    pub(super) file: Arc<dyn File>,
    path: Arc<Path>,
    position: u64,
    len: u64,
    guard: Option<Arc<dyn SliceGuard>>,
}

impl FileSlice {
    /// `len` bytes of a file that errors call `path`, from `position` on, and who is asked about them, if anybody.
    #[must_use]
    pub fn new(
        file: Arc<dyn File>,
        path: impl Into<Arc<Path>>,
        position: u64,
        len: u64,
        guard: Option<Arc<dyn SliceGuard>>,
    ) -> Self {
        Self { file, path: path.into(), position, len, guard }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its first byte in the file.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True for no bytes at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes from `from` on, at most `len` of them.
    #[must_use]
    pub fn part(&self, from: u64, len: u64) -> Self {
        let from = from.min(self.len);
        Self { position: self.position.saturating_add(from), len: len.min(self.len - from), ..self.clone() }
    }

    /// Fills `into` with its first bytes; how many those are: all of the slice or all of `into`.
    ///
    /// # Errors
    /// [`Error::Overtaken`] if it was cut meanwhile, [`Error::Corrupt`] with [`Rule::Short`] if the file ends before it does,
    /// [`Error::Io`] where the system refuses. What stands in `into` then means nothing.
    pub fn copy_to(&self, into: &mut [u8]) -> Result<usize> {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX).min(into.len());
        self.watched(|| self.fill(into.get_mut(..len).unwrap_or_default()))?;
        Ok(len)
    }

    /// All its bytes.
    ///
    /// # Errors
    /// As [`Self::copy_to`]; memory is taken only for bytes that are there.
    pub fn read_to_vec(&self) -> Result<Vec<u8>> {
        self.watched(|| {
            let present = self.file.size().map_err(|e| self.io("stat", e))?.saturating_sub(self.position);
            let len = usize::try_from(self.len).ok().filter(|_| self.len <= present);
            let mut bytes = vec![0; len.ok_or_else(|| self.short(present))?];
            self.fill(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Does something with the bytes between two questions to the guard. Where it fails, the guard knows the better reason.
    pub(super) fn watched<T>(&self, with_bytes: impl FnOnce() -> Result<T>) -> Result<T> {
        let check = || self.guard.as_ref().map_or(Ok(()), |guard| guard.check());
        check()?;
        let done = with_bytes();
        check()?;
        done
    }

    /// Its first bytes, as many as `into` takes.
    pub(super) fn fill(&self, into: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.position.saturating_add(filled as u64)) {
                Ok(0) => return Err(self.short(filled as u64)),
                Ok(n) => filled = filled.saturating_add(n),
                Err(e) => return Err(self.io("read", e)),
            }
        }
        Ok(())
    }

    /// The file ends within the slice.
    pub(super) fn short(&self, present: u64) -> Error {
        Error::corrupt(&self.path, FilePosition::START.plus(self.position), Rule::Short { needed: self.len, present })
    }

    pub(super) fn io(&self, op: &'static str, source: io::Error) -> Error {
        Error::io(op, &self.path, source)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::fs::MemoryFile;

    /// Lets so many questions pass.
    #[derive(Debug)]
    struct Allows(AtomicUsize);

    impl SliceGuard for Allows {
        fn check(&self) -> Result<()> {
            match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::Overtaken { at: 7, start: 0, end: 5 }),
            }
        }
    }

    fn slice(position: u64, len: u64) -> FileSlice {
        guarded(position, len, None)
    }

    fn guarded(position: u64, len: u64, guard: Option<Arc<dyn SliceGuard>>) -> FileSlice {
        FileSlice::new(Arc::new(MemoryFile::new(*b"0123456789")), Path::new("x"), position, len, guard)
    }

    fn allows(questions: usize) -> Option<Arc<dyn SliceGuard>> {
        Some(Arc::new(Allows(AtomicUsize::new(questions))))
    }

    // conformance: FRC-008
    #[test]
    fn a_slice_gives_its_bytes_and_no_others() {
        let four = slice(3, 4);
        assert_eq!((four.position(), four.len(), four.is_empty(), four.path()), (3, 4, false, Path::new("x")));
        assert_eq!(four.read_to_vec().unwrap(), b"3456");
        let mut into = [0; 3];
        assert_eq!((four.copy_to(&mut into).unwrap(), &into), (3, b"345"));
        let mut into = [0; 6];
        assert_eq!((four.copy_to(&mut into).unwrap(), &into), (4, b"3456\0\0"));
        assert_eq!(four.part(1, 2).read_to_vec().unwrap(), b"45");
        assert_eq!(four.part(3, u64::MAX).read_to_vec().unwrap(), b"6");
        assert_eq!(four.part(1, 3).part(1, u64::MAX).read_to_vec().unwrap(), b"56");
        assert!(four.part(u64::MAX, 1).is_empty());
        assert_eq!(slice(3, 0).read_to_vec().unwrap(), b"");
    }

    #[test]
    fn a_file_that_ends_before_the_slice_does_is_an_error_and_takes_no_memory() {
        for (position, len, present) in [(3, 8, 7), (10, 1, 0), (12, 1, 0), (3, u64::MAX, 7)] {
            let wanted = Rule::Short { needed: len, present };
            match slice(position, len).read_to_vec() {
                Err(Error::Corrupt(found)) => assert_eq!(found.rule, wanted),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(slice(3, 8).copy_to(&mut [0; 8]), Err(Error::Corrupt(_))));
        assert_eq!(slice(3, 8).copy_to(&mut [0; 7]).unwrap(), 7);
    }

    #[test]
    fn the_guard_is_asked_before_and_behind_the_bytes() {
        for allowed in 0..4 {
            let read = guarded(3, 4, allows(allowed)).read_to_vec();
            assert_eq!(read.is_ok(), allowed >= 2);
            assert!(read.is_ok() || matches!(read, Err(Error::Overtaken { at: 7, start: 0, end: 5 })));
        }
        // Cut while it is read: the guard's word counts, not the end of the file.
        assert!(matches!(guarded(3, 100, allows(1)).read_to_vec(), Err(Error::Overtaken { .. })));
    }

    /// A file that is cut and written anew while it is read.
    #[derive(Debug)]
    struct Rewritten(AtomicBool);

    impl File for Rewritten {
        fn size(&self) -> io::Result<u64> {
            Ok(10)
        }

        fn read_at(&self, into: &mut [u8], _position: u64) -> io::Result<usize> {
            self.0.store(true, Ordering::Relaxed);
            into.fill(b'?');
            Ok(into.len())
        }
    }

    impl SliceGuard for Rewritten {
        fn check(&self) -> Result<()> {
            let overtaken = self.0.load(Ordering::Relaxed);
            if overtaken { Err(Error::Overtaken { at: 0, start: 0, end: 0 }) } else { Ok(()) }
        }
    }

    #[test]
    fn other_bytes_in_the_place_of_the_ones_that_were_meant_are_never_given() {
        let file = Arc::new(Rewritten(AtomicBool::new(false)));
        let slice = FileSlice::new(Arc::clone(&file) as Arc<dyn File>, Path::new("x"), 0, 4, Some(file));
        assert!(matches!(slice.read_to_vec(), Err(Error::Overtaken { .. })));
        assert!(matches!(slice.copy_to(&mut [0; 4]), Err(Error::Overtaken { .. })));
    }
}
