//! All partitions under one or more log directories: opened together, looked up by name, kept, and closed so that the next start is
//! quick.
//!
//! Knows which directory a partition is in and what the files at a directory's root say; what is in a partition's folder is `log`'s.

mod checkpoints;
mod close;
mod delete;
mod directory;
mod open;
mod options;
mod upkeep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use options::{DirectoryReport, Identity, StoreOptions, StoreReport};
pub use upkeep::{TickReport, Upkeep};

use self::directory::DataDirectory;
use self::upkeep::Schedule;
use crate::checkpoint::Uuid;
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::log::{Log, OpenOptions};
use crate::units::TopicPartition;

/// Partitions and the directories they are in.
///
/// Kafka: `LogManager`.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    options: StoreOptions,
    schedule: Mutex<Schedule>,
}

/// What the logs of a store reach back to.
#[derive(Debug)]
struct Shared {
    fs: Arc<dyn WriteFs>,
    directories: Mutex<Vec<DataDirectory>>,
    partitions: RwLock<BTreeMap<TopicPartition, Partition>>,
}

/// A partition that is open.
#[derive(Clone, Debug)]
struct Partition {
    log: Arc<Log>,
    /// Which of the directories it is in.
    directory: usize,
}

/// The longest name of a topic. Kafka: `Topic.MAX_NAME_LENGTH`.
pub const MAX_TOPIC_LEN: usize = 249;

impl Store {
    /// The log of a partition, if it is open.
    #[must_use]
    pub fn log(&self, partition: &TopicPartition) -> Option<Arc<Log>> {
        self.partitions().get(partition).map(|found| Arc::clone(&found.log))
    }

    /// The partitions that are open, in order.
    #[must_use]
    pub fn list(&self) -> Vec<TopicPartition> {
        self.partitions().keys().cloned().collect()
    }

    /// The log of a partition; a new one if there is none, in the online directory that holds the fewest, or in the next one if no
    /// folder can be made there.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for a name that Kafka does not allow, or if no directory is online; [`Error::Corrupt`] if the log that
    /// there is has another topic id; else as [`Log::open`].
    ///
    /// Kafka: `LogManager.getOrCreateLog`.
    pub fn create(&self, partition: &TopicPartition, topic_id: Option<Uuid>) -> Result<Arc<Log>> {
        check_name(partition)?;
        let mut partitions = self.partitions_mut();
        if let Some(found) = partitions.get(partition) {
            topic_id.map_or(Ok(()), |topic_id| found.log.check_topic_id(topic_id))?;
            return Ok(Arc::clone(&found.log));
        }
        let (directory, folder) = self.make_folder(&partitions, partition)?;
        let options = OpenOptions {
            mode: self.options.mode,
            clean: true,
            topic_id,
            clock: Arc::clone(&self.options.clock),
            checkpoint: Some(self.shared.checkpoint_of(directory)),
            ..OpenOptions::default()
        };
        let (log, _) =
            Log::open(Arc::clone(&self.shared.fs), &folder, self.options.config_of(&partition.topic), options)?;
        let log = Arc::new(log);
        partitions.insert(partition.clone(), Partition { log: Arc::clone(&log), directory });
        Ok(log)
    }

    /// Kafka: `LogManager.createLogDirectory`, for one directory after the other.
    fn make_folder(
        &self,
        partitions: &BTreeMap<TopicPartition, Partition>,
        partition: &TopicPartition,
    ) -> Result<(usize, PathBuf)> {
        let path = self.directories().first().map(|directory| directory.path.clone()).unwrap_or_default();
        let mut failed = Error::NotReadable { path, what: "no log directory is online" };
        for (nth, (index, path)) in self.emptiest_first(partitions).into_iter().enumerate() {
            let folder = path.join(partition.to_string());
            match self.make_if_missing(&folder) {
                Ok(()) => {
                    self.fs().sync_dir(&path)?;
                    return Ok((index, folder));
                }
                Err(error) if nth == 0 => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    fn make_if_missing(&self, folder: &Path) -> Result<()> {
        match self.fs().stat(folder)? {
            Some(_) => Ok(()),
            None => self.fs().create_dir(folder),
        }
    }

    /// The directories that are online, and which they are.
    fn emptiest_first(&self, partitions: &BTreeMap<TopicPartition, Partition>) -> Vec<(usize, PathBuf)> {
        let directories = self.directories();
        let online = directories.iter().enumerate().filter(|(_, directory)| directory.is_online());
        let mut online: Vec<_> = online.map(|(index, directory)| (index, directory.path.clone())).collect();
        online.sort_by_key(|(index, _)| partitions.values().filter(|partition| partition.directory == *index).count());
        online
    }

    /// Takes a directory out of use after `error`: its partitions are gone from the store, those of the others stay.
    ///
    /// Kafka: `ReplicaManager.handleLogDirFailure`.
    pub fn take_offline(&self, directory: &Path) {
        let mut directories = self.directories();
        let Some(index) = directories.iter().position(|known| known.path == directory) else { return };
        if let Some(failed) = directories.get_mut(index) {
            failed.lock = None;
        }
        drop(directories);
        self.partitions_mut().retain(|_, partition| partition.directory != index);
    }

    fn fs(&self) -> &dyn WriteFs {
        self.shared.fs.as_ref()
    }

    fn directories(&self) -> MutexGuard<'_, Vec<DataDirectory>> {
        self.shared.directories()
    }

    fn partitions(&self) -> RwLockReadGuard<'_, BTreeMap<TopicPartition, Partition>> {
        self.shared.partitions()
    }

    fn partitions_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<TopicPartition, Partition>> {
        self.shared.partitions.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn directories(&self) -> MutexGuard<'_, Vec<DataDirectory>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn partitions(&self) -> RwLockReadGuard<'_, BTreeMap<TopicPartition, Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Kafka allows the name: 1 to [`MAX_TOPIC_LEN`] characters of `[a-zA-Z0-9._-]`, not `.` or `..`, and a number from 0 on. No
/// folder with another name is ever made.
///
/// Kafka: `Topic.validate`.
fn check_name(partition: &TopicPartition) -> Result<()> {
    let topic = &partition.topic;
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name = !topic.is_empty() && topic.len() <= MAX_TOPIC_LEN && topic.bytes().all(is_legal);
    if is_name && topic != "." && topic != ".." && partition.partition >= 0 {
        return Ok(());
    }
    Err(Error::NotReadable { path: PathBuf::from(partition.to_string()), what: "not the name of a partition" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_kafka_allows_become_folders() {
        let is_allowed =
            |topic: &str, partition| check_name(&TopicPartition { topic: topic.to_owned(), partition }).is_ok();
        let longest = "x".repeat(MAX_TOPIC_LEN);
        assert!(is_allowed("a.b_c-D9", 0) && is_allowed(&longest, i32::MAX) && is_allowed("...", 0));
        let longer = "x".repeat(MAX_TOPIC_LEN + 1);
        for topic in ["", ".", "..", "a/b", "a b", "ä", "a\0", &longer] {
            assert!(!is_allowed(topic, 0), "{topic}");
        }
        assert!(!is_allowed("a", -1));
    }
}
