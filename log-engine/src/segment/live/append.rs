//! Appending: one write of the caller's bytes, then the size that readers see, then the index entries that are due.

use super::index_file::GROUP;
use super::{MAX_SEGMENT_BYTES, Segment};
use crate::batch::{Batch, Stop, Walk};
use crate::error::{Error, Refusal, Result};
use crate::fs::write_all_at;
use crate::segment::index_builder::{IndexFault, offset_entry, room, time_entry};
use crate::segment::offset_index::{OffsetEntry, OffsetIndex};
use crate::segment::time_index::{TimeEntry, TimeIndex, TimestampOffset};
use crate::segment::txn_index::AbortedTxn;
use crate::sync::atomic::Ordering;
use crate::units::{FilePosition, Offset, Timestamp};

/// What only the one who appends knows and changes.
#[derive(Debug)]
pub(super) struct Writer {
    /// Bytes appended since the last index entry; not known of a segment that was opened, which begins anew.
    pub(super) since_entry: u64,
    /// The largest timestamp of the first batch; `None` until it is asked for.
    pub(super) first_timestamp: Option<Timestamp>,
    pub(super) created: Timestamp,
    /// Bytes that the file has; more than are published while it grows ahead of its data.
    pub(super) allocated: u64,
    /// The last entry of the transaction index since the segment was opened or cut.
    pub(super) last_aborted: Option<Offset>,
    /// Entries of the append that is under way: the room is used again.
    due: Vec<Due>,
}

/// An index entry that is due when an append is written.
#[derive(Clone, Copy, Debug)]
struct Due {
    offset: OffsetEntry,
    largest: TimestampOffset,
}

impl Writer {
    pub(super) const fn new(created: Timestamp, size: u64) -> Self {
        Self { since_entry: 0, first_timestamp: None, created, allocated: size, last_aborted: None, due: Vec::new() }
    }
}

/// What an append leaves in the [`Writer`], once it is written.
struct Appended {
    since_entry: u64,
    largest: TimestampOffset,
    first_timestamp: Option<Timestamp>,
}

impl Segment {
    /// Appends whole batches, whose offsets are final. An index entry is made for each batch before which more than
    /// `index.interval.bytes` were appended since the last one.
    ///
    /// When it returns the bytes are written, not durable, and readers may see them. After an error they see nothing of them, and
    /// [`Self::undo`] has to be called before anything else is appended, unless the error is [`Error::Refused`]: then nothing was
    /// written.
    ///
    /// Kafka: `LogSegment.append`. There an index that is full, or an offset that does not rise, is met after the write.
    ///
    /// # Errors
    /// [`Refusal::OffsetOverflow`] for an offset that cannot be told relative to the base, [`Refusal::RecordListTooLarge`] above
    /// [`MAX_SEGMENT_BYTES`], [`Refusal::CorruptMessage`] for bytes that are not whole batches, [`Refusal::OffsetsOutOfOrder`] for
    /// an offset that an index cannot take, [`Refusal::IndexFull`]; [`Error::Io`] where the system refuses.
    pub fn append(&self, bytes: &[u8]) -> Result<()> {
        self.append_then(bytes, |_| ())
    }

    /// As [`Self::append`]; `publish` is called with the new size at the moment at which readers may see it.
    pub(crate) fn append_then(&self, bytes: &[u8], publish: impl FnOnce(u64)) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut writer = self.writer();
        let size = self.size();
        if size == 0 {
            self.make_indexes()?;
        }
        let end = size.saturating_add(bytes.len() as u64);
        if end > MAX_SEGMENT_BYTES {
            return Err(Refusal::RecordListTooLarge { size: end, limit: MAX_SEGMENT_BYTES }.into());
        }
        let largest = self.max_timestamp()?;
        let mut due = std::mem::take(&mut writer.due);
        due.clear();
        let appended = self.plan(bytes, size, writer.since_entry, largest, &mut due);
        writer.due = due;
        let appended = appended?;

        let log = self.log()?;
        if self.options.preallocate.is_some_and(|step| step < self.options.segment_bytes) {
            writer.allocated = self.grown(writer.allocated, end);
        }
        writer.allocated = writer.allocated.max(end);
        write_all_at(log.as_ref(), &self.log_path, bytes, size)?;
        {
            let mut known = self.known_largest();
            self.size.store(end, Ordering::Release);
            *known = Some(appended.largest);
            publish(end);
        }

