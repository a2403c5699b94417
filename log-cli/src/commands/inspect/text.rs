//! The answer of `inspect` for people: a few lines that can be read at three in the morning.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::document::{
    Attention, Contents, Fate, File, Leftovers, Level, LogDir, NextScan, NextStart, Partition, Report, Root, Segment,
    Single, Why,
};
use crate::{human, output};

/// Notes of one kind that are shown before the rest is counted.
const SHOWN_OF_A_KIND: usize = 3;
/// Where the text behind a label begins.
const INDENT: usize = 12;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();

pub(super) fn write(report: &Report, segments: bool, recovery: bool) -> io::Result<()> {
    let mut out = output::stdout();
    let blocks = report.log_dirs.len() + report.partitions.len() + report.files.len();
    let mut block = 0;
    let mut separate = |out: &mut dyn Write| {
        block += 1;
        if block > 1 { writeln!(out) } else { Ok(()) }
    };
    for dir in &report.log_dirs {
        separate(&mut out)?;
        log_dir(&mut out, dir, blocks > 1, segments, recovery)?;
    }
    for single in &report.partitions {
        separate(&mut out)?;
        partition(&mut out, single, segments, recovery)?;
    }
    for one in &report.files {
        separate(&mut out)?;
        file(&mut out, one)?;
    }
    if report.log_dirs.len() + report.partitions.len() > 1 {
        separate(&mut out)?;
        line(&mut out, "together", &contents(&report.total))?;
        next_start(&mut out, &report.next_start)?;
    }
    out.flush()
}

/// A label and what belongs to it; without a label the line goes on under the last one.
fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{BOLD}{label:<INDENT$}{BOLD:#}{text}")
}

fn log_dir(out: &mut dyn Write, dir: &LogDir, with_path: bool, segments: bool, recovery: bool) -> io::Result<()> {
    if with_path || recovery {
        line(out, "directory", &dir.path)?;
    }
    if recovery {
        state(out, &dir.root)?;
        next_start(out, &dir.next_start)?;
        return scanned_partitions(out, &dir.partitions);
    }
    if dir.root.is_brokers() {
        broker(out, &dir.root)?;
    }
    state(out, &dir.root)?;
    line(out, "contents", &contents(&dir.contents))?;
    next_start(out, &dir.next_start)?;
    attention(out, &dir.leftovers, &dir.attention)?;
    line(out, "next", &next_commands(&dir.path, &dir.leftovers))?;
    if segments {
        for partition in &dir.partitions {
            writeln!(out)?;
            line(out, "partition", &title(partition))?;
            segment_table(out, partition)?;
        }
    }
    Ok(())
}

fn partition(out: &mut dyn Write, single: &Single, segments: bool, recovery: bool) -> io::Result<()> {
    let partition = &single.partition;
    line(out, "partition", &title(partition))?;
    if recovery {
        state(out, &single.root)?;
        next_start(out, &single.next_start)?;
        return scanned_partitions(out, std::slice::from_ref(partition));
    }
    if single.root.is_brokers() {
        broker(out, &single.root)?;
        state(out, &single.root)?;
    }
    line(out, "offsets", &offsets(partition))?;
    if let (Some(first), Some(last)) = (partition.first_timestamp, partition.last_timestamp) {
        let text = format!("{} in the first batch, {} in the last", human::time(first), human::time(last));
        line(out, "times", &text)?;
    }
    if let Some(latest) = partition.leader_epochs.last() {
        let known = human::counted(partition.leader_epochs.len() as u64, "leader epoch", "leader epochs");
        line(out, "epochs", &format!("{known}, the last is {} from offset {}", latest.epoch, latest.start))?;
    }
    line(out, "contents", &contents(&single.contents))?;
    next_start(out, &single.next_start)?;
    attention(out, &single.leftovers, &single.attention)?;
    line(out, "next", &next_commands(&partition.path, &single.leftovers))?;
    if segments {
        writeln!(out)?;
        segment_table(out, partition)?;
    }
    Ok(())
}

