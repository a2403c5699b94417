//! The segments of a partition opened one by one, in the order of the names of their files.
//!
//! Kafka: `LogLoader.loadSegmentFiles`, `LogSegment.sanityCheck`.

use super::failure::Outcome;
use super::indexes::{Recovered, not_rising_is_fatal, recover};
use super::leftovers::required_number;
use super::partition::Loader;
use super::picture::{Content, fatal_if_corrupt};
use super::producers::Producers;
use crate::segment::{SegmentFile, TxnIndex, TxnIndexState};
use crate::units::Offset;

/// The indexes, which mean nothing without their `.log`.
const INDEXES: [SegmentFile; 3] = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex];

/// A segment with an offset that cannot be told relative to its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooFar {
    pub(super) base: Offset,
    pub(super) offset: Offset,
}

impl Loader<'_> {
    /// Opens all segments; one that has to be split first ends it.
    pub(super) fn open_segments(&mut self) -> Outcome<Option<TooFar>> {
        self.segments.clear();
        for name in self.picture.names() {
            if INDEXES.iter().any(|file| name.ends_with(file.suffix())) {
                let base = required_number(&self.picture, &name)?;
                if !self.picture.has(&SegmentFile::Log.name(base)) {
                    self.picture.remove(&name);
                }
            } else if name.ends_with(SegmentFile::Log.suffix()) {
                let base = required_number(&self.picture, &name)?;
                let too_far = self.open_segment(base)?;
                if too_far.is_some() {
                    return Ok(too_far);
                }
            } else if name.ends_with(SegmentFile::Snapshot.suffix()) {
                required_number(&self.picture, &name)?;
            }
        }
        Ok(None)
    }

    fn open_segment(&mut self, base: Offset) -> Outcome<Option<TooFar>> {
        let log = SegmentFile::Log.name(base);
        if !self.picture.has(&log) {
            // The file has fewer digits than Kafka writes: the segment opened is another, a new one.
            self.picture.put(&log, Content::Empty);
        }
        let has_index = self.picture.has(&SegmentFile::OffsetIndex.name(base));
        if !has_index || self.txn_index_asks_for_recovery(base)? {
            let mut producers = Producers::before(&mut self.picture, &self.segments, self.log_start, base, false)?;
            let interval = self.interval()?;
            match recover(&mut self.picture, base, interval, self.options, &mut producers)? {
                Recovered::Cut(bytes) => self.note_cut(base, bytes)?,
                Recovered::NotRising { offset, last } => {
                    return Err(not_rising_is_fatal(&self.picture.log(base)?, offset, last));
                }
                Recovered::TooFar { offset } => return Ok(Some(TooFar { base, offset })),
            }
            producers.write_down(&mut self.picture);
        }
        let times = SegmentFile::TimeIndex.name(base);
        if !self.picture.has(&times) {
            self.picture.put(&times, Content::Empty);
        }
        self.segments.insert(base);
        Ok(None)
    }

    fn txn_index_asks_for_recovery(&self, base: Offset) -> Outcome<bool> {
        let name = SegmentFile::TxnIndex.name(base);
        let Some(source) = self.picture.source(&name)? else {
            return Ok(false);
        };
        match TxnIndex::read(&source, base)?.state() {
            TxnIndexState::Accepted => Ok(false),
            TxnIndexState::Recovered(_) => Ok(true),
            TxnIndexState::Fatal(error) => Err(fatal_if_corrupt(error)),
        }
    }
}
