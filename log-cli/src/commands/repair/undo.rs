//! `repair --undo`: every byte that a run changed, back.

use std::io::Write;
use std::sync::Arc;

use log_engine::inspect::Target;
use log_engine::mend::{Undo, UndoStep};
use log_engine::{Fs, OsFs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::commands::apply::{ApplyArgs, log_dir};
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::render::escaped;

/// What was undone, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// The version of this form.
    schema: &'static str,
    run: String,
    directory: String,
    /// The last change first.
    steps: Vec<Step>,
    is_applied: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Step {
    /// `restore`, `remove`, `rename` or `conflict`.
    verb: &'static str,
    path: String,
    to: Option<String>,
}

impl Step {
    fn of(step: &UndoStep) -> Self {
        let (verb, path, to) = match step {
            UndoStep::Restore(path) => ("restore", path, None),
            UndoStep::Remove(path) => ("remove", path, None),
            UndoStep::Rename { from, to } => ("rename", from, Some(to.display().to_string())),
            UndoStep::Conflict(path) => ("conflict", path, None),
        };
        Self { verb, path: path.display().to_string(), to }
    }
}

pub(super) fn run(id: &str, targets: &[Target], how: &ApplyArgs, global: &Global) -> Result<Exit, CliError> {
    let [target] = targets else {
        return Err(CliError::usage("--undo takes one directory: runs belong to one"));
    };
    let root = match target {
        Target::LogDirectory(dir) => dir.path.clone(),
        Target::Partition(folder) => folder.path.parent().unwrap_or(&folder.path).to_owned(),
        Target::File(_) => return Err(CliError::usage("--undo takes a directory")),
    };
    let backup = how.backup(&root)?;
    let dir = backup.join(id);
    let is_name = !id.is_empty() && !id.contains('/') && !id.starts_with('.');
    if !is_name || OsFs.stat(&dir)?.is_none() {
        return Err(CliError::Refused {
            message: format!("there is no run {id:?} in {}", backup.display()),
            hint: Some("the name was printed when it was applied; --backup-dir says where it is kept".to_owned()),
        });
    }
    let _held = how.hold(log_dir(&OsFs, target).as_deref())?;
    let undo = Undo::open(Arc::new(OsFs), &dir)?.at(&root);
    let steps = undo.plan()?;
    let conflicts = steps.iter().filter(|step| matches!(step, UndoStep::Conflict(_))).count();
    let document = Document {
        schema: "undo/1",
        run: id.to_owned(),
        directory: root.display().to_string(),
        steps: steps.iter().map(Step::of).collect(),
        is_applied: how.apply && conflicts == 0,
    };
    if document.is_applied {
        undo.carry_out()?;
    }
    match global.document() {
        Format::Text => print(&document, conflicts)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    Ok(match (conflicts, how.apply || steps.is_empty()) {
        (0, true) => Exit::Fine,
        (0, false) => Exit::No,
        _ => Exit::Refused,
    })
}

fn print(document: &Document, conflicts: usize) -> Result<(), CliError> {
    let mut out = output::stdout();
    for step in &document.steps {
        let to = step.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        writeln!(out, "  {:<8}  {}", step.verb, escaped(&format!("{}{to}", step.path)))?;
    }
    let steps = document.steps.len() as u64;
    match (document.is_applied, conflicts) {
        (_, 1..) => writeln!(
            out,
            "Nothing was changed: {} not as the run left it",
            human::counted(conflicts as u64, "file is", "files are")
        )?,
        (true, _) => writeln!(out, "Undone: {}", human::counted(steps, "change", "changes"))?,
        _ if steps == 0 => writeln!(out, "Nothing to do: all of it is as it was before the run")?,
        _ => writeln!(out, "Nothing was changed. next: the same with --apply")?,
    }
    Ok(out.flush()?)
}
