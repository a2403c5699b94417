//! Where a segment ends: its last whole batch, found from the last index entry without reading the file.

use std::path::Path;

use super::glimpse::BatchGlimpse;
use crate::batch::Stop;
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::segment::{IndexEntry, OffsetEntry, Scan, Step};
use crate::units::{FilePosition, Offset};

/// Bytes of an index that are looked at together: a whole number of entries.
const BLOCK: u64 = 4096;

/// The end of a segment's batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The offset that the next record would get; the segment's base if it has no batch.
    pub end: Offset,
    /// The last whole batch.
    pub last: Option<BatchGlimpse>,
    /// The first byte behind it.
    pub position: FilePosition,
    /// Why the batches end there.
    pub stop: Stop,
    /// Bytes from there to the end of the file: a torn or running write, or zeros.
    pub left: u64,
}

impl Tail {
    /// The end of the segment that begins at `base`, with its `.log` and `.index` file.
    ///
    /// The walk begins at the last index entry if a sound batch stands there, else at the start of the file. Checksums behind it
    /// are not looked at.
    ///
    /// # Errors
    /// [`crate::Error::Io`] and [`crate::Error::NotReadable`] for the `.log` file; a bad index is done without.
    pub(super) fn of(fs: &dyn Fs, log: &Path, index: &Path, base: Offset) -> Result<Self> {
        let source = Source::open(fs, log)?;
        let hint = Source::open(fs, index).and_then(|index| last_position(&index)).ok().flatten();
        if let Some(position) = hint.filter(|at| at.get() < source.len()) {
            let mut scan = Scan::starting_at(source.clone(), position);
            let sound =
                matches!(scan.next()?, Step::Batch(frame) if frame.check_crc().is_ok() && frame.offset() >= base);
            if sound {
                scan.seek(position)?;
                return Self::walk(scan, base);
            }
        }
        Self::walk(Scan::new(source), base)
    }

    fn walk(mut scan: Scan, base: Offset) -> Result<Self> {
        let mut last = None;
        loop {
            match scan.next()? {
                Step::Batch(frame) => last = BatchGlimpse::of(frame.head()).or(last),
                Step::Stop(stop) => {
                    let end = last.map_or(base, |batch: BatchGlimpse| batch.last_offset.next());
                    return Ok(Self { end, last, position: scan.position(), stop, left: scan.left() });
                }
            }
        }
    }
}

/// The position in the last entry of an index that is not all zeros: an active index is zeros from there to its full size.
///
/// Looks at a few blocks only: first halves the file until it finds the block where the zeros begin. Entries of a truncated tail
/// behind zeros may be missed, or found; the caller checks what stands at the position.
fn last_position(index: &Source) -> Result<Option<FilePosition>> {
    let (mut low, mut high) = (0, index.len().div_ceil(BLOCK));
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        match last_in_block(index, middle)? {
            Some(position) => (found, low) = (Some(position), middle + 1),
            None => high = middle,
        }
    }
    Ok(found)
}

fn last_in_block(index: &Source, block: u64) -> Result<Option<FilePosition>> {
    let mut bytes = [0; BLOCK as usize];
    let n = index.read_at(&mut bytes, block.saturating_mul(BLOCK))?;
    let slots = bytes.get(..n).unwrap_or_default().chunks_exact(OffsetEntry::LEN);
    let used = slots.rev().find(|slot| slot.iter().any(|byte| *byte != 0));
    Ok(used.and_then(OffsetEntry::decode).and_then(|entry| entry.file_position()))
}
