//! The arguments that all commands share, and the way from arguments to a command.

use std::ffi::OsString;
use std::sync::Arc;

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use log_engine::{Fs, OsFs};

use crate::commands::{Command, kafka_dump_log};
use crate::error::{CliError, Exit};
use crate::output::{Color, Format, RowFormat};
use crate::throttle::{Rate, ThrottledFs};

/// Looks into Apache Kafka's log directories: no JVM, nothing harmed
///
/// Looking reads only, takes no lock, and is safe beside a live broker. What is made goes into a folder of its own. Commands that change a log
/// directory only plan without --apply; with it they take a broker's lock, and keep beside the directory what they replace.
#[derive(Debug, Parser)]
#[command(name = "log-cli", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  log-cli inspect /var/lib/kafka/data            what is this, is it healthy, what will the next start do
  log-cli verify /var/lib/kafka/data -t orders   every check; exit 1 if something is wrong
  log-cli dump orders-3 -o 4498112:+20           twenty records
  log-cli export orders-3 -o orders-3.ndjson     all there is, and import makes a partition of it again
  log-cli find orders-3 --time 2026-01-14T03:00Z which record, in which segment, at which byte

Exit codes: 0 fine or found, 1 damage found or no match, 2 wrong arguments, 3 something left out, 4 could not do it,
5 refused, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// How to write the answer
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub(crate) format: RowFormat,
    /// Short for --format json where the answer is one document, and ndjson where it is a stream
    #[arg(long, global = true, conflicts_with = "format", help_heading = "Global options")]
    pub(crate) json: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    color: Color,
    /// Never colour
    #[arg(long, global = true, help_heading = "Global options")]
    no_color: bool,
    /// Say less on standard error
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Threads [default: one a core]
    #[arg(short, long, global = true, value_name = "N", help_heading = "Global options")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Read no faster than this, such as 200MiB/s, so that a live broker keeps its disk
    #[arg(long, global = true, value_name = "RATE", help_heading = "Global options")]
    rate_limit: Option<Rate>,
    /// Print the JSON Schema of the answer and do nothing else
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) schema: bool,
}

impl Global {
    /// The format of an answer that is one document.
    pub(crate) fn document(&self) -> Format {
        if self.json { Format::Json } else { self.format.report() }
    }

    /// The format of an answer that is a stream of rows.
    pub(crate) fn stream(&self) -> Format {
        if self.json { Format::Ndjson } else { self.format.report() }
    }

    /// The format of rows that are flat enough for `csv`, or records of which `raw` shows the values.
    pub(crate) fn rows(&self) -> RowFormat {
        if self.json { RowFormat::Ndjson } else { self.format }
    }

    /// The door to the disk: the operating system's, at the rate that was asked for.
    pub(crate) fn fs(&self) -> Arc<dyn Fs> {
        match self.rate_limit {
            Some(rate) => Arc::new(ThrottledFs::new(rate)),
            None => Arc::new(OsFs),
        }
    }

    /// How many threads to use.
    pub(crate) fn threads(&self) -> std::num::NonZeroUsize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(std::num::NonZeroUsize::MIN)
    }
}

/// The whole command line as clap knows it, for completions and manual pages.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Parses `args`, the program's name first, and runs what they ask for.
pub(crate) fn run(args: Vec<OsString>) -> Result<Exit, CliError> {
    if let Some(args) = kafka_dump_log::raw_arguments(&args) {
        return kafka_dump_log::run_raw(args);
    }
    let matches = command().try_get_matches_from(args)?;
    let cli = Cli::from_arg_matches(&matches)?;
    if cli.global.no_color { Color::Never } else { cli.global.color }.choose();
    cli.command.run(&cli.global)
}
