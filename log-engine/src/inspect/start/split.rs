//! A segment with offsets too far apart for its indexes, split into several.
//!
//! Kafka: `LogLoader.retryOnOffsetOverflow`, `LocalLog.splitOverflowedSegment`.

use super::failure::{FailureEffect, Outcome, StartFailure, StartRule};
use super::opening::TooFar;
use super::partition::Loader;
use super::picture::{Content, Stretch, fatal_if_corrupt};
use crate::fs::Source;
use crate::inspect::HELD;
use crate::segment::{Scan, SegmentFile, Step};
use crate::units::{FilePosition, Offset};

/// A segment is split once for each batch that is too far; what is split has none. More splits than this mean that the parts
/// take each other's names.
const MAX_SPLITS: usize = 1000;

impl Loader<'_> {
    /// Takes a step until it meets no segment that has to be split.
    pub(super) fn splitting(&mut self, mut step: impl FnMut(&mut Self) -> Outcome<Option<TooFar>>) -> Outcome<()> {
        for _ in 0..MAX_SPLITS {
            match step(self)? {
                None => return Ok(()),
                Some(too_far) => self.split(too_far)?,
            }
        }
        let rule = StartRule::NeverSplit { splits: MAX_SPLITS };
        Err(StartFailure::whole(FailureEffect::Fatal, self.picture.folder(), rule).into())
    }

    /// Only a segment that ends too far is split; damage that looks so in the middle of one keeps the broker from starting.
    fn split(&mut self, TooFar { base, offset }: TooFar) -> Outcome<()> {
        let log = self.picture.log(base)?;
        let end = self.picture.next_offset(base)?;
        let last = Offset::new(end.get().wrapping_sub(1));
        let cannot = |position| {
            let rule = StartRule::CannotSplit { offset: offset.get(), base: base.get() };
            StartFailure::new(FailureEffect::Fatal, log.path(), position, rule)
        };
        if end <= base || last.delta_from(base).is_some() {
            return Err(cannot(position_of(&log, offset)?).into());
        }
        let parts = parts(&log)?.map_err(cannot)?;
        let name = SegmentFile::Log.name(base);
        let Some(Content::Disk(Stretch { name, from, .. })) = self.picture.get(&name).cloned() else {
            return Ok(());
        };
        self.picture.delete_segment(base);
        self.segments.remove(&base);
        for part in parts {
            self.make_segment(part.base);
            let stretch =
                Stretch { name: name.clone(), from: from.saturating_add(part.from), to: from.saturating_add(part.to) };
            self.picture.put(&SegmentFile::Log.name(part.base), Content::Disk(stretch));
        }
        Ok(())
    }
}

/// One of the segments that a segment is split into.
struct Part {
    base: Offset,
    from: u64,
    to: u64,
}

/// Each part takes the batches that can be told relative to its first one's base offset. The place where this does not work out,
/// if there is one: a batch that ends below where it begins, or bytes that are no batch.
fn parts(log: &Source) -> Outcome<Result<Vec<Part>, FilePosition>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut scan = Scan::new(log.clone()).holding(HELD);
    loop {
        let frame = match scan.next()? {
            Step::Batch(frame) => frame,
            Step::Stop(_) => {
                let position = scan.position();
                return Ok(if position.get() == log.len() { Ok(parts) } else { Err(position) });
            }
        };
        let last = frame.last_offset().map_err(|e| fatal_if_corrupt(e.in_file(log.path(), frame.position())))?;
        match parts.last_mut().filter(|part| last.delta_from(part.base).is_some()) {
            Some(part) => part.to = frame.end().get(),
            None if last.delta_from(frame.offset()).is_none() => return Ok(Err(frame.position())),
            None => {
                parts.push(Part { base: frame.offset(), from: frame.position().get(), to: frame.end().get() });
            }
        }
    }
}

/// Where the first batch with this last offset begins.
fn position_of(log: &Source, offset: Offset) -> Outcome<FilePosition> {
    let mut scan = Scan::new(log.clone()).holding(HELD);
    while let Step::Batch(frame) = scan.next()? {
        if frame.last_offset().is_ok_and(|last| last == offset) {
            return Ok(frame.position());
        }
    }
    Ok(FilePosition::START)
}
