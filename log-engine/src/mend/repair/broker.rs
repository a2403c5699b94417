//! What a broker's start does to a partition, done by the engine's own recovery.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::RepairOptions;
use crate::checkpoint::{CleanShutdown, OffsetCheckpoint};
use crate::encoding::crc32c;
use crate::error::{Error, Result};
use crate::fs::{Fs, OpenMode, WriteFs};
use crate::inspect::{Checkpoints, FailureEffect, RootFiles, StartOptions, predict_start};
use crate::log::{
    DirectoryState, Log, LogConfig, ManualClock, OpenOptions, PartitionDirectory, RecoveryMode, RunTasks, root_files,
};
use crate::mend::Overlay;
use crate::mend::interval::index_interval;
use crate::units::{Offset, Timestamp};

/// Characters of a folder's name. Kafka: `LocalLog.logDirNameWithSuffixCappedLength`.
const MAX_NAME: usize = 255;

/// What a start does to the files at the root, on the overlay; the folders that it sets aside, with the names that they get.
///
/// # Errors
/// [`Error::NotReadable`] if no broker starts on the directory: the file that keeps it from it.
pub(super) fn start_on_root(
    overlay: &Overlay,
    below: &dyn Fs,
    root: &Path,
    options: &RepairOptions,
) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let how = StartOptions { jobs: Some(options.jobs), ..StartOptions::default() };
    let predicted = predict_start(below, &[root.to_owned()], &how)?;
    let (mut strays, mut failure) = (BTreeMap::new(), None);
    for directory in predicted.directories {
        let of_partitions =
            directory.partitions.into_iter().filter_map(|partition| Some((partition.path, partition.failure?)));
        for (folder, failed) in of_partitions {
            if failed.effect == FailureEffect::Stray {
                let renamed = stray_name(&folder, options.now);
                strays.insert(folder, renamed);
            } else {
                failure = failure.or(Some(failed));
            }
        }
        failure = directory.failures.into_iter().next().or(failure);
    }
    if let Some(failed) = failure.filter(|_| !predicted.starts) {
        let what = "keeps a broker from starting; nothing can be done at the level of the broker";
        return Err(Error::NotReadable { path: failed.file, what });
    }
    let marker = root.join(CleanShutdown::FILE_NAME);
    if overlay.stat(&marker)?.is_some() {
        overlay.remove(&marker)?;
    }
    if RootFiles::read(below, root).any() {
        for name in [
            OffsetCheckpoint::RECOVERY_POINT,
            OffsetCheckpoint::LOG_START,
            OffsetCheckpoint::HIGH_WATERMARK,
            OffsetCheckpoint::CLEANER,
        ] {
            overlay.open_write(&root.join(name), OpenMode::Any)?;
        }
    }
    Ok(strays)
}

/// `topic-partition.id-stray`, with an id that no other folder of the directory has.
///
/// Kafka: `LocalLog.logStrayDirName`.
fn stray_name(folder: &Path, now: Timestamp) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let id = format!("{:016x}{:016x}", now.get(), crc32c(name.as_bytes()));
    let suffix = format!(".{id}{}", DirectoryState::Stray.suffix());
    let kept: String = name.chars().take(MAX_NAME.saturating_sub(suffix.len())).collect();
    folder.with_file_name(format!("{kept}{suffix}"))
}

/// Starts on the folder, on the overlay. The files at the root are read from `below`, where they are as the broker would find them.
pub(super) fn start(
    overlay: &Overlay,
    below: &dyn Fs,
    root: &Path,
    folder: &Path,
    options: &RepairOptions,
) -> Result<()> {
    let listed = PartitionDirectory::list(below, folder)?;
    // Checkpoints speak of the partition itself, not of copies on their way in or out.
    let is_live = listed.name.as_ref().is_some_and(|name| name.state == DirectoryState::Live);
    let known = if is_live { Checkpoints::of(&RootFiles::read(below, root), &listed) } else { Checkpoints::default() };
    let is_metadata_log = folder.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
    let opening = OpenOptions {
        mode: RecoveryMode::Kafka,
        clean: below.stat(&root.join(CleanShutdown::FILE_NAME))?.is_some() && !is_metadata_log,
        recovery_point: known.recovery_point.unwrap_or(Offset::ZERO),
        log_start: known.log_start.unwrap_or(Offset::ZERO),
        clock: Arc::new(ManualClock::at(options.now)),
        ..OpenOptions::default()
    };
    let index_interval_bytes = match options.index_interval {
        Some(interval) => interval,
        None => index_interval(below, &listed, |_| true)?,
    };
    let config = LogConfig { index_interval_bytes, ..options.config.clone() };
    let (log, _) = Log::open(Arc::new(overlay.clone()), folder, config, opening)?;
    log.run_tasks(RunTasks::Immediate)?;
    drop(log);
    Ok(())
}
