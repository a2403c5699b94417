//! The xerial framing of snappy, and one raw block where the framing is missing. (snappy-java: `SnappyInputStream`)
//!
//! | bytes    | content                                                    |
//! |---------:|------------------------------------------------------------|
//! |        8 | `82 53 4e 41 50 50 59 00`                                  |
//! |        4 | version: 1                                                 |
//! |        4 | version that a reader must know: 1                         |
//! | repeated | compressed length (4 bytes), then one raw snappy block     |

use super::output::Output;
use super::{Codec, broken};
use crate::encoding::{Reader, Writer};
use crate::error::{Malformed, Rule};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_LEN: usize = 16;
const VERSION: i32 = 1;

/// The first four bytes of the magic where a chunk length is expected: another stream follows.
const MAGIC_AS_LENGTH: i32 = i32::from_be_bytes([MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3]]);

/// The longest chunk that snappy-java reads.
const MAX_CHUNK_LEN: i32 = 512 * 1024 * 1024;

/// The most that one compressed byte can become: a copy of 64 bytes takes three.
const MAX_EXPANSION: usize = 22;

/// Uncompressed bytes in each block but the last.
const BLOCK_LEN: usize = 32 * 1024;

/// All streams of `input`, or its one raw block.
pub(super) fn decompress(input: &[u8], out: &mut Output<'_>) -> Result<(), Malformed> {
    if input.is_empty() {
        return Err(broken(Codec::Snappy, 0, "there is not one byte"));
    }
    if !input.starts_with(&MAGIC) {
        return decompress_block(input, 0, out);
    }
    let mut reader = Reader::new(input);
    reader.take_bytes(HEADER_LEN)?;
    // Fewer bytes than a length are ignored.
    while let Ok(len) = reader.take_i32() {
        if len == MAGIC_AS_LENGTH {
            if !take_next_header(&mut reader)? {
                break;
            }
            continue;
        }
        let at = reader.at();
        let chunk = usize::try_from(len).ok().filter(|_| len <= MAX_CHUNK_LEN).ok_or_else(|| {
            broken(Codec::Snappy, at - 4, format!("chunk length is {len}; 0 to {MAX_CHUNK_LEN} are possible"))
        })?;
        let chunk = reader.take_bytes(chunk).map_err(|_| {
            let rule = Rule::Length { field: "snappy chunk", promised: len.into(), present: reader.left() as u64 };
            Malformed::new(at - 4, rule)
        })?;
        decompress_block(chunk, at, out)?;
    }
    Ok(())
}

/// The header of a stream behind another one, from its fifth byte on; false if it is none, at which Kafka's reader ends.
fn take_next_header(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let at = reader.at();
    let mut header = Reader::new(reader.take_bytes(HEADER_LEN - 4)?);
    if header.take_bytes(4)? != MAGIC.split_at(4).1 {
        return Ok(false);
    }
    let version = header.take_i32()?;
    if version < VERSION {
        return Err(broken(Codec::Snappy, at, format!("stream version is {version}; {VERSION} is the first")));
    }
    Ok(true)
}

/// One raw block, which begins at byte `at` of the input.
fn decompress_block(block: &[u8], at: usize, out: &mut Output<'_>) -> Result<(), Malformed> {
    let failed = |error: snap::Error| broken(Codec::Snappy, at, error.to_string());
    let len = snap::raw::decompress_len(block).map_err(failed)?;
    let possible = block.len().saturating_mul(MAX_EXPANSION);
    if len > possible {
        let reason = format!("{} bytes promise {len}; they can hold {possible}", block.len());
        return Err(broken(Codec::Snappy, at, reason));
    }
    out.check(len, at)?;
    out.extend_with(len, |space| snap::raw::Decoder::new().decompress(block, space)).map_err(failed)
}

