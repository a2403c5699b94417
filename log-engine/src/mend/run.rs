//! A run: changes that are prepared beside the log directory, and then carried out so that each file has its old content or the new
//! one at any moment.
//!
//! `journal` tells what was done, `originals` holds what was there before, `new` what is to come. What a crash leaves of a run that
//! was not carried out hurts nobody; one that was begun can be undone, or the same work be planned again from what lies there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::change::Change;
use super::journal::{Content, Line, Original};
use crate::encoding::{crc32c, crc32c_append};
use crate::error::{Error, Result};
use crate::fs::{Kind, OpenMode, Source, WriteFile, WriteFs, temporary, write_all_at, write_whole};

/// The file that tells what was done.
pub(super) const JOURNAL: &str = "journal";
/// The folder of what was there before.
pub(super) const ORIGINALS: &str = "originals";
const NEW: &str = "new";
/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;
/// Room that is left on the disk beside what is written: for folders and the journal.
const MARGIN: u64 = 1 << 20;

/// Changes on their way into a folder.
#[derive(Debug)]
pub struct Run {
    fs: Arc<dyn WriteFs>,
    root: PathBuf,
    dir: PathBuf,
    prepared: Vec<Line>,
    /// Files whose content is to change.
    touched: BTreeSet<PathBuf>,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Changes that were carried out.
    pub changes: usize,
}

impl Run {
    /// Begins the run called `id` on the folder `root`; what it needs is kept in a new folder of that name in `backup`, which is made
    /// if it is not there. Who begins a run holds the lock of the folder.
    ///
    /// # Errors
    /// [`Error::Io`]: [`io::ErrorKind::AlreadyExists`] if there is such a run.
    pub fn begin(fs: Arc<dyn WriteFs>, root: &Path, backup: &Path, id: &str) -> Result<Self> {
        make_folder(fs.as_ref(), backup)?;
        let dir = backup.join(id);
        fs.create_dir(&dir)?;
        for name in [ORIGINALS, NEW] {
            fs.create_dir(&dir.join(name))?;
        }
        fs.sync_dir(&dir)?;
        fs.sync_dir(backup)?;
        Ok(Self { fs, root: root.to_owned(), dir, prepared: Vec::new(), touched: BTreeSet::new() })
    }

