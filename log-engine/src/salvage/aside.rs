//! Batches whose checksum fits and which cannot stand in the salvaged log all the same, and why.

use std::fmt;
use std::ops::Range;

use super::run::{Entry, Place, Run};
use crate::units::{LeaderEpoch, Offset};

/// Why a batch was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A message format that nobody knows. The byte is outside the checksum.
    Format {
        /// What it says.
        magic: i8,
    },
    /// Its last offset lies before its first.
    Backwards,
    /// Its records do not decode, or do not add up.
    Contents {
        /// What is wrong.
        what: String,
    },
    /// It holds fewer records than its offsets promise, and nothing says that the log was cleaned.
    TooFewRecords,
    /// Its offset lies below the first of its segment.
    BelowBase {
        /// The first offset of the segment, as its name says.
        base: Offset,
    },
    /// Its offset lies so far above the first of its segment that no index can say it.
    AboveRange {
        /// The first offset of the segment, as its name says.
        base: Offset,
    },
    /// Its offset lies in a later segment. Base offsets are outside the checksum.
    BeyondNext {
        /// The first offset of the next segment, as its name says.
        next: Offset,
    },
    /// Its offsets are not between those of its neighbours: it is a repetition, stands in the wrong place, or its base offset, which is
    /// outside the checksum, is wrong.
    OutOfOrder,
    /// Its leader epoch, which is outside the checksum, does not fit those of its neighbours.
    Epoch {
        /// What it says.
        epoch: LeaderEpoch,
    },
    /// It is outside the transaction that its producer has open: a broker that recovers it ends.
    NotTransactional,
    /// Another replica went on under a later leader: these offsets belong to that one's history.
    LosesByEpoch {
        /// The offset from which the two histories differ.
        from: Offset,
    },
    /// Another replica has something else at these offsets, and leader epochs do not tell which is right.
    Differs,
}

impl Reason {
    /// One word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Format { .. } => "unknown-format",
            Self::Backwards => "backwards",
            Self::Contents { .. } => "contents",
            Self::TooFewRecords => "too-few-records",
            Self::BelowBase { .. } => "below-base",
            Self::AboveRange { .. } => "above-range",
            Self::BeyondNext { .. } => "beyond-next-segment",
            Self::OutOfOrder => "out-of-order",
            Self::Epoch { .. } => "leader-epoch",
            Self::NotTransactional => "not-transactional",
            Self::LosesByEpoch { .. } => "loses-by-epoch",
            Self::Differs => "differs",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { magic } => write!(f, "message format {magic} is unknown"),
            Self::Backwards => f.write_str("its last offset lies before its first"),
            Self::Contents { what } => write!(f, "its contents do not decode: {what}"),
            Self::TooFewRecords => f.write_str("it holds fewer records than its offsets promise"),
            Self::BelowBase { base } => write!(f, "its offset lies below its segment, which begins at {base}"),
            Self::AboveRange { base } => write!(f, "its offset is out of reach of its segment, which begins at {base}"),
            Self::BeyondNext { next } => write!(f, "its offset lies in the next segment, which begins at {next}"),
            Self::OutOfOrder => {
                f.write_str("out of order: a repetition, in the wrong place, or its base offset is wrong")
            }
            Self::Epoch { epoch } => write!(f, "its leader epoch {epoch} does not fit its neighbours'"),
            Self::NotTransactional => f.write_str("it is outside the transaction that its producer has open"),
            Self::LosesByEpoch { from } => {
                write!(f, "another replica went on under a later leader from offset {from}")
            }
            Self::Differs => {
                f.write_str("another replica has something else there, and leader epochs do not tell which is right")
            }
        }
    }
}

/// Batches that were set aside for one reason, one behind the other in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aside {
    pub(super) place: Place,
    pub(super) bytes: Range<u64>,
    pub(super) first: Offset,
    pub(super) last: Offset,
    pub(super) batches: u64,
    pub(super) records: u64,
    pub(super) reason: Reason,
}

impl Aside {
    pub(super) fn of_batch(place: Place, entry: &Entry, reason: Reason) -> Self {
        let (start, end) = entry.bytes;
        let (first, last) = (entry.id.first, entry.id.last);
        Self { place, bytes: start..end, first, last, batches: 1, records: entry.records, reason }
    }

    pub(super) fn of_run(run: &Run, reason: Reason) -> Self {
        Self {
            place: run.place,
            bytes: run.bytes.clone(),
            first: run.first,
            last: run.last,
            batches: run.batches,
            records: run.records,
            reason,
        }
    }
}

impl Aside {
    /// Whether `next` touches this and was set aside for the same reason.
    pub(super) fn is_continued_by(&self, next: &Self) -> bool {
        self.place == next.place && self.bytes.end == next.bytes.start && self.reason == next.reason
    }

    /// Takes the next one in.
    pub(super) fn join(&mut self, next: &Self) {
        self.bytes.end = next.bytes.end;
        (self.first, self.last) = (self.first.min(next.first), self.last.max(next.last));
        self.batches = self.batches.saturating_add(next.batches);
        self.records = self.records.saturating_add(next.records);
    }
}
