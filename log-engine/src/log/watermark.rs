//! The high watermark and the offsets that hang on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Log;
use super::metadata::OffsetMetadata;
use super::read::Isolation;
use super::state::Writer;
use crate::error::{Error, Result};
use crate::units::Offset;

impl Log {
    /// Sets the high watermark as a follower does, held between the log's start and end; where it is now. It may go down.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Corrupt`] where the place of the first unstable offset is looked up; [`Error::Closed`].
    ///
    /// Kafka: `UnifiedLog.updateHighWatermark`.
    pub fn set_high_watermark(&self, offset: Offset) -> Result<Offset> {
        let mut writer = self.writer()?;
        self.update_high_watermark(&mut writer, OffsetMetadata::only(offset))
    }

    /// Raises the high watermark as a leader does; whether it moved. One inside a batch counts from the batch's base offset.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] for an offset beyond the log's end; else as [`Self::set_high_watermark`].
    ///
    /// Kafka: `UnifiedLog.maybeIncrementHighWatermark`.
    pub fn maybe_increment_high_watermark(&self, offset: Offset) -> Result<bool> {
        let mut writer = self.writer()?;
        if offset > self.end() {
            return Err(self.out_of_range(offset));
        }
        if self.high_watermark_with_place(&mut writer)?.offset >= offset {
            return Ok(false);
        }
        self.put_high_watermark(&mut writer, OffsetMetadata::only(offset))?;
        Ok(true)
    }

    /// Kafka: `UnifiedLog.updateHighWatermark(LogOffsetMetadata)`.
    pub(super) fn update_high_watermark(&self, writer: &mut Writer, to: OffsetMetadata) -> Result<Offset> {
        let (start, end) = (self.start(), self.end_metadata(writer));
        let held = if to.offset < start {
            OffsetMetadata::only(start)
        } else if to.offset >= end.offset {
            end
        } else {
            to
        };
        self.put_high_watermark(writer, held)?;
        Ok(held.offset)
    }

    /// Kafka: `UnifiedLog.updateHighWatermarkMetadata`.
    fn put_high_watermark(&self, writer: &mut Writer, to: OffsetMetadata) -> Result<()> {
        self.high_watermark.store(Arc::new(to));
        writer.producers.states_mut().advance_high_watermark(to.offset);
        let updated = self.update_first_unstable(writer);
        self.disk.waiters.notify();
        updated
    }

    /// Behind an append or a roll: a high watermark at the end, or beyond it, takes the end's place.
    ///
    /// Kafka: `UnifiedLog.updateHighWatermarkWithLogEndOffset`.
    pub(super) fn refresh_high_watermark(&self, writer: &mut Writer) -> Result<()> {
        if self.high_watermark() < self.end() {
            return Ok(());
        }
        let end = self.end_metadata(writer);
        self.put_high_watermark(writer, end)
    }

    /// Kafka: `UnifiedLog.maybeIncrementFirstUnstableOffset`.
    pub(super) fn update_first_unstable(&self, writer: &mut Writer) -> Result<()> {
        self.is_unstable_stale.store(false, Ordering::Release);
        let known = self.first_unstable.load();
        let unstable = match writer.producers.states().first_unstable_offset() {
            None if known.is_none() => return Ok(()),
            Some(offset) if offset >= self.start() && known.as_ref().is_some_and(|known| known.offset == offset) => {
                return Ok(());
            }
            None => None,
            Some(offset) => Some(Arc::new(self.resolve(offset.max(self.start()))?)),
        };
        self.first_unstable.store(unstable);
        Ok(())
    }

    /// The log's end and where it lies.
    pub(super) fn end_metadata(&self, writer: &Writer) -> OffsetMetadata {
        OffsetMetadata::at(self.end(), writer.active.base(), writer.active.size())
    }

    /// The high watermark with its place; it falls to the base offset of its batch if that place was not known.
    ///
    /// Kafka: `UnifiedLog.fetchHighWatermarkMetadata`.
    pub(super) fn resolved_high_watermark(&self) -> Result<OffsetMetadata> {
        let known = self.high_watermark.load();
        if known.place.is_some() {
            return Ok(**known);
        }
        let found = Arc::new(self.resolve(known.offset)?);
        if found.offset != known.offset || self.is_unstable_stale.load(Ordering::Acquire) {
            // It moves, or the first unstable offset does: what changes the log.
            return self.high_watermark_with_place(&mut self.locked());
        }
        // Whoever moved it meanwhile knows better.
        self.high_watermark.compare_and_swap(&known, Arc::clone(&found));
        Ok(*found)
    }

    fn high_watermark_with_place(&self, writer: &mut Writer) -> Result<OffsetMetadata> {
        let known = **self.high_watermark.load();
        if known.place.is_some() {
            return Ok(known);
        }
        let found = self.resolve(known.offset)?;
        self.put_high_watermark(writer, found)?;
        Ok(found)
    }

    /// How far readers of committed records may read, with its place.
    ///
    /// Kafka: `UnifiedLog.fetchLastStableOffsetMetadata`.
    pub(super) fn resolved_last_stable(&self) -> Result<OffsetMetadata> {
        // Asking for its place may move it, also where it is not what bounds the reader.
        let high_watermark = self.resolved_high_watermark()?;
        match self.first_unstable.load().as_ref() {
            Some(unstable) if unstable.offset < high_watermark.offset => match unstable.place {
                Some(_) => Ok(**unstable),
                None => self.resolve(unstable.offset),
            },
            _ => Ok(high_watermark),
        }
    }

    /// The place of an offset: the base offset and place of its batch, or the offset alone if the log does not hold it.
    ///
    /// Kafka: `UnifiedLog.maybeConvertToOffsetMetadata`.
    pub(super) fn resolve(&self, offset: Offset) -> Result<OffsetMetadata> {
        match self.read(offset, 1, Isolation::LogEnd, false) {
            Ok(read) => Ok(read.at),
            Err(Error::OffsetOutOfRange { .. }) => Ok(OffsetMetadata::only(offset)),
            Err(error) => Err(error),
        }
    }

    pub(super) fn out_of_range(&self, asked: Offset) -> Error {
        Error::OffsetOutOfRange { asked: asked.get(), start: self.start().get(), end: self.end().get() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fs::sim::SimFs;
    use crate::log::{AppendAsLeader, LogConfig, NewRecord, OpenOptions, Sender};
    use crate::units::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence};

    // conformance: PSM-008
    #[test]
    fn the_place_of_the_first_unstable_offset_is_known() {
        let disk = Arc::new(SimFs::with_folder("/logs"));
        let options = OpenOptions { clean: true, ..OpenOptions::default() };
        let log = Log::open(disk, Path::new("/logs/orders-0"), LogConfig::default(), options).unwrap().0;
        let append = |sender| {
            let record = NewRecord { value: Some(b"v"), ..NewRecord::default() };
            log.append_records([record], sender, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
        };
        let in_transaction = |sequence| Sender {
            id: ProducerId::new(1),
            epoch: ProducerEpoch::new(0),
            base_sequence: Sequence::new(sequence),
            is_transactional: true,
        };
        append(None);
        log.roll().unwrap();
        append(None);
        let position = log.describe().unwrap().segments[1].size;
        for sequence in 0..2 {
            append(Some(in_transaction(sequence)));
            let first = OffsetMetadata::at(Offset::new(2), Offset::new(1), position);
            assert_eq!(log.first_unstable.load().as_deref(), Some(&first));
        }
        assert!(position > 0);
    }
}
