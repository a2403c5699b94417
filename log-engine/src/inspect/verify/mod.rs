//! Every check that one directory allows: what is damaged, where, and how bad it is. Changes nothing.
//!
//! One walk over each `.log` shows its batches to small observers, one a family of codes; the index files are read beside the walk.
//! Segments of all partitions are walked by as many threads as asked for; what spans segments (gaps, epochs, producers) is taken in
//! segment by segment. Memory: a few MiB a thread and the findings, of which many equal ones are counted, not listed.

mod batch;
mod code;
mod epochs;
mod finding;
mod in_order;
mod interval;
mod log_dir;
mod log_end;
mod merge;
mod names;
mod offset_index;
mod offsets;
mod partition;
mod plan;
mod producers;
mod records;
mod report;
mod slots;
mod snapshots;
mod time_index;
mod txn_index;
mod walk;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub use code::{Explanation, FindingCode};
pub use finding::{Finding, MAX_LISTED, Severity};
pub use producers::MAX_PRODUCERS;
pub use report::{LogDirReport, PartitionReport, PartitionState, VerifyReport};

use crate::error::{Error, Result};
use crate::fs::Fs;
use crate::inspect::Target;
use crate::log::{LogDirectory, PartitionDirectory};
use crate::segment::SegmentName;
use crate::units::{Offset, Timestamp, TopicPartition};
use finding::Findings;
use log_dir::Root;
use partition::{Around, Job};

/// How closely to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyLevel {
    /// Names, sizes, small files, and the active segment of each partition.
    Quick,
    /// Also every batch: head, checksum, offsets, epochs, and all indexes.
    #[default]
    Normal,
    /// Also inside: records, producers, transactions.
    Deep,
}

/// What to look for, and what is known of the directory that stands in no file.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How closely.
    pub level: VerifyLevel,
    /// The time, for timestamps that lie ahead.
    pub now: Timestamp,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// Kafka: `index.interval.bytes`. Without it the files show it.
    pub index_interval: Option<u64>,
    /// The cluster that the directory should belong to.
    pub cluster_id: Option<String>,
    /// The node that the directory should belong to.
    pub node_id: Option<i32>,
    /// Look at the batches of those segments only that hold the recovery point or lie behind it; of older ones at names and sizes.
    /// Their batches and records are not counted. Without a recovery point, at all.
    pub since_checkpoint: bool,
    /// Report these codes only; all if there is none.
    pub only: Vec<FindingCode>,
}

impl VerifyOptions {
    /// The normal level on one thread.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            level: VerifyLevel::Normal,
            now,
            jobs: NonZeroUsize::MIN,
            index_interval: None,
            cluster_id: None,
            node_id: None,
            since_checkpoint: false,
            only: Vec::new(),
        }
    }
}

