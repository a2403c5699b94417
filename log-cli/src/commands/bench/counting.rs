//! The disk, counting how often it is asked to make something durable.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use log_engine::fs::{Entry, File, Lock, LockHolder, Mapping, OpenMode, Stat, WriteFile};
use log_engine::{Fs, OsFs, Result, WriteFs};

/// The system's files; every sync of one is counted.
#[derive(Debug, Default)]
pub(super) struct CountingFs {
    syncs: Arc<AtomicU64>,
}

impl CountingFs {
    /// Syncs so far.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Fs for CountingFs {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        OsFs.open(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        OsFs.list(dir)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        OsFs.stat(path)
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<LockHolder>> {
        OsFs.lock_holder(path)
    }
}

impl WriteFs for CountingFs {
    fn open_write(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn WriteFile>> {
        Ok(Arc::new(CountingFile { file: OsFs.open_write(path, mode)?, syncs: Arc::clone(&self.syncs) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        OsFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        OsFs.remove(path)
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        OsFs.create_dir(dir)
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        OsFs.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        OsFs.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        OsFs.lock(path)
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        OsFs.free_space(dir)
    }
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn WriteFile>,
    syncs: Arc<AtomicU64>,
}

impl File for CountingFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(into, position)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.file.next_data(position)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_fd()
    }

    fn map(&self, len: u64) -> io::Result<Mapping> {
        self.file.map(len)
    }

    fn done_until(&self, position: u64) {
        self.file.done_until(position);
    }
}

impl WriteFile for CountingFile {
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.file.write_at(parts, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync()
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.file.forget_cached()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }
}
