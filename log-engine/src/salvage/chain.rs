//! Which runs of one replica make its log: the longest chain in which offsets rise, leader epochs do not fall and segments' names fit.
//!
//! Base offset and leader epoch are outside a batch's checksum. A batch where one of them is wrong must not make the sound ones around
//! it be set aside; so nothing is decided in the order in which batches come.

use super::aside::{Aside, Reason};
use super::run::{Id, Run, offsets};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::units::{LeaderEpoch, Offset};

/// As many batches in a row are wrong themselves if their epoch stands alone against its neighbours and the epoch file.
const MAX_WRONG_BATCHES: u64 = 2;

/// What became of a replica's runs.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// In order of their offsets.
    pub(super) kept: Vec<Run>,
    pub(super) aside: Vec<Aside>,
}

/// Chooses among `runs`, which are in the order in which they lie in the segments that begin at `bases`. `divide` parts a run in front
/// of the first batch that is behind something.
///
/// # Errors
/// Those of `divide`.
pub(super) fn choose(
    runs: Vec<Run>,
    bases: &[Offset],
    is_cleaned: bool,
    epochs: &LeaderEpochs,
    divide: impl Fn(&Run, &dyn Fn(&Id) -> bool) -> Result<(Option<Run>, Option<Run>)>,
) -> Result<Chosen> {
    let mut chosen = Chosen { kept: runs, aside: Vec::new() };
    if !is_cleaned {
        chosen.sift(|run| run.is_sparse.then_some(Reason::TooFewRecords));
    }
    chosen.fit_names(bases);
    chosen.fit_epochs(epochs);
    chosen.fit_offsets(divide)?;
    chosen.aside.sort_by_key(|aside| (aside.place, aside.bytes.start));
    Ok(chosen)
}

impl Chosen {
    /// Sets aside the runs for which there is a reason.
    fn sift(&mut self, mut reason: impl FnMut(&Run) -> Option<Reason>) {
        let mut kept = Vec::with_capacity(self.kept.len());
        for run in self.kept.drain(..) {
            match reason(&run) {
                None => kept.push(run),
                Some(reason) => self.aside.push(Aside::of_run(&run, reason)),
            }
        }
        self.kept = kept;
    }

    /// Sets aside what cannot lie in the segment that it lies in, unless nothing in that segment can: then its name is wrong.
    fn fit_names(&mut self, bases: &[Offset]) {
        let misfit = |run: &Run| {
            let base = *bases.get(run.place.segment)?;
            let next = bases.get(run.place.segment.saturating_add(1));
            if run.first < base {
                return Some(Reason::BelowBase { base });
            }
            match next.filter(|next| run.first >= **next) {
                Some(next) => Some(Reason::BeyondNext { next: *next }),
                None => run.last.delta_from(base).is_none().then_some(Reason::AboveRange { base }),
            }
        };
        let mut named_right = vec![false; bases.len()];
        for run in self.kept.iter().filter(|run| misfit(run).is_none()) {
            if let Some(right) = named_right.get_mut(run.place.segment) {
                *right = true;
            }
        }
        self.sift(|run| misfit(run).filter(|_| named_right.get(run.place.segment) == Some(&true)));
    }

    /// Sets aside what has a leader epoch that does not fit.
    fn fit_epochs(&mut self, file: &LeaderEpochs) {
        let rising = rising_epochs(&self.kept);
        let mut rising = rising.into_iter();
        let wrong = |run: &Run| run.epoch.map(|epoch| Reason::Epoch { epoch });
        self.sift(|run| if rising.next().unwrap_or(true) { None } else { wrong(run) });
        let mut alone = lone_epochs(&self.kept, file).into_iter();
        self.sift(|run| if alone.next().unwrap_or(false) { wrong(run) } else { None });
    }

