//! An offset to bytes of a file: what a fetch reads. No record is copied, and no lock is taken but
//! to look up a high watermark that has moved.

use std::sync::Arc;

use super::Log;
use super::disk::LogDisk;
use super::metadata::OffsetMetadata;
use crate::error::Result;
use crate::fs::{FileSlice, SliceGuard};
use crate::segment::{AbortedTxn, Segment, SegmentRead};
use crate::units::Offset;

/// How far a reader may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// To the log's end, as followers do.
    LogEnd,
    /// To the high watermark, as consumers do that read uncommitted records.
    HighWatermark,
    /// To the last stable offset, with the aborted transactions on the way, as consumers do that read committed records.
    TxnCommitted,
}

/// What a read gave.
#[derive(Debug)]
pub struct Read {
    /// Base offset and place of the first batch; where nothing was read, the bound that was met.
    pub at: OffsetMetadata,
    /// Bytes of the `.log` file from the first batch on; `None` where there is nothing to read. The last batch may be cut.
    pub slice: Option<FileSlice>,
    /// The first batch is larger than the bytes that were asked for.
    pub first_entry_incomplete: bool,
    /// Aborted transactions that the bytes may hold records of; `None` unless for [`Isolation::TxnCommitted`], and where the log holds no
    /// batch from the offset on.
    pub aborted: Option<Vec<AbortedTxn>>,
}

/// Knows whether the segment was cut since a slice of it was made.
#[derive(Debug)]
struct Guard {
    disk: Arc<LogDisk>,
    segment: Arc<Segment>,
    generation: u64,
    at: Offset,
}

impl SliceGuard for Guard {
    fn check(&self) -> Result<()> {
        if self.segment.generation() == self.generation { Ok(()) } else { Err(self.disk.overtaken(self.at)) }
    }
}

impl Read {
    fn nothing(at: OffsetMetadata, isolation: Isolation) -> Self {
        let aborted = (isolation == Isolation::TxnCommitted).then(Vec::new);
        Self { at, slice: None, first_entry_incomplete: false, aborted }
    }

    /// Bytes that were read.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slice.as_ref().map_or(0, FileSlice::len)
    }

    /// True if nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Log {
    /// The batches from the one that holds `from` on, up to `max_bytes` of them, or the first one whole if it is larger and
    /// `min_one` says so. The first batch may begin before `from`, and the last one may be cut.
    ///
    /// # Errors
    /// [`crate::Error::OffsetOutOfRange`] below the log's start or beyond its end; [`crate::Error::Corrupt`] where what an index points at is no
    /// batch; [`crate::Error::Io`].
    ///
    /// Kafka: `UnifiedLog.read`, `LocalLog.read`.
    pub fn read(&self, from: Offset, max_bytes: u64, isolation: Isolation, min_one: bool) -> Result<Read> {
        if from < self.start() {
            return Err(self.out_of_range(from));
        }
        let bound = match isolation {
            Isolation::LogEnd => self.end_bound(),
            Isolation::HighWatermark => self.resolved_high_watermark()?,
            Isolation::TxnCommitted => self.resolved_last_stable()?,
        };
        let segments = self.segments();
        if from > self.end() || segments.floor(from).is_none() {
            return Err(self.out_of_range(from));
        }
        if from == bound.offset {
            return Ok(Read::nothing(bound, isolation));
        }
        if from > bound.offset {
            return Ok(Read::nothing(self.resolve_in_range(from)?, isolation));
        }
        let mut segment = segments.floor(from);
        while let Some(here) = segment {
            let generation = here.generation();
            let limit = bound.limit_in(here.base(), here.size());
            if let Some(found) = here.read(from, max_bytes, limit, min_one)? {
                let next = segments.higher(here.base()).map(|next| next.base());
                let slice = self.slice(here, generation, &found)?;
                return self.found(here, &found, slice, from, next, isolation);
            }
            segment = segments.higher(here.base());
        }
        // Behind the last batch, where a truncation took one whole: also Kafka lists no transactions there.
        Ok(Read { aborted: None, ..Read::nothing(self.end_bound(), isolation) })
    }

    fn found(
        &self,
        segment: &Arc<Segment>,
        found: &SegmentRead,
        slice: Option<FileSlice>,
        from: Offset,
        next: Option<Offset>,
        isolation: Isolation,
    ) -> Result<Read> {
        let aborted = match isolation {
            Isolation::TxnCommitted => Some(self.aborted_in(segment, found, from, next)?),
            _ => None,
        };
        Ok(Read {
            at: OffsetMetadata::at(found.offset, segment.base(), found.position.get()),
            slice,
            first_entry_incomplete: found.first_entry_incomplete,
            aborted,
        })
    }

    fn slice(&self, segment: &Arc<Segment>, generation: u64, found: &SegmentRead) -> Result<Option<FileSlice>> {
        if found.len == 0 {
            return Ok(None);
        }
        let guard = Guard { disk: Arc::clone(&self.disk), segment: Arc::clone(segment), generation, at: found.offset };
        let (file, path) = (segment.file()?, segment.shared_path());
        Ok(Some(FileSlice::new(file, path, found.position.get(), found.len, Some(Arc::new(guard)))))
    }

    /// Kafka: `LocalLog.addAbortedTransactions`.
    fn aborted_in(
        &self,
        segment: &Arc<Segment>,
        found: &SegmentRead,
        from: Offset,
        next: Option<Offset>,
    ) -> Result<Vec<AbortedTxn>> {
        let until = match segment.upper_bound_of_read(found.position, found.len)? {
            Some(until) => until.offset,
            None => next.unwrap_or_else(|| self.end()),
        };
        self.collect_aborted(segment, from, until)
    }

    /// The aborted transactions with records before `until` whose markers lie in the segment of `from` or behind it. Some may end
    /// before `from`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for an entry of a transaction index that Kafka does not read; [`crate::Error::Io`].
    ///
    /// Kafka: `UnifiedLog.collectAbortedTransactions`.
    pub fn aborted(&self, from: Offset, until: Offset) -> Result<Vec<AbortedTxn>> {
        let segments = self.segments();
        match segments.floor(from) {
            Some(segment) => self.collect_aborted(segment, self.start(), until),
            None => Ok(Vec::new()),
        }
    }

    fn collect_aborted(&self, first: &Arc<Segment>, from: Offset, until: Offset) -> Result<Vec<AbortedTxn>> {
        let segments = self.segments();
        let mut transactions = Vec::new();
        for segment in std::iter::once(first).chain(segments.range(first.base().next()..)) {
            let found = segment.collect_aborted(from, until)?;
            transactions.extend(found.transactions);
            if found.is_complete {
                break;
            }
        }
        Ok(transactions)
    }

    /// The log's end and its place, as far as readers see it.
    fn end_bound(&self) -> OffsetMetadata {
        let segments = self.segments();
        let end = self.end();
        match segments.last() {
            Some(active) => OffsetMetadata::at(end, active.base(), active.size()),
            None => OffsetMetadata::only(end),
        }
    }

    /// Kafka: `UnifiedLog.convertToOffsetMetadataOrThrow`.
    fn resolve_in_range(&self, offset: Offset) -> Result<OffsetMetadata> {
        Ok(self.read(offset, 1, Isolation::LogEnd, false)?.at)
    }
}
