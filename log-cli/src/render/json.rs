//! Records as JSON objects, one a line: nothing is lossy, null is null, and names may repeat in headers.
//!
//! What is the same for all records of a partition or of a batch is written once and copied.

use log_engine::batch::{ControlType, Headers};
use log_engine::{Batch, Record};

use super::bytes::{base64, json_string};
use super::time::{TimeFormat, rfc3339};
use super::{Layout, Style};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// Writes records as JSON objects.
#[derive(Debug)]
pub(crate) struct JsonRecords {
    style: Style,
    /// From the start of the line to the offset.
    head: Vec<u8>,
    /// From the timestamp to the sequence.
    batch: Vec<u8>,
    /// From the sequence to the headers.
    flags: Vec<u8>,
    /// From the value to the end of the line.
    tail: Vec<u8>,
    /// True if the records are control records.
    is_control: bool,
    /// `"topic":...,"partition":...` of the partition.
    partition: Vec<u8>,
    /// Whether each record says, too, what else is needed to make its batch again.
    with_batches: bool,
}

impl JsonRecords {
    pub(crate) fn new(style: Style) -> Self {
        let empty = Vec::new;
        Self {
            style,
            head: empty(),
            batch: empty(),
            flags: empty(),
            tail: empty(),
            is_control: false,
            partition: empty(),
            with_batches: false,
        }
    }

    /// The same, and each record says how far its batch reaches and when its tombstones may go.
    pub(crate) fn with_batches(style: Style) -> Self {
        Self { with_batches: true, ..Self::new(style) }
    }

    /// The elements of a list of headers.
    pub(super) fn headers(&self, out: &mut Vec<u8>, headers: Headers<'_>) {
        for (i, header) in headers.enumerate() {
            out.extend_from_slice(if i == 0 { b"{\"key\":" } else { b",{\"key\":" });
            match std::str::from_utf8(header.key) {
                Ok(key) => json_string(out, key),
                Err(_) => {
                    out.push(b'"');
                    base64(out, header.key);
                    out.extend_from_slice(b"\",\"keyEnc\":\"base64\"");
                }
            }
            self.bytes(out, b",\"value\":", header.value, b",\"enc\":");
            out.push(b'}');
        }
    }

    /// `name` and the bytes, then how they are written where that may be one or the other.
    #[inline]
    fn bytes(&self, out: &mut Vec<u8>, name: &[u8], bytes: Option<&[u8]>, encoding_name: &[u8]) {
        out.extend_from_slice(name);
        let Some(bytes) = bytes else {
            return out.extend_from_slice(b"null");
        };
        let encoding = self.style.bytes.json(out, bytes);
        if self.style.bytes.varies() {
            out.extend_from_slice(encoding_name);
            out.push(b'"');
            out.extend_from_slice(encoding.name().as_bytes());
            out.push(b'"');
        }
    }

    /// The type of a control record, beside its bytes.
    fn control(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b",\"controlType\":");
        match ControlType::parse(record.key.unwrap_or_default()) {
            Ok(kind) => json_string(out, kind.name()),
            Err(_) => out.extend_from_slice(b"null"),
        }
    }
}

impl Layout for JsonRecords {
    fn series(&mut self, series: &Series) {
        self.partition.clear();
        partition(&mut self.partition, series);
        self.head = [b"{", &self.partition[..], b",\"offset\":"].concat();
    }

