//! `repair`: what is wrong with a log directory and can be made right where it lies.

mod document;
mod text;
mod undo;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use log_engine::inspect::Target;
use log_engine::mend::{Change, PartitionPlan, Repair, RepairLevel, RepairOptions, Run};
use log_engine::{Fs, LogConfig, OsFs, Timestamp, TopicPartition};

use self::document::{DirectoryRow, Document, PartitionRow};
use super::apply::{Applied, ApplyArgs, log_dir, whole};
use super::verify::total_bytes;
use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select::targets::TargetArgs;
use crate::select::time;

/// Repair a log directory where it lies: indexes, snapshots, epochs, checkpoints; with --level more
///
/// Shows the plan; --apply does it. What is replaced, cut and removed is kept beside the log directory, and --undo brings it back. Records go only with
/// --level tail (bytes behind the last sound batch) and --level broker (all that a broker's start would drop), and where they go --confirm is asked
/// for. High watermarks and log starts stand nowhere else: what can be read of them is kept, the rest is reported.
/// Exits 0 if all is well or was done, 1 if a plan has something to do or errors are left, 5 if a broker holds the directory, --confirm is missing, or
/// --mark-clean cannot be had.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli repair /var/lib/kafka/data                               the plan
  log-cli repair /var/lib/kafka/data --apply
  log-cli repair /var/lib/kafka/data --apply --mark-clean -j 8     so that the broker starts at once
  log-cli repair data --level broker --apply --confirm orders-3    what a broker would do to it, with the originals kept
  log-cli repair data --undo 20260114T031522Z-7f2c --apply         all bytes back")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// How far to go
    #[arg(long, value_enum, default_value_t, help_heading = "Repairing")]
    level: Level,
    /// Leave a clean-shutdown marker if no error is left, so that the broker starts without recovery
    #[arg(long, help_heading = "Repairing")]
    mark_clean: bool,
    /// A setting of the topics: index.interval.bytes, segment.index.bytes, segment.bytes, producer.id.expiration.ms (repeatable)
    #[arg(long, value_name = "KEY=N", help_heading = "Repairing", value_parser = Setting::parse)]
    config: Vec<Setting>,
    /// The time to go by [default: the clock's]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "Repairing")]
    now: Option<String>,
    /// Bring back what a run changed: its name, as it was printed
    #[arg(long, value_name = "RUN", help_heading = "Changing", conflicts_with_all = ["level", "config", "mark_clean"])]
    undo: Option<String>,
    /// A partition of which records may go (repeatable)
    #[arg(long, value_name = "TOPIC-PARTITION", help_heading = "Changing")]
    confirm: Vec<String>,
    #[command(flatten)]
    how: ApplyArgs,
}

/// How far to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    /// Make indexes, snapshots, leader epochs and recovery points again; no record is touched
    #[default]
    Derived,
    /// Also cut what lies behind the last sound batch of the last segment
    Tail,
    /// Do what a broker's start would do, whatever is lost by it
    Broker,
}

/// A topic config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    IndexInterval(u64),
    SegmentIndex(u64),
    Segment(u64),
    ProducerExpiration(i64),
}

impl Setting {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write KEY=N")?;
        let bytes = || value.parse().map_err(|_| format!("{value:?} is no number of bytes"));
        match name {
            "index.interval.bytes" => bytes().map(Self::IndexInterval),
            "segment.index.bytes" => bytes().map(Self::SegmentIndex),
            "segment.bytes" => bytes().map(Self::Segment),
            "producer.id.expiration.ms" => {
                value.parse().map(Self::ProducerExpiration).map_err(|_| format!("{value:?} is no number"))
            }
            _ => Err(format!("{name:?} changes nothing here")),
        }
    }
}

impl Arguments {
    fn options(&self, global: &Global) -> Result<RepairOptions, CliError> {
        let clock = jiff::Timestamp::now().as_millisecond();
        let now = self.now.as_deref().map_or(Ok(clock), |text| time::parse(text, clock)).map_err(CliError::usage)?;
        let (mut config, mut index_interval) = (LogConfig::default(), None);
        for setting in &self.config {
            match *setting {
                Setting::IndexInterval(bytes) => index_interval = Some(bytes),
                Setting::SegmentIndex(bytes) => {
                    config.segment_index_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                }
                Setting::Segment(bytes) => config.segment_bytes = bytes,
                Setting::ProducerExpiration(ms) => config.producer_id_expiration_ms = ms,
            }
        }
        let level = match self.level {
            Level::Derived => RepairLevel::Derived,
            Level::Tail => RepairLevel::Tail,
            Level::Broker => RepairLevel::Broker,
        };
        Ok(RepairOptions {
            level,
            mark_clean: self.mark_clean,
            jobs: global.threads(),
            index_interval,
            config,
            ..RepairOptions::new(Timestamp::new(now))
        })
    }

