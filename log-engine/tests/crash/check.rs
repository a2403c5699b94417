//! What must hold of the disk that a crash left, and of the log that is opened on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use log_engine::epoch::LeaderEpochs;
use log_engine::fs::{sim::Outcome, sim::Replay, sim::SimFs};
use log_engine::inspect::{Severity, Target, VerifyOptions, verify};
use log_engine::log::{ManualClock, RunTasks, TimeTarget};
use log_engine::producer::{Marker, ProducerStates};
use log_engine::{
    AppendAsLeader, Batch, Error, Fs, Isolation, LeaderEpoch, Log, LogConfig, NewRecord, Offset, Scratch, Store,
    Timestamp, Walk,
};

use super::history::{Appended, Expected, History};
use super::random::Random;
use super::rot;
use super::workload::{DIR, START, options, partition};

/// What struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// The process alone.
    Killed,
    /// The machine.
    Machine(Outcome),
    /// The machine, with nothing left that was not durable; and of what was, a bit is another one.
    Rot,
}

/// The store and the log in it; `None` if the partition is not there.
pub(super) type Opened = Option<(Store, Arc<Log>)>;
pub(super) type Checked = Result<(), String>;

/// What must be so, or what is wrong.
macro_rules! hold {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

pub(super) use hold;

/// The folder of the partition.
fn folder() -> PathBuf {
    Path::new(DIR).join(partition().to_string())
}

/// Crashes the machine where the replay is, and looks at everything.
pub(super) fn check(history: &History, replay: &Replay, crash: Crash, seed: u64) -> Checked {
    let seed = seed.wrapping_mul(31).wrapping_add(replay.done() as u64);
    let image = strike(replay, crash, seed);
    let (expected, config) = (history.expected(replay.done()), &history.config);
    let promised = if crash == Crash::Killed { expected.written } else { expected.durable };

    if crash == Crash::Rot {
        return rot::check(history, &image, &expected, seed);
    }
    // A write that failed and was undone leaves bytes behind those that were durable, as long as nothing else is.
    if expected.instead.is_empty() {
        no_damage(&image, expected.durable)?;
    }
    let before = contents_of_logs(&image);
    let Some((store, log)) = open(&image, config)? else {
        hold!(promised == 0, "the partition is gone, and {promised} was promised");
        return Ok(());
    };
    offsets(&log, &expected, promised)?;
    let batches = contents(&log, &expected)?;
    look_ups(&log, &batches)?;
    derived(&log, &batches)?;
    no_leftovers(&image)?;
    only_cut(&before, &image)?;

    let bytes: Vec<u8> = batches.iter().flatten().copied().collect();
    again(&image, config, &log, &bytes, crash, seed)?;
    next(&image, &expected, config, &store, &log, seed)
}

/// C8 of an open log: no epoch begins where it ends, or behind.
pub(super) fn epochs_end_with_the_log(log: &Log) -> Checked {
    let (epochs, end) = (log.leader_epochs(), log.end());
    hold!(epochs.iter().all(|entry| entry.start < end), "C8: the log ends at {end}, and its epochs are {epochs:?}");
    Ok(())
}

/// Looks at a log that stays open behind an error.
pub(super) fn open_log(log: &Log, expected: &Expected) -> Checked {
    offsets(log, expected, expected.written.max(expected.durable))?;
    let batches = contents(log, expected)?;
    look_ups(log, &batches)
}

fn strike(replay: &Replay, crash: Crash, seed: u64) -> SimFs {
    match crash {
        Crash::Killed => replay.restart(),
        Crash::Machine(outcome) => replay.after_crash(outcome, seed),
        Crash::Rot => replay.after_crash(Outcome::Nothing, seed),
    }
}

/// C1: opening succeeds. `None` if the partition's folder was not made yet, or was not durable.
fn open(disk: &SimFs, config: &LogConfig) -> Result<Opened, String> {
    try_open(disk, config)?.map_err(|error| {
        let texts = disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().ends_with("checkpoint"));
        let texts: Vec<_> = texts.map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into_owned())).collect();
        format!("C1: {error} {texts:?}")
    })
}

