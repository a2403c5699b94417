//! What a bench writes: a log of equal records, by some threads, as durable as asked.

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log_engine::{
    AppendAsLeader, Durability, LeaderEpoch, Log, LogConfig, NewRecord, Store, StoreOptions, TopicPartition, WriteFs,
};

use super::latency::Latencies;
use crate::error::CliError;
use crate::select::time;
use crate::threads::joined;

/// How soon what is appended becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Never,
    Every(u64),
    /// Milliseconds.
    Interval(u64),
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let policy = match text.split_once(':') {
            None if text == "never" => Some(Self::Never),
            Some(("every", count)) => count.parse().ok().filter(|count| *count > 0).map(Self::Every),
            Some(("interval", length)) => {
                time::duration(length).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0).map(Self::Interval)
            }
            _ => None,
        };
        policy.ok_or_else(|| format!("{text:?} is no policy; never, every:1, every:1000 or interval:50ms is one"))
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Every(count) => write!(f, "every:{count}"),
            Self::Interval(ms) => write!(f, "interval:{ms}ms"),
        }
    }
}

impl Policy {
    fn durability(self) -> Durability {
        match self {
            Self::Never => Durability::Os,
            Self::Every(1) => Durability::Synced,
            Self::Every(count) => Durability::EveryN(count),
            Self::Interval(ms) => Durability::Interval(ms),
        }
    }

    /// The settings of a log that it is the policy of.
    fn config(self, segment_bytes: u64) -> LogConfig {
        LogConfig {
            segment_bytes,
            durability: self.durability(),
            max_unsynced_bytes: u64::MAX,
            max_message_bytes: u64::MAX,
            preallocate: Some(16 << 20),
            ..LogConfig::default()
        }
    }
}

/// What is appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) policy: Policy,
    pub(super) threads: u64,
    pub(super) records: u64,
    /// Bytes of a value.
    pub(super) size: usize,
    /// Records of a batch, which is one append.
    pub(super) batch: u64,
    pub(super) segment_bytes: u64,
    /// Ends early after so long.
    pub(super) limit: Duration,
    /// Whether each append's last offset goes to standard output when the append returns.
    pub(super) acknowledge: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) records: u64,
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
}

impl Done {
    /// The sum of what each thread did, records and latencies, in `took`.
    pub(super) fn of(parts: Vec<(u64, Latencies)>, took: Duration) -> Self {
        let mut done = Self { records: 0, took, latencies: Latencies::new() };
        for (records, latencies) in parts {
            done.records = done.records.saturating_add(records);
            done.latencies.merge(&latencies);
        }
        done
    }
}

/// The partition that is written.
pub(super) fn partition() -> TopicPartition {
    TopicPartition { topic: "bench".to_owned(), partition: 0 }
}

/// Opens the log directory `dir`, and in it the log.
pub(super) fn open(fs: Arc<dyn WriteFs>, dir: &Path, load: &Load) -> Result<(Store, Arc<Log>), CliError> {
    let config = load.policy.config(load.segment_bytes);
    let options = StoreOptions { config, ..StoreOptions::default() };
    let (store, mut report) = Store::open(fs, &[dir.to_owned()], options)?;
    if let Some((_, error)) = report.directories.iter_mut().find_map(|told| told.failed.pop()) {
        return Err(error.into());
    }
    let log = store.create(&partition(), None)?;
    Ok((store, log))
}

impl Load {
    /// Appends.
    pub(super) fn run(&self, log: &Log) -> Result<Done, CliError> {
        let value = noise(self.size);
        let left = AtomicU64::new(self.records);
        let is_over = AtomicBool::new(false);
        let began = Instant::now();
        let parts = thread::scope(|scope| {
            let upkeep = scope.spawn(|| self.keep_up(log, &is_over));
            let work = || self.append(log, &value, &left, began);
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(work)).collect();
            let parts: Vec<_> = threads.into_iter().map(joined).collect();
            is_over.store(true, Ordering::Relaxed);
            joined(upkeep)?;
            parts.into_iter().collect::<Result<Vec<_>, CliError>>()
        })?;
        Ok(Done::of(parts, began.elapsed()))
    }

    /// Lets the log sync where that is due by time.
    fn keep_up(&self, log: &Log, is_over: &AtomicBool) -> Result<(), CliError> {
        let Policy::Interval(ms) = self.policy else { return Ok(()) };
        while !is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(ms).min(Duration::from_millis(10)));
            log.tick()?;
        }
        Ok(())
    }

    /// What one thread does: appends until nothing is left.
    fn append(&self, log: &Log, value: &[u8], left: &AtomicU64, began: Instant) -> Result<(u64, Latencies), CliError> {
        let (mut records, mut latencies) = (0_u64, Latencies::new());
        let how = AppendAsLeader::client(LeaderEpoch::new(0));
        let record = NewRecord { value: Some(value), ..NewRecord::default() };
        loop {
            let take = |left: u64| (left > 0).then(|| left.saturating_sub(self.batch));
            let Ok(before) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else { break };
            let count = before.min(self.batch);
            let start = Instant::now();
            if start.duration_since(began) >= self.limit {
                break;
            }
            let batch = std::iter::repeat_n(record, usize::try_from(count).unwrap_or(usize::MAX));
            let appended = log.append_records(batch, None, &how)?;
            latencies.add(start.elapsed());
            records = records.saturating_add(count);
            if let (true, Some(last)) = (self.acknowledge, appended.last_offset) {
                let mut out = io::stdout().lock();
                writeln!(out, "{last}")?;
                out.flush()?;
            }
        }
        Ok((records, latencies))
    }
}

/// Bytes that no codec shrinks, the same each time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes().first().copied()
    };
    std::iter::from_fn(next).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_written() {
        for text in ["never", "every:1", "every:1000", "interval:50ms"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        assert_eq!("interval:2s".parse(), Ok(Policy::Interval(2000)));
        for text in ["", "always", "every:0", "every:", "every:-1", "interval:0ms", "interval:x"] {
            assert!(text.parse::<Policy>().is_err(), "{text}");
        }
    }
}
