//! `--free`: what could go over all partitions, in which order.

use log_engine::Offset;
use log_engine::log::{RetentionFate, RetentionVerdict};

use super::Judged;

/// What could go.
pub(super) struct Plan<'a> {
    /// What was asked for.
    pub(super) asked: u64,
    /// In order.
    pub(super) steps: Vec<Step<'a>>,
}

/// A segment that could go.
pub(super) struct Step<'a> {
    pub(super) partition: &'a Judged,
    pub(super) segment: &'a RetentionVerdict,
    /// The partition begins there then.
    pub(super) next: Offset,
    /// Bytes that are free after this step.
    pub(super) freed: u64,
}

impl Plan<'_> {
    /// Bytes that are free in the end.
    pub(super) fn freed(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.freed)
    }
}

/// Takes segments until `asked` bytes are free: first those that retention deletes anyway, then always the one of which the newest record is
/// the oldest. A partition loses its segments from the oldest on, none that reaches above its high watermark, and never the last one;
/// compacted ones lose none but those that go anyway.
pub(super) fn plan(partitions: &[Judged], asked: u64) -> Plan<'_> {
    let mut queues: Vec<_> = partitions.iter().map(|partition| (partition, candidates(partition).peekable())).collect();
    let mut plan = Plan { asked, steps: Vec::new() };
    while plan.freed() < asked {
        let next = queues
            .iter_mut()
            .filter_map(|(partition, queue)| {
                queue.peek().map(|(segment, _)| order(segment)).map(|order| (order, partition, queue))
            })
            .min_by_key(|(order, ..)| *order);
        let Some((partition, (segment, next))) =
            next.and_then(|(_, partition, queue)| Some((*partition, queue.next()?)))
        else {
            break;
        };
        let freed = plan.freed().saturating_add(segment.bytes);
        plan.steps.push(Step { partition, segment, next, freed });
    }
    plan
}

/// What goes anyway comes first.
fn order(segment: &RetentionVerdict) -> (bool, i64) {
    (!is_due(segment), segment.age.timestamp.get())
}

/// Whether retention deletes it anyway.
pub(super) fn is_due(segment: &RetentionVerdict) -> bool {
    matches!(segment.fate, RetentionFate::Deleted(_))
}

/// The segments that can go, each with the base of the next one.
fn candidates(partition: &Judged) -> impl Iterator<Item = (&RetentionVerdict, Offset)> {
    let next = partition.verdicts.iter().skip(1).map(|next| next.base);
    let bound = partition.high_watermark.unwrap_or(partition.log_end);
    let closed = partition.verdicts.iter().zip(next);
    closed.take_while(move |(segment, next)| *next <= bound && (is_due(segment) || !partition.is_compacted))
}

#[cfg(test)]
mod tests {
    use log_engine::Timestamp;
    use log_engine::log::{RetentionReason, SegmentAge};

    use super::*;

    /// A partition whose segments have ten offsets each and these times; the first `due` of them go anyway.
    fn partition(times: &[i64], due: usize, high_watermark: i64) -> Judged {
        let verdicts = times.iter().enumerate().map(|(n, time)| RetentionVerdict {
            base: Offset::new(10 * n as i64),
            log_bytes: 90,
            bytes: 100,
            age: SegmentAge { timestamp: Timestamp::new(*time), offset: None, doubt: None },
            fate: if n < due { RetentionFate::Deleted(RetentionReason::Age) } else { RetentionFate::BehindKept },
        });
        Judged {
            path: "orders-0".into(),
            name: None,
            is_compacted: false,
            log_start: Offset::ZERO,
            log_end: Offset::new(10 * times.len() as i64),
            high_watermark: Some(Offset::new(high_watermark)),
            verdicts: verdicts.collect(),
        }
    }

    /// Times of the segments in order.
    fn order_of(partitions: &[Judged], asked: u64) -> Vec<i64> {
        plan(partitions, asked).steps.iter().map(|step| step.segment.age.timestamp.get()).collect()
    }

    #[test]
    fn what_goes_anyway_comes_first_then_the_oldest_of_all_and_no_more_than_needed() {
        let both = [partition(&[5, 7, 9, 11], 0, 40), partition(&[6, 8, 10, 12], 1, 40)];
        assert_eq!(order_of(&both, 1), [6]);
        assert_eq!(order_of(&both, 100), [6]);
        assert_eq!(order_of(&both, 101), [6, 5]);
        assert_eq!(order_of(&both, 9999), [6, 5, 7, 8, 9, 10], "the last segments stay");
    }

    #[test]
    fn nothing_goes_above_the_high_watermark_or_out_of_order_or_for_compaction() {
        assert_eq!(order_of(&[partition(&[5, 7, 9, 11], 0, 19)], 9999), [5]);
        assert_eq!(order_of(&[partition(&[9, 5, 7], 0, 30), partition(&[8, 3], 0, 20)], 9999), [8, 9, 5]);
        let compacted = Judged { is_compacted: true, ..partition(&[5, 7, 9], 1, 30) };
        assert_eq!(order_of(&[compacted], 9999), [5]);
    }
}
