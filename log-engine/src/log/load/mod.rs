//! From the files of a partition's folder to the segments, epochs and producers of a log: leftovers tidied, segments opened and, after
//! anything but a clean stop, those checked that are not known to be durable.
//!
//! Two ways lead there. [`RecoveryMode::Kafka`] does step by step what a broker does, whatever is lost by it. The others look at
//! everything that has to be looked at before they change anything: what a crash can have left behind is mended, and damage is an
//! error. Indexes, epochs, producers and the log start are hints to them: they can be wrong and cost time, but no record.
//!
//! Memory: of each checked segment its indexes and the batches that its producers are known by.
//!
//! Kafka: `LogLoader`.

mod careful;
mod check;
mod epochs;
mod facts;
mod judge;
mod kafka;
mod leftovers;
mod names;
mod report;
mod split;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use report::{LostDurable, RecoveryCut, RecoveryMode, RecoveryProgress, RecoveryReport};

use self::check::{Checked, Spot};
use self::facts::Facts;
use self::names::Names;
use super::LogConfig;
use super::directory::{DirectoryState, PartitionName};
use super::producers::{Producers, snapshots_in};
use super::segments::Segments;
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::WriteFs;
use crate::producer::Expiry;
use crate::segment::{Segment, SegmentFile, SegmentOptions, TxnIndex};
use crate::units::{FilePosition, Offset};

/// What is known of a log before its folder is looked at.
pub(super) struct LoadOptions<'a> {
    pub(super) mode: RecoveryMode,
    /// The log was closed: its segments need not be checked.
    pub(super) clean: bool,
    /// The first offset that is not known to be durable.
    pub(super) recovery_point: Offset,
    /// The first offset that may be read.
    pub(super) log_start: Offset,
    pub(super) expiry: Expiry,
    /// What is read may come from memory. Without, everything that is checked is first made durable and then read from the disk.
    pub(super) trust_cache: bool,
    /// A crash takes no more bytes than this with it: sound batches that lie further behind bytes that are none say that these are
    /// damage. With 0 any sound batch does.
    pub(super) max_unsynced_bytes: u64,
    /// A cleaner may have left gaps between the segments.
    pub(super) is_compacted: bool,
    /// Is told after each segment that was checked, from any thread.
    pub(super) progress: Option<&'a (dyn Fn(RecoveryProgress) + Sync)>,
}

impl fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("mode", &self.mode)
            .field("clean", &self.clean)
            .field("recovery_point", &self.recovery_point)
            .field("log_start", &self.log_start)
            .finish_non_exhaustive()
    }
}

/// A log as it was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) segments: Segments,
    pub(super) epochs: LeaderEpochs,
    /// The file of epochs says more than these.
    pub(super) epochs_to_write: bool,
    pub(super) producers: Producers,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) recovery_point: Offset,
    /// Segments whose files wait under their `.deleted` names to be removed.
    pub(super) deleted: Vec<Arc<Segment>>,
    /// Snapshots that wait under their `.deleted` names.
    pub(super) deleted_snapshots: Vec<PathBuf>,
    pub(super) report: RecoveryReport,
}

/// Loads the log in the folder `dir`.
///
/// Kafka: `LogLoader.load`.
///
/// # Errors
/// [`crate::Error::Corrupt`] for damage that the mode does not mend, [`crate::Error::NotReadable`] where a name or file is something
/// else than it has to be, [`crate::Error::Io`].
pub(super) fn load(fs: &Arc<dyn WriteFs>, dir: &Path, config: &LogConfig, options: &LoadOptions<'_>) -> Result<Loaded> {
    let loader = Loader {
        fs: Arc::clone(fs),
        dir: dir.to_owned(),
        config: config.segment_options(),
        options,
        names: Names::list(fs, dir)?,
        segments: Segments::default(),
        epochs: LeaderEpochs::default(),
        deleted: Vec::new(),
        deleted_snapshots: Vec::new(),
        report: RecoveryReport::default(),
    };
    match options.mode {
        RecoveryMode::Kafka => loader.load_as_kafka(),
        RecoveryMode::Strict | RecoveryMode::TornTail => loader.load_with_care(),
    }
}

/// A log that is being loaded.
struct Loader<'a> {
    fs: Arc<dyn WriteFs>,
    dir: PathBuf,
    config: SegmentOptions,
    options: &'a LoadOptions<'a>,
    names: Names,
    segments: Segments,
    epochs: LeaderEpochs,
    deleted: Vec<Arc<Segment>>,
    deleted_snapshots: Vec<PathBuf>,
    report: RecoveryReport,
}

/// Where a log begins and ends, and from where on it has to be synced.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    log_start: Offset,
    log_end: Offset,
    recovery_point: Offset,
}

