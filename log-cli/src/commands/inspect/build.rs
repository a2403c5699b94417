//! From what the engine saw to the values of the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use log_engine::Offset;
use log_engine::checkpoint::OffsetCheckpoint;
use log_engine::inspect::{DirectorySummary, PartitionSummary, RootFiles, SmallFile};
use log_engine::log::DirectoryState;
use log_engine::segment::Leftover;

use super::document::{
    Broker, Checkpoint, CodecShare, Contents, Fate, FileState, LeaderEpoch, Leftovers, LogDir, Magic, Partition, Root,
    Segment, Single,
};
use super::{attention, next_start};

/// The answer for one log directory, called `path` by whoever asked.
pub(super) fn log_dir(path: &Path, summary: &DirectorySummary, threads: u64) -> LogDir {
    let partitions: Vec<Partition> = summary.partitions.iter().map(partition).collect();
    LogDir {
        path: path.display().to_string(),
        root: root(&summary.root),
        contents: contents(summary.partitions.iter().filter(|partition| is_live(partition))),
        next_start: next_start::of_directory(partitions.iter().map(|partition| &partition.next_scan), threads),
        leftovers: leftovers(&summary.partitions, &summary.directory.path),
        attention: attention::of_directory(summary),
        partitions,
    }
}

/// The answer for a partition's folder named by hand.
pub(super) fn single(path: &Path, summary: PartitionSummary, surroundings: &RootFiles, threads: u64) -> Single {
    let partition = Partition { path: path.display().to_string(), ..partition(&summary) };
    let summaries = [summary];
    let [summary] = &summaries;
    Single {
        root: root(surroundings),
        contents: contents(summaries.iter()),
        next_start: next_start::of_directory(std::iter::once(&partition.next_scan), threads),
        leftovers: leftovers(&summaries, &summary.directory.path),
        attention: attention::of_single(summary, surroundings),
        partition,
    }
}

fn root(root: &RootFiles) -> Root {
    let broker = match &root.identity {
        SmallFile::Missing => None,
        SmallFile::Read { content, .. } => Some(Broker {
            version: Some(content.version()),
            node_id: content.node_id(),
            cluster_id: content.cluster_id().map(str::to_owned),
            directory_id: content.directory_id().map(|id| id.to_string()),
            error: None,
        }),
        SmallFile::Unreadable(error) => Some(Broker {
            version: None,
            node_id: None,
            cluster_id: None,
            directory_id: None,
            error: Some(error.to_string()),
        }),
    };
    let holder = root.lock.as_ref().ok();
    Root {
        broker,
        clean: root.is_clean(),
        broker_epoch: root.marker.content().and_then(|marker| marker.broker_epoch),
        in_use: holder.map(Option::is_some),
        lock_pid: holder.and_then(|holder| holder.as_ref()?.pid),
        checkpoints: root.checkpoints().map(|(name, file)| checkpoint(name, file)).into(),
    }
}

fn checkpoint(file: &'static str, found: &SmallFile<OffsetCheckpoint>) -> Checkpoint {
    Checkpoint {
        file,
        state: match found {
            SmallFile::Missing => FileState::Missing,
            SmallFile::Unreadable(_) => FileState::Unreadable,
            SmallFile::Read { .. } if found.is_empty() => FileState::Empty,
            SmallFile::Read { .. } => FileState::Ok,
        },
        entries: found.content().map_or(0, |content| content.entries.len()),
        error: found.error().map(ToString::to_string),
    }
}

/// The name of a partition's state in the answer.
const fn state_name(state: DirectoryState) -> &'static str {
    match state {
        DirectoryState::Live => "live",
        DirectoryState::Delete => "delete",
        DirectoryState::Future => "future",
        DirectoryState::Stray => "stray",
    }
}

