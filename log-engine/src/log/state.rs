//! An open log: what it holds, and what is locked by what.
//!
//! One lock, taken by everything that changes the log: `writer`. Readers take none: the set of segments is an immutable snapshot
//! behind a pointer that is swapped, log start and recovery point are atomics, the log's end is published with its place, the high
//! watermark and the first unstable offset are swapped whole. The queue of tasks has a lock of its own that is held for no system call. A high
//! watermark within a batch, or one behind a truncation, is moved under the lock by whoever asks for its place first.
//!
//! A reader takes the end first and the rest afterwards, and goes by that end; if the log was cut or its start moved meanwhile, it looks
//! anew ([`Log::undisturbed`]). So a cut publishes the new end before it changes anything else, a roll shows the new segment before the
//! end moves into it, and deletion moves the start before a segment goes.

use std::path::Path;
use std::sync::Arc;

use super::clock::Clock;
use super::config::LogConfig;
use super::disk::LogDisk;
use super::metadata::OffsetMetadata;
use super::producers::Producers;
use super::published::LogEnd;
use super::segments::Segments;
use super::tasks::{RunTasks, Task, TaskName, Tasks};
use crate::batch::Scratch;
use crate::checkpoint::Uuid;
use crate::epoch::LeaderEpochs;
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::segment::{Segment, SegmentOptions};
use crate::sync::atomic::AtomicBool;
use crate::sync::{ArcSwap, ArcSwapOption, Mutex, MutexGuard, PoisonError};
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// The log of one partition, open to append and read. Shared between threads by reference.
///
/// Kafka: `UnifiedLog`.
#[derive(Debug)]
pub struct Log {
    /// Segments, log start and end, recovery point.
    pub(super) disk: Arc<LogDisk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoint: Option<Arc<dyn super::open::RecoveryCheckpoint>>,
    pub(super) config: ArcSwap<LogConfig>,
    pub(super) high_watermark: ArcSwap<OffsetMetadata>,
    pub(super) first_unstable: ArcSwapOption<OffsetMetadata>,
    /// A truncation left [`Self::first_unstable`] to whoever looks at the high watermark next.
    pub(super) is_unstable_stale: AtomicBool,
    /// What [`Writer::epochs`] is, for readers.
    pub(super) epochs: ArcSwap<LeaderEpochs>,
    pub(super) writer: Mutex<Writer>,
    pub(super) tasks: Mutex<Tasks>,
    /// Whether [`Writer::unwritten_topic_id`] is there, for who does not want to lock.
    pub(super) has_unwritten_topic_id: AtomicBool,
    /// When [`super::Durability::Interval`] asked for a sync last, by the monotonic clock.
    pub(super) last_interval_sync: Mutex<std::time::Duration>,
}

/// What only who holds the lock may see and change.
#[derive(Debug)]
pub(super) struct Writer {
    /// The last segment, which is also the last one in the set.
    pub(super) active: Arc<Segment>,
    /// The offset behind the last batch. The log's end lies behind it where a truncation took a batch whole, or at the start.
    pub(super) stored_end: Offset,
    pub(super) epochs: LeaderEpochs,
    pub(super) producers: Producers,
    /// A topic id that has to be written down before the next append.
    pub(super) unwritten_topic_id: Option<Uuid>,
    pub(super) scratch: Scratch,
}

