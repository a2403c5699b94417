//! From records back to batches: those that belonged together stay together, the others fill batches up to a size.

use log_engine::batch::{BuildError, Header, MAX_DECOMPRESSED};
use log_engine::{Batch, BatchBuilder, Codec, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use super::{BatchFacts, Emptied, Row};

/// Records of a batch where nothing says how many belong together.
pub(crate) const DEFAULT_RECORDS: u32 = 1000;
/// Bytes of keys, values and headers after which such a batch is full.
const FULL_BYTES: usize = 512 << 10;

/// How batches are made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batching {
    /// Records of a batch, whatever they say of the batch they were in; `None` keeps them as they were.
    pub(crate) records: Option<u32>,
    /// The codec of data, whatever it was.
    pub(crate) codec: Option<Codec>,
    /// Its level; `None` for Kafka's default.
    pub(crate) level: Option<i32>,
}

/// Why a record cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Offsets rise.
    #[error("offset {offset} is below {end}, where the log ends")]
    Offset { offset: i64, end: i64 },
    /// A batch that no reader would take.
    #[error("its batch would have more than {MAX_DECOMPRESSED} bytes")]
    TooLarge,
    /// What no batch can say.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Makes batches for one partition.
#[derive(Debug)]
pub(crate) struct Batcher {
    how: Batching,
    /// The offset behind the last one.
    end: i64,
    open: Option<Open>,
}

/// A batch to which records may come.
#[derive(Debug)]
struct Open {
    builder: BatchBuilder,
    facts: BatchFacts,
    base: i64,
    base_sequence: Option<Sequence>,
    /// The records' time, where they have one in common.
    append_time: Option<i64>,
    bytes: usize,
}

impl Batcher {
    /// Batches for a log that ends at `end`.
    pub(crate) const fn new(how: Batching, end: i64) -> Self {
        Self { how, end, open: None }
    }

    /// The offset behind the last one that came.
    pub(crate) const fn end(&self) -> i64 {
        self.end
    }

    /// Adds a record; batches that are ready go to the end of `out`.
    pub(crate) fn add(&mut self, row: &Row, out: &mut Vec<u8>) -> Result<(), Refused> {
        let offset = row.offset.unwrap_or(self.end);
        if offset < self.end {
            return Err(Refused::Offset { offset, end: self.end });
        }
        let facts = self.facts(&row.batch);
        if self.open.as_ref().is_some_and(|open| !open.takes(row, offset, &facts, self.how)) {
            self.finish(out)?;
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(facts, self.level(row.batch.is_control), row, offset, self.end)?,
        };
        open.push(row, offset)?;
        self.end = offset.saturating_add(1);
        self.open = Some(open);
        Ok(())
    }

    /// Adds a batch that has no records any more.
    pub(crate) fn add_emptied(&mut self, emptied: &Emptied, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.finish(out)?;
        let (first, last) = (emptied.batch.first_offset.unwrap_or(self.end), emptied.batch.last_offset);
        if first < self.end {
            return Err(Refused::Offset { offset: first, end: self.end });
        }
        let last = last.unwrap_or(first);
        let sequence = emptied.base_sequence.map(Sequence::new);
        builder(&self.facts(&emptied.batch), None, first, sequence, emptied.max_timestamp)
            .last_offset(Offset::new(last))
            .finish_emptied(Timestamp::new(emptied.max_timestamp), out)?;
        self.end = last.saturating_add(1);
        Ok(())
    }

    /// Lets a whole batch pass as it is, whose first record is at `first`.
    pub(crate) fn pass(&mut self, batch: &Batch<'_>, first: i64, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.finish(out)?;
        if first < self.end {
            return Err(Refused::Offset { offset: first, end: self.end });
        }
        out.extend_from_slice(batch.bytes());
        self.end = batch.last_offset().get().saturating_add(1);
        Ok(())
    }

    /// No record follows in the batch that is open, if one is: it goes to the end of `out` and reaches as far as it did.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let last = self.end.saturating_sub(1);
        let reach = open.facts.last_offset.filter(|reach| *reach > last);
        match reach {
            Some(reach) => open.builder.last_offset(Offset::new(reach)).finish(out)?,
            None => open.builder.finish(out)?,
        }
        self.end = self.end.max(reach.map_or(0, |reach| reach.saturating_add(1)));
        Ok(())
    }

    /// What is there of the open batch goes to the end of `out` now; the rest of it becomes another batch.
    pub(crate) fn cut(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        self.open.take().map_or(Ok(()), |open| Ok(open.builder.finish(out)?))
    }

    /// The level that goes with the codec which was asked for.
    fn level(&self, is_control: bool) -> Option<i32> {
        self.how.level.filter(|_| self.how.codec.is_some() && !is_control)
    }

    fn facts(&self, of: &BatchFacts) -> BatchFacts {
        let mut facts = of.clone();
        if self.how.records.is_some() {
            (facts.first_offset, facts.last_offset) = (None, None);
        }
        if facts.is_control {
            facts.codec = Codec::None;
        } else if let Some(codec) = self.how.codec {
            facts.codec = codec;
        }
        facts
    }
}

