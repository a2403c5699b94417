//! Which names occur most, in bounded memory: exact while there are few different ones, with a known error beyond.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Amount;

/// Different names that survive a thinning out.
const KEPT: usize = 16_384;
/// Different names that are counted at the same time.
const MAX_NAMES: usize = 2 * KEPT;
/// Bytes of a name that are kept; of a longer one its start, and a hash that tells it from others.
const MAX_NAME_BYTES: usize = 128;

/// How often a name occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, or its first 128 bytes.
    pub name: Vec<u8>,
    /// Bytes of the whole name.
    pub len: u64,
    /// Occurrences: at least this minus the error, at most this.
    pub count: u64,
    /// Bytes that belong to the occurrences that were counted.
    pub bytes: u64,
    /// How much of the count may be somebody else's; 0 while the counts are exact.
    pub error: u64,
}

/// Counts names. Once more different ones were met than it may hold, the rarest half is forgotten, and what is met from then
/// on may have been met as often before as the most frequent of the forgotten. (Space-saving in batches; Metwally and others,
/// "Efficient Computation of Frequent and Top-k Elements in Data Streams".)
#[derive(Clone, Debug, Default)]
pub struct Top {
    names: HashMap<Box<[u8]>, Tally>,
    /// The largest count that was forgotten; what any unknown name may have.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    len: u64,
    count: u64,
    bytes: u64,
    error: u64,
}

impl Top {
    /// Counts one occurrence of `name`, to which `bytes` belong.
    pub fn add(&mut self, name: &[u8], bytes: u64) {
        self.add_tally(name, Tally { len: name.len() as u64, count: 1, bytes, error: 0 });
    }

    /// Counts as many occurrences of `name` as there are records.
    pub(super) fn add_many(&mut self, name: &[u8], amount: Amount) {
        let Amount { records, bytes } = amount;
        self.add_tally(name, Tally { len: name.len() as u64, count: records, bytes, error: 0 });
    }

    fn add_tally(&mut self, name: &[u8], more: Tally) {
        let shortened;
        let kept = if name.len() > MAX_NAME_BYTES {
            shortened = shorten(name);
            &shortened[..]
        } else {
            name
        };
        self.add_kept(kept, more);
    }

    /// Adds to the tally of a name as it is kept.
    fn add_kept(&mut self, kept: &[u8], more: Tally) {
        if let Some(tally) = self.names.get_mut(kept) {
            tally.count = tally.count.saturating_add(more.count);
            tally.bytes = tally.bytes.saturating_add(more.bytes);
            tally.error = tally.error.saturating_add(more.error);
            return;
        }
        if self.names.len() >= MAX_NAMES {
            self.thin_out();
        }
        let (count, error) = (more.count.saturating_add(self.forgotten), more.error.saturating_add(self.forgotten));
        self.names.insert(kept.into(), Tally { count, error, ..more });
    }

    /// Forgets the rarest names.
    fn thin_out(&mut self) {
        let mut counts: Vec<u64> = self.names.values().map(|tally| tally.count).collect();
        let rarest = counts.len().saturating_sub(KEPT).min(counts.len().saturating_sub(1));
        let (_, limit, _) = counts.select_nth_unstable(rarest);
        let limit = *limit;
        // Names with exactly the limit go, too: there may be more of them than there is room.
        self.names.retain(|_, tally| tally.count > limit);
        self.forgotten = self.forgotten.max(limit);
    }

    /// Counts everything in that `other` counted.
    pub fn merge(&mut self, other: Self) {
        if self.names.is_empty() && self.forgotten == 0 {
            *self = other;
            return;
        }
        // What one side does not know may have been forgotten there.
        if other.forgotten > 0 {
            let unknown = self.names.iter_mut().filter(|(name, _)| !other.names.contains_key(*name));
            unknown.for_each(|(_, tally)| {
                tally.count = tally.count.saturating_add(other.forgotten);
                tally.error = tally.error.saturating_add(other.forgotten);
            });
        }
        let theirs = other.forgotten;
        let mut names: Vec<_> = other.names.into_iter().collect();
        names.sort_unstable_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        for (name, tally) in names {
            self.add_kept(&name, tally);
        }
        self.forgotten = self.forgotten.saturating_add(theirs);
    }

