//! What holds for every codec alike; the corners of one codec are tested beside its code.

use proptest::prelude::*;

use super::*;

/// A limit that no test input reaches.
const ENOUGH: usize = 64 * 1024 * 1024;

fn compressed(codec: Codec, magic: i8, input: &[u8]) -> Vec<u8> {
    let mut out = vec![1; 3];
    compress(codec, None, magic, input, &mut out).expect("a codec of this format");
    out
}

fn decompressed(codec: Codec, magic: i8, input: &[u8], limit: usize) -> Result<Vec<u8>, Malformed> {
    let mut out = vec![1; 3];
    Decompressor::default().decompress_into(codec, magic, input, &mut out, limit)?;
    Ok(out)
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex digits"), 16).expect("hex digits"))
        .collect()
}

/// Bytes without order: a xorshift generator, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(len)
    .collect()
}

/// Lines as records hold them.
fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{{\"id\":{n},\"name\":\"user-{}\"}}\n", n % 7).into_bytes()).take(len).collect()
}

/// Each codec with each message format that has it.
fn codecs_and_magics() -> impl Iterator<Item = (Codec, i8)> {
    Codec::ALL
        .into_iter()
        .flat_map(|codec| (0..=2).map(move |magic| (codec, magic)))
        .filter(|&(codec, magic)| codec != Codec::Zstd || magic == 2)
}

#[test]
fn kafkas_own_bytes_decode() {
    for (codec, bytes) in [
        (Codec::Gzip, "1f8b08000000000000ff6360a03d0000cac6889964000000"),
        (Codec::Snappy, "82534e4150505900000000010000000100000009640000fe01008a0100"),
        (Codec::Lz4, "04224d186040820b0000001f0001004b50000000000000000000"),
    ] {
        assert_eq!(decompressed(codec, 2, &hex(bytes), 100), Ok(vec![0; 100]), "{codec}");
    }
}

#[test]
fn streams_begin_as_kafkas_do() {
    for (codec, magic, head) in [
        (Codec::Gzip, 2, "1f8b08000000000000ff"),
        (Codec::Snappy, 2, "82534e41505059000000000100000001"),
        (Codec::Lz4, 1, "04224d18604082"),
        (Codec::Lz4, 2, "04224d18604082"),
        (Codec::Lz4, 0, "04224d1860401a"),
        (Codec::Zstd, 2, "28b52ffd"),
    ] {
        assert!(compressed(codec, magic, b"record").starts_with(&hex(head)), "{codec}, magic {magic}");
    }
}

// conformance: GZP-001 NOC-001 LZ4-010
#[test]
fn every_length_and_kind_of_bytes_comes_back_from_every_codec() {
    for (codec, magic) in codecs_and_magics() {
        for len in [0, 1, 2, 12, 13, 1000, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 98_304, 300_000] {
            for input in [vec![1; len], noise(len), text(len)] {
                let bytes = compressed(codec, magic, &input);
                let back = decompressed(codec, magic, &bytes, len);
                assert!(back.as_ref() == Ok(&input), "{codec}, magic {magic}, {len} bytes: {:?}", back.err());
            }
        }
    }
}

// conformance: GZP-001
#[test]
fn every_level_reads_back() {
    let input = text(70_000);
    for (codec, levels) in [
        (Codec::Gzip, &[-1, 1, 2, 3, 4, 5, 6, 7, 8, 9][..]),
        (Codec::Lz4, &[1, 9, 17]),
        (Codec::Zstd, &[-131_072, -1, 0, 1, 3, 19, 22]),
    ] {
        for &level in levels {
            let mut bytes = Vec::new();
            compress(codec, Some(level), 2, &input, &mut bytes).expect("a level of the codec");
            assert!(decompressed(codec, 2, &bytes, input.len()) == Ok(input.clone()), "{codec} level {level}");
        }
    }
}

// conformance: MRB-001
#[test]
fn zstd_is_refused_before_message_format_2() {
    let bytes = compressed(Codec::Zstd, 2, b"record");
    for magic in [0, 1] {
        let refused = compress(Codec::Zstd, None, magic, b"record", &mut Vec::new());
        assert_eq!(refused, Err(Refused::Magic { codec: Codec::Zstd, magic }));
        let unread = decompressed(Codec::Zstd, magic, &bytes, ENOUGH);
        assert_eq!(unread, Err(Malformed::new(0, Rule::Codec { id: 4, magic })));
    }
}

/// The rule that an output limit breaks.
fn too_large(limit: usize) -> Rule {
    Rule::TooLarge { what: "the decompressed data", limit: limit as u64 }
}

