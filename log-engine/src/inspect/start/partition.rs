//! What a start does with the folder of one partition, from its names to its log end.
//!
//! Kafka: `LogManager.loadLog`, `LogLoader.load`, `UnifiedLog.create`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::failure::{FailureEffect, Halt, Outcome, StartFailure, StartRule};
use super::picture::Picture;
use super::producers::{self, Producers};
use super::{HiddenRecords, LogCut, PartitionPrediction, StartOptions, StartRecovery, indexes, leftovers, lost};
use crate::checkpoint::{EpochCheckpoint, MAX_TEXT_BYTES, PartitionMetadata, TextFault};
use crate::error::{Error, Result};
use crate::fs::{Fs, Source};
use crate::inspect::HELD;
use crate::log::{DirectoryState, PartitionDirectory, PartitionName, root_files};
use crate::segment::{IntervalSamples, Scan, SegmentFile, Step};
use crate::units::{FilePosition, Offset, TopicPartition};

/// Bytes of `.log` files that are walked to find out about `index.interval.bytes`.
const MAX_SAMPLED_BYTES: u64 = 256 << 20;

/// A partition that a start would load, with what the files of its log directory say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStart {
    path: PathBuf,
    name: Option<PartitionName>,
    recovery: StartRecovery,
    log_start: Offset,
    /// False if the broker ends before it loads a partition.
    is_loaded: bool,
}

impl PartitionStart {
    /// The folder `path`, whose name says `name`, with what the checkpoints say of the partition: 0 where they say nothing.
    #[must_use]
    pub const fn new(path: PathBuf, name: Option<PartitionName>, recovery: StartRecovery, log_start: Offset) -> Self {
        Self { path, name, recovery, log_start, is_loaded: true }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which of its segments are checked.
    #[must_use]
    pub const fn recovery(&self) -> StartRecovery {
        self.recovery
    }

    pub(super) fn leave_alone(&mut self) {
        self.is_loaded = false;
    }

    /// The partition, and its folder, unless the folder is on its way in or out.
    pub(super) fn live(&self) -> Option<(&TopicPartition, &Path)> {
        let name = self.name.as_ref().filter(|name| name.state == DirectoryState::Live)?;
        Some((&name.partition, &self.path))
    }

    fn state(&self) -> DirectoryState {
        self.name.as_ref().map_or(DirectoryState::Live, |name| name.state)
    }

    /// Predicts what becomes of it. Knows nothing of other partitions.
    ///
    /// # Errors
    /// As [`super::predict_start`].
    pub fn predict(&self, fs: &dyn Fs, options: &StartOptions) -> Result<PartitionPrediction> {
        let mut prediction = PartitionPrediction::untouched(&self.path, self.recovery);
        if !self.is_loaded {
            return Ok(prediction);
        }
        let folder = PartitionDirectory::list(fs, &self.path)?;
        let mut loader = Loader {
            picture: Picture::of(fs, &folder),
            options,
            log_start: self.log_start,
            segments: BTreeSet::new(),
            cuts: Vec::new(),
            interval: options.index_interval_bytes,
            folder: &folder,
        };
        match self.load(fs, &mut loader) {
            Ok(loaded) => loaded.tell(&mut prediction),
            Err(Halt::Failed(failure)) => prediction.failure = Some(*failure),
            Err(Halt::Unreadable(error)) => return Err(error),
        }
        if prediction.failure.as_ref().is_none_or(|failure| failure.effect != FailureEffect::Stray) {
            loader.report(&mut prediction)?;
        }
        Ok(prediction)
    }

    fn load(&self, fs: &dyn Fs, loader: &mut Loader<'_>) -> Outcome<Loaded> {
        check_epochs(fs, loader.folder)?;
        leftovers::tidy(&mut loader.picture)?;
        loader.splitting(Loader::open_segments)?;
        let log_end = match (self.state(), self.recovery) {
            (DirectoryState::Delete, _) => {
                if loader.segments.is_empty() {
                    loader.make_segment(Offset::ZERO);
                }
                Offset::ZERO
            }
            (_, recovery) => {
                if let StartRecovery::From(point) = recovery {
                    loader.splitting(|loader| loader.recover_from(point))?;
                }
                loader.find_end()?
            }
        };
        let first = loader.segments.first().copied().unwrap_or(self.log_start);
        let log_start = first.max(self.log_start);
        producers::remove_stray(&mut loader.picture, &loader.segments);
        let is_clean = self.recovery == StartRecovery::Skipped;
        let producers = Producers::before(&mut loader.picture, &loader.segments, log_start, log_end, is_clean)?;
        Ok(Loaded {
            log_start,
            log_end,
            ends_in_transaction: producers.has_open_transaction(),
            hidden: loader.hidden(log_end)?,
            failure: self.check_metadata(fs, loader.folder)?,
        })
    }

    /// What the topic id of the folder comes to: a partition without one is set aside.
    fn check_metadata(&self, fs: &dyn Fs, folder: &PartitionDirectory) -> Outcome<Option<StartFailure>> {
        let path = self.path.join(PartitionMetadata::FILE_NAME);
        // The Raft layer knows the id of the metadata log.
        let is_metadata_log = self.path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
        let is_served = matches!(self.state(), DirectoryState::Live | DirectoryState::Future);
        match folder.metadata {
            None if is_served && !is_metadata_log => {
                Ok(Some(StartFailure::whole(FailureEffect::Stray, &path, StartRule::Missing)))
            }
            None => Ok(None),
            Some(_) => {
                read_text(fs, &path, PartitionMetadata::parse)?;
                Ok(None)
            }
        }
    }
}

/// What loading a partition comes to.
struct Loaded {
    log_start: Offset,
    log_end: Offset,
    ends_in_transaction: bool,
    hidden: Option<HiddenRecords>,
    failure: Option<StartFailure>,
}

impl Loaded {
    /// A folder that is set aside has no offsets: another log is served.
    fn tell(self, prediction: &mut PartitionPrediction) {
        prediction.failure = self.failure;
        if prediction.failure.is_none() {
            (prediction.log_start, prediction.log_end) = (Some(self.log_start), Some(self.log_end));
            prediction.hidden = self.hidden;
        }
        prediction.ends_in_transaction = self.ends_in_transaction;
    }
}

/// A partition that is being loaded.
pub(super) struct Loader<'a> {
    pub(super) picture: Picture<'a>,
    pub(super) options: &'a StartOptions,
    /// As the checkpoint says.
    pub(super) log_start: Offset,
    /// Base offsets of the segments that are open.
    pub(super) segments: BTreeSet<Offset>,
    cuts: Vec<LogCut>,
    interval: Option<u64>,
    folder: &'a PartitionDirectory,
}

