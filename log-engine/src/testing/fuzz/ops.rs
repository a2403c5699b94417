//! Any operations on a log, beside a list of batches.

mod model;

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};

use self::model::{Model, Sent, Written};
use super::whole_log::{self, FOLDER, NOW, batches, options, read_from, values};
use crate::batch::Batch;
use crate::fs::sim::{Outcome, SimFs};
use crate::log::{
    AppendAsLeader, Appended, Durability, EndTransaction, Isolation, Log, LogConfig, ManualClock, NewRecord,
    OpenOptions, RecordBuffer, RecoveryMode, RecoveryReport, RunTasks, Sender, TimeTarget,
};
use crate::segment::AbortedTxn;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// More are left out: what goes wrong shows within few.
const MOST_OPERATIONS: usize = 60;
/// Bytes that may wait to be synced: few, so that the log has to sync on its own sometimes.
const MAX_UNSYNCED_BYTES: u64 = 1500;
/// Producers; the others' ids are taken for one of theirs.
const PRODUCERS: i64 = 3;

/// What is done with the log. Places are counted around: every number means one.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Operation {
    Append { records: u8, size: u8, sender: Option<(u8, bool)>, synced: bool },
    AppendAgain { sender: u8, synced: bool },
    EndTransaction { sender: u8, commit: bool },
    HighWatermark { place: u8 },
    Elect,
    Roll,
    Flush { force: bool },
    Tasks { all: bool },
    Wait { seconds: u8 },
    DeleteRecords { place: u8 },
    DeleteOldSegments,
    Truncate { place: u8 },
    RestartAt { place: u8 },
    Close,
    Kill,
    Crash { outcome: u8, seed: u8 },
}

/// Does with a log what the bytes describe, and with a list of batches the same.
///
/// # Panics
/// If the log's answers, bounds, records, look-ups, epochs or transactions are not those of the list.
pub fn ops(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut log = Driven::new();
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let Ok(operation) = Operation::arbitrary(&mut input) else { break };
        log.perform(operation);
        log.check();
    }
}

/// A log, its disk and its clock, and what must be in it.
struct Driven {
    fs: SimFs,
    clock: Arc<ManualClock>,
    log: Log,
    model: Model,
    /// Counts records, so that each has a value of its own.
    count: u32,
    now: i64,
}

