//! What a path names: one file, one partition, or a whole log directory.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{Fs, Kind};
use crate::log::{Folder, LogDirectory, PartitionDirectory};

/// What a path given to a tool names.
#[derive(Clone, Debug)]
pub enum Target {
    /// One file, by its path.
    File(PathBuf),
    /// The folder of one partition.
    Partition(PartitionDirectory),
    /// A log directory with the folders of many partitions.
    LogDirectory(LogDirectory),
}

impl Target {
    /// Finds out what `path` names, by the names in it.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for a FIFO and its like and for a folder that is neither a partition's nor a log directory;
    /// [`Error::Io`] where the system refuses. Links are not followed: resolve the path first.
    pub fn of(fs: &dyn Fs, path: &Path) -> Result<Self> {
        // The system's own words, as if it had been opened.
        let missing = || std::io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error());
        let stat = fs.stat(path)?.ok_or_else(|| Error::io("open", path, missing()))?;
        match stat.kind {
            Kind::File => Ok(Self::File(path.to_owned())),
            Kind::Directory => match Folder::of(fs, path)? {
                Folder::Partition(partition) => Ok(Self::Partition(partition)),
                Folder::LogDirectory(dir) => Ok(Self::LogDirectory(dir)),
                Folder::Other => Err(not_readable(path, "neither a partition's folder nor a Kafka log directory")),
            },
            Kind::Link => Err(not_readable(path, "a symbolic link; links are not followed")),
            Kind::Special => Err(not_readable(path, "a FIFO, socket or device, not a regular file")),
        }
    }
}

fn not_readable(path: &Path, what: &'static str) -> Error {
    Error::NotReadable { path: path.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFs;

    #[test]
    fn a_path_names_a_file_a_partition_or_a_log_directory_or_says_why_not() {
        let root = tempfile::tempdir().unwrap();
        let partition = root.path().join("data/orders-0");
        std::fs::create_dir_all(&partition).unwrap();
        let file = partition.join("00000000000000000000.log");
        std::fs::write(&file, b"").unwrap();
        std::os::unix::fs::symlink(&file, root.path().join("link")).unwrap();
        let of = |path: &Path| Target::of(&OsFs, path);
        assert!(matches!(of(&file), Ok(Target::File(_))));
        assert!(matches!(of(&partition), Ok(Target::Partition(_))));
        assert!(matches!(of(&root.path().join("data")), Ok(Target::LogDirectory(_))));
        assert!(matches!(of(root.path()), Err(Error::NotReadable { .. })));
        assert!(matches!(of(&root.path().join("link")), Err(Error::NotReadable { .. })));
        assert!(matches!(of(&root.path().join("none")), Err(Error::Io { .. })));
    }
}
