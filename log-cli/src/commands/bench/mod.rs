//! `bench`: the engine on this disk. Every line says what it includes.

mod counting;
mod latency;
mod load;
mod place;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Subcommand;
use log_engine::{RecoveryMode, Store, StoreOptions, WriteFs};
use schemars::JsonSchema;
use serde::Serialize;

use self::counting::CountingFs;
use self::latency::Latencies;
use self::load::{Done, Load, Policy, partition};
use self::place::Place;
use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::select::time;
use crate::throttle::Size;

/// Measure the engine on this disk
///
/// What is measured includes building batches, checksums, indexes and new segments. A record is a value of --size bytes without a key.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli bench write --records 1M --size 100 --fsync never,every:1000,every:1 --threads 1,4,16
  log-cli bench write /mnt/disk --fsync interval:50ms --batch 100
  log-cli bench read --records 10M --cache cold
  log-cli bench recover --records 10M")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Append
    Write(WriteArguments),
    /// Fetch, check and decode everything
    Read(ReadArguments),
    /// Open a log after a crash: check everything, build the indexes anew
    Recover(RecoverArguments),
}

/// What every bench understands.
#[derive(Debug, clap::Args)]
struct LoadArguments {
    /// Where: a folder is made in it and removed afterwards
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// How many records, such as 500k or 10M
    #[arg(long, value_name = "N", default_value = "1M", value_parser = parse_count)]
    records: u64,
    /// Bytes of a record's value
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    size: usize,
    /// Records of a batch, which is one append
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Begin a new segment before it is larger than this
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    segment_bytes: Size,
    /// Work in DIR itself, which becomes a log directory and stays
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, clap::Args)]
struct WriteArguments {
    #[command(flatten)]
    load: LoadArguments,
    /// When to sync: never, every:N (offsets), interval:50ms; several in a row
    #[arg(long, value_name = "POLICY", default_value = "never", value_delimiter = ',')]
    fsync: Vec<Policy>,
    /// Threads that append to the one log; several in a row
    #[arg(long, value_name = "N", default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    threads: Vec<u64>,
    /// End a line's measurement after so long
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_length)]
    at_most: Duration,
    /// Print each append's last offset when it returns, and nothing else; DIR stays, as with --keep
    #[arg(long)]
    acknowledge: bool,
}

#[derive(Debug, clap::Args)]
struct ReadArguments {
    #[command(flatten)]
    load: LoadArguments,
    /// Threads that read; several in a row
    #[arg(long, value_name = "N", default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    threads: Vec<u64>,
    /// From memory, or from the disk as far as the system forgets what it is asked to
    #[arg(long, value_enum, default_value_t)]
    cache: Cache,
}

#[derive(Debug, clap::Args)]
struct RecoverArguments {
    #[command(flatten)]
    load: LoadArguments,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// From memory, or from the disk as far as the system forgets what it is asked to
    #[arg(long, value_enum, default_value_t)]
    cache: Cache,
}

/// Where what is read comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Cache {
    /// The system's memory
    #[default]
    Warm,
    /// The disk
    Cold,
}

/// One line of a bench.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// write, read or recover.
    what: &'static str,
    /// When what was written was synced.
    fsync: String,
    threads: u64,
    /// Records of a batch.
    batch: u64,
    /// Bytes of a value.
    size: usize,
    records: u64,
    seconds: f64,
    /// Values, in 10^6 bytes.
    megabytes_per_second: f64,
    records_per_second: f64,
    /// Microseconds of a call: an append, a fetch of 1 MiB, an opening.
    p50: f64,
    p99: f64,
    p999: f64,
    /// `fdatasync` of any file, while it was measured.
    fsyncs_per_second: f64,
    /// Where what is written or read was at that moment.
    cache: &'static str,
    file_system: String,
    device: String,
}

/// What is not measured, but said.
struct Setting<'s> {
    what: &'static str,
    policy: Policy,
    threads: u64,
    load: &'s LoadArguments,
    cache: &'static str,
    syncs: u64,
}

impl Line {
    fn new(setting: &Setting<'_>, done: &Done, place: &Place) -> Self {
        let seconds = done.took.as_secs_f64().max(1e-9);
        let bytes = done.records as f64 * setting.load.size as f64;
        Self {
            what: setting.what,
            fsync: setting.policy.to_string(),
            threads: setting.threads,
            batch: setting.load.batch,
            size: setting.load.size,
            records: done.records,
            seconds,
            megabytes_per_second: bytes / 1e6 / seconds,
            records_per_second: done.records as f64 / seconds,
            p50: done.latencies.micros(0.5),
            p99: done.latencies.micros(0.99),
            p999: done.latencies.micros(0.999),
            fsyncs_per_second: setting.syncs as f64 / seconds,
            cache: setting.cache,
            file_system: place.file_system.clone(),
            device: place.device.clone(),
        }
    }

