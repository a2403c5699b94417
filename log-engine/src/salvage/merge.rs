//! One log out of several copies: holes are filled batch by batch, and where copies disagree the later leader epoch decides.

use super::aside::{Aside, Reason};
use super::chain::Chosen;
use super::history::epochs_of;
use super::replica::Replica;
use super::run::{Entry, Growing, Heads, Id, Run, divide};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::Source;
use crate::units::Offset;

/// What is copied, in order of offsets, and what is not.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) runs: Vec<Run>,
    pub(super) aside: Vec<Aside>,
    /// The replica whose history this is; others fill its holes.
    pub(super) leader: usize,
}

/// Merges what was kept of each of `replicas`. The one with the latest leader epoch, and the longest log of that epoch, leads: each other
/// one is cut where a broker would cut it that follows this one.
///
/// # Errors
/// [`crate::Error::Io`] where reading fails; [`crate::Error::Corrupt`] if a source has changed.
pub(super) fn merge(replicas: &[Replica], chosen: Vec<Chosen>, is_cleaned: bool) -> Result<Merged> {
    let histories: Vec<LeaderEpochs> =
        chosen.iter().zip(replicas).map(|(chosen, replica)| epochs_of(&chosen.kept, &replica.epochs)).collect();
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    let rank = |n: &usize| {
        let last = chosen.get(*n).and_then(|chosen| chosen.kept.last());
        std::cmp::Reverse(last.map(|run| (run.epoch, run.last)))
    };
    order.sort_by_key(rank);
    let leader = order.first().copied().unwrap_or(0);
    let mut kept: Vec<Vec<Run>> = Vec::new();
    let mut merged = Merged { leader, ..Merged::default() };
    for chosen in chosen {
        kept.push(chosen.kept);
        merged.aside.extend(chosen.aside);
    }
    merged.runs = kept.get_mut(leader).map(std::mem::take).unwrap_or_default();
    let end = merged.runs.last().map_or(Offset::ZERO, |run| run.last.next());
    let known = histories.get(leader);
    for follower in order.into_iter().skip(1) {
        let runs = kept.get_mut(follower).map(std::mem::take).unwrap_or_default();
        let own_end = runs.last().map_or(Offset::ZERO, |run| run.last.next());
        let cut = known.zip(histories.get(follower)).and_then(|(known, own)| own.truncation(own_end, known, end));
        let runs = merged.cut(replicas, runs, cut)?;
        let mut filling = Filling { replicas, known, is_cleaned, merged: &mut merged, filled: Vec::new() };
        for run in &runs {
            filling.run(run)?;
        }
        let filled = filling.filled;
        merged.runs.extend(filled);
        merged.runs.sort_by_key(|run| run.first);
    }
    Ok(merged)
}

impl Merged {
    /// Sets aside what lies behind `cut`.
    fn cut(&mut self, replicas: &[Replica], runs: Vec<Run>, cut: Option<Offset>) -> Result<Vec<Run>> {
        let Some(cut) = cut else { return Ok(runs) };
        let mut left = Vec::with_capacity(runs.len());
        for run in runs {
            let (before, behind) = match run.last < cut {
                true => (Some(run), None),
                false if run.first >= cut => (None, Some(run)),
                false => divide(source_of(replicas, &run), &run, &|id| id.last >= cut)?,
            };
            left.extend(before);
            let reason = Reason::LosesByEpoch { from: cut };
            self.aside.extend(behind.map(|run| Aside::of_run(&run, reason)));
        }
        Ok(left)
    }
}

/// The file that a run lies in.
///
/// # Panics
/// Never: runs are made of the replicas' segments.
pub(super) fn source_of<'r>(replicas: &'r [Replica], run: &Run) -> &'r Source {
    &replicas[run.place.replica].segments[run.place.segment].source
}

/// A replica on its way into the holes of what is there.
struct Filling<'a> {
    replicas: &'a [Replica],
    /// The leader's epochs.
    known: Option<&'a LeaderEpochs>,
    is_cleaned: bool,
    merged: &'a mut Merged,
    filled: Vec<Run>,
}