#[test]
fn output_stops_exactly_at_its_limit() {
    for (codec, magic) in codecs_and_magics() {
        for len in [1, 1000, 16 * 1024, 65_536, 65_537, 200_000] {
            for input in [vec![7; len], noise(len)] {
                let bytes = compressed(codec, magic, &input);
                let below = decompressed(codec, magic, &bytes, len - 1).expect_err("one byte too many");
                assert_eq!(below.rule, too_large(len - 1), "{codec}, {len} bytes");
                assert!(below.at <= bytes.len());
                for limit in [len, len + 1] {
                    let back = decompressed(codec, magic, &bytes, limit);
                    assert!(back.as_ref() == Ok(&input), "{codec}, {len} bytes, limit {limit}: {:?}", back.err());
                }
            }
        }
    }
}

#[test]
fn a_bomb_takes_no_more_memory_than_its_limit() {
    let limit = 1024 * 1024;
    let zeros = vec![0; 64 * limit];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bomb = compressed(codec, 2, &zeros);
        let mut out = Vec::new();
        let stopped = Decompressor::default().decompress_into(codec, 2, &bomb, &mut out, limit);
        assert_eq!(stopped.map_err(|error| error.rule), Err(too_large(limit)), "{codec}");
        assert!(out.len() <= limit && out.capacity() <= limit + 1, "{codec}: capacity {}", out.capacity());
    }
}

#[test]
fn a_decompressor_is_good_again_after_an_error() {
    let input = text(100_000);
    let mut decompressor = Decompressor::default();
    let mut out = Vec::new();
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = compressed(codec, 2, &input);
        for bad in [&bytes[..bytes.len() / 2], &input[..], &bytes[..1]] {
            decompressor.decompress_into(codec, 2, bad, &mut out, ENOUGH).expect_err("half a stream, or none");
            decompressor.decompress_into(codec, 2, &bytes, &mut out, ENOUGH).expect("a whole stream");
            assert!(out == input, "{codec}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_ends_in_an_error() {
    let input = text(3000);
    for (codec, magic) in codecs_and_magics().filter(|&(codec, _)| codec != Codec::None) {
        let bytes = compressed(codec, magic, &input);
        for cut in 1..bytes.len() {
            // A snappy stream may end where a chunk length would stand: in this one, right behind its header.
            if codec == Codec::Snappy && (16..20).contains(&cut) {
                continue;
            }
            let error = decompressed(codec, magic, &bytes[..cut], ENOUGH).expect_err("a cut stream");
            assert!(error.at <= cut, "{codec}, cut at {cut}: {error}");
        }
    }
}

#[test]
fn what_came_out_before_an_error_stays_readable() {
    let input = noise(400_000);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = compressed(codec, 2, &input);
        let mut out = Vec::new();
        let cut = bytes.len() - bytes.len() / 4;
        Decompressor::default().decompress_into(codec, 2, &bytes[..cut], &mut out, ENOUGH).expect_err("a cut stream");
        assert!(out.len() > 100_000 && input.starts_with(&out), "{codec}: {} bytes", out.len());
    }
}

#[test]
fn no_flipped_bit_panics_or_passes_the_limit() {
    let input = text(600);
    let mut decompressor = Decompressor::default();
    let mut out = Vec::new();
    for (codec, magic) in codecs_and_magics() {
        let bytes = compressed(codec, magic, &input);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _either = decompressor.decompress_into(codec, magic, &flipped, &mut out, 1000);
            assert!(out.len() <= 1000, "{codec}, bit {bit}");
        }
    }
}

fn any_codec() -> impl Strategy<Value = (Codec, i8)> {
    prop::sample::select(codecs_and_magics().collect::<Vec<_>>())
}

/// Bytes that compress: slices of each other.
fn repetitive() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((prop::collection::vec(any::<u8>(), 1..8), 1..2000_usize), 0..40)
        .prop_map(|runs| runs.into_iter().flat_map(|(run, n)| run.into_iter().cycle().take(n)).collect())
}

proptest! {
    #[test]
    fn bytes_come_back(
        (codec, magic) in any_codec(),
        input in prop_oneof![repetitive(), prop::collection::vec(any::<u8>(), 0..100_000)],
    ) {
        let bytes = compressed(codec, magic, &input);
        prop_assert!(decompressed(codec, magic, &bytes, input.len()) == Ok(input));
    }

    #[test]
    fn damage_is_never_a_panic(
        (codec, magic) in any_codec(),
        input in repetitive(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = compressed(codec, magic, &input);
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let mut out = Vec::new();
        let _either = Decompressor::default().decompress_into(codec, magic, &bytes, &mut out, 10_000);
        prop_assert!(out.len() <= 10_000);
    }

    #[test]
    fn any_bytes_end_in_bytes_or_an_error_inside_them(
        (codec, magic) in any_codec(),
        whole_head in any::<bool>(),
        tail in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = if whole_head { compressed(codec, magic, b"") } else { Vec::new() };
        bytes.truncate(if codec == Codec::Snappy { 16 } else { 10 });
        bytes.extend(tail);
        if let Err(error) = decompressed(codec, magic, &bytes, 10_000) {
            prop_assert!(error.at <= bytes.len());
        }
    }
}
