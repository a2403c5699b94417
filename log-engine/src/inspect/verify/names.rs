//! D002, D006: the names in a partition's folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use super::code::FindingCode;
use super::finding::{Findings, Place, Severity, Weight};
use super::plan::Facts;
use crate::batch::Stop;
use crate::error::Result;
use crate::fs::{Entry, Fs, Kind, Source};
use crate::inspect::HELD;
use crate::log::PartitionDirectory;
use crate::segment::{Leftover, Scan, SegmentFile, SegmentName, Step};

/// Suffixes of names in which Kafka expects a number.
const NUMBERED: [&str; 7] = [".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".swap", ".cleaned"];

/// Looks at the names that are no segment's.
pub(super) fn check(facts: &Facts, folder: &PartitionDirectory, out: &mut Findings) {
    for entry in &folder.others {
        stranger(facts, entry, out);
    }
    for (base, files) in folder.segments.iter().filter(|(_, files)| files.log.is_none()) {
        let present = [
            (SegmentFile::OffsetIndex, files.offset_index),
            (SegmentFile::TimeIndex, files.time_index),
            (SegmentFile::TxnIndex, files.txn_index),
        ];
        if let Some((file, _)) = present.iter().find(|(_, len)| len.is_some()) {
            let name = facts.file(&file.name(*base));
            out.add(FindingCode::D006, Severity::Warning, Place::file(&name), || {
                "an index without its log; the next start removes it".to_owned()
            });
        }
    }
}

fn stranger(facts: &Facts, entry: &Entry, out: &mut Findings) {
    let path = facts.folder.join(&entry.name);
    if entry.stat.kind != Kind::File {
        special(&path, entry.stat.kind, out);
        return;
    }
    let Some(name) = entry.name.to_str() else {
        out.add(FindingCode::D006, Severity::Info, Place::file(&path), || "its name is not UTF-8".to_owned());
        return;
    };
    if name.ends_with(".tmp") {
        out.add(FindingCode::D002, Severity::Info, Place::file(&path), || {
            "a file that was being written; nobody reads it".to_owned()
        });
    } else if facts.is_metadata_log && is_metadata_name(name) {
    } else if NUMBERED.iter().any(|suffix| name.ends_with(suffix)) {
        numbered(name, &path, out);
    } else {
        out.add(FindingCode::D006, Severity::Info, Place::file(&path), || {
            "an unknown file; brokers leave it alone".to_owned()
        });
    }
}

/// A name that looks like a segment's and is not one.
fn numbered(name: &str, path: &Path, out: &mut Findings) {
    let number = name.split('.').next().unwrap_or_default();
    let place = Place::file(path);
    if number.parse::<i64>().is_err() {
        out.add(FindingCode::D006, Severity::Error, place, || {
            format!("{number:?} is no number that fits an offset: the broker does not start")
        });
        return;
    }
    let segment = SegmentName::parse(name);
    let digits = segment.map_or(0, |segment| segment.digits);
    out.add(FindingCode::D006, Severity::Warning, place, || {
        format!("its number has {digits} digits instead of 20: not taken for a segment's file")
    });
}

/// Names that only the folder of the metadata log has.
fn is_metadata_name(name: &str) -> bool {
    name == "quorum-state"
        || [".checkpoint", ".checkpoint.part", ".checkpoint.deleted"].iter().any(|s| name.ends_with(s))
}

/// D006 for what is no plain file.
pub(super) fn special(path: &Path, kind: Kind, out: &mut Findings) {
    let looks_used = path.file_name().and_then(OsStr::to_str).is_some_and(|name| SegmentName::parse(name).is_some());
    let (severity, message) = match kind {
        Kind::Link => {
            (Severity::Warning, "a symbolic link; links are not followed, so what it points to was not looked at")
        }
        Kind::Special if looks_used => (Severity::Warning, "a FIFO, socket or device in the place of a segment's file"),
        Kind::Special => (Severity::Info, "a FIFO, socket or device; not opened"),
        Kind::Directory | Kind::File => (Severity::Info, "an unknown folder; brokers leave it alone"),
    };
    out.add(FindingCode::D006, severity, Place::folder(path), || message.to_owned());
}

/// What the log holds, for judging copies of its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    /// The first offset of the log.
    pub(super) log_start: i64,
    /// Offsets that no segment holds.
    pub(super) gaps: &'a [(i64, i64)],
}

