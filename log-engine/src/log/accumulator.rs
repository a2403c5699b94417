//! Single records gathered to batches: a write for many of them instead of one for each.
//!
//! Kafka: the client's `RecordAccumulator`, here beside the log.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Log;
use super::append::{AppendAsLeader, Call};
use super::config::LogConfig;
use super::records::{NewRecord, builder, is_sound, refusal};
use super::ticket::Ticket;
use crate::batch::{BatchBuilder, HEADER_LEN};
use crate::error::{Error, Result};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::units::{Offset, Timestamp};

/// More than the numbers in front of a record's parts take, but for its headers.
const RECORD_OVERHEAD: usize = 40;
/// More than the lengths in front of a header's two parts take.
const HEADER_OVERHEAD: usize = 10;

/// When gathered records become a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccumulatorOptions {
    /// `batch.size`: bytes of a batch before compression. A record that does not fit into it begins the next one; a larger one is
    /// a batch of its own. 16 KiB.
    pub batch_bytes: usize,
    /// `linger.ms`: how long the first record of a batch waits for others, as far as somebody calls [`Accumulator::tick`] that
    /// often. 5 ms.
    pub linger_ms: u64,
}

impl Default for AccumulatorOptions {
    fn default() -> Self {
        Self { batch_bytes: 16_384, linger_ms: 5 }
    }
}

/// Gathers records for one log and appends them in batches, in the order in which they came. Shared between threads by reference.
///
/// A record that is buffered is nothing yet, not even *appended*: it is lost with the process, and with the accumulator.
#[derive(Debug)]
pub struct Accumulator {
    log: Arc<Log>,
    how: AppendAsLeader,
    options: AccumulatorOptions,
    gathering: Mutex<Option<Gathering>>,
}

/// A batch that is still open.
#[derive(Debug)]
struct Gathering {
    builder: BatchBuilder,
    began: Duration,
    /// When the last record came.
    now: Timestamp,
    fate: Arc<Fate>,
}

/// What became of a batch.
type Fate = OnceLock<std::result::Result<(Offset, Ticket), Arc<Error>>>;

/// A record's claim: says what became of its batch.
#[derive(Clone, Debug)]
pub struct Buffered {
    fate: Arc<Fate>,
    index: i64,
}

impl Buffered {
    /// The record's offset, once its batch is appended; why not, if that failed; `None` while it is buffered.
    #[must_use]
    pub fn offset(&self) -> Option<std::result::Result<Offset, Arc<Error>>> {
        let at_index = |(first, _): &(Offset, Ticket)| Offset::new(first.get().saturating_add(self.index));
        self.fate.get().map(|fate| fate.as_ref().map(at_index).map_err(Arc::clone))
    }

    /// To wait with until the record is durable; `None` unless it is appended.
    #[must_use]
    pub fn ticket(&self) -> Option<&Ticket> {
        self.fate.get()?.as_ref().ok().map(|(_, ticket)| ticket)
    }
}

impl Accumulator {
    /// An empty one for `log`, which appends as `how` says.
    #[must_use]
    pub fn new(log: Arc<Log>, how: AppendAsLeader, options: AccumulatorOptions) -> Self {
        Self { log, how, options, gathering: Mutex::new(None) }
    }

    /// Buffers a record behind those that came before; appends these first if it does not fit into their batch.
    ///
    /// # Errors
    /// What is wrong with this record alone, as [`Log::append_records`] says it; it is not buffered then. What happens to records
    /// that were buffered before is told by what they got.
    pub fn append(&self, record: &NewRecord<'_>) -> Result<Buffered> {
        let config = self.log.config.load();
        let now = self.log.now();
        let timestamp = record.timestamp.unwrap_or(now);
        let mut gathering = self.lock();
        if !is_sound((timestamp, timestamp), record.key.is_some(), now, &config) {
            return self.append_alone(&mut gathering, record);
        }
        let len = most_bytes(record);
        if gathering.as_ref().is_some_and(|open| open.len().saturating_add(len) > self.options.batch_bytes) {
            // Its records say what became of them.
            let _ = self.close(&mut gathering);
        }
        let open = gathering.get_or_insert_with(|| self.begin(&config));
        let index = i64::from(open.builder.len());
        open.builder.push(timestamp, record.key, record.value, record.headers).map_err(refusal)?;
        open.now = now;
        let buffered = Buffered { fate: Arc::clone(&open.fate), index };
        if open.len() >= self.options.batch_bytes {
            let _ = self.close(&mut gathering);
        }
        Ok(buffered)
    }

