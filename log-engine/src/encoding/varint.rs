//! Zig-zag varints and varlongs: seven bits a byte, least significant group first, bit 7 means "more".
//!
//! Kafka: `ByteUtils`. The longest legal forms are 5 and 10 bytes; high bits of the last byte that do not fit are dropped
//! without a word, as Kafka does.

/// Bytes of the longest legal varint.
pub(crate) const MAX_VARINT_LEN: usize = 5;
/// Bytes of the longest legal varlong.
pub(crate) const MAX_VARLONG_LEN: usize = 10;

/// Maps small numbers of either sign to small unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3.
#[must_use]
pub(crate) const fn zigzag32(n: i32) -> u32 {
    ((n << 1) ^ (n >> 31)).cast_unsigned()
}

/// Undoes [`zigzag32`].
#[must_use]
pub(crate) const fn unzigzag32(n: u32) -> i32 {
    (n >> 1).cast_signed() ^ (n & 1).cast_signed().wrapping_neg()
}

/// Maps small numbers of either sign to small unsigned ones.
#[must_use]
pub(crate) const fn zigzag64(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

/// Undoes [`zigzag64`].
#[must_use]
pub(crate) const fn unzigzag64(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ (n & 1).cast_signed().wrapping_neg()
}

/// Bytes that `n` takes as a zig-zag varint.
#[must_use]
pub(crate) const fn varint_len(n: i32) -> usize {
    groups(zigzag32(n) as u64)
}

/// Bytes that `n` takes as a zig-zag varlong.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub(crate) const fn varlong_len(n: i64) -> usize {
    groups(zigzag64(n))
}

const fn groups(n: u64) -> usize {
    let bits = 64 - n.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Reader, Writer};
    use proptest::prelude::*;

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

    /// Typed by hand from Kafka's own values.
    const KNOWN: &[(i32, &[u8])] = &[
        (0, &[0x00]),
        (-1, &[0x01]),
        (1, &[0x02]),
        (-2, &[0x03]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (-65, &[0x81, 0x01]),
        (8191, &[0xfe, 0x7f]),
        (8192, &[0x80, 0x80, 0x01]),
        (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ];

    // conformance: VAR-007 VAR-008
    #[test]
    fn known_values_have_known_bytes() {
        for (n, bytes) in KNOWN {
            assert_eq!(varint(*n), *bytes, "{n}");
            assert_eq!(Reader::new(bytes).take_varint(), Ok(*n));
            assert_eq!(varint_len(*n), bytes.len());
        }
        assert_eq!(varlong(i64::MIN), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert_eq!(varlong_len(i64::MIN), MAX_VARLONG_LEN);
    }

    // conformance: VAR-010
    #[test]
    fn one_byte_too_many_is_an_error_and_the_longest_legal_form_is_none() {
        assert!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x01]).take_varint().is_ok());
        assert!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]).take_varint().is_err());
        let mut long = [0x80; 10];
        long[9] = 0x01;
        assert!(Reader::new(&long).take_varlong().is_ok());
        assert!(Reader::new(&[0x80; 11]).take_varlong().is_err());
        assert!(Reader::new(&[0x80]).take_varint().is_err());
    }

    // conformance: VAR-006
    #[test]
    fn known_unsigned_values_have_known_bytes() {
        for (n, bytes) in [
            (0, &[0x00][..]),
            (1, &[0x01]),
            (63, &[0x3f]),
            (64, &[0x40]),
            (8191, &[0xff, 0x3f]),
            (8192, &[0x80, 0x40]),
            (1_048_575, &[0xff, 0xff, 0x3f]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (1 << 31, &[0x80, 0x80, 0x80, 0x80, 0x08]),
            ((1 << 31) - 1, &[0xff, 0xff, 0xff, 0xff, 0x07]),
        ] {
            assert_eq!(Reader::new(bytes).take_uvarint(), Ok(n));
        }
    }

    /// Kafka drops the bits of the fifth byte that do not fit 32 bits.
    #[test]
    fn bits_that_do_not_fit_are_dropped() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x7f]).take_varint(), Ok(i32::MIN));
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn unsigned(mut n: u32) -> Vec<u8> {
        let mut out = Vec::new();
        while n > 0x7f {
            out.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    }

    // conformance: VAR-014
    #[test]
    fn unsigned_varints_are_seven_bits_a_byte() {
        for n in (0..1 << 31).step_by(130_013).chain((0..32).map(|bit| 1 << bit)) {
            let bytes = unsigned(n);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.take_uvarint(), reader.left()), (Ok(n), 0));
        }
    }

    proptest! {
        #[test]
        fn every_varint_comes_back(n: i32) {
            let bytes = varint(n);
            prop_assert_eq!(bytes.len(), varint_len(n));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.take_varint(), Ok(n));
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn every_varlong_comes_back(n: i64) {
            let bytes = varlong(n);
            prop_assert_eq!(bytes.len(), varlong_len(n));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.take_varlong(), Ok(n));
            prop_assert_eq!(reader.left(), 0);
        }
    }
}
