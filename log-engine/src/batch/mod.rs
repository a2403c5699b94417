//! What the bytes of one batch mean; pure, knows no file.
//!
//! [`Batch`] is one view over all message formats: v2 record batches, and the messages of formats 0 and 1, plain or wrapped
//! around compressed ones. As in Kafka, a magic of 2 or more is laid out as v2 and anything below as a message, negative ones
//! too; who cares about an unknown magic asks [`Batch::magic`].

mod analyze;
mod attributes;
mod builder;
mod control;
mod framing;
mod header;
mod legacy;
mod origin;
mod record;
mod records;
mod skim;
mod validate;
mod walk;

pub use analyze::{Analysis, AnalysisRules, analyze};
pub use attributes::{Attributes, TimestampType};
pub(crate) use builder::Built;
pub use builder::{BatchBuilder, BuildError};
pub use control::{ControlRecord, ControlType, Voter, VoterEndpoint};
pub use framing::{FRAMING_LEN, LOG_OVERHEAD, MIN_SIZE, Stop};
pub(crate) use framing::{Framing, framing};
pub(crate) use header::CRC_FROM as V2_CRC_FROM;
pub use header::{BatchHeader, HEADER_LEN};
pub(crate) use legacy::CRC_FROM as LEGACY_CRC_FROM;
pub use legacy::LegacyHeader;
pub use origin::AppendOrigin;
pub use record::{Header, Headers, LegacyChecksum, MIN_RECORD_LEN, Record};
pub use records::{MAX_DECOMPRESSED, Records, Scratch};
pub(crate) use validate::assign_built;
pub use validate::{Validated, ValidationRules, validate};
pub use walk::Walk;

use crate::compress::Codec;
use crate::encoding::{crc32, crc32c};
use crate::error::{Malformed, Rule};
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Who wrote a batch, and its count of the batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer's id.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: ProducerEpoch,
    /// The sequence of the first record; `None` for markers.
    pub base_sequence: Option<Sequence>,
    /// The sequence of the last record; `None` for markers.
    pub last_sequence: Option<Sequence>,
}

/// One whole batch: exactly its bytes, long enough for its format's head. Its checksum and its records may still be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    layout: Layout<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Layout<'a> {
    V2(&'a BatchHeader),
    Legacy(LegacyHeader),
}

