//! Bytes as text: JSON strings, hexadecimal, base64, and what a terminal may see.
//!
//! These run once for each key and value of a dump. Clean text is found out in blocks and copied whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How keys, values and header values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BytesFormat {
    /// Text where it is valid UTF-8, base64 otherwise, and which of the two
    #[default]
    Auto,
    /// Text; what is not UTF-8 becomes U+FFFD
    Utf8,
    /// Hexadecimal
    Hex,
    /// Base64
    Base64,
    /// JSON values where they are JSON, as auto otherwise
    Json,
}

/// How bytes were written in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Hex,
    Base64,
    Json,
}

impl Encoding {
    /// Its name beside the bytes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Json => "json",
        }
    }
}

impl BytesFormat {
    /// True if each value may be written in its own way, so that it must be said which.
    pub(crate) const fn varies(self) -> bool {
        matches!(self, Self::Auto | Self::Json)
    }

    /// Writes `bytes` as one JSON value.
    #[inline]
    pub(crate) fn json(self, out: &mut Vec<u8>, bytes: &[u8]) -> Encoding {
        match self {
            Self::Auto | Self::Json => match std::str::from_utf8(bytes) {
                Ok(text) => {
                    if self == Self::Json && is_json(text) {
                        // Line ends stand between the parts of a JSON text, never inside them.
                        out.extend(bytes.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
                        return Encoding::Json;
                    }
                    json_string(out, text);
                    Encoding::Utf8
                }
                Err(_) => quoted(out, bytes, base64, Encoding::Base64),
            },
            Self::Utf8 => {
                json_string(out, &String::from_utf8_lossy(bytes));
                Encoding::Utf8
            }
            Self::Hex => quoted(out, bytes, hex, Encoding::Hex),
            Self::Base64 => quoted(out, bytes, base64, Encoding::Base64),
        }
    }

    /// Writes `bytes` as plain text, unquoted and unescaped; where the choice is free, text with control characters is not text.
    pub(crate) fn plain(self, out: &mut Vec<u8>, bytes: &[u8]) -> Encoding {
        let is_text = |text: &str| !text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'));
        match self {
            Self::Auto | Self::Json if std::str::from_utf8(bytes).is_ok_and(is_text) => {
                out.extend_from_slice(bytes);
                Encoding::Utf8
            }
            Self::Utf8 => {
                out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
                Encoding::Utf8
            }
            Self::Hex => {
                hex(out, bytes);
                Encoding::Hex
            }
            Self::Auto | Self::Json | Self::Base64 => {
                base64(out, bytes);
                Encoding::Base64
            }
        }
    }
}

fn quoted(out: &mut Vec<u8>, bytes: &[u8], write: fn(&mut Vec<u8>, &[u8]), encoding: Encoding) -> Encoding {
    out.push(b'"');
    write(out, bytes);
    out.push(b'"');
    encoding
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Writes `text` as a JSON string. Control characters are escaped, those of one byte and of two, so that it is safe on a terminal.
#[inline]
pub(crate) fn json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_clean(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escape_json(out, text);
    }
    out.push(b'"');
}

/// True if nothing in UTF-8 text needs an escape; false for a few characters beside the two-byte controls, which begin alike.
#[inline]
fn is_clean(bytes: &[u8]) -> bool {
    let dirty = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\') | (*byte == 0x7f) | (*byte == 0xc2);
    let mut chunks = bytes.chunks_exact(32);
    chunks.all(|chunk| !chunk.iter().fold(false, |any, byte| any | dirty(byte)))
        && !chunks.remainder().iter().any(dirty)
}

#[cold]
fn escape_json(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_control() => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Writes two hexadecimal digits a byte.
#[inline]
pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [[u8; 2]; 256] = {
        let mut table = [[0; 2]; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 15]];
            byte += 1;
        }
        table
    };
    out.extend(bytes.iter().flat_map(|byte| DIGITS.get(usize::from(*byte)).copied().unwrap_or_default()));
}

/// Writes base64 with padding.
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().div_ceil(3).saturating_mul(4)), 0);
    let written = STANDARD.encode_slice(bytes, out.get_mut(start..).unwrap_or_default());
    out.truncate(start.saturating_add(written.unwrap_or(0)));
}

