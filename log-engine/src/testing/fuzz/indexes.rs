//! Any bytes as each of the three indexes.

use std::path::Path;

use super::assert_in_file;
use super::indexed_log::{BASE, assert_answers_stay};
use crate::error::Result;
use crate::segment::{AbortedTxn, Index, IndexEntry, OffsetIndex, SegmentFile, TimeIndex, TxnIndex, TxnIndexState};
use crate::units::{FilePosition, Offset, Timestamp};

/// Reads the bytes as a `.index` file and looks up every offset that it names, and those beside it.
///
/// # Panics
/// If slots do not give the file again, an answer is no entry at or below what was asked for, or it is not the largest such entry of
/// a file whose entries rise; if a sound log with this index gives another answer than without.
pub fn index(data: &[u8]) {
    let index = OffsetIndex::new("00000000000000000100.index", BASE, data.to_vec());
    assert_slots(&index);
    assert_said_of(index.path(), data, index.check());
    let entries: Vec<(i64, i32)> = index.iter().map(|entry| (entry.offset(BASE).get(), entry.position)).collect();
    let rises = entries.is_sorted_by_key(|(offset, _)| *offset);
    for target in around(entries.iter().map(|(offset, _)| *offset)) {
        let found = index.lookup(Offset::new(target));
        let found = (found.offset.get(), found.position);
        let scanned = entries.iter().rev().find(|(offset, _)| *offset <= target);
        assert_lower_bound(&entries, rises, target, found, scanned.copied(), (BASE.get(), 0));
    }
    for position in around(entries.iter().map(|(_, position)| i64::from(*position))) {
        let start = FilePosition::new(position.unsigned_abs());
        if let Some(bound) = index.upper_bound_of_read(start, 1) {
            assert!(entries.contains(&(bound.offset.get(), bound.position)), "{bound:?} is no entry");
        }
    }
    let offsets = few(entries.iter().map(|(offset, _)| *offset));
    assert_answers_stay(SegmentFile::OffsetIndex, data, &offsets, &[1_500]);
}

/// Reads the bytes as a `.timeindex` file and looks up every time that it names, and those beside it.
///
/// # Panics
/// As [`index`].
pub fn timeindex(data: &[u8]) {
    let index = TimeIndex::new("00000000000000000100.timeindex", BASE, data.to_vec());
    assert_slots(&index);
    assert_said_of(index.path(), data, index.check());
    let entries: Vec<(i64, i64)> =
        index.iter().map(|entry| (entry.timestamp.get(), entry.offset(BASE).get())).collect();
    let rises = entries.is_sorted_by_key(|(time, _)| *time);
    for target in around(entries.iter().map(|(time, _)| *time)) {
        let found = index.lookup(Timestamp::new(target));
        let found = (found.timestamp.get(), found.offset.get());
        let scanned = entries.iter().rev().find(|(time, _)| *time <= target);
        assert_lower_bound(&entries, rises, target, found, scanned.copied(), (-1, BASE.get()));
    }
    let times = few(entries.iter().map(|(time, _)| *time));
    assert_answers_stay(SegmentFile::TimeIndex, data, &[], &times);
}

/// Reads the bytes as a `.txnindex` file and collects what reaches into every range that it names.
///
/// # Panics
/// If slots do not give the file again, a scan of all entries finds other transactions, or the log's own answers change.
pub fn txnindex(data: &[u8]) {
    let index = TxnIndex::new("00000000000000000100.txnindex", BASE, data.to_vec());
    assert_slots(&index);
    match index.state() {
        TxnIndexState::Accepted => {}
        TxnIndexState::Recovered(error) | TxnIndexState::Fatal(error) => {
            assert_in_file(&error, index.path(), data.len())
        }
    }
    let entries: Vec<AbortedTxn> = index.iter().collect();
    let bounds = around(entries.iter().flat_map(|txn| [txn.first_offset.get(), txn.last_stable_offset.get()]));
    for pair in bounds.windows(2) {
        let (from, until) = (Offset::new(pair[0]), Offset::new(pair[1]));
        let last = entries.iter().position(|txn| txn.last_stable_offset >= until || txn.stored_version > 0);
        let seen = entries.get(..=last.unwrap_or(usize::MAX - 1)).unwrap_or(&entries);
        match index.collect(from, until) {
            Ok(found) => {
                let reaches = |txn: &&AbortedTxn| txn.last_offset >= from && txn.first_offset < until;
                assert_eq!(found.transactions, seen.iter().filter(reaches).copied().collect::<Vec<_>>());
                assert_eq!(found.is_complete, last.is_some());
            }
            Err(error) => {
                assert!(seen.last().is_some_and(|txn| txn.stored_version > 0), "{error}");
                assert_in_file(&error, index.path(), data.len());
            }
        }
    }
    assert_answers_stay(SegmentFile::TxnIndex, data, &[110], &[1_200]);
}

/// Numbers for questions that cost a walk: behind the first few, and two that lie in the log.
fn few(numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    numbers.take(2).map(|n| n.saturating_add(1)).chain([110, 1_200]).collect()
}

/// Numbers at and beside `numbers`, and the largest and smallest.
fn around(numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    let beside = numbers.flat_map(|n| [n.saturating_sub(1), n, n.saturating_add(1)]);
    [i64::MIN, -1, 0, i64::MAX].into_iter().chain(beside).take(1000).collect()
}

/// That the slots give the file again, less what is behind the last whole one, and that only zeros are not in use.
fn assert_slots<E: IndexEntry>(index: &Index<E>) {
    let mut bytes = Vec::new();
    index.iter().for_each(|entry| entry.encode(&mut bytes));
    assert_eq!(bytes.len() + index.odd_bytes(), index.bytes().len());
    assert!(index.bytes().starts_with(&bytes));
    assert_eq!((index.iter().count(), index.last().is_none()), (index.len(), index.is_empty()));
    assert!(index.used_len() <= index.len());
    assert!(bytes[index.used_len() * E::LEN..].iter().all(|byte| *byte == 0), "an entry that is not in use");
}

fn assert_said_of(file: &Path, data: &[u8], checked: Result<()>) {
    if let Err(error) = checked {
        assert_in_file(&error, file, data.len());
    }
}

/// That `found` is an entry, or `none` where there is no such entry, whose key is at most `target`, and the largest if they rise.
fn assert_lower_bound<K: Copy + PartialEq + std::fmt::Debug>(
    entries: &[(i64, K)],
    rises: bool,
    target: i64,
    found: (i64, K),
    scanned: Option<(i64, K)>,
    none: (i64, K),
) {
    assert!(found == none || entries.contains(&found), "{found:?} is no entry");
    assert!(found == none || found.0 <= target, "{found:?} lies behind {target}");
    if rises {
        assert_eq!(found.0, scanned.unwrap_or(none).0, "looking for {target} in {entries:?}");
    }
}
