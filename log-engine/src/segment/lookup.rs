//! Finding an offset or a time in one segment as a broker does: from its indexes to a place in its `.log`, then on batch by batch.
//!
//! No checksum is looked at. An index that points past the end or between two batches leads to an answer all the same, the one
//! that a broker would give.

use std::ops::Range;

use super::offset_index::{Around, OffsetEntry, OffsetIndex};
use super::scan::{Frame, HEAD_PIECE, Scan, Step};
use super::time_index::TimeIndex;
use crate::batch::{BatchHeader, FRAMING_LEN, Framing, HEADER_LEN, MIN_SIZE, Scratch, Stop, Walk, framing};
use crate::error::{Error, Malformed, Result, Rule};
use crate::fs::{AlignedBuffer, Source};
use crate::units::{FilePosition, LeaderEpoch, Offset, Timestamp};

/// The most bytes that are read in the hope that a batch is among them. A larger one is looked up before it is read.
const MAX_READ_AROUND: usize = 1 << 20;

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPosition {
    /// Its first eight bytes: the base offset of a v2 batch, the last offset of a message.
    pub offset: Offset,
    /// Its last offset.
    pub last_offset: Offset,
    /// Its first byte.
    pub position: FilePosition,
    /// All its bytes.
    pub len: u64,
}

/// A record that was found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedRecord {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of its batch, where that names one.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// The first batch from where the index points whose last offset is not below `offset`; `None` if the walk ends before, or stops at
/// what is no batch but could be the beginning of one.
///
/// Kafka: `LogSegment.translateOffset`.
///
/// # Errors
/// [`Error::Corrupt`] where a broker throws: [`Rule::SizeTooSmall`] for a size that no batch can have, [`Rule::Short`] for a head
/// that the file cuts off, [`Rule::Negative`] for a negative position in the index. [`Error::Io`] where reading fails.
pub fn translate(log: &Source, index: &OffsetIndex, offset: Offset) -> Result<Option<BatchPosition>> {
    let Some(mut scan) = walk_from_entry(log, index, offset)? else {
        return Ok(None);
    };
    find(&mut scan, offset)
}

/// The offset behind the segment's last batch, as a broker finds it when it opens a log: it trusts the last slot of the index. The
/// segment's base if nothing is found from there.
///
/// Kafka: `LogSegment.readNextOffset`.
///
/// # Errors
/// As [`translate`]; a broker that opens the log ends then.
pub fn next_offset(log: &Source, index: &OffsetIndex) -> Result<Offset> {
    let Some(mut scan) = walk_from_entry(log, index, index.last_offset())? else {
        return Ok(index.base());
    };
    let Some(found) = find(&mut scan, index.last_offset())? else {
        return Ok(index.base());
    };
    offset_behind(&mut scan, found.last_offset.next())
}

/// The offset behind the last batch of what is left of a walk; `none` if there is none.
pub(super) fn offset_behind(scan: &mut Scan, none: Offset) -> Result<Offset> {
    let mut next = none;
    walk(scan, |frame| {
        next = frame.last_offset()?.next();
        Ok(None::<()>)
    })?;
    Ok(next)
}

/// The first record at or behind `from` whose timestamp is not below `timestamp`, looked for from where the indexes point; `None` if
/// the walk ends before. `scratch` is room for compressed batches.
///
/// Kafka: `LogSegment.findOffsetByTimestamp`.
///
/// # Errors
/// As [`translate`], and where the records of a batch that may hold the answer do not decode.
pub fn find_by_timestamp(
    log: &Source,
    offsets: &OffsetIndex,
    times: &TimeIndex,
    timestamp: Timestamp,
    from: Offset,
    scratch: &mut Scratch,
) -> Result<Option<TimedRecord>> {
    let start = times.lookup(timestamp).offset.max(from);
    match walk_from_entry(log, offsets, start)? {
        Some(scan) => find_time(scan, timestamp, from, scratch),
        None => Ok(None),
    }
}

