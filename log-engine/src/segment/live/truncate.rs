//! Cutting an open segment.

use super::Segment;
use crate::error::{Error, Result};
use crate::segment::lookup;
use crate::segment::scan::Frame;
use crate::segment::time_index::TimestampOffset;
use crate::sync::atomic::Ordering;
use crate::units::{Offset, Timestamp};

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
        let found = self.translate(offset)?;
        let mut writer = self.writer();
        let base = self.base();
        let offsets = self.offsets.read(|index| index.slots_before(offset, |entry| entry.offset(base)))?;
        self.offsets.truncate(offsets)?;
        let times = self.times.read(|index| index.slots_before(offset, |entry| entry.offset(base)))?;
        self.times.truncate(times)?;
        let txns = self.txns.read(|index| index.iter().take_while(|txn| txn.last_offset < offset).count())?;
        self.txns.truncate(txns)?;
        writer.last_aborted = None;

        // Where nobody asked for the largest timestamp since the log was opened, this finds what is left of the time index.
        let largest = self.largest(&mut writer)?;
        let size = self.size();
        let kept = found.map_or(size, |found| found.position.get());
        if kept < size {
            self.cut_log(kept)?;
            writer.allocated = kept;
        }
        if kept == 0 {
            writer.created = now;
            writer.first_timestamp = None;
        }
        writer.since_entry = 0;
        if largest.timestamp >= Timestamp::new(0) {
            writer.largest = Some(self.read_largest()?);
        }
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

    /// The largest timestamp: of the last time entry, or of a batch behind its.
    ///
    /// Kafka: `LogSegment.readLargestTimestamp`.
    fn read_largest(&self) -> Result<TimestampOffset> {
        let mut largest = self.times.read(crate::segment::TimeIndex::last_entry)?;
        let mut scan = self.scan_for(largest.offset)?;
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
