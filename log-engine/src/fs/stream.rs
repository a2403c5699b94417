//! A stream (standard input, a pipe) read as a file, forward only.

use std::fmt;
use std::io::{self, Read};
use std::sync::Mutex;

use super::File;

/// Bytes that come once and in order. Reading at any position but the next one is an error.
pub struct StreamFile(Mutex<State>);

struct State {
    from: Box<dyn Read + Send>,
    position: u64,
    ended: bool,
}

impl StreamFile {
    /// A file whose bytes come from `from`.
    #[must_use]
    pub fn new(from: Box<dyn Read + Send>) -> Self {
        Self(Mutex::new(State { from, position: 0, ended: false }))
    }

    fn state(&self) -> io::Result<std::sync::MutexGuard<'_, State>> {
        self.0.lock().map_err(|_| io::Error::other("a reader of this stream panicked"))
    }
}

impl fmt::Debug for StreamFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFile").finish_non_exhaustive()
    }
}

impl File for StreamFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.state()?;
        Ok(if state.ended { state.position } else { u64::MAX })
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        if position != state.position {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a stream cannot be read again or out of order"));
        }
        loop {
            match state.from.read(into) {
                Ok(n) => {
                    state.position = state.position.saturating_add(n as u64);
                    state.ended = n == 0 && !into.is_empty();
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_once_in_order_and_knows_its_length_at_the_end() {
        let file = StreamFile::new(Box::new(&b"abcdef"[..]));
        let mut four = [0; 4];
        assert_eq!(file.size().unwrap(), u64::MAX);
        assert_eq!(file.read_at(&mut four, 0).unwrap(), 4);
        assert!(file.read_at(&mut four, 0).is_err());
        assert_eq!(file.read_at(&mut four, 4).unwrap(), 2);
        assert_eq!(file.read_at(&mut four, 6).unwrap(), 0);
        assert_eq!(file.size().unwrap(), 6);
    }
}
