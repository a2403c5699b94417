//! The simulated disk behind the traits that the real one has.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::SimFs;
use super::disk::{Disk, Node};
use super::operation::Verb;
use crate::error::{Error, Result};
use crate::fs::{Entry, File, Fs, Kind, Lock, LockHolder, OpenMode, Stat, WriteFile, WriteFs};

/// An open file of a simulated disk. It reads on when its name is gone.
#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    file: u64,
    /// The name it had when it was opened.
    path: Arc<Path>,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.fs.machine().close();
    }
}

impl SimFs {
    /// Opens what has the name `path`, which is a file.
    fn open_file(&self, path: &Path) -> Result<SimFile> {
        let mut machine = self.machine();
        match machine.runs().and_then(|()| machine.disk.node(path)) {
            Ok(Node::File(file)) => {
                machine.open().map_err(|e| Error::io("open", path, e))?;
                Ok(SimFile { fs: self.clone(), file, path: path.into() })
            }
            Ok(Node::Folder(_)) => Err(Error::NotReadable { path: path.to_owned(), what: "a folder, not a file" }),
            Err(e) => Err(Error::io("open", path, e)),
        }
    }

    fn perform(&self, op: &'static str, path: &Path, verb: Verb) -> Result<()> {
        self.machine().perform(&path.into(), verb).map(drop).map_err(|e| Error::io(op, path, e))
    }

    /// Opens a file to write, making it if the mode says so.
    fn open_to_write(&self, path: &Path, mode: OpenMode) -> Result<SimFile> {
        let makes = match self.stat(path)? {
            None => mode != OpenMode::Existing,
            Some(stat) => mode == OpenMode::New && stat.kind == Kind::File,
        };
        if makes {
            // As the system: without a descriptor nothing is made.
            let mut machine = self.machine();
            let made = machine.open().and_then(|()| machine.perform(&path.into(), Verb::Create));
            machine.close();
            made.map_err(|e| Error::io("open", path, e))?;
        }
        self.open_file(path)
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        Ok(Arc::new(self.open_file(path)?))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        let machine = self.machine();
        let names = machine.runs().and_then(|()| machine.disk.list(dir)).map_err(|e| Error::io("list", dir, e))?;
        // Backwards, so that nobody gets used to an order.
        let entries = names.iter().rev();
        Ok(entries.map(|(name, node)| Entry { name: name.clone(), stat: stat(&machine.disk, *node) }).collect())
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let machine = self.machine();
        match machine.runs().and_then(|()| machine.disk.node(path)) {
            Ok(node) => Ok(Some(stat(&machine.disk, node))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(Error::io("stat", path, e)),
        }
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<LockHolder>> {
        let machine = self.machine();
        Ok(match machine.disk.node(path) {
            Ok(Node::File(file)) => machine.locked.contains(&file).then_some(LockHolder { pid: None }),
            _ => None,
        })
    }
}

impl WriteFs for SimFs {
    fn open_write(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn WriteFile>> {
        Ok(Arc::new(self.open_to_write(path, mode)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.perform("rename", from, Verb::Rename { to: to.to_owned() })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.perform("remove", path, Verb::Remove)
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.perform("create", dir, Verb::CreateDir)
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        self.perform("remove", dir, Verb::RemoveDir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.machine().sync_dir(&dir.into()).map_err(|e| Error::io("sync", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        let opened = self.open_to_write(path, OpenMode::Any)?;
        if !self.machine().locked.insert(opened.file) {
            return Err(Error::Locked { path: path.to_owned(), holder: i32::try_from(std::process::id()).ok() });
        }
        Ok(Box::new(SimLock(opened)))
    }

    fn free_space(&self, dir: &Path) -> Result<u64> {
        let machine = self.machine();
        let found = machine.runs().and_then(|()| machine.disk.list(dir)).map(|_| machine.free());
        found.map_err(|e| Error::io("ask for the free space of", dir, e))
    }
}

fn stat(disk: &Disk, node: Node) -> Stat {
    match node {
        Node::Folder(_) => Stat { kind: Kind::Directory, len: 0, modified: None },
        Node::File(id) => {
            let file = disk.file(id).ok();
            let len = file.map_or(0, |file| file.seen().len() as u64);
            Stat { kind: Kind::File, len, modified: file.map(|file| file.modified) }
        }
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        let machine = self.fs.machine();
        machine.runs()?;
        Ok(machine.disk.file(self.file)?.seen().len() as u64)
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let bytes = self.fs.machine().read(self.file)?;
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let rest = bytes.get(from..).unwrap_or_default();
        let n = rest.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }
}

impl WriteFile for SimFile {
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let bytes = parts.iter().map(|part| &**part).collect::<Vec<_>>().concat();
        self.fs.machine().write(self.file, &self.path, &bytes, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fs.machine().set_len(self.file, &self.path, len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len <= self.size()? { Ok(()) } else { self.set_len(len) }
    }

    fn sync(&self) -> io::Result<()> {
        self.fs.machine().sync(self.file, &self.path)
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.fs.machine().perform(&self.path, Verb::ForgetCached { file: self.file }).map(drop)
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.fs.machine().perform(&self.path, Verb::SetModified { file: self.file, time }).map(drop)
    }
}

/// A held lock of a simulated machine.
#[derive(Debug)]
struct SimLock(SimFile);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.fs.machine().locked.remove(&self.0.file);
    }
}
