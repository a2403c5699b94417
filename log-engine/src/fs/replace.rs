//! A whole small file, old or new after any crash and never half.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{OpenMode, WriteFs, write_all_at};
use crate::error::{Error, Result};
use crate::plant::Fault;

/// Makes `bytes` the whole content of `path`, durably: after a crash at any moment the file has its old content or the new one. The
/// bytes go to `path` with `.tmp` behind it first, as Kafka's checkpoint files do (`CheckpointFile.write`).
///
/// # Errors
/// [`Error::Io`] where the system refuses. Unless that was the sync of the folder, the old content is still there; only the folder's
/// sync makes it certain which of the two survives a crash.
pub fn replace(fs: &dyn WriteFs, path: &Path, bytes: &[u8]) -> Result<()> {
    if Fault::ReplacedInPlace.is_planted() {
        return write_whole(fs, path, bytes);
    }
    let temporary = temporary(path);
    if let Err(error) = write_whole(fs, &temporary, bytes).and_then(|()| fs.rename(&temporary, path)) {
        // What is left of it helps nobody and may be what filled the disk.
        let _ = fs.remove(&temporary);
        return Err(error);
    }
    if Fault::NamesNotSynced.is_planted() {
        return Ok(());
    }
    fs.sync_dir(folder(path))
}

/// A file of these bytes, durable but for its name; what a crash left there earlier goes.
pub(crate) fn write_whole(fs: &dyn WriteFs, path: &Path, bytes: &[u8]) -> Result<()> {
    let file = fs.open_write(path, OpenMode::Any)?;
    file.set_len(0).map_err(|e| Error::io("truncate", path, e))?;
    write_all_at(&*file, path, bytes, 0)?;
    file.sync().map_err(|e| Error::io("sync", path, e))
}

/// Under which name a file is written before it takes its place.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".tmp");
    name.into()
}

/// The folder that holds the name.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_name_is_the_one_to_sync() {
        let folders = ["name", "/a/b", "a/b", "/"].map(|path| folder(Path::new(path)));
        assert_eq!(folders, [".", "/a", "a", "/"].map(Path::new));
        assert_eq!(temporary(Path::new("/a/b.txt")), Path::new("/a/b.txt.tmp"));
    }
}
