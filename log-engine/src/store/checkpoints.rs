//! The checkpoint files of a store's directories: what they say of its logs, and when they are written.

use std::sync::{Arc, Weak};

use super::{Shared, Store};
use crate::checkpoint::{OffsetCheckpoint, PartitionOffset};
use crate::error::Result;
use crate::log::{Closed, Log, RecoveryCheckpoint};
use crate::units::Offset;

impl Store {
    /// Writes the recovery points and the log starts of all directories, where they moved.
    ///
    /// # Errors
    /// [`crate::Error::Io`]: of the first directory that fails; the others are written.
    ///
    /// Kafka: `LogManager.checkpointLogRecoveryOffsets`, `checkpointLogStartOffsets`.
    pub fn write_recovery_points(&self) -> Result<()> {
        self.everywhere(|index| self.shared.write_recovery_points_in(index))
    }

    /// Writes the high watermarks of all directories, where they moved.
    ///
    /// # Errors
    /// As [`Self::write_recovery_points`].
    ///
    /// Kafka: `ReplicaManager.checkpointHighWatermarks`.
    pub fn write_high_watermarks(&self) -> Result<()> {
        self.everywhere(|index| {
            self.shared.write_in(index, OffsetCheckpoint::HIGH_WATERMARK, |log| Some(log.high_watermark()))
        })
    }

    /// Writes in every directory, whatever becomes of the others; the first error.
    fn everywhere(&self, write: impl Fn(usize) -> Result<()>) -> Result<()> {
        let count = self.directories().len();
        let mut result = Ok(());
        for written in (0..count).map(write) {
            result = result.and(written);
        }
        result
    }
}

impl Shared {
    /// What a log in the directory calls before its recovery point goes back.
    pub(super) fn checkpoint_of(self: &Arc<Self>, directory: usize) -> Arc<dyn RecoveryCheckpoint> {
        Arc::new(CheckpointOf { shared: Arc::downgrade(self), directory })
    }

    fn write_recovery_points_in(&self, index: usize) -> Result<()> {
        let points = self.write_in(index, OffsetCheckpoint::RECOVERY_POINT, |log| Some(log.recovery_checkpoint()));
        // No entry stands for a log that begins where its first segment does.
        let start_of = |Closed { log_start, .. }| Some(log_start).filter(|start| *start > Offset::ZERO);
        points.and(self.write_in(index, OffsetCheckpoint::LOG_START, |log| start_of(log.checkpoints())))
    }

    fn write_in(&self, index: usize, name: &'static str, of: impl Fn(&Log) -> Option<Offset>) -> Result<()> {
        // The directory first, so that of two writers the one with the newer offsets writes last.
        let mut directories = self.directories();
        let entries = {
            let partitions = self.partitions();
            let here = partitions.iter().filter(|(_, partition)| partition.directory == index);
            let entry =
                |(name, offset): (_, Option<Offset>)| Some(PartitionOffset { partition: name, offset: offset? });
            here.map(|(name, partition)| (name.clone(), of(&partition.log))).filter_map(entry).collect()
        };
        match directories.get_mut(index).filter(|directory| directory.is_online()) {
            Some(directory) => directory.write_checkpoint(self.fs.as_ref(), name, entries),
            None => Ok(()),
        }
    }
}

/// The recovery points of one directory, for the logs in it.
#[derive(Debug)]
struct CheckpointOf {
    shared: Weak<Shared>,
    directory: usize,
}

impl RecoveryCheckpoint for CheckpointOf {
    fn write(&self) -> Result<()> {
        match self.shared.upgrade() {
            Some(shared) => shared.write_recovery_points_in(self.directory),
            // Nobody reads the file of a store that is gone before the next one opens the log.
            None => Ok(()),
        }
    }
}
