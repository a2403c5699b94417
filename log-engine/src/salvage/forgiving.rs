//! A source file on a disk that cannot read all of it: what cannot be read is taken for zeros, and remembered.
//!
//! Zeros are no batch and no end of the file, so that the walk finds damage there and goes on behind it as behind any other.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::fs::{File, Fs, Source};

/// What is read at a time where more at once cannot be: what disks lose and page caches hold together.
const PAGE: u64 = 4096;
/// As many ranges are remembered; more are read as zeros all the same.
const MAX_RANGES: usize = 1 << 16;

/// The ranges of a file that could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<Mutex<Vec<Range<u64>>>>);

impl Unread {
    fn ranges(&self) -> MutexGuard<'_, Vec<Range<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a byte of `bytes` could not be read.
    pub(super) fn touches(&self, bytes: &Range<u64>) -> bool {
        self.ranges().iter().any(|unread| unread.start < bytes.end && bytes.start < unread.end)
    }

    fn add(&self, bytes: Range<u64>) {
        let mut ranges = self.ranges();
        if let Some(known) = ranges.iter_mut().find(|it| it.start <= bytes.end && bytes.start <= it.end) {
            *known = known.start.min(bytes.start)..known.end.max(bytes.end);
        } else if ranges.len() < MAX_RANGES {
            ranges.push(bytes);
        }
    }
}

/// Opens `path`.
///
/// # Errors
/// As [`Source::open`].
pub(super) fn open(fs: &dyn Fs, path: &Path) -> Result<(Source, Unread)> {
    let unread = Unread::default();
    let file = Forgiving { file: fs.open(path)?, unread: unread.clone() };
    Ok((Source::new(path, Arc::new(file))?, unread))
}

#[derive(Debug)]
struct Forgiving {
    file: Arc<dyn File>,
    unread: Unread,
}

impl Forgiving {
    /// Reads what lies in one page.
    fn page(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        // A second look now and then helps where the first failed.
        if let Ok(read) = self.file.read_at(into, position).or_else(|_| self.file.read_at(into, position)) {
            return Ok(read);
        }
        let there = self.file.size()?.saturating_sub(position);
        let len = usize::try_from(there).unwrap_or(usize::MAX).min(into.len());
        into.get_mut(..len).unwrap_or_default().fill(0);
        self.unread.add(position..position.saturating_add(len as u64));
        Ok(len)
    }
}

impl File for Forgiving {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let failed = match self.file.read_at(into, position) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => error,
            read => return read,
        };
        // A file that is gone or forbidden fails everywhere, which is not a matter of pages.
        if self.file.size().is_err() {
            return Err(failed);
        }
        let page = PAGE.saturating_sub(position % PAGE);
        let len = usize::try_from(page).unwrap_or(into.len()).min(into.len());
        self.page(into.get_mut(..len).unwrap_or_default(), position)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.file.next_data(position)
    }

    fn done_until(&self, position: u64) {
        self.file.done_until(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of which some bytes cannot be read.
    #[derive(Debug)]
    struct Failing {
        len: u64,
        bad: Range<u64>,
    }

    impl File for Failing {
        fn size(&self) -> io::Result<u64> {
            Ok(self.len)
        }

        fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
            let n = usize::try_from(self.len.saturating_sub(position)).unwrap().min(into.len());
            let end = position + n as u64;
            if position < self.bad.end && self.bad.start < end {
                return Err(io::Error::from_raw_os_error(5));
            }
            into[..n].fill(7);
            Ok(n)
        }
    }

    #[test]
    fn a_page_that_cannot_be_read_is_zeros_and_the_rest_is_there() {
        let unread = Unread::default();
        let failing = Failing { len: 20_000, bad: 5000..5001 };
        let file = Forgiving { file: Arc::new(failing), unread: unread.clone() };
        let source = Source::new("x.log", Arc::new(file)).unwrap();
        let mut bytes = vec![1; 20_000];
        assert_eq!(source.read_at(&mut bytes, 0).unwrap(), 20_000);
        let zeros: Vec<usize> = (0..20_000).filter(|n| bytes[*n] == 0).collect();
        assert_eq!((zeros.first(), zeros.last(), zeros.len()), (Some(&4096), Some(&8191), 4096));
        assert!(bytes.iter().all(|byte| *byte == 0 || *byte == 7));
        assert!(unread.touches(&(8191..9000)) && !unread.touches(&(8192..9000)) && !unread.touches(&(0..4096)));
    }
}