/// The store, or why the log in it does not open.
pub(super) fn try_open(disk: &SimFs, config: &LogConfig) -> Result<log_engine::Result<Opened>, String> {
    let clock = Arc::new(ManualClock::at(Timestamp::new(START + 1_000_000)));
    let opened = Store::open(Arc::new(disk.clone()), &[PathBuf::from(DIR)], options(&clock, config));
    let (store, report) = opened.map_err(|error| format!("C1: {error}"))?;
    match report.directories.into_iter().flat_map(|told| told.failed).next() {
        Some((_, error)) => Ok(Err(error)),
        None => Ok(Ok(store.log(&partition()).map(|log| (store, log)))),
    }
}

/// C3, C4, C6.
fn offsets(log: &Log, expected: &Expected, promised: i64) -> Checked {
    let (start, point, high, end) =
        (log.start().get(), log.recovery_point().get(), log.high_watermark().get(), log.end().get());
    hold!(start <= high && high <= end && start <= point && point <= end, "C6: {start} {high} {point} {end}");
    hold!(end >= promised, "C3: the log ends at {end}, and {promised} was promised");
    let most = expected.most();
    hold!(end <= most, "C4: the log ends at {end}, and nothing was appended behind {most}");
    hold!(start <= expected.start, "C4: the log begins at {start}, and was to begin at {} at most", expected.start);
    Ok(())
}

/// C2: what is there is a stretch of what was appended, byte for byte, up to the log's end. The batches.
fn contents(log: &Log, expected: &Expected) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut next = log.start();
    while next < log.end() {
        let read = log.read(next, 300, Isolation::LogEnd, true).map_err(|error| format!("C2: {error}"))?;
        let Some(slice) = read.slice else { break };
        let bytes = slice.read_to_vec().map_err(|error| format!("C2: {error}"))?;
        let mut at_least_one = false;
        for (_, batch) in Walk::new(&bytes) {
            let batch = batch.map_err(|error| format!("C2: {error}"))?;
            batch.check_crc().map_err(|error| format!("C2: {error}"))?;
            next = batch.last_offset().next();
            found.push(batch.bytes().to_vec());
            at_least_one = true;
        }
        hold!(at_least_one, "C2: nothing whole at {next}");
    }
    let as_appended = is_stretch(&found, &expected.batches);
    if as_appended.is_ok() || expected.instead.iter().any(|batches| is_stretch(&found, batches).is_ok()) {
        return Ok(found);
    }
    as_appended.map(|()| found)
}

/// Whether the batches that were found are a stretch of those that were appended.
fn is_stretch(found: &[Vec<u8>], appended: &[Appended]) -> Checked {
    let Some(first) = found.first() else { return Ok(()) };
    let first = Batch::parse(first).unwrap().base_offset().get();
    let appended = appended.iter().skip_while(|batch| batch.first < first);
    for (n, (found, appended)) in found.iter().zip(appended.clone()).enumerate() {
        hold!(**found == *appended.bytes, "C2: batch {n} behind offset {first} is not what was appended");
    }
    hold!(found.len() <= appended.count(), "C4: more batches than were appended");
    Ok(())
}

