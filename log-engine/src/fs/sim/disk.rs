//! The state of a simulated disk: files, folders, and the names that were not synced yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use super::content::{Content, Unsynced};
use super::operation::{Operation, Verb};
use crate::random::Random;

/// The folder `/`.
pub(super) const ROOT: u64 = 0;

/// Files grow no further than this: a position that a fault made up takes no memory.
pub(super) const MAX_FILE: u64 = 1 << 30;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Folder(u64),
}

/// The names of a folder.
pub(super) type Names = BTreeMap<OsString, Node>;

/// A folder: the names that are seen, and those that a crash leaves for certain.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) seen: Names,
    pub(super) durable: Names,
}

/// A name in a folder, whether anything has it or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    folder: u64,
    name: OsString,
}

/// A name that was taken away, given, or both at once.
#[derive(Clone, Debug)]
pub(super) struct NameChange {
    clears: Option<Place>,
    sets: Option<(Place, Node)>,
}

impl NameChange {
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.clears.iter().chain(self.sets.iter().map(|(place, _)| place))
    }

    /// Whether it concerns a folder.
    pub(super) fn touches(&self, folder: u64) -> bool {
        self.places().any(|place| place.folder == folder)
    }

    /// The folder that decides about it in a crash: of a move between two, where it goes.
    pub(super) fn folder(&self) -> u64 {
        self.places().last().map_or(ROOT, |place| place.folder)
    }

    pub(super) fn apply(&self, to: &mut BTreeMap<u64, Names>) {
        if let Some(place) = &self.clears {
            to.entry(place.folder).or_default().remove(&place.name);
        }
        if let Some((place, node)) = &self.sets {
            to.entry(place.folder).or_default().insert(place.name.clone(), *node);
        }
    }
}

/// Everything that a machine with this disk knows of it.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) files: BTreeMap<u64, Content>,
    pub(super) folders: BTreeMap<u64, Folder>,
    /// Changes of names that were not synced, in order.
    pub(super) unsynced: Vec<NameChange>,
    /// The number of the next file or folder.
    pub(super) next: u64,
}

impl Disk {
    pub(super) fn new() -> Self {
        let folders = BTreeMap::from([(ROOT, Folder::default())]);
        Self { files: BTreeMap::new(), folders, unsynced: Vec::new(), next: ROOT + 1 }
    }

