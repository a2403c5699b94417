//! A cursor over bytes that fails as Java's buffers fail.

use super::thrown::Thrown;

/// Takes numbers from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// How reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The buffer ends before the value does.
    Underflow,
    /// A value is none, or no such place is in the buffer.
    Illegal(String),
}

impl From<Fault> for Thrown {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Underflow => Self::without_message("java.nio.BufferUnderflowException"),
            Fault::Illegal(message) => Self::illegal_argument(message),
        }
    }
}

impl<'a> Buffer<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes taken so far.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// Bytes not taken yet.
    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Underflow)?;
        self.at += N;
        Ok(*bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn short(&mut self) -> Result<i16, Fault> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn uuid(&mut self) -> Result<[u8; 16], Fault> {
        self.array()
    }

    /// The next `n` bytes; they are there.
    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let bytes = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end)).ok_or(Fault::Underflow)?;
        self.at += n;
        Ok(bytes)
    }

    /// As many bytes as a length says that stands before them; none for a negative one.
    pub(super) fn skip_nullable(&mut self, len: i32) -> Result<(), Fault> {
        let Ok(len) = usize::try_from(len) else {
            return Ok(());
        };
        let remaining = self.remaining();
        self.bytes(len).map(drop).map_err(|_| Fault::Illegal(format!("newLimit > capacity: ({len} > {remaining})")))
    }

    /// Kafka: `ByteUtils.readUnsignedVarint`.
    pub(super) fn unsigned_varint(&mut self) -> Result<i32, Fault> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            if shift == 28 {
                // The sign of the fifth byte reaches all bits above it.
                value |= (i32::from(byte.cast_signed()) << 28).cast_unsigned();
                if byte < 0x80 {
                    return Ok(value.cast_signed());
                }
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value.cast_signed());
            }
        }
        Err(Fault::Illegal(format!(
            "Varint is too long, the most significant bit in the 5th byte is set, converted value: {value:x}"
        )))
    }

    /// Kafka: `ByteUtils.readVarint`.
    pub(super) fn varint(&mut self) -> Result<i32, Fault> {
        let value = self.unsigned_varint()?.cast_unsigned();
        Ok((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg())
    }

    /// Steps over a varlong. Kafka: `ByteUtils.readVarlong`.
    pub(super) fn skip_varlong(&mut self) -> Result<(), Fault> {
        for _ in 0..10 {
            if self.byte()? < 0x80 {
                return Ok(());
            }
        }
        Err(Fault::Illegal("Varlong is too long, most significant bit in the 10th byte is set".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_end_after_five_bytes() {
        let varint = |bytes: &[u8]| Buffer::new(bytes).varint();
        assert_eq!(varint(&[0x01]), Ok(-1));
        assert_eq!(varint(&[0x80, 0x01]), Ok(64));
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(i32::MIN));
        assert_eq!(varint(&[0xff]), Err(Fault::Underflow));
        let text = "Varint is too long, the most significant bit in the 5th byte is set, converted value: ffffffff";
        assert_eq!(varint(&[0xff; 6]), Err(Fault::Illegal(text.into())));
        assert!(Buffer::new(&[0x80; 11]).skip_varlong().is_err());
    }

    #[test]
    fn numbers_come_in_order() {
        let mut buffer = Buffer::new(&[0, 1, 0, 0, 0, 2, 9]);
        assert_eq!((buffer.short(), buffer.int(), buffer.long()), (Ok(1), Ok(2), Err(Fault::Underflow)));
        assert_eq!((buffer.position(), buffer.remaining()), (6, 1));
        assert!(buffer.skip_nullable(2).is_err());
        assert_eq!((buffer.skip_nullable(-7), buffer.skip_nullable(1), buffer.remaining()), (Ok(()), Ok(()), 0));
    }
}
