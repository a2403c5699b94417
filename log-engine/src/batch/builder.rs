//! Records in, one v2 batch out.
//!
//! Writes what Kafka's builder (`MemoryRecordsBuilder`) writes: the base timestamp is that of the first record, the last offset
//! delta that of the last, and the head's largest timestamp is the records' or the append time.

use zerocopy::{FromBytes, IntoBytes};

use super::attributes::{Attributes, TimestampType};
use super::control::end_transaction;
use super::header::{BatchHeader, CRC_FROM, HEADER_LEN, HeaderFields};
use super::record::{Header, encode};
use crate::compress::{self, Codec};
use crate::encoding::crc32c;
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Why records cannot become a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Offsets within a batch must rise.
    #[error("offset {offset} does not follow {previous}")]
    OffsetNotRising {
        /// What was given.
        offset: i64,
        /// The offset before it, or the batch's base offset minus one.
        previous: i64,
    },
    /// Timestamps are milliseconds since 1970, or -1 for none.
    #[error("timestamp {0} is below -1")]
    Timestamp(i64),
    /// A producer needs an epoch, and for data a sequence.
    #[error("a producer id needs {0}")]
    Producer(&'static str),
    /// The batch would not fit its length field, or a record its own.
    #[error("the batch is larger than its length field can say")]
    TooLarge,
    /// The codec does not have this level.
    #[error("{0}")]
    Level(String),
}

/// What was noted while the records of a batch were collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// How many records there are.
    pub(crate) count: i64,
    /// The smallest timestamp but -1; the largest number if there is none.
    pub(crate) min_timestamp: Timestamp,
    /// The largest timestamp; -1 if there is none.
    pub(crate) max_timestamp: Timestamp,
    /// Every record has a key.
    pub(crate) has_all_keys: bool,
    /// Bytes of all records before they are compressed.
    pub(crate) records_len: usize,
    /// How they are compressed.
    pub(crate) codec: Codec,
}

/// Collects records and makes one v2 batch of them.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    codec: Codec,
    level: Option<i32>,
    attributes: Attributes,
    append_time: Timestamp,
    delete_horizon: Option<Timestamp>,
    producer: (ProducerId, ProducerEpoch, Sequence),
    records: Vec<u8>,
    count: i32,
    base_timestamp: Option<Timestamp>,
    min_timestamp: Timestamp,
    max_timestamp: Timestamp,
    has_all_keys: bool,
    last_offset: Option<Offset>,
    reaches: Option<Offset>,
}

impl BatchBuilder {
    /// An empty batch whose offsets begin at `base_offset`.
    #[must_use]
    pub fn new(base_offset: Offset) -> Self {
        Self {
            base_offset,
            leader_epoch: LeaderEpoch::new(-1),
            codec: Codec::None,
            level: None,
            attributes: Attributes::default(),
            append_time: Timestamp::NONE,
            delete_horizon: None,
            producer: (ProducerId::new(-1), ProducerEpoch::new(-1), Sequence::new(-1)),
            records: Vec::new(),
            count: 0,
            base_timestamp: None,
            min_timestamp: Timestamp::new(i64::MAX),
            max_timestamp: Timestamp::NONE,
            has_all_keys: true,
            last_offset: None,
            reaches: None,
        }
    }

