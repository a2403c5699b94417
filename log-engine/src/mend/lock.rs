//! The lock of a log directory, as a broker takes it, for as long as it is mended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::fs::{Lock, WriteFs};
use crate::log::root_files;

/// A held lock. Dropped, it goes, and the file too if it was made for it: so a stopped broker leaves a directory.
#[derive(Debug)]
pub struct DirectoryLock {
    fs: Arc<dyn WriteFs>,
    path: PathBuf,
    is_made: bool,
    lock: Option<Box<dyn Lock>>,
}

impl DirectoryLock {
    /// Takes the lock of the log directory `dir`.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] if a broker or another tool works there; [`crate::Error::Io`].
    pub fn take(fs: Arc<dyn WriteFs>, dir: &Path) -> Result<Self> {
        let path = dir.join(root_files::LOCK);
        let is_made = fs.stat(&path)?.is_none();
        let lock = Some(fs.lock(&path)?);
        Ok(Self { fs, path, is_made, lock })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if self.is_made {
            // Before the lock goes: behind it, the file may be somebody else's. Left over, it hurts nobody.
            let _ = self.fs.remove(&self.path);
        }
        self.lock = None;
    }
}
