//! The `.snapshot` file: the producers of a log up to the offset in its name.
//!
//! |      at | bytes | field                  | note                                           |
//! |--------:|------:|------------------------|------------------------------------------------|
//! |       0 |     2 | version                | 1                                              |
//! |       2 |     4 | crc                    | CRC-32C of byte 6 to the end of the file       |
//! |       6 |     4 | number of entries      |                                                |
//! | 10+46*i |    46 | entry i                | in no particular order                         |
//!
//! |      at | bytes | field of an entry      | note                                           |
//! |--------:|------:|------------------------|------------------------------------------------|
//! |       0 |     8 | producer id            |                                                |
//! |       8 |     2 | producer epoch         |                                                |
//! |      10 |     4 | last sequence          | -1: none                                       |
//! |      14 |     8 | last offset            | -1: none                                       |
//! |      22 |     4 | offset delta           | last less first offset of the last batch, or 0 |
//! |      26 |     8 | timestamp              |                                                |
//! |      34 |     4 | coordinator epoch      | -1: none                                       |
//! |      38 |     8 | first offset of the open transaction | -1: none                         |
//!
//! Kafka: `ProducerStateManager.readSnapshot`, `ProducerSnapshot.json`.

use std::path::Path;

use crate::encoding::{Reader, Writer, crc32c};
use crate::error::{Malformed, Result, Rule};
use crate::units::{FilePosition, Offset, OffsetDelta, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// A snapshot with more bytes than this is reported, not read: some 1.4 million producers.
pub const MAX_SNAPSHOT_BYTES: usize = 64 << 20;

/// The only version of the file.
const VERSION: i16 = 1;
/// Where the stored checksum stands.
const CRC_AT: usize = 2;
/// Where the bytes begin that the checksum covers.
const CHECKED_FROM: usize = 6;
/// Bytes of an entry.
const ENTRY_LEN: usize = 46;

/// The producers of a log at one offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerSnapshot {
    /// One entry a producer, in the order of the file.
    pub entries: Vec<SnapshotEntry>,
}

/// What is known of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Who.
    pub producer_id: ProducerId,
    /// Its latest incarnation.
    pub producer_epoch: ProducerEpoch,
    /// The sequence of its last record; `None` if no batch of this epoch is remembered.
    pub last_sequence: Option<Sequence>,
    /// The offset of its last record; `None` if no batch of this epoch is remembered.
    pub last_offset: Option<Offset>,
    /// How far the last offset lies past the first of its last batch; 0 without one.
    pub offset_delta: OffsetDelta,
    /// When it was last heard of: the maximum timestamp of its last batch, or its last marker's.
    pub timestamp: Timestamp,
    /// The epoch of the coordinator that wrote its last marker, if there was one.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction began, if one is open.
    pub txn_first_offset: Option<Offset>,
}

impl ProducerSnapshot {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut checked = Vec::with_capacity(self.entries.len().saturating_mul(ENTRY_LEN));
        let mut writer = Writer::new(&mut checked);
        // A log has fewer producers than 2^31: each would need a batch.
        writer.put_i32(i32::try_from(self.entries.len()).unwrap_or(i32::MAX));
        for entry in &self.entries {
            entry.encode(&mut writer);
        }
        let mut out = Vec::with_capacity(CHECKED_FROM + checked.len());
        let mut writer = Writer::new(&mut out);
        writer.put_i16(VERSION);
        writer.put_u32(crc32c(&checked));
        writer.put_bytes(&checked);
        out
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt): at byte 0 for another version, at byte 2 if the checksum does not fit, where the
    /// entries should end if bytes follow, where a field begins that is cut off. A broker deletes such a file and takes an older
    /// one.
    pub fn decode(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::decode_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn decode_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (snapshot, len, checksum) = Self::decode_unchecked(bytes)?;
        match bytes.len() - len {
            0 => checksum.map(|()| snapshot),
            left => Err(Malformed::new(len, Rule::Trailing { what: "producer snapshot", left: left as u64 })),
        }
    }

    /// Reads a file's bytes as Kafka does, which does not mind bytes behind the entries if the checksum covers them.
    ///
    /// # Errors
    /// As [`Self::decode`], with places in `bytes`, but for bytes that follow.
    pub fn decode_prefix(bytes: &[u8]) -> Result<Self, Malformed> {
        let (snapshot, _, checksum) = Self::decode_unchecked(bytes)?;
        checksum.map(|()| snapshot)
    }

    /// The entries, how many bytes they and what stands before them take, and whether the checksum fits.
    fn decode_unchecked(bytes: &[u8]) -> Result<(Self, usize, Result<(), Malformed>), Malformed> {
        let mut reader = Reader::new(bytes);
        let version = reader.take_i16()?;
        if version != VERSION {
            let rule = Rule::Version { what: "producer snapshot", found: i64::from(version), known: "1" };
            return Err(Malformed::new(0, rule));
        }
        let stored = reader.take_u32()?;
        let computed = crc32c(reader.rest());
        let count = reader.take_i32()?;
        let Ok(entry_count) = usize::try_from(count) else {
            return Err(Malformed::new(
                CHECKED_FROM,
                Rule::Negative { field: "number of entries", value: i64::from(count) },
            ));
        };
        // The count says nothing about memory until the bytes are known to be there.
        let mut entries = Vec::with_capacity(entry_count.min(reader.left() / ENTRY_LEN));
        for _ in 0..entry_count {
            entries.push(SnapshotEntry::decode(&mut reader)?);
        }
        let fits = stored == computed;
        let checksum = if fits { Ok(()) } else { Err(Malformed::new(CRC_AT, Rule::Checksum { stored, computed })) };
        Ok((Self { entries }, reader.at(), checksum))
    }
}

impl SnapshotEntry {
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put_i64(self.producer_id.get());
        writer.put_i16(self.producer_epoch.get());
        writer.put_i32(self.last_sequence.map_or(-1, Sequence::get));
        writer.put_i64(self.last_offset.map_or(-1, Offset::get));
        writer.put_i32(self.offset_delta.get());
        writer.put_i64(self.timestamp.get());
        writer.put_i32(self.coordinator_epoch.unwrap_or(-1));
        writer.put_i64(self.txn_first_offset.map_or(-1, Offset::get));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            producer_id: ProducerId::new(reader.take_i64()?),
            producer_epoch: ProducerEpoch::new(reader.take_i16()?),
            last_sequence: some(reader.take_i32()?).map(Sequence::new),
            last_offset: some(reader.take_i64()?).map(Offset::new),
            offset_delta: OffsetDelta::new(reader.take_i32()?),
            timestamp: Timestamp::new(reader.take_i64()?),
            coordinator_epoch: some(reader.take_i32()?),
            txn_first_offset: some(reader.take_i64()?).map(Offset::new),
        })
    }
}

/// The value, unless it is the -1 that stands for none.
fn some<T: PartialEq + From<i8>>(value: T) -> Option<T> {
    (value != T::from(-1)).then_some(value)
}

#[cfg(test)]
mod tests;
