//! One v2 record: deltas to its batch's head, key, value and headers.
//!
//! | encoding | field                                                                |
//! |----------|----------------------------------------------------------------------|
//! | varint   | length of everything behind it                                       |
//! | 1 byte   | attributes: written 0, ignored                                       |
//! | varlong  | timestamp delta (may be negative)                                    |
//! | varint   | offset delta                                                         |
//! | varint   | key length, -1: null; then the key                                   |
//! | varint   | value length, -1: null; then the value                               |
//! | varint   | header count; per header: varint key length and key, varint value    |
//! |          | length (-1: null) and value                                          |
//!
//! Kafka: `DefaultRecord`.

use crate::encoding::{MAX_VARINT_LEN, Reader, Varints, Writer, varint_len};
use crate::error::{Malformed, Rule};
use crate::units::{Offset, Sequence, Timestamp};

/// Bytes of the smallest v2 record, its length field included.
pub const MIN_RECORD_LEN: usize = 7;

/// One record as a reader sees it, borrowed from its batch or from what the batch was decompressed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the log.
    pub offset: Offset,
    /// Its own time, or the batch's append time; -1 if it has none.
    pub timestamp: Timestamp,
    /// The time that stands in the record itself, also where the append time of its batch hides it.
    pub own_timestamp: Timestamp,
    /// Its producer's count, where its batch has one.
    pub sequence: Option<Sequence>,
    /// The key; `None` is Kafka's null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is Kafka's null, a tombstone where the log is compacted.
    pub value: Option<&'a [u8]>,
    /// Names and values in order; names may repeat.
    pub headers: Headers<'a>,
    /// The message format that it is written in. In a compressed message of a faulty client it can be another than its batch's.
    pub magic: i8,
    /// The checksum that a message of format 0 or 1 carries itself; v2 records have none.
    pub legacy_checksum: Option<LegacyChecksum>,
    /// Bytes of the record as it stands in its uncompressed batch, what says its length included.
    pub encoded_len: usize,
}

/// The checksum of one message of format 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegacyChecksum {
    /// As stored.
    pub stored: u32,
    /// As computed over the message.
    pub computed: u32,
}

/// The headers of one record. Iterates over names and values; cheap to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// One header: a name of any bytes (Kafka writes UTF-8) and a value, which may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl Headers<'_> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// True if there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Headers<'a> {
    /// Those of `headers`, encoded into `buffer`, whose content goes.
    #[must_use]
    pub fn encode(headers: &[Header<'_>], buffer: &'a mut Vec<u8>) -> Self {
        buffer.clear();
        put_each(&mut Writer::new(buffer), headers);
        Self { count: headers.len(), bytes: buffer }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader::new(self.bytes);
        let header = take_header(&mut reader).ok()?;
        self.bytes = reader.rest();
        Some(header)
    }
}

/// What a record is relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    /// The time that all records of the batch have, if the broker's clock set it.
    pub(crate) append_time: Option<Timestamp>,
    /// `None` if the batch's records are not counted.
    pub(crate) sequence: Option<Sequence>,
}

/// Adds one record to `out`.
#[inline]
pub(crate) fn encode(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> Result<(), Malformed> {
    let mut head = Varints::default();
    head.put_i8(0);
    head.put_varlong(timestamp_delta);
    head.put_varint(offset_delta);
    head.put_varint(key.map_or(-1, length_of));
    let (key, value_len) = (key.unwrap_or_default(), value.map_or(-1, length_of));
    let length = (head.bytes().len() + varint_len(value_len))
        .saturating_add(key.len())
        .saturating_add(value.map_or(0, <[u8]>::len))
        .saturating_add(headers_len(headers));
    let too_large = || Malformed::new(0, Rule::TooLarge { what: "a record", limit: i32::MAX.unsigned_abs().into() });
    head.put_before(i32::try_from(length).map_err(|_| too_large())?);
    out.reserve(length.saturating_add(MAX_VARINT_LEN));
    let mut writer = Writer::new(out);
    if key.is_empty() {
        head.put_varint(value_len);
        writer.put_bytes(head.bytes());
    } else {
        writer.put_bytes(head.bytes());
        writer.put_bytes(key);
        writer.put_varint(value_len);
    }
    writer.put_bytes(value.unwrap_or_default());
    if headers.is_empty() {
        writer.put_i8(0);
    } else {
        put_headers(&mut writer, headers);
    }
    Ok(())
}

fn put_headers(writer: &mut Writer<'_>, headers: &[Header<'_>]) {
    writer.put_varint(length_of(headers));
    put_each(writer, headers);
}

