//! Kafka's rules for what may be added to an index, entry by entry.

use super::entries::{Index, IndexEntry, MAX_INDEX_BYTES};
use super::offset_index::{OffsetEntry, OffsetIndex};
use super::time_index::{TimeEntry, TimeIndex, TimestampOffset};
use super::txn_index::{AbortedTxn, TxnIndex};
use crate::units::{FilePosition, Offset, Timestamp};

/// Why an entry cannot be added. Nothing is added then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFault {
    /// An offset is not above the one before it (for times: below it). Kafka: `InvalidOffsetException`.
    #[error("offset {offset} does not follow {last}")]
    InvalidOffset {
        /// Of the new entry.
        offset: Offset,
        /// Of the last entry.
        last: Offset,
    },
    /// An offset lies below the segment's base, or so far above that 31 bits cannot say it. Kafka:
    /// `LogSegmentOffsetOverflowException`.
    #[error("offset {offset} cannot be told relative to {base}")]
    Overflow {
        /// Of the new entry.
        offset: Offset,
        /// Of the segment.
        base: Offset,
    },
    /// A position needs more than 31 bits; Kafka opens no `.log` of that length.
    #[error("position {position} does not fit an index")]
    Position {
        /// Of the new entry.
        position: FilePosition,
    },
    /// The index has as many entries as its file may hold. Kafka: `IllegalArgumentException`.
    #[error("the index is full with {entries} entries")]
    Full {
        /// How many it has.
        entries: usize,
    },
}

/// Whether `reserved` slots and one more are free in an index with `entries` that may have `limit` bytes.
pub(super) const fn room<E: IndexEntry>(entries: usize, limit: usize, reserved: usize) -> Result<(), IndexFault> {
    if entries.saturating_add(reserved) < limit / E::LEN { Ok(()) } else { Err(IndexFault::Full { entries }) }
}

/// The entry for a batch that ends at `offset` and begins at `position`, behind the entry of the offset `last`.
pub(super) fn offset_entry(
    base: Offset,
    last: Option<Offset>,
    offset: Offset,
    position: FilePosition,
) -> Result<OffsetEntry, IndexFault> {
    if let Some(last) = last.filter(|last| offset <= *last) {
        return Err(IndexFault::InvalidOffset { offset, last });
    }
    let delta = offset.delta_from(base).ok_or(IndexFault::Overflow { offset, base })?;
    let position = i32::try_from(position.get()).map_err(|_| IndexFault::Position { position })?;
    Ok(OffsetEntry { delta, position })
}

/// The entry for a time behind the entry `last`; `None` if the time is not above that one's (-1 if there is none).
pub(super) fn time_entry(
    base: Offset,
    last: Option<TimestampOffset>,
    entry: TimestampOffset,
) -> Result<Option<TimeEntry>, IndexFault> {
    let TimestampOffset { timestamp, offset } = entry;
    if let Some(last) = last.filter(|last| offset < last.offset) {
        return Err(IndexFault::InvalidOffset { offset, last: last.offset });
    }
    if timestamp <= last.map_or(Timestamp::NONE, |last| last.timestamp) {
        return Ok(None);
    }
    let delta = offset.delta_from(base).ok_or(IndexFault::Overflow { offset, base })?;
    Ok(Some(TimeEntry { timestamp, delta }))
}

/// An index that grows in memory.
#[derive(Clone, Debug)]
struct Growing {
    base: Offset,
    bytes: Vec<u8>,
    limit: usize,
}

impl Growing {
    fn new(base: Offset, limit: usize) -> Self {
        Self { base, bytes: Vec::new(), limit }
    }

    const fn len<E: IndexEntry>(&self) -> usize {
        self.bytes.len() / E::LEN
    }

    const fn room<E: IndexEntry>(&self, reserved: usize) -> Result<(), IndexFault> {
        room::<E>(self.len::<E>(), self.limit, reserved)
    }

    fn finish<E: IndexEntry>(self, name: &str) -> Index<E> {
        Index::new(name, self.base, self.bytes)
    }
}

/// A `.index` file that grows in memory.
#[derive(Clone, Debug)]
pub struct OffsetIndexBuilder {
    index: Growing,
    last: Option<Offset>,
}

