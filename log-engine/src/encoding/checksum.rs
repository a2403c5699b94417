//! CRC-32C for batches of magic 2 and snapshots, CRC-32 for messages of magic 0 and 1.

/// CRC-32C (Castagnoli) of `bytes`.
#[must_use]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// CRC-32C of what `crc` already covers followed by `bytes`; start with 0.
#[must_use]
pub(crate) fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// CRC-32 (IEEE, as in zlib) of `bytes`.
#[must_use]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// CRC-32 (IEEE) over bytes that come in pieces.
#[derive(Debug, Default)]
pub(crate) struct Crc32(crc32fast::Hasher);

impl Crc32 {
    /// Covers `bytes` too.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that was covered.
    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: CRC-002
    /// The check values that the CRC catalogue gives for the nine digits.
    #[test]
    fn both_polynomials_give_their_published_check_values() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32c(b"Some String"), 608_512_271);
    }

    // conformance: CRC-001
    #[test]
    fn a_checksum_in_pieces_is_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        for cut in [0, 1, 21, 4096, 9_999, 10_000] {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(crc32c_append(crc32c(head), tail), crc32c(&bytes), "cut at {cut}");
        }
    }
}
