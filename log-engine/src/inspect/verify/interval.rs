//! I006 for empty offset indexes: whether they should have an entry, by the interval that the partition's other indexes show.

use super::finding::Findings;
use super::merge::EmptyIndex;
use super::offset_index;
use super::plan::SegmentPlan;
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::inspect::HELD;
use crate::segment::{IntervalSamples, OffsetIndex, Scan, SegmentFile};

/// So many other segments are looked at to learn the interval.
const MAX_TEACHERS: usize = 8;

/// Tells of each empty index that should not be.
pub(super) fn empty_indexes(
    fs: &dyn Fs,
    plans: &[SegmentPlan],
    empty: &[EmptyIndex],
    out: &mut Findings,
) -> Result<()> {
    let Some(first) = plans.first().filter(|_| !empty.is_empty()) else { return Ok(()) };
    let interval = match first.facts.index_interval {
        Some(interval) => interval,
        None => learn(fs, plans)?,
    };
    for index in empty.iter().filter(|index| index.last_batch > interval) {
        if let Some(plan) = plans.iter().find(|plan| plan.base == index.base) {
            offset_index::empty(&plan.file(SegmentFile::OffsetIndex), plan, index.last_batch, interval, out);
        }
    }
    Ok(())
}

/// The interval by the indexes that are not empty.
fn learn(fs: &dyn Fs, plans: &[SegmentPlan]) -> Result<u64> {
    let mut samples = IntervalSamples::default();
    for plan in plans.iter().filter(|plan| plan.files.offset_index.is_some_and(|len| len > 0)).take(MAX_TEACHERS) {
        let index = OffsetIndex::read(&Source::open(fs, &plan.path(SegmentFile::OffsetIndex))?, plan.base)?;
        samples.learn(&index, &mut Scan::new(Source::open(fs, &plan.path(SegmentFile::Log))?).holding(HELD))?;
    }
    Ok(samples.estimate().bytes)
}
