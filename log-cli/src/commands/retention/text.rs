//! What `retention` says to people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::document::{Document, Free, Partition, Reason, Segment, Verdict};
use crate::human::{bytes, counted, duration, time};
use crate::output;
use crate::render::escaped;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Writes it. Of partitions of which nothing goes only what keeps the oldest segment is shown, unless `verbose`.
pub(super) fn write(document: &Document, verbose: bool) -> io::Result<()> {
    let mut out = output::stdout();
    if let Some(free) = &document.free {
        write_free(&mut out, free)?;
        return out.flush();
    }
    let age = document
        .retention_ms
        .map_or("any age stays".to_owned(), |ms| format!("retention.ms={ms} ({})", duration(ms.unsigned_abs())));
    let size = document
        .retention_bytes
        .map_or("any size stays".to_owned(), |limit| format!("retention.bytes={limit} ({})", bytes(limit)));
    writeln!(out, "{DIM}{age}, {size}, at {}{DIM:#}", time(document.now))?;
    for partition in &document.partitions {
        one(&mut out, partition, verbose)?;
    }
    let (mut segments, mut freed) = (0_u64, 0_u64);
    for partition in &document.partitions {
        segments = segments.saturating_add(partition.goes as u64);
        freed = freed.saturating_add(partition.goes_bytes);
    }
    let what = match segments {
        0 => "nothing goes".to_owned(),
        1 => format!("1 segment goes ({})", bytes(freed)),
        _ => format!("{} go ({})", counted(segments, "segment", "segments"), bytes(freed)),
    };
    let partitions = counted(document.partitions.len() as u64, "partition", "partitions");
    writeln!(out, "{partitions}: {what}. Nothing was changed.")?;
    out.flush()
}

fn one(out: &mut dyn Write, partition: &Partition, verbose: bool) -> io::Result<()> {
    let segments = counted(partition.segments.len() as u64, "segment", "segments");
    let watermark = partition.high_watermark.map_or_else(String::new, |at| format!(", high watermark {at}"));
    let size = bytes(partition.log_bytes);
    writeln!(out, "{BOLD}{}{BOLD:#}  {segments}, {size}{watermark}", escaped(&partition.path))?;
    for segment in &partition.segments {
        // What stands behind one that stays stays because of it.
        if segment.reason == Reason::BehindKept && !verbose {
            continue;
        }
        line(out, segment)?;
    }
    let behind = partition.segments.iter().filter(|segment| segment.reason == Reason::BehindKept).count();
    if behind > 0 && !verbose {
        let segments = counted(behind as u64, "newer segment", "newer segments");
        writeln!(out, "  {DIM}{segments} behind it: they go from the oldest on{DIM:#}")?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, segment: &Segment) -> io::Result<()> {
    let (style, verdict) = match segment.verdict {
        Verdict::Delete => (YELLOW, "goes"),
        Verdict::Keep => (Style::new(), "stays"),
    };
    let size = bytes(segment.bytes);
    writeln!(out, "  {}  {size:>9}  {style}{verdict:<5}{style:#}  {}", segment.file, why(segment))?;
    if let Some(doubt) = &segment.doubt {
        writeln!(out, "  {YELLOW}the time is what the broker believes, and wrong{YELLOW:#}: {}", escaped(doubt))?;
    }
    Ok(())
}

/// Why, as a clause.
fn why(segment: &Segment) -> String {
    let says = match segment.offset {
        Some(offset) => format!("offset {offset} says {}", time(segment.largest_timestamp)),
        None => format!("no batch has a time, and the file was written at {}", time(segment.largest_timestamp)),
    };
    let ahead = if segment.is_ahead { ", which lies ahead" } else { "" };
    match segment.reason {
        Reason::BelowLogStart => "below the log start".to_owned(),
        Reason::Size => "the log is large enough without it".to_owned(),
        Reason::Age => format!("too old: {says}"),
        Reason::AboveHighWatermark => "reaches above the high watermark".to_owned(),
        Reason::Empty => "the last one, and empty".to_owned(),
        Reason::BehindKept => "behind one that stays".to_owned(),
        Reason::Compacted => "the topic is compacted: nothing is too old or too much".to_owned(),
        Reason::Young => match segment.until {
            Some(until) => format!("until {}, because {says}{ahead}", time(until)),
            None => format!("nothing makes it go; {says}{ahead}"),
        },
    }
}

fn write_free(out: &mut dyn Write, free: &Free) -> io::Result<()> {
    for step in &free.steps {
        let anyway = if step.goes_anyway { "  goes anyway" } else { "" };
        let (size, freed) = (bytes(step.bytes), bytes(step.freed));
        writeln!(
            out,
            "{freed:>9} free  {size:>9}  {}  newest record {}{anyway}",
            escaped(&step.file),
            time(step.largest_timestamp)
        )?;
    }
    if !free.partitions.is_empty() {
        writeln!(out, "{BOLD}with this goes{BOLD:#}")?;
    }
    for loss in &free.partitions {
        let segments = counted(loss.segments, "segment", "segments");
        let path = escaped(&loss.path);
        writeln!(out, "  {path}  records before offset {}  ({segments}, {})", loss.before_offset, bytes(loss.bytes))?;
    }
    let (freed, asked) = (bytes(free.freed), bytes(free.asked));
    if free.freed >= free.asked {
        writeln!(out, "{freed} could be freed. Nothing was changed.")?;
        writeln!(
            out,
            "{BOLD}next{BOLD:#}: kafka-delete-records with these offsets on a running broker, or a lower retention.ms; \
             never rm: it leaves the rest of a segment behind"
        )
    } else {
        writeln!(out, "only {freed} of {asked} could be freed. Nothing was changed.")
    }
}
