//! The files at the root of a log directory: recovery points that the logs bear out, lines of other checkpoints that can be read,
//! the marker of a clean stop.
//!
//! What only a running broker knew, high watermarks and log starts, cannot be made of anything: what can be read of it is kept.

use std::collections::BTreeMap;
use std::path::Path;

use crate::checkpoint::{CleanShutdown, MAX_TEXT_BYTES, OffsetCheckpoint, PartitionOffset};
use crate::error::{Error, Result};
use crate::fs::{Fs, Source};
use crate::inspect::{Finding, FindingCode, Severity};
use crate::mend::Overlay;
use crate::units::{Offset, TopicPartition};

/// Something that a person has to know, or to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file that it is about.
    pub file: String,
    /// What it is, in a sentence.
    pub message: String,
}

/// The ends of the partitions whose folders lie in the directory.
pub(super) type Ends = BTreeMap<TopicPartition, Offset>;

/// Mends the checkpoints of the log directory `dir`, on the overlay, as far as `findings` ask for it. With `mark`, all logs are known to
/// be whole: every recovery point is the log's end, and the marker says so.
pub(super) fn mend(
    overlay: &Overlay,
    dir: &Path,
    findings: &[Finding],
    ends: &Ends,
    mark: bool,
    notes: &mut Vec<Note>,
) -> Result<()> {
    let bad = |name: &str, code: FindingCode| {
        findings
            .iter()
            .any(|finding| finding.code == code && finding.severity > Severity::Info && finding.file == Path::new(name))
    };
    let points = OffsetCheckpoint::RECOVERY_POINT;
    let unnamed = findings.iter().any(|f| f.code == FindingCode::D007 && f.severity > Severity::Info);
    let is_bad = bad(points, FindingCode::C001) || bad(points, FindingCode::C002);
    if mark || is_bad || unnamed || !fits(&lines_of(overlay, &dir.join(points))?.0, ends) {
        recovery_points(overlay, dir, ends, mark)?;
    }
    for name in [OffsetCheckpoint::LOG_START, OffsetCheckpoint::HIGH_WATERMARK, OffsetCheckpoint::CLEANER] {
        if bad(name, FindingCode::C001) {
            readable_lines(overlay, &dir.join(name), name, notes)?;
        }
    }
    let (mut cleaned, _) = lines_of(overlay, &dir.join(OffsetCheckpoint::CLEANER))?;
    if !fits(&cleaned, ends) {
        cleaned.retain(|entry| fits(std::slice::from_ref(entry), ends));
        write(overlay, &dir.join(OffsetCheckpoint::CLEANER), cleaned)?;
    }
    if bad(OffsetCheckpoint::HIGH_WATERMARK, FindingCode::C002) {
        let message =
            "is missing, and nothing else knows what it said: high watermarks begin at 0, and rise again once the \
                       replicas have met; `checkpoint set` can write it"
                .to_owned();
        notes.push(Note { file: OffsetCheckpoint::HIGH_WATERMARK.to_owned(), message });
    }
    if mark {
        let marker = CleanShutdown { broker_epoch: Some(-1) };
        overlay.write(&dir.join(CleanShutdown::FILE_NAME), &marker.encode())?;
    }
    Ok(())
}

/// Whether each offset lies within its log.
fn fits(entries: &[PartitionOffset], ends: &Ends) -> bool {
    entries.iter().all(|entry| {
        let end = ends.get(&entry.partition);
        end.is_none_or(|end| entry.offset >= Offset::ZERO && entry.offset <= *end)
    })
}

/// What can be read and lies within its log stays; else the log's end, up to which everything was read and is made durable.
fn recovery_points(overlay: &Overlay, dir: &Path, ends: &Ends, mark: bool) -> Result<()> {
    let path = dir.join(OffsetCheckpoint::RECOVERY_POINT);
    let (mut entries, _) = lines_of(overlay, &path)?;
    let mut known: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
    for entry in &entries {
        known.insert(entry.partition.clone(), entry.offset);
    }
    entries.retain(|entry| !ends.contains_key(&entry.partition));
    for (partition, end) in ends {
        let within = known.get(partition).copied().filter(|point| !mark && *point >= Offset::ZERO && point <= end);
        entries.push(PartitionOffset { partition: partition.clone(), offset: within.unwrap_or(*end) });
    }
    write(overlay, &path, entries)
}

/// Keeps the lines that can be read, and tells of the others.
fn readable_lines(overlay: &Overlay, path: &Path, name: &str, notes: &mut Vec<Note>) -> Result<()> {
    let (kept, lost) = lines_of(overlay, path)?;
    for line in lost {
        let message = match name {
            OffsetCheckpoint::LOG_START => format!(
                "the line {line:?} cannot be read: that log begins at its first segment again, with records that were deleted; \
                 `checkpoint set` can say where it begins"
            ),
            OffsetCheckpoint::HIGH_WATERMARK => format!(
                "the line {line:?} cannot be read: that high watermark begins at 0, and rises again once the replicas have met"
            ),
            _ => format!("the line {line:?} cannot be read: that log is cleaned from its start again"),
        };
        notes.push(Note { file: name.to_owned(), message });
    }
    write(overlay, path, kept)
}

fn write(overlay: &Overlay, path: &Path, entries: Vec<PartitionOffset>) -> Result<()> {
    overlay.write(path, &OffsetCheckpoint { entries }.encode())
}

/// The lines of a checkpoint that can be read, each by itself, and those that cannot; of the two lines at its head nothing is told.
fn lines_of(overlay: &Overlay, path: &Path) -> Result<(Vec<PartitionOffset>, Vec<String>)> {
    if overlay.stat(path)?.is_none() {
        return Ok((Vec::new(), Vec::new()));
    }
    let bytes = match Source::open(overlay, path).and_then(|source| source.read_all(MAX_TEXT_BYTES)) {
        Ok(bytes) => bytes,
        Err(Error::Corrupt(_)) => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error),
    };
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(&bytes).lines() {
        let alone = format!("0\n1\n{line}\n");
        match OffsetCheckpoint::parse(alone.as_bytes(), path) {
            Ok(one) => kept.extend(one.entries),
            Err(_) if line.trim().parse::<i64>().is_ok() || line.trim().is_empty() => {}
            Err(_) => lost.push(line.chars().take(80).collect()),
        }
    }
    Ok((kept, lost))
}
