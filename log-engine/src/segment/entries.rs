//! A file of fixed-size entries, as the indexes beside a `.log` are: no head, no checksum, no count of what is in use.
//!
//! Kafka takes every whole slot of such a file for an entry, so the zeros behind the last one of a file that was not trimmed
//! count too, and nothing says that the entries rise. What is found therefore depends on the search: it is Kafka's own, step by
//! step.

use std::marker::PhantomData;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result, Rule};
use crate::fs::{Mapping, Source};
use crate::units::{FilePosition, Offset};

/// An index file with more bytes than this is reported, not loaded. Kafka makes them 10 MiB (`segment.index.bytes`).
pub const MAX_INDEX_BYTES: usize = 64 << 20;

/// Bytes at the end of an index that Kafka searches first, because followers and consumers at the end look there.
const WARM_BYTES: usize = 8192;

/// One entry of an index file, as it stands there.
pub trait IndexEntry: Copy {
    /// Bytes of an entry.
    const LEN: usize;

    /// Adds the entry's bytes to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// The entry in `slot`; `None` unless it has [`Self::LEN`] bytes.
    fn decode(slot: &[u8]) -> Option<Self>;
}

/// An index file in memory: its bytes as they are, seen as entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index<E> {
    path: PathBuf,
    base: Offset,
    bytes: Bytes,
    entry: PhantomData<E>,
}

/// The bytes of an index: in memory, or in its file as long as nobody changes it.
#[derive(Clone, Debug)]
struct Bytes {
    here: Vec<u8>,
    mapped: Option<Arc<Mapping>>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.mapped.as_ref().map_or(&self.here, |mapping| mapping)
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Bytes {}

impl Bytes {
    /// The bytes in memory, to be changed. The file is not looked at any more.
    fn to_mut(&mut self) -> &mut Vec<u8> {
        if let Some(mapping) = self.mapped.take() {
            self.here = mapping.to_vec();
        }
        &mut self.here
    }
}

impl<E: IndexEntry> Index<E> {
    /// The index in `source`, of the segment that begins at `base`.
    ///
    /// # Errors
    /// [`Rule::TooLarge`] above [`MAX_INDEX_BYTES`], [`Error::Io`] where the system refuses; never for what the bytes say.
    pub fn read(source: &Source, base: Offset) -> Result<Self> {
        Ok(Self::new(source.path(), base, source.read_all(MAX_INDEX_BYTES)?))
    }

    /// The index that `bytes` are, under the name by which errors call it. No bytes: an empty index.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, base: Offset, bytes: Vec<u8>) -> Self {
        let bytes = Bytes { here: bytes, mapped: None };
        Self { path: path.into(), base, bytes, entry: PhantomData }
    }

    /// The index whose file is mapped.
    pub(super) fn mapped(path: PathBuf, base: Offset, mapping: Mapping) -> Self {
        let bytes = Bytes { here: Vec::new(), mapped: Some(Arc::new(mapping)) };
        Self { path, base, bytes, entry: PhantomData }
    }

    /// Copies a mapped index into memory: its file is to be changed.
    pub(super) fn unmap(&mut self) {
        self.bytes.to_mut();
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the offsets of the entries are relative to.
    #[must_use]
    pub const fn base(&self) -> Offset {
        self.base
    }

    /// All bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whole slots, which are the entries that Kafka sees: zeros at the end included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / E::LEN
    }

    /// True if there is not one whole slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes behind the last whole slot, which Kafka ignores.
    #[must_use]
    pub fn odd_bytes(&self) -> usize {
        self.bytes.len() % E::LEN
    }

    /// The entry in slot `n`, counted from 0; `None` past the last.
    #[must_use]
    pub fn get(&self, n: usize) -> Option<E> {
        let start = n.checked_mul(E::LEN)?;
        self.bytes.get(start..start.checked_add(E::LEN)?).and_then(E::decode)
    }