impl Driven {
    fn new() -> Self {
        let fs = SimFs::with_folder(std::path::Path::new(FOLDER).parent().expect("of two"));
        let clock = Arc::new(ManualClock::at(NOW));
        let (log, _) = open(&fs, options(RecoveryMode::TornTail, &clock)).expect("an empty folder");
        Self { fs, clock, log, model: Model::default(), count: 0, now: NOW.get() }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Append { records, size, sender, synced } => {
                self.append(records, size, sender, synced);
                if synced {
                    self.model.durable = self.model.end;
                }
            }
            Operation::AppendAgain { sender, synced } => self.append_again(id_of(sender), synced),
            Operation::EndTransaction { sender, commit } => self.end_transaction(id_of(sender), commit),
            Operation::HighWatermark { place } => {
                // One within a batch goes down to where the batch begins when it is next looked at.
                let boundaries = self.model.boundaries();
                let to = boundaries[usize::from(place) % boundaries.len()];
                let set = self.log.set_high_watermark(Offset::new(to)).expect("nothing fails");
                assert_eq!(set.get(), to);
                self.model.high_watermark = to;
            }
            Operation::Elect => {
                self.model.leader_epoch += 1;
                self.log.assign_epoch(self.epoch(), self.model.end_offset()).expect("nothing fails");
            }
            Operation::Roll => {
                assert_eq!(self.log.roll().expect("nothing fails"), self.model.end_offset());
                assert_eq!(self.log.active_segment(), self.model.end_offset());
            }
            Operation::Flush { force } => {
                self.log.flush(force).expect("nothing fails");
                assert_eq!(self.log.recovery_point(), self.model.end_offset());
            }
            Operation::Tasks { all } => {
                let which = if all { RunTasks::All } else { RunTasks::Due };
                self.log.run_tasks(which).expect("nothing fails");
            }
            Operation::Wait { seconds } => {
                self.now += i64::from(seconds) * 1000;
                self.clock.set(Timestamp::new(self.now));
            }
            Operation::DeleteRecords { place } => {
                let to = self.model.start + i64::from(place) % (self.model.high_watermark - self.model.start + 1);
                let moved = self.log.delete_records_to(Offset::new(to)).expect("below the high watermark");
                assert_eq!(moved, to > self.model.start);
                self.lose_front(to);
            }
            Operation::DeleteOldSegments => self.delete_old_segments(),
            Operation::Truncate { place } => {
                let boundaries = self.model.boundaries();
                let to = boundaries[usize::from(place) % boundaries.len()];
                let cut = self.log.truncate_to(Offset::new(to)).expect("nothing fails");
                assert_eq!(cut, to < self.model.end);
                if cut {
                    self.model.cut(to);
                }
            }
            Operation::RestartAt { place } => {
                self.log.truncate_fully_and_start_at(Offset::new(place.into()), None).expect("nothing fails");
                self.model.restart_at(place.into());
            }
            Operation::Close => {
                let closed = self.log.close().expect("nothing fails");
                assert_eq!(closed.recovery_point, self.model.end_offset());
                self.reopen(self.fs.restart(), true);
            }
            Operation::Kill => self.reopen(self.fs.restart(), false),
            Operation::Crash { outcome, seed } => {
                let outcome = Outcome::SIMPLE[usize::from(outcome) % Outcome::SIMPLE.len()];
                self.crash(outcome, seed.into());
            }
        }
    }

    fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch::new(self.model.leader_epoch)
    }

    fn append(&mut self, records: u8, size: u8, sender: Option<(u8, bool)>, synced: bool) {
        let records = 1 + usize::from(records % 4);
        let values: Vec<Vec<u8>> = (0..records).map(|_| self.next_value(size)).collect();
        let sent = sender.map(|(sender, is_transactional)| {
            let id = id_of(sender);
            // A producer stays in its transaction until that has ended.
            let is_transactional = is_transactional || self.model.open_transaction(id).is_some();
            Sent { id, sequence: self.model.next_sequence(id), is_transactional }
        });
        let appended = self.send(&values, sent, synced);
        assert!(!appended.duplicate);
        assert_eq!(appended.first_offset, Some(self.model.end_offset()));
        let first = self.model.end;
        let last = appended.last_offset.expect("records came").get();
        assert_eq!(last + 1 - first, i64::try_from(records).expect("a few"));
        let (leader_epoch, timestamp) = (self.model.leader_epoch, self.now);
        self.model.push(Written { first, last, leader_epoch, timestamp, values, sender: sent, marker: None });
    }

    fn append_again(&mut self, id: i64, synced: bool) {
        let Some((last, sent)) = self.model.last_of(id).filter(|_| !self.model.is_forgetful) else { return };
        let has_ended = sent.is_transactional && self.model.open_transaction(id).is_none();
        if has_ended {
            return;
        }
        let appended = self.send(&last.values, Some(sent), synced);
        assert!(appended.duplicate, "{last:?} was taken twice");
        let offsets = (appended.first_offset, appended.last_offset);
        assert_eq!(offsets, (Some(Offset::new(last.first)), Some(Offset::new(last.last))));
        if synced {
            self.model.durable = self.model.durable.max(last.last + 1);
        }
    }

    fn send(&self, values: &[Vec<u8>], sent: Option<Sent>, synced: bool) -> Appended {
        let records = values.iter().map(|value| NewRecord { value: Some(value), ..NewRecord::default() });
        let sender = sent.map(|sent| Sender {
            id: ProducerId::new(sent.id),
            epoch: ProducerEpoch::new(0),
            base_sequence: Sequence::new(sent.sequence),
            is_transactional: sent.is_transactional,
        });
        let durability = synced.then_some(Durability::Synced);
        let how = AppendAsLeader { durability, ..AppendAsLeader::client(self.epoch()) };
        self.log.append_records(records, sender, &how).expect("a sound batch")
    }

    fn next_value(&mut self, size: u8) -> Vec<u8> {
        self.count += 1;
        let mut value = self.count.to_be_bytes().to_vec();
        value.resize(4 + usize::from(size % 128), b'.');
        value
    }

    fn end_transaction(&mut self, id: i64, commit: bool) {
        if self.model.open_transaction(id).is_none() {
            return;
        }
        let marker = EndTransaction {
            producer_id: ProducerId::new(id),
            producer_epoch: ProducerEpoch::new(0),
            commit,
            coordinator_epoch: 0,
            timestamp: Timestamp::new(self.now),
            transaction_version: 1,
        };
        let appended = self.log.append_marker(&marker, self.epoch()).expect("of an open transaction");
        assert_eq!(appended.first_offset, Some(self.model.end_offset()));
        let (first, sequence) = (self.model.end, self.model.next_sequence(id));
        self.model.push(Written {
            first,
            last: first,
            leader_epoch: self.model.leader_epoch,
            timestamp: self.now,
            values: Vec::new(),
            sender: Some(Sent { id, sequence, is_transactional: true }),
            marker: Some(commit),
        });
    }

    fn delete_old_segments(&mut self) {
        self.log.delete_old_segments().expect("nothing fails");
        let start = self.log.start().get();
        assert!((self.model.start..=self.model.high_watermark).contains(&start), "begins at {start}");
        let oldest = self.now - self.log.config().retention_ms.expect("it is set");
        // A segment goes whole, by its newest batch; those below the start went before, whatever their age.
        let mut gone = self.model.live().filter(|written| written.last < start && written.first >= self.model.start);
        let too_young = gone.find(|written| written.timestamp >= oldest);
        assert!(too_young.is_none(), "{too_young:?} is too young to go");
        drop(gone);
        self.lose_front(start);
    }

    fn lose_front(&mut self, start: i64) {
        self.model.is_forgetful |= start > self.model.start;
        self.model.start = start;
        self.model.high_watermark = self.model.high_watermark.max(start);
    }

    /// Opens the log anew. Nothing that was written is missing: its process died, or closed it.
    fn reopen(&mut self, fs: SimFs, clean: bool) {
        let report = self.open_on(fs, clean);
        assert!(report.is_untouched(), "{report:?}");
        assert!(!clean || report.segments_checked == 0, "{report:?}");
    }

    fn crash(&mut self, outcome: Outcome, seed: u64) {
        let recovery_point = self.log.recovery_point().get();
        if recovery_point > self.model.start {
            // A sync has brought it there. A log start takes it along without one.
            self.model.durable = self.model.durable.max(recovery_point);
        }
        let fs = self.fs.after_crash(outcome, seed);
        self.open_on(fs, false);
        let end = self.log.end().get();
        assert!(end >= self.model.durable && end <= self.model.end, "{outcome:?}: ends at {end}: {:?}", self.model);
        if outcome == Outcome::Everything {
            assert_eq!(end, self.model.end, "nothing was lost");
        }
        let is_whole = end == self.model.end || self.model.written.iter().any(|written| written.first == end);
        assert!(is_whole, "{outcome:?}: ends at {end}, within a batch");
        let high_watermark = self.model.high_watermark.min(end);
        self.model.cut(end);
        self.log.set_high_watermark(Offset::new(high_watermark)).expect("nothing fails");
    }

    fn open_on(&mut self, fs: SimFs, clean: bool) -> RecoveryReport {
        let known = self.log.checkpoints();
        let options = OpenOptions {
            clean,
            recovery_point: known.recovery_point,
            log_start: known.log_start,
            ..options(RecoveryMode::TornTail, &self.clock)
        };
        let (log, report) = open(&fs, options).expect("what a crash leaves opens");
        (self.fs, self.log) = (fs, log);
        let high_watermark = self.model.high_watermark.min(self.log.end().get());
        self.log.set_high_watermark(Offset::new(high_watermark)).expect("nothing fails");
        self.model.is_forgetful = true;
        report
    }

    fn check(&self) {
        let model = &self.model;
        let bounds = (self.log.start().get(), self.log.end().get(), self.log.high_watermark().get());
        assert_eq!(bounds, (model.start, model.end, model.high_watermark), "{model:?}");
        let stable = self.log.last_stable_offset().get();
        let (least, most) = model.stable_bounds();
        assert!((least..=most).contains(&stable), "stable to {stable}, not within {least} to {most}: {model:?}");
        self.check_records();
        self.check_lookups();
        self.check_committed(stable);
        self.check_epochs();
    }

    fn check_records(&self) {
        let (bytes, _) = read_from(&self.log, self.log.start(), Isolation::LogEnd);
        let batches = batches(&bytes);
        assert_eq!(batches.len(), self.model.live().count(), "{:?}", self.model);
        for (batch, written) in batches.iter().zip(self.model.live()) {
            assert_eq!((batch.base_offset().get(), batch.last_offset().get()), (written.first, written.last));
            assert_eq!(batch.leader_epoch(), Some(LeaderEpoch::new(written.leader_epoch)));
            assert_eq!(batch.is_control(), written.marker.is_some());
            if !batch.is_control() {
                assert_eq!(values(batch), numbered(written));
            }
        }
    }

    /// Each batch is found by its last offset and by its time.
    fn check_lookups(&self) {
        let mut buffer = RecordBuffer::default();
        for written in self.model.live() {
            let last = Offset::new(written.last);
            let record = self.log.record(last, Isolation::LogEnd, &mut buffer).expect("within the log");
            let record = record.expect("nothing was compacted away");
            assert_eq!(record.offset, last);
            if written.marker.is_none() {
                assert_eq!(record.value, written.values.last().map(Vec::as_slice));
            }
            if let Some(expected) = self.model.first_at(written.timestamp) {
                let target = TimeTarget::At(Timestamp::new(written.timestamp));
                let found = self.log.offset_for_time(target).expect("within the log");
                assert_eq!(found.map(|record| record.offset.get()), Some(expected), "{:?}", self.model);
            }
        }
    }

    /// What a consumer makes of the batches and the aborted transactions that it is given.
    fn check_committed(&self, stable: i64) {
        let (bytes, mut aborted) = read_from(&self.log, self.log.start(), Isolation::TxnCommitted);
        aborted.sort_by_key(|transaction| transaction.first_offset);
        let seen: Vec<_> = committed(&batches(&bytes), &aborted).iter().flat_map(|batch| values(batch)).collect();
        let live = self.model.live().filter(|written| written.marker.is_none() && written.last < stable);
        let expected: Vec<_> = live.filter(|written| self.model.is_committed(written)).flat_map(numbered).collect();
        assert_eq!(seen, expected, "{aborted:?} {:?}", self.model);
    }

    fn check_epochs(&self) {
        let epochs = self.log.leader_epochs();
        for written in self.model.live() {
            let first = written.first.max(self.model.start);
            let known = epochs.iter().rev().find(|entry| entry.start.get() <= first);
            let known = known.map(|entry| entry.epoch.get());
            assert_eq!(known, Some(written.leader_epoch), "at {first}: {epochs:?}");
        }
    }
}

