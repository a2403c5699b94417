//! `retention`: which segments a broker's retention deletes, and why the others stay; what could go to free a disk.

mod document;
mod free;
mod text;

use std::path::PathBuf;

use log_engine::inspect::Target;
use log_engine::log::{
    DirectoryState, PartitionDirectory, PartitionName, RetentionRules, RetentionVerdict, root_files,
};
use log_engine::{Fs, LogReader, Offset, Timestamp};

use self::document::Document;
use super::verify::{Found, find};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output::{self, Format};
use crate::select::targets::TargetArgs;
use crate::select::time;
use crate::throttle::Size;

/// Say which segments retention deletes, and why it keeps the others
///
/// By Kafka's rules: segments go from the oldest on, whole, below the high watermark; first what lies below the log start, then what is too
/// much, then what is too old. How old a segment is says its largest timestamp. Changes nothing. Topic configs stand in no file: say them with --ms
/// and --bytes. __consumer_offsets and __transaction_state are taken for compacted, the metadata log for one that has no retention.
/// Exits 0 if a segment goes (with --free: if enough could go), 1 if none does (not enough).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli retention /var/lib/kafka/data -t orders --ms 172800000    what goes, and what pins the rest
  log-cli retention orders-3 --bytes 10GiB --json | jq '.partitions[].segments[] | select(.verdict == \"keep\")'
  log-cli retention data --ms 604800000 --now 2026-02-01            what will have gone by then
  log-cli retention /disk1/kafka /disk2/kafka --free 50GiB          what could go, in which order, to free 50 GiB")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// retention.ms; -1: any age stays
    #[arg(long, value_name = "N", default_value_t = 604_800_000, allow_negative_numbers = true)]
    ms: i64,
    /// retention.bytes, such as 10GiB; -1: any size stays
    #[arg(long, value_name = "SIZE", default_value = "-1", allow_hyphen_values = true, value_parser = parse_bytes)]
    bytes: Limit,
    /// The time to go by [default: the clock's]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    now: Option<String>,
    /// What could go until so much is free: first what goes anyway, then the oldest of all partitions
    #[arg(long, value_name = "SIZE")]
    free: Option<Size>,
    /// Show each segment of partitions of which nothing goes, too
    #[arg(short, long)]
    verbose: bool,
}

/// A size that may be any.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<u64>);

fn parse_bytes(text: &str) -> Result<Limit, String> {
    match text {
        "-1" => Ok(Limit(None)),
        "0" => Ok(Limit(Some(0))),
        _ => text.parse::<Size>().map(|size| Limit(Some(size.bytes()))),
    }
}

/// A partition with what retention does with its segments.
struct Judged {
    path: PathBuf,
    name: Option<PartitionName>,
    /// Whether only compaction removes what is in it.
    is_compacted: bool,
    log_start: Offset,
    log_end: Offset,
    high_watermark: Option<Offset>,
    verdicts: Vec<RetentionVerdict>,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let clock = jiff::Timestamp::now().as_millisecond();
    let now = arguments.now.as_deref().map_or(Ok(clock), |text| time::parse(text, clock)).map_err(CliError::usage)?;
    let rules = RetentionRules {
        now: Timestamp::new(now),
        ms: Some(arguments.ms).filter(|ms| *ms >= 0),
        bytes: arguments.bytes.0,
        delete: true,
    };
    let found = find(&*fs, &arguments.targets)?;
    let mut failed = Vec::new();
    let folders = folders(&*fs, arguments, &found, &mut failed)?;
    let mut judged = Vec::new();
    for folder in folders {
        match judge(&*fs, folder, rules) {
            Ok(one) => judged.push(one),
            Err(error) => failed.push(error),
        }
    }
    failed.splice(..0, found.failed);
    let free = arguments.free.map(|asked| free::plan(&judged, asked.bytes()));
    let document = Document::of(&judged, free.as_ref(), rules, &found.given, &failed);
    match global.document() {
        Format::Text => text::write(&document, arguments.verbose)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    failed.iter().for_each(|error| complain(error));
    Ok(if failed.is_empty() { document.exit() } else { Exit::Failed })
}

/// The folders of live partitions that are wanted, sorted by topic and number within a log directory; one that was named is taken as it is.
fn folders(
    fs: &dyn Fs,
    arguments: &Arguments,
    found: &Found,
    failed: &mut Vec<log_engine::Error>,
) -> Result<Vec<PartitionDirectory>, CliError> {
    let wanted = arguments.targets.wanted()?;
    let takes = |name: Option<&PartitionName>| {
        wanted.takes(name.map(|name| &*name.partition.topic), name.map(|name| name.partition.partition))
    };
    let mut folders = Vec::new();
    for target in &found.targets {
        match target {
            Target::File(path) => {
                let message = format!("{} is a file: retention goes by a whole partition", path.display());
                return Err(CliError::usage(message));
            }
            Target::Partition(folder) => folders.extend(Some(folder.clone()).filter(|one| takes(one.name.as_ref()))),
            Target::LogDirectory(dir) => {
                let live = dir.partitions.iter().filter(|(name, path)| {
                    let is_metadata_log = path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
                    name.state == DirectoryState::Live && !is_metadata_log && takes(Some(name))
                });
                let mut live: Vec<_> = live.collect();
                live.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (_, path) in live {
                    match PartitionDirectory::list(fs, path) {
                        Ok(folder) => folders.push(folder),
                        Err(error) => failed.push(error),
                    }
                }
            }
        }
    }
    Ok(folders)
}

fn judge(fs: &dyn Fs, folder: PartitionDirectory, rules: RetentionRules) -> Result<Judged, log_engine::Error> {
    const COMPACTED: [&str; 2] = ["__consumer_offsets", "__transaction_state"];
    let log = LogReader::open(fs, &folder.path)?;
    let topic = folder.name.as_ref().map_or("", |name| &name.partition.topic);
    let is_compacted = COMPACTED.contains(&topic);
    let verdicts = log.plan_retention(&RetentionRules { delete: !is_compacted, ..rules })?;
    Ok(Judged {
        is_compacted,
        log_start: log.log_start(),
        log_end: log.log_end()?,
        high_watermark: log.high_watermark(),
        verdicts,
        path: folder.path,
        name: folder.name,
    })
}
