//! One partition: its small files first, then its segments by whoever has time, then what they make together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::in_order::InOrder;
use super::log_end::Names;
use super::merge::LogState;
use super::plan::{Facts, SegmentPlan};
use super::producers::{Feed, LogProducers};
use super::report::PartitionReport;
use super::{VerifyLevel, VerifyOptions, interval, log_end, names, snapshots, txn_index, walk};
use crate::checkpoint::{EpochCheckpoint, EpochEntry, PartitionMetadata};
use crate::error::{Error, Result};
use crate::fs::Fs;
use crate::inspect::{Checkpoints, SmallFile};
use crate::log::{DirectoryState, PartitionDirectory, root_files};
use crate::units::Offset;

/// What is known of the log directory around a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// Files of a log directory are there.
    pub(super) is_known: bool,
    /// The clean-shutdown marker is there.
    pub(super) marker: bool,
    /// A broker holds the lock.
    pub(super) in_use: bool,
    /// Written in the days of ZooKeeper, when partitions had no id.
    pub(super) is_zookeeper: bool,
    /// What the checkpoints say of this partition.
    pub(super) checkpoints: Checkpoints,
}

/// A partition that is being looked at.
pub(super) struct Job<'a> {
    fs: &'a dyn Fs,
    folder: PartitionDirectory,
    facts: Arc<Facts>,
    plans: Vec<SegmentPlan>,
    log: InOrder<LogState>,
    /// What was found before any segment was read.
    before: Findings,
    readable_snapshots: Vec<Offset>,
    failures: Mutex<Vec<Error>>,
    around: Around,
}

/// Topics that brokers write for themselves.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

impl<'a> Job<'a> {
    /// Reads the small files of the partition in `folder`.
    ///
    /// `large_batches` is that of all partitions that are looked at side by side. With `only`, nothing but the segment that begins there, and what lies beside it under the same number.
    pub(super) fn new(
        fs: &'a dyn Fs,
        folder: PartitionDirectory,
        only: Option<Offset>,
        around: Around,
        options: &VerifyOptions,
        large_batches: Arc<Mutex<()>>,
    ) -> Self {
        let mut before = Findings::default();
        let mut failures = Vec::new();
        let named = folder.path.file_name().map_or_else(|| folder.path.clone(), PathBuf::from);
        let topic = folder.name.as_ref().map_or("", |name| name.partition.topic.as_str());
        let is_metadata_log = named == Path::new(root_files::METADATA_LOG);
        let raw = |offset: Option<Offset>| offset.map(Offset::get);
        let checkpoints = around.checkpoints;
        let mut facts = Facts {
            path: folder.path.clone(),
            is_metadata_log,
            is_internal: INTERNAL.contains(&topic),
            folder: named,
            marker: around.marker,
            in_use: around.in_use,
            is_part: only.is_some(),
            recovery_point: raw(checkpoints.recovery_point),
            log_start: raw(checkpoints.log_start),
            high_watermark: raw(checkpoints.high_watermark),
            cleaner: raw(checkpoints.cleaner),
            epochs: None,
            index_interval: options.index_interval,
            level: options.level,
            since_checkpoint: options.since_checkpoint,
            now: options.now,
            large_batches,
        };
        facts.epochs = epochs(fs, &facts, &mut before);
        if only.is_none() {
            metadata(fs, &facts, &folder, around, &mut before);
            names::check(&facts, &folder, &mut before);
        }
        let is_asked = |base: &Offset| only.is_none_or(|only| only == *base);
        let all = folder.snapshots.keys().copied().filter(is_asked);
        let readable_snapshots = snapshots::check(fs, &facts, all, &mut before).unwrap_or_else(|error| {
            failures.push(error);
            Vec::new()
        });
        let facts = Arc::new(facts);
        let with_log = folder.segments.iter().filter(|(_, files)| files.log.is_some());
        let segments: Vec<_> = with_log.map(|(base, files)| (*base, *files)).collect();
        let mut plans = facts.plans(&segments);
        plans.retain(|plan| is_asked(&plan.base));
        let start = plans.iter().find(|plan| plan.is_walked()).map_or(Offset::ZERO, |plan| plan.base);
        let producers = LogProducers::new(start, readable_snapshots.iter().copied());
        let log = InOrder::new(LogState::new(producers));
        Self { fs, folder, facts, plans, log, before, readable_snapshots, failures: Mutex::new(failures), around }
    }

