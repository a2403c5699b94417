//! A segment with offsets too far apart for its indexes, split into several.
//!
//! Kafka: `LogLoader.retryOnOffsetOverflow`, `LocalLog.splitOverflowedSegment`.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::Loader;
use super::kafka::TooFar;
use crate::error::{Error, Result, Rule};
use crate::fs::{OpenMode, Source, write_all_at};
use crate::segment::{Indexer, Leftover, Scan, Segment, SegmentFile, Step, rebuild};
use crate::units::{FilePosition, Offset};

/// A segment is split once for each batch that is too far; what is split has none. More splits than this mean that the parts
/// take each other's names.
const MAX_SPLITS: usize = 1000;
/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// One of the segments that a segment is split into.
struct Part {
    base: Offset,
    from: u64,
    to: u64,
}

impl Loader<'_> {
    /// Takes a step until it meets no segment that has to be split.
    pub(super) fn splitting(&mut self, mut step: impl FnMut(&mut Self) -> Result<Option<TooFar>>) -> Result<()> {
        for _ in 0..MAX_SPLITS {
            match step(self)? {
                None => return Ok(()),
                Some(too_far) => self.split(too_far)?,
            }
        }
        let rule = Rule::TooMany { what: "segments have to be split", limit: MAX_SPLITS as u64 };
        Err(Error::corrupt(&self.dir, FilePosition::START, rule))
    }

    /// Only a segment that ends too far is split; damage that looks so in the middle of one keeps a broker from starting.
    ///
    /// The parts are written under `.cleaned` names and take the place of the segment under `.swap` names, so that a start that finds
    /// them half done goes back, or on.
    fn split(&mut self, TooFar { base, offset }: TooFar) -> Result<()> {
        let segment = match self.segments.floor(base).filter(|segment| segment.base() == base) {
            Some(segment) => Arc::clone(segment),
            None => self.open(base, true)?,
        };
        let overflow = Rule::OffsetOverflow { offset: offset.get(), base: base.get() };
        let cannot = |position| Error::corrupt(&segment.path(), position, overflow.clone());
        let end = segment.next_offset_by_index()?;
        if end <= base || Offset::new(end.get().wrapping_sub(1)).delta_from(base).is_some() {
            return Err(cannot(position_of(&segment, offset)?));
        }
        let parts = parts(&segment)?.map_err(cannot)?;
        let source = segment.source()?;
        for part in &parts {
            self.write_part(&source, part)?;
        }
        self.fs.sync_dir(&self.dir)?;
        for part in parts.iter().rev() {
            self.rename_part(part.base, Leftover::Cleaned.suffix(), Leftover::Swap.suffix())?;
        }
        self.fs.sync_dir(&self.dir)?;
        self.delete_segments(&[segment])?;
        for part in &parts {
            self.rename_part(part.base, Leftover::Swap.suffix(), "")?;
            let has_times = true;
            self.segments = self.segments.with(self.open(part.base, has_times)?);
        }
        self.fs.sync_dir(&self.dir)
    }

    fn write_part(&mut self, source: &Source, part: &Part) -> Result<()> {
        let name = |file: SegmentFile| file.name(part.base) + Leftover::Cleaned.suffix();
        let log = self.names.path(&name(SegmentFile::Log));
        let file = self.fs.open_write(&log, OpenMode::New)?;
        let mut piece = vec![0; PIECE];
        let mut at = part.from;
        while at < part.to {
            let wanted = usize::try_from(part.to.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let read = source.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
            if read == 0 {
                break;
            }
            let to = at.saturating_sub(part.from);
            write_all_at(file.as_ref(), &log, piece.get(..read).unwrap_or_default(), to)?;
            at = at.saturating_add(read as u64);
        }
        file.sync().map_err(|e| Error::io("sync", &log, e))?;
        let indexer = Indexer::new(part.base, self.config.index_interval_bytes);
        let mut scan = Scan::new(Source::open(self.fs.as_ref(), &log)?);
        let made = rebuild(&mut scan, indexer, |_| ControlFlow::Continue(()))?.indexes;
        for (index, bytes) in
            [(SegmentFile::OffsetIndex, made.offsets.bytes()), (SegmentFile::TimeIndex, made.times.bytes())]
        {
            let path = self.names.path(&name(index));
            let file = self.fs.open_write(&path, OpenMode::New)?;
            write_all_at(file.as_ref(), &path, bytes, 0)?;
            file.sync().map_err(|e| Error::io("sync", &path, e))?;
            self.names.put(&name(index), bytes.len() as u64);
        }
        self.names.put(&name(SegmentFile::Log), part.to.saturating_sub(part.from));
        Ok(())
    }

    fn rename_part(&mut self, base: Offset, from: &str, to: &str) -> Result<()> {
        for file in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            let name = file.name(base);
            self.names.rename(&format!("{name}{from}"), &format!("{name}{to}"))?;
        }
        Ok(())
    }
}

/// Each part takes the batches that can be told relative to its first one's base offset. The place where this does not work out,
/// if there is one: a batch that ends below where it begins, or bytes that are no batch.
fn parts(segment: &Segment) -> Result<Result<Vec<Part>, FilePosition>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut scan = Scan::heads(segment.source()?, FilePosition::START);
    loop {
        let frame = match scan.next()? {
            Step::Batch(frame) => frame,
            Step::Stop(_) => {
                let position = scan.position();
                return Ok(if position.get() == segment.size() { Ok(parts) } else { Err(position) });
            }
        };
        let last = frame.last_offset().map_err(|e| e.in_file(&segment.path(), frame.position()))?;
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
fn position_of(segment: &Segment, offset: Offset) -> Result<FilePosition> {
    let mut scan = Scan::heads(segment.source()?, FilePosition::START);
    while let Step::Batch(frame) = scan.next()? {
        if frame.last_offset().is_ok_and(|last| last == offset) {
            return Ok(frame.position());
        }
    }
    Ok(FilePosition::START)
}
