//! The salvaged log on its way to the disk: segments with their indexes and snapshots, batch by batch.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::aside::{Aside, Reason};
use super::run::{Entry, Run, changed};
use super::syncer::Syncer;
use super::transactions::{OpenAtGap, Watch};
use crate::batch::Scratch;
use crate::checkpoint::{EpochCheckpoint, PartitionMetadata};
use crate::epoch::LeaderEpochs;
use crate::error::Result;
use crate::fs::{OpenMode, Source, WriteFile, WriteFs, write_all_at};
use crate::inspect::{HELD, MAX_PRODUCERS};
use crate::producer::{Expiry, Marker, ProducerSnapshot, ProducerStates};
use crate::segment::{
    AbortedTxn, DEFAULT_INDEX_INTERVAL, Frame, Indexer, MAX_SEGMENT_BYTES, Scan, SegmentFile, Step, TxnIndexBuilder,
};
use crate::units::{FilePosition, Offset, Timestamp};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;
/// Bytes of a segment that are written before the disk is told to begin with them.
const STRETCH: u64 = 64 << 20;

/// Offsets that the salvaged log does not have.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    pub(super) from: Offset,
    /// Up to, and without; `None` where nobody knows how far the log went on.
    pub(super) until: Option<Offset>,
    /// The run in front of it.
    pub(super) before: Option<Run>,
    /// The run behind it.
    pub(super) behind: Option<Run>,
    pub(super) transactions: Vec<OpenAtGap>,
    pub(super) more_transactions: u64,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) segments: u64,
    pub(super) batches: u64,
    /// Data records; those of control batches are not counted.
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// The first and the last offset; `None` if no batch was kept.
    pub(super) offsets: Option<(Offset, Offset)>,
    /// The offset behind the log.
    pub(super) end: Offset,
    /// Batches that turned out to be impossible when the producers before them were known.
    pub(super) aside: Vec<Aside>,
    pub(super) gaps: Vec<Gap>,
    /// There are so many producers that their state was not written: the next start makes it from the log.
    pub(super) left_out_producers: bool,
}

/// See the file's head.
pub(super) struct Output<'a> {
    fs: &'a dyn WriteFs,
    dir: &'a Path,
    syncer: &'a Syncer,
    done: &'a AtomicU64,
    segment: Option<OpenSegment>,
    states: ProducerStates,
    /// The latest time of a batch: producers are forgotten by it where they are too many.
    latest: Timestamp,
    watch: Watch,
    scratch: Scratch,
    last: Option<Run>,
    written: Written,
}

/// The segment that is being written.
struct OpenSegment {
    base: Offset,
    path: PathBuf,
    file: Arc<dyn WriteFile>,
    /// Bytes that were handed over.
    len: u64,
    /// Those of them that are to be durable.
    handed_over: u64,
    buffer: Vec<u8>,
    indexer: Indexer,
    aborted: TxnIndexBuilder,
}

impl OpenSegment {
    fn end(&self) -> u64 {
        self.len.saturating_add(self.buffer.len() as u64)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len().saturating_add(bytes.len()) > BUFFER {
            self.flush()?;
        }
        if bytes.len() > BUFFER {
            write_all_at(&*self.file, &self.path, bytes, self.len)?;
            self.len = self.len.saturating_add(bytes.len() as u64);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        write_all_at(&*self.file, &self.path, &self.buffer, self.len)?;
        self.len = self.end();
        self.buffer.clear();
        Ok(())
    }
}

impl<'a> Output<'a> {
    /// A log in the empty folder `dir`, of producers as they were before its first batch. `done` counts bytes.
    pub(super) fn new(
        fs: &'a dyn WriteFs,
        dir: &'a Path,
        syncer: &'a Syncer,
        producers: Option<&ProducerSnapshot>,
        done: &'a AtomicU64,
    ) -> Self {
        let mut states =
            producers.map_or_else(ProducerStates::default, |known| ProducerStates::from_snapshot(known, None));
        // Nobody asks how far committed records reach: ended transactions need not be kept.
        states.advance_high_watermark(Offset::new(i64::MAX));
        Self {
            fs,
            dir,
            syncer,
            done,
            segment: None,
            states,
            latest: Timestamp::NONE,
            watch: Watch::default(),
            scratch: Scratch::default(),
            last: None,
            written: Written::default(),
        }
    }

