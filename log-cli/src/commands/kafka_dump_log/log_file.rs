//! `.log` and `.checkpoint` files: a line a batch, and a line a record where asked for.

use log_engine::batch::{BatchHeader, Header, TimestampType};
use log_engine::{Record, Scratch};

use super::arguments::Arguments;
use super::control;
use super::java::{JavaFile, parse_int, parse_long, put_text};
use super::messages::Message;
use super::printer::Printer;
use super::records::{LogRecords, Seen, Shown, Walk, codec};
use super::report::Report;
use super::thrown::{Ended, Thrown};

/// The snapshot that a metadata log starts from.
const BOOTSTRAP: &[u8] = b"bootstrap.checkpoint";

/// How records are shown.
#[derive(Clone, Copy, Debug)]
struct Style {
    deep: bool,
    data: bool,
    metadata: bool,
}

pub(super) fn dump(
    file: &JavaFile,
    arguments: &Arguments,
    printer: &mut Printer,
    report: &mut Report,
) -> Result<(), Ended> {
    let style = Style {
        deep: arguments.is_deep(),
        data: arguments.print_data(),
        metadata: !arguments.has("skip-record-metadata"),
    };
    let max_bytes = arguments.max_bytes()?;
    printer.line(&first_line(file)?);
    let records = LogRecords::open(file.clone())?;
    let slice = records.slice(0, max_bytes)?;
    let mut walk = Walk::over(&records);
    let (mut scratch, mut last_offset) = (Scratch::default(), -1);
    loop {
        let position = walk.at();
        let Some(batch) = slice.next(&mut walk)? else {
            break;
        };
        let head = put_batch(&mut printer.text, &batch, position)?;
        if style.deep {
            batch.for_each_record(&mut scratch, |shown| {
                let offset = shown.offset();
                if offset != i64::wrapping_add(last_offset, 1) {
                    report.gap(file, last_offset, offset);
                }
                last_offset = offset;
                match shown {
                    Shown::Record(record) => put_record(&mut printer.text, record, &head, style)?,
                    Shown::Message(message) => put_message(&mut printer.text, message, &head, style)?,
                }
                printer.hand_over()
            })?;
        }
        printer.hand_over()?;
    }
    let trailing = u64::from(slice.len().unsigned_abs()).saturating_sub(walk.at());
    if trailing > 0 && max_bytes == i32::MAX {
        let name = String::from_utf8_lossy(file.name());
        printer.line(&format!("Found {trailing} invalid bytes at the end of {name}"));
    }
    Ok(())
}

/// What the file is, by its name.
fn first_line(file: &JavaFile) -> Result<String, Thrown> {
    let name = file.name();
    if name.ends_with(b".log") {
        return Ok(format!("Log starting offset: {}", parse_long(file.stem())?));
    }
    if name == BOOTSTRAP {
        return Ok("KRaft bootstrap snapshot".into());
    }
    let offset = parse_long(part(name, 0, 20)?)?;
    Ok(format!("Snapshot end offset: {offset}, epoch: {}", parse_int(part(name, 21, 31)?)?))
}

fn part(name: &[u8], begin: usize, end: usize) -> Result<&[u8], Thrown> {
    name.get(begin..end).ok_or_else(|| {
        let message = format!("begin {begin}, end {end}, length {}", name.len());
        Thrown::new("java.lang.StringIndexOutOfBoundsException", message)
    })
}

/// What the records of a batch share.
#[derive(Clone, Copy, Debug)]
struct Head {
    timestamp_type: TimestampType,
    is_v2: bool,
    is_control: bool,
}

fn put_batch(out: &mut Vec<u8>, batch: &Seen<'_>, position: u64) -> Result<Head, Ended> {
    match batch.header()? {
        Some(header) => put_v2(out, batch, header, position).map_err(Ended::from),
        None => put_legacy(out, batch, position),
    }
}

fn put_v2(out: &mut Vec<u8>, batch: &Seen<'_>, header: &BatchHeader, position: u64) -> Result<Head, Thrown> {
    let attributes = header.attributes();
    for (name, number) in [
        ("baseOffset: ", header.base_offset().get()),
        (" lastOffset: ", header.last_offset().get()),
        (" count: ", header.records_count().into()),
        (" baseSequence: ", header.base_sequence().get().into()),
        (" lastSequence: ", header.last_sequence().get().into()),
        (" producerId: ", header.producer_id().get()),
        (" producerEpoch: ", header.producer_epoch().get().into()),
        (" partitionLeaderEpoch: ", header.leader_epoch().get().into()),
    ] {
        put(out, name);
        put_number(out, number);
    }
    put(out, " isTransactional: ");
    put_bool(out, attributes.is_transactional());
    put(out, " isControl: ");
    put_bool(out, attributes.is_control());
    put(out, " deleteHorizonMs: OptionalLong");
    if attributes.has_delete_horizon() {
        put(out, "[");
        put_number(out, header.base_timestamp().get());
        put(out, "]");
    } else {
        put(out, ".empty");
    }
    let codec = codec(attributes)?;
    let time = (attributes.timestamp_type(), header.max_timestamp().get());
    put_end_of_batch(out, batch, position, time, codec.name(), header.crc());
    Ok(Head { timestamp_type: time.0, is_v2: true, is_control: attributes.is_control() })
}

