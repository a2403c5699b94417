//! Records without structure: comma-separated values, and the bytes of the values alone.

use log_engine::Record;

use super::bytes::BytesFormat;
use super::json::codec_name;
use super::time::{TimeFormat, rfc3339};
use super::{Layout, Style, json::JsonRecords};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// The columns, in order. Headers are one JSON text; the last two say how key and value are written.
const COLUMNS: &str = "topic,partition,offset,timestamp,timestampType,leaderEpoch,producerId,producerEpoch,sequence,isTransactional,\
     isControl,headers,key,value,segment,position,batchOffset,codec,magic,crcOk,keyEnc,valueEnc\n";

/// Writes records as comma-separated values (RFC 4180, lines end in a line feed). Null is an empty cell, an empty text is `""`.
#[derive(Debug)]
pub(crate) struct CsvRecords {
    style: Style,
    headers: JsonRecords,
    series: Vec<u8>,
    batch: [Vec<u8>; 3],
}

impl CsvRecords {
    pub(crate) fn new(style: Style) -> Self {
        Self { headers: JsonRecords::new(style.clone()), style, series: Vec::new(), batch: <[Vec<u8>; 3]>::default() }
    }

    fn bytes(&self, out: &mut Vec<u8>, bytes: Option<&[u8]>) -> &'static str {
        let Some(bytes) = bytes else { return "" };
        let mut plain = Vec::new();
        let encoding = self.style.bytes.plain(&mut plain, bytes);
        quote(out, &plain);
        if self.style.bytes.varies() { encoding.name() } else { "" }
    }
}

impl Layout for CsvRecords {
    fn head(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(COLUMNS.as_bytes());
    }

    fn series(&mut self, series: &Series) {
        self.series.clear();
        if let Some(topic) = &series.topic {
            cell(&mut self.series, topic);
        }
        let partition = series.partition.map_or(String::new(), |number| number.to_string());
        self.series.extend_from_slice(format!(",{partition},").as_bytes());
    }

    fn batch(&mut self, view: &BatchView<'_>) {
        let batch = &view.batch;
        let producer = batch.producer();
        let or_empty = |number: Option<i64>| number.map_or(String::new(), |number| number.to_string());
        let mut segment = Vec::new();
        cell(&mut segment, &view.segment.name);
        let before = format!(
            ",{},{},{},{},",
            batch.timestamp_type().name(),
            or_empty(batch.leader_epoch().map(|epoch| epoch.get().into())),
            or_empty(producer.map(|producer| producer.id.get())),
            or_empty(producer.map(|producer| producer.epoch.get().into())),
        );
        let flags = format!(",{},{},", batch.is_transactional(), batch.is_control());
        let after = format!(
            ",{},{},{},{},{},",
            view.position,
            batch.base_offset(),
            codec_name(batch),
            batch.magic(),
            view.crc_ok.map_or(String::new(), |ok| ok.to_string()),
        );
        self.batch = [before.into_bytes(), flags.into_bytes(), [&b","[..], &segment, after.as_bytes()].concat()];
    }

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let [before, flags, after] = &self.batch;
        out.extend_from_slice(&self.series);
        out.extend_from_slice(record.offset.to_string().as_bytes());
        out.push(b',');
        match self.style.time {
            TimeFormat::Rfc3339 if record.timestamp.get() == -1 => {}
            TimeFormat::Rfc3339 => rfc3339(out, record.timestamp.get()),
            TimeFormat::Auto | TimeFormat::Ms => out.extend_from_slice(record.timestamp.to_string().as_bytes()),
        }
        out.extend_from_slice(before);
        out.extend_from_slice(record.sequence.map_or(String::new(), |sequence| sequence.to_string()).as_bytes());
        out.extend_from_slice(flags);
        let mut headers = b"[".to_vec();
        self.headers.headers(&mut headers, record.headers);
        headers.push(b']');
        quote(out, &headers);
        out.push(b',');
        let key_encoding = self.bytes(out, record.key);
        out.push(b',');
        let value_encoding = self.bytes(out, record.value.filter(|_| self.style.values));
        out.extend_from_slice(after);
        out.extend_from_slice(format!("{key_encoding},{value_encoding}\n").as_bytes());
    }

    fn batch_line(&mut self, _: &mut Vec<u8>, _: &BatchView<'_>) {}

    fn damage(&mut self, _: &mut Vec<u8>, _: &Segment, _: &Damage) -> bool {
        false
    }
}

/// Text as a cell: in quotes where it needs them.
fn cell(out: &mut Vec<u8>, text: &str) {
    if text.contains([',', '"', '\n', '\r']) {
        quote(out, text.as_bytes());
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Writes the values and a delimiter behind each; null is empty.
#[derive(Debug)]
pub(crate) struct RawValues {
    pub(crate) delimiter: Vec<u8>,
    pub(crate) bytes: BytesFormat,
}

impl Layout for RawValues {
    fn series(&mut self, _: &Series) {}

    fn batch(&mut self, _: &BatchView<'_>) {}

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let value = record.value.unwrap_or_default();
        match self.bytes {
            BytesFormat::Hex | BytesFormat::Base64 | BytesFormat::Utf8 => drop(self.bytes.plain(out, value)),
            BytesFormat::Auto | BytesFormat::Json => out.extend_from_slice(value),
        }
        out.extend_from_slice(&self.delimiter);
    }

    fn batch_line(&mut self, _: &mut Vec<u8>, _: &BatchView<'_>) {}

    fn damage(&mut self, _: &mut Vec<u8>, _: &Segment, _: &Damage) -> bool {
        false
    }
}