    /// Sets aside what keeps offsets from rising.
    fn fit_offsets(
        &mut self,
        divide: impl Fn(&Run, &dyn Fn(&Id) -> bool) -> Result<(Option<Run>, Option<Run>)>,
    ) -> Result<()> {
        let chain = longest_chain(&self.kept);
        let mut chain = chain.into_iter().peekable();
        let mut end: Option<Offset> = None;
        let mut kept = Vec::with_capacity(self.kept.len());
        for (n, run) in std::mem::take(&mut self.kept).into_iter().enumerate() {
            if chain.next_if_eq(&n).is_none() {
                self.aside.push(Aside::of_run(&run, Reason::OutOfOrder));
                continue;
            }
            let rest = match end.filter(|end| run.first <= *end) {
                None => Some(run),
                Some(end) => {
                    let (before, rest) = divide(&run, &|id| id.first > end)?;
                    self.aside.extend(before.map(|before| Aside::of_run(&before, Reason::OutOfOrder)));
                    rest
                }
            };
            end = rest.as_ref().map(|run| run.last).or(end);
            kept.extend(rest);
        }
        self.kept = kept;
        Ok(())
    }
}

/// For each run, whether it is in the longest sequence of runs in which epochs do not fall. Messages have no epoch and fit anywhere.
fn rising_epochs(runs: &[Run]) -> Vec<bool> {
    let mut epochs: Vec<LeaderEpoch> = runs.iter().filter_map(|run| run.epoch).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let mut best = Best::new(epochs.len());
    let mut scores = Vec::with_capacity(runs.len());
    for (n, run) in runs.iter().enumerate() {
        let Some(epoch) = run.epoch else {
            scores.push(None);
            continue;
        };
        let slot = epochs.partition_point(|known| *known < epoch);
        let before = best.up_to(slot.saturating_add(1));
        let score = before.map_or(0, |(score, _)| score).saturating_add(weight(run));
        scores.push(before.map(|(_, run)| run));
        best.raise(slot, (score, n));
    }
    let mut fits: Vec<bool> = runs.iter().map(|run| run.epoch.is_none()).collect();
    let mut next = best.up_to(epochs.len()).map(|(_, run)| run);
    while let Some(n) = next {
        if let Some(fits) = fits.get_mut(n) {
            *fits = true;
        }
        next = scores.get(n).copied().flatten();
    }
    fits
}

/// For each run, whether its epoch stands alone: a batch or two that differ from the runs before and behind, and from the epoch file.
fn lone_epochs(runs: &[Run], file: &LeaderEpochs) -> Vec<bool> {
    let mut alone = vec![false; runs.len()];
    let with_epochs: Vec<(usize, &Run)> = runs.iter().enumerate().filter(|(_, run)| run.epoch.is_some()).collect();
    // Runs of one epoch count together: a gap parts them, and says nothing of the epoch.
    for group in with_epochs.chunk_by(|(_, a), (_, b)| a.epoch == b.epoch) {
        let batches = group.iter().fold(0_u64, |sum, (_, run)| sum.saturating_add(run.batches));
        let by_file = |run: &Run| file.epoch_for(run.first);
        let is_denied = group.iter().all(|(_, run)| by_file(run).is_some() && by_file(run) != run.epoch);
        let is_only = group.len() == with_epochs.len();
        if batches <= MAX_WRONG_BATCHES && is_denied && !is_only {
            for (n, _) in group {
                if let Some(alone) = alone.get_mut(*n) {
                    *alone = true;
                }
            }
        }
    }
    alone
}

fn weight(run: &Run) -> i64 {
    i64::try_from(run.offsets()).unwrap_or(i64::MAX >> 20).min(i64::MAX >> 20)
}

/// The places of the runs that hold the most offsets together while each ends above the one before. The head of a run is given up where
/// it repeats what the one before holds, at least the first batch.
fn longest_chain(runs: &[Run]) -> Vec<usize> {
    let mut ends: Vec<Offset> = runs.iter().map(|run| run.last).collect();
    ends.sort_unstable();
    ends.dedup();
    // The best chain that ends at or below an offset, and the one that leaves most of what comes behind it.
    let mut best = Best::new(ends.len());
    let mut least_overlap = Best::new(ends.len());
    let mut before = Vec::with_capacity(runs.len());
    for (n, run) in runs.iter().enumerate() {
        let below = |offset: Offset| ends.partition_point(|end| *end < offset);
        let whole = best.up_to(below(run.first)).map(|(score, k)| (score.saturating_add(weight(run)), Some(k)));
        let alone = Some((weight(run), None));
        // An overlap costs the batches that reach into it, and one more, so that a chain without one is preferred.
        let behind_first = i64::try_from(offsets(run.first_end.next(), run.last)).unwrap_or(0);
        let in_first = best.within(below(run.first), below(run.first_end));
        let in_first = in_first.map(|(score, k)| (score.saturating_add(behind_first).saturating_sub(1), Some(k)));
        let later = least_overlap.within(below(run.first_end), below(run.last));
        let later = later.map(|(score, k)| (score.saturating_add(run.last.get()).saturating_sub(1), Some(k)));
        let Some((score, previous)) = [alone, whole, in_first, later].into_iter().flatten().max() else { continue };
        before.push(previous);
        let slot = below(run.last);
        best.raise(slot, (score, n));
        least_overlap.raise(slot, (score.saturating_sub(run.last.get()), n));
    }
    let mut chain = Vec::new();
    let mut next = best.up_to(ends.len()).map(|(_, run)| run);
    while let Some(n) = next {
        chain.push(n);
        next = before.get(n).copied().flatten();
    }
    chain.reverse();
    chain
}

