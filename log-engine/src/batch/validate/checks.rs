//! The rules, each for one batch or one record.
//!
//! Kafka: `LogValidator.validateBatch`, `LogValidator.validateRecord`.

use super::{AppendOrigin, Batch, TimestampType, ValidationRules, next_batch};
use crate::batch::{LOG_OVERHEAD, Record};
use crate::compress::Codec;
use crate::encoding::varint_len;
use crate::error::{MAX_RECORD_ERRORS, Malformed, RecordError, RecordRule, Refusal, Rule};
use crate::units::Timestamp;

/// The first batch. A compressed one, and one of format 2, must be the only one.
///
/// Kafka: `LogValidator.getFirstBatchAndMaybeValidateNoMoreBatches`.
pub(super) fn first_batch(bytes: &[u8], source_codec: Codec) -> Result<Batch<'_>, Refusal> {
    let count = |found, expected| Refusal::InvalidBatch { what: "the number of batches", found, expected };
    let Some((first, rest)) = next_batch(bytes).map_err(Refusal::CorruptMessage)? else {
        return Err(count(0, "1 or more"));
    };
    let must_be_alone = first.magic() >= 2 || source_codec != Codec::None;
    if must_be_alone && next_batch(rest).map_err(Refusal::CorruptMessage)?.is_some() {
        return Err(count(2, "1"));
    }
    Ok(first)
}

/// What the head of `batch` must say.
///
/// Kafka: `LogValidator.validateBatch`.
pub(super) fn check_batch(batch: &Batch<'_>, magic_of_first: i8, origin: AppendOrigin) -> Result<(), Refusal> {
    let invalid = |what, found, expected| Err(Refusal::InvalidBatch { what, found, expected });
    if batch.magic() != magic_of_first {
        return invalid("the message format of a batch", batch.magic().into(), "that of the first batch");
    }
    let Some(header) = batch.header().filter(|_| origin == AppendOrigin::Client) else {
        return Ok(());
    };
    let offsets = header.last_offset().get().wrapping_sub(header.base_offset().get()).wrapping_add(1);
    let count = i64::from(header.records_count());
    if offsets <= 0 {
        return invalid("the number of offsets of a batch", offsets, "1 or more");
    }
    if count <= 0 {
        return invalid("the record count of a batch", count, "1 or more");
    }
    if offsets != count {
        return invalid("the record count of a batch", count, "the number of its offsets");
    }
    if batch.is_control() {
        return invalid("the control bit of a client's batch", 1, "0");
    }
    if header.has_producer() && header.base_sequence().get() < 0 {
        let sequence = header.base_sequence().get();
        return invalid("the base sequence of a batch with a producer id", sequence.into(), "0 or more");
    }
    Ok(())
}

/// The records of one batch that break a rule.
#[derive(Debug, Default)]
pub(super) struct RecordErrors {
    errors: Vec<RecordError>,
    is_about_timestamps: bool,
}

impl RecordErrors {
    #[cold]
    pub(super) fn add(&mut self, index: usize, rule: RecordRule) {
        self.is_about_timestamps |= rule.is_about_timestamps();
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push(RecordError { index, rule });
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// # Errors
    /// All that were added, if any was.
    ///
    /// Kafka: `LogValidator.processRecordErrors`.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self {
            Self { errors, .. } if errors.is_empty() => Ok(()),
            Self { errors, is_about_timestamps: true } => Err(Refusal::InvalidTimestamps { errors }),
            Self { errors, .. } => Err(Refusal::InvalidRecords { errors }),
        }
    }
}

/// What the records of one batch must keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordRules {
    magic: i8,
    is_compact: bool,
    /// The earliest and the latest time, where the records' times count.
    times: Option<(i64, i64, i64)>,
    claims_append_time: bool,
}

impl RecordRules {
    pub(super) fn new(batch: &Batch<'_>, rules: &ValidationRules) -> Self {
        Self {
            magic: batch.magic(),
            is_compact: rules.compact,
            times: (rules.timestamp_type == TimestampType::CreateTime).then_some((
                rules.now.get(),
                rules.before_max_ms,
                rules.after_max_ms,
            )),
            claims_append_time: batch.timestamp_type() == TimestampType::LogAppendTime,
        }
    }

    /// The rule that a record with this format, key and time breaks. The checksum of a message inside another is not looked at.
    ///
    /// Kafka: `LogValidator.validateRecord`.
    #[inline]
    pub(super) fn broken(&self, magic: i8, has_key: bool, timestamp: Timestamp) -> Option<RecordRule> {
        if magic != self.magic {
            return Some(RecordRule::Magic { found: magic, expected: self.magic });
        }
        if self.is_compact && !has_key {
            return Some(RecordRule::NoKey);
        }
        match self.times {
            Some((now, before_max, after_max)) if timestamp != Timestamp::NONE => {
                // Kafka's differences wrap as well.
                let age = now.wrapping_sub(timestamp.get());
                (age > before_max || age.wrapping_neg() > after_max).then(|| RecordRule::TimestampOutOfRange {
                    found: timestamp.get(),
                    least: now.saturating_sub(before_max),
                    most: now.saturating_add(after_max),
                })
            }
            _ => self.claims_append_time.then_some(RecordRule::TimestampType),
        }
    }
}

/// The checksum of a message inside a compressed one; a plain one's is its batch's.
pub(super) fn check_inner(batch: &Batch<'_>, record: &Record<'_>) -> Result<(), Refusal> {
    match record.legacy_checksum {
        Some(checksum) if checksum.stored != checksum.computed && batch.attributes().codec_bits() != 0 => {
            let rule = Rule::Checksum { stored: checksum.stored, computed: checksum.computed };
            Err(Refusal::CorruptMessage(Malformed::new(0, rule)))
        }
        _ => Ok(()),
    }
}

/// Why the records of a batch cannot be reached, as Kafka tells it apart.
#[cold]
pub(super) fn unreachable(malformed: Malformed) -> Refusal {
    match malformed.rule {
        Rule::SizeTooSmall { .. } => Refusal::CorruptMessage(malformed),
        Rule::Compressed { .. } | Rule::TooLarge { .. } | Rule::Length { .. } | Rule::Short { .. } => {
            Refusal::Undecodable(malformed)
        }
        _ => Refusal::InvalidRecord(malformed),
    }
}

/// That a record of a compressed batch, of `len` bytes behind what says its length, is not larger than allowed.
pub(super) fn check_len(len: usize, limit: usize) -> Result<(), Refusal> {
    if len <= limit {
        return Ok(());
    }
    Err(Refusal::InvalidRecord(Malformed::new(0, Rule::TooLarge { what: "a record", limit: limit as u64 })))
}

/// [`check_len`] for a record that was decoded.
pub(super) fn check_decoded_len(record: &Record<'_>, limit: usize) -> Result<(), Refusal> {
    let length_field =
        if record.magic < 2 { LOG_OVERHEAD } else { varint_len(i32::try_from(limit).unwrap_or(i32::MAX)) };
    check_len(record.encoded_len.saturating_sub(length_field), limit)
}
