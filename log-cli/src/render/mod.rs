//! How records and batches are written: for people, for programs, as a template says. Knows no file and no selection.

mod bytes;
mod flat;
mod json;
mod redacted;
pub(crate) mod schema;
mod template;
mod text;
pub(crate) mod time;

use std::fmt::Debug;

use log_engine::Record;

use bytes::BytesFormat;
pub(crate) use bytes::{base64, json_string};
pub(crate) use json::Int64;
use template::Template;
use time::TimeFormat;

use crate::cli::Global;
use crate::error::CliError;
use crate::output::{self, RowFormat};
use crate::redact::RedactArgs;
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// How records are written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How to print")]
pub(crate) struct RenderArgs {
    /// Print each record so: %t-%p %o %d{rfc3339} %k %v{hex}\n (the escapes of rpk)
    #[arg(short = 'f', long, value_name = "TEMPLATE", value_parser = Template::parse, conflicts_with_all = ["format", "json"])]
    template: Option<Template>,
    /// How to write keys and values
    #[arg(long, value_enum, default_value_t, value_name = "HOW", hide_possible_values = true)]
    #[arg(help = "How to write keys and values: auto, utf8, hex, base64, json")]
    bytes: BytesFormat,
    /// How to write times: auto, rfc3339, ms
    #[arg(long, value_enum, default_value_t, value_name = "HOW", hide_possible_values = true)]
    time_format: TimeFormat,
    /// How to write numbers of 64 bits in JSON: number, string
    #[arg(long, value_enum, default_value_t, value_name = "HOW", hide_possible_values = true)]
    int64: Int64,
    /// Leave out the values
    #[arg(long)]
    no_values: bool,
    /// Cut keys and values after so many bytes (text only)
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_value_bytes: usize,
    /// What follows each value in --format raw
    #[arg(long, value_name = "S", default_value = "\\n", value_parser = template::unescape)]
    delimiter: Delimiter,
    #[command(flatten)]
    redact: RedactArgs,
}

/// Bytes of an argument with backslash escapes.
type Delimiter = Vec<u8>;

/// The choices that layouts share.
#[derive(Clone, Debug)]
struct Style {
    bytes: BytesFormat,
    time: TimeFormat,
    int64: Int64,
    /// Whether values are written.
    values: bool,
    /// Bytes of a key or value that a person sees.
    max_value_bytes: usize,
}

/// A way to write records, batches and damage: one after the other into a buffer.
pub(crate) trait Layout: Debug {
    /// What stands before everything.
    fn head(&mut self, _out: &mut Vec<u8>) {}

    /// A partition begins.
    fn series(&mut self, series: &Series);

    /// A batch begins.
    fn batch(&mut self, view: &BatchView<'_>);

    /// Writes a record of the batch.
    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>);

    /// Writes the batch itself.
    fn batch_line(&mut self, out: &mut Vec<u8>, view: &BatchView<'_>);

    /// Writes what could not be read; false if there is no place for it in this layout.
    fn damage(&mut self, out: &mut Vec<u8>, segment: &Segment, damage: &Damage) -> bool;
}

impl RenderArgs {
    /// The layout that is asked for.
    pub(crate) fn layout(&self, global: &Global) -> Result<Box<dyn Layout>, CliError> {
        Ok(without(&self.redact, self.whole_layout(global)?))
    }

    fn whole_layout(&self, global: &Global) -> Result<Box<dyn Layout>, CliError> {
        let is_terminal = output::is_terminal();
        let style = Style {
            bytes: self.bytes,
            time: self.time_format,
            int64: self.int64,
            values: !self.no_values,
            max_value_bytes: self.max_value_bytes,
        };
        if let Some(template) = &self.template {
            return Ok(Box::new(template::Templated::new(template.clone(), is_terminal)));
        }
        Ok(match global.rows() {
            RowFormat::Text => Box::new(text::TextRecords::new(style, output::is_colored())),
            RowFormat::Json | RowFormat::Ndjson => Box::new(json::JsonRecords::new(style)),
            RowFormat::Csv => Box::new(flat::CsvRecords::new(style)),
            RowFormat::Raw if is_terminal => {
                return Err(CliError::Refused {
                    message: "raw bytes are not sent to a terminal".to_owned(),
                    hint: Some("send them to a file or a pipe, or use --format text".to_owned()),
                });
            }
            RowFormat::Raw => Box::new(flat::RawValues { delimiter: self.delimiter.clone(), bytes: self.bytes }),
        })
    }

    /// The form of the whole output: rows, or one JSON document around them.
    pub(crate) fn is_document(&self, global: &Global) -> bool {
        self.template.is_none() && global.rows() == RowFormat::Json
    }

    /// True for the form that people read.
    pub(crate) fn is_text(&self, global: &Global) -> bool {
        self.template.is_none() && global.rows() == RowFormat::Text
    }

    /// True for the forms that can show a batch instead of its records.
    pub(crate) fn shows_batches(&self, global: &Global) -> bool {
        self.template.is_none() && !global.rows().is_for_records()
    }
}

/// JSON lines that say all there is of a record and its batch, so that the same can be written again; rows of a table if it `is_table`.
pub(crate) fn lossless(is_table: bool) -> Box<dyn Layout> {
    let style = Style {
        bytes: BytesFormat::Auto,
        time: TimeFormat::Ms,
        int64: Int64::Number,
        values: true,
        max_value_bytes: usize::MAX,
    };
    if is_table { Box::new(flat::CsvRecords::new(style)) } else { Box::new(json::JsonRecords::with_batches(style)) }
}

/// The same layout, which does not see what is to be taken out.
pub(crate) fn without(redact: &RedactArgs, layout: Box<dyn Layout>) -> Box<dyn Layout> {
    match redact.redaction() {
        Some(redaction) => Box::new(redacted::RedactedRecords::new(layout, redaction)),
        None => layout,
    }
}

/// Text with control characters escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    bytes::shown(&mut out, text.as_bytes(), usize::MAX);
    String::from_utf8_lossy(&out).into_owned()
}

/// Where damage is and what it is, behind its name.
pub(crate) fn damage_line(label: &str, segment: &Segment, damage: &Damage) -> String {
    let offset = damage.offset.map_or(String::new(), |offset| format!(" offset {offset}:"));
    format!("\t{label}/{} @{}:{offset} {}", escaped(&segment.name), damage.position, damage.message)
}
