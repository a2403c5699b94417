//! A directory, a partition or a file at a glance: names, sizes, heads of batches, small text files.
//!
//! Cheap on purpose: of a `.log` file the first 61 bytes are read, and of the active segment what lies behind its last index
//! entry. Whether the bytes in between are sound is the verification's to say.

mod directory;
mod file;
mod glimpse;
mod partition;
mod recovery;
mod root;
mod tail;

pub use directory::DirectorySummary;
pub use file::{FileContent, FileSummary};
pub use glimpse::{BatchGlimpse, FirstBatch};
pub use partition::{Checkpoints, PartitionSummary};
pub use recovery::{NextScan, RECOVERY_BYTES_PER_SECOND, Recovery, RecoveryPoint, recovery_millis};
pub use root::RootFiles;
pub use tail::Tail;
