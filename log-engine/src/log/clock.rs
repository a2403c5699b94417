//! Time comes from outside: who opens a log says what the clock is.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::units::Timestamp;

/// Where a log asks for the time.
pub trait Clock: Debug + Send + Sync {
    /// The time of the day, which people and other machines may set back.
    fn wall(&self) -> Timestamp;

    /// Time that only goes on, from whenever; for lengths of time.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The clocks of this machine.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug, Default)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

impl ManualClock {
    /// A clock that shows `time`.
    #[must_use]
    pub const fn at(time: Timestamp) -> Self {
        Self(std::sync::atomic::AtomicI64::new(time.get()))
    }

    /// Lets it show `time`.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.get(), std::sync::atomic::Ordering::Release);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp::new(self.0.load(std::sync::atomic::Ordering::Acquire))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.wall().get()).unwrap_or(0))
    }
}
