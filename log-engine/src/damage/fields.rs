//! Where the fields of each kind of file lie, and what is put into them.

use std::ops::Range;
use std::path::Path;

use crate::batch::{HEADER_LEN, Walk};
use crate::encoding::crc32c;

/// Where a number lies: its first byte and its bytes.
pub(super) type Place = (usize, usize);

// The fields of a v2 batch's head.
pub(super) const BASE_OFFSET: Place = (0, 8);
pub(super) const BATCH_LENGTH: Place = (8, 4);
pub(super) const LEADER_EPOCH: Place = (12, 4);
pub(super) const MAGIC: Place = (16, 1);
pub(super) const CRC: Place = (17, 4);
pub(super) const ATTRIBUTES: Place = (21, 2);
pub(super) const LAST_OFFSET_DELTA: Place = (23, 4);
const BASE_TIMESTAMP: Place = (27, 8);
pub(super) const MAX_TIMESTAMP: Place = (35, 8);
pub(super) const PRODUCER_ID: Place = (43, 8);
pub(super) const PRODUCER_EPOCH: Place = (51, 2);
pub(super) const BASE_SEQUENCE: Place = (53, 4);
pub(super) const RECORDS_COUNT: Place = (57, 4);
const V2: &[Place] = &[
    BASE_OFFSET,
    BATCH_LENGTH,
    LEADER_EPOCH,
    MAGIC,
    CRC,
    ATTRIBUTES,
    LAST_OFFSET_DELTA,
    BASE_TIMESTAMP,
    MAX_TIMESTAMP,
    PRODUCER_ID,
    PRODUCER_EPOCH,
    BASE_SEQUENCE,
    RECORDS_COUNT,
];
/// Those of a message of format 0 or 1, as far as they agree.
const LEGACY: &[Place] = &[(0, 8), (8, 4), (12, 4), (16, 1), (17, 1), (18, 4)];

pub(super) const OFFSET_ENTRY_OFFSET: Place = (0, 4);
pub(super) const OFFSET_ENTRY_POSITION: Place = (4, 4);
const OFFSET_INDEX: &[Place] = &[OFFSET_ENTRY_OFFSET, OFFSET_ENTRY_POSITION];
pub(super) const TIME_ENTRY_TIME: Place = (0, 8);
pub(super) const TIME_ENTRY_OFFSET: Place = (8, 4);
const TIME_INDEX: &[Place] = &[TIME_ENTRY_TIME, TIME_ENTRY_OFFSET];
pub(super) const TXN_VERSION: Place = (0, 2);
pub(super) const TXN_FIRST_OFFSET: Place = (10, 8);
pub(super) const TXN_LAST_OFFSET: Place = (18, 8);
const TXN_INDEX: &[Place] = &[TXN_VERSION, (2, 8), TXN_FIRST_OFFSET, TXN_LAST_OFFSET, (26, 8)];
pub(super) const TXN_ENTRY_LEN: usize = 34;

pub(super) const SNAPSHOT_VERSION: Place = (0, 2);
pub(super) const SNAPSHOT_CRC: Place = (2, 4);
const SNAPSHOT_HEAD: &[Place] = &[SNAPSHOT_VERSION, SNAPSHOT_CRC, (6, 4)];
pub(super) const SNAPSHOT_HEAD_LEN: usize = 10;
const SNAPSHOT: &[Place] = &[(0, 8), (8, 2), (10, 4), (14, 8), (22, 4), (26, 8), (34, 4), (38, 8)];

/// The signed number at `place`; the bytes that are not there count as zeros.
pub(super) fn read_number(bytes: &[u8], (at, len): Place) -> i64 {
    let here = bytes.get(at..).unwrap_or_default().iter().take(len);
    let raw = here.fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    let unused = 64_u32.saturating_sub(8 * u32::try_from(len).unwrap_or(8));
    raw << unused >> unused
}

/// Writes the low bytes of `number` to `place`, as far as that is there.
pub(super) fn write_number(bytes: &mut [u8], (at, len): Place, number: i64) {
    let number = number.to_be_bytes();
    let low = number.get(number.len().saturating_sub(len)..).unwrap_or_default();
    bytes.iter_mut().skip(at).zip(low).for_each(|(to, byte)| *to = *byte);
}

/// One field of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its first byte.
    pub at: usize,
    /// Its bytes.
    pub len: usize,
    /// A number in digits rather than in bytes.
    pub is_text: bool,
    /// Whether a checksum covers it.
    pub is_sealed: bool,
    /// What a checksum covers, and the place of the four bytes that it takes.
    seal: (usize, usize, usize),
}

/// What a field is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// 0.
    Zero,
    /// -1, which stands for "none" in many fields.
    MinusOne,
    /// The largest number.
    Max,
    /// The smallest number.
    Min,
    /// One more than it was.
    Up,
    /// One less than it was.
    Down,
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Zero, Self::MinusOne, Self::Max, Self::Min, Self::Up, Self::Down];

    /// The value, for a signed number of `bits` that was `old`.
    const fn value(self, old: i64, bits: u32) -> i64 {
        match self {
            Self::Zero => 0,
            Self::MinusOne => -1,
            Self::Max => i64::MAX >> (64 - bits),
            Self::Min => i64::MIN >> (64 - bits),
            Self::Up => old.wrapping_add(1),
            Self::Down => old.wrapping_sub(1),
        }
    }
}

