//! The lock that a broker conflicts with.
//!
//! Java's `FileLock` is a POSIX record lock on the whole file. An OFD lock conflicts with it in both orders, and it does not fall
//! away when the process closes another descriptor of the file, as a POSIX lock does. `flock(2)` would be invisible to Java.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::open_to_write;
use crate::error::{Error, Result};
use crate::fs::{Lock, LockHolder, OpenMode};

/// How often a lock is begun again because its file was removed meanwhile. A broker removes it once, when it stops.
const MAX_TRIES: usize = 16;

/// Which file, whatever its names: device and inode.
type Inode = (u64, u64);

/// What this process holds. The kernel keeps two holders of one process apart as well, but cannot say who the holder is.
static HELD: Mutex<BTreeSet<Inode>> = Mutex::new(BTreeSet::new());

fn held() -> MutexGuard<'static, BTreeSet<Inode>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock on a file. Closing the file lets go of it, and so does the kernel when the process dies.
#[derive(Debug)]
pub(super) struct HeldLock {
    file: Option<fs::File>,
    inode: Inode,
}

impl HeldLock {
    /// Takes the lock on `path`, making the file if need be.
    pub(super) fn take(path: &Path) -> Result<Self> {
        for _ in 0..MAX_TRIES {
            let taken = Self::take_once(path)?;
            if taken.is_still_at(path)? {
                return Ok(taken);
            }
        }
        Err(Error::Locked { path: path.to_owned(), holder: None })
    }

    fn take_once(path: &Path) -> Result<Self> {
        let file = open_to_write(path, OpenMode::Any)?;
        let inode = inode(&file.metadata().map_err(|e| Error::io("stat", path, e))?);
        let mut held = held();
        if held.contains(&inode) {
            let holder = i32::try_from(std::process::id()).ok();
            return Err(Error::Locked { path: path.to_owned(), holder });
        }
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => {
                held.insert(inode);
                Ok(Self { file: Some(file), inode })
            }
            Err(Errno::EAGAIN | Errno::EACCES) => {
                let holder = holder(&file, path)?.and_then(|holder| holder.pid);
                Err(Error::Locked { path: path.to_owned(), holder })
            }
            Err(e) => Err(Error::io("lock", path, e.into())),
        }
    }

    /// Whether the name still leads to the locked file: a broker removes the file when it stops, and a lock on a file without a
    /// name protects nothing.
    fn is_still_at(&self, path: &Path) -> Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(inode(&found) == self.inode),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io("stat", path, e)),
        }
    }
}

impl Lock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut held = held();
        drop(self.file.take());
        held.remove(&self.inode);
    }
}

/// Who holds a record lock on the whole of a file, through a descriptor that may be read-only. Takes none.
pub(super) fn holder(file: &fs::File, path: &Path) -> Result<Option<LockHolder>> {
    let mut asked = whole_file();
    fcntl(file, FcntlArg::F_GETLK(&mut asked)).map_err(|e| Error::io("ask for the lock on", path, e.into()))?;
    let held = i32::from(asked.l_type) != libc::F_UNLCK;
    Ok(held.then_some(LockHolder { pid: (asked.l_pid > 0).then_some(asked.l_pid) }))
}

/// The exclusive lock from the first byte to the end, as Java's `FileLock` takes it.
fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn inode(metadata: &fs::Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::fs::{Fs, OsFs, WriteFs};

    #[test]
    fn a_lock_on_the_whole_file_is_seen_and_none_is_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(OsFs.lock_holder(file.path()).unwrap(), None);
        assert_eq!(OsFs.lock_holder(Path::new("no such file")).unwrap(), None);
        // An OFD lock of this process conflicts with a POSIX request of the same process.
        fcntl(file.as_file(), FcntlArg::F_OFD_SETLK(&whole_file())).unwrap();
        assert_eq!(OsFs.lock_holder(file.path()).unwrap(), Some(LockHolder { pid: None }));
    }

    #[test]
    fn a_lock_excludes_everybody_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let lock = OsFs.lock(&path).unwrap();
        match OsFs.lock(&path) {
            Err(Error::Locked { holder, .. }) => assert_eq!(holder, i32::try_from(std::process::id()).ok()),
            other => panic!("{other:?}"),
        }
        // What another process would meet: the same lock through a descriptor of its own.
        let other = fs::File::options().write(true).open(&path).unwrap();
        assert!(matches!(fcntl(&other, FcntlArg::F_OFD_SETLK(&whole_file())), Err(Errno::EAGAIN)));
        assert!(matches!(fcntl(&other, FcntlArg::F_SETLK(&whole_file())), Err(Errno::EAGAIN)));
        drop(lock);
        fcntl(&other, FcntlArg::F_OFD_SETLK(&whole_file())).unwrap();
        assert!(matches!(OsFs.lock(&path), Err(Error::Locked { holder: None, .. })));
        drop(other);
        OsFs.lock(&path).unwrap();
    }

    #[test]
    fn a_lock_on_a_removed_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let first = HeldLock::take_once(&path).unwrap();
        assert!(first.is_still_at(&path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!first.is_still_at(&path).unwrap());
        let second = HeldLock::take(&path).unwrap();
        assert!(second.is_still_at(&path).unwrap() && !first.is_still_at(&path).unwrap());
    }

    /// Names the file that [`holds_a_lock_until_it_is_killed`] locks.
    const LOCK_FILE: &str = "LOG_ENGINE_TEST_LOCK";

    #[test]
    #[ignore = "the other process of a_killed_process_lets_go"]
    fn holds_a_lock_until_it_is_killed() {
        let path = std::env::var_os(LOCK_FILE).unwrap();
        let _lock = OsFs.lock(Path::new(&path)).unwrap();
        // A process of its own that inherits what it can: the lock must not live on in it.
        let mut child = Command::new("sleep").arg("5").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        println!("held");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_killed_process_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "fs::os::lock::tests::holds_a_lock_until_it_is_killed", "--ignored", "--nocapture"])
            .env(LOCK_FILE, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(holder.stdout.take().unwrap()).lines();
        assert!(said.map(|line| line.unwrap()).any(|line| line.ends_with("held")));
        assert!(matches!(OsFs.lock(&path), Err(Error::Locked { holder: None, .. })));
        assert_eq!(OsFs.lock_holder(&path).unwrap(), Some(LockHolder { pid: None }));
        holder.kill().unwrap();
        holder.wait().unwrap();
        OsFs.lock(&path).unwrap();
    }
}
