//! Records for people: one line each, partition and offset first, nothing that a terminal would obey.

use std::io::Write;

use anstyle::{AnsiColor, Style as Paint};
use log_engine::Record;
use log_engine::batch::ControlRecord;

use super::bytes::shown;
use super::json::codec_name;
use super::time::{TimeFormat, rfc3339};
use super::{BytesFormat, Layout, Style};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// Writes records as lines of columns with a tab between them: where, when, key, value, headers.
#[derive(Debug)]
pub(crate) struct TextRecords {
    style: Style,
    palette: Palette,
    label: String,
    is_control: bool,
}

/// The colours; all of them plain where nobody sees them.
#[derive(Clone, Copy, Debug, Default)]
struct Palette {
    place: Paint,
    faint: Paint,
    bad: Paint,
}

impl TextRecords {
    pub(crate) fn new(style: Style, color: bool) -> Self {
        let colors = Palette {
            place: AnsiColor::Cyan.on_default(),
            faint: Paint::new().dimmed(),
            bad: AnsiColor::Red.on_default().bold(),
        };
        let palette = if color { colors } else { Palette::default() };
        Self { style, palette, label: String::new(), is_control: false }
    }

    fn bytes(&self, out: &mut Vec<u8>, bytes: Option<&[u8]>) {
        let limit = self.style.max_value_bytes;
        match (bytes, self.style.bytes) {
            (None, _) => self.faint(out, "(null)"),
            (Some(bytes), BytesFormat::Hex | BytesFormat::Base64) => {
                let cut = bytes.get(..limit).unwrap_or(bytes);
                self.style.bytes.plain(out, cut);
                if cut.len() < bytes.len() {
                    self.faint(out, &format!("… ({} bytes more)", bytes.len().saturating_sub(cut.len())));
                }
            }
            (Some(bytes), _) => shown(out, bytes, limit),
        }
    }

    fn faint(&self, out: &mut Vec<u8>, text: &str) {
        painted(out, self.palette.faint, text.as_bytes());
    }

    fn value(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        if self.is_control {
            return self.faint(out, &control(record));
        }
        match record.value {
            Some(value) if !self.style.values => self.faint(out, &format!("({} bytes)", value.len())),
            value => self.bytes(out, value),
        }
    }
}

impl Layout for TextRecords {
    fn series(&mut self, series: &Series) {
        self.label = super::escaped(&series.label());
    }

    fn batch(&mut self, view: &BatchView<'_>) {
        self.is_control = view.batch.is_control();
    }

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let place = format!("{}:{}", self.label, record.offset);
        painted(out, self.palette.place, place.as_bytes());
        out.push(b'\t');
        let mut time = Vec::new();
        match (self.style.time, record.timestamp.get()) {
            (_, -1) => time.extend_from_slice(b"-"),
            (TimeFormat::Ms, ms) => time.extend_from_slice(ms.to_string().as_bytes()),
            (_, ms) => rfc3339(&mut time, ms),
        }
        painted(out, self.palette.faint, &time);
        out.push(b'\t');
        if self.is_control {
            self.faint(out, "-")
        } else {
            self.bytes(out, record.key)
        }
        out.push(b'\t');
        self.value(out, record);
        for (i, header) in record.headers.enumerate() {
            out.push(if i == 0 { b'\t' } else { b' ' });
            shown(out, header.key, self.style.max_value_bytes);
            out.push(b'=');
            self.bytes(out, header.value);
        }
        out.push(b'\n');
    }

    /// The line of Kafka's own tool, behind the place.
    fn batch_line(&mut self, out: &mut Vec<u8>, view: &BatchView<'_>) {
        let batch = &view.batch;
        let place = format!("{}/{}", self.label, super::escaped(&view.segment.name));
        painted(out, self.palette.place, place.as_bytes());
        let _ = match batch.header() {
            Some(header) => write!(
                out,
                ": baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
                 producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
                header.base_offset(),
                header.last_offset(),
                header.records_count(),
                header.base_sequence(),
                header.last_sequence(),
                header.producer_id(),
                header.producer_epoch(),
                header.leader_epoch(),
                batch.is_transactional(),
                batch.is_control(),
                batch.delete_horizon().map_or("OptionalLong.empty".to_owned(), |ms| format!("OptionalLong[{ms}]")),
            ),
            None => write!(out, ": offset: {}", batch.last_offset()),
        };
        let _ = writeln!(
            out,
            " position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}",
            view.position,
            batch.timestamp_type().name(),
            batch.max_timestamp(),
            batch.bytes().len(),
            batch.magic(),
            codec_name(batch),
            batch.stored_crc(),
            view.crc_ok.map_or("unchecked".to_owned(), |ok| ok.to_string()),
        );
    }

    fn damage(&mut self, out: &mut Vec<u8>, segment: &Segment, damage: &Damage) -> bool {
        let what = damage.code.map_or("left out".to_owned(), |code| format!("damage {code}"));
        painted(out, self.palette.bad, what.as_bytes());
        out.extend_from_slice(super::damage_line(&self.label, segment, damage).as_bytes());
        out.push(b'\n');
        true
    }
}

/// What a control record says.
fn control(record: &Record<'_>) -> String {
    match ControlRecord::parse(record) {
        Ok(ControlRecord::EndTransaction { commit, coordinator_epoch, .. }) => {
            format!("{} (coordinator epoch {coordinator_epoch})", if commit { "COMMIT" } else { "ABORT" })
        }
        Ok(ControlRecord::LeaderChange { leader_id, .. }) => format!("LEADER_CHANGE (leader {leader_id})"),
        Ok(ControlRecord::KRaftVersion { kraft_version, .. }) => format!("KRAFT_VERSION ({kraft_version})"),
        Ok(_) | Err(_) => {
            let kind = log_engine::batch::ControlType::parse(record.key.unwrap_or_default());
            kind.map_or("unreadable control record", log_engine::batch::ControlType::name).to_owned()
        }
    }
}

fn painted(out: &mut Vec<u8>, paint: Paint, text: &[u8]) {
    let _ = write!(out, "{paint}");
    out.extend_from_slice(text);
    let _ = write!(out, "{paint:#}");
}
