//! T001 to T003: the `.timeindex` of one segment, read beside its batches.

use std::path::{Path, PathBuf};

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::offsets::Offsets;
use super::plan::SegmentPlan;
use super::slots::{Slot, Slots};
use crate::error::Result;
use crate::segment::{SegmentFile, TimeEntry};

/// Where in an entry the offset stands.
const OFFSET_AT: u64 = 8;

/// The largest timestamps of the batches so far, for what an entry may say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// An entry must not be below this: plausible timestamps only.
    floor: i64,
    /// An entry must not be above this; everything is possible behind damage.
    ceiling: i64,
}

impl Reached {
    pub(super) const START: Self = Self { floor: i64::MIN, ceiling: i64::MIN };

    fn with(self, timestamp: i64, plausible_until: i64) -> Self {
        let floor = if timestamp <= plausible_until { self.floor.max(timestamp) } else { self.floor };
        Self { floor, ceiling: self.ceiling.max(timestamp) }
    }
}

/// The `.timeindex` of one segment, as far as the walk has come.
#[derive(Debug)]
pub(super) struct TimeIndexCheck {
    file: PathBuf,
    slots: Slots<TimeEntry>,
    base: i64,
    /// Timestamps above this are wrong themselves and prove nothing against an index.
    plausible_until: i64,
    reached: Reached,
    /// The last entry that is right.
    previous: Option<(i64, i64)>,
    first_timestamp: Option<i64>,
    /// Entries for offsets past the end of the log.
    beyond: Findings,
}

impl TimeIndexCheck {
    pub(super) fn new(slots: Slots<TimeEntry>, plan: &SegmentPlan, plausible_until: i64) -> Self {
        Self {
            file: plan.file(SegmentFile::TimeIndex),
            slots,
            base: plan.base.get(),
            plausible_until,
            reached: Reached::START,
            previous: None,
            first_timestamp: None,
            beyond: Findings::default(),
        }
    }

    /// What a batch says of the entries up to its last offset.
    pub(super) fn batch(
        &mut self,
        seen: &Seen<'_>,
        offsets: &Offsets,
        plan: &SegmentPlan,
        out: &mut Findings,
    ) -> Result<()> {
        self.first_timestamp.get_or_insert(seen.max_timestamp);
        let before = self.reached;
        let with = before.with(seen.max_timestamp, self.plausible_until);
        while let Some(slot) = self.slots.peek()? {
            let offset = slot.entry.offset(crate::units::Offset::new(self.base)).get();
            if !self.is_bad_by_itself(slot, offset, plan, out)? {
                if offset > seen.last {
                    break;
                }
                self.slots.pass();
                if offsets.is_in_gap(offset) {
                    // The batch that it named is gone, which is told of the log.
                    continue;
                }
                let floor = if offset >= seen.last { with.floor } else { before.floor };
                let ceiling = if seen.base.is_none_or(|base| offset >= base) { with.ceiling } else { before.ceiling };
                self.judge(slot, offset, Reached { floor, ceiling }, plan, out);
            }
        }
        self.reached = with;
        Ok(())
    }

    /// Batches were lost: any timestamp may have been among them.
    pub(super) fn damage(&mut self) {
        self.reached.ceiling = i64::MAX;
    }

    /// The batches are over. `end` is their last offset. The entries for offsets past the end of the log.
    pub(super) fn finish(mut self, end: Option<i64>, plan: &SegmentPlan, out: &mut Findings) -> Result<Findings> {
        let mut last_at = 0;
        while let Some(slot) = self.slots.peek()? {
            let offset = slot.entry.offset(crate::units::Offset::new(self.base)).get();
            last_at = slot.at;
            if self.is_bad_by_itself(slot, offset, plan, out)? {
                continue;
            }
            self.slots.pass();
            if end.is_some_and(|end| offset <= end) {
                self.judge(slot, offset, self.reached, plan, out);
                continue;
            }
            let into = if plan.is_last() { &mut self.beyond } else { &mut *out };
            let place = Place::at(&self.file, slot.at.saturating_add(OFFSET_AT)).offset(offset);
            into.add(FindingCode::T002, weight(plan), place, || {
                let end = end.map_or_else(|| "holds no batch".to_owned(), |end| format!("ends at offset {end}"));
                format!("entry names offset {offset}, but the segment {end}")
            });
        }
        let odd = self.slots.file_len() - self.slots.slots_len();
        if odd > 0 {
            out.add(FindingCode::T001, weight(plan), Place::at(&self.file, self.slots.slots_len()), || {
                format!(
                    "size {} is no multiple of 12: {odd} bytes are left behind the last entry",
                    self.slots.file_len()
                )
            });
        }
        self.short(last_at, plan, out);
        Ok(self.beyond)
    }