impl Loader<'_> {
    /// `index.interval.bytes`, as the indexes on the disk tell it.
    pub(super) fn interval(&mut self) -> Result<u64> {
        if let Some(interval) = self.interval {
            return Ok(interval);
        }
        let mut samples = IntervalSamples::default();
        let mut left = MAX_SAMPLED_BYTES;
        for (base, len) in self.folder.logs().filter(|(_, len)| *len > 0) {
            let Some(index) = self.picture.original(&SegmentFile::OffsetIndex.name(base))? else { continue };
            let Some(log) = self.picture.original(&SegmentFile::Log.name(base))? else { continue };
            let index = crate::segment::OffsetIndex::read(&index, base)?;
            let mut segment = samples.segment(&index);
            let mut scan = Scan::new(log).holding(HELD);
            while let Step::Batch(frame) = scan.next()? {
                segment.batch(frame.position());
                if frame.position().get() > left {
                    break;
                }
            }
            segment.finish();
            left = left.saturating_sub(len);
        }
        let interval = samples.estimate().bytes;
        self.interval = Some(interval);
        Ok(interval)
    }

    pub(super) fn note_cut(&mut self, base: Offset, bytes: u64) -> Outcome<()> {
        if bytes > 0 {
            let position = FilePosition::new(self.picture.log(base)?.len());
            self.cuts.push(LogCut { file: SegmentFile::Log.name(base), position, bytes });
        }
        Ok(())
    }

    /// Records of the last segment, if the log ends where that begins although it holds batches.
    fn hidden(&self, log_end: Offset) -> Outcome<Option<HiddenRecords>> {
        if self.segments.last() != Some(&log_end) {
            return Ok(None);
        }
        let records = lost::intact_records(&self.picture.log(log_end)?)?;
        Ok((records > 0).then(|| HiddenRecords { file: SegmentFile::Log.name(log_end), records }))
    }

    /// What the folder lost and what is new in it.
    fn report(self, prediction: &mut PartitionPrediction) -> Result<()> {
        let lost = lost::lost(&self.picture)?;
        (prediction.records_dropped, prediction.bytes_dropped) = (lost.records, lost.bytes);
        prediction.files_rebuilt = indexes::rebuilt(&self.picture)?;
        prediction.cuts = self.cuts;
        prediction.segments_deleted = if self.picture.deleted_segments.is_empty() {
            lost::replaced(&self.picture)
        } else {
            self.picture.deleted_segments
        };
        Ok(())
    }
}

fn check_epochs(fs: &dyn Fs, folder: &PartitionDirectory) -> Outcome<()> {
    match folder.epochs {
        None => Ok(()),
        Some(_) => read_text(fs, &folder.path.join(EpochCheckpoint::FILE_NAME), EpochCheckpoint::parse).map(drop),
    }
}

/// Reads a small text file. One that is wrong takes the directory offline, or ends the process, as Kafka's reader fails.
fn read_text<T>(fs: &dyn Fs, path: &Path, parse: impl FnOnce(&[u8], &Path) -> Result<T>) -> Outcome<T> {
    let read = Source::open(fs, path)?.read_all(MAX_TEXT_BYTES);
    read.and_then(|bytes| parse(&bytes, path)).map_err(|error| {
        let effect = match TextFault::of(&error) {
            TextFault::Storage => FailureEffect::Offline,
            TextFault::Runtime => FailureEffect::Fatal,
        };
        match error {
            Error::Corrupt(corrupt) => StartFailure::of(effect, *corrupt).into(),
            error => error.into(),
        }
    })
}
