//! A range of a file to a socket inside the kernel, or by a copy where no file of the system stands behind it.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::sendfile;
use rustix::io::{Errno, retry_on_intr, write};

use super::FileSlice;
use crate::error::{Error, Result};

/// Bytes that one step sends at most, so that the guard is asked now and then.
const MAX_STEP: u64 = 16 << 20;
/// Bytes that are copied at once where the kernel does not send the file itself.
const COPY_STEP: u64 = 64 << 10;

impl FileSlice {
    /// Sends all of it to a socket or pipe and waits as long as that takes, for a peer that reads nothing for ever: who needs an end
    /// to it takes [`Self::send_some`].
    ///
    /// # Errors
    /// As [`Self::copy_to`]; also what the socket says. A part of the bytes is sent then: the connection cannot be used any more.
    pub fn send_to(&self, to: impl AsFd) -> Result<()> {
        let mut sent = 0;
        while sent < self.len() {
            match self.send_step(&to, sent) {
                Ok(n) => sent = sent.saturating_add(n),
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => self.wait_for(&to)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what a socket takes now of the bytes from `from` on (counted from the slice's start); how many those were, which is 0
    /// only at the end. For sockets that do not block.
    ///
    /// The kernel may send a page of the file itself and not a copy: bytes that still wait in a socket while the file is cut in the
    /// middle of that page arrive as zeros. A cut between two batches of one page does that; their checksum tells the receiver.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket takes nothing now. An [`Error`] of [`Self::copy_to`] stands inside an
    /// [`io::ErrorKind::Other`], or is [`io::ErrorKind::UnexpectedEof`] for a file that ends before the slice does; the connection
    /// cannot be used any more.
    pub fn send_some(&self, to: impl AsFd, from: u64) -> io::Result<u64> {
        self.send_step(&to, from).map_err(|error| match error {
            Error::Io { source, .. } => source,
            Error::Corrupt(short) => io::Error::new(io::ErrorKind::UnexpectedEof, short),
            other => io::Error::other(other),
        })
    }

    fn send_step(&self, to: &impl AsFd, from: u64) -> Result<u64> {
        let rest = self.part(from, MAX_STEP);
        if rest.is_empty() {
            return Ok(0);
        }
        rest.watched(|| match rest.send_by_kernel(to)? {
            Some(sent) => Ok(sent),
            None => rest.send_by_copy(to),
        })
    }

    /// `None` where the kernel does not do it with this file or this receiver.
    fn send_by_kernel(&self, to: &impl AsFd) -> Result<Option<u64>> {
        let Some(file) = self.file.as_fd() else { return Ok(None) };
        let count = usize::try_from(self.len()).unwrap_or(usize::MAX);
        match retry_on_intr(|| sendfile(to, file, Some(&mut self.position()), count)) {
            Ok(0) => Err(self.short(0)),
            Ok(sent) => Ok(Some(sent as u64)),
            Err(Errno::INVAL | Errno::NOSYS) => Ok(None),
            Err(e) => Err(self.io("send", e.into())),
        }
    }

    fn send_by_copy(&self, to: &impl AsFd) -> Result<u64> {
        let mut buffer = vec![0; usize::try_from(self.len().min(COPY_STEP)).unwrap_or_default()];
        self.fill(&mut buffer)?;
        match retry_on_intr(|| write(to, &buffer)) {
            Ok(0) => Err(self.io("send", io::ErrorKind::WriteZero.into())),
            Ok(sent) => Ok(sent as u64),
            Err(e) => Err(self.io("send", e.into())),
        }
    }

    /// Waits until `to` takes bytes again.
    fn wait_for(&self, to: &impl AsFd) -> Result<()> {
        let mut wanted = [PollFd::new(to, PollFlags::OUT)];
        retry_on_intr(|| poll(&mut wanted, None)).map_err(|e| self.io("wait to send", e.into()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::fs::{File, MemoryFile, OpenMode, OsFs, SliceGuard, WriteFile, WriteFs, write_all_at};

    const LEN: u64 = 1_000_000;

    fn bytes() -> Vec<u8> {
        (0..LEN).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
    }

    /// A file on the disk, which the kernel sends.
    fn on_disk(dir: &Path) -> Arc<dyn WriteFile> {
        let path = dir.join("file");
        let file = OsFs.open_write(&path, OpenMode::New).unwrap();
        write_all_at(&*file, &path, &bytes(), 0).unwrap();
        file
    }

    fn slice(file: Arc<dyn File>, position: u64, len: u64) -> FileSlice {
        FileSlice::new(file, Path::new("file"), position, len, None)
    }

    /// What arrives of a slice, by steps of a socket that does not block, and how many steps that took.
    fn by_steps(slice: &FileSlice) -> (Vec<u8>, usize) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let (mut sent, mut steps, mut arrived) = (0, 0, Vec::new());
        while sent < slice.len() {
            match slice.send_some(&ours, sent) {
                Ok(n) => {
                    assert!(n > 0);
                    (sent, steps) = (sent + n, steps + 1);
                }
                Err(e) => {
                    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
                    assert!(theirs.read_to_end(&mut arrived).is_err());
                }
            }
        }
        assert_eq!(slice.send_some(&ours, sent).unwrap(), 0);
        drop(ours);
        theirs.read_to_end(&mut arrived).unwrap();
        (arrived, steps)
    }

    // conformance: FRC-023 UFR-001
    #[test]
    fn the_kernel_and_the_copy_send_the_same_bytes_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let kernel: Arc<dyn File> = on_disk(dir.path());
        let copy: Arc<dyn File> = Arc::new(MemoryFile::new(bytes()));
        assert!(kernel.as_fd().is_some() && copy.as_fd().is_none());
        for (position, len) in [(0, LEN), (1, LEN - 2), (4095, 70_000), (LEN - 1, 1), (17, 0)] {
            let range = usize::try_from(position).unwrap()..usize::try_from(position + len).unwrap();
            for file in [&kernel, &copy] {
                let slice = slice(Arc::clone(file), position, len);
                let (arrived, steps) = by_steps(&slice);
                assert!(arrived == bytes()[range.clone()], "{position} {len}");
                assert!(len < LEN || steps > 1, "{steps}");
            }
        }
    }

    #[test]
    fn all_is_sent_to_who_reads_slowly_also_where_the_socket_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        for file in [on_disk(dir.path()) as Arc<dyn File>, Arc::new(MemoryFile::new(bytes()))] {
            for nonblocking in [false, true] {
                let (ours, mut theirs) = UnixStream::pair().unwrap();
                ours.set_nonblocking(nonblocking).unwrap();
                let slice = slice(Arc::clone(&file), 5, LEN - 5);
                let sender = thread::spawn(move || slice.send_to(&ours));
                let mut arrived = Vec::new();
                theirs.read_to_end(&mut arrived).unwrap();
                sender.join().unwrap().unwrap();
                assert!(arrived == bytes()[5..]);
            }
        }
    }

    #[test]
    fn what_takes_no_sendfile_gets_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        let appended = std::fs::File::options().append(true).create(true).open(dir.path().join("to")).unwrap();
        slice(on_disk(dir.path()), 3, 100_000).send_to(&appended).unwrap();
        assert!(std::fs::read(dir.path().join("to")).unwrap() == bytes()[3..100_003]);
    }

    #[test]
    fn a_cut_under_a_slice_comes_up_short_and_nothing_is_padded() {
        let dir = tempfile::tempdir().unwrap();
        let file = on_disk(dir.path());
        file.set_len(1000).unwrap();
        let copy: Arc<dyn File> = Arc::new(MemoryFile::new(&bytes()[..1000]));
        for file in [file as Arc<dyn File>, copy] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            assert!(matches!(slice(Arc::clone(&file), 900, 200).send_to(&ours), Err(Error::Corrupt(_))));
            let error = slice(file, 1000, 1).send_some(&ours, 0).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            drop(ours);
            let mut arrived = Vec::new();
            theirs.read_to_end(&mut arrived).unwrap();
            assert!(bytes()[900..1000].starts_with(&arrived));
        }
    }

    /// Overtaken from the n-th question on.
    #[derive(Debug)]
    struct Until(AtomicU64);

    impl SliceGuard for Until {
        fn check(&self) -> Result<()> {
            match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::Overtaken { at: 1, start: 2, end: 3 }),
            }
        }
    }

    #[test]
    fn who_was_overtaken_is_told_and_before_the_first_byte_sends_none() {
        let dir = tempfile::tempdir().unwrap();
        let file: Arc<dyn File> = on_disk(dir.path());
        for (questions, arrives) in [(0, 0), (1, 100)] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let guard = Arc::new(Until(AtomicU64::new(questions)));
            let guarded = FileSlice::new(Arc::clone(&file), Path::new("file"), 0, 100, Some(guard));
            let error = guarded.send_some(&ours, 0).unwrap_err();
            let inner = error.into_inner().unwrap();
            assert!(matches!(inner.downcast_ref(), Some(Error::Overtaken { at: 1, start: 2, end: 3 })));
            assert!(matches!(guarded.send_to(&ours), Err(Error::Overtaken { .. })));
            drop(ours);
            let mut arrived = Vec::new();
            theirs.read_to_end(&mut arrived).unwrap();
            assert_eq!(arrived.len(), arrives);
        }
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let dir = tempfile::tempdir().unwrap();
        for file in [on_disk(dir.path()) as Arc<dyn File>, Arc::new(MemoryFile::new(bytes()))] {
            assert!(matches!(slice(file, 0, LEN).send_to(&ours), Err(Error::Io { .. })));
        }
    }
}
