//! Where a salvage writes, and how what was written gets its name.
//!
//! `DIR.partial` holds everything until it was read again: the output in `kept`, the rest in `lost+found`. Then both are renamed, and a
//! file in `DIR.partial` says so meanwhile. A crash leaves that folder, which the next salvage to `DIR` clears; never a half output.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::SalvageRequest;
use super::refused::{Refused, SalvageError};
use super::report::{PartitionReport, Report};
use crate::error::{Error, Result};
use crate::fs::{Fs, Kind, Lock, WriteFs, write_whole};
use crate::log::{LogDirectory, root_files};

/// What the folder is called in which everything is written first, behind the output's name.
const PARTIAL: &str = "partial";
/// What the folder beside the output is called, behind the output's name.
const LOST_AND_FOUND: &str = "lost+found";
/// The file in it that says what is in it.
const REPORT: &str = "report.json";
/// Held while a salvage writes.
const LOCK: &str = "salvage.lock";
/// There while names are given.
const COMMITTING: &str = "committing";
/// The output as long as it has no name.
const KEPT: &str = "kept";

/// A name beside the output.
fn beside(output: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Where what is not in `output` is put.
fn lost_and_found_of(output: &Path) -> PathBuf {
    beside(output, LOST_AND_FOUND)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(fs: &dyn Fs, path: &Path) -> Result<bool> {
    Ok(fs.stat(path)?.is_some())
}

/// Refuses an output that is there, or that lies where it must not.
pub(super) fn refuse_bad_places(fs: &dyn WriteFs, request: &SalvageRequest) -> Result<(), SalvageError> {
    let output = &request.output;
    let sources: Vec<&Path> = request.partitions.iter().flatten().map(|it| it.folder.path.as_path()).collect();
    for (n, source) in sources.iter().enumerate() {
        if output.starts_with(source) || source.starts_with(output) {
            return Err(Refused::WithinSource { target: output.clone(), source_path: source.to_path_buf() }.into());
        }
        let is_part = |n: usize| request.partitions.iter().flatten().nth(n).is_some_and(|it| it.only.is_some());
        if sources.iter().take(n).any(|other| other == source) && !is_part(n) {
            return Err(Refused::Twice { path: source.to_path_buf() }.into());
        }
    }
    let is_committing = exists(fs, &beside(output, PARTIAL).join(COMMITTING))?;
    if exists(fs, output)? {
        if is_committing {
            // All that was left for an earlier salvage to do was to clear away.
            remove_all(fs, &beside(output, PARTIAL))?;
        }
        return Err(Refused::Exists { path: output.clone() }.into());
    }
    let lost_and_found = lost_and_found_of(output);
    if exists(fs, &lost_and_found)? && !is_committing {
        return Err(Refused::Exists { path: lost_and_found }.into());
    }
    let parent = parent(output);
    if exists(fs, parent)? && LogDirectory::list(fs, parent)?.file(root_files::META_PROPERTIES).is_some() {
        return Err(Refused::InLogDirectory { target: output.clone(), log_dir: parent.to_owned() }.into());
    }
    Ok(())
}

/// Where one partition is written, and where it will be.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) dir: PathBuf,
    pub(super) named: PathBuf,
}

/// The folder in which everything is written first. Dropping it removes it.
#[derive(Debug)]
pub(super) struct Workplace<'f> {
    fs: &'f dyn WriteFs,
    output: PathBuf,
    dir: PathBuf,
    is_log_directory: bool,
    lock: Option<Box<dyn Lock>>,
    /// Folders above that were made, outermost first.
    made: Vec<PathBuf>,
}

impl<'f> Workplace<'f> {
    /// Makes the folder, if there is room for `needed` bytes, and clears what an earlier salvage left.
    pub(super) fn begin(fs: &'f dyn WriteFs, request: &SalvageRequest, needed: u64) -> Result<Self, SalvageError> {
        let output = request.output.clone();
        let mut missing = Vec::new();
        let mut there = parent(&output);
        while !exists(fs, there)? {
            missing.push(there.to_owned());
            there = parent(there);
        }
        let free = fs.free_space(there)?;
        if needed > free {
            return Err(Refused::NoSpace { path: there.to_owned(), needed, free }.into());
        }
        let dir = beside(&output, PARTIAL);
        let is_log_directory = request.is_log_directory;
        let mut place = Self { fs, output, dir, is_log_directory, lock: None, made: Vec::new() };
        for folder in missing.into_iter().rev() {
            fs.create_dir(&folder)?;
            fs.sync_dir(parent(&folder))?;
            place.made.push(folder);
        }
        if !exists(fs, &place.dir)? {
            fs.create_dir(&place.dir)?;
        }
        place.lock = Some(fs.lock(&place.dir.join(LOCK))?);
        place.clear()?;
        let kept = place.dir.join(KEPT);
        fs.create_dir(&kept)?;
        if is_log_directory {
            fs.create_dir(&place.kept())?;
        }
        Ok(place)
    }

