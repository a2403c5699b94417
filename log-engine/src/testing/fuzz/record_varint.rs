//! Variable-length integers: values to bytes and back, and bytes that are none.

use crate::encoding::{MAX_VARINT_LEN, MAX_VARLONG_LEN, Reader, Writer, varint_len, varlong_len};
use crate::error::{Malformed, Rule};

/// Reads the bytes as varints and varlongs, and as numbers to write as such.
///
/// # Panics
/// If a number does not come back from its bytes, a form is longer than its longest, or none is found where one stands.
pub fn record_varint(data: &[u8]) {
    let (read, consumed) = take(data, MAX_VARINT_LEN, Reader::take_varint);
    if let Some(n) = read {
        assert_eq!(take(&varint(n), MAX_VARINT_LEN, Reader::take_varint), (Some(n), varint_len(n)));
        assert!(varint_len(n) <= consumed, "{n} was read from fewer bytes than it needs");
    }
    let (read, consumed) = take(data, MAX_VARLONG_LEN, Reader::take_varlong);
    if let Some(n) = read {
        assert_eq!(take(&varlong(n), MAX_VARLONG_LEN, Reader::take_varlong), (Some(n), varlong_len(n)));
        assert!(varlong_len(n) <= consumed, "{n} was read from fewer bytes than it needs");
    }
    take(data, MAX_VARINT_LEN, Reader::take_uvarint);

    let mut numbers = Reader::new(data);
    while let Ok(n) = numbers.take_i64() {
        assert_eq!(take(&varlong(n), MAX_VARLONG_LEN, Reader::take_varlong), (Some(n), varlong_len(n)));
    }
    let mut numbers = Reader::new(data);
    while let Ok(n) = numbers.take_i32() {
        assert_eq!(take(&varint(n), MAX_VARINT_LEN, Reader::take_varint), (Some(n), varint_len(n)));
    }
}

/// The number at the start of `bytes` and the bytes it took; which ones it must take follows from their highest bits.
fn take<'a, T>(
    bytes: &'a [u8],
    longest: usize,
    verb: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> (Option<T>, usize) {
    let mut reader = Reader::new(bytes);
    let taken = verb(&mut reader);
    match (bytes.iter().take(longest).position(|byte| *byte < 0x80), taken) {
        (Some(last), Ok(n)) => {
            assert_eq!(reader.at(), last + 1);
            (Some(n), reader.at())
        }
        (None, Err(malformed)) => {
            let too_long = bytes.len() >= longest;
            assert_eq!(matches!(malformed.rule, Rule::Varint { .. }), too_long, "{malformed}");
            assert_eq!(reader.at(), 0, "nothing moves when a verb fails");
            super::assert_within(&malformed, bytes.len());
            (None, 0)
        }
        (last, _) => panic!("the last byte is {last:?}, which is not what was read"),
    }
}

fn varint(n: i32) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).put_varint(n);
    out
}

fn varlong(n: i64) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).put_varlong(n);
    out
}
