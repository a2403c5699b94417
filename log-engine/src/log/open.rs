//! From a folder to an open log, and from an open log to files that a start without recovery can use.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::clock::{Clock, SystemClock};
use super::config::LogConfig;
use super::disk::LogDisk;
use super::load::{LoadOptions, RecoveryMode, RecoveryProgress, RecoveryReport, load};
use super::metadata::OffsetMetadata;
use super::state::{Log, Writer};
use super::tasks::{EXPIRY_INTERVAL_MS, Task, Tasks};
use super::ticket::Durability;
use crate::batch::Scratch;
use crate::checkpoint::{EpochCheckpoint, PartitionMetadata, Uuid};
use crate::error::{Error, Result, Rule};
use crate::fs::{OpenMode, WriteFs};
use crate::producer::Expiry;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{ArcSwap, ArcSwapOption, Mutex};
use crate::units::{FilePosition, Offset};

/// How a log is opened: what is known of it from outside its folder.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// What is done about damage.
    pub mode: RecoveryMode,
    /// The log was closed: nothing has to be recovered. Whoever says so must know it (Kafka: `.kafka_cleanshutdown`).
    pub clean: bool,
    /// The first offset that is not known to be durable (Kafka: `recovery-point-offset-checkpoint`); 0 checks everything.
    pub recovery_point: Offset,
    /// The first offset that may be read (Kafka: `log-start-offset-checkpoint`); 0 for all that is there.
    pub log_start: Offset,
    /// The topic's id. A log that is new keeps it; one that has another is not opened.
    pub topic_id: Option<Uuid>,
    /// Where the log asks for the time.
    pub clock: Arc<dyn Clock>,
    /// Told of recovery as it goes on.
    pub progress: Option<ProgressCallback>,
    /// Who writes the recovery point down where [`Self::recovery_point`] will come from next time.
    pub checkpoint: Option<Arc<dyn RecoveryCheckpoint>>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            mode: RecoveryMode::default(),
            clean: false,
            recovery_point: Offset::ZERO,
            log_start: Offset::ZERO,
            topic_id: None,
            clock: Arc::new(SystemClock::new()),
            progress: None,
            checkpoint: None,
        }
    }
}

/// Where a log's recovery point is written down. It may lag behind the log's, as [`Log::checkpoints`] says it from time to time; but
/// it must go back before the log is cut below it, or the next opening takes what a crash leaves there for damage.
pub trait RecoveryCheckpoint: fmt::Debug + Send + Sync {
    /// Writes down, durably, what [`Log::checkpoints`] says now.
    ///
    /// # Errors
    /// [`Error::Io`]; then the log is not cut.
    fn write(&self) -> Result<()>;
}

/// Who is told of recovery as it goes on; called from several threads.
#[derive(Clone)]
pub struct ProgressCallback(Arc<dyn Fn(RecoveryProgress) + Send + Sync>);

impl ProgressCallback {
    /// Lets `told` be told.
    #[must_use]
    pub fn new(told: impl Fn(RecoveryProgress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

impl fmt::Debug for ProgressCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressCallback").finish_non_exhaustive()
    }
}

/// Where a log was when it was closed: what the checkpoint files of its log directory have to say for the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Everything below is durable.
    pub recovery_point: Offset,
    /// The first offset that may be read.
    pub log_start: Offset,
}

impl Log {
    /// Opens the log in the folder `dir`, which is made if it is not there, and says what had to be done for it.
    ///
    /// One log at a time may be open on a folder; a `Store` sees to it. Takes no lock itself.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for damage that the mode does not mend and for a log of another topic id, [`Error::NotReadable`] where a file
    /// or folder is something else, [`Error::Io`]. Nothing was changed then in the modes `Strict` and `TornTail`.
    ///
    /// Kafka: `UnifiedLog.create`.
    pub fn open(
        fs: Arc<dyn WriteFs>,
        dir: &Path,
        config: LogConfig,
        options: OpenOptions,
    ) -> Result<(Self, RecoveryReport)> {
        if fs.stat(dir)?.is_none() {
            fs.create_dir(dir)?;
            if let Some(parent) = dir.parent() {
                fs.sync_dir(parent)?;
            }
        }
        if let Some(topic_id) = options.topic_id {
            super::epochs::check_topic_id(fs.as_ref(), dir, topic_id)?;
        }
        let now = options.clock.wall();
        let expiry = Expiry { now, after_ms: config.producer_id_expiration_ms };
        let how = LoadOptions {
            mode: options.mode,
            clean: options.clean,
            recovery_point: options.recovery_point,
            log_start: options.log_start,
            expiry,
            // What only the page cache has must not be promised again.
            trust_cache: config.durability != Durability::Synced,
            max_unsynced_bytes: config.max_unsynced_bytes,
            is_compacted: config.compact,
            progress: options.progress.as_ref().map(|callback| &*callback.0 as _),
        };
        let loaded = load(&fs, dir, &config, &how)?;
        let active = loaded
            .segments
            .last()
            .cloned()
            .ok_or_else(|| Error::corrupt(dir, FilePosition::START, Rule::Missing { what: "a segment" }))?;
        let (start, end, recovery_point) = (loaded.log_start, loaded.log_end, loaded.recovery_point);
        let disk = LogDisk::new(fs, dir.to_owned(), loaded.segments, start, end, recovery_point);
        disk.raise_recovery_point(start);
        if how.trust_cache {
            disk.believes_memory();
        }
        let log = Self {
            disk: Arc::new(disk),
            last_interval_sync: Mutex::new(options.clock.monotonic()),
            clock: options.clock,
            checkpoint: options.checkpoint,
            config: ArcSwap::from_pointee(config),
            high_watermark: ArcSwap::from_pointee(OffsetMetadata::only(loaded.log_start)),
            first_unstable: ArcSwapOption::empty(),
            is_unstable_stale: AtomicBool::new(false),
            epochs: ArcSwap::from_pointee(loaded.epochs.clone()),
            writer: Mutex::new(Writer {
                active,
                stored_end: loaded.log_end,
                epochs: loaded.epochs,
                producers: loaded.producers,
                unwritten_topic_id: None,
                scratch: Scratch::default(),
            }),
            tasks: Mutex::new(Tasks::default()),
            has_unwritten_topic_id: AtomicBool::new(false),
        };
        if !loaded.deleted.is_empty() {
            let delay = log.config.load().file_delete_delay_ms;
            log.submit(Task::RemoveSegments(loaded.deleted), delay);
            log.submit(Task::RemoveSnapshots(loaded.deleted_snapshots), delay);
        }
        if loaded.epochs_to_write {
            log.submit(Task::WriteEpochs, 0);
        }
        log.begin(options.topic_id)?;
        if options.mode != RecoveryMode::Kafka {
            log.remove_unfinished()?;
        }
        Ok((log, loaded.report))
    }