    /// How many segments there are to be walked.
    pub(super) fn segments(&self) -> usize {
        self.plans.len()
    }

    /// Walks segment `n` and takes it in when its turn has come. `done` counts bytes.
    pub(super) fn segment(&self, n: usize, done: &AtomicU64) {
        let Some(plan) = self.plans.get(n) else { return };
        let part = self.log.part(n);
        let mut feed = Feed::new(self.fs, plan, &part);
        let walked = if plan.is_walked() { walk::walk(self.fs, plan, &mut feed, done) } else { walk::glance(plan) };
        let taken = walked.and_then(|mut walked| {
            txn_index::check_shape(self.fs, plan, &mut walked.findings)?;
            feed.flush(&mut walked.findings)?;
            part.take_in(|log| {
                if self.facts.level == VerifyLevel::Deep && plan.is_walked() {
                    log.producers.end_segment(self.fs, plan, &mut walked.findings)?;
                }
                log.segment(walked, plan);
                Ok(())
            })
        });
        if let Err(error) = taken {
            self.fail(error);
        }
    }

    fn fail(&self, error: Error) {
        let is_gone = matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        // A broker that runs deletes files between two looks.
        if !(is_gone && self.facts.in_use) {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        }
    }

    /// Puts everything together once all segments are in.
    pub(super) fn finish(self) -> PartitionReport {
        let bases: Vec<Offset> = self.plans.iter().map(|plan| plan.base).collect();
        let all_snapshots: Vec<Offset> = self.folder.snapshots.keys().copied().collect();
        let mut failures = self.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (fs, facts, folder) = (self.fs, self.facts, self.folder);
        let mut log = self.log.into_whole();
        let names = Names { bases: &bases, snapshots: &all_snapshots, readable: &self.readable_snapshots };
        let log_start = names.log_start(&facts);
        let index_is_padded = facts.marker && !facts.is_metadata_log && log.tail.index_is_padded;
        let epochs = std::mem::take(&mut log.epochs);
        let epochs_are_used = epochs.are_used;
        epochs.finish(&facts, &mut log.findings);
        failures.extend(interval::empty_indexes(fs, &self.plans, &log.empty_indexes, &mut log.findings).err());
        failures.extend(finish_producers(fs, &facts, &mut log).err());
        if facts.is_part {
            let tail = std::mem::take(&mut log.tail);
            log.findings.append(tail.index_beyond);
            log.findings.append(tail.times_beyond);
        } else {
            epoch_file(&facts, &folder, epochs_are_used, self.around.is_zookeeper, &mut log.findings);
            let held = names::Held { log_start, gaps: &log.gaps };
            let only_names = facts.level == VerifyLevel::Quick;
            failures.extend(names::leftovers(fs, &facts, &folder, held, only_names, &mut log.findings).err());
            if facts.level != VerifyLevel::Quick && failures.is_empty() {
                log_end::check(&mut log, &facts, names);
            }
            metadata_log(&facts, &folder, &bases, &mut log.findings);
        }
        let mut findings = self.before;
        findings.append(log.findings);
        let shows_cleaning = log.shows_cleaning;
        let below_end = |point: &i64| facts.marker && !facts.is_metadata_log && *point < log.log_end;
        PartitionReport {
            index_is_padded,
            unflushed_from: facts.recovery_point.filter(below_end).map(Offset::new),
            path: folder.path,
            name: folder.name,
            log_start: Offset::new(log_start),
            log_end: Offset::new(log.log_end),
            records: log.records,
            batches: log.batches,
            segments: bases.len() as u64,
            bytes: log.bytes,
            findings: findings.settle(|_| shows_cleaning),
            failures,
        }
    }
}

