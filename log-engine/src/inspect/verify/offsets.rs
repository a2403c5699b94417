//! B005, B006, B012: the offsets of the batches of one segment, in order.

use super::batch::Seen;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity, Weight};
use super::plan::SegmentPlan;

/// What is known of the offsets so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offsets {
    /// The highest offset of all batches that made sense.
    highest: Option<i64>,
    /// The offset that the next batch should have; unknown at the start, behind damage and behind a wrong offset.
    expected: Option<i64>,
    /// Nothing was met yet: the first batch should begin at the segment's base.
    first_is_open: bool,
    /// Offsets that are missing in front of the last batch: from, and up to without.
    gap: Option<(i64, i64)>,
}

impl Offsets {
    pub(super) fn new() -> Self {
        Self { first_is_open: true, ..Self::default() }
    }

    /// The highest offset of the batches that made sense.
    pub(super) const fn highest(&self) -> Option<i64> {
        self.highest
    }

    /// True if what follows must begin right behind [`Self::highest`].
    pub(super) const fn end_is_known(&self) -> bool {
        self.expected.is_some()
    }

    /// Whether `offset` is missing right in front of the last batch, so that an index that names it is no fault of its own.
    pub(super) fn is_in_gap(&self, offset: i64) -> bool {
        self.gap.is_some_and(|(from, until)| (from..until).contains(&offset))
    }

    /// Bytes that are no batch were passed: their offsets are unknown.
    pub(super) fn damage(&mut self) {
        self.expected = None;
        self.first_is_open = false;
    }

    /// Looks at the next batch; whether its offsets make sense.
    pub(super) fn batch(&mut self, seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) -> bool {
        let fits = self.fits(seen, plan, out);
        if !fits {
            self.expected = None;
            self.first_is_open = false;
            return false;
        }
        self.gap(seen, plan, out);
        self.first_is_open = false;
        self.highest = Some(seen.last);
        self.expected = seen.last.checked_add(1);
        true
    }

    fn fits(&self, seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) -> bool {
        let (base, last, segment) = (seen.lowest(), seen.last, plan.base.get());
        let place = Place::at(&plan.log, seen.position).offset(base);
        let mut wrong = |code, message: String| {
            out.add(code, Severity::Error, place, || message);
            false
        };
        if base < segment {
            return wrong(
                FindingCode::B005,
                format!("batch begins at offset {base}, below the segment's base {segment}"),
            );
        }
        if last.checked_sub(segment).is_none_or(|delta| delta > i64::from(i32::MAX)) {
            let limit = i32::MAX;
            return wrong(
                FindingCode::B006,
                format!("batch ends at offset {last}, more than {limit} above the segment's base {segment}"),
            );
        }
        if last < base {
            return wrong(FindingCode::B005, format!("batch ends at offset {last}, before its first offset {base}"));
        }
        if let Some(highest) = self.highest.filter(|highest| base <= *highest) {
            return wrong(
                FindingCode::B005,
                format!("batch {base}..{last} stands behind offset {highest}; offsets must rise"),
            );
        }
        if let Some(next) = plan.next_base.filter(|next| last >= next.get()) {
            return wrong(
                FindingCode::B005,
                format!("batch {base}..{last} reaches into the next segment, which begins at {next}"),
            );
        }
        true
    }

    /// B012 inside a segment. Compressed messages of old formats do not say where they begin.
    fn gap(&mut self, seen: &Seen<'_>, plan: &SegmentPlan, out: &mut Findings) {
        let expected = self.expected.or(self.first_is_open.then_some(plan.base.get()));
        let (Some(expected), Some(base)) = (expected, seen.base) else { return };
        self.gap = None;
        if base > expected {
            self.gap = Some((expected, base));
            let place = Place::at(&plan.log, seen.position).offset(expected);
            out.add(FindingCode::B012, plan.gap_weight(expected), place, || {
                let missing = base.saturating_sub(expected);
                format!(
                    "offsets {expected}..{} are missing before this batch ({missing} offsets)",
                    base.saturating_sub(1)
                )
            });
        }
    }
}

impl SegmentPlan {
    /// How much a gap at `offset` weighs: nothing where compaction has been.
    pub(super) fn gap_weight(&self, offset: i64) -> Weight {
        self.cleaning_weight(Severity::Warning, offset)
    }
}
