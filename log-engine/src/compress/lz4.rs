//! The subset of the LZ4 frame format that Kafka reads and writes. (Kafka: `Lz4BlockInputStream`, `Lz4BlockOutputStream`)
//!
//! | bytes    | content                                                                                     |
//! |---------:|---------------------------------------------------------------------------------------------|
//! |        4 | `04 22 4d 18`                                                                               |
//! |        1 | FLG: version, and which optional parts there are                                            |
//! |        1 | BD: the most bytes in a block                                                               |
//! |   0 or 8 | content size, if flagged; not looked at                                                     |
//! |        1 | HC: second byte of the xxHash32 of FLG to content size                                      |
//! | repeated | block length (u32, lowest byte first; top bit: stored as it is), block, checksum if flagged |
//! |        4 | end mark: a length of 0                                                                     |
//! |   0 or 4 | content checksum, if flagged; must be there, is not looked at                               |
//!
//! Kafka's first lz4 writers took the hash over the magic as well, so HC is not looked at in message format 0 and written
//! wrong there, for readers as old.

use lz4_flex::block::{self, DecompressError};
use twox_hash::XxHash32;

use super::output::Output;
use super::{Codec, broken, take_u32_le};
use crate::encoding::{Reader, Writer};
use crate::error::{Malformed, Rule};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

const FLAG_RESERVED: u8 = 0b11;
const FLAG_CONTENT_CHECKSUM: u8 = 1 << 2;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_BLOCK_CHECKSUM: u8 = 1 << 4;
const FLAG_INDEPENDENT: u8 = 1 << 5;
/// Above the flags: the format's version, 1.
const VERSION_SHIFT: u32 = 6;
const VERSION: u8 = 1;

/// BD's only field, the block size code; its other bits are reserved.
const BLOCK_SIZE_SHIFT: u32 = 4;
const BLOCK_SIZE_CODES: std::ops::RangeInclusive<u8> = 4..=7;

/// In a block length: the block is stored as it is.
const STORED: u32 = 1 << 31;

/// What most blocks become at most, for each of their bytes.
const USUAL_EXPANSION: usize = 4;

/// What Kafka writes: independent blocks of 64 KiB, no checksums, no content size.
const FLG: u8 = (VERSION << VERSION_SHIFT) | FLAG_INDEPENDENT;
const BD: u8 = 4 << BLOCK_SIZE_SHIFT;
const BLOCK_LEN: usize = max_block_len(4);

/// The uncompressed bytes that a block of this size code holds at most: 64 KiB to 4 MiB.
const fn max_block_len(code: u8) -> usize {
    1 << (2 * code + 8)
}

/// What a frame's head says about its blocks.
struct Head {
    max_block_len: usize,
    block_checksums: bool,
    content_checksum: bool,
}

/// The first frame of `input`; what follows its end mark is not looked at.
pub(super) fn decompress(magic: i8, input: &[u8], out: &mut Output<'_>) -> Result<(), Malformed> {
    let mut reader = Reader::new(input);
    let head = take_head(&mut reader, magic)?;
    loop {
        let at = reader.at();
        let length = take_u32_le(&mut reader)?;
        let len = length & !STORED;
        if len == 0 {
            return if head.content_checksum { take_u32_le(&mut reader).map(drop) } else { Ok(()) };
        }
        if len as usize > head.max_block_len {
            return Err(broken(Codec::Lz4, at, format!("block of {len} bytes; {} fit", head.max_block_len)));
        }
        let block = reader.take_bytes(len as usize).map_err(|_| {
            let rule = Rule::Length { field: "lz4 block", promised: len.into(), present: reader.left() as u64 };
            Malformed::new(at, rule)
        })?;
        if head.block_checksums {
            let (stored, computed) = (take_u32_le(&mut reader)?, XxHash32::oneshot(0, block));
            if stored != computed {
                return Err(broken(Codec::Lz4, at, format!("block checksum is {stored:08x}, not {computed:08x}")));
            }
        }
        if length & STORED != 0 {
            out.extend(block, at)?;
        } else {
            decompress_block(block, at, head.max_block_len, out)?;
        }
    }
}

/// One block, whose length stands at byte `at` of the input, of `max_len` bytes at most. Space is filled with zeros before it is
/// used, so the usual is tried first.
fn decompress_block(block: &[u8], at: usize, max_len: usize, out: &mut Output<'_>) -> Result<(), Malformed> {
    let usual_len = block.len() * USUAL_EXPANSION;
    let mut done = out.extend_with(usual_len.min(max_len), |space| block::decompress_into(block, space));
    if matches!(done, Err(DecompressError::OutputTooSmall { .. })) && usual_len < max_len {
        done = out.extend_with(max_len, |space| block::decompress_into(block, space));
    }
    done.map_err(|error| {
        let cut_by_limit = matches!(error, DecompressError::OutputTooSmall { .. });
        let too_large = out.check(max_len, at).err().filter(|_| cut_by_limit);
        too_large.unwrap_or_else(|| broken(Codec::Lz4, at, error.to_string()))
    })
}