    /// The entry in the last whole slot.
    #[must_use]
    pub fn last(&self) -> Option<E> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All slots in order, zeros at the end included.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = E> + '_ {
        self.bytes.chunks_exact(E::LEN).filter_map(E::decode)
    }

    /// How many slots are left when those are taken off the end that hold nothing but zeros: the tail of a file that was never
    /// trimmed. A file of one slot was trimmed, so that slot counts whatever it holds (time 0 at the base offset is all zeros).
    #[must_use]
    pub fn used_len(&self) -> usize {
        let slots = self.bytes.chunks_exact(E::LEN);
        match slots.rev().position(|slot| slot.iter().any(|&byte| byte != 0)) {
            Some(zeros) => self.len() - zeros,
            None => usize::from(self.len() == 1),
        }
    }

    /// The slots before the zeros at the end.
    pub fn used(&self) -> impl Iterator<Item = E> + '_ {
        self.iter().take(self.used_len())
    }

    /// The first byte of slot `n`.
    #[must_use]
    pub const fn position_of(&self, n: usize) -> FilePosition {
        FilePosition::new((n as u64).saturating_mul(E::LEN as u64))
    }

    /// Adds an entry behind the last whole slot; odd bytes there go.
    pub(super) fn push(&mut self, entry: &E) {
        self.truncate(self.len());
        entry.encode(self.bytes.to_mut());
    }

    /// Keeps the first `entries` slots.
    pub(super) fn truncate(&mut self, entries: usize) {
        self.bytes.to_mut().truncate(entries.saturating_mul(E::LEN));
    }

    /// How many slots stay when the log is cut before `offset`.
    ///
    /// Kafka: `OffsetIndex.truncateTo`, `TimeIndex.truncateTo`.
    pub(super) fn slots_before(&self, offset: Offset, offset_of: impl Fn(&E) -> Offset) -> usize {
        let slot = self.lower_bound(offset.get(), |entry| offset_of(entry).get());
        let keeps = |slot: usize| self.get(slot).is_some_and(|entry| offset_of(&entry) < offset);
        slot.map_or(0, |slot| if keeps(slot) { slot.saturating_add(1) } else { slot })
    }

    /// The broken rule of slot `n`, or of the byte `at` in it.
    pub(super) fn corrupt(&self, n: usize, at: u64, rule: Rule) -> Error {
        Error::corrupt(&self.path, self.position_of(n).plus(at), rule)
    }

    /// Whether the offset in the last slot, `at` bytes into it, is not below the base.
    pub(super) fn check_last_offset(&self, last: Offset, at: u64) -> Result<()> {
        if last >= self.base() {
            return Ok(());
        }
        let rule = Rule::Below { what: "the last offset", found: last.get(), least: self.base().get() };
        Err(self.corrupt(self.len().saturating_sub(1), at, rule))
    }

    /// Whether the file ends with an entry.
    pub(super) fn check_size(&self, what: &'static str) -> Result<()> {
        match self.odd_bytes() {
            0 => Ok(()),
            left => Err(self.corrupt(self.len(), 0, Rule::Trailing { what, left: left as u64 })),
        }
    }

    /// The slot of the largest entry whose key is at most `target`, if the keys rise; what Kafka finds if not.
    ///
    /// Kafka: `AbstractIndex.largestLowerBoundSlotFor`.
    pub(super) fn lower_bound(&self, target: i64, key: impl Fn(&E) -> i64) -> Option<usize> {
        match self.search(target, key) {
            Found::Before => None,
            Found::Exactly(slot) | Found::After(slot) => Some(slot),
        }
    }

    /// The slot of the smallest entry whose key is at least `target`, if the keys rise; what Kafka finds if not. Its halving
    /// never looks at the slot that it begins with, so where the very first entry would be the answer it says the next, or none.
    ///
    /// Kafka: `AbstractIndex.smallestUpperBoundSlotFor`.
    pub(super) fn upper_bound(&self, target: i64, key: impl Fn(&E) -> i64) -> Option<usize> {
        match self.search(target, key) {
            Found::Before => (!self.is_empty()).then_some(0),
            Found::Exactly(slot) => Some(slot),
            Found::After(slot) => slot.checked_add(1).filter(|next| *next < self.len()),
        }
    }

    /// Kafka: `AbstractIndex.indexSlotRangeFor`.
    fn search(&self, target: i64, key: impl Fn(&E) -> i64) -> Found {
        let key_at = |slot| self.get(slot).map_or(i64::MAX, |entry| key(&entry));
        let Some(last) = self.len().checked_sub(1) else {
            return Found::Before;
        };
        let first_warm = last.saturating_sub(WARM_BYTES / E::LEN);
        if key_at(first_warm) < target {
            return bisect(target, key_at, first_warm, last);
        }
        if key_at(0) > target {
            return Found::Before;
        }
        bisect(target, key_at, 0, first_warm)
    }
}

