//! What the segments of a partition make together, taken in one after the other: B012 between segments, and what only shows when
//! the log's end is known.

use std::path::PathBuf;

use super::code::FindingCode;
use super::epochs::LogEpochs;
use super::finding::{Findings, Place, Severity};
use super::plan::SegmentPlan;
use super::producers::LogProducers;
use super::walk::Walked;
use crate::checkpoint::EpochEntry;
use crate::segment::SegmentFile;
use crate::units::Offset;

/// A segment whose offset index has no byte.
#[derive(Clone, Debug)]
pub(super) struct EmptyIndex {
    /// Which.
    pub(super) base: Offset,
    /// Where its last batch begins.
    pub(super) last_batch: u64,
}

/// A log as far as its segments were taken in.
#[derive(Debug, Default)]
pub(super) struct LogState {
    pub(super) findings: Findings,
    pub(super) producers: LogProducers,
    pub(super) epochs: LogEpochs,
    pub(super) bytes: u64,
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) segments: u64,
    pub(super) shows_cleaning: bool,
    /// The base of the first segment with a producer's batch.
    pub(super) first_with_producers: Option<Offset>,
    pub(super) empty_indexes: Vec<EmptyIndex>,
    /// The first offset behind the last batch; the last segment's base if that has none.
    pub(super) log_end: i64,
    /// What is wrong at the log's end.
    pub(super) tail: Tail,
    /// Offsets that no segment holds, though segments before and behind them are there: from, and up to without.
    pub(super) gaps: Vec<(i64, i64)>,
    /// The offset that the next segment should begin with, if it is known.
    expected: Option<i64>,
}

/// The end of the last segment.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The `.log`.
    pub(super) file: PathBuf,
    /// Its bytes.
    pub(super) bytes: u64,
    /// It does not end with a batch that is sound and has a sound offset.
    pub(super) is_unsure: bool,
    /// Its offset index is padded, as only a running broker has it.
    pub(super) index_is_padded: bool,
    /// Entries of its offset index past the end.
    pub(super) index_beyond: Findings,
    /// Entries of its time index past the end.
    pub(super) times_beyond: Findings,
}

impl LogState {
    /// A log of which no segment was taken in.
    pub(super) fn new(producers: LogProducers) -> Self {
        Self { producers, ..Self::default() }
    }

    /// Takes the next segment in.
    pub(super) fn segment(&mut self, walked: Walked, plan: &SegmentPlan) {
        self.between(plan);
        self.bytes = self.bytes.saturating_add(walked.bytes);
        self.batches = self.batches.saturating_add(walked.batches);
        self.records = self.records.saturating_add(walked.records);
        self.segments = self.segments.saturating_add(1);
        self.shows_cleaning |= walked.shows_cleaning;
        if walked.has_producers {
            self.first_with_producers.get_or_insert(plan.base);
        }
        if walked.index_is_empty && walked.last_batch > 0 {
            self.empty_indexes.push(EmptyIndex { base: plan.base, last_batch: walked.last_batch });
        }
        let highest = walked.offsets.highest();
        self.log_end = highest.map_or(plan.base.get(), |highest| highest.saturating_add(1));
        self.expected = match highest {
            _ if walked.tail_is_damaged => None,
            Some(_) => walked.offsets.end_is_known().then_some(self.log_end),
            None => (walked.bytes == 0).then_some(plan.base.get()),
        };
        self.findings.append(walked.findings);
        self.epochs.segment(walked.epochs, &plan.facts, &mut self.findings);
        if plan.is_last() {
            self.tail = Tail {
                file: plan.log.clone(),
                bytes: walked.bytes,
                is_unsure: self.expected.is_none(),
                index_is_padded: walked.index_is_padded,
                index_beyond: walked.index_beyond,
                times_beyond: walked.times_beyond,
            };
        }
    }

    /// B012 in front of a segment: names the file that is missing.
    fn between(&mut self, plan: &SegmentPlan) {
        let base = plan.base.get();
        match self.expected {
            None if self.segments == 0 && !plan.facts.is_part => self.before_the_first(plan),
            Some(expected) if expected < base => {
                let file = plan.facts.file(&SegmentFile::Log.name(Offset::new(expected)));
                let place = Place::file(&file).offset(expected);
                self.findings.add(FindingCode::B012, plan.facts.gap_weight(expected), place, || {
                    format!("offsets {expected}..{} are missing: no segment holds them", base.saturating_sub(1))
                });
                self.gaps.push((expected, base));
            }
            _ => {}
        }
    }

    /// B012 in front of the log: the epoch file knows of offsets before it.
    fn before_the_first(&mut self, plan: &SegmentPlan) {
        let first_start =
            plan.facts.epochs.as_ref().and_then(|epochs| epochs.first()).map(|entry: &EpochEntry| entry.start);
        let Some(start) = first_start.filter(|start| *start < plan.base) else { return };
        let file = plan.facts.file(&SegmentFile::Log.name(start));
        self.findings.add(FindingCode::B012, Severity::Warning, Place::file(&file).offset(start.get()), || {
            let (from, until) = (start, plan.base.get().saturating_sub(1));
            format!(
                "offsets {from}..{until} are missing: the epoch file begins at {from}, the first segment at {}",
                plan.base
            )
        });
        self.gaps.push((start.get(), plan.base.get()));
    }
}
