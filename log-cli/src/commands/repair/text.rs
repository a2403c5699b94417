//! What a repair says to people.

use std::io::{self, Write};

use super::document::{DirectoryRow, Document, PartitionRow};
use crate::commands::apply::write_ending;
use crate::human;
use crate::output;
use crate::render::escaped;

pub(super) fn print(document: &Document) -> io::Result<()> {
    let mut out = output::stdout();
    for dir in &document.directories {
        directory(&mut out, dir)?;
    }
    out.flush()
}

fn directory(out: &mut impl Write, dir: &DirectoryRow) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    writeln!(out, "{bold}{}{bold:#}", escaped(&dir.path))?;
    for change in &dir.changes {
        writeln!(out, "  {}", escaped(&change.text()))?;
    }
    let mut silent = 0_u64;
    for one in &dir.partitions {
        if one.changes.is_empty() && one.left.is_empty() && one.failed.is_empty() {
            silent = silent.saturating_add(1);
        } else {
            partition(out, one)?;
        }
    }
    if silent > 0 {
        writeln!(out, "{} with nothing to do", human::counted(silent, "partition", "partitions"))?;
    }
    for finding in &dir.left {
        writeln!(out, "  left: {} {}  {}", finding.code, escaped(&finding.file), escaped(&finding.message))?;
    }
    for note in &dir.notes {
        writeln!(out, "  yours to decide: {} {}", escaped(&note.file), escaped(&note.message))?;
    }
    ending(out, dir)
}

fn partition(out: &mut impl Write, one: &PartitionRow) -> io::Result<()> {
    let bold = anstyle::Style::new().bold();
    let name = one.path.rsplit('/').next().unwrap_or(&one.path);
    let dropped = match one.records_dropped {
        0 => "no record goes".to_owned(),
        records => format!("{} of {} go", human::count(records), human::counted(one.records, "record", "records")),
    };
    writeln!(out, "{bold}{}{bold:#}  {}, then {}; {dropped}", escaped(name), one.before, one.after)?;
    for change in &one.changes {
        writeln!(out, "  {}", escaped(&change.text()))?;
    }
    for finding in &one.left {
        writeln!(out, "  left: {} {}  {}", finding.code, escaped(&finding.file), escaped(&finding.message))?;
    }
    for failed in &one.failed {
        writeln!(out, "  cannot be read: {}", escaped(failed))?;
    }
    Ok(())
}

fn ending(out: &mut impl Write, dir: &DirectoryRow) -> io::Result<()> {
    if dir.applied.is_some() || dir.has_changes() {
        write_ending(out, dir.applied.as_ref(), "")?;
    } else {
        writeln!(out, "Nothing to do.")?;
    }
    match dir.marked {
        Some(true) => {
            let is_marked = if dir.applied.is_some() || !dir.has_changes() { "It is" } else { "It can be" };
            writeln!(
                out,
                "{is_marked} marked as cleanly stopped, so that the broker starts without recovery. The marker names broker epoch -1:"
            )?;
            writeln!(
                out,
                "the controller takes this broker for one that lost power, and it leaves the eligible leader replicas (ELR)."
            )?;
        }
        Some(false) => writeln!(out, "Not marked as cleanly stopped: errors are left, and a marker would hide them.")?,
        None => {}
    }
    let is_left = dir.partitions.iter().any(|one| one.left.iter().any(super::document::FindingRow::is_error));
    if is_left {
        writeln!(
            out,
            "Errors are left that no derived file is to blame for: log-cli salvage copies out what is good."
        )?;
    }
    Ok(())
}
