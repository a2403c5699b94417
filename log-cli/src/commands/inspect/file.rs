//! One file: what it holds, as names and values.

use std::path::Path;

use log_engine::batch::Stop;
use log_engine::checkpoint::{EpochCheckpoint, MetaProperties, OffsetCheckpoint, QuorumForm};
use log_engine::inspect::{BatchGlimpse, FileContent, FileSummary, Tail};
use log_engine::producer::ProducerSnapshot;
use log_engine::segment::{Index, IndexEntry};
use serde_json::{Map, Value, json};

use super::document::File;

type Facts = Map<String, Value>;

/// The answer for a file, called `path` by whoever asked.
pub(super) fn document(path: &Path, file: &FileSummary) -> File {
    let mut facts = Facts::new();
    let mut error = None;
    let holds = match &file.content {
        FileContent::Batches { first, tail } => {
            batches(&mut facts, first.batch(), tail);
            Some("record batches")
        }
        FileContent::OffsetIndex(index) => {
            let offset = |entry: log_engine::segment::OffsetEntry| entry.offset(index.base()).get();
            entries(&mut facts, index, |entry| json!({"offset": offset(entry), "position": entry.position}));
            Some("offset index")
        }
        FileContent::TimeIndex(index) => {
            let offset = |entry: log_engine::segment::TimeEntry| entry.offset(index.base()).get();
            let value = |entry: log_engine::segment::TimeEntry| json!({"timestamp": entry.timestamp.get(), "offset": offset(entry)});
            entries(&mut facts, index, value);
            Some("time index")
        }
        FileContent::TxnIndex(index) => {
            entries(&mut facts, index, |entry| {
                json!({
                    "producerId": entry.producer_id.get(),
                    "firstOffset": entry.first_offset.get(),
                    "lastOffset": entry.last_offset.get(),
                })
            });
            Some("aborted transactions")
        }
        FileContent::Producers(snapshot) => {
            producers(&mut facts, snapshot);
            Some("producer snapshot")
        }
        FileContent::Offsets(checkpoint) => {
            offsets(&mut facts, checkpoint);
            Some("offset checkpoint")
        }
        FileContent::Epochs(checkpoint) => {
            epochs(&mut facts, checkpoint);
            Some("leader epochs")
        }
        FileContent::Identity(identity) => {
            broker(&mut facts, identity);
            Some("identity of a log directory")
        }
        FileContent::Partition(metadata) => {
            facts.insert("version".into(), metadata.version.into());
            facts.insert("topicId".into(), metadata.topic_id.to_string().into());
            Some("identity of a partition")
        }
        FileContent::CleanShutdown(marker) => {
            facts.insert("brokerEpoch".into(), marker.broker_epoch.into());
            Some("marker of a clean shutdown")
        }
        FileContent::Quorum(state) => {
            facts.insert("leaderId".into(), state.leader_id.into());
            facts.insert("leaderEpoch".into(), state.leader_epoch.get().into());
            facts.insert("votedId".into(), state.voted_id.into());
            let version = if matches!(state.form, QuorumForm::V0 { .. }) { 0 } else { 1 };
            facts.insert("version".into(), version.into());
            Some("election state of the metadata log")
        }
        FileContent::Broken(broken) => {
            error = Some(broken.to_string());
            None
        }
        FileContent::Unknown => None,
    };
    let base_offset = file.name.map(|name| name.base.get());
    File { path: path.display().to_string(), bytes: file.len, holds, base_offset, facts, error }
}

fn batches(facts: &mut Facts, first: Option<&BatchGlimpse>, tail: &Tail) {
    if let Some(first) = first {
        facts.insert("firstOffset".into(), first.base_offset.get().into());
        facts.insert("magic".into(), first.magic.into());
        facts.insert("codec".into(), super::build::codec_name(first).into());
        facts.insert("firstTimestamp".into(), first.max_timestamp.get().into());
    }
    facts.insert("endOffset".into(), tail.end.get().into());
    if let Some(last) = &tail.last {
        facts.insert("lastTimestamp".into(), last.max_timestamp.get().into());
        facts.insert("leaderEpoch".into(), last.leader_epoch.map(log_engine::LeaderEpoch::get).into());
    }
    facts.insert("endPosition".into(), tail.position.get().into());
    if tail.left > 0 {
        facts.insert("bytesBehindLastBatch".into(), tail.left.into());
        facts.insert("becauseThere".into(), stop(tail.stop).into());
    }
}

/// Why a walk stops, in words.
fn stop(stop: Stop) -> String {
    match stop {
        Stop::End => "nothing follows".to_owned(),
        Stop::Remainder { left } => format!("{left} bytes are too few for a batch"),
        Stop::Size { size: 0 } => "zeros follow".to_owned(),
        Stop::Size { size } => format!("a size of {size} follows, which no batch has"),
        Stop::PastEnd { size, left } => {
            format!("a batch of {} bytes begins and {left} are there", i64::from(size) + 12)
        }
    }
}

fn entries<E: IndexEntry>(facts: &mut Facts, index: &Index<E>, value: impl Fn(E) -> Value) {
    let used = index.used_len();
    facts.insert("entries".into(), used.into());
    if let Some(first) = index.get(0).filter(|_| used > 0) {
        facts.insert("first".into(), value(first));
    }
    if let Some(last) = used.checked_sub(1).and_then(|last| index.get(last)) {
        facts.insert("last".into(), value(last));
    }
    for (name, count) in [("zeroSlotsAtEnd", index.len() - used), ("oddBytesAtEnd", index.odd_bytes())] {
        if count > 0 {
            facts.insert(name.into(), count.into());
        }
    }
}

fn producers(facts: &mut Facts, snapshot: &ProducerSnapshot) {
    let open: Vec<i64> =
        snapshot.entries.iter().filter(|entry| entry.txn_first_offset.is_some()).map(|e| e.producer_id.get()).collect();
    facts.insert("producers".into(), snapshot.entries.len().into());
    facts.insert("withOpenTransaction".into(), open.into());
}

fn offsets(facts: &mut Facts, checkpoint: &OffsetCheckpoint) {
    let entry =
        |entry: &log_engine::checkpoint::PartitionOffset| (entry.partition.to_string(), entry.offset.get().into());
    facts.insert("entries".into(), checkpoint.entries.len().into());
    facts.insert("offsets".into(), Value::Object(checkpoint.entries.iter().map(entry).collect()));
}

fn epochs(facts: &mut Facts, checkpoint: &EpochCheckpoint) {
    let entry =
        |entry: &log_engine::checkpoint::EpochEntry| json!({"epoch": entry.epoch.get(), "start": entry.start.get()});
    facts.insert("entries".into(), checkpoint.entries.len().into());
    facts.insert("epochs".into(), checkpoint.entries.iter().map(entry).collect());
}

fn broker(facts: &mut Facts, identity: &MetaProperties) {
    facts.insert("version".into(), identity.version().into());
    facts.insert("nodeId".into(), identity.node_id().into());
    facts.insert("clusterId".into(), identity.cluster_id().into());
    facts.insert("directoryId".into(), identity.directory_id().map(|id| id.to_string()).into());
}
