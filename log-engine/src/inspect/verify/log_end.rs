//! What shows only when the end of the log is known: B014, C003, C004, E002, S004 and S005 for snapshots that are not there.

use std::path::Path;

use super::code::FindingCode;
use super::finding::{Findings, Place, Severity, Weight};
use super::merge::{LogState, Tail};
use super::plan::Facts;
use super::snapshots;
use crate::checkpoint::{EpochCheckpoint, OffsetCheckpoint};
use crate::segment::SegmentFile;
use crate::units::Offset;

/// So many files must speak of a longer log before its end is called missing.
const WITNESSES: usize = 2;

/// The offsets in names of a partition's files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// Bases of the segments.
    pub(super) bases: &'a [Offset],
    /// All producer snapshots.
    pub(super) snapshots: &'a [Offset],
    /// Those that can be read.
    pub(super) readable: &'a [Offset],
}

impl Names<'_> {
    /// The first offset of the log.
    pub(super) fn log_start(&self, facts: &Facts) -> i64 {
        let base = self.bases.first().map_or(0, |base| base.get());
        facts.log_start.map_or(base, |start| start.max(base))
    }
}

/// Looks at everything that speaks of the log's end, once all its segments are in.
pub(super) fn check(log: &mut LogState, facts: &Facts, names: Names<'_>) {
    let tail = std::mem::take(&mut log.tail);
    let end = End { log_end: log.log_end, facts, names };
    let out = &mut log.findings;
    let is_missing = !tail.is_unsure && end.is_missing(&tail, out);
    if is_missing || tail.is_unsure {
        end.missing_snapshots(log.first_with_producers, true, out);
        end.log_start(out);
        return;
    }
    out.append(tail.index_beyond);
    out.append(tail.times_beyond);
    end.log_start(out);
    end.checkpoints(out);
    end.epochs(out);
    snapshots::misplaced(facts, names.readable, |at| names.bases.contains(&at), end.log_end, out);
    end.missing_snapshots(log.first_with_producers, false, out);
}

struct End<'a> {
    log_end: i64,
    facts: &'a Facts,
    names: Names<'a>,
}

