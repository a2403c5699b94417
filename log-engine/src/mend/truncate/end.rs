//! The end of a log cut off, by the engine, on an overlay.

use std::path::Path;
use std::sync::Arc;

use super::{Subject, TruncateError, Truncation};
use crate::checkpoint::OffsetCheckpoint;
use crate::error::{Error, Result};
use crate::fs::{Fs, WriteFs};
use crate::log::{
    BatchItem, Log, LogConfig, LogReader, ManualClock, OnDamage, OpenOptions, PartitionDirectory, RecoveryMode,
    RunTasks, read_snapshot,
};
use crate::mend::interval::index_interval;
use crate::mend::{Change, Overlay};
use crate::producer::SnapshotEntry;
use crate::segment::{MAX_INDEX_BYTES, SegmentFile, SegmentName};
use crate::units::{Offset, Timestamp};

impl Subject<'_> {
    /// Cuts what lies from `asked` on.
    pub(super) fn cut_end(self, asked: Offset) -> Result<Truncation, TruncateError> {
        if asked < self.start {
            return Err(self.outside(asked));
        }
        if asked >= self.end {
            return Ok(self.unchanged());
        }
        let to = self.whole_batches_below(asked)?;
        let overlay = self.truncated(to)?;
        let new_end = LogReader::open(&overlay, &self.folder.path)?.log_end()?;
        // Nothing is known to lie above the end any more.
        let lowered = |before: Option<Offset>| before.map(|before| before.min(to));
        let follow = [
            OffsetCheckpoint::RECOVERY_POINT,
            OffsetCheckpoint::HIGH_WATERMARK,
            OffsetCheckpoint::CLEANER,
            OffsetCheckpoint::LOG_START,
        ];
        let mut changes = self.places.edited(self.fs.as_ref(), &follow.map(|file| (file, &lowered as _)))?;
        let folder = PartitionDirectory::list(&overlay, &self.folder.path)?;
        let before: u64 = self.folder.logs().map(|(_, bytes)| bytes).sum();
        let after: u64 = folder.logs().map(|(_, bytes)| bytes).sum();
        changes.extend(self.in_order(&overlay)?);
        Ok(Truncation {
            records: self.count(to, Offset::new(i64::MAX))?,
            bytes: before.saturating_sub(after),
            open_transactions: open_transactions(&overlay, &folder, to)?,
            changes,
            log_start: (self.start, self.start.min(new_end)),
            log_end: (self.end, new_end),
            ..self.unchanged()
        })
    }

    /// The end of the last batch that lies below `asked` altogether; the base of the segment if there is none in it.
    fn whole_batches_below(&self, asked: Offset) -> Result<Offset> {
        let mut bases = self.folder.logs().map(|(base, _)| base);
        let base = bases.rfind(|base| *base <= asked).unwrap_or(self.start);
        let mut end = base;
        let mut batches = self.reader.batches(base..asked, OnDamage::GoOn);
        while let Some(item) = batches.next()? {
            if let BatchItem::Batch(found) = item
                && found.batch.last_offset() < asked
            {
                end = end.max(found.batch.last_offset().next());
            }
        }
        Ok(end)
    }

    /// The disk as it is once the log ends at `to`.
    fn truncated(&self, to: Offset) -> Result<Overlay, TruncateError> {
        // Behind a marker the indexes are as a clean stop left them; where they lie about the end, they are made again, as without one.
        if self.places.is_clean
            && let Ok((overlay, log)) = self.open(to, true)
            && log.end() == self.end
        {
            finish(&log, to)?;
            if !self.lacks_times(&overlay)? {
                return Ok(overlay);
            }
        }
        let (overlay, log) = self.open(to, false)?;
        if log.end() < to {
            return Err(TruncateError::Damaged { asked: to, end: log.end() });
        }
        finish(&log, to)?;
        Ok(overlay)
    }

    /// True if no entry of the last time index is left although there are batches: a cut takes entries away and makes none.
    fn lacks_times(&self, overlay: &Overlay) -> Result<bool> {
        let folder = PartitionDirectory::list(overlay, &self.folder.path)?;
        let last = folder.segments.values().next_back();
        Ok(last.is_some_and(|files| files.log.is_some_and(|bytes| bytes > 0) && files.time_index == Some(0)))
    }

    /// Lets the engine open the log on an overlay. Unless it is `clean`, the segment that holds `to` is checked, and those behind it, which
    /// go.
    fn open(&self, to: Offset, clean: bool) -> Result<(Overlay, Log)> {
        let overlay = Overlay::new(Arc::clone(self.fs), self.now);
        let config = LogConfig {
            index_interval_bytes: index_interval(self.fs.as_ref(), self.folder, |_| true)?,
            segment_index_bytes: MAX_INDEX_BYTES,
            file_delete_delay_ms: 0,
            // Who was idle is in the snapshots, and stays there.
            producer_id_expiration_ms: i64::MAX,
            ..LogConfig::default()
        };
        let options = OpenOptions {
            mode: RecoveryMode::Kafka,
            clean,
            recovery_point: to,
            log_start: self.start,
            clock: Arc::new(ManualClock::at(Timestamp::new(0))),
            ..OpenOptions::default()
        };
        let fs: Arc<dyn WriteFs> = Arc::new(overlay.clone());
        let (log, _) = Log::open(fs, &self.folder.path, config, options)?;
        Ok((overlay, log))
    }

    /// What the overlay has changed, in an order in which a log that ends too late becomes one that ends where it should: later segments go
    /// first, the last one before the others; the segment is cut when its indexes do not reach behind the cut any more.
    fn in_order(&self, overlay: &Overlay) -> Result<Vec<Change>> {
        let mut changes = overlay.changes(&self.folder.path)?;
        changes.retain(|change| !self.is_besides(change));
        changes.sort_by_key(|change| match change {
            Change::Rename { .. } => 0,
            Change::Remove { .. } => 1,
            Change::Write { .. } => 2,
            Change::Cut { path, .. } if is_log(path) => 4,
            Change::Cut { .. } => 3,
        });
        let removed =
            changes.iter().take_while(|change| !matches!(change, Change::Write { .. } | Change::Cut { .. })).count();
        if let Some(removed) = changes.get_mut(..removed) {
            removed.reverse();
        }
        Ok(changes.into_iter().map(|change| change.below(&self.places.inside)).collect())
    }

    /// What any opening does, and nobody asked for: leftovers go, an empty epoch file is made.
    fn is_besides(&self, change: &Change) -> bool {
        let name = change.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_leftover = SegmentName::parse(name).is_some_and(|name| name.leftover.is_some());
        is_leftover
            || matches!(change, Change::Write { bytes, .. } if bytes.is_empty() && self.folder.epochs.is_none() && name == crate::checkpoint::EpochCheckpoint::FILE_NAME)
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

/// Cuts, removes what is not needed any more, and leaves the log as a clean stop does.
fn finish(log: &Log, to: Offset) -> Result<()> {
    log.truncate_to(to)?;
    log.run_tasks(RunTasks::All)?;
    log.close()?;
    Ok(())
}

/// Who has a transaction open at the end, by the snapshot that lies there.
fn open_transactions(fs: &dyn Fs, folder: &PartitionDirectory, end: Offset) -> Result<Vec<SnapshotEntry>, Error> {
    if !folder.snapshots.contains_key(&end) {
        return Ok(Vec::new());
    }
    let snapshot = read_snapshot(fs, &folder.file(end, SegmentFile::Snapshot))?;
    Ok(snapshot.entries.into_iter().filter(|entry| entry.txn_first_offset.is_some()).collect())
}
