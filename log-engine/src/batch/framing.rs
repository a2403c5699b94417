//! Where a batch ends: the framing that all message formats share, decided from 17 bytes and what is left of the file.
//!
//! | at | bytes | field                                           |
//! |---:|------:|-------------------------------------------------|
//! |  0 |     8 | offset (v2: the first; v0 and v1: the last)     |
//! |  8 |     4 | size: bytes that follow this field              |
//! | 12 |     4 | v2: leader epoch; v0 and v1: checksum           |
//! | 16 |     1 | magic                                           |
//!
//! The rules are those of Kafka's iterator over files (`FileLogInputStream.nextBatch`), so that a walk here stops where a
//! broker's walk stops. No checksum and no magic is looked at.

use crate::units::Offset;

/// Bytes in front of what the size field counts.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes that framing needs: through the magic.
pub const FRAMING_LEN: usize = 17;
/// The least that any reader accepts in a size field: a v0 message without key and value.
pub const MIN_SIZE: i32 = 14;

/// Why a walk over batches ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing follows the last batch.
    End,
    /// 1 to 17 bytes follow: too few to be a batch.
    Remainder {
        /// How many.
        left: u64,
    },
    /// The size field is below [`MIN_SIZE`]; zeros look like this.
    Size {
        /// What it says.
        size: i32,
    },
    /// The batch runs past the end of the file.
    PastEnd {
        /// What the size field says.
        size: i32,
        /// Bytes that are there, the 12 before the counted ones included.
        left: u64,
    },
}

/// What stands at one place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A batch that lies wholly in the file: `len` bytes with the 12 before the counted ones.
    Batch { offset: Offset, len: u64 },
    /// None, and why.
    Stop(Stop),
}

/// Decides what stands at the start of `head`, which is `left` bytes before the end of the file. `head` needs the first 12
/// bytes of what is left, if there are that many.
#[inline]
pub(crate) fn framing(head: &[u8], left: u64) -> Framing {
    if left <= FRAMING_LEN as u64 {
        return Framing::Stop(if left == 0 { Stop::End } else { Stop::Remainder { left } });
    }
    let Some((offset, size)) = offset_and_size(head) else {
        return Framing::Stop(Stop::Remainder { left });
    };
    match u64::try_from(size) {
        Ok(counted) if size >= MIN_SIZE => {
            let len = counted.saturating_add(LOG_OVERHEAD as u64);
            if len > left {
                Framing::Stop(Stop::PastEnd { size, left })
            } else {
                Framing::Batch { offset: Offset::new(offset), len }
            }
        }
        _ => Framing::Stop(Stop::Size { size }),
    }
}

/// The first two fields; `None` if they are not there.
#[inline]
pub(super) fn offset_and_size(head: &[u8]) -> Option<(i64, i32)> {
    let (offset, rest) = head.split_first_chunk()?;
    Some((i64::from_be_bytes(*offset), i32::from_be_bytes(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: i32) -> [u8; 17] {
        let mut head = [0; 17];
        head[..8].copy_from_slice(&7_i64.to_be_bytes());
        head[8..12].copy_from_slice(&size.to_be_bytes());
        head
    }

    // conformance: MEM-018
    #[test]
    fn the_walk_stops_where_kafkas_walk_stops() {
        let batch = |len| Framing::Batch { offset: Offset::new(7), len };
        let cases = [
            (14, 0, Framing::Stop(Stop::End)),
            (14, 1, Framing::Stop(Stop::Remainder { left: 1 })),
            (14, 12, Framing::Stop(Stop::Remainder { left: 12 })),
            (14, 17, Framing::Stop(Stop::Remainder { left: 17 })),
            (14, 18, Framing::Stop(Stop::PastEnd { size: 14, left: 18 })),
            (14, 25, Framing::Stop(Stop::PastEnd { size: 14, left: 25 })),
            (14, 26, batch(26)),
            (14, 27, batch(26)),
            (13, 100, Framing::Stop(Stop::Size { size: 13 })),
            (0, 100, Framing::Stop(Stop::Size { size: 0 })),
            (-1, 100, Framing::Stop(Stop::Size { size: -1 })),
            (i32::MAX, 100, Framing::Stop(Stop::PastEnd { size: i32::MAX, left: 100 })),
        ];
        for (size, left, expected) in cases {
            assert_eq!(framing(&head(size), left), expected, "size {size}, {left} left");
        }
    }
}
