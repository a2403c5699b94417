//! Which segments retention would delete now, and why the others stay: what a broker would do with the log as it lies there.

use super::LogReader;
use super::locate::Doubts;
use super::segment::SegmentReader;
use crate::error::{Corrupt, Result};
use crate::log::retention::{RetentionFacts, RetentionLimits, RetentionReason, planned, reasons};
use crate::segment::SegmentFile;
use crate::units::{Offset, Timestamp};

/// What retention goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionRules {
    /// The time.
    pub now: Timestamp,
    /// `retention.ms`; `None` keeps all.
    pub ms: Option<i64>,
    /// `retention.bytes`; `None` keeps all.
    pub bytes: Option<u64>,
    /// `cleanup.policy` holds `delete`: without it only what lies below the log start goes.
    pub delete: bool,
}

/// A segment before retention.
#[derive(Clone, Debug)]
pub struct RetentionVerdict {
    /// Its first offset.
    pub base: Offset,
    /// Bytes of its `.log`, by which retention goes.
    pub log_bytes: u64,
    /// Bytes of its `.log` and its indexes, which are free once it is gone.
    pub bytes: u64,
    /// How old it counts.
    pub age: SegmentAge,
    /// Why it goes, or why it stays.
    pub fate: RetentionFate,
}

/// How old a segment counts.
#[derive(Clone, Debug)]
pub struct SegmentAge {
    /// Its largest timestamp, as the broker takes it.
    pub timestamp: Timestamp,
    /// The last offset of the batch that has it; `None` where no batch has a time, and that of the file counts.
    pub offset: Option<Offset>,
    /// What speaks against it: the time index, from which the broker has it, is not what the batches say.
    pub doubt: Option<Corrupt>,
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionFate {
    /// It goes.
    Deleted(RetentionReason),
    /// It reaches above the high watermark, where nothing goes.
    AboveHighWatermark,
    /// It is the last one and empty.
    Empty,
    /// An older one stays, and segments go from the oldest on.
    BehindKept,
    /// It is young; `None` if no age makes it go, or only one that no calendar reaches.
    Young {
        /// From when on it is old enough.
        until: Option<Timestamp>,
    },
    /// Only what lies below the log start goes, and it does not.
    NotDeleting,
}

impl LogReader<'_> {
    /// What retention does with each segment now. The largest timestamp of a closed segment is what its time index says, which a broker
    /// believes; of the last one what its batches say, which a broker has seen. Where no checkpoint says the high watermark, everything is
    /// below it.
    ///
    /// Kafka: `UnifiedLog.deleteOldSegments`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn plan_retention(&self, rules: &RetentionRules) -> Result<Vec<RetentionVerdict>> {
        let segments: Vec<SegmentReader<'_>> = self.segments().collect();
        let log_end = self.log_end()?;
        let limits = RetentionLimits {
            log_start: self.log_start(),
            log_end,
            high_watermark: self.high_watermark().unwrap_or(log_end),
            now: rules.now,
            bytes: rules.bytes,
            ms: rules.ms,
        };
        let size =
            |base: Offset, file| self.fs.stat(&self.folder.file(base, file)).map(|stat| stat.map_or(0, |it| it.len));
        let facts = segments
            .iter()
            .map(|segment| {
                Ok(RetentionFacts { next_base: segment.next_base, size: size(segment.base, SegmentFile::Log)? })
            })
            .collect::<Result<Vec<_>>>()?;
        let ages = segments.iter().map(|segment| self.age(segment)).collect::<Result<Vec<_>>>()?;
        let time = |i: usize| Ok(ages.get(i).map_or(Timestamp::NONE, |age| age.timestamp));
        let gone = planned(&facts, &limits, reasons(rules.delete), time)?;
        let mut verdicts = Vec::new();
        for (n, ((segment, facts), age)) in segments.iter().zip(&facts).zip(ages).enumerate() {
            let mut bytes = facts.size;
            for file in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex] {
                bytes = bytes.saturating_add(size(segment.base, file)?);
            }
            let fate = match gone.get(n) {
                Some(reason) => RetentionFate::Deleted(*reason),
                None if n > gone.len() => RetentionFate::BehindKept,
                None => kept(facts, &limits, rules, &age),
            };
            verdicts.push(RetentionVerdict { base: segment.base, log_bytes: facts.size, bytes, age, fate });
        }
        Ok(verdicts)
    }

    fn age(&self, segment: &SegmentReader<'_>) -> Result<SegmentAge> {
        let mut doubts = Doubts::default();
        let found = segment.largest_timestamp(&mut doubts)?;
        let doubt = doubts.into_list().into_iter().next();
        let (timestamp, offset) = match segment.believed_timestamp()?.filter(|_| !segment.is_last()) {
            Some(believed) => (believed.timestamp, believed.offset),
            None => (found.timestamp, found.offset),
        };
        if timestamp >= Timestamp::new(0) {
            let doubt = doubt.filter(|_| timestamp != found.timestamp);
            return Ok(SegmentAge { timestamp, offset: Some(offset), doubt });
        }
        let doubt = doubt.filter(|_| found.timestamp >= Timestamp::new(0));
        let modified = self.modified(segment)?;
        Ok(SegmentAge { timestamp: modified.unwrap_or(Timestamp::new(0)), offset: None, doubt })
    }
}

/// Why the oldest one that stays does.
fn kept(facts: &RetentionFacts, limits: &RetentionLimits, rules: &RetentionRules, age: &SegmentAge) -> RetentionFate {
    if limits.high_watermark < facts.next_base.unwrap_or(limits.log_end) {
        RetentionFate::AboveHighWatermark
    } else if facts.next_base.is_none() && facts.size == 0 {
        RetentionFate::Empty
    } else if !rules.delete {
        RetentionFate::NotDeleting
    } else {
        // Old enough is what is older than that.
        let until = rules.ms.and_then(|ms| age.timestamp.get().checked_add(ms)?.checked_add(1));
        RetentionFate::Young { until: until.map(Timestamp::new) }
    }
}
