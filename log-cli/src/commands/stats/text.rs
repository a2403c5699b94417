//! The answer of `stats` for people: totals, and bars as wide as the terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::By;
use super::document::{Name, Names, Period, Report, Spread};
use crate::{human, output};

const BOLD: Style = Style::new().bold();
const BAR: Style = AnsiColor::Cyan.on_default();

/// Columns where nobody says how many there are.
const USUAL_COLUMNS: usize = 80;
/// Columns of the widest bar.
const WIDEST_BAR: usize = 60;
/// Rows of hours before they are put together to longer spans.
const MOST_PERIODS: usize = 40;
/// Characters of a name that are shown.
const NAME_COLUMNS: usize = 32;

pub(super) fn write(report: &Report, shown: &[By]) -> io::Result<()> {
    let mut out = output::stdout();
    let bars = Bars::new();
    totals(&mut out, report)?;
    for by in shown {
        match by {
            By::Size => sizes(&mut out, report, &bars)?,
            By::Hour => hours(&mut out, report, &bars)?,
            By::Codec => codecs(&mut out, report, &bars)?,
            By::Producer => names(&mut out, "PRODUCER", "no producer id", &report.producers, &bars)?,
            By::Epoch => names(&mut out, "LEADER EPOCH", "no leader epoch", &report.leader_epochs, &bars)?,
            By::Key => optional(&mut out, "KEY", report.keys.as_ref(), &bars)?,
            By::Header => optional(&mut out, "HEADER", report.headers.as_ref(), &bars)?,
        }
    }
    out.flush()
}

/// Draws bars into what is left of a line.
struct Bars {
    columns: usize,
    /// Eighths of a block where a person looks; number signs in files and pipes.
    fine: bool,
}

impl Bars {
    fn new() -> Self {
        let terminal = output::is_terminal().then(terminal_size::terminal_size).flatten();
        let columns = terminal.map_or(USUAL_COLUMNS, |(width, _)| usize::from(width.0));
        Self { columns, fine: output::is_terminal() }
    }

