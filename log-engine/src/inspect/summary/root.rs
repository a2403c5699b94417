//! The files at the root of a log directory: whose it is, how it was left, what its checkpoints say, who is in it.

use std::path::Path;

use crate::checkpoint::{CleanShutdown, MetaProperties, OffsetCheckpoint};
use crate::error::{Error, Result};
use crate::fs::{Fs, LockHolder};
use crate::inspect::SmallFile;
use crate::log::root_files;

/// What the files at the root of a log directory say.
#[derive(Debug)]
pub struct RootFiles {
    /// Whose directory it is.
    pub identity: SmallFile<MetaProperties>,
    /// The clean-shutdown marker. For recovery it counts that it is there, whatever is in it.
    pub marker: SmallFile<CleanShutdown>,
    /// Who holds `.lock`, if anybody does.
    pub lock: Result<Option<LockHolder>, Error>,
    /// Up to where each log is known to be on disk.
    pub recovery_points: SmallFile<OffsetCheckpoint>,
    /// Log starts above the first segment's base.
    pub log_starts: SmallFile<OffsetCheckpoint>,
    /// High watermarks.
    pub high_watermarks: SmallFile<OffsetCheckpoint>,
    /// Up to where the cleaner has been.
    pub cleaner: SmallFile<OffsetCheckpoint>,
}

impl RootFiles {
    /// Reads those of the log directory `dir`. Takes no lock.
    #[must_use]
    pub fn read(fs: &dyn Fs, dir: &Path) -> Self {
        let offsets = |name: &str| SmallFile::read(fs, &dir.join(name), OffsetCheckpoint::parse);
        Self {
            identity: SmallFile::read(fs, &dir.join(MetaProperties::FILE_NAME), MetaProperties::parse),
            marker: SmallFile::read(fs, &dir.join(CleanShutdown::FILE_NAME), CleanShutdown::parse),
            lock: fs.lock_holder(&dir.join(root_files::LOCK)),
            recovery_points: offsets(OffsetCheckpoint::RECOVERY_POINT),
            log_starts: offsets(OffsetCheckpoint::LOG_START),
            high_watermarks: offsets(OffsetCheckpoint::HIGH_WATERMARK),
            cleaner: offsets(OffsetCheckpoint::CLEANER),
        }
    }

    /// The four checkpoints with their names.
    pub fn checkpoints(&self) -> [(&'static str, &SmallFile<OffsetCheckpoint>); 4] {
        [
            (OffsetCheckpoint::RECOVERY_POINT, &self.recovery_points),
            (OffsetCheckpoint::LOG_START, &self.log_starts),
            (OffsetCheckpoint::HIGH_WATERMARK, &self.high_watermarks),
            (OffsetCheckpoint::CLEANER, &self.cleaner),
        ]
    }

    /// True if the marker is there, whatever is in it: the next start skips recovery.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        !self.marker.is_missing()
    }

    /// True if any file of a log directory is there.
    #[must_use]
    pub fn any(&self) -> bool {
        let checkpoints = self.checkpoints();
        self.is_clean() || !self.identity.is_missing() || checkpoints.iter().any(|(_, file)| !file.is_missing())
    }
}
