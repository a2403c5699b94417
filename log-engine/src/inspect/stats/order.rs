//! Whether the times of a log rise with its offsets.

use crate::units::Timestamp;

/// How the times of records follow each other in one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOrder {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Records with an earlier time than the record before them.
    pub steps_back: u64,
    /// The largest step back, in milliseconds.
    pub largest_step_back: u64,
}

impl TimeOrder {
    /// The next record of the log has this time. Records without one are passed over.
    #[inline]
    pub fn add(&mut self, time: Timestamp) {
        if time == Timestamp::NONE {
            return;
        }
        self.step(time);
        self.first = self.first.or(Some(time));
        self.last = Some(time);
    }

    /// The log goes on with the records that `next` saw.
    pub fn follow(&mut self, next: Self) {
        if let Some(time) = next.first {
            self.step(time);
        }
        self.first = self.first.or(next.first);
        self.last = next.last.or(self.last);
        self.merge(next);
    }

    /// Counts in what was seen in another log.
    pub fn merge(&mut self, other: Self) {
        self.steps_back = self.steps_back.saturating_add(other.steps_back);
        self.largest_step_back = self.largest_step_back.max(other.largest_step_back);
    }

    #[inline]
    fn step(&mut self, time: Timestamp) {
        if let Some(last) = self.last.filter(|last| time < *last) {
            self.steps_back = self.steps_back.saturating_add(1);
            self.largest_step_back = self.largest_step_back.max(last.get().abs_diff(time.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[i64]) -> TimeOrder {
        let mut order = TimeOrder::default();
        times.iter().for_each(|time| order.add(Timestamp::new(*time)));
        order
    }

    #[test]
    fn steps_back_are_counted_and_records_without_time_passed_over() {
        let order = of(&[5, 5, 7, -1, 6, 9, 2]);
        assert_eq!((order.steps_back, order.largest_step_back), (2, 7));
        assert_eq!(of(&[i64::MAX, i64::MIN]).largest_step_back, u64::MAX);
    }

    #[test]
    fn segments_one_after_the_other_are_as_one() {
        let times = [5, 3, 8, -1, 7, 7, 1, 9];
        for cut in 0..=times.len() {
            let mut order = of(&times[..cut]);
            order.follow(of(&times[cut..]));
            assert_eq!(order, of(&times), "cut at {cut}");
        }
    }
}
