//! A random life of one partition in a store on a simulated disk, half of them with a disk that fails now and then.

use std::path::PathBuf;
use std::sync::Arc;

use log_engine::batch::{AppendOrigin, assign};
use log_engine::fs::sim::{Faults, SimFs};
use log_engine::log::{EndTransaction, ManualClock, RunTasks};
use log_engine::{
    AppendAsLeader, Batch, BatchBuilder, Durability, Error, LeaderEpoch, Log, LogConfig, Offset, ProducerEpoch,
    ProducerId, Result, Sequence, Store, StoreOptions, Timestamp, TopicPartition,
};

use super::history::{Appended, Event, History, What, expected};
use super::random::Random;
use super::{check, faults};

/// Steps of one life.
const STEPS: u64 = 50;
/// The time at which it begins.
pub(super) const START: i64 = 1_700_000_000_000;
/// Where its log directory is.
pub(super) const DIR: &str = "/data";

pub(super) fn partition() -> TopicPartition {
    TopicPartition { topic: "orders".to_owned(), partition: 0 }
}

/// Small segments and indexes, so that much happens in few steps.
fn config(durability: Durability) -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 120,
        segment_index_bytes: 400,
        file_delete_delay_ms: 500,
        retention_bytes: Some(1500),
        max_unsynced_bytes: 2000,
        durability,
        ..LogConfig::default()
    }
}

pub(super) fn options(clock: &Arc<ManualClock>, config: &LogConfig) -> StoreOptions {
    StoreOptions {
        config: config.clone(),
        clock: Arc::clone(clock) as _,
        threads: std::num::NonZeroUsize::new(1),
        ..StoreOptions::default()
    }
}

/// The life with this seed: of a leader's log or of a follower's, synced now and then or with every append, on a sound disk or on one
/// that fails.
pub(super) fn run(seed: u64) -> History {
    let config = config(if seed % 5 == 4 { Durability::Synced } else { Durability::Os });
    let disk = SimFs::with_folder(DIR);
    let clock = Arc::new(ManualClock::at(Timestamp::new(START)));
    let store = open(&disk, &clock, &config).unwrap();
    let log = store.create(&partition(), None).unwrap();
    let mut life = Life {
        random: Random::new(seed),
        disk,
        clock,
        config,
        store: Some(store),
        log,
        events: Vec::new(),
        producers: Vec::new(),
        epoch: 0,
        now: START,
        is_follower: seed % 3 == 2,
        has_faults: seed % 2 == 1,
        may_fail: false,
        has_lost: false,
    };
    for _ in 0..STEPS {
        life.step();
        if life.may_fail && faults::lost_names(&life.disk).is_some() {
            break;
        }
    }
    life.disk.set_faults(Faults::default());
    drop(life.store.take());
    let lost_names = faults::lost_names(&life.disk);
    let events = faults::with_failed_syncs(life.events, &life.disk);
    History { disk: life.disk, events, config: life.config, last_epoch: life.epoch, lost_names }
}

/// Opens the store; an error also if its directory or a log in it cannot be opened.
fn open(disk: &SimFs, clock: &Arc<ManualClock>, config: &LogConfig) -> Result<Store> {
    let (store, report) = Store::open(Arc::new(disk.clone()), &[PathBuf::from(DIR)], options(clock, config))?;
    match report.directories.into_iter().flat_map(|told| told.failed).next() {
        Some((_, error)) => Err(error),
        None => Ok(store),
    }
}

/// A producer that counts, perhaps with a transaction open.
struct Sender {
    id: i64,
    sequence: i32,
    is_open: bool,
}

struct Life {
    random: Random,
    disk: SimFs,
    clock: Arc<ManualClock>,
    config: LogConfig,
    store: Option<Store>,
    log: Arc<Log>,
    events: Vec<Event>,
    producers: Vec<Sender>,
    epoch: i32,
    now: i64,
    is_follower: bool,
    /// Whether its disk fails now and then.
    has_faults: bool,
    /// A fault was set since the log was opened: an error may be its, or come from a log that went on to be poisoned.
    may_fail: bool,
    /// A sync found that the disk does not have what an earlier one was to write.
    has_lost: bool,
}

impl Life {
    fn step(&mut self) {
        if self.has_faults {
            self.set_faults();
        }
        match self.random.below(20) {
            0..=8 => self.append(),
            9 => self.end_transaction(),
            10 | 11 => self.promise(),
            12 => self.doing(What::Other("tasks"), |life| life.log.run_tasks(RunTasks::Immediate).map(drop)),
            13 => self.tick(),
            14 => self.raise_high_watermark(),
            15 => self.delete_records(),
            16 => self.delete_old(),
            17 => self.truncate(),
            18 => self.elect(),
            _ => self.restart(),
        }
    }

