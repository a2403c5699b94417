//! The names in a partition's folder while it is loaded, as Kafka's loader sees them: by their endings, whatever stands before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fs::{Kind, WriteFs};
use crate::log::producers::remove_if_there;
use crate::segment::{Leftover, SegmentFile};
use crate::units::Offset;

/// The regular files of a folder with their bytes, in order of their names.
#[derive(Debug)]
pub(super) struct Names {
    fs: Arc<dyn WriteFs>,
    dir: PathBuf,
    files: BTreeMap<String, u64>,
}

impl Names {
    pub(super) fn list(fs: &Arc<dyn WriteFs>, dir: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs.list(dir)? {
            if let (Kind::File, Ok(name)) = (entry.stat.kind, entry.name.into_string()) {
                files.insert(name, entry.stat.len);
            }
        }
        Ok(Self { fs: Arc::clone(fs), dir: dir.to_owned(), files })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn len_of(&self, name: &str) -> Option<u64> {
        self.files.get(name).copied()
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    pub(super) fn ending_in(&self, leftover: Leftover) -> Vec<String> {
        self.files.keys().filter(|name| name.ends_with(leftover.suffix())).cloned().collect()
    }

    /// Notes a file that has come into being.
    pub(super) fn put(&mut self, name: &str, len: u64) {
        self.files.insert(name.to_owned(), len);
    }

    /// Notes that a file is gone.
    pub(super) fn forget(&mut self, name: &str) {
        self.files.remove(name);
    }

    /// Removes a file.
    pub(super) fn remove(&mut self, name: &str) -> Result<()> {
        remove_if_there(self.fs.as_ref(), &self.path(name))?;
        self.forget(name);
        Ok(())
    }

    /// Renames a file.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.fs.rename(&self.path(from), &self.path(to))?;
        if let Some(len) = self.files.remove(from) {
            self.files.insert(to.to_owned(), len);
        }
        Ok(())
    }

    /// The number before the first dot of `name`, which a name with one of Kafka's endings has to have.
    ///
    /// Kafka: `LogFileUtils.offsetFromFile`.
    pub(super) fn required_number(&self, name: &str) -> Result<Offset> {
        let what = "a name with an ending of Kafka's, but without a number before its first dot";
        number_of(name).ok_or_else(|| Error::NotReadable { path: self.path(name), what })
    }
}

/// The number before the first dot of a name.
pub(super) fn number_of(name: &str) -> Option<Offset> {
    name.split_once('.')?.0.parse().ok().map(Offset::new)
}

/// True for the name of an index, which means nothing without its `.log`.
pub(super) fn is_index(name: &str) -> bool {
    [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex]
        .iter()
        .any(|file| name.ends_with(file.suffix()))
}

/// True for the name of a `.log` file.
pub(super) fn is_log(name: &str) -> bool {
    name.ends_with(SegmentFile::Log.suffix())
}
