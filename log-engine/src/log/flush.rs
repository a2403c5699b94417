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

    /// Syncs behind an append up to `end` if its level of durability asks for it, or more than `max_unsynced` bytes are not durable.
    pub(super) fn sync_after_append(&self, end: Offset, level: Durability, max_unsynced: u64) -> Result<()> {
        // So that a crash never takes more than recovery expects one to.
        if self.disk.unsynced() > max_unsynced {
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
            let mut last = self.last_interval_sync.lock().unwrap_or_else(crate::sync::PoisonError::into_inner);
            let since = now.saturating_sub(*last);
            if since.as_millis() >= u128::from(interval) {
                *last = now;
            }
            since
        };
        if since.as_millis() >= u128::from(interval) { self.flush(false) } else { Ok(()) }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::fs::sim::{Outcome, SimFs};
    use crate::log::{AppendAsLeader, Closed, LogConfig, NewRecord, OpenOptions, RunTasks};
    use crate::units::LeaderEpoch;

    /// Length of a file after a crash that leaves nothing but what was synced.
    fn durable_len(fs: &SimFs, name: &str) -> usize {
        fs.after_crash(Outcome::Nothing, 0).files().get(&Path::new("/t-0").join(name)).map_or(0, Vec::len)
    }

    /// A durable append syncs the batches and leaves the index of the last segment for later; no recovery point that is written down
    /// lies behind an index that is not durable.
    #[test]
    fn an_index_is_synced_when_its_segment_is_full_and_the_checkpoint_waits_for_it() {
        let fs = Arc::new(SimFs::with_folder("/"));
        let config = LogConfig { durability: Durability::Synced, index_interval_bytes: 0, ..LogConfig::default() };
        let (log, _) = Log::open(Arc::clone(&fs) as _, Path::new("/t-0"), config, OpenOptions::default()).unwrap();
        let append = || {
            let record = NewRecord { value: Some(b"value"), ..NewRecord::default() };
            log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
        };
        let (first_log, first_index) = ("00000000000000000000.log", "00000000000000000000.index");
        (0..5).for_each(|_| append());
        assert_eq!(durable_len(&fs, first_log) as u64, log.size());
        assert_eq!(durable_len(&fs, first_index), 0);
        assert_eq!(log.recovery_checkpoint(), Offset::new(4), "the last segment's index is made again in any case");

        assert_eq!(log.roll().unwrap(), Offset::new(5));
        assert_eq!(log.recovery_point(), Offset::new(5));
        assert_eq!(log.checkpoints().recovery_point, Offset::ZERO);
        log.run_tasks(RunTasks::Due).unwrap();
        assert_eq!(durable_len(&fs, first_index), 4 * 8);
        assert_eq!(log.recovery_checkpoint(), Offset::new(5));

        append();
        log.roll().unwrap();
        append();
        assert_eq!(
            durable_len(&fs, "00000000000000000005.timeindex"),
            12,
            "the next durable append does it where no task did"
        );
        assert_eq!(log.recovery_checkpoint(), Offset::new(6));
    }

    /// A cut inside a batch leaves offsets that no batch holds. Recovery ends before them if what comes behind is torn, so the recovery
    /// point that is written down stands before them, too, until something behind them is durable.
    #[test]
    fn a_recovery_point_that_is_written_down_is_one_that_recovery_can_reach() {
        let fs = Arc::new(SimFs::with_folder("/"));
        let options = |recovery_point| OpenOptions { recovery_point, ..OpenOptions::default() };
        let open = |fs: Arc<SimFs>, point| {
            Log::open(fs, Path::new("/t-0"), LogConfig::default(), options(Offset::new(point))).unwrap().0
        };
        let log = open(Arc::clone(&fs), 0);
        let append = |records| {
            let record = NewRecord { value: Some(b"value"), ..NewRecord::default() };
            log.append_records(vec![record; records], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
        };
        append(2);
        append(3);
        log.flush(false).unwrap();
        log.truncate_to(Offset::new(4)).unwrap();
        let points = || (log.end().get(), log.recovery_point().get(), log.recovery_checkpoint().get());
        assert_eq!(points(), (4, 4, 2));
        log.flush(true).unwrap();
        append(1);
        assert_eq!(points(), (5, 4, 2), "the batch 4 is not durable, and recovery may end at 2");
        let torn = Arc::new(fs.after_crash(Outcome::SizeOnly, 0));
        assert_eq!(open(torn, 2).end(), Offset::new(2));
        log.truncate_to(Offset::new(4)).unwrap();
        assert_eq!(points(), (4, 4, 2), "the gap is still the same");
        append(1);
        append(1);
        log.truncate_to(Offset::new(5)).unwrap();
        assert_eq!(points(), (5, 4, 2), "and is there before another cut");
        append(1);
        log.flush(false).unwrap();
        append(1);
        assert_eq!(points(), (7, 6, 6));
    }

    /// A log start passes what was never synced, and the recovery point goes with it as a broker's does. The one that is written down
    /// waits: what a crash tears below it would be damage at the next start.
    #[test]
    fn a_log_start_makes_nothing_durable() {
        let fs = Arc::new(SimFs::with_folder("/"));
        let open = |fs: &Arc<SimFs>, Closed { recovery_point, log_start }: Closed, clean| {
            let known = OpenOptions { recovery_point, log_start, clean, ..OpenOptions::default() };
            Log::open(Arc::clone(fs) as _, Path::new("/t-0"), LogConfig::default(), known).unwrap()
        };
        let nothing = Closed { recovery_point: Offset::ZERO, log_start: Offset::ZERO };
        let append = |log: &Log| {
            let record = NewRecord { value: Some(&[7; 700]), ..NewRecord::default() };
            log.append_records([record; 4], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
        };
        let end_after = |log: &Log, outcome| {
            let fs = Arc::new(fs.after_crash(outcome, 3));
            let (log, report) = open(&fs, log.checkpoints(), false);
            assert_eq!(report.lost_durable, None, "{outcome:?}");
            (log.start().get(), log.end().get())
        };
        let points = |log: &Log| (log.start().get(), log.recovery_point().get(), log.recovery_checkpoint().get());

        let (log, _) = open(&fs, nothing, false);
        append(&log);
        append(&log);
        log.set_high_watermark(Offset::new(8)).unwrap();
        log.delete_records_to(Offset::new(2)).unwrap();
        assert_eq!(points(&log), (2, 2, 0));
        assert_eq!(end_after(&log, Outcome::Nothing), (0, 0));
        assert_eq!(end_after(&log, Outcome::SizeOnly), (0, 0));
        log.delete_records_to(Offset::new(8)).unwrap();
        assert_eq!(points(&log), (8, 8, 0));
        assert_eq!(end_after(&log, Outcome::SizeOnly), (0, 0));

        // The process dies, and what the next one finds is in memory alone.
        let known = log.checkpoints();
        drop(log);
        let (log, _) = open(&fs, known, false);
        assert_eq!(points(&log), (8, 8, 0));
        assert_eq!(end_after(&log, Outcome::SizeOnly), (0, 0));

        let closed = log.close().unwrap();
        let crashed = Arc::new(fs.after_crash(Outcome::Nothing, 0));
        let (log, report) = open(&crashed, closed, true);
        assert_eq!((log.start().get(), log.end().get(), report.lost_durable), (8, 8, None));
        assert!(report.is_untouched(), "{report:?}");
    }

    /// A process dies behind a sync that failed, and the next one finds in memory what the disk does not have: a start that believes it
    /// must not promise it.
    #[test]
    fn what_only_memory_has_behind_a_failed_sync_is_never_promised() {
        let mut lost = 0;
        for seed in 0..50 {
            let fs = Arc::new(SimFs::with_folder("/"));
            let open =
                || Log::open(Arc::clone(&fs) as _, Path::new("/t-0"), LogConfig::default(), OpenOptions::default());
            let append = |log: &Log| {
                let record = NewRecord { value: Some(&[7; 700]), ..NewRecord::default() };
                log.append_records([record], None, &AppendAsLeader::client(LeaderEpoch::new(0))).unwrap();
            };
            let (log, _) = open().unwrap();
            append(&log);
            log.flush(false).unwrap();
            append(&log);
            fs.set_faults(crate::fs::sim::Faults { seed, failing_sync: Some(0), ..Default::default() });
            assert!(log.flush(false).is_err() && log.recovery_point() == Offset::new(1));
            drop(log);

            let (log, _) = open().unwrap();
            assert_eq!(log.end(), Offset::new(2));
            append(&log);
            let flushed = log.flush(false);
            drop(log);
            let crashed = Arc::new(fs.after_crash(Outcome::Nothing, 0));
            let (log, _) = Log::open(crashed, Path::new("/t-0"), LogConfig::default(), OpenOptions::default()).unwrap();
            match flushed {
                Ok(()) => assert_eq!(log.end(), Offset::new(3), "it was promised"),
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt(_)), "{error}");
                    assert_eq!(open().unwrap().0.end(), Offset::new(1), "what is read now is what the disk has");
                    lost += 1;
                }
            }
        }
        assert!((10..50).contains(&lost), "{lost}");
    }
}
