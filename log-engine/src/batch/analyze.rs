//! The first look at batches that are to be appended: each of them whole, intact and not too large. No record is looked at.
//!
//! Kafka: `UnifiedLog.analyzeAndValidateRecords`, over the batches that `ByteBufferLogInputStream` finds.

use super::framing::offset_and_size;
use super::{AppendOrigin, Batch, Built, FRAMING_LEN, LOG_OVERHEAD, MIN_SIZE};
use crate::compress::Codec;
use crate::error::{Malformed, Refusal, Rule};
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// What batches must keep before their records are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnalysisRules {
    /// Where they come from.
    pub origin: AppendOrigin,
    /// The epoch of the leader; for a follower, the one its fetch was for.
    pub leader_epoch: LeaderEpoch,
    /// `max.message.bytes`; `None` where size does not matter.
    pub max_message_bytes: Option<u64>,
}

/// What the heads of batches say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// The offset of the first record; `None` if the first batch is a message of format 0 or 1, or there is none.
    pub first_offset: Option<Offset>,
    /// The offset of the first batch's last record; -1 if there is no batch.
    pub last_offset_of_first_batch: Offset,
    /// The offset of the last record; -1 if there is no batch.
    pub last_offset: Offset,
    /// The largest timestamp of all batches; -1 if there is none.
    pub max_timestamp: Timestamp,
    /// Bytes of the batches to append; what follows them is no whole batch, or came from a leader that this follower does not
    /// know yet.
    pub valid_bytes: usize,
    /// The codec of the last compressed batch.
    pub source_codec: Codec,
    /// The leader epoch in the last batch, if it has one.
    pub last_leader_epoch: Option<LeaderEpoch>,
    /// How many batches there are.
    pub batches: usize,
}

impl Analysis {
    const NOTHING: Self = Self {
        first_offset: None,
        last_offset_of_first_batch: Offset::new(-1),
        last_offset: Offset::new(-1),
        max_timestamp: Timestamp::NONE,
        valid_bytes: 0,
        source_codec: Codec::None,
        last_leader_epoch: None,
        batches: 0,
    };

    /// What [`analyze`] would find of one batch of `bytes` that was just built.
    pub(crate) fn of_built(bytes: usize, built: &Built) -> Self {
        Self {
            first_offset: Some(Offset::ZERO),
            last_offset_of_first_batch: Offset::new(built.count.saturating_sub(1)),
            last_offset: Offset::new(built.count.saturating_sub(1)),
            max_timestamp: built.max_timestamp,
            valid_bytes: bytes,
            source_codec: built.codec,
            last_leader_epoch: None,
            batches: 1,
        }
    }

    /// The lowest offset that is known without looking at records.
    ///
    /// Kafka: `LogAppendInfo.firstOrLastOffsetOfFirstBatch`.
    #[must_use]
    pub fn first_or_last_offset(&self) -> Offset {
        self.first_offset.unwrap_or(self.last_offset_of_first_batch)
    }
}

/// Looks at the batches in `bytes`: framing, checksums, sizes. A batch that is cut short ends them without an error.
///
/// # Errors
/// [`Refusal::CorruptMessage`] for what is no batch or has a wrong checksum, with its place in `bytes`;
/// [`Refusal::InvalidBatch`] for a client's base offset other than 0, and a raft leader's batch of another epoch;
/// [`Refusal::MessageTooLarge`]; [`Refusal::UnknownCodec`]; [`Refusal::OffsetsOutOfOrder`] where the batches come with their
/// offsets.
///
/// Kafka: `UnifiedLog.analyzeAndValidateRecords`.
pub fn analyze(bytes: &[u8], rules: &AnalysisRules) -> Result<Analysis, Refusal> {
    let mut found = Analysis::NOTHING;
    let mut rest = bytes;
    let mut at = 0_usize;
    let mut is_skipping = false;
    while let Some((batch, behind)) = next_batch(rest).map_err(|e| Refusal::CorruptMessage(e.shifted(at)))? {
        check_head(&batch, rules)?;
        is_skipping = is_skipping || is_from_later_leader(&batch, rules);
        if !is_skipping {
            take(&mut found, &batch, rules).map_err(|refusal| shifted(refusal, at))?;
        }
        at = at.saturating_add(batch.bytes().len());
        rest = behind;
    }
    Ok(found)
}

