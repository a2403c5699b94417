//! A disk over another one: what is written stays in memory, and can be told as a list of changes.
//!
//! The engine can so be let loose on a folder (recovery, truncation) to see what it would do. Below, nothing is changed and
//! nothing is locked. Memory: what was written and is not there already; a file that is only cut or renamed costs none.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use self::file::{Handle, Layered};
use super::change::Change;
use crate::error::{Error, Result};
use crate::fs::{Entry, File, Fs, Kind, Lock, LockHolder, OpenMode, Source, Stat, WriteFile, WriteFs, write_all_at};

/// A copy-on-write view of a disk. Copies share what was written.
#[derive(Clone, Debug)]
pub struct Overlay {
    below: Arc<dyn Fs>,
    layer: Arc<Mutex<Layer>>,
}

/// What differs from the disk below.
#[derive(Debug, Default)]
struct Layer {
    names: BTreeMap<PathBuf, Node>,
    /// Whom a lock was given.
    locked: BTreeSet<PathBuf>,
    /// The time that files get which are written.
    now: Option<SystemTime>,
}

/// What has a name that was made, opened to write, renamed or removed.
#[derive(Clone, Debug)]
enum Node {
    /// Nothing, although something may be below.
    Gone,
    Folder,
    File(Arc<Layered>),
}

impl Overlay {
    /// Nothing is changed yet over `below`; files that are written get the time `now`.
    #[must_use]
    pub fn new(below: Arc<dyn Fs>, now: Option<SystemTime>) -> Self {
        Self { below, layer: Arc::new(Mutex::new(Layer { now, ..Layer::default() })) }
    }

    /// Makes `bytes` the whole content of `path`. Here nothing has to survive a crash.
    ///
    /// # Errors
    /// As [`WriteFs::open_write`].
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = self.open_write(path, OpenMode::Any)?;
        file.set_len(0).map_err(|e| Error::io("truncate", path, e))?;
        write_all_at(&*file, path, bytes, 0)
    }

    fn layer(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, path: &Path) -> Option<Node> {
        self.layer().names.get(path).cloned()
    }

    /// The file at `path`, which from now on can differ from the one below.
    fn layered(&self, path: &Path) -> Result<Arc<Layered>> {
        match self.node(path) {
            Some(Node::File(file)) => return Ok(file),
            Some(Node::Folder) => {
                return Err(Error::NotReadable { path: path.to_owned(), what: "a folder, not a file" });
            }
            Some(Node::Gone) => return Err(Error::io("open", path, io::ErrorKind::NotFound.into())),
            None => {}
        }
        let source = Source::open(self.below.as_ref(), path)?;
        let modified = self.below.stat(path)?.and_then(|stat| stat.modified);
        let file = Arc::new(Layered::over(source, modified));
        Ok(self.put(path, file))
    }

    /// Gives a file a name, unless somebody was faster.
    fn put(&self, path: &Path, file: Arc<Layered>) -> Arc<Layered> {
        let mut layer = self.layer();
        match layer.names.get(path) {
            Some(Node::File(there)) => Arc::clone(there),
            _ => {
                layer.names.insert(path.to_owned(), Node::File(Arc::clone(&file)));
                file
            }
        }
    }

    fn handle(&self, file: Arc<Layered>) -> Handle {
        Handle { file, now: self.layer().now }
    }

    /// What has to be done below `root` so that the disk is as it is seen here, in this order: names that others take are freed, files
    /// are renamed, the last name first, others are removed, written, and cut: so no index points behind the end of its log meanwhile. Paths are relative to `root`; what was changed elsewhere
    /// is not told, nor are folders that were made.
    ///
    /// # Errors
    /// [`Error::Io`] where the bytes below cannot be read.
    pub fn changes(&self, root: &Path) -> Result<Vec<Change>> {
        let names = self.layer().names.clone();
        let moved: BTreeSet<PathBuf> = names.iter().filter_map(|(path, node)| moved_from(path, node)).collect();
        let (mut freed, mut renamed, mut removed, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut taken = BTreeSet::new();
        for (path, node) in names.iter().rev() {
            let (Node::File(file), Ok(relative)) = (node, path.strip_prefix(root)) else { continue };
            let there = self.below.stat(path)?;
            let from = moved_from(path, node).filter(|_| there.is_none() || !moved.contains(path));
            match from.as_ref().and_then(|from| from.strip_prefix(root).ok()) {
                Some(from) => {
                    if there.is_some() {
                        freed.push(Change::Remove { path: relative.to_owned() });
                    }
                    taken.insert(from.to_owned());
                    renamed.push(Change::Rename { from: from.to_owned(), to: relative.to_owned() });
                    others.extend(file.difference(relative)?);
                }
                None if file.came_from() == Some(path.as_path()) => others.extend(file.difference(relative)?),
                None => {
                    let stays = there.filter(|_| !moved.contains(path));
                    let there = stays.map(|_| Source::open(self.below.as_ref(), path)).transpose()?;
                    others.extend(file.whole_instead_of(there.as_ref(), relative)?);
                }
            }
        }
        for (path, node) in &names {
            let (Node::Gone, Ok(relative)) = (node, path.strip_prefix(root)) else { continue };
            if !taken.contains(relative) && self.below.stat(path)?.is_some_and(|stat| stat.kind == Kind::File) {
                removed.push(Change::Remove { path: relative.to_owned() });
            }
        }
        let (cut, written): (Vec<_>, Vec<_>) =
            others.into_iter().rev().partition(|change| matches!(change, Change::Cut { .. }));
        Ok([freed, renamed, removed, written, cut].concat())
    }
}

