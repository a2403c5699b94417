//! One partition, and beside it everything that was appended, as it was handed in.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use log_engine::batch::Header;
use log_engine::log::{EndTransaction, ManualClock, Sender};
use log_engine::{
    AppendAsLeader, Appended, Durability, LeaderEpoch, Log, NewRecord, Offset, ProducerEpoch, ProducerId, Sequence,
    Timestamp,
};

pub(crate) type Made = Result<(), Box<dyn Error>>;

/// Milliseconds from record to record.
const STEP: i64 = 10;
/// Every so many records one is this much older than it should be.
const LATE: (usize, i64) = (7, 3005);

/// A producer that counts what it sends to one partition.
pub(crate) struct Session {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    pub(crate) sequence: Sequence,
    is_transactional: bool,
}

impl Session {
    pub(crate) const fn new(id: i64, epoch: i16, is_transactional: bool) -> Self {
        let (id, epoch) = (ProducerId::new(id), ProducerEpoch::new(epoch));
        Self { id, epoch, sequence: Sequence::new(0), is_transactional }
    }
}

/// A record as it was handed in.
struct Content {
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    Open(ProducerId),
}

struct Written {
    offset: i64,
    timestamp: Timestamp,
    leader: LeaderEpoch,
    content: Content,
    fate: Fate,
}

pub(crate) struct Partition {
    pub(crate) name: String,
    log: Arc<Log>,
    clock: Arc<ManualClock>,
    written: Vec<Written>,
    /// Of everything, with those that were removed again.
    count: usize,
    start: i64,
    pub(crate) leader: LeaderEpoch,
    pub(crate) is_append_time: bool,
}

impl Partition {
    pub(crate) fn new(name: String, log: Arc<Log>, clock: Arc<ManualClock>) -> Self {
        let leader = LeaderEpoch::new(0);
        Self { name, log, clock, written: Vec::new(), count: 0, start: 0, leader, is_append_time: false }
    }

    pub(crate) fn append(&mut self, records: usize, session: Option<&mut Session>) -> Made {
        let contents: Vec<Content> = (0..records).map(|_| self.next_content()).collect();
        let appended = self.send(&contents, session.as_deref())?;
        let first = appended.first_offset.ok_or("nothing was appended")?.get();
        let fate = match &session {
            Some(session) if session.is_transactional => Fate::Open(session.id),
            _ => Fate::Committed,
        };
        for (offset, content) in (first..).zip(contents) {
            let timestamp = appended.append_time.unwrap_or(content.timestamp);
            self.written.push(Written { offset, timestamp, leader: self.leader, content, fate });
        }
        if let Some(session) = session {
            session.sequence = Sequence::new(session.sequence.get() + i32::try_from(records)?);
        }
        Ok(())
    }

    /// Sends the last `records` records of `session` once more: nothing may come of it.
    pub(crate) fn append_again(&mut self, records: i32, session: &Session) -> Made {
        let again = Session { sequence: Sequence::new(session.sequence.get() - records), ..*session };
        let contents: Vec<Content> = (0..records).map(|_| self.next_content()).collect();
        if !self.send(&contents, Some(&again))?.duplicate {
            return Err(format!("{}: a batch was taken twice", self.name).into());
        }
        Ok(())
    }

    fn send(&self, contents: &[Content], session: Option<&Session>) -> Result<Appended, Box<dyn Error>> {
        self.clock.set(Timestamp::new(super::BEGIN + i64::try_from(self.count)? * STEP));
        let headers: Vec<Vec<Header<'_>>> = contents.iter().map(Content::headers).collect();
        let records = contents.iter().zip(&headers).map(|(content, headers)| NewRecord {
            timestamp: Some(content.timestamp),
            key: content.key.as_deref(),
            value: content.value.as_deref(),
            headers,
        });
        let sender = session.map(|session| Sender {
            id: session.id,
            epoch: session.epoch,
            base_sequence: session.sequence,
            is_transactional: session.is_transactional,
        });
        // Every few appends one is made durable by itself.
        let durability = self.count.is_multiple_of(64).then_some(Durability::Synced);
        let how = AppendAsLeader { durability, ..AppendAsLeader::client(self.leader) };
        Ok(self.log.append_records(records, sender, &how)?)
    }

