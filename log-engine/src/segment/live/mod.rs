//! One segment that is open in a log: its `.log` file and its indexes, to be read by many while one appends.
//!
//! Readers hold an [`Arc`] and wait for nobody: they see the file up to the published size, which grows once bytes are written.
//! What changes the segment takes `&self` too, but only one caller at a time may do that: who holds the log's append lock. The
//! index of the last segment grows in memory and is appended to its file in groups; those of older ones are mapped, or read if they
//! are small, when they are first asked. An index is a hint: what it points at is looked at before it is believed, and it can be made again.
//!
//! Kafka: `LogSegment`.

mod append;
mod files;
mod index_file;
mod read;
mod recover;
mod truncate;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

pub use read::SegmentRead;
pub use recover::Installed;

use self::append::Writer;
use self::index_file::IndexFile;
use super::entries::IndexEntry;
use super::index_builder::room;
use super::name::{Leftover, SegmentFile};
use super::offset_index::OffsetEntry;
use super::time_index::{TimeEntry, TimestampOffset};
use super::txn_index::AbortedTxn;
use crate::error::{Error, Result, Rule};
use crate::fs::{Kind, OpenMode, Source, WriteFile, WriteFs};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::units::{FilePosition, Offset, Timestamp};

/// The most bytes that a `.log` file may have: positions in it are 31-bit numbers. Kafka: `FileRecords`.
pub const MAX_SEGMENT_BYTES: u64 = i32::MAX as u64;

/// What a segment needs to know of its log's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// An index entry is due when more bytes than this were appended since the last one. Kafka: `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// The most bytes of an index. Kafka: `segment.index.bytes`.
    pub segment_index_bytes: usize,
    /// Steps in bytes by which the `.log` grows ahead of its data, if it does. Kafka: `preallocate`.
    pub preallocate: Option<u64>,
    /// What it grows to at most ahead of its data. Kafka: `segment.bytes`.
    pub segment_bytes: u64,
}

/// What decides whether a segment is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollFacts {
    /// Bytes of its `.log`.
    pub size: u64,
    /// The largest timestamp of its first batch; `None` without a batch.
    pub first_timestamp: Option<Timestamp>,
    /// When it was made, opened, or emptied.
    pub created: Timestamp,
    /// True if an index has no room.
    pub is_index_full: bool,
}

/// A segment that is open in a log.
#[derive(Debug)]
pub struct Segment {
    place: Arc<Place>,
    options: SegmentOptions,
    /// Where the `.log` is while the segment is not deleted.
    log_path: Arc<Path>,
    /// Opened when it is first needed.
    log: OnceLock<Arc<dyn WriteFile>>,
    /// Bytes of the `.log` that are batches: what readers may see.
    size: AtomicU64,
    generation: AtomicU64,
    /// The largest timestamp so far; `None` until it is asked for. Moves together with the size: locked for no system call but the one
    /// that reads the index when it is first asked.
    largest: Mutex<Option<TimestampOffset>>,
    offsets: IndexFile<OffsetEntry>,
    times: IndexFile<TimeEntry>,
    txns: IndexFile<AbortedTxn>,
    writer: Mutex<Writer>,
}

/// Where the files of a segment are.
#[derive(Debug)]
struct Place {
    fs: Arc<dyn WriteFs>,
    dir: PathBuf,
    base: Offset,
    /// True once the files have their `.deleted` names.
    is_deleted: AtomicBool,
}

impl Place {
    fn path(&self, file: SegmentFile) -> PathBuf {
        let mut name = file.name(self.base);
        if self.is_deleted.load(Ordering::Acquire) {
            name.push_str(Leftover::Deleted.suffix());
        }
        self.dir.join(name)
    }
}