fn put_each(writer: &mut Writer<'_>, headers: &[Header<'_>]) {
    for header in headers {
        writer.put_varint(length_of(header.key));
        writer.put_bytes(header.key);
        put_nullable(writer, header.value);
    }
}

/// Takes one record.
#[inline]
pub(crate) fn decode<'a>(reader: &mut Reader<'a>, base: &Base) -> Result<Record<'a>, Malformed> {
    let at = reader.at();
    let length = reader.take_varint()?;
    let Some(body) = usize::try_from(length).ok().and_then(|length| reader.rest().get(..length)) else {
        return Err(wrong_length(at, "record length", length, reader.left()));
    };
    let start = reader.at();
    let record = decode_body(body, base).map_err(|e| e.shifted(start))?;
    reader.take_bytes(body.len())?;
    Ok(Record { encoded_len: reader.at() - at, ..record })
}

#[inline]
fn decode_body<'a>(body: &'a [u8], base: &Base) -> Result<Record<'a>, Malformed> {
    let mut reader = Reader::new(body);
    reader.take_i8()?;
    let timestamp_delta = reader.take_varlong()?;
    let offset_delta = reader.take_varint()?;
    let key = take_nullable(&mut reader, "key length")?;
    let value = take_nullable(&mut reader, "value length")?;
    let headers = take_headers(&mut reader)?;
    if reader.left() > 0 {
        return Err(Malformed::new(reader.at(), Rule::Trailing { what: "a record", left: reader.left() as u64 }));
    }
    let own_timestamp = Timestamp::new(base.timestamp.wrapping_add(timestamp_delta));
    Ok(Record {
        offset: Offset::new(base.offset.wrapping_add(i64::from(offset_delta))),
        timestamp: base.append_time.unwrap_or(own_timestamp),
        own_timestamp,
        sequence: base.sequence.map(|sequence| sequence.plus(offset_delta)),
        key,
        value,
        headers,
        magic: 2,
        legacy_checksum: None,
        encoded_len: body.len(),
    })
}

#[inline]
fn take_headers<'a>(reader: &mut Reader<'a>) -> Result<Headers<'a>, Malformed> {
    let at = reader.at();
    let count = reader.take_varint()?;
    if count == 0 {
        return Ok(Headers::default());
    }
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= reader.left())
        .ok_or_else(|| wrong_length(at, "header count", count, reader.left()))?;
    let bytes = reader.rest();
    let from = reader.at();
    for _ in 0..count {
        take_header(reader)?;
    }
    Ok(Headers { count, bytes: bytes.get(..reader.at() - from).unwrap_or_default() })
}

fn take_header<'a>(reader: &mut Reader<'a>) -> Result<Header<'a>, Malformed> {
    let at = reader.at();
    let length = reader.take_varint()?;
    let key = usize::try_from(length)
        .ok()
        .and_then(|length| reader.take_bytes(length).ok())
        .ok_or_else(|| wrong_length(at, "header key length", length, reader.left()))?;
    Ok(Header { key, value: take_nullable(reader, "header value length")? })
}

/// A length and as many bytes; any negative length is null, as Kafka reads it.
#[inline]
fn take_nullable<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<Option<&'a [u8]>, Malformed> {
    let at = reader.at();
    let length = reader.take_varint()?;
    let Ok(len) = usize::try_from(length) else {
        return Ok(None);
    };
    match reader.take_bytes(len) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => Err(wrong_length(at, field, length, reader.left())),
    }
}

#[cold]
fn wrong_length(at: usize, field: &'static str, promised: i32, left: usize) -> Malformed {
    let rule = if promised < 0 {
        Rule::Negative { field, value: promised.into() }
    } else {
        Rule::Length { field, promised: promised.into(), present: left as u64 }
    };
    Malformed::new(at, rule)
}

fn put_nullable(writer: &mut Writer<'_>, bytes: Option<&[u8]>) {
    match bytes {
        None => writer.put_varint(-1),
        Some(bytes) => {
            writer.put_varint(length_of(bytes));
            writer.put_bytes(bytes);
        }
    }
}

