//! Whether the entries of an index fit the log beside it, entry by entry.
//!
//! [`verify`](super::verify) tells what is wrong with a partition and weighs it; here each entry gets an answer, so that an index can be
//! shown with them.

use std::fmt;

use crate::batch::{Batch, ControlType, Scratch, Stop};
use crate::error::Result;
use crate::fs::Source;
use crate::inspect::HELD;
use crate::segment::{Frame, OffsetIndex, Resync, Scan, Step, TimeIndex, TxnIndex};
use crate::units::{Offset, ProducerId};

/// How an entry of an index stands to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It says what is so.
    Fits,
    /// All its bytes are zero: space that was not used.
    Empty,
    /// It does not lie above the entries before it.
    NotRising,
    /// Its offset lies below the segment's base.
    BelowBase,
    /// It names a position or an offset behind the end of the log.
    PastEnd,
    /// Its position is not the start of a batch.
    InsideBatch,
    /// The batches from its position on, up to the next entry's, do not hold its offset.
    OtherOffset,
    /// Its time is not the largest of the batches up to its offset.
    OtherTime,
    /// No marker that aborts a transaction of its producer stands at its last offset.
    NoMarker,
    /// Its version is unknown.
    Version,
    /// The log is damaged where it points to, so that nothing can be said.
    Unknown,
}

