//! From a folder to the parts of an open log.

use std::path::Path;
use std::sync::Arc;

use super::config::LogConfig;
use super::producers::{Producers, snapshots_in};
use super::segments::Segments;
use crate::epoch::LeaderEpochs;
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::log::PartitionDirectory;
use crate::producer::Expiry;
use crate::segment::{Segment, SegmentOptions};
use crate::units::Offset;

/// What is done about damage when a log is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecoveryMode {
    /// Any damage is an error.
    Strict,
    /// What follows the last valid batch of the last segment is cut, if it is not known to be durable; damage anywhere else is an
    /// error.
    #[default]
    TornTail,
    /// As a broker does: the log is cut at the first damage, and later segments are dropped.
    Kafka,
}

/// What was found and done when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {}

/// What is known of a log from outside its folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadOptions {
    pub(super) mode: RecoveryMode,
    pub(super) clean: bool,
    pub(super) recovery_point: Offset,
    pub(super) log_start: Offset,
    pub(super) expiry: Expiry,
}

/// The parts of an open log.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) segments: Segments,
    pub(super) epochs: LeaderEpochs,
    pub(super) producers: Producers,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) recovery_point: Offset,
    pub(super) report: RecoveryReport,
}

/// Makes the first segment of a new log.
pub(super) fn load(fs: &Arc<dyn WriteFs>, dir: &Path, config: &LogConfig, options: &LoadOptions) -> Result<Loaded> {
    let folder = PartitionDirectory::list(fs.as_ref(), dir)?;
    if folder.logs().next().is_some() {
        let what = match (options.mode, options.clean) {
            (_, true) => "a log with segments, which only its maker has open",
            (_, false) => "a log with segments, which has to be recovered",
        };
        return Err(Error::NotReadable { path: dir.to_owned(), what });
    }
    let segment_options = SegmentOptions {
        index_interval_bytes: config.index_interval_bytes,
        segment_index_bytes: config.segment_index_bytes,
        preallocate: config.preallocate,
        segment_bytes: config.segment_bytes,
    };
    let first = Segment::create(fs, dir, options.log_start, &segment_options, options.expiry.now)?;
    let segments = Segments::default().with(Arc::new(first));
    let mut producers = Producers::new(dir, snapshots_in(fs.as_ref(), dir)?);
    producers.remove_stray_snapshots(fs.as_ref(), &segments)?;
    Ok(Loaded {
        segments,
        epochs: LeaderEpochs::default(),
        producers,
        log_start: options.log_start,
        log_end: options.log_start,
        recovery_point: options.recovery_point,
        report: RecoveryReport::default(),
    })
}
