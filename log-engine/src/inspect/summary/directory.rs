//! One log directory at a glance: its root files and all its partitions.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::partition::{PartitionSummary, Surroundings};
use super::root::RootFiles;
use crate::error::Error;
use crate::fs::Fs;
use crate::log::parallel;
use crate::log::{LogDirectory, PartitionDirectory, PartitionName};

/// What a look at a log directory tells.
#[derive(Debug)]
pub struct DirectorySummary {
    /// The names at its root.
    pub directory: LogDirectory,
    /// What its root files say.
    pub root: RootFiles,
    /// Its partitions, sorted by the names of their folders.
    pub partitions: Vec<PartitionSummary>,
    /// Partition folders whose names could not be listed.
    pub unlisted: Vec<(PathBuf, Error)>,
}

impl DirectorySummary {
    /// Looks at the partitions of `directory` whose name `wanted` approves, on up to `threads` threads.
    pub fn of(
        fs: &dyn Fs,
        directory: LogDirectory,
        wanted: impl Fn(&PartitionName) -> bool,
        threads: NonZeroUsize,
    ) -> Self {
        let root = RootFiles::read(fs, &directory.path);
        let chosen: Vec<&PathBuf> =
            directory.partitions.iter().filter(|(name, _)| wanted(name)).map(|(_, path)| path).collect();
        let around = Surroundings::of(&root);
        let looked = parallel(threads, &chosen, |path| {
            PartitionDirectory::list(fs, path)
                .map(|names| PartitionSummary::within(fs, names, &around))
                .map_err(|error| ((*path).clone(), error))
        });
        let (mut partitions, mut unlisted) = (Vec::with_capacity(looked.len()), Vec::new());
        for result in looked {
            match result {
                Ok(partition) => partitions.push(partition),
                Err(error) => unlisted.push(error),
            }
        }
        Self { directory, root, partitions, unlisted }
    }
}
