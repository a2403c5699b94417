//! Cutting the log's end off, or all of it, and the state that must follow.
//!
//! Segments go newest first, then the last one is cut and synced, so that a crash on the way leaves the log before it as it was, or a
//! prefix of it that holds everything below the target.

use std::sync::Arc;

use super::Log;
use super::metadata::OffsetMetadata;
use super::state::Writer;
use super::tasks::Task;
use crate::error::Result;
use crate::plant::Fault;
use crate::segment::Segment;
use crate::sync::atomic::Ordering;
use crate::units::Offset;

impl Log {
    /// Cuts the log so that it ends before `offset`; whether it was longer.
    ///
    /// With batches `[0..9] [10..19] [20..29]`: `truncate_to(20)` leaves `[0..9] [10..19]`; so does `truncate_to(15)` leave `[0..9]`,
    /// because a batch is never cut, but the log's end is 15. Producers and leader epochs follow; a log start or high watermark
    /// above the target comes down to it. Durable when it returns.
    ///
    /// # Errors
    /// [`crate::Error::Io`]: then the log takes no more writes until it is opened again.
    ///
    /// Kafka: `UnifiedLog.truncateTo`.
    pub fn truncate_to(&self, offset: Offset) -> Result<bool> {
        let mut writer = self.writer()?;
        if offset < Offset::ZERO {
            return Err(self.out_of_range(offset));
        }
        if offset >= self.end() {
            // An election may have noted an epoch that begins where nothing was ever written.
            let end = self.end();
            self.cut_epochs(&mut writer, end);
            return Ok(false);
        }
        writer.stored_end = self.lower_recovery_point(offset)?;
        let cut = self.cut_to(&mut writer, offset);
        self.disk.waiters.notify();
        self.poisoning(cut)?;
        Ok(true)
    }

    /// Cuts the log to its high watermark, as a follower does whose leader knows no epochs.
    ///
    /// # Errors
    /// As [`Self::truncate_to`].
    pub fn truncate_to_high_watermark(&self) -> Result<bool> {
        self.truncate_to(self.high_watermark())
    }

    /// Removes everything; the log begins anew at `offset`, or with a log start of its own.
    ///
    /// # Errors
    /// As [`Self::truncate_to`].
    ///
    /// Kafka: `UnifiedLog.truncateFullyAndStartAt`.
    pub fn truncate_fully_and_start_at(&self, offset: Offset, log_start: Option<Offset>) -> Result<()> {
        let mut writer = self.writer()?;
        if offset < Offset::ZERO {
            return Err(self.out_of_range(offset));
        }
        self.lower_recovery_point(offset)?;
        writer.stored_end = offset;
        let cut = self.restart_at(&mut writer, offset, log_start);
        self.disk.waiters.notify();
        self.poisoning(cut)
    }

    fn cut_to(&self, writer: &mut Writer, offset: Offset) -> Result<()> {
        let segments = Arc::clone(&self.segments());
        if segments.first().is_none_or(|first| first.base() > offset) {
            return self.restart_at(writer, offset, None);
        }
        let gone: Vec<_> = segments.range(offset.next()..).cloned().collect();
        let bases: Vec<Offset> = gone.iter().map(|segment| segment.base()).collect();
        let kept = segments.without(&bases);
        let Some(active) = kept.last().cloned() else {
            return self.restart_at(writer, offset, None);
        };
        if self.high_watermark() > offset {
            // Transactions that were decided behind the cut are open again. Until it is known which, none counts as decided.
            self.first_unstable.store(Some(Arc::new(OffsetMetadata::only(self.start()))));
        }
        let cut = active.begin_cut(offset, |stays| self.disk.cut(offset, active.base(), stays))?;
        self.store_segments(kept);
        writer.active = Arc::clone(&active);
        gone.iter().for_each(|segment| segment.overtake());
        if let Some(last) = gone.last() {
            last.allocate_indexes()?;
        }
        // Newest first: what is left is a prefix of the log after any crash.
        self.delete_segments_later(gone.into_iter().rev().collect())?;
        active.finish_cut(cut, self.now())?;
        if !Fault::CutNotSynced.is_planted() {
            active.flush_log()?;
        }
        self.fs().sync_dir(self.dir())?;
        self.delete_snapshots_later(writer, &bases)?;
        self.cut_epochs(writer, offset);
        self.disk.set_start(self.start().min(offset));
        self.rebuild_producers(writer, offset)?;
        if self.high_watermark() >= self.end() {
            let end = self.end_metadata(writer);
            self.update_high_watermark(writer, end)?;
        }
        Ok(())
    }

