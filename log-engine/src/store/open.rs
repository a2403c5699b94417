//! Opening a store: every directory, and every partition in it, several at a time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use super::directory::{DataDirectory, Known};
use super::options::{DirectoryReport, Identity, StoreOptions, StoreReport};
use super::upkeep::Schedule;
use super::{Partition, Shared, Store};
use crate::checkpoint::{OffsetCheckpoint, Uuid};
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::log::{
    DirectoryState, Log, LogDirectory, OpenOptions, PartitionName, RecoveryReport, available_threads, parallel,
    root_files,
};
use crate::units::{Offset, TopicPartition};

/// A log that is to be opened.
struct Pending {
    directory: usize,
    folder: PathBuf,
    partition: TopicPartition,
    options: OpenOptions,
    high_watermark: Offset,
    /// What the checkpoint files say of it.
    known: BTreeMap<&'static str, Offset>,
}

impl Store {
    /// Opens all partitions under `directories`, which are made where they are missing. A directory that cannot be opened, and a log
    /// that cannot, do not keep the others from being opened: the report tells.
    ///
    /// Each directory's `.lock` is taken as a broker takes it, and held until the store is dropped: two processes never write one.
    ///
    /// # Errors
    /// [`Error::NotReadable`] if no directory is given, or none can be opened: then the first one's error.
    ///
    /// Kafka: `LogManager.loadLogs`.
    pub fn open(fs: Arc<dyn WriteFs>, directories: &[PathBuf], options: StoreOptions) -> Result<(Self, StoreReport)> {
        let mut report = StoreReport::default();
        let mut taken = Vec::new();
        let mut pending = Vec::new();
        let mut removals = Vec::new();
        for (index, path) in directories.iter().enumerate() {
            let mut told = DirectoryReport::new(path.clone());
            match open_directory(fs.as_ref(), path, index, &options, &mut told) {
                Ok((directory, found)) => {
                    taken.push(directory);
                    pending.extend(found);
                }
                Err(error) => {
                    taken.push(DataDirectory::offline(path.clone()));
                    told.offline = Some(error);
                }
            }
            removals.extend(told.to_be_removed.iter().cloned());
            report.directories.push(told);
        }
        if !taken.iter().any(DataDirectory::is_online) {
            let none = || Error::NotReadable { path: PathBuf::new(), what: "no log directory was given" };
            return Err(report.directories.iter_mut().find_map(|told| told.offline.take()).unwrap_or_else(none));
        }
        let store = Self {
            schedule: Mutex::new(Schedule::new(options.clock.wall(), removals)),
            options,
            shared: Arc::new(Shared { fs, directories: Mutex::new(taken), partitions: RwLock::default() }),
        };
        store.open_logs(pending, &mut report);
        Ok((store, report))
    }

    fn open_logs(&self, pending: Vec<Pending>, report: &mut StoreReport) {
        for log in &pending {
            // Until it is open.
            if let Some(directory) = self.directories().get_mut(log.directory) {
                directory.unopened.insert(log.partition.clone(), log.known.clone());
            }
        }
        let pending = without_twins(pending, report);
        let threads = self.options.threads.unwrap_or_else(available_threads);
        let opened = parallel(threads, &pending, |log| self.open_log(log));
        let mut partitions = self.partitions_mut();
        for (log, opened) in pending.into_iter().zip(opened) {
            let Some(told) = report.directories.get_mut(log.directory) else { continue };
            match opened {
                Ok((open, recovery)) => {
                    told.opened.push((log.partition.clone(), recovery));
                    if let Some(directory) = self.directories().get_mut(log.directory) {
                        directory.unopened.remove(&log.partition);
                    }
                    partitions.insert(log.partition, Partition { log: Arc::new(open), directory: log.directory });
                }
                Err(error) => told.failed.push((log.partition.clone(), error)),
            }
        }
        drop(partitions);
        self.note_unopened(report);
    }

    /// A marker would let the next start skip the recovery of logs that are not open, too: none is left then.
    fn note_unopened(&self, report: &StoreReport) {
        for (directory, told) in self.directories().iter_mut().zip(&report.directories) {
            directory.may_be_marked &= told.failed.is_empty();
        }
    }

