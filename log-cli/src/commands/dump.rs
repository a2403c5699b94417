//! `dump`: records or batches, in order.

use std::ops::ControlFlow;
use std::sync::Arc;

use log_engine::Record;

use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output;
use crate::progress::Progress;
use crate::render::schema::DumpLine;
use crate::render::{self, Layout, RenderArgs};
use crate::select::SelectArgs;
use crate::select::targets::{Segment, Series, TargetArgs};
use crate::walk::{BatchView, Damage, Flow, Isolation, Met, Options, Sink, Unit, Walk};
use crate::writer::Rows;

/// Print records, or batches, in order
///
/// Without --isolation everything that lies in the files is shown: control records, aborted data, and what lies before the log's start.
/// Damage is a line of its own, and the dump goes on behind it; the exit code is then 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli dump orders-3 -o 4498112:+20                          twenty records, for people
  log-cli dump data -t orders -p 3 --since -2h --json | jq -r 'select(.value==null).key'
  log-cli dump 00000000000004410021.log --batches               one line a batch, the field names of Kafka's tool
  log-cli dump orders-3 -o -1 -f '%o %d{rfc3339} %k{hex}\\n'
  log-cli dump - --base-offset 4410021 --json < 00000000000004410021.log")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    walk: WalkArgs,
    /// One line a batch instead of its records
    #[arg(long, help_heading = "How to print")]
    batches: bool,
}

/// How to go through the files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How to read")]
pub(crate) struct WalkArgs {
    /// Do not compute checksums
    #[arg(long, overrides_with = "verify")]
    no_verify: bool,
    /// Compute checksums (the default)
    #[arg(long)]
    verify: bool,
    /// Stop at the first damage
    #[arg(long)]
    stop_on_damage: bool,
}

/// Whose eyes to read with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(crate) struct ConsumerArgs {
    /// What a consumer at this level would read: from the log's start to its end or the last stable offset, no control records
    #[arg(long, value_enum, value_name = "LEVEL")]
    isolation: Option<Isolation>,
}

impl WalkArgs {
    /// The options of a walk for `unit`.
    pub(crate) fn options(&self, select: &SelectArgs, unit: Unit) -> Result<Options, CliError> {
        let now = jiff::Timestamp::now().as_millisecond();
        let selection = select.selection(now)?;
        Ok(Options { selection, unit, verify: !self.no_verify, stop_on_damage: self.stop_on_damage, isolation: None })
    }
}

impl Options {
    /// The same with the eyes of a consumer, if that is asked.
    pub(crate) fn with_isolation(self, args: &ConsumerArgs) -> Self {
        Self { isolation: args.isolation, ..self }
    }
}

/// Writes all it is given.
pub(crate) struct Printer {
    layout: Box<dyn Layout>,
    rows: Rows,
    unit: Unit,
    label: String,
    quiet: bool,
}

impl Printer {
    /// Writes `unit` as the arguments say.
    pub(crate) fn new(render: &RenderArgs, unit: Unit, global: &Global) -> Result<Self, CliError> {
        Ok(Self::of(render.layout(global)?, Rows::new(render.is_document(global)), unit, global.quiet))
    }

    /// Writes `unit` in `layout` to `rows`, its head first.
    pub(crate) fn of(mut layout: Box<dyn Layout>, mut rows: Rows, unit: Unit, quiet: bool) -> Self {
        rows.bare(|out| layout.head(out));
        Self { layout, rows, unit, label: String::new(), quiet }
    }

    /// Writes the batch itself.
    pub(crate) fn batch_line(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        self.rows.row(|out| self.layout.batch_line(out, batch))
    }

    /// How many rows there are so far.
    pub(crate) const fn count(&self) -> u64 {
        self.rows.count()
    }

    /// Writes what was collected so far.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        self.rows.flush()
    }

    /// Writes the rest.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        self.rows.finish()
    }
}

impl Sink for Printer {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.label = series.label();
        self.layout.series(series);
        Ok(())
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        match self.unit {
            Unit::Records => self.layout.batch(batch),
            Unit::Batches => self.rows.row(|out| self.layout.batch_line(out, batch))?,
        }
        Ok(())
    }

    fn record(&mut self, _: &BatchView<'_>, record: &Record<'_>) -> Flow {
        self.rows.row(|out| self.layout.record(out, record))?;
        Ok(ControlFlow::Continue(()))
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        print_damage(&mut *self.layout, &mut self.rows, &self.label, segment, damage, self.quiet)?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Says what could not be read where the layout has a place for it, and on standard error where not.
pub(crate) fn print_damage(
    layout: &mut dyn Layout,
    rows: &mut Rows,
    label: &str,
    segment: &Segment,
    damage: &Damage,
    quiet: bool,
) -> Result<(), CliError> {
    let mut line = Vec::new();
    if layout.damage(&mut line, segment, damage) {
        return rows.row(|out| out.extend_from_slice(&line));
    }
    if !quiet {
        let what = damage.code.map_or("left out".to_owned(), |code| format!("damage {code}"));
        anstream::eprintln!("{what}{}", render::damage_line(label, segment, damage));
    }
    Ok(())
}

/// Says that the arguments name no partition that is there.
pub(crate) fn nothing_found(global: &Global) -> Exit {
    if !global.quiet {
        anstream::eprintln!("no partition has such a name");
    }
    Exit::No
}

/// The exit code of a walk.
pub(crate) fn exit_of(met: &Met) -> Exit {
    match met {
        Met { failed: true, .. } => Exit::Failed,
        Met { damaged: 1.., .. } => Exit::No,
        Met { left_out: 1.., .. } => Exit::LeftOut,
        _ => Exit::Fine,
    }
}

/// Says what was met, for people who do not read every line.
pub(crate) fn summarize(met: &Met, global: &Global) {
    let Met { damaged, left_out, .. } = met;
    if *damaged > 0 && !global.quiet {
        let places = if *damaged == 1 { "place is" } else { "places are" };
        anstream::eprintln!("{damaged} {places} damaged; `log-cli verify` says what a broker would do there");
    }
    if *left_out > 0 && !global.quiet {
        anstream::eprintln!("{left_out} too large to be shown");
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<DumpLine>()?;
        return Ok(Exit::Fine);
    }
    let unit = if arguments.batches { Unit::Batches } else { Unit::Records };
    if arguments.batches && !arguments.render.shows_batches(global) {
        return Err(CliError::usage("--batches is written as text, json or ndjson"));
    }
    let fs = global.fs();
    let options = arguments.walk.options(&arguments.select, unit)?.with_isolation(&arguments.consumer);
    let mut walk = Walk::new(Arc::clone(&fs), options);
    let mut printer = Printer::new(&arguments.render, unit, global)?;
    let found = arguments.targets.find(&*fs)?;
    walk.met.failed = !found.failed.is_empty();
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() && !walk.met.failed {
        return Ok(nothing_found(global));
    }
    if !output::is_terminal() {
        walk.progress = Some(Progress::start("dump", found.bytes(), global.quiet));
    }
    for series in &found.series {
        walk.run(series, &mut printer)?;
        if walk.is_over() {
            break;
        }
    }
    printer.finish()?;
    walk.progress = None;
    summarize(&walk.met, global);
    Ok(exit_of(&walk.met))
}
