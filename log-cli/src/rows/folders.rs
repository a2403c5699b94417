//! Partition folders that are filled with batches: one alone, or all those of a log directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::checkpoint::Uuid;
use log_engine::log::{PartitionName, root_files};
use log_engine::{
    Batch, Fs, LeaderEpoch, Log, LogConfig, Offset, OpenOptions, OsFs, Store, StoreOptions, TopicPartition, Walk,
    WriteFs,
};

use super::{Batcher, Batching, Emptied, Refused, Row};
use crate::error::CliError;

/// Bytes of batches that are collected before they are appended.
const PIECE: u64 = 256 << 10;

/// Partition folders on their way. Dropped before [`Self::finish`], they are as after a crash.
#[derive(Debug)]
pub(crate) struct Folders {
    place: Place,
    config: LogConfig,
    how: Batching,
    /// The ids that new partitions are given.
    topic_ids: BTreeMap<TopicPartition, Uuid>,
    open: BTreeMap<TopicPartition, Filling>,
}

#[derive(Debug)]
enum Place {
    /// A log directory, under its lock.
    Directory(Box<Store>),
    /// A folder that is one partition, whatever the records say of theirs.
    Folder(PathBuf, TopicPartition),
    /// Folders of partitions side by side, of no log directory.
    Loose(PathBuf),
}

/// One partition on its way.
#[derive(Debug)]
struct Filling {
    log: Arc<Log>,
    batcher: Batcher,
    buffer: Vec<u8>,
    written: Written,
}