/// What becomes of a batch of a replica that is not the leader.
enum Fate {
    /// It fills a hole.
    Fills,
    /// What is there is the same, or stands for it.
    Known,
    Aside(Reason),
}

impl Filling<'_> {
    fn run(&mut self, run: &Run) -> Result<()> {
        let from = self.merged.runs.partition_point(|there| there.last < run.first);
        let there = self.merged.runs.get(from..).unwrap_or_default();
        let there: Vec<Run> = there.iter().take_while(|there| there.first <= run.last).cloned().collect();
        let is_same = |there: &Run| (there.first, there.last, there.print) == (run.first, run.last, run.print);
        if let [there] = &there[..]
            && is_same(there)
        {
            return Ok(());
        }
        let mut beside = Beside { replicas: self.replicas, runs: &there, heads: None, next: None };
        let mut heads = Heads::of(source_of(self.replicas, run), run);
        let (mut fills, mut set_aside): (Option<Growing>, Option<(Growing, Reason)>) = (None, None);
        while let Some(entry) = heads.next()? {
            let fate = match beside.relation(&entry.id)? {
                Relation::Free => self.fate_in_hole(&entry),
                Relation::Same => Fate::Known,
                Relation::Other if self.is_cleaned => Fate::Known,
                Relation::Other => Fate::Aside(Reason::Differs),
            };
            if !matches!(fate, Fate::Fills) {
                self.filled.extend(fills.take().map(Growing::finish));
            }
            if !matches!((&fate, &set_aside), (Fate::Aside(reason), Some((_, same))) if reason == same) {
                self.merged.aside.extend(set_aside.take().map(of_growing));
            }
            match fate {
                Fate::Known => {}
                Fate::Fills => match &mut fills {
                    Some(growing) => growing.add(&entry, run.is_sparse),
                    None => fills = Some(Growing::new(run.place, &entry, run.is_sparse)),
                },
                Fate::Aside(reason) => match &mut set_aside {
                    Some((growing, _)) => growing.add(&entry, run.is_sparse),
                    None => set_aside = Some((Growing::new(run.place, &entry, run.is_sparse), reason)),
                },
            }
        }
        self.filled.extend(fills.map(Growing::finish));
        self.merged.aside.extend(set_aside.map(of_growing));
        Ok(())
    }

    /// A batch where the leader has nothing: its epoch must be the one that the leader had there.
    fn fate_in_hole(&self, entry: &Entry) -> Fate {
        let first = entry.id.first;
        let known = self.known.and_then(|known| known.epoch_for(first));
        match (known, entry.id.epoch) {
            (Some(known), Some(own)) if known != own => Fate::Aside(Reason::LosesByEpoch { from: first }),
            _ => Fate::Fills,
        }
    }
}

fn of_growing((growing, reason): (Growing, Reason)) -> Aside {
    Aside::of_run(&growing.finish(), reason)
}

/// How a batch stands to what is there at its offsets.
enum Relation {
    /// Nothing is there.
    Free,
    /// The same batch.
    Same,
    /// Something else.
    Other,
}

/// The runs beside another replica's one, walked in step with it.
struct Beside<'a> {
    replicas: &'a [Replica],
    runs: &'a [Run],
    /// The walk over the first of them.
    heads: Option<Heads>,
    /// The batch that the walk is at.
    next: Option<Id>,
}

impl Beside<'_> {
    /// Asked with rising batches.
    fn relation(&mut self, id: &Id) -> Result<Relation> {
        while self.runs.first().is_some_and(|run| run.last < id.first) {
            self.runs = self.runs.get(1..).unwrap_or_default();
            (self.heads, self.next) = (None, None);
        }
        let Some(run) = self.runs.first().filter(|run| run.first <= id.last) else { return Ok(Relation::Free) };
        let heads = self.heads.get_or_insert_with(|| Heads::of(source_of(self.replicas, run), run));
        loop {
            if self.next.is_none_or(|next| next.first < id.first) {
                match heads.next()? {
                    Some(entry) => self.next = Some(entry.id),
                    None => return Ok(Relation::Other),
                }
                continue;
            }
            return Ok(if self.next == Some(*id) { Relation::Same } else { Relation::Other });
        }
    }
}