impl Fit {
    /// The answer in a word or two.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Empty => "empty",
            Self::NotRising => "does not rise",
            Self::BelowBase => "below the segment's base",
            Self::PastEnd => "past the end of the log",
            Self::InsideBatch => "inside a batch",
            Self::OtherOffset => "another offset",
            Self::OtherTime => "another time",
            Self::NoMarker => "no abort marker there",
            Self::Version => "unknown version",
            Self::Unknown => "the log is damaged there",
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A stretch of the log: a batch, or damage.
struct Piece {
    from: u64,
    to: u64,
    batch: Option<Seen>,
}

/// What entries say of a batch.
struct Seen {
    /// `None` for old messages, which name their last offset only.
    base: Option<i64>,
    last: i64,
    max_timestamp: i64,
    /// Whose transaction it aborts.
    aborts: Option<ProducerId>,
}

impl Seen {
    fn of(frame: &Frame<'_>, scratch: &mut Scratch) -> Option<Self> {
        frame.check_crc().ok()?;
        let aborts = frame.batch().ok().filter(Batch::is_control).and_then(|batch| {
            let mut records = batch.records(scratch).ok()?;
            let marker = ControlType::parse(records.next()?.ok()?.key?).ok()?;
            (marker == ControlType::Abort).then_some(batch.producer()?.id)
        });
        Some(Self {
            base: frame.header().map(|_| frame.offset().get()),
            last: frame.last_offset().ok()?.get(),
            max_timestamp: frame.max_timestamp().ok()?.get(),
            aborts,
        })
    }
}

/// Shows the log to `each`, stretch by stretch.
fn pieces(log: Source, mut each: impl FnMut(&Piece)) -> Result<()> {
    let len = log.len();
    let mut scan = Scan::new(log).holding(HELD);
    let mut scratch = Scratch::default();
    loop {
        let from = match scan.next()? {
            Step::Stop(Stop::End) => return Ok(()),
            Step::Stop(_) => scan.position().get(),
            Step::Batch(frame) => match Seen::of(&frame, &mut scratch) {
                Some(seen) => {
                    each(&Piece { from: frame.position().get(), to: frame.end().get(), batch: Some(seen) });
                    continue;
                }
                None => frame.position().get(),
            },
        };
        let found = scan.resync()?;
        let to = if let Resync::Found(next) = found { next.get() } else { len };
        each(&Piece { from, to, batch: None });
        if to == len {
            return Ok(());
        }
    }
}

/// Slots that no batch is needed for, answered; the others in the order of `key`.
fn sorted<K: Ord>(fits: &[Option<Fit>], key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut open: Vec<usize> = (0..fits.len()).filter(|slot| fits.get(*slot).is_some_and(Option::is_none)).collect();
    open.sort_by_key(|slot| key(*slot));
    open
}

fn answer(fits: &mut [Option<Fit>], slot: usize, fit: Fit) {
    if let Some(place) = fits.get_mut(slot) {
        *place = Some(fit);
    }
}

/// The answers: what no stretch of the log answered lies behind its end, and what fits must rise by `rises`.
fn answers(fits: Vec<Option<Fit>>, rises: impl Fn(usize, usize) -> bool) -> Vec<Fit> {
    let mut previous = None;
    let settle = |(slot, fit): (usize, Option<Fit>)| match fit.unwrap_or(Fit::PastEnd) {
        Fit::Fits if previous.is_some_and(|previous| !rises(previous, slot)) => Fit::NotRising,
        Fit::Fits => {
            previous = Some(slot);
            Fit::Fits
        }
        other => other,
    };
    fits.into_iter().enumerate().map(settle).collect()
}

/// For each slot of a `.index`, whether it fits the segment's `.log`.
///
/// # Errors
/// [`crate::Error::Io`] where the log cannot be read.
pub fn fit_offset_entries(index: &OffsetIndex, log: &Source) -> Result<Vec<Fit>> {
    let entry = |slot: usize| index.get(slot).map(|entry| (entry.position, entry.delta.get()));
    let offset = |slot: usize| index.get(slot).map_or(i64::MIN, |entry| entry.offset(index.base()).get());
    let position = |slot: usize| index.get(slot).and_then(|entry| entry.file_position()).map_or(0, |at| at.get());
    let mut fits: Vec<Option<Fit>> = (index.iter())
        .map(|entry| match (entry.position, entry.delta.get()) {
            (0, 0) => Some(Fit::Empty),
            (_, ..0) => Some(Fit::BelowBase),
            (..0, _) => Some(Fit::PastEnd),
            _ => None,
        })
        .collect();
    let order = sorted(&fits, entry);
    let mut next = order.into_iter().peekable();
    // A slot with an offset above its batch's fits if the batches up to the next entry reach it.
    let mut waits: Option<usize> = None;
    pieces(log.clone(), |piece| {
        while let Some(slot) = next.next_if(|slot| position(*slot) < piece.to) {
            if let Some(waited) = waits.take() {
                answer(&mut fits, waited, Fit::OtherOffset);
            }
            let fit = match &piece.batch {
                None => Fit::Unknown,
                Some(_) if position(slot) > piece.from => Fit::InsideBatch,
                Some(seen) if seen.base.is_some_and(|base| offset(slot) < base) => Fit::OtherOffset,
                Some(seen) if offset(slot) > seen.last => {
                    waits = Some(slot);
                    Fit::OtherOffset
                }
                Some(_) => Fit::Fits,
            };
            answer(&mut fits, slot, fit);
        }
        match (&piece.batch, waits) {
            (None, Some(slot)) => {
                answer(&mut fits, slot, Fit::Unknown);
                waits = None;
            }
            (Some(seen), Some(slot)) if offset(slot) <= seen.last => {
                answer(&mut fits, slot, Fit::Fits);
                waits = None;
            }
            _ => {}
        }
    })?;
    Ok(answers(fits, |a, b| entry(a) < entry(b) && offset(a) < offset(b)))
}

/// For each slot of a `.timeindex`, whether it fits the segment's `.log`.
///
/// # Errors
/// [`crate::Error::Io`] where the log cannot be read.
pub fn fit_time_entries(index: &TimeIndex, log: &Source) -> Result<Vec<Fit>> {
    let offset = |slot: usize| index.get(slot).map_or(i64::MIN, |entry| entry.offset(index.base()).get());
    let time = |slot: usize| index.get(slot).map_or(i64::MIN, |entry| entry.timestamp.get());
    let mut fits: Vec<Option<Fit>> =
        (index.iter()).map(|entry| (entry.delta.get() < 0).then_some(Fit::BelowBase)).collect();
    let mut next = sorted(&fits, offset).into_iter().peekable();
    // The largest time of the batches so far; behind damage every time is possible.
    let (mut floor, mut ceiling) = (i64::MIN, i64::MIN);
    pieces(log.clone(), |piece| {
        let Some(seen) = &piece.batch else {
            ceiling = i64::MAX;
            return;
        };
        let with = (floor.max(seen.max_timestamp), ceiling.max(seen.max_timestamp));
        while let Some(slot) = next.next_if(|slot| offset(*slot) <= seen.last) {
            let least = if offset(slot) == seen.last { with.0 } else { floor };
            let most = if seen.base.is_none_or(|base| offset(slot) >= base) { with.1 } else { ceiling };
            let fit = match time(slot) {
                // Records of the time 0 have such entries, too.
                0 if offset(slot) == index.base().get() && with.0 != 0 => Fit::Empty,
                time if (least..=most).contains(&time) => Fit::Fits,
                _ => Fit::OtherTime,
            };
            answer(&mut fits, slot, fit);
        }
        (floor, ceiling) = with;
    })?;
    Ok(answers(fits, |a, b| time(a) <= time(b) && offset(a) <= offset(b)))
}

/// For each slot of a `.txnindex`, whether the segment's `.log` has the marker that it speaks of. That the transaction began where the entry
/// says, and that no entry is missing, only a replay of the log can tell.
///
/// # Errors
/// [`crate::Error::Io`] where the log cannot be read.
pub fn fit_txn_entries(index: &TxnIndex, log: &Source) -> Result<Vec<Fit>> {
    let last = |slot: usize| index.get(slot).map_or(Offset::ZERO, |entry| entry.last_offset).get();
    let mut fits: Vec<Option<Fit>> = (index.iter())
        .map(|entry| match entry.stored_version {
            0 if entry.last_offset < index.base() => Some(Fit::BelowBase),
            0 => None,
            _ => Some(Fit::Version),
        })
        .collect();
    let mut next = sorted(&fits, last).into_iter().peekable();
    let mut is_damaged = false;
    pieces(log.clone(), |piece| {
        let Some(seen) = &piece.batch else {
            is_damaged = true;
            return;
        };
        while let Some(slot) = next.next_if(|slot| last(*slot) <= seen.last) {
            let is_there = seen.aborts.is_some() && seen.aborts == index.get(slot).map(|entry| entry.producer_id);
            let is_skipped = is_damaged && seen.base.is_some_and(|base| last(slot) < base);
            let fit = match (is_skipped, is_there && last(slot) == seen.last) {
                (true, _) => Fit::Unknown,
                (false, true) => Fit::Fits,
                (false, false) => Fit::NoMarker,
            };
            answer(&mut fits, slot, fit);
        }
        is_damaged = false;
    })?;
    Ok(answers(fits, |a, b| last(a) < last(b)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::fs::MemoryFile;
    use crate::segment::{AbortedTxn, IndexEntry, OffsetEntry, TimeEntry};
    use crate::units::{LeaderEpoch, OffsetDelta, ProducerEpoch, Timestamp};

    /// Batches of two records each at offsets 10, 12, 14, 16 with times 5, 9, 7, 9; where each begins.
    fn log() -> (Source, Vec<i32>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (n, time) in [5, 9, 7, 9].into_iter().enumerate() {
            starts.push(bytes.len() as i32);
            let mut builder = BatchBuilder::new(Offset::new(10 + 2 * n as i64));
            for _ in 0..2 {
                builder.push(Timestamp::new(time), None, Some(b"value"), &[]).unwrap();
            }
            builder.finish(&mut bytes).unwrap();
        }
        (Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap(), starts)
    }

    fn offset_fits(entries: &[(i32, i32)], log: &Source) -> Vec<Fit> {
        let mut bytes = Vec::new();
        for (delta, position) in entries {
            OffsetEntry { delta: OffsetDelta::new(*delta), position: *position }.encode(&mut bytes);
        }
        fit_offset_entries(&OffsetIndex::new("x.index", Offset::new(10), bytes), log).unwrap()
    }

    #[test]
    fn offset_entries_are_held_against_the_batches() {
        let (log, at) = log();
        let (end, mid) = (log.len() as i32, at[2] + 1);
        for (entry, fit) in [
            ((3, at[1]), Fit::Fits),
            ((2, at[1]), Fit::Fits),
            // The batches behind reach it.
            ((7, at[1]), Fit::Fits),
            ((8, at[1]), Fit::OtherOffset),
            ((1, at[1]), Fit::OtherOffset),
            ((5, mid), Fit::InsideBatch),
            ((5, end), Fit::PastEnd),
            ((5, -1), Fit::PastEnd),
            ((-1, at[1]), Fit::BelowBase),
            ((0, 0), Fit::Empty),
        ] {
            assert_eq!(offset_fits(&[entry], &log), [fit], "{entry:?}");
        }
        let found = offset_fits(&[(5, at[2]), (3, at[1]), (7, at[3])], &log);
        assert_eq!(found, [Fit::Fits, Fit::NotRising, Fit::Fits]);
        assert_eq!(offset_fits(&[(5, at[1]), (5, at[2])], &log), [Fit::OtherOffset, Fit::Fits]);
    }

    #[test]
    fn nothing_is_said_of_entries_into_damage() {
        let (log, at) = log();
        let mut bytes = log.read_all(1 << 20).unwrap();
        bytes[at[1] as usize + 30] ^= 1;
        let log = Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap();
        assert_eq!(offset_fits(&[(3, at[1]), (5, at[2])], &log), [Fit::Unknown, Fit::Fits]);
    }

    #[test]
    fn time_entries_are_held_against_the_largest_time_so_far() {
        let (log, _) = log();
        let fits = |entries: &[(i64, i32)]| {
            let mut bytes = Vec::new();
            for (timestamp, delta) in entries {
                TimeEntry { timestamp: Timestamp::new(*timestamp), delta: OffsetDelta::new(*delta) }.encode(&mut bytes);
            }
            fit_time_entries(&TimeIndex::new("x.timeindex", Offset::new(10), bytes), &log).unwrap()
        };
        assert_eq!(fits(&[(5, 1), (9, 3), (9, 7)]), [Fit::Fits; 3]);
        for (entry, fit) in [
            ((4, 1), Fit::OtherTime),
            ((6, 1), Fit::OtherTime),
            ((7, 5), Fit::OtherTime),
            ((9, 8), Fit::PastEnd),
            ((9, -1), Fit::BelowBase),
            ((0, 0), Fit::Empty),
        ] {
            assert_eq!(fits(&[entry]), [fit], "{entry:?}");
        }
        assert_eq!(fits(&[(9, 3), (5, 1)]), [Fit::Fits, Fit::NotRising]);
    }

    #[test]
    fn entries_of_aborted_transactions_need_their_marker() {
        let marker = |offset, id, commit| {
            let producer = (ProducerId::new(id), ProducerEpoch::new(0));
            let (epoch, time) = (LeaderEpoch::new(0), Timestamp::new(5));
            BatchBuilder::end_transaction(Offset::new(offset), epoch, producer, time, commit, 0).unwrap()
        };
        let bytes = [marker(10, 7, true), marker(11, 7, false)].concat();
        let log = Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap();
        let entry = |stored_version, id, last| AbortedTxn {
            stored_version,
            producer_id: ProducerId::new(id),
            first_offset: Offset::new(3),
            last_offset: Offset::new(last),
            last_stable_offset: Offset::new(last),
        };
        for (entry, fit) in [
            (entry(0, 7, 11), Fit::Fits),
            (entry(0, 8, 11), Fit::NoMarker),
            (entry(0, 7, 10), Fit::NoMarker),
            (entry(0, 7, 12), Fit::PastEnd),
            (entry(0, 7, 9), Fit::BelowBase),
            (entry(1, 7, 11), Fit::Version),
        ] {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let index = TxnIndex::new("x.txnindex", Offset::new(10), bytes);
            assert_eq!(fit_txn_entries(&index, &log).unwrap(), [fit], "{entry:?}");
        }
    }
}
