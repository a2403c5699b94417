//! The `.timeindex` file: from timestamps to offsets.
//!
//! | at | bytes | field                                                            |
//! |---:|------:|------------------------------------------------------------------|
//! |  0 |     8 | timestamp: the largest in the segment so far                     |
//! |  8 |     4 | offset minus the segment's base offset                           |
//!
//! The offset is the last one of the earliest batch whose largest timestamp this is (2.8 wrote the record's own).
//! Kafka: `TimeIndex`.

use zerocopy::big_endian::{I32, I64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::entries::{Index, IndexEntry};
use crate::error::{Result, Rule};
use crate::units::{Offset, OffsetDelta, Timestamp};

/// The `.timeindex` file of one segment.
pub type TimeIndex = Index<TimeEntry>;

/// One slot of a `.timeindex` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The largest timestamp of the segment up to the offset.
    pub timestamp: Timestamp,
    /// The last offset of the batch that has it, relative to the segment's base; negative in damaged files only.
    pub delta: OffsetDelta,
}

/// A time and where it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The timestamp; -1 where there is none.
    pub timestamp: Timestamp,
    /// The last offset of the batch that has it; the segment's base where there is none.
    pub offset: Offset,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Slot {
    timestamp: I64,
    delta: I32,
}

impl IndexEntry for TimeEntry {
    const LEN: usize = size_of::<Slot>();

    fn encode(&self, out: &mut Vec<u8>) {
        let slot = Slot { timestamp: self.timestamp.get().into(), delta: self.delta.get().into() };
        out.extend_from_slice(slot.as_bytes());
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let slot = Slot::ref_from_bytes(slot).ok()?;
        Some(Self { timestamp: Timestamp::new(slot.timestamp.get()), delta: OffsetDelta::new(slot.delta.get()) })
    }
}

const _: () = assert!(TimeEntry::LEN == 12);

impl TimeEntry {
    /// The entry's offset in a segment that begins at `base`.
    #[must_use]
    pub const fn offset(&self, base: Offset) -> Offset {
        Offset::new(base.get().wrapping_add(self.delta.get() as i64))
    }

    fn resolved(self, base: Offset) -> TimestampOffset {
        TimestampOffset { timestamp: self.timestamp, offset: self.offset(base) }
    }
}

impl TimeIndex {
    /// The entry with the largest timestamp at or below `target`; -1 at the base offset if there is none.
    ///
    /// Kafka: `TimeIndex.lookup`.
    #[must_use]
    pub fn lookup(&self, target: Timestamp) -> TimestampOffset {
        let slot = self.lower_bound(target.get(), |entry| entry.timestamp.get());
        slot.and_then(|slot| self.get(slot)).map_or(self.none(), |entry| entry.resolved(self.base()))
    }

    /// The entry in the last slot, which Kafka takes for the segment's largest timestamp; -1 at the base offset if there is none.
    ///
    /// Kafka: `TimeIndex.lastEntry`.
    #[must_use]
    pub fn last_entry(&self) -> TimestampOffset {
        self.last_of(self.len())
    }

    /// What [`Self::last_entry`] would be with that many slots.
    pub(super) fn last_of(&self, slots: usize) -> TimestampOffset {
        let last = slots.checked_sub(1).and_then(|slot| self.get(slot));
        last.map_or(self.none(), |entry| entry.resolved(self.base()))
    }

    /// What Kafka's tools ask of an index as a whole; a broker asks nothing.
    ///
    /// Kafka: `TimeIndex.sanityCheck`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] if the last timestamp is below the first or the last offset below the base ([`Rule::Below`]), or
    /// the size no multiple of an entry ([`Rule::Trailing`]).
    pub fn check(&self) -> Result<()> {
        let last = self.last_entry();
        if let Some(first) = self.get(0).filter(|first| last.timestamp < first.timestamp) {
            let (found, least) = (last.timestamp.get(), first.timestamp.get());
            let rule = Rule::Below { what: "the last timestamp", found, least };
            return Err(self.corrupt(self.len().saturating_sub(1), 0, rule));
        }
        self.check_last_offset(last.offset, 8)?;
        self.check_size("the time index")
    }

