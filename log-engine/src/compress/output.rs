//! Where decompressed bytes go: a buffer that says no at its limit.

use crate::error::{Malformed, Rule};

/// Bytes that are reserved at first.
const FIRST_STEP: usize = 16 * 1024;

/// A caller's buffer and the most bytes it may hold.
#[derive(Debug)]
pub(super) struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
}

impl<'a> Output<'a> {
    /// An empty output in `bytes`.
    pub(super) fn new(bytes: &'a mut Vec<u8>, limit: usize) -> Self {
        bytes.clear();
        Self { bytes, limit }
    }

    /// What has come out so far.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Adds bytes that come from byte `at` of the input.
    pub(super) fn extend(&mut self, bytes: &[u8], at: usize) -> Result<(), Malformed> {
        self.check(bytes.len(), at)?;
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds what `write` puts into a space of `len` bytes, or of as many as the limit leaves, and counts; nothing when it
    /// fails.
    pub(super) fn extend_with<E>(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let len = len.min(self.room());
        self.reserve(len);
        let before = self.bytes.len();
        self.bytes.resize(before + len, 0);
        let written = write(self.bytes.split_at_mut(before).1);
        self.bytes.truncate(before + written.as_ref().map_or(0, |&written| written));
        written.map(drop)
    }

    /// Lets a decoder write behind what is there, into spare capacity. `at` is the input's byte for the error that more came
    /// out than the limit allows.
    pub(super) fn append_with<T>(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, Malformed> {
        self.reserve(1);
        let written = write(self.bytes);
        if self.bytes.len() > self.limit {
            self.bytes.truncate(self.limit);
            return Err(self.too_large(at));
        }
        Ok(written)
    }

    /// Room for `len` bytes more, and for as many as there are already, so that bytes move seldom. It ends one byte behind the
    /// limit: with that byte a decoder shows that it had more to give.
    fn reserve(&mut self, len: usize) {
        if self.bytes.capacity() - self.bytes.len() < len {
            let doubled = self.bytes.len().max(FIRST_STEP).min(self.room().saturating_add(1));
            self.bytes.reserve_exact(len.max(doubled));
        }
    }

    /// How many bytes may still be added.
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// That `len` bytes more, from byte `at` of the input, stay within the limit.
    pub(super) fn check(&self, len: usize, at: usize) -> Result<(), Malformed> {
        if len > self.room() { Err(self.too_large(at)) } else { Ok(()) }
    }

    #[cold]
    fn too_large(&self, at: usize) -> Malformed {
        Malformed::new(at, Rule::TooLarge { what: "the decompressed data", limit: self.limit as u64 })
    }
}
