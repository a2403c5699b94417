//! The leader epochs of an open log and the id of its topic, and the files that say them.

use std::path::Path;
use std::sync::Arc;

use super::Log;
use super::state::Writer;
use super::tasks::Task;
use crate::checkpoint::{EpochCheckpoint, EpochEntry, MAX_TEXT_BYTES, PartitionMetadata, Uuid};
use crate::epoch::{EpochEnd, LeaderEpochs};
use crate::error::{Error, Refusal, Result, Rule};
use crate::fs::{Fs, Source, WriteFs, replace};
use crate::plant::Fault;
use crate::sync::atomic::Ordering;
use crate::units::{FilePosition, LeaderEpoch, Offset};

impl Log {
    /// Notes that the leader of `epoch` begins at `offset`, as an election does; durable when it returns. Epochs and offsets that do
    /// not rise push out those they contradict ([`crate::epoch::LeaderEpochs::assign`]).
    ///
    /// # Errors
    /// [`Refusal::InvalidLeaderEpoch`] for negative values; [`crate::Error::Io`] where the file cannot be written.
    ///
    /// Kafka: `UnifiedLog.assignEpochStartOffset`.
    pub fn assign_epoch(&self, epoch: LeaderEpoch, offset: Offset) -> Result<()> {
        let mut writer = self.writer()?;
        self.note_epoch(&mut writer, EpochEntry { epoch, start: offset })
    }

    /// Notes where an epoch begins, durably.
    ///
    /// Kafka: `LeaderEpochFileCache.assign`.
    pub(super) fn note_epoch(&self, writer: &mut Writer, entry: EpochEntry) -> Result<()> {
        if entry.epoch < LeaderEpoch::new(0) || entry.start < Offset::ZERO {
            return Err(Refusal::InvalidLeaderEpoch { epoch: entry.epoch.get(), offset: entry.start.get() }.into());
        }
        if writer.epochs.knows(entry) {
            return Ok(());
        }
        let mut epochs = writer.epochs.clone();
        epochs.assign(entry);
        self.change_epochs(writer, epochs)
    }

    /// Takes over other epochs, durably; the old ones stay if that fails. Epochs that only memory knows would never be written down: the
    /// next append of such an epoch finds it known.
    pub(super) fn change_epochs(&self, writer: &mut Writer, epochs: LeaderEpochs) -> Result<()> {
        let old = std::mem::replace(&mut writer.epochs, epochs);
        let written = self.write_epochs(writer);
        if written.is_err() {
            writer.epochs = old;
            self.publish_epochs(writer);
        }
        written
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

    /// Lets readers see the epochs as they are now.
    pub(super) fn publish_epochs(&self, writer: &Writer) {
        self.epochs.store(Arc::new(writer.epochs.clone()));
    }

    /// Lets readers see the epochs and writes them down, durably.
    pub(super) fn write_epochs(&self, writer: &mut Writer) -> Result<()> {
        self.publish_epochs(writer);
        let bytes = writer.epochs.to_checkpoint().encode();
        replace(self.fs(), &self.dir().join(EpochCheckpoint::FILE_NAME), &bytes)
    }

    /// Forgets epochs that begin at `end` or later; a task writes it down.
    pub(super) fn cut_epochs(&self, writer: &mut Writer, end: Offset) {
        if !Fault::EpochsNotCut.is_planted() && writer.epochs.truncate_from_end(end) {
            self.publish_epochs(writer);
            self.submit(Task::WriteEpochs, 0);
        }
    }

    /// That the log is of the topic with this id, as far as it knows of which.
    ///
    /// # Errors
    /// As [`check_topic_id`].
    pub(crate) fn check_topic_id(&self, topic_id: Uuid) -> Result<()> {
        match self.locked().unwritten_topic_id {
            Some(known) => compare(&self.dir().join(PartitionMetadata::FILE_NAME), known, topic_id),
            None => check_topic_id(self.fs(), self.dir(), topic_id),
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

/// That the folder `dir` is of the topic with this id, if it says of which.
///
/// # Errors
/// [`Error::Corrupt`] with both ids if it is another topic's, or if its file cannot be understood; [`Error::Io`].
///
/// Kafka: `UnifiedLog.initializeTopicId`.
pub(super) fn check_topic_id(fs: &dyn WriteFs, dir: &Path, topic_id: Uuid) -> Result<()> {
    let path = dir.join(PartitionMetadata::FILE_NAME);
    if fs.stat(&path)?.is_none() {
        return Ok(());
    }
    let fs: &dyn Fs = fs;
    let bytes = Source::open(fs, &path)?.read_all(MAX_TEXT_BYTES)?;
    compare(&path, PartitionMetadata::parse(&bytes, &path)?.topic_id, topic_id)
}

fn compare(path: &Path, found: Uuid, expected: Uuid) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let rule = Rule::OtherText { what: "topic id", found: found.to_string(), expected: expected.to_string() };
    Err(Error::corrupt(path, FilePosition::START, rule))
}
