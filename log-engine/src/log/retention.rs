//! What may be deleted by age, size or log start (pure), and doing it.

use std::sync::Arc;

use super::Log;
use super::segments::Segments;
use super::state::Writer;
use crate::error::Result;
use crate::plant::Fault;
use crate::segment::Segment;
use crate::units::{Offset, Timestamp};

/// Why a segment may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionReason {
    /// All its records lie below the log's start.
    LogStart,
    /// The log is larger than `retention.bytes` without it.
    Size,
    /// Its largest timestamp is older than `retention.ms`.
    Age,
}

/// A segment as retention sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetentionFacts {
    /// Base offset of the next segment, if there is one.
    pub(super) next_base: Option<Offset>,
    pub(super) size: u64,
}

/// What decides over all segments of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetentionLimits {
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) high_watermark: Offset,
    pub(super) now: Timestamp,
    pub(super) bytes: Option<u64>,
    pub(super) ms: Option<i64>,
}

/// How many of the oldest `segments` may go for this reason. Nothing at or above the high watermark goes, and no empty last segment.
///
/// `largest_of` is asked for the largest timestamp of the segment at an index, and of none that need not be known: to know it may make
/// the segment's index files.
///
/// Kafka: `UnifiedLog.deletableSegments`.
pub(super) fn deletable(
    segments: &[RetentionFacts],
    limits: &RetentionLimits,
    reason: RetentionReason,
    largest_of: impl Fn(usize) -> Result<Timestamp>,
) -> Result<usize> {
    let total = segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.size));
    let mut excess = limits.bytes.and_then(|bytes| total.checked_sub(bytes));
    for (i, segment) in segments.iter().enumerate() {
        if limits.high_watermark < segment.next_base.unwrap_or(limits.log_end) {
            return Ok(i);
        }
        let is_asked_for = match reason {
            RetentionReason::LogStart => segment.next_base.is_some_and(|next| next <= limits.log_start),
            RetentionReason::Size => {
                excess = excess.and_then(|excess| excess.checked_sub(segment.size));
                excess.is_some()
            }
            RetentionReason::Age => match limits.ms {
                Some(ms) => limits.now.get().saturating_sub(largest_of(i)?.get()) > ms,
                None => false,
            },
        };
        if !is_asked_for || segment.next_base.is_none() && segment.size == 0 {
            return Ok(i);
        }
    }
    Ok(segments.len())
}

/// Why segments go, in the order in which it is asked; by size and age only where `cleanup.policy` holds `delete`.
///
/// Kafka: `UnifiedLog.deleteOldSegments`.
pub(super) const fn reasons(delete: bool) -> &'static [RetentionReason] {
    match delete {
        true => &[RetentionReason::LogStart, RetentionReason::Size, RetentionReason::Age],
        false => &[RetentionReason::LogStart],
    }
}

/// Why the oldest of `segments` go, one reason each: of those that stay for one reason the next is asked. The rest stay.
pub(super) fn planned(
    segments: &[RetentionFacts],
    limits: &RetentionLimits,
    reasons: &[RetentionReason],
    largest_of: impl Fn(usize) -> Result<Timestamp>,
) -> Result<Vec<RetentionReason>> {
    let mut planned: Vec<RetentionReason> = Vec::new();
    for reason in reasons {
        let gone = planned.len();
        let left = segments.get(gone..).unwrap_or_default();
        let more = deletable(left, limits, *reason, |i| largest_of(gone.saturating_add(i)))?;
        planned.extend(std::iter::repeat_n(*reason, more));
    }
    Ok(planned)
}

fn facts(segments: &Segments) -> Vec<RetentionFacts> {
    let next = segments.iter().skip(1).map(|next| Some(next.base())).chain([None]);
    let fact = |(segment, next_base): (&Arc<Segment>, _)| RetentionFacts { next_base, size: segment.size() };
    segments.iter().zip(next).map(fact).collect()
}

impl Log {
    /// Deletes the oldest segments that the settings do not keep; how many. The log's start moves first, then their files get a
    /// `.deleted` name, oldest first, and a task removes them. Where all would go, a new segment is begun.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; what was not deleted is looked at again next time.
    ///
    /// Kafka: `UnifiedLog.deleteOldSegments`.
    pub fn delete_old_segments(&self) -> Result<usize> {
        let mut deleted = 0_usize;
        for reason in reasons(self.config.load().delete) {
            deleted = deleted.saturating_add(self.delete_for(*reason)?);
        }
        Ok(deleted)
    }

