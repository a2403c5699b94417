//! Recovering an open segment: reading all of it, and then making of its files what was found.

use std::ops::ControlFlow;

use super::Segment;
use crate::batch::Stop;
use crate::error::{Error, Malformed, Result};
use crate::plant::Fault;
use crate::segment::name::SegmentFile;
use crate::segment::rebuild::{Indexer, Indexes, Rebuilt, rebuild};
use crate::segment::scan::{Frame, Scan, Step};
use crate::segment::txn_index::TxnIndex;
use crate::sync::atomic::Ordering;
use crate::units::{FilePosition, Timestamp};

/// What a recovery changed in the files of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Bytes that were cut off the `.log`.
    pub cut: u64,
    /// The files whose bytes were not as they should be.
    pub rebuilt: Vec<SegmentFile>,
}

impl Segment {
    /// Reads the whole segment, or what lies before `until`, checks each batch, makes the indexes again in memory and shows each batch
    /// to `each`, as [`rebuild`] does. Nothing is changed.
    ///
    /// With `trust_cache` the bytes may come from memory; without, what is not durable is made so first and then read from the disk,
    /// so that what is found is there after a power cut.
    ///
    /// Kafka: `LogSegment.recover`, the half that reads.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails; never for what the bytes say.
    pub fn check(
        &self,
        trust_cache: bool,
        until: Option<FilePosition>,
        each: impl FnMut(&Frame<'_>) -> ControlFlow<Option<Malformed>>,
    ) -> Result<Rebuilt> {
        if !trust_cache && !Fault::CacheBelieved.is_planted() {
            self.flush_log()?;
            let forgotten = self.log()?.forget_cached();
            forgotten.map_err(|e| Error::io("drop the cached pages of", &self.path(), e))?;
        }
        let indexer = Indexer::new(self.base(), self.options.index_interval_bytes)
            .with_index_bytes(self.options.segment_index_bytes);
        let source = self.source()?;
        let source = match until {
            Some(until) => source.bounded(until.get()),
            None => source,
        };
        rebuild(&mut Scan::new(source), indexer, each)
    }

    /// Reads the segment from the disk, whatever memory has of it. What is written meanwhile is left out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] at the first byte that is no sound batch: a sync that failed has lost it. [`Error::Io`].
    pub(crate) fn read_back(&self) -> Result<()> {
        let source = self.source()?;
        let path = self.path();
        self.log()?.forget_cached().map_err(|e| Error::io("drop the cached pages of", &path, e))?;
        let mut scan = Scan::new(source);
        loop {
            let (position, checked) = match scan.next()? {
                Step::Batch(frame) => (frame.position(), frame.check_crc()),
                Step::Stop(Stop::End) => return Ok(()),
                Step::Stop(stop) => (scan.position(), Err(stop.malformed())),
            };
            checked.map_err(|malformed| malformed.in_file(&path, position))?;
        }
    }

    /// Makes the files what a check found: the `.log` cut at `valid_end`, the indexes as given, without a `.txnindex` if there is
    /// none and it would be empty. Written, not durable. A disk without room keeps no index from being used; it is written later.
    ///
    /// Kafka: `LogSegment.recover`, the half that writes.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn install(&self, indexes: Indexes, txns: TxnIndex, valid_end: FilePosition) -> Result<Installed> {
        let mut writer = self.writer();
        let mut installed = Installed::default();
        let size = self.size();
        if valid_end.get() < size && !Fault::TornTailKept.is_planted() {
            self.cut_log(valid_end.get())?;
            writer.allocated = valid_end.get();
            installed.cut = size.saturating_sub(valid_end.get());
        }
        *self.known_largest() = Some(indexes.largest);
        writer.first_timestamp = None;
        writer.last_aborted = txns.last().map(|txn| txn.last_offset);
        if Fault::IndexBelieved.is_planted() {
            return Ok(installed);
        }
        if self.offsets.replace(indexes.offsets)? {
            installed.rebuilt.push(SegmentFile::OffsetIndex);
        }
        if self.times.replace(indexes.times)? {
            installed.rebuilt.push(SegmentFile::TimeIndex);
        }
        let has_file = self.place.fs.stat(&self.place.path(SegmentFile::TxnIndex))?.is_some();
        if (has_file || !txns.is_empty()) && self.txns.replace(txns)? {
            installed.rebuilt.push(SegmentFile::TxnIndex);
        }
        Ok(installed)
    }

    /// Takes everything out of the segment.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn clear(&self, now: Timestamp) -> Result<u64> {
        let mut writer = self.writer();
        self.offsets.truncate(0)?;
        self.times.truncate(0)?;
        self.txns.truncate(0)?;
        let size = self.size();
        self.cut_log(0)?;
        *writer = super::append::Writer::new(now, 0);
        *self.known_largest() = None;
        self.size.store(0, Ordering::Release);
        Ok(size)
    }
}

#[cfg(test)]
mod tests;
