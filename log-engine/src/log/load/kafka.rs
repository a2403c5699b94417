//! Loading as a broker does it, with all that is lost by it.
//!
//! Kafka: `LogLoader.load`, `loadSegmentFiles`, `recoverLog`, `deleteSegmentsIfLogStartGreaterThanLogEnd`.

use std::sync::Arc;

use super::check::{Checked, Checking, check};
use super::facts::rule_of;
use super::leftovers::Tidying;
use super::names::{is_index, is_log};
use super::{Bounds, Loaded, Loader};
use crate::epoch::LeaderEpochs;
use crate::error::{Error, Result};
use crate::fs::Source;
use crate::segment::{IndexFault, RebuildEnd, Segment, SegmentFile, TxnIndex, TxnIndexState};
use crate::units::Offset;

/// A segment with an offset that cannot be told relative to its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooFar {
    pub(super) base: Offset,
    pub(super) offset: Offset,
}

impl Loader<'_> {
    pub(super) fn load_as_kafka(mut self) -> Result<Loaded> {
        self.read_epochs()?;
        let fs = Arc::clone(&self.fs);
        let mut tidying = Tidying::plan(fs.as_ref(), &self.names)?;
        tidying.make_missing_indexes(fs.as_ref(), &mut self.names)?;
        tidying.carry_out(fs.as_ref(), &mut self.names, &self.dir)?;
        self.report.files_removed.extend(tidying.removed.iter().chain(&tidying.replaced).cloned());
        self.splitting(Self::open_segments)?;
        let log_start = self.options.log_start;
        let bounds = if self.is_to_be_deleted() {
            if self.segments.last().is_none() {
                self.make_segment(Offset::ZERO)?;
            }
            Bounds { log_start, log_end: Offset::ZERO, recovery_point: Offset::ZERO }
        } else {
            if !self.options.clean {
                self.splitting(Self::recover_unflushed)?;
            }
            let (log_end, is_kept) = self.find_end()?;
            let recovery_point =
                if self.options.clean && is_kept { log_end } else { self.options.recovery_point.min(log_end) };
            Bounds { log_start, log_end, recovery_point }
        };
        let first = self.segments.first().map_or(log_start, |first| first.base());
        self.finish(Bounds { log_start: log_start.max(first), ..bounds })
    }

    /// Opens all segments in the order of the names; one that has to be split first ends it.
    fn open_segments(&mut self) -> Result<Option<TooFar>> {
        self.segments = super::Segments::default();
        for name in self.names.all() {
            if is_index(&name) {
                let base = self.names.required_number(&name)?;
                if !self.names.has(&SegmentFile::Log.name(base)) {
                    self.names.remove(&name)?;
                    self.report.files_removed.push(name);
                }
            } else if is_log(&name) {
                let base = self.names.required_number(&name)?;
                if let Some(too_far) = self.open_segment(base)? {
                    return Ok(Some(too_far));
                }
            }
        }
        Ok(None)
    }

    fn open_segment(&mut self, base: Offset) -> Result<Option<TooFar>> {
        if !self.names.has(&SegmentFile::Log.name(base)) {
            // The file has fewer digits than Kafka writes: the segment opened is another, a new one.
            return self.make_segment(base).map(|()| None);
        }
        let times = SegmentFile::TimeIndex.name(base);
        let has_times = self.names.has(&times);
        let segment = self.open(base, has_times)?;
        if !has_times {
            // It is made at once, and is there if all are opened again behind a split.
            self.names.put(&times, 0);
        }
        let has_index = self.names.has(&SegmentFile::OffsetIndex.name(base));
        if !has_index || self.txn_index_asks_for_recovery(base)? {
            let checked = check(&segment, None, false, self.options.trust_cache)?;
            self.note_checked(std::slice::from_ref(&segment));
            match &checked.rebuilt.end {
                RebuildEnd::Refused(IndexFault::Overflow { offset, .. }) => {
                    return Ok(Some(TooFar { base, offset: *offset }));
                }
                RebuildEnd::Refused(fault) => {
                    return Err(Error::corrupt(&segment.path(), checked.rebuilt.valid_end, rule_of(*fault)));
                }
                _ => drop(self.recover_as_kafka(checked)?),
            }
        }
        self.segments = self.segments.with(segment);
        Ok(None)
    }

    fn txn_index_asks_for_recovery(&self, base: Offset) -> Result<bool> {
        let name = SegmentFile::TxnIndex.name(base);
        if self.names.len_of(&name).is_none_or(|len| len == 0) {
            return Ok(false);
        }
        let source = Source::open(self.fs.as_ref(), &self.names.path(&name))?;
        match TxnIndex::read(&source, base)?.state() {
            TxnIndexState::Accepted => Ok(false),
            TxnIndexState::Recovered(_) => Ok(true),
            TxnIndexState::Fatal(error) => Err(error),
        }
    }

    /// Cuts a segment where it ceases to be sound; how many bytes went.
    fn recover_as_kafka(&mut self, checked: Checked) -> Result<u64> {
        let spot = checked.spot();
        let (segment, valid_end) = (Arc::clone(&checked.segment), checked.rebuilt.valid_end);
        if let Some(broken) = checked.facts.broken() {
            return Err(Error::corrupt(&segment.path(), broken.position, broken.rule.clone()));
        }
        let bytes = self.recover(checked, self.options.log_start, valid_end)?;
        if let Some(spot) = spot {
            self.note_cut(&segment, &spot, bytes);
        }
        Ok(bytes)
    }

    /// Recovers the segments from the one that holds the recovery point on. Bytes that are cut off one take all later ones with
    /// them. A segment that has to be split first ends it.
    fn recover_unflushed(&mut self) -> Result<Option<TooFar>> {
        let point = self.options.recovery_point;
        let unflushed: Vec<Arc<Segment>> = self.segments.holding(point, Offset::new(i64::MAX)).cloned().collect();
        let checking = Checking::new(self.options, false, &unflushed);
        for chunk in unflushed.chunks(checking.threads()) {
            self.note_checked(chunk);
            for checked in checking.check_all(chunk)? {
                let segment = Arc::clone(&checked.segment);
                let bytes = match checked.rebuilt.end {
                    RebuildEnd::Refused(IndexFault::Overflow { offset, .. }) => {
                        return Ok(Some(TooFar { base: segment.base(), offset }));
                    }
                    RebuildEnd::Refused(IndexFault::InvalidOffset { .. }) => self.empty(&checked)?,
                    RebuildEnd::Refused(fault) => {
                        return Err(Error::corrupt(&segment.path(), checked.rebuilt.valid_end, rule_of(fault)));
                    }
                    _ => self.recover_as_kafka(checked)?,
                };
                if bytes > 0 {
                    let later: Vec<_> =
                        unflushed.iter().filter(|later| later.base() > segment.base()).cloned().collect();
                    self.delete_segments(&later)?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Takes everything out of a segment whose offsets do not rise, as far as an index sees it; how many bytes went.
    fn empty(&mut self, checked: &Checked) -> Result<u64> {
        let segment = &checked.segment;
        let mut producers = self.producers_before(self.options.log_start, segment.base(), false)?;
        self.apply(&checked.facts, segment, &mut producers)?;
        let bytes = segment.clear(self.options.expiry.now)?;
        if let Some(mut spot) = checked.spot() {
            spot.position = crate::units::FilePosition::START;
            self.note_cut(segment, &spot, bytes);
        }
        Ok(bytes)
    }

    /// Where the log ends, by its last segment, and whether that is so: if it is below the log start, or there is no segment, the log
    /// begins anew at the log start.
    fn find_end(&mut self) -> Result<(Offset, bool)> {
        let log_start = self.options.log_start;
        if let Some(last) = self.segments.last() {
            let end = last.next_offset_by_index()?;
            if end >= log_start {
                return Ok((end, true));
            }
            let all: Vec<Arc<Segment>> = self.segments.iter().cloned().collect();
            self.delete_segments(&all)?;
            self.epochs = LeaderEpochs::default();
            self.write_epochs()?;
            self.no_producers()?.truncate_fully_and_start_at(self.fs.as_ref(), log_start)?;
        }
        self.make_segment(log_start)?;
        Ok((log_start, false))
    }
}
