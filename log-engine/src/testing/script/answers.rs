//! What a log says, in the keys of the oracle.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::files::{names, sha256};
use super::op::Action;
use super::row::{Failure, Row};
use crate::batch::{Batch, Walk};
use crate::error::{Error, Result, Rule};
use crate::fs::WriteFs;
use crate::log::{Appended, Closed, Log, LogState, Read, RunTasks, TaskName, TimeTarget};
use crate::producer::ProducerEntry;
use crate::units::{LeaderEpoch, Offset, ProducerId, Sequence, Timestamp};

/// The five offsets that most operations move.
pub(super) fn offsets(log: &Log) -> Value {
    json!({
        "log_start": log.start().get(),
        "log_end": log.end().get(),
        "recovery_point": log.recovery_point().get(),
        "high_watermark": log.high_watermark().get(),
        "last_stable": log.last_stable_offset().get(),
    })
}

pub(super) fn checkpoints(checkpoints: Closed, row: &mut Row) {
    row.put("recovery_point_checkpoint", checkpoints.recovery_point.get());
    row.put("log_start_checkpoint", checkpoints.log_start.get());
}

pub(super) fn appended(appended: &Appended, log: &Log, row: &mut Row) {
    row.put("first", appended.first_offset.map_or(-1, Offset::get));
    row.put("last", appended.last_offset.map_or(-1, Offset::get));
    row.put("log_append_time", appended.append_time.unwrap_or(Timestamp::NONE).get());
    row.put("max_timestamp", appended.max_timestamp.get());
    row.put("duplicate", appended.duplicate);
    row.put("valid_bytes", appended.valid_bytes);
    row.put("codec", appended.source_codec.name());
    row.put("batch_leader_epoch", appended.batch_epoch.map(LeaderEpoch::get));
    row.put("leader_epoch", log.latest_epoch().map(LeaderEpoch::get));
}

/// Asks an open log one thing.
pub(super) fn ask(log: &Log, action: &Action, row: &mut Row) -> Result<(), Failure> {
    match action {
        Action::AssignEpoch { epoch, offset } => {
            log.assign_epoch(LeaderEpoch::new(*epoch), offset.map_or(log.end(), Offset::new))?;
            row.put("ok", true);
        }
        Action::Roll => row.put("base", log.roll().map_err(rolling)?.get()),
        Action::Flush { force } => {
            log.flush(*force)?;
            row.put("ok", true);
        }
        Action::HighWatermark { offset, monotonic: true } => {
            row.put("moved", log.maybe_increment_high_watermark(Offset::new(*offset)).map_err(argument)?);
        }
        Action::HighWatermark { offset, monotonic: false } => {
            row.put("hw", log.set_high_watermark(Offset::new(*offset))?.get());
        }
        Action::DeleteTo(offset) => row.put("moved", log.delete_records_to(Offset::new(*offset))?),
        Action::DeleteOld => row.put("deleted", log.delete_old_segments()?),
        Action::TruncateTo(offset) => {
            row.put("truncated", log.truncate_to(Offset::new(*offset)).map_err(argument)?);
        }
        Action::TruncateFully { offset, log_start } => {
            let log_start = log_start.map(Offset::new);
            log.truncate_fully_and_start_at(Offset::new(*offset), log_start).map_err(argument)?;
            row.put("ok", true);
        }
        Action::Read { from, max, isolation, min_one } => {
            let max =
                u64::try_from(*max).map_err(|_| Failure::unexpected("IllegalArgumentException", "max is negative"))?;
            read(&log.read(Offset::new(*from), max, *isolation, *min_one)?, row)?;
        }
        Action::Aborted { from, to } => {
            let aborted = log.aborted(Offset::new(*from), Offset::new(*to))?;
            let one = aborted.iter().map(|one| {
                json!({
                    "producer_id": one.producer_id.get(),
                    "first_offset": one.first_offset.get(),
                    "last_offset": one.last_offset.get(),
                    "last_stable": one.last_stable_offset.get(),
                })
            });
            row.put("aborted", one.collect::<Value>());
        }
        Action::OffsetForTime(time) => {
            let found = log.offset_for_time(target(*time))?;
            row.put("found", found.is_some());
            if let Some(found) = found {
                row.put("offset", found.offset.get());
                row.put("timestamp", found.timestamp.get());
                row.put("leader_epoch", found.leader_epoch.map(LeaderEpoch::get));
            }
        }
        Action::EndOffsetForEpoch(epoch) => {
            let found = log.end_offset_for_epoch(LeaderEpoch::new(*epoch));
            row.put("found", found.is_some());
            if let Some(found) = found {
                row.put("offset", found.end.get());
                row.put("epoch", found.epoch.get());
            }
        }
        Action::ExpireProducers => row.put("left", log.expire_producers()),
        Action::RunTasks { all } => {
            let ran = log.run_tasks(if *all { RunTasks::All } else { RunTasks::Due })?;
            row.put("ran", task_names(log, &ran));
            row.put("waiting", task_names(log, &log.waiting_tasks()));
        }
        // `open` asks for nothing; what is left needs more than a log.
        _ => {}
    }
    Ok(())
}

/// Kafka's numbers for ListOffsets.
const fn target(time: i64) -> TimeTarget {
    match time {
        -1 => TimeTarget::Latest,
        -2 => TimeTarget::Earliest,
        -3 => TimeTarget::MaxTimestamp,
        -4 => TimeTarget::EarliestLocal,
        -5 => TimeTarget::LatestTiered,
        _ => TimeTarget::At(Timestamp::new(time)),
    }
}