/// What a partition is called, and its topic's id.
fn title(partition: &Partition) -> String {
    let mut text = match (&partition.topic, partition.partition) {
        (Some(topic), Some(number)) => format!("{topic}-{number}"),
        _ => partition.path.clone(),
    };
    if partition.state != "live" {
        text += &format!(" (-{})", partition.state);
    }
    if let Some(id) = &partition.topic_id {
        text += &format!(", topic id {id}");
    }
    text
}

fn broker(out: &mut dyn Write, root: &Root) -> io::Result<()> {
    let text = match &root.broker {
        None => "unknown: there is no meta.properties".to_owned(),
        Some(broker) if broker.error.is_some() => format!("{RED}unknown{RED:#}: meta.properties cannot be read"),
        Some(broker) => {
            let mode = if broker.version == Some(0) { "ZooKeeper" } else { "KRaft" };
            let node = broker.node_id.map_or("no node id".to_owned(), |id| format!("node {id}"));
            let cluster = broker.cluster_id.as_ref().map_or("no cluster id".to_owned(), |id| format!("cluster {id}"));
            let directory = broker.directory_id.as_ref().map_or(String::new(), |id| format!(", directory id {id}"));
            format!("{node}, {cluster}, {mode}{directory}")
        }
    };
    line(out, "broker", &text)
}

fn state(out: &mut dyn Write, root: &Root) -> io::Result<()> {
    if !root.is_brokers() {
        return line(out, "state", "unknown: there is no file of a broker; a copy of partitions?");
    }
    let clean = if root.clean {
        format!("{GREEN}cleanly shut down{GREEN:#}")
    } else {
        format!("{YELLOW}NOT cleanly shut down{YELLOW:#}")
    };
    let (clean, used) = match (root.in_use, root.lock_pid) {
        (Some(true), pid) => {
            let by = pid.map_or(String::new(), |pid| format!(" by process {pid}"));
            ("in use".to_owned(), format!("the lock is held{by}: a running broker has no marker"))
        }
        (Some(false), _) => (clean, "not in use (lock free)".to_owned()),
        (None, _) => (clean, "whether it is in use cannot be seen".to_owned()),
    };
    line(out, "state", &format!("{clean}; {used}"))
}

fn contents(contents: &Contents) -> String {
    let mut text = format!(
        "{} of {}, {}, {}",
        human::counted(contents.partitions, "partition", "partitions"),
        human::counted(contents.topics, "topic", "topics"),
        human::bytes(contents.bytes),
        human::counted(contents.segments, "segment", "segments"),
    );
    let sampled: u64 = contents.codecs.iter().map(|share| share.log_bytes).sum();
    if sampled > 0 {
        let magics: Vec<_> = contents
            .magics
            .iter()
            .map(|magic| format!("magic {} ({})", magic.magic, human::count(magic.segments)))
            .collect();
        let share = |share: &super::document::CodecShare| {
            format!("{} {}", share.codec, human::percent(share.log_bytes, sampled))
        };
        let codecs: Vec<_> = contents.codecs.iter().map(share).collect();
        text += &format!("; {}; {} (by first batches)", magics.join(", "), codecs.join(", "));
    }
    text
}

/// Why something is scanned, as the end of a sentence.
const fn why(why: Why) -> &'static str {
    match why {
        Why::CleanShutdown => "nothing: the last stop was a clean one",
        Why::Deleted => "nothing: the folder will be removed",
        Why::RecoveryPoint => "above the recovery points",
        Why::RecoveryPointZero => "whole: the recovery point is 0",
        Why::NotNamed => "whole: not named by the recovery points",
        Why::FileMissing => "whole: recovery-point-offset-checkpoint is missing",
        Why::FileEmpty => "whole: recovery-point-offset-checkpoint is empty",
        Why::FileUnreadable => "whole: recovery-point-offset-checkpoint cannot be read",
        Why::MetadataLog => "whole: the metadata log always is",
        Why::IndexMissing => "because the offset index is missing",
    }
}