impl OffsetIndexBuilder {
    /// An empty index of the segment that begins at `base`, which may take `limit` bytes (Kafka: `segment.index.bytes`), but no more
    /// than [`MAX_INDEX_BYTES`].
    #[must_use]
    pub fn new(base: Offset, limit: usize) -> Self {
        Self { index: Growing::new(base, limit.min(MAX_INDEX_BYTES)), last: None }
    }

    /// Adds an entry.
    ///
    /// Kafka: `OffsetIndex.append`.
    ///
    /// # Errors
    /// [`IndexFault`]: full, an offset that is not above the last one, or a number that does not fit.
    pub fn append(&mut self, offset: Offset, position: FilePosition) -> Result<(), IndexFault> {
        self.index.room::<OffsetEntry>(0)?;
        offset_entry(self.index.base, self.last, offset, position)?.encode(&mut self.index.bytes);
        self.last = Some(offset);
        Ok(())
    }

    /// The index, under the name by which errors call it. Its bytes are those of the trimmed file.
    #[must_use]
    pub fn finish(self, name: &str) -> OffsetIndex {
        self.index.finish(name)
    }
}

/// A `.timeindex` file that grows in memory.
#[derive(Clone, Debug)]
pub struct TimeIndexBuilder {
    index: Growing,
    last: Option<TimestampOffset>,
}

impl TimeIndexBuilder {
    /// As [`OffsetIndexBuilder::new`].
    #[must_use]
    pub fn new(base: Offset, limit: usize) -> Self {
        Self { index: Growing::new(base, limit.min(MAX_INDEX_BYTES)), last: None }
    }

    /// True if only the slot is left that is kept for the last entry of a segment. Kafka: `TimeIndex.isFull`.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.index.room::<TimeEntry>(1).is_err()
    }

    /// Adds an entry if its time is above that of the last one (-1 if there is none). `last_of_segment` may take the slot that is
    /// kept for it.
    ///
    /// Kafka: `TimeIndex.maybeAppend`.
    ///
    /// # Errors
    /// [`IndexFault`]: full, an offset below the last one, or one that does not fit. A time below the last one is passed over here,
    /// as times that only ever rise are asked for.
    pub fn maybe_append(&mut self, entry: TimestampOffset, last_of_segment: bool) -> Result<(), IndexFault> {
        if !last_of_segment {
            self.index.room::<TimeEntry>(1)?;
        }
        let Some(time) = time_entry(self.index.base, self.last, entry)? else {
            return Ok(());
        };
        self.index.room::<TimeEntry>(0)?;
        time.encode(&mut self.index.bytes);
        self.last = Some(entry);
        Ok(())
    }

    /// The index, under the name by which errors call it. Its bytes are those of the trimmed file.
    #[must_use]
    pub fn finish(self, name: &str) -> TimeIndex {
        self.index.finish(name)
    }
}

/// A `.txnindex` file that grows in memory.
#[derive(Clone, Debug)]
pub struct TxnIndexBuilder {
    index: Growing,
    last: Option<Offset>,
}

impl TxnIndexBuilder {
    /// An empty index of the segment that begins at `base`.
    #[must_use]
    pub fn new(base: Offset) -> Self {
        Self { index: Growing::new(base, MAX_INDEX_BYTES), last: None }
    }

    /// Adds an entry.
    ///
    /// Kafka: `TransactionIndex.append`.
    ///
    /// # Errors
    /// [`IndexFault`]: a last offset that is not above the one before it, or more than [`MAX_INDEX_BYTES`].
    pub fn append(&mut self, txn: &AbortedTxn) -> Result<(), IndexFault> {
        self.index.room::<AbortedTxn>(0)?;
        let offset = txn.last_offset;
        if let Some(last) = self.last.filter(|last| offset <= *last) {
            return Err(IndexFault::InvalidOffset { offset, last });
        }
        txn.encode(&mut self.index.bytes);
        self.last = Some(offset);
        Ok(())
    }