    /// Offsets are missing from `from` on.
    pub(super) fn gap(&mut self, from: Offset, until: Option<Offset>, behind: Option<&Run>) {
        self.watch.gap(&self.states);
        self.written.gaps.push(Gap {
            from,
            until,
            before: self.last.clone(),
            behind: behind.cloned(),
            transactions: Vec::new(),
            more_transactions: 0,
        });
    }

    /// Copies the batches of a run out of `source`. In the source they lie in the segment that begins at `base`: where one begins in the
    /// source, one begins here, too.
    ///
    /// # Errors
    /// [`crate::Error::Io`]; [`crate::Error::Corrupt`] if the source has changed.
    pub(super) fn run(&mut self, source: &Source, run: &Run, base: Offset) -> Result<()> {
        self.begin_at(base, run.first)?;
        let mut scan = Scan::starting_at(source.clone(), FilePosition::new(run.bytes.start)).holding(HELD);
        let mut expected = Some(run.first);
        let mut batches = 0_u64;
        let mut end = run.bytes.start;
        while end < run.bytes.end {
            let position = scan.position();
            let Step::Batch(frame) = scan.next()? else { return Err(changed(source, position)) };
            let entry = Entry::of(&frame, expected).filter(|entry| entry.bytes.1 <= run.bytes.end);
            let entry = entry.ok_or_else(|| changed(source, frame.position()))?;
            self.batch(source, run, &frame, &entry)?;
            (expected, end) = (Some(entry.id.last.next()), entry.bytes.1);
            batches = batches.saturating_add(1);
        }
        if batches != run.batches {
            return Err(changed(source, FilePosition::new(end)));
        }
        self.last = Some(run.clone());
        Ok(())
    }

    /// Begins a segment at `base` unless that would be in front of what is written, or behind `first`.
    fn begin_at(&mut self, base: Offset, first: Offset) -> Result<()> {
        let is_behind = self.written.offsets.is_none_or(|(_, last)| base > last);
        match &self.segment {
            None => self.begin(if base <= first { base } else { first }),
            Some(segment) if base > segment.base && is_behind && base <= first => self.begin(base),
            Some(_) => Ok(()),
        }
    }

    /// A segment at `base` behind everything, which stays empty if nothing follows that belongs into it.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub(super) fn segment(&mut self, base: Offset) -> Result<()> {
        self.begin_at(base, base)
    }

    fn begin(&mut self, base: Offset) -> Result<()> {
        self.close()?;
        if base > Offset::ZERO {
            self.snapshot(base)?;
        }
        let path = self.dir.join(SegmentFile::Log.name(base));
        let file = self.fs.open_write(&path, OpenMode::New)?;
        self.segment = Some(OpenSegment {
            base,
            path,
            file,
            len: 0,
            handed_over: 0,
            buffer: Vec::with_capacity(BUFFER),
            indexer: Indexer::new(base, DEFAULT_INDEX_INTERVAL),
            aborted: TxnIndexBuilder::new(base),
        });
        self.written.segments = self.written.segments.saturating_add(1);
        self.written.end = self.written.end.max(base);
        Ok(())
    }

    fn batch(&mut self, source: &Source, run: &Run, frame: &Frame<'_>, entry: &Entry) -> Result<()> {
        let is_full = |segment: &OpenSegment| {
            entry.id.last.delta_from(segment.base).is_none()
                || segment.end().saturating_add(frame.len()) > MAX_SEGMENT_BYTES
        };
        if self.segment.as_ref().is_none_or(is_full) {
            self.begin(entry.id.first)?;
        }
        let Some(completed) = self.producer(frame) else {
            self.written.aside.push(Aside::of_batch(run.place, entry, Reason::NotTransactional));
            return Ok(());
        };
        let Some(segment) = &mut self.segment else { return Ok(()) };
        let position = FilePosition::new(segment.end());
        match frame.bytes() {
            Some(bytes) => segment.append(bytes)?,
            None => copy(source, entry.bytes, segment)?,
        }
        let max_timestamp = frame.max_timestamp().unwrap_or(Timestamp::NONE);
        // An index that cannot take an entry is shorter, and leads to the same batches.
        let _ = segment.indexer.add(position, entry.id.last, max_timestamp);
        if let Some(aborted) = completed {
            let _ = segment.aborted.append(&aborted);
        }
        if segment.end().saturating_sub(segment.handed_over) > STRETCH {
            segment.flush()?;
            segment.handed_over = segment.len;
            self.syncer.sync(&segment.file, &segment.path)?;
        }
        self.latest = self.latest.max(max_timestamp);
        self.count(frame, entry);
        Ok(())
    }

