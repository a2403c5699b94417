//! Why a start, or a part of it, fails: what it takes down, the file, the rule.

use std::path::{Path, PathBuf};

use crate::error::{Corrupt, Error, Rule};
use crate::units::FilePosition;

/// How much a failure takes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureEffect {
    /// The process ends: every partition of every directory is down.
    Fatal,
    /// The log directory is given up and the others go on; the process ends when none is left.
    Offline,
    /// The folder is renamed to `-stray`, and an empty log is served in its place.
    Stray,
}

/// Something that keeps a broker, a directory or a partition from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {position}: {rule}", file.display())]
pub struct StartFailure {
    /// What it takes down.
    pub effect: FailureEffect,
    /// The file or folder.
    pub file: PathBuf,
    /// Where in it; 0 for missing files, names and folders.
    pub position: FilePosition,
    /// What is wrong.
    pub rule: StartRule,
}

/// What a start trips over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartRule {
    /// The bytes break a rule of their format.
    #[error(transparent)]
    Broken(#[from] Rule),
    /// The file has to be there.
    #[error("is missing")]
    Missing,
    /// A process holds the lock.
    #[error("is locked by another process")]
    Locked,
    /// An identity differs from the broker's, or from that of another directory.
    #[error("{what} is {found}, but {expected} elsewhere")]
    OtherIdentity {
        /// Which identity.
        what: &'static str,
        /// As stored here.
        found: String,
        /// As it should be.
        expected: String,
    },
    /// Each directory has an id of its own.
    #[error("directory.id is the same as that of {}", other.display())]
    SameDirectoryId {
        /// The other directory.
        other: PathBuf,
    },
    /// Every folder in a log directory has to be a partition's.
    #[error("is no folder of a partition")]
    ForeignFolder,
    /// A partition can be in one place only.
    #[error("holds a partition that {} holds too", other.display())]
    Duplicate {
        /// The other folder.
        other: PathBuf,
    },
    /// A copy on its way in cannot take the place of the folder that stands there.
    #[error("cannot take the place of {}, which is in the same directory", other.display())]
    FutureBesideLive {
        /// The partition's folder.
        other: PathBuf,
    },
    /// The suffix asks for a number before the first dot.
    #[error("has a suffix of Kafka's, but no number before its first dot")]
    NoNumber,
    /// A `.log` file has to be smaller than 2 GiB.
    #[error("has {len} bytes; at most {most} can be loaded")]
    SegmentTooLarge {
        /// Its bytes.
        len: u64,
        /// The bound.
        most: u64,
    },
    /// An offset that no index entry can say, in a segment that cannot be split.
    #[error("offset {offset} does not fit a segment that begins at {base}, and the segment cannot be split there")]
    CannotSplit {
        /// The last offset of the batch.
        offset: i64,
        /// The base offset of the segment.
        base: i64,
    },
    /// Splitting segments makes such as have to be split again.
    #[error("segments had to be split {splits} times, and have to again")]
    NeverSplit {
        /// How often they were.
        splits: usize,
    },
    /// Offsets have to rise while an index is made of them.
    #[error("offset {offset} is not above {last}, the last one in the index")]
    NotRising {
        /// The last offset of the batch.
        offset: i64,
        /// What stands in the index.
        last: i64,
    },
    /// An index has no room for another entry.
    #[error("the index has room for {room} entries (segment.index.bytes) and needs more")]
    IndexFull {
        /// How many entries fit.
        room: u64,
    },
    /// The transaction cannot be located because the directory was given up before the partition was loaded.
    #[error("an open transaction cannot be located, because {} took the directory offline before", by.display())]
    OpenTransaction {
        /// The file that took the directory offline.
        by: PathBuf,
    },
}

impl StartFailure {
    pub(super) fn new(effect: FailureEffect, file: &Path, position: FilePosition, rule: impl Into<StartRule>) -> Self {
        Self { effect, file: file.to_owned(), position, rule: rule.into() }
    }

    /// A failure of a file, or of a folder, as a whole.
    pub(super) fn whole(effect: FailureEffect, file: &Path, rule: StartRule) -> Self {
        Self::new(effect, file, FilePosition::START, rule)
    }

    /// What `effect` a broken file has.
    pub(super) fn of(effect: FailureEffect, corrupt: Corrupt) -> Self {
        Self { effect, file: corrupt.file, position: corrupt.position, rule: corrupt.rule.into() }
    }
}

/// Why a prediction ends early.
#[derive(Debug)]
pub(super) enum Halt {
    /// The broker would stop here.
    Failed(Box<StartFailure>),
    /// The file cannot be read by us, so nothing can be said.
    Unreadable(Error),
}

/// What a step of the start gives, or why there is no next one.
pub(super) type Outcome<T> = Result<T, Halt>;

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<StartFailure> for Halt {
    fn from(failure: StartFailure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
