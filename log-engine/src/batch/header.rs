//! The fixed 61-byte head of a v2 record batch.
//!
//! | at | bytes | field                    | note                                              |
//! |---:|------:|--------------------------|---------------------------------------------------|
//! |  0 |     8 | `base_offset`            | set by the leader; outside the checksum           |
//! |  8 |     4 | `batch_length`           | bytes after this field; outside the checksum      |
//! | 12 |     4 | `partition_leader_epoch` | set by the leader; outside the checksum           |
//! | 16 |     1 | `magic`                  | 2; outside the checksum                           |
//! | 17 |     4 | `crc`                    | CRC-32C of byte 21 to the end of the batch        |
//! | 21 |     2 | `attributes`             | low byte only                                     |
//! | 23 |     4 | `last_offset_delta`      | kept when compaction removes records              |
//! | 27 |     8 | `base_timestamp`         | or the delete horizon, by attribute bit 6         |
//! | 35 |     8 | `max_timestamp`          | or the append time, by attribute bit 3            |
//! | 43 |     8 | `producer_id`            | -1: none                                          |
//! | 51 |     2 | `producer_epoch`         | -1: none                                          |
//! | 53 |     4 | `base_sequence`          | -1: none                                          |
//! | 57 |     4 | `records_count`          |                                                   |
//!
//! The checksum leaves out what the leader writes, so that it can assign offset and epoch without computing it again.
//! Kafka: `DefaultRecordBatch`.

use std::mem::offset_of;

use zerocopy::big_endian::{I16, I32, I64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::attributes::{Attributes, TimestampType};
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Bytes of a v2 batch before its first record: its smallest size.
pub const HEADER_LEN: usize = 61;
/// The first byte that the checksum covers.
pub(crate) const CRC_FROM: usize = offset_of!(BatchHeader, attributes);

/// The head of a v2 batch: in memory exactly as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BatchHeader {
    base_offset: I64,
    batch_length: I32,
    partition_leader_epoch: I32,
    magic: i8,
    crc: U32,
    attributes: I16,
    last_offset_delta: I32,
    base_timestamp: I64,
    max_timestamp: I64,
    producer_id: I64,
    producer_epoch: I16,
    base_sequence: I32,
    records_count: I32,
}

const _: () = assert!(size_of::<BatchHeader>() == HEADER_LEN);
const _: () = assert!(offset_of!(BatchHeader, magic) == 16);
const _: () = assert!(offset_of!(BatchHeader, crc) == 17);
const _: () = assert!(offset_of!(BatchHeader, attributes) == 21);
const _: () = assert!(offset_of!(BatchHeader, producer_id) == 43);
const _: () = assert!(offset_of!(BatchHeader, records_count) == 57);

/// What a new v2 head says; the length and the checksum follow from the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderFields {
    pub(crate) base_offset: Offset,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) attributes: Attributes,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: Timestamp,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) producer_id: ProducerId,
    pub(crate) producer_epoch: ProducerEpoch,
    pub(crate) base_sequence: Sequence,
    pub(crate) records_count: i32,
}

impl BatchHeader {
    /// A head with these fields, still without length and checksum.
    pub(crate) fn new(fields: &HeaderFields) -> Self {
        Self {
            base_offset: fields.base_offset.get().into(),
            batch_length: 0.into(),
            partition_leader_epoch: fields.leader_epoch.get().into(),
            magic: 2,
            crc: 0.into(),
            attributes: i16::from(fields.attributes.bits()).into(),
            last_offset_delta: fields.last_offset_delta.into(),
            base_timestamp: fields.base_timestamp.get().into(),
            max_timestamp: fields.max_timestamp.get().into(),
            producer_id: fields.producer_id.get().into(),
            producer_epoch: fields.producer_epoch.get().into(),
            base_sequence: fields.base_sequence.get().into(),
            records_count: fields.records_count.into(),
        }
    }

    /// The head at the start of `bytes`; `None` if they are too few. Nothing is checked, not even the magic.
    #[must_use]
    #[inline]
    pub fn at_start_of(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }

    pub(crate) fn set_length(&mut self, length: i32) {
        self.batch_length = length.into();
    }

    pub(crate) fn set_crc(&mut self, crc: u32) {
        self.crc = crc.into();
    }

    pub(super) fn set_base_offset(&mut self, offset: Offset) {
        self.base_offset = offset.get().into();
    }

    pub(super) fn set_leader_epoch(&mut self, epoch: LeaderEpoch) {
        self.partition_leader_epoch = epoch.get().into();
    }

    /// Says whose clock and the largest time. Attribute bits that mean nothing go, as Kafka writes only those that it knows.
    ///
    /// Kafka: `DefaultRecordBatch.computeAttributes`.
    pub(super) fn set_max_timestamp(&mut self, clock: TimestampType, time: Timestamp) {
        let attributes = self.attributes().with_log_append_time(clock == TimestampType::LogAppendTime);
        self.attributes = i16::from(attributes.known().bits()).into();
        self.max_timestamp = time.get().into();
    }

    /// Offset of the first record that was in the batch when it was written.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset::new(self.base_offset.get())
    }

    /// Bytes after the length field.
    #[must_use]
    pub fn batch_length(&self) -> i32 {
        self.batch_length.get()
    }

    /// The epoch of the leader that appended it; -1 if none stamped it.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch::new(self.partition_leader_epoch.get())
    }

    /// The message format; 2 unless damaged.
    #[must_use]
    pub fn magic(&self) -> i8 {
        self.magic
    }

    /// The stored checksum.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc.get()
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes::new(self.attributes.get().to_be_bytes()[1])
    }

    /// Last offset minus base offset.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        self.last_offset_delta.get()
    }

    /// The last offset; wraps as Kafka's arithmetic does where the head is damaged.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset::new(self.base_offset.get().wrapping_add(i64::from(self.last_offset_delta.get())))
    }

    /// What record timestamps are relative to; the delete horizon where attribute bit 6 says so.
    #[must_use]
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp::new(self.base_timestamp.get())
    }

    /// The largest record timestamp, or the append time.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp::new(self.max_timestamp.get())
    }

    /// Who wrote it; -1: nobody in particular.
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId::new(self.producer_id.get())
    }

    /// True if it has the id of a producer: one below -1 is none either.
    ///
    /// Kafka: `AbstractRecordBatch.hasProducerId`.
    #[must_use]
    pub fn has_producer(&self) -> bool {
        self.producer_id().get() >= 0
    }

    /// The producer's epoch; -1: none.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch::new(self.producer_epoch.get())
    }

    /// The sequence of the first record; -1: none.
    #[must_use]
    pub fn base_sequence(&self) -> Sequence {
        Sequence::new(self.base_sequence.get())
    }

    /// The sequence of the last record; -1 if the batch has none.
    ///
    /// Kafka: `DefaultRecordBatch.lastSequence`.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        let base = self.base_sequence();
        if base.get() == -1 { base } else { base.plus(self.last_offset_delta.get()) }
    }

    /// How many records are in the batch.
    #[must_use]
    pub fn records_count(&self) -> i32 {
        self.records_count.get()
    }
}
