//! Rows on their way to standard output or a file: collected, written in large pieces, one JSON document where that is asked.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// Bytes that are collected before they are written.
const PIECE: usize = 256 << 10;

/// Where rows go.
pub(crate) trait Destination: Write + std::fmt::Debug {
    /// All is written: makes it last.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Destination for io::StdoutLock<'static> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

/// Rows, each of which ends in a line feed.
#[derive(Debug)]
pub(crate) struct Rows {
    to: Box<dyn Destination>,
    buffer: Vec<u8>,
    /// True for a JSON array around the rows.
    is_document: bool,
    /// Rows so far.
    count: u64,
}

impl Rows {
    /// To standard output; in an array if it `is_document`.
    pub(crate) fn new(is_document: bool) -> Self {
        let mut rows = Self::to(Box::new(io::stdout().lock()));
        rows.is_document = is_document;
        rows.buffer.extend_from_slice(if is_document { b"[" } else { b"" });
        rows
    }

    /// One row after the other to `destination`.
    pub(crate) fn to(destination: Box<dyn Destination>) -> Self {
        let buffer = Vec::with_capacity(PIECE + (PIECE >> 2));
        Self { to: destination, buffer, is_document: false, count: 0 }
    }

    /// Lets `head` write what is no row, before the first one.
    pub(crate) fn bare(&mut self, head: impl FnOnce(&mut Vec<u8>)) {
        head(&mut self.buffer);
    }

    /// Lets `row` write one row to the end of what it is given.
    #[inline]
    pub(crate) fn row(&mut self, row: impl FnOnce(&mut Vec<u8>)) -> Result<(), CliError> {
        if self.is_document {
            self.buffer.extend_from_slice(if self.count == 0 { b"\n" } else { b",\n" });
        }
        row(&mut self.buffer);
        if self.is_document && self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        }
        self.count = self.count.saturating_add(1);
        if self.buffer.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    /// Adds one row as JSON.
    pub(crate) fn json(&mut self, row: &impl Serialize) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(row).map_err(io::Error::other)?;
        line.push(b'\n');
        self.row(|out| out.extend_from_slice(&line))
    }

    /// Writes what was collected.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        let written = self.to.write_all(&self.buffer).and_then(|()| self.to.flush());
        self.buffer.clear();
        // One huge row need not be paid for ever after.
        self.buffer.shrink_to(PIECE << 2);
        Ok(written?)
    }

    /// How many rows there are so far.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Writes the rest.
    pub(crate) fn finish(mut self) -> Result<(), CliError> {
        if self.is_document {
            self.buffer.extend_from_slice(b"\n]\n");
        }
        self.flush()?;
        Ok(self.to.finish()?)
    }
}
