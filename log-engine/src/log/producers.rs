//! The producers of an open log and the snapshots of them in its folder.
//!
//! Kafka: `ProducerStateManager`, as far as it has to do with files, and `UnifiedLog.rebuildProducerState`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::segments::Segments;
use crate::batch::{MIN_SIZE, Scratch, Stop};
use crate::error::{Error, Malformed, Result, Rule};
use crate::fs::{Fs, Kind, OpenMode, Source, WriteFs, write_all_at};
use crate::producer::{CompletedTransaction, Expiry, MAX_SNAPSHOT_BYTES, Marker, ProducerSnapshot, ProducerStates};
use crate::segment::{Frame, Leftover, Scan, Segment, SegmentFile, SegmentName, Step};
use crate::units::Offset;

/// The state of all producers before an offset, and which snapshots there are.
#[derive(Debug)]
pub(crate) struct Producers {
    dir: PathBuf,
    states: ProducerStates,
    /// The state is that before this offset.
    map_end: Offset,
    /// The newest snapshot that was read or written; no older state is written down again.
    last_snapshot: Offset,
    snapshots: BTreeSet<Offset>,
    scratch: Scratch,
}

impl Producers {
    /// Nobody, of a log in the folder `dir` whose snapshots are these.
    pub(crate) fn new(dir: &Path, snapshots: BTreeSet<Offset>) -> Self {
        Self {
            dir: dir.to_owned(),
            states: ProducerStates::default(),
            map_end: Offset::ZERO,
            last_snapshot: Offset::ZERO,
            snapshots,
            scratch: Scratch::default(),
        }
    }

    pub(crate) const fn states(&self) -> &ProducerStates {
        &self.states
    }

    pub(crate) const fn states_mut(&mut self) -> &mut ProducerStates {
        &mut self.states
    }

    /// The state is that before this offset.
    pub(crate) const fn map_end(&self) -> Offset {
        self.map_end
    }

    /// The state is now that before `end`.
    pub(crate) const fn update_map_end(&mut self, end: Offset) {
        self.map_end = end;
    }

    fn path(&self, offset: Offset) -> PathBuf {
        self.dir.join(SegmentFile::Snapshot.name(offset))
    }

    /// Writes the state down if it is newer than the last snapshot; where. With `sync` it is durable when this returns, except for its
    /// name. A torn one is known by its checksum.
    ///
    /// Kafka: `ProducerStateManager.takeSnapshot`.
    pub(crate) fn take_snapshot(&mut self, fs: &dyn WriteFs, sync: bool) -> Result<Option<PathBuf>> {
        if self.map_end <= self.last_snapshot {
            return Ok(None);
        }
        let path = self.path(self.map_end);
        let file = fs.open_write(&path, OpenMode::Any)?;
        file.set_len(0).map_err(|e| Error::io("truncate", &path, e))?;
        write_all_at(file.as_ref(), &path, &self.states.snapshot().encode(), 0)?;
        if sync {
            file.sync().map_err(|e| Error::io("sync", &path, e))?;
        }
        self.snapshots.insert(self.map_end);
        self.last_snapshot = self.map_end;
        Ok(Some(path))
    }

    /// The log begins at `start` now.
    ///
    /// Kafka: `ProducerStateManager.onLogStartOffsetIncremented`.
    pub(crate) fn on_log_start_incremented(&mut self, start: Offset) {
        self.states.forget_completed_before(start);
        self.map_end = self.map_end.max(start);
        self.last_snapshot = self.snapshots.last().copied().unwrap_or(start);
    }

    /// Nobody, at the start of a log that begins anew at `offset`.
    ///
    /// Kafka: `ProducerStateManager.truncateFullyAndStartAt`.
    pub(crate) fn truncate_fully_and_start_at(&mut self, fs: &dyn WriteFs, offset: Offset) -> Result<()> {
        self.states.reload(None, None);
        for snapshot in std::mem::take(&mut self.snapshots) {
            remove_if_there(fs, &self.path(snapshot))?;
        }
        self.last_snapshot = Offset::ZERO;
        self.map_end = offset;
        Ok(())
    }

    /// Removes snapshots that belong to no segment, except the newest of these if no segment begins behind it.
    ///
    /// Kafka: `ProducerStateManager.removeStraySnapshots`.
    pub(crate) fn remove_stray_snapshots(&mut self, fs: &dyn WriteFs, segments: &Segments) -> Result<()> {
        self.stray(segments).into_iter().try_for_each(|snapshot| self.remove_snapshot(fs, snapshot))
    }