/// Writes at most `limit` of `bytes` as a person reads them: text as it is, control characters and what is not UTF-8 escaped.
pub(crate) fn shown(out: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let cut = bytes.get(..limit).unwrap_or(bytes);
    for chunk in cut.utf8_chunks() {
        escape_text(out, chunk.valid());
        // A character that the limit cut in two is left out; anything else that is not UTF-8 is shown byte by byte.
        let is_cut = cut.len() < bytes.len() && cut.as_ptr_range().end == chunk.invalid().as_ptr_range().end;
        if !is_cut {
            for byte in chunk.invalid() {
                out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
        }
    }
    if cut.len() < bytes.len() {
        out.extend_from_slice(format!("… ({} bytes more)", bytes.len().saturating_sub(cut.len())).as_bytes());
    }
}

fn escape_text(out: &mut Vec<u8>, text: &str) {
    if is_clean(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for c in text.chars() {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_control() && c.is_ascii() => out.extend_from_slice(format!("\\x{:02x}", u32::from(c)).as_bytes()),
            c if c.is_control() => out.extend_from_slice(format!("\\u{{{:x}}}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(format: BytesFormat, bytes: &[u8]) -> (String, &'static str) {
        let mut out = Vec::new();
        let encoding = format.json(&mut out, bytes);
        (String::from_utf8(out).unwrap(), encoding.name())
    }

    #[test]
    fn every_format_writes_one_json_value_that_says_the_bytes() {
        use BytesFormat::{Auto, Base64, Hex, Json, Utf8};
        for (format, bytes, text, name) in [
            (Auto, &b"plain"[..], r#""plain""#, "utf8"),
            (Auto, b"", r#""""#, "utf8"),
            (Auto, "ümläut « 🦀".as_bytes(), r#""ümläut « 🦀""#, "utf8"),
            (Auto, b"a\"b\\c\n\r\t\x00\x1b\x7f", r#""a\"b\\c\n\r\t\u0000\u001b\u007f""#, "utf8"),
            (Auto, "x\u{9b}31m".as_bytes(), r#""x\u009b31m""#, "utf8"),
            (Auto, b"\xff\xfe", r#""//4=""#, "base64"),
            (Utf8, b"a\xff", "\"a\u{fffd}\"", "utf8"),
            (Hex, b"\x00\xaf1", r#""00af31""#, "hex"),
            (Hex, b"", r#""""#, "hex"),
            (Base64, b"any", r#""YW55""#, "base64"),
            (Json, b"{\"a\": [1,\n 2]}", r#"{"a": [1,  2]}"#, "json"),
            (Json, b"12345678901234567890123", "12345678901234567890123", "json"),
            (Json, b"{not json", r#""{not json""#, "utf8"),
            (Json, b"", r#""""#, "utf8"),
            (Json, b"\"\xff\"", r#""Iv8i""#, "base64"),
        ] {
            assert_eq!(json(format, bytes), (text.to_owned(), name), "{format:?} {bytes:?}");
        }
        let long: String = "0123456789".repeat(20);
        for at in [0, 31, 32, 33, 100, 199] {
            let mut dirty = long.clone();
            dirty.replace_range(at..=at, "\"");
            let written: String = serde_json::from_str(&json(Auto, dirty.as_bytes()).0).unwrap();
            assert_eq!(written, dirty, "a quote at {at}");
        }
    }

    #[test]
    fn people_see_text_and_escapes_and_where_it_was_cut() {
        let people = |bytes: &[u8], limit| {
            let mut out = Vec::new();
            shown(&mut out, bytes, limit);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(people(b"plain \"quoted\"", 512), "plain \"quoted\"");
        assert_eq!(people(b"a\tb\n\x1b[31m\\", 512), "a\\tb\\n\\x1b[31m\\\\");
        assert_eq!(people("\u{9b}31m".as_bytes(), 512), "\\u{9b}31m");
        assert_eq!(people(b"a\xff\xc3", 512), "a\\xff\\xc3");
        assert_eq!(people(b"0123456789", 4), "0123… (6 bytes more)");
        assert_eq!(people("aü".as_bytes(), 2), "a… (1 bytes more)");
        assert_eq!(people(b"0123", 4), "0123");
    }
}
