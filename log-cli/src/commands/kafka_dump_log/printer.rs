//! The text of a dump on its way to the streams: one thread makes it, another writes what is made.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::thrown::Ended;

/// Bytes of text that are collected before they are handed over.
const CHUNK: usize = 256 << 10;
/// Chunks that wait to be written while the next one is made.
const WAITING: usize = 2;

/// A piece of output, in the order in which it was made.
#[derive(Debug)]
pub(super) enum Piece {
    /// For standard output.
    Out(Vec<u8>),
    /// A line for standard error.
    Err(String),
}

/// The making side: text is added to [`Printer::text`].
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) text: Vec<u8>,
    pieces: SyncSender<Piece>,
    used: Receiver<Vec<u8>>,
}

/// The writing side.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) pieces: Receiver<Piece>,
    /// Takes chunks back that were written, to be filled again.
    pub(super) used: Sender<Vec<u8>>,
}

impl Printer {
    pub(super) fn new() -> (Self, Pieces) {
        let (sender, pieces) = sync_channel(WAITING);
        let (back, used) = channel();
        (Self { text: Vec::new(), pieces: sender, used }, Pieces { pieces, used: back })
    }

    /// Adds a line to standard output.
    pub(super) fn line(&mut self, line: &str) {
        self.text.extend_from_slice(line.as_bytes());
        self.text.push(b'\n');
    }

    /// Adds a line to standard error.
    pub(super) fn error_line(&mut self, line: String) -> Result<(), Ended> {
        self.flush()?;
        self.pieces.send(Piece::Err(line)).map_err(|_| Ended::Closed)
    }

    /// Hands the text over if there is enough of it.
    #[inline]
    pub(super) fn hand_over(&mut self) -> Result<(), Ended> {
        if self.text.len() < CHUNK { Ok(()) } else { self.flush() }
    }

    /// Hands the text over.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
        if self.text.is_empty() {
            return Ok(());
        }
        let mut next = self.used.try_recv().unwrap_or_default();
        next.clear();
        let full = std::mem::replace(&mut self.text, next);
        self.pieces.send(Piece::Out(full)).map_err(|_| Ended::Closed)
    }
}