/// C7: indexes lead where a full scan does.
fn look_ups(log: &Log, batches: &[Vec<u8>]) -> Checked {
    let mut scratch = Scratch::default();
    let mut times = BTreeSet::new();
    let mut records = Vec::new();
    for bytes in batches {
        let batch = Batch::parse(bytes).unwrap();
        for record in batch.records(&mut scratch).unwrap() {
            let record = record.unwrap();
            times.extend([record.timestamp.get(), record.timestamp.get() + 1]);
            records.push((record.offset.get(), record.timestamp.get()));
        }
        for offset in batch.base_offset().get().max(log.start().get())..=batch.last_offset().get() {
            let read = log.read(Offset::new(offset), 1, Isolation::LogEnd, false).map_err(|e| format!("C7: {e}"))?;
            hold!(read.at.offset == batch.base_offset(), "C7: offset {offset} is looked for at {:?}", read.at);
        }
    }
    let described = log.describe().map_err(|error| format!("C7: {error}"))?;
    let starts_with_a_segment = described.segments.first().is_none_or(|segment| segment.base == log.start());
    for time in times {
        let by_scan = records.iter().find(|(offset, at)| *at >= time && *offset >= log.start().get());
        let found = log.offset_for_time(TimeTarget::At(Timestamp::new(time))).map_err(|e| format!("C7: {e}"))?;
        let found = found.map(|found| (found.offset.get(), found.timestamp.get()));
        // As in Kafka, the segment whose largest time decides may have it below the log's start; then nothing is found.
        let is_hidden = found.is_none() && !starts_with_a_segment;
        hold!(
            is_hidden || found == by_scan.copied(),
            "C7: time {time} is found at {found:?}, not {by_scan:?}: {described:?} {records:?}"
        );
    }
    Ok(())
}

/// C8, C9, C10: epochs, producers and aborted transactions are those of the batches.
fn derived(log: &Log, batches: &[Vec<u8>]) -> Checked {
    let (mut epochs, mut states, mut scratch) =
        (LeaderEpochs::default(), ProducerStates::default(), Scratch::default());
    let mut aborted = Vec::new();
    for bytes in batches {
        let batch = Batch::parse(bytes).unwrap();
        let header = batch.header().unwrap();
        epochs.assign(log_engine::checkpoint::EpochEntry {
            epoch: header.leader_epoch(),
            start: header.base_offset().max(log.start()),
        });
        let marker = Marker::of(&batch, &mut scratch).unwrap();
        if let Some(completed) = states.apply(header, marker).map_err(|error| format!("C9: {error}"))?
            && completed.aborted
        {
            aborted.push((completed.producer_id.get(), completed.first_offset.get(), completed.last_offset.get()));
        }
    }
    let known: BTreeMap<_, _> = log.leader_epochs().into_iter().map(|entry| (entry.epoch, entry.start)).collect();
    let earliest = known.values().next().copied();
    let bounds: Vec<_> = batches.iter().map(|bytes| Batch::parse(bytes).unwrap()).collect();
    let bounds: Vec<_> = bounds.iter().map(|batch| (batch.base_offset(), batch.last_offset())).collect();
    for entry in epochs.iter() {
        // What lay before a log start that was written down with the epochs, and not yet where log starts are, has none.
        if earliest.is_some_and(|earliest| entry.start < earliest) {
            continue;
        }
        // The first one of those that are there reaches back to what was deleted; what lay there entirely may be known yet.
        let is_first = epochs.iter().next() == Some(entry);
        let start = known.get(&entry.epoch);
        // Where a truncation took the batch with which it began, and that one began below the target, it begins there all the same.
        let is_gap = |start| bounds.iter().all(|(first, last)| *last < start || *first >= entry.start);
        let is_right = start.is_some_and(|start| *start <= entry.start && (is_first || is_gap(*start)));
        hold!(is_right, "C8: epoch {} begins at {start:?}, not {}", entry.epoch, entry.start);
    }
    let described = log.describe().map_err(|error| format!("C9: {error}"))?;
    for (id, by_scan) in states.iter() {
        let Some((_, known)) = described.producers.iter().find(|(known, _)| *known == id) else {
            return Err(format!("C9: producer {id} is not known"));
        };
        let facts = |entry: &log_engine::producer::ProducerEntry| {
            (entry.epoch(), entry.last_sequence(), entry.batches().last().map(|batch| batch.last_offset))
        };
        // Of a producer whose data was deleted its marker may be all that is left.
        let is_data_there = by_scan.batches().next().is_some();
        hold!(known.epoch() == by_scan.epoch(), "C9: producer {id}: {known:?}, not {by_scan:?}");
        hold!(!is_data_there || facts(known) == facts(by_scan), "C9: producer {id}: {known:?}, not {by_scan:?}");
        // A transaction that began in what was deleted is open since then.
        let is_open = (known.open_since().is_some(), by_scan.open_since().is_some());
        hold!(is_open.0 == is_open.1, "C9: producer {id}: {known:?}, not {by_scan:?}");
    }
    let told = log.aborted(log.start(), log.end()).map_err(|error| format!("C10: {error}"))?;
    let told: BTreeSet<_> =
        told.iter().map(|txn| (txn.producer_id.get(), txn.first_offset.get(), txn.last_offset.get())).collect();
    for txn in aborted {
        // It may have begun in what was deleted.
        let is_told = told.iter().any(|told| (told.0, told.2) == (txn.0, txn.2) && told.1 <= txn.1);
        hold!(is_told, "C10: {txn:?} was aborted; told are {told:?}");
    }
    Ok(())
}

