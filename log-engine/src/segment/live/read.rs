//! Finding things in an open segment. Nobody is waited for but the disk, and no checksum is looked at.

use std::ops::Range;
use std::sync::Arc;

use super::Segment;
use crate::batch::Scratch;
use crate::error::{Error, Result, Rule};
use crate::fs::{AlignedBuffer, File};
use crate::segment::entries::{Index, IndexEntry};
use crate::segment::lookup::{self, BatchPosition, TimedRecord};
use crate::segment::offset_index::{OffsetEntry, OffsetIndex, OffsetPosition};
use crate::segment::scan::{MAX_BUFFERED_BATCH, Scan, Step};
use crate::segment::txn_index::AbortedTxns;
use crate::units::{FilePosition, Offset, Timestamp};

/// A stretch of a segment's `.log` that answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRead {
    /// The first eight bytes of the first batch: its base offset, at or below the one that was asked for, in format 2.
    pub offset: Offset,
    /// Where the first batch begins.
    pub position: FilePosition,
    /// Bytes of the stretch; the last batch may be cut off.
    pub len: u64,
    /// True if bytes were asked for and even the first batch is cut off.
    pub first_entry_incomplete: bool,
}

impl Segment {
    /// The `.log`, for who wants to read what [`Self::read`] found.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be opened.
    pub fn file(&self) -> Result<Arc<dyn File>> {
        let file: Arc<dyn crate::fs::WriteFile> = Arc::clone(self.log()?);
        Ok(file)
    }

    /// Up to `max_bytes` from the batch on that holds `from`, or the next one, but nothing at or behind `max_position`; `None` if the
    /// segment ends before. With `min_one` the first batch is there whatever its size. Without a `max_position` the stretch is
    /// empty: it only tells where the batch is.
    ///
    /// Kafka: `LogSegment.read`.
    ///
    /// # Errors
    /// As [`Self::translate`].
    pub fn read(
        &self,
        from: Offset,
        max_bytes: u64,
        max_position: Option<u64>,
        min_one: bool,
    ) -> Result<Option<SegmentRead>> {
        let Some(found) = self.translate(from)? else {
            return Ok(None);
        };
        let wanted = if min_one { max_bytes.max(found.len) } else { max_bytes };
        let until = max_position.map_or(0, |position| position.saturating_sub(found.position.get()));
        let first_entry_incomplete = wanted > 0 && max_position.is_some() && wanted < found.len;
        let len = wanted.min(until);
        Ok(Some(SegmentRead { offset: found.offset, position: found.position, len, first_entry_incomplete }))
    }

    /// The first batch whose last offset is not below `offset`; `None` if there is none.
    ///
    /// Kafka: `LogSegment.translateOffset`, which believes the index.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] where what stands between batches cannot be one; [`crate::Error::Io`].
    pub fn translate(&self, offset: Offset) -> Result<Option<BatchPosition>> {
        let around = self.offsets.read(|index| index.around(offset))?;
        let source = self.source()?;
        if let Some(found) = lookup::at_next_entry(&source, self.base(), around, offset)? {
            return Ok(Some(found));
        }
        let mut scan = lookup::walk_from_checked(source, self.base(), around.0)?;
        lookup::find(&mut scan, offset)
    }

    /// Brings the first batch whose last offset is not below `offset` into `into`; where it is in the file, and in `into`. `None` if there
    /// is none.
    ///
    /// # Errors
    /// As [`Self::translate`]; [`Rule::TooLarge`] above [`MAX_BUFFERED_BATCH`], [`Rule::Short`] where the file ends before the batch.
    pub(crate) fn read_batch(
        &self,
        offset: Offset,
        into: &mut AlignedBuffer,
    ) -> Result<Option<(FilePosition, Range<usize>)>> {
        let around = self.offsets.read(|index| index.around(offset))?;
        let source = self.source()?;
        let read = lookup::read_around(&source, self.base(), around, offset, into)?;
        if read.is_some() {
            return Ok(read);
        }
        let mut scan = lookup::walk_from_checked(source.clone(), self.base(), around.0)?;
        let Some(found) = lookup::find(&mut scan, offset)? else { return Ok(None) };
        let corrupt = |rule| Error::corrupt(source.path(), found.position, rule);
        let limit = MAX_BUFFERED_BATCH as u64;
        let len = usize::try_from(found.len).ok().filter(|len| *len <= MAX_BUFFERED_BATCH);
        let len = len.ok_or_else(|| corrupt(Rule::TooLarge { what: "the batch", limit }))?;
        into.grow(len);
        let read = source.read_at(into.as_mut_slice().get_mut(..len).unwrap_or_default(), found.position.get())?;
        if read < len {
            return Err(corrupt(Rule::Short { needed: found.len, present: read as u64 }));
        }
        Ok(Some((found.position, 0..len)))
    }