    fn text(&self) -> String {
        format!(
            "{} fsync {:<13} threads {:>2}, batches of {} x {} B  {:>8.1} MB/s {:>11} records/s  p50 {} p99 {} p99.9 {}  \
             {} fsyncs/s  {} on {}, {}",
            self.what,
            self.fsync,
            self.threads,
            self.batch,
            self.size,
            self.megabytes_per_second,
            human::count(self.records_per_second.round() as i64),
            micros(self.p50),
            micros(self.p99),
            micros(self.p999),
            human::count(self.fsyncs_per_second.round() as i64),
            self.file_system,
            self.device,
            self.cache,
        )
    }
}

/// A time with a unit and three digits.
fn micros(micros: f64) -> String {
    match micros {
        ..10.0 => format!("{micros:.2} us"),
        ..1000.0 => format!("{micros:.0} us"),
        ..10_000.0 => format!("{:.2} ms", micros / 1000.0),
        ..1_000_000.0 => format!("{:.0} ms", micros / 1000.0),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// `500`, `500k`, `10M`, `1G`.
fn parse_count(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(['k', 'M', 'G']);
    let factor = match text.strip_prefix(digits) {
        Some("") => 1,
        Some("k") => 1_000,
        Some("M") => 1_000_000,
        Some("G") => 1_000_000_000,
        _ => 0,
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(factor)).filter(|count| *count > 0);
    count.ok_or_else(|| format!("{text:?} is no number above 0; 500k or 10M is one"))
}

fn parse_length(text: &str) -> Result<Duration, String> {
    let ms = time::duration(text).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    ms.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no length of time; 10s is one"))
}

/// The folder to work in; a scratch folder goes when this is dropped.
struct Folder {
    path: PathBuf,
    is_scratch: bool,
}

impl Folder {
    fn new(dir: &Path, keep: bool) -> Result<Self, CliError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CliError::Engine(log_engine::Error::Io { op: "create", path, source })
        };
        if keep {
            std::fs::create_dir_all(dir).map_err(failed(dir))?;
            return Ok(Self { path: dir.to_owned(), is_scratch: false });
        }
        let path = dir.join(format!("log-cli-bench-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(failed(&path))?;
        Ok(Self { path, is_scratch: true })
    }

    /// Removes the log that a measurement left, so that the next one begins with nothing.
    fn clear(&self) {
        if self.is_scratch {
            // What cannot be removed stays for the last attempt, and for the user.
            let _ = std::fs::remove_dir_all(self.path.join(partition().to_string()));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_scratch {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

impl LoadArguments {
    fn load(&self, policy: Policy, threads: u64, limit: Duration, acknowledge: bool) -> Load {
        Load {
            policy,
            threads,
            records: self.records,
            size: self.size,
            batch: self.batch,
            segment_bytes: self.segment_bytes.bytes(),
            limit,
            acknowledge,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let mut lines = Vec::new();
    match &arguments.what {
        _ if global.schema => {
            output::schema::<Vec<Line>>()?;
            return Ok(Exit::Fine);
        }
        Some(What::Write(write)) => {
            let folder = Folder::new(&write.load.dir, write.load.keep || write.acknowledge)?;
            for policy in &write.fsync {
                for threads in &write.threads {
                    let line = append(write, *policy, *threads, &folder)?;
                    if !write.acknowledge {
                        tell(line, &mut lines, global)?;
                    }
                }
            }
            if write.acknowledge {
                return Ok(Exit::Fine);
            }
        }
        Some(What::Read(read)) => scan_back(read, global, &mut lines)?,
        Some(What::Recover(recover)) => tell(reopen(recover)?, &mut lines, global)?,
        None => return Err(CliError::usage("bench write, bench read or bench recover")),
    }
    if global.document() == Format::Json {
        output::json(&lines)?;
    }
    Ok(Exit::Fine)
}

/// Shows a line at once, where each is one of its own.
fn tell(line: Line, lines: &mut Vec<Line>, global: &Global) -> Result<(), CliError> {
    match global.document() {
        Format::Text => anstream::println!("{}", line.text()),
        Format::Ndjson => anstream::println!("{}", serde_json::to_string(&line).map_err(std::io::Error::other)?),
        Format::Json => lines.push(line),
    }
    Ok(())
}

fn append(write: &WriteArguments, policy: Policy, threads: u64, folder: &Folder) -> Result<Line, CliError> {
    let fs = Arc::new(CountingFs::default());
    let load = write.load.load(policy, threads, write.at_most, write.acknowledge);
    let (store, log) = load::open(Arc::clone(&fs) as Arc<dyn WriteFs>, &folder.path, &load)?;
    let before = fs.syncs();
    let done = load.run(&log)?;
    let syncs = fs.syncs().saturating_sub(before);
    let cache = "written through the page cache";
    let setting = Setting { what: "write", policy, threads, load: &write.load, cache, syncs };
    let line = Line::new(&setting, &done, &Place::of(&folder.path));
    store.close()?;
    folder.clear();
    Ok(line)
}

/// Writes a log to be read or recovered, as fast as possible; the store is dropped as in a crash.
fn prepare(arguments: &LoadArguments, folder: &Folder) -> Result<Load, CliError> {
    let load = arguments.load(Policy::Never, 1, Duration::MAX, false);
    let (store, log) = load::open(Arc::new(CountingFs::default()), &folder.path, &load)?;
    load.run(&log)?;
    drop(store);
    Ok(load)
}

const fn cache_words(cache: Cache) -> &'static str {
    match cache {
        Cache::Warm => "page cache warm",
        Cache::Cold => "page cache told to forget",
    }
}

fn scan_back(read: &ReadArguments, global: &Global, lines: &mut Vec<Line>) -> Result<(), CliError> {
    let folder = Folder::new(&read.load.dir, read.load.keep)?;
    let load = prepare(&read.load, &folder)?;
    let fs = Arc::new(CountingFs::default());
    let (store, log) = load::open(Arc::clone(&fs) as Arc<dyn WriteFs>, &folder.path, &load)?;
    for threads in &read.threads {
        match read.cache {
            Cache::Warm => drop(scan::read(&log, 1)?),
            Cache::Cold => scan::forget(&folder.path.join(partition().to_string()))?,
        }
        let before = fs.syncs();
        let done = scan::read(&log, *threads)?;
        let syncs = fs.syncs().saturating_sub(before);
        let cache = cache_words(read.cache);
        let setting =
            Setting { what: "read", policy: Policy::Never, threads: *threads, load: &read.load, cache, syncs };
        tell(Line::new(&setting, &done, &Place::of(&folder.path)), lines, global)?;
    }
    store.close()?;
    Ok(())
}

fn reopen(recover: &RecoverArguments) -> Result<Line, CliError> {
    let folder = Folder::new(&recover.load.dir, recover.load.keep)?;
    prepare(&recover.load, &folder)?;
    let fs = Arc::new(CountingFs::default());
    let mut done = Done { records: 0, took: Duration::ZERO, latencies: Latencies::new() };
    for _ in 0..recover.rounds {
        match recover.cache {
            Cache::Warm => {}
            Cache::Cold => scan::forget(&folder.path.join(partition().to_string()))?,
        }
        let options = StoreOptions { mode: RecoveryMode::TornTail, ..StoreOptions::default() };
        let start = Instant::now();
        let (store, report) =
            Store::open(Arc::clone(&fs) as Arc<dyn WriteFs>, std::slice::from_ref(&folder.path), options)?;
        let took = start.elapsed();
        let end = store.log(&partition()).map_or(0, |log| log.end().get());
        if let Some((_, error)) = report.directories.into_iter().flat_map(|told| told.failed).next() {
            return Err(error.into());
        }
        done.records = done.records.saturating_add(u64::try_from(end).unwrap_or(0));
        done.took = done.took.saturating_add(took);
        done.latencies.add(took);
        // Dropped as in a crash, and nothing is known to be durable: the next opening does it all again.
        drop(store);
    }
    let cache = cache_words(recover.cache);
    let setting =
        Setting { what: "recover", policy: Policy::Never, threads: 1, load: &recover.load, cache, syncs: fs.syncs() };
    Ok(Line::new(&setting, &done, &Place::of(&folder.path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lengths_and_times() {
        let counts = ["1", "500", "500k", "10M", "2G"].map(|text| parse_count(text).unwrap());
        assert_eq!(counts, [1, 500, 500_000, 10_000_000, 2_000_000_000]);
        for text in ["", "0", "k", "1kk", "-1", "99999999999999999999", "1T"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert_eq!(parse_length("2s"), Ok(Duration::from_secs(2)));
        assert!(parse_length("0s").is_err() && parse_length("-1s").is_err());
        let times = [0.5, 12.0, 1_234.0, 123_456.0, 2_500_000.0].map(micros);
        assert_eq!(times, ["0.50 us", "12 us", "1.23 ms", "123 ms", "2.50 s"]);
    }
}