/// What was written of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) partition: TopicPartition,
    pub(crate) records: u64,
    pub(crate) batches: u64,
    pub(crate) bytes: u64,
    /// The first offset, and the one behind the last.
    pub(crate) offsets: std::ops::Range<i64>,
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWritten {
    /// No batch can hold it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The log or the disk says no.
    #[error(transparent)]
    Failed(#[from] CliError),
}

impl NotWritten {
    /// As the end of a command.
    pub(crate) fn at_the_end(self) -> CliError {
        match self {
            Self::Failed(error) => error,
            Self::Refused(refused) => CliError::Refused { message: refused.to_string(), hint: None },
        }
    }

    /// As the end of a walk over what was to be written. What the engine says of the output is no fault of what is read.
    pub(crate) fn while_walking(self, partition: &TopicPartition) -> CliError {
        match self {
            Self::Failed(CliError::Engine(error)) => CliError::Output(std::io::Error::other(error)),
            Self::Failed(error) => error,
            Self::Refused(refused) => CliError::Refused { message: format!("{partition}: {refused}"), hint: None },
        }
    }
}

impl From<log_engine::Error> for NotWritten {
    fn from(error: log_engine::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// That nothing is in `dir`, which need not be there, and that no broker runs on the log directory around it.
pub(crate) fn check_unused(dir: &Path) -> Result<(), CliError> {
    if OsFs.stat(dir)?.is_some() && !OsFs.list(dir)?.is_empty() {
        return Err(CliError::Refused {
            message: format!("{} is not empty", dir.display()),
            hint: Some("name a folder that is empty or not there yet".to_owned()),
        });
    }
    let around = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if OsFs.lock_holder(&around.join(root_files::LOCK))?.is_some() {
        return Err(CliError::Refused {
            message: format!("{} is in use", around.display()),
            hint: Some("a broker or another program has its lock: write elsewhere".to_owned()),
        });
    }
    Ok(())
}

/// The partition that a folder's name says.
pub(crate) fn one_partition(dir: &Path) -> Option<TopicPartition> {
    dir.file_name().and_then(|name| PartitionName::parse(name.to_str()?)).map(|name| name.partition)
}

fn make_parents(dir: &Path) -> Result<(), CliError> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    let failed = |source| log_engine::Error::Io { op: "create", path: parent.to_owned(), source };
    Ok(std::fs::create_dir_all(parent).map_err(failed)?)
}

/// The settings of a log that is filled with what another had: nothing rolls, goes or is refused because of its age.
pub(crate) fn config(segment_bytes: u64) -> LogConfig {
    LogConfig {
        segment_bytes,
        segment_ms: i64::MAX,
        retention_ms: None,
        file_delete_delay_ms: 0,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    }
}

impl Folders {
    /// The folder of one partition, if `dir` is named like one; else a log directory with a folder for each partition.
    pub(crate) fn open(dir: &Path, config: LogConfig, how: Batching) -> Result<Self, CliError> {
        make_parents(dir)?;
        match one_partition(dir) {
            Some(partition) => Ok(Self::at(Place::Folder(dir.to_owned(), partition), config, how)),
            None => Self::directory(dir, config, how),
        }
    }

    /// The folder of one partition, if `dir` is named like one; else folders of partitions in it, ready to be moved into a log directory.
    pub(crate) fn loose(dir: &Path, config: LogConfig, how: Batching) -> Result<Self, CliError> {
        make_parents(dir)?;
        let place = match one_partition(dir) {
            Some(partition) => Place::Folder(dir.to_owned(), partition),
            None => {
                OsFs.create_dir(dir)?;
                Place::Loose(dir.to_owned())
            }
        };
        Ok(Self::at(place, config, how))
    }

    /// A log directory with a folder for each partition. What is there already is opened and goes on.
    pub(crate) fn directory(dir: &Path, config: LogConfig, how: Batching) -> Result<Self, CliError> {
        make_parents(dir)?;
        let fs: Arc<dyn WriteFs> = Arc::new(OsFs);
        let options = StoreOptions { config: config.clone(), ..StoreOptions::default() };
        let (store, mut report) = Store::open(fs, &[dir.to_owned()], options)?;
        if let Some((_, error)) = report.directories.iter_mut().find_map(|told| told.failed.pop()) {
            return Err(error.into());
        }
        Ok(Self::at(Place::Directory(Box::new(store)), config, how))
    }

    const fn at(place: Place, config: LogConfig, how: Batching) -> Self {
        Self { place, config, how, topic_ids: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// A partition that is made gets this topic id; without one it has none.
    pub(crate) fn set_topic_id(&mut self, partition: TopicPartition, topic_id: Uuid) {
        self.topic_ids.insert(partition, topic_id);
    }

    /// The partition whose name records have to bear, or may leave out.
    pub(crate) const fn only(&self) -> Option<&TopicPartition> {
        match &self.place {
            Place::Folder(_, partition) => Some(partition),
            Place::Directory(_) | Place::Loose(_) => None,
        }
    }

    /// The offset behind the last one of a partition; `None` if there is no such partition yet.
    pub(crate) fn end(&self, partition: &TopicPartition) -> Option<i64> {
        if let Some(filling) = self.open.get(partition) {
            return Some(filling.batcher.end());
        }
        match &self.place {
            Place::Directory(store) => store.log(partition).map(|log| log.end().get()),
            Place::Folder(..) | Place::Loose(_) => None,
        }
    }

    /// Adds a record to a partition, which is made if it is not there.
    pub(crate) fn add(&mut self, partition: &TopicPartition, row: &Row) -> Result<(), NotWritten> {
        let first = row.batch.first_offset.zip(row.offset).map(|(first, offset)| first.min(offset));
        let filling = self.filling(partition, first.or(row.offset).unwrap_or(0))?;
        filling.batcher.add(row, &mut filling.buffer)?;
        filling.written.records = filling.written.records.saturating_add(1);
        self.append_if_due(partition)
    }

    /// Adds a batch without records.
    pub(crate) fn add_emptied(&mut self, partition: &TopicPartition, emptied: &Emptied) -> Result<(), NotWritten> {
        let filling = self.filling(partition, emptied.batch.first_offset.unwrap_or(0))?;
        filling.batcher.add_emptied(emptied, &mut filling.buffer)?;
        self.append_if_due(partition)
    }

    /// Adds a whole batch as it is: of so many records, the first of which is at `first`.
    pub(crate) fn add_batch(
        &mut self,
        partition: &TopicPartition,
        batch: &Batch<'_>,
        first: i64,
        records: u64,
    ) -> Result<(), NotWritten> {
        let filling = self.filling(partition, first)?;
        filling.batcher.pass(batch, first, &mut filling.buffer)?;
        filling.written.records = filling.written.records.saturating_add(records);
        self.append_if_due(partition)
    }

    fn append_if_due(&mut self, partition: &TopicPartition) -> Result<(), NotWritten> {
        let limit = self.config.segment_bytes.min(PIECE);
        match self.open.get_mut(partition) {
            Some(filling) if filling.buffer.len() as u64 >= limit => Ok(filling.append(limit)?),
            _ => Ok(()),
        }
    }

    /// Appends what came so far, also of batches that go on.
    pub(crate) fn cut(&mut self) -> Result<(), NotWritten> {
        let limit = self.config.segment_bytes.min(PIECE);
        for filling in self.open.values_mut() {
            filling.batcher.cut(&mut filling.buffer)?;
            filling.append(limit)?;
        }
        Ok(())
    }

    /// Appends the rest and closes everything, so that a start needs no recovery. A folder for which nothing came is an empty log.
    pub(crate) fn finish(mut self) -> Result<Vec<Written>, NotWritten> {
        let limit = self.config.segment_bytes.min(PIECE);
        let mut written = Vec::new();
        if let (Place::Folder(_, partition), true) = (&self.place, self.open.is_empty()) {
            let partition = partition.clone();
            self.filling(&partition, 0)?;
        }
        for filling in self.open.values_mut() {
            filling.batcher.finish(&mut filling.buffer)?;
            filling.append(limit)?;
            filling.log.set_high_watermark(filling.log.end())?;
            filling.written.offsets.end = filling.log.end().get();
            written.push(filling.written.clone());
        }
        match self.place {
            Place::Directory(store) => store.close()?,
            Place::Folder(..) | Place::Loose(_) => {
                for filling in self.open.values() {
                    filling.log.close()?;
                }
            }
        }
        Ok(written)
    }

    fn filling(&mut self, partition: &TopicPartition, first: i64) -> Result<&mut Filling, CliError> {
        // Twice, because a borrow that is returned is held in the branch that makes a new one, too.
        if !self.open.contains_key(partition) {
            let log = self.log(partition, Offset::new(first))?;
            let end = log.end().get();
            let written = Written { partition: partition.clone(), records: 0, batches: 0, bytes: 0, offsets: end..end };
            let batcher = Batcher::new(self.how, end);
            self.open.insert(partition.clone(), Filling { log, batcher, buffer: Vec::new(), written });
        }
        let none = || CliError::usage(format!("{partition} is not open"));
        self.open.get_mut(partition).ok_or_else(none)
    }

    /// The log of a partition; a new one begins at `first`.
    fn log(&self, partition: &TopicPartition, first: Offset) -> Result<Arc<Log>, CliError> {
        let topic_id = self.topic_ids.get(partition).copied();
        let alone = |dir: &Path| {
            let options = OpenOptions { log_start: first, clean: true, topic_id, ..OpenOptions::default() };
            let (log, _) = Log::open(Arc::new(OsFs), dir, self.config.clone(), options)?;
            Ok(Arc::new(log))
        };
        match &self.place {
            Place::Folder(dir, _) => alone(dir),
            Place::Loose(dir) => alone(&dir.join(partition.to_string())),
            Place::Directory(store) => {
                if let Some(log) = store.log(partition) {
                    return Ok(log);
                }
                let log = store.create(partition, topic_id)?;
                if first > Offset::ZERO {
                    log.truncate_fully_and_start_at(first, None)?;
                    log.tick()?;
                }
                Ok(log)
            }
        }
    }
}

impl Filling {
    /// Appends what is collected, in pieces of at most `limit` bytes or one batch.
    fn append(&mut self, limit: u64) -> Result<(), CliError> {
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            let mut piece = 0;
            let mut batches = 0_u64;
            for (_, batch) in Walk::new(rest) {
                let len =
                    batch.map_err(log_engine::Refusal::CorruptMessage).map_err(log_engine::Error::from)?.bytes().len();
                if piece > 0 && (piece + len) as u64 > limit {
                    break;
                }
                piece += len;
                batches += 1;
            }
            let (now, later) = rest.split_at_checked(piece).unwrap_or((rest, &[]));
            self.log.append_as_follower(now, LeaderEpoch::new(i32::MAX))?;
            self.written.batches = self.written.batches.saturating_add(batches);
            self.written.bytes = self.written.bytes.saturating_add(now.len() as u64);
            rest = later;
        }
        self.buffer.clear();
        Ok(())
    }
}