/// Where the file at `path` was below, if it had another name there.
fn moved_from(path: &Path, node: &Node) -> Option<PathBuf> {
    let Node::File(file) = node else { return None };
    file.came_from().filter(|from| *from != path).map(Path::to_owned)
}

impl Fs for Overlay {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        match self.node(path) {
            None => self.below.open(path),
            Some(_) => Ok(Arc::new(self.handle(self.layered(path)?))),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        let mut entries: BTreeMap<_, _> = match (self.node(dir), self.below.list(dir)) {
            (Some(Node::Folder), Err(_)) => BTreeMap::new(),
            (Some(Node::Gone), _) => return Err(Error::io("list", dir, io::ErrorKind::NotFound.into())),
            (_, listed) => listed?.into_iter().map(|entry| (entry.name, entry.stat)).collect(),
        };
        for (path, node) in &self.layer().names {
            let Some(name) = path.file_name().filter(|_| path.parent() == Some(dir)).map(OsStr::to_owned) else {
                continue;
            };
            match stat_of(node) {
                Some(stat) => entries.insert(name, stat),
                None => entries.remove(&name),
            };
        }
        Ok(entries.into_iter().map(|(name, stat)| Entry { name, stat }).collect())
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match self.node(path) {
            None => self.below.stat(path),
            Some(node) => Ok(stat_of(&node)),
        }
    }

    /// Nobody: who works on an overlay has seen to it that nobody else works below, or holds that lock.
    fn lock_holder(&self, _: &Path) -> Result<Option<LockHolder>> {
        Ok(None)
    }
}

fn stat_of(node: &Node) -> Option<Stat> {
    match node {
        Node::Gone => None,
        Node::Folder => Some(Stat { kind: Kind::Directory, len: 0, modified: None }),
        Node::File(file) => Some(Stat { kind: Kind::File, len: file.len(), modified: file.modified() }),
    }
}

impl WriteFs for Overlay {
    fn open_write(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn WriteFile>> {
        let there = self.stat(path)?;
        let file = match (there, mode) {
            (Some(_), OpenMode::New) => {
                return Err(Error::io("open", path, io::ErrorKind::AlreadyExists.into()));
            }
            (None, OpenMode::Existing) => return Err(Error::io("open", path, io::ErrorKind::NotFound.into())),
            (Some(_), _) => self.layered(path)?,
            (None, _) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                if self.stat(parent)?.is_none() {
                    return Err(Error::io("open", path, io::ErrorKind::NotFound.into()));
                }
                let made = Arc::new(Layered::empty());
                self.layer().names.insert(path.to_owned(), Node::File(Arc::clone(&made)));
                made
            }
        };
        Ok(Arc::new(self.handle(file)))
    }

    /// Files only: a folder is not looked through.
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let file = match self.stat(from)? {
            None => return Err(Error::io("rename", from, io::ErrorKind::NotFound.into())),
            Some(stat) if stat.kind != Kind::File => {
                return Err(Error::io("rename", from, io::ErrorKind::Unsupported.into()));
            }
            Some(_) => self.layered(from)?,
        };
        let mut layer = self.layer();
        layer.names.insert(from.to_owned(), Node::Gone);
        layer.names.insert(to.to_owned(), Node::File(file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        match self.stat(path)? {
            None => Err(Error::io("remove", path, io::ErrorKind::NotFound.into())),
            Some(_) => {
                self.layer().names.insert(path.to_owned(), Node::Gone);
                Ok(())
            }
        }
    }

    fn create_dir(&self, dir: &Path) -> Result<()> {
        if self.stat(dir)?.is_some() {
            return Err(Error::io("create", dir, io::ErrorKind::AlreadyExists.into()));
        }
        self.layer().names.insert(dir.to_owned(), Node::Folder);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(Error::io("remove", dir, io::ErrorKind::DirectoryNotEmpty.into()));
        }
        self.layer().names.insert(dir.to_owned(), Node::Gone);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    /// Keeps those apart who ask here; nobody else sees it.
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>> {
        if !self.layer().locked.insert(path.to_owned()) {
            return Err(Error::Locked { path: path.to_owned(), holder: i32::try_from(std::process::id()).ok() });
        }
        Ok(Box::new(OverlayLock { overlay: self.clone(), path: path.to_owned() }))
    }

    fn free_space(&self, _: &Path) -> Result<u64> {
        Ok(u64::MAX)
    }
}

#[derive(Debug)]
struct OverlayLock {
    overlay: Overlay,
    path: PathBuf,
}

impl Lock for OverlayLock {}

impl Drop for OverlayLock {
    fn drop(&mut self) {
        self.overlay.layer().locked.remove(&self.path);
    }
}

#[cfg(test)]
mod tests;
