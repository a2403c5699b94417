//! B010, E003: the leader epochs of the batches, held against the epoch file.
//!
//! The checksum does not cover a batch's epoch, so a wrong one shows only beside its neighbours: a batch or two that disagree with
//! the file between batches that agree are wrong themselves; when many disagree, the file is.

use std::path::PathBuf;

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::plan::{Facts, SegmentPlan};
use crate::checkpoint::{EpochCheckpoint, EpochEntry};

/// As many batches in a row are wrong themselves; if more disagree, the file is wrong.
const MAX_WRONG_BATCHES: u64 = 2;

/// A batch that disagrees with the epoch file.
#[derive(Clone, Debug)]
struct Odd {
    file: PathBuf,
    position: u64,
    offset: i64,
    epoch: i32,
    by_file: i32,
}

/// Batches in a row that disagree with the epoch file.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The first ones, up to [`MAX_WRONG_BATCHES`].
    first: Vec<Odd>,
    count: u64,
    /// All have a higher epoch than the file says.
    all_higher: bool,
}

impl Run {
    fn push(&mut self, odd: Odd) {
        self.count = self.count.saturating_add(1);
        self.all_higher &= odd.epoch > odd.by_file;
        if self.count <= MAX_WRONG_BATCHES {
            self.first.push(odd);
        }
    }

    fn join(&mut self, later: Self) {
        self.count = self.count.saturating_add(later.count);
        self.all_higher &= later.all_higher;
        self.first.extend(later.first);
    }

    /// What a run between batches that agree means.
    fn judge(self, facts: &Facts, out: &mut Findings) {
        if self.count > MAX_WRONG_BATCHES {
            self.blame_file(Severity::Warning, facts, out);
            return;
        }
        for odd in &self.first {
            let place = Place::at(&odd.file, odd.position).offset(odd.offset);
            out.add(FindingCode::B010, Severity::Error, place, || {
                format!("leader epoch is {}, but its neighbours and the epoch file say {}", odd.epoch, odd.by_file)
            });
        }
    }

    fn blame_file(&self, severity: Severity, facts: &Facts, out: &mut Findings) {
        let Some(odd) = self.first.first() else { return };
        let file = facts.file(EpochCheckpoint::FILE_NAME);
        out.add(FindingCode::E003, severity, Place::file(&file).offset(odd.offset), || {
            let (count, offset) = (self.count, odd.offset);
            let (by_file, epoch) = (odd.by_file, odd.epoch);
            format!("says epoch {by_file} for offset {offset}, but {count} batches from there on have epoch {epoch}")
        });
    }
}

/// The epochs of one segment.
#[derive(Debug, Default)]
pub(super) struct SegmentEpochs {
    /// Some batch carries an epoch.
    pub(super) are_used: bool,
    run: Option<Run>,
    /// The run that the segment begins with.
    leading: Option<Run>,
    some_agreed: bool,
    /// Without a file: the epoch of the batch before.
    previous: Option<i32>,
}

impl SegmentEpochs {
    /// Looks at the next batch.
    pub(super) fn batch(&mut self, seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) {
        let Some(header) = seen.header else { return };
        let epoch = header.leader_epoch().get();
        let place = Place::at(&plan.log, seen.position).offset(seen.lowest());
        if epoch < 0 {
            out.add(FindingCode::B010, Severity::Warning, place, || format!("leader epoch is {epoch}"));
            return;
        }
        self.are_used = true;
        let Some(entries) = &plan.facts.epochs else {
            if let Some(previous) = self.previous.replace(epoch).filter(|previous| epoch < *previous) {
                out.add(FindingCode::B010, Severity::Error, place, || {
                    format!("leader epoch is {epoch}, below {previous} of the batch before")
                });
            }
            return;
        };
        let Some(by_file) = epoch_of(entries, seen.lowest()) else { return };
        if epoch != by_file {
            let (position, offset) = (seen.position, seen.lowest());
            let odd = Odd { file: plan.log.clone(), position, offset, epoch, by_file };
            self.run.get_or_insert_with(|| Run { first: Vec::new(), count: 0, all_higher: true }).push(odd);
            return;
        }
        if let Some(run) = self.run.take() {
            if self.some_agreed {
                run.judge(&plan.facts, out);
            } else {
                self.leading = Some(run);
            }
        }
        self.some_agreed = true;
    }
}

/// The epochs of a partition, segment by segment.
#[derive(Debug, Default)]
pub(super) struct LogEpochs {
    run: Option<Run>,
    /// Some batch carries an epoch.
    pub(super) are_used: bool,
}

impl LogEpochs {
    /// Takes the next segment in.
    pub(super) fn segment(&mut self, segment: SegmentEpochs, facts: &Facts, out: &mut Findings) {
        self.are_used |= segment.are_used;
        if let Some(leading) = segment.leading {
            self.extend(leading);
        }
        if segment.some_agreed
            && let Some(run) = self.run.take()
        {
            run.judge(facts, out);
        }
        if let Some(trailing) = segment.run {
            self.extend(trailing);
        }
    }

    fn extend(&mut self, later: Run) {
        match &mut self.run {
            Some(run) => run.join(later),
            run @ None => *run = Some(later),
        }
    }

    /// The log is over. Without a marker the file may not know the last epoch yet.
    pub(super) fn finish(self, facts: &Facts, out: &mut Findings) {
        match self.run {
            Some(run) if run.all_higher && facts.is_recovered() => run.blame_file(Severity::Info, facts, out),
            Some(run) => run.judge(facts, out),
            None => {}
        }
    }
}

/// What the file says of an offset; `None` before its first start.
fn epoch_of(entries: &[EpochEntry], offset: i64) -> Option<i32> {
    let after = entries.partition_point(|entry| entry.start.get() <= offset);
    entries.get(after.checked_sub(1)?).map(|entry| entry.epoch.get())
}
