//! What a repair says, in the form that programs read.

use log_engine::inspect::{Finding, Severity};
use log_engine::mend::{Change, PartitionPlan, Repair};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::apply::{Applied, ChangeRow, NoteRow};
use crate::error::{CliError, Exit};

/// What was done, or would be.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The version of this form.
    schema: Version,
    /// In the order in which they were given.
    pub(super) directories: Vec<DirectoryRow>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
enum Version {
    #[default]
    #[serde(rename = "repair/1")]
    One,
}

/// A log directory, or the folder around a partition that was given alone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryRow {
    /// What the paths of all changes are relative to.
    pub(super) path: String,
    /// Changes to the files at its root.
    pub(super) changes: Vec<ChangeRow>,
    /// Errors at its root that are left.
    pub(super) left: Vec<FindingRow>,
    /// What a person has to know, or to decide.
    pub(super) notes: Vec<NoteRow>,
    pub(super) partitions: Vec<PartitionRow>,
    /// Whether the directory can be, or is, marked as cleanly stopped; null if that was not asked for.
    pub(super) marked: Option<bool>,
    /// Null if only the plan was made, or nothing was to do.
    pub(super) applied: Option<Applied>,
}

/// One partition's folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartitionRow {
    /// Its folder.
    pub(super) path: String,
    /// `ok`, `suspect`, `damaged` or `unreadable`, as it is before.
    pub(super) before: &'static str,
    /// The same, as it is then.
    pub(super) after: &'static str,
    pub(super) changes: Vec<ChangeRow>,
    /// Data records that are there before.
    pub(super) records: u64,
    /// Data records that go.
    pub(super) records_dropped: u64,
    /// Findings above info that are left.
    pub(super) left: Vec<FindingRow>,
    /// Files that could not be read, and why.
    pub(super) failed: Vec<String>,
    /// No error is left.
    #[serde(skip)]
    is_whole: bool,
}

/// Something that is still wrong.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingRow {
    pub(super) code: &'static str,
    /// `warn` or `error`.
    pub(super) severity: &'static str,
    pub(super) file: String,
    pub(super) offset: Option<i64>,
    pub(super) message: String,
}

impl FindingRow {
    fn of(finding: &Finding) -> Self {
        Self {
            code: finding.code.name(),
            severity: finding.severity.name(),
            file: finding.file.display().to_string(),
            offset: finding.offset.map(log_engine::Offset::get),
            message: finding.message.clone(),
        }
    }

    pub(super) fn is_error(&self) -> bool {
        self.severity == Severity::Error.name()
    }
}

impl DirectoryRow {
    pub(super) fn of(repair: &Repair) -> Self {
        Self {
            path: repair.root().display().to_string(),
            changes: Vec::new(),
            left: repair.root_errors().iter().map(FindingRow::of).collect(),
            notes: repair.notes().iter().map(NoteRow::of).collect(),
            partitions: Vec::new(),
            marked: None,
            applied: None,
        }
    }

    pub(super) fn note_change(&mut self, change: &Change) {
        self.changes.push(ChangeRow::of(change));
    }

    /// True if no error is left anywhere.
    pub(super) fn is_whole(&self) -> bool {
        self.left.is_empty() && self.partitions.iter().all(|partition| partition.is_whole)
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty() || self.partitions.iter().any(|partition| !partition.changes.is_empty())
    }
}

impl PartitionRow {
    pub(super) fn of(plan: &PartitionPlan) -> Self {
        let left = plan.after().findings.iter().filter(|finding| finding.severity > Severity::Info);
        Self {
            path: plan.path.display().to_string(),
            before: plan.before.state().name(),
            after: plan.after().state().name(),
            changes: plan.changes.iter().map(ChangeRow::of).collect(),
            records: plan.before.records,
            records_dropped: plan.records_dropped(),
            left: left.map(FindingRow::of).collect(),
            failed: plan.after().failures.iter().map(ToString::to_string).collect(),
            is_whole: plan.is_whole(),
        }
    }
}

impl Document {
    /// What it comes to.
    pub(super) fn exit(&self, is_applied: bool, wants_marker: bool) -> Result<Exit, CliError> {
        let failed =
            self.directories.iter().flat_map(|dir| &dir.partitions).any(|partition| !partition.failed.is_empty());
        let is_refused = wants_marker && self.directories.iter().any(|dir| dir.marked == Some(false));
        let is_whole = self.directories.iter().all(DirectoryRow::is_whole);
        let is_open = !is_applied && self.directories.iter().any(DirectoryRow::has_changes);
        Ok(match (failed, is_refused, is_whole && !is_open) {
            (true, ..) => Exit::Failed,
            (_, true, _) => Exit::Refused,
            (.., true) => Exit::Fine,
            (.., false) => Exit::No,
        })
    }
}
