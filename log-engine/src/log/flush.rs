//! From *written* to *durable*: syncs, and the recovery point that says how far they reached.

use super::Log;
use super::ticket::Durability;
use crate::error::Result;
use crate::units::Offset;

impl Log {
    /// Syncs everything up to the log's end; with `force` an empty last segment, too, which is not needed to keep records.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a sync fails: nothing that it covered is durable, and the log takes no more writes until it is
    /// opened again.
    ///
    /// Kafka: `UnifiedLog.flush`.
    pub fn flush(&self, force: bool) -> Result<()> {
        let end = self.end();
        self.disk.flush(if force { end.next() } else { end }, end)
    }

    /// Syncs behind an append up to `end` if its level of durability asks for it.
    pub(super) fn sync_after_append(&self, end: Offset, level: Durability) -> Result<()> {
        // So that a crash never takes more than recovery expects one to.
        if self.disk.unsynced() > self.config.load().max_unsynced_bytes {
            return self.disk.make_durable(end);
        }
        match level {
            Durability::Os | Durability::Interval(_) => Ok(()),
            Durability::Synced => self.disk.make_durable(end),
            Durability::EveryN(offsets) => {
                let waiting = self.end().get().saturating_sub(self.recovery_point().get());
                let is_due = u64::try_from(waiting).is_ok_and(|waiting| waiting >= offsets);
                if is_due { self.flush(false) } else { Ok(()) }
            }
        }
    }

    /// Does the upkeep whose time has come: waiting tasks, and the sync of [`Durability::Interval`]. Retention is asked for apart
    /// ([`Self::delete_old_segments`]).
    ///
    /// # Errors
    /// As [`Self::run_tasks`] and [`Self::flush`].
    pub fn tick(&self) -> Result<()> {
        self.run_tasks(super::tasks::RunTasks::Due)?;
        let Durability::Interval(interval) = self.config.load().durability else {
            return Ok(());
        };
        let now = self.clock.monotonic();
        let since = {
            let mut last = self.last_interval_sync.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let since = now.saturating_sub(*last);
            if since.as_millis() >= u128::from(interval) {
                *last = now;
            }
            since
        };
        if since.as_millis() >= u128::from(interval) { self.flush(false) } else { Ok(()) }
    }
}
