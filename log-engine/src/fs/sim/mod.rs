//! A disk in memory that forgets what was not synced: to test that what is promised survives every crash.
//!
//! A run on a [`SimFs`] leaves a journal. [`SimFs::replay`] walks through it again, and after every step
//! [`Replay::after_crash`] gives the disk that a machine finds that crashed there:
//!
//! ```
//! # use std::path::Path;
//! # use log_engine::fs::{sim::Outcome, sim::SimFs};
//! # use log_engine::Fs;
//! # use log_engine::fs::{Source, replace};
//! let path = Path::new("/checkpoint");
//! let disk = SimFs::with_files([(path, "old")]);
//! replace(&disk, path, b"new")?;
//! let mut replay = disk.replay();
//! while let Some(operation) = replay.step() {
//!     let operation = operation.to_string();
//!     for seed in 0..10 {
//!         let found = replay.after_crash(Outcome::Mixed, seed);
//!         let bytes = Source::open(&found, path)?.read_all(100)?;
//!         assert!(bytes == b"old" || bytes == b"new", "crash after: {operation}, seed {seed}");
//!     }
//! }
//! # Ok::<(), log_engine::Error>(())
//! ```
//!
//! What is durable when is told as strictly as it can be: of a file what was synced, of a folder the names that were synced, and a
//! file's name not by syncing the file. What was not synced may be there in any of the ways of [`Outcome`].
//!
//! [`Faults`] strike without a crash; [`SimFs::restart`] is the death of the processes alone. There is no clock: a file keeps the time
//! that [`crate::fs::WriteFile::set_modified`] gave it.

mod calls;
mod content;
mod crash;
mod disk;
mod faults;
mod machine;
mod operation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::crash::Outcome;
use self::disk::{Disk, Node};
pub use self::faults::Faults;
use self::machine::Machine;
use self::operation::Verb;
pub use self::operation::{Operation, Replay};
use crate::error::{Error, Result};
use crate::fs::{OpenMode, WriteFs, write_all_at};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// A machine's disk in memory. Copies are handles of the same machine.
#[derive(Clone, Debug)]
pub struct SimFs(Arc<Mutex<Machine>>);

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// An empty disk: the folder `/`.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Disk::new())
    }

    /// A disk with an empty folder, durable with all that it lies in.
    ///
    /// # Panics
    /// If the path is none that a folder can have.
    #[must_use]
    pub fn with_folder(path: impl AsRef<Path>) -> Self {
        let disk = Self::new();
        disk.make_folders(path.as_ref());
        disk.settle();
        disk
    }

    /// A disk with these files, durable with the folders that they lie in.
    ///
    /// # Panics
    /// If a path is none that a file can have, or names one twice.
    #[must_use]
    pub fn with_files(files: impl IntoIterator<Item = (impl AsRef<Path>, impl AsRef<[u8]>)>) -> Self {
        let disk = Self::new();
        for (path, bytes) in files {
            let path = path.as_ref();
            disk.make_folders(path.parent().unwrap_or(path));
            let written =
                disk.open_write(path, OpenMode::New).and_then(|file| write_all_at(&*file, path, bytes.as_ref(), 0));
            written.unwrap_or_else(|error| panic!("{error}"));
        }
        disk.settle();
        disk
    }

    fn make_folders(&self, path: &Path) {
        let folders: Vec<_> = path.ancestors().collect();
        for folder in folders.into_iter().rev() {
            match self.create_dir(folder) {
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.unwrap_or_else(|error| panic!("{error}")),
            }
        }
    }

    fn on(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(Machine::new(disk))))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything durable and begins the journal here: the end of what a test prepares.
    pub fn settle(&self) {
        self.machine().settle();
    }

    /// Faults from now on, in place of those that were set before.
    pub fn set_faults(&self, faults: Faults) {
        self.machine().set_faults(faults);
    }

    /// How many operations are in the journal. Noted with each promise, it says after which step of [`Self::replay`] the promise
    /// holds.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.machine().journal.len()
    }

    /// The disk when the journal began, and everything since, to walk through.
    #[must_use]
    pub fn replay(&self) -> Replay {
        let machine = self.machine();
        Replay::new(machine.start.clone(), machine.journal.clone())
    }

    /// True once [`Faults::stops_after`] has stopped the machine.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.machine().has_stopped()
    }

    /// The disk that is found after a crash at this moment, on a machine of its own. The same outcome and seed give the same disk.
    #[must_use]
    pub fn after_crash(&self, outcome: Outcome, seed: u64) -> Self {
        Self::on(self.machine().disk.after_crash(outcome, seed))
    }

    /// The disk that is found when only the processes have died: nothing that was written is missing, and nothing of it is more
    /// durable than before. No lock is held, no fault set. What the old handles do does not show in it.
    #[must_use]
    pub fn restart(&self) -> Self {
        Self::on(self.machine().disk.clone())
    }

    /// Turns one bit of a file over, on the disk and in what is read of it.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such file; a byte behind its end is nothing to turn over.
    pub fn flip(&self, path: &Path, byte: usize, bit: u8) -> Result<()> {
        let mut machine = self.machine();
        let flipped = match machine.disk.node(path) {
            Ok(Node::File(file)) => machine.perform(&path.into(), Verb::Flip { file, byte, bit }).map(drop),
            Ok(Node::Folder(_)) => Err(std::io::ErrorKind::IsADirectory.into()),
            Err(e) => Err(e),
        };
        flipped.map_err(|e| Error::io("flip a bit of", path, e))
    }

    /// All files and their bytes, as they are read now: to compare disks.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let machine = self.machine();
        let mut found = BTreeMap::new();
        let mut to_visit = vec![PathBuf::from("/")];
        while let Some(folder) = to_visit.pop() {
            for (name, node) in machine.disk.list(&folder).into_iter().flatten() {
                let path = folder.join(name);
                match node {
                    Node::Folder(_) => to_visit.push(path),
                    Node::File(file) => {
                        found.extend(machine.disk.file(*file).map(|file| (path, file.seen().to_vec())));
                    }
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