/// C001, E001 of the epoch file, whose entries are given back if they rise.
fn epochs(fs: &dyn Fs, facts: &Facts, out: &mut Findings) -> Option<Vec<EpochEntry>> {
    let file = facts.file(EpochCheckpoint::FILE_NAME);
    let path = facts.path.join(EpochCheckpoint::FILE_NAME);
    match SmallFile::read(fs, &path, EpochCheckpoint::parse) {
        SmallFile::Missing => None,
        SmallFile::Unreadable(error) => {
            out.add(FindingCode::C001, Severity::Error, Place::file(&file), || reason(&error));
            None
        }
        SmallFile::Read { content, .. } => {
            let falls = |pair: &&[EpochEntry]| matches!(pair, [a, b] if b.epoch <= a.epoch || b.start <= a.start);
            if let Some([a, b]) = content.entries.windows(2).find(falls) {
                out.add(FindingCode::E001, Severity::Warning, Place::file(&file).offset(b.start.get()), || {
                    let (later, start) = (b.epoch, b.start);
                    format!(
                        "epoch {later} from offset {start} follows epoch {} from {}; both must rise",
                        a.epoch, a.start
                    )
                });
                return None;
            }
            Some(content.entries).filter(|entries| !entries.is_empty())
        }
    }
}

/// E001 for a file that is missing or empty although batches carry epochs.
fn epoch_file(facts: &Facts, folder: &PartitionDirectory, are_used: bool, is_old: bool, out: &mut Findings) {
    let is_emptied = folder.name.as_ref().is_some_and(|name| name.state == DirectoryState::Delete);
    let what = match folder.epochs {
        // A broker that loads such a folder empties the file.
        _ if is_emptied => return,
        None => "is missing",
        Some(_) if facts.epochs.is_none() => "names no epoch",
        Some(_) => return,
    };
    let file = facts.file(EpochCheckpoint::FILE_NAME);
    // A file that cannot be read, or whose lines do not rise, was told before.
    if are_used && (folder.epochs.is_none_or(|bytes| bytes <= EMPTY_EPOCHS)) {
        let severity = if is_old { Severity::Info } else { Severity::Warning };
        out.add(FindingCode::E001, severity, Place::file(&file), || format!("{what}, but batches carry leader epochs"));
    }
}

/// Bytes of an epoch file without entries, as Kafka writes it.
const EMPTY_EPOCHS: u64 = 4;

/// D003.
fn metadata(fs: &dyn Fs, facts: &Facts, folder: &PartitionDirectory, around: Around, out: &mut Findings) {
    let is_live = folder.name.as_ref().is_none_or(|name| name.state == DirectoryState::Live);
    if facts.is_metadata_log || !is_live {
        return;
    }
    let file = facts.file(PartitionMetadata::FILE_NAME);
    match SmallFile::read(fs, &facts.path.join(PartitionMetadata::FILE_NAME), PartitionMetadata::parse) {
        SmallFile::Read { .. } => {}
        SmallFile::Unreadable(error) => {
            out.add(FindingCode::D003, Severity::Error, Place::file(&file), || reason(&error));
        }
        SmallFile::Missing => {
            let is_expected = around.is_known && !around.is_zookeeper;
            let severity = if is_expected { Severity::Error } else { Severity::Info };
            out.add(FindingCode::D003, severity, Place::file(&file), || {
                "is missing: nothing says which topic's partition this is".to_owned()
            });
        }
    }
}

/// K001: whether a snapshot covers what a metadata log that begins above 0 lacks.
fn metadata_log(facts: &Facts, folder: &PartitionDirectory, bases: &[Offset], out: &mut Findings) {
    let Some(first) = bases.first().filter(|first| facts.is_metadata_log && **first > Offset::ZERO) else { return };
    let ends = folder.others.iter().filter_map(|entry| {
        let (offset, _epoch) = entry.name.to_str()?.strip_suffix(".checkpoint")?.split_once('-')?;
        offset.parse::<i64>().ok()
    });
    if !ends.into_iter().any(|end| end >= first.get()) {
        let place = Place::folder(&facts.folder).offset(first.get());
        out.add(FindingCode::K001, Severity::Error, place, || {
            format!("the log begins at offset {first}, and no snapshot reaches up to there")
        });
    }
}

fn finish_producers(fs: &dyn Fs, facts: &Facts, log: &mut LogState) -> Result<()> {
    if facts.level != VerifyLevel::Deep {
        return Ok(());
    }
    std::mem::take(&mut log.producers).finish(Offset::new(log.log_end), fs, facts, &mut log.findings)
}

/// Why a small file cannot be read, without its name.
pub(super) fn reason(error: &Error) -> String {
    match error {
        Error::Corrupt(corrupt) => corrupt.rule.to_string(),
        other => other.to_string(),
    }
}
