//! The segments of one partition as one sequence, and the folders they lie in.

mod directory;

pub(crate) use directory::Folder;
pub use directory::{DirectoryState, LogDirectory, PartitionDirectory, PartitionName, SegmentFiles, root_files};
