//! `truncate`: records off the end of a log, or off its beginning.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use log_engine::log::PartitionDirectory;
use log_engine::mend::{TruncateError, TruncateTarget, Truncation, plan_truncation};
use log_engine::{Fs, LeaderEpoch, Offset};
use schemars::JsonSchema;
use serde::Serialize;

use super::apply::{Applied, ApplyArgs, ChangeRow, log_dir_around, partition_at, write_ending};
use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::render::escaped;

/// Take records off the end of a log, or off its beginning
///
/// Indexes, producer snapshots, the leader-epoch file and the checkpoints follow; behind a clean-shutdown marker the log stays one that needs no
/// recovery. A batch is never cut: the one that holds the offset goes whole. Without --apply only the plan is shown. What is replaced and removed is
/// kept beside the log directory. With several replicas, the others have to agree: a follower copies what its leader has.
/// Exits 0 if it was done or nothing is to do, 1 if a plan has something to do, 5 if a broker holds the directory or --confirm is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli truncate data/orders-3 --to-offset 4498112                              what would go
  log-cli truncate data/orders-3 --to-offset 4498112 --apply --confirm orders-3
  log-cli truncate data/orders-3 --to-epoch 17                                    as a follower does whose leader knows no later epoch
  log-cli truncate data/orders-3 --before 4000000                                 as kafka-delete-records does")]
pub(crate) struct Arguments {
    /// The folder of one partition
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    how: ApplyArgs,
    /// The partition, once more: records are lost
    #[arg(long, value_name = "TOPIC-PARTITION", help_heading = "Changing")]
    confirm: Option<String>,
}

/// Where to: one of these.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct To {
    /// The log ends before this offset
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// The log ends at its high watermark, as the checkpoint says it
    #[arg(long)]
    to_hw: bool,
    /// The log ends where this leader epoch ends
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(i32).range(0..))]
    to_epoch: Option<i32>,
    /// The log starts at this offset
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    before: Option<i64>,
}

impl To {
    fn target(&self) -> Result<TruncateTarget, CliError> {
        match (self.to_offset, self.to_hw, self.to_epoch, self.before) {
            (Some(offset), ..) => Ok(TruncateTarget::Offset(Offset::new(offset))),
            (_, true, ..) => Ok(TruncateTarget::HighWatermark),
            (_, _, Some(epoch), _) => Ok(TruncateTarget::EpochEnd(LeaderEpoch::new(epoch))),
            (.., Some(offset)) => Ok(TruncateTarget::Before(Offset::new(offset))),
            _ => Err(CliError::Usage {
                message: "where to is not said".to_owned(),
                hint: Some("--to-offset N, --to-hw, --to-epoch E or --before N".to_owned()),
            }),
        }
    }
}

/// What was done, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// The version of this form.
    schema: Version,
    /// What paths are relative to.
    directory: String,
    /// The partition's folder.
    partition: String,
    log_start: i64,
    log_end: i64,
    /// The first offset then.
    new_log_start: i64,
    /// The offset behind the last record then.
    new_log_end: i64,
    /// Data records that go, or are hidden before the log start.
    records: u64,
    /// Bytes of `.log` files that go.
    bytes: u64,
    /// Transactions that are open at the new end: whoever reads committed records waits there until they are ended.
    open_transactions: Vec<OpenTransaction>,
    /// In this order.
    changes: Vec<ChangeRow>,
    /// Null if only the plan was made.
    applied: Option<Applied>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "truncate/1")]
    One,
}

/// A transaction that is open.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OpenTransaction {
    producer_id: i64,
    first_offset: i64,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let Some(dir) = arguments.dir.as_ref().filter(|_| !global.schema) else {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    };
    let target = arguments.to.target()?;
    let fs = global.fs();
    let folder = partition_at(&*fs, dir)?;
    let _held = arguments.how.hold(log_dir_around(&*fs, &folder.path).as_deref())?;
    let truncation = plan(&fs, &folder, target)?;
    let name = folder.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_to_be_done = !truncation.changes.is_empty();
    let mut document = Document::of(&truncation, &name);
    if arguments.how.apply && is_to_be_done {
        if arguments.confirm.as_deref() != Some(&name) {
            return Err(CliError::Refused {
                message: format!("{} would be lost", human::counted(truncation.records, "record", "records")),
                hint: Some(format!("say so with --confirm {name}")),
            });
        }
        document.applied = Some(arguments.how.carry_out(&truncation.root, &truncation.changes)?);
    }
    match global.document() {
        Format::Text => print(&document)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    Ok(if is_to_be_done && !arguments.how.apply { Exit::No } else { Exit::Fine })
}

fn plan(fs: &Arc<dyn Fs>, folder: &PartitionDirectory, target: TruncateTarget) -> Result<Truncation, CliError> {
    plan_truncation(fs, folder, target, Some(SystemTime::now())).map_err(|error| match error {
        TruncateError::Engine(error) => error.into(),
        TruncateError::Outside { .. } | TruncateError::UnknownEpoch(_) => CliError::usage(error.to_string()),
        TruncateError::Damaged { .. } => CliError::Refused {
            message: error.to_string(),
            hint: Some(format!("`log-cli verify {}` says where", folder.path.display())),
        },
        other => CliError::Refused { message: other.to_string(), hint: None },
    })
}

impl Document {
    fn of(truncation: &Truncation, name: &str) -> Self {
        let open = truncation.open_transactions.iter().filter_map(|entry| {
            Some(OpenTransaction { producer_id: entry.producer_id.get(), first_offset: entry.txn_first_offset?.get() })
        });
        Self {
            schema: Version::One,
            directory: truncation.root.display().to_string(),
            partition: name.to_owned(),
            log_start: truncation.log_start.0.get(),
            log_end: truncation.log_end.0.get(),
            new_log_start: truncation.log_start.1.get(),
            new_log_end: truncation.log_end.1.get(),
            records: truncation.records,
            bytes: truncation.bytes,
            open_transactions: open.collect(),
            changes: truncation.changes.iter().map(ChangeRow::of).collect(),
            applied: None,
        }
    }
}

/// Says it to people.
fn print(document: &Document) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let mut out = output::stdout();
    let name = escaped(&document.partition);
    let (start, end) = (document.log_start, document.log_end);
    if document.changes.is_empty() {
        writeln!(out, "{name}  holds {start} to {end}: nothing to do")?;
        return out.flush();
    }
    let (holds, go) = if document.applied.is_some() { ("holds", "are gone") } else { ("would hold", "would go") };
    let records = human::counted(document.records, "record", "records");
    writeln!(
        out,
        "{bold}{name}{bold:#}  held {start} to {end}, {holds} {} to {}: {records} and {} {go}",
        document.new_log_start,
        document.new_log_end,
        human::bytes(document.bytes)
    )?;
    for change in &document.changes {
        writeln!(out, "  {}", escaped(&change.text()))?;
    }
    for open in &document.open_transactions {
        let (producer, first) = (open.producer_id, open.first_offset);
        writeln!(out, "  producer {producer} has a transaction open since offset {first}: read_committed waits there")?;
    }
    write_ending(&mut out, document.applied.as_ref(), &format!(" --confirm {name}"))?;
    out.flush()
}
