//! The segments of one partition as one sequence, and the folders they lie in.

mod accumulator;
mod append;
mod clock;
mod config;
mod describe;
mod directory;
mod disk;
mod epochs;
mod fetch;
mod flush;
mod load;
mod metadata;
mod open;
mod parallel;
mod producers;
mod published;
mod read;
mod reader;
mod records;
mod retention;
mod roll;
mod segments;
mod state;
mod tail;
mod tasks;
mod ticket;
mod times;
mod truncate;
mod watermark;

pub use accumulator::{Accumulator, AccumulatorOptions, Buffered};
pub use append::{AppendAsLeader, Appended, EndTransaction};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::LogConfig;
pub use describe::{LogState, SegmentState};
pub(crate) use directory::Folder;
pub use directory::{DirectoryState, LogDirectory, PartitionDirectory, PartitionName, SegmentFiles, root_files};
pub use fetch::RecordBuffer;
pub use load::{LostDurable, RecoveryCut, RecoveryMode, RecoveryProgress, RecoveryReport};
pub use metadata::{OffsetMetadata, SegmentPosition};
pub use open::{Closed, OpenOptions, ProgressCallback, RecoveryCheckpoint};
pub(crate) use parallel::{available_threads, parallel};
pub(crate) use producers::read_snapshot;
pub use read::{Isolation, Read};
pub use reader::{
    Answer, BatchItem, Batches, Checkpointed, Damage, Located, LogBatch, LogReader, LogRecord, OnDamage, Reading,
    RecordItem, RetentionFate, RetentionRules, RetentionVerdict, SegmentAge, Via, View,
};
pub use records::{NewRecord, Sender};
pub use retention::RetentionReason;
pub use state::Log;
pub use tasks::{RunTasks, TaskName};
pub use ticket::{Durability, Ticket};
pub use times::TimeTarget;
