//! `grep`: the records in which a pattern is found, with the exit codes of its namesake.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use log_engine::Record;
use regex::bytes::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use super::dump::{ConsumerArgs, WalkArgs, print_damage};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output::{self, Format};
use crate::render::schema::DumpLine;
use crate::render::{Layout, RenderArgs, escaped};
use crate::select::SelectArgs;
use crate::select::targets::{Segment, Series, TargetArgs};
use crate::walk::{BatchView, Damage, Flow, Sink, Unit, Walk};
use crate::writer::Rows;

/// Print the records in which a pattern is found
///
/// Looks at keys, values and headers, byte for byte. Exit codes are those of grep: 0 found, 1 not found, 4 trouble (where grep has 2).
/// Damage is trouble where nothing was found: what was looked for may have been there.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli grep 'order-4711' data -t orders                   wherever it is
  log-cli grep -F '\"status\":\"failed\"' orders-3 --since -1h -C 2
  log-cli grep -c -i timeout data                            how many in each partition
  log-cli grep . data --in key -l                            partitions whose records have keys")]
#[command(mut_arg("invert", |arg| arg.help("Records in which the pattern is not found")))]
#[command(mut_arg("limit", |arg| arg.help("Stop after so many matches")))]
pub(crate) struct Arguments {
    /// What to look for: a regular expression
    #[arg(required_unless_present = "schema")]
    pattern: Option<String>,
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    matching: MatchArgs,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    render: RenderArgs,
    #[command(flatten)]
    walk: WalkArgs,
}

/// How to look and what to print.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How to look")]
struct MatchArgs {
    /// The pattern is text, no regular expression
    #[arg(short = 'F', long)]
    fixed_strings: bool,
    /// Capital letters do not matter
    #[arg(short, long)]
    ignore_case: bool,
    /// Where to look
    #[arg(long = "in", value_enum, value_delimiter = ',', value_name = "PART")]
    parts: Vec<Part>,
    /// Print how many records match in each partition
    #[arg(short, long, conflicts_with_all = ["list", "template"])]
    count: bool,
    /// Print the partitions that have a match
    #[arg(short, long, conflicts_with = "template")]
    list: bool,
    /// Stop after so many matches in a partition
    #[arg(short, long, value_name = "N")]
    max_count: Option<u64>,
    /// Print so many records behind a match
    #[arg(short = 'A', long, value_name = "N")]
    after_context: Option<usize>,
    /// Print so many records before a match
    #[arg(short = 'B', long, value_name = "N")]
    before_context: Option<usize>,
    /// Print so many records before and behind
    #[arg(short = 'C', long, value_name = "N")]
    context: Option<usize>,
}

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The key
    Key,
    /// The value
    Value,
    /// Names and values of the headers
    Headers,
}

/// A partition, and how many of its records match.
#[derive(Serialize, JsonSchema)]
struct PartitionLine {
    /// The topic; null where no folder says it.
    topic: Option<String>,
    /// The partition's number; null where no folder says it.
    partition: Option<i32>,
    /// The folder or file.
    path: String,
    /// How many records match; with -l, at least one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

/// One line of the output.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is made of it")]
#[serde(untagged)]
enum GrepLine {
    /// As a dump has them.
    Dump(Box<DumpLine>),
    /// With -c and -l.
    Partition(PartitionLine),
}

/// What to print of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Records,
    Count,
    List,
    Nothing,
}

/// What a record must hold.
#[derive(Debug)]
struct Matcher {
    regex: Regex,
    parts: Vec<Part>,
    invert: bool,
}

impl Matcher {
    fn new(pattern: &str, args: &MatchArgs, invert: bool) -> Result<Self, CliError> {
        let pattern = if args.fixed_strings { regex::escape(pattern) } else { pattern.to_owned() };
        let regex = RegexBuilder::new(&pattern).case_insensitive(args.ignore_case).build();
        let parts =
            if args.parts.is_empty() { vec![Part::Key, Part::Value, Part::Headers] } else { args.parts.clone() };
        Ok(Self { regex: regex.map_err(|e| CliError::usage(e.to_string()))?, parts, invert })
    }

    fn matches(&self, record: &Record<'_>) -> bool {
        let found = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| self.regex.is_match(bytes));
        let any = self.parts.iter().any(|part| match part {
            Part::Key => found(record.key),
            Part::Value => found(record.value),
            Part::Headers => record.headers.into_iter().any(|header| found(Some(header.key)) || found(header.value)),
        });
        any != self.invert
    }
}

/// Takes records, prints those that match and their neighbours.
struct Searcher {
    matcher: Matcher,
    show: Show,
    layout: Box<dyn Layout>,
    rows: Rows,
    label: String,
    /// True for text with neighbours: groups that do not touch are set apart.
    separates: bool,
    before: usize,
    after: usize,
    max_count: u64,
    /// Matches that may still be printed, in all.
    left: u64,
    quiet: bool,
    /// Rows before the next match, as they would be printed.
    waiting: VecDeque<Vec<u8>>,
    /// True once a record was passed over since the last one that was printed.
    has_gap: bool,
    /// Records behind the last match that are still to be printed.
    owed: usize,
    /// Matches in this partition, and in all.
    count: u64,
    total: u64,
}

impl Searcher {
    fn print(&mut self, row: &[u8]) -> Result<(), CliError> {
        self.rows.row(|out| out.extend_from_slice(row))
    }