impl Log {
    /// The folder of the partition.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.disk.dir
    }

    /// The first offset that can be read. Kafka: `logStartOffset`.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.disk.start()
    }

    /// The offset of the next record. Kafka: `logEndOffset`.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.disk.end()
    }

    /// The first offset that is not known to be durable. Kafka: `recoveryPoint`.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.disk.recovery_point()
    }

    /// The first offset that is not known to be on every replica in sync. Kafka: `highWatermark`.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark.load().offset
    }

    /// The first offset of a transaction that is open, or whose marker is not below the high watermark.
    ///
    /// Kafka: `UnifiedLog.firstUnstableOffset`.
    #[must_use]
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        self.first_unstable.load().as_ref().map(|unstable| unstable.offset)
    }

    /// How far readers of committed records may read. Kafka: `UnifiedLog.lastStableOffset`.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        let high_watermark = self.high_watermark();
        self.first_unstable_offset().map_or(high_watermark, |unstable| unstable.min(high_watermark))
    }

    /// The epoch of the last leader that is known. Kafka: `UnifiedLog.latestEpoch`.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.load().latest().map(|latest| latest.epoch)
    }

    /// Base offset of the segment that is appended to.
    #[must_use]
    pub fn active_segment(&self) -> Offset {
        self.segments().last().map_or(Offset::ZERO, |active| active.base())
    }

    /// Bytes of all `.log` files. Kafka: `UnifiedLog.size`.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.segments().size()
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> LogConfig {
        LogConfig::clone(&self.config.load())
    }

    /// Puts other settings in force. Segments that are open keep what they were made with.
    pub fn update_config(&self, config: LogConfig) {
        self.config.store(Arc::new(config));
    }

    /// The lock, whether the log takes writes or not.
    pub(super) fn locked(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|panicked| {
            // What the thread that panicked has left undone nobody knows.
            let cause = std::io::Error::other("a thread panicked while it changed the log");
            self.disk.poison(&Error::io("change", self.dir(), cause));
            panicked.into_inner()
        })
    }

    /// The lock, of a log that takes writes.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.locked();
        self.disk.check()?;
        Ok(writer)
    }

    /// Hands `result` on; if it is an error, nothing more is written until the log is opened again.
    pub(super) fn poisoning<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| self.disk.poison(error))
    }

    /// True once it was closed, or a failed write or sync left the disk in a state that nobody knows.
    pub(super) fn is_closed(&self) -> bool {
        self.disk.check().is_err()
    }

    pub(super) fn fs(&self) -> &dyn WriteFs {
        self.disk.fs.as_ref()
    }

    pub(super) fn dir(&self) -> &Path {
        &self.disk.dir
    }

    /// Makes the last segment's index files as long as a broker's are while a log is open. A broker that dies leaves them so.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn allocate_indexes(&self) -> Result<()> {
        self.locked().active.allocate_indexes()
    }

    /// What `look` finds in the log that ends, for readers, at the end that it is given. If the log was cut meanwhile, or its start
    /// moved, what was found may be gone or of two logs: then it looks anew.
    pub(super) fn undisturbed<T>(&self, mut look: impl FnMut(LogEnd) -> Result<T>) -> Result<T> {
        loop {
            let (end, start) = (self.disk.log_end(), self.start());
            let found = look(end);
            if self.disk.log_end().cuts == end.cuts && self.start() == start {
                return found;
            }
        }
    }

    pub(super) fn segments(&self) -> arc_swap::Guard<Arc<Segments>> {
        self.disk.segments.load()
    }

    pub(super) fn store_segments(&self, segments: Segments) {
        self.disk.segments.store(Arc::new(segments));
    }

    pub(super) fn segment_options(&self) -> SegmentOptions {
        self.config.load().segment_options()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    pub(super) fn submit(&self, task: Task, delay_ms: i64) {
        self.task_queue().submit(task, self.now(), delay_ms);
    }

    pub(super) fn task_queue(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what the log left to be done later; the names of what ran, in order. Whoever opens a log calls this from time to time,
    /// or leaves it to a store.
    ///
    /// # Errors
    /// The first task's that fails; those behind it wait on.
    pub fn run_tasks(&self, which: RunTasks) -> Result<Vec<TaskName>> {
        let mut ran = Vec::new();
        loop {
            let next = self.task_queue().next(which, self.now());
            let Some(task) = next else {
                return Ok(ran);
            };
            ran.push(task.name());
            self.run(task)?;
        }
    }

    /// The names of the tasks that wait and run once, in the order in which they came.
    #[must_use]
    pub fn waiting_tasks(&self) -> Vec<TaskName> {
        self.task_queue().names()
    }

    fn run(&self, task: Task) -> Result<()> {
        match task {
            Task::Flush { snapshot, until } => {
                if let Some(snapshot) = snapshot {
                    super::producers::sync_snapshot(self.fs(), &snapshot)?;
                }
                self.disk.flush(until, until)
            }
            Task::WriteEpochs => {
                let mut writer = self.locked();
                self.write_epochs(&mut writer)
            }
            Task::WriteMetadata => {
                let mut writer = self.locked();
                self.write_topic_id(&mut writer)
            }
            Task::RemoveSegments(segments) => segments.iter().try_for_each(|segment| segment.remove_files()),
            Task::RemoveSnapshots(snapshots) => {
                snapshots.iter().try_for_each(|path| super::producers::remove_if_there(self.fs(), path))
            }
            Task::ExpireProducers => {
                self.expire_producers();
                self.submit(Task::ExpireProducers, super::tasks::EXPIRY_INTERVAL_MS);
                Ok(())
            }
        }
    }

    /// Forgets producers without an open transaction that were not heard of for `producer.id.expiration.ms`; how many are left.
    ///
    /// Kafka: `UnifiedLog.removeExpiredProducers`.
    pub fn expire_producers(&self) -> usize {
        let after_ms = self.config.load().producer_id_expiration_ms;
        let mut writer = self.locked();
        writer.producers.states_mut().expire(crate::producer::Expiry { now: self.now(), after_ms });
        writer.producers.states().iter().count()
    }
}