    /// Sets faults of the disk, or mends it.
    fn set_faults(&mut self) {
        if self.may_fail && self.random.one_in(4) {
            self.disk.set_faults(Faults::default());
        } else if self.random.one_in(8) {
            self.disk.set_faults(faults::draw(&mut self.random, &self.disk));
            self.may_fail = true;
        }
    }

    /// Does something and notes between which operations of the disk it lay.
    fn doing(&mut self, what: What, act: impl FnOnce(&mut Self) -> Result<()>) {
        let begins = self.disk.operations();
        let done = act(self);
        self.note(begins, what, &done);
    }

    /// Notes what was done and how it ended. An error has to be one that the disk has caused, and what the log is then has to hold.
    fn note<T>(&mut self, begins: usize, what: What, done: &Result<T>) {
        self.events.push(Event { begins, ends: self.disk.operations(), failed: done.is_err(), what });
        if let Err(error) = done {
            assert!(self.may_fail, "{error}");
            assert!(matches!(error, Error::Io { .. } | Error::Poisoned { .. } | Error::Corrupt(_)), "{error}");
            // Of what a sync has found missing on the disk nothing is there to look at before the next start.
            self.has_lost |= matches!(error, Error::Corrupt(_));
            if !self.has_lost {
                self.look();
            }
            self.forget_producers();
        }
    }

    /// Looks at the open log behind an error: what it says of itself holds, and all of it can be read when the disk can.
    fn look(&mut self) {
        self.disk.set_faults(Faults::default());
        let events = faults::with_failed_syncs(self.events.clone(), &self.disk);
        let expected = expected(&events, self.disk.operations());
        check::open_log(&self.log, &expected).unwrap_or_else(|wrong| panic!("{wrong}, behind an error"));
    }

    fn append(&mut self) {
        let mut builder = BatchBuilder::new(Offset::ZERO);
        let counted = self.random.below(3);
        let count = 1 + self.random.below(3);
        if counted > 0 {
            let sender = self.sender(counted == 2);
            builder =
                builder.producer(ProducerId::new(sender.id), ProducerEpoch::new(0), Sequence::new(sender.sequence));
            if sender.is_open {
                builder = builder.transactional();
            }
            sender.sequence += i32::try_from(count).unwrap();
        }
        for _ in 0..count {
            let value = vec![b'a' + u8::try_from(self.random.below(26)).unwrap(); self.random.below(60) as usize];
            let time = Timestamp::new(self.now + i64::try_from(self.random.below(1000)).unwrap() - 500);
            builder.push(time, None, Some(&value), &[]).unwrap();
        }
        self.put(builder.into_batch().unwrap(), AppendOrigin::Client);
    }

    /// A producer of the two kinds; one whose transaction is open stays in it.
    fn sender(&mut self, is_transactional: bool) -> &mut Sender {
        let id = 1 + i64::try_from(self.random.below(3)).unwrap() + if is_transactional { 10 } else { 0 };
        if !self.producers.iter().any(|sender| sender.id == id) {
            self.producers.push(Sender { id, sequence: 0, is_open: false });
        }
        let sender = self.producers.iter_mut().find(|sender| sender.id == id).unwrap();
        sender.is_open |= is_transactional;
        sender
    }

    fn put(&mut self, mut batch: Vec<u8>, origin: AppendOrigin) {
        let begins = self.disk.operations();
        let (epoch, first) = (LeaderEpoch::new(self.epoch), self.log.end());
        let done = if self.is_follower {
            assign(&mut batch, first, epoch).unwrap();
            self.log.append_as_follower(&batch, LeaderEpoch::new(i32::MAX))
        } else {
            let durability = self.random.one_in(4).then_some(Durability::Synced);
            let how = AppendAsLeader { origin, durability, ..AppendAsLeader::coordinator(epoch, 0) };
            self.log.append_as_leader(&mut batch, &how)
        };
        let (is_there, last) = (self.log.end() > first, Batch::parse(&batch).unwrap().last_offset().get());
        let batch = Appended { first: first.get(), last, bytes: batch.into() };
        self.note(begins, if is_there { What::Append(batch) } else { What::Attempt(batch) }, &done);
        if let Ok(appended) = done {
            assert!(!appended.duplicate && appended.first_offset == Some(first));
            if appended.ticket.is_durable().unwrap() {
                self.doing(What::Durable(last + 1), |_| Ok(()));
            }
        }
    }

