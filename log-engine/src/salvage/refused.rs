//! What salvage does not begin with, because something would be written over, mixed up, or left half done.

use std::path::PathBuf;

/// Why a salvage was refused. Nothing was written, or everything that was is gone again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The target is there.
    #[error("{} exists", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The target lies within a source, or a source within the target.
    #[error("{} and the source {} lie within each other", target.display(), source_path.display())]
    WithinSource {
        /// The target.
        target: PathBuf,
        /// The source.
        source_path: PathBuf,
    },
    /// The target lies right in a log directory, where a folder that is no partition keeps a broker from starting.
    #[error("{} would lie in the log directory {}", target.display(), log_dir.display())]
    InLogDirectory {
        /// The target.
        target: PathBuf,
        /// The log directory.
        log_dir: PathBuf,
    },
    /// One folder was given twice.
    #[error("{} is given twice", path.display())]
    Twice {
        /// The folder.
        path: PathBuf,
    },
    /// Two sources are different partitions.
    #[error("{} is {}, {} is {}: sources of one salvage are copies of one partition",
        paths[0].display(), are[0], paths[1].display(), are[1])]
    OtherPartition {
        /// The folders.
        paths: [PathBuf; 2],
        /// What their names say.
        are: [String; 2],
    },
    /// Two sources have one name and belong to different topics.
    #[error("{} belongs to the topic with the id {}, {} to {}", paths[0].display(), ids[0], paths[1].display(), ids[1])]
    OtherTopic {
        /// The folders.
        paths: [PathBuf; 2],
        /// The ids in their `partition.metadata`.
        ids: [String; 2],
    },
    /// Two sources belong to different clusters.
    #[error("{} is of the cluster {}, {} of {}", paths[0].display(), ids[0], paths[1].display(), ids[1])]
    OtherCluster {
        /// The folders.
        paths: [PathBuf; 2],
        /// The ids in the `meta.properties` beside them.
        ids: [String; 2],
    },
    /// The file system of the target is too full.
    #[error("{needed} bytes are needed below {}, {free} are free", path.display())]
    NoSpace {
        /// A folder on that file system.
        path: PathBuf,
        /// What will be written at most.
        needed: u64,
        /// What can be written.
        free: u64,
    },
    /// A source changed while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What was written is not what is read again.
    #[error("{written} batches were written to {}, and {read} sound ones are read again", path.display())]
    NotVerified {
        /// Where it was written.
        path: PathBuf,
        /// Batches that were written.
        written: u64,
        /// Sound batches that were read again.
        read: u64,
    },
    /// A source is damaged in so many places that what to do about them does not fit into memory.
    #[error("{} is damaged in more than {limit} places", path.display())]
    TooDamaged {
        /// The folder.
        path: PathBuf,
        /// The bound.
        limit: usize,
    },
}

/// Why nothing was salvaged.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// It was not begun, or not finished, so that nothing is harmed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The system refused, or a source cannot be read.
    #[error(transparent)]
    Failed(#[from] crate::error::Error),
}