impl<'a> Batch<'a> {
    /// The batch at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// [`Rule::Short`] or [`Rule::Length`] if it does not lie wholly in `bytes`, [`Rule::SizeTooSmall`] if its size field is
    /// below its format's minimum.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let len = match framing(bytes, bytes.len() as u64) {
            Framing::Batch { len, .. } => usize::try_from(len).unwrap_or(usize::MAX),
            Framing::Stop(stop) => return Err(stop.malformed()),
        };
        Self::whole(bytes.get(..len).unwrap_or(bytes))
    }

    /// The batch that `bytes` are, as framing cut them out of a file.
    #[inline]
    pub(crate) fn whole(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let magic = bytes.get(FRAMING_LEN - 1).map_or(0, |byte| byte.cast_signed());
        let (layout, minimum) = if magic >= 2 {
            (BatchHeader::at_start_of(bytes).map(Layout::V2), HEADER_LEN)
        } else {
            (LegacyHeader::at_start_of(bytes).map(Layout::Legacy), legacy::header_len(magic))
        };
        match layout {
            Some(layout) => Ok(Self { bytes, layout }),
            None => {
                let counted = |len: usize| i32::try_from(len.saturating_sub(LOG_OVERHEAD)).unwrap_or(i32::MAX);
                Err(Malformed::new(8, Rule::SizeTooSmall { size: counted(bytes.len()), minimum: counted(minimum) }))
            }
        }
    }

    /// All its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The head of a v2 batch, as it stands; `None` for messages of formats 0 and 1.
    #[must_use]
    pub const fn header(&self) -> Option<&'a BatchHeader> {
        match self.layout {
            Layout::V2(header) => Some(header),
            Layout::Legacy(_) => None,
        }
    }

    /// The message format as stored: 0, 1, 2, or anything else in a damaged file.
    #[must_use]
    pub fn magic(&self) -> i8 {
        match self.layout {
            Layout::V2(header) => header.magic(),
            Layout::Legacy(header) => header.magic,
        }
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        match self.layout {
            Layout::V2(header) => header.attributes(),
            Layout::Legacy(header) => header.attributes,
        }
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`Rule::Codec`] if the bits name none.
    pub fn codec(&self) -> Result<Codec, Malformed> {
        let at = match self.layout {
            Layout::V2(_) => header::CRC_FROM,
            Layout::Legacy(_) => FRAMING_LEN,
        };
        self.attributes().codec(self.magic()).map_err(|e| e.shifted(at))
    }

    /// Offset of the first record for v2. A message's own offset for formats 0 and 1: the last one for a compressed wrapper,
    /// whose first is inside.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        match self.layout {
            Layout::V2(header) => header.base_offset(),
            Layout::Legacy(header) => header.offset,
        }
    }

    /// Offset of the last record that was in the batch when it was written.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        match self.layout {
            Layout::V2(header) => header.last_offset(),
            Layout::Legacy(header) => header.offset,
        }
    }

    /// The largest timestamp of its records, or the append time; -1 where there is none.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        match self.layout {
            Layout::V2(header) => header.max_timestamp(),
            Layout::Legacy(header) => header.timestamp,
        }
    }

    /// Whose clock the timestamps come from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.layout {
            Layout::Legacy(header) if header.magic <= 0 => TimestampType::None,
            _ => self.attributes().timestamp_type(),
        }
    }

    /// The epoch of the leader that appended it; `None` for messages, and for -1.
    #[must_use]
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.header().map(BatchHeader::leader_epoch).filter(|epoch| epoch.get() != -1)
    }

    /// How many records a v2 batch says it has; `None` for messages.
    #[must_use]
    pub fn record_count(&self) -> Option<i32> {
        self.header().map(BatchHeader::records_count)
    }

    /// Who wrote it, where the batch says so.
    #[must_use]
    pub fn producer(&self) -> Option<Producer> {
        let header = self.header().filter(|header| header.producer_id().get() != -1)?;
        let counted = |sequence: Sequence| (header.base_sequence().get() != -1).then_some(sequence);
        Some(Producer {
            id: header.producer_id(),
            epoch: header.producer_epoch(),
            base_sequence: counted(header.base_sequence()),
            last_sequence: counted(header.last_sequence()),
        })
    }

    /// Part of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.header().is_some() && self.attributes().is_transactional()
    }

    /// Markers and other control records instead of data.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.header().is_some() && self.attributes().is_control()
    }

    /// When tombstones and markers in it may go, once the cleaner has set it.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.header().filter(|header| header.attributes().has_delete_horizon()).map(BatchHeader::base_timestamp)
    }

    /// The checksum as stored.
    #[must_use]
    pub fn stored_crc(&self) -> u32 {
        match self.layout {
            Layout::V2(header) => header.crc(),
            Layout::Legacy(header) => header.crc,
        }
    }

    /// The checksum of the bytes as they are: CRC-32C for v2, CRC-32 for messages.
    #[must_use]
    pub fn computed_crc(&self) -> u32 {
        match self.layout {
            Layout::V2(_) => crc32c(self.bytes.get(header::CRC_FROM..).unwrap_or_default()),
            Layout::Legacy(_) => crc32(self.bytes.get(legacy::CRC_FROM..).unwrap_or_default()),
        }
    }

    /// Whether the checksum fits.
    ///
    /// # Errors
    /// [`Rule::Checksum`] with both values if not.
    #[inline]
    pub fn check_crc(&self) -> Result<(), Malformed> {
        let (stored, computed) = (self.stored_crc(), self.computed_crc());
        if stored == computed { Ok(()) } else { Err(Malformed::new(0, Rule::Checksum { stored, computed })) }
    }

    /// The bytes of the records, compressed or not: everything behind a v2 head, the value of a message.
    pub(crate) fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }
}

/// Writes base offset and leader epoch into the head of a v2 batch, as a leader does; the checksum covers neither.
///
/// # Errors
/// As [`Batch::parse`]; [`Rule::Version`] for messages of formats 0 and 1, which have no such fields.
pub fn assign(bytes: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) -> Result<(), Malformed> {
    let magic = Batch::parse(bytes)?.magic();
    if magic != 2 {
        return Err(Malformed::new(16, Rule::Version { what: "batch", found: magic.into(), known: "2" }));
    }
    for (at, field) in [(0, &base_offset.get().to_be_bytes()[..]), (12, &leader_epoch.get().to_be_bytes()[..])] {
        if let Some(place) = bytes.get_mut(at..at + field.len()) {
            place.copy_from_slice(field);
        }
    }
    Ok(())
}

impl Stop {
    /// What is wrong with the bytes that a walk stops at, for those who needed a batch there.
    pub(crate) fn malformed(self) -> Malformed {
        match self {
            Self::End => Malformed::new(0, Rule::Short { needed: (FRAMING_LEN + 1) as u64, present: 0 }),
            Self::Remainder { left } => {
                Malformed::new(0, Rule::Short { needed: (FRAMING_LEN + 1) as u64, present: left })
            }
            Self::Size { size } => Malformed::new(8, Rule::SizeTooSmall { size, minimum: MIN_SIZE }),
            Self::PastEnd { size, left } => {
                let present = left.saturating_sub(LOG_OVERHEAD as u64);
                Malformed::new(8, Rule::Length { field: "batch length", promised: size.into(), present })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
