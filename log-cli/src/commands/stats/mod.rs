//! `stats`: what is in a topic, as numbers and bars.

mod count;
mod document;
mod text;

use std::sync::Arc;

use log_engine::inspect::StatsOptions;
use log_engine::{Fs, Timestamp};

use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select::targets::{Found, TargetArgs};
use crate::select::{SelectArgs, Selection};
use crate::walk::{Options, Unit};
use count::Counted;
use document::Report;

/// Where the help lists what is asked of the answer.
const SHOWN: &str = "What to show";
/// Rows of each list of names, unless more are asked for.
const TOP: usize = 10;

/// Count what is in a log: sizes, times, codecs, producers, keys
///
/// Everything that lies in the files is counted, control records apart. Keys and header names are counted when they are asked for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli stats /var/lib/kafka/data -t orders     sizes, hours, codecs, producers of a topic
  log-cli stats orders-3 --by key --top 20        its most frequent keys
  log-cli stats orders-3 --by hour --since -7d    when they were written
  log-cli stats orders-3 --tombstone --by key     which keys were deleted most
  log-cli stats data --json | jq '.codecs'

Exit codes: 0 done, 1 damage was passed over, 3 something was too large, 4 could not read all.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    select: SelectArgs,
    /// Show only these [default: all but key and header]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT", help_heading = SHOWN)]
    by: Vec<By>,
    /// Rows of each list of names
    #[arg(long, value_name = "N", default_value_t = TOP, help_heading = SHOWN)]
    top: usize,
    /// What counts as now: times behind it are in the future
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = SHOWN)]
    now: Option<String>,
}

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// Which keys occur most
    Key,
    /// When the records were written
    Hour,
    /// How large records and batches are, and how many records a batch has
    Size,
    /// Who wrote
    Producer,
    /// Codecs and what they save
    Codec,
    /// Leader epochs
    Epoch,
    /// Which header names occur most
    Header,
}

impl By {
    /// What is shown where nothing is asked for.
    const USUAL: [Self; 5] = [Self::Size, Self::Hour, Self::Codec, Self::Producer, Self::Epoch];
}

/// Counts what is selected of what was found.
fn counted(
    fs: &Arc<dyn Fs>,
    found: &Found,
    selection: Selection,
    wanted: StatsOptions,
    global: &Global,
) -> Result<Counted, CliError> {
    let options = Options { selection, unit: Unit::Records, verify: true, stop_on_damage: false, isolation: None };
    let progress = Progress::start("stats", count::bytes(&**fs, &found.series), global.quiet);
    count::count(fs, &found.series, &options, wanted, global.threads(), progress.counter())
}

/// The answer for all that was found, without keys and header names; `now` is what times in the future lie behind.
pub(super) fn report(fs: &Arc<dyn Fs>, found: &Found, now: Timestamp, global: &Global) -> Result<Report, CliError> {
    let wanted = StatsOptions { keys: false, headers: false, now: Some(now) };
    let counted = counted(fs, found, Selection::default(), wanted, global)?;
    Ok(document::report(&counted, found.series.len(), wanted, TOP))
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    }
    let clock = jiff::Timestamp::now().as_millisecond();
    let now = arguments.now.as_ref().map(|text| crate::select::time::parse(text, clock)).transpose();
    let now = now.map_err(CliError::usage)?.unwrap_or(clock);
    let selection = arguments.select.selection(now)?;
    let wanted = StatsOptions {
        keys: arguments.by.contains(&By::Key),
        headers: arguments.by.contains(&By::Header),
        now: Some(Timestamp::new(now)),
    };
    let fs = global.fs();
    let found = arguments.targets.find(&*fs)?;
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() && found.failed.is_empty() {
        if !global.quiet {
            anstream::eprintln!("no partition has such a name");
        }
        return Ok(Exit::No);
    }
    let counted = counted(&fs, &found, selection, wanted, global)?;
    let mut met = counted.met.clone();
    met.failed |= !found.failed.is_empty();
    let report = document::report(&counted, found.series.len(), wanted, arguments.top);
    match global.document() {
        Format::Text => {
            let shown = if arguments.by.is_empty() { &By::USUAL[..] } else { &arguments.by };
            text::write(&report, shown)?;
        }
        Format::Json | Format::Ndjson => output::json(&report)?,
    }
    super::dump::summarize(&met, global);
    Ok(super::dump::exit_of(&met))
}
