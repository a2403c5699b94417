//! What commands share that change a log directory: a plan by default, `--apply`, the lock of a broker, the originals beside the directory.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::OsFs;
use log_engine::inspect::Target;
use log_engine::log::{PartitionDirectory, root_files};
use log_engine::mend::{Change, DirectoryLock, Note, Run};
use log_engine::{Error, Fs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::CliError;
use crate::render::escaped;

/// How to change something.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Changing")]
pub(super) struct ApplyArgs {
    /// Do it: without this, only the plan is shown, and the exit code is 1 if there is something to do
    #[arg(long)]
    pub(super) apply: bool,
    /// Keep the originals and the journal in this folder [default: <log directory>.log-cli beside it]
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
}

/// One change to a file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeRow {
    /// `write`, `cut`, `remove` or `rename`.
    verb: &'static str,
    /// The file, below the directory.
    path: String,
    /// Its new name.
    to: Option<String>,
    /// Bytes that it has then.
    bytes: Option<u64>,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Applied {
    /// What the run is called, for undoing it.
    pub(super) run: String,
    /// Where its journal and the originals are.
    pub(super) kept: String,
    /// How many changes were carried out.
    pub(super) changes: usize,
}

impl ChangeRow {
    pub(super) fn of(change: &Change) -> Self {
        let (to, bytes) = match change {
            Change::Write { bytes, .. } => (None, Some(bytes.len() as u64)),
            Change::Cut { len, .. } => (None, Some(*len)),
            Change::Rename { to, .. } => (Some(to.display().to_string()), None),
            Change::Remove { .. } => (None, None),
        };
        Self { verb: change.verb(), path: change.path().display().to_string(), to, bytes }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let more = match (&self.to, self.bytes) {
            (Some(to), _) => format!(" to {to}"),
            (None, Some(bytes)) if self.verb == "cut" => format!(" to {bytes} bytes"),
            (None, Some(bytes)) => format!(" ({bytes} bytes)"),
            (None, None) => String::new(),
        };
        format!("{:<6}  {}{more}", self.verb, self.path)
    }
}

impl ApplyArgs {
    /// Keeps brokers away from the log directory while something is planned and done; where it is only planned, makes sure that none works
    /// there. Without a log directory there is nothing to be held.
    pub(super) fn hold(&self, dir: Option<&Path>) -> Result<Option<DirectoryLock>, CliError> {
        let Some(dir) = dir else { return Ok(None) };
        if self.apply {
            return Ok(Some(DirectoryLock::take(Arc::new(OsFs), dir)?));
        }
        let path = dir.join(root_files::LOCK);
        match OsFs.lock_holder(&path)? {
            Some(holder) => Err(Error::Locked { path, holder: holder.pid }.into()),
            None => Ok(None),
        }
    }

    /// Where the runs on `root` are kept.
    pub(super) fn backup(&self, root: &Path) -> Result<PathBuf, CliError> {
        let backup = match &self.backup_dir {
            Some(backup) => backup.clone(),
            None => beside(root)?,
        };
        let within = std::path::absolute(&backup).is_ok_and(|backup| backup.starts_with(root));
        if within {
            let message = format!("{} lies in {}: no broker would start with it", backup.display(), root.display());
            return Err(CliError::usage(message));
        }
        Ok(backup)
    }

    /// Begins a run on `root`; what it is called.
    pub(super) fn begin(&self, root: &Path) -> Result<(Run, String), CliError> {
        let id = run_id();
        Ok((Run::begin(Arc::new(OsFs), root, &self.backup(root)?, &id)?, id))
    }

    /// Carries out `changes` below `root`.
    pub(super) fn carry_out(&self, root: &Path, changes: &[Change]) -> Result<Applied, CliError> {
        let (mut run, id) = self.begin(root)?;
        for change in changes {
            if let Err(error) = run.prepare(change) {
                // What was prepared hurts nobody; the first error is the one to be told.
                let _ = run.abandon();
                return Err(error.into());
            }
        }
        Applied::of(run, id)
    }
}

/// Something that a person has to know, or to decide.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NoteRow {
    pub(super) file: String,
    pub(super) message: String,
}

