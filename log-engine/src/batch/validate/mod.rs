//! The second look at batches that are to be appended: every record is checked, and the batches get their offsets, the leader's
//! epoch and their timestamps.
//!
//! All that a leader appends becomes one of format 2. What can stay as it is, stays: then a batch's head changes and nothing
//! else, and its checksum only where the head's timestamps do. Anything else is built anew.
//!
//! Kafka: `LogValidator`, with `MAGIC_VALUE_V2` as the format to append.

mod checks;
mod in_place;
mod rebuild;

use self::in_place::{Kept, keep, scan};
use super::analyze::next_batch;
use super::{AppendOrigin, Batch, Built, Scratch, TimestampType};
use crate::compress::{Codec, Compression};
use crate::error::Refusal;
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// What batches must keep, and what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationRules {
    /// The offset of the first record: the end of the log.
    pub next_offset: Offset,
    /// The epoch that the leader stamps.
    pub leader_epoch: LeaderEpoch,
    /// The time of the append.
    pub now: Timestamp,
    /// Where the batches come from.
    pub origin: AppendOrigin,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub after_max_ms: i64,
    /// `cleanup.policy` holds `compact`: every record needs a key.
    pub compact: bool,
    /// `compression.type`.
    pub compression: Compression,
    /// `max.decompressed.message.bytes`: the largest record of a compressed batch. The batch as a whole is held to the scratch's
    /// limit.
    pub max_record_bytes: usize,
    /// The codec that the batches came with ([`Analysis::source_codec`](super::Analysis::source_codec)).
    pub source_codec: Codec,
}

/// Batches with their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// The offset of the first record.
    pub first_offset: Offset,
    /// The offset of the last record; the one before [`Self::first_offset`] if there are no records.
    pub last_offset: Offset,
    /// The largest timestamp, which is the time of the append where the topic says so; -1 if no record has one.
    pub max_timestamp: Timestamp,
    /// The time of the append, where the topic's records get it.
    pub append_time: Option<Timestamp>,
    /// The batch to append instead of the ones that came, which are as they were; `None` if these were changed in place. Its
    /// size can be above `max.message.bytes` although theirs was not.
    pub rebuilt: Option<Vec<u8>>,
}

/// Checks the records of the batches that `bytes` are, assigns offsets, stamps epoch and time. `bytes` went through
/// [`analyze`](super::analyze) before and are cut to its `valid_bytes`. They change only if all is well.
///
/// # Errors
/// [`Refusal::InvalidBatch`] for a head that does not fit; [`Refusal::InvalidRecord`], [`Refusal::Undecodable`] or
/// [`Refusal::CorruptMessage`] for records that cannot be read; [`Refusal::InvalidRecords`] and [`Refusal::InvalidTimestamps`]
/// with all records of a batch that break a rule; [`Refusal::UnsupportedOffsets`] and [`Refusal::NotRebuilt`] for a batch that
/// would have to be built anew and cannot.
///
/// Kafka: `LogValidator.validateMessagesAndAssignOffsets`.
pub fn validate(bytes: &mut [u8], rules: &ValidationRules, scratch: &mut Scratch) -> Result<Validated, Refusal> {
    let first = checks::first_batch(bytes, rules.source_codec)?;
    let (target, level) = rules.compression.target(rules.source_codec);
    let fits = first.magic() == 2 && rules.source_codec == target;
    let is_plain_control = rules.source_codec == Codec::None && first.is_control();
    let kept = if fits || is_plain_control {
        checks::check_batch(&first, first.magic(), rules.origin)?;
        scan(&first, rules, target, scratch)?
    } else {
        None
    };
    match kept {
        Some(kept) => Ok(keep(bytes, kept, rules)),
        None => rebuild::rebuild(bytes, rules, (target, level), scratch),
    }
}

/// Assigns offsets to one batch that this library has just built from records that keep the rules, stamps epoch and time: what
/// [`validate`] does without looking at the records.
pub(crate) fn assign_built(batch: &mut [u8], built: &Built, rules: &ValidationRules) -> Validated {
    keep(batch, Kept { count: built.count, max_timestamp: built.max_timestamp }, rules)
}

impl ValidationRules {
    /// What both ways of appending say about their outcome: `count` records, the largest timestamp among them.
    fn outcome(&self, count: i64, max_timestamp: Timestamp, rebuilt: Option<Vec<u8>>) -> Validated {
        let append_time = (self.timestamp_type == TimestampType::LogAppendTime).then_some(self.now);
        let behind = self.next_offset.get().saturating_add(count);
        Validated {
            first_offset: self.next_offset,
            last_offset: Offset::new(behind.saturating_sub(1)),
            max_timestamp: append_time.unwrap_or(max_timestamp),
            append_time,
            rebuilt,
        }
    }
}

#[cfg(test)]
mod tests;
