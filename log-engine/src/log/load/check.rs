//! Segments read whole and checked, several at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::Mutex;

use super::facts::{Facts, rule_of};
use super::report::RecoveryProgress;
use super::{LoadOptions, Loader};
use crate::batch::Stop;
use crate::error::{Result, Rule};
use crate::log::parallel::{available_threads, parallel};
use crate::segment::{RebuildEnd, Rebuilt, Segment};
use crate::units::{FilePosition, Offset};

/// A segment and what checking it has found.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) segment: Arc<Segment>,
    pub(super) rebuilt: Rebuilt,
    pub(super) facts: Facts,
}

/// The first place of a segment where no sound batch stands although bytes do.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) position: FilePosition,
    /// The offset that a batch there would have at least.
    pub(super) next: Offset,
    pub(super) rule: Rule,
}

impl Checked {
    /// Whether it ceases to be sound at a batch whose checksum fits and that cannot be there.
    pub(super) fn ends_at_whole_batch(&self) -> bool {
        let is_refused = matches!(self.rebuilt.end, RebuildEnd::Refused(_));
        self.facts.broken().is_some() || (is_refused && self.rebuilt.valid_end.get() < self.segment.size())
    }

    /// Where the segment ceases to be sound; `None` if it is to its last byte.
    pub(super) fn spot(&self) -> Option<Spot> {
        let next = self.facts.next();
        let (position, rule) = match (self.facts.broken(), &self.rebuilt.end) {
            (Some(broken), _) => (broken.position, broken.rule.clone()),
            (None, RebuildEnd::Stop(Stop::End) | RebuildEnd::Interrupted) => return None,
            (None, RebuildEnd::Stop(stop)) => (self.rebuilt.valid_end, stop.malformed().rule),
            (None, RebuildEnd::Corrupt(malformed)) => (self.rebuilt.valid_end, malformed.rule.clone()),
            (None, RebuildEnd::Refused(fault)) => (self.rebuilt.valid_end, rule_of(*fault)),
        };
        Some(Spot { position, next, rule })
    }
}

/// Reads and checks one segment, as far as `until` if that is given. Changes nothing.
pub(super) fn check(
    segment: &Arc<Segment>,
    until: Option<FilePosition>,
    is_strict: bool,
    trust_cache: bool,
) -> Result<Checked> {
    let mut facts = Facts::new(segment.base(), is_strict);
    let rebuilt = segment.check(trust_cache, until, |frame| facts.note(frame))?;
    Ok(Checked { segment: Arc::clone(segment), rebuilt, facts })
}

/// Segments that are to be checked, and how far that is.
pub(super) struct Checking<'a> {
    options: &'a LoadOptions<'a>,
    is_strict: bool,
    threads: NonZeroUsize,
    of_bytes: u64,
    done: Mutex<(usize, u64)>,
}

impl<'a> Checking<'a> {
    pub(super) fn new(options: &'a LoadOptions<'a>, is_strict: bool, segments: &[Arc<Segment>]) -> Self {
        let threads = available_threads();
        let of_bytes = segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.size()));
        Self { options, is_strict, threads, of_bytes, done: Mutex::default() }
    }

    /// How many segments are checked at a time.
    pub(super) const fn threads(&self) -> usize {
        self.threads.get()
    }

    /// Checks `segments` side by side; the results in their order.
    pub(super) fn check_all(&self, segments: &[Arc<Segment>]) -> Result<Vec<Checked>> {
        let checked = parallel(self.threads, segments, |segment| {
            let checked = check(segment, None, self.is_strict, self.options.trust_cache);
            self.tell(segment.size());
            checked
        });
        checked.into_iter().collect()
    }

    fn tell(&self, bytes: u64) {
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *done = (done.0.saturating_add(1), done.1.saturating_add(bytes));
        if let Some(progress) = self.options.progress {
            progress(RecoveryProgress { segments: done.0, bytes: done.1, of_bytes: self.of_bytes });
        }
    }
}

impl Loader<'_> {
    pub(super) fn note_checked(&mut self, segments: &[Arc<Segment>]) {
        let bytes = segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.size()));
        self.report.segments_checked = self.report.segments_checked.saturating_add(segments.len());
        self.report.bytes_checked = self.report.bytes_checked.saturating_add(bytes);
    }
}