impl NoteRow {
    pub(super) fn of(note: &Note) -> Self {
        Self { file: note.file.clone(), message: note.message.clone() }
    }
}

impl Applied {
    /// Carries out what was prepared.
    pub(super) fn of(run: Run, id: String) -> Result<Self, CliError> {
        let kept = run.path().display().to_string();
        Ok(Self { run: id, kept, changes: run.carry_out()?.changes })
    }
}

/// Says to people what was done, or how it is: by the same command with `--apply` and `also`.
pub(super) fn write_ending(out: &mut impl Write, applied: Option<&Applied>, also: &str) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    match applied {
        Some(applied) => writeln!(out, "Done: run {}, the originals are in {}", applied.run, escaped(&applied.kept)),
        None => writeln!(out, "Nothing was changed. {bold}next{bold:#}: the same with --apply{also}"),
    }
}

/// The folder of the one partition that `dir` names.
pub(super) fn partition_at(fs: &dyn Fs, dir: &Path) -> Result<PartitionDirectory, CliError> {
    match Target::of(fs, &whole(dir)?)? {
        Target::Partition(folder) => Ok(folder),
        Target::LogDirectory(_) | Target::File(_) => {
            Err(CliError::usage(format!("{} is not the folder of one partition", dir.display())))
        }
    }
}

/// The log directory around the folder of a partition, if it lies in one.
pub(super) fn log_dir_around(fs: &dyn Fs, folder: &Path) -> Option<PathBuf> {
    let parent = folder.parent()?;
    matches!(Target::of(fs, parent), Ok(Target::LogDirectory(_))).then(|| parent.to_owned())
}

/// The log directory that a target is, or lies in.
pub(super) fn log_dir(fs: &dyn Fs, target: &Target) -> Option<PathBuf> {
    match target {
        Target::LogDirectory(dir) => Some(dir.path.clone()),
        Target::Partition(folder) => log_dir_around(fs, &folder.path),
        Target::File(_) => None,
    }
}

/// The folder beside a log directory for what does not belong into it.
fn beside(root: &Path) -> Result<PathBuf, CliError> {
    let mut name = root.file_name().map(std::ffi::OsStr::to_owned).ok_or_else(|| CliError::Usage {
        message: format!("nothing can be kept beside {}", root.display()),
        hint: Some("name a folder with --backup-dir".to_owned()),
    })?;
    name.push(".log-cli");
    Ok(root.with_file_name(name))
}

/// The time and four digits that tell runs of one second apart.
fn run_id() -> String {
    let now = jiff::Timestamp::now();
    let digits = (now.subsec_nanosecond().unsigned_abs() ^ std::process::id().rotate_left(16)) & 0xffff;
    format!("{}-{digits:04x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Where a path leads that something is to be changed at: whole, so that what lies beside it is known.
pub(super) fn whole(path: &Path) -> Result<PathBuf, CliError> {
    let named = |source| Error::Io { op: "open", path: path.to_owned(), source };
    Ok(std::fs::canonicalize(path).map_err(named)?)
}

#[cfg(test)]
mod tests {
    use log_engine::WriteFs;

    use super::*;

    #[test]
    fn who_applies_keeps_brokers_away_and_who_plans_asks_whether_one_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join(root_files::LOCK);
        let args = |apply| ApplyArgs { apply, backup_dir: None };
        let held = args(true).hold(Some(dir.path())).unwrap();
        assert!(held.is_some());
        assert!(matches!(OsFs.lock(&lock), Err(Error::Locked { .. })));
        assert!(matches!(args(false).hold(Some(dir.path())), Err(CliError::Engine(Error::Locked { .. }))));
        drop(held);
        assert!(args(false).hold(Some(dir.path())).unwrap().is_none());
        assert!(OsFs.stat(&lock).unwrap().is_none(), "planning makes nothing, and nothing is left");
        assert!(args(true).hold(None).unwrap().is_none());
    }
}
