//! `verify`: every check; changes nothing. What was found as text, JSON or JUnit, and the exit code.

mod baseline;
pub(super) mod document;
mod junit;
pub(super) mod text;

use std::path::{Path, PathBuf};

use log_engine::inspect::{FindingCode, StartOptions, Target, VerifyLevel, VerifyOptions, predict_start, verify};
use log_engine::log::PartitionDirectory;
use log_engine::{Error, Fs, Offset, Timestamp, TopicPartition};

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select::targets::{TargetArgs, resolve};
use crate::select::time;
use document::{Document, Given, Starts, Weight};

/// Check everything that can be checked, and say what a broker starting now would do
///
/// Changes nothing, takes no lock, is safe beside a live broker. What a code means: `log-cli explain CODE`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli verify /var/lib/kafka/data                all partitions, every batch
  log-cli verify /disk1/kafka /disk2/kafka          all directories of one broker
  log-cli verify data -t orders --level deep        inside the batches, too
  log-cli verify data --since-checkpoint            only what no start has looked at yet
  log-cli verify data --only B,I --json | jq -r '.partitions[] | select(.state==\"damaged\").path'

Exit codes: 0 nothing from --fail-on up, 1 something, 4 something could not be read.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// How closely to look
    #[arg(long, value_enum, default_value_t)]
    level: Level,
    /// Look at batches only from the recovery point on: what was flushed before is not read
    #[arg(long)]
    since_checkpoint: bool,
    /// The lightest finding that makes the exit code 1
    #[arg(long, value_enum, value_name = "WEIGHT", default_value_t = Weight::Warn)]
    fail_on: Weight,
    /// Only findings whose codes begin like this: B,I006
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out the findings of an earlier answer (--json)
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Also write the answer as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// A topic config that stands in no file: index.interval.bytes=N or segment.index.bytes=N
    #[arg(long, value_name = "NAME=VALUE", value_parser = Config::parse)]
    config: Vec<Config>,
    /// The cluster that the directories should belong to
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// The node that the directories should belong to
    #[arg(long, value_name = "N")]
    node_id: Option<i32>,
    /// The time to go by, for timestamps that lie ahead [default: the clock's]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    now: Option<String>,
    /// Show findings for information, too
    #[arg(short, long)]
    verbose: bool,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    /// Names, sizes, small files, and the active segment of each partition
    Quick,
    /// Also every batch: head, checksum, offsets, epochs, and all indexes
    #[default]
    Normal,
    /// Also inside: records, producers, transactions
    Deep,
}

/// A topic config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Config {
    IndexInterval(u64),
    SegmentIndex(u64),
}

