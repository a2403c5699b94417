//! Makes files durable while others are still written: a disk that waits for the last file has nothing to do before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::refused::SalvageError;
use crate::error::{Error, Result};
use crate::fs::{OpenMode, WriteFile, WriteFs, write_all_at};

/// Files that wait to be synced; whoever has one more waits for the disk.
const WAITING: usize = 64;

/// See the file's head.
pub(super) struct Syncer {
    /// `None`: each file is synced at once.
    queue: Option<SyncSender<(Arc<dyn WriteFile>, PathBuf)>>,
}

impl Syncer {
    /// Does `work`; when it is over, all files that it handed over are durable but for their names.
    ///
    /// # Errors
    /// That of `work`, or the first [`Error::Io`] of a sync.
    pub(super) fn during<T>(
        in_background: bool,
        work: impl FnOnce(&Self) -> Result<T, SalvageError>,
    ) -> Result<T, SalvageError> {
        if !in_background {
            return work(&Self { queue: None });
        }
        let (queue, files) = sync_channel::<(Arc<dyn WriteFile>, PathBuf)>(WAITING);
        thread::scope(|scope| {
            let syncing = scope.spawn(move || {
                let mut result = Ok(());
                // After a failure the rest is taken in all the same, so that nobody waits for ever.
                for (file, path) in files {
                    result = result.and_then(|()| sync(&*file, &path));
                }
                result
            });
            let done = work(&Self { queue: Some(queue) });
            let synced = syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let done = done?;
            synced?;
            Ok(done)
        })
    }

    /// Hands over a file, of which everything that was written so far is to be durable.
    pub(super) fn sync(&self, file: &Arc<dyn WriteFile>, path: &Path) -> Result<()> {
        match &self.queue {
            Some(queue) => {
                // The other end takes all that comes.
                let _ = queue.send((Arc::clone(file), path.to_owned()));
                Ok(())
            }
            None => sync(&**file, path),
        }
    }

    /// Writes a file of these bytes and hands it over.
    pub(super) fn write(&self, fs: &dyn WriteFs, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = fs.open_write(path, OpenMode::New)?;
        write_all_at(&*file, path, bytes, 0)?;
        self.sync(&file, path)
    }
}

fn sync(file: &dyn WriteFile, path: &Path) -> Result<()> {
    file.sync().map_err(|e| Error::io("sync", path, e))
}
