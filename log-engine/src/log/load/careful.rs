//! Loading without losing anything: first everything is looked at, then what a crash left behind is mended.

use std::sync::Arc;

use super::check::{Checked, Checking, check};
use super::judge::Cut;
use super::leftovers::Tidying;
use super::names::{is_index, is_log};
use super::report::RecoveryMode;
use super::{Bounds, Loaded, Loader};
use crate::batch::Stop;
use crate::error::{Error, Result, Rule};
use crate::fs::Source;
use crate::segment::{RebuildEnd, Scan, Segment, SegmentFile, SegmentName, Step, TxnIndex, TxnIndexState};
use crate::units::{FilePosition, Offset};

/// Batches that may follow the last entry of an index further behind than entries should be apart: each opening begins to count
/// anew. An index with more of them has lost entries, and is made again.
const MOST_UNINDEXED: usize = 64;

impl Loader<'_> {
    pub(super) fn load_with_care(mut self) -> Result<Loaded> {
        let fs = Arc::clone(&self.fs);
        let tidying = Tidying::plan(fs.as_ref(), &self.names)?;
        tidying.check_swaps(fs.as_ref(), &self.names)?;
        self.read_epochs_with_care()?;
        if tidying.is_swap() {
            tidying.carry_out(fs.as_ref(), &mut self.names, &self.dir)?;
        }
        let orphans = self.open_all()?;
        let bounds = if self.is_to_be_deleted() {
            if self.segments.last().is_none() {
                self.make_segment(Offset::ZERO)?;
            }
            let zero = Offset::ZERO;
            Bounds { log_start: self.options.log_start, log_end: zero, recovery_point: zero }
        } else {
            self.recover_with_care()?
        };
        if !tidying.is_swap() {
            tidying.carry_out(fs.as_ref(), &mut self.names, &self.dir)?;
        }
        for orphan in &orphans {
            self.names.remove(orphan)?;
        }
        let removed = tidying.removed.iter().chain(&tidying.replaced).chain(&orphans).cloned();
        self.report.files_removed.extend(removed);
        self.finish(bounds)
    }

    /// A file of epochs that cannot be read says nothing; in the strict mode it is an error.
    fn read_epochs_with_care(&mut self) -> Result<()> {
        match self.read_epochs() {
            Err(Error::Corrupt(_)) if self.options.mode == RecoveryMode::TornTail => Ok(()),
            other => other,
        }
    }

    /// Opens all segments; the names of indexes that have no `.log`. Reads and changes nothing.
    fn open_all(&mut self) -> Result<Vec<String>> {
        let mut orphans = Vec::new();
        for name in self.names.all() {
            if !is_index(&name) && !is_log(&name) {
                continue;
            }
            let base = self.names.required_number(&name)?;
            let is_canonical = SegmentName::parse(&name).is_some_and(|name| name.is_canonical());
            if is_log(&name) {
                if !is_canonical {
                    let what = "a segment whose name has not 20 digits";
                    return Err(Error::NotReadable { path: self.names.path(&name), what });
                }
                // A time index that is missing is made when the segment is recovered.
                let has_times = true;
                self.segments = self.segments.with(self.open(base, has_times)?);
            } else if !self.names.has(&SegmentFile::Log.name(base)) {
                orphans.push(name);
            }
        }
        Ok(orphans)
    }

    fn recover_with_care(&mut self) -> Result<Bounds> {
        let mut end = None;
        let mut unsure = Vec::new();
        let all: Vec<Arc<Segment>> = self.segments.iter().cloned().collect();
        let unflushed = self.segments.floor(self.options.recovery_point).map_or(Offset::ZERO, |first| first.base());
        for segment in &all {
            let is_unflushed = !self.options.clean && segment.base() >= unflushed;
            if is_unflushed || self.lacks_index(segment.base())? {
                unsure.push(Arc::clone(segment));
            }
        }
        if let Some(last) = all.last().filter(|last| unsure.last().is_none_or(|unsure| unsure.base() < last.base())) {
            end = sound_end(last, self.config.index_interval_bytes)?;
            if end.is_none() {
                unsure.push(Arc::clone(last));
            }
        }
        let checked = Checking::new(self.options, true, &unsure).check_all(&unsure)?;
        self.note_checked(&unsure);
        check_overlaps(&checked, &self.segments)?;
        let cut = self.judge(&checked)?;
        let last_kept = cut.as_ref().map_or(checked.len(), |cut| cut.at.saturating_add(1));
        self.check_transactions(checked.get(..last_kept).unwrap_or_default())?;
        self.check_replay(&checked, cut.as_ref(), end)?;
        let log_start = self.options.log_start;
        if let Some(last_checked) = self.mend(checked, cut, log_start)? {
            end = Some(last_checked);
        }
        let Some(end) = end else {
            self.make_segment(log_start)?;
            let recovery_point = log_start;
            return Ok(Bounds { log_start, log_end: log_start, recovery_point });
        };
        let first = self.segments.first().map_or(log_start, |first| first.base());
        let recovery_point = if self.options.clean { end } else { self.options.recovery_point.min(end) };
        // The start is a hint: it never makes a record go.
        Ok(Bounds { log_start: log_start.min(end).max(first), log_end: end, recovery_point })
    }

    /// Makes of the files what was found; where the log ends if its last segment was checked.
    fn mend(&mut self, checked: Vec<Checked>, cut: Option<Cut>, log_start: Offset) -> Result<Option<Offset>> {
        let cut_at = cut.as_ref().and_then(|cut| checked.get(cut.at)).map(|checked| Arc::clone(&checked.segment));
        if let Some(segment) = &cut_at {
            let behind = self.segments.range(segment.base().next()..).cloned().collect::<Vec<_>>();
            self.delete_segments(&behind)?;
        }
        let mut last_checked = None;
        for mut found in checked {
            let segment = Arc::clone(&found.segment);
            if cut_at.as_ref().is_some_and(|last| segment.base() > last.base()) {
                break;
            }
            let is_cut = cut_at.as_ref().is_some_and(|last| last.base() == segment.base());
            let spot = cut.as_ref().map(|cut| &cut.spot).filter(|_| is_cut);
            let valid_end = spot.map_or(found.rebuilt.valid_end, |spot| spot.position);
            if is_cut && found.rebuilt.valid_end != valid_end || found.is_unfinished() {
                found = check(&segment, Some(valid_end), true, true)?;
            }
            last_checked = Some((segment.base(), found.facts.next()));
            let bytes = self.recover(found, log_start, valid_end)?;
            if let Some(spot) = spot {
                self.note_cut(&segment, spot, bytes);
            }
            if !self.options.trust_cache {
                segment.flush()?;
            }
        }
        let last = self.segments.last().map(|last| last.base());
        Ok(last_checked.filter(|(base, _)| Some(*base) == last).map(|(_, end)| end))
    }

    /// Whether an index of the segment has to be made again: one is missing, or that of aborted transactions cannot be its.
    fn lacks_index(&self, base: Offset) -> Result<bool> {
        let has = |file: SegmentFile| self.names.has(&file.name(base));
        if !has(SegmentFile::OffsetIndex) || !has(SegmentFile::TimeIndex) {
            return Ok(true);
        }
        let name = SegmentFile::TxnIndex.name(base);
        if self.names.len_of(&name).is_none_or(|len| len == 0) {
            return Ok(false);
        }
        let index = match Source::open(self.fs.as_ref(), &self.names.path(&name))
            .and_then(|source| TxnIndex::read(&source, base))
        {
            Err(Error::Corrupt(_)) => return Ok(true),
            other => other?,
        };
        Ok(index.odd_bytes() > 0 || !matches!(index.state(), TxnIndexState::Accepted))
    }
}

