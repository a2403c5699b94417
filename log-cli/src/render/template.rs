//! Records as a template says: the percent escapes of `rpk topic consume`.

use jiff::Timestamp;
use log_engine::Record;
use log_engine::batch::TimestampType;

use super::bytes::{base64, hex, shown};
use super::json::codec_name;
use super::time::rfc3339;
use super::{Layout, escaped};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage};

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Text(Text, TextForm),
    Number(Number, NumberForm),
    Time(TimeForm),
    Attribute(Attribute),
    /// For each header; keys and values in it are the header's.
    Headers(Vec<Piece>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Topic,
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextForm {
    Plain,
    Hex,
    Base64,
    /// Without padding.
    Base64Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    TopicLength,
    KeyLength,
    ValueLength,
    HeaderCount,
    Partition,
    Offset,
    LeaderEpoch,
    Timestamp,
    ProducerId,
    ProducerEpoch,
    Iteration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberForm {
    Ascii,
    /// So many hexadecimal digits.
    Hex(usize),
    /// So many bytes, the highest first.
    Big(usize),
    /// So many bytes, the lowest first.
    Little(usize),
    Bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TimeForm {
    Rfc3339,
    Strftime(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Compression,
    TimestampType,
    Transactional,
    Control,
}

/// The escapes, for who got one wrong.
const ESCAPES: &str = "%t topic, %p partition, %o offset, %d time, %k key, %v value, %h{%k=%v } headers, %e leader epoch, %x producer \
     id, %y producer epoch, %T %K %V lengths, %H header count, %a{compression}, %i count, %% percent";

impl Template {
    /// Takes a template apart.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let pieces = pieces(&mut rest, false)?;
        Ok(Self(pieces))
    }
}

fn pieces(rest: &mut &str, in_headers: bool) -> Result<Vec<Piece>, String> {
    let mut found = Vec::new();
    let mut literal = Vec::new();
    while let Some(c) = take(rest) {
        match c {
            '}' if in_headers => {
                flush(&mut found, &mut literal);
                return Ok(found);
            }
            '\\' => literal.extend(backslash(rest)?),
            '%' => match percent(rest, in_headers)? {
                Piece::Literal(bytes) => literal.extend(bytes),
                piece => {
                    flush(&mut found, &mut literal);
                    found.push(piece);
                }
            },
            c => literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if in_headers {
        return Err("the braces of %h{...} are not closed".to_owned());
    }
    flush(&mut found, &mut literal);
    Ok(found)
}

fn flush(found: &mut Vec<Piece>, literal: &mut Vec<u8>) {
    if !literal.is_empty() {
        found.push(Piece::Literal(std::mem::take(literal)));
    }
}

fn take(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = rest.get(c.len_utf8()..).unwrap_or_default();
    Some(c)
}

/// What stands behind a backslash, as bytes.
fn backslash(rest: &mut &str) -> Result<Vec<u8>, String> {
    let byte = match take(rest) {
        Some('t') => b'\t',
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            *rest = rest.get(2..).unwrap_or_default();
            digits.ok_or("\\x needs two hexadecimal digits")?
        }
        _ => return Err("a backslash begins \\t, \\n, \\r, \\0, \\\\ or \\xNN".to_owned()),
    };
    Ok(vec![byte])
}

/// Bytes of a text with backslash escapes.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut rest = text;
    let mut out = Vec::new();
    while let Some(c) = take(&mut rest) {
        match c {
            '\\' => out.extend(backslash(&mut rest)?),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(out)
}

/// What stands behind a percent sign.
fn percent(rest: &mut &str, in_headers: bool) -> Result<Piece, String> {
    let c = take(rest).ok_or("a percent sign stands alone at the end; %% is one percent sign")?;
    if matches!(c, '%' | '{' | '}') {
        return Ok(Piece::Literal(vec![u8::try_from(c).unwrap_or(b'%')]));
    }
    if c == 'h' {
        if in_headers || take(rest) != Some('{') {
            return Err("%h is followed by what to write for each header: %h{%k=%v }".to_owned());
        }
        return Ok(Piece::Headers(pieces(rest, true)?));
    }
    let modifier = modifier(rest)?;
    let text = |which| text_form(modifier).map(|form| Piece::Text(which, form));
    let number = |which| number_form(modifier).map(|form| Piece::Number(which, form));
    match c {
        't' => text(Text::Topic),
        'k' => text(Text::Key),
        'v' => text(Text::Value),
        'T' => number(Number::TopicLength),
        'K' => number(Number::KeyLength),
        'V' => number(Number::ValueLength),
        'H' => number(Number::HeaderCount),
        'p' => number(Number::Partition),
        'o' => number(Number::Offset),
        'e' => number(Number::LeaderEpoch),
        'x' => number(Number::ProducerId),
        'y' => number(Number::ProducerEpoch),
        'i' => number(Number::Iteration),
        'd' => match modifier {
            "rfc3339" => Ok(Piece::Time(TimeForm::Rfc3339)),
            _ => match modifier.strip_prefix("strftime[").and_then(|form| form.strip_suffix(']')) {
                Some(form) => strftime(form).map(Piece::Time),
                None => number(Number::Timestamp),
            },
        },
        'a' => attribute(modifier).map(Piece::Attribute),
        other => Err(format!("%{other} is no escape; there are {ESCAPES}")),
    }
}

/// What stands in braces; empty if there are none. Braces within brackets belong to it.
fn modifier<'t>(rest: &mut &'t str) -> Result<&'t str, String> {
    let Some(inner) = rest.strip_prefix('{') else { return Ok("") };
    let end = match inner.find('[').filter(|bracket| inner.find('}').is_none_or(|brace| *bracket < brace)) {
        Some(_) => inner.find("]}").map(|end| end + 1),
        None => inner.find('}'),
    };
    let end = end.ok_or("a brace is not closed; %{ is one brace")?;
    *rest = inner.get(end + 1..).unwrap_or_default();
    Ok(inner.get(..end).unwrap_or_default())
}

fn text_form(modifier: &str) -> Result<TextForm, String> {
    match modifier {
        "" | "utf8" => Ok(TextForm::Plain),
        "hex" => Ok(TextForm::Hex),
        "base64" => Ok(TextForm::Base64),
        "base64raw" => Ok(TextForm::Base64Raw),
        other => Err(format!("{{{other}}} is no form of text; hex, base64, base64raw and utf8 are")),
    }
}

fn number_form(modifier: &str) -> Result<NumberForm, String> {
    Ok(match modifier {
        "" | "ascii" | "number" => NumberForm::Ascii,
        "hex64" => NumberForm::Hex(16),
        "hex32" => NumberForm::Hex(8),
        "hex16" => NumberForm::Hex(4),
        "hex8" => NumberForm::Hex(2),
        "hex4" => NumberForm::Hex(1),
        "big64" => NumberForm::Big(8),
        "big32" => NumberForm::Big(4),
        "big16" => NumberForm::Big(2),
        "byte" | "big8" | "little8" => NumberForm::Big(1),
        "little64" => NumberForm::Little(8),
        "little32" => NumberForm::Little(4),
        "little16" => NumberForm::Little(2),
        "bool" => NumberForm::Bool,
        other => {
            return Err(format!(
                "{{{other}}} is no form of a number; ascii, hex64 to hex4, big64 to big8, little64 to little8, byte and bool are"
            ));
        }
    })
}

fn strftime(form: &str) -> Result<TimeForm, String> {
    jiff::fmt::strtime::format(form, &Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC))
        .map(|_| TimeForm::Strftime(form.to_owned()))
        .map_err(|e| format!("strftime[{form}]: {e}"))
}

fn attribute(modifier: &str) -> Result<Attribute, String> {
    match modifier {
        "compression" => Ok(Attribute::Compression),
        "timestamp-type" => Ok(Attribute::TimestampType),
        "transactional-bit" => Ok(Attribute::Transactional),
        "control-bit" => Ok(Attribute::Control),
        _ => Err("%a names what it means: %a{compression}, %a{timestamp-type}, %a{transactional-bit}, %a{control-bit}"
            .to_owned()),
    }
}

/// Writes records as a template says.
#[derive(Debug)]
pub(crate) struct Templated {
    template: Template,
    /// Whether a terminal reads it: then control characters of the data are escaped.
    for_terminal: bool,
    topic: String,
    partition: i64,
    count: i64,
    batch: BatchFacts,
}

/// What all records of a batch have in common.
#[derive(Clone, Debug, Default)]
struct BatchFacts {
    leader_epoch: i64,
    producer: (i64, i64),
    codec: String,
    timestamp_type: i64,
    is_transactional: bool,
    is_control: bool,
}

impl Templated {
    pub(crate) fn new(template: Template, for_terminal: bool) -> Self {
        let batch = BatchFacts::default();
        Self { template, for_terminal, topic: String::new(), partition: -1, count: 0, batch }
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        pieces: &[Piece],
        record: &Record<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        for piece in pieces {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Text(which, form) => {
                    let bytes = match which {
                        Text::Topic => self.topic.as_bytes(),
                        Text::Key => key.unwrap_or_default(),
                        Text::Value => value.unwrap_or_default(),
                    };
                    self.text(out, bytes, *form);
                }
                Piece::Number(which, form) => {
                    let number = match which {
                        Number::TopicLength => length(Some(self.topic.as_bytes())),
                        Number::KeyLength => length(key),
                        Number::ValueLength => length(value),
                        Number::HeaderCount => i64::try_from(record.headers.len()).unwrap_or(i64::MAX),
                        Number::Partition => self.partition,
                        Number::Offset => record.offset.get(),
                        Number::LeaderEpoch => self.batch.leader_epoch,
                        Number::Timestamp => record.timestamp.get(),
                        Number::ProducerId => self.batch.producer.0,
                        Number::ProducerEpoch => self.batch.producer.1,
                        Number::Iteration => self.count,
                    };
                    write_number(out, number, *form);
                }
                Piece::Time(form) => write_time(out, record.timestamp.get(), form),
                Piece::Attribute(which) => {
                    let text = match which {
                        Attribute::Compression => self.batch.codec.clone(),
                        Attribute::TimestampType => self.batch.timestamp_type.to_string(),
                        Attribute::Transactional => u8::from(self.batch.is_transactional).to_string(),
                        Attribute::Control => u8::from(self.batch.is_control).to_string(),
                    };
                    out.extend_from_slice(text.as_bytes());
                }
                Piece::Headers(pieces) => {
                    for header in record.headers {
                        self.write(out, pieces, record, Some(header.key), header.value);
                    }
                }
            }
        }
    }

    fn text(&self, out: &mut Vec<u8>, bytes: &[u8], form: TextForm) {
        match form {
            TextForm::Plain if self.for_terminal => shown(out, bytes, usize::MAX),
            TextForm::Plain => out.extend_from_slice(bytes),
            TextForm::Hex => hex(out, bytes),
            TextForm::Base64 => base64(out, bytes),
            TextForm::Base64Raw => {
                let start = out.len();
                base64(out, bytes);
                while out.len() > start && out.last() == Some(&b'=') {
                    out.pop();
                }
            }
        }
    }
}

fn length(bytes: Option<&[u8]>) -> i64 {
    i64::try_from(bytes.unwrap_or_default().len()).unwrap_or(i64::MAX)
}

fn write_number(out: &mut Vec<u8>, number: i64, form: NumberForm) {
    let bytes = number.to_be_bytes();
    match form {
        NumberForm::Ascii => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        NumberForm::Hex(digits) => {
            let all = format!("{number:016x}");
            out.extend_from_slice(all.get(16 - digits..).unwrap_or(&all).as_bytes());
        }
        NumberForm::Big(size) => out.extend_from_slice(bytes.get(8 - size..).unwrap_or(&bytes)),
        NumberForm::Little(size) => out.extend(bytes.iter().rev().take(size)),
        NumberForm::Bool => out.extend_from_slice(if number == 0 { b"false" } else { b"true" }),
    }
}

fn write_time(out: &mut Vec<u8>, ms: i64, form: &TimeForm) {
    match (form, Timestamp::from_millisecond(ms)) {
        (TimeForm::Strftime(form), Ok(timestamp)) => {
            let text = jiff::fmt::strtime::format(form, &timestamp.to_zoned_datetime(jiff::tz::TimeZone::UTC));
            out.extend_from_slice(text.unwrap_or_else(|_| ms.to_string()).as_bytes());
        }
        _ => rfc3339(out, ms),
    }
}

impl Layout for Templated {
    fn series(&mut self, series: &Series) {
        let topic = series.topic.clone().unwrap_or_default();
        self.topic = if self.for_terminal { escaped(&topic) } else { topic };
        self.partition = series.partition.map_or(-1, i64::from);
    }

    fn batch(&mut self, view: &BatchView<'_>) {
        let batch = &view.batch;
        let producer = batch.producer();
        self.batch = BatchFacts {
            leader_epoch: batch.leader_epoch().map_or(-1, |epoch| epoch.get().into()),
            producer: producer.map_or((-1, -1), |producer| (producer.id.get(), producer.epoch.get().into())),
            codec: codec_name(batch),
            timestamp_type: match batch.timestamp_type() {
                TimestampType::None => -1,
                TimestampType::CreateTime => 0,
                TimestampType::LogAppendTime => 1,
            },
            is_transactional: batch.is_transactional(),
            is_control: batch.is_control(),
        };
    }

    fn record(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        self.count = self.count.saturating_add(1);
        self.write(out, &self.template.0, record, record.key, record.value);
    }

    fn batch_line(&mut self, _: &mut Vec<u8>, _: &BatchView<'_>) {}

    fn damage(&mut self, _: &mut Vec<u8>, _: &Segment, _: &Damage) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use log_engine::batch::Header;
    use log_engine::{Batch, BatchBuilder, LeaderEpoch, Offset, Scratch, Timestamp as Time};

    use super::*;

    /// What a template makes of one record: offset 258, time 1000, key `k`, value `a` 0xff, headers `h` and `i` (null).
    fn written(template: &str, for_terminal: bool) -> String {
        let headers = [Header { key: b"h", value: Some(b"x") }, Header { key: b"i", value: None }];
        let mut builder = BatchBuilder::new(Offset::new(258)).leader_epoch(LeaderEpoch::new(7));
        builder.push(Time::new(1000), Some(b"k"), Some(b"a\n\xff"), &headers).unwrap();
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        let segment = Segment { base: 258, name: "x.log".to_owned(), path: None, len: 0 };
        let series = Series {
            topic: Some("orders".to_owned()),
            partition: Some(3),
            folder: None,
            segments: vec![segment.clone()],
            is_live: false,
        };
        let mut layout = Templated::new(Template::parse(template).unwrap(), for_terminal);
        let batch = Batch::parse(&bytes).unwrap();
        layout.series(&series);
        layout.batch(&BatchView { segment: &segment, position: 0, batch, crc_ok: Some(true) });
        let mut scratch = Scratch::default();
        let mut out = Vec::new();
        for record in batch.records(&mut scratch).unwrap() {
            layout.record(&mut out, &record.unwrap());
        }
        out.iter().map(|byte| char::from(*byte)).collect()
    }

    #[test]
    fn every_escape_writes_its_field() {
        for (template, expected) in [
            ("%t-%p %o", "orders-3 258"),
            ("%d %d{rfc3339} %d{strftime[%H:%M:%S]}", "1000 1970-01-01T00:00:01.000Z 00:00:01"),
            ("%k{hex} %v{hex} %v{base64} %v{base64raw}", "6b 610aff YQr/ YQr/"),
            ("%k{base64} %k{base64raw}", "aw== aw"),
            ("%T %K %V %H", "6 1 3 2"),
            ("%h{%k=%v;}", "h=x;i=;"),
            ("%h{%K%{%V%}}", "1{1}1{0}"),
            ("%e %x %y %i", "7 -1 -1 1"),
            ("%a{compression} %a{timestamp-type} %a{transactional-bit} %a{control-bit}", "none 0 0 0"),
            ("%o{hex16} %o{hex4} %o{hex64}", "0102 2 0000000000000102"),
            ("%o{big16}%o{little16}%o{byte}", "\x01\x02\x02\x01\x02"),
            ("%o{bool} %K{ascii}", "true 1"),
            ("100%%\\t%{\\x41\\0%}\\\\", "100%\t{A\0}\\"),
        ] {
            assert_eq!(written(template, false), expected, "{template}");
        }
        assert_eq!(written("%v", false), "a\n\u{ff}");
        assert_eq!(written("%v", true), "a\\n\\xff", "a terminal obeys nothing");
    }

    #[test]
    fn wrong_templates_say_what_is_wrong() {
        for (template, reason) in [
            ("%q", "%q is no escape"),
            ("%", "stands alone"),
            ("%k{rot13}", "{rot13} is no form of text"),
            ("%o{hex5}", "{hex5} is no form of a number"),
            ("%d{strftime[%Q%]}", "strftime"),
            ("%k{hex", "not closed"),
            ("%h{%k", "not closed"),
            ("%h", "followed by"),
            ("%h{%h{%k}}", "followed by"),
            ("%a", "names what it means"),
            ("\\q", "backslash"),
            ("\\x4", "hexadecimal"),
        ] {
            let refused = Template::parse(template).unwrap_err();
            assert!(refused.contains(reason), "{template}: {refused}");
        }
    }
}
