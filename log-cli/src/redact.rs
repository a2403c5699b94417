//! Taking customers' data out of records: keys, values and the values of headers, wherever records are printed or copied.
//!
//! Null stays null, so that a tombstone stays one. Control records hold nothing of customers' and stay as they are.

use std::str::FromStr;

use log_engine::Record;
use log_engine::batch::{Header, Headers};
use sha2::{Digest, Sha256};

use crate::rows::Row;

/// Bytes of a digest that are kept: 128 bits are never met twice by chance.
const KEPT: usize = 16;
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// What to take out.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What to take out")]
pub(crate) struct RedactArgs {
    /// Take out keys, values, headers (their values): drop (null, empty in a header; the default), hash (equal stays equal), length
    #[arg(long, value_name = "PARTS[=HOW]")]
    redact: Vec<Parts>,
    /// What hash goes by besides the bytes, so that nobody finds them by trying [default: nothing]
    #[arg(long, value_name = "SECRET", requires = "redact")]
    redact_salt: Option<String>,
}

/// Some parts of records, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    keys: bool,
    values: bool,
    headers: bool,
    how: How,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Null; nothing in a header.
    Drop,
    /// The first 128 bits of their SHA-256 in hexadecimal, or of the HMAC-SHA-256 under a salt.
    Hash,
    /// How many they are: `<12 bytes>`.
    Length,
}

impl FromStr for Parts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (parts, how) = text.split_once('=').unwrap_or((text, "drop"));
        let how = match how {
            "drop" => How::Drop,
            "hash" => How::Hash,
            "length" => How::Length,
            _ => return Err(format!("{how:?} is no way to redact; drop, hash and length are")),
        };
        let mut found = Self { keys: false, values: false, headers: false, how };
        for part in parts.split(',') {
            match part {
                "keys" => found.keys = true,
                "values" => found.values = true,
                "headers" => found.headers = true,
                _ => return Err(format!("{part:?} is no part of a record; keys, values and headers are")),
            }
        }
        Ok(found)
    }
}

impl RedactArgs {
    /// What is to be taken out; `None` if nothing is.
    pub(crate) fn redaction(&self) -> Option<Redaction> {
        // Of two words about one part the last counts.
        let last = |part: fn(&Parts) -> bool| self.redact.iter().rev().find(|parts| part(parts)).map(|parts| parts.how);
        let redaction = Redaction {
            keys: last(|parts| parts.keys),
            values: last(|parts| parts.values),
            headers: last(|parts| parts.headers),
            salt: self.redact_salt.clone().map(String::into_bytes),
        };
        (!self.redact.is_empty()).then_some(redaction)
    }
}

/// Takes bytes out of records.
#[derive(Clone, Debug)]
pub(crate) struct Redaction {
    keys: Option<How>,
    values: Option<How>,
    headers: Option<How>,
    salt: Option<Vec<u8>>,
}

impl Redaction {
    /// What becomes of a key.
    pub(crate) fn key(&self, key: Option<&[u8]>) -> Option<Vec<u8>> {
        self.bytes(self.keys, key)
    }

    /// What becomes of a value.
    pub(crate) fn value(&self, value: Option<&[u8]>) -> Option<Vec<u8>> {
        self.bytes(self.values, value)
    }

    /// What becomes of a header's value.
    pub(crate) fn header_value(&self, value: Option<&[u8]>) -> Option<Vec<u8>> {
        match self.headers {
            Some(How::Drop) => value.map(|_| Vec::new()),
            how => self.bytes(how, value),
        }
    }

    /// Takes out of a record what is to be taken out. Whoever calls keeps control records away.
    pub(crate) fn row(&self, row: &mut Row) {
        row.key = self.key(row.key.as_deref());
        row.value = self.value(row.value.as_deref());
        for (_, value) in &mut row.headers {
            *value = self.header_value(value.as_deref());
        }
    }

    fn bytes(&self, how: Option<How>, bytes: Option<&[u8]>) -> Option<Vec<u8>> {
        let bytes = bytes?;
        match how {
            None => Some(bytes.to_vec()),
            Some(How::Drop) => None,
            Some(How::Hash) => Some(self.hash(bytes).into_bytes()),
            Some(How::Length) => Some(format!("<{} bytes>", bytes.len()).into_bytes()),
        }
    }

    fn hash(&self, bytes: &[u8]) -> String {
        let digest = match &self.salt {
            None => Sha256::digest(bytes),
            Some(salt) => hmac(salt, bytes),
        };
        digest.iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], bytes: &[u8]) -> sha2::digest::Output<Sha256> {
    let mut block = [0; BLOCK];
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK { hashed.as_slice() } else { key };
    block.iter_mut().zip(key).for_each(|(to, byte)| *to = *byte);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(bytes).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize()
}

/// What was taken out of one record, and the record without it.
#[derive(Debug, Default)]
pub(crate) struct Redacted {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<u8>,
}

impl Redacted {
    /// `record` without what is to be taken out.
    pub(crate) fn record<'r>(&'r mut self, redaction: &Redaction, record: &Record<'r>) -> Record<'r> {
        self.key = redaction.key(record.key);
        self.value = redaction.value(record.value);
        let values: Vec<_> = record.headers.map(|header| (header.key, redaction.header_value(header.value))).collect();
        let headers: Vec<_> = values.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let headers = Headers::encode(&headers, &mut self.headers);
        Record { key: self.key.as_deref(), value: self.value.as_deref(), headers, ..*record }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RedactArgs,
    }

    fn redaction(flags: &[&str]) -> Redaction {
        Line::parse_from([&["x"], flags].concat()).args.redaction().unwrap()
    }

    #[test]
    fn parts_are_dropped_hashed_or_measured_and_null_stays_null() {
        let some = Some(&b"secret"[..]);
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        let dropped = redaction(&["--redact", "keys,values,headers"]);
        assert_eq!((dropped.key(some), dropped.value(some)), (None, None));
        assert_eq!(dropped.header_value(some), Some(Vec::new()));
        let mixed = redaction(&["--redact", "keys,headers=hash", "--redact", "values=length"]);
        assert_eq!(text(mixed.value(some)).as_deref(), Some("<6 bytes>"));
        // printf secret | sha256sum
        assert_eq!(text(mixed.key(some)).as_deref(), Some("2bb80d537b1da3e38bd30361aa855686"));
        for of in [Redaction::key, Redaction::value, Redaction::header_value] {
            assert_eq!(of(&mixed, None), None);
        }
        let keys = redaction(&["--redact", "keys"]);
        assert_eq!((keys.value(some).as_deref(), keys.header_value(some).as_deref()), (some, some));
        assert!(Line::try_parse_from(["x", "--redact", "names"]).is_err());
        assert!(Line::try_parse_from(["x", "--redact", "keys=mask"]).is_err());
        assert!(Line::try_parse_from(["x", "--redact-salt", "s"]).is_err());
        assert!(RedactArgs::default().redaction().is_none());
    }

    #[test]
    fn a_salted_hash_is_the_hmac() {
        // RFC 4231, test cases 2 and 6.
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        let salted = redaction(&["--redact", "keys=hash", "--redact-salt", "Jefe"]);
        let found = salted.key(Some(b"what do ya want for nothing?")).unwrap();
        assert_eq!(found, b"5bdcc146bf60754e6a042426089575c7");
    }
}
