//! The text form of Java's `Properties`: keys and values, comments, escapes, lines that go on. Knows no key.
//!
//! Bytes are ISO 8859-1, as `Properties.load(InputStream)` takes them. What is read keeps its order and its comments, so a file as
//! Java writes it is encoded to the same bytes; other spellings (`key : value`, a line in two) are kept in content only.

use super::java::{Lines, MAX_LINE_BYTES};
use crate::error::Malformed;

/// The contents of a properties file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// A comment or a blank line, as it stands there.
    Comment(Vec<u8>),
    Property(Property),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: String,
    /// The line it begins on, counted from 1.
    pub(super) line: u64,
    /// Where in the file that line begins.
    pub(super) at: usize,
}

impl Properties {
    /// Java: `Properties.load`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut lines = Lines::new(bytes)?;
        while let Some(line) = lines.next().transpose()? {
            let text = skip_blanks(line.bytes);
            if matches!(text, [] | [b'#' | b'!', ..]) {
                pieces.push(Piece::Comment(line.bytes.to_vec()));
                continue;
            }
            let mut logical = text.to_vec();
            while goes_on(&logical) {
                logical.pop();
                let Some(next) = lines.next().transpose()? else { break };
                logical.extend_from_slice(skip_blanks(next.bytes));
            }
            let (key, value) = split(&logical);
            let read = |text: &[u8]| unescape(text).ok_or_else(|| line.malformed("`\\u` with four hexadecimal digits"));
            pieces.push(Piece::Property(Property {
                key: read(key)?,
                value: read(value)?,
                line: line.number,
                at: line.at,
            }));
        }
        Ok(Self { pieces })
    }

    /// Java: `Properties.store`; but a property too long for a line that is read ([`MAX_LINE_BYTES`]) goes on in the next.
    /// These keys and values, in this order.
    pub(super) fn of(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let property =
            |(key, value): (&str, String)| Piece::Property(Property { key: key.to_owned(), value, line: 0, at: 0 });
        Self { pieces: values.into_iter().map(property).collect() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Comment(text) => out.extend_from_slice(text),
                Piece::Property(property) => {
                    let start = out.len();
                    property.encode(usize::MAX, &mut out);
                    if out.len() - start > MAX_LINE_BYTES {
                        out.truncate(start);
                        property.encode(MAX_LINE_BYTES, &mut out);
                    }
                }
            }
            out.push(b'\n');
        }
        out
    }

    /// The keys and values in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Property> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Property(property) => Some(property),
            Piece::Comment(_) => None,
        })
    }

    /// The last property of that key, which is the one that counts.
    pub(super) fn get(&self, key: &str) -> Option<&Property> {
        self.iter().filter(|property| property.key == key).last()
    }
}

impl Property {
    /// Writes it with `room` in its first line.
    fn encode(&self, mut room: usize, out: &mut Vec<u8>) {
        escape(&self.key, true, &mut room, out);
        put(b"=", &mut room, out);
        escape(&self.value, false, &mut room, out);
    }
}

/// `text` without the blanks at its start.
fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\x0c', rest @ ..] = text {
        text = rest;
    }
    text
}

/// Whether a line ends with a backslash that is not itself escaped.
fn goes_on(line: &[u8]) -> bool {
    line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Key and value, still escaped. The key ends at the first `=`, `:` or blank that no backslash escapes; blanks and one `=` or `:`
/// follow it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let ends_key = |byte: &u8| {
        let ends = !escaped && matches!(*byte, b'=' | b':' | b' ' | b'\t' | b'\x0c');
        escaped = !escaped && *byte == b'\\';
        ends
    };
    let (key, rest) = line.split_at(line.iter().position(ends_key).unwrap_or(line.len()));
    match skip_blanks(rest) {
        [b'=' | b':', value @ ..] => (key, skip_blanks(value)),
        value => (key, value),
    }
}

/// The text that escapes stand for; `None` at a `\u` without four hexadecimal digits.
fn unescape(text: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        units.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'u') => (0..4).try_fold(0, |unit, _| {
                    let digit = char::from(bytes.next()?).to_digit(16)?;
                    Some(unit << 4 | u16::try_from(digit).ok()?)
                })?,
                Some(b't') => u16::from(b'\t'),
                Some(b'n') => u16::from(b'\n'),
                Some(b'r') => u16::from(b'\r'),
                Some(b'f') => 0x0c,
                Some(other) => u16::from(other),
                None => break,
            },
            byte => u16::from(byte),
        });
    }
    Some(String::from_utf16_lossy(&units))
}

/// Writes `text` so that [`split`] and [`unescape`] give it back. `room` is left in the line.
///
/// Java: `Properties.saveConvert`, in which a writer's bytes above ASCII stay as they are.
fn escape(text: &str, is_key: bool, room: &mut usize, out: &mut Vec<u8>) {
    for (i, c) in text.chars().enumerate() {
        match c {
            // A blank that begins a line would be skipped.
            ' ' if is_key || i == 0 || *room <= " \\".len() => put(b"\\ ", room, out),
            '\t' => put(b"\\t", room, out),
            '\n' => put(b"\\n", room, out),
            '\r' => put(b"\\r", room, out),
            '\x0c' => put(b"\\f", room, out),
            '=' | ':' | '#' | '!' | '\\' => put(&[b'\\', c as u8], room, out),
            _ => match u8::try_from(c) {
                Ok(byte) => put(&[byte], room, out),
                Err(_) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        put(format!("\\u{unit:04X}").as_bytes(), room, out);
                    }
                }
            },
        }
    }
}

