//! Deleting partitions: out of the store and under another name at once, from the disk later.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::Store;
use super::upkeep::TickReport;
use crate::checkpoint::Uuid;
use crate::error::Result;
use crate::fs::{Kind, WriteFs};
use crate::log::DirectoryState;
use crate::units::{Timestamp, TopicPartition};

/// The longest name a folder may have. Kafka cuts the topic so that suffixed names fit.
const MAX_FOLDER_NAME: usize = 255;

impl Store {
    /// Deletes a partition; whether there was one. Its folder gets a name that says so, with `id` in it, which must be new, and is
    /// removed by upkeep after `file.delete.delay.ms`. Durable when it returns: the partition does not come back.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the folder cannot be renamed.
    ///
    /// Kafka: `LogManager.asyncDelete`.
    pub fn delete(&self, partition: &TopicPartition, id: Uuid) -> Result<bool> {
        let mut partitions = self.partitions_mut();
        let Some(found) = partitions.get(partition) else {
            return Ok(false);
        };
        let from = found.log.path().to_owned();
        let to = from.with_file_name(folder_name(partition, id, DirectoryState::Delete));
        let delay = found.log.config().file_delete_delay_ms;
        found.log.abandon();
        self.fs().rename(&from, &to)?;
        if let Some(parent) = from.parent() {
            self.fs().sync_dir(parent)?;
        }
        partitions.remove(partition);
        drop(partitions);
        self.write_recovery_points()?;
        let due = Timestamp::new(self.options.clock.wall().get().saturating_add(delay));
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner).removals.push((due, to));
        Ok(true)
    }

    pub(super) fn remove_folders(&self, now: Timestamp, report: &mut TickReport) {
        let due: Vec<PathBuf> = {
            let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
            let (due, later) = std::mem::take(&mut schedule.removals).into_iter().partition(|(at, _)| *at <= now);
            schedule.removals = later;
            let due: Vec<(Timestamp, PathBuf)> = due;
            due.into_iter().map(|(_, folder)| folder).collect()
        };
        for folder in due {
            match remove_folder(self.fs(), &folder) {
                Ok(()) => report.folders_removed = report.folders_removed.saturating_add(1),
                Err(error) => {
                    report.failed.push((None, error));
                    self.schedule.lock().unwrap_or_else(PoisonError::into_inner).removals.push((now, folder));
                }
            }
        }
    }
}

/// `<topic>-<number>.<id without dashes>-delete`, the topic cut where that is too long for a folder.
///
/// Kafka: `LocalLog.logDeleteDirName`.
fn folder_name(partition: &TopicPartition, id: Uuid, state: DirectoryState) -> String {
    let id: String = id.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let rest = format!("-{}.{id}{}", partition.partition, state.suffix());
    let room = MAX_FOLDER_NAME.saturating_sub(rest.len()).min(partition.topic.len());
    format!("{}{rest}", partition.topic.get(..room).unwrap_or(&partition.topic))
}

/// Removes the files of a folder and then the folder. What is in it that is no file keeps it there.
fn remove_folder(fs: &dyn WriteFs, folder: &Path) -> Result<()> {
    if fs.stat(folder)?.is_none() {
        return Ok(());
    }
    for entry in fs.list(folder)? {
        if matches!(entry.stat.kind, Kind::File | Kind::Link | Kind::Special) {
            fs.remove(&folder.join(entry.name))?;
        }
    }
    fs.remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::PartitionName;

    // conformance: LLG-032
    #[test]
    fn a_deleted_folder_is_known_for_what_it_was_and_fits_a_file_name() {
        let id = Uuid::from_bytes([0xab; 16]);
        let partition = TopicPartition { topic: "orders".to_owned(), partition: 12 };
        let name = folder_name(&partition, id, DirectoryState::Delete);
        assert_eq!(name, format!("orders-12.{}-delete", "ab".repeat(16)));
        let parsed = PartitionName::parse(&name).unwrap();
        assert_eq!((parsed.partition, parsed.state), (partition, DirectoryState::Delete));
        assert!(name.len() == "orders-12.-delete".len() + 32 && !name.ends_with(DirectoryState::Future.suffix()));
        let long = TopicPartition { topic: "x".repeat(249), partition: 5 };
        let name = folder_name(&long, id, DirectoryState::Delete);
        assert_eq!(name.len(), MAX_FOLDER_NAME);
        assert_eq!(PartitionName::parse(&name).unwrap().partition.topic, "x".repeat(255 - 42));
    }
}
