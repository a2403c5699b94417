//! What Kafka's reader says of v2 records that do not decode. The engine has found that they do not; here they are stepped over
//! once more, in Kafka's order of looking, to find its words.

use log_engine::batch::HEADER_LEN;
use log_engine::{Batch, Codec};

use super::buffer::{Buffer, Fault};
use super::thrown::Thrown;

/// How a gzip stream begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The exception that Kafka's reader meets in the records of a batch: `payload` holds `count` of them, or should.
pub(super) fn of_records(payload: &[u8], count: i32, compressed: bool) -> Thrown {
    let mut buffer = Buffer::new(payload);
    for _ in 0..count {
        let skipped = if compressed { skip_streamed(&mut buffer) } else { skip(&mut buffer) };
        if let Err(thrown) = skipped {
            return thrown;
        }
    }
    Thrown::invalid_record("Incorrect declared batch size, records still remaining in file")
}

/// The exception that Kafka's reader meets where the compressed records of a batch cannot be decompressed: at once where their stream
/// does not begin as it must, else while it reads.
pub(super) fn of_stream(batch: &Batch<'_>) -> Thrown {
    let packed = batch.bytes().get(HEADER_LEN..).unwrap_or_default();
    match batch.codec() {
        Ok(Codec::Gzip) if packed.len() < 2 => Thrown::kafka("java.io.EOFException"),
        Ok(Codec::Gzip) if !packed.starts_with(GZIP) => Thrown::kafka("java.util.zip.ZipException: Not in GZIP format"),
        _ => Thrown::kafka("Failed to decompress record stream"),
    }
}

/// A record count below zero.
pub(super) fn negative_count(count: i32, magic: i8) -> Thrown {
    Thrown::invalid_record(format!("Found invalid record count {count} in magic v{magic} batch"))
}

/// Kafka: `DefaultRecord.readFrom` of a buffer, which sees the whole batch.
fn skip(buffer: &mut Buffer<'_>) -> Result<(), Thrown> {
    let size = buffer.varint().map_err(|fault| match fault {
        Fault::Underflow => Thrown::invalid_record("Incorrect declared batch size, premature EOF reached"),
        illegal @ Fault::Illegal(_) => illegal.into(),
    })?;
    let remaining = buffer.remaining();
    if usize::try_from(size).is_ok_and(|size| remaining < size) {
        return Err(Thrown::invalid_record(format!(
            "Invalid record size: expected {size} bytes in record payload, but instead the buffer has only {remaining} remaining bytes."
        )));
    }
    skip_body(buffer, size)
}

/// Kafka: `DefaultRecord.readFrom` of a stream, which cuts the record out first.
fn skip_streamed(buffer: &mut Buffer<'_>) -> Result<(), Thrown> {
    let size =
        buffer.varint().map_err(|_| Thrown::invalid_record("Incorrect declared batch size, premature EOF reached"))?;
    let Ok(len) = usize::try_from(size) else {
        return Err(Thrown::invalid_record(format!("Invalid record size: {size} is negative.")));
    };
    let body = buffer.bytes(len).map_err(|_| {
        Thrown::invalid_record(format!(
            "Invalid record size: expected {size} bytes in record payload, but the record payload reached EOF."
        ))
    })?;
    skip_body(&mut Buffer::new(body), size)
}

fn skip_body(buffer: &mut Buffer<'_>, size: i32) -> Result<(), Thrown> {
    let start = buffer.position();
    let structure = |_: Fault| Thrown::invalid_record("Found invalid record structure");
    skip_to_headers(buffer).map_err(structure)?;
    let headers = buffer.varint().map_err(structure)?;
    let Ok(count) = usize::try_from(headers) else {
        return Err(Thrown::invalid_record(format!("Found invalid number of record headers {headers}")));
    };
    if count > buffer.remaining() {
        return Err(Thrown::invalid_record(format!(
            "Found invalid number of record headers. {headers} is larger than the remaining size of the buffer"
        )));
    }
    for _ in 0..count {
        let key = buffer.varint().map_err(structure)?;
        if key < 0 {
            return Err(Thrown::invalid_record(format!("Invalid negative header key size {key}")));
        }
        buffer.skip_nullable(key).map_err(structure)?;
        let value = buffer.varint().map_err(structure)?;
        buffer.skip_nullable(value).map_err(structure)?;
    }
    let read = buffer.position() - start;
    if usize::try_from(size) == Ok(read) {
        return Ok(());
    }
    Err(Thrown::invalid_record(format!(
        "Invalid record size: expected to read {size} bytes in record payload, but instead read {read}"
    )))
}

/// Attributes, timestamp, offset, key and value.
fn skip_to_headers(buffer: &mut Buffer<'_>) -> Result<(), Fault> {
    buffer.byte()?;
    buffer.skip_varlong()?;
    buffer.varint()?;
    for _ in 0..2 {
        let len = buffer.varint()?;
        buffer.skip_nullable(len)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length 12, attributes, timestamp, offset, key `k`, value `v`, one header `h` = `x`.
    const RECORD: &[u8] = &[0x18, 0, 0, 0, 0x02, 0x6b, 0x02, 0x76, 0x02, 0x02, 0x68, 0x02, 0x78];

    fn said(at: usize, byte: u8, compressed: bool) -> String {
        let mut bytes = RECORD.to_vec();
        bytes[at] = byte;
        of_records(&bytes, 1, compressed).to_string().split_once(": ").unwrap().1.to_owned()
    }

    #[test]
    fn each_damage_has_kafkas_words() {
        for (at, byte, words) in [
            (
                0,
                0x1a,
                "Invalid record size: expected 13 bytes in record payload, but instead the buffer has only 12 remaining bytes.",
            ),
            (0, 0x16, "Invalid record size: expected to read 11 bytes in record payload, but instead read 12"),
            (0, 0x01, "Invalid record size: expected to read -1 bytes in record payload, but instead read 12"),
            (4, 0x20, "Found invalid record structure"),
            (8, 0x01, "Found invalid number of record headers -1"),
            (8, 0x0a, "Found invalid number of record headers. 5 is larger than the remaining size of the buffer"),
            (9, 0x01, "Invalid negative header key size -1"),
        ] {
            assert_eq!(said(at, byte, false), words);
        }
        assert_eq!(said(0, 0x01, true), "Invalid record size: -1 is negative.");
        assert!(said(0, 0x1a, true).ends_with("reached EOF."));
        let more = of_records(&[RECORD, RECORD].concat(), 1, false).to_string();
        assert!(more.ends_with("records still remaining in file"));
        assert!(of_records(RECORD, 2, false).to_string().ends_with("premature EOF reached"));
    }
}
