//! Look without touching: what a tool needs of directories that may be damaged, strange, or in use.
//!
//! Reads only, takes no lock, creates nothing, maps nothing; shows as much as can be decoded and throws nothing away.

mod contents;
mod fit;
mod replicas;
mod small_file;
mod start;
mod stats;
mod summary;
mod target;
mod verify;

/// Batches of more bytes are not held by walks of which as many as there are threads go side by side.
pub(crate) const HELD: usize = 2 << 20;

pub(crate) use contents::Contents;
pub use fit::{Fit, fit_offset_entries, fit_time_entries, fit_txn_entries};
pub use replicas::{CompareBy, Comparison, Election, Held, Next, Pair, Relation, Replica, compare_replicas};
pub use small_file::SmallFile;
pub use start::{
    DirectoryPrediction, DirectoryStart, FailureEffect, HiddenRecords, LogCut, PartitionPrediction, PartitionStart,
    StartFailure, StartOptions, StartPlan, StartPrediction, StartRecovery, StartRule, StartStatement, predict_start,
};
pub use stats::{
    Amount, Class, CodecStats, Histogram, Hours, MAX_HOURS, Named, Span, Stats, StatsOptions, TimeOrder, Top,
};
pub use summary::{
    BatchGlimpse, Checkpoints, DirectorySummary, FileContent, FileSummary, FirstBatch, NextScan, PartitionSummary,
    RECOVERY_BYTES_PER_SECOND, Recovery, RecoveryPoint, RootFiles, Tail, recovery_millis,
};
pub use target::Target;
pub use verify::{
    Explanation, Finding, FindingCode, LogDirReport, MAX_LISTED, MAX_PRODUCERS, PartitionReport, PartitionState,
    Severity, VerifyLevel, VerifyOptions, VerifyReport, verify,
};
