//! `kafka-dump-log`: the drop-in for Kafka 4.4.0's `DumpLogSegments`: its arguments, its output byte for byte, its exit codes, and
//! the first lines of what it says on standard error.
//!
//! What bytes mean is the engine's business; here is how Kafka's tool shows them, where it stops at damage, and its words for it.
//! One thing it does not do: it makes no file where an index is missing.

mod arguments;
mod buffer;
mod control;
mod java;
mod log_file;
mod messages;
mod offset_index;
mod printer;
mod records;
mod report;
mod snapshot;
mod thrown;
mod time_index;
mod txn_index;
mod words;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{CliError, Exit};
use crate::output;
use crate::threads::joined;

use arguments::Arguments;
use java::JavaFile;
use printer::{Piece, Pieces, Printer};
use report::Report;
use thrown::Ended;

/// How the tool introduces itself; scripts may look for it.
const INTENT: &str = "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
                      corrupt log segment.";
/// The version whose tool this is.
const KAFKA_VERSION: &str = "4.4.0";
/// What the program is called where it takes the tool's place; the first is the command, too.
const NAMES: [&str; 2] = ["kafka-dump-log", "kafka-dump-log.sh"];
/// The tool's exit code where something is wrong.
const FAILED: u8 = 1;

/// Everything behind the command's name, for Kafka's tool to understand.
#[derive(Debug, clap::Args)]
pub(crate) struct RawArguments {
    /// As Kafka's tool knows them: --files, --print-data-log, --deep-iteration and so on; --help lists them
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

/// The arguments of Kafka's tool in a whole command line, if the program or its first argument is called so: all that follows is
/// the tool's, `--help` and `--version` too.
pub(crate) fn raw_arguments(args: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = args.split_first()?;
    let name = Path::new(program).file_name()?;
    if NAMES.iter().any(|known| name == *known) {
        return Some(rest);
    }
    rest.split_first().filter(|(command, _)| *command == NAMES[0]).map(|(_, rest)| rest)
}

/// Does it with the streams of this process.
pub(crate) fn run_raw(args: &[OsString]) -> Result<Exit, CliError> {
    let (mut out, mut err) = (output::raw_stdout(), BufWriter::new(io::stderr().lock()));
    let exit = run(args, &mut out, &mut err);
    let _ = err.flush();
    Ok(if exit? == 0 { Exit::Fine } else { Exit::No })
}

/// Does what Kafka's tool does with `args`, its name left out. Gives the exit code.
///
/// # Errors
/// Where `out` cannot be written.
fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let arguments = match Arguments::parse(args) {
        Ok(arguments) => arguments,
        Err(thrown) => return fail(out, err, &Ended::Thrown(thrown)),
    };
    if arguments.asks_for_help() {
        return show_usage(err, INTENT);
    }
    if arguments.has("version") {
        writeln!(out, "{KAFKA_VERSION}")?;
        return Ok(0);
    }
    if !arguments.has("files") {
        return show_usage(err, "Missing required argument \"[files]\"");
    }
    if let Some(decoder) = arguments.decoder() {
        let _ = writeln!(err, "--{decoder} is not supported yet");
        return Ok(FAILED);
    }
    let (mut printer, pieces) = Printer::new();
    let ended = std::thread::scope(|scope| {
        let dumping = scope.spawn(move || {
            let ended = dump_all(&arguments, &mut printer);
            // What came before an exception is shown.
            ended.and(printer.flush())
        });
        write_all(pieces, out, err)?;
        Ok::<_, io::Error>(joined(dumping))
    })?;
    match ended {
        Ok(()) | Err(Ended::Closed) => Ok(0),
        Err(ended) => fail(out, err, &ended),
    }
}

fn dump_all(arguments: &Arguments, printer: &mut Printer) -> Result<(), Ended> {
    let mut report = Report::default();
    for file in arguments.files()? {
        dump(&file, arguments, printer, &mut report)?;
    }
    report.print(printer)
}

fn dump(file: &JavaFile, arguments: &Arguments, printer: &mut Printer, report: &mut Report) -> Result<(), Ended> {
    printer.line(&format!("Dumping {file}"));
    let name = file.name();
    let dot = name.iter().rposition(|&byte| byte == b'.');
    match dot.and_then(|dot| name.get(dot..)) {
        Some(b".log" | b".checkpoint") => log_file::dump(file, arguments, printer, report),
        Some(b".index") => offset_index::dump(file, arguments, printer, report),
        Some(b".timeindex") => time_index::dump(file, arguments, printer, report),
        Some(b".snapshot") => snapshot::dump(file, printer),
        Some(b".txnindex") => txn_index::dump(file, printer),
        _ => printer.error_line(format!("Ignoring unknown file {file}")),
    }
}

/// Writes the pieces as they come, until there are no more or nobody reads them.
fn write_all(pieces: Pieces, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
    for piece in pieces.pieces {
        match piece {
            Piece::Out(text) => {
                out.write_all(&text)?;
                // The making side may have ended; then nobody needs the chunk.
                let _ = pieces.used.send(text);
            }
            Piece::Err(line) => {
                out.flush()?;
                let _ = writeln!(err, "{line}");
            }
        }
    }
    out.flush()
}

fn show_usage(err: &mut dyn Write, first_line: &str) -> io::Result<u8> {
    let _ = write!(err, "{first_line}\n{}", arguments::usage());
    Ok(FAILED)
}

fn fail(out: &mut dyn Write, err: &mut dyn Write, ended: &Ended) -> io::Result<u8> {
    out.flush()?;
    match ended {
        Ended::Thrown(thrown) => drop(writeln!(err, "Exception in thread \"main\" {thrown}")),
        Ended::Refused(why) => drop(writeln!(err, "{why}")),
        Ended::Closed => {}
    }
    Ok(FAILED)
}
