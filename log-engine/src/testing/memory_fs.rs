//! A tree of files in memory: a directory can be damaged in a thousand ways without a disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::golden;
use crate::error::{Error, Result};
use crate::fs::{Entry, File, Fs, Kind, LockHolder, MemoryFile, Stat};

/// Files and folders by their paths. Copies share the bytes of the files.
#[derive(Clone, Debug, Default)]
pub struct MemoryFs {
    nodes: BTreeMap<PathBuf, Node>,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub enum Node {
    /// A file that can be read.
    File(MemoryFile),
    /// A file that cannot be opened.
    Unreadable,
    /// A folder.
    Directory,
    /// A link, wherever it points.
    Link,
    /// A FIFO, socket or device.
    Special,
}

impl MemoryFs {
    /// The files below `folder`, in a tree whose root is `/`.
    ///
    /// # Panics
    /// If a file cannot be read.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let mut loaded = Self::default();
        for file in golden::files(folder) {
            let bytes = fs::read(folder.join(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            loaded.put(Path::new("/").join(file), Node::File(MemoryFile::new(bytes)));
        }
        loaded
    }

    /// Lays the tree out below the folder `root`, links to nowhere and FIFOs included.
    ///
    /// # Panics
    /// If the disk refuses.
    pub fn write_to(&self, root: &Path) {
        for (path, node) in &self.nodes {
            let there = root.join(path.strip_prefix("/").unwrap_or(path));
            let written = match node {
                Node::Directory => fs::create_dir_all(&there),
                Node::File(file) => fs::write(&there, file.bytes()),
                Node::Unreadable => fs::write(&there, b"x")
                    .and_then(|()| fs::set_permissions(&there, fs::Permissions::from_mode(0o000))),
                Node::Link => std::os::unix::fs::symlink("nowhere", &there),
                Node::Special => mknodat(CWD, &there, FileType::Fifo, Mode::RWXU, 0).map_err(io::Error::from),
            };
            written.unwrap_or_else(|error| panic!("{}: {error}", there.display()));
        }
    }

    /// Puts `node` in the place of whatever is at `path`; folders above it come into being.
    pub fn put(&mut self, path: impl Into<PathBuf>, node: Node) {
        let path = path.into();
        for folder in path.ancestors().skip(1) {
            self.nodes.entry(folder.to_owned()).or_insert(Node::Directory);
        }
        self.nodes.insert(path, node);
    }

    /// Puts a file of these bytes at `path`.
    pub fn put_file(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Arc<[u8]>>) {
        self.put(path, Node::File(MemoryFile::new(bytes)));
    }

    /// Takes away what is at `path`.
    pub fn remove(&mut self, path: &Path) {
        self.nodes.remove(path);
    }

    /// How many files, folders and other things there are, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if there is nothing, not even a root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All files that can be read, in order, with their bytes.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File(file) => Some((path.as_path(), file.bytes())),
            _ => None,
        })
    }

    /// The bytes of a file; `None` if there is none that can be read.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<&[u8]> {
        match self.nodes.get(path)? {
            Node::File(file) => Some(file.bytes()),
            _ => None,
        }
    }
}

impl Node {
    fn stat(&self) -> Stat {
        let (kind, len) = match self {
            Self::File(file) => (Kind::File, file.bytes().len() as u64),
            Self::Unreadable => (Kind::File, 1),
            Self::Directory => (Kind::Directory, 0),
            Self::Link => (Kind::Link, 0),
            Self::Special => (Kind::Special, 0),
        };
        Stat { kind, len, modified: None }
    }
}

impl Fs for MemoryFs {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        match self.nodes.get(path) {
            Some(Node::File(file)) => Ok(Arc::new(file.clone())),
            Some(Node::Unreadable) => Err(Error::io("open", path, io::ErrorKind::PermissionDenied.into())),
            Some(_) => Err(Error::NotReadable { path: path.to_owned(), what: "not a regular file" }),
            None => Err(Error::io("open", path, io::ErrorKind::NotFound.into())),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        match self.nodes.get(dir) {
            Some(Node::Directory) => {}
            Some(_) => return Err(Error::io("list", dir, io::ErrorKind::NotADirectory.into())),
            None => return Err(Error::io("list", dir, io::ErrorKind::NotFound.into())),
        }
        let below = self.nodes.range(dir.to_owned()..).take_while(|(path, _)| path.starts_with(dir));
        let children = below.filter(|(path, _)| path.parent() == Some(dir));
        Ok(children
            .filter_map(|(path, node)| Some(Entry { name: path.file_name()?.to_owned(), stat: node.stat() }))
            .collect())
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(self.nodes.get(path).map(Node::stat))
    }

    fn lock_holder(&self, _path: &Path) -> Result<Option<LockHolder>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFs;

    #[test]
    fn a_folder_in_memory_answers_as_the_folder_on_the_disk() {
        let folder = golden::sample();
        let memory = MemoryFs::load(&folder);
        assert_eq!(memory.files().count(), golden::files(&folder).len());
        for below in ["", "txn-0"] {
            let (there, here) = (folder.join(below), Path::new("/").join(below));
            let mut on_disk = OsFs.list(&there).unwrap();
            on_disk.sort_by(|a, b| a.name.cmp(&b.name));
            let in_memory = memory.list(&here).unwrap();
            let seen = |entries: &[Entry]| {
                entries.iter().map(|entry| (entry.name.clone(), entry.stat.kind)).collect::<Vec<_>>()
            };
            assert_eq!(seen(&in_memory), seen(&on_disk));
        }
        let path = "txn-0/leader-epoch-checkpoint";
        let (there, here) = (folder.join(path), Path::new("/").join(path));
        assert_eq!(memory.bytes(&here), Some(&fs::read(&there).unwrap()[..]));
        let len = |stat: Result<Option<Stat>>| stat.unwrap().unwrap().len;
        assert_eq!(len(memory.stat(&here)), len(OsFs.stat(&there)));
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let mut memory = MemoryFs::default();
        memory.put("/a/file", Node::Unreadable);
        memory.put("/a/link", Node::Link);
        memory.put("/a/fifo", Node::Special);
        assert!(matches!(memory.open(Path::new("/a/file")), Err(Error::Io { .. })));
        for name in ["/a/link", "/a/fifo", "/a"] {
            assert!(matches!(memory.open(Path::new(name)), Err(Error::NotReadable { .. })), "{name}");
        }
        assert_eq!(memory.list(Path::new("/a")).unwrap().len(), 3);
        assert!(memory.list(Path::new("/a/file")).is_err() && memory.list(Path::new("/b")).is_err());
        memory.remove(Path::new("/a/link"));
        assert!(memory.stat(Path::new("/a/link")).unwrap().is_none());
    }
}
