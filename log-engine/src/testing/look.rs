//! Looks at a directory in every way that the engine has, as a tool would.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use super::memory_fs::MemoryFs;
use crate::error::{Error, Result};
use crate::fs::Source;
use crate::inspect::{Finding, StartOptions, Target, VerifyLevel, VerifyOptions, predict_start, verify};
use crate::log::{BatchItem, LogReader, OnDamage, PartitionDirectory, Reading, RecordItem, View};
use crate::segment::Scan;
use crate::units::{FilePosition, Offset, Timestamp};

/// The time of looking: after every file was written.
const NOW: Timestamp = Timestamp::new(1_800_000_000_000);

/// A batch by its file and first byte.
pub type Place = (PathBuf, FilePosition);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The sound batches that the partitions' readers gave.
    pub batches: BTreeSet<Place>,
    /// Batches and stretches of bytes that they called damaged.
    pub damages: BTreeSet<Place>,
    /// What `verify` finds at its deepest level.
    pub findings: Vec<Finding>,
    /// The system refused to hand out something.
    pub refused: bool,
}

/// Looks at the directory at the root of `fs`: at what it is, at each partition as a log, at its records in every view; checks it at
/// every level, and predicts what a broker does with it.
///
/// # Errors
/// What `Target::of` says of a directory that is none.
pub fn look_around(fs: &MemoryFs) -> Result<Seen> {
    let mut seen = Seen::default();
    let target = Target::of(fs, Path::new("/"))?;
    match &target {
        Target::File(_) => {}
        Target::Partition(folder) => read_log(fs, &folder.path, &mut seen),
        Target::LogDirectory(dir) => dir.partitions.iter().for_each(|(_, path)| read_log(fs, path, &mut seen)),
    }
    check(fs, target, &mut seen);
    let _ = predict_start(fs, &[PathBuf::from("/")], &StartOptions::default());
    Ok(seen)
}

/// What `verify` says, in short and in depth.
fn check(fs: &MemoryFs, target: Target, seen: &mut Seen) {
    let targets = [target];
    for level in [VerifyLevel::Quick, VerifyLevel::Deep] {
        let options = VerifyOptions { level, ..VerifyOptions::new(NOW) };
        match verify(fs, &targets, &options, &|_| true, &AtomicU64::new(0)) {
            Ok(report) => {
                seen.refused |= report.failures().next().is_some();
                seen.findings = report.findings().cloned().collect();
            }
            Err(_) => seen.refused = true,
        }
    }
}

/// Reads one partition: its batches, its records, and what a client may ask of it.
fn read_log(fs: &MemoryFs, path: &Path, seen: &mut Seen) {
    let Ok(log) = LogReader::open(fs, path) else {
        return seen.refused = true;
    };
    if read_batches(&log, seen).is_err() {
        seen.refused = true;
    }
    for view in [View::Everything, View::ReadUncommitted, View::ReadCommitted] {
        let _ = read_records(&log, view, seen);
    }
    let start = log.log_start();
    let _ = (log.epochs(), log.producers(), log.high_watermark(), log.offset_for_max_timestamp());
    let _ =
        (log.aborted_transactions(start..Offset::new(i64::MAX)), log.aborted_by_index(start..Offset::new(i64::MAX)));
    for offset in [0, i64::MAX] {
        let _ = log.find_offset(Offset::new(offset));
    }
    for time in [1_700_000_050_000, i64::MAX] {
        let _ = log.offset_for_time(Timestamp::new(time));
    }
}

fn read_batches(log: &LogReader<'_>, seen: &mut Seen) -> Result<()> {
    let mut batches = log.batches(Offset::new(i64::MIN)..Offset::new(i64::MAX), OnDamage::GoOn);
    while let Some(item) = batches.next()? {
        match item {
            BatchItem::Batch(batch) => {
                let file = log.folder().file(batch.segment, crate::segment::SegmentFile::Log);
                seen.batches.insert((file, batch.position));
            }
            BatchItem::Damage(damage) => {
                seen.damages.insert((damage.what.file, damage.what.position));
            }
        }
    }
    Ok(())
}

fn read_records(log: &LogReader<'_>, view: View, seen: &mut Seen) -> Result<()> {
    log.records(log.range_of(view)?, Reading::view(view), |item| {
        if let RecordItem::Damage(damage) = item {
            seen.damages.insert((damage.what.file, damage.what.position));
        }
        ControlFlow::<()>::Continue(())
    })?;
    Ok(())
}

/// The places of all batches of a `.log` file whose checksum fits, by the walk alone, damage stepped over.
///
/// # Errors
/// [`Error::Io`], [`Error::NotReadable`] for a file that cannot be read.
pub fn sound_batches(fs: &MemoryFs, file: &Path) -> Result<BTreeSet<FilePosition>, Error> {
    let mut found = BTreeSet::new();
    Scan::new(Source::open(fs, file)?).each_sound(|frame| _ = found.insert(frame.position()))?;
    Ok(found)
}

/// The `.log` files of the segments in the partitions of the directory.
#[must_use]
pub fn segment_logs(fs: &MemoryFs) -> Vec<PathBuf> {
    let folders = match Target::of(fs, Path::new("/")) {
        Ok(Target::Partition(folder)) => vec![folder],
        Ok(Target::LogDirectory(dir)) => {
            dir.partitions.iter().filter_map(|(_, path)| PartitionDirectory::list(fs, path).ok()).collect()
        }
        Ok(Target::File(_)) | Err(_) => Vec::new(),
    };
    let files = |folder: PartitionDirectory| {
        let bases: Vec<Offset> = folder.logs().map(|(base, _)| base).collect();
        bases.into_iter().map(move |base| folder.file(base, crate::segment::SegmentFile::Log))
    };
    folders.into_iter().flat_map(files).collect()
}
