//! A small file that may be missing, unreadable or wrong: what there is of it.

use std::path::Path;

use crate::checkpoint::MAX_TEXT_BYTES;
use crate::error::{Error, Result};
use crate::fs::{Fs, Source};

/// What was found where a small file should be.
#[derive(Debug)]
pub enum SmallFile<T> {
    /// Nothing stands there.
    Missing,
    /// It was read.
    Read {
        /// How long it is; a file of 0 bytes often reads as "nothing in it".
        bytes: u64,
        /// What it says.
        content: T,
    },
    /// It cannot be opened, or what it says breaks a rule.
    Unreadable(Error),
}

impl<T> SmallFile<T> {
    /// Reads `path` and gives its bytes to `parse`.
    pub(crate) fn read(fs: &dyn Fs, path: &Path, parse: impl FnOnce(&[u8], &Path) -> Result<T>) -> Self {
        Self::try_read(fs, path, parse).unwrap_or_else(Self::Unreadable)
    }

    fn try_read(fs: &dyn Fs, path: &Path, parse: impl FnOnce(&[u8], &Path) -> Result<T>) -> Result<Self> {
        if fs.stat(path)?.is_none() {
            return Ok(Self::Missing);
        }
        let bytes = Source::open(fs, path)?.read_all(MAX_TEXT_BYTES)?;
        Ok(Self::Read { bytes: bytes.len() as u64, content: parse(&bytes, path)? })
    }

    /// What it says, if it was read.
    #[must_use]
    pub const fn content(&self) -> Option<&T> {
        match self {
            Self::Read { content, .. } => Some(content),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }

    /// Why it could not be read, if it is there.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Missing | Self::Read { .. } => None,
        }
    }

    /// True if nothing stands there.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// True if it is there and has 0 bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Read { bytes: 0, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::OffsetCheckpoint;
    use crate::fs::OsFs;

    #[test]
    fn missing_empty_wrong_and_no_file_at_all_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str| SmallFile::read(&OsFs, &dir.path().join(name), OffsetCheckpoint::parse);
        for (name, bytes) in [("empty", ""), ("good", "0\n1\nt 0 5\n"), ("wrong", "0\n1\nt;0;5\n")] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink("good", dir.path().join("link")).unwrap();
        assert!(read("none").is_missing() && !read("none").is_empty());
        assert!(read("empty").is_empty() && read("empty").content().is_some());
        assert_eq!(read("good").content().unwrap().entries.len(), 1);
        assert!(matches!(read("wrong").error(), Some(Error::Corrupt(_))));
        assert!(matches!(read("link").error(), Some(Error::NotReadable { .. })));
    }
}
