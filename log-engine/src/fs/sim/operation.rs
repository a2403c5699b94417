//! What changed a simulated disk, one call after the other, and how to walk through it again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::SimFs;
use super::crash::Outcome;
use super::disk::Disk;

/// One call that changed a disk or made a change durable, with the name that the file had when it was opened.
#[derive(Clone, Debug)]
pub struct Operation {
    path: Arc<Path>,
    pub(super) verb: Verb,
}

/// What was done. Files are numbers: they keep theirs when they are renamed or removed.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    Create,
    Write { file: u64, position: u64, bytes: Arc<[u8]> },
    SetLen { file: u64, len: u64 },
    Sync { file: u64 },
    FailedSync { file: u64, seed: u64 },
    ForgetCached { file: u64 },
    SetModified { file: u64, time: SystemTime },
    Flip { file: u64, byte: usize, bit: u8 },
    Rename { to: PathBuf },
    Remove,
    CreateDir,
    RemoveDir,
    SyncDir,
    FailedSyncDir { seed: u64 },
}

impl Operation {
    pub(super) const fn new(path: Arc<Path>, verb: Verb) -> Self {
        Self { path, verb }
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.verb {
            Verb::Create => write!(f, "create {path}"),
            Verb::Write { position, bytes, .. } => write!(f, "write {path}: {} bytes at {position}", bytes.len()),
            Verb::SetLen { len, .. } => write!(f, "set the length of {path} to {len}"),
            Verb::Sync { .. } => write!(f, "sync {path}"),
            Verb::FailedSync { .. } => write!(f, "sync {path}, which fails"),
            Verb::ForgetCached { .. } => write!(f, "forget what is cached of {path}"),
            Verb::SetModified { .. } => write!(f, "set the time of {path}"),
            Verb::Flip { byte, bit, .. } => write!(f, "flip bit {bit} of byte {byte} of {path}"),
            Verb::Rename { to } => write!(f, "rename {path} to {}", to.display()),
            Verb::Remove => write!(f, "remove {path}"),
            Verb::CreateDir => write!(f, "create the folder {path}"),
            Verb::RemoveDir => write!(f, "remove the folder {path}"),
            Verb::SyncDir => write!(f, "sync the folder {path}"),
            Verb::FailedSyncDir { .. } => write!(f, "sync the folder {path}, which fails"),
        }
    }
}

/// A disk at the start of a run, and everything that happened to it: the run can be walked through again, with a crash at every step.
#[derive(Clone, Debug)]
pub struct Replay {
    disk: Disk,
    operations: Vec<Operation>,
    done: usize,
}

impl Replay {
    pub(super) const fn new(start: Disk, operations: Vec<Operation>) -> Self {
        Self { disk: start, operations, done: 0 }
    }

    /// Does the next operation; `None` once the run is over.
    pub fn step(&mut self) -> Option<&Operation> {
        let operation = self.operations.get(self.done)?;
        self.done += 1;
        // What succeeded once succeeds again on the same disk.
        let _ = self.disk.apply(operation);
        Some(operation)
    }

    /// How many operations are done.
    #[must_use]
    pub const fn done(&self) -> usize {
        self.done
    }

    /// The disk that a machine finds if it crashes here. The same outcome and seed give the same disk.
    #[must_use]
    pub fn after_crash(&self, outcome: Outcome, seed: u64) -> SimFs {
        SimFs::on(self.disk.after_crash(outcome, seed))
    }

    /// The disk that the processes of the machine see here, as [`SimFs::restart`] gives it.
    #[must_use]
    pub fn restart(&self) -> SimFs {
        SimFs::on(self.disk.clone())
    }
}
