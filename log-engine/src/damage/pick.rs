//! Choosing a batch.

use std::path::PathBuf;

use super::fault::Change;
use super::fields::{CRC, read_number, write_number};
use super::site::{Site, changed};
use crate::batch::{BatchHeader, HEADER_LEN};
use crate::checkpoint::OffsetCheckpoint;
use crate::encoding::crc32c;
use crate::error::Result;
use crate::segment::{MAX_BUFFERED_BATCH, Scan, SegmentFile, Step};
use crate::units::{FilePosition, Offset};

/// Segments that are searched for a batch that fits, at most.
const MAX_SEGMENTS: usize = 8;
/// Batches of a segment that are chosen from; those behind them are left alone.
const MAX_BATCHES: usize = 100_000;

/// Where in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// The first batch of all.
    First,
    /// The first batch of a segment that is not the first one.
    FirstOfSegment,
    /// Not at an end of a segment, and that not at an end of the log, where there are enough of them.
    Middle,
    /// As [`Self::Middle`], in a segment that ends below the recovery point: what no start looks at.
    BelowRecoveryPoint,
    /// The last batch of all.
    Last,
}

/// A batch of a segment, by its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) len: u64,
    pub(super) last: i64,
    head: [u8; HEADER_LEN],
}

impl Found {
    /// The head of a v2 batch.
    pub(super) fn header(&self) -> Option<&BatchHeader> {
        BatchHeader::at_start_of(&self.head).filter(|header| header.magic() >= 2)
    }
}

/// A batch that was chosen.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    pub(super) file: PathBuf,
    /// Of its segment.
    pub(super) base: Offset,
    pub(super) position: u64,
    pub(super) bytes: Vec<u8>,
}

impl Picked {
    /// The change to other bytes; `None` if they are the same.
    pub(super) fn becomes(&self, new: &[u8]) -> Option<Change> {
        changed(self.file.clone(), FilePosition::new(self.position), &self.bytes, new)
    }

    /// The changes to other bytes of the same length under a checksum that fits them.
    pub(super) fn becomes_sealed(&self, mut new: Vec<u8>) -> Vec<Change> {
        let mut checksum = self.bytes.clone();
        write_number(&mut checksum, CRC, i64::from(crc32c(new.get(CRC.0 + CRC.1..).unwrap_or_default())));
        write_number(&mut new, CRC, read_number(&self.bytes, CRC));
        [self.becomes(&new), self.becomes(&checksum)].into_iter().flatten().collect()
    }

    /// The change of the byte at `at` from its start.
    pub(super) fn flipped(&self, at: usize, bit: u8) -> Option<Change> {
        let mut new = self.bytes.clone();
        *new.get_mut(at)? ^= 1 << bit;
        self.becomes(&new)
    }

    /// The first byte behind it.
    pub(super) fn end(&self) -> u64 {
        self.position.saturating_add(self.bytes.len() as u64)
    }
}

impl Site<'_> {
    /// The batches of a segment, as far as they follow each other.
    pub(super) fn batches(&self, base: Offset) -> Result<Vec<Found>> {
        let mut scan = Scan::heads(self.open(&self.file(base, SegmentFile::Log))?, FilePosition::START);
        let mut found = Vec::new();
        while let Step::Batch(frame) = scan.next()? {
            let mut head = [0; HEADER_LEN];
            head.iter_mut().zip(frame.head()).for_each(|(to, byte)| *to = *byte);
            let last = frame.last_offset().map_or(-1, Offset::get);
            found.push(Found { position: frame.position().get(), len: frame.len(), last, head });
            if found.len() == MAX_BATCHES {
                break;
            }
        }
        Ok(found)
    }

    /// A batch of the log at `place` that `fits`.
    pub(super) fn pick(&mut self, place: Where, fits: impl Fn(&Found) -> bool) -> Result<Option<Picked>> {
        let logs: Vec<_> = self.logs().into_iter().filter(|(_, len)| *len > 0).collect();
        let inner = 1..logs.len().saturating_sub(1);
        let segments = match place {
            Where::First => 0..logs.len().min(1),
            Where::Last => logs.len().saturating_sub(1)..logs.len(),
            Where::FirstOfSegment => 1..logs.len(),
            Where::Middle if inner.is_empty() => 0..logs.len(),
            Where::Middle => inner,
            Where::BelowRecoveryPoint => {
                let point = self.offset_in(OffsetCheckpoint::RECOVERY_POINT)?.unwrap_or(0);
                let begun = logs.iter().filter(|(base, _)| base.get() <= point).count();
                0..begun.saturating_sub(1)
            }
        };
        let segments = logs.get(segments).unwrap_or_default();
        let first = self.random.below(segments.len());
        for (base, _) in segments.iter().cycle().skip(first).take(segments.len().min(MAX_SEGMENTS)) {
            let found = self.batches(*base)?;
            let chosen: Vec<usize> = match place {
                Where::First | Where::FirstOfSegment => vec![0],
                Where::Last => vec![found.len().saturating_sub(1)],
                Where::Middle | Where::BelowRecoveryPoint if found.len() > 2 => (1..found.len() - 1).collect(),
                Where::Middle | Where::BelowRecoveryPoint => (0..found.len()).collect(),
            };
            let chosen: Vec<usize> = chosen.into_iter().filter(|n| found.get(*n).is_some_and(&fits)).collect();
            let Some(&n) = chosen.get(self.random.below(chosen.len())) else { continue };
            if let Some(picked) = self.picked(*base, &found, n)? {
                return Ok(Some(picked));
            }
        }
        Ok(None)
    }

    /// The `n`th batch of a segment with its bytes; `None` if it is too large to hold.
    pub(super) fn picked(&self, base: Offset, found: &[Found], n: usize) -> Result<Option<Picked>> {
        let Some(batch) = found.get(n) else { return Ok(None) };
        let Some(len) = usize::try_from(batch.len).ok().filter(|len| *len <= MAX_BUFFERED_BATCH) else {
            return Ok(None);
        };
        let file = self.file(base, SegmentFile::Log);
        let mut bytes = vec![0; len];
        let n_read = self.open(&file)?.read_at(&mut bytes, batch.position)?;
        bytes.truncate(n_read);
        Ok(Some(Picked { file, base, position: batch.position, bytes }))
    }

    /// The offset behind the last batch; `None` if there is none.
    pub(super) fn log_end(&self) -> Result<Option<i64>> {
        for (base, _) in self.logs().into_iter().rev() {
            if let Some(last) = self.batches(base)?.last() {
                return Ok(Some(last.last.saturating_add(1)));
            }
        }
        Ok(None)
    }
}