    /// The index, under the name by which errors call it. Without an entry Kafka makes no file.
    #[must_use]
    pub fn finish(self, name: &str) -> TxnIndex {
        self.index.finish(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ProducerId;

    fn entry(timestamp: i64, offset: i64) -> TimestampOffset {
        TimestampOffset { timestamp: Timestamp::new(timestamp), offset: Offset::new(offset) }
    }

    // conformance: OIX-005 OIX-006
    #[test]
    fn offsets_must_rise_and_fit_and_an_index_can_be_full() {
        let base = Offset::new(45);
        let mut index = OffsetIndexBuilder::new(base, 31);
        let mut append = |offset, position| index.append(Offset::new(offset), FilePosition::new(position));
        let last = Offset::new(51);
        assert_eq!(append(44, 0), Err(IndexFault::Overflow { offset: Offset::new(44), base }));
        assert_eq!(append(51, 0), Ok(()));
        for offset in [50, 51] {
            assert_eq!(append(offset, 1), Err(IndexFault::InvalidOffset { offset: Offset::new(offset), last }));
        }
        let far = 45 + (1 << 31);
        assert_eq!(append(far, 1), Err(IndexFault::Overflow { offset: Offset::new(far), base }));
        let position = FilePosition::new(1 << 31);
        assert_eq!(append(52, position.get()), Err(IndexFault::Position { position }));
        assert_eq!(append(52, (1 << 31) - 1), Ok(()));
        assert_eq!(append(far - 1, 1), Ok(()));
        assert_eq!(append(far, 1), Err(IndexFault::Full { entries: 3 }));
        let bytes = index.finish("x.index").bytes().to_vec();
        assert_eq!(bytes, [0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7, 127, 255, 255, 255, 127, 255, 255, 255, 0, 0, 0, 1]);
    }

    // conformance: TIX-005 TIX-007
    #[test]
    fn times_rise_alone_and_one_slot_is_kept_for_the_last() {
        let mut index = TimeIndexBuilder::new(Offset::new(45), 30 * 12);
        assert!(!index.is_full());
        assert_eq!(index.maybe_append(entry(-1, 45), false), Ok(()));
        for i in 1..30 {
            assert!(!index.is_full());
            assert_eq!(index.maybe_append(entry(10 * i, 45 + 10 * i), false), Ok(()));
        }
        assert!(index.is_full());
        let full = Err(IndexFault::Full { entries: 29 });
        assert_eq!(index.maybe_append(entry(10_000, 1000), false), full);
        let below = IndexFault::InvalidOffset { offset: Offset::new(280), last: Offset::new(335) };
        assert_eq!(index.maybe_append(entry(10_000, 280), true), Err(below));
        assert_eq!(index.maybe_append(entry(290, 1000), true), Ok(()));
        assert_eq!(index.maybe_append(entry(10_000, 1000), true), Ok(()));
        assert_eq!(index.maybe_append(entry(10_001, 1000), true), Err(IndexFault::Full { entries: 30 }));
        let index = index.finish("x.timeindex");
        assert_eq!((index.len(), index.last_entry()), (30, entry(10_000, 1000)));
        assert_eq!(index.get(0).unwrap().timestamp.get(), 10);
    }

    // conformance: TXI-003
    #[test]
    fn last_offsets_of_transactions_must_rise() {
        let txn = |last: i64| AbortedTxn {
            stored_version: 0,
            producer_id: ProducerId::new(1),
            first_offset: Offset::new(0),
            last_offset: Offset::new(last),
            last_stable_offset: Offset::new(2),
        };
        let mut index = TxnIndexBuilder::new(Offset::ZERO);
        assert_eq!(index.append(&txn(15)), Ok(()));
        let last = Offset::new(15);
        assert_eq!(index.append(&txn(15)), Err(IndexFault::InvalidOffset { offset: last, last }));
        assert_eq!(index.append(&txn(16)), Ok(()));
        assert_eq!(index.finish("x.txnindex").iter().collect::<Vec<_>>(), [txn(15), txn(16)]);
    }

    #[test]
    fn an_index_never_grows_beyond_what_is_read() {
        let mut index = OffsetIndexBuilder::new(Offset::ZERO, usize::MAX);
        let most = i64::try_from(MAX_INDEX_BYTES / 8).unwrap();
        for offset in 0..most {
            index.append(Offset::new(offset), FilePosition::START).unwrap();
        }
        let full = IndexFault::Full { entries: MAX_INDEX_BYTES / 8 };
        assert_eq!(index.append(Offset::new(most), FilePosition::START), Err(full));
    }
}
