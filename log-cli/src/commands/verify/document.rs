//! The answer of `verify` as JSON; text and JUnit are written from the same values.

use std::path::{Path, PathBuf};

use log_engine::inspect::{
    Finding, LogDirReport, PartitionPrediction, PartitionReport, Severity, StartPrediction, StartRecovery,
    StartStatement, VerifyReport,
};
use schemars::JsonSchema;
use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    /// The version of this form.
    pub(crate) schema: Version,
    /// One entry a partition's folder.
    pub(crate) partitions: Vec<Partition>,
    /// One entry a log directory: what concerns it as a whole.
    pub(crate) log_dirs: Vec<LogDir>,
    /// Paths that name nothing to look at, and folders that could not be listed.
    pub(crate) failed: Vec<String>,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum Version {
    /// This one.
    #[serde(rename = "verify/1")]
    One,
}

/// The folder of one partition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Partition {
    pub(crate) path: String,
    /// The folder's name, by which findings call it.
    #[serde(skip)]
    pub(crate) folder: String,
    /// Null for a copy under another name.
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    pub(crate) state: State,
    /// The first offset that consumers may read.
    pub(crate) log_start: i64,
    /// The offset behind the last sound batch.
    pub(crate) log_end: i64,
    /// Data records in sound batches.
    pub(crate) records: u64,
    /// Sound batches.
    pub(crate) batches: u64,
    pub(crate) segments: u64,
    /// Bytes of the `.log` files.
    pub(crate) bytes: u64,
    pub(crate) findings: Vec<Found>,
    /// What a Kafka 4.4.0 broker starting here now would do; null where there is no log directory around the folder.
    pub(crate) broker: Option<Broker>,
    /// What could not be read.
    pub(crate) failed: Vec<String>,
}

/// How a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// No finding above info.
    Ok,
    /// Warnings, but no error.
    Suspect,
    /// Errors.
    Damaged,
    /// Some of it could not be read.
    Unreadable,
}

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    /// `log-cli explain CODE` says more.
    pub(crate) code: &'static str,
    pub(crate) severity: Weight,
    /// Relative to the log directory.
    pub(crate) file: String,
    /// In bytes; null for folders.
    pub(crate) position: Option<u64>,
    /// The offset it is about, where there is one.
    pub(crate) offset: Option<i64>,
    pub(crate) message: String,
    /// How many equal ones in the file this one stands for.
    pub(crate) count: u64,
    /// What to run to see more.
    pub(crate) next: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Weight {
    /// Normal, or only worth knowing
    Info,
    /// Wrong, but harmless so far or repaired by the next start
    Warn,
    /// Damage, or the next start or a consumer loses or misreads something
    Error,
}

/// What a broker starting now would do with a partition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broker {
    /// The process stays up.
    pub(crate) starts: bool,
    /// The log directory is given up.
    pub(crate) log_dir_offline: bool,
    /// `skipped`, or `from N`: from the segment on that holds this offset.
    pub(crate) recovery: String,
    /// Null if the partition does not load.
    pub(crate) log_start: Option<i64>,
    /// Null if the partition does not load.
    pub(crate) log_end: Option<i64>,
    /// Records of batches that check and would be lost.
    pub(crate) records_dropped: u64,
    pub(crate) bytes_dropped: u64,
    pub(crate) segments_deleted: Vec<String>,
    pub(crate) files_rebuilt: Vec<String>,
    /// The same in words, most important first.
    pub(crate) says: Vec<String>,
}

/// A log directory.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogDir {
    pub(crate) path: String,
    /// The clean-shutdown marker is there.
    pub(crate) clean: bool,
    /// A broker holds the lock.
    pub(crate) in_use: bool,
    /// A broker starting on all the directories stays up; null if that could not be told.
    pub(crate) starts: Option<bool>,
    /// This directory is given up at the start; null if that could not be told.
    pub(crate) log_dir_offline: Option<bool>,
    pub(crate) findings: Vec<Found>,
    /// What the start does with the directory itself, in words, most important first.
    pub(crate) says: Vec<String>,
}

impl From<Severity> for Weight {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warn,
            Severity::Error => Self::Error,
        }
    }
}