fn partition(summary: &PartitionSummary) -> Partition {
    let directory = &summary.directory;
    let name = directory.name.as_ref();
    let tail = summary.tail.as_ref().and_then(|tail| tail.as_ref().ok());
    let first_batch = summary.first.values().find_map(|first| first.as_ref().ok()?.batch());
    let epochs = summary.epochs.content().into_iter().flat_map(|epochs| &epochs.entries);
    Partition {
        path: directory.path.display().to_string(),
        topic: name.map(|name| name.partition.topic.clone()),
        partition: name.map(|name| name.partition.partition),
        state: state_name(name.map_or(DirectoryState::Live, |name| name.state)),
        topic_id: summary.metadata.content().map(|metadata| metadata.topic_id.to_string()),
        log_start: summary.log_start().map(Offset::get),
        log_end: summary.log_end().map(Offset::get),
        high_watermark: summary.checkpoints.high_watermark.map(Offset::get),
        recovery_point: summary.checkpoints.recovery_point.map(Offset::get),
        cleaner_offset: summary.checkpoints.cleaner.map(Offset::get),
        first_timestamp: first_batch.map(|batch| batch.max_timestamp.get()),
        last_timestamp: tail.and_then(|tail| tail.last).map(|batch| batch.max_timestamp.get()),
        leader_epochs: epochs.map(|entry| LeaderEpoch { epoch: entry.epoch.get(), start: entry.start.get() }).collect(),
        bytes: summary.bytes(),
        log_bytes: summary.log_bytes(),
        snapshots: directory.snapshots.len(),
        bytes_behind_last_batch: tail.map_or(0, |tail| tail.left),
        next_scan: next_start::next_scan(&summary.next_scan),
        segments: segments(summary),
    }
}

fn segments(summary: &PartitionSummary) -> Vec<Segment> {
    let directory = &summary.directory;
    let logs: Vec<_> = directory.segments.iter().filter_map(|(base, files)| Some((*base, files, files.log?))).collect();
    let ends = logs.iter().skip(1).map(|(base, ..)| Some(*base)).chain(std::iter::once(summary.log_end()));
    let segment =
        |((base, files, log_bytes), end): (&(Offset, &log_engine::log::SegmentFiles, u64), Option<Offset>)| {
            let first = summary.first.get(base).and_then(|first| first.as_ref().ok()?.batch());
            Segment {
                base_offset: base.get(),
                end_offset: end.map(Offset::get),
                log_bytes: *log_bytes,
                index_bytes: files.offset_index,
                timeindex_bytes: files.time_index,
                txnindex_bytes: files.txn_index,
                magic: first.map(|batch| batch.magic),
                codec: first.map(codec_name),
                first_timestamp: first.map(|batch| batch.max_timestamp.get()),
                scanned: files.offset_index.is_none() || summary.next_scan.recovers(*base),
            }
        };
    logs.iter().zip(ends).map(segment).collect()
}

/// Kafka's name for a codec; the bits where there is none.
pub(super) fn codec_name(batch: &log_engine::inspect::BatchGlimpse) -> String {
    batch.codec().map_or_else(|| format!("unknown ({})", batch.codec_bits), |codec| codec.name().to_owned())
}

fn is_live(partition: &PartitionSummary) -> bool {
    partition.directory.name.as_ref().is_none_or(|name| name.state == DirectoryState::Live)
}

fn contents<'a>(partitions: impl Iterator<Item = &'a PartitionSummary>) -> Contents {
    let mut sum = Contents::default();
    let mut topics = BTreeSet::new();
    let (mut magics, mut codecs) = (BTreeMap::new(), BTreeMap::<String, (u64, u64)>::new());
    for partition in partitions {
        sum.partitions += 1;
        topics.extend(partition.directory.name.as_ref().map(|name| &name.partition.topic));
        sum.bytes = sum.bytes.saturating_add(partition.bytes());
        for (base, bytes) in partition.directory.logs() {
            sum.segments += 1;
            sum.log_bytes = sum.log_bytes.saturating_add(bytes);
            match partition.first.get(&base).and_then(|first| first.as_ref().ok()?.batch()) {
                None => sum.segments_without_batch += 1,
                Some(batch) => {
                    *magics.entry(batch.magic).or_insert(0) += 1;
                    let share = codecs.entry(codec_name(batch)).or_default();
                    *share = (share.0 + 1, share.1.saturating_add(bytes));
                }
            }
        }
    }
    sum.topics = topics.len() as u64;
    sum.magics = magics.into_iter().map(|(magic, segments)| Magic { magic, segments }).collect();
    let share = |(codec, (segments, log_bytes))| CodecShare { codec, segments, log_bytes };
    sum.codecs = codecs.into_iter().map(share).collect();
    sum.codecs.sort_by_key(|share| std::cmp::Reverse(share.log_bytes));
    sum
}