    /// Appends what is buffered, if anything is.
    ///
    /// # Errors
    /// As [`Log::append_as_leader`]; the records of the batch have the same error.
    pub fn flush(&self) -> std::result::Result<(), Arc<Error>> {
        self.close(&mut self.lock())
    }

    /// Appends what is buffered if its first record has waited for `linger_ms`.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn tick(&self) -> std::result::Result<(), Arc<Error>> {
        let mut gathering = self.lock();
        let now = self.log.clock.monotonic();
        let linger = Duration::from_millis(self.options.linger_ms);
        let is_due = gathering.as_ref().is_some_and(|open| now.saturating_sub(open.began) >= linger);
        if is_due { self.close(&mut gathering) } else { Ok(()) }
    }

    fn begin(&self, config: &LogConfig) -> Gathering {
        Gathering {
            builder: builder(config, None),
            began: self.log.clock.monotonic(),
            now: Timestamp::NONE,
            fate: Arc::default(),
        }
    }

    /// Lets a record that a rule may refuse go alone, so that none is refused with it.
    fn append_alone(&self, gathering: &mut Option<Gathering>, record: &NewRecord<'_>) -> Result<Buffered> {
        let _ = self.close(gathering);
        let appended = self.log.append_records([*record], None, &self.how)?;
        let first = appended.first_offset.unwrap_or(self.log.end());
        Ok(Buffered { fate: Arc::new(Fate::from(Ok((first, appended.ticket)))), index: 0 })
    }

    fn close(&self, gathering: &mut Option<Gathering>) -> std::result::Result<(), Arc<Error>> {
        let Some(Gathering { builder, now, fate, .. }) = gathering.take() else {
            return Ok(());
        };
        let config = self.log.config.load();
        let appended = self.log.append_builder(builder, &Call { how: &self.how, config: &config, now });
        let outcome = match appended {
            Ok(appended) => Ok((appended.first_offset.unwrap_or(self.log.end()), appended.ticket)),
            Err(error) => Err(Arc::new(error)),
        };
        let result = outcome.as_ref().map(drop).map_err(Arc::clone);
        // Nobody else settles this batch.
        let _ = fate.set(outcome);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Gathering>> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathering {
    fn len(&self) -> usize {
        self.builder.built().records_len.saturating_add(HEADER_LEN)
    }
}

/// Not less than the record takes in a batch.
fn most_bytes(record: &NewRecord<'_>) -> usize {
    let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let parts = len(record.key).saturating_add(len(record.value)).saturating_add(RECORD_OVERHEAD);
    record.headers.iter().fold(parts, |sum, header| {
        sum.saturating_add(header.key.len()).saturating_add(len(header.value)).saturating_add(HEADER_OVERHEAD)
    })
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::Refusal;
    use crate::fs::sim::SimFs;
    use crate::log::{ManualClock, OpenOptions};
    use crate::segment::{Scan, Step};
    use crate::units::LeaderEpoch;

    const NOW: i64 = 1_700_000_000_000;

    struct Place {
        log: Arc<Log>,
        clock: Arc<ManualClock>,
        accumulator: Accumulator,
    }

    fn place(config: LogConfig, options: AccumulatorOptions) -> Place {
        let clock = Arc::new(ManualClock::at(Timestamp::new(NOW)));
        let fs = Arc::new(SimFs::with_folder("/"));
        let open = OpenOptions { clock: Arc::clone(&clock) as _, ..OpenOptions::default() };
        let log = Arc::new(Log::open(fs, Path::new("/t-0"), config, open).unwrap().0);
        let how = AppendAsLeader::client(LeaderEpoch::new(0));
        Place { accumulator: Accumulator::new(Arc::clone(&log), how, options), log, clock }
    }

    fn value(bytes: &[u8]) -> NewRecord<'_> {
        NewRecord { value: Some(bytes), ..NewRecord::default() }
    }

    /// Records in each batch of the log, and the largest batch's bytes.
    fn batches(log: &Log) -> (Vec<i32>, u64) {
        let mut scan = Scan::new(log.segments().last().unwrap().source().unwrap());
        let (mut counts, mut most) = (Vec::new(), 0);
        while let Step::Batch(frame) = scan.next().unwrap() {
            counts.push(frame.header().unwrap().records_count());
            most = most.max(frame.len());
        }
        (counts, most)
    }

    #[test]
    fn records_become_one_batch_and_each_learns_its_offset() {
        let Place { log, accumulator, .. } = place(LogConfig::default(), AccumulatorOptions::default());
        let claims: Vec<_> = (0..3).map(|_| accumulator.append(&value(b"v")).unwrap()).collect();
        assert!(
            log.end() == Offset::ZERO
                && claims.iter().all(|claim| claim.offset().is_none() && claim.ticket().is_none())
        );
        accumulator.flush().unwrap();
        let offsets: Vec<_> = claims.iter().map(|claim| claim.offset().unwrap().unwrap().get()).collect();
        assert_eq!((offsets, batches(&log).0), (vec![0, 1, 2], vec![3]));
        claims[2].ticket().unwrap().wait().unwrap();
        assert_eq!(log.recovery_point(), Offset::new(3));
        accumulator.flush().unwrap();
        assert_eq!(log.end(), Offset::new(3), "nothing is left");
    }

    #[test]
    fn no_batch_is_above_its_size_but_that_of_a_larger_record() {
        for batch_bytes in [100, 300, 301, 1000] {
            let options = AccumulatorOptions { batch_bytes, ..AccumulatorOptions::default() };
            let Place { log, accumulator, .. } = place(LogConfig::default(), options);
            for len in (0..120).chain([5_000]).chain(0..40) {
                accumulator.append(&value(&vec![b'v'; len])).unwrap();
            }
            accumulator.flush().unwrap();
            assert_eq!(log.end().get(), 161);
            let (counts, most) = batches(&log);
            assert!(counts.contains(&1) && most > 5_000, "{counts:?}");
            let mut scan = Scan::new(log.segments().last().unwrap().source().unwrap());
            while let Step::Batch(frame) = scan.next().unwrap() {
                let is_single = frame.header().unwrap().records_count() == 1;
                assert!(is_single || frame.len() <= batch_bytes as u64, "{} above {batch_bytes}", frame.len());
            }
        }
    }

    #[test]
    fn a_batch_waits_as_long_as_its_first_record_may() {
        let options = AccumulatorOptions { linger_ms: 5, ..AccumulatorOptions::default() };
        let Place { log, clock, accumulator } = place(LogConfig::default(), options);
        let claim = accumulator.append(&value(b"first")).unwrap();
        clock.set(Timestamp::new(NOW + 4));
        accumulator.append(&value(b"second")).unwrap();
        accumulator.tick().unwrap();
        assert!(claim.offset().is_none());
        clock.set(Timestamp::new(NOW + 5));
        accumulator.tick().unwrap();
        assert_eq!((claim.offset().unwrap().unwrap(), log.end()), (Offset::ZERO, Offset::new(2)));
    }

    #[test]
    fn a_record_that_breaks_a_rule_is_refused_alone() {
        let config = LogConfig { message_timestamp_after_max_ms: 10, ..LogConfig::default() };
        let Place { log, accumulator, .. } = place(config, AccumulatorOptions::default());
        let before = accumulator.append(&value(b"before")).unwrap();
        let late = NewRecord { timestamp: Some(Timestamp::new(NOW + 11)), ..value(b"late") };
        let refused = accumulator.append(&late).unwrap_err();
        let Error::Refused(why) = refused else { panic!("{refused}") };
        assert!(matches!(*why, Refusal::InvalidTimestamps { .. }), "{why}");
        let below = NewRecord { timestamp: Some(Timestamp::new(-2)), ..value(b"below") };
        assert!(matches!(accumulator.append(&below), Err(Error::Refused(_))));
        let behind = accumulator.append(&value(b"behind")).unwrap();
        accumulator.flush().unwrap();
        assert_eq!(before.offset().unwrap().unwrap(), Offset::ZERO);
        assert_eq!(behind.offset().unwrap().unwrap(), Offset::new(1));
        assert_eq!(log.end(), Offset::new(2));
    }

    #[test]
    fn records_of_a_batch_that_cannot_be_appended_all_learn_why() {
        let Place { log, accumulator, .. } = place(LogConfig::default(), AccumulatorOptions::default());
        let claims: Vec<_> = (0..2).map(|_| accumulator.append(&value(b"v")).unwrap()).collect();
        log.close().unwrap();
        assert!(matches!(*accumulator.flush().unwrap_err(), Error::Closed { .. }));
        for claim in claims {
            assert!(matches!(*claim.offset().unwrap().unwrap_err(), Error::Closed { .. }) && claim.ticket().is_none());
        }
    }
}
