//! `explain`: what a finding's code means, what a broker does with it, what to run.

use std::io::Write;

use anstyle::Style;
use clap::builder::PossibleValuesParser;
use log_engine::inspect::{FindingCode, Severity};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};

/// Say what a finding's code means, what a broker does with it, and what to run
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli explain B001
  log-cli explain        all codes, a line each")]
pub(crate) struct Arguments {
    /// The code, as verify prints it; all of them without one
    #[arg(value_name = "CODE", ignore_case = true, hide_possible_values = true, value_parser = codes())]
    code: Option<String>,
}

fn codes() -> PossibleValuesParser {
    PossibleValuesParser::new(FindingCode::ALL.iter().map(|code| code.name()))
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
struct Document {
    /// The version of this form.
    schema: Version,
    /// In the order of the codes.
    codes: Vec<Explained>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Version {
    #[serde(rename = "explain/1")]
    One,
}

/// One code.
#[derive(Debug, Serialize, JsonSchema)]
struct Explained {
    /// Such as `B001`.
    code: &'static str,
    /// What it weighs at worst: `error`, `warn`.
    severity: &'static str,
    /// One line.
    title: &'static str,
    /// What is wrong.
    meaning: &'static str,
    /// What a Kafka 4.4.0 broker does with it.
    broker: &'static str,
    /// What to do.
    next: &'static str,
}

impl Explained {
    fn of(code: FindingCode) -> Self {
        let explanation = code.explanation();
        Self {
            code: code.name(),
            severity: code.severity().name(),
            title: code.title(),
            meaning: explanation.meaning,
            broker: explanation.broker,
            next: advice(code),
        }
    }
}

/// What to do about a finding: by the kind of file that it is about.
fn advice(code: FindingCode) -> &'static str {
    match code.name().as_bytes().first() {
        Some(b'B') => {
            "Before a broker starts here: copy the directory. `log-cli dump PARTITION` shows what can be read on both sides of the place; \
             another replica may have it whole. If this is the only copy, do not start a broker on it."
        }
        Some(b'I' | b'T' | b'X') => {
            "The log has everything that is in the index. With the broker stopped, `log-cli index rebuild DIR` shows what would be made again, and \
             --apply does it."
        }
        Some(b'S') => {
            "The log has everything that is in the snapshot. With the broker stopped, `log-cli producers rebuild DIR` shows what would be made \
             again, and --apply does it."
        }
        Some(b'C' | b'E') => {
            "`log-cli checkpoint show DIR` prints the file. With the broker stopped, `log-cli checkpoint rebuild DIR` makes what the logs tell, \
             and `log-cli checkpoint set` writes what only a person knows."
        }
        Some(b'K') => "Restore the metadata directory from another controller.",
        _ => {
            "`log-cli inspect DIR` shows what the directory holds and what the next start does. Move what does not belong here elsewhere."
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let one = arguments.code.as_deref().and_then(FindingCode::parse);
    match (global.document(), one) {
        (Format::Json | Format::Ndjson, _) => {
            let all = FindingCode::ALL.iter().filter(|code| one.is_none_or(|one| one == **code));
            output::json(&Document { schema: Version::One, codes: all.map(|code| Explained::of(*code)).collect() })?;
        }
        (Format::Text, Some(code)) => text(code)?,
        (Format::Text, None) => list()?,
    }
    Ok(Exit::Fine)
}

const BOLD: Style = Style::new().bold();
/// Where the text begins, and how wide it is.
const INDENT: usize = 9;
const WIDTH: usize = 100;

fn text(code: FindingCode) -> Result<(), CliError> {
    let mut out = output::stdout();
    let it = Explained::of(code);
    let weight = if code.severity() == Severity::Error { "error" } else { "warning" };
    writeln!(out, "{BOLD}{}  {}{BOLD:#} ({weight} at worst)", it.code, it.title)?;
    for (label, text) in [("meaning", it.meaning), ("broker", it.broker), ("next", it.next)] {
        for (n, line) in wrapped(text).into_iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            writeln!(out, "{BOLD}{label:<INDENT$}{BOLD:#}{line}")?;
        }
    }
    out.flush()?;
    Ok(())
}

/// The text in lines of words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let is_full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + word.len() >= WIDTH - INDENT);
        if is_full {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.get_mut(last) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn list() -> Result<(), CliError> {
    let mut out = output::stdout();
    for code in FindingCode::ALL {
        writeln!(out, "{BOLD}{code}{BOLD:#}  {:<5}  {}", code.severity().name(), code.title())?;
    }
    out.flush()?;
    Ok(())
}
