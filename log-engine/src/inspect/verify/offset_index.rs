//! I001 to I006: the `.index` of one segment, read beside its batches.

use std::path::{Path, PathBuf};

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::offsets::Offsets;
use super::plan::SegmentPlan;
use super::slots::{Slot, Slots};
use crate::error::Result;
use crate::segment::{OffsetEntry, SegmentFile};

/// An entry that was taken for good, or waits to be.
#[derive(Clone, Copy, Debug)]
struct Taken {
    at: u64,
    offset: i64,
    position: i64,
}

/// The `.index` of one segment, as far as the walk has come.
#[derive(Debug)]
pub(super) struct OffsetIndexCheck {
    file: PathBuf,
    slots: Slots<OffsetEntry>,
    base: i64,
    log_len: i64,
    /// The last entry that is right.
    previous: Option<Taken>,
    /// An entry with an offset above its batch's: right if the batches up to the next entry reach it.
    open: Option<Taken>,
    /// The last offset of the batches so far.
    reached: Option<i64>,
    /// Where the last damaged stretch ended: entries before it cannot be judged.
    damaged_until: i64,
    /// Entries that lie past the end of the log by position and offset: perhaps the log is too short, not the index too long.
    beyond: Findings,
    /// The file ends with empty slots.
    ends_empty: bool,
}

impl OffsetIndexCheck {
    pub(super) fn new(slots: Slots<OffsetEntry>, plan: &SegmentPlan, log_len: u64) -> Self {
        Self {
            file: plan.file(SegmentFile::OffsetIndex),
            slots,
            base: plan.base.get(),
            log_len: i64::try_from(log_len).unwrap_or(i64::MAX),
            previous: None,
            open: None,
            reached: None,
            damaged_until: 0,
            beyond: Findings::default(),
            ends_empty: false,
        }
    }

    /// What a batch says of the entries up to its position.
    pub(super) fn batch(
        &mut self,
        seen: &Seen<'_>,
        offsets: &Offsets,
        plan: &SegmentPlan,
        out: &mut Findings,
    ) -> Result<()> {
        let position = i64::try_from(seen.position).unwrap_or(i64::MAX);
        while let Some(slot) = self.slots.peek()? {
            if self.is_bad_by_itself(slot, plan, out)? {
                continue;
            }
            let taken = self.resolve(slot);
            if taken.position > position {
                break;
            }
            self.slots.pass();
            self.close_open(plan, out);
            if taken.position == position && offsets.is_in_gap(taken.offset) {
                // The batch that it named is gone, which is told of the log.
            } else if taken.position == position {
                self.match_batch(taken, seen, plan, out);
            } else {
                self.misplaced(taken, plan, out);
            }
        }
        self.reached = Some(seen.last);
        Ok(())
    }

    /// Bytes up to `until` are damaged.
    pub(super) fn damage(&mut self, until: u64) {
        self.damaged_until = i64::try_from(until).unwrap_or(i64::MAX);
        // The lost batches may have reached the offset.
        self.open = None;
    }

    /// The batches are over.
    pub(super) fn finish(&mut self, plan: &SegmentPlan, out: &mut Findings) -> Result<()> {
        while let Some(slot) = self.slots.peek()? {
            if self.is_bad_by_itself(slot, plan, out)? {
                continue;
            }
            self.slots.pass();
            self.close_open(plan, out);
            let taken = self.resolve(slot);
            self.misplaced(taken, plan, out);
        }
        self.close_open(plan, out);
        let odd = self.slots.file_len() - self.slots.slots_len();
        if odd > 0 {
            let place = Place::at(&self.file, self.slots.slots_len());
            out.add(FindingCode::I001, Severity::Warning, place, || {
                format!(
                    "size {} is no multiple of 8: {odd} bytes are left behind the last entry",
                    self.slots.file_len()
                )
            });
        }
        Ok(())
    }

    /// Once finished: whether a log of so many batches cannot have filled the file, which ends empty: a clean stop cuts that off.
    pub(super) fn is_padded(&self, batches: u64) -> bool {
        self.ends_empty && self.slots.count() > batches
    }

    /// Once finished: the entries that lie past the end of the log.
    pub(super) fn into_beyond(self) -> Findings {
        self.beyond
    }

    fn resolve(&self, slot: Slot<OffsetEntry>) -> Taken {
        let offset = self.base.wrapping_add(slot.entry.delta.get().into());
        Taken { at: slot.at, offset, position: slot.entry.position.into() }
    }

    /// Entries that no batch is needed for to see that they are wrong. They are passed.
    fn is_bad_by_itself(&mut self, slot: Slot<OffsetEntry>, plan: &SegmentPlan, out: &mut Findings) -> Result<bool> {
        let entry = self.resolve(slot);
        if slot.is_zero {
            self.zeros(slot.at, plan, out)?;
            return Ok(true);
        }
        let is_below = slot.entry.delta.get() < 0;
        let is_outside = entry.position < 0 || entry.position >= self.log_len;
        if !is_below && !is_outside {
            return Ok(false);
        }
        if is_below {
            let weight = plan.index_weight(Severity::Error, Severity::Warning);
            out.add(FindingCode::I002, weight, Place::at(&self.file, slot.at).offset(entry.offset), || {
                format!("entry for offset {} is below the segment's base {}", entry.offset, self.base)
            });
        }
        if is_outside {
            self.past_end(entry, plan, out);
        }
        self.slots.pass();
        Ok(true)
    }

