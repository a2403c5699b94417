//! The codecs, their bits, names and levels. (Kafka: `CompressionType`)

use std::fmt;
use std::ops::RangeInclusive;

/// What Kafka calls gzip's default: deflate decides.
pub(super) const GZIP_DEFAULT_LEVEL: i32 = -1;

/// How the records of a batch are compressed: the three lowest attribute bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// As they are.
    None = 0,
    /// One or more gzip members (RFC 1952).
    Gzip = 1,
    /// Raw snappy blocks in the xerial framing.
    Snappy = 2,
    /// A subset of the LZ4 frame format.
    Lz4 = 3,
    /// Zstandard frames; in message format 2 alone.
    Zstd = 4,
}

impl Codec {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec with these bits; there is none for 5 to 7, nor for anything above.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.get(usize::from(bits)).copied()
    }

    /// Its three attribute bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// The codec that Kafka's configuration calls so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Kafka's name for it, as in `compression.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The levels that Kafka takes, and its default; none where a codec has no levels.
    const fn levels(self) -> Option<(RangeInclusive<i32>, i32)> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some((1..=9, GZIP_DEFAULT_LEVEL)),
            Self::Lz4 => Some((1..=17, 9)),
            Self::Zstd => Some((-131_072..=22, 3)),
        }
    }

    /// The level to compress with: `level` if this codec has it, its default without; 0 where there are no levels.
    pub(super) fn check_level(self, level: Option<i32>) -> Result<i32, Refused> {
        match (self.levels(), level) {
            (None, None) => Ok(0),
            (Some((_, default)), None) => Ok(default),
            (Some((levels, default)), Some(level)) if level == default || levels.contains(&level) => Ok(level),
            (_, Some(level)) => Err(Refused::Level { codec: self, level }),
        }
    }
}

/// How batches are compressed in a log. (Kafka: `compression.type` and its levels)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they come.
    #[default]
    Producer,
    /// All with this codec at this level; Kafka's default level without one. Batches that come otherwise are built anew.
    Codec(Codec, Option<i32>),
}

impl Compression {
    /// The codec and level for a batch that came with codec `source`.
    ///
    /// Kafka: `BrokerCompressionType.targetCompression`.
    #[must_use]
    pub const fn target(self, source: Codec) -> (Codec, Option<i32>) {
        match self {
            Self::Producer => (source, None),
            Self::Codec(codec, level) => (codec, level),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why nothing was compressed: what was asked for does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Not a level of this codec.
    #[error("{codec} has no compression level {level}")]
    Level {
        /// The codec.
        codec: Codec,
        /// What was asked for.
        level: i32,
    },
    /// The message format is older than the codec.
    #[error("{codec} does not exist in message format {magic}")]
    Magic {
        /// The codec.
        codec: Codec,
        /// The batch's magic.
        magic: i8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_names_are_kafkas() {
        let known = [(0, "none"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")];
        for (bits, name) in known {
            let codec = Codec::from_bits(bits).expect("a known codec");
            assert_eq!((codec.bits(), codec.name(), codec.to_string().as_str()), (bits, name, name));
            assert_eq!(Codec::from_name(name), Some(codec));
        }
        assert_eq!((5..=u8::MAX).find_map(Codec::from_bits), None);
        assert_eq!(["GZIP", "", "lz5"].map(Codec::from_name), [None; 3]);
    }

    // conformance: GZP-002 GZP-003 LZ4-004 ZST-002
    #[test]
    fn a_level_outside_the_codecs_range_is_refused() {
        for (codec, taken, refused) in [
            (Codec::Gzip, &[-1, 1, 9][..], &[-2, 0, 10][..]),
            (Codec::Lz4, &[1, 9, 17], &[0, -1, 18]),
            (Codec::Zstd, &[-131_072, 0, 22], &[-131_073, 23]),
            (Codec::Snappy, &[], &[1]),
            (Codec::None, &[], &[1]),
        ] {
            for &level in taken {
                assert_eq!(codec.check_level(Some(level)), Ok(level));
            }
            for &level in refused {
                assert_eq!(codec.check_level(Some(level)), Err(Refused::Level { codec, level }));
            }
        }
        assert_eq!(Codec::ALL.map(|codec| codec.check_level(None)), [0, -1, 0, 9, 3].map(Ok));
    }
}