/// Writes what must not be torn apart, on a new line if the rest of this one is needed for the backslash that lets it go on.
fn put(whole: &[u8], room: &mut usize, out: &mut Vec<u8>) {
    if whole.len() >= *room {
        out.extend_from_slice(b"\\\n");
        *room = MAX_LINE_BYTES;
    }
    *room = room.saturating_sub(whole.len());
    out.extend_from_slice(whole);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let properties = Properties::parse(text.as_bytes()).unwrap();
        properties.iter().map(|property| (property.key.clone(), property.value.clone())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    /// The examples of the documentation of `Properties.load(Reader)`, and a few of the same kind.
    #[test]
    fn keys_and_values_are_those_that_java_reads() {
        for text in [
            "Truth = Beauty",
            " Truth:Beauty",
            "Truth                    :Beauty",
            "Truth Beauty",
            "Truth\t=\x0cBeauty",
        ] {
            assert_eq!(pairs(text), [pair("Truth", "Beauty")], "{text:?}");
        }
        let lines = "fruits                           apple, banana, pear, \\\r\n  cantaloupe, \\\n\t# no comment";
        assert_eq!(pairs(lines), [pair("fruits", "apple, banana, pear, cantaloupe, # no comment")]);
        for text in ["cheeses", "cheeses=", "cheeses:  ", "cheeses \\"] {
            assert_eq!(pairs(text), [pair("cheeses", "")], "{text:?}");
        }
        assert_eq!(pairs("=="), [pair("", "=")]);
        assert_eq!(pairs("a = b "), [pair("a", "b ")], "blanks at the end belong to the value");
        assert_eq!(pairs("a\\=b\\:c\\ d=e=f"), [pair("a=b:c d", "e=f")]);
        assert_eq!(pairs("a=\\t\\n\\r\\f\\\\\\q\\u00e9\\uD83D\\uDE00"), [pair("a", "\t\n\r\x0c\\qé😀")]);
        assert_eq!(pairs("a=1\\\\\nb=2"), [pair("a", "1\\"), pair("b", "2")], "an escaped backslash ends the line");
        assert_eq!(pairs(" \t\n#x=1\n  !y=2\\\nz=3\n"), [pair("z", "3")], "comments do not go on");
        assert_eq!(pairs("a=\u{e9}"), [pair("a", "\u{c3}\u{a9}")], "bytes are ISO 8859-1");
    }

    #[test]
    fn the_last_value_of_a_key_counts() {
        let properties = Properties::parse(b"a=1\nb=2\na=3\n").unwrap();
        let a = properties.get("a").unwrap();
        assert_eq!((a.value.as_str(), a.line, a.at), ("3", 3, 8));
        assert_eq!(properties.get("c"), None);
    }

    #[test]
    fn a_broken_unicode_escape_is_refused_where_it_stands() {
        for value in ["\\u", "\\u12", "\\u12g4"] {
            assert_eq!(Properties::parse(format!("a=1\nb={value}\n").as_bytes()).unwrap_err().at, 4, "{value}");
        }
    }

    #[test]
    fn a_file_as_java_writes_it_is_encoded_to_the_same_bytes() {
        let text = b"#\n#Tue Nov 24 13:45:20 UTC 2026\n\na\\ b\\:c=\\ d e\\=\\u20AC\xe9\\t\n".as_slice();
        assert_eq!(Properties::parse(text).unwrap().encode(), text);
    }

    /// At, below and above what fits, with each kind of character at the end of a line.
    #[test]
    fn what_is_too_long_for_a_line_goes_on_in_the_next() {
        for last in ["x", " ", "  ", "=", "\u{e9}", "\u{20ac}", "\u{1f600}"] {
            for len in MAX_LINE_BYTES - 20..MAX_LINE_BYTES + 3 {
                let piece = Property { key: "a".to_owned(), value: "x".repeat(len) + last + "y", line: 1, at: 0 };
                let properties = Properties { pieces: vec![Piece::Property(piece)] };
                let bytes = properties.encode();
                assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= MAX_LINE_BYTES));
                assert_eq!(Properties::parse(&bytes), Ok(properties), "{last:?} at {len}");
            }
        }
        let lines = |len: usize| {
            let piece = Property { key: "a".to_owned(), value: "x".repeat(len), line: 1, at: 0 };
            let bytes = Properties { pieces: vec![Piece::Property(piece)] }.encode();
            bytes.iter().filter(|byte| **byte == b'\n').count()
        };
        assert_eq!((lines(MAX_LINE_BYTES - 2), lines(MAX_LINE_BYTES - 1)), (1, 2));
    }

    proptest! {
        #[test]
        fn any_key_and_value_survive(key in any::<String>(), value in any::<String>()) {
            let piece = Piece::Property(Property { key, value, line: 1, at: 0 });
            let properties = Properties { pieces: vec![piece] };
            let bytes = properties.encode();
            prop_assert_eq!(Properties::parse(&bytes).unwrap(), properties);
        }
    }
}