impl Open {
    fn new(facts: BatchFacts, level: Option<i32>, row: &Row, offset: i64, end: i64) -> Result<Self, Refused> {
        // Messages of formats 0 and 1 name their batch by its last offset; what was cut off a batch begins with its record.
        let base = facts.first_offset.filter(|first| (end..=offset).contains(first)).unwrap_or(offset);
        let before = i32::try_from(offset.saturating_sub(base)).map_err(|_| BuildError::TooLarge)?;
        let base_sequence = row.sequence.map(|sequence| Sequence::new(sequence).minus(before));
        let builder = builder(&facts, level, base, base_sequence, row.timestamp);
        let append_time = facts.is_append_time.then_some(row.timestamp);
        Ok(Self { builder, facts, base, base_sequence, append_time, bytes: 0 })
    }

    /// Whether a record belongs to this batch.
    fn takes(&self, row: &Row, offset: i64, facts: &BatchFacts, how: Batching) -> bool {
        let Ok(delta) = i32::try_from(offset.saturating_sub(self.base)) else { return false };
        let has_room = match (facts.first_offset, how.records) {
            (Some(_), None) => true,
            (_, limit) => {
                let limit = limit.unwrap_or(DEFAULT_RECORDS);
                let count = u32::try_from(self.builder.len()).unwrap_or(u32::MAX);
                count < limit && self.bytes.saturating_add(row.len()) <= FULL_BYTES
            }
        };
        has_room
            && *facts == self.facts
            && row.sequence.map(Sequence::new) == self.base_sequence.map(|base| base.plus(delta))
            && self.append_time.is_none_or(|time| time == row.timestamp)
    }

    fn push(&mut self, row: &Row, offset: i64) -> Result<(), Refused> {
        self.bytes = self.bytes.saturating_add(row.len());
        if self.bytes > MAX_DECOMPRESSED {
            return Err(Refused::TooLarge);
        }
        let headers: Vec<_> = row.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let (key, value) = (row.key.as_deref(), row.value.as_deref());
        Ok(self.builder.push_at(Offset::new(offset), Timestamp::new(row.timestamp), key, value, &headers)?)
    }
}

