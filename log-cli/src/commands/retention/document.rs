//! What `retention` says to programs; text is written from the same values.

use std::path::Path;

use log_engine::log::{PartitionName, RetentionFate, RetentionReason, RetentionRules, RetentionVerdict};
use log_engine::segment::SegmentFile;
use log_engine::{Error, Offset, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Judged;
use super::free::{Plan, is_due};
use crate::commands::verify::document::Given;
use crate::error::Exit;

/// What retention does, and why.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The version of this form.
    schema: Version,
    /// The time that was gone by: milliseconds since 1970.
    pub(super) now: i64,
    /// `retention.ms`; null if any age stays.
    pub(super) retention_ms: Option<i64>,
    /// `retention.bytes`; null if any size stays.
    pub(super) retention_bytes: Option<u64>,
    pub(super) partitions: Vec<Partition>,
    /// What could go, with --free.
    pub(super) free: Option<Free>,
    /// Paths that name nothing to look at, and what could not be read.
    failed: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "retention/1")]
    One,
}

/// One partition.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Partition {
    pub(super) path: String,
    topic: Option<String>,
    partition: Option<i32>,
    log_start: i64,
    log_end: i64,
    /// Null where no checkpoint says it: everything counts as below it.
    pub(super) high_watermark: Option<i64>,
    /// Bytes of the `.log` files, by which retention goes.
    pub(super) log_bytes: u64,
    /// How many segments go.
    pub(super) goes: usize,
    /// Bytes of the files that go.
    pub(super) goes_bytes: u64,
    pub(super) segments: Vec<Segment>,
}

/// One segment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment {
    pub(super) file: String,
    /// Bytes of its `.log` and its indexes.
    pub(super) bytes: u64,
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    /// The time that it counts as old as.
    pub(super) largest_timestamp: i64,
    /// The last offset of the batch that has this time; null where the time is that of the file.
    pub(super) offset: Option<i64>,
    /// Whether that time lies ahead.
    pub(super) is_ahead: bool,
    /// From when on it is old enough; null if it is not its age that keeps it, or no age ends that.
    pub(super) until: Option<i64>,
    /// What speaks against the time: the broker has it from a time index that is wrong.
    pub(super) doubt: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Delete,
    Keep,
}

/// Why a segment goes or stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reason {
    /// It goes: all of it lies below the log start.
    BelowLogStart,
    /// It goes: the log is large enough without it.
    Size,
    /// It goes: it is old.
    Age,
    /// It stays: it reaches above the high watermark.
    AboveHighWatermark,
    /// It stays: it is the last one, and empty.
    Empty,
    /// It stays: an older one does, and segments go from the oldest on.
    BehindKept,
    /// It stays: neither old enough, nor is the log too large.
    Young,
    /// It stays: the topic is compacted.
    Compacted,
}

/// What could go.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Free {
    /// Bytes that were asked for.
    pub(super) asked: u64,
    /// Bytes that are free if all this goes.
    pub(super) freed: u64,
    /// In this order.
    pub(super) steps: Vec<Step>,
    /// What the partitions lose, by their folders.
    pub(super) partitions: Vec<Loss>,
}

/// One segment that could go.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// Bytes that are free after this step.
    pub(super) freed: u64,
    pub(super) largest_timestamp: i64,
    /// Whether retention deletes it anyway.
    pub(super) goes_anyway: bool,
}

/// What a partition loses.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Loss {
    pub(super) path: String,
    /// Records below this offset go: what `kafka-delete-records` is to be told.
    pub(super) before_offset: i64,
    pub(super) segments: u64,
    pub(super) bytes: u64,
}