/// Bytes that the headers take with their count; [`encode`] refuses what does not fit an `i32` before any single length can overflow
/// one.
fn headers_len(headers: &[Header<'_>]) -> usize {
    let nullable = |bytes: Option<&[u8]>| bytes.map_or(1, |b| varint_len(length_of(b)).saturating_add(b.len()));
    headers.iter().fold(varint_len(length_of(headers)), |sum, header| {
        sum.saturating_add(nullable(Some(header.key))).saturating_add(nullable(header.value))
    })
}

#[inline]
fn length_of<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: Base = Base { offset: 100, timestamp: 1000, append_time: None, sequence: Some(Sequence::new(7)) };

    fn decoded(bytes: &[u8]) -> Result<Record<'_>, Malformed> {
        decode(&mut Reader::new(bytes), &BASE)
    }

    /// Record of golden vector A1, typed from the reference: key `k`, value `v`, header `h` = `x`.
    const A1: &[u8] = &[0x18, 0, 0, 0, 0x02, 0x6b, 0x02, 0x76, 0x02, 0x02, 0x68, 0x02, 0x78];

    // conformance: REC-001
    #[test]
    fn a_typed_record_decodes_and_encodes() {
        let record = decoded(A1).unwrap();
        assert_eq!((record.key, record.value), (Some(&b"k"[..]), Some(&b"v"[..])));
        let headers: Vec<_> = record.headers.collect();
        assert_eq!(headers, [Header { key: b"h", value: Some(b"x") }]);
        assert_eq!((record.offset.get(), record.timestamp.get()), (100, 1000));
        assert_eq!(record.sequence, Some(Sequence::new(7)));
        let mut out = Vec::new();
        encode(&mut out, 0, 0, Some(b"k"), Some(b"v"), &headers).unwrap();
        assert_eq!(out, A1);
    }

    // conformance: HDR-004 HDR-006
    #[test]
    fn headers_of_one_key_come_in_their_order() {
        let header = |key, value| Header { key, value: Some(value) };
        let headers = [header(b"key", b"value"), header(b"other", b"x"), header(b"key", b"value2")];
        let mut out = Vec::new();
        encode(&mut out, 0, 0, None, None, &headers).unwrap();
        let found = decoded(&out).unwrap().headers;
        assert_eq!(found.len(), 3);
        let of_key: Vec<_> = found.filter(|header| header.key == b"key").map(|header| header.value).collect();
        assert_eq!(of_key, [Some(&b"value"[..]), Some(b"value2")]);
        assert_eq!(found.last(), Some(headers[2]));
    }

    // conformance: REC-002 REC-004 REC-008 REC-012 REC-014
    #[test]
    fn each_wrong_length_has_its_rule_and_place() {
        let with = |at: usize, byte: u8| {
            let mut bytes = A1.to_vec();
            bytes[at] = byte;
            decode(&mut Reader::new(&bytes), &BASE).map(|_| ()).unwrap_err()
        };
        assert_eq!(
            with(0, 0x1a),
            Malformed::new(0, Rule::Length { field: "record length", promised: 13, present: 12 })
        );
        assert_eq!(with(0, 0x01), Malformed::new(0, Rule::Negative { field: "record length", value: -1 }));
        assert_eq!(with(0, 0x16).rule, Rule::Length { field: "header value length", promised: 1, present: 0 });
        assert_eq!(with(4, 0x12), Malformed::new(4, Rule::Length { field: "key length", promised: 9, present: 8 }));
        assert_eq!(with(8, 0x01), Malformed::new(8, Rule::Negative { field: "header count", value: -1 }));
        assert_eq!(with(8, 0x0a), Malformed::new(8, Rule::Length { field: "header count", promised: 5, present: 4 }));
        assert_eq!(with(8, 0x00), Malformed::new(9, Rule::Trailing { what: "a record", left: 4 }));
        assert_eq!(with(9, 0x01), Malformed::new(9, Rule::Negative { field: "header key length", value: -1 }));
    }

    proptest! {
        #[test]
        fn any_record_comes_back(
            timestamp_delta in -1_000_000_i64..1_000_000,
            offset_delta in 0..i32::MAX,
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..70)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            headers in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..5), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..5))),
                0..4,
            ),
        ) {
            let headers: Vec<_> = headers.iter().map(|(k, v)| Header { key: k, value: v.as_deref() }).collect();
            let mut out = Vec::new();
            encode(&mut out, timestamp_delta, offset_delta, key.as_deref(), value.as_deref(), &headers).unwrap();
            let mut reader = Reader::new(&out);
            let record = decode(&mut reader, &BASE).unwrap();
            prop_assert_eq!(reader.left(), 0);
            prop_assert_eq!(record.key, key.as_deref());
            prop_assert_eq!(record.value, value.as_deref());
            prop_assert_eq!(record.offset.get(), 100 + i64::from(offset_delta));
            prop_assert_eq!(record.timestamp.get(), 1000 + timestamp_delta);
            prop_assert_eq!(record.headers.len(), headers.len());
            prop_assert_eq!(record.headers.collect::<Vec<_>>(), headers);
        }

        #[test]
        fn any_bytes_decode_or_say_where_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(malformed) = decoded(&bytes) {
                prop_assert!(malformed.at <= bytes.len());
            }
        }
    }
}
