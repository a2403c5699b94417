//! What the index entries of a partition say of `index.interval.bytes`, which stands nowhere in the directory.
//!
//! A broker makes an entry for a batch once more than the interval lies behind the last entry. So between two entries at p and q
//! (p is 0 before the first), with the last batch before q at r, r - p <= interval < q - p; and behind the last entry, with the last
//! batch at r, r - p <= interval. A restart, or a follower's or the cleaner's append, breaks single ones of these; the answer is what
//! most of them allow.

use std::collections::BTreeMap;

use super::offset_index::OffsetIndex;
use super::rebuild::DEFAULT_INDEX_INTERVAL;
use super::scan::{Scan, Step};
use crate::error::Result;
use crate::units::FilePosition;

/// More samples than this are not gathered: they say nothing new.
pub const MAX_INTERVAL_SAMPLES: usize = 1 << 16;

/// Samples from the segments of one partition.
#[derive(Clone, Debug, Default)]
pub struct IntervalSamples {
    /// How many samples begin to hold at an interval, less how many cease to.
    changes: BTreeMap<u64, i64>,
    count: usize,
}

/// An interval, and how well it explains the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexInterval {
    /// The interval in bytes.
    pub bytes: u64,
    /// How many samples allow it.
    pub fitting: usize,
    /// How many samples there are.
    pub samples: usize,
}

/// The samples of one segment, as a walk over its `.log` brings them.
#[derive(Debug)]
pub struct SegmentSamples<'a, I> {
    samples: &'a mut IntervalSamples,
    /// Where the batches of the coming entries begin.
    entries: I,
    /// The first of them.
    next: Option<u64>,
    /// Where the batch of the last entry begins; 0 before the first.
    last_indexed: u64,
    /// Where the last batch begins.
    last_batch: u64,
    /// False behind an entry that is at no batch, or not behind the one before.
    intact: bool,
}

impl IntervalSamples {
    /// Begins a segment: its index, then batch by batch its `.log`.
    pub fn segment<'a>(&'a mut self, index: &'a OffsetIndex) -> SegmentSamples<'a, impl Iterator<Item = u64> + 'a> {
        // A negative position is at no batch.
        let mut entries = index.used().map(|entry| entry.file_position().map_or(u64::MAX, FilePosition::get));
        let next = entries.next();
        SegmentSamples { samples: self, entries, next, last_indexed: 0, last_batch: 0, intact: true }
    }

    /// Takes a whole segment: its index, and a walk over its `.log`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn learn(&mut self, index: &OffsetIndex, scan: &mut Scan) -> Result<()> {
        let mut segment = self.segment(index);
        while let Step::Batch(frame) = scan.next()? {
            segment.batch(frame.position());
        }
        segment.finish();
        Ok(())
    }

    /// The interval that most samples allow: Kafka's default if it is one of the best, else a round number among them.
    #[must_use]
    pub fn estimate(&self) -> IndexInterval {
        let (fitting, best) = self.best();
        let is_default = |range: &&(u64, u64)| (range.0..range.1).contains(&DEFAULT_INDEX_INTERVAL);
        let bytes = match (best.iter().find(is_default), best.first()) {
            (None, Some(range)) => roundest(*range),
            _ => DEFAULT_INDEX_INTERVAL,
        };
        IndexInterval { bytes, fitting, samples: self.count }
    }

    /// How many samples hold at once at most, and the intervals where they do: from, and up to without.
    fn best(&self) -> (usize, Vec<(u64, u64)>) {
        let (mut holding, mut most, mut ranges) = (0_i64, 0_i64, Vec::new());
        let ends = self.changes.keys().skip(1).copied().chain([u64::MAX]);
        for ((from, change), until) in self.changes.iter().zip(ends) {
            holding = holding.saturating_add(*change);
            if holding > most {
                most = holding;
                ranges.clear();
            }
            if holding == most && most > 0 {
                ranges.push((*from, until));
            }
        }
        (usize::try_from(most).unwrap_or_default(), ranges)
    }

    fn add(&mut self, from: u64, until: Option<u64>) {
        if self.count < MAX_INTERVAL_SAMPLES {
            self.count += 1;
            *self.changes.entry(from).or_default() += 1;
            if let Some(until) = until {
                *self.changes.entry(until).or_default() -= 1;
            }
        }
    }
}

impl<I: Iterator<Item = u64>> SegmentSamples<'_, I> {
    /// The next batch of the segment begins at `position`.
    pub fn batch(&mut self, position: FilePosition) {
        let position = position.get();
        match self.next {
            Some(entry) if self.intact && entry <= position => {
                self.intact = entry == position && position > self.last_batch;
                if self.intact {
                    let behind = |at: u64| at.saturating_sub(self.last_indexed);
                    self.samples.add(behind(self.last_batch), Some(behind(position)));
                    self.last_indexed = position;
                    self.next = self.entries.next();
                }
            }
            _ => {}
        }
        self.last_batch = position;
    }

    /// No batch follows.
    pub fn finish(self) {
        if self.intact && self.next.is_none() {
            self.samples.add(self.last_batch.saturating_sub(self.last_indexed), None);
        }
    }
}