impl Document {
    pub(super) fn of(
        judged: &[Judged],
        free: Option<&Plan<'_>>,
        rules: RetentionRules,
        given: &Given,
        failed: &[Error],
    ) -> Self {
        Self {
            schema: Version::One,
            now: rules.now.get(),
            retention_ms: rules.ms,
            retention_bytes: rules.bytes,
            partitions: judged.iter().map(|one| Partition::of(one, rules.now, given)).collect(),
            free: free.map(|plan| Free::of(plan, given)),
            failed: failed.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether something goes, or enough could.
    pub(super) fn exit(&self) -> Exit {
        let is_yes = match &self.free {
            Some(free) => free.freed >= free.asked,
            None => self.partitions.iter().any(|partition| partition.goes > 0),
        };
        if is_yes { Exit::Fine } else { Exit::No }
    }
}

impl Partition {
    fn of(judged: &Judged, now: Timestamp, given: &Given) -> Self {
        let name: Option<&PartitionName> = judged.name.as_ref();
        let gone = judged.verdicts.iter().filter(|segment| is_due(segment));
        Self {
            path: given.name(&judged.path).display().to_string(),
            topic: name.map(|name| name.partition.topic.clone()),
            partition: name.map(|name| name.partition.partition),
            log_start: judged.log_start.get(),
            log_end: judged.log_end.get(),
            high_watermark: judged.high_watermark.map(Offset::get),
            log_bytes: judged.verdicts.iter().fold(0, |sum, segment| sum.saturating_add(segment.log_bytes)),
            goes: gone.clone().count(),
            goes_bytes: gone.fold(0, |sum, segment| sum.saturating_add(segment.bytes)),
            segments: judged.verdicts.iter().map(|segment| Segment::of(segment, now)).collect(),
        }
    }
}

impl Segment {
    fn of(segment: &RetentionVerdict, now: Timestamp) -> Self {
        let (verdict, reason, until) = match segment.fate {
            RetentionFate::Deleted(RetentionReason::LogStart) => (Verdict::Delete, Reason::BelowLogStart, None),
            RetentionFate::Deleted(RetentionReason::Size) => (Verdict::Delete, Reason::Size, None),
            RetentionFate::Deleted(RetentionReason::Age) => (Verdict::Delete, Reason::Age, None),
            RetentionFate::AboveHighWatermark => (Verdict::Keep, Reason::AboveHighWatermark, None),
            RetentionFate::Empty => (Verdict::Keep, Reason::Empty, None),
            RetentionFate::BehindKept => (Verdict::Keep, Reason::BehindKept, None),
            RetentionFate::Young { until } => (Verdict::Keep, Reason::Young, until),
            RetentionFate::NotDeleting => (Verdict::Keep, Reason::Compacted, None),
        };
        Self {
            file: SegmentFile::Log.name(segment.base),
            bytes: segment.bytes,
            verdict,
            reason,
            largest_timestamp: segment.age.timestamp.get(),
            offset: segment.age.offset.map(Offset::get),
            is_ahead: segment.age.timestamp > now,
            until: until.map(Timestamp::get),
            doubt: segment.age.doubt.as_ref().map(ToString::to_string),
        }
    }
}

impl Free {
    fn of(plan: &Plan<'_>, given: &Given) -> Self {
        let file = |path: &Path, base| given.name(path).join(SegmentFile::Log.name(base)).display().to_string();
        let mut partitions: Vec<Loss> = Vec::new();
        for step in &plan.steps {
            let path = given.name(&step.partition.path).display().to_string();
            let known = partitions.iter_mut().find(|loss| loss.path == path);
            let (bytes, before_offset) = (step.segment.bytes, step.next.get());
            match known {
                Some(loss) => {
                    loss.before_offset = before_offset;
                    loss.segments = loss.segments.saturating_add(1);
                    loss.bytes = loss.bytes.saturating_add(bytes);
                }
                None => partitions.push(Loss { path, before_offset, segments: 1, bytes }),
            }
        }
        Self {
            asked: plan.asked,
            freed: plan.freed(),
            steps: plan
                .steps
                .iter()
                .map(|step| Step {
                    file: file(&step.partition.path, step.segment.base),
                    bytes: step.segment.bytes,
                    freed: step.freed,
                    largest_timestamp: step.segment.age.timestamp.get(),
                    goes_anyway: is_due(step.segment),
                })
                .collect(),
            partitions,
        }
    }
}
