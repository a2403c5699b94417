//! One segment of a log that is read: its files, and where in its `.log` to begin to look for an offset or a time.
//!
//! An index is used when its entries are in order and lie inside the segment, and when the batch that an entry points at is what
//! the entry says. Otherwise it is told, and the segment is read from its beginning.

use super::locate::{Doubts, Via};
use super::walk::{Met, SegmentWalk};
use crate::batch::Batch;
use crate::error::{Error, Result, Rule};
use crate::fs::{Fs, Source};
use crate::log::directory::PartitionDirectory;
use crate::segment::{Frame, OffsetEntry, OffsetIndex, Scan, SegmentFile, Step, TimeIndex, TimestampOffset};
use crate::units::{FilePosition, Offset, Timestamp};

/// One segment of a log.
#[derive(Debug)]
pub(super) struct SegmentReader<'r> {
    pub(super) fs: &'r dyn Fs,
    pub(super) folder: &'r PartitionDirectory,
    pub(super) base: Offset,
    /// The base of the next segment; `None` for the last.
    pub(super) next_base: Option<Offset>,
}

/// The largest timestamp of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Largest {
    /// -1 where no batch has one.
    pub(super) timestamp: Timestamp,
    /// The last offset of the first batch that has it.
    pub(super) offset: Offset,
    pub(super) via: Via,
}