impl End<'_> {
    /// B014; whether it is so.
    fn is_missing(&self, tail: &Tail, out: &mut Findings) -> bool {
        let beyond = |offset: Option<i64>| offset.is_some_and(|offset| offset > self.log_end);
        let others = [
            (beyond(self.facts.recovery_point), "recovery point"),
            (beyond(self.facts.high_watermark), "high watermark"),
            (self.names.readable.iter().any(|at| at.get() > self.log_end), "producer snapshot"),
        ];
        let indexes = [(!tail.index_beyond.is_empty(), "offset index"), (!tail.times_beyond.is_empty(), "time index")];
        let named: Vec<&str> = others.iter().chain(&indexes).filter(|(is, _)| *is).map(|(_, what)| *what).collect();
        if named.len() < WITNESSES {
            return false;
        }
        let severity = match (self.facts.is_recovered(), others.iter().any(|(is, _)| *is)) {
            (false, _) => Severity::Error,
            (true, true) => Severity::Warning,
            (true, false) => Severity::Info,
        };
        // A snapshot at the end is taken when a segment begins there.
        let end = Offset::new(self.log_end);
        let lost_segment = self.names.snapshots.contains(&end) && !self.names.bases.contains(&end);
        let lost = self.facts.file(&SegmentFile::Log.name(end));
        let place = if lost_segment || self.names.bases.is_empty() {
            Place::file(&lost)
        } else {
            Place::at(&tail.file, tail.bytes)
        };
        out.add(FindingCode::B014, severity, place.offset(self.log_end), || {
            format!("the log ends at offset {end}, but {} speak of more", named.join(" and "))
        });
        true
    }

    /// C003.
    fn checkpoints(&self, out: &mut Findings) {
        let named = [
            (OffsetCheckpoint::RECOVERY_POINT, "recovery point", self.facts.recovery_point),
            (OffsetCheckpoint::HIGH_WATERMARK, "high watermark", self.facts.high_watermark),
            (OffsetCheckpoint::CLEANER, "cleaner's offset", self.facts.cleaner),
        ];
        for (file, what, offset) in named {
            let Some(offset) = offset.filter(|offset| *offset < 0 || *offset > self.log_end) else { continue };
            out.add(FindingCode::C003, Severity::Warning, Place::file(Path::new(file)).offset(offset), || {
                format!("{what} of {} is {offset}, the log ends at {}", self.facts.folder.display(), self.log_end)
            });
        }
        let start = self.names.log_start(self.facts);
        let is_fine = |offset: &i64| *offset < 0 || *offset >= start || start > self.log_end || !self.facts.marker;
        let low = self.facts.high_watermark.filter(|offset| !is_fine(offset));
        if let Some(offset) = low {
            let place = Place::file(Path::new(OffsetCheckpoint::HIGH_WATERMARK)).offset(offset);
            out.add(FindingCode::C003, Severity::Warning, place, || {
                format!("high watermark of {} is {offset}, below the log's start {start}", self.facts.folder.display())
            });
        }
    }

    /// C004.
    fn log_start(&self, out: &mut Findings) {
        if let Some(start) = self.facts.log_start.filter(|start| *start > self.log_end) {
            let place = Place::file(Path::new(OffsetCheckpoint::LOG_START)).offset(start);
            out.add(FindingCode::C004, Severity::Error, place, || {
                let (folder, end) = (self.facts.folder.display(), self.log_end);
                format!(
                    "log start of {folder} is {start}, the log ends at {end}: the next start deletes all its segments"
                )
            });
        }
    }

    /// E002.
    fn epochs(&self, out: &mut Findings) {
        let entries = self.facts.epochs.iter().flatten();
        if let Some(entry) = entries.into_iter().find(|entry| entry.start.get() > self.log_end) {
            let file = self.facts.file(EpochCheckpoint::FILE_NAME);
            out.add(FindingCode::E002, Severity::Warning, Place::file(&file).offset(entry.start.get()), || {
                format!("epoch {} begins at offset {}, the log ends at {}", entry.epoch, entry.start, self.log_end)
            });
        }
    }

    /// S004, S005 for snapshots that should be there. The end says nothing where it is missing or damaged.
    fn missing_snapshots(&self, producers_from: Option<Offset>, end_is_unsure: bool, out: &mut Findings) {
        let Some(producers_from) = producers_from else { return };
        let log_start = self.names.log_start(self.facts);
        let all = self.names.snapshots;
        let is_due = |base: &&Offset| base.get() > log_start && **base > producers_from;
        let mut absent = |code, weight: Weight, at: Offset, what: &str| {
            let file = self.facts.file(&SegmentFile::Snapshot.name(at));
            out.add(code, weight, Place::file(&file).offset(at.get()), || what.to_owned());
        };
        let end = Offset::new(self.log_end);
        match (all.is_empty(), self.facts.is_recovered()) {
            (true, false) if !end_is_unsure => {
                let what = "no snapshot is there, though producers wrote to the log: open transactions are forgotten";
                absent(FindingCode::S004, Severity::Error.into(), end, what);
            }
            (false, false) if !end_is_unsure && !all.contains(&end) => {
                let what = "a clean stop takes a snapshot at the log's end; it is missing";
                absent(FindingCode::S004, Severity::Warning.into(), end, what);
            }
            (true, true) => {
                if let Some(base) = self.names.bases.last().filter(is_due) {
                    let what = "no snapshot is there, though producers wrote to the log";
                    absent(FindingCode::S004, self.facts.history_weight(Severity::Warning), *base, what);
                }
            }
            _ => {}
        }
        let older = |base: &&Offset| all.first().is_some_and(|first| first < *base) && !all.contains(base);
        for base in self.names.bases.iter().filter(is_due).filter(older) {
            let weight = self.facts.history_weight(Severity::Warning);
            absent(FindingCode::S005, weight, *base, "the segment has no snapshot, though older ones have");
        }
    }
}