    /// A bar for `part` of `most`, behind `used` columns of text.
    fn bar(&self, part: u64, most: u64, used: usize) -> String {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let width = self.columns.saturating_sub(used).clamp(1, WIDEST_BAR) as u128;
        let eighths = (u128::from(part) * width * 8).div_ceil(u128::from(most.max(1)));
        let eighths = usize::try_from(eighths).unwrap_or(0);
        if !self.fine {
            return "#".repeat(eighths.div_ceil(8));
        }
        format!("{BAR}{}{}{BAR:#}", "█".repeat(eighths / 8), EIGHTHS.get(eighths % 8).unwrap_or(&""))
    }
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{BOLD}{label:<12}{BOLD:#}{text}")
}

fn totals(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Report { records, batches, .. } = report;
    let mut text = format!(
        "{} in {}, {} of {}",
        human::counted(*records, "record", "records"),
        human::counted(*batches, "batch", "batches"),
        human::counted(report.segments as u64, "segment", "segments"),
        human::counted(report.partitions as u64, "partition", "partitions"),
    );
    if report.control_records > 0 {
        text += &format!("; {}", human::counted(report.control_records, "control record", "control records"));
    }
    line(out, "contents", &text)?;
    let magics: Vec<_> =
        report.magics.iter().map(|magic| format!("magic {} ({})", magic.magic, human::count(magic.batches))).collect();
    let text = format!(
        "{} in the files, {} before compression; {}",
        human::bytes(report.bytes),
        human::bytes(report.uncompressed_bytes),
        magics.join(", ")
    );
    line(out, "bytes", &text)?;
    let share = |part: u64| format!("{} ({})", human::count(part), human::percent(part, *records));
    let text = format!(
        "{} without key, {} without value (tombstones), {} with headers",
        share(report.null_keys),
        share(report.tombstones),
        share(report.records_with_headers)
    );
    line(out, "records", &text)?;
    let times = &report.times;
    let mut text = match (times.first, times.last) {
        (Some(first), Some(last)) => format!("{} to {}", human::time(first), human::time(last)),
        _ => "none".to_owned(),
    };
    for (count, what) in [(times.without_time, "without time"), (times.in_future, "in the future")] {
        if count > 0 {
            text += &format!(", {} {what}", share(count));
        }
    }
    line(out, "times", &text)?;
    if times.steps_back > 0 {
        let text = format!(
            "{} earlier than the record before, by up to {}",
            human::counted(times.steps_back, "record is", "records are"),
            human::duration(times.largest_step_back_ms)
        );
        line(out, "", &text)?;
    }
    if report.damaged > 0 {
        let places = human::counted(report.damaged, "damaged place was", "damaged places were");
        line(out, "damage", &format!("{places} passed over; what lies there is not counted"))?;
    }
    Ok(())
}

fn title(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n{BOLD}{text}{BOLD:#}")
}

fn sizes(out: &mut dyn Write, report: &Report, bars: &Bars) -> io::Result<()> {
    let sizes = &report.sizes;
    histogram(out, "RECORD BYTES", "before compression", &sizes.record_bytes, human::bytes, bars)?;
    histogram(out, "BATCH BYTES", "in the files", &sizes.batch_bytes, human::bytes, bars)?;
    histogram(out, "RECORDS PER BATCH", "", &sizes.records_per_batch, human::count, bars)
}

/// One row a class, from the smallest that was met to the largest.
fn histogram(
    out: &mut dyn Write,
    name: &str,
    note: &str,
    spread: &Spread,
    value: impl Fn(u64) -> String,
    bars: &Bars,
) -> io::Result<()> {
    let (Some(min), Some(max), Some(mean)) = (spread.min, spread.max, spread.mean) else { return Ok(()) };
    let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
    title(out, &format!("{name}{note}: {} to {}, mean {}", value(min), value(max), value(mean.round() as u64)))?;
    let most = spread.classes.iter().map(|class| class.count).max().unwrap_or(1);
    for class in &spread.classes {
        let range = if class.from == class.to {
            value(class.from)
        } else {
            format!("{} to {}", value(class.from), value(class.to))
        };
        let text =
            format!("{range:>24} {:>12} {:>4} ", human::count(class.count), human::percent(class.count, spread.count));
        writeln!(out, "{text}{}", bars.bar(class.count, most, text.len()))?;
    }
    Ok(())
}

/// What one row of times stands for: its hours, and how its beginning is written.
const PERIODS: [(u64, &str, usize); 6] = [
    (1, "HOUR", 16),
    (6, "SIX HOURS FROM", 16),
    (24, "DAY", 10),
    (24 * 7, "WEEK FROM", 10),
    (24 * 30, "THIRTY DAYS FROM", 10),
    (24 * 365, "YEAR (365 DAYS) FROM", 10),
];

fn hours(out: &mut dyn Write, report: &Report, bars: &Bars) -> io::Result<()> {
    let rows = |hours: &u64| together(&report.hours, *hours).len();
    let Some((hours, name, width)) = PERIODS.iter().find(|(hours, ..)| rows(hours) <= MOST_PERIODS).or(PERIODS.last())
    else {
        return Ok(());
    };
    let periods = together(&report.hours, *hours);
    if periods.is_empty() {
        return Ok(());
    }
    title(out, &format!("{name} (UTC; hours without records are left out)"))?;
    let most = periods.iter().map(|period| period.records).max().unwrap_or(1);
    for period in &periods {
        let from = human::rfc3339(period.from).map(|time| time.chars().take(*width).collect());
        let from: String = from.unwrap_or_else(|| period.from.to_string());
        let text = format!(
            "{:>20} {:>12} {:>10} ",
            from.replace('T', " "),
            human::count(period.records),
            human::bytes(period.bytes)
        );
        writeln!(out, "{text}{}", bars.bar(period.records, most, text.len()))?;
    }
    if report.records_of_other_hours > 0 {
        writeln!(out, "{:>20} {:>12}", "other hours", human::count(report.records_of_other_hours))?;
    }
    Ok(())
}

/// Hours put together to spans of so many, each beginning at a multiple of its length since 1970.
fn together(hours: &[Period], length: u64) -> Vec<Period> {
    let length = i64::try_from(length * 3_600_000).unwrap_or(i64::MAX);
    let mut spans: Vec<Period> = Vec::new();
    for hour in hours {
        let from = hour.from.div_euclid(length).saturating_mul(length);
        match spans.last_mut().filter(|last| last.from == from) {
            Some(last) => {
                last.records = last.records.saturating_add(hour.records);
                last.bytes = last.bytes.saturating_add(hour.bytes);
            }
            None => spans.push(Period { from, ..hour.clone() }),
        }
    }
    spans
}

fn codecs(out: &mut dyn Write, report: &Report, bars: &Bars) -> io::Result<()> {
    if report.codecs.is_empty() {
        return Ok(());
    }
    title(
        out,
        &format!(
            "{:<12} {:>12} {:>12} {:>10} {:>10} {:>7}",
            "CODEC", "BATCHES", "RECORDS", "IN FILES", "BEFORE", "RATIO"
        ),
    )?;
    let most = report.codecs.iter().map(|codec| codec.bytes).max().unwrap_or(1);
    for codec in &report.codecs {
        let text = format!(
            "{:<12} {:>12} {:>12} {:>10} {:>10} {:>7} ",
            codec.codec,
            human::count(codec.batches),
            human::count(codec.records),
            human::bytes(codec.bytes),
            human::bytes(codec.uncompressed_bytes),
            codec.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        );
        writeln!(out, "{text}{}", bars.bar(codec.bytes, most, text.len()))?;
    }
    Ok(())
}

fn optional(out: &mut dyn Write, what: &str, names: Option<&Names>, bars: &Bars) -> io::Result<()> {
    names.map_or(Ok(()), |counted| self::names(out, what, "", counted, bars))
}

/// The names that occur most; `none` is what -1 stands for.
fn names(out: &mut dyn Write, what: &str, none: &str, names: &Names, bars: &Bars) -> io::Result<()> {
    let exact = if names.exact {
        format!("{} different, counted exactly", human::count(names.distinct as u64))
    } else {
        "too many to count each: counts may be too high by up to what stands behind ±".to_owned()
    };
    title(out, &format!("{what} ({exact})"))?;
    let most = names.top.iter().map(|name| name.count).max().unwrap_or(1);
    for one in &names.top {
        let label = if !none.is_empty() && one.text.as_deref() == Some("-1") { none.to_owned() } else { shown(one) };
        let error = if one.error > 0 { format!(" ±{}", human::count(one.error)) } else { String::new() };
        let pad = NAME_COLUMNS.saturating_sub(label.chars().count());
        let text =
            format!("{label}{:pad$} {:>12} {:>10}{error} ", "", human::count(one.count), human::bytes(one.bytes));
        writeln!(out, "{text}{}", bars.bar(one.count, most, text.chars().count()))?;
    }
    let rest = names.distinct.saturating_sub(names.top.len());
    if rest > 0 {
        writeln!(out, "and {} (--top N)", human::counted(rest as u64, "more", "more"))?;
    }
    Ok(())
}

/// A name in at most [`NAME_COLUMNS`] characters, control characters escaped.
fn shown(name: &Name) -> String {
    let text = match (&name.text, &name.hex) {
        (Some(text), _) => text.escape_debug().to_string(),
        (_, Some(hex)) => format!("0x{hex}"),
        _ => String::new(),
    };
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    if text.chars().count() <= NAME_COLUMNS {
        return text;
    }
    text.chars().take(NAME_COLUMNS - 3).chain("...".chars()).collect()
}