    fn restart_at(&self, writer: &mut Writer, offset: Offset, log_start: Option<Offset>) -> Result<()> {
        // Nothing lies between the start and the end until all is gone.
        self.disk.set_start(self.start().max(offset));
        self.disk.cut(offset, offset, 0);
        let segments = Arc::clone(&self.segments());
        let mut gone: Vec<_> = segments.iter().cloned().collect();
        gone.iter().for_each(|segment| segment.overtake());
        let old = gone.pop();
        let bases: Vec<Offset> = gone.iter().map(|segment| segment.base()).collect();
        self.store_segments(segments.without(&bases));
        self.delete_segments_later(gone.into_iter().rev().collect())?;
        match old {
            Some(old) => drop(self.replace_segment(writer, &old, offset)?),
            None => drop(self.add_segment(writer, offset)?),
        }
        self.fs().sync_dir(self.dir())?;
        writer.epochs = crate::epoch::LeaderEpochs::default();
        self.write_epochs(writer)?;
        writer.producers.truncate_fully_and_start_at(self.fs(), offset)?;
        self.disk.set_start(log_start.unwrap_or(offset));
        self.rebuild_producers(writer, offset)?;
        let end = self.end_metadata(writer);
        self.update_high_watermark(writer, end)?;
        Ok(())
    }

    /// What will be written from `offset` on is not durable: that is written down before the log is cut. The offset behind the last
    /// batch that stays.
    pub(super) fn lower_recovery_point(&self, offset: Offset) -> Result<Offset> {
        // A batch is never cut: the one that holds the target goes whole, and the log's bytes end before it.
        let segments = Arc::clone(&self.segments());
        let found = segments.floor(offset).map(|segment| segment.end_below(offset)).transpose()?;
        let stored = found.map_or(offset, |stored| stored.min(offset));
        self.disk.lower_recovery_point(offset, stored);
        if Fault::RecoveryPointNotLowered.is_planted() {
            return Ok(stored);
        }
        self.checkpoint.as_ref().map_or(Ok(()), |checkpoint| checkpoint.write())?;
        Ok(stored)
    }

    /// A new segment at `base` instead of `old`, which is deleted later.
    ///
    /// Kafka: `LocalLog.createAndDeleteSegment`.
    pub(super) fn replace_segment(
        &self,
        writer: &mut Writer,
        old: &Arc<Segment>,
        base: Offset,
    ) -> Result<Arc<Segment>> {
        old.allocate_indexes()?;
        if old.base() == base {
            old.mark_deleted()?;
        }
        let segment = self.add_segment(writer, base)?;
        if old.base() != base {
            let without = self.segments().without(&[old.base()]);
            self.store_segments(without);
        }
        self.delete_segments_later(vec![Arc::clone(old)])?;
        Ok(segment)
    }

    fn rebuild_producers(&self, writer: &mut Writer, target: Offset) -> Result<()> {
        let segments = self.segments();
        // As in Kafka, the first unstable offset stays what it was until a watermark or an append moves it.
        self.is_unstable_stale.store(true, Ordering::Release);
        writer.producers.rebuild(self.fs(), &segments, self.start(), target, false, self.expiry())
    }

    /// Gives the files of `segments`, which are in the set no more, a `.deleted` name, in this order; a task removes them. The folder is
    /// synced behind each, so that no crash brings one back and not those that were to go after it.
    pub(super) fn delete_segments_later(&self, segments: Vec<Arc<Segment>>) -> Result<()> {
        if segments.is_empty() {
            return Ok(());
        }
        for segment in &segments {
            segment.mark_deleted()?;
            self.fs().sync_dir(self.dir())?;
        }
        self.submit(Task::RemoveSegments(segments), self.config.load().file_delete_delay_ms);
        Ok(())
    }

    /// The same for the snapshots of segments that began at `bases`.
    pub(super) fn delete_snapshots_later(&self, writer: &mut Writer, bases: &[Offset]) -> Result<()> {
        let snapshots = writer.producers.mark_snapshots_deleted(self.fs(), bases)?;
        self.submit(Task::RemoveSnapshots(snapshots), self.config.load().file_delete_delay_ms);
        Ok(())
    }
}
