//! What a person should know before a broker starts on a directory: the rules of its start, as far as names, sizes and small
//! files show them. Whether the data is sound is for `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use log_engine::Error;
use log_engine::batch::Stop;
use log_engine::checkpoint::{OffsetCheckpoint, TextFault};
use log_engine::fs::{Entry, Kind};
use log_engine::inspect::{DirectorySummary, PartitionSummary, Recovery, RootFiles, SmallFile, Tail};
use log_engine::log::{DirectoryState, root_files};
use log_engine::segment::{SegmentFile, SegmentName};

use super::document::{Attention, Level, LogDir, Partition, Report};
use crate::human;

/// `path` as seen from the folder `below`.
pub(super) fn relative(path: &Path, below: &Path) -> String {
    path.strip_prefix(below).ok().filter(|rest| !rest.as_os_str().is_empty()).unwrap_or(path).display().to_string()
}

/// What is wrong, without the file, which stands before it.
fn rule(error: &Error) -> String {
    match error {
        Error::Corrupt(corrupt) => format!("byte {}: {}", corrupt.position, corrupt.rule),
        other => other.to_string(),
    }
}

/// Collects what is found below one folder.
struct Notes<'a> {
    below: &'a Path,
    found: Vec<Attention>,
}

impl Notes<'_> {
    fn add(&mut self, level: Level, kind: &'static str, path: &Path, message: impl Into<String>) {
        let path = relative(path, self.below);
        self.found.push(Attention { level, kind, path, message: message.into() });
    }

    fn worst_first(mut self) -> Vec<Attention> {
        self.found.sort_by_key(|note| note.level);
        self.found
    }
}

/// What a whole log directory shows.
pub(super) fn of_directory(summary: &DirectorySummary) -> Vec<Attention> {
    let mut notes = Notes { below: &summary.directory.path, found: Vec::new() };
    identity(&mut notes, &summary.root);
    checkpoints(&mut notes, summary);
    for name in &summary.directory.foreign {
        let path = summary.directory.path.join(name);
        let message = "is no partition's folder: the broker does not start. Move it out of the log directory";
        notes.add(Level::Fatal, "foreign-folder", &path, message);
    }
    for entry in &summary.directory.special {
        special(&mut notes, &summary.directory.path, entry);
    }
    for (path, error) in &summary.unlisted {
        notes.add(Level::Warn, "unreadable", path, error.to_string());
    }
    twice(&mut notes, summary);
    for partition in &summary.partitions {
        one(&mut notes, partition, &summary.root);
    }
    notes.worst_first()
}

/// What a single partition's folder shows.
pub(super) fn of_single(summary: &PartitionSummary, root: &RootFiles) -> Vec<Attention> {
    let mut notes = Notes { below: &summary.directory.path, found: Vec::new() };
    one(&mut notes, summary, root);
    notes.worst_first()
}

fn identity(notes: &mut Notes<'_>, root: &RootFiles) {
    let path = &notes.below.join(root_files::META_PROPERTIES);
    let kind = "meta-properties";
    match &root.identity {
        SmallFile::Missing if root.any() => {
            notes.add(Level::Fatal, kind, path, "is missing: the broker does not start");
        }
        SmallFile::Missing => notes.add(
            Level::Info,
            "no-broker-files",
            notes.below,
            "no meta.properties and no checkpoints: a copy of partitions, not the directory of a broker",
        ),
        SmallFile::Unreadable(error) => {
            notes.add(Level::Fatal, kind, path, format!("cannot be read: the broker does not start ({})", rule(error)));
        }
        SmallFile::Read { content, .. } => {
            for (key, missing) in
                [("cluster.id", content.cluster_id().is_none()), ("node.id", content.node_id().is_none())]
            {
                if missing {
                    notes.add(Level::Fatal, kind, path, format!("has no {key}: the broker does not start"));
                }
            }
            if content.version() == 1 && content.directory_id().is_none() {
                notes.add(Level::Warn, kind, path, "has no directory.id: the partitions will have no leader");
            }
        }
    }
    if let Err(error) = &root.lock {
        notes.add(Level::Warn, "lock", &notes.below.join(root_files::LOCK), error.to_string());
    }
}

fn checkpoints(notes: &mut Notes<'_>, summary: &DirectorySummary) {
    let root = &summary.root;
    let segments: u64 = summary.partitions.iter().map(|partition| partition.next_scan.segments).sum();
    let rescanned = !root.is_clean() && root.any() && segments > 0;
    for (name, file) in root.checkpoints() {
        let path = &notes.below.join(name);
        let is_recovery = name == OffsetCheckpoint::RECOVERY_POINT;
        let state = if file.is_empty() { "is EMPTY" } else { "is MISSING" };
        if let Some(error) = file.error() {
            let fault = TextFault::of(error);
            let (level, effect) = unreadable_checkpoint(name, fault, root.is_clean());
            notes.add(level, "checkpoint-unreadable", path, format!("{effect} ({})", rule(error)));
        } else if is_recovery && rescanned && (file.is_empty() || file.is_missing()) {
            let segments = human::counted(segments, "segment", "segments");
            let message = format!("{state}: the broker scans all {segments} of this directory");
            notes.add(Level::Warn, "checkpoint-empty", path, message);
        }
    }
}