    fn open_log(&self, pending: &Pending) -> Result<(Log, RecoveryReport)> {
        let config = self.options.config_of(&pending.partition.topic);
        let checkpoint = Some(self.shared.checkpoint_of(pending.directory));
        let options = OpenOptions { checkpoint, ..pending.options.clone() };
        let (log, report) = Log::open(Arc::clone(&self.shared.fs), &pending.folder, config, options)?;
        log.set_high_watermark(pending.high_watermark)?;
        Ok((log, report))
    }
}

/// A partition in two directories is opened in neither: nobody can say which is the right one.
fn without_twins(pending: Vec<Pending>, report: &mut StoreReport) -> Vec<Pending> {
    let mut count: BTreeMap<TopicPartition, usize> = BTreeMap::new();
    for log in &pending {
        let known = count.entry(log.partition.clone()).or_default();
        *known = known.saturating_add(1);
    }
    let (single, twins): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|log| count.get(&log.partition).is_none_or(|count| *count == 1));
    for twin in twins {
        if let Some(told) = report.directories.get_mut(twin.directory) {
            let error =
                Error::NotReadable { path: twin.folder, what: "the partition is in another log directory, too" };
            told.failed.push((twin.partition, error));
        }
    }
    single
}

fn open_directory(
    fs: &dyn WriteFs,
    path: &Path,
    index: usize,
    options: &StoreOptions,
    report: &mut DirectoryReport,
) -> Result<(DataDirectory, Vec<Pending>)> {
    let identity = options.identity.as_ref().map(|identity| numbered(identity, index));
    let (mut directory, known) = DataDirectory::take(fs, path, identity.as_ref(), report)?;
    report.was_clean = known.is_clean;
    let listed = LogDirectory::list(fs, path)?;
    let mut pending = Vec::new();
    for (name, folder) in listed.partitions {
        // What is left alone is recovered by who takes it up, unless it was closed cleanly before.
        directory.may_be_marked &=
            known.is_clean || matches!(name.state, DirectoryState::Live | DirectoryState::Delete);
        match name.state {
            DirectoryState::Live if !is_metadata_log(&folder) => {
                pending.push(to_open(name, folder, index, &known, options));
            }
            DirectoryState::Delete => report.to_be_removed.push(folder),
            DirectoryState::Live | DirectoryState::Future | DirectoryState::Stray => report.left_alone.push(folder),
        }
    }
    report.left_alone.extend(listed.foreign.iter().map(|name| path.join(name)));
    directory.begin(fs)?;
    Ok((directory, pending))
}

/// The metadata log has rules of its own; the Raft layer of a broker opens it.
fn is_metadata_log(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == root_files::METADATA_LOG)
}

fn to_open(name: PartitionName, folder: PathBuf, directory: usize, known: &Known, options: &StoreOptions) -> Pending {
    let partition = name.partition;
    Pending {
        directory,
        folder,
        options: OpenOptions {
            mode: options.mode,
            clean: known.is_clean,
            recovery_point: known.offset(&partition, OffsetCheckpoint::RECOVERY_POINT),
            log_start: known.offset(&partition, OffsetCheckpoint::LOG_START),
            topic_id: None,
            clock: Arc::clone(&options.clock),
            ..OpenOptions::default()
        },
        high_watermark: known.offset(&partition, OffsetCheckpoint::HIGH_WATERMARK),
        known: known.offsets.get(&partition).cloned().unwrap_or_default(),
        partition,
    }
}

/// The identity of the directory at `index`, whose id no other has.
fn numbered(identity: &Identity, index: usize) -> Identity {
    let [a, b, c, d, e, f, g, h, rest @ ..] = identity.directory_id.to_bytes();
    let low = u64::from_be_bytes(rest).wrapping_add(index as u64).to_be_bytes();
    let mut bytes = [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Some(place) = bytes.get_mut(8..) {
        place.copy_from_slice(&low);
    }
    Identity { directory_id: Uuid::from_bytes(bytes), ..identity.clone() }
}