impl Weight {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl Found {
    /// The finding in the file `path`.
    pub(crate) fn of(finding: &Finding, path: &Path) -> Self {
        Self {
            code: finding.code.name(),
            severity: finding.severity.into(),
            file: finding.file.display().to_string(),
            position: finding.position,
            offset: finding.offset.map(log_engine::Offset::get),
            message: finding.message.clone(),
            count: finding.count,
            next: next(finding, path),
        }
    }
}

/// What shows more of a finding in the file `path`: its batches, its entries, or what the code means.
fn next(finding: &Finding, path: &Path) -> String {
    let is = |suffix: &str| path.extension().is_some_and(|extension| extension == suffix);
    if is("log") && path.exists() {
        format!("log-cli dump --batches {}", quoted(path))
    } else if (is("index") || is("timeindex") || is("txnindex") || is("snapshot")) && path.exists() {
        format!("log-cli kafka-dump-log --files {}", quoted(path))
    } else {
        format!("log-cli explain {}", finding.code)
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Paths as they were given, by where they lead.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(PathBuf, PathBuf)>);

impl Given {
    /// `given` leads to `path`.
    pub(crate) fn add(&mut self, path: PathBuf, given: PathBuf) {
        self.0.push((path, given));
    }

    /// `path` as whoever gave it, or a folder above it, would write it.
    pub(crate) fn name(&self, path: &Path) -> PathBuf {
        let below = self.0.iter().find_map(|(top, given)| {
            let rest = path.strip_prefix(top).ok()?;
            Some(if rest.as_os_str().is_empty() { given.clone() } else { given.join(rest) })
        });
        below.unwrap_or_else(|| path.to_owned())
    }
}

impl Document {
    /// The findings with what the start would do.
    pub(crate) fn of(report: &VerifyReport, start: &Starts, given: &Given) -> Self {
        let log_dirs = report.log_dirs.iter().map(|dir| LogDir::of(dir, start, given)).collect();
        let partitions = report.partitions.iter().map(|partition| Partition::of(partition, start, given)).collect();
        let failed = report.unlisted.iter().map(ToString::to_string).collect();
        Self { schema: Version::One, partitions, log_dirs, failed }
    }

    /// All findings.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Found> {
        let dirs = self.log_dirs.iter().flat_map(|dir| &dir.findings);
        dirs.chain(self.partitions.iter().flat_map(|partition| &partition.findings))
    }

    /// Leaves out findings that `is_known`.
    pub(crate) fn forget(&mut self, is_known: impl Fn(&Found) -> bool) {
        for dir in &mut self.log_dirs {
            dir.findings.retain(|found| !is_known(found));
        }
        for partition in &mut self.partitions {
            partition.findings.retain(|found| !is_known(found));
        }
    }
}

/// What a start on the log directories comes to, and on those around single partitions.
#[derive(Debug, Default)]
pub(crate) struct Starts(Vec<StartPrediction>);

impl Starts {
    pub(crate) fn add(&mut self, prediction: StartPrediction) {
        self.0.push(prediction);
    }

    /// All of them.
    pub(crate) fn predictions(&self) -> impl Iterator<Item = &StartPrediction> {
        self.0.iter()
    }

    fn of_partition(&self, path: &Path) -> Option<Broker> {
        self.0.iter().find_map(|prediction| {
            prediction.directories.iter().find_map(|directory| {
                let partition = directory.partitions.iter().find(|partition| partition.path == path)?;
                Some(Broker::of(partition, prediction.starts, directory.is_offline))
            })
        })
    }
}

impl Broker {
    fn of(partition: &PartitionPrediction, starts: bool, log_dir_offline: bool) -> Self {
        Self {
            starts,
            log_dir_offline,
            recovery: match partition.recovery {
                StartRecovery::Skipped => "skipped".to_owned(),
                StartRecovery::From(offset) => format!("from {offset}"),
            },
            log_start: partition.log_start.map(log_engine::Offset::get),
            log_end: partition.log_end.map(log_engine::Offset::get),
            records_dropped: partition.records_dropped,
            bytes_dropped: partition.bytes_dropped,
            segments_deleted: partition.segments_deleted.clone(),
            files_rebuilt: partition.files_rebuilt.clone(),
            says: said(&partition.statements()),
        }
    }
}

impl LogDir {
    fn of(dir: &LogDirReport, starts: &Starts, given: &Given) -> Self {
        let path = given.name(&dir.path);
        let prediction = starts.0.iter().find_map(|prediction| {
            let directory = prediction.directories.iter().find(|directory| directory.path == dir.path)?;
            Some((prediction.starts, directory))
        });
        Self {
            path: path.display().to_string(),
            clean: dir.clean,
            in_use: dir.in_use,
            starts: prediction.map(|(starts, _)| starts),
            log_dir_offline: prediction.map(|(_, directory)| directory.is_offline),
            findings: dir.findings.iter().map(|finding| Found::of(finding, &path.join(&finding.file))).collect(),
            says: prediction
                .map(|(_, directory)| directory.statements().iter().map(ToString::to_string).collect())
                .unwrap_or_default(),
        }
    }
}

impl Partition {
    fn of(partition: &PartitionReport, starts: &Starts, given: &Given) -> Self {
        let path = given.name(&partition.path);
        let name = partition.name.as_ref().map(|name| &name.partition);
        let folder = partition.path.file_name().unwrap_or_default();
        // Findings call files by the name of the folder; the folder may have been given as `.`.
        let file = |finding: &Finding| match finding.file.strip_prefix(folder) {
            Ok(inside) => path.join(inside),
            Err(_) => path.join("..").join(&finding.file),
        };
        Self {
            path: path.display().to_string(),
            folder: folder.to_string_lossy().into_owned(),
            topic: name.map(|name| name.topic.clone()),
            partition: name.map(|name| name.partition),
            state: match partition.state() {
                log_engine::inspect::PartitionState::Ok => State::Ok,
                log_engine::inspect::PartitionState::Suspect => State::Suspect,
                log_engine::inspect::PartitionState::Damaged => State::Damaged,
                log_engine::inspect::PartitionState::Unreadable => State::Unreadable,
            },
            log_start: partition.log_start.get(),
            log_end: partition.log_end.get(),
            records: partition.records,
            batches: partition.batches,
            segments: partition.segments,
            bytes: partition.bytes,
            findings: partition.findings.iter().map(|finding| Found::of(finding, &file(finding))).collect(),
            broker: starts.of_partition(&partition.path),
            failed: partition.failures.iter().map(ToString::to_string).collect(),
        }
    }
}

/// In words; that nothing is lost is for those to say who found nothing.
fn said(statements: &[StartStatement<'_>]) -> Vec<String> {
    let words = statements.iter().filter(|statement| !matches!(statement, StartStatement::LosesNothing));
    words.map(ToString::to_string).collect()
}
