//! The derived files of a partition made again from its batches: indexes, producer snapshots, leader epochs.
//!
//! Sound batches behind damage count as those before it do, so that a look-up finds them. A batch whose offset does not rise has no
//! entry: readers pass it.

use std::path::Path;

use super::wrong::Wrong;
use crate::batch::{BatchHeader, Scratch};
use crate::checkpoint::{EpochCheckpoint, EpochEntry, MAX_TEXT_BYTES};
use crate::error::{Error, Result};
use crate::fs::{Fs, Source, WriteFs};
use crate::log::{PartitionDirectory, read_snapshot};
use crate::mend::Overlay;
use crate::mend::interval::index_interval;
use crate::producer::{Marker, ProducerStates};
use crate::segment::{Indexer, Scan, SegmentFile, TxnIndexBuilder};
use crate::units::Offset;

/// As many batches in a row can have a wrong epoch themselves; more have the one that they say.
const MAX_WRONG_EPOCHS: u64 = 2;
/// Batches of more bytes are not held where only heads and checksums are looked at.
const HELD: usize = 1 << 20;

/// What is known of the partition beside its files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Kafka: `index.interval.bytes`; else the sound indexes show it.
    pub(super) index_interval: Option<u64>,
    /// The offset behind the last sound batch.
    pub(super) log_end: Offset,
}

/// Makes the wrong files of `folder` again, on the overlay.
pub(super) fn make(overlay: &Overlay, folder: &PartitionDirectory, wrong: &Wrong, known: Known) -> Result<()> {
    if !wrong.offset_indexes.is_empty() || !wrong.time_indexes.is_empty() {
        indexes(overlay, folder, wrong, known)?;
    }
    if wrong.needs_producers() {
        producers(overlay, folder, wrong, known)?;
    }
    if wrong.epochs {
        epochs(overlay, folder, known)?;
    }
    Ok(())
}

/// A walk over the `.log` of the segment that begins at `base`.
fn scan(overlay: &Overlay, folder: &PartitionDirectory, base: Offset) -> Result<Scan> {
    Ok(Scan::new(Source::open(overlay, &folder.file(base, SegmentFile::Log))?))
}

fn indexes(overlay: &Overlay, folder: &PartitionDirectory, wrong: &Wrong, known: Known) -> Result<()> {
    let interval = match known.index_interval {
        Some(interval) => interval,
        None => index_interval(overlay, folder, |base| !wrong.offset_indexes.contains(&base))?,
    };
    for (base, _) in folder.logs() {
        let (offsets, times) = (wrong.offset_indexes.contains(&base), wrong.time_indexes.contains(&base));
        if !offsets && !times {
            continue;
        }
        let mut indexer = Indexer::new(base, interval);
        let mut next = base;
        scan(overlay, folder, base)?.holding(HELD).each_sound(|frame| {
            let (Ok(last), Ok(time)) = (frame.last_offset(), frame.max_timestamp()) else { return };
            if frame.offset() >= next && last >= frame.offset() && last.delta_from(base).is_some() {
                // What an index does not take is found from the entry before.
                let _ = indexer.add(frame.position(), last, time);
                next = last.next();
            }
        })?;
        let (made, _) = indexer.finish();
        if offsets {
            overlay.write(&folder.file(base, SegmentFile::OffsetIndex), made.offsets.bytes())?;
        }
        if times {
            overlay.write(&folder.file(base, SegmentFile::TimeIndex), made.times.bytes())?;
        }
    }
    Ok(())
}