    /// Removes what is left of small files whose writing did not end. A broker leaves them where they are.
    fn remove_unfinished(&self) -> Result<()> {
        [EpochCheckpoint::FILE_NAME, PartitionMetadata::FILE_NAME]
            .iter()
            .try_for_each(|name| super::producers::remove_if_there(self.fs(), &self.dir().join(format!("{name}.tmp"))))
    }

    fn begin(&self, topic_id: Option<Uuid>) -> Result<()> {
        let mut writer = self.locked();
        self.update_first_unstable(&mut writer)?;
        writer.active.make_indexes()?;
        self.fs().open_write(&self.dir().join(EpochCheckpoint::FILE_NAME), OpenMode::Any)?;
        self.submit(Task::ExpireProducers, EXPIRY_INTERVAL_MS);
        let path = self.dir().join(PartitionMetadata::FILE_NAME);
        if self.fs().stat(&path)?.is_none() {
            writer.unwritten_topic_id = topic_id;
            self.has_unwritten_topic_id.store(topic_id.is_some(), Ordering::Release);
            self.submit(Task::WriteMetadata, 0);
        }
        Ok(())
    }

    pub(super) fn expiry(&self) -> Expiry {
        Expiry { now: self.now(), after_ms: self.config.load().producer_id_expiration_ms }
    }

    /// Closes the log so that the next start needs no recovery: indexes trimmed, everything synced, the producers written down. Work
    /// that waits is dropped; the next opening does what is left of it. Later calls that change the log fail.
    ///
    /// # Errors
    /// [`Error::Io`]: then the log was not closed cleanly, and the next start has to recover it. [`Error::Poisoned`].
    ///
    /// Kafka: `LogManager.shutdown` for one log.
    pub fn close(&self) -> Result<Closed> {
        {
            let writer = self.writer()?;
            writer.active.become_inactive()?;
        }
        self.flush(true)?;
        let mut writer = self.writer()?;
        self.write_topic_id(&mut writer)?;
        writer.producers.take_snapshot(self.fs(), true)?;
        for segment in self.segments().iter() {
            segment.close()?;
        }
        // The marker that is written next speaks for the snapshot's name, too.
        self.fs().sync_dir(self.dir())?;
        self.disk.close();
        self.task_queue().clear();
        Ok(Closed { recovery_point: self.recovery_point(), ..self.checkpoints() })
    }

    /// Takes no more writes, without a word to the disk: for a log whose folder goes.
    pub(crate) fn abandon(&self) {
        self.disk.close();
        self.task_queue().clear();
    }

    /// The recovery point as it is to be written down. It can lie below [`Self::recovery_point`]: the last index entries of a full
    /// segment are synced later than its batches, and a truncation inside a batch takes the whole batch, and what is appended then
    /// stands where it began.
    #[must_use]
    pub fn recovery_checkpoint(&self) -> Offset {
        self.disk.safe_recovery_point()
    }

    /// What the checkpoint files of the log directory have to say now, with [`Self::recovery_checkpoint`] for the recovery point.
    ///
    /// Kafka: `LogManager.checkpointRecoveryOffsetsInDir`, `checkpointLogStartOffsetsInDir`.
    #[must_use]
    pub fn checkpoints(&self) -> Closed {
        let first = self.segments().first().map_or(Offset::ZERO, |first| first.base());
        let log_start = self.start();
        Closed {
            recovery_point: self.recovery_checkpoint(),
            log_start: if log_start > first { log_start } else { Offset::ZERO },
        }
    }
}
