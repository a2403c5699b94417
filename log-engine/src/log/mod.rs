//! The segments of one partition as one sequence, and the folders they lie in.

mod config;
mod directory;
mod reader;

pub use config::LogConfig;
pub(crate) use directory::Folder;
pub use directory::{DirectoryState, LogDirectory, PartitionDirectory, PartitionName, SegmentFiles, root_files};
pub use reader::{
    Answer, BatchItem, Batches, Checkpointed, Damage, Located, LogBatch, LogReader, LogRecord, OnDamage, Reading,
    RecordItem, Via, View,
};
