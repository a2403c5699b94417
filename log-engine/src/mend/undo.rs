//! Undoing a run: every file back to its old bytes and time, unless somebody changed it since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journal::{Content, Line, MAX_JOURNAL_BYTES, Original, parse};
use super::run::{JOURNAL, content, copy, kept_at, new_at, pour, put, set_modified, sync_all};
use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFs, write_all_at};

/// What is to be done to undo a line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoStep {
    /// The file gets the bytes back that it had, or that were cut off it.
    Restore(PathBuf),
    /// The file was made by the run: it goes.
    Remove(PathBuf),
    /// The file or folder gets its old name back.
    Rename {
        /// As it is called now.
        from: PathBuf,
        /// As it was called.
        to: PathBuf,
    },
    /// Neither what was there before nor what the run made of it is there now.
    Conflict(PathBuf),
}

/// A run that is kept.
#[derive(Debug)]
pub struct Undo {
    fs: Arc<dyn WriteFs>,
    dir: PathBuf,
    root: PathBuf,
    lines: Vec<Line>,
    journal_len: u64,
}

/// Which of its two states a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Old,
    New,
    Other,
}

impl Undo {
    /// Reads the journal of the run in the folder `dir`. One without a journal changed nothing: there is nothing to undo.
    ///
    /// # Errors
    /// [`Error::Io`], also if there is no such run; [`Error::Corrupt`] where the journal is none.
    pub fn open(fs: Arc<dyn WriteFs>, dir: &Path) -> Result<Self> {
        fs.list(dir)?;
        let path = dir.join(JOURNAL);
        let bytes = match fs.stat(&path)? {
            None => Vec::new(),
            Some(_) => Source::open(fs.as_ref(), &path)?.read_all(MAX_JOURNAL_BYTES)?,
        };
        let lines = parse(&bytes, &path)?;
        let root = match lines.first() {
            Some(Line::Begin { root }) => root.clone(),
            _ => PathBuf::new(),
        };
        Ok(Self { fs, dir: dir.to_owned(), root, lines, journal_len: bytes.len() as u64 })
    }

    /// The folder that was mended, as it was called then.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The same run, where the folder that was mended is called `root` now.
    #[must_use]
    pub fn at(mut self, root: &Path) -> Self {
        root.clone_into(&mut self.root);
        self
    }

    /// What is to be done, the last change first. Paths are relative to the folder.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read.
    pub fn plan(&self) -> Result<Vec<UndoStep>> {
        let mut steps = Vec::new();
        let mut view = View { root: &self.root, names: BTreeMap::new() };
        for line in self.lines.iter().rev() {
            match line {
                Line::Rename { from, to } => {
                    match self.found_renamed(view.at(from).as_deref(), view.at(to).as_deref())? {
                        Found::New => {
                            let there = view.at(to);
                            view.names.insert(to.clone(), None);
                            view.names.insert(from.clone(), there);
                            steps.push(UndoStep::Rename { from: to.clone(), to: from.clone() });
                        }
                        Found::Old => {}
                        Found::Other => steps.push(UndoStep::Conflict(to.clone())),
                    }
                }
                Line::Write { path, number, .. }
                | Line::Cut { path, number, .. }
                | Line::Remove { path, number, .. } => match self.found(line, view.at(path).as_deref())? {
                    Found::New if matches!(line, Line::Write { original: None, .. }) => {
                        view.names.insert(path.clone(), None);
                        steps.push(UndoStep::Remove(path.clone()));
                    }
                    Found::New => {
                        view.names.insert(path.clone(), Some(kept_at(&self.dir, *number)));
                        steps.push(UndoStep::Restore(path.clone()));
                    }
                    Found::Old => {}
                    Found::Other => steps.push(UndoStep::Conflict(path.clone())),
                },
                Line::Begin { .. } | Line::Done | Line::Undone => {}
            }
        }
        Ok(steps)
    }

    /// Undoes the run; how many steps that took. Doing it again after a crash finishes it.
    ///
    /// # Errors
    /// [`Error::NotReadable`] where a file is neither as it was before nor as the run left it: then nothing is changed.
    /// [`Error::Io`] where the system refuses.
    pub fn carry_out(&self) -> Result<usize> {
        let steps = self.plan()?;
        if let Some(UndoStep::Conflict(path)) = steps.iter().find(|step| matches!(step, UndoStep::Conflict(_))) {
            let what = "changed since the run; nothing was undone";
            return Err(Error::NotReadable { path: self.root.join(path), what });
        }
        let mut folders = BTreeSet::new();
        for line in self.lines.iter().rev() {
            self.undo(line, &mut folders)?;
        }
        sync_all(self.fs.as_ref(), &mut folders)?;
        if !self.lines.is_empty() && self.lines.last() != Some(&Line::Undone) {
            let path = self.dir.join(JOURNAL);
            let file = self.fs.open_write(&path, OpenMode::Existing)?;
            write_all_at(&*file, &path, &Line::Undone.encode()?, self.journal_len)?;
            file.sync().map_err(|e| Error::io("sync", &path, e))?;
        }
        Ok(steps.len())
    }

