//! The same verbs as the reader's, the other way.

use super::varint::{zigzag32, zigzag64};

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
    #[inline]
    pub(crate) fn put_varlong(&mut self, n: i64) {
        self.put_groups(zigzag64(n));
    }

    #[inline]
    fn put_groups(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.out.push((n & 0x7f) as u8 | 0x80);
            n >>= 7;
        }
        self.out.push(n as u8);
    }
}