    /// Removes all that an earlier salvage left, but the lock.
    fn clear(&self) -> Result<()> {
        if exists(self.fs, &self.dir.join(COMMITTING))? {
            let lost_and_found = lost_and_found_of(&self.output);
            if exists(self.fs, &lost_and_found)? {
                remove_all(self.fs, &lost_and_found)?;
            }
        }
        for entry in self.fs.list(&self.dir)?.into_iter().filter(|entry| entry.name != LOCK) {
            remove_all(self.fs, &self.dir.join(entry.name))?;
        }
        Ok(())
    }

    pub(super) fn fs(&self) -> &'f dyn WriteFs {
        self.fs
    }

    /// The output as long as it has no name: its folder is called as it will be, because names say what a folder is.
    fn kept(&self) -> PathBuf {
        self.dir.join(KEPT).join(self.output.file_name().unwrap_or_default())
    }

    /// Makes the folder of a partition that is called `name`.
    pub(super) fn partition(&self, name: Option<&str>) -> Result<Spot> {
        let (mut dir, mut named) = (self.kept(), self.output.clone());
        if let Some(name) = name.filter(|_| self.is_log_directory) {
            dir.push(name);
            named.push(name);
        }
        self.fs.create_dir(&dir)?;
        Ok(Spot { dir, named })
    }

    /// Makes the folder for what is not in the output of a partition that is called `name`; also how it is called within the folder
    /// for all.
    pub(super) fn lost_and_found(&self, name: Option<&str>) -> Result<(PathBuf, PathBuf)> {
        let mut dir = self.dir.join(LOST_AND_FOUND);
        if !exists(self.fs, &dir)? {
            self.fs.create_dir(&dir)?;
        }
        let within = name.filter(|_| self.is_log_directory).map(PathBuf::from).unwrap_or_default();
        if !within.as_os_str().is_empty() {
            dir.push(&within);
            self.fs.create_dir(&dir)?;
        }
        Ok((dir, within))
    }

    /// All partitions are written.
    pub(super) fn finish(self, partitions: Vec<PartitionReport>) -> Result<Salvaged<'f>, SalvageError> {
        if self.is_log_directory {
            self.fs.sync_dir(&self.kept())?;
        }
        self.fs.sync_dir(&self.dir.join(KEPT))?;
        let lost_and_found = exists(self.fs, &self.dir.join(LOST_AND_FOUND))?;
        let lost_and_found = lost_and_found.then(|| lost_and_found_of(&self.output));
        Ok(Salvaged { place: self, report: Report { partitions, lost_and_found } })
    }
}

impl Drop for Workplace<'_> {
    fn drop(&mut self) {
        // What is left after a failure is cleared by the next salvage; the failure was told.
        if self.lock.take().is_some() {
            let _ = remove_all(self.fs, &self.dir);
        }
        for folder in self.made.iter().rev() {
            let _ = self.fs.remove_dir(folder);
        }
    }
}

/// A salvage that was written and read again, and has no name yet. Dropping it removes it.
#[derive(Debug)]
pub struct Salvaged<'f> {
    place: Workplace<'f>,
    report: Report,
}

impl Salvaged<'_> {
    /// What was kept, lost and set aside. Its paths are those after [`Self::commit`].
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Gives everything its name, durably. `report` is put into the folder with what could not be salvaged, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`]; then the next salvage to the same place begins anew.
    pub fn commit(self, report: &[u8]) -> Result<Report> {
        let Self { mut place, report: says } = self;
        let named = place.give_names(says.lost_and_found.is_some(), report);
        place.made.clear();
        if named.is_err() {
            // What is not named yet stays for the next salvage, which knows by it what to clear.
            place.lock = None;
        }
        named.map(|()| says)
    }
}

impl Workplace<'_> {
    fn give_names(&self, has_lost_and_found: bool, report: &[u8]) -> Result<()> {
        let (fs, parent) = (self.fs, parent(&self.output));
        let lost_and_found = self.dir.join(LOST_AND_FOUND);
        if has_lost_and_found {
            write_whole(fs, &lost_and_found.join(REPORT), report)?;
            fs.sync_dir(&lost_and_found)?;
        }
        write_whole(fs, &self.dir.join(COMMITTING), b"")?;
        fs.sync_dir(&self.dir)?;
        fs.sync_dir(parent)?;
        if has_lost_and_found {
            fs.rename(&lost_and_found, &lost_and_found_of(&self.output))?;
            // Whoever finds the output finds what is not in it, too.
            fs.sync_dir(parent)?;
        }
        fs.rename(&self.kept(), &self.output)?;
        fs.sync_dir(parent)
    }
}

/// Removes a file or a folder with all that is in it. Links are removed, not followed.
fn remove_all(fs: &dyn WriteFs, path: &Path) -> Result<()> {
    let Some(stat) = fs.stat(path)? else { return Ok(()) };
    if stat.kind != Kind::Directory {
        return fs.remove(path);
    }
    for entry in fs.list(path)? {
        remove_all(fs, &path.join(entry.name))?;
    }
    match fs.remove_dir(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
