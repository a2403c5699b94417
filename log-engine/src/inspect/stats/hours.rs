//! Records by the hour of their time.

use std::collections::BTreeMap;

use super::Amount;
use crate::units::Timestamp;

/// Different hours that are counted: eleven years without a gap. Damaged or made-up times may name more.
pub const MAX_HOURS: usize = 100_000;

const MILLIS_OF_AN_HOUR: i64 = 3_600_000;

/// Records by the hour of their time, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    hours: BTreeMap<i64, Amount>,
    /// Records of hours that were met when [`MAX_HOURS`] others had been.
    pub others: Amount,
}

/// Some time and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first millisecond.
    pub from: Timestamp,
    /// What it holds.
    pub amount: Amount,
}

impl Hours {
    /// Counts a record of `time` with `bytes` in.
    pub fn add(&mut self, time: Timestamp, bytes: u64) {
        self.merge_hour(time.get().div_euclid(MILLIS_OF_AN_HOUR), Amount { records: 1, bytes });
    }

    /// Counts everything in that `other` has.
    pub fn merge(&mut self, other: Self) {
        for (hour, amount) in other.hours {
            self.merge_hour(hour, amount);
        }
        self.others.merge(other.others);
    }

    fn merge_hour(&mut self, hour: i64, amount: Amount) {
        let is_full = self.hours.len() >= MAX_HOURS;
        match self.hours.get_mut(&hour) {
            Some(known) => known.merge(amount),
            None if is_full => self.others.merge(amount),
            None => {
                self.hours.insert(hour, amount);
            }
        }
    }

    /// Spans of so many hours that hold anything, in order; each begins at a multiple of its length since 1970.
    #[must_use]
    pub fn spans(&self, hours: i64) -> Vec<Span> {
        let length = hours.max(1);
        let mut spans: Vec<Span> = Vec::new();
        for (hour, amount) in &self.hours {
            let from = Timestamp::new(hour.div_euclid(length).saturating_mul(length).saturating_mul(MILLIS_OF_AN_HOUR));
            match spans.last_mut().filter(|last| last.from == from) {
                Some(last) => last.amount.merge(*amount),
                None => spans.push(Span { from, amount: *amount }),
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_begin_on_the_hour_before_and_behind_1970() {
        let mut hours = Hours::default();
        for time in [0, 3_599_999, 3_600_000, -1, i64::MAX, i64::MIN] {
            hours.add(Timestamp::new(time), 10);
        }
        let spans: Vec<_> = hours.spans(1).iter().map(|span| (span.from.get(), span.amount.records)).collect();
        let last = i64::MAX.div_euclid(MILLIS_OF_AN_HOUR) * MILLIS_OF_AN_HOUR;
        assert_eq!(spans, [(i64::MIN, 1), (-3_600_000, 1), (0, 2), (3_600_000, 1), (last, 1)]);
        let days: Vec<_> = hours.spans(24).iter().map(|span| (span.from.get(), span.amount.records)).collect();
        assert_eq!(days[1..3], [(-86_400_000, 1), (0, 3)]);
    }

    #[test]
    fn more_hours_than_the_bound_are_counted_together() {
        let mut hours = Hours::default();
        for hour in 0..MAX_HOURS as i64 {
            hours.add(Timestamp::new(hour * MILLIS_OF_AN_HOUR), 1);
        }
        assert_eq!((hours.spans(1).len(), hours.others), (MAX_HOURS, Amount::default()));
        hours.add(Timestamp::new(-5), 7);
        hours.add(Timestamp::new(5), 7);
        assert_eq!((hours.spans(1).len(), hours.others), (MAX_HOURS, Amount { records: 1, bytes: 7 }));
    }
}