    /// The epoch to stamp.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.leader_epoch = epoch;
        self
    }

    /// How to compress the records; without a level, at Kafka's default.
    #[must_use]
    pub fn codec(mut self, codec: Codec, level: Option<i32>) -> Self {
        (self.codec, self.level) = (codec, level);
        self
    }

    /// All records have this time, the broker's.
    #[must_use]
    pub fn append_time(mut self, time: Timestamp) -> Self {
        self.attributes = self.attributes.with_log_append_time(true);
        self.append_time = time;
        self
    }

    /// Record timestamps are written relative to this time, after which tombstones may go.
    #[must_use]
    pub fn delete_horizon(mut self, time: Timestamp) -> Self {
        self.attributes = self.attributes.with_delete_horizon(true);
        self.delete_horizon = Some(time);
        self
    }

    /// Who writes, and the count of the first record.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// The records are part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.attributes = self.attributes.with_transactional(true);
        self
    }

    /// The records are the cluster's own: markers and the like.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.attributes = self.attributes.with_control(true);
        self
    }

    /// The batch reaches to `offset`, although the records up to there are gone, as a cleaner leaves it.
    #[must_use]
    pub fn last_offset(mut self, offset: Offset) -> Self {
        self.reaches = Some(offset);
        self
    }

    /// Puts the records into `buffer`, whose content goes, to save its memory from being asked for again.
    #[must_use]
    pub fn reusing(mut self, buffer: Vec<u8>) -> Self {
        let records = std::mem::replace(&mut self.records, buffer);
        self.records.clear();
        self.records.extend_from_slice(&records);
        self
    }

    /// How many records it holds.
    #[must_use]
    pub const fn len(&self) -> i32 {
        self.count
    }

    /// True while it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is known of the records.
    pub(crate) fn built(&self) -> Built {
        Built {
            count: self.count.into(),
            min_timestamp: self.min_timestamp,
            max_timestamp: self.max_timestamp,
            has_all_keys: self.has_all_keys,
            records_len: self.body().len(),
            codec: self.codec,
        }
    }

    /// Adds a record behind the last one.
    ///
    /// # Errors
    /// As [`Self::push_at`].
    #[inline]
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let offset = self.last_offset.map_or(self.base_offset, Offset::next);
        self.push_at(offset, timestamp, key, value, headers)
    }

    /// Adds a record at `offset`, as the records of a compacted batch have them.
    ///
    /// # Errors
    /// [`BuildError::OffsetNotRising`], [`BuildError::Timestamp`], [`BuildError::TooLarge`]. Nothing was added then.
    #[inline]
    pub fn push_at(
        &mut self,
        offset: Offset,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BuildError> {
        let previous = self.last_offset.map_or(self.base_offset.get().saturating_sub(1), Offset::get);
        if offset.get() <= previous {
            return Err(BuildError::OffsetNotRising { offset: offset.get(), previous });
        }
        if timestamp < Timestamp::NONE {
            return Err(BuildError::Timestamp(timestamp.get()));
        }
        let delta = offset.delta_from(self.base_offset).ok_or(BuildError::TooLarge)?;
        let count = self.count.checked_add(1).ok_or(BuildError::TooLarge)?;
        let base = self.base_timestamp.or(self.delete_horizon).unwrap_or(timestamp);
        let timestamp_delta = timestamp.get().wrapping_sub(base.get());
        if self.records.is_empty() {
            self.records.resize(HEADER_LEN, 0);
        }
        encode(&mut self.records, timestamp_delta, delta.get(), key, value, headers)
            .map_err(|_| BuildError::TooLarge)?;
        self.base_timestamp = Some(base);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if timestamp != Timestamp::NONE {
            self.min_timestamp = self.min_timestamp.min(timestamp);
        }
        self.has_all_keys &= key.is_some();
        self.last_offset = Some(offset);
        self.count = count;
        Ok(())
    }

    /// Adds the batch to the end of `out`; nothing if it has no records.
    ///
    /// # Errors
    /// [`BuildError::Producer`] if a producer id comes without an epoch or sequence, or a transaction without a producer id;
    /// [`BuildError::OffsetNotRising`] if it is told to end before its last record; [`BuildError::TooLarge`];
    /// [`BuildError::Level`]. Nothing was added then.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let Some(last_record) = self.last_offset else {
            return self.check_producer();
        };
        let last_offset = self.reaches.unwrap_or(last_record);
        if last_offset < last_record {
            return Err(BuildError::OffsetNotRising { offset: last_offset.get(), previous: last_record.get() });
        }
        let is_append_time = self.attributes.timestamp_type() == TimestampType::LogAppendTime;
        let max_timestamp = if is_append_time { self.append_time } else { self.max_timestamp };
        self.write(self.attributes.with_codec(self.codec), last_offset, max_timestamp, out)
    }

    /// Adds the 61 bytes that a cleaner leaves of a batch whose records are all gone: its head, reaching to the offset that
    /// [`Self::last_offset`] said, with the largest timestamp that it had.
    ///
    /// # Errors
    /// As [`Self::finish`].
    ///
    /// Kafka: `DefaultRecordBatch.writeEmptyHeader`.
    pub fn finish_emptied(self, max_timestamp: Timestamp, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let emptied = Self { records: Vec::new(), count: 0, base_timestamp: None, codec: Codec::None, ..self };
        let last_offset = emptied.reaches.or(emptied.last_offset).unwrap_or(emptied.base_offset);
        let attributes = emptied.attributes.with_codec(Codec::None).with_delete_horizon(false);
        emptied.write(attributes, last_offset, max_timestamp, out)
    }

    /// The batch alone, in the memory that the records were put into, if they are not compressed; no bytes if it has no records.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn into_batch(mut self) -> Result<Vec<u8>, BuildError> {
        let mut out = Vec::new();
        if self.codec != Codec::None || self.reaches.is_some() {
            self.finish(&mut out)?;
            return Ok(out);
        }
        let Some(last_offset) = self.last_offset else {
            return self.check_producer().map(|()| out);
        };
        self.check_producer()?;
        let is_append_time = self.attributes.timestamp_type() == TimestampType::LogAppendTime;
        let max_timestamp = if is_append_time { self.append_time } else { self.max_timestamp };
        let header = self.header(self.attributes, last_offset, max_timestamp, self.body().len())?;
        let mut batch = std::mem::take(&mut self.records);
        seal(&header, &mut batch, 0);
        Ok(batch)
    }

    /// The records as far as they are encoded.
    fn body(&self) -> &[u8] {
        self.records.get(HEADER_LEN..).unwrap_or_default()
    }

    fn check_producer(&self) -> Result<(), BuildError> {
        let (id, epoch, sequence) = self.producer;
        match (id.get(), epoch.get(), sequence.get()) {
            (-1, ..) if self.attributes.is_transactional() => Err(BuildError::Producer("to be there")),
            (-1, ..) => Ok(()),
            (_, -1, _) => Err(BuildError::Producer("an epoch")),
            (_, _, ..0) if !self.attributes.is_control() => Err(BuildError::Producer("a sequence")),
            _ => Ok(()),
        }
    }

    fn write(
        &self,
        attributes: Attributes,
        last_offset: Offset,
        max_timestamp: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        self.check_producer()?;
        let mut compressed = Vec::new();
        let body = if self.codec == Codec::None {
            self.body()
        } else {
            compress::compress(self.codec, self.level, 2, self.body(), &mut compressed)
                .map_err(|refused| BuildError::Level(refused.to_string()))?;
            &compressed
        };
        let header = self.header(attributes, last_offset, max_timestamp, body.len())?;
        let start = out.len();
        out.resize(start.saturating_add(HEADER_LEN), 0);
        out.extend_from_slice(body);
        seal(&header, out, start);
        Ok(())
    }

    /// The head of a batch with `body` bytes of records, still without its checksum.
    fn header(
        &self,
        attributes: Attributes,
        last_offset: Offset,
        max_timestamp: Timestamp,
        body: usize,
    ) -> Result<BatchHeader, BuildError> {
        let mut header = BatchHeader::new(&HeaderFields {
            base_offset: self.base_offset,
            leader_epoch: self.leader_epoch,
            attributes,
            last_offset_delta: last_offset.delta_from(self.base_offset).ok_or(BuildError::TooLarge)?.get(),
            base_timestamp: self.base_timestamp.unwrap_or(Timestamp::NONE),
            max_timestamp,
            producer_id: self.producer.0,
            producer_epoch: self.producer.1,
            base_sequence: self.producer.2,
            records_count: self.count,
        });
        let length = body.saturating_add(HEADER_LEN - super::LOG_OVERHEAD);
        header.set_length(i32::try_from(length).map_err(|_| BuildError::TooLarge)?);
        Ok(header)
    }

    /// The batch that ends a producer's transaction: one control record, never compressed.
    ///
    /// # Errors
    /// [`BuildError::Producer`] without a producer id or epoch.
    pub fn end_transaction(
        base_offset: Offset,
        leader_epoch: LeaderEpoch,
        producer: (ProducerId, ProducerEpoch),
        timestamp: Timestamp,
        commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Vec<u8>, BuildError> {
        let mut builder = Self::new(base_offset)
            .leader_epoch(leader_epoch)
            .producer(producer.0, producer.1, Sequence::new(-1))
            .transactional()
            .control();
        let (key, value) = end_transaction(commit, coordinator_epoch);
        builder.push(timestamp, Some(&key), Some(&value), &[])?;
        let mut out = Vec::new();
        builder.finish(&mut out)?;
        Ok(out)
    }
}
/// Puts `header` into the room kept for it at `start` of `out`, with the checksum of what follows.
fn seal(header: &BatchHeader, out: &mut [u8], start: usize) {
    let Some(batch) = out.get_mut(start..) else { return };
    if let Some(place) = batch.get_mut(..HEADER_LEN) {
        place.copy_from_slice(header.as_bytes());
    }
    let crc = crc32c(batch.get(CRC_FROM..).unwrap_or_default());
    if let Ok((header, _)) = BatchHeader::mut_from_prefix(batch) {
        header.set_crc(crc);
    }
}
