//! A window that moves forward over a file: as many bytes as the next batch needs, in one piece.

use crate::error::Result;
use crate::fs::{AlignedBuffer, Source};

/// Bytes asked from the disk at a time. Small enough that a checksum finds them in the processor's cache.
const CHUNK: usize = 256 << 10;
/// Reads go to addresses that are multiples of this.
const PAGE: usize = 4096;

/// The part of a file that is in memory, and where in the file it lies.
#[derive(Debug)]
pub(crate) struct Window {
    source: Source,
    buffer: AlignedBuffer,
    /// Where in the buffer the bytes at `position` are.
    start: usize,
    /// Where in the buffer the read bytes end.
    filled: usize,
    position: u64,
    /// The end of the file: its length at opening, or where reading met an earlier end.
    end: u64,
    /// Bytes asked from the disk at a time.
    chunk: usize,
}

impl Window {
    pub(crate) fn new(source: Source, position: u64) -> Self {
        Self::in_pieces(source, position, CHUNK)
    }

    /// A window for who looks at little: `chunk` bytes are asked from the disk at a time.
    pub(crate) fn in_pieces(source: Source, position: u64, chunk: usize) -> Self {
        let end = source.len();
        Self { source, buffer: AlignedBuffer::default(), start: 0, filled: 0, position, end, chunk }
    }

    /// A new window over the same file.
    pub(crate) fn again_at(&self, position: u64) -> Self {
        Self::in_pieces(self.source.clone(), position, self.chunk)
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// Where in the file the window begins.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from there to the end of the file; huge for a stream that has not ended.
    pub(crate) const fn left(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// The bytes from the window's position on: at least `n`, or all that are left of the file.
    #[inline]
    pub(crate) fn ensure(&mut self, n: usize) -> Result<&[u8]> {
        if self.filled - self.start < n && ((self.filled - self.start) as u64) < self.left() {
            self.refill(n)?;
        }
        Ok(self.bytes())
    }

    /// The bytes in memory from the window's position on.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.as_slice().get(self.start..self.filled).unwrap_or_default()
    }

    /// Moves the window `n` bytes further; what a stream holds there is read and dropped.
    #[inline]
    pub(crate) fn advance(&mut self, n: u64) -> Result<()> {
        let buffered = (self.filled - self.start) as u64;
        if n <= buffered {
            self.start = self.start.saturating_add(usize::try_from(n).unwrap_or(usize::MAX));
        } else {
            self.skip(n.saturating_sub(buffered), buffered)?;
        }
        self.position = self.position.saturating_add(n);
        Ok(())
    }

    /// Drops the `buffered` bytes in memory and the `beyond` ones behind them.
    fn skip(&mut self, beyond: u64, buffered: u64) -> Result<()> {
        (self.start, self.filled) = (0, 0);
        if self.source.len() != u64::MAX {
            return Ok(());
        }
        self.buffer.grow(CHUNK);
        let mut from = self.position.saturating_add(buffered);
        let mut left = beyond;
        while left > 0 {
            let chunk = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let into = self.buffer.as_mut_slice().get_mut(..chunk).unwrap_or_default();
            let n = self.source.read_at(into, from)?;
            from = from.saturating_add(n as u64);
            left = left.saturating_sub(n as u64);
            if n < chunk {
                self.end = from;
                break;
            }
        }
        Ok(())
    }

    /// Brings the bytes in memory to the front, so that they end where a page begins, and reads on behind them.
    #[cold]
    fn refill(&mut self, n: usize) -> Result<()> {
        let kept = self.filled - self.start;
        let aligned = kept.next_multiple_of(PAGE);
        let wanted = self.chunk.max(n.saturating_sub(kept));
        self.buffer.grow(aligned.saturating_add(wanted));
        self.buffer.as_mut_slice().copy_within(self.start..self.filled, aligned - kept);
        (self.start, self.filled) = (aligned - kept, aligned);
        let from = self.position.saturating_add(kept as u64);
        self.source.done_until(self.position);
        let into = self.buffer.as_mut_slice().get_mut(aligned..aligned.saturating_add(wanted)).unwrap_or_default();
        let read = self.source.read_at(into, from)?;
        self.filled = aligned.saturating_add(read);
        if read < wanted {
            self.end = self.end.min(from.saturating_add(read as u64));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::{MemoryFile, StreamFile};

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn a_window_shows_the_file_in_any_steps_from_a_file_or_a_stream() {
        let all = bytes(3 * CHUNK + 17);
        let stream = StreamFile::new(Box::new(std::io::Cursor::new(all.clone())));
        let sources =
            [Source::new("file", Arc::new(MemoryFile::new(all.clone()))), Source::new("stream", Arc::new(stream))];
        for source in sources {
            let mut window = Window::new(source.unwrap(), 0);
            let mut at = 0;
            for step in [0, 1, 61, PAGE, CHUNK - 1, 7, CHUNK + 5, 100, CHUNK] {
                let seen = window.ensure(step.min(all.len() - at)).unwrap();
                assert!(seen.len() >= step.min(all.len() - at));
                assert!(all[at..].starts_with(&seen[..step.min(seen.len())]), "at {at}");
                let forward = step.min(all.len() - at);
                window.advance(forward as u64).unwrap();
                at += forward;
                assert_eq!(window.position(), at as u64);
            }
            let rest = all.len() - at;
            assert_eq!(window.ensure(usize::MAX - CHUNK).map(<[u8]>::len).unwrap_or(rest), rest);
            assert_eq!(window.left(), rest as u64);
        }
    }

    #[test]
    fn bytes_that_nobody_looked_at_can_be_skipped() {
        let all = bytes(2 * CHUNK);
        let stream = StreamFile::new(Box::new(std::io::Cursor::new(all.clone())));
        let mut window = Window::new(Source::new("stream", Arc::new(stream)).unwrap(), 0);
        window.ensure(10).unwrap();
        window.advance(CHUNK as u64 + 3).unwrap();
        assert_eq!(window.ensure(4).unwrap()[..4], all[CHUNK + 3..CHUNK + 7]);
    }
}
