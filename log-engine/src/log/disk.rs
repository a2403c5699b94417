//! The segments of an open log and how far they are durable: what a ticket holds on to.
//!
//! One sync serves all who wait: whoever finds none under way makes one for everything that was appended until then, and the others
//! wait for it or for the next. A waiter is released only by a sync that began after its bytes were written. A failed sync is the
//! last: nothing tries again, because a second one would succeed without the bytes being on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Waker;

use super::published::{LogEnd, PublishedEnd};
use super::segments::Segments;
use super::tail::Waiters;
use crate::error::{Error, Result};
use crate::fs::WriteFs;
use crate::plant::Fault;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use crate::sync::{ArcSwap, Condvar, Mutex, MutexGuard, PoisonError};
use crate::units::Offset;

/// Segments, start, end and recovery point of an open log.
#[derive(Debug)]
pub(super) struct LogDisk {
    pub(super) fs: Arc<dyn WriteFs>,
    pub(super) dir: PathBuf,
    pub(super) segments: ArcSwap<Segments>,
    start: AtomicI64,
    end: PublishedEnd,
    recovery_point: AtomicI64,
    /// Bytes that were written since the log was opened, and those that lay in segments with unsynced offsets then.
    written: AtomicU64,
    /// How many of them a sync has covered.
    synced: AtomicU64,
    state: Mutex<SyncState>,
    changed: Condvar,
    /// No write is taken: the log is closed, or nobody knows what the disk holds.
    has_ended: AtomicBool,
    /// Who waits at the log's end. Never told with `state` locked: they ask for it.
    pub(super) waiters: Waiters,
}

#[derive(Debug, Default)]
struct SyncState {
    is_syncing: bool,
    /// How often the log was cut: a sync that began before a cut says nothing of what came behind it.
    cuts: u64,
    /// Recovery has read what lies below, back to the recovery point, and it may have come from memory alone: a sync of an earlier
    /// process may have failed. Read back from the disk by the first sync that covers it.
    believed: Option<Offset>,
    /// The last cut and those before it, until something behind it is durable.
    cut: Option<Cut>,
    /// Where the log start took the recovery point along, until a sync covers what it passed.
    passed: Option<Passed>,
    ended: Option<Ended>,
    /// Base offsets of full segments whose last index entries no sync has covered yet.
    unsynced_seals: BTreeSet<Offset>,
    /// Who is woken when the log is durable up to an offset.
    wakers: BTreeMap<Offset, Vec<Waker>>,
}

/// A cut before an offset. A batch is never cut: the one that holds the offset goes whole, and no batch ever holds the offsets between.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// The offset behind the last batch that stayed, or a lower one.
    stored: Offset,
    /// Where the log was cut.
    at: Offset,
}

/// Offsets that lie below the log start and were not durable when it rose. Nobody reads them, but recovery does: what a crash tears
/// there is no damage.
#[derive(Clone, Copy, Debug)]
struct Passed {
    from: Offset,
    to: Offset,
}

/// Whether a sync takes the indexes of the last segment, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// Why nothing more becomes durable.
#[derive(Clone, Debug)]
enum Ended {
    Closed,
    Failed(String),
}

impl LogDisk {
    pub(super) fn new(
        fs: Arc<dyn WriteFs>,
        dir: PathBuf,
        segments: Segments,
        start: Offset,
        end: Offset,
        recovery_point: Offset,
    ) -> Self {
        let (base, size) = segments.last().map_or((end, 0), |active| (active.base(), active.size()));
        let unsynced =
            segments.holding(recovery_point, end.next()).fold(0_u64, |sum, one| sum.saturating_add(one.size()));
        Self {
            written: AtomicU64::new(unsynced),
            synced: AtomicU64::new(0),
            fs,
            dir,
            segments: ArcSwap::from_pointee(segments),
            start: AtomicI64::new(start.get()),
            end: PublishedEnd::new(LogEnd { offset: end, base, position: size, cuts: 0 }),
            recovery_point: AtomicI64::new(recovery_point.get()),
            state: Mutex::default(),
            changed: Condvar::new(),
            has_ended: AtomicBool::new(false),
            waiters: Waiters::default(),
        }
    }

