//! A log on a simulated disk with a clock that stands still, and batches in a few words: for tests of one behaviour each.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use log_engine::fs::sim::SimFs;
use log_engine::log::{EndTransaction, ManualClock, Sender};
use log_engine::segment::{SegmentFile, SegmentName};
use log_engine::{
    AppendAsLeader, Appended, BatchBuilder, Error, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset,
    OpenOptions, ProducerEpoch, ProducerId, RecoveryMode, Refusal, Result, Scratch, Sequence, Timestamp, Walk,
};

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const DIR: &str = "/data/orders-0";
/// Bytes of a batch of one record, as all here are made: without a key, with a value of 20 bytes.
pub(crate) const LEN: u64 = 88;
pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch::new(0);

pub(crate) struct Partition {
    pub(crate) disk: SimFs,
    pub(crate) clock: Arc<ManualClock>,
    log: Log,
}

impl Deref for Partition {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

/// Settings under which a segment is full with so many batches of one record.
pub(crate) fn full_with(batches: u64) -> LogConfig {
    LogConfig { segment_bytes: batches * LEN, ..LogConfig::default() }
}

/// A start as after a clean stop.
pub(crate) fn clean() -> OpenOptions {
    OpenOptions { clean: true, ..OpenOptions::default() }
}

/// A broker's start after a crash, when this was known to be durable.
pub(crate) fn unclean(recovery_point: i64) -> OpenOptions {
    let recovery_point = Offset::new(recovery_point);
    OpenOptions { mode: RecoveryMode::Kafka, recovery_point, ..OpenOptions::default() }
}

/// A batch as a fetch from the leader of `epoch` brings it.
pub(crate) fn fetched(base: i64, epoch: i32, records: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(LeaderEpoch::new(epoch));
    (0..records).for_each(|_| builder.push(Timestamp::new(NOW), None, Some(&[7; 20]), &[]).unwrap());
    builder.into_batch().unwrap()
}

/// A producer's batch that begins with this sequence.
pub(crate) fn by(id: i64, sequence: i32) -> Sender {
    let (id, epoch, base_sequence) = (ProducerId::new(id), ProducerEpoch::new(0), Sequence::new(sequence));
    Sender { id, epoch, base_sequence, is_transactional: false }
}

/// The same in a transaction.
pub(crate) fn txn(id: i64, sequence: i32) -> Sender {
    Sender { is_transactional: true, ..by(id, sequence) }
}

/// The end of a producer's transaction.
pub(crate) fn end_of(id: i64, commit: bool) -> EndTransaction {
    EndTransaction {
        producer_id: ProducerId::new(id),
        producer_epoch: ProducerEpoch::new(0),
        commit,
        coordinator_epoch: 0,
        timestamp: Timestamp::new(NOW),
        transaction_version: 0,
    }
}

/// Why an append was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

impl Partition {
    /// A new log.
    pub(crate) fn new(config: LogConfig) -> Self {
        Self::open(SimFs::with_folder("/data"), config, clean())
    }

