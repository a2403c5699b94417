//! A tar archive that says nothing of when and by whom it was made.

use std::fmt;
use std::io::{self, Write};

use crate::writer::Destination;

/// How hard zstd tries: small files are worth it.
const LEVEL: i32 = 9;

/// An archive that is written.
pub(super) struct Archive {
    tar: tar::Builder<Sink>,
}

/// Where its bytes go.
enum Sink {
    Plain(Box<dyn Destination>),
    Compressed(Box<zstd::Encoder<'static, Box<dyn Destination>>>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Compressed(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Compressed(to) => to.flush(),
        }
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

impl Archive {
    pub(super) fn plain(to: Box<dyn Destination>) -> Self {
        Self { tar: tar::Builder::new(Sink::Plain(to)) }
    }

    pub(super) fn compressed(to: Box<dyn Destination>) -> io::Result<Self> {
        let encoder = zstd::Encoder::new(to, LEVEL)?;
        Ok(Self { tar: tar::Builder::new(Sink::Compressed(Box::new(encoder))) })
    }

    /// Adds a file: of nobody, for all to read, from 1970.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.tar.append_data(&mut header, name, bytes)
    }

    /// Makes it last.
    pub(super) fn finish(self) -> io::Result<()> {
        let to = match self.tar.into_inner()? {
            Sink::Plain(mut to) => {
                to.flush()?;
                to
            }
            Sink::Compressed(encoder) => encoder.finish()?,
        };
        to.finish()
    }
}
