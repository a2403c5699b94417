//! Append-only log storage whose directories are Apache Kafka's own, byte for byte.
//!
//! A [`Store`] holds the partitions under one or more log directories, each a [`Log`]; either opens what a Kafka broker wrote, and a broker
//! opens what they wrote.
//!
//! ```
//! use std::sync::Arc;
//! use log_engine::{
//!     AppendAsLeader, Isolation, LeaderEpoch, NewRecord, Offset, OsFs, Scratch, Store, StoreOptions, TopicPartition, Walk,
//! };
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("data");
//!
//! let (store, report) = Store::open(Arc::new(OsFs), &[path], StoreOptions::default())?;
//! assert!(report.directories[0].failed.is_empty());
//! let orders = store.create(&TopicPartition { topic: "orders".to_owned(), partition: 0 }, None)?;
//!
//! let record = NewRecord { key: Some(b"42"), value: Some(b"paid"), ..NewRecord::default() };
//! let appended = orders.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0)))?;
//! appended.ticket.wait()?; // it is durable now
//!
//! let read = orders.read(Offset::ZERO, 1 << 20, Isolation::LogEnd, true)?;
//! let bytes = read.slice.expect("there is a record").read_to_vec()?; // or slice.send_to(socket)
//! let mut scratch = Scratch::default();
//! for (_, batch) in Walk::new(&bytes) {
//!     let batch = batch.expect("a whole batch");
//!     let values: Vec<_> = batch.records(&mut scratch).unwrap().map(|record| record.unwrap().value.map(<[u8]>::to_vec)).collect();
//!     assert_eq!(values, [Some(b"paid".to_vec())]);
//! }
//! store.close()?;
//! # Ok::<(), log_engine::Error>(())
//! ```
//!
//! Words that are never mixed, and what survives what: [`what_is_durable_when`], [`system_assumptions_and_crash_points`].

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

#[doc = include_str!("../docs/durability.md")]
pub mod what_is_durable_when {}
#[doc = include_str!("../docs/crash-safety.md")]
pub mod system_assumptions_and_crash_points {}

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
    OpenOptions, PartitionDirectory, PartitionName, ProgressCallback, Read, Reading, RecordBuffer, RecordItem,
    RecoveryCheckpoint, RecoveryCut, RecoveryMode, RecoveryProgress, RecoveryReport, RetentionReason, RunTasks,
    SegmentFiles, SegmentPosition, SegmentState, Sender, SystemClock, TaskName, Ticket, TimeTarget, Via, View,
    root_files,
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