fn next_start(out: &mut dyn Write, start: &NextStart) -> io::Result<()> {
    if start.segments == 0 {
        return line(out, "next start", "scans nothing");
    }
    let amount =
        |segments, bytes| format!("{} ({})", human::counted(segments, "segment", "segments"), human::bytes(bytes));
    let time = |[fast, slow]: [u64; 2]| match (human::duration(fast), human::duration(slow)) {
        (fast, slow) if fast == slow => format!("about {slow}"),
        (fast, slow) => format!("about {fast} to {slow}"),
    };
    match &start.reasons[..] {
        [reason] => {
            let text = format!("scans {}, {}", amount(start.segments, start.bytes), why(reason.why));
            line(out, "next start", &text)?;
        }
        reasons => {
            line(out, "next start", &format!("scans {}:", amount(start.segments, start.bytes)))?;
            for reason in reasons {
                line(out, "", &format!("{} {}", amount(reason.segments, reason.bytes), why(reason.why)))?;
            }
        }
    }
    let [slow_rate, fast_rate] = start.assumed_bytes_per_second;
    if start.millis.iter().all(|millis| *millis < 1000) {
        return line(out, "", "which takes less than a second");
    }
    let text = format!(
        "{} with {} (num.recovery.threads.per.data.dir), {} with 8, at {} to {} a second and thread",
        time(start.millis),
        human::counted(start.threads, "thread", "threads"),
        time(start.millis_with_eight_threads),
        human::bytes(slow_rate),
        human::bytes(fast_rate),
    );
    line(out, "", &text)
}

fn attention(out: &mut dyn Write, leftovers: &[Leftovers], notes: &[Attention]) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut rest = notes;
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|note| (note.level, note.kind) == (first.level, first.kind)).count();
        let (group, behind) = rest.split_at(same);
        rest = behind;
        lines.extend(group.iter().take(SHOWN_OF_A_KIND).map(note));
        if let Some(more) = group.len().checked_sub(SHOWN_OF_A_KIND).filter(|more| *more > 0) {
            lines.push(format!("and {more} more of this kind (--format json has all)"));
        }
    }
    lines.extend(leftovers.iter().map(leftover));
    for (at, text) in lines.iter().enumerate() {
        line(out, if at == 0 { "attention" } else { "" }, text)?;
    }
    Ok(())
}

fn note(note: &Attention) -> String {
    let style = match note.level {
        Level::Fatal | Level::Offline => RED,
        Level::Warn => YELLOW,
        Level::Info => Style::new(),
    };
    format!("{style}{}{style:#} {}", note.path, note.message)
}

fn leftover(group: &Leftovers) -> String {
    let is_folder = group.kind.starts_with('-');
    let what = if is_folder {
        human::counted(group.paths.len() as u64, "folder ends", "folders end")
    } else {
        human::counted(group.files, "file ends", "files end")
    };
    let mut names: Vec<&str> = group.paths.iter().map(|path| partition_of(path)).collect();
    names.dedup();
    let more = if names.len() > SHOWN_OF_A_KIND { ", ..." } else { "" };
    names.truncate(SHOWN_OF_A_KIND);
    let names = names.join(", ");
    let fate = match group.fate {
        Fate::Removed => format!("{YELLOW}removed at the next start{YELLOW:#}"),
        Fate::Kept => "kept by the next start, served nowhere".to_owned(),
        Fate::ReplacesSegments => "at the next start put in the place of the segments they were made from".to_owned(),
        Fate::MoveGoesOn => "the move to this directory goes on".to_owned(),
    };
    format!("{what} in {} ({names}{more}; {}): {fate}", group.kind, human::bytes(group.bytes))
}

/// `orders-3` of `orders-3/0.log.deleted` and of `orders-3.<id>-delete`.
fn partition_of(path: &str) -> &str {
    let folder = path.split('/').next().unwrap_or(path);
    match folder.rsplit_once('.') {
        Some((plain, suffix)) if suffix.contains('-') => plain,
        _ => folder,
    }
}

fn next_commands(path: &str, leftovers: &[Leftovers]) -> String {
    let path = shell_quoted(path);
    let mut commands = vec![format!("log-cli verify {path}")];
    if leftovers.iter().any(|group| group.kind == "-delete") {
        commands.push("(copy the -delete folders away first if you still need them)".to_owned());
    }
    commands.join("   ")
}

/// The path as a shell takes it.
fn shell_quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

