//! Torn tail or damage? A crash leaves bytes that are no batch only behind everything that was ever made durable, and sound batches
//! behind them only as far as was written without being synced.

use std::sync::Arc;

use super::Loader;
use super::check::{Checked, Spot};
use super::report::RecoveryMode;
use crate::error::{Error, Result, Rule};
use crate::log::producers::read_snapshot;
use crate::plant::Fault;
use crate::producer::ProducerStates;
use crate::segment::{Resync, Scan, Segment, SegmentFile, Step};
use crate::units::{FilePosition, Offset};

/// Where a log is cut.
#[derive(Debug)]
pub(super) struct Cut {
    /// Which of the checked segments.
    pub(super) at: usize,
    pub(super) spot: Spot,
}

impl Loader<'_> {
    /// The place where a crash tore the log, if there is one; looks at `checked` in order, which are segments of the log.
    ///
    /// # Errors
    /// [`Error::Corrupt`] at the first place that the mode does not let be cut.
    pub(super) fn judge(&self, checked: &[Checked]) -> Result<Option<Cut>> {
        let spot = checked.iter().enumerate().find_map(|(at, one)| {
            let behind = checked.get(at.saturating_add(1));
            Some(Cut { at, spot: one.spot().or_else(|| self.lost_end(one, behind?))? })
        });
        let Some(cut) = spot else { return Ok(None) };
        let Some(found) = checked.get(cut.at) else { return Ok(None) };
        let segment = &found.segment;
        let is_torn = self.options.mode == RecoveryMode::TornTail
            // No crash leaves a batch whose checksum fits and that cannot be: it, or the one before, was changed since.
            && !found.ends_at_whole_batch()
            && cut.spot.next >= self.options.recovery_point
            && !self.sound_batch_follows(segment, &cut.spot)?;
        if is_torn || Fault::DamageCut.is_planted() {
            Ok(Some(cut))
        } else {
            Err(Error::corrupt(&segment.path(), cut.spot.position, cut.spot.rule))
        }
    }

    /// The end of a segment that is not there: a crash can keep the name of the next segment and forget how long this one was. A
    /// leader's segments follow each other without a gap; only a cleaner leaves one, and what it writes is durable at once. A log that
    /// was closed has lost nothing.
    fn lost_end(&self, segment: &Checked, next: &Checked) -> Option<Spot> {
        let (end, base) = (segment.facts.next(), next.segment.base());
        let is_lost = self.options.mode == RecoveryMode::TornTail
            && !self.options.clean
            && !self.options.is_compacted
            && base > end
            && end >= self.options.recovery_point;
        let rule =
            Rule::Mismatch { what: "the base offset of the next segment", found: base.get(), expected: end.get() };
        is_lost.then_some(Spot { position: segment.rebuilt.valid_end, next: end, rule })
    }

    /// Whether the producers can have written the checked segments, as far as these and the snapshot of where they begin tell.
    ///
    /// # Errors
    /// As [`super::facts::Facts::apply`].
    pub(super) fn check_transactions(&self, checked: &[Checked]) -> Result<()> {
        let mut states = ProducerStates::default();
        let mut next = None;
        for Checked { segment, facts, .. } in checked {
            if next != Some(segment.base()) {
                let snapshot = self.names.path(&SegmentFile::Snapshot.name(segment.base()));
                states = match self.fs.stat(&snapshot)? {
                    Some(_) => match read_snapshot(self.fs.as_ref(), &snapshot) {
                        Ok(snapshot) => ProducerStates::from_snapshot(&snapshot, Some(self.options.expiry)),
                        Err(Error::Corrupt(_)) => ProducerStates::default(),
                        Err(error) => return Err(error),
                    },
                    None => ProducerStates::default(),
                };
            }
            facts.apply_batches(segment, &mut states)?;
            next = Some(facts.next());
        }
        Ok(())
    }

    /// Whether the producers can be made of the segments that were not checked, in a log that ends at `end` if its last segment is
    /// one of them. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for what stands in the way.
    pub(super) fn check_replay(&self, checked: &[Checked], cut: Option<&Cut>, end: Option<Offset>) -> Result<()> {
        let Some(first) = self.segments.first() else { return Ok(()) };
        let cut_in = cut.and_then(|cut| checked.get(cut.at)).map(|checked| checked.segment.base());
        let bounds = (self.options.log_start.max(first.base()), cut_in.or(end).unwrap_or(Offset::new(i64::MAX)));
        let is_checked = |segment: &Segment| checked.iter().any(|checked| checked.segment.base() == segment.base());
        self.no_producers()?.rehearse(self.fs.as_ref(), &self.segments, bounds, self.options.expiry, is_checked)
    }

    /// Whether a sound batch that can follow what lies before the spot begins more than the bytes behind it that a crash can take.
    fn sound_batch_follows(&self, segment: &Arc<Segment>, spot: &Spot) -> Result<bool> {
        let last_that_goes = spot.position.get().saturating_add(self.options.max_unsynced_bytes);
        if finds_sound_batch(segment, FilePosition::new(last_that_goes), spot.next)? {
            return Ok(true);
        }
        // The same place, seen from where the next segment begins; `None` before that.
        let mut last_that_goes = last_that_goes.checked_sub(segment.size());
        for segment in self.segments.range(segment.base().next()..) {
            let follows = match last_that_goes {
                Some(position) => finds_sound_batch(segment, FilePosition::new(position), spot.next)?,
                None => {
                    begins_sound(segment, spot.next)? || finds_sound_batch(segment, FilePosition::START, spot.next)?
                }
            };
            if follows {
                return Ok(true);
            }
            last_that_goes = last_that_goes.and_then(|position| position.checked_sub(segment.size()));
        }
        Ok(false)
    }
}

/// Whether the segment begins with a sound batch.
fn begins_sound(segment: &Segment, least: Offset) -> Result<bool> {
    match Scan::new(segment.source()?).next()? {
        Step::Batch(frame) => Ok(frame.check_crc().is_ok() && frame.offset() >= least),
        Step::Stop(_) => Ok(false),
    }
}

/// Whether a sound batch begins behind `from`. A search that has to be given up says yes: what cannot be ruled out is not cut.
fn finds_sound_batch(segment: &Segment, from: FilePosition, least: Offset) -> Result<bool> {
    if from.get() >= segment.size() {
        return Ok(false);
    }
    let mut scan = Scan::starting_at(segment.source()?, from);
    loop {
        match scan.resync()? {
            Resync::Found(_) => {
                if let Step::Batch(frame) = scan.next()?
                    && frame.offset() >= least
                    && frame.offset().delta_from(segment.base()).is_some()
                {
                    return Ok(true);
                }
            }
            Resync::GaveUp(_) => return Ok(true),
            Resync::None => return Ok(false),
        }
    }
}
