//! Batches that cannot stay as they came: messages of formats 0 and 1, and those of another codec than the log's.
//!
//! Kafka: `LogValidator.convertAndAssignOffsetsNonCompressed`, `LogValidator.buildRecordsAndAssignOffsets`.

use super::checks::{RecordErrors, RecordRules, check_batch, check_decoded_len, check_inner, unreachable};
use super::{Batch, Scratch, TimestampType, Validated, ValidationRules, next_batch};
use crate::batch::{BatchBuilder, BuildError, Record};
use crate::compress::Codec;
use crate::error::Refusal;
use crate::units::{Offset, Timestamp};

/// One batch with the records of all batches in `bytes`, with consecutive offsets.
///
/// # Errors
/// As [`validate`](super::validate).
pub(super) fn rebuild(
    bytes: &[u8],
    rules: &ValidationRules,
    target: (Codec, Option<i32>),
    scratch: &mut Scratch,
) -> Result<Validated, Refusal> {
    let mut rest = bytes;
    let mut rebuilt: Option<Rebuilt> = None;
    while let Some((batch, behind)) = next_batch(rest).map_err(Refusal::CorruptMessage)? {
        let rebuilt = rebuilt.get_or_insert_with(|| Rebuilt::new(&batch, rules, target));
        check_batch(&batch, rebuilt.magic, rules.origin)?;
        rebuilt.add_all(&batch, rules, scratch)?;
        rest = behind;
    }
    let rebuilt = rebuilt.map_or_else(|| Ok((0, Timestamp::NONE, Vec::new())), Rebuilt::finish)?;
    let (count, max_timestamp, out) = rebuilt;
    Ok(rules.outcome(count, max_timestamp, Some(out)))
}

struct Rebuilt {
    magic: i8,
    next_offset: Offset,
    max_timestamp: Timestamp,
    builder: BatchBuilder,
    failure: Option<BuildError>,
}

impl Rebuilt {
    fn new(first: &Batch<'_>, rules: &ValidationRules, (codec, level): (Codec, Option<i32>)) -> Self {
        let mut builder = BatchBuilder::new(rules.next_offset).leader_epoch(rules.leader_epoch).codec(codec, level);
        if rules.timestamp_type == TimestampType::LogAppendTime {
            builder = builder.append_time(rules.now);
        }
        if let Some(header) = first.header() {
            builder = builder.producer(header.producer_id(), header.producer_epoch(), header.base_sequence());
        }
        if first.is_transactional() {
            builder = builder.transactional();
        }
        let (next_offset, max_timestamp) = (rules.next_offset, Timestamp::NONE);
        Self { magic: first.magic(), next_offset, max_timestamp, builder, failure: None }
    }

    fn add_all(&mut self, batch: &Batch<'_>, rules: &ValidationRules, scratch: &mut Scratch) -> Result<(), Refusal> {
        let of_record = RecordRules::new(batch, rules);
        let mut errors = RecordErrors::default();
        let is_compressed = batch.attributes().codec_bits() != 0;
        for (index, record) in batch.records(scratch).map_err(unreachable)?.enumerate() {
            let record = record.map_err(Refusal::InvalidRecord)?;
            if is_compressed {
                check_decoded_len(&record, rules.max_record_bytes)?;
            }
            let broken = of_record.broken(record.magic, record.key.is_some(), record.timestamp);
            check_inner(batch, &record)?;
            match broken {
                Some(rule) => errors.add(index, rule),
                None if errors.is_empty() => self.add(&record),
                None => {}
            }
        }
        errors.finish()
    }

    /// Adds a record behind the last one. What the new batch cannot hold is told at the end: records that break a rule come first.
    fn add(&mut self, record: &Record<'_>) {
        let headers: Vec<_> = record.headers.collect();
        let offset = self.next_offset;
        match self.builder.push_at(offset, record.timestamp, record.key, record.value, &headers) {
            Ok(()) => {
                self.next_offset = offset.next();
                self.max_timestamp = self.max_timestamp.max(record.timestamp);
            }
            Err(failure) => {
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn finish(self) -> Result<(i64, Timestamp, Vec<u8>), Refusal> {
        let count = self.builder.len().into();
        let mut out = Vec::new();
        let built = self.failure.map_or(Ok(()), Err).and_then(|()| self.builder.finish(&mut out));
        built.map_err(|e| Refusal::NotRebuilt { reason: e.to_string() })?;
        Ok((count, self.max_timestamp, out))
    }
}