    /// What was read below the log's end when it was opened may have come from memory: nothing of it is promised before it was read
    /// from the disk.
    pub(super) fn believes_memory(&self) {
        let mut state = self.state();
        if state.passed.is_some() || self.recovery_point() < self.end() {
            state.believed = Some(self.end());
        }
    }

    pub(super) fn start(&self) -> Offset {
        Offset::new(self.start.load(Ordering::Acquire))
    }

    pub(super) fn set_start(&self, start: Offset) {
        self.start.store(start.get(), Ordering::Release);
    }

    pub(super) fn end(&self) -> Offset {
        self.log_end().offset
    }

    pub(super) fn log_end(&self) -> LogEnd {
        self.end.load()
    }

    /// The next append goes into the new segment `active`.
    pub(super) fn rolled_to(&self, active: Offset) {
        self.end.store(LogEnd { base: active, position: 0, ..self.log_end() });
    }

    pub(super) fn recovery_point(&self) -> Offset {
        Offset::new(self.recovery_point.load(Ordering::Acquire))
    }

    /// The recovery point as it may be written down: what recovery finds torn from there on may be the crash's.
    pub(super) fn safe_recovery_point(&self) -> Offset {
        if Fault::RecoveryPointTooFar.is_planted() {
            return self.end();
        }
        let mut safe = self.recovery_point();
        {
            let state = self.state();
            let passed = state.passed.map(|passed| passed.from);
            let bounds = [state.unsynced_seals.first().copied(), state.cut.map(|cut| cut.stored), passed];
            safe = bounds.into_iter().flatten().fold(safe, Offset::min);
        }
        let segments = self.segments.load();
        match segments.last() {
            // The next roll begins a segment right here and adds to the indexes of this one, unless there is none to come.
            Some(active) if safe == self.end() && active.size() > 0 && !self.has_ended.load(Ordering::Acquire) => {
                Offset::new(safe.get().saturating_sub(1))
            }
            _ => safe,
        }
    }

    /// The segment that begins at `base` is full: what its indexes got at the end is to be synced.
    pub(super) fn sealed(&self, base: Offset) {
        if Fault::SealNotWaitedFor.is_planted() {
            return;
        }
        self.state().unsynced_seals.insert(base);
    }

    /// Everything below `end` is written now, `bytes` more than before; the segment `active` has `size` of them.
    pub(super) fn appended(&self, end: Offset, bytes: u64, active: Offset, size: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.end.store(LogEnd { offset: end, base: active, position: size, cuts: self.log_end().cuts });
    }

    /// Bytes that were written and not synced, or more.
    pub(super) fn unsynced(&self) -> u64 {
        self.written.load(Ordering::Relaxed).saturating_sub(self.synced.load(Ordering::Relaxed))
    }

    /// The log ends at `end` now, `position` bytes into the segment `active`, and what is behind it goes next.
    pub(super) fn cut(&self, end: Offset, active: Offset, position: u64) {
        let mut state = self.state();
        state.cuts = state.cuts.wrapping_add(1);
        let cuts = self.log_end().cuts.wrapping_add(1);
        self.end.store(LogEnd { offset: end, base: active, position, cuts });
        self.recovery_point.fetch_min(end.get(), Ordering::AcqRel);
        self.changed.notify_all();
        let overtaken = state.wakers.split_off(&end.next());
        overtaken.into_values().flatten().for_each(Waker::wake);
    }

    /// The log will be cut at `end`, behind the last batch that stays, which ends before `stored`. What lies behind is not known to be
    /// durable any more; a sync that is under way says nothing of it.
    pub(super) fn lower_recovery_point(&self, end: Offset, stored: Offset) {
        let mut state = self.state();
        // What an earlier cut left before this one still stands as long as nothing behind it is durable.
        let stored = state.cut.map_or(stored, |earlier| earlier.stored.min(stored));
        state.cut = Some(Cut { stored, at: end });
        state.passed = state.passed.map(|passed| Passed { to: passed.to.min(end), ..passed });
        state.cuts = state.cuts.wrapping_add(1);
        self.recovery_point.fetch_min(end.get(), Ordering::AcqRel);
    }