    fn count(&mut self, frame: &Frame<'_>, entry: &Entry) {
        let written = &mut self.written;
        written.batches = written.batches.saturating_add(1);
        written.bytes = written.bytes.saturating_add(frame.len());
        if !frame.header().is_some_and(|header| header.attributes().is_control()) {
            written.records = written.records.saturating_add(entry.records);
        }
        let first = written.offsets.map_or(entry.id.first, |(first, _)| first);
        written.offsets = Some((first, entry.id.last));
        written.end = written.end.max(entry.id.last.next());
        self.done.fetch_add(frame.len(), Ordering::Relaxed);
    }

    /// Takes a batch to its producer; the aborted transaction that it ends, if it ends one. `None` if it cannot be.
    fn producer(&mut self, frame: &Frame<'_>) -> Option<Option<AbortedTxn>> {
        let Some(header) = frame.header().filter(|header| header.producer_id().get() != -1) else { return Some(None) };
        let marker = match header.attributes().is_control() {
            true => frame.batch().and_then(|batch| Marker::of(&batch, &mut self.scratch)).ok().flatten(),
            false => None,
        };
        let completed = self.states.apply(header, marker).ok()?;
        self.watch.saw(header, marker);
        Some(completed.and_then(|completed| completed.aborted_txn()))
    }

    /// Writes the state of the producers at `offset`.
    fn snapshot(&mut self, offset: Offset) -> Result<()> {
        if self.states.iter().nth(MAX_PRODUCERS).is_some() {
            self.states.expire(Expiry::at(self.latest));
        }
        if self.states.iter().nth(MAX_PRODUCERS).is_some() {
            self.written.left_out_producers = true;
            return Ok(());
        }
        let path = self.dir.join(SegmentFile::Snapshot.name(offset));
        self.syncer.write(self.fs, &path, &self.states.snapshot().encode())
    }

    /// Finishes the segment.
    fn close(&mut self) -> Result<()> {
        let Some(mut segment) = self.segment.take() else { return Ok(()) };
        segment.flush()?;
        self.syncer.sync(&segment.file, &segment.path)?;
        let file = |kind: SegmentFile| self.dir.join(kind.name(segment.base));
        let (indexes, _) = segment.indexer.finish();
        self.syncer.write(self.fs, &file(SegmentFile::OffsetIndex), indexes.offsets.bytes())?;
        self.syncer.write(self.fs, &file(SegmentFile::TimeIndex), indexes.times.bytes())?;
        let aborted = segment.aborted.finish(&SegmentFile::TxnIndex.name(segment.base));
        if !aborted.bytes().is_empty() {
            self.syncer.write(self.fs, &file(SegmentFile::TxnIndex), aborted.bytes())?;
        }
        Ok(())
    }

    /// Finishes the log: when its files are synced, everything in it is durable, under the names that it has now.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub(super) fn finish(mut self, epochs: &LeaderEpochs, metadata: Option<&PartitionMetadata>) -> Result<Written> {
        let last_base = self.segment.as_ref().map(|segment| segment.base);
        self.close()?;
        let end = self.written.end;
        // An empty last segment has its own already.
        if end > Offset::ZERO && last_base != Some(end) {
            self.snapshot(end)?;
        }
        let epochs = epochs.to_checkpoint().encode();
        self.syncer.write(self.fs, &self.dir.join(EpochCheckpoint::FILE_NAME), &epochs)?;
        if let Some(metadata) = metadata {
            self.syncer.write(self.fs, &self.dir.join(PartitionMetadata::FILE_NAME), &metadata.encode())?;
        }
        self.fs.sync_dir(self.dir)?;
        for (gap, (named, more)) in self.written.gaps.iter_mut().zip(self.watch.finish()) {
            (gap.transactions, gap.more_transactions) = (named, more);
        }
        Ok(self.written)
    }
}

/// Copies a batch that is too large to hold.
fn copy(source: &Source, (start, end): (u64, u64), segment: &mut OpenSegment) -> Result<()> {
    let mut piece = vec![0; BUFFER];
    let mut at = start;
    while at < end {
        let wanted = usize::try_from(end.saturating_sub(at)).unwrap_or(BUFFER).min(BUFFER);
        let read = source.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(changed(source, FilePosition::new(at)));
        }
        segment.append(piece.get(..read).unwrap_or_default())?;
        at = at.saturating_add(read as u64);
    }
    Ok(())
}
