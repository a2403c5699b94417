//! What `salvage` says to people: what was kept, what is lost and why, and what to do next.

use std::io::{self, Write};
use std::path::Path;

use log_engine::inspect::{Finding, FindingCode, Severity};
use log_engine::salvage::{Lost, NextOfProducer, OpenAtGap, PartitionReport, Report, SetAside, Unreadable};

use crate::human;
use crate::output;
use crate::render::escaped;

/// As many lines of one kind are written a partition; the rest stand in the report.
const MAX_LINES: usize = 20;

/// Writes the whole answer.
pub(super) fn write(report: &Report, target: &Path) -> io::Result<()> {
    let mut out = output::stdout();
    for partition in &report.partitions {
        self::partition(partition, &mut out)?;
    }
    if let Some(dir) = &report.lost_and_found {
        writeln!(out, "the rest is in {}: as it was (.bin), as text (.hex), and what it is (report.json)", path(dir))?;
    }
    writeln!(out, "next: log-cli verify --level deep {}", path(target))?;
    let folder = report.partitions.first().map_or(target, |partition| &partition.path);
    writeln!(out, "      with its broker stopped, {} takes the place of the damaged folder", path(folder))?;
    out.flush()
}

fn path(path: &Path) -> String {
    escaped(&path.display().to_string())
}

fn partition(report: &PartitionReport, out: &mut impl Write) -> io::Result<()> {
    let name = report.partition.as_ref().map_or_else(|| path(&report.path), ToString::to_string);
    let offsets = report.offsets.map_or("no offsets".to_owned(), |(first, last)| format!("offsets {first}..{last}"));
    writeln!(
        out,
        "{name}  kept {} in {}, {}, {offsets}",
        human::counted(report.records, "record", "records"),
        human::counted(report.batches, "batch", "batches"),
        human::bytes(report.bytes),
    )?;
    for (n, source) in report.sources.iter().enumerate().filter(|_| report.sources.len() > 1) {
        let leads = if n == report.leader { ", leads" } else { "" };
        let batches = human::counted(source.batches, "batch", "batches");
        writeln!(out, "  source {n}  {batches} from {}{leads}", path(&source.path))?;
    }
    lines(&report.lost, out, |lost, out| {
        writeln!(out, "  LOST  {}", self::lost(lost))?;
        lost.transactions.iter().try_for_each(|open| writeln!(out, "        {}", transaction(open)))?;
        if lost.more_transactions > 0 {
            writeln!(out, "        and {} transactions more were open there", lost.more_transactions)?;
        }
        Ok(())
    })?;
    lines(&report.aside, out, |aside, out| writeln!(out, "  set aside  {}", set_aside(aside)))?;
    lines(&report.unreadable, out, |it, out| writeln!(out, "  unreadable  {}", unreadable(it)))?;
    if report.is_complete() {
        writeln!(out, "  nothing is lost")?;
    }
    if report.left_out_producers {
        writeln!(out, "  too many producers to write their state: the next start makes it from the log")?;
    }
    verified(report, out)
}

fn lines<T, W: Write>(all: &[T], out: &mut W, each: impl Fn(&T, &mut W) -> io::Result<()>) -> io::Result<()> {
    all.iter().take(MAX_LINES).try_for_each(|one| each(one, out))?;
    match all.len().saturating_sub(MAX_LINES) {
        0 => Ok(()),
        more => writeln!(out, "  and {} more, in report.json", human::count(more as i128)),
    }
}

fn lost(lost: &Lost) -> String {
    let offsets = match lost.until.map(|until| until.get().saturating_sub(1)) {
        Some(last) if last == lost.from.get() => format!("offset {last}"),
        Some(last) => {
            let count = i128::from(last) - i128::from(lost.from.get()) + 1;
            format!("offsets {}..{last} ({})", lost.from, human::count(count))
        }
        None => format!("offsets from {} on, nobody knows how many", lost.from),
    };
    let place = match &lost.place {
        Some((file, position)) => format!("  {} @{position}", file_name(file)),
        None => String::new(),
    };
    format!("{offsets}{place}  {}", escaped(&lost.why.to_string()))
}

fn transaction(open: &OpenAtGap) -> String {
    let whose = format!(
        "producer {}, epoch {}, had a transaction open since offset {}",
        open.producer_id, open.producer_epoch, open.first_offset
    );
    let then = match open.next {
        NextOfProducer::Data { offset } => {
            format!(
                "it goes on with records at {offset}; if its marker is lost, those before count as part of that transaction"
            )
        }
        NextOfProducer::Marker { offset, commit } => {
            let ends = if commit { "commits" } else { "aborts" };
            format!(
                "the marker at {offset} {ends} it; if another one is lost, read_committed shows other records than before"
            )
        }
        _ => {
            "no marker follows: read_committed stops there (`log-cli stats --by producer` shows whose it is)".to_owned()
        }
    };
    format!("{whose}: {then}")
}

fn set_aside(aside: &SetAside) -> String {
    let (first, last) = aside.offsets;
    format!(
        "{}, {}, that say{} offsets {first}..{last}  {} @{}  {}",
        human::counted(aside.batches, "batch", "batches"),
        human::bytes(aside.bytes),
        if aside.batches == 1 { "s" } else { "" },
        file_name(&aside.file),
        aside.position,
        escaped(&aside.reason.to_string()),
    )
}

fn unreadable(unreadable: &Unreadable) -> String {
    let healed = if unreadable.is_healed { "; another copy had it" } else { "" };
    let gave_up = if unreadable.gave_up { "; what follows was not searched to its end" } else { "" };
    format!(
        "{}  {} @{}  {}{healed}{gave_up}",
        human::bytes(unreadable.bytes),
        file_name(&unreadable.file),
        unreadable.position,
        escaped(&unreadable.cause.to_string()),
    )
}

fn file_name(file: &Path) -> String {
    escaped(&file.file_name().unwrap_or_default().to_string_lossy())
}

/// What reading the output again found. Missing offsets were told above.
fn verified(report: &PartitionReport, out: &mut impl Write) -> io::Result<()> {
    let is_told = |finding: &&Finding| finding.severity > Severity::Info && finding.code != FindingCode::B012;
    let findings: Vec<&Finding> = report.findings.iter().filter(is_told).collect();
    let batches = human::counted(report.verified_batches, "batch", "batches");
    match findings.len() {
        0 => writeln!(out, "  read again: all {batches} are sound")?,
        n => writeln!(out, "  read again: {batches} are sound; {} to look at", human::count(n as i128))?,
    }
    lines(&findings, out, |finding, out| {
        let offset = finding.offset.map_or(String::new(), |offset| format!(" offset {offset}"));
        let (severity, code) = (finding.severity.name(), finding.code.name());
        writeln!(out, "  {severity} {code}  {}{offset}  {}", path(&finding.file), escaped(&finding.message))
    })
}
