//! The slots of an index file, one after the other, without holding the file.

use std::marker::PhantomData;

use crate::error::Result;
use crate::fs::Source;
use crate::segment::IndexEntry;

/// Bytes of the file in memory.
const BUFFER: usize = 16 << 10;

/// One slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<E> {
    /// Its first byte in the file.
    pub(super) at: u64,
    /// What stands in it.
    pub(super) entry: E,
    /// True if all its bytes are zero.
    pub(super) is_zero: bool,
}

/// A walk over the whole slots of an index file.
#[derive(Debug)]
pub(super) struct Slots<E> {
    source: Source,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    from: u64,
    /// The slot that comes next.
    at: u64,
    entry: PhantomData<E>,
}

impl<E: IndexEntry> Slots<E> {
    pub(super) fn new(source: Source) -> Self {
        Self { source, buffer: Vec::new(), from: 0, at: 0, entry: PhantomData }
    }

    /// Bytes of the file.
    pub(super) fn file_len(&self) -> u64 {
        self.source.len()
    }

    /// Bytes in whole slots.
    pub(super) fn slots_len(&self) -> u64 {
        self.source.len() / Self::STEP * Self::STEP
    }

    /// Whole slots of the file.
    pub(super) fn count(&self) -> u64 {
        self.source.len() / Self::STEP
    }

    const STEP: u64 = E::LEN as u64;

    /// The next slot, without passing it.
    pub(super) fn peek(&mut self) -> Result<Option<Slot<E>>> {
        if self.at >= self.slots_len() {
            return Ok(None);
        }
        let inside = |at: u64, from: u64| usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX);
        let held = self.buffer.get(inside(self.at, self.from)..).is_some_and(|rest| rest.len() >= E::LEN);
        if !held || self.at < self.from {
            self.fill()?;
        }
        let start = inside(self.at, self.from);
        let Some(bytes) = self.buffer.get(start..start.saturating_add(E::LEN)) else {
            return Ok(None);
        };
        let is_zero = bytes.iter().all(|byte| *byte == 0);
        Ok(E::decode(bytes).map(|entry| Slot { at: self.at, entry, is_zero }))
    }

    fn fill(&mut self) -> Result<()> {
        let whole = BUFFER / E::LEN * E::LEN;
        self.buffer.resize(whole, 0);
        self.from = self.at;
        let read = self.source.read_at(&mut self.buffer, self.from)?;
        self.buffer.truncate(read);
        Ok(())
    }

    /// Goes past the slot that [`Self::peek`] showed.
    pub(super) fn pass(&mut self) {
        self.at = self.at.saturating_add(Self::STEP);
    }

    /// Goes past all empty slots that follow; how many. Holes of a sparse file cost nothing.
    pub(super) fn pass_zeros(&mut self) -> Result<u64> {
        let first = self.at;
        while let Some(slot) = self.peek()? {
            if !slot.is_zero {
                break;
            }
            self.pass();
            if self.at.saturating_sub(first) % (BUFFER as u64) < Self::STEP {
                let data = self.source.next_data(self.at)?.unwrap_or(self.source.len());
                self.at = self.at.max(data / Self::STEP * Self::STEP);
            }
        }
        Ok(self.at.saturating_sub(first) / Self::STEP)
    }

    /// Goes to the end.
    pub(super) fn pass_all(&mut self) {
        self.at = self.slots_len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::MemoryFile;
    use crate::segment::OffsetEntry;

    fn slots(bytes: Vec<u8>) -> Slots<OffsetEntry> {
        Slots::new(Source::new("x.index", Arc::new(MemoryFile::new(bytes))).unwrap())
    }

    #[test]
    fn whole_slots_come_in_order_across_the_buffer_and_zeros_are_passed() {
        let n = BUFFER / 8 + 3;
        let mut bytes: Vec<u8> = (1..=n as u64).flat_map(u64::to_be_bytes).collect();
        bytes.extend([0; 8 * 5000]);
        bytes.extend(7_u64.to_be_bytes());
        bytes.extend([1, 2, 3]);
        let mut slots = slots(bytes);
        for i in 0..n {
            let slot = slots.peek().unwrap().unwrap();
            assert_eq!((slot.at, slot.entry.position, slot.is_zero), (8 * i as u64, i as i32 + 1, false));
            slots.pass();
        }
        assert_eq!(slots.pass_zeros().unwrap(), 5000);
        assert_eq!(slots.peek().unwrap().unwrap().entry.position, 7);
        slots.pass();
        assert!(slots.peek().unwrap().is_none());
        assert_eq!(slots.file_len() - slots.slots_len(), 3);
    }
}
