//! Batches that can be appended as they came, but for their heads.
//!
//! Kafka: `LogValidator.assignOffsetsNonCompressed`, `LogValidator.validateMessagesAndAssignOffsetsCompressed`.

use zerocopy::FromBytes;

use super::checks::{RecordErrors, RecordRules, check_len, unreachable};
use super::{Batch, Scratch, TimestampType, Validated, ValidationRules};
use crate::batch::header::{BatchHeader, CRC_FROM, HEADER_LEN};
use crate::batch::skim::skim;
use crate::compress::Codec;
use crate::encoding::{Reader, crc32c};
use crate::error::{Malformed, Refusal, Rule};
use crate::units::{Offset, Timestamp};

/// What was seen of records that can stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    count: i64,
    max_timestamp: Timestamp,
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
    if rules.source_codec != Codec::None {
        return scan_compressed(batch, rules, scratch).map(Some);
    }
    let (kept, is_consecutive) = scan_plain(batch, rules, scratch)?;
    // Where nothing is compressed, Kafka does not look at the offsets.
    Ok((target == Codec::None || is_consecutive).then_some(kept))
}

fn scan_plain(batch: &Batch<'_>, rules: &ValidationRules, scratch: &mut Scratch) -> Result<(Kept, bool), Refusal> {
    let of_record = RecordRules::new(batch, rules);
    let mut errors = RecordErrors::default();
    let mut kept = Kept { count: 0, max_timestamp: Timestamp::NONE };
    let mut is_consecutive = true;
    for (index, record) in batch.records(scratch).map_err(unreachable)?.enumerate() {
        let record = record.map_err(Refusal::InvalidRecord)?;
        if let Some(rule) = of_record.broken(record.magic, record.key.is_some(), record.timestamp) {
            errors.add(index, rule);
        }
        is_consecutive &= record.offset.get() == kept.count;
        kept.count += 1;
        kept.max_timestamp = kept.max_timestamp.max(record.timestamp);
    }
    errors.finish()?;
    Ok((kept, is_consecutive))
}

fn scan_compressed(batch: &Batch<'_>, rules: &ValidationRules, scratch: &mut Scratch) -> Result<Kept, Refusal> {
    let Some(header) = batch.header() else {
        return Ok(Kept { count: 0, max_timestamp: Timestamp::NONE });
    };
    let count = u32::try_from(header.records_count()).map_err(|_| {
        let value = header.records_count().into();
        Refusal::InvalidRecord(Malformed::new(57, Rule::Negative { field: "record count", value }))
    })?;
    let mut kept = Kept { count: count.into(), max_timestamp: Timestamp::NONE };
    if count == 0 {
        return Ok(kept);
    }
    let append_time = (batch.timestamp_type() == TimestampType::LogAppendTime).then(|| batch.max_timestamp());
    let (base_offset, base_timestamp) = (header.base_offset().get(), header.base_timestamp().get());
    let of_record = RecordRules::new(batch, rules);
    let mut errors = RecordErrors::default();
    let mut not_consecutive = None;
    let mut reader = Reader::new(batch.payload(scratch).map_err(unreachable)?);
    for index in 0..count {
        let record = skim(&mut reader).map_err(|e| Refusal::InvalidRecord(Malformed::new(HEADER_LEN, e.rule)))?;
        check_len(record.body_len, rules.max_record_bytes)?;
        let timestamp = append_time.unwrap_or(Timestamp::new(base_timestamp.wrapping_add(record.timestamp_delta)));
        if let Some(rule) = of_record.broken(2, record.has_key, timestamp) {
            errors.add(index as usize, rule);
        }
        let offset = base_offset.wrapping_add(record.offset_delta.into());
        if offset != i64::from(index) && not_consecutive.is_none() {
            not_consecutive = Some((index as usize, offset));
        }
        kept.max_timestamp = kept.max_timestamp.max(timestamp);
    }
    if reader.left() > 0 {
        let rule = Rule::Trailing { what: "the records", left: reader.left() as u64 };
        return Err(Refusal::InvalidRecord(Malformed::new(HEADER_LEN, rule)));
    }
    errors.finish()?;
    match not_consecutive {
        // Kafka would build the batch anew, but has passed over what would have to be in it.
        Some((index, found)) => Err(Refusal::UnsupportedOffsets { index, found }),
        None => Ok(kept),
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