    fn matched(&mut self, record: &Record<'_>) -> Flow {
        self.count = self.count.saturating_add(1);
        self.total = self.total.saturating_add(1);
        self.left = self.left.saturating_sub(1);
        if self.show == Show::Records {
            if self.separates && self.has_gap && self.total > 1 {
                self.print(b"--\n")?;
            }
            while let Some(row) = self.waiting.pop_front() {
                self.print(&row)?;
            }
            self.rows.row(|out| self.layout.record(out, record))?;
            self.has_gap = false;
            self.owed = self.after;
        }
        let decides = matches!(self.show, Show::List | Show::Nothing);
        Ok(if decides || self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// True if no more matches are wanted here.
    const fn is_enough(&self) -> bool {
        self.left == 0 || self.count >= self.max_count
    }

    /// True if nothing more is wanted here.
    const fn is_done(&self) -> bool {
        self.is_enough() && self.owed == 0
    }

    fn passed_over(&mut self, record: &Record<'_>) -> Flow {
        if self.owed > 0 {
            self.rows.row(|out| self.layout.record(out, record))?;
            self.owed = self.owed.saturating_sub(1);
            return Ok(if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        if self.before > 0 && self.show == Show::Records {
            let mut row = Vec::new();
            if self.waiting.len() == self.before {
                row = self.waiting.pop_front().unwrap_or_default();
                row.clear();
                self.has_gap = true;
            }
            self.layout.record(&mut row, record);
            self.waiting.push_back(row);
        } else {
            self.has_gap = true;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The line of a partition, for `-c` and `-l`.
    fn partition(&mut self, series: &Series, format: Format) -> Result<(), CliError> {
        let count = match self.show {
            Show::Count => Some(self.count),
            Show::List if self.count > 0 => None,
            _ => return Ok(()),
        };
        let path = series.path().map_or("-".to_owned(), |path| path.display().to_string());
        if format != Format::Text {
            let line = PartitionLine { topic: series.topic.clone(), partition: series.partition, path, count };
            return self.rows.json(&line);
        }
        match count {
            Some(count) => self.print(format!("{}:{count}\n", self.label).as_bytes()),
            None => self.print(format!("{}\n", escaped(&path)).as_bytes()),
        }
    }
}

impl Sink for Searcher {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.label = series.label();
        self.waiting.clear();
        (self.owed, self.count, self.has_gap) = (0, 0, true);
        self.layout.series(series);
        Ok(())
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        self.layout.batch(batch);
        Ok(())
    }

    fn record(&mut self, _: &BatchView<'_>, record: &Record<'_>) -> Flow {
        if !self.is_enough() && self.matcher.matches(record) { self.matched(record) } else { self.passed_over(record) }
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        if self.show == Show::Records {
            print_damage(&mut *self.layout, &mut self.rows, &self.label, segment, damage, self.quiet)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<GrepLine>()?;
        return Ok(Exit::Fine);
    }
    let args = &arguments.matching;
    let mut options = arguments.walk.options(&arguments.select, Unit::Records)?.with_isolation(&arguments.consumer);
    let invert = options.selection.take_invert();
    let limit = options.selection.limit.take().unwrap_or(u64::MAX);
    let max_count = args.max_count.unwrap_or(u64::MAX);
    let (max_count, left) =
        if options.selection.per_partition { (max_count.min(limit), u64::MAX) } else { (max_count, limit) };
    let fs = global.fs();
    let mut walk = Walk::new(Arc::clone(&fs), options);
    let mut layout = arguments.render.layout(global)?;
    let found = arguments.targets.find(&*fs)?;
    walk.met.failed = !found.failed.is_empty();
    found.failed.iter().for_each(|error| complain(error));
    let show = match args {
        _ if global.quiet => Show::Nothing,
        MatchArgs { count: true, .. } => Show::Count,
        MatchArgs { list: true, .. } => Show::List,
        _ => Show::Records,
    };
    let (before, after) = (args.before_context.or(args.context), args.after_context.or(args.context));
    let mut rows = Rows::new(arguments.render.is_document(global) && show != Show::Nothing);
    if show == Show::Records {
        rows.bare(|out| layout.head(out));
    }
    let mut searcher = Searcher {
        matcher: Matcher::new(arguments.pattern.as_deref().unwrap_or_default(), args, invert)?,
        show,
        layout,
        rows,
        label: String::new(),
        separates: (before.is_some() || after.is_some()) && arguments.render.is_text(global),
        before: before.unwrap_or(0),
        after: after.unwrap_or(0),
        max_count,
        left,
        quiet: global.quiet,
        waiting: VecDeque::new(),
        has_gap: true,
        owed: 0,
        count: 0,
        total: 0,
    };
    for series in &found.series {
        walk.run(series, &mut searcher)?;
        searcher.partition(series, global.stream())?;
        if searcher.left == 0 || (show == Show::Nothing && searcher.total > 0) {
            break;
        }
    }
    searcher.rows.finish()?;
    super::dump::summarize(&walk.met, global);
    Ok(match (searcher.total, walk.met.failed, walk.met.damaged) {
        (1.., false, _) => Exit::Fine,
        (1.., true, _) if show == Show::Nothing => Exit::Fine,
        (0, false, 0) => Exit::No,
        _ => Exit::Failed,
    })
}
