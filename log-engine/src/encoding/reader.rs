//! A bounds-checked cursor over a slice; says how many bytes were missing, and where.

use super::varint::{MAX_VARINT_LEN, MAX_VARLONG_LEN, unzigzag32, unzigzag64};
use crate::error::{Malformed, Rule};

/// Takes numbers from the front of a slice. Nothing moves when a verb fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

macro_rules! fixed {
    ($($name:ident -> $type:ty),*) => {$(
        #[doc = concat!("The next ", stringify!($type), ", big-endian.")]
        #[inline]
        pub(crate) fn $name(&mut self) -> Result<$type, Malformed> {
            match self.rest.split_first_chunk() {
                Some((bytes, rest)) => {
                    self.rest = rest;
                    Ok(<$type>::from_be_bytes(*bytes))
                }
                None => Err(self.short(size_of::<$type>())),
            }
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the first byte of `bytes`.
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, len: bytes.len() }
    }

    fixed!(take_i8 -> i8, take_u8 -> u8, take_i16 -> i16, take_u16 -> u16, take_i32 -> i32, take_u32 -> u32, take_i64 -> i64);

    /// Bytes taken so far.
    #[inline]
    pub(crate) const fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Bytes not taken yet.
    #[inline]
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes not taken yet.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `n` bytes.
    #[inline]
    pub(crate) fn take_bytes(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        match self.rest.split_at_checked(n) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.short(n)),
        }
    }

    /// The next zig-zag varint of up to five bytes.
    #[inline]
    pub(crate) fn take_varint(&mut self) -> Result<i32, Malformed> {
        self.try_varint().ok_or_else(|| self.no_groups(MAX_VARINT_LEN))
    }

    /// The next zig-zag varlong of up to ten bytes.
    #[inline]
    pub(crate) fn take_varlong(&mut self) -> Result<i64, Malformed> {
        self.try_varlong().ok_or_else(|| self.no_groups(MAX_VARLONG_LEN))
    }

    /// The next unsigned varint of up to five bytes, as Kafka's compact lengths use it.
    pub(crate) fn take_uvarint(&mut self) -> Result<u32, Malformed> {
        #[expect(clippy::cast_possible_truncation, reason = "Kafka drops the bits that do not fit 32")]
        self.groups(MAX_VARINT_LEN).map(|groups| groups as u32).ok_or_else(|| self.no_groups(MAX_VARINT_LEN))
    }

    /// [`Self::take_varint`] for those who ask for the reason later, which costs nothing until they do.
    #[inline]
    pub(crate) fn try_varint(&mut self) -> Option<i32> {
        #[expect(clippy::cast_possible_truncation, reason = "Kafka drops the bits that do not fit 32")]
        self.groups(MAX_VARINT_LEN).map(|groups| unzigzag32(groups as u32))
    }

    /// [`Self::take_varlong`] likewise.
    #[inline]
    pub(crate) fn try_varlong(&mut self) -> Option<i64> {
        self.groups(MAX_VARLONG_LEN).map(unzigzag64)
    }

    /// Passes over `n` bytes.
    #[inline]
    pub(crate) fn try_skip(&mut self, n: usize) -> Option<()> {
        self.rest = self.rest.get(n..)?;
        Some(())
    }

    #[inline]
    fn groups(&mut self, max: usize) -> Option<u64> {
        match self.rest {
            [low @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Some(u64::from(*low))
            }
            [low, high @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Some(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.many_groups(max),
        }
    }

    fn many_groups(&mut self, max: usize) -> Option<u64> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest.iter().take(max).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.rest = self.rest.split_at(i + 1).1;
                return Some(value);
            }
        }
        None
    }

    /// Why no number of up to `max` groups stands here.
    #[cold]
    fn no_groups(&self, max: usize) -> Malformed {
        if self.rest.len() < max {
            self.short(self.rest.len() + 1)
        } else {
            Malformed::new(self.at(), Rule::Varint { max })
        }
    }

    #[cold]
    fn short(&self, needed: usize) -> Malformed {
        Malformed::new(self.at(), Rule::Short { needed: needed as u64, present: self.rest.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: VAR-018
    #[test]
    fn numbers_come_in_order_and_a_missing_byte_is_named() {
        let mut reader = Reader::new(&[0xff, 0, 1, 0, 0, 0, 2, 9]);
        assert_eq!(reader.take_i8(), Ok(-1));
        assert_eq!(reader.take_i16(), Ok(1));
        assert_eq!(reader.take_i32(), Ok(2));
        assert_eq!(reader.take_i64(), Err(Malformed::new(7, Rule::Short { needed: 8, present: 1 })));
        assert_eq!(reader.take_bytes(1), Ok(&[9][..]));
        assert_eq!((reader.at(), reader.left()), (8, 0));
    }
}
