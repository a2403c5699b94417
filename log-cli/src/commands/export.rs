//! `export`: records with all there is to say of them, into a file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use log_engine::Record;

use super::dump::{ConsumerArgs, Printer, WalkArgs, exit_of, nothing_found, summarize};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::human;
use crate::new_file::NewFile;
use crate::output::{self, RowFormat};
use crate::progress::Progress;
use crate::redact::RedactArgs;
use crate::render;
use crate::render::schema::DumpLine;
use crate::select::SelectArgs;
use crate::select::targets::{Segment, Series, TargetArgs};
use crate::walk::{BatchView, Damage, Flow, Sink, Unit, Walk};
use crate::writer::{Destination, Rows};

/// Write all there is of records into a file: JSON lines for programs and for import, CSV for spreadsheets
///
/// JSON lines lose nothing: keys, values and headers byte for byte (base64 where they are not UTF-8, and it says so), null apart from
/// empty, and of each batch what is needed to write it again. A batch whose records are all gone is a line of its own, and so is
/// damage; the export goes on behind it, and the exit code is then 1. CSV has the encoding of key and value in columns of their own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli export orders-3 -o orders-3.ndjson                    all there is
  log-cli export orders-3 -o - | zstd > orders-3.ndjson.zst
  log-cli export data -t orders --since -2h -o last.csv --format csv
  log-cli export orders-3 -o - --redact keys=hash --redact values,headers=length
  log-cli export orders-3 -o - --isolation read_committed | log-cli import - -o copy/orders-3")]
#[command(mut_arg("offset", |arg| arg.short(None)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// The file to write, which must not exist; - for standard output
    #[arg(short = 'o', long, value_name = "FILE", required_unless_present = "schema")]
    output: Option<PathBuf>,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    walk: WalkArgs,
    #[command(flatten)]
    redact: RedactArgs,
}

/// Writes records, and the batches that have none any more.
struct Exporter {
    printer: Printer,
    /// Whether batches without records are wanted and have a place in the layout.
    with_emptied: bool,
}

impl Sink for Exporter {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.printer.series(series)
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        self.printer.batch(batch)
    }

    fn record(&mut self, batch: &BatchView<'_>, record: &Record<'_>) -> Flow {
        self.printer.record(batch, record)
    }

    fn end_of_batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        if self.with_emptied && batch.batch.record_count() == Some(0) { self.printer.batch_line(batch) } else { Ok(()) }
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        self.printer.damage(segment, damage)
    }
}

/// The file that is asked for, and true if it is standard output.
fn destination(path: Option<&PathBuf>) -> Result<(Box<dyn Destination>, bool), CliError> {
    match path {
        Some(path) if path.as_os_str() != "-" => Ok((Box::new(NewFile::create(path)?), false)),
        _ => Ok((Box::new(io::stdout().lock()), true)),
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<DumpLine>()?;
        return Ok(Exit::Fine);
    }
    let is_table = match global.rows() {
        RowFormat::Text | RowFormat::Ndjson => false,
        RowFormat::Csv => true,
        RowFormat::Json | RowFormat::Raw => return Err(CliError::usage("an export is written as ndjson or csv")),
    };
    let fs = global.fs();
    let options = arguments.walk.options(&arguments.select, Unit::Records)?.with_isolation(&arguments.consumer);
    let with_emptied = !is_table && options.selection.takes_all_records();
    let found = arguments.targets.find(&*fs)?;
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() {
        return Ok(if found.failed.is_empty() { nothing_found(global) } else { Exit::Failed });
    }
    let (destination, is_stdout) = destination(arguments.output.as_ref())?;
    let printer = Printer::of(
        render::without(&arguments.redact, render::lossless(is_table)),
        Rows::to(destination),
        Unit::Records,
        global.quiet,
    );
    let mut exporter = Exporter { printer, with_emptied };
    let mut walk = Walk::new(Arc::clone(&fs), options);
    walk.met.failed = !found.failed.is_empty();
    if !(is_stdout && output::is_terminal()) {
        walk.progress = Some(Progress::start("export", found.bytes(), global.quiet));
    }
    for series in &found.series {
        walk.run(series, &mut exporter)?;
        if walk.is_over() {
            break;
        }
    }
    walk.progress = None;
    let count = exporter.printer.count();
    exporter.printer.finish()?;
    if let (Some(path), false, false) = (&arguments.output, is_stdout, global.quiet) {
        anstream::eprintln!("{} in {}", human::counted(count, "line", "lines"), path.display());
    }
    summarize(&walk.met, global);
    Ok(exit_of(&walk.met))
}
