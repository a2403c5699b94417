//! The answer of a check: a row a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_engine::Fs;
use log_engine::fs::Kind;
use log_engine::inspect::{Finding, VerifyReport};
use schemars::JsonSchema;
use serde::Serialize;

use super::Family;
use super::fate::fate;
use crate::commands::verify::document::{Found, Given, Starts, Weight};

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The version of this form.
    schema: Version,
    /// One entry a file, sorted by path.
    pub(super) files: Vec<Row>,
    /// Paths that name nothing to look at, and files that could not be read.
    pub(super) failed: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "check/1")]
    One,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) path: String,
    /// Null for a file that is missing.
    pub(super) bytes: Option<u64>,
    pub(super) state: State,
    pub(super) findings: Vec<Found>,
    /// What a Kafka 4.4.0 broker starting here now does with the file; null where nothing is wrong with it and there is no log directory
    /// around it, or no file.
    pub(super) broker: Option<String>,
}

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing is wrong with it.
    Ok,
    /// Wrong, but harmless so far or repaired by the next start.
    Suspect,
    /// Damaged, or the next start or a consumer loses or misreads something because of it.
    Damaged,
}

impl Document {
    /// The rows of all files of the family in the folders of `report`, and of those that findings name; of `only` these, if there are any.
    pub(super) fn of(
        fs: &dyn Fs,
        family: Family,
        report: &VerifyReport,
        starts: &Starts,
        given: &Given,
        only: &[PathBuf],
    ) -> Self {
        let mut failed: Vec<String> = report.failures().map(ToString::to_string).collect();
        let mut files: BTreeMap<PathBuf, (Option<u64>, Vec<&Finding>)> = BTreeMap::new();
        let folders = report.log_dirs.iter().map(|dir| &dir.path);
        for folder in folders.chain(report.partitions.iter().map(|partition| &partition.path)) {
            let entries = fs.list(folder).unwrap_or_else(|error| {
                failed.push(error.to_string());
                Vec::new()
            });
            let is_ours = |name: &str| family.takes(name);
            for entry in entries.iter().filter(|entry| entry.stat.kind == Kind::File) {
                if entry.name.to_str().is_some_and(is_ours) {
                    files.insert(folder.join(&entry.name), (Some(entry.stat.len), Vec::new()));
                }
            }
        }
        let of_dirs = report.log_dirs.iter().flat_map(|dir| {
            let place = |finding: &Finding| dir.path.join(&finding.file);
            dir.findings.iter().map(move |finding| (place(finding), finding))
        });
        let of_partitions = report.partitions.iter().flat_map(|partition| {
            // Findings name files beside the folder as well: the checkpoints of the log directory.
            let beside = partition.path.parent().unwrap_or(Path::new(""));
            partition.findings.iter().map(move |finding| (beside.join(&finding.file), finding))
        });
        for (path, finding) in of_dirs.chain(of_partitions) {
            files.entry(path).or_default().1.push(finding);
        }
        files.retain(|path, _| only.is_empty() || only.contains(path));
        let files = files.iter().map(|(path, (bytes, findings))| Row::of(path, *bytes, findings, starts, given));
        Self { schema: Version::One, files: files.collect(), failed }
    }

    /// The weight of the worst finding.
    pub(super) fn worst(&self) -> Option<Weight> {
        self.files.iter().flat_map(|row| &row.findings).map(|found| found.severity).max()
    }
}

impl Row {
    fn of(path: &Path, bytes: Option<u64>, findings: &[&Finding], starts: &Starts, given: &Given) -> Self {
        let name = given.name(path);
        let found: Vec<Found> = findings.iter().map(|finding| Found::of(finding, &name)).collect();
        let worst = findings.iter().max_by_key(|finding| finding.severity);
        Self {
            path: name.display().to_string(),
            bytes,
            state: match found.iter().map(|found| found.severity).max() {
                Some(Weight::Error) => State::Damaged,
                Some(Weight::Warn) => State::Suspect,
                Some(Weight::Info) | None => State::Ok,
            },
            findings: found,
            broker: fate(path, bytes.is_some(), worst.copied(), starts),
        }
    }
}
