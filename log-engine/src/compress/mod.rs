//! Bytes to fewer bytes and back, in the framings that Kafka's clients use; pure. Every decoder has an output limit.
//!
//! Knows the codecs of a batch's attribute bits, not where the bits or the bytes stand. What is read here is what Kafka's own
//! streams read, odd corners included; what is written is what Kafka can read, not the same bytes: another build of the same
//! library compresses otherwise.

mod codec;
mod gzip;
mod lz4;
mod output;
mod snappy;
mod zstd;

use std::fmt;

use crate::encoding::Reader;
use crate::error::{Malformed, Rule};
pub(crate) use codec::Refused;
pub use codec::{Codec, Compression};
use output::Output;

/// The first message format with zstd (Kafka: `CompressionType`, `DefaultRecordBatch.MAGIC`).
const FIRST_MAGIC_WITH_ZSTD: i8 = 2;

/// Decoder state that is worth keeping from one batch to the next; one per thread.
#[derive(Default)]
pub(crate) struct Decompressor {
    inflater: Option<flate2::Decompress>,
    zstd: zstd::Context,
}

impl Decompressor {
    /// Decompresses all of `input`, the records part of a batch of format `magic`, into `out`, whose content is replaced.
    ///
    /// An error's position counts from the start of `input`; `out` then holds what came out before it, as a Kafka client has
    /// read some records before its stream throws.
    ///
    /// # Errors
    /// [`Rule::TooLarge`] when more than `limit` bytes would come out, [`Rule::Codec`] for zstd in a message format older than
    /// 2, and [`Rule::Compressed`], [`Rule::Length`], [`Rule::Short`] for bytes at which Kafka's stream would throw.
    pub(crate) fn decompress_into(
        &mut self,
        codec: Codec,
        magic: i8,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Malformed> {
        let mut output = Output::new(out, limit);
        match codec {
            Codec::None => output.extend(input, 0),
            Codec::Gzip => gzip::decompress(self.inflater.get_or_insert_with(gzip::inflater), input, &mut output),
            Codec::Snappy => snappy::decompress(input, &mut output),
            Codec::Lz4 => lz4::decompress(magic, input, &mut output),
            Codec::Zstd if magic < FIRST_MAGIC_WITH_ZSTD => {
                Err(Malformed::new(0, Rule::Codec { id: codec.bits(), magic }))
            }
            Codec::Zstd => self.zstd.decompress(input, &mut output),
        }
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}

/// Compresses `input` for a batch of format `magic` into `out`, whose content is replaced.
///
/// Without a `level`, Kafka's default for the codec is taken. lz4 has one compressor here: its levels are checked, and change
/// nothing.
///
/// # Errors
/// A level that the codec does not have, or zstd in a message format older than 2.
pub(crate) fn compress(
    codec: Codec,
    level: Option<i32>,
    magic: i8,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    let level = codec.check_level(level)?;
    if codec == Codec::Zstd && magic < FIRST_MAGIC_WITH_ZSTD {
        return Err(Refused::Magic { codec, magic });
    }
    out.clear();
    match codec {
        Codec::None => out.extend_from_slice(input),
        Codec::Gzip => gzip::compress(level, input, out),
        Codec::Snappy => snappy::compress(input, out),
        Codec::Lz4 => lz4::compress(magic, input, out),
        Codec::Zstd => zstd::compress(level, input, out),
    }
    Ok(())
}

/// The next u32 with its lowest byte first, as gzip and lz4 store it.
fn take_u32_le(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    reader.take_u32().map(u32::swap_bytes)
}

/// `codec`'s bytes at `at` do not decode.
#[cold]
fn broken(codec: Codec, at: usize, reason: impl Into<String>) -> Malformed {
    Malformed::new(at, Rule::Compressed { codec: codec.name(), reason: reason.into() })
}

#[cfg(test)]
mod tests;
