//! What a log does when it is given nonsense, when the disk fails it, and when it is cut under a reader.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use log_engine::fs::{sim::Faults, sim::SimFs};
use log_engine::log::{ManualClock, RunTasks, Sender};
use log_engine::{
    AppendAsLeader, Appended, BatchBuilder, Durability, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord,
    Offset, OpenOptions, ProducerEpoch, ProducerId, Refusal, Result, Rule, Sequence, Timestamp,
};

const EPOCH: LeaderEpoch = LeaderEpoch::new(0);
const DIR: &str = "/data/orders-0";

fn disk() -> SimFs {
    SimFs::with_folder("/data")
}

fn open(disk: &SimFs, config: LogConfig) -> Log {
    let clock = Arc::new(ManualClock::at(Timestamp::new(1_700_000_000_000)));
    let options = OpenOptions { clean: true, clock, ..OpenOptions::default() };
    Log::open(Arc::new(disk.clone()), Path::new(DIR), config, options).unwrap().0
}

fn append_to(log: &Log, value: &[u8]) -> Result<Appended> {
    let record = NewRecord { value: Some(value), ..NewRecord::default() };
    log.append_records([record], None, &AppendAsLeader::client(EPOCH))
}

fn sender(id: i64, is_transactional: bool) -> Sender {
    let (id, epoch) = (ProducerId::new(id), ProducerEpoch::new(0));
    Sender { id, epoch, base_sequence: Sequence::new(0), is_transactional }
}

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::ZERO);
    builder.push(Timestamp::new(1_700_000_000_000), None, Some(b"value"), &[]).unwrap();
    builder.into_batch().unwrap()
}

/// Everything that a refused append must leave as it was.
fn state(log: &Log) -> (log_engine::log::LogState, Vec<u8>) {
    let read = log.read(Offset::ZERO, u64::MAX, Isolation::LogEnd, true).unwrap();
    (log.describe().unwrap(), read.slice.map(|slice| slice.read_to_vec().unwrap()).unwrap_or_default())
}

#[test]
fn a_batch_that_is_wrong_is_refused_with_both_values_and_leaves_no_trace() {
    let log = open(&disk(), LogConfig { max_message_bytes: 200, ..LogConfig::default() });
    append_to(&log, b"first").unwrap();
    let before = state(&log);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = batch();
        change(&mut bytes);
        let refusal = match log.append_as_leader(&mut bytes, &AppendAsLeader::client(EPOCH)) {
            Err(Error::Refused(refusal)) => *refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(state(&log), before);
        refusal
    };
    match refused(&|bytes| bytes[65] ^= 1) {
        Refusal::CorruptMessage(malformed) => assert!(matches!(malformed.rule, Rule::Checksum { .. })),
        other => panic!("{other:?}"),
    }
    match refused(&|bytes| bytes[7] = 9) {
        Refusal::InvalidBatch { found: 9, expected: "0", .. } => {}
        other => panic!("{other:?}"),
    }
    match refused(&|bytes| {
        let mut builder = BatchBuilder::new(Offset::ZERO);
        builder.push(Timestamp::new(0), None, Some(&[7; 200]), &[]).unwrap();
        *bytes = builder.into_batch().unwrap();
    }) {
        Refusal::MessageTooLarge { size, limit: 200 } => assert!(size > 200),
        other => panic!("{other:?}"),
    }
    assert_eq!(append_to(&log, b"next").unwrap().first_offset.unwrap().get(), 1, "the next valid call works");
}

#[test]
fn what_is_cut_off_at_the_end_is_left_out_and_nothing_whole_is_nothing() {
    let log = open(&disk(), LogConfig::default());
    let mut bytes = batch();
    let whole = bytes.len();
    bytes.extend_from_slice(&batch()[..40]);
    let appended = log.append_as_leader(&mut bytes, &AppendAsLeader::client(EPOCH)).unwrap();
    assert_eq!((appended.last_offset, appended.valid_bytes), (Some(Offset::ZERO), whole));
    let appended = log.append_as_leader(&mut batch()[..40], &AppendAsLeader::client(EPOCH)).unwrap();
    assert_eq!((appended.first_offset, appended.last_offset, log.end().get()), (None, None, 1));
}