/// C11: before recovery `verify` finds nothing wrong with the batches of segments that were durable to their end.
fn no_damage(disk: &SimFs, durable: i64) -> Checked {
    let bases: Vec<String> =
        contents_of_logs(disk).into_keys().map(|path| path.file_stem().unwrap().to_string_lossy().into()).collect();
    let whole =
        bases.iter().zip(bases.iter().skip(1)).filter(|(_, next)| next.parse().is_ok_and(|next: i64| next <= durable));
    let whole: Vec<&String> = whole.map(|(base, _)| base).collect();
    for (finding, severity) in findings(disk)? {
        let is_about_batches = finding.starts_with('B') && severity == Severity::Error;
        let is_in_whole = whole.iter().any(|base| finding.contains(base.as_str()));
        hold!(!is_about_batches || !is_in_whole, "C11: before recovery: {finding}");
    }
    Ok(())
}

fn findings(disk: &SimFs) -> Result<Vec<(String, Severity)>, String> {
    if !disk.files().keys().any(|path| path.starts_with(folder())) {
        return Ok(Vec::new());
    }
    let fs: &dyn Fs = disk;
    let target = Target::of(fs, Path::new(DIR)).map_err(|error| format!("C11: {error}"))?;
    let options = VerifyOptions::new(Timestamp::new(START + 1_000_000));
    let report =
        verify(fs, &[target], &options, &|_| true, &AtomicU64::new(0)).map_err(|error| format!("C11: {error}"))?;
    let of_partitions = report.partitions.iter().flat_map(|partition| &partition.findings);
    let of_dirs = report.log_dirs.iter().flat_map(|dir| &dir.findings);
    Ok(of_partitions
        .chain(of_dirs)
        .map(|finding| (format!("{:?} {} {}", finding.code, finding.file.display(), finding.message), finding.severity))
        .collect())
}

/// C12: nothing is left that the next start would have to tidy up.
fn no_leftovers(disk: &SimFs) -> Checked {
    // What recovery drops itself keeps a `.deleted` name until the next start.
    let suffixes = [".tmp", ".cleaned", ".swap"];
    let left = disk.files().into_keys().find(|path| {
        let name = path.to_string_lossy().into_owned();
        path.starts_with(folder()) && suffixes.iter().any(|suffix| name.ends_with(suffix))
    });
    hold!(left.is_none(), "C12: {left:?} is left");
    Ok(())
}

pub(super) fn contents_of_logs(disk: &SimFs) -> BTreeMap<PathBuf, Vec<u8>> {
    let logs = disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|suffix| suffix == "log"));
    logs.collect()
}

/// C14: recovery writes nothing into a `.log`; it cuts.
fn only_cut(before: &BTreeMap<PathBuf, Vec<u8>>, disk: &SimFs) -> Checked {
    for (path, bytes) in contents_of_logs(disk) {
        let was = before.get(&path).map(Vec::as_slice).unwrap_or_default();
        hold!(was.starts_with(&bytes), "C14: {} was written to by its recovery", path.display());
    }
    Ok(())
}

