//! The verbs that change a disk, and what each of them promises about a crash.
//!
//! They stand apart from [`Fs`] and [`File`], so that whoever only looks holds a disk that cannot be changed.
//!
//! Not promised, because no disk promises it: the order of writes that were not synced, even of one file; that a file's length and
//! its bytes arrive together; that a new, renamed or removed name survives before [`WriteFs::sync_dir`].

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{File, Fs};
use crate::error::{Error, Result};

/// How a file comes to be open for writing. Links are never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It has to be there.
    Existing,
    /// It must not be there yet.
    New,
    /// It is made if it is not there.
    Any,
}

/// A tree of files that can be changed.
pub trait WriteFs: Fs {
    /// Opens a regular file to read and write.
    ///
    /// # Errors
    /// [`crate::Error::NotReadable`] for anything but a regular file, [`crate::Error::Io`] where the system refuses.
    fn open_write(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn WriteFile>>;

    /// Gives a file or folder another name, in the place of a file that has it. After a crash there is the old name or the new one,
    /// never neither; which, only [`Self::sync_dir`] decides.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file's name. Who has it open reads on.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses; a file that is not there is [`io::ErrorKind::NotFound`].
    fn remove(&self, path: &Path) -> Result<()>;

    /// Makes a folder; its parent has to be there.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses; [`io::ErrorKind::AlreadyExists`] if something has the name.
    fn create_dir(&self, dir: &Path) -> Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn remove_dir(&self, dir: &Path) -> Result<()>;

    /// Makes the names that were made, changed and removed in `dir` survive a crash.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Takes the exclusive lock on the whole of `path` that Java's `FileLock` conflicts with, making the file if need be; it is held
    /// until the result is dropped or the process ends.
    ///
    /// # Errors
    /// [`crate::Error::Locked`] if another process, or another holder in this one, has it; [`crate::Error::Io`].
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>>;

    /// Gives the file `path` the owner of what stands at `like`, and the access rights too if that is a file: so that who could use
    /// the one can use the other that takes its place. Disks without owners have nothing to do.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn take_after(&self, _path: &Path, _like: &Path) -> Result<()> {
        Ok(())
    }

    /// Bytes that can still be written below `dir`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn free_space(&self, dir: &Path) -> Result<u64>;
}

/// A held lock; dropping it lets go.
pub trait Lock: Debug + Send + Sync {}

/// A file open to write.
pub trait WriteFile: File {
    /// Writes `parts`, one behind the other, from `position` on, past the end if need be; how many bytes were taken, which may be
    /// fewer than there are. They are *written*: a process that dies keeps them, a machine that dies may not.
    ///
    /// # Errors
    /// What the system says; then nothing is known of the range.
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize>;

    /// Cuts the file, or lets it grow by zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the file at least `len` bytes long, with blocks for all of them: what lies between is zeros.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] early instead of at a later write; [`io::ErrorKind::Unsupported`] where the file system has no
    /// such call.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes everything that was written before the call *durable*: the bytes and the length that is needed to read them; not the
    /// file's name. After a failure nothing is known of what was written since the last success, and asking again proves nothing.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Lets the next read come from the disk and not from memory, for everything that was synced.
    ///
    /// # Errors
    /// What the system says.
    fn forget_cached(&self) -> io::Result<()>;

    /// Says when the content changed last.
    ///
    /// # Errors
    /// What the system says.
    fn set_modified(&self, time: SystemTime) -> io::Result<()>;
}

/// Writes all of `bytes` from `position` on, however many calls it takes. They are written, not durable.
///
/// # Errors
/// [`Error::Io`] under the name `path` where the system refuses, also in the middle: then a part of the bytes may be in the file.
pub fn write_all_at(file: &dyn WriteFile, path: &Path, bytes: &[u8], position: u64) -> Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write_at(&[IoSlice::new(rest)], position.saturating_add(written as u64)) {
            Ok(0) => return Err(Error::io("write", path, io::ErrorKind::WriteZero.into())),
            Ok(n) => written = written.saturating_add(n),
            Err(e) => return Err(Error::io("write", path, e)),
        }
    }
    Ok(())
}