fn open(fs: &SimFs, options: OpenOptions) -> crate::error::Result<(Log, RecoveryReport)> {
    whole_log::open(fs, LogConfig { max_unsynced_bytes: MAX_UNSYNCED_BYTES, ..whole_log::config() }, options)
}

fn id_of(sender: u8) -> i64 {
    i64::from(sender) % PRODUCERS + 100
}

fn numbered(written: &Written) -> Vec<(i64, Vec<u8>)> {
    (written.first..).zip(written.values.iter().cloned()).collect()
}

/// Batches of records without those of aborted transactions.
///
/// Kafka: `CompletedFetch.nextFetchedRecord`.
fn committed<'a>(all: &[Batch<'a>], aborted: &[AbortedTxn]) -> Vec<Batch<'a>> {
    let mut waiting = aborted.iter().peekable();
    let mut under_way = Vec::new();
    let mut given = Vec::new();
    for batch in all {
        while let Some(begun) = waiting.next_if(|transaction| transaction.first_offset <= batch.last_offset()) {
            under_way.push(begun.producer_id);
        }
        let of = batch.producer().map(|producer| producer.id);
        if batch.is_control() {
            under_way.retain(|id| Some(*id) != of);
        } else if !(batch.is_transactional() && under_way.iter().any(|id| Some(*id) == of)) {
            given.push(*batch);
        }
    }
    given
}
