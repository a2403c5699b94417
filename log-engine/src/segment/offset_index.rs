//! The `.index` file: from offsets to positions in the `.log` file.
//!
//! | at | bytes | field                                                            |
//! |---:|------:|------------------------------------------------------------------|
//! |  0 |     4 | offset minus the segment's base offset                           |
//! |  4 |     4 | position of the batch that ends at this offset                   |
//!
//! An entry (offset, position) means: every offset from this one on is found at this position or behind it.
//! Kafka: `OffsetIndex`.

use zerocopy::big_endian::I32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::entries::{Index, IndexEntry};
use crate::error::Result;
use crate::units::{FilePosition, Offset, OffsetDelta};

/// The `.index` file of one segment.
pub type OffsetIndex = Index<OffsetEntry>;

/// One slot of a `.index` file. Its numbers are negative in damaged files only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of a batch, relative to the segment's base.
    pub delta: OffsetDelta,
    /// The first byte of that batch in the `.log` file.
    pub position: i32,
}

/// The entry that an offset is looked up from, and the two behind it.
pub(super) type Around = (Option<OffsetEntry>, Option<OffsetEntry>, Option<OffsetEntry>);

/// Where to begin to look for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetPosition {
    /// The offset of the entry; the segment's base where there is none.
    pub offset: Offset,
    /// The position of the entry, in bytes, negative in damaged files only; 0 where there is none.
    pub position: i32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Slot {
    delta: I32,
    position: I32,
}

impl IndexEntry for OffsetEntry {
    const LEN: usize = size_of::<Slot>();

    fn encode(&self, out: &mut Vec<u8>) {
        let slot = Slot { delta: self.delta.get().into(), position: self.position.into() };
        out.extend_from_slice(slot.as_bytes());
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let slot = Slot::ref_from_bytes(slot).ok()?;
        Some(Self { delta: OffsetDelta::new(slot.delta.get()), position: slot.position.get() })
    }
}

const _: () = assert!(OffsetEntry::LEN == 8);

impl OffsetEntry {
    /// The entry's offset in a segment that begins at `base`.
    #[must_use]
    pub const fn offset(&self, base: Offset) -> Offset {
        Offset::new(base.get().wrapping_add(self.delta.get() as i64))
    }

    /// The entry's position; `None` if it is negative.
    #[must_use]
    pub fn file_position(&self) -> Option<FilePosition> {
        u64::try_from(self.position).ok().map(FilePosition::new)
    }

    fn resolved(self, base: Offset) -> OffsetPosition {
        OffsetPosition { offset: self.offset(base), position: self.position }
    }
}

impl OffsetIndex {
    /// The entry with the largest offset at or below `target`; the base offset at position 0 if there is none.
    ///
    /// Kafka: `OffsetIndex.lookup`.
    #[must_use]
    pub fn lookup(&self, target: Offset) -> OffsetPosition {
        let start = OffsetPosition { offset: self.base(), position: 0 };
        self.lookup_slot(target).map_or(start, |(_, entry)| entry.resolved(self.base()))
    }

    /// The slot that [`Self::lookup`] answers from, and its entry.
    pub(super) fn lookup_slot(&self, target: Offset) -> Option<(usize, OffsetEntry)> {
        let slot = self.lower_bound(target.get(), |entry| entry.offset(self.base()).get())?;
        Some((slot, self.get(slot)?))
    }

    /// The entry that [`Self::lookup`] answers from, and the two behind it.
    pub(super) fn around(&self, target: Offset) -> Around {
        let (floor, next) = match self.lookup_slot(target) {
            Some((slot, entry)) => (Some(entry), slot.saturating_add(1)),
            None => (None, 0),
        };
        (floor, self.get(next), self.get(next.saturating_add(1)))
    }

    /// An entry whose position lies `bytes` or more behind `start`, so that no offset that was read from there reaches it; `None` if
    /// the index ends before. It is the first such entry, unless that is the index's first and lies there exactly: then the second.
    ///
    /// Kafka: `OffsetIndex.fetchUpperBoundOffset`.
    #[must_use]
    pub fn upper_bound_of_read(&self, start: FilePosition, bytes: u64) -> Option<OffsetPosition> {
        let target = i64::try_from(start.plus(bytes).get()).unwrap_or(i64::MAX);
        let slot = self.upper_bound(target, |entry| entry.position.into())?;
        Some(self.get(slot)?.resolved(self.base()))
    }

