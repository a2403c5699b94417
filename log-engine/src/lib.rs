//! Append-only log storage whose directories are Apache Kafka's own, byte for byte.

// The disk has one door and time comes from outside; clippy.toml names what goes around them. Tests prepare folders.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]
#![cfg_attr(test, allow(clippy::disallowed_methods))]

mod batch;
mod checkpoint;
mod compress;
mod encoding;
mod epoch;
mod error;
mod fs;
mod inspect;
mod log;
mod producer;
mod segment;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod units;

pub use batch::{
    Analysis, AnalysisRules, AppendOrigin, Attributes, Batch, BatchBuilder, BatchHeader, BuildError, ControlRecord,
    ControlType, FRAMING_LEN, HEADER_LEN, Header, Headers, LOG_OVERHEAD, LegacyChecksum, LegacyHeader,
    MAX_DECOMPRESSED, MIN_RECORD_LEN, MIN_SIZE, Producer, Record, Records, Scratch, Stop, TimestampType, Validated,
    ValidationRules, Voter, VoterEndpoint, Walk, analyze, assign, validate,
};
pub use checkpoint::{
    CleanShutdown, EpochCheckpoint, EpochEntry, MAX_JSON_BYTES, MAX_LINE_BYTES, MAX_LINES, MAX_TEXT_BYTES,
    MetaProperties, OffsetCheckpoint, PartitionMetadata, PartitionOffset, QuorumForm, QuorumState, TextFault, Uuid,
};
pub use compress::{Codec, Compression};
pub use epoch::{EpochEnd, LeaderEpochs};
pub use error::{Corrupt, Error, MAX_RECORD_ERRORS, Malformed, RecordError, RecordRule, Refusal, Result, Rule};
#[cfg(feature = "testing")]
pub use fs::sim;
pub use fs::{
    Entry, File, FileSlice, Fs, Kind, Lock, LockHolder, MAX_DIRECTORY_ENTRIES, Mapping, MemoryFile, OpenMode, OsFs,
    SliceGuard, Source, Stat, StreamFile, WriteFile, WriteFs, replace, write_all_at,
};
pub use inspect::{
    Amount, BatchGlimpse, Checkpoints, Class, CodecStats, DirectoryPrediction, DirectoryStart, DirectorySummary,
    Explanation, FailureEffect, FileContent, FileSummary, Finding, FindingCode, FirstBatch, HiddenRecords, Histogram,
    Hours, LogCut, LogDirReport, MAX_HOURS, MAX_LISTED, MAX_PRODUCERS, Named, NextScan, PartitionPrediction,
    PartitionReport, PartitionStart, PartitionState, PartitionSummary, RECOVERY_BYTES_PER_SECOND, Recovery,
    RecoveryPoint, RootFiles, Severity, SmallFile, Span, StartFailure, StartOptions, StartPlan, StartPrediction,
    StartRecovery, StartRule, StartStatement, Stats, StatsOptions, Tail, Target, TimeOrder, Top, VerifyLevel,
    VerifyOptions, VerifyReport, predict_start, recovery_millis, verify,
};
pub use log::{
    Accumulator, AccumulatorOptions, Answer, AppendAsLeader, Appended, BatchItem, Batches, Buffered, Checkpointed,
    Clock, Closed, Damage, DirectoryState, Durability, EndTransaction, Isolation, Located, Log, LogBatch, LogConfig,
    LogDirectory, LogReader, LogRecord, LogState, LostDurable, ManualClock, NewRecord, OffsetMetadata, OnDamage,
    OpenOptions, PartitionDirectory, PartitionName, ProgressCallback, Read, Reading, RecordItem, RecoveryCheckpoint,
    RecoveryCut, RecoveryMode, RecoveryProgress, RecoveryReport, RetentionReason, RunTasks, SegmentFiles,
    SegmentPosition, SegmentState, Sender, SystemClock, TaskName, Ticket, TimeTarget, Via, View, root_files,
};
pub use producer::{
    Announcement, CACHED_BATCHES, CachedBatch, CompletedTransaction, Expiry, MAX_SNAPSHOT_BYTES, Marker,
    OpenTransaction, PendingUpdates, ProducerEntry, ProducerRules, ProducerSnapshot, ProducerStates, SnapshotEntry,
    VerificationGuard,
};
pub use segment::{
    AbortedTxn, AbortedTxns, BatchPosition, DEFAULT_INDEX_INTERVAL, Frame, Index, IndexEntry, IndexFault,
    IndexInterval, Indexer, Indexes, Installed, IntervalSamples, Leftover, MAX_BUFFERED_BATCH, MAX_INDEX_BYTES,
    MAX_INTERVAL_SAMPLES, MAX_SEGMENT_BYTES, OffsetEntry, OffsetIndex, OffsetIndexBuilder, OffsetPosition, RebuildEnd,
    Rebuilt, Resync, RollFacts, Scan, Segment, SegmentFile, SegmentName, SegmentOptions, SegmentRead, SegmentSamples,
    Step, TimeEntry, TimeIndex, TimeIndexBuilder, TimedRecord, TimestampOffset, TxnIndex, TxnIndexBuilder,
    TxnIndexState, find_by_timestamp, next_offset, rebuild, translate,
};
pub use store::{DirectoryReport, Identity, MAX_TOPIC_LEN, Store, StoreOptions, StoreReport, TickReport, Upkeep};
pub use units::{
    FilePosition, LeaderEpoch, Offset, OffsetDelta, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition,
};
