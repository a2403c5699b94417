//! What a Kafka 4.4.0 broker would do if it started on a log directory now.
//!
//! A model of the start: the same steps in the same order, on a picture of the directory in memory. Reads only, and no more than
//! the start itself would look at: behind a clean-shutdown marker that is the end of each last segment. Topic configs and the
//! metadata log are not read; what they would say is an option, or taken from the files.
//!
//! [`StartPlan::read`] looks at the small files of the directories, [`PartitionStart::predict`] at one partition (these know
//! nothing of each other and can run side by side), [`StartPlan::conclude`] puts it together; [`predict_start`] does all three.
//! Kafka: `LogManager.loadLogs`, `LogLoader.load`.

mod directory;
mod failure;
mod indexes;
mod leftovers;
mod lost;
mod opening;
mod partition;
mod picture;
mod producers;
mod recovery;
mod split;
mod words;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

pub use directory::{DirectoryStart, StartPlan};
pub use failure::{FailureEffect, StartFailure, StartRule};
pub use partition::PartitionStart;
pub use words::StartStatement;

use crate::error::Result;
use crate::fs::Fs;
use crate::log::parallel;
use crate::units::{FilePosition, Offset};

/// What the directories do not tell of the broker that would start on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// `index.interval.bytes`; `None`: taken from the indexes that are there.
    pub index_interval_bytes: Option<u64>,
    /// `segment.index.bytes`; `None`: never too small.
    pub segment_index_bytes: Option<u64>,
    /// The cluster's id; `None`: the one that the directories name.
    pub cluster_id: Option<String>,
    /// The broker's id; `None`: the one that the directories name.
    pub node_id: Option<i32>,
    /// Threads to use; `None`: one.
    pub jobs: Option<NonZeroUsize>,
}

/// What a start on the given directories comes to.
#[derive(Debug)]
pub struct StartPrediction {
    /// True if the process stays up: nothing is fatal, and one directory stays online.
    pub starts: bool,
    /// One for each directory, in the order given.
    pub directories: Vec<DirectoryPrediction>,
}

/// What a start does with one log directory.
#[derive(Debug)]
pub struct DirectoryPrediction {
    /// Where it is.
    pub path: PathBuf,
    /// True if the clean-shutdown marker is there, whatever it holds: nothing is recovered but what lacks an index.
    pub is_clean: bool,
    /// True if the directory is given up and nothing anywhere is fatal.
    pub is_offline: bool,
    /// What concerns the directory itself, in the order in which the start meets it. Partitions have their own.
    pub failures: Vec<StartFailure>,
    /// The folders of partitions, sorted by name.
    pub partitions: Vec<PartitionPrediction>,
}

/// Whether a partition's segments are read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartRecovery {
    /// The marker is there: they are believed.
    Skipped,
    /// From the segment on that holds this offset.
    From(Offset),
}

/// What a start does with the folder of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPrediction {
    /// Where it is.
    pub path: PathBuf,
    /// Which segments are checked.
    pub recovery: StartRecovery,
    /// The first offset that is served. `None` if the partition does not load, or the broker does not get so far.
    pub log_start: Option<Offset>,
    /// The next offset to be written. `None` as for the start.
    pub log_end: Option<Offset>,
    /// Records of intact data batches that are in a `.log` file before the start and in none after it. Intact: format 2, and
    /// the checksum fits; found by looking at every byte, not by the walk that a broker reads with.
    pub records_dropped: u64,
    /// Bytes of these batches, and of intact control batches that go with them.
    pub bytes_dropped: u64,
    /// Names of the `.log` files that recovery renames to `.deleted`; of those that finished cleaning replaces, if there are
    /// none.
    pub segments_deleted: Vec<String>,
    /// Names of the index files whose bytes change, or that are new. Zeros at the end count for nothing.
    pub files_rebuilt: Vec<String>,
    /// `.log` files that become shorter, in the order in which that happens.
    pub cuts: Vec<LogCut>,
    /// Records that lie in the last segment and are not served, because the log end is read from an index that is wrong.
    pub hidden: Option<HiddenRecords>,
    /// What keeps the partition from being served, or the broker from starting.
    pub failure: Option<StartFailure>,
    /// True if a transaction is open at the log end.
    pub(super) ends_in_transaction: bool,
}

/// A `.log` file that is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCut {
    /// The name of the file.
    pub file: String,
    /// Bytes that stay.
    pub position: FilePosition,
    /// Bytes that go.
    pub bytes: u64,
}

/// Records that are there and are not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenRecords {
    /// The name of the segment's `.log` file.
    pub file: String,
    /// Data records of its intact batches.
    pub records: u64,
}

/// Predicts the start on `dirs`, all of one broker.
///
/// # Errors
/// [`crate::Error::Io`] and [`crate::Error::NotReadable`] where a file or folder that the start needs cannot be read,
/// [`crate::Rule::TooLarge`] for files above the bounds of this crate; never for what the bytes say.
pub fn predict_start(fs: &dyn Fs, dirs: &[PathBuf], options: &StartOptions) -> Result<StartPrediction> {
    let plan = StartPlan::read(fs, dirs, options)?;
    let all: Vec<&PartitionStart> = plan.directories().iter().flat_map(DirectoryStart::partitions).collect();
    let threads = options.jobs.unwrap_or(NonZeroUsize::MIN);
    let mut predicted = parallel(threads, &all, |partition| partition.predict(fs, options)).into_iter();
    let of_directory = |directory: &DirectoryStart| predicted.by_ref().take(directory.partitions().len()).collect();
    let partitions = plan.directories().iter().map(of_directory).collect::<Result<Vec<_>>>()?;
    Ok(plan.conclude(partitions))
}

impl PartitionPrediction {
    /// A folder that the start leaves as it is.
    fn untouched(path: &Path, recovery: StartRecovery) -> Self {
        Self {
            path: path.to_owned(),
            recovery,
            log_start: None,
            log_end: None,
            records_dropped: 0,
            bytes_dropped: 0,
            segments_deleted: Vec::new(),
            files_rebuilt: Vec::new(),
            cuts: Vec::new(),
            hidden: None,
            failure: None,
            ends_in_transaction: false,
        }
    }
}
