//! The leader epochs of a log that is being loaded: read from their file, and from the batches where that says nothing.

use super::Loader;
use crate::batch::BatchHeader;
use crate::checkpoint::{EpochCheckpoint, EpochEntry, MAX_TEXT_BYTES};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::{Source, replace};
use crate::segment::{Scan, Segment, Step};
use crate::units::FilePosition;

impl Loader<'_> {
    /// The epochs that the file says.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for a file that a broker does not read.
    pub(super) fn read_epochs(&mut self) -> Result<()> {
        if let Some(bytes) = self.epoch_bytes()? {
            let path = self.names.path(EpochCheckpoint::FILE_NAME);
            self.epochs = LeaderEpochs::load(&EpochCheckpoint::parse(&bytes, &path)?);
        }
        Ok(())
    }

    fn epoch_bytes(&self) -> Result<Option<Vec<u8>>> {
        if !self.names.has(EpochCheckpoint::FILE_NAME) {
            return Ok(None);
        }
        let source = Source::open(self.fs.as_ref(), &self.names.path(EpochCheckpoint::FILE_NAME))?;
        source.read_all(MAX_TEXT_BYTES).map(Some)
    }

    /// The epochs that the batches of all segments say. Reads every head.
    pub(super) fn epochs_of_batches(&mut self) -> Result<()> {
        let mut epochs = LeaderEpochs::default();
        for segment in self.segments.iter() {
            let mut scan = Scan::heads(segment.source()?, FilePosition::START);
            while let Step::Batch(frame) = scan.next()? {
                let Some((epoch, start)) = frame.header().map(|head| (head.leader_epoch(), head.base_offset())) else {
                    continue;
                };
                if epoch.get() >= 0 && epochs.latest().is_none_or(|latest| epoch > latest.epoch) {
                    epochs.assign(EpochEntry { epoch, start });
                }
            }
        }
        self.epochs = epochs;
        Ok(())
    }

    /// True if the last segment with a batch begins with one that names an epoch.
    pub(super) fn batches_have_epochs(&self) -> Result<bool> {
        let Some(last) = self.segments.iter().rev().find(|segment| segment.size() > 0) else {
            return Ok(false);
        };
        Ok(first_header(last)?.is_some_and(|header| header.leader_epoch().get() >= 0))
    }

    /// Writes the epochs down, durably, if the file says something else.
    pub(super) fn write_epochs(&mut self) -> Result<()> {
        let bytes = self.epochs.to_checkpoint().encode();
        let on_disk = self.epoch_bytes().unwrap_or_default();
        let says_none = on_disk.as_ref().is_none_or(Vec::is_empty) && self.epochs.latest().is_none();
        if says_none || on_disk.as_ref() == Some(&bytes) {
            return Ok(());
        }
        replace(self.fs.as_ref(), &self.names.path(EpochCheckpoint::FILE_NAME), &bytes)?;
        self.report.files_rebuilt.push(EpochCheckpoint::FILE_NAME.to_owned());
        Ok(())
    }
}

fn first_header(segment: &Segment) -> Result<Option<BatchHeader>> {
    match Scan::heads(segment.source()?, FilePosition::START).next()? {
        Step::Batch(frame) => Ok(frame.header().copied()),
        Step::Stop(_) => Ok(None),
    }
}