    fn batch(&mut self, view: &BatchView<'_>) {
        let (batch, int64) = (&view.batch, self.style.int64);
        self.is_control = batch.is_control();
        let out = &mut self.batch;
        out.clear();
        out.extend_from_slice(b",\"timestampType\":\"");
        out.extend_from_slice(batch.timestamp_type().name().as_bytes());
        out.extend_from_slice(b"\",\"leaderEpoch\":");
        or_null(out, batch.leader_epoch().map(|epoch| i64::from(epoch.get())), Int64::Number);
        let producer = batch.producer();
        out.extend_from_slice(b",\"producerId\":");
        or_null(out, producer.map(|producer| producer.id.get()), int64);
        out.extend_from_slice(b",\"producerEpoch\":");
        or_null(out, producer.map(|producer| i64::from(producer.epoch.get())), Int64::Number);
        out.extend_from_slice(b",\"sequence\":");

        let out = &mut self.flags;
        out.clear();
        flag(out, b",\"isTransactional\":", batch.is_transactional());
        flag(out, b",\"isControl\":", batch.is_control());
        out.extend_from_slice(b",\"headers\":[");

        let out = &mut self.tail;
        out.clear();
        out.extend_from_slice(b",\"segment\":");
        json_string(out, &view.segment.name);
        out.extend_from_slice(b",\"position\":");
        number(out, i64::try_from(view.position).unwrap_or(i64::MAX), int64);
        out.extend_from_slice(b",\"batchOffset\":");
        number(out, batch.base_offset().get(), int64);
        if self.with_batches {
            out.extend_from_slice(b",\"batchLastOffset\":");
            number(out, batch.last_offset().get(), int64);
            out.extend_from_slice(b",\"deleteHorizonMs\":");
            or_null(out, batch.delete_horizon().map(log_engine::Timestamp::get), int64);
        }
        out.extend_from_slice(b",\"codec\":\"");
        out.extend_from_slice(codec_name(batch).as_bytes());
        out.extend_from_slice(b"\",\"magic\":");
        number(out, batch.magic().into(), Int64::Number);
        crc_ok(out, view.crc_ok);
        out.extend_from_slice(b"}\n");
    }

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(&self.head);
        number(out, record.offset.get(), self.style.int64);
        out.extend_from_slice(b",\"timestamp\":");
        timestamp(out, record.timestamp.get(), &self.style);
        out.extend_from_slice(&self.batch);
        or_null(out, record.sequence.map(|sequence| i64::from(sequence.get())), Int64::Number);
        out.extend_from_slice(&self.flags);
        if !record.headers.is_empty() {
            self.headers(out, record.headers);
        }
        self.bytes(out, b"],\"key\":", record.key, b",\"keyEnc\":");
        if self.style.values {
            self.bytes(out, b",\"value\":", record.value, b",\"valueEnc\":");
        } else {
            out.extend_from_slice(b",\"valueBytes\":");
            or_null(out, record.value.map(|value| i64::try_from(value.len()).unwrap_or(i64::MAX)), Int64::Number);
        }
        if self.is_control {
            self.control(out, record);
        }
        out.extend_from_slice(&self.tail);
    }

    fn batch_line(&mut self, out: &mut Vec<u8>, view: &BatchView<'_>) {
        let (batch, int64) = (&view.batch, self.style.int64);
        out.push(b'{');
        out.extend_from_slice(&self.partition);
        out.extend_from_slice(b",\"segment\":");
        json_string(out, &view.segment.name);
        let producer = batch.producer();
        let sequence = |of: fn(&log_engine::batch::Producer) -> Option<log_engine::Sequence>| {
            producer.as_ref().and_then(of).map(|sequence| i64::from(sequence.get()))
        };
        let small = Int64::Number;
        for (name, value, form) in [
            ("baseOffset", batch.header().map(|_| batch.base_offset().get()), int64),
            ("lastOffset", Some(batch.last_offset().get()), int64),
            ("count", batch.record_count().map(i64::from), small),
            ("baseSequence", sequence(|producer| producer.base_sequence), small),
            ("lastSequence", sequence(|producer| producer.last_sequence), small),
            ("producerId", producer.map(|producer| producer.id.get()), int64),
            ("producerEpoch", producer.map(|producer| producer.epoch.get().into()), small),
            ("partitionLeaderEpoch", batch.leader_epoch().map(|epoch| epoch.get().into()), small),
            ("position", i64::try_from(view.position).ok(), int64),
            ("size", i64::try_from(batch.bytes().len()).ok(), small),
            ("magic", Some(batch.magic().into()), small),
            ("crc", Some(batch.stored_crc().into()), small),
            ("deleteHorizonMs", batch.delete_horizon().map(log_engine::Timestamp::get), int64),
        ] {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            or_null(out, value, form);
        }
        flag(out, b",\"isTransactional\":", batch.is_transactional());
        flag(out, b",\"isControl\":", batch.is_control());
        out.extend_from_slice(b",\"timestampType\":\"");
        out.extend_from_slice(batch.timestamp_type().name().as_bytes());
        out.extend_from_slice(b"\",\"maxTimestamp\":");
        timestamp(out, batch.max_timestamp().get(), &self.style);
        out.extend_from_slice(b",\"compresscodec\":\"");
        out.extend_from_slice(codec_name(batch).as_bytes());
        out.extend_from_slice(b"\",\"isvalid\":");
        out.extend_from_slice(match view.crc_ok {
            None => b"null",
            Some(true) => b"true",
            Some(false) => b"false",
        });
        out.extend_from_slice(b"}\n");
    }

    fn damage(&mut self, out: &mut Vec<u8>, segment: &Segment, damage: &Damage) -> bool {
        let int64 = self.style.int64;
        out.extend_from_slice(if damage.code.is_some() { b"{\"type\":\"damage\"" } else { b"{\"type\":\"leftOut\"" });
        out.extend_from_slice(b",\"code\":");
        match damage.code {
            Some(code) => json_string(out, code),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        out.extend_from_slice(&self.partition);
        out.extend_from_slice(b",\"segment\":");
        json_string(out, &segment.name);
        let wide = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for (name, value) in [
            (&b",\"position\":"[..], Some(wide(damage.position))),
            (b",\"bytes\":", damage.bytes.map(wide)),
            (b",\"offset\":", damage.offset),
        ] {
            out.extend_from_slice(name);
            or_null(out, value, int64);
        }
        out.extend_from_slice(b",\"message\":");
        json_string(out, &damage.message);
        out.extend_from_slice(b"}\n");
        true
    }
}

