//! Messages of formats 0 and 1: one record each, or a wrapper around compressed ones.
//!
//! | at (0 / 1) | bytes | field                                                     |
//! |-----------:|------:|-----------------------------------------------------------|
//! |          0 |     8 | offset; of the last inner message for a wrapper           |
//! |          8 |     4 | size: bytes after this field                              |
//! |         12 |     4 | CRC-32 of byte 16 to the end                              |
//! |         16 |     1 | magic                                                     |
//! |         17 |     1 | attributes                                                |
//! |     - / 18 |     8 | timestamp                                                 |
//! |    18 / 26 |     4 | key length, -1: null; then the key                        |
//! |          … |     4 | value length, -1: null; then the value                    |
//!
//! Kafka: `LegacyRecord`, `AbstractLegacyRecordBatch`.

use super::attributes::{Attributes, TimestampType};
use super::framing::LOG_OVERHEAD;
use super::record::{Headers, LegacyChecksum, Record};
use crate::compress::Codec;
use crate::encoding::{Reader, crc32};
use crate::error::{Malformed, Rule};
use crate::units::{Offset, Timestamp};

/// The first byte that the checksum covers: the magic.
pub(crate) const CRC_FROM: usize = 16;

/// Bytes of a message before its key length.
pub(crate) const fn header_len(magic: i8) -> usize {
    if magic == 1 { 26 } else { 18 }
}

/// The head of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyHeader {
    /// Its offset; the last inner one for a wrapper.
    pub offset: Offset,
    /// The stored checksum.
    pub crc: u32,
    /// 0 or 1 unless damaged.
    pub magic: i8,
    /// Codec and, for format 1, timestamp type.
    pub attributes: Attributes,
    /// -1 in format 0.
    pub timestamp: Timestamp,
}

impl LegacyHeader {
    pub(crate) fn at_start_of(bytes: &[u8]) -> Option<Self> {
        Self::take(&mut Reader::new(bytes)).ok()
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let offset = Offset::new(reader.take_i64()?);
        reader.take_i32()?;
        let crc = reader.take_u32()?;
        let magic = reader.take_i8()?;
        let attributes = Attributes::new(reader.take_u8()?);
        let timestamp = Timestamp::new(if magic == 1 { reader.take_i64()? } else { -1 });
        Ok(Self { offset, crc, magic, attributes, timestamp })
    }
}

/// One message with its key and value, which may be a wrapper's compressed ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) header: LegacyHeader,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message that `bytes` are, offset and size included.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = LegacyHeader::take(&mut reader)?;
        let key = take_nullable(&mut reader, "key length")?;
        let value = take_nullable(&mut reader, "value length")?;
        Ok(Self { header, key, value, bytes })
    }

    pub(crate) fn codec(&self) -> Result<Codec, Malformed> {
        let magic = self.header.magic;
        match self.header.attributes.codec(magic).map_err(|e| e.shifted(17))? {
            // The zstd codec came with format 2.
            Codec::Zstd => Err(Malformed::new(17, Rule::Codec { id: Codec::Zstd.bits(), magic })),
            codec => Ok(codec),
        }
    }

    pub(crate) fn record(&self, offset: Offset, timestamp: Timestamp) -> Record<'a> {
        Record {
            offset,
            timestamp,
            own_timestamp: self.header.timestamp,
            sequence: None,
            key: self.key,
            value: self.value,
            headers: Headers::default(),
            magic: self.header.magic,
            legacy_checksum: Some(LegacyChecksum {
                stored: self.header.crc,
                computed: crc32(self.bytes.get(CRC_FROM..).unwrap_or_default()),
            }),
            encoded_len: self.bytes.len(),
        }
    }
}

fn take_nullable<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<Option<&'a [u8]>, Malformed> {
    let at = reader.at();
    let length = reader.take_i32()?;
    let Ok(len) = usize::try_from(length) else {
        return Ok(None);
    };
    match reader.take_bytes(len) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => {
            let present = reader.left() as u64;
            Err(Malformed::new(at, Rule::Length { field, promised: length.into(), present }))
        }
    }
}

/// The messages inside a decompressed wrapper.
#[derive(Clone, Debug)]
pub(crate) struct Inner<'a> {
    rest: &'a [u8],
    magic: i8,
    /// What relative offsets of format 1 count from; 0 where inner offsets are absolute.
    base: i64,
    append_time: Option<Timestamp>,
}

impl<'a> Inner<'a> {
    /// Walks `decompressed`, the content of `wrapper`, once to find what the offsets count from.
    ///
    /// Offsets of format 0 are absolute; those of format 1 count from the first inner message, and the wrapper has the
    /// absolute offset of the last. A wrapper with offset 0 comes from old clients that left it so: its base is 0.
    pub(crate) fn new(wrapper: &LegacyHeader, decompressed: &'a [u8]) -> Result<Self, Malformed> {
        let mut inner = Self {
            rest: decompressed,
            magic: wrapper.magic,
            base: 0,
            append_time: (wrapper.magic == 1 && wrapper.attributes.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(wrapper.timestamp),
        };
        let mut last = None;
        let mut walk = inner.clone();
        while let Some(message) = walk.next_message()? {
            if message.header.attributes.codec_bits() != 0 {
                return Err(Malformed::new(0, Rule::Nested));
            }
            last = Some(message.header.offset.get());
        }
        let last = last.ok_or(Malformed::new(0, Rule::EmptyWrapper))?;
        let outer = wrapper.offset.get();
        if wrapper.magic == 1 && outer != 0 {
            if outer < last {
                let rule = Rule::Mismatch { what: "a wrapper's offset", found: outer, expected: last };
                return Err(Malformed::new(0, rule));
            }
            inner.base = outer.saturating_sub(last);
        }
        Ok(inner)
    }

    /// The next record; `None` at the end. A last message that is cut short ends the set without a word, as in Kafka.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record<'a>>, Malformed> {
        let Some(message) = self.next_message()? else {
            return Ok(None);
        };
        let offset = Offset::new(self.base.wrapping_add(message.header.offset.get()));
        let timestamp = if self.magic == 1 { message.header.timestamp } else { Timestamp::NONE };
        Ok(Some(message.record(offset, self.append_time.unwrap_or(timestamp))))
    }

    fn next_message(&mut self) -> Result<Option<Message<'a>>, Malformed> {
        let mut head = Reader::new(self.rest);
        let (Ok(_), Ok(size)) = (head.take_i64(), head.take_i32()) else {
            return Ok(None);
        };
        let minimum = super::framing::MIN_SIZE;
        let counted = usize::try_from(size).ok().filter(|_| size >= minimum);
        let counted = counted.ok_or(Malformed::new(0, Rule::SizeTooSmall { size, minimum }))?;
        let Some((message, rest)) = self.rest.split_at_checked(counted.saturating_add(LOG_OVERHEAD)) else {
            return Ok(None);
        };
        self.rest = rest;
        Message::parse(message).map(Some)
    }
}
