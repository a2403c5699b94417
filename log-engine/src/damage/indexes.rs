//! Faults in offset and time indexes.

use std::path::PathBuf;

use super::batches::FAR_FUTURE;
use super::fields::{
    OFFSET_ENTRY_OFFSET, OFFSET_ENTRY_POSITION, Place, TIME_ENTRY_OFFSET, TIME_ENTRY_TIME, read_number, write_number,
};
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::segment::SegmentFile;
use crate::segment::SegmentFile::{OffsetIndex, TimeIndex};
use crate::units::Offset;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("index-missing", "an offset index is gone", |s| missing(s, OffsetIndex, inner)),
    Kind::new("index-empty", "an offset index has 0 bytes", |s| edit(s, OffsetIndex, inner, Entries::empty)),
    Kind::new("index-size", "an offset index is no multiple of 8 bytes long", |s| {
        edit(s, OffsetIndex, inner, Entries::odd)
    }),
    Kind::new("index-below-base", "an offset index ends with an offset below its base", |s| {
        edit(s, OffsetIndex, inner, |e| e.set_last(OFFSET_ENTRY_OFFSET, |_| -3))
    }),
    Kind::new("index-not-increasing", "two entries of an offset index have changed places", |s| {
        edit(s, OffsetIndex, inner, Entries::swap)
    }),
    Kind::new("index-past-end", "an offset index ends with a position behind the end of the .log", |s| {
        edit(s, OffsetIndex, inner, Entries::position_past_end)
    }),
    Kind::new("index-offset-past-end", "an offset index ends with an offset behind the end of the log", |s| {
        edit(s, OffsetIndex, inner, |e| e.set_last(OFFSET_ENTRY_OFFSET, |old| old.saturating_add(100_000)))
    }),
    Kind::new("index-zeros", "an offset index holds nothing but zeros", |s| {
        edit(s, OffsetIndex, inner, Entries::zeros)
    }),
    Kind::new("index-off-boundary", "an entry of an offset index points into a batch", |s| {
        edit(s, OffsetIndex, inner, |e| e.set_middle(OFFSET_ENTRY_POSITION, |old| old.saturating_add(7)))
    }),
    Kind::new("index-garbage", "an offset index holds random bytes", |s| edit(s, OffsetIndex, inner, Entries::garbage)),
    Kind::new("index-last-segment-missing", "the last offset index is gone", |s| missing(s, OffsetIndex, last)),
    Kind::new("index-last-segment-empty", "the last offset index has 0 bytes", |s| {
        edit(s, OffsetIndex, last, Entries::empty)
    }),
    Kind::new("index-last-segment-size", "the last offset index is no multiple of 8 bytes long", |s| {
        edit(s, OffsetIndex, last, Entries::odd)
    }),
    Kind::new("index-last-segment-below-base", "the last offset index ends with an offset below its base", |s| {
        edit(s, OffsetIndex, last, |e| e.set_last(OFFSET_ENTRY_OFFSET, |_| -3))
    }),
    Kind::new(
        "index-last-segment-past-end",
        "the last offset index ends with a position behind the end of the .log",
        |s| edit(s, OffsetIndex, last, Entries::position_past_end),
    ),
    Kind::new(
        "index-last-segment-offset-past-end",
        "the last offset index ends with an offset behind the log's end",
        |s| edit(s, OffsetIndex, last, |e| e.set_last(OFFSET_ENTRY_OFFSET, |old| old.saturating_add(100_000))),
    ),
    Kind::new("index-last-segment-zeros", "the last offset index holds nothing but zeros", |s| {
        edit(s, OffsetIndex, last, Entries::zeros)
    }),
    Kind::new(
        "index-last-segment-off-boundary-last",
        "the last entry of the last offset index points into a batch",
        |s| edit(s, OffsetIndex, last, |e| e.set_last(OFFSET_ENTRY_POSITION, |old| old.saturating_add(7))),
    ),
    Kind::new("timeindex-missing", "a time index is gone", |s| missing(s, TimeIndex, inner)),
    Kind::new("timeindex-empty", "a time index has 0 bytes", |s| edit(s, TimeIndex, inner, Entries::empty)),
    Kind::new("timeindex-size", "a time index is no multiple of 12 bytes long", |s| {
        edit(s, TimeIndex, inner, Entries::odd)
    }),
    Kind::new("timeindex-below-base", "a time index ends with an offset below its base", |s| {
        edit(s, TimeIndex, inner, |e| e.set_last(TIME_ENTRY_OFFSET, |_| -3))
    }),
    Kind::new("timeindex-not-increasing", "two entries of a time index have changed places", |s| {
        edit(s, TimeIndex, inner, Entries::swap)
    }),
    Kind::new("timeindex-past-end", "a time index ends with an offset behind the end of the log", |s| {
        edit(s, TimeIndex, inner, |e| e.set_last(TIME_ENTRY_OFFSET, |_| 100_000))
    }),
    Kind::new("timeindex-zeros", "a time index holds nothing but zeros", |s| edit(s, TimeIndex, inner, Entries::zeros)),
    Kind::new("timeindex-decreasing", "a time index ends with a time below its first", |s| {
        edit(s, TimeIndex, inner, |e| {
            let first = read_number(&e.bytes, TIME_ENTRY_TIME);
            e.set_last(TIME_ENTRY_TIME, |_| first.saturating_sub(1000))
        })
    }),
    Kind::new("timeindex-future", "a time index ends with a time in 2100", |s| {
        edit(s, TimeIndex, inner, |e| e.set_last(TIME_ENTRY_TIME, |_| FAR_FUTURE))
    }),
    Kind::new("timeindex-last-segment-missing", "the last time index is gone", |s| missing(s, TimeIndex, last)),
    Kind::new("timeindex-last-segment-size", "the last time index is no multiple of 12 bytes long", |s| {
        edit(s, TimeIndex, last, Entries::odd)
    }),
    Kind::new("timeindex-last-segment-past-end", "the last time index ends with an offset behind the log's end", |s| {
        edit(s, TimeIndex, last, |e| e.set_last(TIME_ENTRY_OFFSET, |_| 100_000))
    }),
    Kind::new("timeindex-last-segment-zeros", "the last time index holds nothing but zeros", |s| {
        edit(s, TimeIndex, last, Entries::zeros)
    }),
    Kind::new("timeindex-last-segment-future", "the last time index ends with a time in 2100", |s| {
        edit(s, TimeIndex, last, |e| e.set_last(TIME_ENTRY_TIME, |_| FAR_FUTURE))
    }),
];