    /// The offset behind the last batch; the base if there is none.
    ///
    /// Kafka: `LogSegment.readNextOffset`, which believes the index.
    ///
    /// # Errors
    /// As [`Self::translate`].
    pub fn next_offset(&self) -> Result<Offset> {
        let last = self.offsets.read(OffsetIndex::last_offset)?;
        lookup::offset_behind(&mut self.scan_for(last)?, self.base())
    }

    /// The offset behind the last batch that ends below `offset`, which is where a cut there leaves the segment; the base if there is none.
    ///
    /// # Errors
    /// As [`Self::translate`].
    pub(crate) fn end_below(&self, offset: Offset) -> Result<Offset> {
        let mut next = self.base();
        lookup::walk(&mut self.scan_for(Offset::new(offset.get().saturating_sub(1)))?, |frame| {
            let last = frame.last_offset()?;
            if last >= offset {
                return Ok(Some(()));
            }
            next = last.next();
            Ok(None)
        })?;
        Ok(next)
    }

    /// As [`Self::next_offset`], believing the last slot of the index as a broker does: what it says of a segment whose index is
    /// wrong is wrong in the same way.
    ///
    /// # Errors
    /// As [`crate::segment::next_offset`].
    pub fn next_offset_by_index(&self) -> Result<Offset> {
        let source = self.source()?;
        self.offsets.read(|index| lookup::next_offset(&source, index))?
    }

    /// The last entry of the offset index.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the index cannot be read.
    pub fn last_offset_entry(&self) -> Result<Option<OffsetEntry>> {
        self.offsets.read(OffsetIndex::last)
    }

    /// True if the offset and the time index end with an entry, and not with zeros or a part of one.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where an index cannot be read.
    pub fn indexes_are_trimmed(&self) -> Result<bool> {
        fn is_trimmed<E: IndexEntry>(index: &Index<E>) -> bool {
            index.odd_bytes() == 0 && index.used_len() == index.len()
        }
        Ok(self.offsets.read(is_trimmed)? && self.times.read(is_trimmed)?)
    }

    /// The first record at or behind `from` whose timestamp is not below `timestamp`, as far as the time index leads there; `None` if
    /// there is none. `scratch` is room for compressed batches.
    ///
    /// Kafka: `LogSegment.findOffsetByTimestamp`.
    ///
    /// # Errors
    /// As [`Self::translate`], and where the records of a batch that may hold the answer do not decode.
    pub fn find_by_timestamp(
        &self,
        timestamp: Timestamp,
        from: Offset,
        scratch: &mut Scratch,
    ) -> Result<Option<TimedRecord>> {
        let start = self.times.read(|index| index.lookup(timestamp))?.offset.max(from);
        lookup::find_time(self.scan_for(start)?, timestamp, from, scratch)
    }

    /// The aborted transactions whose markers are in this segment and that reach into the offsets from `from` up to, and without,
    /// `until`.
    ///
    /// Kafka: `LogSegment.collectAbortedTxns`.
    ///
    /// # Errors
    /// As [`crate::segment::TxnIndex::collect`]; [`crate::Error::Io`].
    pub fn collect_aborted(&self, from: Offset, until: Offset) -> Result<AbortedTxns> {
        self.txns.read(|index| index.collect(from, until))?
    }

    /// An offset that no batch reaches which begins less than `bytes` behind `start`; `None` if the index does not tell.
    ///
    /// Kafka: `LogSegment.fetchUpperBoundOffset`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the index cannot be read.
    pub fn upper_bound_of_read(&self, start: FilePosition, bytes: u64) -> Result<Option<OffsetPosition>> {
        self.offsets.read(|index| index.upper_bound_of_read(start, bytes))
    }

    /// A walk over heads from the place on that the index gives for `offset`, if a batch stands there that can be the one that the
    /// entry tells of; from the first byte on otherwise.
    pub(super) fn scan_for(&self, offset: Offset) -> Result<Scan> {
        self.scan_below(offset, u64::MAX)
    }

    /// As [`Self::scan_for`], over the first `bytes` bytes alone.
    pub(super) fn scan_below(&self, offset: Offset, bytes: u64) -> Result<Scan> {
        let entry = self.offsets.read(|index| index.lookup_slot(offset))?;
        lookup::walk_from_checked(self.source()?.bounded(bytes), self.base(), entry.map(|(_, entry)| entry))
    }

    /// The largest timestamp of the first batch.
    pub(super) fn read_first_timestamp(&self) -> Result<Option<Timestamp>> {
        match Scan::heads(self.source()?, FilePosition::START).next()? {
            Step::Batch(frame) => Ok(frame.max_timestamp().ok()),
            Step::Stop(_) => Ok(None),
        }
    }
}
