//! A running machine with a simulated disk: its open files, its locks, what it did, what fails.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, MAX_FILE};
use super::faults::{Faults, Striking, WriteFate, io_error, too_many_open};
use super::operation::{Operation, Verb};

/// A machine, its disk, and the journal of what happened.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) disk: Disk,
    /// The disk when the journal began.
    pub(super) start: Disk,
    pub(super) journal: Vec<Operation>,
    /// Numbers of the locked files.
    pub(super) locked: BTreeSet<u64>,
    open: usize,
    faults: Striking,
    stopped: bool,
}

impl Machine {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            start: disk.clone(),
            disk,
            journal: Vec::new(),
            locked: BTreeSet::new(),
            open: 0,
            faults: Striking::default(),
            stopped: false,
        }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = Striking::new(faults);
    }

    pub(super) const fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Everything becomes durable and the journal begins anew.
    pub(super) fn settle(&mut self) {
        self.disk.settle();
        self.start = self.disk.clone();
        self.journal.clear();
    }

    /// Nothing works any more on a machine that has stopped.
    pub(super) fn runs(&self) -> io::Result<()> {
        if self.stopped { Err(io::Error::other("the simulated machine has stopped")) } else { Ok(()) }
    }

    /// Does something that changes the disk.
    pub(super) fn perform(&mut self, path: &Arc<Path>, verb: Verb) -> io::Result<Option<u64>> {
        self.stopped |= self.faults.stops();
        self.runs()?;
        let operation = Operation::new(Arc::clone(path), verb);
        let made = self.disk.apply(&operation)?;
        self.journal.push(operation);
        Ok(made)
    }

    /// A descriptor for a file that is opened.
    pub(super) fn open(&mut self) -> io::Result<()> {
        self.runs()?;
        if self.faults.descriptors().is_some_and(|most| self.open >= most) {
            return Err(too_many_open());
        }
        self.open += 1;
        Ok(())
    }

    pub(super) const fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    pub(super) fn read(&mut self, file: u64) -> io::Result<Arc<Vec<u8>>> {
        self.runs()?;
        if self.faults.read_fails() {
            return Err(io_error());
        }
        Ok(Arc::clone(self.disk.file(file)?.seen()))
    }

    pub(super) fn write(&mut self, file: u64, path: &Arc<Path>, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.runs()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let room = self.room(file, position, bytes.len() as u64)?;
        let (taken, result) = match self.faults.write(room) {
            WriteFate::Takes(taken) => (taken, Ok(taken)),
            WriteFate::Fails(taken, error) => (taken, Err(error)),
        };
        if let Some(bytes) = bytes.get(..taken).filter(|bytes| !bytes.is_empty()) {
            self.perform(path, Verb::Write { file, position, bytes: bytes.into() })?;
        }
        result
    }

    pub(super) fn set_len(&mut self, file: u64, path: &Arc<Path>, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(self.disk.file(file)?.seen().len() as u64);
        if len > MAX_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if grows > self.free() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.perform(path, Verb::SetLen { file, len }).map(drop)
    }

    pub(super) fn sync(&mut self, file: u64, path: &Arc<Path>) -> io::Result<()> {
        self.runs()?;
        if self.faults.sync_fails() {
            let seed = self.faults.draw();
            self.perform(path, Verb::FailedSync { file, seed })?;
            return Err(io_error());
        }
        self.perform(path, Verb::Sync { file }).map(drop)
    }

    pub(super) fn sync_dir(&mut self, path: &Arc<Path>) -> io::Result<()> {
        self.runs()?;
        self.disk.list(path)?;
        if self.faults.sync_fails() {
            let seed = self.faults.draw();
            self.perform(path, Verb::FailedSyncDir { seed })?;
            return Err(io_error());
        }
        self.perform(path, Verb::SyncDir).map(drop)
    }

    /// Bytes that can still be written.
    pub(super) fn free(&self) -> u64 {
        self.faults.quota().map_or(FREE, |quota| quota.saturating_sub(self.disk.used()))
    }

    /// How many of `len` bytes at `position` have room, which is all of them or some.
    fn room(&self, file: u64, position: u64, len: u64) -> io::Result<usize> {
        let end = position.checked_add(len).filter(|end| *end <= MAX_FILE).ok_or(io::ErrorKind::FileTooLarge)?;
        let most = (self.disk.file(file)?.seen().len() as u64).saturating_add(self.free());
        let room = end.min(most).saturating_sub(position);
        match usize::try_from(room) {
            Ok(0) | Err(_) => Err(io::ErrorKind::StorageFull.into()),
            Ok(room) => Ok(room),
        }
    }
}

/// What a disk without a quota says of its room.
const FREE: u64 = 1 << 40;