/// A batch without records that says what `facts` say.
fn builder(
    facts: &BatchFacts,
    level: Option<i32>,
    base: i64,
    sequence: Option<Sequence>,
    append_time: i64,
) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Offset::new(base))
        // Old messages name no epoch; a batch has to, or no follower takes it.
        .leader_epoch(LeaderEpoch::new(facts.leader_epoch.max(0)))
        .codec(facts.codec, level);
    if facts.is_append_time {
        builder = builder.append_time(Timestamp::new(append_time));
    }
    if let Some(time) = facts.delete_horizon {
        builder = builder.delete_horizon(Timestamp::new(time));
    }
    // A coordinator's batches have a count and nobody whose count it is.
    let (id, epoch) = facts.producer.unwrap_or((-1, -1));
    let sequence = sequence.unwrap_or(Sequence::new(-1));
    builder = builder.producer(ProducerId::new(id), ProducerEpoch::new(epoch), sequence);
    if facts.is_transactional {
        builder = builder.transactional();
    }
    if facts.is_control {
        builder = builder.control();
    }
    builder
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use log_engine::Scratch;

    use super::*;

    fn row(facts: &BatchFacts, offset: Option<i64>, sequence: Option<i32>) -> Row {
        let value = Some(b"value".to_vec());
        let batch = Arc::new(facts.clone());
        Row { batch, offset, timestamp: 7, sequence, key: None, value, headers: Vec::new() }
    }

    /// Base offset, last offset, base sequence and the records' offsets of each batch.
    fn batches(mut bytes: &[u8]) -> Vec<(i64, i64, Option<i32>, Vec<i64>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let batch = Batch::parse(bytes).unwrap();
            let mut scratch = Scratch::default();
            let records = batch.records(&mut scratch).unwrap();
            let offsets = records.map(|record| record.unwrap().offset.get()).collect();
            let sequence = batch.producer().and_then(|producer| producer.base_sequence).map(|sequence| sequence.get());
            found.push((batch.base_offset().get(), batch.last_offset().get(), sequence, offsets));
            bytes = &bytes[batch.bytes().len()..];
        }
        found
    }

    fn made(how: Batching, rows: &[Row]) -> Vec<(i64, i64, Option<i32>, Vec<i64>)> {
        let (mut batcher, mut out) = (Batcher::new(how, 0), Vec::new());
        rows.iter().for_each(|row| batcher.add(row, &mut out).unwrap());
        batcher.finish(&mut out).unwrap();
        batches(&out)
    }

    #[test]
    fn what_belonged_together_stays_together_and_reaches_as_far() {
        let of =
            |first, last| BatchFacts { first_offset: Some(first), last_offset: Some(last), ..BatchFacts::default() };
        let producer = |first, last| BatchFacts { producer: Some((9, 1)), ..of(first, last) };
        let rows = [
            row(&of(0, 1), Some(0), None),
            row(&of(0, 1), Some(1), None),
            row(&producer(2, 9), Some(4), Some(102)),
            row(&producer(2, 9), Some(7), Some(105)),
            row(&of(12, 12), Some(12), None),
        ];
        let expected = [(0, 1, None, vec![0, 1]), (2, 9, Some(100), vec![4, 7]), (12, 12, None, vec![12])];
        assert_eq!(made(Batching::default(), &rows), expected);
        // A message of format 1 around others names the last of them.
        let wrapped = [row(&of(3, 3), Some(1), None), row(&of(3, 3), Some(3), None)];
        assert_eq!(made(Batching::default(), &wrapped), [(1, 3, None, vec![1, 3])]);
    }

    #[test]
    fn what_nothing_holds_together_fills_batches() {
        let plain = BatchFacts::default();
        let rows: Vec<_> = (0..5).map(|_| row(&plain, None, None)).collect();
        assert_eq!(made(Batching::default(), &rows), [(0, 4, None, vec![0, 1, 2, 3, 4])]);
        let two = Batching { records: Some(2), ..Batching::default() };
        let expected = [(0, 1, None, vec![0, 1]), (2, 3, None, vec![2, 3]), (4, 4, None, vec![4])];
        assert_eq!(made(two, &rows), expected);
        let named = BatchFacts { first_offset: Some(0), last_offset: Some(4), ..plain.clone() };
        let rows: Vec<_> = (0..5).map(|offset| row(&named, Some(offset), None)).collect();
        assert_eq!(made(two, &rows), expected, "a number of records goes before what they say");
        for (count, batches) in [(DEFAULT_RECORDS - 1, 1), (DEFAULT_RECORDS, 1), (DEFAULT_RECORDS + 1, 2)] {
            let rows: Vec<_> = (0..count).map(|_| row(&plain, None, None)).collect();
            assert_eq!(made(Batching::default(), &rows).len(), batches, "{count}");
        }
    }

    #[test]
    fn a_count_that_jumps_begins_a_batch() {
        let facts = BatchFacts { producer: Some((9, 1)), ..BatchFacts::default() };
        let rows = [(0, 5), (1, 6), (2, 8), (5, 11)].map(|(offset, count)| row(&facts, Some(offset), Some(count)));
        let expected = [(0, 1, Some(5), vec![0, 1]), (2, 5, Some(8), vec![2, 5])];
        assert_eq!(made(Batching::default(), &rows), expected);
    }

    #[test]
    fn a_cut_leaves_the_reach_to_the_last_part() {
        let facts = BatchFacts { first_offset: Some(0), last_offset: Some(8), ..BatchFacts::default() };
        let (mut batcher, mut out) = (Batcher::new(Batching::default(), 0), Vec::new());
        batcher.add(&row(&facts, Some(2), None), &mut out).unwrap();
        batcher.cut(&mut out).unwrap();
        batcher.add(&row(&facts, Some(5), None), &mut out).unwrap();
        batcher.finish(&mut out).unwrap();
        assert_eq!(batches(&out), [(0, 2, None, vec![2]), (5, 8, None, vec![5])]);
        assert_eq!(batcher.end(), 9);
    }

    #[test]
    fn offsets_rise_and_a_batch_without_records_is_one() {
        let (mut batcher, mut out) = (Batcher::new(Batching::default(), 5), Vec::new());
        let plain = BatchFacts::default();
        let refused = batcher.add(&row(&plain, Some(4), None), &mut out);
        assert!(matches!(refused, Err(Refused::Offset { offset: 4, end: 5 })), "{refused:?}");
        let batch = BatchFacts {
            first_offset: Some(6),
            last_offset: Some(9),
            leader_epoch: 4,
            producer: Some((3, 0)),
            ..plain
        };
        let emptied = Emptied { batch, base_sequence: Some(40), max_timestamp: 99 };
        batcher.add_emptied(&emptied, &mut out).unwrap();
        assert_eq!(batches(&out), [(6, 9, Some(40), vec![])]);
        assert_eq!(Emptied::of(&Batch::parse(&out).unwrap()), Some(emptied.clone()));
        assert!(matches!(batcher.add_emptied(&emptied, &mut out), Err(Refused::Offset { offset: 6, end: 10 })));
    }
}