    fn end_transaction(&mut self) {
        let Some(sender) = self.producers.iter_mut().find(|sender| sender.is_open) else { return };
        sender.is_open = false;
        let id = sender.id;
        let marker = EndTransaction {
            producer_id: ProducerId::new(id),
            producer_epoch: ProducerEpoch::new(0),
            commit: self.random.one_in(2),
            coordinator_epoch: 0,
            timestamp: Timestamp::new(self.now),
            transaction_version: 0,
        };
        self.put(marker.batch().unwrap(), AppendOrigin::Coordinator);
    }

    fn promise(&mut self) {
        let (end, force) = (self.log.end().get(), self.random.one_in(4));
        self.doing(What::Durable(end), |life| life.log.flush(force));
    }

    fn tick(&mut self) {
        self.now += i64::try_from(self.random.below(3000)).unwrap();
        self.clock.set(Timestamp::new(self.now));
        self.doing(What::Other("tick"), |life| {
            let ticked = life.store.as_ref().unwrap().tick();
            ticked.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
        });
    }

    fn raise_high_watermark(&mut self) {
        let (from, end) = (self.log.high_watermark().get(), self.log.end().get());
        let to = from + i64::try_from(self.random.below(u64::try_from(end - from + 1).unwrap())).unwrap();
        self.doing(What::HighWatermark(to), |life| life.log.maybe_increment_high_watermark(Offset::new(to)).map(drop));
    }

    fn delete_records(&mut self) {
        let (from, to) = (self.log.start().get(), self.log.high_watermark().get());
        if from < to {
            let to = from + 1 + i64::try_from(self.random.below(u64::try_from(to - from).unwrap())).unwrap();
            self.doing(What::Start(to), |life| life.log.delete_records_to(Offset::new(to)).map(drop));
        }
    }

    fn delete_old(&mut self) {
        let begins = self.disk.operations();
        let done = self.log.delete_old_segments();
        self.note(begins, What::Start(self.log.start().get()), &done);
    }

    fn truncate(&mut self) {
        let (from, end) = (self.log.high_watermark().get(), self.log.end().get());
        if from < end && !self.random.one_in(3) {
            let to = from + i64::try_from(self.random.below(u64::try_from(end - from).unwrap())).unwrap();
            self.doing(What::Truncate(to), |life| {
                life.log.truncate_to(Offset::new(to))?;
                check::epochs_end_with_the_log(&life.log).unwrap_or_else(|wrong| panic!("{wrong}"));
                Ok(())
            });
            self.forget_producers();
        }
    }

    /// What a truncation or a restart took from the producers is what the log says of them now.
    fn forget_producers(&mut self) {
        if self.has_lost {
            return;
        }
        let known = self.log.describe().unwrap().producers;
        self.producers = known
            .into_iter()
            .map(|(id, entry)| Sender {
                id: id.get(),
                sequence: entry.last_sequence().map_or(0, |last| last.plus(1).get()),
                is_open: entry.open_since().is_some(),
            })
            .collect();
    }

    fn elect(&mut self) {
        self.epoch += 1;
        let (epoch, end) = (LeaderEpoch::new(self.epoch), self.log.end());
        self.doing(What::Other("election"), |life| life.log.assign_epoch(epoch, end));
    }

    /// A clean stop and a start, or the death of the process and a start.
    fn restart(&mut self) {
        if self.random.one_in(2) {
            let end = self.log.end().get();
            self.doing(What::Durable(end), |life| life.store.take().unwrap().close());
        } else {
            drop(self.store.take());
        }
        self.doing(What::Other("start"), |life| {
            life.store = Some(open(&life.disk, &life.clock, &life.config)?);
            Ok(())
        });
        if self.store.is_none() {
            // It fails as long as the disk does.
            self.disk.set_faults(Faults::default());
            self.doing(What::Other("start"), |life| {
                life.store = Some(open(&life.disk, &life.clock, &life.config).unwrap());
                Ok(())
            });
        }
        self.log = self.store.as_ref().unwrap().log(&partition()).unwrap();
        self.has_lost = false;
        if self.may_fail {
            let end = self.log.end().get();
            self.doing(What::Found(end), |_| Ok(()));
            self.look();
            // What such a sync has lost may only be noticed by one that succeeds.
            self.may_fail = faults::has_failed_sync(&self.disk);
        }
        self.forget_producers();
    }
}