    fn stray(&self, segments: &Segments) -> Vec<Offset> {
        let mut stray: Vec<Offset> = self.snapshots.iter().copied().filter(|at| !segments.contains(*at)).collect();
        if stray.last().is_some_and(|newest| segments.last().is_none_or(|last| *newest >= last.base())) {
            stray.pop();
        }
        stray
    }

    fn remove_snapshot(&mut self, fs: &dyn WriteFs, snapshot: Offset) -> Result<()> {
        self.snapshots.remove(&snapshot);
        remove_if_there(fs, &self.path(snapshot))
    }

    /// Gives the snapshots of segments that begin at `bases` a `.deleted` name; the new names.
    ///
    /// Kafka: `ProducerStateManager.removeAndMarkSnapshotForDeletion`.
    pub(crate) fn mark_snapshots_deleted(&mut self, fs: &dyn WriteFs, bases: &[Offset]) -> Result<Vec<PathBuf>> {
        let mut marked = Vec::new();
        for base in bases {
            if !self.snapshots.remove(base) {
                continue;
            }
            let from = self.path(*base);
            let to = self.dir.join(SegmentFile::Snapshot.name(*base) + Leftover::Deleted.suffix());
            if fs.stat(&from)?.is_some() {
                fs.rename(&from, &to)?;
                marked.push(to);
            }
        }
        Ok(marked)
    }

    /// Makes the state that before `target`, in a log with these segments that begins at `log_start`: from the newest snapshot that
    /// can be read and the batches behind it. Behind a clean stop a log without any snapshot has no producers.
    ///
    /// Kafka: `UnifiedLog.rebuildProducerState`.
    pub(crate) fn rebuild(
        &mut self,
        fs: &dyn WriteFs,
        segments: &Segments,
        log_start: Offset,
        target: Offset,
        is_clean: bool,
        expiry: Expiry,
    ) -> Result<()> {
        let last_two = segments.iter().rev().take(2).map(|segment| segment.base());
        let mut wanted: Vec<Offset> = last_two.collect();
        wanted.reverse();
        wanted.push(target);
        if is_clean && self.snapshots.is_empty() {
            for offset in wanted {
                self.map_end = offset;
                self.take_snapshot(fs, true)?;
            }
            return Ok(());
        }
        let was_empty = self.states.iter().next().is_none() && self.map_end >= target;
        self.truncate_and_reload(fs, log_start, target, expiry)?;
        if target > self.map_end && !was_empty {
            let holding: Vec<_> = segments.holding(self.map_end, target).cloned().collect();
            for segment in holding {
                let start = segment.base().max(self.map_end).max(log_start);
                self.map_end = start;
                if wanted.contains(&segment.base()) {
                    self.take_snapshot(fs, true)?;
                }
                let is_last = segments.floor(target).is_some_and(|last| last.base() == segment.base());
                self.replay(&segment, start, is_last.then_some(target))?;
            }
        }
        self.map_end = target;
        self.take_snapshot(fs, true)?;
        Ok(())
    }

    /// Kafka: `ProducerStateManager.truncateAndReload`.
    fn truncate_and_reload(
        &mut self,
        fs: &dyn WriteFs,
        log_start: Offset,
        target: Offset,
        expiry: Expiry,
    ) -> Result<()> {
        let gone: Vec<Offset> = self.snapshots.iter().copied().filter(|at| *at > target || *at <= log_start).collect();
        gone.into_iter().try_for_each(|snapshot| self.remove_snapshot(fs, snapshot))?;
        if target == self.map_end {
            self.on_log_start_incremented(log_start);
            return Ok(());
        }
        let (newest, snapshot) = self.newest_snapshot(fs, log_start, target)?;
        let unreadable: Vec<Offset> = self.snapshots.range(newest.next()..).copied().collect();
        unreadable.into_iter().try_for_each(|snapshot| self.remove_snapshot(fs, snapshot))?;
        self.states.reload(snapshot.as_ref(), Some(expiry));
        (self.map_end, self.last_snapshot) = (newest, newest);
        Ok(())
    }

