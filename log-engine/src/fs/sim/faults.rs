//! What goes wrong without a crash.

use std::io;

use nix::libc;

use crate::random::Random;

/// Faults of a simulated disk. Each counts from the call that sets them; none strikes by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Decides how much of a failed call happened.
    pub seed: u64,
    /// After so many syncs of files and folders one fails (EIO): some of what it covered reaches the disk, the rest never will, although it is
    /// still read. The next sync succeeds, as on a real machine. A file's length is as it is seen: where lengths fail, a file system
    /// takes no more writes at all.
    pub failing_sync: Option<u64>,
    /// After so many writes one takes only a part of its bytes, perhaps none, and the one behind it has no room (ENOSPC). Then there
    /// is room again.
    pub short_write: Option<u64>,
    /// After so many writes one fails (EIO); a part of its bytes is in the file.
    pub failing_write: Option<u64>,
    /// After so many reads one fails (EIO).
    pub failing_read: Option<u64>,
    /// Bytes that all files may have together; beyond them there is no room (ENOSPC).
    pub quota: Option<u64>,
    /// Files that may be open at one time; beyond them EMFILE.
    pub descriptors: Option<usize>,
    /// After so many operations the machine stops: nothing more happens and every call fails. What a start finds then,
    /// [`super::SimFs::after_crash`] says.
    pub stops_after: Option<u64>,
}

/// How a write goes.
pub(super) enum WriteFate {
    /// So many bytes are taken.
    Takes(usize),
    /// So many bytes are in the file, and the call fails.
    Fails(usize, io::Error),
}

/// The faults of a disk, and how far they have come.
#[derive(Debug, Default)]
pub(super) struct Striking {
    faults: Faults,
    /// The next write has no room: the one before it was short.
    no_room: bool,
}

impl Striking {
    pub(super) const fn new(faults: Faults) -> Self {
        Self { faults, no_room: false }
    }

    /// A number for the part of a call that happens before it fails.
    pub(super) const fn draw(&mut self) -> u64 {
        self.faults.seed = Random::new(self.faults.seed).next();
        self.faults.seed
    }

    pub(super) const fn sync_fails(&mut self) -> bool {
        strikes(&mut self.faults.failing_sync)
    }

    pub(super) const fn read_fails(&mut self) -> bool {
        strikes(&mut self.faults.failing_read)
    }

    pub(super) const fn quota(&self) -> Option<u64> {
        self.faults.quota
    }

    pub(super) const fn descriptors(&self) -> Option<usize> {
        self.faults.descriptors
    }

    /// Whether the machine stops before the next operation; once it has, it does not run again.
    pub(super) const fn stops(&mut self) -> bool {
        match &mut self.faults.stops_after {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    /// How a write of `len` bytes goes.
    pub(super) fn write(&mut self, len: usize) -> WriteFate {
        if std::mem::take(&mut self.no_room) {
            return WriteFate::Fails(0, io::ErrorKind::StorageFull.into());
        }
        if strikes(&mut self.faults.failing_write) {
            return WriteFate::Fails(Random::new(self.draw()).below(len + 1), io_error());
        }
        if !strikes(&mut self.faults.short_write) {
            return WriteFate::Takes(len);
        }
        match Random::new(self.draw()).below(len) {
            0 => WriteFate::Fails(0, io::ErrorKind::StorageFull.into()),
            part => {
                self.no_room = true;
                WriteFate::Takes(part)
            }
        }
    }
}

const fn strikes(after: &mut Option<u64>) -> bool {
    match after {
        None => false,
        Some(0) => {
            *after = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
    }
}

/// The disk does not do what was asked.
pub(super) fn io_error() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

/// The process has too many files open.
pub(super) fn too_many_open() -> io::Error {
    io::Error::from_raw_os_error(libc::EMFILE)
}
