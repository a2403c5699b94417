//! How far readers of committed records may read, and which transactions were aborted.

use std::sync::atomic::{AtomicBool, Ordering};

use log_engine::fs::sim::Faults;
use log_engine::log::EndTransaction;
use log_engine::segment::SegmentFile;
use log_engine::{Error, Isolation, LogConfig, Offset, OpenOptions, Refusal};

use crate::partition::{EPOCH, Partition, clean, end_of, refusal, txn, unclean};

fn unstable(log: &Partition) -> Option<i64> {
    log.first_unstable_offset().map(Offset::get)
}

// conformance: ULG-106 ULG-107
#[test]
fn a_transaction_is_unstable_until_its_marker_is_below_the_high_watermark() {
    let log = Partition::new(LogConfig::default());
    log.append(3);
    log.replicate();
    assert_eq!(unstable(&log), None);

    let log = Partition::new(LogConfig::default());
    log.send(Some(txn(7, 0)), 3).unwrap();
    assert_eq!(unstable(&log), Some(0));
    log.append(1);
    assert_eq!(unstable(&log), Some(0));
    let marker = log.end_transaction(7, true);
    assert_eq!(unstable(&log), Some(0));
    for (high_watermark, expected) in [(marker, Some(0)), (marker + 1, None)] {
        log.set_high_watermark(Offset::new(high_watermark)).unwrap();
        assert_eq!(unstable(&log), expected, "{high_watermark}");
    }
}

// conformance: ULG-108
#[test]
fn no_record_of_an_open_transaction_is_read_however_the_high_watermark_moves() {
    let log = Partition::new(LogConfig::default());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                log.replicate();
            }
        });
        let mut sequence = 0;
        while log.end().get() < 50 {
            let offset = log.send(Some(txn(7, sequence)), 1).unwrap().first_offset.unwrap();
            assert!(log.read(offset, 1000, Isolation::TxnCommitted, true).unwrap().is_empty(), "{offset:?}");
            log.end_transaction(7, false);
            sequence += 1;
        }
        is_done.store(true, Ordering::Release);
    });
}

/// Four producers that take turns, with plain records between them, 90 offsets in all: 1 and 2 abort, 3 and 4 commit.
fn interleaved(config: LogConfig) -> Partition {
    let log = Partition::new(config);
    let mut sequences = [0; 5];
    let mut send = |id: usize, records: usize| {
        let sender = (id > 0).then(|| txn(id as i64, sequences[id]));
        log.send(sender, records).unwrap();
        sequences[id] += records as i32;
    };
    [(1, 5), (0, 3), (2, 2), (1, 4), (3, 3), (0, 2), (1, 10)].into_iter().for_each(|(id, records)| send(id, records));
    assert_eq!(log.end_transaction(1, false), 29);
    [(2, 6), (4, 3), (0, 10), (3, 9)].into_iter().for_each(|(id, records)| send(id, records));
    assert_eq!(log.end_transaction(3, true), 58);
    [(4, 8), (2, 7)].into_iter().for_each(|(id, records)| send(id, records));
    assert_eq!(log.end_transaction(2, false), 74);
    [(0, 10), (4, 4)].into_iter().for_each(|(id, records)| send(id, records));
    assert_eq!(log.end_transaction(4, true), 89);
    log
}

const ABORTED: [(i64, i64, i64, i64); 2] = [(1, 0, 29, 8), (2, 8, 74, 36)];

/// The first unstable offset for some high watermarks, and that its place in the log is known.
fn check_unstable(log: &Partition) {
    for (high_watermark, expected) in [(30, Some(8)), (75, Some(36)), (90, None)] {
        log.set_high_watermark(Offset::new(high_watermark)).unwrap();
        assert_eq!(unstable(log), expected, "{high_watermark}");
        if let Some(offset) = expected {
            let read = log.read(Offset::new(offset), 1000, Isolation::TxnCommitted, true).unwrap();
            assert!(read.is_empty() && read.at.offset.get() == offset && read.at.place.is_some(), "{read:?}");
        }
    }
}

// conformance: ULG-109
#[test]
fn a_leader_notes_aborted_transactions_with_the_last_stable_offset_of_their_time() {
    let log = interleaved(LogConfig::default());
    assert_eq!(log.aborted(), ABORTED);
    check_unstable(&log);
}