/// Checks everything that `targets` name, of which `selected` says yes to the partition's name (or to `None` for a folder under
/// another name). `done` counts the bytes of `.log` files that were read.
///
/// # Errors
/// [`Error::NotReadable`] for a file that belongs to no segment, [`Error::Io`] where its folder cannot be listed. What cannot be
/// read of a partition is in its report.
pub fn verify(
    fs: &dyn Fs,
    targets: &[Target],
    options: &VerifyOptions,
    selected: &(dyn Fn(Option<&TopicPartition>) -> bool + Sync),
    done: &AtomicU64,
) -> Result<VerifyReport> {
    let roots: Vec<Root<'_>> = log_dirs(targets).map(|dir| Root::read(fs, dir)).collect();
    let mut report = VerifyReport::default();
    let mut dir_findings: Vec<Findings> = Vec::new();
    let mut jobs = Vec::new();
    let mut ends = Vec::new();
    let large_batches = Arc::new(Mutex::new(()));
    for root in &roots {
        let mut findings = Findings::default();
        root.check(fs, options, &mut findings);
        dir_findings.push(findings);
        let around = root.around();
        for (name, path) in root.dir.partitions.iter().filter(|(name, _)| selected(Some(&name.partition))) {
            match PartitionDirectory::list(fs, path) {
                Ok(folder) => {
                    jobs.push(Job::new(fs, folder, None, around(Some(name)), options, Arc::clone(&large_batches)))
                }
                Err(error) => report.unlisted.push(error),
            }
        }
        ends.push(jobs.len());
    }
    log_dir::check_together(&roots, &mut dir_findings);
    for target in targets {
        if let Some((folder, only)) = alone(fs, target)?
            && selected(folder.name.as_ref().map(|name| &name.partition))
        {
            let around = surroundings(fs, &folder);
            jobs.push(Job::new(fs, folder, only, around, options, Arc::clone(&large_batches)));
        }
    }
    walk_all(&jobs, options.jobs, done);
    let mut partitions: Vec<PartitionReport> = jobs.into_iter().map(Job::finish).collect();
    let mut from = 0;
    for ((root, mut findings), end) in roots.iter().zip(dir_findings).zip(ends) {
        root.marker(partitions.get(from..end).unwrap_or_default(), &mut findings);
        from = end;
        report.log_dirs.push(LogDirReport {
            path: root.dir.path.clone(),
            clean: root.files.is_clean(),
            in_use: root.in_use(),
            findings: keep(findings.settle(|_| false), &options.only),
        });
    }
    for partition in &mut partitions {
        partition.findings = keep(std::mem::take(&mut partition.findings), &options.only);
    }
    report.partitions = partitions;
    Ok(report)
}

fn keep(mut findings: Vec<Finding>, only: &[FindingCode]) -> Vec<Finding> {
    findings.retain(|finding| only.is_empty() || only.contains(&finding.code));
    findings
}

fn log_dirs(targets: &[Target]) -> impl Iterator<Item = &LogDirectory> {
    targets.iter().filter_map(|target| match target {
        Target::LogDirectory(dir) => Some(dir),
        Target::File(_) | Target::Partition(_) => None,
    })
}

/// The partition that a target names without its log directory: a folder, or that of one segment.
fn alone(fs: &dyn Fs, target: &Target) -> Result<Option<(PartitionDirectory, Option<Offset>)>> {
    match target {
        Target::LogDirectory(_) => Ok(None),
        Target::Partition(folder) => Ok(Some((folder.clone(), None))),
        Target::File(path) => segment_of(fs, path).map(|(folder, base)| Some((folder, Some(base)))),
    }
}

/// The folder that the segment's file `path` lies in, and where the segment begins.
fn segment_of(fs: &dyn Fs, path: &Path) -> Result<(PartitionDirectory, Offset)> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(SegmentName::parse);
    let name = name.filter(|name| name.is_canonical() && name.leftover.is_none());
    let what = "no file of a segment; name a segment's file, a partition's folder or a log directory";
    let name = name.ok_or_else(|| Error::NotReadable { path: path.to_owned(), what })?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((PartitionDirectory::list(fs, parent)?, name.base))
}

/// What the log directory around a folder says of it, if it lies in one.
fn surroundings(fs: &dyn Fs, folder: &PartitionDirectory) -> Around {
    let Some(parent) = folder.path.parent() else { return Around::default() };
    match LogDirectory::list(fs, parent) {
        Ok(dir) => {
            let root = Root::read(fs, &dir);
            let around = root.around();
            around(folder.name.as_ref())
        }
        Err(_) => Around::default(),
    }
}

/// Walks all segments, in order, by so many threads.
fn walk_all(jobs: &[Job<'_>], threads: NonZeroUsize, done: &AtomicU64) {
    let parts: Vec<(usize, usize)> =
        jobs.iter().enumerate().flat_map(|(job, it)| (0..it.segments()).map(move |segment| (job, segment))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((job, segment)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(job) = jobs.get(*job) {
                job.segment(*segment, done);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.get().min(parts.len()) {
            scope.spawn(work);
        }
        work();
    });
}
