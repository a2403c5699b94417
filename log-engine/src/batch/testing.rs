//! Batches of every format and codec as producers of their time sent them, for tests.

use super::BatchBuilder;
use crate::compress::{Codec, compress};
use crate::encoding::{Writer, crc32};
use crate::units::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Formats and the codecs that each has.
pub(crate) const KINDS: [(i8, Codec); 13] = [
    (0, Codec::None),
    (0, Codec::Gzip),
    (0, Codec::Snappy),
    (0, Codec::Lz4),
    (1, Codec::None),
    (1, Codec::Gzip),
    (1, Codec::Snappy),
    (1, Codec::Lz4),
    (2, Codec::None),
    (2, Codec::Gzip),
    (2, Codec::Snappy),
    (2, Codec::Lz4),
    (2, Codec::Zstd),
];

/// Leader epoch, producer id, its epoch and first sequence in batches of format 2.
pub(crate) const HEAD: (i32, i64, i16, i32) = (998, 134_234, 28, 777);

/// Time, key and value of a record.
pub(crate) type Row<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

/// One message of format 0 or 1: its offset, codec bits and type, time, key and value.
pub(crate) fn message(
    magic: i8,
    offset: i64,
    attributes: u8,
    time: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Vec<u8> {
    let mut checked = Vec::new();
    let mut writer = Writer::new(&mut checked);
    writer.put_i8(magic);
    writer.put_bytes(&[attributes]);
    if magic == 1 {
        writer.put_i64(time);
    }
    for field in [key, value] {
        writer.put_i32(field.map_or(-1, |field| i32::try_from(field.len()).unwrap()));
        writer.put_bytes(field.unwrap_or_default());
    }
    let mut message = Vec::new();
    let mut writer = Writer::new(&mut message);
    writer.put_i64(offset);
    writer.put_i32(i32::try_from(checked.len() + 4).unwrap());
    writer.put_u32(crc32(&checked));
    writer.put_bytes(&checked);
    message
}

/// The message whose value is `inner`, compressed.
pub(crate) fn wrapper(magic: i8, offset: i64, codec: Codec, time: i64, inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    compress(codec, None, magic, inner, &mut value).unwrap();
    message(magic, offset, codec.bits(), time, None, Some(&value))
}

/// Records from offset `base` on: one batch, but for plain records of formats 0 and 1, which are one each.
pub(crate) fn batches((magic, codec): (i8, Codec), base: i64, rows: &[Row<'_>]) -> Vec<u8> {
    if magic == 2 {
        let (leader_epoch, id, epoch, sequence) = HEAD;
        let mut builder = BatchBuilder::new(Offset::new(base)).leader_epoch(LeaderEpoch::new(leader_epoch));
        builder = builder.producer(ProducerId::new(id), ProducerEpoch::new(epoch), Sequence::new(sequence));
        builder = builder.codec(codec, None);
        for (time, key, value) in rows {
            builder.push(Timestamp::new(*time), *key, *value, &[]).unwrap();
        }
        return builder.into_batch().unwrap();
    }
    // Offsets inside a wrapper are those of the log in format 0, and count from the first one in format 1.
    let first = if magic == 1 && codec != Codec::None { 0 } else { base };
    let messages =
        rows.iter().zip(first..).flat_map(|((time, key, value), at)| message(magic, at, 0, *time, *key, *value));
    let messages: Vec<u8> = messages.collect();
    if codec == Codec::None {
        return messages;
    }
    let last = base + i64::try_from(rows.len()).unwrap() - 1;
    wrapper(magic, last, codec, rows.iter().map(|row| row.0).max().unwrap(), &messages)
}