impl Checked {
    /// True if the indexes lack what checking to the end would have added.
    fn is_unfinished(&self) -> bool {
        matches!(self.rebuilt.end, RebuildEnd::Refused(_) | RebuildEnd::Interrupted)
    }
}

/// The offset behind a segment that is believed to be whole, if what its indexes say of its end is so: the last entry leads to the
/// batch that it names, and sound batches follow from there to the last byte.
fn sound_end(segment: &Segment, interval: u64) -> Result<Option<Offset>> {
    if !segment.indexes_are_trimmed()? {
        return Ok(None);
    }
    let entry = segment.last_offset_entry()?;
    let start = entry.and_then(|entry| entry.file_position()).unwrap_or(FilePosition::START);
    if entry.is_some_and(|entry| entry.file_position().is_none()) {
        return Ok(None);
    }
    let mut scan = Scan::starting_at(segment.source()?, start);
    let mut unindexed = 0;
    let mut named = entry.map(|entry| entry.offset(segment.base()));
    let mut next = segment.base();
    loop {
        let frame = match scan.next()? {
            Step::Batch(frame) => frame,
            Step::Stop(Stop::End) => return Ok(named.is_none().then_some(next)),
            Step::Stop(_) => return Ok(None),
        };
        let Ok(last) = frame.last_offset() else { return Ok(None) };
        let is_named = named.take().is_none_or(|named| last <= named);
        if !is_named || frame.offset() < next || last < frame.offset() || frame.check_crc().is_err() {
            return Ok(None);
        }
        next = last.next();
        unindexed += usize::from(frame.position().get().saturating_sub(start.get()) > interval);
        if unindexed > MOST_UNINDEXED {
            return Ok(None);
        }
    }
}

/// Whether each checked segment ends before the next one begins.
fn check_overlaps(checked: &[Checked], segments: &super::Segments) -> Result<()> {
    for Checked { segment, facts, .. } in checked {
        if let Some(higher) = segments.higher(segment.base()).filter(|higher| higher.base() < facts.next()) {
            let (found, least) = (higher.base().get(), facts.next().get());
            let rule = Rule::Below { what: "the base offset of the segment", found, least };
            return Err(Error::corrupt(&higher.path(), FilePosition::START, rule));
        }
    }
    Ok(())
}
