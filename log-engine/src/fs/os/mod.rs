//! The real disk: the only folder that names `std::fs` and the system's calls on files.
#![allow(clippy::disallowed_methods, reason = "this is the one door to the disk")]

mod lock;
mod read;
mod write;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use self::lock::HeldLock;
use self::read::OsFile;
use self::write::OsWriteFile;
use super::{Entry, File, Fs, Kind, Lock, LockHolder, MAX_DIRECTORY_ENTRIES, OpenMode, Stat, WriteFile, WriteFs};
use crate::error::{Error, Result};

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFs;

impl Fs for OsFs {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        open_regular(path, fs::OpenOptions::new().read(true)).map(|file| Arc::new(OsFile::new(file)) as Arc<dyn File>)
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
        match self.stat(path)? {
            Some(stat) if stat.kind == Kind::File => {}
            _ => return Ok(None),
        }
        match fs::File::open(path) {
            Ok(file) => lock::holder(&file, path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("open", path, e)),
        }
    }
}

impl WriteFs for OsFs {
    fn open_write(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn WriteFile>> {
        let file = open_to_write(path, mode)?;
        Ok(Arc::new(OsWriteFile::new(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        fs::create_dir(dir).map_err(|e| Error::io("create", dir, e))
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        fs::remove_dir(dir).map_err(|e| Error::io("remove", dir, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let flags = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags).open(dir);
        let folder = opened.map_err(|e| Error::io("open", dir, e))?;
        // One try: a failed sync says that nothing is known, and a second one would only hide it.
        rustix::fs::fsync(&folder).map_err(|e| Error::io("sync", dir, e.into()))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        Ok(Box::new(HeldLock::take(path)?))
    }

    fn take_after(&self, path: &Path, like: &Path) -> Result<()> {
        let there = |path: &Path| fs::symlink_metadata(path).map_err(|e| Error::io("stat", path, e));
        let (wanted, now) = (there(like)?, there(path)?);
        if wanted.is_file() && wanted.mode() & 0o7777 != now.mode() & 0o7777 {
            let rights = fs::Permissions::from_mode(wanted.mode() & 0o7777);
            fs::set_permissions(path, rights).map_err(|e| Error::io("set the rights of", path, e))?;
        }
        if (wanted.uid(), wanted.gid()) != (now.uid(), now.gid()) {
            let owner = rustix::fs::Uid::from_raw(wanted.uid());
            let group = rustix::fs::Gid::from_raw(wanted.gid());
            let nofollow = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(rustix::fs::CWD, path, Some(owner), Some(group), nofollow)
                .map_err(|e| Error::io("set the owner of", path, e.into()))?;
        }
        Ok(())
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        let found = rustix::fs::statvfs(dir).map_err(|e| Error::io("ask for the free space of", dir, e.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// Opens a regular file to read and write.
fn open_to_write(path: &Path, mode: OpenMode) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    match mode {
        OpenMode::Existing => {}
        OpenMode::New => _ = options.create_new(true),
        OpenMode::Any => _ = options.create(true),
    }
    open_regular(path, &mut options)
}

/// Opens a regular file and nothing else, following no link and waiting for no FIFO.
fn open_regular(path: &Path, options: &mut fs::OpenOptions) -> Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(e) => {
            // A link answers ELOOP and a socket ENXIO; say what stands there instead.
            return Err(match OsFs.stat(path) {
                Ok(Some(stat)) if stat.kind != Kind::File => not_regular(path, stat.kind),
                _ => Error::io("open", path, e),
            });
        }
    };
    let metadata = file.metadata().map_err(|e| Error::io("stat", path, e))?;
    match kind(&metadata.file_type()) {
        Kind::File => Ok(file),
        other => Err(not_regular(path, other)),
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
    fn a_file_is_opened_to_write_as_the_mode_says_and_never_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let kind_of = |result: Result<Arc<dyn WriteFile>>| match result.map(|_| ()) {
            Err(Error::Io { source, .. }) => Err(source.kind()),
            Err(other) => panic!("{other}"),
            Ok(()) => Ok(()),
        };
        assert_eq!(kind_of(OsFs.open_write(&file, OpenMode::Existing)), Err(io::ErrorKind::NotFound));
        assert_eq!(kind_of(OsFs.open_write(&file, OpenMode::New)), Ok(()));
        assert_eq!(kind_of(OsFs.open_write(&file, OpenMode::New)), Err(io::ErrorKind::AlreadyExists));
        fs::write(&file, b"kept").unwrap();
        assert_eq!(kind_of(OsFs.open_write(&file, OpenMode::Any)), Ok(()));
        assert_eq!(kind_of(OsFs.open_write(&file, OpenMode::Existing)), Ok(()));
        assert_eq!(fs::read(&file).unwrap(), b"kept");

        let (link, dangling, fifo) = (dir.path().join("link"), dir.path().join("dangling"), dir.path().join("fifo"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &dangling).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        for path in [&link, &dangling, &fifo, &dir.path().to_owned()] {
            for mode in [OpenMode::Existing, OpenMode::Any, OpenMode::New] {
                let error = OsFs.open_write(path, mode).unwrap_err();
                assert!(matches!(error, Error::NotReadable { .. }), "{}: {error}", path.display());
            }
        }
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn the_free_space_of_a_folder_is_told_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(OsFs.free_space(dir.path()).unwrap() > 0);
        assert!(matches!(OsFs.free_space(&dir.path().join("none")), Err(Error::Io { .. })));
        OsFs.sync_dir(dir.path()).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(OsFs.sync_dir(&file), Err(Error::Io { .. })));
    }
}
