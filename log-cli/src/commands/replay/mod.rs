//! `replay`: records once more, into other partitions or as lines, at the pace they had or another.

mod pace;
mod route;
mod source;
mod target;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use log_engine::TopicPartition;
use schemars::JsonSchema;
use serde::Serialize;

use self::pace::{Pace, Schedule, wait_until};
use self::route::{Partitioning, Routes};
use self::source::{Event, Reader};
use self::target::{Target, To};
use super::dump::{ConsumerArgs, WalkArgs, exit_of, nothing_found, summarize};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::human;
use crate::output::{self, Format};
use crate::redact::{RedactArgs, Redaction};
use crate::select::targets::{Series, TargetArgs};
use crate::select::{SelectArgs, time};
use crate::throttle::Size;
use crate::walk::Unit;

/// Write records once more: into other partitions or as lines, at their own pace or another
///
/// Without a choice of records everything travels, with its offsets, producers, transactions and markers. With one, or with
/// --isolation or --partition hash, plain data does: no control records, and what a transaction would have hidden is shown unless
/// --isolation read_committed leaves it out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli replay snapshot -t 'orders*' --to dir:./fixture --shift-time now
  log-cli replay orders-3 --since 2026-01-14T13:00Z --rate original --speed 4 --to - | my-consumer
  log-cli replay data --to dir:./wide --partition hash:12 --isolation read_committed
  log-cli replay data --to dir:./copy --resume                 go on where the last one was interrupted")]
#[command(mut_arg("partition", |arg| arg.long("only-partition")))]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// Where to: dir:PATH for a log directory, - for lines of JSON on standard output
    #[arg(long, value_name = "TARGET", required_unless_present = "schema")]
    to: Option<To>,
    /// How fast: original (the gaps between the timestamps), max, or N/s
    #[arg(long, value_name = "RATE", default_value = "max")]
    rate: Pace,
    /// With --rate original: so many times as fast
    #[arg(long, value_name = "X", default_value = "1", value_parser = pace::speed)]
    speed: f64,
    /// Move all timestamps: by a DURATION such as 30d or -2h, or so that the newest is of now
    #[arg(long, value_name = "now|DURATION", allow_hyphen_values = true)]
    shift_time: Option<String>,
    /// Another name for a topic; may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = route::parse_map)]
    map: Vec<(String, String)>,
    /// Which partition: keep (the number and the offsets), hash or hash:N (by key, as Kafka's producer; offsets are new)
    #[arg(id = "partitioning", long = "partition", value_name = "keep|hash", default_value = "keep")]
    partitioning: Partitioning,
    /// Go on behind what is in the target; give the same arguments as before
    #[arg(long)]
    resume: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin a new segment before it is larger than this, such as 64MiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    segment_bytes: Size,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    walk: WalkArgs,
    #[command(flatten)]
    redact: RedactArgs,
}

/// What was replayed.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// In order of topic and number.
    partitions: Vec<PartitionReport>,
    /// Milliseconds by which timestamps were moved.
    shift_ms: i64,
    /// Nothing was written.
    dry_run: bool,
    /// It ended early.
    interrupted: bool,
}

/// What was replayed into one partition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PartitionReport {
    topic: String,
    partition: i32,
    records: u64,
    /// Records that were there already.
    skipped: u64,
    /// The smallest timestamp that was written, in milliseconds.
    first_timestamp: Option<i64>,
    /// The largest.
    last_timestamp: Option<i64>,
}

impl PartitionReport {
    const fn new(topic: String, partition: i32) -> Self {
        Self { topic, partition, records: 0, skipped: 0, first_timestamp: None, last_timestamp: None }
    }

    fn line(&self) -> String {
        let records = human::counted(self.records, "record", "records");
        let times = match (self.first_timestamp, self.last_timestamp) {
            (Some(first), Some(last)) => format!(", {} to {}", human::time(first), human::time(last)),
            _ => String::new(),
        };
        let skipped =
            if self.skipped > 0 { format!(", {} there before", human::count(self.skipped)) } else { String::new() };
        format!("{}-{}  {records}{times}{skipped}", self.topic, self.partition)
    }
}