/// From the frame's magic to HC.
fn take_head(reader: &mut Reader<'_>, magic: i8) -> Result<Head, Malformed> {
    let found = reader.take_bytes(MAGIC.len())?;
    if found != MAGIC {
        return Err(broken(Codec::Lz4, 0, format!("it begins with {found:02x?}, not with 04 22 4d 18")));
    }
    let descriptor = reader.rest();
    let (flg, bd) = (reader.take_u8()?, reader.take_u8()?);
    let (version, code) = (flg >> VERSION_SHIFT, bd >> BLOCK_SIZE_SHIFT);
    if version != VERSION {
        return Err(broken(Codec::Lz4, MAGIC.len(), format!("frame version is {version}; {VERSION} is known")));
    }
    if flg & FLAG_INDEPENDENT == 0 || flg & FLAG_RESERVED != 0 {
        let reason = format!("flags are {flg:02x}: blocks depend on others, or a dictionary, or on reserved bits");
        return Err(broken(Codec::Lz4, MAGIC.len(), reason));
    }
    if !BLOCK_SIZE_CODES.contains(&code) || bd != code << BLOCK_SIZE_SHIFT {
        return Err(broken(Codec::Lz4, MAGIC.len() + 1, format!("block size byte is {bd:02x}; 40 to 70 are known")));
    }
    if flg & FLAG_CONTENT_SIZE != 0 {
        reader.take_bytes(8)?;
    }
    let at = reader.at();
    let computed = header_checksum(descriptor.get(..at - MAGIC.len()).unwrap_or_default());
    let stored = reader.take_u8()?;
    if magic > 0 && stored != computed {
        return Err(broken(Codec::Lz4, at, format!("header checksum is {stored:02x}, not {computed:02x}")));
    }
    Ok(Head {
        max_block_len: max_block_len(code),
        block_checksums: flg & FLAG_BLOCK_CHECKSUM != 0,
        content_checksum: flg & FLAG_CONTENT_CHECKSUM != 0,
    })
}

/// HC of these bytes.
fn header_checksum(bytes: &[u8]) -> u8 {
    XxHash32::oneshot(0, bytes).to_be_bytes()[2]
}