    /// The log begins at `start`: nobody needs to wait for what lies before it.
    ///
    /// Kafka: `UnifiedLog.updateLogStartOffset`.
    pub(super) fn raise_recovery_point(&self, start: Offset) {
        let mut state = self.state();
        let before = Offset::new(self.recovery_point.fetch_max(start.get(), Ordering::AcqRel));
        if before < start {
            let from = state.passed.map_or(before, |earlier| earlier.from.min(before));
            state.passed = Some(Passed { from, to: start });
        }
        self.wake(&mut state);
    }

    /// Nothing more is written: the log was closed.
    pub(super) fn close(&self) {
        self.finish(Ended::Closed);
    }

    /// Nothing more is written: `cause` left the disk in a state that nobody knows.
    pub(super) fn poison(&self, cause: &Error) {
        self.finish(Ended::Failed(cause.to_string()));
    }

    fn finish(&self, ended: Ended) {
        let mut state = self.state();
        state.ended.get_or_insert(ended);
        self.has_ended.store(true, Ordering::Release);
        self.wake(&mut state);
        self.changed.notify_all();
        drop(state);
        self.waiters.notify();
    }

    /// Whether the log takes writes.
    pub(super) fn check(&self) -> Result<()> {
        if !self.has_ended.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.state().ended.clone() {
            None => Ok(()),
            Some(ended) => Err(self.error(ended)),
        }
    }

    fn error(&self, ended: Ended) -> Error {
        match ended {
            Ended::Closed => Error::Closed { path: self.dir.clone() },
            Ended::Failed(cause) => Error::Poisoned { path: self.dir.clone(), cause },
        }
    }

    /// Whether everything below `end` is durable; an error if it never will be.
    pub(super) fn is_durable(&self, end: Offset) -> Result<bool> {
        if self.recovery_point() >= end {
            return Ok(true);
        }
        let state = self.state();
        self.undecided(&state, end).map(|()| false)
    }

    /// An error if what lies below `end` can no longer become durable.
    fn undecided(&self, state: &SyncState, end: Offset) -> Result<()> {
        match state.ended.clone() {
            Some(ended) => Err(self.error(ended)),
            None if end > self.end() => Err(self.overtaken(end)),
            None => Ok(()),
        }
    }

    pub(super) fn overtaken(&self, at: Offset) -> Error {
        Error::Overtaken { at: at.get(), start: self.start().get(), end: self.end().get() }
    }

    /// Lets `waker` be woken when everything below `end` is durable, or never will be; true if that is so already.
    pub(super) fn register(&self, end: Offset, waker: &Waker) -> Result<bool> {
        let mut state = self.state();
        if self.recovery_point() >= end {
            return Ok(true);
        }
        self.undecided(&state, end)?;
        let wakers = state.wakers.entry(end).or_default();
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        Ok(false)
    }