/// As [`find_by_timestamp`], from where a walk over heads stands.
pub(super) fn find_time(
    mut scan: Scan,
    timestamp: Timestamp,
    from: Offset,
    scratch: &mut Scratch,
) -> Result<Option<TimedRecord>> {
    // From head to head up to a batch that is young enough; records are looked at from there on.
    let reaches = |frame: &Frame<'_>| Ok((frame.max_timestamp()? >= timestamp).then_some(frame.position()));
    let Some(position) = walk(&mut scan, reaches)? else {
        return Ok(None);
    };
    let log = scan.source().clone();
    walk(&mut Scan::starting_at(log, position), |frame| find_in_batch(frame, timestamp, from, scratch))
}

fn find_in_batch(
    frame: &Frame<'_>,
    timestamp: Timestamp,
    from: Offset,
    scratch: &mut Scratch,
) -> Result<Option<TimedRecord>, Malformed> {
    if frame.max_timestamp()? < timestamp {
        return Ok(None);
    }
    let batch = frame.batch()?;
    for record in batch.records(scratch)? {
        let record = record?;
        if record.timestamp >= timestamp && record.offset >= from {
            let leader_epoch = batch.leader_epoch();
            return Ok(Some(TimedRecord { timestamp: record.timestamp, offset: record.offset, leader_epoch }));
        }
    }
    Ok(None)
}

/// A walk from where the index points for `offset`; `None` if that is no place in the file where a batch could begin.
fn walk_from_entry(log: &Source, index: &OffsetIndex, offset: Offset) -> Result<Option<Scan>> {
    let Some((slot, entry)) = index.lookup_slot(offset) else {
        return Ok(Some(Scan::heads(log.clone(), FilePosition::START)));
    };
    match entry.file_position() {
        Some(position) => Ok(Some(Scan::heads(log.clone(), position))),
        // Kafka asks first whether a frame fits behind the position; in a file shorter than a frame none does, wherever it begins.
        None if i64::from(entry.position) + FRAMING_LEN as i64 >= i64::try_from(log.len()).unwrap_or(i64::MAX) => {
            Ok(None)
        }
        None => Err(index.corrupt(slot, 4, Rule::Negative { field: "position", value: entry.position.into() })),
    }
}

/// A walk over heads from `entry` on, if a batch stands there that can be the one that the entry tells of; from the first byte on
/// otherwise. An index is a hint, and no checksum guards it: a batch that begins below the segment's `base`, ends behind the entry's
/// offset, or does not begin there at all is another one.
pub(super) fn walk_from_checked(log: Source, base: Offset, entry: Option<OffsetEntry>) -> Result<Scan> {
    let start = entry.and_then(|entry| Some((entry.file_position()?, entry.offset(base))));
    if let Some((position, offset)) = start.filter(|(position, _)| *position > FilePosition::START) {
        let mut scan = Scan::heads(log.clone(), position);
        if let Step::Batch(frame) = scan.next()?
            && frame.last_offset().is_ok_and(|last| frame.offset() >= base && frame.offset() <= last && last <= offset)
        {
            scan.seek(position)?;
            return Ok(scan);
        }
    }
    Ok(Scan::heads(log, FilePosition::START))
}

/// The batch that the entry behind an offset's own tells of, if it holds the offset and the batches before it are so large that a walk
/// would have to read twice: then most batches have an entry of their own.
pub(super) fn at_next_entry(
    log: &Source,
    base: Offset,
    (floor, next, _): Around,
    offset: Offset,
) -> Result<Option<BatchPosition>> {
    let start = floor.and_then(|entry| entry.file_position()).unwrap_or(FilePosition::START);
    let next = next.and_then(|entry| Some((entry.file_position()?, entry.offset(base))));
    let Some((position, last)) = next.filter(|(at, _)| at.get().saturating_sub(start.get()) > HEAD_PIECE as u64) else {
        return Ok(None);
    };
    let mut head = [0; HEADER_LEN];
    let read = log.read_at(&mut head, position.get())?;
    let head = head.get(..read).unwrap_or_default();
    let Framing::Batch { offset: first, len } = framing(head, log.len().saturating_sub(position.get())) else {
        return Ok(None);
    };
    let header = BatchHeader::at_start_of(head).filter(|header| header.magic() == 2);
    let holds = first >= base && first <= offset && offset <= last && header.is_some_and(|h| h.last_offset() == last);
    Ok(holds.then_some(BatchPosition { offset: first, last_offset: last, position, len }))
}