    fn zeros(&mut self, at: u64, plan: &SegmentPlan, out: &mut Findings) -> Result<()> {
        if plan.has_open_indexes() {
            // The file is at full size and nobody stored how much of it is in use.
            self.slots.pass_all();
            return Ok(());
        }
        let count = self.slots.pass_zeros()?;
        self.ends_empty = self.slots.peek()?.is_none();
        let weight = plan.index_weight(Severity::Warning, Severity::Info);
        out.add(FindingCode::I003, weight, Place::at(&self.file, at), || {
            format!("{count} empty entries: a look-up takes them for offset {} at position 0", self.base)
        });
        Ok(())
    }

    fn past_end(&mut self, entry: Taken, plan: &SegmentPlan, out: &mut Findings) {
        let weight = plan.index_weight(Severity::Error, Severity::Warning);
        let place = Place::at(&self.file, entry.at.saturating_add(4)).offset(entry.offset);
        let message = || {
            let (offset, position, len) = (entry.offset, entry.position, self.log_len);
            format!("entry for offset {offset} points to position {position}, outside the {len} bytes of the log")
        };
        let log_is_short =
            plan.is_last() && entry.position > 0 && self.reached.is_none_or(|reached| entry.offset > reached);
        if log_is_short {
            self.beyond.add(FindingCode::I004, weight, place, message);
        } else {
            out.add(FindingCode::I004, weight, place, message);
        }
    }

    /// An entry that does not point to the start of a batch, or comes too late.
    fn misplaced(&mut self, entry: Taken, plan: &SegmentPlan, out: &mut Findings) {
        let weight = plan.index_weight(Severity::Error, Severity::Warning);
        if let Some(previous) = self.previous.filter(|previous| entry.position <= previous.position) {
            out.add(FindingCode::I003, weight, Place::at(&self.file, entry.at).offset(entry.offset), || {
                format!(
                    "entry for offset {} at position {} stands behind offset {} at {}; both must rise",
                    entry.offset, entry.position, previous.offset, previous.position
                )
            });
        } else if entry.position >= self.damaged_until {
            let place = Place::at(&self.file, entry.at.saturating_add(4)).offset(entry.offset);
            out.add(FindingCode::I004, weight, place, || {
                format!("entry for offset {} points to position {}, inside a batch", entry.offset, entry.position)
            });
        }
    }

    /// An entry that points to the batch `seen`.
    fn match_batch(&mut self, entry: Taken, seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) {
        if seen.base.is_some_and(|base| entry.offset < base) {
            self.wrong_offset(entry, plan, out, || {
                format!("batch {}..{} begins at its position", seen.lowest(), seen.last)
            });
        } else if entry.offset > seen.last {
            self.open = Some(entry);
        } else {
            if entry.offset < seen.last && seen.base.is_some() {
                self.not_last(entry, seen.last, out);
            }
            self.previous = Some(entry);
        }
    }

    /// The next entry has come, or the end: did the batches reach the offset of the one that waited?
    fn close_open(&mut self, plan: &SegmentPlan, out: &mut Findings) {
        let Some(entry) = self.open.take() else { return };
        let reached = self.reached.unwrap_or(i64::MIN);
        if entry.offset <= reached {
            self.not_last(entry, reached, out);
            self.previous = Some(entry);
        } else {
            self.wrong_offset(entry, plan, out, || format!("the batches from its position on end at offset {reached}"));
        }
    }

    fn not_last(&self, entry: Taken, last: i64, out: &mut Findings) {
        out.add(FindingCode::I005, Severity::Info, Place::at(&self.file, entry.at).offset(entry.offset), || {
            format!("entry for offset {} is not the last offset of its batch ({last}); look-ups work", entry.offset)
        });
    }

    fn wrong_offset(&self, entry: Taken, plan: &SegmentPlan, out: &mut Findings, but: impl FnOnce() -> String) {
        let weight = plan.index_weight(Severity::Error, Severity::Warning);
        out.add(FindingCode::I005, weight, Place::at(&self.file, entry.at).offset(entry.offset), || {
            format!("entry says offset {} at position {}, but {}", entry.offset, entry.position, but())
        });
    }
}

/// I006 for a file that is not there.
pub(super) fn missing(file: &Path, plan: &SegmentPlan, out: &mut Findings) {
    let weight = if plan.is_recovered { Severity::Info } else { Severity::Warning };
    out.add(FindingCode::I006, weight, Place::file(file), || {
        "the offset index is missing; the next start recovers the segment and makes it anew".to_owned()
    });
}

/// I006 for a file without an entry although a batch begins behind the first `interval` bytes.
pub(super) fn empty(file: &Path, plan: &SegmentPlan, last_batch: u64, interval: u64, out: &mut Findings) {
    let weight = if plan.is_recovered { Severity::Info } else { Severity::Warning };
    out.add(FindingCode::I006, weight, Place::file(file), || {
        format!("the offset index is empty, but a batch begins at position {last_batch} and every {interval} bytes one is indexed")
    });
}