/// Which segment.
type Which = fn(&mut Site<'_>) -> Option<Offset>;

fn inner(site: &mut Site<'_>) -> Option<Offset> {
    site.inner_segment().map(|(base, _)| base)
}

fn last(site: &mut Site<'_>) -> Option<Offset> {
    site.last_segment().map(|(base, _)| base)
}

fn missing(site: &mut Site<'_>, file: SegmentFile, which: Which) -> Planned {
    let Some(base) = which(site) else { return Ok(None) };
    let file = site.file(base, file);
    Ok(site.removal(file)?.map(|change| vec![change]))
}

/// An index to be changed.
struct Entries {
    bytes: Vec<u8>,
    /// Bytes of an entry.
    entry: usize,
    /// Entries before the zeros that an active index ends with.
    used: usize,
    log_len: i64,
    /// Where random bytes come from.
    garbage: Vec<u8>,
}

fn edit(site: &mut Site<'_>, file: SegmentFile, which: Which, change: fn(&mut Entries) -> Option<()>) -> Planned {
    let Some(base) = which(site) else { return Ok(None) };
    let path: PathBuf = site.file(base, file);
    let Some(old) = site.read(&path)? else { return Ok(None) };
    let entry = if file == OffsetIndex { 8 } else { 12 };
    let used = old.iter().rposition(|byte| *byte != 0).map_or(0, |at| at / entry + 1);
    let log_len = site.folder.segments.get(&base).and_then(|files| files.log).unwrap_or(0);
    let garbage = site.garbage(used.saturating_mul(entry).min(1 << 16));
    let log_len = i64::try_from(log_len).unwrap_or(i64::MAX);
    let mut entries = Entries { bytes: old.clone(), entry, used, log_len, garbage };
    let changed = change(&mut entries).and_then(|()| site.rewritten(path, &old, &entries.bytes));
    Ok(changed.map(|change| vec![change]))
}

impl Entries {
    fn empty(&mut self) -> Option<()> {
        self.bytes.clear();
        Some(())
    }

    fn odd(&mut self) -> Option<()> {
        self.bytes.extend([1, 2, 3]);
        Some(())
    }

    fn zeros(&mut self) -> Option<()> {
        self.bytes.fill(0);
        Some(())
    }

    fn garbage(&mut self) -> Option<()> {
        self.bytes.iter_mut().zip(&self.garbage).for_each(|(to, byte)| *to = *byte);
        Some(())
    }

    /// The field of entry `n`, where that is a whole one.
    fn field(&self, n: usize, (at, len): Place) -> Option<Place> {
        let start = n.checked_mul(self.entry)?;
        (n < self.used && start + self.entry <= self.bytes.len()).then_some((start + at, len))
    }

    fn set(&mut self, n: usize, field: Place, to: impl Fn(i64) -> i64) -> Option<()> {
        let field = self.field(n, field)?;
        let old = read_number(&self.bytes, field);
        write_number(&mut self.bytes, field, to(old));
        Some(())
    }

    fn set_last(&mut self, field: Place, to: impl Fn(i64) -> i64) -> Option<()> {
        self.set(self.used.checked_sub(1)?, field, to)
    }

    fn set_middle(&mut self, field: Place, to: impl Fn(i64) -> i64) -> Option<()> {
        self.set(self.used / 2, field, to)
    }

    fn position_past_end(&mut self) -> Option<()> {
        let position = self.log_len.saturating_add(5000).min(i64::from(i32::MAX));
        self.set_last(OFFSET_ENTRY_POSITION, |_| position)
    }

    /// The two entries in the middle.
    fn swap(&mut self) -> Option<()> {
        let second = (self.used / 2).max(1);
        self.field(second, (0, self.entry))?;
        let two = self.bytes.get_mut((second - 1) * self.entry..(second + 1) * self.entry)?;
        two.rotate_left(self.entry);
        Some(())
    }
}
