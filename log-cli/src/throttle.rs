//! `--rate-limit`: a door to the disk that does not let more than so many bytes a second through.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use log_engine::fs::{Entry, File, LockHolder, Stat};
use log_engine::{Fs, OsFs};

/// How far reading may run ahead of the rate: a burst of one chunk.
const BURST: Duration = Duration::from_millis(50);

/// Bytes a second, as a person writes them: `200MiB/s`, `1GB`, `500k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(u64);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = parse_bytes(text.trim().trim_end_matches("/s"))?.filter(|rate| *rate > 0);
        rate.map(Self).ok_or_else(|| format!("{text:?} is no rate above 0; write for example 200MiB/s"))
    }
}

/// A number with a unit of bytes; `None` if the number is none, or too large.
fn parse_bytes(text: &str) -> Result<Option<u64>, String> {
    let bare = text.trim();
    let digits = bare.find(|c: char| !c.is_ascii_digit()).unwrap_or(bare.len());
    let (number, unit) = bare.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("{unit:?} is no unit of bytes; write for example 200MiB")),
    };
    Ok(number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)))
}

/// Bytes, as a person writes them: `64MiB`, `1GB`, `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(u64);

impl Size {
    /// How many.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = parse_bytes(text)?.filter(|size| *size > 0);
        size.map(Self).ok_or_else(|| format!("{text:?} is no size above 0; write for example 64MiB"))
    }
}

/// The disk, read no faster than a rate. All files share it.
#[derive(Debug)]
pub(crate) struct ThrottledFs {
    budget: Arc<Budget>,
}

impl ThrottledFs {
    /// The operating system's files at `rate`.
    pub(crate) fn new(rate: Rate) -> Self {
        Self { budget: Arc::new(Budget { rate: rate.0, paid_until: Mutex::new(Instant::now()) }) }
    }
}

#[derive(Debug)]
struct Budget {
    rate: u64,
    /// When the bytes read so far would have come at exactly the rate.
    paid_until: Mutex<Instant>,
}

impl Budget {
    fn pay(&self, bytes: usize) {
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let now = Instant::now();
        let due = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            *paid_until = (*paid_until).max(now) + cost;
            *paid_until
        };
        let ahead = due.saturating_duration_since(now);
        if ahead > BURST {
            thread::sleep(ahead - BURST);
        }
    }
}

impl Fs for ThrottledFs {
    fn open(&self, path: &Path) -> log_engine::Result<Arc<dyn File>> {
        let file = OsFs.open(path)?;
        Ok(Arc::new(ThrottledFile { file, budget: Arc::clone(&self.budget) }))
    }

    fn list(&self, dir: &Path) -> log_engine::Result<Vec<Entry>> {
        OsFs.list(dir)
    }

    fn stat(&self, path: &Path) -> log_engine::Result<Option<Stat>> {
        OsFs.stat(path)
    }

    fn lock_holder(&self, path: &Path) -> log_engine::Result<Option<LockHolder>> {
        OsFs.lock_holder(path)
    }
}

#[derive(Debug)]
struct ThrottledFile {
    file: Arc<dyn File>,
    budget: Arc<Budget>,
}

impl File for ThrottledFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], position: u64) -> io::Result<usize> {
        let n = self.file.read_at(into, position)?;
        self.budget.pay(n);
        Ok(n)
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.file.next_data(position)
    }

    fn done_until(&self, position: u64) {
        self.file.done_until(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1", 1), ("500k", 500_000), ("200MiB/s", 200 << 20), ("1GB", 1_000_000_000), (" 3 MiB/s", 3 << 20)]
        {
            assert_eq!(text.parse(), Ok(Rate(bytes)), "{text}");
        }
        for text in ["", "0", "-1", "fast", "10 parsecs", "99999999999999999999"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn reading_pays_for_its_bytes() {
        let budget = Budget { rate: 1_000, paid_until: Mutex::new(Instant::now()) };
        let start = Instant::now();
        budget.pay(40);
        budget.pay(40);
        budget.pay(120);
        let due = budget.paid_until.lock().unwrap().duration_since(start);
        assert!(due >= Duration::from_millis(200), "{due:?}");
    }
}