fn offsets(partition: &Partition) -> String {
    let offset = |offset: Option<i64>| offset.map_or("?".to_owned(), |offset| offset.to_string());
    let mut text = match (partition.log_start, partition.log_end) {
        (None, _) => "none: there is no segment".to_owned(),
        (start, end) => format!("{}..{}", offset(start), offset(end)),
    };
    for (name, value) in [
        ("high watermark", partition.high_watermark),
        ("recovery point", partition.recovery_point),
        ("cleaned up to", partition.cleaner_offset),
    ] {
        if let Some(value) = value {
            text += &format!(", {name} {value}");
        }
    }
    text
}

fn scanned_partitions(out: &mut dyn Write, partitions: &[Partition]) -> io::Result<()> {
    let mut scanned: Vec<&Partition> = partitions.iter().filter(|partition| partition.next_scan.segments > 0).collect();
    scanned.sort_by_key(|partition| std::cmp::Reverse(partition.next_scan.bytes));
    if scanned.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}{:>10}  {:>8}  {:>20}  PARTITION{BOLD:#}", "BYTES", "SEGMENTS", "FROM")?;
    for partition in scanned {
        let NextScan { segments, bytes, from, why: reason, .. } = &partition.next_scan;
        let from = from.map_or("-".to_owned(), |from| from.to_string());
        let name = std::path::Path::new(&partition.path).file_name().unwrap_or_default().to_string_lossy();
        writeln!(
            out,
            "{:>10}  {:>8}  {from:>20}  {name} ({})",
            human::bytes(*bytes),
            human::count(*segments),
            why(*reason)
        )?;
    }
    Ok(())
}

fn segment_table(out: &mut dyn Write, partition: &Partition) -> io::Result<()> {
    writeln!(
        out,
        "{BOLD}{:>20} {:>20} {:>10} {:>10} {:>5} {:<7} {:<4} FIRST BATCH{BOLD:#}",
        "BASE OFFSET", "END OFFSET", "LOG", "INDEX", "MAGIC", "CODEC", "SCAN"
    )?;
    for Segment { base_offset, end_offset, log_bytes, index_bytes, magic, codec, first_timestamp, scanned, .. } in
        &partition.segments
    {
        let end = end_offset.map_or("?".to_owned(), |end| end.to_string());
        let index = index_bytes.map_or("MISSING".to_owned(), human::bytes);
        let magic = magic.map_or("-".to_owned(), |magic| magic.to_string());
        let codec = codec.as_deref().unwrap_or("-");
        let scan = if *scanned { "yes" } else { "" };
        let time = first_timestamp.map_or("-".to_owned(), human::time);
        let bytes = human::bytes(*log_bytes);
        writeln!(out, "{base_offset:>20} {end:>20} {bytes:>10} {index:>10} {magic:>5} {codec:<7} {scan:<4} {time}")?;
    }
    Ok(())
}

fn file(out: &mut dyn Write, file: &File) -> io::Result<()> {
    line(out, "file", &format!("{}, {}", file.path, human::bytes(file.bytes)))?;
    let holds = match (file.holds, &file.error) {
        (Some(holds), _) => holds.to_owned(),
        (None, Some(error)) => format!("{RED}cannot be read{RED:#}: {error}"),
        (None, None) => "nothing that Kafka writes, by its name and its first bytes".to_owned(),
    };
    line(out, "holds", &holds)?;
    let width = file.facts.keys().map(|name| name.len() + 2).max().unwrap_or(0).max(INDENT);
    for (name, value) in &file.facts {
        fact(out, name, value, width)?;
    }
    Ok(())
}

fn fact(out: &mut dyn Write, name: &str, value: &Value, width: usize) -> io::Result<()> {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    };
    let text = match value {
        Value::Number(millis) if name.ends_with("Timestamp") => human::time(millis.as_i64().unwrap_or(-1)),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::Object(fields) => {
                    fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(" ")
                }
                other => plain(other),
            })
            .collect::<Vec<_>>()
            .join(", "),
        other => plain(other),
    };
    writeln!(out, "{BOLD}{name:<width$}{BOLD:#}{text}")
}
