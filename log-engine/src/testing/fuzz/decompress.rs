//! Any bytes as compressed ones, and as ones to compress.

use super::assert_within;
use crate::compress::{Codec, Decompressor, compress};
use crate::error::Rule;

/// The most that may come out: small, so that it is met often.
const LIMIT: usize = 64 << 10;

/// The first byte chooses codec and message format; the rest is decompressed, and compressed and decompressed.
///
/// # Panics
/// If more comes out than the limit allows or more memory is held for it, the limit is not kept to the byte, an error lies outside
/// the input, or bytes do not come back from their compressed form.
pub fn decompress(data: &[u8]) {
    let Some((&choice, input)) = data.split_first() else { return };
    let codec = Codec::ALL[usize::from(choice) % Codec::ALL.len()];
    let magic = (choice / 8 % 3).cast_signed();
    let mut decompressor = Decompressor::default();
    let mut out = Vec::new();
    match decompressor.decompress_into(codec, magic, input, &mut out, LIMIT) {
        Ok(()) => {
            let len = out.len();
            assert!(len <= LIMIT);
            let content = out.clone();
            decompressor.decompress_into(codec, magic, input, &mut out, len).expect("a limit that is just enough");
            assert_eq!(out, content, "the same input again");
            if let Some(too_little) = len.checked_sub(1) {
                let refused = decompressor.decompress_into(codec, magic, input, &mut out, too_little);
                let malformed = refused.expect_err("one byte too many");
                assert!(matches!(malformed.rule, Rule::TooLarge { .. }), "{malformed}");
            }
        }
        Err(malformed) => assert_within(&malformed, input.len()),
    }
    // One byte beyond the limit, with which a decoder shows that it had more to give.
    assert!(out.len() <= LIMIT && out.capacity() <= LIMIT + 1, "{} bytes of memory", out.capacity());
    assert_comes_back(codec, magic, input, &mut decompressor);
}

fn assert_comes_back(codec: Codec, magic: i8, content: &[u8], decompressor: &mut Decompressor) {
    let mut compressed = Vec::new();
    if compress(codec, None, magic, content, &mut compressed).is_err() {
        assert!(codec == Codec::Zstd && magic < 2, "{codec:?} in format {magic}");
        return;
    }
    let mut out = Vec::new();
    let limit = content.len();
    match decompressor.decompress_into(codec, magic, &compressed, &mut out, limit) {
        Ok(()) => assert_eq!(out, content),
        Err(malformed) => panic!("{codec:?} of our own: {malformed}"),
    }
}