    pub(crate) fn end_transaction(&mut self, session: &Session, commit: bool, transaction_version: i16) -> Made {
        let marker = EndTransaction {
            producer_id: session.id,
            producer_epoch: session.epoch,
            commit,
            coordinator_epoch: 0,
            // Not between records: a search by time finds markers, too, but no consumer is given one.
            timestamp: Timestamp::new(super::BEGIN + i64::try_from(self.count - 1)? * STEP),
            transaction_version,
        };
        self.log.append_marker(&marker, self.leader)?;
        let fate = if commit { Fate::Committed } else { Fate::Aborted };
        for ended in self.written.iter_mut().filter(|written| written.fate == Fate::Open(session.id)) {
            ended.fate = fate;
        }
        Ok(())
    }

    pub(crate) fn delete_records_to(&mut self, offset: i64) -> Made {
        self.settle()?;
        self.log.delete_records_to(Offset::new(offset))?;
        self.log.delete_old_segments()?;
        self.start = offset;
        self.written.retain(|written| written.offset >= offset);
        Ok(())
    }

    /// Everything is on every replica: there is one.
    pub(crate) fn settle(&self) -> Made {
        self.log.set_high_watermark(self.log.end())?;
        Ok(())
    }

    /// The next of an endless row of records: with and without key, value and headers, empty ones, and every size up to 700 bytes.
    fn next_content(&mut self) -> Content {
        let number = self.count;
        self.count += 1;
        let late = if number % LATE.0 == LATE.0 - 1 { LATE.1 } else { 0 };
        let bytes = |len: usize| (0..len).map(|at| b"0123456789abcdef"[(at * 7 + number) % 16]).collect::<Vec<u8>>();
        Content {
            timestamp: Timestamp::new(super::BEGIN + i64::try_from(number).unwrap_or(0) * STEP - late),
            key: (!number.is_multiple_of(3)).then(|| bytes(number % 5)),
            value: (number % 11 != 4).then(|| bytes(number * 13 % 700)),
            headers: (0..number % 4)
                .map(|at| (format!("h{at}é"), (at + number % 2 != 1).then(|| bytes(at * 3))))
                .collect(),
        }
    }

    /// What consumers find: a line a record, and where they begin, end, and find three points in time.
    pub(crate) fn print(&self) {
        for isolation in ["read_uncommitted", "read_committed"] {
            let all = isolation == "read_uncommitted";
            let stable = self.written.iter().find(|written| matches!(written.fate, Fate::Open(_)));
            let end = stable.filter(|_| !all).map_or(self.log.end().get(), |open| open.offset);
            println!("{} {isolation} {} to {end}", self.name, self.start);
            for written in self.written.iter().filter(|written| all || written.fate == Fate::Committed) {
                if written.offset < end {
                    println!("{}", Line(self, written));
                }
            }
            for at in [0, self.written.len() / 2, self.written.len().saturating_sub(1)] {
                let Some(time) = self.written.get(at).map(|written| written.timestamp) else { continue };
                let found = self.written.iter().find(|written| written.timestamp >= time && written.offset < end);
                let found = found.map_or("none".to_owned(), |found| format!("{} {}", found.offset, found.timestamp));
                println!("{} {isolation} at {time}: {found}", self.name);
            }
        }
    }
}

impl Content {
    fn headers(&self) -> Vec<Header<'_>> {
        let pairs = self.headers.iter();
        pairs.map(|(key, value)| Header { key: key.as_bytes(), value: value.as_deref() }).collect()
    }
}

struct Line<'a>(&'a Partition, &'a Written);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(partition, written) = self;
        let kind = if partition.is_append_time { "LogAppendTime" } else { "CreateTime" };
        let Written { offset, timestamp, leader, content, .. } = written;
        write!(f, "{} {offset} {kind}:{timestamp} epoch {leader}", partition.name)?;
        write!(f, " {} {}", hex(content.key.as_deref()), hex(content.value.as_deref()))?;
        for (key, value) in &content.headers {
            write!(f, " {}={}", hex(Some(key.as_bytes())), hex(value.as_deref()))?;
        }
        Ok(())
    }
}

/// `-` is null, `x` and digits are bytes.
fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    bytes.iter().fold("x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
