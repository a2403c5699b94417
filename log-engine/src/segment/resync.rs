//! Finding the next batch behind damage: the first place, byte by byte, where a batch stands whose checksum fits.

use super::scan::{Frame, MAX_BUFFERED_BATCH, Scan, Step};
use crate::batch::{Batch, FRAMING_LEN, HEADER_LEN};
use crate::error::Result;
use crate::units::FilePosition;

/// Checksummed bytes a search may cost for each byte that it passes over. Bytes made on purpose can look like the head of a long
/// batch at every place; without a bound the search would take a time that grows with the square of the file.
const MAX_COST_PER_BYTE: u64 = 64;
/// What a search may cost however short it is.
const FREE_COST: u64 = 4 * MAX_BUFFERED_BATCH as u64;
/// Bytes looked through between two questions for the end of a hole.
const STRETCH: usize = 1 << 20;

/// How a search for the next sound batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// The walk now stands at a batch whose checksum fits.
    Found(FilePosition),
    /// No sound batch follows in the file.
    None,
    /// The bytes look like heads of batches so often that the search was given up here.
    GaveUp(FilePosition),
}

impl Scan {
    /// Shows each batch whose checksum fits to `each`, wherever it stands; what lies between them is passed over.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn each_sound(&mut self, mut each: impl FnMut(&Frame<'_>)) -> Result<()> {
        loop {
            let is_sound = match self.next()? {
                Step::Batch(frame) if frame.check_crc().is_ok() => {
                    each(&frame);
                    true
                }
                Step::Batch(_) | Step::Stop(_) => false,
            };
            if !is_sound && !matches!(self.resync()?, Resync::Found(_)) {
                return Ok(());
            }
        }
    }

    /// Moves the walk to the next batch behind its position whose checksum fits, wherever it begins.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn resync(&mut self) -> Result<Resync> {
        let first = self.position().get();
        let mut cost = 0_u64;
        self.seek(FilePosition::new(first.saturating_add(1)))?;
        loop {
            self.skip_hole()?;
            let bytes = self.window.ensure(STRETCH)?;
            let stretch = bytes.len().min(STRETCH);
            if stretch < FRAMING_LEN + 1 {
                return Ok(Resync::None);
            }
            let Some((at, size)) = candidate(bytes.get(..stretch).unwrap_or(bytes)) else {
                // The last bytes of the stretch may be the first of a head.
                self.window.advance((stretch - FRAMING_LEN) as u64)?;
                continue;
            };
            self.window.advance(at as u64)?;
            if u64::from(size) <= self.window.left() && size as usize <= MAX_BUFFERED_BATCH {
                if self.is_sound_here(size as usize)? {
                    return Ok(Resync::Found(self.position()));
                }
                cost = cost.saturating_add(u64::from(size));
            }
            let passed = self.position().get().saturating_sub(first);
            if cost > FREE_COST.saturating_add(passed.saturating_mul(MAX_COST_PER_BYTE)) {
                return Ok(Resync::GaveUp(self.position()));
            }
            self.window.advance(1)?;
        }
    }

    /// Whether a batch of `size` bytes, which are there, begins here and its checksum fits.
    fn is_sound_here(&mut self, size: usize) -> Result<bool> {
        // A stream cannot be read beside its window.
        if size > self.most && self.source().len() != u64::MAX {
            let mut aside = Self::starting_at(self.source().clone(), self.position()).holding(self.most);
            return Ok(matches!(aside.next()?, Step::Batch(frame) if frame.check_crc().is_ok()));
        }
        let bytes = self.window.ensure(size)?.get(..size);
        Ok(bytes.and_then(|bytes| Batch::whole(bytes).ok()).is_some_and(|batch| batch.check_crc().is_ok()))
    }

    /// Over a hole of a sparse file to just before its end.
    fn skip_hole(&mut self) -> Result<()> {
        let here = self.window.position();
        if self.source().len() == u64::MAX {
            return Ok(());
        }
        let data = self.source().next_data(here)?.unwrap_or(self.source().len());
        let forward = data.saturating_sub(here).saturating_sub(HEADER_LEN as u64);
        self.window.advance(forward)
    }
}