/// The highest score below a slot or between two, while scores rise.
struct Best {
    /// A binary tree; the leaves begin at `leaves`.
    tree: Vec<Option<(i64, usize)>>,
    leaves: usize,
}

impl Best {
    fn new(slots: usize) -> Self {
        let leaves = slots.next_power_of_two();
        Self { tree: vec![None; leaves.saturating_mul(2)], leaves }
    }

    /// Notes a score at `slot`. Of equal ones the earlier run stays.
    fn raise(&mut self, slot: usize, score: (i64, usize)) {
        let mut at = self.leaves.saturating_add(slot);
        while let Some(known) = self.tree.get_mut(at).filter(|_| at > 0) {
            if known.is_none_or(|known| score.0 > known.0) {
                *known = Some(score);
            }
            at /= 2;
        }
    }

    /// The best of the first `slots` slots.
    fn up_to(&self, slots: usize) -> Option<(i64, usize)> {
        self.within(0, slots)
    }

    /// The best from slot `from` up to, and without, `until`.
    fn within(&self, from: usize, until: usize) -> Option<(i64, usize)> {
        let (mut from, mut until) = (self.leaves.saturating_add(from), self.leaves.saturating_add(until));
        let mut best: Option<(i64, usize)> = None;
        let mut take = |at: usize| {
            let found = self.tree.get(at).copied().flatten();
            best = best.into_iter().chain(found).max_by_key(|(score, _)| *score);
        };
        while from < until {
            if from % 2 == 1 {
                take(from);
                from += 1;
            }
            if until % 2 == 1 {
                until -= 1;
                take(until);
            }
            from /= 2;
            until /= 2;
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salvage::run::Place;

    /// Runs of batches of five offsets: (first, last, epoch).
    fn runs(list: &[(i64, i64, i32)]) -> Vec<Run> {
        let mut at = 0;
        let run = |&(first, last, epoch): &(i64, i64, i32)| {
            let batches = (last - first + 1) as u64 / 5;
            let bytes = at..at + batches * 100;
            at = bytes.end;
            Run {
                place: Place { replica: 0, segment: 0 },
                bytes,
                first: Offset::new(first),
                last: Offset::new(last),
                first_end: Offset::new(first + 4),
                epoch: Some(LeaderEpoch::new(epoch)),
                batches,
                records: batches * 5,
                print: 0,
                is_sparse: false,
            }
        };
        list.iter().map(run).collect()
    }

    /// Cuts a run of batches of five offsets.
    fn divide(run: &Run, is_behind: &dyn Fn(&Id) -> bool) -> Result<(Option<Run>, Option<Run>)> {
        let cut = (run.first.get()..=run.last.get()).step_by(5).find(|first| is_behind(&id(*first)));
        let part = |first: i64, last: i64| (first <= last).then(|| runs(&[(first, last, 0)]).remove(0));
        let cut = cut.unwrap_or(run.last.get() + 1);
        Ok((part(run.first.get(), cut - 1), part(cut, run.last.get())))
    }

    fn id(first: i64) -> Id {
        Id { first: Offset::new(first), last: Offset::new(first + 4), epoch: None, crc: 0 }
    }

    type Pairs = Vec<(i64, i64)>;

    fn chosen(list: &[(i64, i64, i32)], epochs: &LeaderEpochs) -> (Pairs, Pairs) {
        let chosen = choose(runs(list), &[Offset::ZERO], false, epochs, divide).unwrap();
        let kept = chosen.kept.iter().map(|run| (run.first.get(), run.last.get())).collect();
        (kept, chosen.aside.iter().map(|aside| (aside.first.get(), aside.last.get())).collect())
    }

    #[test]
    fn the_batch_that_disagrees_with_both_sides_is_set_aside() {
        for (list, kept, aside) in [
            // A base offset too high, far and near, and one too low.
            (vec![(0, 49), (1000, 1004), (55, 99)], vec![(0, 49), (55, 99)], vec![(1000, 1004)]),
            (vec![(0, 49), (51, 55), (55, 99)], vec![(0, 49), (55, 99)], vec![(51, 55)]),
            (vec![(0, 49), (3, 7), (55, 99)], vec![(0, 49), (55, 99)], vec![(3, 7)]),
            // Nothing contradicts the last one.
            (vec![(0, 49), (1000, 1004)], vec![(0, 49), (1000, 1004)], vec![]),
            // A batch twice, also where the run goes on behind the repetition.
            (vec![(0, 4), (0, 4)], vec![(0, 4)], vec![(0, 4)]),
            (vec![(0, 49), (45, 99)], vec![(0, 49), (50, 99)], vec![(45, 49)]),
            // Two change places: one of them goes, of two that are as good the first.
            (vec![(0, 49), (55, 59), (50, 54), (60, 99)], vec![(0, 49), (50, 54), (60, 99)], vec![(55, 59)]),
            // An old stretch in the middle.
            (vec![(0, 99), (20, 39), (100, 199)], vec![(0, 99), (100, 199)], vec![(20, 39)]),
            (vec![], vec![], vec![]),
        ] {
            let list: Vec<_> = list.into_iter().map(|(first, last)| (first, last, 0)).collect();
            assert_eq!(chosen(&list, &LeaderEpochs::default()), (kept, aside), "{list:?}");
        }
    }

    #[test]
    fn an_epoch_that_falls_or_stands_alone_is_set_aside() {
        let mut file = LeaderEpochs::default();
        for (epoch, start) in [(0, 0), (2, 50)] {
            file.assign(crate::checkpoint::EpochEntry { epoch: LeaderEpoch::new(epoch), start: Offset::new(start) });
        }
        for (list, aside) in [
            (vec![(0, 49, 0), (50, 54, 258), (55, 99, 2)], vec![(50, 54)]),
            (vec![(0, 49, 0), (50, 54, -3), (55, 99, 2)], vec![(50, 54)]),
            // Between its neighbours, and not what the file says.
            (vec![(0, 49, 0), (50, 54, 1), (55, 99, 2)], vec![(50, 54)]),
            (vec![(0, 94, 0), (95, 99, 9)], vec![(95, 99)]),
            // The file is wrong about many batches, and about one that its neighbours confirm.
            (vec![(0, 79, 0), (80, 99, 2)], vec![]),
            (vec![(0, 44, 0), (45, 99, 2)], vec![]),
        ] {
            assert_eq!(chosen(&list, &file).1, aside, "{list:?}");
        }
    }

    #[test]
    fn a_batch_lies_within_its_segment_unless_the_name_is_wrong() {
        let bases = [Offset::new(100), Offset::new(200)];
        let place = |list: &[(i64, i64, i32)]| {
            let chosen = choose(runs(list), &bases, false, &LeaderEpochs::default(), divide).unwrap();
            chosen.aside.into_iter().map(|aside| aside.reason).collect::<Vec<_>>()
        };
        let far = 100 + i64::from(i32::MAX);
        assert_eq!(place(&[(36, 40, 0), (105, 199, 0)]), [Reason::BelowBase { base: bases[0] }]);
        assert_eq!(place(&[(105, 199, 0), (200, 204, 0)]), [Reason::BeyondNext { next: bases[1] }]);
        assert_eq!(place(&[(105, 199, 0), (far, far + 4, 0)]), [Reason::BeyondNext { next: bases[1] }]);
        assert_eq!(place(&[(36, 40, 0), (41, 60, 0)]), []);
    }
}
