//! One log, several threads, and every order in which they can go on that luck finds: see `src/sync.rs`.
//!
//!     cargo test -p log-engine --features shuttle --test threads
//!
//! A schedule in which nobody can go on any more, because a wake-up was lost, fails as a deadlock. A failure prints its schedule.

use std::future::poll_fn;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use log_engine::fs::sim::{Faults, Outcome, SimFs};
use log_engine::log::ManualClock;
use log_engine::{
    AppendAsLeader, Batch, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset, OpenOptions, Scratch,
    Ticket, Timestamp, Walk, WriteFs,
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