    /// The newest snapshot of a log from `log_start` to `target` that can be read, and the offset before which its state is; `log_start`
    /// without one.
    fn newest_snapshot(
        &self,
        fs: &dyn WriteFs,
        log_start: Offset,
        target: Offset,
    ) -> Result<(Offset, Option<ProducerSnapshot>)> {
        for at in self.snapshots.iter().rev().copied().filter(|at| *at > log_start && *at <= target) {
            match read_snapshot(fs, &self.path(at)) {
                Ok(snapshot) => return Ok((at, Some(snapshot))),
                Err(Error::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((log_start, None))
    }

    /// Fails where [`Self::rebuild`] would for what it reads, and changes no file. Segments that `is_checked` says yes to are known to
    /// be sound: if there are no others behind the newest snapshot, nothing is read.
    pub(crate) fn rehearse(
        mut self,
        fs: &dyn WriteFs,
        segments: &Segments,
        (log_start, target): (Offset, Offset),
        expiry: Expiry,
        is_checked: impl Fn(&Segment) -> bool,
    ) -> Result<()> {
        for stray in self.stray(segments) {
            self.snapshots.remove(&stray);
        }
        let (newest, snapshot) = self.newest_snapshot(fs, log_start, target)?;
        self.map_end = newest;
        self.states.reload(snapshot.as_ref(), Some(expiry));
        let holding: Vec<_> = segments.holding(self.map_end, target).cloned().collect();
        if holding.iter().all(|segment| is_checked(segment)) {
            return Ok(());
        }
        let from = self.map_end;
        // Where the log ends is looked up in the last segment's index. One that was checked gets a new index before that.
        let last = segments.floor(target).filter(|last| !is_checked(last)).map(|last| last.base());
        holding.iter().try_for_each(|segment| {
            let until = (last == Some(segment.base())).then_some(target);
            self.replay(segment, segment.base().max(from), until)
        })
    }

    /// Applies the batches of a segment from the one that holds `start` on, up to the one that holds `until`.
    fn replay(&mut self, segment: &Segment, start: Offset, until: Option<Offset>) -> Result<()> {
        let Some(first) = segment.translate(start)? else { return Ok(()) };
        let end = match until {
            Some(until) => segment.translate(until)?.map(|found| found.position.get()),
            None => None,
        };
        let source = segment.source()?;
        let source = match end {
            Some(end) => source.bounded(end),
            None => source,
        };
        let mut scan = Scan::starting_at(source, first.position);
        loop {
            let (position, applied) = match scan.next()? {
                Step::Batch(frame) => (frame.position(), self.apply(&frame)),
                Step::Stop(Stop::Size { size }) => {
                    let rule = Rule::SizeTooSmall { size, minimum: MIN_SIZE };
                    return Err(Error::corrupt(&segment.path(), scan.position(), rule));
                }
                Step::Stop(_) => return Ok(()),
            };
            applied.map_err(|malformed| malformed.in_file(&segment.path(), position))?;
        }
    }

    /// Takes one batch in as a follower does; the transaction that it ends, if it ends one.
    pub(crate) fn apply(&mut self, frame: &Frame<'_>) -> std::result::Result<Option<CompletedTransaction>, Malformed> {
        let Some(header) = frame.header().filter(|header| header.has_producer()) else {
            return Ok(None);
        };
        let marker = match header.attributes().is_control() {
            true => Marker::of(&frame.batch()?, &mut self.scratch)?,
            false => None,
        };
        self.states.apply(header, marker)
    }
}

/// The offsets of the snapshots in a folder.
pub(crate) fn snapshots_in(fs: &dyn Fs, dir: &Path) -> Result<BTreeSet<Offset>> {
    let names = fs.list(dir)?.into_iter().filter(|entry| entry.stat.kind == Kind::File);
    let parsed = names.filter_map(|entry| SegmentName::parse(entry.name.to_str()?));
    Ok(parsed
        .filter(|name| name.file == SegmentFile::Snapshot && name.leftover.is_none())
        .map(|name| name.base)
        .collect())
}

/// A snapshot as it stands on the disk.
pub(crate) fn read_snapshot(fs: &dyn Fs, path: &Path) -> Result<ProducerSnapshot> {
    ProducerSnapshot::decode(&Source::open(fs, path)?.read_all(MAX_SNAPSHOT_BYTES)?, path)
}

/// Makes a snapshot that was written earlier durable, unless it is gone.
pub(super) fn sync_snapshot(fs: &dyn WriteFs, path: &Path) -> Result<()> {
    if fs.stat(path)?.is_none() {
        return Ok(());
    }
    fs.open_write(path, OpenMode::Existing)?.sync().map_err(|e| Error::io("sync", path, e))
}

/// Removes a file, unless it is gone.
pub(super) fn remove_if_there(fs: &dyn WriteFs, path: &Path) -> Result<()> {
    if fs.stat(path)?.is_some() { fs.remove(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