/// A replay on its way.
struct Replay<'r> {
    routes: &'r Routes,
    target: Target,
    schedule: Schedule,
    /// When the first record was written.
    began: Option<Instant>,
    shift_ms: i64,
    redaction: Option<Redaction>,
    is_interrupted: &'r AtomicBool,
    done: BTreeMap<TopicPartition, (PartitionReport, Skip)>,
}

/// What of a partition is there already.
#[derive(Clone, Copy, Debug)]
enum Skip {
    /// All offsets below.
    Below(i64),
    /// So many records.
    Count(i64),
}

impl Replay<'_> {
    fn take(&mut self, index: usize, mut event: Event) -> Result<ControlFlow<()>, CliError> {
        if self.is_interrupted.load(Ordering::Relaxed) {
            return Ok(ControlFlow::Break(()));
        }
        let key = if let Event::Row(row) = &event { row.key.as_deref() } else { None };
        let Some(partition) = self.routes.target(index, key) else { return Ok(ControlFlow::Continue(())) };
        let keep = self.routes.keep();
        let (report, skip) = match self.done.entry(partition.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let end = self.target.end(&partition)?;
                let report = PartitionReport::new(partition.topic.clone(), partition.partition);
                new.insert((report, if keep { Skip::Below(end) } else { Skip::Count(end) }))
            }
        };
        if skip.takes(&event) {
            report.skipped = report.skipped.saturating_add(1);
            return Ok(ControlFlow::Continue(()));
        }
        if let Event::Row(row) = &mut event {
            if !keep {
                row.offset = None;
            }
            let due = self.schedule.due(row.timestamp);
            let due = self.began.get_or_insert_with(Instant::now).checked_add(due);
            if row.timestamp >= 0 {
                row.timestamp = row.timestamp.saturating_add(self.shift_ms).max(0);
                report.first_timestamp = Some(report.first_timestamp.map_or(row.timestamp, |t| t.min(row.timestamp)));
                report.last_timestamp = Some(report.last_timestamp.map_or(row.timestamp, |t| t.max(row.timestamp)));
            }
            report.records = report.records.saturating_add(1);
            let is_ahead = due.is_none_or(|due| due > Instant::now()) && !self.target.is_dry();
            if is_ahead {
                self.target.flush()?;
                // What lies behind the end of time never comes.
                let far = || Instant::now() + std::time::Duration::from_secs(u64::from(u32::MAX));
                if !wait_until(due.unwrap_or_else(far), self.is_interrupted) {
                    report.records = report.records.saturating_sub(1);
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        if let (Some(redaction), Event::Row(row)) = (&self.redaction, &mut event)
            && !row.batch.is_control
        {
            redaction.row(row);
        }
        self.target.add(&partition, event)?;
        Ok(ControlFlow::Continue(()))
    }
}

impl Skip {
    /// Whether `event` is there already.
    fn takes(&mut self, event: &Event) -> bool {
        match (self, event) {
            (Self::Below(end), Event::Row(row)) => row.offset.is_some_and(|offset| offset < *end),
            (Self::Below(end), Event::Emptied(emptied)) => emptied.batch.first_offset.is_some_and(|first| first < *end),
            (Self::Count(left), _) => {
                let is_there = *left > 0;
                *left = left.saturating_sub(i64::from(is_there));
                is_there
            }
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let (Some(to), false) = (&arguments.to, global.schema) else {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    };
    if (arguments.speed - 1.0).abs() > f64::EPSILON && arguments.rate != Pace::Original {
        return Err(CliError::usage("--speed is a factor of --rate original"));
    }
    let fs = global.fs();
    let options = arguments.walk.options(&arguments.select, Unit::Records)?.with_isolation(&arguments.consumer);
    let found = arguments.targets.find(&*fs)?;
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() {
        return Ok(if found.failed.is_empty() { nothing_found(global) } else { Exit::Failed });
    }
    let routes = Routes::new(&found.series, &arguments.map, arguments.partitioning)?;
    let is_plain = !routes.keep() || options.isolation.is_some() || !options.selection.is_everything();
    let reader = Reader { fs, options, is_plain, quiet: global.quiet };
    let shift_ms = shift(arguments, &reader, &found.series)?;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(&is_interrupted)?;
    let target = if arguments.dry_run {
        Target::dry(to, arguments.resume)?
    } else {
        Target::open(to, arguments.resume, arguments.segment_bytes.bytes())?
    };
    let schedule = Schedule::new(arguments.rate, arguments.speed);
    let done = BTreeMap::new();
    let redaction = arguments.redact.redaction();
    let is_interrupted = &*is_interrupted;
    let mut replay =
        Replay { routes: &routes, target, schedule, began: None, shift_ms, redaction, is_interrupted, done };
    let mut take = |index, event| replay.take(index, event);
    let met = if arguments.rate == Pace::Original && found.series.len() > 1 {
        reader.by_time(&found.series, &mut take)?
    } else {
        reader.one_by_one(&found.series, &mut take)?
    };
    replay.target.finish()?;
    let interrupted = is_interrupted.load(Ordering::Relaxed);
    let partitions = replay.done.into_values().map(|(report, _)| report).collect();
    let report = Report { partitions, shift_ms, dry_run: arguments.dry_run, interrupted };
    tell(&report, to, global)?;
    summarize(&met, global);
    Ok(match exit_of(&met) {
        _ if interrupted => Exit::Interrupted,
        _ if !found.failed.is_empty() => Exit::Failed,
        exit => exit,
    })
}

/// By how many milliseconds timestamps move.
fn shift(arguments: &Arguments, reader: &Reader, series: &[Series]) -> Result<i64, CliError> {
    let Some(text) = arguments.shift_time.as_deref() else { return Ok(0) };
    if text != "now" {
        let shift = time::duration(text.strip_prefix('+').unwrap_or(text));
        return shift.ok_or_else(|| CliError::usage(format!("{text:?} is no length of time; now, 30d or -2h is one")));
    }
    if arguments.resume {
        return Err(CliError::usage("--resume needs the --shift-time in numbers that the first replay told"));
    }
    if series.iter().any(|one| one.segments.iter().any(|segment| segment.path.is_none())) {
        return Err(CliError::usage("standard input is read once: its newest record cannot be known before"));
    }
    let quiet = Reader { quiet: true, ..reader.clone() };
    let mut newest = None;
    quiet.one_by_one(series, &mut |_, event| {
        if let Event::Row(row) = event {
            newest = newest.max(Some(row.timestamp).filter(|timestamp| *timestamp >= 0));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(newest.map_or(0, |newest| jiff::Timestamp::now().as_millisecond().saturating_sub(newest)))
}

/// Lets an interrupt from the keyboard end the replay between two records, so that the target is closed.
fn stop_on_interrupt(is_interrupted: &Arc<AtomicBool>) -> Result<(), CliError> {
    let flag = Arc::clone(is_interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .map_err(|e| CliError::Output(std::io::Error::other(e)))
}

fn tell(report: &Report, to: &To, global: &Global) -> Result<(), CliError> {
    if global.document() != Format::Text && *to != To::Lines {
        return Ok(output::json(report)?);
    }
    if global.quiet {
        return Ok(());
    }
    for partition in &report.partitions {
        anstream::eprintln!("{}", partition.line());
    }
    if report.shift_ms != 0 {
        anstream::eprintln!("times moved by {}ms", report.shift_ms);
    }
    if report.interrupted && *to != To::Lines {
        anstream::eprintln!("interrupted: --resume goes on from here");
    }
    if report.dry_run {
        anstream::eprintln!("nothing was written");
    }
    Ok(())
}