fn all_bytes(log: &Log) -> Result<Vec<u8>, String> {
    let read = log.read(log.start(), u64::MAX, Isolation::LogEnd, true).map_err(|error| format!("C5: {error}"))?;
    let Some(slice) = read.slice else { return Ok(Vec::new()) };
    slice.read_to_vec().map_err(|error| format!("C5: {error}"))
}

/// C5: recovering again, and after a crash inside the recovery, gives the same.
fn again(image: &SimFs, config: &LogConfig, log: &Log, bytes: &[u8], crash: Crash, seed: u64) -> Checked {
    let end = log.end();
    let mut random = Random::new(seed);
    let operations = image.operations();
    let mut replay = image.replay();
    let stop = random.below(operations as u64 + 1);
    for _ in 0..stop {
        replay.step();
    }
    let outcomes = [Outcome::Nothing, Outcome::Everything, Outcome::Prefix, Outcome::Sectors];
    let outcome = outcomes[random.below(outcomes.len() as u64) as usize];
    // What only the process's death has left is not durable: the machine must not die now.
    let once_more = if crash == Crash::Killed { replay.restart() } else { replay.after_crash(outcome, seed) };
    let Some((_store, second)) = open(&once_more, config)? else {
        hold!(bytes.is_empty(), "C5: the partition is gone after a crash inside its recovery");
        return Ok(());
    };
    let (start, second_end) = (second.start(), second.end());
    hold!(
        second_end == end,
        "C5: it ends at {second_end}, not {end}, after a crash ({outcome:?}) at {stop} of its recovery"
    );
    let mut found = Vec::new();
    let mut next = start.max(log.start());
    while next < second_end {
        let read = second.read(next, u64::MAX, Isolation::LogEnd, true).map_err(|error| format!("C5: {error}"))?;
        let Some(slice) = read.slice else { break };
        let read = slice.read_to_vec().map_err(|error| format!("C5: {error}"))?;
        for (_, batch) in Walk::new(&read) {
            next = batch.map_err(|error| format!("C5: {error}"))?.last_offset().next();
        }
        found.extend_from_slice(&read);
    }
    hold!(found.ends_with(bytes) || bytes.ends_with(&found), "C5: other bytes after a crash inside the recovery");
    hold!(all_bytes(&second).is_ok(), "C5: it cannot be read");
    Ok(())
}

/// C13 and C11: the log goes on, what it promises then is kept, and what it leaves at a clean stop is sound.
fn next(image: &SimFs, expected: &Expected, config: &LogConfig, store: &Store, log: &Log, seed: u64) -> Checked {
    let record = NewRecord { value: Some(b"behind the crash"), ..NewRecord::default() };
    let how = AppendAsLeader::client(LeaderEpoch::new(1_000));
    let appended = log.append_records([record], None, &how).map_err(|error| format!("C13: {error}"))?;
    match appended.ticket.wait() {
        // The sync before the process died had failed: what it lost is noticed before anything is promised.
        Err(Error::Corrupt(_)) if expected.is_unsure => return Ok(()),
        waited => waited.map_err(|error| format!("C13: {error}"))?,
    }
    let end = log.end();
    let Some((_other, found)) = open(&image.after_crash(Outcome::Nothing, seed), config)? else {
        return Err("C13: the partition is gone".to_owned());
    };
    hold!(found.end() == end, "C13: {} was promised and the log ends at {}", end, found.end());
    log.run_tasks(RunTasks::All).map_err(|error| format!("C13: {error}"))?;
    store.tick();
    log.close().map_err(|error| format!("C13: {error}"))?;
    for (finding, severity) in findings(image)? {
        // Who made the partition can have died before its topic id was written down; the directory has no identity.
        let is_about_the_log = !finding.starts_with("D003") && !finding.starts_with("D004");
        hold!(severity != Severity::Error || !is_about_the_log, "C11: after recovery: {finding}");
    }
    Ok(())
}