    /// True if no name was forgotten: then every count is exact.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.forgotten == 0
    }

    /// How many different names are known; if the counts are not exact, there were more.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.names.len()
    }

    /// The `n` most frequent names, most frequent first, equal ones by name.
    #[must_use]
    pub fn most(&self, n: usize) -> Vec<Named> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        let named = |name: &[u8], tally: &Tally| Named {
            name: name.get(..name.len().min(MAX_NAME_BYTES)).unwrap_or_default().to_vec(),
            len: tally.len,
            count: tally.count,
            bytes: tally.bytes,
            error: tally.error,
        };
        names.into_iter().take(n).map(|(name, tally)| named(name, tally)).collect()
    }
}

/// The start of a long name, its length and its hash: longer than any name that is kept whole.
fn shorten(name: &[u8]) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let mut kept = name.get(..MAX_NAME_BYTES).unwrap_or(name).to_vec();
    kept.extend((name.len() as u64).to_be_bytes());
    kept.extend(hasher.finish().to_be_bytes());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(top: &Top, n: usize) -> Vec<(Vec<u8>, u64, u64)> {
        top.most(n).into_iter().map(|named| (named.name, named.count, named.error)).collect()
    }

    #[test]
    fn few_names_are_counted_exactly() {
        let mut top = Top::default();
        for name in ["b", "a", "c", "a", "", "a", "c"] {
            top.add(name.as_bytes(), 10);
        }
        assert!(top.is_exact());
        assert_eq!(top.distinct(), 4);
        let most = [(b"a".to_vec(), 3, 0), (b"c".to_vec(), 2, 0), (b"".to_vec(), 1, 0)];
        assert_eq!(counts(&top, 3), most);
        assert_eq!(top.most(1)[0].bytes, 30);
    }

    #[test]
    fn the_bound_is_reached_exactly_and_passed_with_a_known_error() {
        let mut top = Top::default();
        let name = |n: usize| format!("name-{n}").into_bytes();
        for n in 0..MAX_NAMES {
            top.add(&name(n), 1);
        }
        for _ in 0..9 {
            top.add(&name(7), 1);
        }
        assert!(top.is_exact());
        assert_eq!(top.distinct(), MAX_NAMES);
        for n in MAX_NAMES..3 * MAX_NAMES {
            top.add(&name(n), 1);
        }
        assert!(!top.is_exact());
        assert!(top.distinct() <= MAX_NAMES);
        let most = &top.most(1)[0];
        assert_eq!(most.name, name(7));
        assert!(most.count >= 10 && most.count - most.error <= 10, "{most:?}");
    }

    #[test]
    fn what_is_frequent_is_found_among_any_number_of_rare_names_and_counts_bound_the_truth() {
        let mut halves = [Top::default(), Top::default()];
        let mut truth = 0;
        for n in 0..300_000_u64 {
            let half = &mut halves[usize::from(n % 2 == 0)];
            half.add(&n.to_be_bytes(), 1);
            if n % 10 == 3 || n % 10 == 4 {
                half.add(b"frequent", 1);
                truth += 1;
            }
        }
        let [mut top, other] = halves;
        top.merge(other);
        let most = &top.most(1)[0];
        assert_eq!(most.name, b"frequent");
        assert!(most.count >= truth && most.count - most.error <= truth, "{most:?}, truth {truth}");
    }

    #[test]
    fn long_names_are_told_apart_behind_the_start_that_is_kept() {
        let long = vec![7; MAX_NAME_BYTES + 1];
        let mut other = long.clone();
        other[MAX_NAME_BYTES] = 8;
        let mut top = Top::default();
        for name in [&long, &other, &long, &long[..MAX_NAME_BYTES].to_vec()] {
            top.add(name, 0);
        }
        let most: Vec<_> = top.most(9).into_iter().map(|named| (named.name, named.len, named.count)).collect();
        let start = long[..MAX_NAME_BYTES].to_vec();
        assert_eq!(most[0], (start.clone(), 129, 2));
        assert_eq!(most.len(), 3);
        assert!(most.contains(&(start.clone(), 129, 1)) && most.contains(&(start, 128, 1)));
    }
}
