//! What the engine is measured against: the bare system calls, fed from buffers that begin at a page.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::path::Path;

const PAGE: usize = 4096;

/// Bytes that begin at a page: where a buffer starts within its page decides the speed of system calls on some processors.
#[derive(Debug)]
pub struct Aligned {
    bytes: Vec<u8>,
    gap: usize,
    len: usize,
}

impl Aligned {
    /// So many zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let bytes = vec![0; len + PAGE];
        let gap = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, gap, len }
    }

    /// These bytes.
    #[must_use]
    pub fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeros(bytes.len());
        aligned.copy_from_slice(bytes);
        aligned
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.gap..self.gap + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.gap..self.gap + self.len]
    }
}

/// Writes `piece` so many times with write(2) into a file that grows.
///
/// # Panics
/// If the disk refuses.
pub fn write_pieces(file: &mut File, piece: &[u8], times: usize) {
    for _ in 0..times {
        file.write_all(black_box(piece)).expect("a write");
    }
}

/// Reads the file with read(2) in pieces of 256 KiB into one aligned buffer and checksums each: the floor of every scan.
///
/// # Panics
/// If the disk refuses.
pub fn read_and_checksum(path: &Path) -> u64 {
    const PIECE: usize = 256 << 10;
    let mut file = File::open(path).expect("a file");
    let mut buffer = Aligned::zeros(PIECE);
    let mut total = 0;
    loop {
        let n = file.read(&mut buffer).expect("bytes");
        if n == 0 {
            return total;
        }
        black_box(crc32c::crc32c(&buffer[..n]));
        total += n as u64;
    }
}

/// Takes memory, touches it and gives it back. Pages that a virtual machine's host took away come back now and not while
/// something is timed.
pub fn touch_memory(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    black_box(&memory);
}
