//! What a store does from time to time: waiting tasks, syncs, retention, checkpoint files, folders of deleted partitions.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Store;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::units::{Timestamp, TopicPartition};

/// When what was done last.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) retention: Timestamp,
    pub(super) recovery_points: Timestamp,
    pub(super) high_watermarks: Timestamp,
    /// Folders of deleted partitions and when they may go.
    pub(super) removals: Vec<(Timestamp, PathBuf)>,
}

impl Schedule {
    pub(super) fn new(now: Timestamp, removals: Vec<PathBuf>) -> Self {
        let removals = removals.into_iter().map(|folder| (now, folder)).collect();
        Self { retention: now, recovery_points: now, high_watermarks: now, removals }
    }
}

/// What one round of upkeep did and could not do.
#[derive(Debug, Default)]
pub struct TickReport {
    /// Segments that retention deleted.
    pub segments_deleted: usize,
    /// Folders of deleted partitions that are gone.
    pub folders_removed: usize,
    /// What failed, with the partition where it was one's. It is tried again next time.
    pub failed: Vec<(Option<TopicPartition>, Error)>,
}

/// True every `interval` milliseconds, and then `last` is `now`.
fn is_due(last: &mut Timestamp, now: Timestamp, interval: i64) -> bool {
    let waited = now.get().saturating_sub(last.get());
    // A clock that was set back starts the interval anew.
    let due = waited >= interval || waited < 0;
    if due {
        *last = now;
    }
    due
}

impl Store {
    /// Does what is due at the clock's time. Call it every second or so, or let [`Self::spawn_upkeep`] do it.
    pub fn tick(&self) -> TickReport {
        let mut report = TickReport::default();
        let now = self.options.clock.wall();
        let (retention, recovery_points, high_watermarks) = {
            let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
            (
                is_due(&mut schedule.retention, now, self.options.retention_check_interval_ms),
                is_due(&mut schedule.recovery_points, now, self.options.recovery_point_interval_ms),
                is_due(&mut schedule.high_watermarks, now, self.options.high_watermark_interval_ms),
            )
        };
        for (name, log) in self.logs() {
            let mut done = log.tick();
            if retention && done.is_ok() {
                done = log.delete_old_segments().map(|deleted| {
                    report.segments_deleted = report.segments_deleted.saturating_add(deleted);
                });
            }
            if let Err(error) = done {
                report.failed.push((Some(name), error));
            }
        }
        if recovery_points {
            let written = self.write_recovery_points();
            report.failed.extend(written.err().map(|error| (None, error)));
        }
        if high_watermarks {
            let written = self.write_high_watermarks();
            report.failed.extend(written.err().map(|error| (None, error)));
        }
        self.remove_folders(now, &mut report);
        report
    }

    fn logs(&self) -> Vec<(TopicPartition, Arc<Log>)> {
        self.partitions().iter().map(|(name, partition)| (name.clone(), Arc::clone(&partition.log))).collect()
    }

    /// Lets a thread do the upkeep every `period`, until the result is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives no thread.
    pub fn spawn_upkeep(self: &Arc<Self>, period: Duration) -> Result<Upkeep> {
        let stop = Arc::new(Stop::default());
        let (store, flag) = (Arc::clone(self), Arc::clone(&stop));
        let work = move || {
            while !flag.waits(period) {
                store.tick();
            }
        };
        let thread = std::thread::Builder::new().name("log-upkeep".to_owned()).spawn(work);
        let thread = thread.map_err(|e| Error::io("start a thread for", std::path::Path::new("upkeep"), e))?;
        Ok(Upkeep { stop, thread: Some(thread) })
    }
}

/// A thread that does a store's upkeep; it ends when this is dropped.
#[derive(Debug)]
pub struct Upkeep {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // Its panic was told on its own thread.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, Default)]
struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for `period`, or until it is set; whether it is.
    fn waits(&self, period: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is_set, period, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
