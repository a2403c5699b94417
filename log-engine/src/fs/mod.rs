//! The one door to the disk. Knows no format.
//!
//! Everything above asks [`Fs`] and [`File`]; only `os` names the operating system's calls, so that a simulated disk can take
//! its place. [`Fs`] and [`File`] only look; the verbs that change something stand apart, in [`WriteFs`] and [`WriteFile`]. Only
//! regular files are opened; no link is followed and no FIFO waited for. A file's length when it was opened bounds every read through [`Source`], so a file that grows meanwhile (a
//! live broker's) is read as it was.

mod map;
mod memory;
mod os;
mod replace;
mod sendfile;
#[cfg(feature = "testing")]
pub mod sim;
mod slice;
mod source;
mod stream;
mod write;

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub use map::Mapping;
pub use memory::MemoryFile;
pub use os::OsFs;
pub use replace::replace;
pub(crate) use replace::{temporary, write_whole};
pub use slice::{FileSlice, SliceGuard};
pub(crate) use source::AlignedBuffer;
pub use source::Source;
pub use stream::StreamFile;
pub use write::{Lock, OpenMode, WriteFile, WriteFs, write_all_at};

use crate::error::Result;

/// Folders with more entries than this are reported, not listed.
pub const MAX_DIRECTORY_ENTRIES: usize = 1_000_000;

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link; never followed.
    Link,
    /// A FIFO, socket or device; never opened.
    Special,
}

/// What the file system says of a name, without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// File, folder, link or something else.
    pub kind: Kind,
    /// Bytes of a regular file.
    pub len: u64,
    /// When the content changed last, where the file system says so.
    pub modified: Option<SystemTime>,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as the file system has it: any bytes, not necessarily UTF-8.
    pub name: OsString,
    /// What it stands for.
    pub stat: Stat,
}

/// Who holds a lock that Kafka would conflict with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The process, where the kernel names one (it does not for OFD locks and across containers).
    pub pid: Option<i32>,
}

/// A tree of files, read only.
pub trait Fs: Debug + Send + Sync {
    /// Opens a regular file to read. Follows no link and waits for nothing.
    ///
    /// # Errors
    /// [`crate::Error::NotReadable`] for anything but a regular file, [`crate::Error::Io`] where the system refuses.
    fn open(&self, path: &Path) -> Result<Arc<dyn File>>;

    /// The names in a folder, in no particular order.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses; [`crate::Error::NotReadable`] for more than
    /// [`MAX_DIRECTORY_ENTRIES`].
    fn list(&self, dir: &Path) -> Result<Vec<Entry>>;

    /// What stands at `path`, itself and not what a link points at; `None` if nothing does.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;

    /// Whether somebody holds a record lock on the whole of `path`, as a running broker does on `.lock`. Takes no lock.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the system refuses; a missing file is `Ok(None)`.
    fn lock_holder(&self, path: &Path) -> Result<Option<LockHolder>>;
}

/// A file open to read.
pub trait File: Debug + Send + Sync {
    /// Bytes in the file now; [`u64::MAX`] for a stream that has not ended.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;

    /// Reads into `into` from `position`; how many bytes came, 0 only at the end of the file.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize>;

    /// The first position at or behind `position` that may hold anything but the zeros of a hole; `None` if none does.
    ///
    /// # Errors
    /// What the system says.
    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        Ok((position < self.size()?).then_some(position))
    }

    /// The system's descriptor, where a file of the system stands behind this one.
    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The first `len` bytes of a file that nobody changes or cuts any more as long as the result lives: mapped where the file is a real
    /// one that is open to write, and read into memory elsewhere.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the file is shorter; what the system says.
    fn map(&self, len: u64) -> io::Result<Mapping> {
        map::read(self, len)
    }

    /// Tells the system that the bytes before `position` will not be read again, so that looking at a directory does not push
    /// a broker's data out of memory. A hint; failures do not matter.
    fn done_until(&self, _position: u64) {}
}

#[cfg(test)]
mod contract;
