//! One log, several threads, and every order in which they can go on that luck finds: see `src/sync.rs`.
//!
//!     cargo test -p log-engine --features shuttle --test threads
//!
//! A schedule in which nobody can go on any more, because a wake-up was lost, fails as a deadlock. A failure prints its schedule.

use std::future::poll_fn;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use log_engine::fs::sim::{Faults, Outcome, SimFs};
use log_engine::log::{EndTransaction, ManualClock, RecordBuffer, RunTasks, TimeTarget};
use log_engine::segment::AbortedTxn;
use log_engine::{
    AppendAsLeader, Batch, BatchBuilder, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset, OpenOptions,
    ProducerEpoch, ProducerId, Read, Scratch, Sequence, Ticket, Timestamp, Walk, WriteFs,
};
use shuttle::{check_pct, check_random, future::block_on, thread};

/// Schedules of each test by a fair draw; a quarter as many hold one thread back for long.
static SCHEDULES: LazyLock<usize> =
    LazyLock::new(|| std::env::var("SCHEDULES").map_or(400, |count| count.parse().expect("SCHEDULES is a number")));
/// How often the second kind changes who is held back.
const CHANGES: usize = 3;
const FOLDER: &str = "/data/orders-0";
/// The time of the record at offset 0.
const T: i64 = 1_700_000_000_000;
const LEADER: LeaderEpoch = LeaderEpoch::new(0);
const END: Isolation = Isolation::LogEnd;

fn explore(test: fn()) {
    check_random(test, *SCHEDULES);
    check_pct(test, SCHEDULES.div_ceil(4), CHANGES);
}

fn open_on(fs: &SimFs) -> Arc<Log> {
    let disk: Arc<dyn WriteFs> = Arc::new(fs.clone());
    // So small that every third batch or so begins a segment.
    let config = LogConfig { segment_bytes: 250, index_interval_bytes: 50, ..LogConfig::default() };
    let clock = Arc::new(ManualClock::at(Timestamp::new(T)));
    // A recovery would take threads of its own, whose schedule is not chosen.
    let options = OpenOptions { clock, clean: true, ..OpenOptions::default() };
    let (log, _) = Log::open(disk, Path::new(FOLDER), config, options).unwrap();
    Arc::new(log)
}

/// An empty log.
fn open() -> (SimFs, Arc<Log>) {
    let fs = SimFs::with_folder(Path::new(FOLDER).parent().unwrap());
    let log = open_on(&fs);
    (fs, log)
}

fn in_thread<R: Send + 'static>(
    log: &Arc<Log>,
    what: impl FnOnce(&Log) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let log = Arc::clone(log);
    thread::spawn(move || what(&log))
}

/// Appends a record `milliseconds` behind the first one's time.
fn append_at(log: &Log, value: &str, milliseconds: i64) -> (Offset, Ticket) {
    let timestamp = Timestamp::new(T + milliseconds);
    let record = NewRecord { value: Some(value.as_bytes()), timestamp: Some(timestamp), ..NewRecord::default() };
    let appended = log.append_records([record], None, &AppendAsLeader::client(LEADER)).unwrap();
    (appended.first_offset.unwrap(), appended.ticket)
}

fn append(log: &Log, value: &str) -> (Offset, Ticket) {
    append_at(log, value, 0)
}

/// Records `old 0` to `old 3`, in two segments, a millisecond apart.
fn append_old(log: &Log) {
    (0..4).for_each(|number| drop(append_at(log, &format!("old {number}"), number)));
}

/// Appends records `1` to `3` of an age in one batch, a millisecond apart behind `milliseconds`.
fn append_three(log: &Log, age: &str, milliseconds: i64) {
    let values = [1, 2, 3].map(|number| (format!("{age} {number}"), Timestamp::new(T + milliseconds + number)));
    let records = values.each_ref().map(|(value, timestamp)| NewRecord {
        value: Some(value.as_bytes()),
        timestamp: Some(*timestamp),
        ..NewRecord::default()
    });
    log.append_records(records, None, &AppendAsLeader::client(LEADER)).unwrap();
}

/// Cuts the log behind `old 0` and appends `new 1` to `new 3` in one batch, 100 milliseconds later.
fn replace(log: &Log) {
    log.truncate_to(Offset::new(1)).unwrap();
    append_three(log, "new", 100);
}

/// The first record of a transaction.
fn append_open(log: &Log, producer: i64) {
    let producer = (ProducerId::new(producer), ProducerEpoch::new(0));
    let mut builder =
        BatchBuilder::new(Offset::ZERO).producer(producer.0, producer.1, Sequence::new(0)).transactional();
    builder.push(Timestamp::new(T), None, Some(b"undone"), &[]).unwrap();
    log.append_as_leader(&mut builder.into_batch().unwrap(), &AppendAsLeader::client(LEADER)).unwrap();
}

