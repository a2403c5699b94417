//! Cutting an open segment.

use super::Segment;
use crate::error::{Error, Result};
use crate::segment::TimeIndex;
use crate::segment::lookup;
use crate::segment::scan::Frame;
use crate::segment::time_index::TimestampOffset;
use crate::sync::atomic::Ordering;
use crate::units::{Offset, Timestamp};

/// A cut that readers go by already, while the files are as they were.
#[derive(Clone, Copy, Debug)]
#[must_use = "the files are to be cut, too"]
pub(crate) struct Cut {
    offset: Offset,
    kept: u64,
    size: u64,
}

impl Segment {
    /// Cuts off the batch that holds `offset`, or the next one, and all behind it; how many bytes went. What was found before may be
    /// gone: [`Self::generation`] rises.
    ///
    /// Kafka: `LogSegment.truncateTo`.
    ///
    /// # Errors
    /// As [`Self::translate`], before anything is changed; [`Error::Io`] where the system refuses: then the segment may be cut in
    /// part, and calling it again goes on.
    pub fn truncate_to(&self, offset: Offset, now: Timestamp) -> Result<u64> {
        let cut = self.begin_cut(offset, |_| ())?;
        self.finish_cut(cut, now)
    }

    /// The half of [`Self::truncate_to`] that readers see. `publish` is called with the bytes that stay before anything is changed, and
    /// nobody who asks for the largest timestamp comes in between.
    pub(crate) fn begin_cut(&self, offset: Offset, publish: impl FnOnce(u64)) -> Result<Cut> {
        let found = self.translate(offset)?;
        let size = self.size();
        let kept = found.map_or(size, |found| found.position.get());
        let largest = self.largest_below(offset, kept)?;
        let mut known = self.known_largest();
        publish(kept);
        self.size.store(kept, Ordering::Release);
        *known = Some(largest);
        drop(known);
        if kept < size {
            self.overtake();
        }
        Ok(Cut { offset, kept, size })
    }

    /// The half that cuts the files: first what says something of the bytes, then those.
    pub(crate) fn finish_cut(&self, cut: Cut, now: Timestamp) -> Result<u64> {
        let Cut { offset, kept, size } = cut;
        let mut writer = self.writer();
        let base = self.base();
        let offsets = self.offsets.read(|index| index.slots_before(offset, |entry| entry.offset(base)))?;
        self.offsets.truncate(offsets)?;
        let times = self.times.read(|index| index.slots_before(offset, |entry| entry.offset(base)))?;
        self.times.truncate(times)?;
        let txns = self.txns.read(|index| index.iter().take_while(|txn| txn.last_offset < offset).count())?;
        self.txns.truncate(txns)?;
        writer.last_aborted = None;
        if kept < size {
            self.log()?.set_len(kept).map_err(|e| Error::io("cut", &self.path(), e))?;
            writer.allocated = kept;
        }
        if kept == 0 {
            writer.created = now;
            writer.first_timestamp = None;
        }
        writer.since_entry = 0;
        Ok(size.saturating_sub(kept))
    }

    /// Tells who still reads the segment that it is no part of the log any more.
    pub fn overtake(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Cuts the `.log`: first for readers, then on the disk.
    pub(super) fn cut_log(&self, size: u64) -> Result<()> {
        self.size.store(size, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.log()?.set_len(size).map_err(|e| Error::io("cut", &self.path(), e))
    }

    /// The largest timestamp below `offset`, where the first `kept` bytes are: of the last time entry, or of a batch behind its.
    ///
    /// Kafka: `LogSegment.readLargestTimestamp`.
    fn largest_below(&self, offset: Offset, kept: u64) -> Result<TimestampOffset> {
        let base = self.base();
        let before = |index: &TimeIndex| index.last_of(index.slots_before(offset, |entry| entry.offset(base)));
        let mut largest = self.times.read(before)?;
        // Where nobody asked for the largest timestamp since the log was opened, what is left of the time index says it.
        let known = self.known_largest().unwrap_or(largest);
        if known.timestamp < Timestamp::new(0) {
            return Ok(known);
        }
        let mut scan = self.scan_below(largest.offset, kept)?;
        let mut look = |frame: &Frame<'_>| {
            let (timestamp, offset) = (frame.max_timestamp()?, frame.last_offset()?);
            if timestamp > largest.timestamp {
                largest = TimestampOffset { timestamp, offset };
            }
            Ok(None::<()>)
        };
        lookup::walk(&mut scan, &mut look)?;
        Ok(largest)
    }
}