    fn undo(&self, line: &Line, folders: &mut BTreeSet<PathBuf>) -> Result<()> {
        let fs = self.fs.as_ref();
        let (path, kept) = match line {
            Line::Begin { .. } | Line::Done | Line::Undone => return Ok(()),
            Line::Rename { from, to } => {
                let (from, to) = (self.root.join(from), self.root.join(to));
                if self.found_renamed(Some(&from), Some(&to))? == Found::New {
                    fs.rename(&to, &from)?;
                    folders.extend([&from, &to].into_iter().filter_map(|path| path.parent()).map(Path::to_owned));
                }
                return Ok(());
            }
            Line::Write { path, number, .. } | Line::Cut { path, number, .. } | Line::Remove { path, number, .. } => {
                (self.root.join(path), kept_at(&self.dir, *number))
            }
        };
        if self.found(line, Some(&path))? != Found::New {
            return Ok(());
        }
        match line {
            Line::Write { original: None, .. } => fs.remove(&path)?,
            Line::Write { number, original: Some(original), .. } => {
                let back = new_at(&self.dir, *number);
                copy(fs, &Source::open(fs, &kept)?, 0, &back)?;
                fs.take_after(&back, &kept)?;
                set_modified(fs, &back, original.modified)?;
                put(fs, &back, &path)?;
            }
            Line::Cut { len, original, .. } => {
                let file = fs.open_write(&path, OpenMode::Existing)?;
                pour(&Source::open(fs, &kept)?, 0, &*file, &path, *len)?;
                set_modified(fs, &path, original.modified)?;
            }
            _ => put(fs, &kept, &path)?,
        }
        folders.extend(path.parent().map(Path::to_owned));
        Ok(())
    }

    fn found_renamed(&self, from: Option<&Path>, to: Option<&Path>) -> Result<Found> {
        let is_there = |path: Option<&Path>| match path {
            Some(path) => Ok::<_, Error>(self.fs.stat(path)?.is_some()),
            None => Ok(false),
        };
        Ok(match (is_there(from)?, is_there(to)?) {
            (false, true) => Found::New,
            (true, _) => Found::Old,
            (false, false) => Found::Other,
        })
    }

    /// How the file at `path` is; `None` if there is none.
    fn found(&self, line: &Line, path: Option<&Path>) -> Result<Found> {
        let there = match path {
            Some(path) if self.fs.stat(path)?.is_some() => Some(Source::open(self.fs.as_ref(), path)?),
            _ => None,
        };
        match line {
            Line::Write { new, original, .. } => {
                let now = there.map(|source| content(&source, 0)).transpose()?;
                Ok(if now == original.map(|original| original.content) {
                    Found::Old
                } else if now == Some(*new) {
                    Found::New
                } else {
                    Found::Other
                })
            }
            Line::Cut { len, original, .. } => match there {
                Some(source) => found_cut(&source, *len, original),
                None => Ok(Found::Other),
            },
            Line::Remove { number, len, .. } => {
                let is_kept = self.fs.stat(&kept_at(&self.dir, *number))?.is_some();
                Ok(match there {
                    None if is_kept => Found::New,
                    Some(source) if source.len() == *len => Found::Old,
                    _ => Found::Other,
                })
            }
            Line::Begin { .. } | Line::Rename { .. } | Line::Done | Line::Undone => Ok(Found::Old),
        }
    }
}

/// The folder as it will be once some lines are undone: where what has a name then lies now.
struct View<'a> {
    root: &'a Path,
    /// Names whose file lies elsewhere; `None` if there will be none.
    names: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl View<'_> {
    fn at(&self, name: &Path) -> Option<PathBuf> {
        for folder in name.ancestors() {
            if let (Some(there), Ok(rest)) = (self.names.get(folder), name.strip_prefix(folder)) {
                let joined =
                    |there: &PathBuf| if rest.as_os_str().is_empty() { there.clone() } else { there.join(rest) };
                return there.as_ref().map(joined);
            }
        }
        Some(self.root.join(name))
    }
}

/// A file that ends anywhere between where it was cut and where it ended before is on its way back.
fn found_cut(source: &Source, len: u64, original: &Original) -> Result<Found> {
    let Content { len: cut, .. } = original.content;
    Ok(if source.len() == len.saturating_add(cut) && content(source, len)? == original.content {
        Found::Old
    } else if (len..=len.saturating_add(cut)).contains(&source.len()) {
        Found::New
    } else {
        Found::Other
    })
}