    /// Where it is kept.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// How many changes are prepared.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.prepared.len()
    }

    /// True if nothing is to be done.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.prepared.is_empty()
    }

    /// Prepares a change: keeps what it replaces and what it brings, durably, beside the folder. In the folder nothing happens. A
    /// change that changes nothing is left out.
    ///
    /// # Errors
    /// [`Error::Io`], [`io::ErrorKind::StorageFull`] before the disk is filled; [`Error::NotReadable`] where something else than a file
    /// stands, and for a second change of one file's content.
    pub fn prepare(&mut self, change: &Change) -> Result<()> {
        let named = self.root.join(change.path());
        // Where the file lies before the changes that were prepared so far, if it does.
        let before = self.before(change.path()).map(|name| self.root.join(name));
        let there = before.as_ref().map(|path| self.fs.stat(path)).transpose()?.flatten();
        let path = before.unwrap_or_else(|| named.clone());
        if matches!(change, Change::Write { .. } | Change::Cut { .. }) && !self.touched.insert(change.path().to_owned())
        {
            return Err(Error::NotReadable { path, what: "a file that is changed twice in one run" });
        }
        let number = self.prepared.len() as u64;
        let line = match change {
            Change::Write { path: name, bytes } => {
                let new = Content { len: bytes.len() as u64, crc: crc32c(bytes) };
                let original = match there {
                    None => None,
                    Some(stat) => {
                        let source = Source::open(self.fs.as_ref(), &path)?;
                        let content = content(&source, 0)?;
                        if content == new {
                            return Ok(());
                        }
                        self.keep(number, &source, 0, stat.modified)?;
                        Some(Original { content, modified: stat.modified })
                    }
                };
                self.bring(number, bytes, if there.is_some() { &path } else { named.parent().unwrap_or(&self.root) })?;
                Line::Write { path: name.clone(), number, new, original }
            }
            Change::Cut { path: name, len } => {
                let source = Source::open(self.fs.as_ref(), &path)?;
                if source.len() <= *len {
                    return Ok(());
                }
                let modified = there.and_then(|stat| stat.modified);
                self.keep(number, &source, *len, modified)?;
                let original = Original { content: content(&source, *len)?, modified };
                Line::Cut { path: name.clone(), number, len: *len, original }
            }
            Change::Remove { path: name } => match there {
                None => return Ok(()),
                Some(stat) if stat.kind == Kind::File => Line::Remove { path: name.clone(), number, len: stat.len },
                Some(_) => return Err(Error::NotReadable { path, what: "no regular file; it is not removed" }),
            },
            Change::Rename { from, to } => Line::Rename { from: from.clone(), to: to.clone() },
        };
        self.prepared.push(line);
        Ok(())
    }

    /// What the file that will be called `name` is called before anything is carried out; `None` if there will be none.
    fn before(&self, name: &Path) -> Option<PathBuf> {
        let mut name = name.to_owned();
        for line in self.prepared.iter().rev() {
            match line {
                Line::Rename { from, to } => match (name.strip_prefix(to), name.starts_with(from)) {
                    (Ok(rest), _) if rest.as_os_str().is_empty() => name.clone_from(from),
                    (Ok(rest), _) => name = from.join(rest),
                    (Err(_), true) => return None,
                    (Err(_), false) => {}
                },
                Line::Remove { path, .. } if *path == name => return None,
                _ => {}
            }
        }
        Some(name)
    }

    /// Keeps what a file holds from byte `from` on.
    fn keep(&self, number: u64, source: &Source, from: u64, modified: Option<SystemTime>) -> Result<()> {
        self.has_room(source.len().saturating_sub(from))?;
        let to = kept_at(&self.dir, number);
        copy(self.fs.as_ref(), source, from, &to)?;
        self.fs.take_after(&to, source.path())?;
        set_modified(self.fs.as_ref(), &to, modified)
    }

    /// Keeps what is to come, as a file that can take the place of `like`.
    fn bring(&self, number: u64, bytes: &[u8], like: &Path) -> Result<()> {
        self.has_room(bytes.len() as u64)?;
        let to = new_at(&self.dir, number);
        write_whole(self.fs.as_ref(), &to, bytes)?;
        self.fs.take_after(&to, like)
    }

    fn has_room(&self, bytes: u64) -> Result<()> {
        let free = self.fs.free_space(&self.dir)?;
        if free < bytes.saturating_add(MARGIN) {
            let source = io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{bytes} bytes are needed there, {free} are free; nothing was changed"),
            );
            return Err(Error::io("write to", &self.dir, source));
        }
        Ok(())
    }

    /// Drops what was prepared, and the run with it.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses; what is left then hurts nobody.
    pub fn abandon(self) -> Result<()> {
        for name in [ORIGINALS, NEW] {
            let folder = self.dir.join(name);
            for entry in self.fs.list(&folder)? {
                self.fs.remove(&folder.join(entry.name))?;
            }
            self.fs.remove_dir(&folder)?;
        }
        self.fs.remove_dir(&self.dir)
    }

    /// Carries out what was prepared, in the order in which it was.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses. Then some of it was done, as the journal tells.
    pub fn carry_out(self) -> Result<RunReport> {
        let begin = Line::Begin { root: self.root.clone() };
        let mut text = begin.encode()?;
        for line in &self.prepared {
            text.extend(line.encode()?);
        }
        let path = self.dir.join(JOURNAL);
        let journal = self.fs.open_write(&path, OpenMode::New)?;
        let write = |bytes: &[u8], at| {
            write_all_at(&*journal, &path, bytes, at)?;
            journal.sync().map_err(|e| Error::io("sync", &path, e))
        };
        for name in [ORIGINALS, NEW] {
            self.fs.sync_dir(&self.dir.join(name))?;
        }
        write(&text, 0)?;
        self.fs.sync_dir(&self.dir)?;
        let mut folders = BTreeSet::new();
        let mut last = None;
        for line in &self.prepared {
            let kind = std::mem::discriminant(line);
            if last.is_some_and(|last| last != kind) {
                sync_all(self.fs.as_ref(), &mut folders)?;
            }
            last = Some(kind);
            self.perform(line, &mut folders)?;
        }
        sync_all(self.fs.as_ref(), &mut folders)?;
        write(&Line::Done.encode()?, text.len() as u64)?;
        Ok(RunReport { changes: self.prepared.len() })
    }

    fn perform(&self, line: &Line, folders: &mut BTreeSet<PathBuf>) -> Result<()> {
        let mut in_folder_of = |path: &Path| {
            folders.extend(path.parent().map(Path::to_owned));
        };
        match line {
            Line::Write { path, number, .. } => {
                let path = self.root.join(path);
                put(self.fs.as_ref(), &new_at(&self.dir, *number), &path)?;
                in_folder_of(&path);
            }
            Line::Cut { path, len, .. } => {
                let path = self.root.join(path);
                let file = self.fs.open_write(&path, OpenMode::Existing)?;
                file.set_len(*len).map_err(|e| Error::io("cut", &path, e))?;
                file.sync().map_err(|e| Error::io("sync", &path, e))?;
            }
            Line::Remove { path, number, .. } => {
                let path = self.root.join(path);
                put(self.fs.as_ref(), &path, &kept_at(&self.dir, *number))?;
                in_folder_of(&path);
                in_folder_of(&kept_at(&self.dir, *number));
            }
            Line::Rename { from, to } => {
                let (from, to) = (self.root.join(from), self.root.join(to));
                self.fs.rename(&from, &to)?;
                in_folder_of(&from);
                in_folder_of(&to);
            }
            Line::Begin { .. } | Line::Done | Line::Undone => {}
        }
        Ok(())
    }
}

