//! An offset to bytes of a file: what a fetch reads. No record is copied, and no lock is taken but to move a high watermark that turns
//! out to lie within a batch.

use std::sync::Arc;

use super::Log;
use super::disk::LogDisk;
use super::metadata::OffsetMetadata;
use super::published::LogEnd;
use super::segments::Segments;
use crate::error::{Error, Result};
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
    /// Waits for nobody. If the log is cut meanwhile, or its start moves, it looks again, so that what it gives is of one log.
    ///
    /// Kafka: `UnifiedLog.read`, `LocalLog.read`.
    pub fn read(&self, from: Offset, max_bytes: u64, isolation: Isolation, min_one: bool) -> Result<Read> {
        self.undisturbed(|end| self.read_below(&end, from, max_bytes, isolation, min_one))
    }

    fn read_below(
        &self,
        end: &LogEnd,
        from: Offset,
        max_bytes: u64,
        isolation: Isolation,
        min_one: bool,
    ) -> Result<Read> {
        if from < self.start() {
            return Err(self.outside(from, end));
        }
        let bound = self.bound(isolation, end)?;
        let segments = self.segments();
        if from > end.offset || (from < end.offset && segments.floor(from).is_none()) {
            return Err(self.outside(from, end));
        }
        if from == bound.offset {
            return Ok(Read::nothing(bound, isolation));
        }
        if from > bound.offset {
            return Ok(Read::nothing(self.resolve_in_range(from)?, isolation));
        }
        let mut segment = segments.floor(from);
        // Behind the end's segment there are only those that a roll has just begun, or a cut is about to take.
        while let Some(here) = segment.filter(|here| here.base() <= end.base) {
            let generation = here.generation();
            let limit = bound.limit_in(here.base(), here.size());
            if let Some(found) = here.read(from, max_bytes, limit, min_one)? {
                let slice = self.slice(here, generation, &found)?;
                let aborted = match isolation {
                    Isolation::TxnCommitted => Some(self.aborted_in(&segments, here, &found, from, end)?),
                    _ => None,
                };
                return Ok(Read {
                    at: OffsetMetadata::at(found.offset, here.base(), found.position.get()),
                    slice,
                    first_entry_incomplete: found.first_entry_incomplete,
                    aborted,
                });
            }
            segment = segments.higher(here.base());
        }
        // Behind the last batch, where a truncation took one whole: also Kafka lists no transactions there.
        Ok(Read { aborted: None, ..Read::nothing(end.metadata(), isolation) })
    }

    /// How far readers of an isolation may read in a log that ends at `end` for them. A watermark beyond it is of a cut that is under
    /// way.
    fn bound(&self, isolation: Isolation, end: &LogEnd) -> Result<OffsetMetadata> {
        let bound = match isolation {
            Isolation::LogEnd => return Ok(end.metadata()),
            Isolation::HighWatermark => self.resolved_high_watermark()?,
            Isolation::TxnCommitted => self.resolved_last_stable()?,
        };
        Ok(if bound.offset < end.offset { bound } else { end.metadata() })
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
        segments: &Segments,
        segment: &Arc<Segment>,
        found: &SegmentRead,
        from: Offset,
        end: &LogEnd,
    ) -> Result<Vec<AbortedTxn>> {
        let next = segments.higher(segment.base()).filter(|next| next.base() <= end.base);
        let until = match segment.upper_bound_of_read(found.position, found.len)? {
            Some(until) => until.offset,
            None => next.map_or(end.offset, |next| next.base()),
        };
        collect_aborted(segments, segment, from, until, end)
    }

    /// The aborted transactions with records before `until` whose markers lie in the segment of `from` or behind it. Some may end
    /// before `from`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for an entry of a transaction index that Kafka does not read; [`crate::Error::Io`].
    ///
    /// Kafka: `UnifiedLog.collectAbortedTransactions`.
    pub fn aborted(&self, from: Offset, until: Offset) -> Result<Vec<AbortedTxn>> {
        self.undisturbed(|end| {
            let segments = self.segments();
            match segments.floor(from) {
                Some(segment) => collect_aborted(&segments, segment, self.start(), until, &end),
                None => Ok(Vec::new()),
            }
        })
    }

    pub(super) fn outside(&self, asked: Offset, end: &LogEnd) -> Error {
        Error::OffsetOutOfRange { asked: asked.get(), start: self.start().get(), end: end.offset.get() }
    }

    /// Kafka: `UnifiedLog.convertToOffsetMetadataOrThrow`.
    fn resolve_in_range(&self, offset: Offset) -> Result<OffsetMetadata> {
        Ok(self.read(offset, 1, Isolation::LogEnd, false)?.at)
    }
}

fn collect_aborted(
    segments: &Segments,
    first: &Arc<Segment>,
    from: Offset,
    until: Offset,
    end: &LogEnd,
) -> Result<Vec<AbortedTxn>> {
    let mut transactions = Vec::new();
    let behind = segments.range(first.base().next()..).take_while(|segment| segment.base() <= end.base);
    for segment in std::iter::once(first).chain(behind) {
        let found = segment.collect_aborted(from, until)?;
        transactions.extend(found.transactions);
        if found.is_complete {
            break;
        }
    }
    Ok(transactions)
}
