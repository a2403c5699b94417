//! Any bytes as messages of formats 0 and 1, plain and inside a wrapper.

use super::batch::decoded;
use super::{OUTPUT_LIMIT, batch};
use crate::batch::{Batch, Record, Scratch};
use crate::compress::{Codec, compress};
use crate::encoding::{Writer, crc32};

/// The codecs of these formats.
const CODECS: [Codec; 3] = [Codec::Gzip, Codec::Snappy, Codec::Lz4];

/// Decodes the bytes as a message, with a magic of 0 or 1, and as the content of a compressed message.
///
/// # Panics
/// As [`batch`](super::batch()); if a wrapper's content decodes otherwise by another codec, a message in a wrapper may itself be one,
/// or the last record of a format 1 wrapper does not have the wrapper's offset.
pub fn legacy_v0_v1(data: &[u8]) {
    let mut message = data.to_vec();
    if let Some(magic) = message.get_mut(16) {
        *magic &= 1;
    }
    batch(&message);
    for magic in [0, 1] {
        let offset = i64::from(data.first().copied().unwrap_or_default());
        let wrappers = CODECS.map(|codec| wrapper(magic, codec, offset, data));
        let mut rooms = CODECS.map(|_| Scratch::with_limit(OUTPUT_LIMIT));
        let found = wrappers.iter().zip(&mut rooms).map(|(bytes, room)| records_of(bytes, room)).collect::<Vec<_>>();
        assert!(found.windows(2).all(|two| two[0] == two[1]), "the same content by another codec");
        let last = found.first().and_then(|records| records.as_ref()?.last()).map(|record| record.offset.get());
        if let Some(last) = last.filter(|_| magic == 1 && offset != 0) {
            assert!(last <= offset, "a record at {last} in a wrapper at {offset}");
        }
    }
}

fn records_of<'s>(bytes: &'s [u8], scratch: &'s mut Scratch) -> Option<Vec<Record<'s>>> {
    let message = Batch::parse(bytes).expect("a message of our own");
    message.check_crc().expect("its checksum");
    decoded(&message, scratch)
}

/// The message of format `magic` at `offset` whose value is `content`, compressed.
fn wrapper(magic: i8, codec: Codec, offset: i64, content: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    compress(codec, None, magic, content, &mut value).expect("a codec of this format");
    let mut checked = Vec::new();
    let mut writer = Writer::new(&mut checked);
    writer.put_i8(magic);
    writer.put_bytes(&[codec.bits()]);
    if magic == 1 {
        writer.put_i64(7);
    }
    writer.put_i32(-1);
    writer.put_i32(i32::try_from(value.len()).expect("a small value"));
    writer.put_bytes(&value);
    let mut message = Vec::new();
    let mut writer = Writer::new(&mut message);
    writer.put_i64(offset);
    writer.put_i32(i32::try_from(checked.len() + 4).expect("a small message"));
    writer.put_u32(crc32(&checked));
    writer.put_bytes(&checked);
    message
}
