//! The files of an open segment as files: made durable, closed, renamed, removed.

use super::{Segment, bytes_of};
use crate::error::{Error, Result};
use crate::segment::entries::IndexEntry;
use crate::segment::name::{Leftover, SegmentFile};
use crate::segment::offset_index::OffsetEntry;
use crate::segment::time_index::TimeEntry;
use crate::sync::atomic::Ordering;

/// The files of a segment, in the order in which Kafka renames and removes them.
const FILES: [SegmentFile; 4] =
    [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex];

impl Segment {
    /// Makes the batches durable that were appended before the call; neither the indexes nor the names.
    ///
    /// # Errors
    /// [`Error::Io`]: then nothing is known of what was appended since the last success.
    pub fn flush_log(&self) -> Result<()> {
        self.log()?.sync().map_err(|e| Error::io("sync", &self.path(), e))
    }

    /// Makes the batches durable, then what the indexes say of them; not the names.
    ///
    /// Kafka: `LogSegment.flush`.
    ///
    /// # Errors
    /// As [`Self::flush_log`].
    pub fn flush(&self) -> Result<()> {
        self.flush_log()?;
        self.offsets.sync()?;
        self.times.sync()?;
        self.txns.sync()
    }

    /// Brings the files to the state of a segment to which nothing is appended any more: the last time entry, indexes as long as
    /// their entries, a `.log` as long as its data. Written, not durable.
    ///
    /// Kafka: `LogSegment.onBecomeInactiveSegment`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn become_inactive(&self) -> Result<()> {
        self.add_last_time()?;
        self.offsets.trim()?;
        self.times.trim()?;
        self.cut_growth()
    }

    /// Writes what waits to be written. Readers that hold the segment go on.
    ///
    /// Kafka: `LogSegment.close`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn close(&self) -> Result<()> {
        self.offsets.write()?;
        self.times.write()?;
        self.txns.write()?;
        self.offsets.close();
        self.times.close();
        self.txns.close();
        self.cut_growth()
    }

    /// Makes the files of both indexes if they are still to be made.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(crate) fn make_indexes(&self) -> Result<()> {
        self.offsets.touch()?;
        self.times.touch()
    }

    /// Lets the indexes be as long as a broker's are while entries may be added: so a last segment's are found when it is deleted.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub(crate) fn allocate_indexes(&self) -> Result<()> {
        let limit = self.options.segment_index_bytes;
        self.offsets.allocate(bytes_of::<OffsetEntry>(limit / OffsetEntry::LEN))?;
        self.times.allocate(bytes_of::<TimeEntry>(limit / TimeEntry::LEN))
    }

    /// Cuts off what the `.log` grew ahead of its data.
    fn cut_growth(&self) -> Result<()> {
        let mut writer = self.writer();
        let size = self.size();
        if writer.allocated > size {
            self.log()?.set_len(size).map_err(|e| Error::io("cut", &self.path(), e))?;
            writer.allocated = size;
        }
        Ok(())
    }

    /// Gives all its files their `.deleted` names, from which the next start removes them if nobody did before. Readers go on.
    ///
    /// Kafka: `LogSegment.changeFileSuffixes`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses; calling it again goes on.
    pub fn mark_deleted(&self) -> Result<()> {
        let place = &self.place;
        if place.is_deleted.load(Ordering::Acquire) {
            // The names may belong to a new segment with the same base.
            return Ok(());
        }
        self.log()?;
        for file in FILES {
            let name = file.name(place.base);
            let from = place.dir.join(&name);
            if place.fs.stat(&from)?.is_some() {
                place.fs.rename(&from, &place.dir.join(name + Leftover::Deleted.suffix()))?;
            }
        }
        place.is_deleted.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes its files, under the names that they have now. Readers that have them open go on.
    ///
    /// Kafka: `LogSegment.deleteIfExists`.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn remove_files(&self) -> Result<()> {
        for file in FILES {
            let path = self.place.path(file);
            if self.place.fs.stat(&path)?.is_some() {
                self.place.fs.remove(&path)?;
            }
        }
        Ok(())
    }
}