/// What a broker does with a checkpoint that it cannot read.
fn unreadable_checkpoint(name: &str, fault: TextFault, is_clean: bool) -> (Level, &'static str) {
    match (name, fault) {
        (OffsetCheckpoint::RECOVERY_POINT, TextFault::Runtime) if is_clean => {
            (Level::Info, "cannot be read: all recovery points are forgotten, which the clean marker makes harmless")
        }
        (OffsetCheckpoint::RECOVERY_POINT, TextFault::Runtime) => {
            (Level::Warn, "cannot be read: all recovery points are forgotten, and everything is scanned")
        }
        (OffsetCheckpoint::LOG_START, TextFault::Runtime) => {
            (Level::Warn, "cannot be read: all log starts are forgotten, and deleted records come back")
        }
        (OffsetCheckpoint::HIGH_WATERMARK, TextFault::Runtime) => {
            (Level::Warn, "cannot be read: the partitions will have no leader")
        }
        (OffsetCheckpoint::CLEANER, _) => {
            (Level::Offline, "cannot be read: the directory goes offline at the first cleaning")
        }
        (OffsetCheckpoint::HIGH_WATERMARK, TextFault::Storage) => {
            (Level::Offline, "cannot be read: the directory goes offline once its logs are loaded")
        }
        _ => (
            Level::Offline,
            "cannot be read: its entries are forgotten, the logs are loaded without them, then the directory goes offline",
        ),
    }
}

/// A FIFO, socket, device or link.
fn special(notes: &mut Notes<'_>, folder: &Path, entry: &Entry) {
    let message = match entry.stat.kind {
        Kind::Link => "is a symbolic link and was not followed; a broker follows it",
        _ => "is a FIFO, socket or device, and was not opened",
    };
    notes.add(Level::Info, "special-entry", &folder.join(&entry.name), message);
}

/// Partitions of which two folders lie here.
fn twice(notes: &mut Notes<'_>, summary: &DirectorySummary) {
    let of_state =
        |wanted: DirectoryState| summary.directory.partitions.iter().filter(move |(name, _)| name.state == wanted);
    let live: BTreeSet<_> = of_state(DirectoryState::Live).map(|(name, _)| &name.partition).collect();
    for (name, path) in of_state(DirectoryState::Future).filter(|(name, _)| live.contains(&name.partition)) {
        let message = format!("lies beside {} in one directory: the broker does not start", name.partition);
        notes.add(Level::Fatal, "future-beside-live", path, message);
    }
}

/// What one partition shows.
fn one(notes: &mut Notes<'_>, partition: &PartitionSummary, root: &RootFiles) {
    let directory = &partition.directory;
    let is_leaving = partition.next_scan.recovery == Recovery::Deleted;
    if !is_leaving {
        text_files(notes, partition, root);
    }
    for (base, first) in &partition.first {
        let path = directory.file(*base, SegmentFile::Log);
        match first {
            Err(error) => notes.add(Level::Warn, "unreadable", &path, error.to_string()),
            Ok(log_engine::inspect::FirstBatch::None(_))
                if partition.directory.logs().next_back().map(|(last, _)| last) != Some(*base) =>
            {
                notes.add(Level::Warn, "no-first-batch", &path, "does not begin with a batch; see `verify`");
            }
            Ok(_) => {}
        }
    }
    if let (Some((base, _)), Some(tail)) = (directory.logs().next_back(), &partition.tail) {
        let path = directory.file(base, SegmentFile::Log);
        match tail {
            Err(error) if partition.first.get(&base).is_some_and(Result::is_ok) => {
                notes.add(Level::Warn, "unreadable", &path, error.to_string());
            }
            Ok(tail) if tail.left > 0 => {
                let (level, message) = behind_last_batch(tail, root);
                notes.add(level, "bytes-behind-last-batch", &path, message);
            }
            _ => {}
        }
    }
    let orphans = directory.segments.iter().filter(|(_, files)| files.log.is_none());
    for (base, _) in orphans {
        let path = directory.file(*base, SegmentFile::Log);
        notes.add(
            Level::Warn,
            "log-missing",
            &path,
            "is missing, and its index files are still there: the broker removes them",
        );
    }
    for entry in &directory.others {
        other(notes, &directory.path, entry);
    }
}

