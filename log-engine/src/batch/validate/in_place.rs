//! Batches that can be appended as they came, but for their heads.
//!
//! Kafka: `LogValidator.assignOffsetsNonCompressed`, `LogValidator.validateMessagesAndAssignOffsetsCompressed`.

use zerocopy::FromBytes;

use super::checks::{RecordErrors, RecordRules, check_len, unreachable};
use super::{Batch, Scratch, TimestampType, Validated, ValidationRules};
use crate::batch::header::{BatchHeader, CRC_FROM, HEADER_LEN};
use crate::batch::skim::{reason, skim};
use crate::compress::Codec;
use crate::encoding::{Reader, crc32c};
use crate::error::{Malformed, Refusal, Rule};
use crate::units::{Offset, Timestamp};

/// What was seen of records that can stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) count: i64,
    pub(super) max_timestamp: Timestamp,
}

/// Checks the records of a batch whose format and codec fit; `None` if it must be built anew for its offsets' sake.
///
/// # Errors
/// As [`validate`](super::validate).
pub(super) fn scan(
    batch: &Batch<'_>,
    rules: &ValidationRules,
    target: Codec,
    scratch: &mut Scratch,
) -> Result<Option<Kept>, Refusal> {
    let is_plain = rules.source_codec == Codec::None;
    let Some((header, count)) = counted(batch)? else {
        return Ok(Some(Kept { count: 0, max_timestamp: Timestamp::NONE }));
    };
    let payload = if is_plain { batch.body() } else { batch.payload(scratch).map_err(unreachable)? };
    let malformed = |e: Malformed| {
        Refusal::InvalidRecord(if is_plain { e.shifted(HEADER_LEN) } else { Malformed::new(HEADER_LEN, e.rule) })
    };
    let append_time = (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| batch.max_timestamp());
    let (base_offset, base_timestamp) = (header.base_offset().get(), header.base_timestamp().get());
    let of_record = RecordRules::new(batch, rules);
    let mut errors = RecordErrors::default();
    let mut max_timestamp = Timestamp::NONE;
    let mut not_consecutive = None;
    let mut reader = Reader::new(payload);
    for index in 0..count {
        let before = reader;
        let record = skim(&mut reader).filter(|record| record.is_exact || !is_plain);
        let record = record.ok_or_else(|| malformed(reason(before)))?;
        if !is_plain {
            check_len(record.body_len, rules.max_record_bytes)?;
        }
        let timestamp = append_time.unwrap_or(Timestamp::new(base_timestamp.wrapping_add(record.timestamp_delta)));
        if let Some(rule) = of_record.broken(2, record.has_key, timestamp) {
            errors.add(index as usize, rule);
        }
        let offset = base_offset.wrapping_add(record.offset_delta.into());
        if offset != i64::from(index) && not_consecutive.is_none() {
            not_consecutive = Some((index as usize, offset));
        }
        max_timestamp = max_timestamp.max(timestamp);
    }
    if reader.left() > 0 {
        let rule = Rule::Trailing { what: "the records", left: reader.left() as u64 };
        return Err(malformed(Malformed::new(reader.at(), rule)));
    }
    errors.finish()?;
    match not_consecutive {
        // Where nothing is compressed, Kafka does not look at the offsets.
        Some(_) if is_plain && target != Codec::None => Ok(None),
        // Kafka would build the batch anew, but has passed over what would have to be in it.
        Some((index, found)) if !is_plain => Err(Refusal::UnsupportedOffsets { index, found }),
        _ => Ok(Some(Kept { count: count.into(), max_timestamp })),
    }
}

/// The head of a batch and how many records it has; `None` for none, whatever follows the head.
fn counted<'a>(batch: &Batch<'a>) -> Result<Option<(&'a BatchHeader, u32)>, Refusal> {
    let Some(header) = batch.header() else {
        return Ok(None);
    };
    let value = header.records_count();
    match u32::try_from(value) {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some((header, count))),
        Err(_) => {
            let rule = Rule::Negative { field: "record count", value: value.into() };
            Err(Refusal::InvalidRecord(Malformed::new(57, rule)))
        }
    }
}

/// Writes offset, leader epoch and timestamps into the head of the only batch, and a new checksum if what it covers changed.
///
/// Kafka: `DefaultRecordBatch.setLastOffset`, `setPartitionLeaderEpoch`, `setMaxTimestamp`.
pub(super) fn keep(bytes: &mut [u8], kept: Kept, rules: &ValidationRules) -> Validated {
    let validated = rules.outcome(kept.count, kept.max_timestamp, None);
    let Ok((header, _)) = BatchHeader::mut_from_prefix(bytes) else {
        return validated;
    };
    let delta = i64::from(header.last_offset_delta());
    header.set_base_offset(Offset::new(validated.last_offset.get().wrapping_sub(delta)));
    header.set_leader_epoch(rules.leader_epoch);
    let is_current = header.attributes().timestamp_type() == rules.timestamp_type;
    if !is_current || header.max_timestamp() != validated.max_timestamp {
        header.set_max_timestamp(rules.timestamp_type, validated.max_timestamp);
        let crc = crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
        if let Ok((header, _)) = BatchHeader::mut_from_prefix(bytes) {
            header.set_crc(crc);
        }
    }
    validated
}
