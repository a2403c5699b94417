//! The batches of a log in order, across its segments.

use std::ops::Range;

use super::LogReader;
use super::locate::{Doubts, Via};
use super::walk::{Damage, Met, OnDamage, SegmentWalk};
use crate::batch::Batch;
use crate::error::{Corrupt, Result};
use crate::units::{FilePosition, Offset};

/// A sound batch of a log, and where it is. Its checksum fits; its records may still be wrong.
#[derive(Clone, Copy, Debug)]
pub struct LogBatch<'a> {
    /// The base offset of its segment.
    pub segment: Offset,
    /// Its first byte in the `.log` file.
    pub position: FilePosition,
    /// The batch.
    pub batch: Batch<'a>,
}

/// What a log holds next.
#[derive(Debug)]
pub enum BatchItem<'a> {
    /// A sound batch.
    Batch(LogBatch<'a>),
    /// Something else.
    Damage(Damage),
}

/// The batches of a log that reach into a range of offsets. What it gives is borrowed from it.
///
/// Memory: that of one [`Scan`](crate::segment::Scan).
#[derive(Debug)]
pub struct Batches<'r> {
    log: &'r LogReader<'r>,
    range: Range<Offset>,
    on_damage: OnDamage,
    /// The slot of the segment that is walked, or that comes next.
    slot: usize,
    walk: Option<(Offset, SegmentWalk)>,
    /// Behind the last batch that was met.
    next: Offset,
    via: Via,
    doubts: Doubts,
    is_done: bool,
}

/// What to do with what was met.
enum Verdict {
    Yield,
    Skip,
    Damage(Damage),
    NextSegment,
    Done,
}

impl<'f> LogReader<'f> {
    /// The batches that hold offsets of `range`, or would hold them had compaction not removed them. Control batches are among them.
    #[must_use]
    pub fn batches(&self, range: Range<Offset>, on_damage: OnDamage) -> Batches<'_> {
        Batches {
            log: self,
            slot: self.slot_of(range.start),
            next: range.start,
            range,
            on_damage,
            walk: None,
            via: Via::Index,
            doubts: Doubts::default(),
            is_done: false,
        }
    }
}

impl Batches<'_> {
    /// How the beginning was found.
    #[must_use]
    pub const fn via(&self) -> Via {
        self.via
    }

    /// Where the index of the first segment says what is not so.
    #[must_use]
    pub fn doubts(&self) -> &[Corrupt] {
        self.doubts.list()
    }

    /// The next batch or damage; `None` at the end of the range or of the log.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails, also when retention removed a segment meanwhile.
    #[expect(clippy::should_implement_trait, reason = "what it gives is borrowed from it")]
    pub fn next(&mut self) -> Result<Option<BatchItem<'_>>> {
        while !self.is_done {
            match self.step()? {
                Verdict::Yield => return self.current(),
                Verdict::Skip => {}
                Verdict::Damage(damage) => {
                    self.is_done = self.on_damage == OnDamage::Stop;
                    return Ok(Some(BatchItem::Damage(damage)));
                }
                Verdict::NextSegment => {
                    self.walk = None;
                    self.slot = self.slot.saturating_add(1);
                }
                Verdict::Done => self.is_done = true,
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> Result<Verdict> {
        let Some((_, walk)) = &mut self.walk else {
            return self.open();
        };
        Ok(match walk.step()? {
            Met::End => Verdict::NextSegment,
            Met::Damage(damage) => Verdict::Damage(damage),
            Met::Batch { first, last } => {
                // Where a message's first offset is inside, it begins behind the batch before it.
                let first = first.unwrap_or(last.min(self.next));
                self.next = last.next();
                self.judge(first, last)
            }
        })
    }

    fn judge(&self, first: Offset, last: Offset) -> Verdict {
        // A damaged base offset can make the last one wrap: such a batch lies nowhere, and is shown to who asks for everything.
        if last < first && self.range.end == Offset::new(i64::MAX) {
            return Verdict::Yield;
        }
        if last < self.range.start {
            return Verdict::Skip;
        }
        if first < self.range.end {
            return Verdict::Yield;
        }
        // An offset that cannot be in this segment is a wrong one, and says nothing of what follows.
        if self.can_hold(first) { Verdict::Done } else { Verdict::Skip }
    }

    /// Whether the segment that is walked can hold `offset`: one below the next segment; in the last, one that an index can say.
    fn can_hold(&self, offset: Offset) -> bool {
        match (self.log.bases.get(self.slot), self.log.bases.get(self.slot.saturating_add(1))) {
            (_, Some(next)) => offset < *next,
            (Some(base), None) => offset.delta_from(*base).is_some(),
            (None, None) => false,
        }
    }

    fn open(&mut self) -> Result<Verdict> {
        let is_first = self.slot == self.log.slot_of(self.range.start);
        let Some(segment) = self.log.nth_segment(self.slot).filter(|s| is_first || s.base < self.range.end) else {
            return Ok(Verdict::Done);
        };
        let (log, from) = if is_first {
            let (log, from, via) = segment.seek(self.range.start, &mut self.doubts)?;
            self.via = via;
            (log, from)
        } else {
            (segment.log()?, FilePosition::START)
        };
        self.walk = Some((segment.base, segment.walk(&log, from)));
        Ok(Verdict::Skip)
    }

    fn current(&mut self) -> Result<Option<BatchItem<'_>>> {
        let Some((segment, walk)) = &mut self.walk else {
            return Ok(None);
        };
        let path = walk.path().to_owned();
        let frame = walk.current()?;
        let position = frame.position();
        let batch = frame.batch().map_err(|e| e.in_file(&path, position))?;
        Ok(Some(BatchItem::Batch(LogBatch { segment: *segment, position, batch })))
    }
}