impl Loader<'_> {
    /// True for a folder that is on its way out: nothing in it is looked at.
    fn is_to_be_deleted(&self) -> bool {
        let name = self.dir.file_name().and_then(|name| name.to_str()).and_then(PartitionName::parse);
        name.is_some_and(|name| name.state == DirectoryState::Delete)
    }

    /// Opens the segment that begins at `base`.
    fn open(&self, base: Offset, has_times: bool) -> Result<Arc<Segment>> {
        let len = self.names.len_of(&SegmentFile::Log.name(base)).unwrap_or(0);
        let now = self.options.expiry.now;
        Ok(Arc::new(Segment::open_known(&self.fs, &self.dir, base, &self.config, now, len, has_times)?))
    }

    fn make_segment(&mut self, base: Offset) -> Result<()> {
        let segment = Segment::create(&self.fs, &self.dir, base, &self.config, self.options.expiry.now)?;
        for file in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            self.names.put(&file.name(base), 0);
        }
        self.segments = self.segments.with(Arc::new(segment));
        Ok(())
    }

    /// Nobody, with the snapshots that are in the folder.
    fn no_producers(&self) -> Result<Producers> {
        Ok(Producers::new(&self.dir, snapshots_in(self.fs.as_ref(), &self.dir)?))
    }

    /// The state of all producers before `target`.
    fn producers_before(&self, log_start: Offset, target: Offset, is_clean: bool) -> Result<Producers> {
        let mut producers = self.no_producers()?;
        producers.rebuild(self.fs.as_ref(), &self.segments, log_start, target, is_clean, self.options.expiry)?;
        Ok(producers)
    }

    /// Makes of a segment's files what checking it has found, and lets its batches be known to the producers and epochs before it.
    ///
    /// Kafka: `LogLoader.recoverSegment`.
    fn recover(&mut self, checked: Checked, log_start: Offset, valid_end: FilePosition) -> Result<u64> {
        let Checked { segment, rebuilt, facts } = checked;
        let mut producers = self.producers_before(log_start, segment.base(), false)?;
        let txns = self.apply(&facts, &segment, &mut producers)?;
        let installed = segment.install(rebuilt.indexes, txns, valid_end)?;
        let names = installed.rebuilt.iter().map(|file| file.name(segment.base()));
        self.report.files_rebuilt.extend(names);
        producers.take_snapshot(self.fs.as_ref(), true)?;
        Ok(installed.cut)
    }

    /// Lets a segment's batches be known to the producers and epochs before it.
    fn apply(&mut self, facts: &Facts, segment: &Segment, producers: &mut Producers) -> Result<TxnIndex> {
        let known = self.epochs.clone();
        let txns = facts.apply(segment, producers, &mut self.epochs)?;
        // A broker writes down at once what batches say; what it cuts off the epochs is a task's.
        if self.options.mode == RecoveryMode::Kafka && self.epochs != known {
            self.write_epochs()?;
        }
        Ok(txns)
    }

    fn note_cut(&mut self, segment: &Segment, spot: &Spot, bytes: u64) {
        if bytes > 0 {
            let (file, position, rule) = (segment.path(), spot.position, spot.rule.clone());
            self.report.cuts.push(RecoveryCut { file, position, bytes, rule });
        }
    }

    /// Takes segments out of the log: their files get `.deleted` names, those of the newest first, and so do the snapshots of where
    /// they begin.
    ///
    /// Kafka: `LogLoader.removeAndDeleteSegmentsAsync`.
    fn delete_segments(&mut self, gone: &[Arc<Segment>]) -> Result<()> {
        let bases: Vec<Offset> = gone.iter().map(|segment| segment.base()).collect();
        for segment in gone.iter().rev() {
            segment.mark_deleted()?;
        }
        for base in &bases {
            SegmentFile::ALL.iter().for_each(|file| self.names.forget(&file.name(*base)));
            self.report.segments_deleted.push(SegmentFile::Log.name(*base));
        }
        self.segments = self.segments.without(&bases);
        self.deleted.extend_from_slice(gone);
        let marked = self.no_producers()?.mark_snapshots_deleted(self.fs.as_ref(), &bases)?;
        self.deleted_snapshots.extend(marked);
        Ok(())
    }

    /// The log, once its segments and where it begins and ends are settled.
    fn finish(mut self, bounds: Bounds) -> Result<Loaded> {
        let Bounds { log_start, log_end, recovery_point } = bounds;
        let mut is_changed = self.epochs.truncate_from_end(log_end);
        let is_hint = self.options.mode != RecoveryMode::Kafka;
        if is_hint && self.epochs.latest().is_none() && self.batches_have_epochs()? {
            self.epochs_of_batches()?;
            self.epochs.truncate_from_end(log_end);
        }
        is_changed |= self.epochs.truncate_from_start(self.options.log_start.min(log_end));
        // A broker leaves the writing of these to a task.
        if is_hint {
            self.write_epochs()?;
        }
        let mut producers = self.no_producers()?;
        producers.remove_stray_snapshots(self.fs.as_ref(), &self.segments)?;
        // A broker takes a closed log without any snapshot for one that never had a producer.
        let is_clean = self.options.clean && !is_hint;
        producers.rebuild(self.fs.as_ref(), &self.segments, log_start, log_end, is_clean, self.options.expiry)?;
        if self.options.recovery_point > log_end {
            let recovery_point = self.options.recovery_point;
            self.report.lost_durable = Some(LostDurable { recovery_point, end: log_end });
        }
        if log_start != self.options.log_start && self.options.log_start > Offset::ZERO {
            self.report.log_start_moved_from = Some(self.options.log_start);
        }
        Ok(Loaded {
            segments: self.segments,
            epochs: self.epochs,
            epochs_to_write: is_changed && !is_hint,
            producers,
            log_start,
            log_end,
            recovery_point,
            deleted: self.deleted,
            deleted_snapshots: self.deleted_snapshots,
            report: self.report,
        })
    }
}

#[cfg(test)]
mod tests;
