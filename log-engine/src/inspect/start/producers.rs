//! The producers of a log as a start finds them: from the newest snapshot that can be read, and the batches behind it.
//!
//! Kafka: `UnifiedLog.rebuildProducerState`, `ProducerStateManager.truncateAndReload`.

use std::collections::BTreeSet;

use super::failure::{FailureEffect, Outcome, StartFailure};
use super::picture::{Content, Picture, fatal_if_corrupt, number_of};
use crate::batch::{MIN_SIZE, Scratch, Stop};
use crate::error::{Error, Malformed, Result, Rule};
use crate::fs::Source;
use crate::inspect::HELD;
use crate::producer::{CompletedTransaction, MAX_SNAPSHOT_BYTES, Marker, ProducerSnapshot, ProducerStates};
use crate::segment::{Frame, Scan, SegmentFile, Step, translate};
use crate::units::{FilePosition, Offset};

/// The producers of a log up to an offset.
#[derive(Debug)]
pub(super) struct Producers {
    states: ProducerStates,
    /// The state is that before this offset.
    end: Offset,
    /// The newest snapshot that was read or written.
    last_snapshot: Offset,
    scratch: Scratch,
}

impl Producers {
    /// Nobody, at the start of a log.
    fn none(at: Offset) -> Self {
        Self { states: ProducerStates::default(), end: at, last_snapshot: at, scratch: Scratch::default() }
    }

    /// The state before `target`, of a log with these segments that begins at `log_start`.
    ///
    /// Snapshots above the target, at or below the log start, and those that cannot be read are removed. Behind a marker a log
    /// without any snapshot has no producers, whatever its batches say.
    pub(super) fn before(
        picture: &mut Picture<'_>,
        segments: &BTreeSet<Offset>,
        log_start: Offset,
        target: Offset,
        is_clean: bool,
    ) -> Outcome<Self> {
        if is_clean && snapshots(picture).is_empty() {
            return Ok(Self::none(target));
        }
        let mut producers = Self::load(picture, log_start, target)?;
        if target > producers.end {
            producers.replay(picture, segments, log_start, target)?;
        }
        producers.end = target;
        Ok(producers)
    }

    fn load(picture: &mut Picture<'_>, log_start: Offset, target: Offset) -> Result<Self> {
        for (offset, name) in snapshots(picture) {
            if offset > target || offset <= log_start {
                picture.remove(&name);
            }
        }
        for (offset, name) in snapshots(picture).into_iter().rev() {
            if let Some(snapshot) = read(picture, &name)? {
                // Producers that are due to be forgotten have no open transaction, so that they change nothing here.
                let states = ProducerStates::from_snapshot(&snapshot, None);
                return Ok(Self { states, end: offset, last_snapshot: offset, scratch: Scratch::default() });
            }
            picture.remove(&name);
        }
        Ok(Self::none(log_start))
    }

    /// Applies the batches from the state's end to the target. Nothing is checked on the way.
    fn replay(
        &mut self,
        picture: &Picture<'_>,
        segments: &BTreeSet<Offset>,
        log_start: Offset,
        target: Offset,
    ) -> Outcome<()> {
        let first = segments.range(..=self.end).next_back().copied();
        let bases = segments.range(first.unwrap_or(self.end)..).copied().take_while(|base| *base < target);
        for base in bases {
            let from = base.max(self.end).max(log_start);
            self.end = from;
            let log = picture.log(base)?;
            let index = picture.offset_index(&SegmentFile::OffsetIndex.name(base), base)?;
            let Some(start) = translate(&log, &index, from).map_err(fatal_if_corrupt)? else { continue };
            // The target ends the last segment only; it is looked up there, and the end of the file stands for none.
            let holds_target = segments.range(..=target).next_back() == Some(&base);
            let until = if holds_target { translate(&log, &index, target).map_err(fatal_if_corrupt)? } else { None };
            let log = until.map_or(log.clone(), |until| log.bounded(until.position.get()));
            self.replay_from(log, start.position)?;
        }
        Ok(())
    }