        writer.since_entry = appended.since_entry;
        if size == 0 {
            writer.first_timestamp = appended.first_timestamp;
        }
        for due in &writer.due {
            // The log holds all that an index says: one that cannot be written now is written later, or made again.
            let _ = self.add_entry(due);
        }
        Ok(())
    }

    /// What the indexes take of `bytes`, if they take all of it. Nothing is changed but `due`.
    fn plan(
        &self,
        bytes: &[u8],
        size: u64,
        mut since_entry: u64,
        mut largest: TimestampOffset,
        due: &mut Vec<Due>,
    ) -> Result<Appended> {
        let base = self.base();
        let mut last_entry = None;
        let mut first_timestamp = None;
        let mut walk = Walk::new(bytes);
        for (at, batch) in walk.by_ref() {
            let batch: Batch<'_> = batch.map_err(Refusal::CorruptMessage)?;
            let (offset, timestamp) = (batch.last_offset(), batch.max_timestamp());
            if offset.delta_from(base).is_none() {
                return Err(Refusal::OffsetOverflow { offset: offset.get(), base: base.get() }.into());
            }
            first_timestamp.get_or_insert(timestamp);
            if timestamp > largest.timestamp {
                largest = TimestampOffset { timestamp, offset };
            }
            if since_entry > self.options.index_interval_bytes {
                if due.is_empty() {
                    last_entry = self.offsets.read(last_offset)?;
                }
                let position = FilePosition::new(size).plus(at as u64);
                let entry = offset_entry(base, last_entry, offset, position).map_err(refusal)?;
                due.push(Due { offset: entry, largest });
                last_entry = Some(offset);
                since_entry = 0;
            }
            since_entry = since_entry.saturating_add(batch.bytes().len() as u64);
        }
        if let Some(stop) = walk.stop().filter(|stop| *stop != Stop::End) {
            return Err(Refusal::CorruptMessage(stop.malformed().shifted(walk.position())).into());
        }
        self.check_room(due)?;
        Ok(Appended { since_entry, largest, first_timestamp })
    }

    fn check_room(&self, due: &[Due]) -> Result<()> {
        let (Some(first), Some(more)) = (due.first(), due.len().checked_sub(1)) else {
            return Ok(());
        };
        let limit = self.options.segment_index_bytes;
        self.offsets.read(|index| room::<OffsetEntry>(index.len(), limit, more))?.map_err(refusal)?;
        self.times
            .read(|index| {
                // One more slot is kept for the last entry of the segment.
                room::<TimeEntry>(index.len(), limit, more.saturating_add(1))?;
                time_entry(self.base(), last_time(index), first.largest)
            })?
            .map_err(refusal)?;
        Ok(())
    }

    /// Adds one entry to each index, and to its file when a group has come together.
    fn add_entry(&self, due: &Due) -> Result<()> {
        if self.offsets.push(&due.offset)? >= GROUP {
            self.offsets.write()?;
        }
        let time = self.times.read(|index| time_entry(self.base(), last_time(index), due.largest))?.map_err(refusal)?;
        if let Some(time) = time
            && self.times.push(&time)? >= GROUP
        {
            self.times.write()?;
        }
        Ok(())
    }

    /// Lets the file grow ahead of its data, if that is asked for and it does not reach to `end`; its bytes then. A file system that
    /// cannot do it is not asked for more than the write itself.
    pub(super) fn grown(&self, allocated: u64, end: u64) -> u64 {
        let Some(step) = self.options.preallocate.filter(|_| end > allocated) else {
            return allocated;
        };
        let wanted = allocated.saturating_add(step).min(self.options.segment_bytes).max(end);
        let grown = self.log().is_ok_and(|log| log.allocate(wanted).is_ok());
        if grown { wanted } else { allocated }
    }

    /// Cuts off what a failed append may have left behind the published size.
    ///
    /// # Errors
    /// [`Error::Io`]: then nobody knows what is behind the published size, and nothing may be written there.
    pub fn undo(&self) -> Result<()> {
        let mut writer = self.writer();
        let size = self.size();
        self.log()?.set_len(size).map_err(|e| Error::io("cut", &self.path(), e))?;
        writer.allocated = size;
        Ok(())
    }

    /// Notes a transaction that was aborted by a marker in this segment: written at once, not durable.
    ///
    /// Kafka: `TransactionIndex.append`.
    ///
    /// # Errors
    /// [`Refusal::OffsetsOutOfOrder`] if its last offset is not above that of the one before; [`Error::Io`].
    pub fn append_aborted(&self, txn: &AbortedTxn) -> Result<()> {
        let mut writer = self.writer();
        if let Some(previous) = writer.last_aborted.filter(|previous| txn.last_offset <= *previous) {
            let (found, previous) = (txn.last_offset.get(), previous.get());
            return Err(Refusal::OffsetsOutOfOrder { found, previous }.into());
        }
        self.txns.push(txn)?;
        writer.last_aborted = Some(txn.last_offset);
        self.txns.write()
    }

    /// Adds the last entry of the time index, if its time is above that of the one before. An index that was damaged before, so
    /// that it cannot take the entry, stays as it is.
    pub(super) fn add_last_time(&self) -> Result<()> {
        let largest = self.max_timestamp()?;
        let entry = self.times.read(|index| {
            let has_room = room::<TimeEntry>(index.len(), self.options.segment_index_bytes, 0).is_ok();
            time_entry(self.base(), last_time(index), largest).ok().flatten().filter(|_| has_room)
        })?;
        match entry {
            Some(entry) => self.times.push(&entry).map(drop),
            None => Ok(()),
        }
    }
}

/// The offset of the last entry.
pub(super) fn last_offset(index: &OffsetIndex) -> Option<Offset> {
    index.last().map(|entry| entry.offset(index.base()))
}

/// The last entry.
fn last_time(index: &TimeIndex) -> Option<TimestampOffset> {
    (!index.is_empty()).then(|| index.last_entry())
}

fn refusal(fault: IndexFault) -> Refusal {
    match fault {
        IndexFault::InvalidOffset { offset, last } => {
            Refusal::OffsetsOutOfOrder { found: offset.get(), previous: last.get() }
        }
        IndexFault::Overflow { offset, base } => Refusal::OffsetOverflow { offset: offset.get(), base: base.get() },
        IndexFault::Position { position } => {
            Refusal::RecordListTooLarge { size: position.get(), limit: MAX_SEGMENT_BYTES }
        }
        IndexFault::Full { entries } => Refusal::IndexFull { entries },
    }
}