/// D002 for segment files on their way in or out. Their content is looked at unless `only_names`.
pub(super) fn leftovers(
    fs: &dyn Fs,
    facts: &Facts,
    folder: &PartitionDirectory,
    held: Held<'_>,
    only_names: bool,
    out: &mut Findings,
) -> Result<()> {
    let has_log = |leftover, base| {
        folder.leftovers_of(leftover).any(|(name, _)| name.base == base && name.file == SegmentFile::Log)
    };
    let mut told = BTreeSet::new();
    for (name, entry) in &folder.leftovers {
        let Some(leftover) = name.leftover else { continue };
        // The log stands for its indexes, or the first of these for the others.
        let is_log = name.file == SegmentFile::Log;
        if !is_log && (has_log(leftover, name.base) || !told.insert((leftover, name.base))) {
            continue;
        }
        let path = facts.folder.join(&entry.name);
        let (weight, message) = match leftover {
            Leftover::Deleted => deleted(facts, name, held),
            Leftover::Cleaned => cleaned(folder, name),
            Leftover::Swap if only_names => swap(None),
            Leftover::Swap => swap(damage(fs, name, &facts.path.join(&entry.name))?),
        };
        out.add(FindingCode::D002, weight, Place::file(&path).offset(name.base.get()), || message);
    }
    Ok(())
}

fn deleted(facts: &Facts, name: &SegmentName, held: Held<'_>) -> (Weight, String) {
    let base = name.base.get();
    let is_only_copy = held.gaps.iter().any(|(from, until)| (*from..*until).contains(&base));
    if name.file == SegmentFile::Log && is_only_copy && base >= held.log_start {
        (
            facts.gap_weight(base),
            format!("waits to be removed, but no segment holds offset {base}: it is the only copy"),
        )
    } else {
        (Severity::Info.into(), "waits to be removed; the next start does it".to_owned())
    }
}

fn cleaned(folder: &PartitionDirectory, name: &SegmentName) -> (Weight, String) {
    let has_segment = folder.segments.get(&name.base).is_some_and(|files| files.log.is_some());
    if has_segment {
        (Severity::Info.into(), "output of a cleaning that did not finish; the next start removes it".to_owned())
    } else {
        (
            Severity::Warning.into(),
            "output of a cleaning without its segment: the next start removes the only copy".to_owned(),
        )
    }
}

fn swap(damage: Option<String>) -> (Weight, String) {
    match damage {
        None => {
            (Severity::Warning.into(), "the next start puts it in the place of the segments that it covers".to_owned())
        }
        Some(damage) => (
            Severity::Error.into(),
            format!("{damage}; the next start puts it in the place of good segments all the same"),
        ),
    }
}

/// The first thing that is wrong with a segment's `.log` under another name.
fn damage(fs: &dyn Fs, name: &SegmentName, path: &Path) -> Result<Option<String>> {
    if name.file != SegmentFile::Log {
        return Ok(None);
    }
    let mut scan = Scan::new(Source::open(fs, path)?).holding(HELD);
    loop {
        let position = match scan.next()? {
            Step::Stop(Stop::End) => return Ok(None),
            Step::Stop(_) => scan.position(),
            Step::Batch(frame) => match frame.check_crc() {
                Ok(()) => continue,
                Err(_) => frame.position(),
            },
        };
        return Ok(Some(format!("damaged at byte {position}")));
    }
}