    /// Returns when everything below `end` is durable, and syncs if nobody does. The indexes of the last segment are left for later:
    /// they are made again from its batches if need be.
    pub(super) fn make_durable(&self, end: Offset) -> Result<()> {
        let mut state = self.state();
        loop {
            if self.recovery_point() >= end {
                return Ok(());
            }
            self.undecided(&state, end)?;
            if state.is_syncing {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let target = self.end();
            state = self.sync(state, target, target, Whole::No)?;
        }
    }

    /// Syncs everything below `base`, where a segment begins behind a gap; all below it is durable then.
    pub(super) fn settle(&self, base: Offset) -> Result<()> {
        self.flush(base, base)?;
        self.state().cut = None;
        self.recovery_point.fetch_max(base.get(), Ordering::AcqRel);
        Ok(())
    }

    /// Syncs the segments with offsets below `until`, and says then that all below `reached` is durable.
    ///
    /// Kafka: `UnifiedLog.flush`, `LocalLog.flush`, `LocalLog.markFlushed`.
    pub(super) fn flush(&self, until: Offset, reached: Offset) -> Result<()> {
        let mut state = self.state();
        loop {
            let is_sealed = state.unsynced_seals.first().is_none_or(|sealed| *sealed >= until);
            if until <= self.recovery_point() && is_sealed && state.passed.is_none() {
                return Ok(());
            }
            if let Some(ended) = state.ended.clone() {
                return Err(self.error(ended));
            }
            if !state.is_syncing {
                return self.sync(state, until, reached, Whole::Yes).map(drop);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn sync<'a>(
        &'a self,
        mut state: MutexGuard<'a, SyncState>,
        until: Offset,
        reached: Offset,
        whole: Whole,
    ) -> Result<MutexGuard<'a, SyncState>> {
        state.is_syncing = true;
        let (cuts, written) = (state.cuts, self.written.load(Ordering::Relaxed));
        let covers_all = until >= self.end();
        // A task that waited since before a cut asks for more than there is.
        let reached = reached.min(self.end());
        // What is sealed while the sync is under way waits for the next one.
        let seals: Vec<Offset> = state.unsynced_seals.range(..until).copied().collect();
        let passed = state.passed.map(|passed| passed.from);
        let from = [seals.first().copied(), passed].into_iter().flatten().fold(self.recovery_point(), Offset::min);
        let believed = state.believed;
        drop(state);
        let synced = self.sync_segments(from, until, whole);
        let read_back = match believed.filter(|_| synced.is_ok()) {
            Some(end) => self.read_back(from, until.min(end)),
            None => Ok(()),
        };
        let mut state = self.state();
        state.is_syncing = false;
        self.changed.notify_all();
        // What was cut meanwhile is not there to be read.
        let is_cut = state.cuts != cuts;
        if let Err(error) = synced.and(if is_cut { Ok(()) } else { read_back }) {
            if Fault::SyncRetried.is_planted() {
                return Err(error);
            }
            let cause = error.to_string();
            state.ended.get_or_insert(Ended::Failed(cause));
            self.has_ended.store(true, Ordering::Release);
            self.wake(&mut state);
            drop(state);
            self.waiters.notify();
            return Err(error);
        }
        if covers_all {
            self.synced.fetch_max(written, Ordering::Relaxed);
        }
        for sealed in seals {
            state.unsynced_seals.remove(&sealed);
        }
        if !is_cut {
            state.believed = state.believed.filter(|end| *end > until);
            state.passed = state.passed.filter(|passed| passed.to > until);
            self.recovery_point.fetch_max(reached.get(), Ordering::AcqRel);
            // As long as nothing behind the cut is durable, a crash that tears what comes next leaves the log where its batches end.
            state.cut = state.cut.filter(|cut| reached <= cut.at);
        }
        self.wake(&mut state);
        Ok(state)
    }

    fn sync_segments(&self, from: Offset, until: Offset, whole: Whole) -> Result<()> {
        if Fault::AnswerBeforeSync.is_planted() {
            return Ok(());
        }
        let segments = self.segments.load();
        let active = segments.last().map(|active| active.base());
        let mut is_new = false;
        for segment in segments.holding(from, until) {
            if Fault::FullSegmentNotSynced.is_planted() && active != Some(segment.base()) {
                continue;
            }
            if whole == Whole::No && active == Some(segment.base()) {
                segment.flush_log()?;
            } else {
                segment.flush()?;
            }
            is_new |= segment.base() >= from;
        }
        if is_new && !Fault::NoFolderSync.is_planted() {
            // A new segment's name has to survive before anything in it is promised.
            self.fs.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Whether the disk has what was synced in the segments with offsets from `from` to `until`.
    fn read_back(&self, from: Offset, until: Offset) -> Result<()> {
        if Fault::CacheBelieved.is_planted() {
            return Ok(());
        }
        self.segments.load().holding(from, until).try_for_each(|segment| segment.read_back())
    }

    /// Wakes all who need not wait any longer.
    fn wake(&self, state: &mut SyncState) {
        let is_over = state.ended.is_some();
        let still = if is_over { BTreeMap::new() } else { state.wakers.split_off(&self.recovery_point().next()) };
        for waker in std::mem::replace(&mut state.wakers, still).into_values().flatten() {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, SyncState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