/// The batch at the start of `bytes` and what follows it; `None` where no whole batch does.
///
/// Kafka: `ByteBufferLogInputStream.nextBatch`, which checks more than the walk over files.
pub(super) fn next_batch(bytes: &[u8]) -> Result<Option<(Batch<'_>, &[u8])>, Malformed> {
    let Some((_, size)) = offset_and_size(bytes) else {
        return Ok(None);
    };
    let Some(counted) = usize::try_from(size).ok().filter(|_| size >= MIN_SIZE) else {
        return Err(Malformed::new(8, Rule::SizeTooSmall { size, minimum: MIN_SIZE }));
    };
    let Some(magic) = bytes.get(FRAMING_LEN - 1).map(|byte| byte.cast_signed()) else {
        return Ok(None);
    };
    if !(0..=2).contains(&magic) {
        return Err(Malformed::new(16, Rule::Version { what: "batch", found: magic.into(), known: "0, 1 and 2" }));
    }
    match bytes.split_at_checked(counted.saturating_add(LOG_OVERHEAD)) {
        Some((batch, rest)) => Ok(Some((Batch::whole(batch)?, rest))),
        None => Ok(None),
    }
}

fn check_head(batch: &Batch<'_>, rules: &AnalysisRules) -> Result<(), Refusal> {
    let epoch = batch.leader_epoch().map_or(-1, LeaderEpoch::get);
    if rules.origin == AppendOrigin::RaftLeader && epoch != rules.leader_epoch.get() {
        let (what, expected) = ("the leader epoch of a raft leader's batch", "the leader's own");
        return Err(Refusal::InvalidBatch { what, found: epoch.into(), expected });
    }
    let base = batch.base_offset().get();
    if rules.origin == AppendOrigin::Client && batch.magic() >= 2 && base != 0 {
        return Err(Refusal::InvalidBatch { what: "the base offset of a client's batch", found: base, expected: "0" });
    }
    Ok(())
}

/// True for a batch from a leader that came after the one the follower fetched from. It and all behind it wait for the next fetch.
fn is_from_later_leader(batch: &Batch<'_>, rules: &AnalysisRules) -> bool {
    rules.origin == AppendOrigin::Replication && batch.leader_epoch().is_some_and(|epoch| epoch > rules.leader_epoch)
}

/// Adds one batch to what was found.
fn take(found: &mut Analysis, batch: &Batch<'_>, rules: &AnalysisRules) -> Result<(), Refusal> {
    if found.batches == 0 {
        found.first_offset = batch.header().map(|header| header.base_offset());
        found.last_offset_of_first_batch = batch.last_offset();
    }
    let (previous, last) = (found.last_offset, batch.last_offset());
    let size = batch.bytes().len();
    if let Some(limit) = rules.max_message_bytes.filter(|limit| size as u64 > *limit) {
        return Err(Refusal::MessageTooLarge { size: size as u64, limit });
    }
    batch.check_crc().map_err(Refusal::CorruptMessage)?;
    let attributes = batch.attributes();
    let codec = Codec::from_bits(attributes.codec_bits());
    let codec = codec.ok_or(Refusal::UnknownCodec { codec: attributes.codec_bits() })?;
    if !rules.origin.assigns_offsets() && previous >= last {
        return Err(Refusal::OffsetsOutOfOrder { found: last.get(), previous: previous.get() });
    }
    found.last_offset = last;
    found.last_leader_epoch = batch.leader_epoch();
    found.max_timestamp = found.max_timestamp.max(batch.max_timestamp());
    found.valid_bytes = found.valid_bytes.saturating_add(size);
    if codec != Codec::None {
        found.source_codec = codec;
    }
    found.batches = found.batches.saturating_add(1);
    Ok(())
}

fn shifted(refusal: Refusal, by: usize) -> Refusal {
    match refusal {
        Refusal::CorruptMessage(e) => Refusal::CorruptMessage(e.shifted(by)),
        other => other,
    }
}

#[cfg(test)]
mod tests;