/// The end of a transaction that is undone.
fn abort(log: &Log, producer: i64) {
    let marker = EndTransaction {
        producer_id: ProducerId::new(producer),
        producer_epoch: ProducerEpoch::new(0),
        commit: false,
        coordinator_epoch: 0,
        timestamp: Timestamp::new(T),
        transaction_version: 0,
    };
    log.append_marker(&marker, LEADER).unwrap();
}

/// Offsets and values of the batches in `bytes`, which are whole and sound; markers left out.
fn records(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut scratch = Scratch::default();
    let mut found = Vec::new();
    let mut walk = Walk::new(bytes);
    for (_, batch) in walk.by_ref() {
        let batch: Batch<'_> = batch.unwrap();
        batch.check_crc().unwrap();
        for record in batch.records(&mut scratch).unwrap().filter(|_| !batch.is_control()) {
            let record = record.unwrap();
            found.push((record.offset.get(), String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    assert_eq!(walk.position(), bytes.len(), "nothing but whole batches");
    found
}

fn read(log: &Log, from: i64, isolation: Isolation) -> Result<Read, Error> {
    log.read(Offset::new(from), 1 << 20, isolation, true)
}

/// What a read from `from` on gives; `None` if it was overtaken, or nothing is there.
fn read_records(log: &Log, from: i64) -> Option<Vec<(i64, String)>> {
    let bytes = read(log, from, END).and_then(|read| {
        assert!(read.slice.is_none() || read.at.offset.get() <= from, "not what was asked for: {:?}", read.at);
        read.slice.map(|slice| slice.read_to_vec()).transpose()
    });
    match bytes {
        Ok(bytes) => bytes.map(|bytes| records(&bytes)),
        Err(Error::Overtaken { .. } | Error::OffsetOutOfRange { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn no_wake_up_of_a_waiting_reader_is_lost() {
    explore(|| {
        let (_, log) = open();
        let by_thread = in_thread(&log, |log| {
            for next in (0..4).map(Offset::new) {
                assert!(log.wait_for(next, END, None).unwrap());
            }
        });
        let by_waker = in_thread(&log, |log| {
            for next in (0..4).map(Offset::new) {
                block_on(poll_fn(|context| log.poll_for(next, END, context))).unwrap();
                assert!(log.end() > next);
            }
        });
        (0..4).for_each(|_| drop(append(&log, "x")));
        by_thread.join().unwrap();
        by_waker.join().unwrap();
    });
}

#[test]
fn what_came_before_a_log_was_closed_is_told_first() {
    explore(|| {
        let (_, log) = open();
        let readers = [END, Isolation::HighWatermark].map(|isolation| {
            in_thread(&log, move |log| {
                assert!(log.wait_for(Offset::ZERO, isolation, None).unwrap());
                let closed = log.wait_for(Offset::new(1), isolation, None);
                assert!(matches!(closed, Err(Error::Closed { .. })), "{closed:?}");
            })
        });
        append(&log, "x");
        log.set_high_watermark(Offset::new(1)).unwrap();
        log.close().unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_failed_sync_is_told_to_who_waits_for_more() {
    explore(|| {
        let (fs, log) = open();
        let (_, ticket) = append(&log, "x");
        let reader = in_thread(&log, |log| log.wait_for(Offset::new(1), END, None));
        fs.set_faults(Faults { failing_sync: Some(0), ..Faults::default() });
        ticket.wait().unwrap_err();
        assert!(matches!(reader.join().unwrap(), Err(Error::Closed { .. })));
    });
}

#[test]
fn a_ticket_is_released_only_by_a_sync_that_its_bytes_were_there_for() {
    explore(|| {
        let (fs, log) = open();
        let appenders: Vec<_> = (0..3)
            .map(|number| {
                let (fs, log) = (fs.clone(), Arc::clone(&log));
                thread::spawn(move || {
                    for _ in 0..2 {
                        let (offset, ticket) = append(&log, "x");
                        if number == 0 {
                            let waiting = thread::spawn(move || block_on(ticket).unwrap());
                            // A future syncs nothing by itself.
                            log.flush(false).unwrap();
                            waiting.join().unwrap();
                        } else {
                            ticket.wait().unwrap();
                        }
                        assert!(survives(&fs, offset), "{offset} was promised");
                    }
                })
            })
            .collect();
        appenders.into_iter().for_each(|appender| appender.join().unwrap());
    });
}

/// Whether the record at `offset` is there after a crash that leaves nothing but what is durable.
fn survives(fs: &SimFs, offset: Offset) -> bool {
    let files = fs.after_crash(Outcome::Nothing, 0).files();
    let logs = files.iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "log"));
    logs.flat_map(|(_, bytes)| records(bytes)).any(|(found, _)| found == offset.get())
}

/// Also as a future that nobody polls again by himself.
#[test]
fn a_ticket_of_what_was_cut_is_told_so() {
    explore(|| {
        let (_, log) = open();
        let (_, ticket) = append(&log, "x");
        let waiting = thread::spawn(move || block_on(ticket));
        log.truncate_to(Offset::ZERO).unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Overtaken { .. })));
    });
}

#[test]
fn readers_see_published_batches_whole_and_in_order_across_rolls() {
    explore(|| {
        let (_, log) = open();
        let reader = || {
            in_thread(&log, |log| {
                let mut seen = Vec::new();
                while seen.len() < 5 {
                    let next = i64::try_from(seen.len()).unwrap();
                    assert!(log.wait_for(Offset::new(next), END, None).unwrap());
                    seen.extend(read_records(log, next).expect("waited for"));
                }
                let expected: Vec<_> = (0..5).map(|offset| (offset, format!("value {offset}"))).collect();
                assert_eq!(seen, expected);
            })
        };
        let readers = [reader(), reader()];
        (0..5).for_each(|number| drop(append(&log, &format!("value {number}"))));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_time_finds_every_record_below_the_end_and_none_beyond_it() {
    explore(|| {
        let (_, log) = open();
        let reader = |target: fn(i64) -> TimeTarget, least: fn(i64) -> i64| {
            in_thread(&log, move |log| {
                for _ in 0..4 {
                    let last = log.end().get() - 1;
                    let found = log.offset_for_time(target(last)).unwrap().map_or(-1, |found| found.offset.get());
                    assert!(found >= least(last), "{found} for the time of {last}, which is there");
                    assert!(found < log.end().get(), "{found} cannot be read yet");
                }
            })
        };
        let time = |last: i64| TimeTarget::At(Timestamp::new(T + last.max(0)));
        let readers = [
            reader(time, |last| last),
            reader(|_| TimeTarget::MaxTimestamp, |last| last),
            reader(|_| TimeTarget::At(Timestamp::new(0)), |last| last.min(0)),
        ];
        (0..5).for_each(|number| drop(append_at(&log, "x", number)));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn who_was_overtaken_by_a_cut_gets_an_error_and_never_other_bytes() {
    explore(|| {
        let (_, log) = open();
        append_old(&log);
        let reader = || {
            in_thread(&log, |log| {
                for from in [1, 3] {
                    if let Some(found) = read_records(log, from) {
                        assert_of_one_log(&found, from);
                    }
                }
            })
        };
        let readers = [reader(), reader()];
        let before = read(&log, 3, END).unwrap().slice.expect("it is there");
        replace(&log);
        assert!(matches!(before.read_to_vec(), Err(Error::Overtaken { .. })), "a slice of what was cut");
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// Such a cut takes the whole batch, and the log's end lies behind its bytes: nothing is there instead of what is asked for.
#[test]
fn a_cut_inside_a_batch_shows_nothing_of_what_was_behind_it() {
    explore(|| {
        let (_, log) = open();
        append(&log, "old 0");
        append_three(&log, "old", 0);
        log.roll().unwrap();
        append(&log, "old 4");
        let reader = in_thread(&log, |log| read_records(log, 1).iter().for_each(|found| assert_of_one_log(found, 1)));
        log.truncate_to(Offset::new(2)).unwrap();
        assert!(read_records(&log, 1).is_none());
        reader.join().unwrap();
    });
}

#[test]
fn a_log_that_begins_anew_is_the_old_one_or_the_new_one() {
    explore(|| {
        let (_, log) = open();
        append_old(&log);
        let readers = [
            in_thread(&log, |log| read_records(log, 2).iter().for_each(|found| assert_of_one_log(found, 2))),
            in_thread(&log, |log| {
                let has_begun = log.end() < Offset::new(4);
                let gone = matches!(read(log, 1, END), Err(Error::OffsetOutOfRange { .. }));
                assert!(gone || !has_begun, "what was before the beginning");
            }),
        ];
        log.truncate_fully_and_start_at(Offset::new(2), None).unwrap();
        (2..4).for_each(|number| drop(append(&log, &format!("new {number}"))));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// That the record at `from` is among them, and that those the cut was for are all old or all new.
fn assert_of_one_log(found: &[(i64, String)], from: i64) {
    assert!(found.iter().any(|(offset, _)| *offset == from), "not what was asked for: {found:?}");
    let behind = || found.iter().filter(|(offset, _)| *offset >= 1);
    let all = |age: &str| behind().all(|(offset, value)| *value == format!("{age} {offset}"));
    assert!(all("old") || all("new"), "of two logs: {found:?}");
}

#[test]
fn one_record_is_the_old_or_the_new_one_while_the_log_is_cut() {
    explore(|| {
        let (_, log) = open();
        append_old(&log);
        let reader = |offset| {
            in_thread(&log, move |log| {
                let mut buffer = RecordBuffer::default();
                match log.record(Offset::new(offset), END, &mut buffer) {
                    Ok(record) => {
                        let value = record.expect("below the end there are only records").value.unwrap();
                        let is_old = value == format!("old {offset}").as_bytes();
                        assert!(is_old || (offset > 0 && value == format!("new {offset}").as_bytes()));
                    }
                    Err(Error::OffsetOutOfRange { .. }) if offset > 1 => {}
                    Err(error) => panic!("{error}"),
                }
            })
        };
        let readers = [0, 2, 3].map(reader);
        replace(&log);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn a_time_finds_what_a_cut_leaves() {
    explore(|| {
        let (_, log) = open();
        append_old(&log);
        let reader = |target, allowed: &'static [Option<(i64, i64)>]| {
            in_thread(&log, move |log| {
                let found = log.offset_for_time(target).unwrap();
                let found = found.map(|found| (found.offset.get(), found.timestamp.get() - T));
                assert!(allowed.contains(&found), "{found:?} for {target:?}");
            })
        };
        let largest = &[Some((3, 3)), Some((0, 0)), Some((1, 101)), Some((2, 102)), Some((3, 103))];
        let readers = [
            reader(TimeTarget::At(Timestamp::new(T)), &[Some((0, 0))]),
            reader(TimeTarget::At(Timestamp::new(T + 1)), &[Some((1, 1)), None, Some((1, 101))]),
            reader(TimeTarget::At(Timestamp::new(T + 3)), &[Some((3, 3)), None, Some((1, 101))]),
            reader(TimeTarget::MaxTimestamp, largest),
        ];
        replace(&log);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// Two transactions that were undone, the second with its end in another segment: offsets 0 and 1, 2 and 3. The log is closed and
/// opened again, so that no index is in memory.
fn reopened_with_transactions() -> Arc<Log> {
    let (fs, log) = open();
    for producer in [7, 8] {
        append_open(&log, producer);
        abort(&log, producer);
    }
    append(&log, "behind");
    assert_eq!(log.active_segment(), Offset::new(3));
    log.close().unwrap();
    let log = open_on(&fs);
    log.set_high_watermark(log.end()).unwrap();
    log
}

fn first_offsets(aborted: &[AbortedTxn]) -> Vec<i64> {
    aborted.iter().map(|transaction| transaction.first_offset.get()).collect()
}

/// While it is cut, the log may tell of some that go; never of a later one and not of those before it.
#[test]
fn of_the_aborted_transactions_a_cut_takes_the_last_ones_first() {
    explore(|| {
        let log = reopened_with_transactions();
        let reader = in_thread(&log, |log| first_offsets(&log.aborted(Offset::ZERO, Offset::new(5)).unwrap()));
        log.truncate_to(Offset::new(1)).unwrap();
        let found = reader.join().unwrap();
        assert!([0, 2].starts_with(&found), "{found:?}");
    });
}

/// Readers of committed records get no record of a transaction without the word that it was undone: not while a cut takes its end, nor
/// while its segment is deleted.
fn assert_undone_is_told(log: &Log, from: i64) {
    let read = match read(log, from, Isolation::TxnCommitted) {
        Ok(read) => read,
        Err(Error::OffsetOutOfRange { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let bytes = match read.slice.map(|slice| slice.read_to_vec()).transpose() {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(Error::Overtaken { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    let told = first_offsets(&read.aborted.unwrap());
    let undone = records(&bytes).into_iter().filter(|(_, value)| value == "undone");
    undone.for_each(|(offset, _)| assert!(told.contains(&offset), "{offset} is not among {told:?}"));
}

#[test]
fn a_cut_leaves_no_undone_record_to_readers_of_committed_ones() {
    explore(|| {
        let log = reopened_with_transactions();
        let readers = [0, 2].map(|from| in_thread(&log, move |log| assert_undone_is_told(log, from)));
        log.truncate_to(Offset::new(1)).unwrap();
        assert_eq!(log.last_stable_offset(), Offset::ZERO);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn deletion_leaves_no_undone_record_to_readers_of_committed_ones() {
    explore(|| {
        let log = reopened_with_transactions();
        let readers = [0, 2].map(|from| in_thread(&log, move |log| assert_undone_is_told(log, from)));
        log.delete_records_to(Offset::new(4)).unwrap();
        assert_eq!(log.delete_old_segments().unwrap(), 1);
        log.run_tasks(RunTasks::All).unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