    /// What has the name `path`.
    pub(super) fn node(&self, path: &Path) -> io::Result<Node> {
        let mut node = Node::Folder(ROOT);
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    let Node::Folder(folder) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
                    node = *self.names(folder)?.get(name).ok_or(io::ErrorKind::NotFound)?;
                }
                Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(node)
    }

    /// The names in the folder `path`.
    pub(super) fn list(&self, path: &Path) -> io::Result<&Names> {
        self.names(self.folder(path)?)
    }

    pub(super) fn file(&self, id: u64) -> io::Result<&Content> {
        self.files.get(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        self.files.values().filter(|file| file.named).map(|file| file.seen().len() as u64).sum()
    }

    /// Does what an operation does. For a file that was made, its number.
    pub(super) fn apply(&mut self, operation: &Operation) -> io::Result<Option<u64>> {
        let path = operation.path();
        match &operation.verb {
            Verb::Create => return self.create(path).map(Some),
            Verb::Write { file, position, bytes } => {
                let position = usize::try_from(*position).map_err(|_| io::ErrorKind::FileTooLarge)?;
                self.file_mut(*file)?.change(Unsynced::Write { position, bytes: Arc::clone(bytes) });
            }
            Verb::SetLen { file, len } => {
                let len = usize::try_from(*len).map_err(|_| io::ErrorKind::FileTooLarge)?;
                self.file_mut(*file)?.change(Unsynced::SetLen(len));
            }
            Verb::Sync { file } => self.file_mut(*file)?.sync(),
            Verb::FailedSync { file, seed } => self.file_mut(*file)?.fail_sync(&mut Random::new(*seed)),
            Verb::ForgetCached { file } => self.file_mut(*file)?.forget_cached(),
            Verb::SetModified { file, time } => self.file_mut(*file)?.modified = *time,
            Verb::Flip { file, byte, bit } => self.file_mut(*file)?.flip(*byte, *bit),
            Verb::Rename { to } => self.rename(path, to)?,
            Verb::Remove => self.remove(path)?,
            Verb::CreateDir => self.create_dir(path)?,
            Verb::RemoveDir => self.remove_dir(path)?,
            Verb::SyncDir => self.sync_dir(path)?,
            Verb::FailedSyncDir { seed } => {
                let folder = self.folder(path)?;
                self.fail_sync_dir(folder, &mut Random::new(*seed));
            }
        }
        Ok(None)
    }

    /// Makes everything durable.
    pub(super) fn settle(&mut self) {
        self.unsynced.clear();
        self.files.values_mut().for_each(Content::sync);
        self.folders.values_mut().for_each(|folder| folder.durable = folder.seen.clone());
    }

    pub(super) fn set_durable_names(&mut self, names: BTreeMap<u64, Names>) {
        for (id, names) in names {
            self.folders.entry(id).or_default().durable = names;
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<u64> {
        let place = self.free_place(path)?;
        let id = self.take_number();
        self.files.insert(id, Content::new());
        self.change(NameChange { clears: None, sets: Some((place, Node::File(id))) });
        Ok(id)
    }

    fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let place = self.free_place(path)?;
        let id = self.take_number();
        self.folders.insert(id, Folder::default());
        self.change(NameChange { clears: None, sets: Some((place, Node::Folder(id))) });
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let Node::File(file) = self.node(path)? else { return Err(io::ErrorKind::IsADirectory.into()) };
        self.file_mut(file)?.named = false;
        let place = self.place(path)?;
        self.change(NameChange { clears: Some(place), sets: None });
        Ok(())
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.list(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let place = self.place(path)?;
        self.change(NameChange { clears: Some(place), sets: None });
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.node(from)?;
        match (node, self.node(to)) {
            (node, Ok(there)) if node == there => return Ok(()),
            (Node::File(_), Ok(Node::Folder(_))) => return Err(io::ErrorKind::IsADirectory.into()),
            (Node::Folder(_), Ok(Node::File(_))) => return Err(io::ErrorKind::NotADirectory.into()),
            (Node::Folder(_), Ok(Node::Folder(there))) if !self.names(there)?.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Node::Folder(_), _) if to.starts_with(from) => return Err(io::ErrorKind::InvalidInput.into()),
            (Node::File(_), Ok(Node::File(there))) => self.file_mut(there)?.named = false,
            (_, Err(e)) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let (from, to) = (self.place(from)?, self.place(to)?);
        self.change(NameChange { clears: Some(from), sets: Some((to, node)) });
        Ok(())
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folder(path)?;
        let (own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|change| change.touches(folder));
        self.unsynced = others;
        for change in own {
            self.change_names(&change, |folder| &mut folder.durable);
        }
        Ok(())
    }

    fn change(&mut self, change: NameChange) {
        self.change_names(&change, |folder| &mut folder.seen);
        self.unsynced.push(change);
    }

    fn change_names(&mut self, change: &NameChange, of: impl Fn(&mut Folder) -> &mut Names) {
        if let Some(place) = &change.clears {
            of(self.folders.entry(place.folder).or_default()).remove(&place.name);
        }
        if let Some((place, node)) = &change.sets {
            of(self.folders.entry(place.folder).or_default()).insert(place.name.clone(), *node);
        }
    }

    /// The name `path` in its folder, which has to be there.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let folder = self.folder(path.parent().unwrap_or_else(|| Path::new("")))?;
        Ok(Place { folder, name })
    }

    fn free_place(&self, path: &Path) -> io::Result<Place> {
        match self.node(path) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => self.place(path),
        }
    }

    fn folder(&self, path: &Path) -> io::Result<u64> {
        match self.node(path)? {
            Node::Folder(id) => Ok(id),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn names(&self, folder: u64) -> io::Result<&Names> {
        Ok(&self.folders.get(&folder).ok_or(io::ErrorKind::NotFound)?.seen)
    }

    fn file_mut(&mut self, id: u64) -> io::Result<&mut Content> {
        self.files.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    const fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}