/// What stands behind the last whole batch of the active segment.
fn behind_last_batch(tail: &Tail, root: &RootFiles) -> (Level, String) {
    let bytes = human::counted(tail.left, "byte", "bytes");
    let is_live = matches!(root.lock, Ok(Some(_)));
    match tail.stop {
        Stop::PastEnd { .. } | Stop::Remainder { .. } if is_live => {
            (Level::Info, format!("has {bytes} behind its last whole batch: a write in flight"))
        }
        Stop::PastEnd { .. } => (Level::Warn, format!("ends with {bytes} of a batch that is not whole; see `verify`")),
        _ => (Level::Warn, format!("ends with {bytes} that are no batch; see `verify`")),
    }
}

fn text_files(notes: &mut Notes<'_>, partition: &PartitionSummary, root: &RootFiles) {
    let directory = &partition.directory;
    let epochs = directory.path.join(log_engine::checkpoint::EpochCheckpoint::FILE_NAME);
    if let Some(error) = partition.epochs.error() {
        let (level, effect) = match TextFault::of(error) {
            TextFault::Storage => (Level::Offline, "the log directory goes offline"),
            TextFault::Runtime => (Level::Fatal, "the broker does not start"),
        };
        notes.add(level, "epochs-unreadable", &epochs, format!("cannot be read: {effect} ({})", rule(error)));
    }
    let path = directory.path.join(log_engine::checkpoint::PartitionMetadata::FILE_NAME);
    let is_kraft = root.identity.content().is_some_and(|identity| identity.version() == 1);
    let is_metadata_log = directory.path.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
    match &partition.metadata {
        SmallFile::Unreadable(error) => {
            let (level, effect) = match TextFault::of(error) {
                TextFault::Storage => (Level::Offline, "the log directory goes offline"),
                TextFault::Runtime => (Level::Fatal, "the broker does not start"),
            };
            notes.add(level, "partition-metadata", &path, format!("cannot be read: {effect} ({})", rule(error)));
        }
        SmallFile::Missing if is_kraft && !is_metadata_log => {
            let message = "is missing: the broker sets the folder aside as -stray and serves an empty log";
            notes.add(Level::Warn, "partition-metadata", &path, message);
        }
        SmallFile::Missing | SmallFile::Read { .. } => {}
    }
}

/// An entry that is no file of a segment.
fn other(notes: &mut Notes<'_>, folder: &Path, entry: &Entry) {
    const READ_AS_NUMBERS: [&str; 7] = [".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".swap", ".cleaned"];
    if matches!(entry.stat.kind, Kind::Link | Kind::Special) {
        return special(notes, folder, entry);
    }
    let path = folder.join(&entry.name);
    let name = entry.name.to_string_lossy();
    let number = name.split('.').next().unwrap_or_default();
    if entry.stat.kind == Kind::File && READ_AS_NUMBERS.iter().any(|ending| name.ends_with(ending)) {
        if number.parse::<i64>().is_err() {
            let message = "is read as a segment's file and has no number before the dot: the broker does not start";
            notes.add(Level::Fatal, "foreign-file", &path, message);
        } else if SegmentName::parse(&name).is_some_and(|name| name.file == SegmentFile::Log) {
            let message =
                "has not 20 digits: the broker makes an empty segment of that number and leaves this file alone";
            notes.add(Level::Warn, "foreign-file", &path, message);
        }
    }
}

/// What only several log directories together show: one partition in two of them, two owners.
pub(super) fn between(report: &mut Report) {
    let mut found = Vec::new();
    let mut seen: BTreeMap<(&String, i32), &Partition> = BTreeMap::new();
    let first_owner = report.log_dirs.iter().find_map(|dir| Some((&dir.path, owner(dir)?)));
    for (at, dir) in report.log_dirs.iter().enumerate() {
        for partition in dir.partitions.iter().filter(|partition| partition.state == "live") {
            let (Some(topic), Some(number)) = (&partition.topic, partition.partition) else { continue };
            if let Some(other) = seen.insert((topic, number), partition).filter(|other| other.path != partition.path) {
                let message = format!("is a second copy of {}: the broker does not start", other.path);
                found.push((at, fatal("second-copy", &partition.path, message)));
            }
        }
        if let (Some((other, first)), Some(own)) = (&first_owner, owner(dir))
            && own != *first
        {
            let message = format!("names another cluster or node than {other}: one broker does not start on both");
            found.push((at, fatal("other-owner", root_files::META_PROPERTIES, message)));
        }
    }
    for (at, note) in found {
        if let Some(dir) = report.log_dirs.get_mut(at) {
            dir.attention.insert(0, note);
        }
    }
}

fn fatal(kind: &'static str, path: &str, message: String) -> Attention {
    Attention { level: Level::Fatal, kind, path: path.to_owned(), message }
}

/// The cluster and the node that a directory belongs to, if its file can be read.
fn owner(dir: &LogDir) -> Option<(Option<&str>, Option<i32>)> {
    let broker = dir.root.broker.as_ref().filter(|broker| broker.error.is_none())?;
    Some((broker.cluster_id.as_deref(), broker.node_id))
}