impl SegmentReader<'_> {
    /// The `.log`.
    ///
    /// # Errors
    /// [`crate::Error::Io`], also when it is gone since the folder was listed.
    pub(super) fn log(&self) -> Result<Source> {
        Source::open(self.fs, &self.folder.file(self.base, SegmentFile::Log))
    }

    pub(super) fn is_last(&self) -> bool {
        self.next_base.is_none()
    }

    /// A walk from `from` on.
    pub(super) fn walk(&self, log: &Source, from: FilePosition) -> SegmentWalk {
        SegmentWalk::new(log.clone(), from, self.base, self.is_last())
    }

    /// Lets `each` see the batches from `from` on until it has an answer: sound ones, and those that are whole but for their
    /// checksum, which a broker looks into all the same. Other damage is passed over.
    pub(super) fn find<T>(
        &self,
        log: &Source,
        from: FilePosition,
        mut each: impl FnMut(FilePosition, &Batch<'_>, Soundness) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut walk = self.walk(log, from);
        loop {
            let found = match walk.step()? {
                Met::End => return Ok(None),
                Met::Batch { .. } => {
                    let frame = walk.current()?;
                    frame.batch().ok().and_then(|batch| each(frame.position(), &batch, Soundness::Sound))
                }
                Met::Damage(damage) => {
                    let mut scan = Scan::starting_at(log.clone(), damage.what.position);
                    match scan.next()? {
                        Step::Batch(frame) if self.is_plausible(&frame) => {
                            frame.batch().ok().and_then(|batch| each(frame.position(), &batch, Soundness::Damaged))
                        }
                        _ => None,
                    }
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Whether what stands at the beginning of a frame can belong into this segment.
    fn is_plausible(&self, frame: &Frame<'_>) -> bool {
        let is_inside = self.next_base.is_none_or(|next| frame.offset() < next) && frame.offset() >= self.base;
        (0..=2).contains(&frame.magic()) && is_inside
    }

    /// The offset behind the last sound batch; the base if there is none.
    pub(super) fn end(&self) -> Result<Offset> {
        let (log, from, _) = self.seek(Offset::new(i64::MAX), &mut Doubts::default())?;
        let mut end = self.base;
        let mut walk = self.walk(&log, from);
        loop {
            match walk.step()? {
                Met::Batch { last, .. } => end = last.next(),
                Met::Damage(_) => {}
                Met::End => return Ok(end),
            }
        }
    }

    /// The `.log`, and the first byte of a batch at or before the one that holds `offset`.
    pub(super) fn seek(&self, offset: Offset, doubts: &mut Doubts) -> Result<(Source, FilePosition, Via)> {
        // The index first: a live broker writes it after the batch that it points at.
        let index = self.index::<OffsetEntry>(SegmentFile::OffsetIndex, doubts)?;
        let log = self.log()?;
        let (position, via) = self.position_of(&log, index.as_ref(), offset, doubts)?;
        Ok((log, position, via))
    }

    fn position_of(
        &self,
        log: &Source,
        index: Option<&OffsetIndex>,
        offset: Offset,
        doubts: &mut Doubts,
    ) -> Result<(FilePosition, Via)> {
        let scan = (FilePosition::START, Via::Scan);
        let Some(index) = index.filter(|index| !index.is_empty()) else {
            return Ok(scan);
        };
        if let Err(doubt) = self.check_positions(index, log.len()) {
            doubts.add(doubt);
            return Ok(scan);
        }
        let entry = index.lookup(offset);
        let position = FilePosition::new(u64::try_from(entry.position).unwrap_or_default());
        if position == FilePosition::START {
            return Ok((position, Via::Index));
        }
        match self.bears_out(log, position, entry.offset)? {
            Borne::Out => Ok((position, Via::Index)),
            Borne::Damaged => Ok(scan),
            Borne::Not(rule) => {
                let slot = index.iter().position(|e| e.offset(self.base) == entry.offset).unwrap_or_default();
                doubts.add(self.doubt(index, slot, 4, rule));
                Ok(scan)
            }
        }
    }

    /// Whether a batch begins at `position` that is not behind `offset`.
    fn bears_out(&self, log: &Source, position: FilePosition, offset: Offset) -> Result<Borne> {
        let no_batch = || Borne::Not(Rule::NoBatch { position: position.get() });
        let mut scan = Scan::starting_at(log.clone(), position);
        let Step::Batch(frame) = scan.next()? else {
            return Ok(no_batch());
        };
        let fits = self.is_plausible(&frame) && frame.offset() <= offset;
        Ok(match frame.check_crc() {
            Ok(()) if fits => Borne::Out,
            Ok(()) => {
                let (found, expected) = (offset.get(), frame.offset().get());
                Borne::Not(Rule::Mismatch { what: "the offset of the batch at the entry's position", found, expected })
            }
            Err(_) if fits => Borne::Damaged,
            Err(_) => no_batch(),
        })
    }

    /// The largest timestamp of the segment's sound batches.
    ///
    /// The last entry of the time index says it, if the batch at its offset has that time and no batch behind it has a larger
    /// one.
    pub(super) fn largest_timestamp(&self, doubts: &mut Doubts) -> Result<Largest> {
        let index = self.time_index(doubts)?;
        if let Some(index) = index.as_ref().filter(|index| !index.is_empty()) {
            let last = index.last_entry();
            if let Some(position) = self.verified(index, last, doubts)? {
                let mut largest = Largest { timestamp: last.timestamp, offset: last.offset, via: Via::Index };
                self.grow(&mut largest, position)?;
                if largest.timestamp > last.timestamp && !self.is_last() {
                    let (found, least) = (last.timestamp.get(), largest.timestamp.get());
                    let rule = Rule::Below { what: "the last timestamp", found, least };
                    doubts.add(self.doubt(index, index.len().saturating_sub(1), 0, rule));
                }
                return Ok(largest);
            }
        }
        let mut largest = Largest { timestamp: Timestamp::NONE, offset: self.base, via: Via::Scan };
        self.grow(&mut largest, FilePosition::START)?;
        if let Some(empty) = index.filter(TimeIndex::is_empty)
            && largest.timestamp > Timestamp::NONE
            && !self.is_last()
        {
            let rule = Rule::Missing { what: "the entry of the segment's largest timestamp" };
            doubts.add(self.doubt(&empty, 0, 0, rule));
        }
        Ok(largest)
    }

    /// What a broker that opens the segment takes for its largest timestamp: whatever stands in the last slot of the time index; `None`
    /// without one.
    ///
    /// Kafka: `LogSegment.readMaxTimestampAndOffsetSoFar`.
    pub(super) fn believed_timestamp(&self) -> Result<Option<TimestampOffset>> {
        let path = self.folder.file(self.base, SegmentFile::TimeIndex);
        if self.fs.stat(&path)?.is_none() {
            return Ok(None);
        }
        let index = match TimeIndex::read(&Source::open(self.fs, &path)?, self.base) {
            Err(Error::Corrupt(_)) => return Ok(None),
            index => index?,
        };
        Ok(Some(index.last_entry()))
    }

    /// Takes in the batches from `from` on.
    fn grow(&self, largest: &mut Largest, from: FilePosition) -> Result<()> {
        let log = self.log()?;
        self.find(&log, from, |_, batch, soundness| {
            if soundness == Soundness::Sound && batch.max_timestamp() > largest.timestamp {
                (largest.timestamp, largest.offset) = (batch.max_timestamp(), batch.last_offset());
            }
            None::<()>
        })?;
        Ok(())
    }

    /// The position of the batch that an entry of the time index names, if that batch has the entry's time.
    fn verified(&self, index: &TimeIndex, entry: TimestampOffset, doubts: &mut Doubts) -> Result<Option<FilePosition>> {
        let (log, from, _) = self.seek(entry.offset, doubts)?;
        let batch = self.find(&log, from, |position, batch, soundness| {
            (batch.last_offset() >= entry.offset).then(|| (position, batch.max_timestamp(), soundness))
        })?;
        let rule = match batch {
            Some((position, timestamp, _)) if timestamp == entry.timestamp => return Ok(Some(position)),
            Some((_, _, Soundness::Damaged)) => return Ok(None),
            Some((_, timestamp, Soundness::Sound)) => Rule::Mismatch {
                what: "the largest timestamp of the batch at the entry's offset",
                found: entry.timestamp.get(),
                expected: timestamp.get(),
            },
            None => Rule::NoOffset { offset: entry.offset.get() },
        };
        let slot = index.iter().position(|e| e.timestamp == entry.timestamp).unwrap_or_default();
        doubts.add(self.doubt(index, slot, 0, rule));
        Ok(None)
    }

    /// The `.log`, and the first byte of a batch at or before the first one from `from` on whose largest timestamp is `timestamp`
    /// or later.
    pub(super) fn seek_time(
        &self,
        timestamp: Timestamp,
        from: Offset,
        doubts: &mut Doubts,
    ) -> Result<(Source, FilePosition, Via)> {
        let Some(index) = self.time_index(doubts)? else {
            return Ok((self.log()?, FilePosition::START, Via::Scan));
        };
        let entry = index.lookup(timestamp);
        if entry.timestamp > Timestamp::NONE && self.verified(&index, entry, doubts)?.is_none() {
            return Ok((self.log()?, FilePosition::START, Via::Scan));
        }
        self.seek(entry.offset.max(from), doubts)
    }
}

/// Whether the checksum of a batch fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Soundness {
    Sound,
    Damaged,
}

/// What stands where an index entry points.
enum Borne {
    /// A sound batch that suits the entry.
    Out,
    /// A batch that suits the entry and is damaged itself.
    Damaged,
    /// Nothing that suits the entry.
    Not(Rule),
}