    /// The log on a disk.
    pub(crate) fn open(disk: SimFs, config: LogConfig, options: OpenOptions) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::new(NOW)));
        let options = OpenOptions { clock: Arc::clone(&clock) as _, ..options };
        let (log, _) = Log::open(Arc::new(disk.clone()), Path::new(DIR), config, options).unwrap();
        Self { disk, clock, log }
    }

    /// The log opened again, by another process if it was not closed.
    pub(crate) fn reopened(self, options: OpenOptions) -> Self {
        let config = self.log.config();
        let Self { disk, log, .. } = self;
        drop(log);
        Self::open(disk, config, options)
    }

    /// Lets so many milliseconds go by.
    pub(crate) fn wait(&self, ms: i64) {
        let now = log_engine::Clock::wall(self.clock.as_ref());
        self.clock.set(Timestamp::new(now.get() + ms));
    }

    /// Appends a batch of `records` records by `sender`, or of nobody.
    pub(crate) fn send(&self, sender: Option<Sender>, records: usize) -> Result<Appended> {
        let record = NewRecord { value: Some(&[7; 20]), ..NewRecord::default() };
        self.log.append_records(vec![record; records], sender, &AppendAsLeader::client(EPOCH))
    }

    /// Appends a batch of so many records; its first offset.
    pub(crate) fn append(&self, records: usize) -> i64 {
        self.send(None, records).unwrap().first_offset.unwrap().get()
    }

    /// Appends so many batches of one record.
    pub(crate) fn fill(&self, batches: i64) {
        for _ in 0..batches {
            self.append(1);
        }
    }

    /// Appends a batch with a record of each of these times.
    pub(crate) fn append_at(&self, times: &[i64]) {
        let records = times.iter().map(|time| NewRecord {
            timestamp: Some(Timestamp::new(*time)),
            value: Some(&[7; 20]),
            ..NewRecord::default()
        });
        self.log.append_records(records, None, &AppendAsLeader::client(EPOCH)).unwrap();
    }

    /// Ends a producer's transaction.
    pub(crate) fn end_transaction(&self, id: i64, commit: bool) -> i64 {
        self.log.append_marker(&end_of(id, commit), EPOCH).unwrap().last_offset.unwrap().get()
    }

    /// Appends as a follower.
    pub(crate) fn follow(&self, batches: &[u8]) -> Result<Appended> {
        self.log.append_as_follower(batches, LeaderEpoch::new(i32::MAX))
    }

    /// Lets the high watermark follow to the end.
    pub(crate) fn replicate(&self) {
        self.log.set_high_watermark(self.log.end()).unwrap();
    }

    /// What a read brings.
    pub(crate) fn bytes(&self, from: i64, isolation: Isolation) -> Vec<u8> {
        let read = self.log.read(Offset::new(from), u64::MAX, isolation, true).unwrap();
        read.slice.map(|slice| slice.read_to_vec().unwrap()).unwrap_or_default()
    }

    /// First offsets of the batches that a read brings.
    pub(crate) fn read_from(&self, from: i64, isolation: Isolation) -> Vec<i64> {
        Walk::new(&self.bytes(from, isolation)).map(|(_, batch)| batch.unwrap().base_offset().get()).collect()
    }

    /// First offsets of all batches, read after read.
    pub(crate) fn all(&self) -> Vec<i64> {
        let (mut bases, mut next) = (Vec::new(), self.log.start());
        while next < self.log.end() {
            let bytes = self.bytes(next.get(), Isolation::LogEnd);
            for (_, batch) in Walk::new(&bytes) {
                let batch = batch.unwrap();
                bases.push(batch.base_offset().get());
                next = batch.last_offset().next();
            }
            assert!(!bytes.is_empty(), "nothing at {next:?}");
        }
        bases
    }

    /// First offsets of the segments.
    pub(crate) fn segments(&self) -> Vec<i64> {
        self.log.describe().unwrap().segments.iter().map(|segment| segment.base.get()).collect()
    }

    /// Producers and their last sequences.
    pub(crate) fn producers(&self) -> Vec<(i64, i32)> {
        let producers = self.log.describe().unwrap().producers;
        let last = producers.iter().map(|(id, entry)| (id.get(), entry.last_sequence().map_or(-1, Sequence::get)));
        last.collect()
    }

    /// Epochs and where they begin.
    pub(crate) fn epochs(&self) -> Vec<(i32, i64)> {
        self.log.leader_epochs().iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect()
    }

    /// Aborted transactions: producer, first and last offset, last stable offset.
    pub(crate) fn aborted(&self) -> Vec<(i64, i64, i64, i64)> {
        let found = self.log.aborted(self.log.start(), self.log.end()).unwrap();
        let row = |txn: &log_engine::segment::AbortedTxn| {
            (txn.producer_id.get(), txn.first_offset.get(), txn.last_offset.get(), txn.last_stable_offset.get())
        };
        found.iter().map(row).collect()
    }

    /// Offsets of the files of a kind in the folder that are not on their way out.
    pub(crate) fn files(&self, kind: SegmentFile) -> Vec<i64> {
        let names = self.names().into_iter().filter_map(|name| SegmentName::parse(&name));
        names.filter(|name| name.file == kind && name.leftover.is_none()).map(|name| name.base.get()).collect()
    }

    /// Names of the files in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = self.disk.files();
        let in_folder = files.keys().filter_map(|path| path.strip_prefix(DIR).ok());
        in_folder.map(|name| name.to_str().unwrap().to_owned()).collect()
    }
}

/// Offset, time, key and value of a record.
pub(crate) type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of batches.
pub(crate) fn records(bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut scratch = Scratch::default();
    for (_, batch) in Walk::new(bytes) {
        for record in batch.unwrap().records(&mut scratch).unwrap() {
            let record = record.unwrap();
            let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            rows.push((record.offset.get(), record.timestamp.get(), key, value));
        }
    }
    rows
}
