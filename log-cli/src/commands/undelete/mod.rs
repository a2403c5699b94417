//! `undelete`: what a broker has set aside to be removed, copied out.

mod find;
mod restore;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log_engine::{OsFs, WriteFs};
use schemars::JsonSchema;
use serde::Serialize;

use self::find::{Found, State};
use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::human;
use crate::new_folder::NewFolder;
use crate::output::{self, Format};
use crate::render::escaped;

/// Copy out what a broker is about to remove: -delete, -stray and -future folders, and .deleted segments
///
/// Without -o it says what there is. With it, each folder is copied to DIR/<topic-partition>, byte for byte; .deleted segments get their
/// names back there, beside copies of the partition's other segments where they do not overlap them, with indexes, snapshots and leader
/// epochs made anew. Nothing is changed where it is read; a broker that runs there removes it meanwhile, so stop it first. DIR is filled as
/// DIR.partial, read back, and then gets its name. Exits 1 if there is nothing, 3 if something was left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli undelete /var/lib/kafka/data                             what is there
  log-cli undelete /var/lib/kafka/data -o /mnt/spare/back          all of it
  log-cli undelete data --state delete -o back                     only what was deleted with its topic
  log-cli undelete data/orders-3.0f3c51-delete -o back             this folder only")]
pub(crate) struct Arguments {
    /// A log directory, or the folder of a partition
    #[arg(value_name = "PATH", required_unless_present = "schema")]
    path: Option<PathBuf>,
    /// The folder to make, which must not exist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Only what was set aside so; may be repeated
    #[arg(long, value_enum, value_name = "STATE")]
    state: Vec<State>,
}

/// What there is, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// The folder that was made; null for a list.
    output: Option<String>,
    /// By partition.
    found: Vec<Line>,
    /// Files that were not copied, and why.
    left_out: Vec<LeftOut>,
}

/// Something that can be copied out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Line {
    topic: String,
    partition: i32,
    /// delete, stray, future: a folder; deleted: segments in a folder.
    state: State,
    /// The folder.
    path: String,
    /// Segments that were set aside.
    segments: u64,
    /// Bytes of all files that were set aside.
    bytes: u64,
    /// The first offset of the first of these segments.
    first_offset: Option<i64>,
}

/// Something that was not copied.
#[derive(Debug, Serialize, JsonSchema)]
struct LeftOut {
    path: String,
    why: String,
}

impl LeftOut {
    fn new(path: &Path, why: impl Into<String>) -> Self {
        Self { path: path.display().to_string(), why: why.into() }
    }
}

impl From<&Found> for Line {
    fn from(found: &Found) -> Self {
        Self {
            topic: found.partition.topic.clone(),
            partition: found.partition.partition,
            state: found.state,
            path: found.folder.path.display().to_string(),
            segments: found.logs().count() as u64,
            bytes: found.bytes,
            first_offset: found.logs().next().map(|base| base.get()),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let (Some(path), false) = (&arguments.path, global.schema) else {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    };
    let fs = global.fs();
    let mut found = find::find(&*fs, path)?;
    found.retain(|one| arguments.state.is_empty() || arguments.state.contains(&one.state));
    let mut report = Report { output: None, found: found.iter().map(Line::from).collect(), left_out: Vec::new() };
    if let (Some(output), false) = (&arguments.output, found.is_empty()) {
        refuse_collisions(&found)?;
        let new = NewFolder::create(output)?;
        refuse_short_space(&new, &found)?;
        OsFs.create_dir(new.inside())?;
        for one in &found {
            restore::restore(&*fs, one, &new.inside().join(one.partition.to_string()), &mut report.left_out)?;
        }
        OsFs.sync_dir(new.inside())?;
        new.publish()?;
        report.output = Some(output.display().to_string());
    }
    match global.document() {
        Format::Text => tell(&report, global)?,
        Format::Json | Format::Ndjson => output::json(&report)?,
    }
    Ok(match (report.found.is_empty(), report.left_out.is_empty()) {
        (true, _) => Exit::No,
        (_, true) => Exit::Fine,
        _ => Exit::LeftOut,
    })
}

/// Two folders of one partition cannot have one name: somebody has to choose.
fn refuse_collisions(found: &[Found]) -> Result<(), CliError> {
    for (n, one) in found.iter().enumerate() {
        let Some(other) = found.iter().skip(n + 1).find(|other| other.partition == one.partition) else { continue };
        let (first, second) = (one.folder.path.display(), other.folder.path.display());
        return Err(CliError::Refused {
            message: format!(
                "{} is there more than once: {first} ({}) and {second} ({})",
                one.partition, one.state, other.state
            ),
            hint: Some("choose with --state, or give the path of one of the folders".to_owned()),
        });
    }
    Ok(())
}

fn refuse_short_space(new: &NewFolder, found: &[Found]) -> Result<(), CliError> {
    let needed = found.iter().fold(0_u64, |sum, one| sum.saturating_add(one.needed()));
    new.refuse_short_space(needed)
}

fn tell(report: &Report, global: &Global) -> io::Result<()> {
    let mut out = output::stdout();
    if report.found.is_empty() && !global.quiet {
        writeln!(out, "nothing is set aside to be removed")?;
    }
    for line in &report.found {
        let name = format!("{}-{}", line.topic, line.partition);
        let segments = human::counted(line.segments, "segment", "segments");
        let bytes = human::bytes(line.bytes);
        let path = escaped(&line.path);
        writeln!(out, "{:<8} {name}  {segments}, {bytes}  {path}", line.state.to_string())?;
    }
    for left_out in &report.left_out {
        writeln!(out, "left out {}: {}", escaped(&left_out.path), left_out.why)?;
    }
    if let Some(output) = &report.output {
        writeln!(out, "copied to {}", escaped(output))?;
    }
    out.flush()
}
