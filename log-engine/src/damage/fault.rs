//! A fault: what it is called, and what it changes.

use std::path::{Path, PathBuf};

use super::kind::Kind;
use crate::units::FilePosition;

/// Old bytes that a change shows at most.
pub const MAX_SHOWN: usize = 32;

/// One fault, planned for one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) kind: &'static Kind,
    pub(super) changes: Vec<Change>,
}

/// One change. Paths are relative to the directory that it was planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bytes of a file become others; what lies behind them moves if they are more or fewer.
    Bytes {
        /// Which file.
        file: PathBuf,
        /// The first byte that is another.
        position: FilePosition,
        /// How many bytes go.
        old_len: u64,
        /// The first [`MAX_SHOWN`] of them.
        old: Vec<u8>,
        /// What comes in their place.
        new: Vec<u8>,
    },
    /// A file that was not there.
    NewFile {
        /// Its path; folders above it come into being.
        file: PathBuf,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A file that was not there, made of files that are.
    Copy {
        /// Whose bytes, one file behind the other.
        from: Vec<PathBuf>,
        /// Its path; folders above it come into being.
        to: PathBuf,
        /// So many bytes are missing at its end.
        cut: u64,
    },
    /// A file is gone.
    Removed {
        /// Which one.
        file: PathBuf,
        /// How many bytes it had.
        len: u64,
    },
    /// A folder is gone that the changes before have emptied.
    RemovedFolder {
        /// Which one.
        folder: PathBuf,
    },
}

impl Fault {
    /// Of what kind it is.
    #[must_use]
    pub const fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What it changes, in this order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

impl Change {
    /// What is changed, made or removed.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Bytes { file, .. } | Self::NewFile { file, .. } | Self::Removed { file, .. } => file,
            Self::Copy { to, .. } => to,
            Self::RemovedFolder { folder } => folder,
        }
    }
}