/// The first place in `bytes` that could be the head of a batch, and how long that batch would be.
fn candidate(bytes: &[u8]) -> Option<(usize, u32)> {
    bytes.windows(FRAMING_LEN).enumerate().find_map(|(at, head)| {
        let minimum = match head.get(FRAMING_LEN - 1) {
            Some(2) => 49,
            // Whatever the walk takes for a message: format 1 needs more for a key and a value, but no checksum says so.
            Some(0 | 1) => 14,
            _ => return None,
        };
        let size = i32::from_be_bytes(head.get(8..12)?.try_into().ok()?);
        let size = u32::try_from(size).ok().filter(|size| *size >= minimum)?;
        Some((at, size.saturating_add(12)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::fs::{MemoryFile, Source};
    use crate::units::{Offset, Timestamp};

    fn batch(offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Offset::new(offset));
        builder.push(Timestamp::new(0), Some(b"key"), Some(b"value"), &[]).unwrap();
        let mut out = Vec::new();
        builder.finish(&mut out).unwrap();
        out
    }

    fn scan(bytes: Vec<u8>) -> Scan {
        Scan::new(Source::new("x.log", Arc::new(MemoryFile::new(bytes))).unwrap())
    }

    fn resync(bytes: Vec<u8>) -> Resync {
        scan(bytes).resync().unwrap()
    }

    #[test]
    fn all_sound_batches_are_shown_and_nothing_else() {
        let mut wrong = batch(1);
        *wrong.last_mut().unwrap() ^= 1;
        let bytes = [batch(0), wrong, batch(2), vec![0; 40], batch(3), batch(4)[..30].to_vec()].concat();
        let mut seen = Vec::new();
        scan(bytes).each_sound(|frame| seen.push(frame.offset().get())).unwrap();
        assert_eq!(seen, [0, 2, 3]);
        scan(vec![]).each_sound(|_| panic!("there is none")).unwrap();
    }

    #[test]
    fn the_next_sound_batch_is_found_at_any_distance() {
        for gap in [1, 16, 17, 61, 4096, STRETCH - 17, STRETCH, STRETCH + 1] {
            for filler in [0, 0xff] {
                let mut bytes = vec![filler; gap];
                bytes.extend(batch(7));
                assert_eq!(resync(bytes), Resync::Found(FilePosition::new(gap as u64)), "behind {gap} bytes");
            }
        }
    }

    #[test]
    fn the_batch_at_the_start_is_not_the_next_one_and_a_damaged_one_is_none() {
        let mut bytes = batch(0);
        let next = bytes.len() as u64;
        bytes.extend(batch(1));
        assert_eq!(resync(bytes.clone()), Resync::Found(FilePosition::new(next)));
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(resync(bytes), Resync::None);
        assert_eq!(resync(vec![]), Resync::None);
        assert_eq!(resync(vec![0; 17]), Resync::None);
    }

    #[test]
    fn a_message_is_found_however_short_the_walk_accepts_it() {
        for magic in [0, 1] {
            for body in 10..24 {
                let mut checked = vec![0; body];
                checked[0] = magic;
                let mut message = 7_i64.to_be_bytes().to_vec();
                message.extend((body as u32 + 4).to_be_bytes());
                message.extend(crate::encoding::crc32(&checked).to_be_bytes());
                message.extend(checked);
                let bytes = [vec![0xff; 5], message].concat();
                assert_eq!(resync(bytes), Resync::Found(FilePosition::new(5)), "format {magic}, {body} bytes");
            }
        }
    }

    #[test]
    fn a_search_that_costs_too_much_is_given_up() {
        // Every place claims a batch of 33,686,030 bytes.
        assert!(matches!(resync(vec![2; 48 << 20]), Resync::GaveUp(_)));
    }
}
