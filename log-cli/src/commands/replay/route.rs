//! Which partition a record goes to.

use std::collections::BTreeMap;
use std::str::FromStr;

use log_engine::TopicPartition;

use crate::error::CliError;
use crate::select::targets::Series;

/// How partitions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partitioning {
    /// The number it had, and the offsets.
    Keep,
    /// By the key's hash, as Kafka's own producer chooses, among so many; `None`: as many as the topic had.
    Hash(Option<i32>),
}

impl FromStr for Partitioning {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "keep" => Ok(Self::Keep),
            "hash" => Ok(Self::Hash(None)),
            _ => {
                let count = text.strip_prefix("hash:").and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                let hash = count.map(|count| Self::Hash(Some(count)));
                hash.ok_or_else(|| format!("{text:?} is none; keep, hash or hash:12 is one"))
            }
        }
    }
}

/// `OLD=NEW`.
pub(super) fn parse_map(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(old, new)| !old.is_empty() && !new.is_empty());
    pair.map(|(old, new)| (old.to_owned(), new.to_owned())).ok_or_else(|| format!("{text:?} is not OLD=NEW"))
}

/// Where the records of each source go.
#[derive(Debug)]
pub(super) struct Routes {
    /// By the source's place among the sources: its topic by its new name, and its number.
    sources: Vec<TopicPartition>,
    /// Partitions of each topic; empty where numbers are kept.
    counts: BTreeMap<String, i32>,
}

impl Routes {
    pub(super) fn new(
        series: &[Series],
        map: &[(String, String)],
        partitioning: Partitioning,
    ) -> Result<Self, CliError> {
        let mut sources = Vec::new();
        for one in series {
            let (Some(topic), Some(partition)) = (&one.topic, one.partition) else {
                return Err(CliError::usage(format!("nothing says which partition {} is", one.label())));
            };
            let renamed = map.iter().rfind(|(old, _)| old == topic).map_or(topic, |(_, new)| new);
            sources.push(TopicPartition { topic: renamed.clone(), partition });
        }
        let mut counts = BTreeMap::new();
        match partitioning {
            Partitioning::Keep => {
                let mut sorted: Vec<_> = sources.iter().collect();
                sorted.sort();
                if let Some(twice) = sorted.windows(2).find(|two| two.first() == two.last()).and_then(|two| two.first())
                {
                    return Err(CliError::Usage {
                        message: format!("{twice} would come from two places, with the same offsets"),
                        hint: Some("choose one, or use --partition hash, which gives new offsets".to_owned()),
                    });
                }
            }
            Partitioning::Hash(count) => {
                for TopicPartition { topic, partition } in &sources {
                    let known = counts.entry(topic.clone()).or_insert(1);
                    *known = count.unwrap_or((*known).max(partition.saturating_add(1)));
                }
            }
        }
        Ok(Self { sources, counts })
    }

    /// True if a record keeps its number and offset.
    pub(super) fn keep(&self) -> bool {
        self.counts.is_empty()
    }

    /// The partition for a record with `key` of the source at `index`; without a key, of the number it had as far as there are so many.
    pub(super) fn target(&self, index: usize, key: Option<&[u8]>) -> Option<TopicPartition> {
        let source = self.sources.get(index)?;
        let Some(count) = self.counts.get(&source.topic) else {
            return Some(source.clone());
        };
        let hash = key.map_or(source.partition, |key| murmur2(key) & i32::MAX);
        Some(TopicPartition { topic: source.topic.clone(), partition: hash.checked_rem(*count).unwrap_or(0) })
    }
}

/// MurmurHash2 of 32 bits with the seed of Kafka's producer.
///
/// Kafka: `Utils.murmur2`, which `BuiltInPartitioner.partitionForKey` takes modulo the partitions.
fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    // Kafka's arrays have at most `i32::MAX` bytes, and so do records.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ len;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = word.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)).wrapping_mul(FACTOR);
        let mixed = (word ^ word >> 24).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ mixed;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(FACTOR);
    (hash ^ hash >> 15).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own test, `UtilsTest.testMurmur2`.
    #[test]
    fn the_hash_is_kafkas() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
        assert_eq!(murmur2(b"abc"), 479_470_107);
    }

    fn series(topic: &str, partition: i32) -> Series {
        let (topic, partition) = (Some(topic.to_owned()), Some(partition));
        Series { topic, partition, folder: None, segments: Vec::new(), is_live: false }
    }

    fn target(routes: &Routes, index: usize, key: Option<&[u8]>) -> String {
        routes.target(index, key).unwrap().to_string()
    }

    #[test]
    fn kept_renamed_and_hashed() {
        let sources = [series("a", 0), series("a", 2), series("b", 0)];
        let map = [parse_map("b=c").unwrap()];
        let kept = Routes::new(&sources, &map, Partitioning::Keep).unwrap();
        let targets: Vec<_> = (0..3).map(|index| target(&kept, index, Some(b"foobar"))).collect();
        assert_eq!((targets, kept.keep()), (["a-0", "a-2", "c-0"].map(str::to_owned).to_vec(), true));
        let twice = Routes::new(&sources, &[parse_map("b=a").unwrap()], Partitioning::Keep).unwrap_err();
        assert!(twice.to_string().starts_with("a-0 would come from two places"));

        let hashed = Routes::new(&sources, &[parse_map("b=a").unwrap()], Partitioning::Hash(None)).unwrap();
        // -790332482 & i32::MAX = 1357151166, which is 0 modulo 3.
        assert_eq!(target(&hashed, 2, Some(b"foobar")), "a-0");
        // -973932308 & i32::MAX = 1173551340, which is 0 modulo 3, and 3 modulo 7.
        assert_eq!(target(&hashed, 1, Some(b"21")), "a-0");
        let seven = Routes::new(&sources, &[], Partitioning::Hash(Some(7))).unwrap();
        assert_eq!([target(&seven, 1, Some(b"21")), target(&seven, 1, None)], ["a-3", "a-2"].map(str::to_owned));
        assert_eq!(target(&hashed, 1, None), "a-2");
        assert!(Routes::new(&[Series { topic: None, ..series("a", 0) }], &[], Partitioning::Keep).is_err());
        for text in ["", "keep:3", "hash:0", "hash:x"] {
            assert!(text.parse::<Partitioning>().is_err(), "{text}");
        }
        assert!(parse_map("a").is_err() && parse_map("=b").is_err() && parse_map("a=").is_err());
    }
}