/// One frame.
pub(super) fn compress(magic: i8, input: &[u8], out: &mut Vec<u8>) {
    let head = [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], FLG, BD];
    let hashed = if magic == 0 { &head[..] } else { head.split_at(MAGIC.len()).1 };
    let mut writer = Writer::new(out);
    writer.put_bytes(&head);
    writer.put_bytes(&[header_checksum(hashed)]);
    let mut space = vec![0; block::get_maximum_output_size(BLOCK_LEN)];
    for raw in input.chunks(BLOCK_LEN) {
        let len = block::compress_into(raw, &mut space).expect("the block is as large as it can become");
        let (block, flag) = if len < raw.len() { (space.split_at(len).0, 0) } else { (raw, STORED) };
        let len = u32::try_from(block.len()).expect("a block is no longer than 64 KiB");
        writer.put_u32((len | flag).swap_bytes());
        writer.put_bytes(block);
    }
    writer.put_u32(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: [u8; 4] = [0; 4];

    fn read_as(magic: i8, input: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        decompress(magic, input, &mut Output::new(&mut bytes, 1 << 24)).map(|()| bytes)
    }

    fn read(input: &[u8]) -> Result<Vec<u8>, Malformed> {
        read_as(2, input)
    }

    /// A frame's head with the right HC.
    fn head(flg: u8, bd: u8, rest: &[u8]) -> Vec<u8> {
        let descriptor = [&[flg, bd], rest].concat();
        [&MAGIC, &descriptor[..], &[header_checksum(&descriptor)]].concat()
    }

    fn stored(content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len()).expect("a short block") | STORED;
        [&len.swap_bytes().to_be_bytes(), content].concat()
    }

    // conformance: LZ4-009
    #[test]
    fn the_descriptor_has_one_legal_version_and_no_reserved_bits() {
        let frame = |flg, bd| read(&[head(flg, bd, &[]), stored(b"x"), END.to_vec()].concat());
        assert_eq!(frame(FLG, BD), Ok(b"x".to_vec()));
        for flg in [0x20, 0xa0, 0xe0, 0x40, FLG | 1, FLG | 2] {
            assert_eq!(frame(flg, BD).expect_err("an illegal FLG").at, 4, "FLG {flg:02x}");
        }
        for bd in [0x00, 0x30, 0x41, 0x48, 0x80, 0xc0] {
            assert_eq!(frame(FLG, bd).expect_err("an illegal BD").at, 5, "BD {bd:02x}");
        }
        for bd in [0x40, 0x50, 0x60, 0x70] {
            assert_eq!(frame(FLG, bd), Ok(b"x".to_vec()), "BD {bd:02x}");
        }
        read(&[&[4, 0x22, 0x4d, 0x19], &head(FLG, BD, &[])[4..], &END].concat()).expect_err("another magic");
    }

    // conformance: LZ4-001 LZ4-002
    #[test]
    fn the_header_checksum_counts_from_magic_1_on() {
        for (magic, hc) in [(0, 0x1a), (1, 0x82), (2, 0x82)] {
            let mut frame = Vec::new();
            compress(magic, b"x", &mut frame);
            assert_eq!(frame[6], hc);
            assert_eq!(read_as(magic, &frame), Ok(b"x".to_vec()));
            frame[6] ^= 1;
            match magic {
                0 => assert_eq!(read_as(magic, &frame), Ok(b"x".to_vec())),
                _ => assert_eq!(read_as(magic, &frame).expect_err("a false checksum").at, 6),
            }
        }
    }

    #[test]
    fn the_content_size_is_under_the_header_checksum_and_otherwise_ignored() {
        let frame = [head(FLG | FLAG_CONTENT_SIZE, BD, &[0xff; 8]), stored(b"x"), END.to_vec()].concat();
        assert_eq!(read(&frame), Ok(b"x".to_vec()));
        let mut flipped = frame;
        flipped[9] ^= 1;
        assert_eq!(read(&flipped).expect_err("a false checksum").at, 14);
    }

    // conformance: LZ4-010
    #[test]
    fn block_checksums_are_verified_where_flagged() {
        for len in [1, 1000, 65_536] {
            let content = vec![1; len];
            let packed = block::compress(&content);
            let length = u32::try_from(packed.len()).expect("a short block").swap_bytes().to_be_bytes();
            let checksum = XxHash32::oneshot(0, &packed).swap_bytes().to_be_bytes();
            let good = [&head(FLG | FLAG_BLOCK_CHECKSUM, BD, &[])[..], &length, &packed, &checksum, &END].concat();
            assert_eq!(read(&good), Ok(content));
            let mut bad = good.clone();
            bad[good.len() - 5] ^= 1;
            let error = read(&bad).expect_err("a false checksum");
            assert!(error.at == 7 && error.to_string().contains("block checksum"), "{error}");
        }
    }

    #[test]
    fn reading_ends_at_the_first_end_mark() {
        let frame = [head(FLG, BD, &[]), stored(b"x")].concat();
        for end in [&END[..], &[0, 0, 0, 0x80]] {
            for rest in [&b""[..], b"rest", &frame] {
                assert_eq!(read(&[&frame, end, rest].concat()), Ok(b"x".to_vec()));
            }
        }
        let error = read(&frame).expect_err("no end mark");
        assert_eq!(error, Malformed::new(frame.len(), Rule::Short { needed: 4, present: 0 }));
    }

    #[test]
    fn a_block_is_no_longer_than_the_descriptor_says() {
        for code in BLOCK_SIZE_CODES {
            let fits = vec![7; max_block_len(code)];
            let head = head(FLG, code << BLOCK_SIZE_SHIFT, &[]);
            assert!(read(&[&head[..], &stored(&fits), &END].concat()) == Ok(fits.clone()), "code {code}");
            let longer = [&fits[..], &[7]].concat();
            assert_eq!(read(&[&head[..], &stored(&longer), &END].concat()).expect_err("one byte more").at, 7);

            let packed = block::compress(&longer);
            let length = u32::try_from(packed.len()).expect("a short block").swap_bytes().to_be_bytes();
            read(&[&head[..], &length, &packed, &END].concat()).expect_err("one byte more inside");
        }
    }

    #[test]
    fn a_length_is_held_against_what_is_there() {
        let frame = [&head(FLG, BD, &[])[..], &[9, 0, 0, 0], b"short"].concat();
        let rule = Rule::Length { field: "lz4 block", promised: 9, present: 5 };
        assert_eq!(read(&frame), Err(Malformed::new(7, rule)));
    }

    #[test]
    fn blocks_that_do_not_shrink_are_stored() {
        let mut frame = Vec::new();
        compress(2, b"abc", &mut frame);
        assert_eq!(frame, [&head(FLG, BD, &[])[..], &[3, 0, 0, 0x80], b"abc", &END].concat());

        // Longer repetitions at the end save more bytes, from none to some.
        let mut as_long = 0;
        for repeated in 0..32 {
            let raw: Vec<u8> = (0..=99).chain(0..repeated).chain(200..=220).collect();
            let packed = block::compress(&raw).len();
            let mut frame = Vec::new();
            compress(2, &raw, &mut frame);
            assert_eq!(frame[10] == 0x80, packed >= raw.len(), "{packed} for {} bytes", raw.len());
            as_long += u32::from(packed == raw.len());
        }
        assert!(as_long > 0, "no block was as long as its content");
    }

    #[test]
    fn a_content_checksum_must_be_there_and_is_not_looked_at() {
        let frame = [&head(FLG | FLAG_CONTENT_CHECKSUM, BD, &[])[..], &stored(b"x"), &END].concat();
        for checksum in [&b"none"[..], b"none, and more"] {
            assert_eq!(read(&[&frame, checksum].concat()), Ok(b"x".to_vec()));
        }
        let rule = Rule::Short { needed: 4, present: 3 };
        assert_eq!(read(&[&frame[..], b"cut"].concat()), Err(Malformed::new(frame.len(), rule)));
    }
}