fn put_legacy(out: &mut Vec<u8>, batch: &Seen<'_>, position: u64) -> Result<Head, Ended> {
    put(out, "offset: ");
    put_number(out, batch.frame.offset().get());
    let magic = batch.frame.magic();
    if magic < 0 {
        return Err(Thrown::illegal_argument(format!("Invalid magic used in LegacyRecord: {magic}")).into());
    }
    let message = batch.frame.batch().map_err(|malformed| Ended::Refused(malformed.rule.to_string()))?;
    let codec = codec(message.attributes())?;
    let time = (message.timestamp_type(), message.max_timestamp().get());
    put_end_of_batch(out, batch, position, time, codec.name(), message.stored_crc());
    Ok(Head { timestamp_type: time.0, is_v2: false, is_control: false })
}

fn put_end_of_batch(
    out: &mut Vec<u8>,
    batch: &Seen<'_>,
    position: u64,
    (timestamp_type, max_timestamp): (TimestampType, i64),
    codec: &str,
    crc: u32,
) {
    put(out, " position: ");
    put_number(out, position);
    put(out, " ");
    put(out, timestamp_type.name());
    put(out, ": ");
    put_number(out, max_timestamp);
    put(out, " size: ");
    put_number(out, batch.frame.len());
    put(out, " magic: ");
    put_number(out, batch.frame.magic());
    put(out, " compresscodec: ");
    put(out, codec);
    put(out, " crc: ");
    put_number(out, crc);
    put(out, " isvalid: ");
    put_bool(out, batch.frame.check_crc().is_ok());
    put(out, "\n");
}

fn put_record(out: &mut Vec<u8>, record: &Record<'_>, head: &Head, style: Style) -> Result<(), Thrown> {
    if style.metadata {
        put(out, "| offset: ");
        put_number(out, record.offset.get());
        put(out, " ");
        put(out, head.timestamp_type.name());
        put(out, ": ");
        put_number(out, record.timestamp.get());
        put(out, " keySize: ");
        put_size(out, record.key);
        put(out, " valueSize: ");
        put_size(out, record.value);
        if head.is_v2 {
            put(out, " sequence: ");
            put_number(out, record.sequence.map_or(-1, |sequence| sequence.get()));
            put(out, " headerKeys: [");
            put_headers(out, record);
            put(out, "]");
        }
        if let Some(checksum) = record.legacy_checksum {
            put_checksum(out, checksum.stored, checksum.stored == checksum.computed);
        }
        if head.is_control {
            control::put(out, record)?;
        }
    }
    if style.data && !head.is_control {
        put_data(out, record.key, record.value, style);
    }
    put(out, "\n");
    Ok(())
}

#[inline]
fn put_headers(out: &mut Vec<u8>, record: &Record<'_>) {
    for (n, Header { key, .. }) in record.headers.enumerate() {
        if n > 0 {
            put(out, ",");
        }
        put_text(out, key);
    }
}

/// A message of a damaged batch: what stands before the place at which Kafka's tool throws is shown.
fn put_message(out: &mut Vec<u8>, message: &Message<'_>, head: &Head, style: Style) -> Result<(), Thrown> {
    if style.metadata {
        let (timestamp, key_size, value_size) = (message.timestamp()?, message.key_size()?, message.value_size()?);
        let timestamp_type = head.timestamp_type.name();
        let offset = message.offset;
        put(
            out,
            &format!("| offset: {offset} {timestamp_type}: {timestamp} keySize: {key_size} valueSize: {value_size}"),
        );
        let (stored, is_valid) = message.checksum();
        put_checksum(out, stored, is_valid);
    }
    if style.data {
        let key = if message.key_size()? >= 0 { message.key()? } else { None };
        let value = if message.value_size()? >= 0 { message.value()? } else { None };
        put_data(out, key, value, style);
    }
    put(out, "\n");
    Ok(())
}

#[inline]
fn put_data(out: &mut Vec<u8>, key: Option<&[u8]>, value: Option<&[u8]>, style: Style) {
    let mut before = if style.metadata { " " } else { "| " };
    if let Some(key) = key {
        put(out, before);
        put(out, "key: ");
        put_text(out, key);
        before = " ";
    }
    if let Some(value) = value {
        put(out, before);
        put(out, "payload: ");
        put_text(out, value);
    }
}

fn put_checksum(out: &mut Vec<u8>, stored: u32, is_valid: bool) {
    put(out, " isValid: ");
    put_bool(out, is_valid);
    put(out, " crc: ");
    put_number(out, stored);
}

#[inline]
fn put_size(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => put_number(out, bytes.len()),
        None => put(out, "-1"),
    }
}

#[inline]
fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[inline]
fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    put(out, itoa::Buffer::new().format(number));
}

fn put_bool(out: &mut Vec<u8>, is: bool) {
    put(out, if is { "true" } else { "false" });
}
