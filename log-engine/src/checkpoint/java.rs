//! How Java reads text, where its ways decide what Kafka accepts: line ends, whitespace, digits. And the bounds of text files.

use crate::error::{Malformed, Rule};

/// The largest text file that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 16 << 20;
/// The most lines of a text file.
pub const MAX_LINES: u64 = 1_000_000;
/// The longest line of a text file, in bytes without its end.
pub const MAX_LINE_BYTES: usize = 1 << 10;

/// The longest piece of a file that an error quotes, in characters.
const MAX_EXCERPT: usize = 80;

/// One line without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Counted from 1.
    pub(super) number: u64,
    /// Bytes before it in the file.
    pub(super) at: usize,
    /// Its bytes.
    pub(super) bytes: &'a [u8],
}

impl<'a> Line<'a> {
    /// Its text; an error if it is not UTF-8.
    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes).map_err(|_| self.malformed("UTF-8 text"))
    }

    /// The error that this line is not what is expected.
    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        let found = excerpt(&String::from_utf8_lossy(self.bytes));
        Malformed::new(self.at, Rule::Text { line: self.number, found, expected })
    }
}

/// The lines of a file, ended by `\n`, `\r` or `\r\n`, or by the end of the file. Ends after an error.
///
/// Java: `BufferedReader.readLine`.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    at: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// The lines of `bytes`, whatever their character set.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(Malformed::new(0, Rule::TooLarge { what: "text file", limit: MAX_TEXT_BYTES as u64 }));
        }
        Ok(Self { rest: bytes, at: 0, number: 0 })
    }

    /// The lines of `bytes`, all of which are UTF-8 and within the bounds. Checked at once, as Java decodes a whole buffer before
    /// it looks at the first line.
    pub(super) fn of_text(bytes: &'a [u8]) -> Result<Self, Malformed> {
        for line in Self::new(bytes)? {
            line?.text()?;
        }
        Self::new(bytes)
    }

    fn refuse(&mut self, rule: Rule) -> Option<Result<Line<'a>, Malformed>> {
        self.rest = &[];
        Some(Err(Malformed::new(self.at, rule)))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        if self.number > MAX_LINES {
            return self.refuse(Rule::TooMany { what: "lines", limit: MAX_LINES });
        }
        let len = memchr::memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
        if len > MAX_LINE_BYTES {
            return self.refuse(Rule::TooLarge { what: "line", limit: MAX_LINE_BYTES as u64 });
        }
        let (bytes, tail) = self.rest.split_at(len);
        let line = Line { number: self.number, at: self.at, bytes };
        self.rest = match tail {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => &[],
        };
        self.at += len + (tail.len() - self.rest.len());
        Some(Ok(line))
    }
}

/// The parts of a line between runs of whitespace. Leading whitespace gives an empty first part, trailing none. (For a blank line
/// the count differs from Java's 1 or 0, but no entry has so few parts.)
///
/// Java: `Pattern.compile("\\s+").split(line)`.
pub(super) fn split_whitespace(text: &str) -> Vec<&str> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let leading = text.starts_with(is_space).then_some("");
    leading.into_iter().chain(text.split(is_space).filter(|part| !part.is_empty())).collect()
}

/// A 64-bit number: an optional sign, then digits of any script; nothing else, no spaces.
///
/// Java: `Long.parseLong`.
pub(super) fn parse_long(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    // Summed up below zero, where i64 reaches one further.
    let sum = digits.chars().try_fold(0_i64, |sum, c| sum.checked_mul(10)?.checked_sub(digit(c)?))?;
    if negative { Some(sum) } else { sum.checked_neg() }
}

/// A 32-bit number: an optional sign, then digits of any script; nothing else, no spaces.
///
/// Java: `Integer.parseInt`.
pub(super) fn parse_int(text: &str) -> Option<i32> {
    parse_long(text).and_then(|n| i32::try_from(n).ok())
}

/// The value of a decimal digit of the basic plane.
///
/// Java: `Character.digit(char, 10)`.
fn digit(c: char) -> Option<i64> {
    /// The zero of each script in the basic plane; nine digits follow each. Source: Unicode, general category Nd.
    const ZEROS: [u32; 37] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
        0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    ];
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10)).map(i64::from)
}

