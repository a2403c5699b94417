//! The real disk: the only file that names `std::fs` and the system's calls on files.
#![allow(clippy::disallowed_methods, reason = "this is the one door to the disk")]

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{Advice, SeekFrom};

use super::{Entry, File, Fs, Kind, LockHolder, MAX_DIRECTORY_ENTRIES, Stat};
use crate::error::{Error, Result};

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;

impl Fs for OsFs {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
        let file = match opened {
            Ok(file) => file,
            Err(e) => {
                // A link answers ELOOP and a socket ENXIO; say what stands there instead.
                return Err(match self.stat(path) {
                    Ok(Some(stat)) if stat.kind != Kind::File => not_regular(path, stat.kind),
                    _ => Error::io("open", path, e),
                });
            }
        };
        let metadata = file.metadata().map_err(|e| Error::io("stat", path, e))?;
        match kind(&metadata.file_type()) {
            Kind::File => Ok(Arc::new(OsFile::new(file))),
            other => Err(not_regular(path, other)),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
            let entry = entry.map_err(|e| Error::io("list", dir, e))?;
            if entries.len() == MAX_DIRECTORY_ENTRIES {
                return Err(Error::NotReadable { path: dir.to_owned(), what: "a folder with too many entries" });
            }
            match entry.metadata() {
                Ok(metadata) => entries.push(Entry { name: entry.file_name(), stat: stat(&metadata) }),
                // Gone between listing and asking: a live broker deletes files.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("stat", &entry.path(), e)),
            }
        }
        Ok(entries)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(stat(&metadata))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(Error::io("stat", path, e)),
        }
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<LockHolder>> {
        use nix::libc;
        match self.stat(path)? {
            Some(stat) if stat.kind == Kind::File => {}
            _ => return Ok(None),
        }
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open", path, e)),
        };
        let mut asked = whole_file_lock();
        nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_GETLK(&mut asked))
            .map_err(|e| Error::io("ask for the lock on", path, e.into()))?;
        let held = i32::from(asked.l_type) != libc::F_UNLCK;
        Ok(held.then_some(LockHolder { pid: (asked.l_pid > 0).then_some(asked.l_pid) }))
    }
}

/// The exclusive lock from the first byte to the end, as Java's `FileLock` takes it.
fn whole_file_lock() -> nix::libc::flock {
    use nix::libc;
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Files below this size are left to the page cache.
const SMALL: u64 = 4 << 20;
/// Bytes read between two hints to the page cache.
const STEP: u64 = 8 << 20;
/// Places of a file that are probed to learn whether it is in the page cache.
const PROBES: u64 = 16;

/// An open file, and what it does to the page cache: what was there before stays, what this reading brought goes again.
#[derive(Debug)]
struct OsFile {
    file: fs::File,
    /// Whether pages are dropped once they are read; decided before the first byte is.
    drops: OnceLock<bool>,
    /// Up to where they have been dropped.
    dropped: AtomicU64,
}

impl OsFile {
    fn new(file: fs::File) -> Self {
        Self { file, drops: OnceLock::new(), dropped: AtomicU64::new(0) }
    }

    /// A file of which most is cached is somebody's working set (a broker's, or of who looks twice): it stays. Asking brings
    /// nothing in, as a read that must not wait does not start one.
    fn is_cold(&self) -> bool {
        let Ok(len) = self.size() else { return false };
        if len < SMALL {
            return false;
        }
        let cold = (0..PROBES).filter(|probe| {
            let mut byte = [0];
            let place = len / PROBES * probe;
            let flags = rustix::io::ReadWriteFlags::NOWAIT;
            let read = rustix::io::preadv2(&self.file, &mut [io::IoSliceMut::new(&mut byte)], place, flags);
            matches!(read, Err(rustix::io::Errno::AGAIN))
        });
        cold.count() as u64 > PROBES / 2
    }
}

impl File for OsFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        self.drops.get_or_init(|| self.is_cold());
        loop {
            match self.file.read_at(into, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.file, SeekFrom::Data(position)) {
            Ok(data) => Ok(Some(data)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            // A file system that knows no holes has data everywhere.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP) => {
                Ok((position < self.size()?).then_some(position))
            }
            Err(e) => Err(e.into()),
        }
    }

    fn done_until(&self, position: u64) {
        let from = self.dropped.load(Ordering::Relaxed);
        let far_enough = position.checked_sub(from).filter(|bytes| *bytes >= STEP).and_then(NonZeroU64::new);
        if let Some(bytes) = far_enough
            && self.drops.get() == Some(&true)
        {
            self.dropped.store(position, Ordering::Relaxed);
            let _ = rustix::fs::fadvise(&self.file, from, Some(bytes), Advice::DontNeed);
        }
    }
}

