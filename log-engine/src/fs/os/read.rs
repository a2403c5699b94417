//! A file open to read, and what reading it does to the page cache.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Advice, SeekFrom};

use crate::fs::File;

/// Files below this size are left to the page cache.
const SMALL: u64 = 4 << 20;
/// Bytes read between two hints to the page cache.
const STEP: u64 = 8 << 20;
/// Places of a file that are probed to learn whether it is in the page cache.
const PROBES: u64 = 16;

/// An open file, and what it does to the page cache: what was there before stays, what this reading brought goes again.
#[derive(Debug)]
pub(super) struct OsFile {
    file: fs::File,
    /// Whether pages are dropped once they are read; decided before the first byte is.
    drops: OnceLock<bool>,
    /// Up to where they have been dropped.
    dropped: AtomicU64,
}

impl OsFile {
    pub(super) fn new(file: fs::File) -> Self {
        Self { file, drops: OnceLock::new(), dropped: AtomicU64::new(0) }
    }

    /// A file of which most is cached is somebody's working set (a broker's, or of who looks twice): it stays. Asking brings
    /// nothing in, as a read that must not wait does not start one.
    fn is_cold(&self) -> bool {
        let Ok(len) = self.size() else { return false };
        if len < SMALL {
            return false;
        }
        let cold = (0..PROBES).filter(|probe| {
            let mut byte = [0];
            let place = len / PROBES * probe;
            let flags = rustix::io::ReadWriteFlags::NOWAIT;
            let read = rustix::io::preadv2(&self.file, &mut [io::IoSliceMut::new(&mut byte)], place, flags);
            matches!(read, Err(rustix::io::Errno::AGAIN))
        });
        cold.count() as u64 > PROBES / 2
    }
}

impl File for OsFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.drops.get_or_init(|| self.is_cold());
        read_at(&self.file, into, position)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        next_data(&self.file, position)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn done_until(&self, position: u64) {
        let from = self.dropped.load(Ordering::Relaxed);
        let far_enough = position.checked_sub(from).filter(|bytes| *bytes >= STEP).and_then(NonZeroU64::new);
        if let Some(bytes) = far_enough
            && self.drops.get() == Some(&true)
        {
            self.dropped.store(position, Ordering::Relaxed);
            let _ = rustix::fs::fadvise(&self.file, from, Some(bytes), Advice::DontNeed);
        }
    }
}

impl Drop for OsFile {
    fn drop(&mut self) {
        if self.drops.get() == Some(&true) {
            let _ = rustix::fs::fadvise(&self.file, self.dropped.load(Ordering::Relaxed), None, Advice::DontNeed);
        }
    }
}

/// Reads at a position, again where a signal came in between.
pub(super) fn read_at(file: &fs::File, into: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        match file.read_at(into, position) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The next position with data, as [`File::next_data`] says it.
pub(super) fn next_data(file: &fs::File, position: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(position)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that knows no holes has data everywhere.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => {
            Ok((position < file.metadata()?.len()).then_some(position))
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fs, OsFs};

    #[test]
    fn a_hole_of_a_sparse_file_is_skipped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 43).unwrap();
        let opened = OsFs.open(file.path()).unwrap();
        match opened.next_data(0).unwrap() {
            None => {}
            Some(position) => assert_eq!(position, 0, "a file system without holes"),
        }
        file.as_file().write_at(b"x", 1 << 40).unwrap();
        let found = opened.next_data(0).unwrap().unwrap();
        assert!(found == 0 || (found <= 1 << 40 && found > (1 << 40) - (1 << 20)), "{found}");
    }

    /// Others may push pages out, or bring them in: one of some attempts has to be undisturbed.
    #[test]
    fn a_file_in_the_page_cache_stays_there_and_one_that_is_not_goes_again() {
        let attempts: Vec<_> = (0..5).map_while(|_| residency().err()).collect();
        assert!(attempts.len() < 5, "{attempts:?}");
    }

    fn residency() -> Result<(), &'static str> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let len = 2 * STEP;
        io::Write::write_all(&mut file.as_file(), &vec![7; usize::try_from(len).unwrap()]).unwrap();
        file.as_file().sync_all().unwrap();
        let mut into = vec![0; 1 << 20];
        let read_all = |into: &mut [u8]| {
            let opened = OsFile::new(fs::File::open(file.path()).unwrap());
            for at in (0..len).step_by(into.len()) {
                opened.read_at(into, at).unwrap();
                opened.done_until(at + into.len() as u64);
            }
        };
        let is_cold = || OsFile::new(fs::File::open(file.path()).unwrap()).is_cold();
        if is_cold() {
            return Err("it was just written");
        }
        read_all(&mut into);
        if is_cold() {
            return Err("it was there before");
        }
        rustix::fs::fadvise(file.as_file(), 0, None, Advice::DontNeed).unwrap();
        if !is_cold() {
            println!("this file system keeps its pages: half of the test is left out");
            return Ok(());
        }
        read_all(&mut into);
        if is_cold() { Ok(()) } else { Err("this reading brought it in") }
    }
}