    fn is_bad_by_itself(
        &mut self,
        slot: Slot<TimeEntry>,
        offset: i64,
        plan: &SegmentPlan,
        out: &mut Findings,
    ) -> Result<bool> {
        // The first entry of a log whose first batch has timestamp 0 is all zeros and right.
        if slot.is_zero && !(slot.at == 0 && self.first_timestamp == Some(0)) {
            if plan.has_open_indexes() {
                self.slots.pass_all();
                return Ok(true);
            }
            let count = self.slots.pass_zeros()?;
            out.add(FindingCode::T001, weight(plan), Place::at(&self.file, slot.at), || {
                format!("{count} empty entries: a look-up takes them for time 0 at offset {}", self.base)
            });
            return Ok(true);
        }
        if slot.entry.delta.get() < 0 {
            let place = Place::at(&self.file, slot.at.saturating_add(OFFSET_AT)).offset(offset);
            out.add(FindingCode::T002, weight(plan), place, || {
                format!("entry names offset {offset}, below the segment's base {}", self.base)
            });
        } else if let Some((_, previous)) = self.previous.filter(|(_, previous)| offset < *previous) {
            out.add(FindingCode::T001, weight(plan), Place::at(&self.file, slot.at).offset(offset), || {
                format!("entry for offset {offset} stands behind offset {previous}; offsets must not fall")
            });
        } else {
            return Ok(false);
        }
        self.slots.pass();
        Ok(true)
    }

    fn judge(&mut self, slot: Slot<TimeEntry>, offset: i64, may: Reached, plan: &SegmentPlan, out: &mut Findings) {
        let timestamp = slot.entry.timestamp.get();
        let place = Place::at(&self.file, slot.at).offset(offset);
        if timestamp > may.ceiling {
            out.add(FindingCode::T002, weight(plan), place, || {
                format!(
                    "entry says time {timestamp} at offset {offset}, but no batch up to there is later than {}",
                    may.ceiling
                )
            });
        } else if timestamp < may.floor {
            out.add(FindingCode::T002, weight(plan), place, || {
                format!(
                    "entry says time {timestamp} at offset {offset}, but a batch up to there has time {}",
                    may.floor
                )
            });
        } else if let Some((previous, _)) = self.previous.filter(|(previous, _)| timestamp <= *previous) {
            out.add(FindingCode::T001, weight(plan), place, || {
                format!("entry with time {timestamp} stands behind time {previous}; times must rise")
            });
        } else {
            self.previous = Some((timestamp, offset));
        }
    }

    /// T003 for a file that does not reach the segment's largest timestamp.
    fn short(&self, last_at: u64, plan: &SegmentPlan, out: &mut Findings) {
        let known_bad = out.has(&[FindingCode::T001, FindingCode::T002], &self.file);
        if plan.has_open_indexes() || known_bad || self.reached.floor < 0 || !self.beyond.is_empty() {
            return;
        }
        let is_short = self.previous.is_none_or(|(last, _)| !plan.is_last() && last < self.reached.floor);
        if is_short {
            out.add(FindingCode::T003, if_believed(plan), Place::at(&self.file, last_at), || match self.previous {
                None => format!("the time index has no entry, but the segment reaches time {}", self.reached.floor),
                Some((last, _)) => {
                    format!("the time index ends at time {last}, but the segment reaches time {}", self.reached.floor)
                }
            });
        }
    }
}

/// What a wrong time index weighs.
fn weight(plan: &SegmentPlan) -> Severity {
    plan.index_weight(Severity::Warning, Severity::Warning)
}

fn if_believed(plan: &SegmentPlan) -> Severity {
    if plan.is_recovered { Severity::Info } else { Severity::Warning }
}

/// T003 for a file that is not there.
pub(super) fn missing(file: &Path, plan: &SegmentPlan, out: &mut Findings) {
    out.add(FindingCode::T003, if_believed(plan), Place::file(file), || {
        "the time index is missing; a start makes it empty and look-ups by time find nothing in this segment".to_owned()
    });
}