    fn replay_from(&mut self, log: Source, start: FilePosition) -> Outcome<()> {
        let mut scan = Scan::starting_at(log.clone(), start).holding(HELD);
        loop {
            match scan.next()? {
                Step::Batch(frame) => {
                    let position = frame.position();
                    self.apply(&frame).map_err(|e| fatal_if_corrupt(e.in_file(log.path(), position)))?;
                }
                Step::Stop(Stop::Size { size }) => {
                    let rule = Rule::SizeTooSmall { size, minimum: MIN_SIZE };
                    return Err(StartFailure::new(FailureEffect::Fatal, log.path(), scan.position(), rule).into());
                }
                Step::Stop(_) => return Ok(()),
            }
        }
    }

    /// Takes one batch in; the transaction that it ends.
    pub(super) fn apply(&mut self, frame: &Frame<'_>) -> std::result::Result<Option<CompletedTransaction>, Malformed> {
        let Some(header) = frame.header().filter(|header| header.has_producer()) else {
            return Ok(None);
        };
        let marker = match header.attributes().is_control() {
            true => Marker::of(&frame.batch()?, &mut self.scratch)?,
            false => None,
        };
        let completed = self.states.apply(header, marker)?;
        // What ended holds nobody back here.
        self.states.advance_high_watermark(Offset::new(i64::MAX));
        Ok(completed)
    }

    /// The state is now that before `end`.
    pub(super) fn advance(&mut self, end: Offset) {
        self.end = end;
    }

    /// Writes the state down, unless a snapshot of it is there.
    pub(super) fn write_down(&mut self, picture: &mut Picture<'_>) {
        if self.end <= self.last_snapshot {
            return;
        }
        // The newest one is as good as all that were written before it: a start never asks for a state before it again.
        let written = picture.iter().filter(|(_, content)| matches!(content, Content::Snapshot(_)));
        for name in written.map(|(name, _)| name.to_owned()).collect::<Vec<_>>() {
            picture.remove(&name);
        }
        picture.put(&SegmentFile::Snapshot.name(self.end), Content::Snapshot(self.states.snapshot()));
        self.last_snapshot = self.end;
    }

    /// True if a transaction has no end yet.
    pub(super) fn has_open_transaction(&self) -> bool {
        self.states.open_transactions().next().is_some()
    }
}

/// Removes snapshots that belong to no segment, except the newest of these if no segment begins behind it.
///
/// Kafka: `ProducerStateManager.removeStraySnapshots`.
pub(super) fn remove_stray(picture: &mut Picture<'_>, segments: &BTreeSet<Offset>) {
    let mut stray = snapshots(picture);
    stray.retain(|(offset, _)| !segments.contains(offset));
    let is_behind_all = |(offset, _): &(Offset, String)| segments.last().is_none_or(|last| offset >= last);
    if stray.last().is_some_and(is_behind_all) {
        stray.pop();
    }
    for (_, name) in stray {
        picture.remove(&name);
    }
}

/// Offsets and names of the snapshots that are there, ascending.
fn snapshots(picture: &Picture<'_>) -> Vec<(Offset, String)> {
    let of_snapshot = |(name, _): (&str, &Content)| {
        let offset = number_of(name).filter(|_| name.ends_with(SegmentFile::Snapshot.suffix()))?;
        Some((offset, name.to_owned()))
    };
    let mut found: Vec<_> = picture.iter().filter_map(of_snapshot).collect();
    found.sort();
    found
}

/// The snapshot `name`; `None` if a broker could not read it.
fn read(picture: &Picture<'_>, name: &str) -> Result<Option<ProducerSnapshot>> {
    if let Some(Content::Snapshot(snapshot)) = picture.get(name) {
        return Ok(Some(snapshot.clone()));
    }
    let Some(source) = picture.source(name)? else {
        return Ok(None);
    };
    match source.read_all(MAX_SNAPSHOT_BYTES).and_then(|bytes| ProducerSnapshot::decode(&bytes, source.path())) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