    /// The offset in the last slot; the base offset if there is none.
    ///
    /// Kafka: `OffsetIndex.lastOffset`.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.last().map_or(self.base(), |entry| entry.offset(self.base()))
    }

    /// What Kafka's tools ask of an index as a whole; a broker asks nothing.
    ///
    /// Kafka: `OffsetIndex.sanityCheck`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] if the last offset is below the base ([`crate::Rule::Below`]) or the size no multiple of an entry
    /// ([`crate::Rule::Trailing`]).
    pub fn check(&self) -> Result<()> {
        self.check_last_offset(self.last_offset(), 0)?;
        self.check_size("the offset index")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(base: i64, entries: &[(i64, i32)]) -> OffsetIndex {
        let base = Offset::new(base);
        let mut bytes = Vec::new();
        for (offset, position) in entries {
            let delta = Offset::new(*offset).delta_from(base).unwrap();
            OffsetEntry { delta, position: *position }.encode(&mut bytes);
        }
        OffsetIndex::new("x.index", base, bytes)
    }

    fn found(index: &OffsetIndex, target: i64) -> (i64, i32) {
        let found = index.lookup(Offset::new(target));
        (found.offset.get(), found.position)
    }

    #[test]
    fn an_entry_is_its_eight_bytes() {
        let bytes = [0, 0, 0, 0x19, 0, 0, 0x20, 0];
        let entry = OffsetEntry { delta: OffsetDelta::new(25), position: 8192 };
        assert_eq!(OffsetEntry::decode(&bytes), Some(entry));
        assert_eq!(entry.offset(Offset::new(1000)), Offset::new(1025));
        assert_eq!(entry.file_position(), Some(FilePosition::new(8192)));
        let mut out = Vec::new();
        entry.encode(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(OffsetEntry::decode(&bytes[1..]), None);

        let damaged = OffsetEntry::decode(&[0xff; 8]).unwrap();
        assert_eq!((damaged.offset(Offset::new(45)).get(), damaged.file_position()), (44, None));
    }

    // conformance: OIX-001 OIX-002
    #[test]
    fn an_offset_is_looked_for_from_the_entry_at_or_before_it() {
        let empty = index(45, &[]);
        assert_eq!((found(&empty, 92), found(&empty, 45)), ((45, 0), (45, 0)));
        assert_eq!(empty.last_offset(), Offset::new(45));
        let few = index(45, &[(50, 10), (60, 300), (61, 5000)]);
        for (target, answer) in
            [(44, (45, 0)), (49, (45, 0)), (50, (50, 10)), (59, (50, 10)), (60, (60, 300)), (1000, (61, 5000))]
        {
            assert_eq!(found(&few, target), answer, "{target}");
        }
        let full: Vec<_> = (0..1500).map(|n| (46 + i64::from(n), n)).collect();
        let full = index(45, &full);
        assert_eq!((found(&full, 45), found(&full, 45 + 1500)), ((45, 0), (1545, 1499)));
    }

    #[test]
    fn a_read_ends_before_the_first_entry_behind_it() {
        let index = index(1000, &[(1005, 190), (1009, 380), (1015, 570)]);
        let bound = |start, bytes| index.upper_bound_of_read(FilePosition::new(start), bytes).map(|at| at.offset.get());
        assert_eq!(bound(0, 1), Some(1005));
        assert_eq!(bound(0, 189), Some(1005));
        assert_eq!(bound(0, 190), Some(1009));
        assert_eq!(bound(0, 191), Some(1009));
        assert_eq!(bound(190, 380), Some(1015));
        assert_eq!(bound(190, 381), None);
        assert_eq!(bound(u64::MAX, u64::MAX), None);
    }

    // conformance: OIX-011
    #[test]
    fn a_check_sees_a_last_offset_below_the_base_and_an_odd_size() {
        assert!(index(20, &[]).check().is_ok());
        assert!(index(20, &[(20, 0)]).check().is_ok());
        let below = OffsetIndex::new("x.index", Offset::new(20), vec![0xff; 16]);
        assert_eq!(below.check().unwrap_err().to_string(), "x.index at byte 8: the last offset is 19, below 20");
        let odd = OffsetIndex::new("x.index", Offset::new(20), vec![0; 9]);
        let said = "x.index at byte 8: 1 bytes are left after the end of the offset index";
        assert_eq!(odd.check().unwrap_err().to_string(), said);
    }

    // conformance: OIX-009
    #[test]
    fn a_cut_takes_the_entries_from_its_offset_on_and_others_can_follow() {
        let mut cut = index(0, &(1..10).map(|n| (n, n as i32)).collect::<Vec<_>>());
        let keep_below = |index: &mut OffsetIndex, target: i64| {
            let kept = index.slots_before(Offset::new(target), |entry| entry.offset(Offset::ZERO));
            index.truncate(kept);
            index.last_offset().get()
        };
        let append = |index: &mut OffsetIndex, n: i32| {
            index.push(&OffsetEntry { delta: OffsetDelta::new(n), position: n });
            assert_eq!(found(index, i64::from(n)), (n.into(), n));
        };
        assert_eq!(keep_below(&mut cut, 12), 9);
        append(&mut cut, 10);
        assert_eq!(keep_below(&mut cut, 10), 9);
        append(&mut cut, 10);
        assert_eq!((keep_below(&mut cut, 9), found(&cut, 10)), (8, (8, 8)));
        append(&mut cut, 9);
        assert_eq!(keep_below(&mut cut, 5), 4);
        append(&mut cut, 5);
        for _ in 0..2 {
            assert_eq!((keep_below(&mut cut, 0), cut.len()), (0, 0));
        }
    }

    #[test]
    fn ten_slots_of_zeros_are_ten_entries_at_the_base() {
        let zeros = OffsetIndex::new("x.index", Offset::new(1000), vec![0; 80]);
        assert_eq!((zeros.len(), zeros.used_len()), (10, 0));
        assert!(zeros.check().is_ok());
        assert_eq!(found(&zeros, 1011), (1000, 0));
    }

    proptest! {
        #[test]
        fn any_bytes_answer_every_question(
            bytes in prop::collection::vec(any::<u8>(), 0..100), base: i64, target: i64, start: u64, len: u64,
        ) {
            let index = OffsetIndex::new("x.index", Offset::new(base), bytes);
            let _ = index.lookup(Offset::new(target));
            let _ = index.upper_bound_of_read(FilePosition::new(start), len);
            let _ = index.check();
        }
    }
}