/// Where a search ended.
enum Found {
    /// Before the first entry, or there is none.
    Before,
    /// At an entry with the very key.
    Exactly(usize),
    /// Between this entry and the next.
    After(usize),
}

/// Kafka: `AbstractIndex.binarySearch`.
fn bisect(target: i64, key_at: impl Fn(usize) -> i64, mut low: usize, mut high: usize) -> Found {
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match key_at(middle).cmp(&target) {
            std::cmp::Ordering::Greater => high = middle - 1,
            std::cmp::Ordering::Less => low = middle,
            std::cmp::Ordering::Equal => return Found::Exactly(middle),
        }
    }
    Found::After(low)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::fs::MemoryFile;
    use crate::segment::{OffsetEntry, OffsetIndex, TimeEntry, TxnIndex};
    use crate::units::OffsetDelta;

    const BASE: Offset = Offset::new(1000);

    fn entries(deltas: &[i32]) -> Vec<OffsetEntry> {
        deltas.iter().zip(0..).map(|(&delta, n)| OffsetEntry { delta: OffsetDelta::new(delta), position: n }).collect()
    }

    fn index(deltas: &[i32]) -> OffsetIndex {
        let mut bytes = Vec::new();
        entries(deltas).iter().for_each(|entry| entry.encode(&mut bytes));
        OffsetIndex::new("x.index", BASE, bytes)
    }

    fn found(index: &OffsetIndex, target: i32) -> (Option<usize>, Option<usize>) {
        let key = |entry: &OffsetEntry| i64::from(entry.delta.get());
        (index.lower_bound(target.into(), key), index.upper_bound(target.into(), key))
    }

    #[test]
    fn slots_are_counted_whole_and_odd_bytes_and_zeros_told_apart() {
        let mut bytes = index(&[3, 5]).bytes().to_vec();
        bytes.extend([0; 16]);
        bytes.extend([7; 5]);
        let index = OffsetIndex::new("x.index", BASE, bytes);
        assert_eq!((index.len(), index.used_len(), index.odd_bytes()), (4, 2, 5));
        assert_eq!(index.used().collect::<Vec<_>>(), entries(&[3, 5]));
        assert_eq!(index.iter().count(), 4);
        assert_eq!(index.last().unwrap().delta.get(), 0);
        assert_eq!(index.position_of(3).get(), 24);
        // conformance: OIX-004
        assert_eq!(index.get(4), None);
        assert_eq!(index.get(usize::MAX), None);
    }

    #[test]
    fn one_slot_of_zeros_is_an_entry_and_more_are_a_tail() {
        let zeros = |slots: usize| Index::<TimeEntry>::new("x.timeindex", BASE, vec![0; 12 * slots]).used_len();
        assert_eq!((zeros(0), zeros(1), zeros(2), zeros(1000)), (0, 1, 0, 0));
    }

    #[test]
    fn a_file_above_the_limit_is_reported() {
        let read = |bytes: usize| {
            let source = Source::new("x.index", Arc::new(MemoryFile::new(vec![0; bytes]))).unwrap();
            OffsetIndex::read(&source, BASE).map(|index| index.len())
        };
        assert_eq!(read(MAX_INDEX_BYTES - 1).unwrap(), MAX_INDEX_BYTES / 8 - 1);
        assert_eq!(read(MAX_INDEX_BYTES).unwrap(), MAX_INDEX_BYTES / 8);
        assert!(matches!(read(MAX_INDEX_BYTES + 1), Err(Error::Corrupt(c)) if matches!(c.rule, Rule::TooLarge { .. })));
    }

    #[test]
    fn an_upper_bound_that_is_the_first_entry_is_passed_over() {
        assert_eq!(found(&index(&[3, 5, 7]), 2), (None, Some(0)));
        assert_eq!(found(&index(&[3, 5, 7]), 3), (Some(0), Some(1)));
        assert_eq!(found(&index(&[3, 5, 7]), 5), (Some(1), Some(1)));
        assert_eq!(found(&index(&[3]), 3), (Some(0), None));
    }

    #[test]
    fn an_index_that_does_not_rise_answers_as_kafkas_search_does() {
        let mut deltas: Vec<i32> = (1..=3000).map(|n| 10 * n).collect();
        deltas[1500] = i32::MAX;
        // The last 1025 slots come first, so the wrong one in the middle of the file is not met.
        assert_eq!(found(&index(&deltas), 29_995), (Some(2998), Some(2999)));
        // Slot 1975 is the first of them: its offset is not below the target, so the slots before it are halved.
        assert_eq!(found(&index(&deltas), 19_760), (Some(1975), Some(1975)));
        // The upper middle is asked.
        assert_eq!(found(&index(&[1, 9, 3, 4]), 5), (Some(3), None));
        // All zeros: each comparison says "too small", and the last slot is taken.
        assert_eq!(found(&index(&[0; 10]), 5), (Some(9), None));
        assert_eq!(found(&index(&[9, 1, 2]), 5), (None, Some(0)));
    }

    proptest! {
        #[test]
        fn in_a_rising_index_the_search_finds_what_a_scan_finds(
            steps in prop::collection::vec(1..20, 0..3000), targets in prop::collection::vec(-10..30_000, 20),
        ) {
            let deltas: Vec<i32> = steps.iter().scan(0, |sum, step| { *sum += step; Some(*sum) }).collect();
            let index = index(&deltas);
            for target in targets.into_iter().chain(deltas.first().copied()) {
                let below = deltas.iter().rposition(|&delta| delta <= target);
                let passed_over = usize::from(deltas.first() == Some(&target));
                let above = (passed_over..deltas.len()).find(|&slot| deltas[slot] >= target);
                prop_assert_eq!(found(&index, target), (below, above), "{}", target);
            }
        }

        #[test]
        fn any_bytes_are_slots_that_encode_to_themselves(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let index = OffsetIndex::new("x.index", BASE, bytes.clone());
            let mut again = Vec::new();
            index.iter().for_each(|entry| entry.encode(&mut again));
            prop_assert_eq!(&again, &bytes[..bytes.len() - index.odd_bytes()]);
            let times = Index::<TimeEntry>::new("x.timeindex", BASE, bytes.clone());
            again.clear();
            times.iter().for_each(|entry| entry.encode(&mut again));
            prop_assert_eq!(&again, &bytes[..bytes.len() - times.odd_bytes()]);
            let txns = TxnIndex::new("x.txnindex", BASE, bytes.clone());
            again.clear();
            txns.iter().for_each(|entry| entry.encode(&mut again));
            prop_assert_eq!(&again, &bytes[..bytes.len() - txns.odd_bytes()]);
        }
    }
}