/// One stream.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.put_bytes(&MAGIC);
    writer.put_i32(VERSION);
    writer.put_i32(VERSION);
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(BLOCK_LEN)];
    for raw in input.chunks(BLOCK_LEN) {
        let len = encoder.compress(raw, &mut block).expect("the block is as large as it can become");
        writer.put_u32(u32::try_from(len).expect("a block is shorter than 64 KiB"));
        writer.put_bytes(block.split_at(len).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        decompress(input, &mut Output::new(&mut bytes, 1 << 20)).map(|()| bytes)
    }

    /// A stream's header with this version.
    fn header(version: i32) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut writer = Writer::new(&mut bytes);
        writer.put_i32(version);
        writer.put_i32(VERSION);
        bytes
    }

    /// A raw block: its length, then one literal of up to 60 bytes.
    fn block(content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).expect("a short literal");
        [&[len, (len - 1) << 2], content].concat()
    }

    fn chunk(content: &[u8]) -> Vec<u8> {
        let block = block(content);
        [&[0, 0, 0, u8::try_from(block.len()).expect("a short block")], &block[..]].concat()
    }

    #[test]
    fn chunks_follow_each_other() {
        let bytes = [header(1), chunk(b"first, "), chunk(b"second")].concat();
        assert_eq!(read(&bytes), Ok(b"first, second".to_vec()));
        assert_eq!(read(&header(1)), Ok(Vec::new()), "a stream without a chunk");
    }

    #[test]
    fn the_first_headers_version_is_not_looked_at() {
        for version in [i32::MIN, 0, 1, 99] {
            assert_eq!(read(&[header(version), chunk(b"x")].concat()), Ok(b"x".to_vec()), "version {version}");
        }
    }

    #[test]
    fn unframed_input_is_one_raw_block() {
        assert_eq!(read(&block(b"short")), Ok(b"short".to_vec()));
        let long = [7; 40];
        assert_eq!(read(&block(&long)), Ok(long.to_vec()));
        let mut other_magic = [header(1), chunk(b"x")].concat();
        other_magic[7] = 1;
        assert_eq!(read(&other_magic).expect_err("no raw block").at, 0);
        for len in 8..16 {
            read(&header(1)[..len]).expect_err("half a header, which is no raw block either");
        }
        read(&[]).expect_err("nothing at all");
    }

    #[test]
    fn streams_follow_each_other() {
        for version in [1, 2, i32::MAX] {
            let bytes = [header(1), chunk(b"first, "), header(version), header(1), chunk(b"second")].concat();
            assert_eq!(read(&bytes), Ok(b"first, second".to_vec()), "version {version}");
        }
        for version in [0, -1, i32::MIN] {
            let bytes = [header(1), chunk(b"first"), header(version), chunk(b"second")].concat();
            read(&bytes).expect_err("a version before the first");
        }
    }

    #[test]
    fn a_later_header_with_another_magic_ends_the_input_silently() {
        let mut broken = header(1);
        broken[5] = b'x';
        for rest in [&[][..], &chunk(b"second")] {
            let input = [&header(1), &chunk(b"first"), &broken, rest].concat();
            assert_eq!(read(&input), Ok(b"first".to_vec()));
        }
    }

    #[test]
    fn a_later_header_that_is_cut_short_is_an_error() {
        let first = [header(1), chunk(b"first")].concat();
        for len in [4, 5, 15] {
            let rule = Rule::Short { needed: 12, present: len as u64 - 4 };
            let input = [&first[..], &header(1)[..len]].concat();
            assert_eq!(read(&input), Err(Malformed::new(first.len() + 4, rule)));
        }
    }

    #[test]
    fn less_than_a_length_at_the_end_is_ignored() {
        for rest in [&[][..], &[0xff], &[0, 0, 0]] {
            assert_eq!(read(&[&header(1), &chunk(b"x"), rest].concat()), Ok(b"x".to_vec()), "{rest:?}");
        }
        read(&[header(1), vec![0; 4]].concat()).expect_err("a chunk without bytes");
    }

    #[test]
    fn chunk_lengths_have_bounds() {
        let length = |len: i32| [header(1), len.to_be_bytes().to_vec(), vec![0]].concat();
        for len in [-1, i32::MIN, MAX_CHUNK_LEN + 1, i32::MAX] {
            let error = read(&length(len)).expect_err("an impossible length");
            assert_eq!((error.at, matches!(error.rule, Rule::Compressed { .. })), (16, true), "{len}");
        }
        for len in [2, MAX_CHUNK_LEN] {
            let rule = Rule::Length { field: "snappy chunk", promised: len.into(), present: 1 };
            assert_eq!(read(&length(len)), Err(Malformed::new(16, rule)));
        }
    }

    #[test]
    fn a_block_gives_what_it_promises() {
        for promised in [4, 6] {
            let mut bytes = block(b"short");
            bytes[0] = promised;
            read(&bytes).expect_err("another length than promised");
        }
    }

    /// Copies of 64 bytes from a distance of 1 are the densest a block can be.
    #[test]
    fn no_memory_is_taken_for_more_than_a_block_can_hold() {
        let copies = 3000;
        let len = 1 + 64 * copies;
        let mut densest = vec![0x80 | (len & 0x7f) as u8, 0x80 | (len >> 7 & 0x7f) as u8, (len >> 14) as u8, 0, b'x'];
        densest.extend([0xfe, 1, 0].repeat(copies));
        assert_eq!(read(&densest), Ok(vec![b'x'; len]));

        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, b'x'];
        let error = read(&huge).expect_err("4 GiB from seven bytes");
        assert!(error.to_string().contains("they can hold 154"), "{error}");
    }
}
