//! The leader epochs of an open log, and the file that says them.

use std::sync::atomic::Ordering;

use super::Log;
use super::state::Writer;
use super::tasks::Task;
use crate::checkpoint::{EpochCheckpoint, EpochEntry, PartitionMetadata};
use crate::epoch::EpochEnd;
use crate::error::Result;
use crate::fs::replace;
use crate::units::{LeaderEpoch, Offset};

impl Log {
    /// Notes that the leader of `epoch` begins at `offset`, as an election does; durable when it returns. Epochs and offsets that do
    /// not rise push out those they contradict ([`crate::epoch::LeaderEpochs::assign`]).
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the file cannot be written.
    ///
    /// Kafka: `UnifiedLog.assignEpochStartOffset`.
    pub fn assign_epoch(&self, epoch: LeaderEpoch, offset: Offset) -> Result<()> {
        let mut writer = self.writer()?;
        if writer.epochs.assign(EpochEntry { epoch, start: offset }) {
            self.write_epochs(&mut writer)?;
        }
        Ok(())
    }

    /// Where `epoch` ends in this log; `None` if it is none that the log can know of ([`crate::epoch::LeaderEpochs::end_offset_for`]).
    ///
    /// Kafka: `UnifiedLog.endOffsetForEpoch`.
    #[must_use]
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        self.locked().epochs.end_offset_for(epoch, self.end())
    }

    /// The epochs and where they begin, rising.
    #[must_use]
    pub fn leader_epochs(&self) -> Vec<EpochEntry> {
        self.locked().epochs.iter().collect()
    }

    /// Writes the epochs down, durably.
    pub(super) fn write_epochs(&self, writer: &mut Writer) -> Result<()> {
        let bytes = writer.epochs.to_checkpoint().encode();
        replace(self.fs(), &self.dir().join(EpochCheckpoint::FILE_NAME), &bytes)
    }

    /// Forgets epochs that begin at `end` or later; a task writes it down.
    pub(super) fn cut_epochs(&self, writer: &mut Writer, end: Offset) {
        if writer.epochs.truncate_from_end(end) {
            self.submit(Task::WriteEpochs, 0);
        }
    }

    /// Writes the topic id down if that is still to be done.
    ///
    /// Kafka: `UnifiedLog.maybeFlushMetadataFile`.
    pub(super) fn write_topic_id(&self, writer: &mut Writer) -> Result<()> {
        if let Some(topic_id) = writer.unwritten_topic_id {
            let bytes = PartitionMetadata { version: 0, topic_id }.encode();
            replace(self.fs(), &self.dir().join(PartitionMetadata::FILE_NAME), &bytes)?;
            writer.unwritten_topic_id = None;
            self.has_unwritten_topic_id.store(false, Ordering::Release);
        }
        Ok(())
    }
}
