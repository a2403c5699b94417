//! What checkpoints say of one partition, said by a person who knows it.

use std::path::PathBuf;
use std::sync::Arc;

use super::Change;
use super::places::{Edit, Places};
use crate::checkpoint::{OffsetCheckpoint, PartitionMetadata, Uuid};
use crate::error::Error;
use crate::fs::Fs;
use crate::inspect::SmallFile;
use crate::log::{LogReader, PartitionDirectory};
use crate::units::Offset;

/// The lines to write; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointLines {
    /// In `recovery-point-offset-checkpoint`.
    pub recovery_point: Option<Offset>,
    /// In `log-start-offset-checkpoint`.
    pub log_start: Option<Offset>,
    /// In `replication-offset-checkpoint`.
    pub high_watermark: Option<Offset>,
    /// In `cleaner-offset-checkpoint`.
    pub cleaner: Option<Offset>,
    /// In `partition.metadata`.
    pub topic_id: Option<Uuid>,
}

/// Why checkpoints are not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// Something cannot be read, or breaks a rule.
    #[error(transparent)]
    Engine(#[from] Error),
    /// No broker could make sense of the offset; some lose the log over it.
    #[error("{what} {asked} is outside the log, which holds {start} to {end}")]
    Outside {
        /// Which offset.
        what: &'static str,
        /// What was asked for.
        asked: Offset,
        /// The base of the first segment.
        start: Offset,
        /// The offset behind the last batch.
        end: Offset,
    },
    /// Only a log directory has the files.
    #[error(
        "no log directory is around the folder, or the folder is not a partition's own: no checkpoint speaks of it"
    )]
    NoLogDirectory,
}

/// What is to be done.
#[derive(Debug)]
pub struct SetPlan {
    /// The log directory; paths of changes are relative to it.
    pub root: PathBuf,
    /// What is to be done; empty if all says that already.
    pub changes: Vec<Change>,
    /// The first offset that is served, before and after: what a rising start hides, retention deletes.
    pub log_start: (Offset, Offset),
}

/// Says what has to be done so that the checkpoints say `lines` of the partition in `folder`. Reads only.
///
/// # Errors
/// Why it is not done; [`SetError::Engine`] where something cannot be read, a checkpoint that is malformed among it.
pub fn plan_set(fs: &Arc<dyn Fs>, folder: &PartitionDirectory, lines: &CheckpointLines) -> Result<SetPlan, SetError> {
    let fs = fs.as_ref();
    let places = Places::of(fs, folder);
    if !places.is_named() {
        return Err(SetError::NoLogDirectory);
    }
    let reader = LogReader::open(fs, &folder.path)?;
    let (start, end) = (reader.first_base(), reader.log_end()?);
    let asked = [
        ("recovery point", OffsetCheckpoint::RECOVERY_POINT, lines.recovery_point),
        ("log start", OffsetCheckpoint::LOG_START, lines.log_start),
        ("high watermark", OffsetCheckpoint::HIGH_WATERMARK, lines.high_watermark),
        ("cleaner offset", OffsetCheckpoint::CLEANER, lines.cleaner),
    ];
    let mut changes = Vec::new();
    for (what, file, offset) in asked {
        let Some(offset) = offset else { continue };
        if offset < Offset::ZERO || offset > end {
            return Err(SetError::Outside { what, asked: offset, start, end });
        }
        let set = |_: Option<Offset>| Some(offset);
        changes.extend(places.edited(fs, &[(file, &set as Edit<'_>)])?);
    }
    if let Some(topic_id) = lines.topic_id {
        let there = SmallFile::read(fs, &folder.path.join(PartitionMetadata::FILE_NAME), PartitionMetadata::parse);
        if there.content().is_none_or(|there| there.topic_id != topic_id) {
            let path = places.inside.join(PartitionMetadata::FILE_NAME);
            let bytes = PartitionMetadata { version: 0, topic_id }.encode();
            changes.push(Change::Write { path, bytes: bytes.into() });
        }
    }
    let after = lines.log_start.map_or(reader.log_start(), |asked| asked.max(start));
    Ok(SetPlan { root: places.root, changes, log_start: (reader.log_start(), after) })
}