impl Config {
    fn parse(text: &str) -> Result<Self, String> {
        let form = "write index.interval.bytes=N or segment.index.bytes=N";
        let (name, value) = text.split_once('=').ok_or(form)?;
        let value = value.parse().map_err(|_| format!("{value:?} is no number of bytes; {form}"))?;
        match name {
            "index.interval.bytes" => Ok(Self::IndexInterval(value)),
            "segment.index.bytes" => Ok(Self::SegmentIndex(value)),
            _ => Err(format!("{name:?} changes nothing here; {form}")),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let found = find(&*fs, &arguments.targets)?;
    let document = look(&*fs, arguments, global, &found)?;
    if let Some(file) = &arguments.junit {
        junit::write(&document, file)?;
    }
    match global.document() {
        Format::Text => text::write(&document, arguments.verbose, global.quiet)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    let unread = document.partitions.iter().flat_map(|partition| &partition.failed);
    let unread: Vec<&String> = document.failed.iter().chain(unread).collect();
    for message in &unread {
        anstream::eprintln!("error: {message}");
    }
    let worst = document.findings().map(|found| found.severity).max();
    Ok(match worst {
        _ if !unread.is_empty() => Exit::Failed,
        Some(worst) if worst >= arguments.fail_on => Exit::No,
        _ => Exit::Fine,
    })
}

/// What the paths name.
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    pub(super) given: Given,
    pub(super) failed: Vec<Error>,
}

/// Looks what stands where the arguments say.
pub(super) fn find(fs: &dyn Fs, arguments: &TargetArgs) -> Result<Found, CliError> {
    let mut found = Found { targets: Vec::new(), given: Given::default(), failed: Vec::new() };
    for path in arguments.all_paths(fs)? {
        if path.as_os_str() == "-" {
            return Err(CliError::Usage {
                message: "files are checked beside each other, and standard input is one alone".to_owned(),
                hint: Some("`log-cli dump - --batches` checks each batch of a segment from there".to_owned()),
            });
        }
        let resolved = resolve(&path).and_then(|resolved| match Target::of(fs, &resolved)? {
            // The folder around it is looked at as well, and has to have a name.
            Target::File(_) | Target::Partition(_) if resolved.parent() == Some(Path::new("")) => {
                let resolved = Path::new(".").join(resolved);
                Ok((Target::of(fs, &resolved)?, resolved))
            }
            target => Ok((target, resolved)),
        });
        match resolved {
            Ok((target, resolved)) => {
                found.targets.push(target);
                found.given.add(resolved, path);
            }
            Err(error) => found.failed.push(error),
        }
    }
    Ok(found)
}

fn look(fs: &dyn Fs, arguments: &Arguments, global: &Global, found: &Found) -> Result<Document, CliError> {
    let targets = &found.targets;
    let wanted = arguments.targets.wanted()?;
    let selected = |partition: Option<&TopicPartition>| wanted.takes_partition(partition);
    let options = options(arguments, global)?;
    let progress = Progress::start("verify", total_bytes(fs, targets), global.quiet);
    let report = verify(fs, targets, &options, &selected, progress.counter())?;
    drop(progress);
    let start = StartOptions { jobs: Some(global.threads()), ..start_options(arguments) };
    let mut document = Document::of(&report, &predict(fs, &start, targets), &found.given);
    document.failed.splice(..0, found.failed.iter().map(ToString::to_string));
    if let Some(file) = &arguments.baseline {
        let known = baseline::read(fs, file)?;
        document.forget(|found| known.has(found));
    }
    Ok(document)
}

fn options(arguments: &Arguments, global: &Global) -> Result<VerifyOptions, CliError> {
    let clock = jiff::Timestamp::now().as_millisecond();
    let now = arguments.now.as_deref().map_or(Ok(clock), |text| time::parse(text, clock)).map_err(CliError::usage)?;
    Ok(VerifyOptions {
        level: match arguments.level {
            Level::Quick => VerifyLevel::Quick,
            Level::Normal => VerifyLevel::Normal,
            Level::Deep => VerifyLevel::Deep,
        },
        jobs: global.threads(),
        index_interval: start_options(arguments).index_interval_bytes,
        cluster_id: arguments.cluster_id.clone(),
        node_id: arguments.node_id,
        since_checkpoint: arguments.since_checkpoint,
        only: codes(&arguments.only)?,
        ..VerifyOptions::new(Timestamp::new(now))
    })
}

/// The codes that begin with one of these.
fn codes(prefixes: &[String]) -> Result<Vec<FindingCode>, CliError> {
    let mut codes = Vec::new();
    for prefix in prefixes {
        let before = codes.len();
        let prefix = prefix.trim().to_ascii_uppercase();
        codes.extend(FindingCode::ALL.iter().filter(|code| code.name().starts_with(&prefix)));
        if codes.len() == before || prefix.is_empty() {
            return Err(CliError::Usage {
                message: format!("no code begins with {prefix:?}"),
                hint: Some("`log-cli explain` lists them".to_owned()),
            });
        }
    }
    Ok(codes)
}

fn start_options(arguments: &Arguments) -> StartOptions {
    let mut options = StartOptions {
        cluster_id: arguments.cluster_id.clone(),
        node_id: arguments.node_id,
        ..StartOptions::default()
    };
    for config in &arguments.config {
        match *config {
            Config::IndexInterval(bytes) => options.index_interval_bytes = Some(bytes),
            Config::SegmentIndex(bytes) => options.segment_index_bytes = Some(bytes),
        }
    }
    options
}

/// What a broker does that starts on all the log directories, or on the ones around single partitions.
pub(super) fn predict(fs: &dyn Fs, options: &StartOptions, targets: &[Target]) -> Starts {
    let mut starts = Starts::default();
    let mut together = Vec::new();
    let mut around: Vec<PathBuf> = Vec::new();
    for target in targets {
        match target {
            Target::LogDirectory(dir) => together.push(dir.path.clone()),
            Target::Partition(folder) => around.extend(folder.path.parent().map(PathBuf::from)),
            Target::File(_) => {}
        }
    }
    around.sort();
    around.dedup();
    around.retain(|dir| !together.contains(dir) && matches!(Target::of(fs, dir), Ok(Target::LogDirectory(_))));
    let together = Some(together).filter(|dirs| !dirs.is_empty());
    for dirs in together.into_iter().chain(around.into_iter().map(|dir| vec![dir])) {
        match predict_start(fs, &dirs, options) {
            Ok(prediction) => starts.add(prediction),
            // What a broker does with such a file is not known; the findings stand.
            Err(error) => anstream::eprintln!("cannot tell what a broker starting now would do: {error}"),
        }
    }
    starts
}

/// Bytes of the `.log` files that will be read; what cannot be listed counts nothing.
pub(super) fn total_bytes(fs: &dyn Fs, targets: &[Target]) -> u64 {
    let of_folder = |folder: &PartitionDirectory| folder.logs().map(|(_, bytes): (Offset, u64)| bytes).sum::<u64>();
    let of_target = |target: &Target| match target {
        Target::File(path) => fs.stat(path).ok().flatten().map_or(0, |stat| stat.len),
        Target::Partition(folder) => of_folder(folder),
        Target::LogDirectory(dir) => {
            let folders = dir.partitions.iter().filter_map(|(_, path)| PartitionDirectory::list(fs, path).ok());
            folders.map(|folder| of_folder(&folder)).sum()
        }
    };
    targets.iter().map(of_target).sum()
}