/// An offset that Kafka takes for a mistake of the caller.
fn argument(error: Error) -> Failure {
    match error {
        Error::OffsetOutOfRange { .. } => Failure::unexpected("IllegalArgumentException", error.to_string()),
        _ => error.into(),
    }
}

/// A segment that cannot be begun.
pub(super) fn rolling(error: Error) -> Failure {
    match &error {
        Error::Corrupt(corrupt) if matches!(corrupt.rule, Rule::Below { .. }) => {
            Failure::unexpected("KafkaException", error.to_string())
        }
        _ => error.into(),
    }
}

fn read(read: &Read, row: &mut Row) -> Result<()> {
    let bytes = read.slice.as_ref().map_or(Ok(Vec::new()), |slice| slice.read_to_vec())?;
    let place = read.at.place;
    row.put("offset", read.at.offset.get());
    row.put("segment_base", place.map_or(-1, |place| place.base.get()));
    row.put("position", place.map_or(json!(-1), |place| place.position.into()));
    row.put("size", bytes.len());
    row.put("first_entry_incomplete", read.first_entry_incomplete);
    row.put("sha256", sha256(&bytes));
    let whole = Walk::new(&bytes).filter_map(|(_, batch)| batch.ok());
    let describe = |batch: Batch<'_>| json!({"base": batch.base_offset().get(), "last": batch.last_offset().get(), "size": batch.bytes().len()});
    row.put("batches", whole.map(describe).collect::<Value>());
    let aborted = read.aborted.as_ref().map(|aborted| {
        let one = |one: &crate::segment::AbortedTxn| {
            json!({"producer_id": one.producer_id.get(), "first_offset": one.first_offset.get()})
        };
        aborted.iter().map(one).collect::<Value>()
    });
    row.put("aborted", aborted);
    Ok(())
}

/// Everything that a log knows of itself, and the sizes of its files.
pub(super) fn state(log: &Log, fs: &dyn WriteFs, dir: &Path, row: &mut Row) -> Result<(), Failure> {
    let state = log.describe()?;
    row.put("log_start", state.log_start.get());
    row.put("log_end", state.log_end.get());
    row.put("recovery_point", state.recovery_point.get());
    row.put("high_watermark", state.high_watermark.get());
    row.put("last_stable", state.last_stable.get());
    row.put("first_unstable", state.first_unstable.map(Offset::get));
    row.put("active_segment", state.segments.last().map(|active| active.base.get()));
    row.put("segments", segments(&state));
    let epochs =
        state.leader_epochs.iter().map(|epoch| json!({"epoch": epoch.epoch.get(), "start": epoch.start.get()}));
    row.put("leader_epochs", epochs.collect::<Value>());
    let producers = state.producers.iter().map(|(id, known)| producer(*id, known));
    row.put("producers", producers.collect::<Value>());
    row.put("producer_map_end", state.producer_map_end.get());
    let mut files = Map::new();
    for name in names(fs, dir)? {
        let len = fs.stat(&dir.join(&name))?.map(|stat| stat.len);
        files.insert(name, len.into());
    }
    row.put("files", files);
    Ok(())
}

fn segments(state: &LogState) -> Value {
    let segments = state.segments.iter().map(|segment| {
        json!({
            "base": segment.base.get(),
            "size": segment.size,
            "index_entries": segment.index_entries,
            "time_index_entries": segment.time_index_entries,
            "txn_index_entries": segment.txn_index_entries,
            "largest_timestamp": segment.largest_timestamp.map(Timestamp::get),
        })
    });
    segments.collect()
}

fn producer(id: ProducerId, producer: &ProducerEntry) -> Value {
    let last = producer.batches().next_back();
    let batches = producer.batches().map(|batch| {
        json!({
            // Of records that are not counted, Kafka counts back from -1.
            "first_sequence": batch.last_sequence.unwrap_or(Sequence::new(-1)).minus(batch.offset_delta.get()).get(),
            "last_sequence": batch.last_sequence.map_or(-1, |last| last.get()),
            "first_offset": batch.first_offset().get(),
            "last_offset": batch.last_offset.get(),
            "timestamp": batch.timestamp.get(),
        })
    });
    json!({
        "id": id.get(),
        "epoch": producer.epoch().get(),
        "last_sequence": last.and_then(|last| last.last_sequence).map_or(-1, |last| last.get()),
        "last_offset": last.map_or(-1, |last| last.last_offset.get()),
        "last_timestamp": producer.timestamp().get(),
        "coordinator_epoch": producer.coordinator_epoch().unwrap_or(-1),
        "txn_start": producer.open_since().map(Offset::get),
        "batches": batches.collect::<Value>(),
    })
}

/// By the names that Kafka's scheduler has for them.
fn task_names(log: &Log, tasks: &[TaskName]) -> Value {
    let partition = log.path().file_name().unwrap_or_default().to_string_lossy();
    let name = |task: &TaskName| match task {
        TaskName::FlushLog => "flush-log".to_owned(),
        TaskName::FlushLeaderEpochs => format!("leader-epoch-cache-flush-{partition}"),
        TaskName::FlushMetadataFile => "flush-metadata-file".to_owned(),
        TaskName::DeleteFile => "delete-file".to_owned(),
        TaskName::DeleteProducerSnapshot => "delete-producer-snapshot".to_owned(),
        TaskName::ProducerExpirationCheck => "PeriodicProducerExpirationCheck".to_owned(),
    };
    tasks.iter().map(name).collect()
}
