//! Tests on key, value and headers of one record.

use log_engine::Record;
use log_engine::batch::Headers;
use memchr::memmem;
use regex::bytes::Regex;

/// One test of a key.
#[derive(Clone, Debug)]
pub(crate) enum KeyTest {
    /// Exactly these bytes.
    Is(Vec<u8>),
    /// Fits somewhere.
    Matches(Regex),
    /// There is none.
    Null,
}

impl KeyTest {
    fn passes(&self, key: Option<&[u8]>) -> bool {
        match (self, key) {
            (Self::Is(bytes), Some(key)) => bytes == key,
            (Self::Matches(regex), Some(key)) => regex.is_match(key),
            (Self::Null, key) => key.is_none(),
            (_, None) => false,
        }
    }
}

/// A header by name, and by value if one is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderTest {
    name: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl HeaderTest {
    /// `NAME` or `NAME=VALUE`, cut at the first `=`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.split_once('=') {
            None => Self { name: text.into(), value: None },
            Some((name, value)) => Self { name: name.into(), value: Some(value.into()) },
        }
    }

    fn passes(&self, mut headers: Headers<'_>) -> bool {
        headers.any(|header| {
            header.key == self.name && self.value.as_deref().is_none_or(|value| header.value == Some(value))
        })
    }
}

/// One test of a value.
#[derive(Clone, Debug)]
pub(crate) enum ValueTest {
    /// Holds these bytes somewhere.
    Contains(Box<memmem::Finder<'static>>),
    /// Fits somewhere.
    Matches(Regex),
    /// There is none: the record deletes its key.
    Tombstone,
}

impl ValueTest {
    /// Holds `text` somewhere.
    pub(crate) fn contains(text: &str) -> Self {
        Self::Contains(Box::new(memmem::Finder::new(text.as_bytes()).into_owned()))
    }

    fn passes(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Contains(finder), Some(value)) => finder.find(value).is_some(),
            (Self::Matches(regex), Some(value)) => regex.is_match(value),
            (Self::Tombstone, value) => value.is_none(),
            (_, None) => false,
        }
    }
}

/// What a record must be: any of the key tests, any of the value tests, all of the headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordTests {
    pub(crate) keys: Vec<KeyTest>,
    pub(crate) headers: Vec<HeaderTest>,
    pub(crate) values: Vec<ValueTest>,
}

impl RecordTests {
    /// True if nothing is asked.
    pub(crate) const fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.headers.is_empty() && self.values.is_empty()
    }

    /// True if `record` passes.
    pub(crate) fn pass(&self, record: &Record<'_>) -> bool {
        (self.keys.is_empty() || self.keys.iter().any(|test| test.passes(record.key)))
            && (self.values.is_empty() || self.values.iter().any(|test| test.passes(record.value)))
            && self.headers.iter().all(|test| test.passes(record.headers))
    }
}

/// Bytes from hexadecimal digits; blanks and colons between them do not matter.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | ':'))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    digits
        .filter(|digits| digits.len() % 2 == 0)
        .map(|digits| digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
        .ok_or_else(|| format!("{text:?} is not an even number of hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use log_engine::batch::Header;
    use log_engine::{Batch, BatchBuilder, Offset, Scratch, Timestamp};

    use super::*;

    /// Whether a record with this key and value, and two headers `trace` (`abc`, null), passes.
    fn passes(tests: &RecordTests, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let headers = [Header { key: b"trace", value: Some(b"abc") }, Header { key: b"trace", value: None }];
        let mut builder = BatchBuilder::new(Offset::new(0));
        builder.push(Timestamp::new(0), key, value, &headers).unwrap();
        let mut bytes = Vec::new();
        builder.finish(&mut bytes).unwrap();
        let mut scratch = Scratch::default();
        let record = Batch::parse(&bytes).unwrap().records(&mut scratch).unwrap().next().unwrap().unwrap();
        tests.pass(&record)
    }

    #[test]
    fn each_test_alone_says_yes_and_no() {
        let regex = |text| Regex::new(text).unwrap();
        let key = |test| RecordTests { keys: vec![test], ..RecordTests::default() };
        let value = |test| RecordTests { values: vec![test], ..RecordTests::default() };
        let header = |text| RecordTests { headers: vec![HeaderTest::parse(text)], ..RecordTests::default() };
        for (tests, expected) in [
            (RecordTests::default(), true),
            (key(KeyTest::Is(b"u-42".to_vec())), true),
            (key(KeyTest::Is(b"u-4".to_vec())), false),
            (key(KeyTest::Matches(regex("^u-[0-9]+$"))), true),
            (key(KeyTest::Matches(regex("^[0-9]"))), false),
            (key(KeyTest::Null), false),
            (value(ValueTest::contains("wor")), true),
            (value(ValueTest::contains("word")), false),
            (value(ValueTest::Matches(regex("(?i)WORLD"))), true),
            (value(ValueTest::Tombstone), false),
            (header("trace"), true),
            (header("trace=abc"), true),
            (header("trace="), false),
            (header("Trace"), false),
        ] {
            assert_eq!(passes(&tests, Some(b"u-42"), Some(b"hello world")), expected, "{tests:?}");
        }
        assert!(passes(&key(KeyTest::Null), None, None));
        assert!(passes(&value(ValueTest::Tombstone), None, None));
        assert!(!passes(&key(KeyTest::Matches(regex(""))), None, None));
        assert!(!passes(&value(ValueTest::contains("")), None, None));
        let two = RecordTests { keys: vec![KeyTest::Null, KeyTest::Is(b"a".to_vec())], ..header("trace") };
        assert!(passes(&two, Some(b"a"), None) && passes(&two, None, None) && !passes(&two, Some(b"b"), None));
    }

    #[test]
    fn hexadecimal_digits_become_bytes() {
        assert_eq!(hex("00fF a0:01"), Ok(vec![0, 255, 160, 1]));
        assert_eq!(hex(""), Ok(vec![]));
        assert!(hex("f").is_err() && hex("0g").is_err());
    }
}
