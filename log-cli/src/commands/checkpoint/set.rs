//! `checkpoint set`: what the checkpoints of a log directory say of one partition.

use std::io::{self, Write};
use std::path::PathBuf;

use log_engine::Offset;
use log_engine::checkpoint::Uuid;
use log_engine::mend::{CheckpointLines, SetError, plan_set};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::commands::apply::{Applied, ApplyArgs, ChangeRow, log_dir_around, partition_at, write_ending};
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::render::escaped;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder of one partition, in its log directory
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    how: ApplyArgs,
    /// The partition, once more: for a log start that rises, below which a broker deletes
    #[arg(long, value_name = "TOPIC-PARTITION", help_heading = "Changing")]
    confirm: Option<String>,
}

/// What to write.
#[derive(Debug, clap::Args)]
#[group(required = false, multiple = true)]
struct Lines {
    /// The first offset that a start without marker checks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    recovery_point: Option<i64>,
    /// The first offset that is served
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    log_start: Option<i64>,
    /// The first offset that is not known to be replicated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    high_watermark: Option<i64>,
    /// The first offset that the cleaner has not cleaned
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    cleaner: Option<i64>,
    /// The topic's id in partition.metadata
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    topic_id: Option<Uuid>,
}

fn parse_id(text: &str) -> Result<Uuid, String> {
    let id = Uuid::parse(text).filter(|id| *id != Uuid::ZERO);
    id.ok_or_else(|| format!("{text:?} is no topic id: 22 characters, as kafka-topics prints it"))
}

/// What was done, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// The version of this form.
    schema: Version,
    /// What paths are relative to.
    directory: String,
    partition: String,
    /// The first offset that is served.
    log_start: i64,
    /// The same then.
    new_log_start: i64,
    changes: Vec<ChangeRow>,
    /// Null if only the plan was made.
    applied: Option<Applied>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "checkpoint-set/1")]
    One,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let Some(dir) = arguments.dir.as_ref().filter(|_| !global.schema) else {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    };
    let offset = |offset: Option<i64>| offset.map(Offset::new);
    let lines = CheckpointLines {
        recovery_point: offset(arguments.lines.recovery_point),
        log_start: offset(arguments.lines.log_start),
        high_watermark: offset(arguments.lines.high_watermark),
        cleaner: offset(arguments.lines.cleaner),
        topic_id: arguments.lines.topic_id,
    };
    if lines == CheckpointLines::default() {
        return Err(CliError::Usage {
            message: "nothing is said to be set".to_owned(),
            hint: Some(
                "--recovery-point N, --log-start N, --high-watermark N, --cleaner N or --topic-id ID".to_owned(),
            ),
        });
    }
    let fs = global.fs();
    let folder = partition_at(&*fs, dir)?;
    let _held = arguments.how.hold(log_dir_around(&*fs, &folder.path).as_deref())?;
    let plan = plan_set(&fs, &folder, &lines).map_err(refused)?;
    let name = folder.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_to_be_done = !plan.changes.is_empty();
    let mut document = Document {
        schema: Version::One,
        directory: plan.root.display().to_string(),
        partition: name.clone(),
        log_start: plan.log_start.0.get(),
        new_log_start: plan.log_start.1.get(),
        changes: plan.changes.iter().map(ChangeRow::of).collect(),
        applied: None,
    };
    if arguments.how.apply && is_to_be_done {
        if plan.log_start.1 > plan.log_start.0 && arguments.confirm.as_deref() != Some(&name) {
            return Err(CliError::Refused {
                message: format!("records from {} to {} would be lost", plan.log_start.0, plan.log_start.1),
                hint: Some(format!("say so with --confirm {name}")),
            });
        }
        document.applied = Some(arguments.how.carry_out(&plan.root, &plan.changes)?);
    }
    match global.document() {
        Format::Text => print(&document)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    Ok(if is_to_be_done && !arguments.how.apply { Exit::No } else { Exit::Fine })
}

fn refused(error: SetError) -> CliError {
    match error {
        SetError::Engine(error @ log_engine::Error::Corrupt(_)) => CliError::Refused {
            message: error.to_string(),
            hint: Some("`log-cli checkpoint rebuild` keeps the lines that can be read".to_owned()),
        },
        SetError::Engine(error) => error.into(),
        SetError::Outside { .. } => CliError::usage(error.to_string()),
        other => CliError::Refused { message: other.to_string(), hint: None },
    }
}

/// Says it to people.
fn print(document: &Document) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let mut out = output::stdout();
    let name = escaped(&document.partition);
    if document.changes.is_empty() {
        writeln!(out, "{name}  all says that already: nothing to do")?;
        return out.flush();
    }
    writeln!(out, "{bold}{name}{bold:#}")?;
    for change in &document.changes {
        writeln!(out, "  {}", escaped(&change.text()))?;
    }
    if document.new_log_start > document.log_start {
        let (from, to) = (document.log_start, document.new_log_start);
        writeln!(out, "  the log starts at {to} instead of {from}: a broker deletes segments that lie before it")?;
    }
    write_ending(&mut out, document.applied.as_ref(), "")?;
    out.flush()
}