/// The number with the most zeros at its end from `from` up to, and without, `until`; not 0 if there is another, and not far
/// above `from` if only that is known.
fn roundest((from, until): (u64, u64)) -> u64 {
    let until = until.min(from.saturating_mul(2).saturating_add(2));
    let from = if until > 1 { from.max(1) } else { from };
    let steps = (0..10).rev().map(|zeros| 10_u64.pow(zeros));
    steps.map(|step| from.next_multiple_of(step)).find(|&number| number < until).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::{IndexEntry, OffsetEntry};
    use crate::units::{Offset, OffsetDelta};

    fn index(positions: &[u64]) -> OffsetIndex {
        let mut bytes = Vec::new();
        for (position, n) in positions.iter().zip(1..) {
            let position = i32::try_from(*position).unwrap();
            OffsetEntry { delta: OffsetDelta::new(n), position }.encode(&mut bytes);
        }
        OffsetIndex::new("x.index", Offset::ZERO, bytes)
    }

    fn gather(samples: &mut IntervalSamples, entries: &[u64], batches: &[u64]) {
        let index = index(entries);
        let mut segment = samples.segment(&index);
        batches.iter().for_each(|batch| segment.batch(FilePosition::new(*batch)));
        segment.finish();
    }

    fn estimate(entries: &[u64], batches: &[u64]) -> (u64, usize, usize) {
        let mut samples = IntervalSamples::default();
        gather(&mut samples, entries, batches);
        let IndexInterval { bytes, fitting, samples } = samples.estimate();
        (bytes, fitting, samples)
    }

    const BATCHES: [u64; 8] = [0, 95, 190, 285, 380, 475, 570, 665];

    #[test]
    fn the_interval_lies_between_what_was_passed_over_and_what_was_indexed() {
        // 95 <= interval < 190, three times, and 95 <= interval behind the last entry.
        assert_eq!(estimate(&[190, 380, 570], &BATCHES), (100, 4, 4));
        // 4000 <= interval < 5000.
        assert_eq!(estimate(&[5000], &[0, 4000, 5000]), (4096, 2, 2));
        // Every batch but the first: the interval is below the smallest.
        assert_eq!(estimate(&BATCHES[1..], &BATCHES), (1, 8, 8));
        assert_eq!(estimate(&[1, 2], &[0, 1, 2]), (0, 3, 3));
    }

    #[test]
    fn without_a_contradiction_it_is_kafkas_default() {
        assert_eq!(IntervalSamples::default().estimate(), IndexInterval { bytes: 4096, fitting: 0, samples: 0 });
        assert_eq!(estimate(&[], &BATCHES), (4096, 1, 1));
        assert_eq!(estimate(&[], &[0, 4096]), (4096, 1, 1));
        assert_eq!(estimate(&[], &[0, 4097]), (5000, 1, 1));
    }

    #[test]
    fn the_most_samples_decide() {
        let mut samples = IntervalSamples::default();
        gather(&mut samples, &[190, 380, 570], &BATCHES);
        gather(&mut samples, &[475, 570], &BATCHES); // a restart in its middle
        let found = samples.estimate();
        assert_eq!((found.bytes, found.fitting, found.samples), (100, 5, 7));
    }

    #[test]
    fn an_index_says_nothing_behind_an_entry_that_is_no_batch() {
        assert_eq!(estimate(&[190, 381, 570], &BATCHES).2, 1);
        assert_eq!(estimate(&[190, 190], &BATCHES).2, 1);
        assert_eq!(estimate(&[0, 190], &BATCHES).2, 0);
        assert_eq!(estimate(&[190, 5000], &BATCHES).2, 1);
    }

    #[test]
    fn no_more_samples_are_gathered_than_the_limit() {
        for (segments, expected) in [
            (MAX_INTERVAL_SAMPLES - 1, MAX_INTERVAL_SAMPLES - 1),
            (MAX_INTERVAL_SAMPLES, MAX_INTERVAL_SAMPLES),
            (MAX_INTERVAL_SAMPLES + 1, MAX_INTERVAL_SAMPLES),
        ] {
            let mut samples = IntervalSamples::default();
            (0..segments).for_each(|_| gather(&mut samples, &[], &[0, 10]));
            assert_eq!(samples.estimate().samples, expected);
        }
    }

    proptest! {
        #[test]
        fn the_estimate_makes_the_same_entries(
            sizes in prop::collection::vec(70..500_u64, 1..100), interval in 1..5000_u64,
        ) {
            let batches: Vec<u64> = sizes.iter().scan(0, |at, size| { let here = *at; *at += size; Some(here) }).collect();
            let entries = |interval| {
                batches.iter().scan(0, |last, &at| Some((at - *last > interval).then(|| *last = at).map(|()| at)))
                    .flatten().collect::<Vec<_>>()
            };
            let (estimate, fitting, samples) = estimate(&entries(interval), &batches);
            prop_assert_eq!(fitting, samples);
            prop_assert_eq!(entries(estimate), entries(interval), "{} for {}", estimate, interval);
        }
    }
}
