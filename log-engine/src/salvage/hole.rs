//! Bytes of a source that are no sound batch, and what most likely happened to them.

use std::fmt;
use std::ops::Range;

use super::run::Place;
use crate::batch::{FRAMING_LEN, Stop};
use crate::error::{Result, Rule};
use crate::fs::Source;
use crate::segment::Resync;
use crate::units::Offset;

/// Bytes read at a time.
const PIECE: usize = 64 << 10;
/// What disks lose and write at once.
const SECTOR: u64 = 512;

/// How the walk over the batches ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// At what is no batch.
    Stop(Stop),
    /// At a batch that is damaged, and would end at `end` if its length is right.
    Batch { end: u64, rule: Rule },
}

/// What most likely happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The disk could not read them.
    Io,
    /// Nothing but zeros: a file that was made longer before it was written, a crash, or a page that was never written.
    Zeros,
    /// A batch of which a stretch of zeros takes the place of sectors.
    ZeroedSectors,
    /// A batch whose bytes are there and not what they were: a flipped bit, or bytes written over.
    BitFlip,
    /// A batch that the file ends within.
    TornTail,
    /// A batch whose length field is wrong.
    Length,
    /// Bytes that never were a batch.
    Foreign,
}

impl Cause {
    /// One word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io-error",
            Self::Zeros => "zeros",
            Self::ZeroedSectors => "zeroed-sectors",
            Self::BitFlip => "bit-flip",
            Self::TornTail => "torn-tail",
            Self::Length => "length",
            Self::Foreign => "foreign-bytes",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "I/O error: the disk cannot read it; zeros stand for it",
            Self::Zeros => "zeros: written ahead of use, or never written",
            Self::ZeroedSectors => "sectors of zeros within a batch: a write that was lost",
            Self::BitFlip => "bytes of a batch changed: a flipped bit, or written over",
            Self::TornTail => "torn tail: the file ends within a batch",
            Self::Length => "a batch's length field is wrong",
            Self::Foreign => "foreign bytes, no part of a batch",
        })
    }
}

/// See the file's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) place: Place,
    pub(super) bytes: Range<u64>,
    /// The offset that should begin here, if a batch before it says so.
    pub(super) expected: Option<Offset>,
    pub(super) cause: Cause,
    /// What rule the bytes break.
    pub(super) rule: String,
    /// The search for the next sound batch was given up; what follows was not looked at.
    pub(super) gave_up: bool,
}

impl Hole {
    /// Looks at what stands in `bytes`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub(super) fn look(
        source: &Source,
        place: Place,
        bytes: Range<u64>,
        ended: Ended,
        resync: Resync,
        expected: Option<Offset>,
    ) -> Result<Self> {
        let zeros = Zeros::look(source, &bytes)?;
        let mut head = [0; FRAMING_LEN];
        let has_head = source.read_at(&mut head, bytes.start)? == FRAMING_LEN;
        let base = head.first_chunk().map(|first| Offset::new(i64::from_be_bytes(*first)));
        let looks_like_one = has_head
            && head.last().is_some_and(|magic| *magic <= 2)
            && base.zip(expected).is_some_and(|(base, expected)| base == expected);
        let is_last = bytes.end == source.len();
        let cause = match &ended {
            _ if zeros.is_all => Cause::Zeros,
            Ended::Batch { end, .. } if *end == bytes.end && zeros.has_sector => Cause::ZeroedSectors,
            Ended::Batch { end, .. } if *end == bytes.end => Cause::BitFlip,
            Ended::Stop(Stop::PastEnd { .. }) if is_last && looks_like_one => Cause::TornTail,
            Ended::Stop(Stop::Remainder { .. }) => Cause::Foreign,
            _ if looks_like_one => Cause::Length,
            _ => Cause::Foreign,
        };
        let rule = match ended {
            Ended::Stop(stop) => stop.malformed().rule.to_string(),
            Ended::Batch { rule, .. } => rule.to_string(),
        };
        let gave_up = matches!(resync, Resync::GaveUp(_));
        Ok(Self { place, bytes, expected, cause, rule, gave_up })
    }
}

/// Zeros in a stretch of bytes.
struct Zeros {
    is_all: bool,
    /// A whole sector of zeros is among them.
    has_sector: bool,
}

impl Zeros {
    /// Reads up to the first byte that shows that it is neither.
    fn look(source: &Source, bytes: &Range<u64>) -> Result<Self> {
        let mut zeros = Self { is_all: true, has_sector: false };
        let mut piece = vec![0; PIECE];
        let mut at = bytes.start;
        while at < bytes.end && (zeros.is_all || !zeros.has_sector) {
            if zeros.is_all {
                // Holes of a sparse file are not read.
                at = source.next_data(at)?.unwrap_or(bytes.end).min(bytes.end);
            }
            let wanted = usize::try_from(bytes.end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            let read = source.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
            let read = piece.get(..read).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            zeros.is_all &= read.iter().all(|byte| *byte == 0);
            let lead = usize::try_from(at.next_multiple_of(SECTOR).saturating_sub(at)).unwrap_or(0);
            let sectors = read.get(lead..).unwrap_or_default().chunks_exact(SECTOR as usize);
            zeros.has_sector |= sectors.into_iter().any(|sector| sector.iter().all(|byte| *byte == 0));
            at = at.saturating_add(read.len() as u64);
        }
        Ok(zeros)
    }
}