#[test]
fn a_full_disk_refuses_and_the_log_goes_on_when_there_is_room() {
    let disk = disk();
    let log = open(&disk, LogConfig::default());
    append_to(&log, b"first").unwrap();
    let before = state(&log);
    let used: usize = disk.files().values().map(Vec::len).sum();
    disk.set_faults(Faults { quota: Some(used as u64 + 30), ..Faults::default() });
    for _ in 0..3 {
        let error = append_to(&log, b"second").unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        assert_eq!(state(&log), before, "cut back to the batch before, and readable");
    }
    disk.set_faults(Faults::default());
    assert_eq!(append_to(&log, b"third").unwrap().first_offset.unwrap().get(), 1);
    assert!(state(&log).1.ends_with(b"\x0athird\x00"));
}

#[test]
fn a_failed_write_is_undone() {
    let disk = disk();
    let log = open(&disk, LogConfig::default());
    append_to(&log, b"first").unwrap();
    let before = state(&log);
    for seed in 0..20 {
        disk.set_faults(Faults { seed, failing_write: Some(0), ..Faults::default() });
        assert!(matches!(append_to(&log, b"second"), Err(Error::Io { op: "write", .. })));
        assert_eq!(state(&log), before);
        let on_disk = disk.files()[&Path::new(DIR).join("00000000000000000000.log")].len();
        assert_eq!(on_disk, before.1.len(), "no torn batch is left");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_written_and_reading_goes_on() {
    let disk = disk();
    let log = open(&disk, LogConfig::default());
    let ticket = append_to(&log, b"first").unwrap().ticket;
    disk.set_faults(Faults { failing_sync: Some(0), ..Faults::default() });
    assert!(matches!(ticket.wait(), Err(Error::Io { op: "sync", .. })));
    // The second sync would succeed, and prove nothing.
    for _ in 0..2 {
        assert!(matches!(ticket.wait(), Err(Error::Poisoned { .. })));
        assert!(matches!(log.flush(true), Err(Error::Poisoned { .. })));
        match append_to(&log, b"second") {
            Err(Error::Poisoned { cause, .. }) => assert!(cause.contains("cannot sync"), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(log.recovery_point().get(), 0);
    assert!(!log.read(Offset::ZERO, 1000, Isolation::LogEnd, true).unwrap().is_empty());
    assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
}

#[test]
fn a_failed_read_is_an_error_of_that_read_alone() {
    let disk = disk();
    let log = open(&disk, LogConfig::default());
    append_to(&log, b"first").unwrap();
    let slice = log.read(Offset::ZERO, 1000, Isolation::LogEnd, true).unwrap().slice.unwrap();
    disk.set_faults(Faults { failing_read: Some(0), ..Faults::default() });
    assert!(matches!(slice.read_to_vec(), Err(Error::Io { op: "read", .. })));
    assert_eq!(slice.read_to_vec().unwrap().len() as u64, slice.len());
    append_to(&log, b"second").unwrap();
}

#[test]
fn a_closed_log_says_so_and_reads_on() {
    let log = open(&disk(), LogConfig::default());
    append_to(&log, b"first").unwrap();
    log.close().unwrap();
    assert!(matches!(append_to(&log, b"second"), Err(Error::Closed { path }) if path == Path::new(DIR)));
    assert!(matches!(log.truncate_to(Offset::ZERO), Err(Error::Closed { .. })));
    assert!(matches!(log.close(), Err(Error::Closed { .. })));
    assert!(!log.read(Offset::ZERO, 1000, Isolation::LogEnd, true).unwrap().is_empty());
}

#[test]
fn offsets_outside_the_log_are_told_with_its_bounds() {
    let log = open(&disk(), LogConfig::default());
    append_to(&log, b"first").unwrap();
    for asked in [-1, 2] {
        match log.read(Offset::new(asked), 1000, Isolation::LogEnd, true) {
            Err(Error::OffsetOutOfRange { asked: told, start: 0, end: 1 }) => assert_eq!(told, asked),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(log.delete_records_to(Offset::new(1)), Err(Error::OffsetOutOfRange { asked: 1, .. })));
    assert!(matches!(log.maybe_increment_high_watermark(Offset::new(2)), Err(Error::OffsetOutOfRange { .. })));
    assert!(matches!(log.truncate_to(Offset::new(-1)), Err(Error::OffsetOutOfRange { .. })));
}

#[test]
fn a_reader_that_was_overtaken_by_a_cut_gets_an_error_and_never_other_bytes() {
    let log = open(&disk(), LogConfig { segment_bytes: 200, ..LogConfig::default() });
    for value in [b"aa", b"bb", b"cc", b"dd", b"ee"] {
        append_to(&log, value).unwrap();
    }
    log.set_high_watermark(log.end()).unwrap();
    let slice = |from| log.read(Offset::new(from), 1000, Isolation::LogEnd, true).unwrap().slice.unwrap();
    let (kept, cut, removed) = (slice(0), slice(2), slice(4));
    assert_eq!(log.describe().unwrap().segments.len(), 3, "two batches a segment");
    log.truncate_to(Offset::new(2)).unwrap();
    append_to(&log, b"xx").unwrap();
    assert!(kept.read_to_vec().is_ok());
    for slice in [cut, removed] {
        match slice.read_to_vec() {
            Err(Error::Overtaken { start: 0, end: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    // What retention deletes can be read to the end by who holds it.
    log.set_high_watermark(log.end()).unwrap();
    let held = slice(0);
    log.delete_records_to(Offset::new(2)).unwrap();
    assert_eq!(log.delete_old_segments().unwrap(), 1);
    log.run_tasks(RunTasks::All).unwrap();
    assert!(held.read_to_vec().is_ok());
}

#[test]
fn an_epoch_whose_file_cannot_be_written_is_noted_by_the_next_append() {
    let disk = disk();
    let log = open(&disk, LogConfig::default());
    append_to(&log, b"first").unwrap();
    let later = AppendAsLeader::client(LeaderEpoch::new(1));
    let append = || log.append_records([NewRecord::default()], None, &later);
    let before = log.leader_epochs();
    disk.set_faults(Faults { failing_write: Some(0), ..Faults::default() });
    assert!(matches!(append(), Err(Error::Io { .. })));
    disk.set_faults(Faults::default());
    assert_eq!(log.leader_epochs(), before);
    append().unwrap();
    let file = disk.files()[&Path::new(DIR).join("leader-epoch-checkpoint")].clone();
    assert_eq!(String::from_utf8(file).unwrap(), "0\n2\n0 0\n1 1\n");
}

#[test]
fn who_waits_at_the_end_is_woken_across_a_roll_and_by_a_cut() {
    let log = Arc::new(open(&disk(), LogConfig { segment_bytes: 200, ..LogConfig::default() }));
    let wait = |from, timeout| log.wait_for(Offset::new(from), Isolation::LogEnd, timeout);
    assert!(!wait(0, Some(Duration::ZERO)).unwrap());
    std::thread::scope(|scope| {
        let tail = scope.spawn(|| {
            let mut next = 0;
            while next < 50 {
                assert!(wait(next, None).unwrap());
                next = log.end().get();
            }
        });
        for n in 0..50_u8 {
            append_to(&log, &[n]).unwrap();
        }
        tail.join().unwrap();
    });
    assert!(log.describe().unwrap().segments.len() > 10);
    assert!(matches!(wait(51, None), Err(Error::Overtaken { at: 51, .. })));
    assert!(!log.wait_for(Offset::ZERO, Isolation::HighWatermark, Some(Duration::ZERO)).unwrap());
    log.set_high_watermark(Offset::new(1)).unwrap();
    assert!(log.wait_for(Offset::ZERO, Isolation::HighWatermark, None).unwrap());
    std::thread::scope(|scope| {
        let tail = scope.spawn(|| wait(50, None));
        std::thread::sleep(Duration::from_millis(20));
        log.truncate_to(Offset::new(10)).unwrap();
        assert!(matches!(tail.join().unwrap(), Err(Error::Overtaken { at: 50, end: 10, .. })));
        let tail = scope.spawn(|| wait(10, None));
        std::thread::sleep(Duration::from_millis(20));
        log.close().unwrap();
        assert!(matches!(tail.join().unwrap(), Err(Error::Closed { .. })));
    });
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn wakers_are_called_for_records_and_for_durability() {
    let log = open(&disk(), LogConfig::default());
    let woken = Arc::new(Woken::default());
    let count = || woken.0.load(std::sync::atomic::Ordering::SeqCst);
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(log.poll_for(Offset::ZERO, Isolation::LogEnd, &context).is_pending());
    let mut ticket = append_to(&log, b"first").unwrap().ticket;
    assert_eq!(count(), 1);
    assert!(matches!(log.poll_for(Offset::ZERO, Isolation::LogEnd, &context), Poll::Ready(Ok(()))));
    assert!(std::pin::Pin::new(&mut ticket).poll(&mut context).is_pending());
    log.flush(false).unwrap();
    assert!(count() >= 2);
    assert!(matches!(std::pin::Pin::new(&mut ticket).poll(&mut context), Poll::Ready(Ok(()))));
    let mut lost = append_to(&log, b"second").unwrap().ticket;
    log.truncate_to(Offset::new(1)).unwrap();
    assert!(matches!(std::pin::Pin::new(&mut lost).poll(&mut context), Poll::Ready(Err(Error::Overtaken { .. }))));
}

#[test]
fn threads_that_wait_for_durability_share_syncs() {
    let disk = disk();
    let log = open(&disk, LogConfig { durability: Durability::Synced, ..LogConfig::default() });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let appended = append_to(&log, b"x").unwrap();
                    assert!(appended.ticket.is_durable().unwrap());
                }
            });
        }
    });
    assert_eq!((log.end().get(), log.recovery_point().get()), (400, 400));
}

#[test]
fn every_n_syncs_when_so_many_wait() {
    let log = open(&disk(), LogConfig { durability: Durability::EveryN(3), ..LogConfig::default() });
    let points: Vec<i64> = (0..7)
        .map(|_| {
            append_to(&log, b"x").unwrap();
            log.recovery_point().get()
        })
        .collect();
    assert_eq!(points, [0, 0, 3, 3, 3, 6, 6]);
}

#[test]
fn a_duplicate_does_not_count_for_every_n() {
    let log = open(&disk(), LogConfig::default());
    let append = |durability| {
        let record = NewRecord { value: Some(b"x"), ..NewRecord::default() };
        let how = AppendAsLeader { durability: Some(durability), ..AppendAsLeader::client(EPOCH) };
        let duplicate = log.append_records([record; 3], Some(sender(7, false)), &how).unwrap().duplicate;
        (duplicate, log.recovery_point().get())
    };
    assert_eq!(append(Durability::Os), (false, 0));
    assert_eq!(append(Durability::EveryN(3)), (true, 0));
    assert_eq!(append(Durability::Synced), (true, 3));
}

#[test]
fn a_read_of_committed_records_looks_the_high_watermark_up_behind_an_open_transaction_too() {
    let log = open(&disk(), LogConfig::default());
    let record = NewRecord { value: Some(b"x"), ..NewRecord::default() };
    log.append_records([record], Some(sender(7, true)), &AppendAsLeader::client(EPOCH)).unwrap();
    log.append_records([record; 3], None, &AppendAsLeader::client(EPOCH)).unwrap();
    // Inside the second batch.
    log.set_high_watermark(Offset::new(3)).unwrap();
    let read = log.read(Offset::ZERO, u64::MAX, Isolation::TxnCommitted, true).unwrap();
    assert!(read.slice.is_none_or(|slice| slice.is_empty()));
    assert_eq!(log.high_watermark().get(), 1);
}

// conformance: LMG-015
#[test]
fn an_interval_syncs_by_the_tick_and_the_monotonic_clock() {
    let disk = disk();
    let clock = Arc::new(ManualClock::at(Timestamp::new(1000)));
    let config = LogConfig { durability: Durability::Interval(50), ..LogConfig::default() };
    let options = OpenOptions { clean: true, clock: Arc::clone(&clock) as _, ..OpenOptions::default() };
    let log = Log::open(Arc::new(disk), Path::new(DIR), config, options).unwrap().0;
    append_to(&log, b"x").unwrap();
    for (time, durable) in [(1049, 0), (1050, 1)] {
        clock.set(Timestamp::new(time));
        log.tick().unwrap();
        assert_eq!(log.recovery_point().get(), durable, "{time}");
    }
}

#[test]
fn a_file_where_the_folder_should_be_is_told_by_its_path() {
    let disk = SimFs::with_files([(DIR, b"no folder")]);
    let opened = Log::open(Arc::new(disk), Path::new(DIR), LogConfig::default(), OpenOptions::default());
    match opened {
        Err(Error::Io { path, source, .. }) => {
            assert_eq!((path.as_path(), source.kind()), (Path::new(DIR), ErrorKind::NotADirectory));
        }
        other => panic!("{other:?}"),
    }
}
