//! Closing a store so that the next start skips recovery.

use super::Store;
use crate::error::Result;

impl Store {
    /// Closes every log, writes the checkpoint files, and then the marker of a clean stop, last and only in directories in which
    /// everything was closed. The locks go with the store.
    ///
    /// # Errors
    /// The first that was met; everything else was closed all the same, and a directory without a marker is recovered at the next
    /// start.
    ///
    /// Kafka: `LogManager.shutdown`.
    pub fn close(self) -> Result<()> {
        let mut result = Ok(());
        let mut is_unclean = vec![false; self.directories().len()];
        for partition in self.partitions().values() {
            if let Err(error) = partition.log.close() {
                if let Some(unclean) = is_unclean.get_mut(partition.directory) {
                    *unclean = true;
                }
                result = result.and(Err(error));
            }
        }
        let written = self.write_high_watermarks().and(self.write_recovery_points());
        if written.is_err() {
            return result.and(written);
        }
        let directories = self.directories();
        for (directory, is_unclean) in directories.iter().zip(is_unclean) {
            if directory.is_online() && directory.may_be_marked && !is_unclean {
                result = result.and(directory.end(self.fs()));
            }
        }
        result
    }
}
