//! The records of one batch in order, whatever its format and codec.

use super::header::HEADER_LEN;
use super::legacy::{Inner, Message};
use super::record::{Base, Record, decode};
use super::{Batch, TimestampType};
use crate::compress::{Codec, Decompressor};
use crate::encoding::Reader;
use crate::error::{Malformed, Rule};
use crate::units::Offset;

/// No batch may become larger than this when it is decompressed, unless the caller says otherwise.
pub const MAX_DECOMPRESSED: usize = 64 << 20;

/// Room for what comes out of compressed batches. Kept between batches, so that memory and codecs are set up once.
#[derive(Debug)]
pub struct Scratch {
    bytes: Vec<u8>,
    decompressor: Decompressor,
    limit: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::with_limit(MAX_DECOMPRESSED)
    }
}

impl Scratch {
    /// Room that grows to `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), decompressor: Decompressor::default(), limit }
    }

    /// The most bytes that it grows to.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    fn decompress(&mut self, codec: Codec, magic: i8, input: &[u8]) -> Result<&[u8], Malformed> {
        self.decompressor.decompress_into(codec, magic, input, &mut self.bytes, self.limit)?;
        Ok(&self.bytes)
    }
}

impl<'a> Batch<'a> {
    /// Its records in order, borrowed from the batch or, if it is compressed, from `scratch`.
    ///
    /// # Errors
    /// [`Rule::Codec`], [`Rule::Compressed`] or [`Rule::TooLarge`] if the records cannot be reached at all, [`Rule::Negative`]
    /// for a negative count, [`Rule::Version`] for an unknown magic; the iterator yields what is wrong with a single record,
    /// once, and then ends. Places inside a compressed part are those of the part.
    pub fn records<'s>(&self, scratch: &'s mut Scratch) -> Result<Records<'s>, Malformed>
    where
        'a: 's,
    {
        let magic = self.magic();
        if !(0..=2).contains(&magic) {
            return Err(Malformed::new(16, Rule::Version { what: "batch", found: magic.into(), known: "0, 1 and 2" }));
        }
        let Some(header) = self.header() else {
            return self.legacy_records(scratch);
        };
        let count = header.records_count();
        let left = usize::try_from(count)
            .map_err(|_| Malformed::new(57, Rule::Negative { field: "record count", value: count.into() }))?;
        let base = Base {
            offset: header.base_offset().get(),
            timestamp: header.base_timestamp().get(),
            append_time: (self.timestamp_type() == TimestampType::LogAppendTime).then(|| header.max_timestamp()),
            sequence: Some(header.base_sequence()).filter(|sequence| sequence.get() >= 0),
        };
        if left == 0 {
            return Ok(Records { decoder: Decoder::Done });
        }
        let (payload, shift) = match self.codec()? {
            Codec::None => (self.body(), HEADER_LEN),
            codec => {
                let place = |e: Malformed| Malformed::new(HEADER_LEN, e.rule);
                (scratch.decompress(codec, magic, self.body()).map_err(place)?, 0)
            }
        };
        let decoder = Decoder::V2 { reader: Reader::new(payload), left, base, shift, compressed: shift == 0 };
        Ok(Records { decoder })
    }

    /// The record at `offset`, if the batch has one there. Records before it are passed over by their lengths and not looked at.
    ///
    /// # Errors
    /// As [`Self::records`], and what is wrong with the record or with the lengths before it.
    pub fn record_at<'s>(&self, offset: Offset, scratch: &'s mut Scratch) -> Result<Option<Record<'s>>, Malformed>
    where
        'a: 's,
    {
        let mut records = self.records(scratch)?;
        if let (Decoder::V2 { reader, left, base, .. }, Some(header)) = (&mut records.decoder, self.header()) {
            let before = offset.get().wrapping_sub(base.offset);
            let has_no_gaps = i64::from(header.last_offset_delta()).checked_add(1) == i64::try_from(*left).ok();
            if let (true, Ok(before)) = (has_no_gaps, usize::try_from(before)) {
                let mut passed = *reader;
                if before < *left && (0..before).all(|_| pass(&mut passed).is_some()) {
                    (*reader, *left) = (passed, left.saturating_sub(before));
                }
            }
        }
        for record in records {
            let record = record?;
            if record.offset >= offset {
                return Ok((record.offset == offset).then_some(record));
            }
        }
        Ok(None)
    }

    /// The bytes in which its records stand, decompressed where they are compressed: the place to look for more about records
    /// that do not decode. A plain message is its own record, and its value is given.
    ///
    /// # Errors
    /// As [`Self::records`] where the records cannot be reached at all.
    pub fn payload<'s>(&self, scratch: &'s mut Scratch) -> Result<&'s [u8], Malformed>
    where
        'a: 's,
    {
        let (codec, packed, at) = match self.header() {
            Some(_) => (self.codec()?, self.body(), HEADER_LEN),
            None => {
                let message = Message::parse(self.bytes())?;
                (message.codec()?, message.value.unwrap_or_default(), super::legacy::header_len(message.header.magic))
            }
        };
        match codec {
            Codec::None => Ok(packed),
            codec => scratch.decompress(codec, self.magic(), packed).map_err(|e| Malformed::new(at, e.rule)),
        }
    }

    fn legacy_records<'s>(&self, scratch: &'s mut Scratch) -> Result<Records<'s>, Malformed>
    where
        'a: 's,
    {
        let message = Message::parse(self.bytes())?;
        let decoder = match message.codec()? {
            Codec::None => Decoder::Single(Some(message.record(message.header.offset, message.header.timestamp))),
            codec => {
                let place = |e: Malformed| Malformed::new(super::legacy::header_len(message.header.magic), e.rule);
                let value = message.value.ok_or(place(Malformed::new(0, Rule::EmptyWrapper)))?;
                let inner = scratch.decompress(codec, message.header.magic, value).map_err(place)?;
                Decoder::Wrapped(Inner::new(&message.header, inner).map_err(place)?)
            }
        };
        Ok(Records { decoder })
    }
}

