//! gzip members one behind the other (RFC 1952), read as the JDK's stream reads them. (JDK: `GZIPInputStream`)
//!
//! | bytes | field                                                               |
//! |------:|---------------------------------------------------------------------|
//! |     2 | `1f 8b`                                                             |
//! |     1 | method: 8, deflate                                                  |
//! |     1 | flags: which optional parts follow the head                         |
//! |     6 | time, extra flags, operating system; not looked at                  |
//! |       | extra field, file name, comment, header checksum, as flagged        |
//! |       | deflate stream                                                      |
//! |     4 | CRC-32 of what comes out, lowest byte first                         |
//! |     4 | its length modulo 2^32, lowest byte first                           |

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::output::Output;
use super::{Codec, broken, take_u32_le};
use crate::encoding::{Reader, crc32};
use crate::error::Malformed;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;

/// What a JDK from 16 on writes: no time, no flags, operating system unknown.
const HEAD: [u8; 10] = [MAGIC[0], MAGIC[1], DEFLATE, 0, 0, 0, 0, 0, 0, 0xff];

/// So many bytes behind a member, or fewer, are not another one: the JDK asks for a head, a trailer and something between.
const IGNORED_REST: usize = 18;

/// A decoder for the deflate stream inside a member.
pub(super) fn inflater() -> Decompress {
    Decompress::new(false)
}

/// All members of `input`. Behind the first, bytes that do not begin another one are ignored.
pub(super) fn decompress(inflater: &mut Decompress, input: &[u8], out: &mut Output<'_>) -> Result<(), Malformed> {
    let mut reader = Reader::new(input);
    take_head(&mut reader)?;
    loop {
        inflate(inflater, &mut reader, out)?;
        if reader.left() <= IGNORED_REST || take_head(&mut reader).is_err() {
            return Ok(());
        }
    }
}

/// A member's head with the optional parts that its flags announce.
fn take_head(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let (start, whole) = (reader.at(), reader.rest());
    let magic = reader.take_bytes(2)?;
    if magic != MAGIC {
        return Err(broken(Codec::Gzip, start, format!("it begins with {magic:02x?}, not with 1f 8b")));
    }
    let method = reader.take_u8()?;
    if method != DEFLATE {
        return Err(broken(Codec::Gzip, start, format!("compression method is {method}; 8 is known")));
    }
    let flags = reader.take_u8()?;
    reader.take_bytes(6)?;
    if flags & FLAG_EXTRA != 0 {
        let len = reader.take_u16()?.swap_bytes();
        reader.take_bytes(usize::from(len))?;
    }
    for text in [FLAG_NAME, FLAG_COMMENT] {
        if flags & text != 0 {
            while reader.take_u8()? != 0 {}
        }
    }
    if flags & FLAG_HEADER_CRC != 0 {
        let computed = crc32(whole.get(..reader.at() - start).unwrap_or_default()) & 0xffff;
        let stored = reader.take_u16()?.swap_bytes();
        if u32::from(stored) != computed {
            return Err(broken(Codec::Gzip, start, format!("header checksum is {stored:04x}, not {computed:04x}")));
        }
    }
    Ok(())
}

/// The deflate stream and the trailer of one member.
fn inflate(inflater: &mut Decompress, reader: &mut Reader<'_>, out: &mut Output<'_>) -> Result<(), Malformed> {
    let member_start = out.bytes().len();
    inflater.reset(false);
    loop {
        let (at, in_before, out_before) = (reader.at(), inflater.total_in(), inflater.total_out());
        let status = out
            .append_with(at, |spare| inflater.decompress_vec(reader.rest(), spare, FlushDecompress::None))?
            .map_err(|error| broken(Codec::Gzip, at, error.to_string()))?;
        #[expect(clippy::cast_possible_truncation, reason = "no more than the bytes of the slice")]
        reader.take_bytes((inflater.total_in() - in_before) as usize)?;
        if status == Status::StreamEnd {
            break;
        }
        if (inflater.total_in(), inflater.total_out()) == (in_before, out_before) {
            return Err(broken(Codec::Gzip, reader.at(), "the deflate stream ends too early"));
        }
    }
    let trailer_at = reader.at();
    let stored = (take_u32_le(reader)?, take_u32_le(reader)?);
    let member = out.bytes().get(member_start..).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "the format keeps the length modulo 2^32")]
    let computed = (crc32(member), member.len() as u32);
    if stored != computed {
        let reason = format!(
            "checksum and length are {:08x} and {}, not {:08x} and {}",
            stored.0, stored.1, computed.0, computed.1
        );
        return Err(broken(Codec::Gzip, trailer_at, reason));
    }
    Ok(())
}

