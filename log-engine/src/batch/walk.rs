//! The batches in a slice, until the end or until a stated reason to stop.

use super::{Batch, Framing, Stop, framing};
use crate::error::Malformed;

/// Walks the batches of a slice as Kafka walks those of a file. Ends with [`Walk::stop`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// A walk from the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next batch would begin: after the end of the walk, the first byte that is no batch.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Why no batch follows; `None` while one does.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        match self.framing() {
            Framing::Stop(stop) => Some(stop),
            Framing::Batch { .. } => None,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn framing(&self) -> Framing {
        framing(self.rest(), self.rest().len() as u64)
    }
}

impl<'a> Iterator for Walk<'a> {
    /// The place of each batch in the slice, and the batch, or why its frame cannot be one.
    type Item = (usize, Result<Batch<'a>, Malformed>);

    fn next(&mut self) -> Option<Self::Item> {
        let Framing::Batch { len, .. } = self.framing() else {
            return None;
        };
        let (at, rest) = (self.at, self.rest());
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        self.at = at.saturating_add(len);
        Some((at, Batch::whole(rest.get(..len).unwrap_or(rest)).map_err(|e| e.shifted(at))))
    }
}