/// How numbers of 64 bits are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Int64 {
    /// As numbers
    #[default]
    Number,
    /// As strings, for readers that keep numbers in 53 bits
    String,
}

fn partition(out: &mut Vec<u8>, series: &Series) {
    out.extend_from_slice(b"\"topic\":");
    match &series.topic {
        Some(topic) => json_string(out, topic),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"partition\":");
    or_null(out, series.partition.map(i64::from), Int64::Number);
}

/// The codec's name; its number where it has none.
pub(crate) fn codec_name(batch: &Batch<'_>) -> String {
    batch.codec().map_or_else(|_| batch.attributes().codec_bits().to_string(), |codec| codec.name().to_owned())
}

fn timestamp(out: &mut Vec<u8>, ms: i64, style: &Style) {
    match style.time {
        TimeFormat::Auto | TimeFormat::Ms => number(out, ms, style.int64),
        TimeFormat::Rfc3339 if ms == -1 => out.extend_from_slice(b"null"),
        TimeFormat::Rfc3339 => {
            out.push(b'"');
            rfc3339(out, ms);
            out.push(b'"');
        }
    }
}

fn crc_ok(out: &mut Vec<u8>, crc_ok: Option<bool>) {
    match crc_ok {
        Some(ok) => flag(out, b",\"crcOk\":", ok),
        None => out.extend_from_slice(b",\"crcOk\":null"),
    }
}

fn flag(out: &mut Vec<u8>, name: &[u8], value: bool) {
    out.extend_from_slice(name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

#[inline]
fn or_null(out: &mut Vec<u8>, value: Option<i64>, form: Int64) {
    match value {
        Some(value) => number(out, value, form),
        None => out.extend_from_slice(b"null"),
    }
}

#[inline]
fn number(out: &mut Vec<u8>, value: i64, form: Int64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value).as_bytes();
    match form {
        Int64::Number => out.extend_from_slice(digits),
        Int64::String => {
            out.push(b'"');
            out.extend_from_slice(digits);
            out.push(b'"');
        }
    }
}