/// One member.
pub(super) fn compress(level: i32, input: &[u8], out: &mut Vec<u8>) {
    // Kafka's default is the one number below 0.
    let level = u32::try_from(level).map_or(Compression::default(), Compression::new);
    out.extend_from_slice(&HEAD);
    let mut deflater = Compress::new(level, false);
    let mut rest = input;
    loop {
        out.reserve(rest.len() / 2 + 64);
        let before = deflater.total_in();
        let status = deflater.compress_vec(rest, out, FlushCompress::Finish).expect("deflate takes any bytes");
        #[expect(clippy::cast_possible_truncation, reason = "no more than the bytes of the slice")]
        let taken = (deflater.total_in() - before) as usize;
        rest = rest.split_at(taken).1;
        if status == Status::StreamEnd {
            break;
        }
    }
    out.extend_from_slice(&crc32(input).swap_bytes().to_be_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "the format keeps the length modulo 2^32")]
    out.extend_from_slice(&(input.len() as u32).swap_bytes().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::codec::GZIP_DEFAULT_LEVEL;
    use super::*;

    fn read(input: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut bytes = Vec::new();
        decompress(&mut inflater(), input, &mut Output::new(&mut bytes, 1 << 20)).map(|()| bytes)
    }

    fn member(content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        compress(GZIP_DEFAULT_LEVEL, content, &mut bytes);
        bytes
    }

    /// A member with these flags and the optional parts that belong to them.
    fn flagged(flags: u8, parts: &[u8]) -> Vec<u8> {
        let mut bytes = member(b"content");
        bytes[3] = flags;
        bytes.splice(HEAD.len()..HEAD.len(), parts.iter().copied());
        bytes
    }

    #[test]
    fn members_follow_each_other() {
        let two = [member(b"first, "), member(b""), member(b"second")].concat();
        assert_eq!(read(&two), Ok(b"first, second".to_vec()));
    }

    #[test]
    fn what_is_no_member_behind_a_member_is_ignored() {
        for rest in [&b"x"[..], &[0; 100], &HEAD, &[&HEAD[..], &[0; 8]].concat()] {
            assert_eq!(read(&[&member(b"first"), rest].concat()), Ok(b"first".to_vec()), "{rest:?}");
        }
        let error = read(&[&member(b"first"), &HEAD[..], &[0xff; 9]].concat()).expect_err("a head, then no deflate");
        assert_eq!(error.at, member(b"first").len() + HEAD.len());
    }

    #[test]
    fn optional_parts_of_the_head_are_skipped() {
        assert_eq!(read(&flagged(FLAG_EXTRA, b"\x03\x00abc")), Ok(b"content".to_vec()));
        assert_eq!(read(&flagged(FLAG_NAME, b"name\0")), Ok(b"content".to_vec()));
        assert_eq!(read(&flagged(FLAG_NAME | FLAG_COMMENT, b"name\0comment\0")), Ok(b"content".to_vec()));
        read(&flagged(FLAG_NAME, b"")[..12]).expect_err("a name without an end");
        read(&flagged(FLAG_EXTRA, b"\xff\xff")).expect_err("an extra field longer than all");
    }

    #[test]
    fn the_heads_own_checksum_is_checked() {
        let head = [&HEAD[..3], &[FLAG_HEADER_CRC], &HEAD[4..]].concat();
        let crc = crc32(&head).to_be_bytes();
        assert_eq!(read(&flagged(FLAG_HEADER_CRC, &[crc[3], crc[2]])), Ok(b"content".to_vec()));
        let error = read(&flagged(FLAG_HEADER_CRC, &[crc[3], crc[2] ^ 1])).expect_err("another checksum");
        assert!(error.to_string().contains("header checksum"), "{error}");
    }

    #[test]
    fn a_false_checksum_or_length_is_an_error_at_the_trailer() {
        let good = member(b"content");
        for byte in 1..=8 {
            let mut bad = good.clone();
            let at = bad.len() - byte;
            bad[at] ^= 0x10;
            assert_eq!(read(&bad).expect_err("a false trailer").at, good.len() - 8);
        }
    }

    #[test]
    fn another_magic_or_method_is_refused() {
        for (at, byte) in [(0, 0x1e), (1, 0x8c), (2, 7)] {
            let mut bad = member(b"content");
            bad[at] = byte;
            assert_eq!(read(&bad).expect_err("not a gzip member").at, 0);
        }
        read(&[]).expect_err("nothing at all");
    }
}