    /// Which segments [`Self::delete_old_segments`] would delete now, with their base offsets, and why. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::delete_old_segments`].
    pub fn plan_retention(&self) -> Result<Vec<(Offset, RetentionReason)>> {
        let segments = Arc::clone(&self.segments());
        let all: Vec<&Arc<Segment>> = segments.iter().collect();
        let largest_of = |i: usize| all.get(i).map_or(Ok(Timestamp::NONE), |segment| segment.largest_timestamp());
        let reasons = reasons(self.config.load().delete);
        let planned = planned(&facts(&segments), &self.retention_limits(), reasons, largest_of)?;
        Ok(all.iter().map(|segment| segment.base()).zip(planned).collect())
    }

    /// How many of the oldest of `segments` go for this reason now.
    fn count_deletable(&self, segments: &Segments, reason: RetentionReason) -> Result<usize> {
        let all: Vec<&Arc<Segment>> = segments.iter().collect();
        let largest_of = |i: usize| all.get(i).map_or(Ok(Timestamp::NONE), |segment| segment.largest_timestamp());
        deletable(&facts(segments), &self.retention_limits(), reason, largest_of)
    }

    fn retention_limits(&self) -> RetentionLimits {
        let config = self.config.load();
        RetentionLimits {
            log_start: self.start(),
            log_end: self.end(),
            high_watermark: self.high_watermark(),
            now: self.now(),
            bytes: config.retention_bytes,
            ms: config.retention_ms,
        }
    }

    /// Kafka: `UnifiedLog.deleteSegments`.
    fn delete_for(&self, reason: RetentionReason) -> Result<usize> {
        let mut writer = self.writer()?;
        let segments = Arc::clone(&self.segments());
        let count = self.count_deletable(&segments, reason)?;
        if count == 0 {
            return Ok(0);
        }
        let bases: Vec<Offset> = segments.iter().take(count).map(|segment| segment.base()).collect();
        let mut gone_bases = bases.clone();
        if segments.len() == count {
            let new = self.roll_at(&mut writer, None)?;
            gone_bases.retain(|base| *base != new.base());
        }
        let segments = Arc::clone(&self.segments());
        let mut gone: Vec<_> =
            segments.iter().filter(|segment| gone_bases.contains(&segment.base())).cloned().collect();
        if let Some(first_kept) = gone.last().and_then(|last| segments.higher(last.base())) {
            self.raise_log_start(&mut writer, first_kept.base())?;
            self.store_segments(segments.without(&gone_bases));
        }
        // Nobody appends to what is in the set no more: the disk is not waited for with the lock held.
        drop(writer);
        if Fault::DeletedNewestFirst.is_planted() {
            gone.reverse();
        }
        self.delete_segments_later(gone)?;
        self.delete_snapshots_later(&mut *self.writer()?, &bases)?;
        Ok(count)
    }

    /// Raises the log's start, as DeleteRecords does; whether it was lower. Whole segments below it go with the next retention.
    ///
    /// # Errors
    /// [`crate::Error::OffsetOutOfRange`] above the high watermark.
    ///
    /// Kafka: `UnifiedLog.maybeIncrementLogStartOffset`.
    pub fn delete_records_to(&self, offset: Offset) -> Result<bool> {
        let mut writer = self.writer()?;
        if offset > self.high_watermark() {
            return Err(self.out_of_range(offset));
        }
        self.raise_log_start(&mut writer, offset)
    }