impl Drop for OsFile {
    fn drop(&mut self) {
        if self.drops.get() == Some(&true) {
            let _ = rustix::fs::fadvise(&self.file, self.dropped.load(Ordering::Relaxed), None, Advice::DontNeed);
        }
    }
}

fn kind(file_type: &fs::FileType) -> Kind {
    if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_symlink() {
        Kind::Link
    } else {
        Kind::Special
    }
}

fn stat(metadata: &fs::Metadata) -> Stat {
    Stat { kind: kind(&metadata.file_type()), len: metadata.len(), modified: metadata.modified().ok() }
}

fn not_regular(path: &Path, kind: Kind) -> Error {
    let what = match kind {
        Kind::File => "a file that cannot be opened",
        Kind::Directory => "a folder, not a file",
        Kind::Link => "a symbolic link; links are not followed",
        Kind::Special => "a FIFO, socket or device, not a regular file",
    };
    Error::NotReadable { path: path.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"abc").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();

        assert_eq!(OsFs.open(&file).unwrap().size().unwrap(), 3);
        for name in ["link", "fifo", "socket", ""] {
            let error = OsFs.open(&dir.path().join(name)).unwrap_err();
            assert!(matches!(error, Error::NotReadable { .. }), "{name}: {error}");
        }
        assert!(matches!(OsFs.open(&dir.path().join("none")), Err(Error::Io { .. })));

        let mut kinds: Vec<_> = OsFs.list(dir.path()).unwrap().into_iter().map(|e| (e.name, e.stat.kind)).collect();
        kinds.sort();
        let expected = [("fifo", Kind::Special), ("file", Kind::File), ("link", Kind::Link), ("socket", Kind::Special)];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.into(), kind)));
    }

    #[test]
    fn a_hole_of_a_sparse_file_is_skipped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 43).unwrap();
        let opened = OsFs.open(file.path()).unwrap();
        match opened.next_data(0).unwrap() {
            None => {}
            Some(position) => assert_eq!(position, 0, "a file system without holes"),
        }
        file.as_file().write_at(b"x", 1 << 40).unwrap();
        let found = opened.next_data(0).unwrap().unwrap();
        assert!(found == 0 || (found <= 1 << 40 && found > (1 << 40) - (1 << 20)), "{found}");
    }

    #[test]
    fn a_file_in_the_page_cache_stays_there_and_one_that_is_not_goes_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let len = 2 * STEP;
        io::Write::write_all(&mut file.as_file(), &vec![7; usize::try_from(len).unwrap()]).unwrap();
        file.as_file().sync_all().unwrap();
        let mut into = vec![0; 1 << 20];
        let read_all = |into: &mut [u8]| {
            let opened = OsFile::new(fs::File::open(file.path()).unwrap());
            for at in (0..len).step_by(into.len()) {
                opened.read_at(into, at).unwrap();
                opened.done_until(at + into.len() as u64);
            }
        };
        let is_cold = || OsFile::new(fs::File::open(file.path()).unwrap()).is_cold();
        assert!(!is_cold(), "it was just written");
        read_all(&mut into);
        assert!(!is_cold(), "it was there before");
        rustix::fs::fadvise(file.as_file(), 0, None, Advice::DontNeed).unwrap();
        if is_cold() {
            read_all(&mut into);
            assert!(is_cold(), "this reading brought it in");
        } else {
            println!("this file system keeps its pages: half of the test is left out");
        }
    }

    #[test]
    fn a_lock_on_the_whole_file_is_seen_and_none_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(OsFs.lock_holder(file.path()).unwrap(), None);
        assert_eq!(OsFs.lock_holder(Path::new("no such file")).unwrap(), None);
        // An OFD lock of this process conflicts with a POSIX request of the same process.
        nix::fcntl::fcntl(file.as_file(), nix::fcntl::FcntlArg::F_OFD_SETLK(&whole_file_lock())).unwrap();
        assert_eq!(OsFs.lock_holder(file.path()).unwrap(), Some(LockHolder { pid: None }));
    }
}