/// `text` as an error quotes it: cut to a bound.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(MAX_EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(bytes: &[u8]) -> Vec<(u64, usize, String)> {
        let lines = Lines::new(bytes).unwrap().map(Result::unwrap);
        lines.map(|line| (line.number, line.at, String::from_utf8_lossy(line.bytes).into_owned())).collect()
    }

    #[test]
    fn lines_end_in_all_three_ways_and_a_last_end_begins_no_line() {
        let expected = [(1, 0, "a"), (2, 2, ""), (3, 3, "b"), (4, 5, "c"), (5, 8, "d")];
        assert_eq!(lines_of(b"a\n\nb\rc\r\nd"), expected.map(|(n, at, text)| (n, at, text.to_owned())));
        assert_eq!(lines_of(b"a\r\n"), [(1, 0, "a".to_owned())]);
        assert_eq!(lines_of(b"\n\r"), [(1, 0, String::new()), (2, 1, String::new())]);
        assert!(lines_of(b"").is_empty());
    }

    #[test]
    fn numbers_are_those_that_java_takes() {
        for (text, value) in [
            ("0", 0),
            ("+5", 5),
            ("-0", 0),
            ("007", 7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("\u{ff11}\u{0662}", 12),
        ] {
            assert_eq!(parse_long(text), Some(value), "{text}");
        }
        let none = ["", "+", "-", "+-1", "1 ", " 1", "1x", "0x1", "1_0", "9223372036854775808", "-9223372036854775809"];
        for text in none.into_iter().chain(["\u{1d7d8}", "\u{19da}", "½", "1.0"]) {
            assert_eq!(parse_long(text), None, "{text}");
        }
        assert_eq!(parse_int("2147483647"), Some(i32::MAX));
        assert_eq!(parse_int("2147483648"), None);
        assert_eq!(parse_int("-2147483648"), Some(i32::MIN));
    }

    #[test]
    fn every_zero_of_the_table_counts_to_nine_and_no_further_on_its_own() {
        assert_eq!(parse_long("٠٩"), Some(9));
        assert_eq!(parse_long("०१२३४५६७८९"), Some(123_456_789));
        assert_eq!(digit('\u{ff19}'), Some(9));
        assert_eq!(digit('\u{ff1a}'), None);
        assert_eq!(digit('/'), None);
        assert_eq!(digit(':'), None);
    }

    #[test]
    fn leading_whitespace_is_a_part_and_trailing_is_not() {
        assert_eq!(split_whitespace("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(split_whitespace(" a b"), ["", "a", "b"]);
        assert_eq!(split_whitespace("a b \x0b\x0c "), ["a", "b"]);
        assert_eq!(split_whitespace("a\u{a0}b"), ["a\u{a0}b"], "a no-break space is no whitespace for \\s");
    }

    #[test]
    fn the_bounds_hold_below_at_and_above() {
        let verdict = |bytes: &[u8]| Lines::of_text(bytes).map(Iterator::count).map_err(|malformed| malformed.rule);
        let long = |n: usize| vec![b'x'; n];
        assert_eq!(verdict(&long(MAX_LINE_BYTES - 1)), Ok(1));
        assert_eq!(verdict(&long(MAX_LINE_BYTES)), Ok(1));
        let too_long = Rule::TooLarge { what: "line", limit: 1024 };
        assert_eq!(verdict(&long(MAX_LINE_BYTES + 1)), Err(too_long));

        let many = |n: usize| vec![b'\n'; n];
        assert_eq!(verdict(&many(999_999)), Ok(999_999));
        assert_eq!(verdict(&many(1_000_000)), Ok(1_000_000));
        assert_eq!(verdict(&many(1_000_001)), Err(Rule::TooMany { what: "lines", limit: 1_000_000 }));

        let large = |n: usize| {
            let mut bytes = [long(1023), b"\n".to_vec()].concat().repeat(MAX_TEXT_BYTES / 1024 + 1);
            bytes.truncate(n);
            bytes
        };
        assert!(verdict(&large(MAX_TEXT_BYTES - 1)).is_ok());
        assert!(verdict(&large(MAX_TEXT_BYTES)).is_ok());
        let too_large = Rule::TooLarge { what: "text file", limit: 16_777_216 };
        assert_eq!(verdict(&large(MAX_TEXT_BYTES + 1)), Err(too_large));
    }
}
