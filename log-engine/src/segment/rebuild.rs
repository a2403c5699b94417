//! The indexes of a segment made again from its `.log`, as a broker does when it recovers a segment.
//!
//! In memory: nothing is cut and nothing written here. Memory: the walk's, and the bytes of the two indexes. Who produced what, and
//! which transactions were aborted, is known in a room above, which is shown each batch.

use std::ops::ControlFlow;

use super::entries::MAX_INDEX_BYTES;
use super::index_builder::{IndexFault, OffsetIndexBuilder, TimeIndexBuilder};
use super::name::SegmentFile;
use super::offset_index::OffsetIndex;
use super::scan::{Frame, Scan, Step};
use super::time_index::{TimeIndex, TimestampOffset};
use crate::batch::Stop;
use crate::error::{Malformed, Result};
use crate::plant::Fault;
use crate::units::{FilePosition, Offset, Timestamp};

/// Kafka's default of `index.interval.bytes`.
pub const DEFAULT_INDEX_INTERVAL: u64 = 4096;

/// Makes the entries of a segment's offset and time index, batch by batch: what a live append writes, too, as long as the segment
/// was not opened anew or truncated in between.
#[derive(Clone, Debug)]
pub struct Indexer {
    base: Offset,
    interval: u64,
    offsets: OffsetIndexBuilder,
    times: TimeIndexBuilder,
    /// Where the batch of the last entry begins.
    last_indexed: u64,
    largest: TimestampOffset,
}

/// What an [`Indexer`] has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexes {
    /// The `.index` file, trimmed.
    pub offsets: OffsetIndex,
    /// The `.timeindex` file, trimmed.
    pub times: TimeIndex,
    /// The largest timestamp and the last offset of the first batch that has it; -1 at the base if no batch has a time.
    pub largest: TimestampOffset,
}

impl Indexer {
    /// For the segment that begins at `base`, with an entry wherever more than `interval` bytes (Kafka: `index.interval.bytes`) lie
    /// behind the last one. An index takes up to [`MAX_INDEX_BYTES`].
    #[must_use]
    pub fn new(base: Offset, interval: u64) -> Self {
        Self {
            base,
            interval,
            offsets: OffsetIndexBuilder::new(base, MAX_INDEX_BYTES),
            times: TimeIndexBuilder::new(base, MAX_INDEX_BYTES),
            last_indexed: 0,
            largest: TimestampOffset { timestamp: Timestamp::NONE, offset: base },
        }
    }

    /// With indexes of up to `bytes` (Kafka: `segment.index.bytes`), but no more than [`MAX_INDEX_BYTES`].
    #[must_use]
    pub fn with_index_bytes(mut self, bytes: usize) -> Self {
        self.offsets = OffsetIndexBuilder::new(self.base, bytes);
        self.times = TimeIndexBuilder::new(self.base, bytes);
        self
    }

    /// The next batch: where it begins, its last offset, its largest timestamp.
    ///
    /// # Errors
    /// The [`IndexFault`] at which a broker's recovery ends.
    pub fn add(
        &mut self,
        position: FilePosition,
        last_offset: Offset,
        max_timestamp: Timestamp,
    ) -> Result<(), IndexFault> {
        if last_offset.delta_from(self.base).is_none() {
            return Err(IndexFault::Overflow { offset: last_offset, base: self.base });
        }
        if max_timestamp > self.largest.timestamp {
            self.largest = TimestampOffset { timestamp: max_timestamp, offset: last_offset };
        }
        if position.get().saturating_sub(self.last_indexed) > self.interval {
            self.offsets.append(last_offset, position)?;
            self.times.maybe_append(self.largest, false)?;
            self.last_indexed = position.get();
        }
        Ok(())
    }

    /// The indexes as they are when the segment is closed, with the last time entry, and the fault that kept it out if one did.
    #[must_use]
    pub fn finish(mut self) -> (Indexes, Option<IndexFault>) {
        let fault = self.times.maybe_append(self.largest, true).err();
        (self.into_indexes(), fault)
    }

    /// The indexes as far as they were made.
    fn into_indexes(self) -> Indexes {
        let (base, largest) = (self.base, self.largest);
        let offsets = self.offsets.finish(&SegmentFile::OffsetIndex.name(base));
        Indexes { offsets, times: self.times.finish(&SegmentFile::TimeIndex.name(base)), largest }
    }
}

/// Why a rebuild ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RebuildEnd {
    /// What follows is no batch. Recovery cuts it off, if it is anything.
    Stop(Stop),
    /// A batch is too small for its format or its checksum does not fit. Recovery cuts it off, with all that follows.
    Corrupt(Malformed),
    /// An index cannot say it. Recovery cuts nothing here: a broker empties the segment ([`IndexFault::InvalidOffset`]), splits it
    /// ([`IndexFault::Overflow`]) or ends.
    Refused(IndexFault),
    /// The caller wanted no more.
    Interrupted,
}

/// What recovery makes of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The indexes; without the last time entry if the end is [`RebuildEnd::Refused`] or [`RebuildEnd::Interrupted`].
    pub indexes: Indexes,
    /// Why it ended.
    pub end: RebuildEnd,
    /// The first byte behind the last batch that was accepted.
    pub valid_end: FilePosition,
}

/// Walks `scan` on, checks each batch, makes index entries for it and then shows it to `each`, which may end the walk behind it: with a
/// broken rule as if the next batch were damaged, or without one, and the indexes stay as they are then.
///
/// Kafka: `LogSegment.recover`, without the cut.
///
/// # Errors
/// [`crate::Error::Io`] where reading fails; never for what the bytes say.
pub fn rebuild(
    scan: &mut Scan,
    mut indexer: Indexer,
    mut each: impl FnMut(&Frame<'_>) -> ControlFlow<Option<Malformed>>,
) -> Result<Rebuilt> {
    let mut valid_end = scan.position();
    let end = loop {
        let frame = match scan.next()? {
            Step::Batch(frame) => frame,
            Step::Stop(stop) => break RebuildEnd::Stop(stop),
        };
        let (last_offset, max_timestamp) = match check(&frame) {
            Ok(facts) => facts,
            Err(malformed) => break RebuildEnd::Corrupt(malformed),
        };
        if let Err(fault) = indexer.add(frame.position(), last_offset, max_timestamp) {
            break RebuildEnd::Refused(fault);
        }
        valid_end = frame.end();
        match each(&frame) {
            ControlFlow::Continue(()) => {}
            ControlFlow::Break(Some(malformed)) => break RebuildEnd::Corrupt(malformed),
            ControlFlow::Break(None) => break RebuildEnd::Interrupted,
        }
    };
    if matches!(end, RebuildEnd::Refused(_) | RebuildEnd::Interrupted) {
        return Ok(Rebuilt { indexes: indexer.into_indexes(), end, valid_end });
    }
    let (indexes, fault) = indexer.finish();
    Ok(Rebuilt { indexes, end: fault.map_or(end, RebuildEnd::Refused), valid_end })
}

/// The last offset and largest timestamp of a batch whose checksum fits.
fn check(frame: &Frame<'_>) -> Result<(Offset, Timestamp), Malformed> {
    if !Fault::ChecksumNotLookedAt.is_planted() {
        frame.check_crc()?;
    }
    Ok((frame.last_offset()?, frame.max_timestamp()?))
}

#[cfg(test)]
mod tests;