impl Field {
    const fn plain(at: usize, len: usize) -> Self {
        Self { at, len, is_text: false, is_sealed: false, seal: (0, 0, 0) }
    }

    /// Puts a value into the field of `bytes`.
    pub fn set(&self, to: Bound, bytes: &mut Vec<u8>) {
        let place = (self.at, self.len);
        if self.is_text {
            let Some(digits) = bytes.get(self.at..self.at.saturating_add(self.len)) else { return };
            let old = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            bytes.splice(self.at..self.at.saturating_add(self.len), to.value(old, 64).to_string().into_bytes());
            return;
        }
        let bits = u32::try_from(self.len).map_or(64, |len| 8 * len);
        let new = to.value(read_number(bytes, place), bits);
        write_number(bytes, place, new);
    }

    /// Writes the checksum that fits.
    pub fn seal(&self, bytes: &mut [u8]) {
        let (from, to, at) = self.seal;
        let checksum = crc32c(bytes.get(from..to).unwrap_or_default());
        write_number(bytes, (at, 4), i64::from(checksum));
    }
}

/// The fields of a file, by its name's ending; the numbers in it for a file of text.
#[must_use]
pub fn fields(file: &Path, bytes: &[u8]) -> Vec<Field> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("log") => log_fields(bytes),
        Some("index") => repeated(OFFSET_INDEX, 8, 0, bytes.len()),
        Some("timeindex") => repeated(TIME_INDEX, 12, 0, bytes.len()),
        Some("txnindex") => repeated(TXN_INDEX, TXN_ENTRY_LEN, 0, bytes.len()),
        Some("snapshot") => snapshot_fields(bytes),
        _ => numbers(bytes),
    }
}

/// The bytes whose bits are flipped: the heads of batches, and all of a file that has nothing else.
pub fn head_bytes(file: &Path, bytes: &[u8]) -> impl Iterator<Item = usize> {
    let ranges: Vec<Range<usize>> = if file.extension().is_some_and(|ending| ending == "log") {
        Walk::new(bytes).map(|(at, _)| at..(at + HEADER_LEN).min(bytes.len())).collect()
    } else {
        // Zeros behind the entries of an index that is at full size.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        std::iter::once(0..(used + 16).min(bytes.len())).collect()
    };
    ranges.into_iter().flatten()
}

fn log_fields(bytes: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    for (start, batch) in Walk::new(bytes) {
        let Ok(batch) = batch else { continue };
        let end = start + batch.bytes().len();
        let layout = if batch.header().is_some() { V2 } else { LEGACY };
        found.extend(layout.iter().map(|(at, len)| {
            let field = Field::plain(start + at, *len);
            let is_sealed = batch.header().is_some() && *at >= 21;
            Field { is_sealed, seal: (start + 21, end, start + 17), ..field }
        }));
    }
    found
}

fn snapshot_fields(bytes: &[u8]) -> Vec<Field> {
    let mut found = repeated(SNAPSHOT_HEAD, SNAPSHOT_HEAD_LEN, 0, bytes.len().min(SNAPSHOT_HEAD_LEN));
    found.extend(repeated(SNAPSHOT, 46, SNAPSHOT_HEAD_LEN, bytes.len()));
    for field in found.iter_mut().filter(|field| field.at >= 6) {
        (field.is_sealed, field.seal) = (true, (6, bytes.len(), 2));
    }
    found
}

/// The fields of the whole entries between `from` and `end`; of a long file the first and the last few.
fn repeated(layout: &[Place], entry: usize, from: usize, end: usize) -> Vec<Field> {
    let entries = end.saturating_sub(from) / entry;
    let chosen = (0..entries).filter(|n| *n < 64 || n + 8 >= entries);
    chosen.flat_map(|n| layout.iter().map(move |(at, len)| Field::plain(from + n * entry + at, *len))).collect()
}

/// The numbers in a text.
fn numbers(bytes: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in bytes.split(|byte| !byte.is_ascii_alphanumeric()) {
        if !word.is_empty() && word.iter().all(u8::is_ascii_digit) {
            found.push(Field { is_text: true, ..Field::plain(at, word.len()) });
        }
        at += word.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_fields_width() {
        let set = |old: &[u8], to: Bound| {
            let mut bytes = old.to_vec();
            Field::plain(0, old.len()).set(to, &mut bytes);
            bytes
        };
        assert_eq!(set(&[0, 7], Bound::Max), [0x7f, 0xff]);
        assert_eq!(set(&[0, 7], Bound::Min), [0x80, 0]);
        assert_eq!(set(&[0, 7], Bound::MinusOne), [0xff, 0xff]);
        assert_eq!(set(&[0, 0xff], Bound::Up), [1, 0]);
        assert_eq!(set(&[0; 8], Bound::Down), [0xff; 8]);
        assert_eq!(set(&[1; 8], Bound::Min), [0x80, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn numbers_of_a_text_are_found_and_replaced() {
        let mut text = b"0\n1\norders-9x 12 125\n".to_vec();
        let found: Vec<_> = numbers(&text).iter().map(|field| (field.at, field.len)).collect();
        assert_eq!(found, [(0, 1), (2, 1), (14, 2), (17, 3)]);
        numbers(&text)[3].set(Bound::Down, &mut text);
        assert_eq!(text, b"0\n1\norders-9x 12 124\n");
        numbers(&text)[1].set(Bound::Min, &mut text);
        assert_eq!(text, b"0\n-9223372036854775808\norders-9x 12 124\n");
    }
}
