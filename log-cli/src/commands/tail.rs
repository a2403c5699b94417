//! `tail`: the last records, and with `-F` those that come after them.

mod follow;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use log_engine::{Fs, Record};

use super::dump::{Printer, WalkArgs, exit_of, summarize};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output;
use crate::render::RenderArgs;
use crate::render::schema::DumpLine;
use crate::select::targets::{Segment, Series, TargetArgs};
use crate::select::{Bounds, SelectArgs};
use crate::walk::{BatchView, Cursor, Damage, Flow, Options, Sink, Tail, Unit, Walk};
use follow::Follower;

/// Print the last records, and follow what is appended
///
/// With -F it goes on: a batch that is half written is waited for, new segments and new partitions are read, and truncation and
/// deletion are said on standard error. It ends by an interrupt (exit code 130) or when its reader goes away.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli tail orders-3                        the last ten records
  log-cli tail orders-3 -n 100 --json
  log-cli tail data -t orders -F               the last ten of each partition, and what comes
  log-cli tail orders-3 -n 0 -F -k u-42        what comes of one key")]
#[command(mut_arg("limit", |arg| arg.default_value("10").help("How many records of each partition")))]
#[command(mut_arg("per_partition", |arg| arg.hide(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// Go on with what is appended
    #[arg(short = 'F', long)]
    follow: bool,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    walk: WalkArgs,
}

/// Counts records, and remembers where the last of them are.
struct Counter {
    wanted: u64,
    /// The last batches that together have at least as many records as are wanted.
    batches: VecDeque<(Cursor, u64)>,
    count: u64,
}

impl Counter {
    const fn new(wanted: u64) -> Self {
        Self { wanted, batches: VecDeque::new(), count: 0 }
    }

    fn add(&mut self, count: u64) {
        self.count = self.count.saturating_add(count);
        if let Some((_, last)) = self.batches.back_mut() {
            *last = last.saturating_add(count);
        }
        while let Some((_, first)) = self.batches.front() {
            let rest = self.count.saturating_sub(*first);
            if rest < self.wanted || self.batches.len() == 1 {
                break;
            }
            self.count = rest;
            self.batches.pop_front();
        }
    }
}

impl Sink for Counter {
    fn series(&mut self, _: &Series) -> Result<(), CliError> {
        Ok(())
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        self.batches.push_back((Cursor { segment: batch.segment.base, position: batch.position }, 0));
        self.add(0);
        Ok(())
    }

    fn record(&mut self, _: &BatchView<'_>, _: &Record<'_>) -> Flow {
        self.add(1);
        Ok(ControlFlow::Continue(()))
    }

    fn damage(&mut self, _: &Segment, _: &Damage) -> Flow {
        Ok(ControlFlow::Continue(()))
    }
}

/// Lets all but the first records of another sink through.
struct Skipping<'p> {
    skip: u64,
    to: &'p mut Printer,
}

impl Sink for Skipping<'_> {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.to.series(series)
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        self.to.batch(batch)
    }

    fn record(&mut self, batch: &BatchView<'_>, record: &Record<'_>) -> Flow {
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return Ok(ControlFlow::Continue(()));
        }
        self.to.record(batch, record)
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        if self.skip == 0 { self.to.damage(segment, damage) } else { Ok(ControlFlow::Continue(())) }
    }
}

/// Where the last `wanted` records of a log begin: a batch, and how many records to skip there.
///
/// Segments are looked through from the last one back, so that a long log costs no more than its end.
fn last_records(
    fs: &Arc<dyn Fs>,
    options: &Options,
    series: &Series,
    bounds: &Bounds,
    wanted: u64,
) -> Result<(Cursor, u64), CliError> {
    if let (0, Some(last)) = (wanted, series.segments.last()) {
        return Ok((Cursor { segment: last.base, position: 0 }, u64::MAX));
    }
    let mut cursor = Cursor::START;
    let mut found = 0_u64;
    for segment in series.segments.iter().rev() {
        let alone = Series { segments: vec![segment.clone()], ..series.clone() };
        let mut counter = Counter::new(wanted.saturating_sub(found));
        let mut walk = Walk::silent(Arc::clone(fs), options.clone());
        walk.run_from(&alone, Cursor::START, bounds, Tail::Open, &mut counter)?;
        if counter.count > 0 {
            found = found.saturating_add(counter.count);
            cursor = counter.batches.front().map_or(cursor, |(first, _)| *first);
        }
        if found >= wanted {
            break;
        }
    }
    Ok((cursor, found.saturating_sub(wanted)))
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<DumpLine>()?;
        return Ok(Exit::Fine);
    }
    let mut options = arguments.walk.options(&arguments.select, Unit::Records)?;
    let wanted = options.selection.limit.take().unwrap_or(0);
    if arguments.follow {
        follow::exit_on_interrupt()?;
        if arguments.render.is_document(global) {
            return Err(CliError::usage("what is followed has no end: use --format ndjson"));
        }
    }
    let fs = global.fs();
    let found = arguments.targets.find(&*fs)?;
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() && found.failed.is_empty() && !arguments.follow {
        return Ok(super::dump::nothing_found(global));
    }
    if found.series.iter().any(|series| series.segments.iter().any(|segment| segment.path.is_none())) {
        return Err(CliError::usage("standard input is read once: use dump"));
    }
    let mut walk = Walk::new(Arc::clone(&fs), options.clone());
    walk.met.failed = !found.failed.is_empty();
    let mut printer = Printer::new(&arguments.render, Unit::Records, global)?;
    let mut follower = Follower::new(Arc::clone(&fs), global.quiet);
    for series in &found.series {
        let Some(bounds) = walk.bounds(series)? else { continue };
        let (cursor, skip) = last_records(&fs, &options, series, &bounds, wanted)?;
        let is_open = arguments.follow || series.is_live;
        let tail = if is_open { Tail::Open } else { Tail::Closed };
        let mut sink = Skipping { skip, to: &mut printer };
        sink.series(series)?;
        let (end, unfinished) = walk.run_from(series, cursor, &bounds, tail, &mut sink)?;
        follower.add(series, end, unfinished, bounds);
    }
    if arguments.follow {
        return follower.run(&arguments.targets, &mut walk, &mut printer);
    }
    printer.finish()?;
    summarize(&walk.met, global);
    Ok(exit_of(&walk.met))
}