    const fn none(&self) -> TimestampOffset {
        TimestampOffset { timestamp: Timestamp::NONE, offset: self.base() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Offset = Offset::new(45);

    fn index(entries: impl IntoIterator<Item = (i64, i32)>) -> TimeIndex {
        let mut bytes = Vec::new();
        for (timestamp, delta) in entries {
            TimeEntry { timestamp: Timestamp::new(timestamp), delta: OffsetDelta::new(delta) }.encode(&mut bytes);
        }
        TimeIndex::new("x.timeindex", BASE, bytes)
    }

    fn pair(found: TimestampOffset) -> (i64, i64) {
        (found.timestamp.get(), found.offset.get())
    }

    // conformance: TIX-010 TIX-011
    #[test]
    fn an_entry_is_its_twelve_bytes() {
        let bytes = [0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0, 0x19];
        let entry = TimeEntry { timestamp: Timestamp::new(1_700_000_000_000), delta: OffsetDelta::new(25) };
        assert_eq!(TimeEntry::decode(&bytes), Some(entry));
        assert_eq!(entry.offset(BASE), Offset::new(70));
        let mut out = Vec::new();
        entry.encode(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(TimeEntry::decode(&bytes[..8]), None);
    }

    // conformance: TIX-001 TIX-002 TIX-003 TIX-008
    #[test]
    fn a_time_is_looked_for_from_the_entry_at_or_before_it() {
        let none = index([]);
        assert_eq!((pair(none.lookup(Timestamp::new(13))), pair(none.last_entry())), ((-1, 45), (-1, 45)));
        assert_eq!(none.get(0), None);

        let index = index((1..30).map(|i| (10 * i64::from(i), 10 * i)));
        for (target, answer) in [(9, (-1, 45)), (25, (20, 65)), (30, (30, 75)), (i64::MAX, (290, 335))] {
            assert_eq!(pair(index.lookup(Timestamp::new(target))), answer, "{target}");
        }
        let entries: Vec<_> = index.iter().take(4).map(|entry| pair(entry.resolved(BASE))).collect();
        assert_eq!(entries, [(10, 55), (20, 65), (30, 75), (40, 85)]);
        assert_eq!(pair(index.last_entry()), (290, 335));
    }

    // conformance: TIX-006
    #[test]
    fn a_check_sees_each_fault_alone() {
        let sound = [(10, 1), (20, 2), (30, 3)];
        assert!(index([]).check().is_ok());
        assert!(index(sound).check().is_ok());
        assert!(index(sound[..1].iter().copied()).check().is_ok());
        assert_eq!(
            index([(10, 1), (9, 2)]).check().unwrap_err().to_string(),
            "x.timeindex at byte 12: the last timestamp is 9, below 10"
        );
        assert_eq!(
            index([(10, 1), (20, -1)]).check().unwrap_err().to_string(),
            "x.timeindex at byte 20: the last offset is 44, below 45"
        );
        let mut odd = index(sound).bytes().to_vec();
        odd.push(0);
        let said = TimeIndex::new("x.timeindex", BASE, odd).check().unwrap_err().to_string();
        assert_eq!(said, "x.timeindex at byte 36: 1 bytes are left after the end of the time index");
    }

    proptest! {
        #[test]
        fn any_bytes_answer_every_question(
            bytes in prop::collection::vec(any::<u8>(), 0..100), base: i64, target: i64,
        ) {
            let index = TimeIndex::new("x.timeindex", Offset::new(base), bytes);
            let _ = index.lookup(Timestamp::new(target));
            let _ = index.last_entry();
            let _ = index.check();
        }
    }
}
