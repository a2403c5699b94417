//! How long calls took: counted in classes that are 1 to 2 % wide, so that a long run needs no more memory than a short one.

use std::time::Duration;

/// Classes of each power of two.
const PARTS: u64 = 64;
/// log2 of [`PARTS`].
const PART_BITS: u32 = 6;
/// Up to 2^42 ns, more than an hour; what takes longer counts as that.
const CLASSES: usize = (43 - PART_BITS as usize) * PARTS as usize;

/// Counts of calls by how long they took.
#[derive(Clone, Debug)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; CLASSES], total: 0 }
    }

    pub(super) fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(class(nanos)) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.total = self.total.saturating_add(other.total);
    }

    /// What a share of the calls, 0 to 1, did not exceed, in microseconds; 0 without calls.
    pub(super) fn micros(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil().max(1.0);
        let mut seen = 0_u64;
        for (class, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if *count > 0 && seen as f64 >= rank {
                return upper(class) as f64 / 1000.0;
            }
        }
        0.0
    }
}

/// The class of a number of nanoseconds: itself below [`PARTS`], then [`PARTS`] classes of each power of two.
fn class(nanos: u64) -> usize {
    if nanos < PARTS {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let shift = nanos.ilog2() - PART_BITS;
    let class = u64::from(shift).saturating_mul(PARTS).saturating_add(nanos >> shift);
    usize::try_from(class).unwrap_or(usize::MAX).min(CLASSES - 1)
}

/// The largest number of nanoseconds of a class.
fn upper(class: usize) -> u64 {
    let class = class as u64;
    if class < PARTS {
        return class;
    }
    let shift = (class / PARTS).saturating_sub(1);
    ((class % PARTS + PARTS + 1) << shift).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_narrow_and_holds_what_belongs_there() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 129, 1_000, 12_345, 1_000_000, 999_999_999, 1 << 41] {
            let upper = upper(class(nanos));
            assert!(upper >= nanos && upper as f64 <= nanos as f64 * 1.02 + 1.0, "{nanos}: {upper}");
            assert!(class(upper) == class(nanos) && class(upper + 1) == class(nanos) + 1, "{nanos}");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn shares_of_calls() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.micros(0.5), 0.0);
        for micros in 1..=1000 {
            latencies.add(Duration::from_micros(micros));
        }
        let mut other = Latencies::new();
        other.add(Duration::from_secs(1));
        latencies.merge(&other);
        for (share, expected) in [(0.5, 501.0), (0.99, 991.0), (0.999, 1000.0), (1.0, 1_000_000.0)] {
            let found = latencies.micros(share);
            assert!((found / expected - 1.0).abs() < 0.02, "{share}: {found} instead of {expected}");
        }
    }
}