    fn raise_log_start(&self, writer: &mut Writer, offset: Offset) -> Result<bool> {
        if offset <= self.start() {
            return Ok(false);
        }
        self.disk.set_start(offset);
        if self.high_watermark() < offset {
            self.update_high_watermark(writer, super::metadata::OffsetMetadata::only(offset))?;
        }
        self.disk.raise_recovery_point(offset);
        if writer.epochs.truncate_from_start(offset) {
            self.publish_epochs(writer);
            self.submit(super::tasks::Task::WriteEpochs, 0);
        }
        writer.producers.on_log_start_incremented(offset);
        self.update_first_unstable(writer)?;
        self.disk.waiters.notify();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(sizes: &[u64]) -> Vec<RetentionFacts> {
        let last = sizes.len() - 1;
        let facts = sizes.iter().enumerate().map(|(n, size)| RetentionFacts {
            next_base: (n < last).then(|| Offset::new(10 * (i64::try_from(n).unwrap() + 1))),
            size: *size,
        });
        facts.collect()
    }

    /// How many go of segments with these largest timestamps.
    fn count(facts: &[RetentionFacts], limits: &RetentionLimits, reason: RetentionReason, times: &[i64]) -> usize {
        deletable(facts, limits, reason, |i| Ok(Timestamp::new(times[i]))).unwrap()
    }

    fn limits(segments: &[RetentionFacts]) -> RetentionLimits {
        let end = Offset::new(10 * i64::try_from(segments.len()).unwrap());
        RetentionLimits {
            log_start: Offset::ZERO,
            log_end: end,
            high_watermark: end,
            now: Timestamp::new(1000),
            bytes: None,
            ms: None,
        }
    }

    #[test]
    fn size_takes_whole_segments_while_the_log_stays_as_large_as_asked() {
        let facts = segments(&[100, 50, 100]);
        let by_size = |bytes| count(&facts, &RetentionLimits { bytes, ..limits(&facts) }, RetentionReason::Size, &[]);
        assert_eq!(
            [None, Some(250), Some(151), Some(150), Some(100), Some(99), Some(0)].map(by_size),
            [0, 0, 0, 1, 2, 2, 3]
        );
    }

    #[test]
    fn what_stays_for_one_reason_is_asked_for_the_next() {
        let facts = segments(&[100, 100, 100, 100]);
        let limits = RetentionLimits { log_start: Offset::new(10), bytes: Some(200), ms: Some(100), ..limits(&facts) };
        let plan = |delete, times: [i64; 4]| {
            planned(&facts, &limits, reasons(delete), |i| Ok(Timestamp::new(times[i]))).unwrap()
        };
        let (start, size, age) = (RetentionReason::LogStart, RetentionReason::Size, RetentionReason::Age);
        // The first two are young: what stands behind them goes by its own age once they are gone.
        assert_eq!(plan(true, [1000, 1000, 0, 1000]), [start, size, age]);
        assert_eq!(plan(true, [0, 0, 1000, 0]), [start, size]);
        assert_eq!(plan(false, [0; 4]), [start]);
    }

    #[test]
    fn age_stops_at_the_first_segment_that_is_young_enough() {
        let facts = segments(&[1, 1, 1]);
        let by_age = |ms| {
            let limits = RetentionLimits { ms, ..limits(&facts) };
            count(&facts, &limits, RetentionReason::Age, &[899, 900, 0])
        };
        assert_eq!([None, Some(101), Some(100), Some(99)].map(by_age), [0, 0, 1, 3]);
        let young = RetentionLimits { ms: Some(101), ..limits(&facts) };
        assert_eq!(count(&facts, &young, RetentionReason::Age, &[899]), 0, "the others are not asked");
    }

    // conformance: ULG-137
    #[test]
    fn an_empty_last_segment_never_goes_and_one_with_data_does() {
        let with = |old: usize, last_size: u64| {
            let sizes: Vec<_> = (0..10).map(|n| if n == 9 { last_size } else { 1 }).collect();
            let times: Vec<_> = (0..10).map(|n| if n < old { 0 } else { 1000 }).collect();
            let facts = segments(&sizes);
            count(&facts, &RetentionLimits { ms: Some(0), ..limits(&facts) }, RetentionReason::Age, &times)
        };
        assert_eq!((with(6, 0), with(10, 0), with(10, 1)), (6, 9, 10));
    }

    #[test]
    fn the_log_start_takes_what_ends_at_it_and_nothing_goes_above_the_high_watermark() {
        let facts = segments(&[1, 1, 0]);
        let at = |log_start, high_watermark| {
            let (log_start, high_watermark) = (Offset::new(log_start), Offset::new(high_watermark));
            let limits = RetentionLimits { log_start, high_watermark, ms: Some(0), ..limits(&facts) };
            let by = |reason| count(&facts, &limits, reason, &[0; 3]);
            (by(RetentionReason::LogStart), by(RetentionReason::Age))
        };
        assert_eq!(at(9, 30), (0, 2), "an empty last segment stays");
        assert_eq!(at(10, 30), (1, 2));
        assert_eq!(at(25, 25), (2, 2));
        assert_eq!(at(20, 19), (1, 1));
        assert_eq!(at(20, 9), (0, 0));
    }
}
