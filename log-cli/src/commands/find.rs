//! `find`: which record an offset or a time means, and where it lies.

use std::io::{self, Write};
use std::path::PathBuf;

use log_engine::log::{Answer, Located, Via};
use log_engine::segment::SegmentFile;
use log_engine::{LogReader, Offset, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::render::time::rfc3339;
use crate::select::targets::open_partition;
use crate::select::time;

/// Find the record of an offset or a time, and where it lies
///
/// Answers as a broker does: a time means the first record at or after it, in the first segment that reaches it. The indexes are
/// used as far as the batches bear them out; where they do not, standard error says so and the segment is read instead.
/// Exits 1 if there is no such record.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli find orders-3 --offset 4498112
  log-cli find orders-3 --time 2026-01-14T03:00Z
  log-cli find orders-3 --time -2h --json | jq .position
  log-cli find orders-3 --max-timestamp")]
pub(crate) struct Arguments {
    /// The folder of one partition
    #[arg(value_name = "DIR", required_unless_present = "schema")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    what: What,
}

/// What to look for: one of these.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct What {
    /// The record at this offset, or the next one where compaction left none
    #[arg(short, long, value_name = "N")]
    offset: Option<u64>,
    /// The first record at or after this time: RFC 3339, a date, milliseconds, 10 digits (seconds), -2h, now
    #[arg(short, long, value_name = "T", allow_hyphen_values = true)]
    time: Option<String>,
    /// The first record with the largest timestamp
    #[arg(long)]
    max_timestamp: bool,
}

/// Where a record is. If there is none, offset and timestamp are -1, as a broker answers, and the other fields null.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// Its offset.
    offset: i64,
    /// Milliseconds since 1970.
    timestamp: i64,
    /// The leader epoch of its batch; null where that names none.
    leader_epoch: Option<i32>,
    /// The file that holds it.
    segment: Option<String>,
    /// The first byte of its batch in that file.
    position: Option<u64>,
    /// The batch's own offset: its first one, or its last one for messages of formats 0 and 1.
    batch_offset: Option<i64>,
    /// How it was found.
    via: FoundVia,
}

/// How a record was found.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FoundVia {
    /// From where the indexes point.
    Index,
    /// By reading a segment from its beginning: an index is missing, empty, or wrong.
    Scan,
}

impl Found {
    fn new(answer: &Answer) -> Self {
        let place = answer.found;
        Self {
            offset: place.map_or(-1, |place| place.offset.get()),
            timestamp: place.map_or(-1, |place| place.timestamp.get()),
            leader_epoch: place.and_then(|place| place.leader_epoch).map(|epoch| epoch.get()),
            segment: place.map(|place| SegmentFile::Log.name(place.segment)),
            position: place.map(|place| place.position.get()),
            batch_offset: place.map(|place| place.batch_offset.get()),
            via: match answer.via {
                Via::Index => FoundVia::Index,
                Via::Scan => FoundVia::Scan,
            },
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let Some(dir) = arguments.dir.as_ref().filter(|_| !global.schema) else {
        output::schema::<Found>()?;
        return Ok(Exit::Fine);
    };
    let fs = global.fs();
    let log = open_partition(&*fs, dir)?;
    let answer = arguments.what.ask(&log)?;
    if !global.quiet {
        remark(&arguments.what, &log, &answer)?;
    }
    match (global.document(), answer.found) {
        (Format::Text, None) => {}
        (Format::Text, Some(found)) => print(&found, answer.via)?,
        (Format::Json | Format::Ndjson, _) => output::json(&Found::new(&answer))?,
    }
    Ok(if answer.found.is_some() { Exit::Fine } else { Exit::No })
}

impl What {
    fn ask(&self, log: &LogReader<'_>) -> Result<Answer, CliError> {
        match (self.offset, &self.time, self.max_timestamp) {
            (Some(offset), ..) => Ok(log.find_offset(Offset::new(i64::try_from(offset).unwrap_or(i64::MAX)))?),
            (None, Some(text), _) => {
                let time = moment(text, jiff::Timestamp::now().as_millisecond()).map_err(CliError::usage)?;
                Ok(log.offset_for_time(Timestamp::new(time))?)
            }
            (None, None, true) => Ok(log.offset_for_max_timestamp()?),
            (None, None, false) => Err(CliError::Usage {
                message: "nothing to look for".to_owned(),
                hint: Some("--offset N, --time T or --max-timestamp".to_owned()),
            }),
        }
    }
}

/// A moment, where digits are milliseconds unless there are 10 of them: a time to look for may lie anywhere.
fn moment(text: &str, now: i64) -> Result<i64, String> {
    let digits = !text.is_empty() && text.len() != 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(milliseconds) if digits => Ok(milliseconds),
        _ => time::parse(text, now),
    }
}

/// Says on standard error what the answer alone does not: lies of indexes, gaps, what consumers do not see.
fn remark(what: &What, log: &LogReader<'_>, answer: &Answer) -> Result<(), CliError> {
    for doubt in &answer.doubts {
        anstream::eprintln!("{doubt}; the answer does not rely on it");
    }
    if !answer.doubts.is_empty() {
        anstream::eprintln!("`log-cli verify` says what a broker makes of that");
    }
    let Some(found) = answer.found else {
        anstream::eprintln!("no such record: the log holds offsets {} to {}", log.log_start(), log.log_end()?);
        return Ok(());
    };
    if let Some(asked) = what.offset.filter(|asked| i64::try_from(*asked).is_ok_and(|asked| asked < found.offset.get()))
    {
        anstream::eprintln!("there is no record at offset {asked}; this is the next one");
    }
    if found.offset < log.log_start() {
        anstream::eprintln!("consumers do not see it: the log starts at {}", log.log_start());
    }
    Ok(())
}

/// Writes the answer for people.
fn print(found: &Located, via: Via) -> io::Result<()> {
    let mut time = Vec::new();
    rfc3339(&mut time, found.timestamp.get());
    let time = match found.timestamp.get() {
        -1 => "none".to_owned(),
        ms => format!("{} ({ms})", String::from_utf8_lossy(&time)),
    };
    let epoch = found.leader_epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
    let how = match via {
        Via::Index => "by index",
        Via::Scan => "by reading the segment",
    };
    let dim = anstyle::Style::new().dimmed();
    let mut out = output::stdout();
    for (name, value) in [
        ("offset", found.offset.to_string()),
        ("time", time),
        ("leader epoch", epoch),
        ("segment", SegmentFile::Log.name(found.segment)),
        ("batch", format!("offset {}, at byte {}", found.batch_offset, found.position)),
        ("found", how.to_owned()),
    ] {
        writeln!(out, "{dim}{name:<12}{dim:#}  {value}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_milliseconds_unless_there_are_ten() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1)),
            ("123456789", Some(123_456_789)),
            ("1234567890", Some(1_234_567_890_000)),
            ("12345678901", Some(12_345_678_901)),
            ("1768359600000", Some(1_768_359_600_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("now", Some(7_200_000)),
            ("-2h", Some(0)),
            ("", None),
            ("+5", None),
        ] {
            assert_eq!(moment(text, 7_200_000).ok(), expected, "{text}");
        }
    }
}