/// Where the batch is that holds `offset`, in the file and in `into`, if the one read that the index advises brings all of it.
pub(super) fn read_around(
    log: &Source,
    base: Offset,
    around: Around,
    offset: Offset,
    into: &mut AlignedBuffer,
) -> Result<Option<(FilePosition, Range<usize>)>> {
    let Some(Near { start, until, told }) = near(log, base, around, offset) else { return Ok(None) };
    let len = usize::try_from(until.min(log.len()).saturating_sub(start));
    let Some(len) = len.ok().filter(|len| *len <= MAX_READ_AROUND) else { return Ok(None) };
    into.grow(len);
    let read = log.read_at(into.as_mut_slice().get_mut(..len).unwrap_or_default(), start)?;
    let mut is_first = true;
    for (at, batch) in Walk::new(into.as_slice().get(..read).unwrap_or_default()) {
        let Some((batch, header)) = batch.ok().and_then(|batch| Some((batch, batch.header()?))) else {
            return Ok(None);
        };
        let (first, last) = (header.base_offset(), header.last_offset());
        // The batch that the entry tells of, as `walk_from_checked` has it; and none before it can hold the offset.
        let is_other = is_first && told.is_some_and(|told| last > told || first > offset);
        if first < base || first > last || is_other {
            return Ok(None);
        }
        if last >= offset {
            return Ok(Some((
                FilePosition::new(start.saturating_add(at as u64)),
                at..at.saturating_add(batch.bytes().len()),
            )));
        }
        is_first = false;
    }
    Ok(None)
}

/// Bytes of a segment that most likely hold the batch of an offset.
struct Near {
    start: u64,
    until: u64,
    /// The last offset of the batch at the start, if an entry told it.
    told: Option<Offset>,
}

/// Where to read for `offset`: the batch of the entry with that very offset; the one of the entry behind it, where most batches have an
/// entry of their own; or else about one distance between entries. `None` for an index that cannot be right.
fn near(log: &Source, base: Offset, (floor, next, behind): Around, offset: Offset) -> Option<Near> {
    let place = |entry: OffsetEntry| Some((entry.file_position()?.get(), Some(entry.offset(base))));
    let end = |entry: Option<OffsetEntry>| match entry {
        Some(entry) => Some(place(entry)?.0),
        None => Some(log.len()),
    };
    let (start, told) = floor.map_or(Some((0, None)), place)?;
    let next_start = end(next)?;
    if told == Some(offset) {
        return Some(Near { start, until: next_start, told });
    }
    match next {
        Some(next) if next_start.saturating_sub(start) > HEAD_PIECE as u64 => {
            let (start, told) = place(next)?;
            Some(Near { start, until: end(behind)?, told })
        }
        _ => Some(Near { start, until: start.saturating_add(HEAD_PIECE as u64), told }),
    }
}

pub(super) fn find(scan: &mut Scan, offset: Offset) -> Result<Option<BatchPosition>> {
    walk(scan, |frame| {
        let last_offset = frame.last_offset()?;
        let found = BatchPosition { offset: frame.offset(), last_offset, position: frame.position(), len: frame.len() };
        Ok((last_offset >= offset).then_some(found))
    })
}

/// Goes on to the first batch of which `each` makes something; `None` at an end that a broker takes for one.
pub(super) fn walk<T>(
    scan: &mut Scan,
    mut each: impl FnMut(&Frame<'_>) -> Result<Option<T>, Malformed>,
) -> Result<Option<T>> {
    loop {
        let (position, made) = match scan.next()? {
            Step::Batch(frame) => (frame.position(), each(&frame)),
            Step::Stop(Stop::Size { size }) => {
                let rule = Rule::SizeTooSmall { size, minimum: MIN_SIZE };
                return Err(Error::corrupt(scan.source().path(), scan.position(), rule));
            }
            Step::Stop(_) => return Ok(None),
        };
        if let Some(made) = made.map_err(|malformed| malformed.in_file(scan.source().path(), position))? {
            return Ok(Some(made));
        }
    }
}

#[cfg(test)]
mod tests;
