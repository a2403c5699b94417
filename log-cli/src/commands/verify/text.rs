//! The answer for people: a line a partition, below it what is wrong and what a broker starting now would do.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::document::{Document, Found, LogDir, Partition, State, Weight};
use crate::{human, output};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();
/// Where what is said of a finding begins on the lines below it.
pub(crate) const INDENT: &str = "              ";

/// Writes it. Findings for information are counted unless `verbose`; `quiet` leaves out partitions without fault. Nothing where
/// nothing could be looked at.
pub(super) fn write(document: &Document, verbose: bool, quiet: bool) -> io::Result<()> {
    if document.partitions.is_empty() && document.log_dirs.is_empty() && !document.failed.is_empty() {
        return Ok(());
    }
    let mut out = output::stdout();
    for dir in &document.log_dirs {
        log_dir(&mut out, dir, verbose)?;
    }
    let width = document.partitions.iter().map(|partition| name(partition).chars().count()).max().unwrap_or(0);
    for partition in &document.partitions {
        if !(quiet && is_silent(partition)) {
            one(&mut out, partition, width, verbose)?;
        }
    }
    summary(&mut out, document, verbose)?;
    out.flush()
}

fn log_dir(out: &mut dyn Write, dir: &LogDir, verbose: bool) -> io::Result<()> {
    let state = match (dir.in_use, dir.clean) {
        (true, _) => "in use",
        (false, true) => "cleanly shut down",
        (false, false) => "not cleanly shut down",
    };
    writeln!(out, "{BOLD}{}{BOLD:#}  {state}", shown(&dir.path))?;
    findings(out, &dir.findings, None, verbose)?;
    says(out, &dir.says)?;
    if dir.starts == Some(false) && dir.says.is_empty() {
        writeln!(out, "{INDENT}{RED}a broker starting now would not start{RED:#} (see the partitions)")?;
    }
    Ok(())
}

fn is_silent(partition: &Partition) -> bool {
    partition.state == State::Ok
}

fn one(out: &mut dyn Write, partition: &Partition, width: usize, verbose: bool) -> io::Result<()> {
    let (style, state) = match partition.state {
        State::Ok => (GREEN, "ok"),
        State::Suspect => (YELLOW, "SUSPECT"),
        State::Damaged => (RED, "DAMAGED"),
        State::Unreadable => (RED, "UNREADABLE"),
    };
    let name = name(partition);
    let segments = human::counted(partition.segments, "segment ", "segments");
    let bytes = human::bytes(partition.bytes);
    let (start, end) = (partition.log_start, partition.log_end);
    writeln!(out, "{name:<width$}  {style}{state:<10}{style:#} {segments:>15}  {bytes:>9}  offsets {start}..{end}")?;
    findings(out, &partition.findings, Some(&partition.folder), verbose)?;
    let Some(broker) = &partition.broker else { return Ok(()) };
    let loses = broker.records_dropped > 0 || broker.log_start.is_none();
    if partition.state != State::Ok && broker.says.is_empty() && broker.starts {
        writeln!(
            out,
            "{INDENT}{BOLD}a broker starting now{BOLD:#} does not notice: nothing is cut and nothing is made again"
        )?;
    } else if partition.state != State::Ok || loses {
        says(out, &broker.says)?;
    }
    Ok(())
}

fn says(out: &mut dyn Write, says: &[String]) -> io::Result<()> {
    for (n, sentence) in says.iter().enumerate() {
        let who = if n == 0 { "a broker starting now: " } else { "then: " };
        writeln!(out, "{INDENT}{BOLD}{who}{BOLD:#}{}", shown(sentence))?;
    }
    Ok(())
}

/// A line a finding, worst first; those for information only if `verbose`. Files in `folder` are called without it.
pub(crate) fn findings(out: &mut dyn Write, findings: &[Found], folder: Option<&str>, verbose: bool) -> io::Result<()> {
    let mut worst_first: Vec<_> = findings.iter().filter(|found| verbose || found.severity > Weight::Info).collect();
    worst_first.sort_by_key(|found| std::cmp::Reverse(found.severity));
    for found in worst_first {
        let style = match found.severity {
            Weight::Error => RED,
            Weight::Warn => YELLOW,
            Weight::Info => DIM,
        };
        let inside = folder.and_then(|folder| found.file.strip_prefix(folder)?.strip_prefix('/'));
        let file = shown(inside.unwrap_or(&found.file));
        // The start of a file as a whole says nothing.
        let place = match found.position {
            Some(at) if at > 0 => format!(" @{at}"),
            _ => String::new(),
        };
        let more = match found.count {
            0 | 1 => String::new(),
            count => format!(" (and {} more like this in the file)", human::count(count - 1)),
        };
        let (word, code, message) = (found.severity.word(), found.code, shown(&found.message));
        writeln!(out, "  {style}{word:<5} {code}{style:#}  {file}{place}  {message}{more}")?;
    }
    Ok(())
}

fn summary(out: &mut dyn Write, document: &Document, verbose: bool) -> io::Result<()> {
    let all = document.partitions.len();
    let of_state = |state| document.partitions.iter().filter(|partition| partition.state == state).count();
    let parts: Vec<String> = [
        (of_state(State::Damaged), "damaged"),
        (of_state(State::Suspect), "suspect"),
        (of_state(State::Unreadable), "not readable"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let dirs = document.log_dirs.iter().flat_map(|dir| &dir.findings).filter(|found| found.severity > Weight::Info);
    let about_dirs = match dirs.count() {
        0 => String::new(),
        count => format!("; {} about the log directory", human::counted(count as u64, "finding", "findings")),
    };
    let partitions = human::counted(all as u64, "partition", "partitions");
    let state = if parts.is_empty() { "none damaged".to_owned() } else { parts.join(", ") };
    writeln!(out, "{partitions}: {state}{about_dirs}. Nothing was changed.")?;
    let infos = document.findings().filter(|found| found.severity == Weight::Info).count();
    if infos > 0 && !verbose {
        let infos = human::counted(infos as u64, "finding", "findings");
        writeln!(out, "{DIM}{infos} for information not shown: -v shows them{DIM:#}")?;
    }
    let worst = document.findings().max_by_key(|found| found.severity).filter(|found| found.severity > Weight::Info);
    if let Some(worst) = worst {
        let explain = format!("log-cli explain {}", worst.code);
        let next = if worst.next == explain { explain } else { format!("{}     {explain}", shown(&worst.next)) };
        writeln!(out, "{BOLD}next{BOLD:#}: {next}")?;
    }
    Ok(())
}

fn name(partition: &Partition) -> String {
    shown(&partition.folder)
}

/// Text from outside without control characters, which a terminal would obey.
fn shown(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
    } else {
        text.to_owned()
    }
}
