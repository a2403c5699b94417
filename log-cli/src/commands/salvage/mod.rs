//! `salvage`: what is good in damaged partitions, copied out, and the rest beside it.

mod document;
mod sources;
mod text;

use std::path::{Path, PathBuf};

use document::Document;
use log_engine::salvage::{Refused, SalvageError, SalvageRequest, salvage};
use log_engine::{Offset, OsFs, Timestamp};

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select;
use crate::select::targets::TargetArgs;

/// Copy out every batch that checks, byte for byte, and put the rest beside it
///
/// Sources are only read. Damage is passed over at the next sound batch; offsets, leader epochs, producers and checksums stay what they
/// are, and offsets may be missing, which brokers and consumers take. With several copies of one partition the holes of one are filled
/// from the others, batch by batch; where copies disagree, the later leader epoch decides. What cannot be read, and batches that are
/// whole and cannot stand in a log, go as they are into DIR.lost+found, with a report. The result is read again before it gets its name.
///
/// DIR named like a partition (orders-3) becomes that partition's folder; any other DIR becomes a log directory with a folder for each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli salvage broker3/orders-3 -o /mnt/spare/orders-3
  log-cli salvage broker3/orders-3 broker1/orders-3 -o out/orders-3   fill holes from another replica
  log-cli salvage /var/lib/kafka/data -t orders -o /mnt/spare/data    all partitions of a topic
  log-cli salvage orders-3 -o out/orders-3 --json | jq '.partitions[].lost'

Exit codes: 0 nothing is lost, 3 something was lost or set aside, 4 could not do it, 5 refused: DIR exists, sources do not belong
together, no room.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// The folder to make; it must not be there
    #[arg(short, long, value_name = "DIR", required_unless_present = "schema")]
    output: Option<PathBuf>,
    /// Only batches with offsets in this range: 500 (from there on), 500:900 (half-open), :900, 500:+20
    #[arg(long, value_name = "RANGE", value_parser = select::absolute_offsets)]
    offset: Option<(i64, i64)>,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let (Some(output), false) = (&arguments.output, global.schema) else {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    };
    let fs = global.fs();
    let sources = sources::find(&*fs, &arguments.targets)?;
    let output = absolute(output)?;
    let is_partition = sources::is_partition_name(&output);
    if is_partition && sources.partitions.len() > 1 {
        return Err(CliError::Usage {
            message: format!(
                "{} is named like a partition, and {} are asked for",
                output.display(),
                sources.partitions.len()
            ),
            hint: Some("name a folder for all of them, or choose one with -t and -p".to_owned()),
        });
    }
    let request = SalvageRequest {
        // A copy under a name that is no partition's has none to give a folder.
        is_log_directory: !is_partition && sources.all_are_named(),
        partitions: sources.partitions,
        output: output.clone(),
        offsets: arguments.offset.map(|(from, until)| Offset::new(from)..Offset::new(until)),
        jobs: global.threads(),
        now: Timestamp::new(jiff::Timestamp::now().as_millisecond()),
    };
    /// Bytes are looked at, copied and read again.
    const PASSES: u64 = 3;
    let progress = Progress::start("salvage", sources.bytes.saturating_mul(PASSES), global.quiet);
    let salvaged = salvage(&*fs, &OsFs, &request, progress.counter()).map_err(said)?;
    drop(progress);
    let document = Document::new(salvaged.report(), &output);
    let mut report = serde_json::to_vec_pretty(&document).map_err(std::io::Error::from)?;
    report.push(b'\n');
    let report = salvaged.commit(&report)?;
    match global.document() {
        Format::Text => text::write(&report, &output)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    Ok(if report.is_complete() { Exit::Fine } else { Exit::LeftOut })
}

/// What went wrong, with its exit code and what to do about it.
fn said(error: SalvageError) -> CliError {
    let refused = match error {
        SalvageError::Failed(error) => return CliError::Engine(error),
        SalvageError::Refused(refused) => refused,
    };
    let message = refused.to_string();
    let hint = match refused {
        Refused::Changed { .. } => {
            return CliError::Failed {
                message,
                hint: Some(
                    "nothing was written; stop the broker, or take a snapshot of the disk, and salvage that".to_owned(),
                ),
            };
        }
        Refused::NotVerified { .. } => {
            return CliError::Failed {
                message,
                hint: Some(
                    "a disk gives other bytes each time it is read: copy its files with ddrescue first".to_owned(),
                ),
            };
        }
        Refused::TooDamaged { .. } => {
            return CliError::Failed { message, hint: Some("salvage its segments one by one".to_owned()) };
        }
        Refused::Exists { .. } => "nothing is written over; name a folder that is not there",
        Refused::WithinSource { .. } | Refused::InLogDirectory { .. } => {
            "write to another disk or folder: nothing may be put beside a broker's partitions"
        }
        Refused::Twice { .. } => "name each copy once",
        Refused::NoSpace { .. } => "make room, or name a folder on another disk",
        _ => "copies of several partitions are told apart by their log directories: name these, or salvage one by one",
    };
    CliError::Refused { message, hint: Some(hint.to_owned()) }
}

/// The path with everything that exists of it resolved.
fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let whole = std::path::absolute(path)?;
    let mut there = whole.as_path();
    let mut rest = Vec::new();
    loop {
        if let Ok(resolved) = there.canonicalize() {
            return Ok(rest.into_iter().rev().fold(resolved, |path: PathBuf, name| path.join(name)));
        }
        let (Some(name), Some(parent)) = (there.file_name(), there.parent()) else { return Ok(whole) };
        rest.push(name);
        there = parent;
    }
}