/// Snapshots and indexes of aborted transactions, by going through the batches from the last sound snapshot on.
fn producers(overlay: &Overlay, folder: &PartitionDirectory, wrong: &Wrong, known: Known) -> Result<()> {
    let path = |offset: Offset| folder.file(offset, SegmentFile::Snapshot);
    let is_base = |offset: &Offset| folder.segments.get(offset).is_some_and(|files| files.log.is_some());
    let mut wanted: Vec<Offset> = Vec::new();
    for offset in &wrong.snapshots {
        if is_base(offset) && *offset <= known.log_end {
            wanted.push(*offset);
        } else if *offset != known.log_end && overlay.stat(&path(*offset))?.is_some() {
            overlay.remove(&path(*offset))?;
        }
    }
    wanted.push(known.log_end);
    wanted.dedup();
    let first = wanted.iter().chain(&wrong.txn_indexes).min().copied().unwrap_or(known.log_end);
    let (mut at, mut states) = (Offset::ZERO, ProducerStates::default());
    for offset in folder.snapshots.keys().rev().filter(|offset| **offset <= first && !wrong.snapshots.contains(offset))
    {
        match read_snapshot(overlay, &path(*offset)) {
            Ok(snapshot) => {
                (at, states) = (*offset, ProducerStates::from_snapshot(&snapshot, None));
                break;
            }
            Err(Error::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut wanted = wanted.into_iter().filter(|offset| *offset >= at).peekable();
    let mut write_before = |offset: Offset, states: &ProducerStates| -> Result<()> {
        while let Some(due) = wanted.next_if(|due| *due <= offset) {
            overlay.write(&path(due), &states.snapshot().encode())?;
        }
        Ok(())
    };
    let bases: Vec<Offset> = folder.logs().map(|(base, _)| base).collect();
    let mut scratch = Scratch::default();
    for (n, base) in bases.iter().enumerate() {
        if bases.get(n + 1).is_some_and(|next| *next <= at) {
            continue;
        }
        write_before(*base, &states)?;
        let mut txns = TxnIndexBuilder::new(*base);
        scan(overlay, folder, *base)?.each_sound(|frame| {
            let is_wanted = |header: &&BatchHeader| header.base_offset() >= at && header.has_producer();
            let Some(header) = frame.header().filter(is_wanted) else { return };
            let marker = frame.batch().ok().and_then(|batch| Marker::of(&batch, &mut scratch).ok().flatten());
            // A batch that its producer cannot have written says nothing of the others.
            if let Some(aborted) = states.apply(header, marker).ok().flatten().and_then(|txn| txn.aborted_txn()) {
                let _ = txns.append(&aborted);
            }
        })?;
        if wrong.txn_indexes.contains(base) {
            let made = txns.finish(&SegmentFile::TxnIndex.name(*base));
            overlay.write(&folder.file(*base, SegmentFile::TxnIndex), made.bytes())?;
        }
    }
    write_before(known.log_end, &states)
}

/// Batches in a row that say the same epoch.
#[derive(Clone, Copy, Debug)]
struct Run {
    entry: EpochEntry,
    batches: u64,
}

fn epochs(overlay: &Overlay, folder: &PartitionDirectory, known: Known) -> Result<()> {
    let mut runs: Vec<Run> = Vec::new();
    for (base, _) in folder.logs() {
        scan(overlay, folder, base)?.holding(HELD).each_sound(|frame| {
            if let Some(header) = frame.header() {
                note_epoch(&mut runs, EpochEntry { epoch: header.leader_epoch(), start: header.base_offset() });
            }
        })?;
    }
    let path = folder.path.join(EpochCheckpoint::FILE_NAME);
    let mut entries: Vec<EpochEntry> = runs.into_iter().map(|run| run.entry).collect();
    entries.retain(|entry| entry.start <= known.log_end);
    // A leader that has written nothing yet is known by the file alone.
    if let Some(latest) = read_latest(overlay, &path)?
        && latest.start == known.log_end
        && entries.last().is_some_and(|last| last.epoch < latest.epoch && last.start < latest.start)
    {
        entries.push(latest);
    }
    overlay.write(&path, &EpochCheckpoint { entries }.encode())
}

fn read_latest(fs: &dyn Fs, path: &Path) -> Result<Option<EpochEntry>> {
    if fs.stat(path)?.is_none() {
        return Ok(None);
    }
    match Source::open(fs, path).and_then(|source| source.read_all(MAX_TEXT_BYTES)) {
        Ok(bytes) => Ok(EpochCheckpoint::parse(&bytes, path).ok().and_then(|file| file.entries.last().copied())),
        Err(Error::Corrupt(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the next batch's epoch in. Epochs do not fall: one or two batches above those that follow are wrong themselves.
fn note_epoch(runs: &mut Vec<Run>, entry: EpochEntry) {
    if entry.epoch.get() < 0 || runs.last().is_some_and(|last| entry.start < last.entry.start) {
        return;
    }
    while runs.last().is_some_and(|last| last.entry.epoch > entry.epoch && last.batches <= MAX_WRONG_EPOCHS) {
        runs.pop();
    }
    match runs.last_mut() {
        Some(last) if last.entry.epoch >= entry.epoch => last.batches = last.batches.saturating_add(1),
        _ => runs.push(Run { entry, batches: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::LeaderEpoch;

    #[test]
    fn an_epoch_that_one_or_two_batches_say_between_others_is_not_believed() {
        let starts = |epochs: &[i32]| {
            let mut runs = Vec::new();
            for (offset, epoch) in (0..).zip(epochs) {
                note_epoch(&mut runs, EpochEntry { epoch: LeaderEpoch::new(*epoch), start: Offset::new(offset) });
            }
            runs.iter().map(|run| (run.entry.epoch.get(), run.entry.start.get())).collect::<Vec<_>>()
        };
        assert_eq!(starts(&[0, 0, 2, 2]), [(0, 0), (2, 2)]);
        assert_eq!(starts(&[0, 9, 0, 2]), [(0, 0), (2, 3)]);
        assert_eq!(starts(&[0, 9, 9, 2, 2]), [(0, 0), (2, 3)]);
        assert_eq!(starts(&[0, 9, 9, 9, 2]), [(0, 0), (9, 1)]);
        assert_eq!(starts(&[3, 1, 3, 3]), [(1, 1), (3, 2)]);
        assert_eq!(starts(&[3, 3, 3, 1, 3]), [(3, 0)]);
        assert_eq!(starts(&[-1, 0]), [(0, 1)]);
    }
}