/// Where what was there is kept.
pub(super) fn kept_at(run: &Path, number: u64) -> PathBuf {
    run.join(ORIGINALS).join(number.to_string())
}

/// Where what is to come is kept.
pub(super) fn new_at(run: &Path, number: u64) -> PathBuf {
    run.join(NEW).join(number.to_string())
}

/// Length and checksum of what a file holds from byte `from` on.
pub(super) fn content(source: &Source, from: u64) -> Result<Content> {
    let mut crc = 0;
    let len = each_piece(source, from, |piece, _| {
        crc = crc32c_append(crc, piece);
        Ok(())
    })?;
    Ok(Content { len, crc })
}

/// Makes a durable file of what `source` holds from byte `from` on.
pub(super) fn copy(fs: &dyn WriteFs, source: &Source, from: u64, to: &Path) -> Result<()> {
    let file = fs.open_write(to, OpenMode::Any)?;
    file.set_len(0).map_err(|e| Error::io("truncate", to, e))?;
    pour(source, from, &*file, to, 0)
}

/// Writes what `source` holds from byte `from` on to the file `path`, from `position` on, durably.
pub(super) fn pour(source: &Source, from: u64, file: &dyn WriteFile, path: &Path, position: u64) -> Result<()> {
    each_piece(source, from, |piece, at| write_all_at(file, path, piece, position.saturating_add(at)))?;
    file.sync().map_err(|e| Error::io("sync", path, e))
}

/// Shows what `source` holds from byte `from` on to `each`, with how far behind `from` each piece lies; the bytes that there are.
fn each_piece(source: &Source, from: u64, mut each: impl FnMut(&[u8], u64) -> Result<()>) -> Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut at: u64 = 0;
    loop {
        let read = source.read_at(&mut piece, from.saturating_add(at))?;
        if read == 0 {
            return Ok(at);
        }
        each(piece.get(..read).unwrap_or_default(), at)?;
        at = at.saturating_add(read as u64);
    }
}

pub(super) fn set_modified(fs: &dyn WriteFs, path: &Path, modified: Option<SystemTime>) -> Result<()> {
    let Some(time) = modified else { return Ok(()) };
    let file = fs.open_write(path, OpenMode::Existing)?;
    file.set_modified(time).map_err(|e| Error::io("set the time of", path, e))
}

/// Moves a file to where it takes another one's place, also to another file system: there it is whole before the old one goes.
pub(super) fn put(fs: &dyn WriteFs, from: &Path, to: &Path) -> Result<()> {
    match fs.rename(from, to) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {}
        other => return other,
    }
    let temporary = temporary(to);
    copy(fs, &Source::open(fs, from)?, 0, &temporary)?;
    fs.take_after(&temporary, from)?;
    set_modified(fs, &temporary, fs.stat(from)?.and_then(|stat| stat.modified))?;
    fs.rename(&temporary, to)?;
    if let Some(folder) = to.parent() {
        fs.sync_dir(folder)?;
    }
    fs.remove(from)
}

/// Makes the names in these folders durable.
pub(super) fn sync_all(fs: &dyn WriteFs, folders: &mut BTreeSet<PathBuf>) -> Result<()> {
    for folder in std::mem::take(folders) {
        if fs.stat(&folder)?.is_some() {
            fs.sync_dir(&folder)?;
        }
    }
    Ok(())
}

fn make_folder(fs: &dyn WriteFs, folder: &Path) -> Result<()> {
    if fs.stat(folder)?.is_some() {
        return Ok(());
    }
    fs.create_dir(folder)?;
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => fs.sync_dir(parent),
        None => Ok(()),
    }
}
