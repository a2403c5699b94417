//! What is to be done to one file of a log directory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A change to one file. Paths are relative to the folder that is mended.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// The file gets this content, whatever was in it; it is made if it is not there.
    Write {
        /// The file.
        path: PathBuf,
        /// All of its bytes.
        bytes: Arc<[u8]>,
    },
    /// The file loses what lies from byte `len` on.
    Cut {
        /// The file.
        path: PathBuf,
        /// Bytes that stay.
        len: u64,
    },
    /// The file goes.
    Remove {
        /// The file.
        path: PathBuf,
    },
    /// The file or folder gets another name, which nothing has.
    Rename {
        /// As it is called now.
        from: PathBuf,
        /// As it is called then.
        to: PathBuf,
    },
}

impl Change {
    /// The file that it is about, as it is called now.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Write { path, .. }
            | Self::Cut { path, .. }
            | Self::Remove { path }
            | Self::Rename { from: path, .. } => path,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Write { .. } => "write",
            Self::Cut { .. } => "cut",
            Self::Remove { .. } => "remove",
            Self::Rename { .. } => "rename",
        }
    }

    /// The same change of the same file below `folder`.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self {
            Self::Write { path, bytes } => Self::Write { path: folder.join(path), bytes },
            Self::Cut { path, len } => Self::Cut { path: folder.join(path), len },
            Self::Remove { path } => Self::Remove { path: folder.join(path) },
            Self::Rename { from, to } => Self::Rename { from: folder.join(from), to: folder.join(to) },
        }
    }
}

impl fmt::Debug for Change {
    /// Without the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, bytes } => write!(f, "write {} ({} bytes)", path.display(), bytes.len()),
            Self::Cut { path, len } => write!(f, "cut {} to {len} bytes", path.display()),
            Self::Remove { path } => write!(f, "remove {}", path.display()),
            Self::Rename { from, to } => write!(f, "rename {} to {}", from.display(), to.display()),
        }
    }
}
