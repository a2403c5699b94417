//! When the next record is due.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks whether the program is interrupted.
const NAP: Duration = Duration::from_millis(100);

/// How fast records come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As fast as they can be read and written.
    Max,
    /// With the gaps that lie between their timestamps.
    Original,
    /// So many a second.
    PerSecond(f64),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            "original" => Ok(Self::Original),
            _ => {
                let number = text.strip_suffix("/s").and_then(|number| number.parse::<f64>().ok());
                let pace = number.filter(|number| number.is_finite() && *number > 0.0).map(Self::PerSecond);
                pace.ok_or_else(|| format!("{text:?} is no rate; original, max or 500/s is one"))
            }
        }
    }
}

/// A factor above 0.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor > 0.0);
    factor.ok_or_else(|| format!("{text:?} is no factor above 0"))
}

/// Says of each record in turn how long after the first one it is due.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pace: Pace,
    speed: f64,
    /// The first record's time, where it has one.
    first: Option<i64>,
    count: u64,
    /// No record is due before the one before it.
    latest: Duration,
}

impl Schedule {
    pub(super) const fn new(pace: Pace, speed: f64) -> Self {
        Self { pace, speed, first: None, count: 0, latest: Duration::ZERO }
    }

    /// When a record with this timestamp, in milliseconds, is due.
    pub(super) fn due(&mut self, timestamp: i64) -> Duration {
        let after = match self.pace {
            Pace::Max => return Duration::ZERO,
            Pace::Original if timestamp == -1 => 0.0,
            Pace::Original => {
                let first = *self.first.get_or_insert(timestamp);
                timestamp.saturating_sub(first) as f64 / 1000.0 / self.speed
            }
            Pace::PerSecond(rate) => self.count as f64 / rate,
        };
        self.count = self.count.saturating_add(1);
        let after = Duration::try_from_secs_f64(after.max(0.0)).unwrap_or(Duration::MAX);
        self.latest = self.latest.max(after);
        self.latest
    }
}

/// Waits until `due`; false if the program was interrupted meanwhile.
pub(super) fn wait_until(due: Instant, is_interrupted: &AtomicBool) -> bool {
    while !is_interrupted.load(Ordering::Relaxed) {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(NAP));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_factors() {
        let rates = ["max", "original", "500/s", "0.5/s"].map(|text| text.parse());
        assert_eq!(rates, [Pace::Max, Pace::Original, Pace::PerSecond(500.0), Pace::PerSecond(0.5)].map(Ok));
        for text in ["", "500", "0/s", "-1/s", "inf/s", "NaN/s", "slow"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
        assert_eq!(speed("2.5"), Ok(2.5));
        assert!(["0", "-1", "inf", "x"].iter().all(|text| speed(text).is_err()));
    }

    #[test]
    fn gaps_are_kept_and_time_never_goes_back() {
        let due = |pace, speed, times: &[i64]| {
            let mut schedule = Schedule::new(pace, speed);
            times.iter().map(|time| schedule.due(*time).as_millis()).collect::<Vec<_>>()
        };
        let times = [1_000, 1_500, 900, -1, 3_000];
        assert_eq!(due(Pace::Original, 1.0, &times), [0, 500, 500, 500, 2000]);
        assert_eq!(due(Pace::Original, 10.0, &times), [0, 50, 50, 50, 200]);
        assert_eq!(due(Pace::Original, 1.0, &[-1, 5_000, 5_100]), [0, 0, 100], "the first that has a time");
        assert_eq!(due(Pace::PerSecond(100.0), 1.0, &times), [0, 10, 20, 30, 40]);
        assert_eq!(due(Pace::Max, 1.0, &times), [0; 5]);
        assert_eq!(due(Pace::Original, 1e-300, &[0, i64::MAX])[1], Duration::MAX.as_millis());
    }
}
