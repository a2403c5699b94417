//! Taking records off the end of a log, or off its beginning, and what has to follow: indexes, snapshots, epochs, checkpoints.
//!
//! The end is cut by the engine itself, on an [`Overlay`](super::Overlay): what differs then is the plan. What lies before the cut is not
//! looked at, but for the segment that is cut.

mod end;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Change;
use super::places::Places;
use crate::error::Error;
use crate::fs::Fs;
use crate::log::{BatchItem, LogReader, OnDamage, PartitionDirectory};
use crate::producer::SnapshotEntry;
use crate::segment::Leftover;
use crate::units::{LeaderEpoch, Offset};

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruncateTarget {
    /// The log ends before this offset. A batch is never cut: the one that holds it goes whole.
    Offset(Offset),
    /// The log ends at the high watermark that the checkpoint says.
    HighWatermark,
    /// The log ends where this leader epoch ends: what was written in later ones goes.
    EpochEnd(LeaderEpoch),
    /// The log starts at this offset: what lies before it goes, as whole segments; the rest of a segment is hidden.
    Before(Offset),
}

/// Why a log is not truncated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TruncateError {
    /// Something cannot be read, or breaks a rule.
    #[error(transparent)]
    Engine(#[from] Error),
    /// The offset is not in the log.
    #[error("offset {asked} is outside the log, which holds {start} to {end}")]
    Outside {
        /// What was asked for.
        asked: Offset,
        /// The first offset.
        start: Offset,
        /// The offset behind the last one.
        end: Offset,
    },
    /// No checkpoint says the high watermark.
    #[error("no checkpoint says the high watermark")]
    NoHighWatermark,
    /// The epoch file begins later.
    #[error("the leader-epoch file knows no epoch up to {0}")]
    UnknownEpoch(LeaderEpoch),
    /// What is not known to be replicated cannot lie before the log start.
    #[error("offset {asked} is above the high watermark {high_watermark}: a log cannot start there")]
    AboveHighWatermark {
        /// What was asked for.
        asked: Offset,
        /// What the checkpoint says.
        high_watermark: Offset,
    },
    /// Only the checkpoint of a log directory can say where a log starts.
    #[error("no log directory is around the folder, so nothing could say where the log starts")]
    NoLogDirectory,
    /// The log does not reach so far: there is damage before.
    #[error("the log is damaged before offset {asked}: what checks ends at {end}")]
    Damaged {
        /// Where it was to end.
        asked: Offset,
        /// Where it ends.
        end: Offset,
    },
    /// A cleaning has to be finished first, which changes segments.
    #[error("{} waits to take the place of a segment: a start of the broker finishes that", .0.display())]
    Unfinished(PathBuf),
}

/// What truncating a log comes to.
#[derive(Debug)]
pub struct Truncation {
    /// What the paths of the changes are relative to: the log directory, or the partition's folder where there is none around it.
    pub root: PathBuf,
    /// What is to be done, in this order; empty if the log is as it is wanted.
    pub changes: Vec<Change>,
    /// The first offset before and after.
    pub log_start: (Offset, Offset),
    /// The offset behind the last one before and after.
    pub log_end: (Offset, Offset),
    /// Data records that go or are hidden, of batches that check.
    pub records: u64,
    /// Bytes of `.log` files that go.
    pub bytes: u64,
    /// Producers with a transaction that is open at the new end.
    pub open_transactions: Vec<SnapshotEntry>,
}

/// A log that is to be truncated.
struct Subject<'f> {
    fs: &'f Arc<dyn Fs>,
    folder: &'f PartitionDirectory,
    reader: LogReader<'f>,
    places: Places,
    start: Offset,
    end: Offset,
    now: Option<SystemTime>,
}

/// Says what has to be done so that the log in `folder` is truncated; files that are written get the time `now`. Reads only.
///
/// Behind a clean-shutdown marker the log stays one that needs no recovery.
///
/// # Errors
/// Why it cannot be done; [`TruncateError::Engine`] where something cannot be read.
pub fn plan_truncation(
    fs: &Arc<dyn Fs>,
    folder: &PartitionDirectory,
    target: TruncateTarget,
    now: Option<SystemTime>,
) -> Result<Truncation, TruncateError> {
    if let Some((_, entry)) = folder.leftovers_of(Leftover::Swap).next() {
        return Err(TruncateError::Unfinished(folder.path.join(&entry.name)));
    }
    let places = Places::of(fs.as_ref(), folder);
    let reader = LogReader::open(fs.as_ref(), &folder.path)?;
    let (start, end) = (reader.log_start(), reader.log_end()?);
    let subject = Subject { fs, folder, reader, places, start, end, now };
    match target {
        TruncateTarget::Before(offset) => subject.cut_start(offset),
        TruncateTarget::Offset(offset) => subject.cut_end(offset),
        TruncateTarget::HighWatermark => {
            let watermark = subject.reader.high_watermark().ok_or(TruncateError::NoHighWatermark)?;
            subject.cut_end(watermark.max(start))
        }
        TruncateTarget::EpochEnd(epoch) => {
            let epochs = subject.reader.epochs()?;
            if epochs.earliest().is_none_or(|earliest| earliest.epoch > epoch) {
                return Err(TruncateError::UnknownEpoch(epoch));
            }
            let end = epochs.after(epoch).map_or(end, |next| next.start);
            subject.cut_end(end.max(start))
        }
    }
}

impl Subject<'_> {
    /// Nothing has to be done.
    fn unchanged(&self) -> Truncation {
        Truncation {
            root: self.places.root.clone(),
            changes: Vec::new(),
            log_start: (self.start, self.start),
            log_end: (self.end, self.end),
            records: 0,
            bytes: 0,
            open_transactions: Vec::new(),
        }
    }

    fn outside(&self, asked: Offset) -> TruncateError {
        TruncateError::Outside { asked, start: self.start, end: self.end }
    }

    /// Data records of the batches that check between two offsets.
    fn count(&self, from: Offset, until: Offset) -> Result<u64, Error> {
        let mut batches = self.reader.batches(from..until, OnDamage::GoOn);
        let mut records = 0_u64;
        while let Some(item) = batches.next()? {
            let BatchItem::Batch(found) = item else { continue };
            if !found.batch.is_control() {
                // Of old messages the number is not in the head.
                let count = found.batch.record_count().map_or(1, |count| u64::try_from(count).unwrap_or(0));
                records = records.saturating_add(count);
            }
        }
        Ok(records)
    }

    /// A path below the root for a file of the partition.
    fn file(&self, name: &str) -> PathBuf {
        self.places.inside.join(name)
    }
}

#[cfg(test)]
mod tests;
