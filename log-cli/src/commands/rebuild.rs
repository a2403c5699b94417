//! `index rebuild`, `checkpoint rebuild`, `producers rebuild`: small files made again from the logs that they belong to.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::inspect::{Finding, Severity, Target};
use log_engine::mend::{Change, Repair, RepairOptions};
use log_engine::{Fs, Timestamp, TopicPartition};
use schemars::JsonSchema;
use serde::Serialize;

use super::apply::{Applied, ApplyArgs, ChangeRow, NoteRow, log_dir, whole, write_ending};
use super::check::Family;
use super::verify::document::Found;
use super::verify::total_bytes;
use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::render::escaped;
use crate::select::targets::TargetArgs;

/// What a rebuild is told.
#[derive(Debug, clap::Args)]
pub(super) struct RebuildArguments {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    how: ApplyArgs,
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// The version of this form.
    schema: Version,
    /// One entry a path that was given.
    directories: Vec<Directory>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
enum Version {
    #[default]
    #[serde(rename = "rebuild/1")]
    One,
}

/// What is done below one directory.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Directory {
    /// What paths are relative to.
    directory: String,
    changes: Vec<ChangeRow>,
    /// What a person has to know, or to decide.
    notes: Vec<NoteRow>,
    /// What is wrong with such files even then: the logs do not tell what belongs there.
    left: Vec<Found>,
    /// Null if only the plan was made, or nothing was to do.
    applied: Option<Applied>,
}

/// Where something is rebuilt.
struct Place {
    target: Target,
    /// The one file that was named.
    only: Option<PathBuf>,
    /// The log directory whose lock is to be held.
    lock: Option<PathBuf>,
}

pub(super) fn run(family: Family, arguments: &RebuildArguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let mut document = Document::default();
    for path in arguments.targets.all_paths(&*fs)? {
        let place = Place::of(&*fs, family, &path)?;
        let _held = arguments.how.hold(place.lock.as_deref())?;
        document.directories.push(place.rebuild(&fs, family, arguments, global)?);
    }
    match global.document() {
        Format::Text => print(family, &document)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    let is_planned = document.directories.iter().any(|dir| !dir.changes.is_empty() && dir.applied.is_none());
    let is_left = document.directories.iter().any(|dir| !dir.left.is_empty() || !dir.notes.is_empty());
    Ok(match (is_planned, is_left) {
        (true, _) => Exit::No,
        (false, true) => Exit::LeftOut,
        (false, false) => Exit::Fine,
    })
}

impl Place {
    fn of(fs: &dyn Fs, family: Family, path: &Path) -> Result<Self, CliError> {
        let path = whole(path)?;
        let (target, only) = match Target::of(fs, &path)? {
            Target::File(file) => {
                family.refuse_other(&file)?;
                (Target::of(fs, file.parent().unwrap_or(Path::new("/")))?, Some(file))
            }
            target => (target, None),
        };
        let lock = log_dir(fs, &target);
        Ok(Self { target, only, lock })
    }

    fn rebuild(
        &self,
        fs: &Arc<dyn Fs>,
        family: Family,
        arguments: &RebuildArguments,
        global: &Global,
    ) -> Result<Directory, CliError> {
        let wanted = arguments.targets.wanted()?;
        let selected = |partition: Option<&TopicPartition>| wanted.takes_partition(partition);
        let now = Timestamp::new(jiff::Timestamp::now().as_millisecond());
        let options = RepairOptions { jobs: global.threads(), ..RepairOptions::new(now) };
        // Each log is looked at before and after.
        let bytes = total_bytes(&**fs, std::slice::from_ref(&self.target)).saturating_mul(2);
        let progress = Progress::start("rebuild", bytes, global.quiet);
        let repair = Repair::look(Arc::clone(fs), &self.target, options, &selected, progress.counter())?
            .ok_or_else(|| CliError::usage("a file alone cannot be rebuilt"))?;
        let is_ours = |change: &&Change| self.is_ours(family, repair.root(), change.path());
        let mut changes: Vec<Change> = repair.root_changes().filter(is_ours).cloned().collect();
        // What a directory's own files should say, no log tells.
        let of_root = repair.root_findings().filter(|finding| finding.code.name().starts_with('D'));
        let mut left = self.left(family, repair.root(), of_root);
        for folder in repair.folders() {
            let plan = repair.plan(folder, progress.counter())?;
            left.extend(self.left(family, repair.root(), plan.after().findings.iter()));
            changes.extend(plan.changes.iter().filter(is_ours).cloned());
        }
        drop(progress);
        let notes = repair.notes().iter().filter(|note| family.takes(&note.file));
        let mut directory = Directory {
            directory: repair.root().display().to_string(),
            changes: changes.iter().map(ChangeRow::of).collect(),
            notes: notes.map(NoteRow::of).collect(),
            left,
            applied: None,
        };
        if arguments.how.apply && !changes.is_empty() {
            directory.applied = Some(arguments.how.carry_out(repair.root(), &changes)?);
        }
        Ok(directory)
    }

    /// Whether a file below `root` is to be rebuilt.
    fn is_ours(&self, family: Family, root: &Path, file: &Path) -> bool {
        let is_taken = file.file_name().and_then(|name| name.to_str()).is_some_and(|name| family.takes(name));
        is_taken && self.is_asked(&root.join(file))
    }

    fn is_asked(&self, path: &Path) -> bool {
        self.only.as_ref().is_none_or(|only| only == path)
    }

    /// What of `findings` would still be wrong with such files.
    fn left<'f>(&self, family: Family, root: &Path, findings: impl Iterator<Item = &'f Finding>) -> Vec<Found> {
        let codes = family.codes();
        let is_left = |finding: &&Finding| {
            finding.severity > Severity::Info
                && codes.contains(&finding.code)
                && self.is_asked(&root.join(&finding.file))
        };
        findings.filter(is_left).map(|finding| Found::of(finding, &root.join(&finding.file))).collect()
    }
}

/// Says it to people.
fn print(family: Family, document: &Document) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let mut out = output::stdout();
    let (_, many) = family.words();
    for dir in &document.directories {
        let path = escaped(&dir.directory);
        if dir.changes.is_empty() {
            writeln!(out, "{bold}{path}{bold:#}  no {many} have to be made again")?;
        } else {
            writeln!(out, "{bold}{path}{bold:#}")?;
        }
        for change in &dir.changes {
            writeln!(out, "  {}", escaped(&change.text()))?;
        }
        for note in &dir.notes {
            writeln!(out, "  {}: {}", escaped(&note.file), escaped(&note.message))?;
        }
        for found in &dir.left {
            writeln!(out, "  {} stays: {}  {}", found.code, escaped(&found.file), escaped(&found.message))?;
        }
        if !dir.changes.is_empty() {
            write_ending(&mut out, dir.applied.as_ref(), "")?;
        }
    }
    out.flush()
}
