//! `index check`, `checkpoint check`, `producers check`: the small files of logs and log directories one by one, each with what is wrong with
//! it and what a broker starting now does with it.

mod document;
mod fate;
mod files;
mod text;

use std::path::{Path, PathBuf};

use log_engine::checkpoint::{
    CleanShutdown, EpochCheckpoint, MetaProperties, OffsetCheckpoint, PartitionMetadata, QuorumState,
};
use log_engine::inspect::{FindingCode, StartOptions, Target, VerifyLevel, VerifyOptions, verify};
use log_engine::segment::{SegmentFile, SegmentName};
use log_engine::{Error, Fs, Timestamp, TopicPartition};

use self::document::Document;
pub(super) use self::files::show;
use super::verify::document::Weight;
use super::verify::{Found, find, predict, total_bytes};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select::targets::TargetArgs;

/// Which files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// `.index`, `.timeindex`, `.txnindex`.
    Indexes,
    /// The text files of log directories and partitions.
    Checkpoints,
    /// `.snapshot`.
    Producers,
}

/// Which files to show.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArguments {
    #[command(flatten)]
    pub(super) targets: TargetArgs,
}

/// What a check is told.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// Show files without fault and findings for information, too
    #[arg(short, long)]
    verbose: bool,
}

impl Family {
    /// The findings that are about these files.
    pub(super) fn codes(self) -> Vec<FindingCode> {
        let is_ours = |code: &&FindingCode| match (self, code.name()) {
            // X002 is about batches.
            (Self::Indexes, name) => name.starts_with(['I', 'T']) || name == "X001",
            (Self::Checkpoints, name) => name.starts_with(['C', 'E']) || ["D003", "D004", "D005"].contains(&name),
            (Self::Producers, name) => name.starts_with('S'),
        };
        FindingCode::ALL.iter().filter(is_ours).copied().collect()
    }

    /// How closely the logs have to be looked at for that.
    const fn level(self) -> VerifyLevel {
        match self {
            Self::Checkpoints => VerifyLevel::Normal,
            Self::Indexes | Self::Producers => VerifyLevel::Deep,
        }
    }

    /// Whether a file with this name is one of them.
    pub(super) fn takes(self, name: &str) -> bool {
        const CHECKPOINTS: [&str; 9] = [
            OffsetCheckpoint::RECOVERY_POINT,
            OffsetCheckpoint::LOG_START,
            OffsetCheckpoint::HIGH_WATERMARK,
            OffsetCheckpoint::CLEANER,
            CleanShutdown::FILE_NAME,
            MetaProperties::FILE_NAME,
            EpochCheckpoint::FILE_NAME,
            PartitionMetadata::FILE_NAME,
            QuorumState::FILE_NAME,
        ];
        let segment = SegmentName::parse(name).filter(|name| name.is_canonical() && name.leftover.is_none());
        match self {
            Self::Indexes => segment.is_some_and(|name| {
                matches!(name.file, SegmentFile::OffsetIndex | SegmentFile::TimeIndex | SegmentFile::TxnIndex)
            }),
            Self::Producers => segment.is_some_and(|name| name.file == SegmentFile::Snapshot),
            Self::Checkpoints => CHECKPOINTS.contains(&name),
        }
    }

    /// Refuses a file that was named and is none of them.
    pub(super) fn refuse_other(self, path: &Path) -> Result<(), CliError> {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| self.takes(name)) {
            return Ok(());
        }
        let (one, _) = self.words();
        Err(CliError::usage(format!("{} is no {one}", path.display())))
    }

    /// The command for them.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Indexes => "index",
            Self::Checkpoints => "checkpoint",
            Self::Producers => "producers",
        }
    }

    /// One of these files, many of them.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Indexes => ("index file", "index files"),
            Self::Checkpoints => ("checkpoint file", "checkpoint files"),
            Self::Producers => ("producer snapshot", "producer snapshots"),
        }
    }
}

pub(super) fn run(family: Family, arguments: &CheckArguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let mut found = find(&*fs, &arguments.targets)?;
    let only = surround(&*fs, family, &mut found)?;
    let document = look(&*fs, family, arguments, global, &found, &only)?;
    match global.document() {
        Format::Text => text::write(family, &document, arguments.verbose)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    document.failed.iter().for_each(|message| complain(message));
    Ok(match document.worst() {
        _ if !document.failed.is_empty() => Exit::Failed,
        Some(worst) if worst >= Weight::Warn => Exit::No,
        _ => Exit::Fine,
    })
}

/// Puts the folder in the place of each file that was named: what is wrong with a file shows beside the others. Gives the files.
fn surround(fs: &dyn Fs, family: Family, found: &mut Found) -> Result<Vec<PathBuf>, CliError> {
    let mut only = Vec::new();
    for target in &mut found.targets {
        let Target::File(path) = &*target else { continue };
        family.refuse_other(path)?;
        let path = path.clone();
        *target = Target::of(fs, path.parent().unwrap_or(Path::new(".")))?;
        only.push(path);
    }
    Ok(only)
}

fn look(
    fs: &dyn Fs,
    family: Family,
    arguments: &CheckArguments,
    global: &Global,
    found: &Found,
    only: &[PathBuf],
) -> Result<Document, CliError> {
    let wanted = arguments.targets.wanted()?;
    let selected = |partition: Option<&TopicPartition>| wanted.takes_partition(partition);
    let options = VerifyOptions {
        level: family.level(),
        jobs: global.threads(),
        only: family.codes(),
        ..VerifyOptions::new(Timestamp::new(jiff::Timestamp::now().as_millisecond()))
    };
    let progress = Progress::start("check", total_bytes(fs, &found.targets), global.quiet);
    let report = verify(fs, &found.targets, &options, &selected, progress.counter())?;
    drop(progress);
    let start = StartOptions { jobs: Some(global.threads()), ..StartOptions::default() };
    let starts = predict(fs, &start, &found.targets);
    let mut document = Document::of(fs, family, &report, &starts, &found.given, only);
    document.failed.splice(..0, found.failed.iter().map(Error::to_string));
    Ok(document)
}
