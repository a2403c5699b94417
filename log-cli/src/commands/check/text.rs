//! The answer of a check for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::Family;
use super::document::{Document, Row, State};
use crate::commands::verify::document::Weight;
use crate::commands::verify::text::{INDENT, findings};
use crate::render::escaped;
use crate::{human, output};

const BOLD: Style = Style::new().bold();

/// Writes it. Files without fault, and findings for information, are counted unless `verbose`.
pub(super) fn write(family: Family, document: &Document, verbose: bool) -> io::Result<()> {
    if document.files.is_empty() && !document.failed.is_empty() {
        return Ok(());
    }
    let mut out = output::stdout();
    for row in document.files.iter().filter(|row| verbose || row.state != State::Ok) {
        one(&mut out, row, verbose)?;
    }
    let of_state = |state| document.files.iter().filter(|row| row.state == state).count();
    let parts: Vec<String> = [(of_state(State::Damaged), "damaged"), (of_state(State::Suspect), "suspect")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let (one, many) = family.words();
    let state = if parts.is_empty() { "nothing wrong".to_owned() } else { parts.join(", ") };
    writeln!(out, "{}: {state}. Nothing was changed.", human::counted(document.files.len() as u64, one, many))?;
    let worst = document.files.iter().flat_map(|row| &row.findings).max_by_key(|found| found.severity);
    if let Some(worst) = worst.filter(|found| found.severity > Weight::Info) {
        let command = family.command();
        writeln!(out, "{BOLD}next{BOLD:#}: log-cli {command} rebuild     log-cli explain {}", worst.code)?;
    }
    out.flush()
}

fn one(out: &mut dyn Write, row: &Row, verbose: bool) -> io::Result<()> {
    let (style, state) = match row.state {
        State::Ok => (AnsiColor::Green.on_default(), "ok"),
        State::Suspect => (AnsiColor::Yellow.on_default(), "SUSPECT"),
        State::Damaged => (AnsiColor::Red.on_default().bold(), "DAMAGED"),
    };
    let bytes = row.bytes.map_or_else(|| "missing".to_owned(), human::bytes);
    writeln!(out, "{}  {style}{state}{style:#}  {bytes}", escaped(&row.path))?;
    findings(out, &row.findings, None, verbose)?;
    match &row.broker {
        Some(broker) => writeln!(out, "{INDENT}{BOLD}a broker starting now{BOLD:#}: {}", escaped(broker)),
        None => Ok(()),
    }
}
