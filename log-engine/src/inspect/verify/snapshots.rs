//! S001 to S003: the producer snapshots by themselves.

use std::path::Path;

use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::plan::Facts;
use crate::error::{Error, Result, Rule};
use crate::fs::Fs;
use crate::log::read_snapshot;
use crate::producer::ProducerSnapshot;
use crate::segment::SegmentFile;
use crate::units::Offset;

/// The snapshot in `path`; `None` if it is damaged, which is told elsewhere.
pub(super) fn read(fs: &dyn Fs, path: &Path) -> Result<Option<ProducerSnapshot>> {
    match read_snapshot(fs, path) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Reads all snapshots; the offsets of the good ones.
pub(super) fn check(
    fs: &dyn Fs,
    facts: &Facts,
    snapshots: impl Iterator<Item = Offset>,
    out: &mut Findings,
) -> Result<Vec<Offset>> {
    let mut good = Vec::new();
    for offset in snapshots {
        let name = SegmentFile::Snapshot.name(offset);
        match read_snapshot(fs, &facts.path.join(&name)) {
            Ok(_) => good.push(offset),
            Err(Error::Corrupt(corrupt)) => {
                let code = match corrupt.rule {
                    Rule::Version { .. } => FindingCode::S002,
                    _ => FindingCode::S001,
                };
                let file = facts.file(&name);
                let place = Place::at(&file, corrupt.position.get());
                out.add(code, Severity::Warning, place, || format!("{}; the start deletes it", corrupt.rule));
            }
            Err(other) => return Err(other),
        }
    }
    Ok(good)
}

/// S003, once the log's end is known.
pub(super) fn misplaced(
    facts: &Facts,
    snapshots: &[Offset],
    bases: impl Fn(Offset) -> bool,
    log_end: i64,
    out: &mut Findings,
) {
    for offset in snapshots {
        let file = facts.file(&SegmentFile::Snapshot.name(*offset));
        if offset.get() > log_end {
            out.add(FindingCode::S003, Severity::Warning, Place::file(&file).offset(offset.get()), || {
                format!("lies above the log's end {log_end}; the start deletes it")
            });
        } else if !bases(*offset) && snapshots.last() != Some(offset) {
            out.add(FindingCode::S003, Severity::Info, Place::file(&file).offset(offset.get()), || {
                "matches no segment; the start deletes it".to_owned()
            });
        }
    }
}
