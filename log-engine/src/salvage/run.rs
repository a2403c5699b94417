//! A run: batches that lie one behind the other in one file and go on in offset without a gap, all of one leader epoch.
//!
//! Decisions are made about runs, not about batches, so that a sound log of any size is a handful of them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use crate::batch::{BatchHeader, LegacyHeader};
use crate::error::{Error, Result, Rule};
use crate::fs::Source;
use crate::segment::{Frame, Scan, Step};
use crate::units::{FilePosition, LeaderEpoch, Offset};

/// Where a run or a hole lies: which replica, and which of its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// In the order in which the replicas were given.
    pub(super) replica: usize,
    /// In the order of the segments' names.
    pub(super) segment: usize,
}

/// What tells a batch from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) first: Offset,
    pub(super) last: Offset,
    /// `None` for messages of formats 0 and 1.
    pub(super) epoch: Option<LeaderEpoch>,
    pub(super) crc: u32,
}

/// One batch of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) bytes: (u64, u64),
    pub(super) records: u64,
}

impl Entry {
    /// What a batch's head says; `None` if the file ends within it. A compressed message of an old format has its first offset
    /// inside: then it counts from `expected`, if that is below its last.
    pub(super) fn of(frame: &Frame<'_>, expected: Option<Offset>) -> Option<Self> {
        let id = match frame.header() {
            Some(header) => Id {
                first: header.base_offset(),
                last: header.last_offset(),
                epoch: Some(header.leader_epoch()),
                crc: header.crc(),
            },
            None if frame.magic() >= 2 => return None,
            None => {
                let message = LegacyHeader::at_start_of(frame.head())?;
                let is_alone = message.attributes.codec_bits() == 0;
                let first = expected.filter(|expected| !is_alone && *expected < message.offset);
                Id { first: first.unwrap_or(message.offset), last: message.offset, epoch: None, crc: message.crc }
            }
        };
        let counted = frame.header().map(BatchHeader::records_count);
        let records = match counted {
            Some(count) => u64::try_from(count).unwrap_or(0),
            None => id.offsets(),
        };
        Some(Self { id, bytes: (frame.position().get(), frame.end().get()), records })
    }
}

impl Id {
    /// How many offsets lie from its first to its last.
    pub(super) fn offsets(&self) -> u64 {
        offsets(self.first, self.last)
    }
}

/// How many offsets lie from `first` to `last`, both counted.
pub(super) fn offsets(first: Offset, last: Offset) -> u64 {
    u64::try_from(i128::from(last.get()) - i128::from(first.get()) + 1).unwrap_or(0)
}

/// See the file's head. Where a log was cleaned, offsets may be missing within a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) place: Place,
    pub(super) bytes: Range<u64>,
    pub(super) first: Offset,
    pub(super) last: Offset,
    /// The last offset of the first batch.
    pub(super) first_end: Offset,
    pub(super) epoch: Option<LeaderEpoch>,
    pub(super) batches: u64,
    pub(super) records: u64,
    /// A hash of its batches' [`Id`]s: runs of the same bytes have the same.
    pub(super) print: u64,
    /// Its batches hold fewer records than their offsets promise, as only the cleaner leaves them.
    pub(super) is_sparse: bool,
}

impl Run {
    /// How many offsets it spans.
    pub(super) fn offsets(&self) -> u64 {
        offsets(self.first, self.last)
    }

    pub(super) const fn len(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }

    /// Whether `next` begins at the byte where this ends.
    pub(super) fn touches(&self, next: &Self) -> bool {
        self.place == next.place && self.bytes.end == next.bytes.start
    }

    /// Takes the run behind this one in, which touches it.
    pub(super) fn join(&mut self, next: &Self) {
        self.bytes.end = next.bytes.end;
        self.last = next.last;
        self.batches = self.batches.saturating_add(next.batches);
        self.records = self.records.saturating_add(next.records);
        self.is_sparse |= next.is_sparse;
        let mut hasher = DefaultHasher::new();
        (self.print, next.print).hash(&mut hasher);
        self.print = hasher.finish();
    }
}

/// A run that grows batch by batch.
#[derive(Debug)]
pub(super) struct Growing {
    run: Run,
    hasher: DefaultHasher,
}

impl Growing {
    pub(super) fn new(place: Place, entry: &Entry, is_sparse: bool) -> Self {
        let Entry { id, bytes: (start, end), records } = *entry;
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let run = Run {
            place,
            bytes: start..end,
            first: id.first,
            last: id.last,
            first_end: id.last,
            epoch: id.epoch,
            batches: 1,
            records,
            print: 0,
            is_sparse,
        };
        Self { run, hasher }
    }

    pub(super) const fn run(&self) -> &Run {
        &self.run
    }

    /// Adds the batch behind the last one.
    pub(super) fn add(&mut self, entry: &Entry, is_sparse: bool) {
        entry.id.hash(&mut self.hasher);
        self.run.bytes.end = entry.bytes.1;
        self.run.last = entry.id.last;
        self.run.batches = self.run.batches.saturating_add(1);
        self.run.records = self.run.records.saturating_add(entry.records);
        self.run.is_sparse |= is_sparse;
    }

    pub(super) fn finish(mut self) -> Run {
        self.run.print = self.hasher.finish();
        self.run
    }
}

/// The batches of a run by their heads, in order.
#[derive(Debug)]
pub(super) struct Heads {
    scan: Scan,
    /// Where the next batch begins.
    at: u64,
    end: u64,
    expected: Offset,
}

impl Heads {
    pub(super) fn of(source: &Source, run: &Run) -> Self {
        let scan = Scan::heads(source.clone(), FilePosition::new(run.bytes.start));
        Self { scan, at: run.bytes.start, end: run.bytes.end, expected: run.first }
    }

    /// The next one; `None` at the end of the run.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails; [`Error::Corrupt`] if the file has changed since the run was found.
    pub(super) fn next(&mut self) -> Result<Option<Entry>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let entry = match self.scan.next()? {
            Step::Batch(frame) => Entry::of(&frame, Some(self.expected)).filter(|entry| entry.bytes.1 <= self.end),
            Step::Stop(_) => None,
        };
        let entry = entry.ok_or_else(|| changed(self.scan.source(), FilePosition::new(self.at)))?;
        (self.at, self.expected) = (entry.bytes.1, entry.id.last.next());
        Ok(Some(entry))
    }
}

/// A batch that was there is not there any more.
pub(super) fn changed(source: &Source, position: FilePosition) -> Error {
    Error::corrupt(source.path(), position, Rule::NoBatch { position: position.get() })
}

/// Parts a run in front of the first batch for which `is_behind` holds.
///
/// # Errors
/// As [`Heads::next`].
pub(super) fn divide(
    source: &Source,
    run: &Run,
    is_behind: &dyn Fn(&Id) -> bool,
) -> Result<(Option<Run>, Option<Run>)> {
    let mut halves: (Option<Growing>, Option<Growing>) = (None, None);
    let mut heads = Heads::of(source, run);
    while let Some(entry) = heads.next()? {
        let half = if halves.1.is_some() || is_behind(&entry.id) { &mut halves.1 } else { &mut halves.0 };
        match half {
            Some(growing) => growing.add(&entry, run.is_sparse),
            None => *half = Some(Growing::new(run.place, &entry, run.is_sparse)),
        }
    }
    Ok((halves.0.map(Growing::finish), halves.1.map(Growing::finish)))
}
