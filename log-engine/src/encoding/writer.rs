//! The same verbs as the reader's, the other way.

use super::varint::{MAX_VARINT_LEN, MAX_VARLONG_LEN, varint_len, zigzag32, zigzag64};

/// Puts numbers behind what a buffer already holds.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

macro_rules! fixed {
    ($($name:ident($type:ty)),*) => {$(
        #[doc = concat!("Adds a ", stringify!($type), ", big-endian.")]
        #[inline]
        pub(crate) fn $name(&mut self, n: $type) {
            self.out.extend_from_slice(&n.to_be_bytes());
        }
    )*};
}

impl<'a> Writer<'a> {
    /// A writer that adds to the end of `out`.
    #[inline]
    pub(crate) const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    fixed!(put_i8(i8), put_i16(i16), put_i32(i32), put_u32(u32), put_i64(i64));

    /// Adds bytes as they are.
    #[inline]
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Adds a zig-zag varint.
    #[inline]
    pub(crate) fn put_varint(&mut self, n: i32) {
        self.put_groups(u64::from(zigzag32(n)));
    }

    /// Adds a zig-zag varlong.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn put_varlong(&mut self, n: i64) {
        self.put_groups(zigzag64(n));
    }

    #[inline]
    fn put_groups(&mut self, n: u64) {
        let mut varint = Varints::default();
        varint.put_groups(n);
        self.out.extend_from_slice(varint.bytes());
    }
}

/// Bytes for [`Varints::put_before`].
const FRONT: usize = MAX_VARINT_LEN;
/// The most bytes that [`Varints`] holds: what stands before a record's value, without the key.
const MAX_VARINTS_LEN: usize = FRONT + 3 * MAX_VARINT_LEN + MAX_VARLONG_LEN + 1;

/// A few numbers one behind the other, to be put into a buffer at once. What is too much for it is left out.
#[derive(Debug)]
pub(crate) struct Varints {
    bytes: [u8; MAX_VARINTS_LEN],
    from: usize,
    to: usize,
}

impl Default for Varints {
    #[inline]
    fn default() -> Self {
        Self { bytes: [0; MAX_VARINTS_LEN], from: FRONT, to: FRONT }
    }
}

impl Varints {
    /// The numbers that were put.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// Puts one zig-zag varint before all others.
    #[inline]
    pub(crate) fn put_before(&mut self, n: i32) {
        let to = std::mem::replace(&mut self.to, self.from.saturating_sub(varint_len(n)));
        self.from = self.to;
        self.put_varint(n);
        self.to = to;
    }

    /// Adds one byte.
    #[inline]
    pub(crate) fn put_i8(&mut self, n: i8) {
        self.put(n.cast_unsigned());
    }

    /// Adds a zig-zag varint.
    #[inline]
    pub(crate) fn put_varint(&mut self, n: i32) {
        self.put_groups(u64::from(zigzag32(n)));
    }

    /// Adds a zig-zag varlong.
    #[inline]
    pub(crate) fn put_varlong(&mut self, n: i64) {
        self.put_groups(zigzag64(n));
    }

    #[inline]
    fn put_groups(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.put((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.put(n as u8);
    }

    #[inline]
    fn put(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.to) {
            *place = byte;
            self.to += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_put_before_the_others_stands_first_whatever_its_length() {
        for (n, bytes) in [(0, &[0][..]), (-65, &[0x81, 0x01]), (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f])] {
            let mut varints = Varints::default();
            varints.put_i8(7);
            varints.put_varlong(i64::MIN);
            (0..3).for_each(|_| varints.put_varint(i32::MIN));
            let behind = varints.bytes().to_vec();
            assert_eq!(behind.len(), 1 + MAX_VARLONG_LEN + 3 * MAX_VARINT_LEN, "all of it has room");
            varints.put_before(n);
            assert_eq!(varints.bytes(), [bytes, &behind].concat());
        }
    }
}