// conformance: ULG-110
#[test]
fn a_follower_notes_the_same() {
    let bytes = interleaved(LogConfig::default()).bytes(0, Isolation::LogEnd);
    let follower = Partition::new(LogConfig::default());
    follower.follow(&bytes).unwrap();
    assert_eq!((follower.end().get(), follower.aborted()), (90, ABORTED.to_vec()));
    check_unstable(&follower);
}

/// Removes files from the folder of a partition that was not closed.
fn without(log: Partition, gone: impl Fn(SegmentFile, i64) -> bool, options: OpenOptions) -> Partition {
    let kinds = [SegmentFile::OffsetIndex, SegmentFile::TxnIndex, SegmentFile::Snapshot];
    let mut removed = 0;
    for (kind, base) in kinds.into_iter().flat_map(|kind| log.files(kind).into_iter().map(move |base| (kind, base))) {
        if gone(kind, base) {
            let path = log.path().join(kind.name(Offset::new(base)));
            log_engine::WriteFs::remove(&log.disk, &path).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 1, "{removed}");
    log.reopened(options)
}

// conformance: LDR-032 LDR-033 LDR-034
#[test]
fn recovery_makes_the_index_of_aborted_transactions_again() {
    let config = || LogConfig { segment_bytes: 640, ..LogConfig::default() };
    let indexes = [SegmentFile::OffsetIndex, SegmentFile::TxnIndex];
    let last = interleaved(config()).active_segment().get();
    let all_indexes = |kind, _| indexes.contains(&kind);
    let last_indexes = |kind, base| indexes.contains(&kind) && base == last;
    let and_snapshots = |kind, base| kind == SegmentFile::Snapshot || last_indexes(kind, base);
    let check = |gone: &dyn Fn(SegmentFile, i64) -> bool, recovery_point| {
        let log = interleaved(config());
        assert!(log.segments().len() > 3);
        // The last segment has an index of aborted transactions only if one ends there.
        log.send(Some(txn(9, 0)), 1).unwrap();
        log.end_transaction(9, false);
        let aborted = log.aborted();
        assert_eq!(aborted[..2], ABORTED);
        let log = without(log, gone, unclean(recovery_point));
        assert_eq!(log.aborted(), aborted, "from {recovery_point}");
    };
    check(&all_indexes, 0);
    check(&last_indexes, last);
    check(&and_snapshots, last);
}

// conformance: ULG-036
#[test]
fn transactions_are_known_again_after_a_crash() {
    let log = Partition::new(LogConfig::default());
    log.send(Some(txn(7, 0)), 3).unwrap();
    log.end_transaction(7, false);
    log.replicate();
    assert_eq!(unstable(&log), None);
    let log = log.reopened(unclean(0));
    log.replicate();
    assert_eq!((unstable(&log), log.aborted()), (None, vec![(7, 0, 3, 4)]));
}

// conformance: ULG-004 ULG-005 ULG-006
#[test]
fn a_cut_below_an_open_transaction_forgets_it() {
    let closed = || {
        let log = Partition::new(LogConfig::default());
        log.append(3);
        log.send(Some(txn(17, 0)), 2).unwrap();
        log.close().unwrap();
        let log = log.reopened(clean());
        assert_eq!((unstable(&log), log.producers()), (Some(3), vec![(17, 1)]));
        log
    };
    let log = closed();
    log.truncate_to(Offset::ZERO).unwrap();
    assert_eq!((unstable(&log), log.producers()), (None, vec![]));
    for (offset, log_start) in [(0, 0), (2, 1)] {
        let log = closed();
        log.truncate_fully_and_start_at(Offset::new(offset), Some(Offset::new(log_start))).unwrap();
        assert_eq!((unstable(&log), log.producers()), (None, vec![]));
        assert_eq!((log.start().get(), log.end().get()), (log_start, offset));
    }
}

// conformance: ULG-111 ULG-112
#[test]
fn a_coordinator_that_was_replaced_is_fenced() {
    let of = |coordinator_epoch| EndTransaction { coordinator_epoch, ..end_of(7, false) };
    let fenced = Refusal::TransactionCoordinatorFenced { producer: 7, found: 1, current: 2 };
    let log = Partition::new(LogConfig::default());
    log.send(Some(txn(7, 0)), 1).unwrap();
    log.append_marker(&of(2), EPOCH).unwrap();
    log.send(Some(txn(7, 1)), 1).unwrap();
    assert_eq!(refusal(log.append_marker(&of(1), EPOCH)), fenced);

    let log = Partition::new(LogConfig::default());
    (0..2).for_each(|_| drop(log.append_marker(&of(2), EPOCH).unwrap()));
    assert_eq!(refusal(log.append_marker(&of(1), EPOCH)), fenced);
}

// conformance: ULG-114 ULG-115
#[test]
fn nothing_below_the_log_start_is_unstable() {
    let log = Partition::new(LogConfig::default());
    log.send(Some(txn(7, 0)), 5).unwrap();
    log.append(3);
    log.roll().unwrap();
    log.send(Some(txn(7, 5)), 5).unwrap();
    log.replicate();
    assert_eq!(unstable(&log), Some(0));
    log.delete_records_to(Offset::new(5)).unwrap();
    assert_eq!(unstable(&log), Some(5));
    log.delete_records_to(Offset::new(8)).unwrap();
    assert_eq!((log.delete_old_segments().unwrap(), unstable(&log)), (1, Some(8)));
    // Its first records are gone, it is open all the same.
    log.append(1);
    log.replicate();
    assert_eq!(log.last_stable_offset().get(), 8);
}

// conformance: ULG-119
#[test]
fn an_aborted_transaction_over_several_segments_is_told_once() {
    let log = Partition::new(LogConfig { segment_bytes: 150, ..LogConfig::default() });
    log.send(Some(txn(137, 0)), 3).unwrap();
    log.send(Some(txn(137, 3)), 3).unwrap();
    assert_eq!(log.segments(), [0, 3]);
    log.end_transaction(137, false);
    log.replicate();
    assert_eq!(unstable(&log), None);
    let read = log.read(Offset::ZERO, 1000, Isolation::TxnCommitted, true).unwrap();
    let aborted: Vec<_> =
        read.aborted.unwrap().iter().map(|txn| (txn.producer_id.get(), txn.first_offset.get())).collect();
    assert_eq!(aborted, [(137, 0)]);
}

// conformance: ULG-116
#[test]
fn a_marker_whose_transaction_could_not_be_noted_moves_nothing_until_it_is_recovered() {
    let log = Partition::new(LogConfig::default());
    log.send(Some(txn(7, 0)), 10).unwrap();
    // The first write is the marker's, the second that of the index.
    log.disk.set_faults(Faults { failing_write: Some(1), ..Faults::default() });
    assert!(matches!(log.append_marker(&end_of(7, false), EPOCH), Err(Error::Io { .. })));
    assert_eq!((log.end().get(), log.last_stable_offset().get(), unstable(&log)), (11, 0, Some(0)));
    let size = log.size();
    assert!(matches!(log.append_marker(&end_of(7, false), EPOCH), Err(Error::Poisoned { .. })));
    assert_eq!((log.end().get(), log.size()), (11, size));
    assert!(matches!(log.close(), Err(Error::Poisoned { .. })));

    let log = log.reopened(unclean(0));
    assert_eq!((log.end().get(), log.aborted()), (11, vec![(7, 0, 10, 11)]));
    log.append(1);
    log.set_high_watermark(Offset::new(12)).unwrap();
    assert_eq!(unstable(&log), None);
}

// conformance: LDR-005
#[test]
fn a_marker_of_an_older_coordinator_that_was_written_is_recovered() {
    let expiry = 1000;
    let log = Partition::new(LogConfig { producer_id_expiration_ms: expiry, ..LogConfig::default() });
    let of = |coordinator_epoch, timestamp| EndTransaction {
        coordinator_epoch,
        timestamp: log_engine::Timestamp::new(timestamp),
        ..end_of(7, false)
    };
    let now = crate::partition::NOW;
    log.send(Some(txn(7, 0)), 1).unwrap();
    log.append_marker(&of(5, now + 10), EPOCH).unwrap();
    log.wait(10 + expiry);
    assert_eq!(log.expire_producers(), 0);
    log.append_marker(&of(4, now + 20), EPOCH).unwrap();
    let careful = OpenOptions { mode: log_engine::RecoveryMode::TornTail, ..unclean(0) };
    let mut log = log;
    for options in [unclean(0), careful] {
        log = log.reopened(options);
        let producers = log.describe().unwrap().producers;
        let told: Vec<_> = producers.iter().map(|(id, entry)| (id.get(), entry.timestamp().get())).collect();
        assert_eq!((log.end().get(), told), (3, vec![(7, now + 20)]));
    }
}