impl Segment {
    /// Makes a new, empty segment in the folder `dir`, in the place of files that have its names. The names are written, not durable.
    ///
    /// Kafka: `LocalLog.roll`, `LogSegment.open`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn create(
        fs: &Arc<dyn WriteFs>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let segment = Self::new(fs, dir, base, options, 0, now);
        segment.remove_files()?;
        let path = segment.path();
        let log = fs.open_write(&path, OpenMode::New)?;
        let _ = segment.log.set(log);
        segment.writer().allocated = segment.grown(0, 1);
        segment.offsets.create();
        segment.times.create();
        Ok(segment)
    }

    /// Opens the segment of `dir` that begins at `base`; a missing `.timeindex` is made, and stays empty. Nothing is read.
    ///
    /// Kafka: `LogSegment.open`, `LogSegment.sanityCheck`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses or there is no `.log`; [`Rule::TooLarge`] above [`MAX_SEGMENT_BYTES`].
    pub fn open(
        fs: &Arc<dyn WriteFs>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        now: Timestamp,
    ) -> Result<Self> {
        let path = dir.join(SegmentFile::Log.name(base));
        let stat = fs.stat(&path)?.filter(|stat| stat.kind == Kind::File);
        let Some(stat) = stat else {
            return Err(Error::io("open", &path, std::io::ErrorKind::NotFound.into()));
        };
        let has_times = fs.stat(&dir.join(SegmentFile::TimeIndex.name(base)))?.is_some();
        Self::open_known(fs, dir, base, options, now, stat.len, has_times)
    }

    /// As [`Self::open`], for who knows how long the `.log` is and whether there is a `.timeindex`.
    pub(crate) fn open_known(
        fs: &Arc<dyn WriteFs>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        now: Timestamp,
        len: u64,
        has_times: bool,
    ) -> Result<Self> {
        let segment = Self::new(fs, dir, base, options, len, now);
        if len > MAX_SEGMENT_BYTES {
            let rule = Rule::TooLarge { what: "the segment", limit: MAX_SEGMENT_BYTES };
            return Err(Error::corrupt(&segment.path(), FilePosition::START, rule));
        }
        if !has_times {
            segment.times.create();
            segment.times.len()?;
        }
        Ok(segment)
    }

    fn new(
        fs: &Arc<dyn WriteFs>,
        dir: &Path,
        base: Offset,
        options: &SegmentOptions,
        size: u64,
        now: Timestamp,
    ) -> Self {
        let place =
            Arc::new(Place { fs: Arc::clone(fs), dir: dir.to_owned(), base, is_deleted: AtomicBool::new(false) });
        Self {
            options: *options,
            log_path: place.path(SegmentFile::Log).into(),
            log: OnceLock::new(),
            size: AtomicU64::new(size),
            generation: AtomicU64::new(0),
            largest: Mutex::new(None),
            offsets: IndexFile::new(&place, SegmentFile::OffsetIndex),
            times: IndexFile::new(&place, SegmentFile::TimeIndex),
            txns: IndexFile::new(&place, SegmentFile::TxnIndex),
            writer: Mutex::new(Writer::new(now, size)),
            place,
        }
    }

    /// The offset in the names of its files.
    #[must_use]
    pub fn base(&self) -> Offset {
        self.place.base
    }

    /// Bytes of its `.log` that are batches.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Where its `.log` is now.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.place.path(SegmentFile::Log)
    }

    /// As [`Self::path`], to be held on to.
    pub(crate) fn shared_path(&self) -> Arc<Path> {
        if self.place.is_deleted.load(Ordering::Acquire) { self.path().into() } else { Arc::clone(&self.log_path) }
    }

    /// Rises each time bytes are cut off that readers may have seen: what was found in the segment before may be gone then.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The largest timestamp so far, or when the `.log` was last changed if no batch has a time.
    ///
    /// Kafka: `LogSegment.largestTimestamp`.
    ///
    /// # Errors
    /// As [`Self::max_timestamp`]; [`Error::Io`] where the system does not tell.
    pub fn largest_timestamp(&self) -> Result<Timestamp> {
        let largest = self.max_timestamp()?.timestamp;
        if largest >= Timestamp::new(0) {
            return Ok(largest);
        }
        let stat = self.place.fs.stat(&self.path())?;
        let modified = stat.and_then(|stat| stat.modified).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let millis = modified.and_then(|since| i64::try_from(since.as_millis()).ok());
        Ok(Timestamp::new(millis.unwrap_or(0)))
    }

    /// The largest timestamp so far and the last offset of the first batch that has it. After opening, what the last entry of the
    /// `.timeindex` says; -1 at the base if there is none.
    ///
    /// Kafka: `LogSegment.readMaxTimestampAndOffsetSoFar`.
    ///
    /// # Errors
    /// [`Error::Io`] where the index cannot be read.
    pub fn max_timestamp(&self) -> Result<TimestampOffset> {
        let mut known = self.known_largest();
        match *known {
            Some(largest) => Ok(largest),
            None => Ok(*known.insert(self.times.read(super::TimeIndex::last_entry)?)),
        }
    }

    fn known_largest(&self) -> MutexGuard<'_, Option<TimestampOffset>> {
        self.largest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if an index has no room: the offset index none at all, the time index only that of the segment's last entry.
    ///
    /// # Errors
    /// [`Error::Io`] where an index cannot be read.
    pub fn is_index_full(&self) -> Result<bool> {
        let limit = self.options.segment_index_bytes;
        let is_full = room::<OffsetEntry>(self.offsets.len()?, limit, 0).is_err();
        Ok(is_full || room::<TimeEntry>(self.times.len()?, limit, 1).is_err())
    }

    /// What decides whether the segment is full.
    ///
    /// Kafka: `LogSegment.shouldRoll`, `LogSegment.timeWaitedForRoll`.
    ///
    /// # Errors
    /// [`Error::Io`] where an index or the first batch cannot be read.
    pub fn roll_facts(&self) -> Result<RollFacts> {
        let is_index_full = self.is_index_full()?;
        let mut writer = self.writer();
        if writer.first_timestamp.is_none() {
            writer.first_timestamp = self.read_first_timestamp()?;
        }
        let (first_timestamp, created) = (writer.first_timestamp, writer.created);
        Ok(RollFacts { size: self.size(), first_timestamp, created, is_index_full })
    }

    /// How many entries its indexes have: offsets, times, aborted transactions.
    ///
    /// # Errors
    /// [`Error::Io`] where an index cannot be read.
    pub fn index_entries(&self) -> Result<(usize, usize, usize)> {
        Ok((self.offsets.len()?, self.times.len()?, self.txns.len()?))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `.log`, opened if it was not yet.
    pub(crate) fn log(&self) -> Result<&Arc<dyn WriteFile>> {
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let log = self.place.fs.open_write(&self.path(), OpenMode::Existing)?;
        Ok(self.log.get_or_init(|| log))
    }

    /// The `.log` as it is now: what is appended later is not seen.
    pub(crate) fn source(&self) -> Result<Source> {
        let size = self.size();
        let file: Arc<dyn WriteFile> = Arc::clone(self.log()?);
        Ok(Source::of_len(Arc::clone(&self.log_path), file, size))
    }
}

/// How many bytes `entries` of an index take.
const fn bytes_of<E: IndexEntry>(entries: usize) -> u64 {
    (entries as u64).saturating_mul(E::LEN as u64)
}

#[cfg(test)]
mod tests;
