//! How often values of each size were met, in classes that double.

/// Classes: one for 0, one for each number of bits.
const CLASSES: usize = 65;

/// Values in classes of powers of two: 0, 1, 2 to 3, 4 to 7 and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    classes: [u64; CLASSES],
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// One class of a [`Histogram`] that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// The smallest value of the class.
    pub from: u64,
    /// The largest value of the class.
    pub to: u64,
    /// Values met.
    pub count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { classes: [0; CLASSES], count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl Histogram {
    /// Counts `value` in.
    #[inline]
    pub fn add(&mut self, value: u64) {
        let class = (u64::BITS - value.leading_zeros()) as usize;
        if let Some(count) = self.classes.get_mut(class) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Counts everything in that `other` has.
    pub fn merge(&mut self, other: &Self) {
        for (class, count) in self.classes.iter_mut().zip(other.classes) {
            *class += count;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values were met.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The sum of all values; stays at the largest number past it.
    #[must_use]
    pub fn sum(&self) -> u64 {
        u64::try_from(self.sum).unwrap_or(u64::MAX)
    }

    /// The smallest value.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// A value that `percent` of a hundred values do not exceed: the upper end of its class, so at most twice the exact one.
    #[must_use]
    pub fn quantile(&self, percent: u64) -> Option<u64> {
        let rank = u128::from(self.count) * u128::from(percent.min(100));
        let mut seen = 0;
        self.classes().find_map(|class| {
            seen += u128::from(class.count);
            (seen * 100 >= rank).then_some(class.to.min(self.max))
        })
    }

    /// The classes that were met, smallest values first.
    pub fn classes(&self) -> impl Iterator<Item = Class> + '_ {
        self.classes.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bits, count)| {
            let to = if bits == 0 { 0 } else { u64::MAX >> (CLASSES - 1 - bits) };
            Class { from: to - to / 2, to, count: *count }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        histogram
    }

    #[test]
    fn classes_double_from_0_to_the_largest_number() {
        let histogram = of(&[0, 1, 1, 2, 3, 4, 7, 8, u64::MAX]);
        let classes: Vec<_> = histogram.classes().map(|class| (class.from, class.to, class.count)).collect();
        assert_eq!(classes, [(0, 0, 1), (1, 1, 2), (2, 3, 2), (4, 7, 2), (8, 15, 1), (1 << 63, u64::MAX, 1)]);
        assert_eq!((histogram.count(), histogram.min(), histogram.max()), (9, Some(0), Some(u64::MAX)));
        assert_eq!(histogram.sum(), u64::MAX);
    }

    #[test]
    fn quantiles_are_the_ends_of_classes_and_never_past_the_largest_value() {
        let histogram = of(&[10, 11, 12, 100]);
        assert_eq!([0, 50, 75, 76, 100].map(|percent| histogram.quantile(percent)), [15, 15, 15, 100, 100].map(Some));
        assert_eq!((of(&[]).quantile(50), of(&[]).mean(), of(&[]).min()), (None, None, None));
        assert_eq!(histogram.mean(), Some(33.25));
    }

    #[test]
    fn merging_is_counting_both() {
        let mut merged = of(&[1, 5]);
        merged.merge(&of(&[0, 900]));
        assert_eq!(merged, of(&[1, 5, 0, 900]));
        merged.merge(&Histogram::default());
        assert_eq!(merged, of(&[1, 5, 0, 900]));
    }
}
