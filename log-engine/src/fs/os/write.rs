//! A file open to write. What it writes stays in the page cache: consumers read what has just been produced.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::SystemTime;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, retry_on_intr};

use super::read;
use crate::fs::{File, Mapping, WriteFile, map};

/// An open file of this process alone.
#[derive(Debug)]
pub(super) struct OsWriteFile(fs::File);

impl OsWriteFile {
    pub(super) const fn new(file: fs::File) -> Self {
        Self(file)
    }
}

impl File for OsWriteFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        read::read_at(&self.0, into, position)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        read::next_data(&self.0, position)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn map(&self, len: u64) -> io::Result<Mapping> {
        map::map(self.0.as_fd(), len, self.size()?)
    }
}

impl WriteFile for OsWriteFile {
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        Ok(match parts {
            // The system copies a list of parts before it looks at it, which a single short part feels.
            [part] => retry_on_intr(|| rustix::io::pwrite(&self.0, part, position)),
            parts => retry_on_intr(|| rustix::io::pwritev(&self.0, parts, position)),
        }?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        // The call refuses a length of zero, for which there is nothing to do.
        if len == 0 {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len)) {
            Err(e @ (Errno::OPNOTSUPP | Errno::NOSYS)) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, io::Error::from(e)))
            }
            other => Ok(other?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        // One try, also where a signal came in between: a failed sync says that nothing is known, and a second one would only
        // hide it.
        Ok(rustix::fs::fdatasync(&self.0)?)
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.0, 0, None, Advice::DontNeed)?)
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.0.set_modified(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{OpenMode, OsFs, WriteFs};

    #[test]
    fn more_parts_than_the_system_takes_at_once_are_a_short_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = OsFs.open_write(&dir.path().join("file"), OpenMode::New).unwrap();
        let parts = vec![IoSlice::new(b"ab"); 1500];
        let taken = file.write_at(&parts, 0).unwrap();
        assert!(taken > 0 && taken < 3000, "{taken}");
        assert_eq!(file.size().unwrap(), taken as u64);
    }
}