/// The contents of several directories together; a topic that lies in two of them counts once.
pub(super) fn total(dirs: &[LogDir], singles: &[Single]) -> Contents {
    let mut sum = Contents::default();
    let (mut magics, mut codecs) = (BTreeMap::new(), BTreeMap::<&str, (u64, u64)>::new());
    let parts = dirs.iter().map(|dir| &dir.contents).chain(singles.iter().map(|single| &single.contents));
    for part in parts {
        sum.partitions += part.partitions;
        sum.segments += part.segments;
        sum.bytes = sum.bytes.saturating_add(part.bytes);
        sum.log_bytes = sum.log_bytes.saturating_add(part.log_bytes);
        sum.segments_without_batch += part.segments_without_batch;
        for magic in &part.magics {
            *magics.entry(magic.magic).or_insert(0) += magic.segments;
        }
        for share in &part.codecs {
            let (segments, bytes) = codecs.entry(&share.codec).or_default();
            (*segments, *bytes) = (*segments + share.segments, bytes.saturating_add(share.log_bytes));
        }
    }
    let partitions = dirs.iter().flat_map(|dir| &dir.partitions).chain(singles.iter().map(|single| &single.partition));
    let topics: BTreeSet<&String> = partitions
        .filter(|partition| partition.state == "live")
        .filter_map(|partition| partition.topic.as_ref())
        .collect();
    sum.topics = topics.len() as u64;
    sum.magics = magics.into_iter().map(|(magic, segments)| Magic { magic, segments }).collect();
    let share = |(codec, (segments, log_bytes)): (&str, _)| CodecShare { codec: codec.to_owned(), segments, log_bytes };
    sum.codecs = codecs.into_iter().map(share).collect();
    sum.codecs.sort_by_key(|share| std::cmp::Reverse(share.log_bytes));
    sum
}

/// What is on its way in or out, by kind.
fn leftovers(partitions: &[PartitionSummary], below: &Path) -> Vec<Leftovers> {
    let mut found: BTreeMap<usize, Leftovers> = BTreeMap::new();
    let mut add = |order, kind, fate, bytes: u64, files, path: String| {
        let group = found.entry(order).or_insert(Leftovers { kind, fate, bytes: 0, files: 0, paths: Vec::new() });
        group.bytes = group.bytes.saturating_add(bytes);
        group.files += files;
        group.paths.push(path);
    };
    for partition in partitions {
        let directory = &partition.directory;
        let folder = attention::relative(&directory.path, below);
        let files = directory.segments.len() as u64;
        match directory.name.as_ref().map(|name| name.state) {
            Some(DirectoryState::Delete) => add(0, "-delete", Fate::Removed, partition.bytes(), files, folder),
            Some(DirectoryState::Stray) => add(1, "-stray", Fate::Kept, partition.bytes(), files, folder),
            Some(DirectoryState::Future) => add(2, "-future", Fate::MoveGoesOn, partition.bytes(), files, folder),
            _ => {}
        }
        for (at, leftover) in Leftover::ALL.into_iter().enumerate() {
            let fate = if leftover == Leftover::Swap { Fate::ReplacesSegments } else { Fate::Removed };
            for (_, entry) in directory.leftovers_of(leftover) {
                let path = attention::relative(&directory.path.join(&entry.name), below);
                add(3 + at, leftover.suffix(), fate, entry.stat.len, 1, path);
            }
        }
    }
    found.into_values().collect()
}
