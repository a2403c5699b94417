//! A random life of one partition in a store on a simulated disk.

use std::path::PathBuf;
use std::sync::Arc;

use log_engine::batch::{AppendOrigin, assign};
use log_engine::fs::sim::SimFs;
use log_engine::log::{EndTransaction, ManualClock, RunTasks};
use log_engine::{
    AppendAsLeader, BatchBuilder, Durability, LeaderEpoch, Log, LogConfig, Offset, ProducerEpoch, ProducerId, Sequence,
    Store, StoreOptions, Timestamp, TopicPartition,
};

use super::history::{Appended, Event, History, What};
use super::random::Random;

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
pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 120,
        segment_index_bytes: 400,
        file_delete_delay_ms: 500,
        retention_bytes: Some(1500),
        max_unsynced_bytes: 2000,
        ..LogConfig::default()
    }
}

pub(super) fn options(clock: &Arc<ManualClock>, threads: usize) -> StoreOptions {
    StoreOptions {
        config: config(),
        clock: Arc::clone(clock) as _,
        threads: std::num::NonZeroUsize::new(threads),
        ..StoreOptions::default()
    }
}

/// The life with this seed.
pub(super) fn run(seed: u64) -> History {
    let disk = SimFs::with_folder(DIR);
    let clock = Arc::new(ManualClock::at(Timestamp::new(START)));
    let store = open(&disk, &clock);
    let log = store.create(&partition(), None).unwrap();
    let mut life = Life {
        random: Random::new(seed),
        disk,
        clock,
        store: Some(store),
        log,
        events: Vec::new(),
        producers: Vec::new(),
        epoch: 0,
        now: START,
        is_follower: seed % 3 == 2,
    };
    for _ in 0..STEPS {
        life.step();
    }
    drop(life.store.take());
    History { disk: life.disk, events: life.events }
}

fn open(disk: &SimFs, clock: &Arc<ManualClock>) -> Store {
    let (store, report) = Store::open(Arc::new(disk.clone()), &[PathBuf::from(DIR)], options(clock, 1)).unwrap();
    let told = &report.directories[0];
    assert!(told.offline.is_none() && told.failed.is_empty(), "{report:?}");
    store
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
    store: Option<Store>,
    log: Arc<Log>,
    events: Vec<Event>,
    producers: Vec<Sender>,
    epoch: i32,
    now: i64,
    is_follower: bool,
}

impl Life {
    fn step(&mut self) {
        match self.random.below(20) {
            0..=8 => self.append(),
            9 => self.end_transaction(),
            10 | 11 => self.promise(),
            12 => self.doing(What::Other("tasks"), |life| life.log.run_tasks(RunTasks::Immediate).map(drop).unwrap()),
            13 => self.tick(),
            14 => self.raise_high_watermark(),
            15 => self.delete_records(),
            16 => self.delete_old(),
            17 => self.truncate(),
            18 => self.elect(),
            _ => self.restart(),
        }
    }

    /// Does something and notes between which operations of the disk it lay.
    fn doing(&mut self, what: What, act: impl FnOnce(&mut Self)) {
        let begins = self.disk.operations();
        act(self);
        self.events.push(Event { begins, ends: self.disk.operations(), what });
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
        let epoch = LeaderEpoch::new(self.epoch);
        let appended = if self.is_follower {
            assign(&mut batch, self.log.end(), epoch).unwrap();
            self.log.append_as_follower(&batch, LeaderEpoch::new(i32::MAX)).unwrap()
        } else {
            let durability = self.random.one_in(4).then_some(Durability::Synced);
            let how = AppendAsLeader { origin, durability, ..AppendAsLeader::coordinator(epoch, 0) };
            self.log.append_as_leader(&mut batch, &how).unwrap()
        };
        assert!(!appended.duplicate);
        let ends = self.disk.operations();
        let (first, last) = (appended.first_offset.unwrap().get(), appended.last_offset.unwrap().get());
        let batch = Appended { first, last, bytes: batch.into() };
        self.events.push(Event { begins, ends, what: What::Append(batch) });
        if appended.ticket.is_durable().unwrap() {
            self.events.push(Event { begins: ends, ends, what: What::Durable(last + 1) });
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
        let end = self.log.end().get();
        self.doing(What::Durable(end), |life| {
            if life.random.one_in(2) {
                life.log.flush(life.random.one_in(2)).unwrap();
            } else {
                life.log.flush(false).unwrap();
            }
        });
    }

    fn tick(&mut self) {
        self.now += i64::try_from(self.random.below(3000)).unwrap();
        self.clock.set(Timestamp::new(self.now));
        self.doing(What::Other("tick"), |life| {
            let ticked = life.store.as_ref().unwrap().tick();
            assert!(ticked.failed.is_empty(), "{ticked:?}");
        });
    }

    fn raise_high_watermark(&mut self) {
        let (from, end) = (self.log.high_watermark().get(), self.log.end().get());
        let to = from + i64::try_from(self.random.below(u64::try_from(end - from + 1).unwrap())).unwrap();
        self.doing(What::HighWatermark(to), |life| {
            life.log.maybe_increment_high_watermark(Offset::new(to)).unwrap();
        });
    }

    fn delete_records(&mut self) {
        let (from, to) = (self.log.start().get(), self.log.high_watermark().get());
        if from < to {
            let to = from + 1 + i64::try_from(self.random.below(u64::try_from(to - from).unwrap())).unwrap();
            self.doing(What::Start(to), |life| {
                life.log.delete_records_to(Offset::new(to)).unwrap();
            });
        }
    }

    fn delete_old(&mut self) {
        let begins = self.disk.operations();
        self.log.delete_old_segments().unwrap();
        let what = What::Start(self.log.start().get());
        self.events.push(Event { begins, ends: self.disk.operations(), what });
    }

    fn truncate(&mut self) {
        let (from, end) = (self.log.high_watermark().get(), self.log.end().get());
        if from < end && !self.random.one_in(3) {
            let to = from + i64::try_from(self.random.below(u64::try_from(end - from).unwrap())).unwrap();
            self.doing(What::Truncate(to), |life| {
                life.log.truncate_to(Offset::new(to)).unwrap();
            });
            self.forget_producers();
        }
    }

    /// What a truncation or a restart took from the producers is what the log says of them now.
    fn forget_producers(&mut self) {
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
        self.doing(What::Other("election"), |life| life.log.assign_epoch(epoch, end).unwrap());
    }

    /// A clean stop and a start, or the death of the process and a start.
    fn restart(&mut self) {
        if self.random.one_in(2) {
            let end = self.log.end().get();
            self.doing(What::Durable(end), |life| life.store.take().unwrap().close().unwrap());
        } else {
            drop(self.store.take());
        }
        self.doing(What::Other("start"), |life| {
            let store = open(&life.disk, &life.clock);
            life.log = store.log(&partition()).unwrap();
            life.store = Some(store);
        });
        self.forget_producers();
    }
}