/// Passes over one v2 record by its length.
fn pass(reader: &mut Reader<'_>) -> Option<()> {
    let length = usize::try_from(reader.try_varint()?).ok()?;
    reader.try_skip(length)
}

/// The records of one batch. Ends after the first error. A clone reads the same records again.
#[derive(Clone, Debug)]
pub struct Records<'s> {
    decoder: Decoder<'s>,
}

#[derive(Clone, Debug)]
enum Decoder<'s> {
    V2 { reader: Reader<'s>, left: usize, base: Base, shift: usize, compressed: bool },
    Single(Option<Record<'s>>),
    Wrapped(Inner<'s>),
    Done,
}

impl<'s> Iterator for Records<'s> {
    type Item = Result<Record<'s>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.decoder {
            Decoder::V2 { reader, left: left @ 1.., base, shift, compressed } => {
                *left -= 1;
                let decoded = decode(reader, base);
                if decoded.is_ok() {
                    return Some(decoded);
                }
                let (shift, compressed) = (*shift, *compressed);
                self.decoder = Decoder::Done;
                Some(
                    decoded.map_err(|e| if compressed { Malformed::new(HEADER_LEN, e.rule) } else { e.shifted(shift) }),
                )
            }
            Decoder::V2 { reader, shift, .. } => {
                let (at, left) = (shift.saturating_add(reader.at()), reader.left() as u64);
                self.decoder = Decoder::Done;
                (left > 0).then(|| Err(Malformed::new(at, Rule::Trailing { what: "the records", left })))
            }
            Decoder::Single(record) => record.take().map(Ok),
            Decoder::Wrapped(inner) => {
                let next = inner.next_record().transpose();
                if !matches!(next, Some(Ok(_))) {
                    self.decoder = Decoder::Done;
                }
                next
            }
            Decoder::Done => None,
        }
    }
}