    /// The directories and folders, each once.
    fn targets(&self, fs: &dyn Fs) -> Result<Vec<Target>, CliError> {
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for given in self.targets.all_paths(fs)? {
            let path = whole(&given)?;
            if !seen.insert(path.clone()) {
                return Err(CliError::usage(format!("{} is named twice", given.display())));
            }
            match Target::of(fs, &path)? {
                Target::File(_) => {
                    let message =
                        format!("{} is a file; name a partition's folder or a log directory", given.display());
                    return Err(CliError::usage(message));
                }
                target => targets.push(target),
            }
        }
        Ok(targets)
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let targets = arguments.targets(&*fs)?;
    if let Some(run) = &arguments.undo {
        return undo::run(run, &targets, &arguments.how, global);
    }
    let options = arguments.options(global)?;
    let wanted = arguments.targets.wanted()?;
    if options.mark_clean && (!wanted.is_everything() || targets.iter().any(|t| matches!(t, Target::Partition(_)))) {
        let hint = "a marker speaks for a whole log directory: leave out -t and -p, and name the directory".to_owned();
        return Err(CliError::Usage { message: "--mark-clean of some partitions only".to_owned(), hint: Some(hint) });
    }
    if options.mark_clean && options.level == RepairLevel::Broker {
        return Err(CliError::usage("--mark-clean after what a broker would do is --level tail --mark-clean"));
    }
    let selected = |partition: Option<&TopicPartition>| wanted.takes_partition(partition);
    let mut document = Document::default();
    for target in &targets {
        let mut row = one(&fs, target, arguments, &options, &selected, global)?;
        if row.marked == Some(false) {
            // What only a marker asks for is left alone then.
            let without = RepairOptions { mark_clean: false, ..options.clone() };
            row = one(&fs, target, arguments, &without, &selected, global)?;
            row.marked = Some(false);
        }
        document.directories.push(row);
    }
    match global.document() {
        Format::Text => text::print(&document)?,
        Format::Json | Format::Ndjson => output::json(&document)?,
    }
    document.exit(arguments.how.apply, options.mark_clean)
}

/// Repairs one directory, or plans it.
fn one(
    fs: &Arc<dyn Fs>,
    target: &Target,
    arguments: &Arguments,
    options: &RepairOptions,
    selected: &(dyn Fn(Option<&TopicPartition>) -> bool + Sync),
    global: &Global,
) -> Result<DirectoryRow, CliError> {
    let dir = log_dir(&**fs, target);
    let _held = arguments.how.hold(dir.as_deref())?;
    let progress =
        Progress::start("repair", total_bytes(&**fs, std::slice::from_ref(target)).saturating_mul(2), global.quiet);
    let looked = Repair::look(Arc::clone(fs), target, options.clone(), selected, progress.counter())?;
    let Some(repair) = looked else { return Err(CliError::usage("a file cannot be repaired alone")) };
    let mut work = Work { run: None, arguments, root: repair.root().to_owned() };
    let mut row = DirectoryRow::of(&repair);
    let marker = repair.marker_change();
    // No marker speaks for what is about to change; the new one comes last.
    let gone = marker.filter(|change| matches!(change, Change::Remove { .. }));
    for change in gone.into_iter().chain(repair.root_changes()) {
        work.prepare(change)?;
        row.note_change(change);
    }
    let mut unconfirmed = Vec::new();
    for folder in repair.folders() {
        let plan = repair.plan(folder, progress.counter()).inspect_err(|_| work.abandon())?;
        for change in &plan.changes {
            work.prepare(change)?;
        }
        let name = label(&plan);
        if plan.records_dropped() > 0 && !arguments.confirm.contains(&name) {
            unconfirmed.push((name, plan.records_dropped()));
        }
        row.partitions.push(PartitionRow::of(&plan));
    }
    drop(progress);
    if options.mark_clean {
        row.marked = Some(row.is_whole());
        if row.marked == Some(false) {
            work.abandon();
            return Ok(row);
        }
    }
    if let Some(change) = marker.filter(|change| matches!(change, Change::Write { .. }) && row.marked == Some(true)) {
        work.prepare(change)?;
        row.note_change(change);
    }
    if arguments.how.apply && !unconfirmed.is_empty() {
        work.abandon();
        let names: Vec<_> = unconfirmed.iter().map(|(name, records)| format!("{records} of {name}")).collect();
        let flags: Vec<_> = unconfirmed.iter().map(|(name, _)| format!("--confirm {name}")).collect();
        return Err(CliError::Refused {
            message: format!("records would be lost: {}", names.join(", ")),
            hint: Some(format!("say so with {}", flags.join(" "))),
        });
    }
    row.applied = work.finish(&repair)?;
    Ok(row)
}

/// The run, begun with the first change.
struct Work<'a> {
    run: Option<(Run, String)>,
    arguments: &'a Arguments,
    root: PathBuf,
}

impl Work<'_> {
    fn prepare(&mut self, change: &Change) -> Result<(), CliError> {
        if !self.arguments.how.apply {
            return Ok(());
        }
        let begun = match self.run.take() {
            Some(begun) => begun,
            None => self.arguments.how.begin(&self.root)?,
        };
        let (run, _) = self.run.insert(begun);
        run.prepare(change).map_err(|error| {
            self.abandon();
            error.into()
        })
    }

    /// What was prepared hurts nobody; the error that led here is the one to be told.
    fn abandon(&mut self) {
        if let Some((run, _)) = self.run.take() {
            let _ = run.abandon();
        }
    }

    fn finish(&mut self, repair: &Repair) -> Result<Option<Applied>, CliError> {
        match self.run.take() {
            Some((run, _)) if run.is_empty() => {
                run.abandon()?;
                Ok(None)
            }
            Some((run, id)) => {
                if repair.root_changes().next().is_some() || repair.marker_change().is_some() {
                    repair.sync(&OsFs)?;
                }
                Applied::of(run, id).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// What `--confirm` calls the partition.
fn label(plan: &PartitionPlan) -> String {
    plan.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
