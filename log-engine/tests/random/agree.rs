//! Holds a log against the model: everything that it can be asked.

use std::fmt::Debug;

use log_engine::log::{LogState, TimeTarget};
use log_engine::{Error, Isolation, LeaderEpoch, Log, Offset, Timestamp};

use super::model::{Batch, Model};
use super::rng::Random;

/// Bytes that a reader may ask for.
const MAX_BYTES: [u64; 5] = [0, 1, 150, 700, 1 << 20];

fn same<T: PartialEq + Debug>(what: &str, log: T, model: T) -> Result<(), String> {
    if log == model { Ok(()) } else { Err(format!("{what}: the log says {log:?}, the model {model:?}")) }
}

/// What a log says of itself at any time.
pub(super) fn agree(log: &Log, state: &LogState, model: &Model) -> Result<(), String> {
    same("start", log.start().get(), model.start)?;
    same("end", log.end().get(), model.end)?;
    same("high watermark", log.high_watermark().get(), model.high_watermark)?;
    if let Some((least, most)) = model.last_stable() {
        let last_stable = log.last_stable_offset().get();
        if !(least..=most).contains(&last_stable) {
            return Err(format!("last stable offset: the log says {last_stable}, the model {least} to {most}"));
        }
    }
    let epochs = state.leader_epochs.iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect();
    same("epochs", epochs, model.epochs.clone())?;
    let segments = state.segments.iter().map(|segment| (segment.base.get(), segment.size)).collect::<Vec<_>>();
    let modelled = model.segments.iter().map(|base| (*base, model.size_of(*base) as u64)).collect();
    same("segments", segments, modelled)?;
    let producers = state.producers.iter().map(|(id, entry)| {
        let batches = entry.batches().map(|batch| {
            let sequence = |sequence: Option<log_engine::Sequence>| sequence.map_or(-1, |sequence| sequence.get());
            (
                (sequence(batch.first_sequence()), sequence(batch.last_sequence)),
                (batch.first_offset().get(), batch.last_offset.get()),
            )
        });
        let since = entry.open_since().map(|since| since.get());
        (id.get(), entry.epoch().get(), entry.coordinator_epoch().unwrap_or(-1), since, batches.collect::<Vec<_>>())
    });
    let modelled = model.producers.0.iter().map(|(id, known)| {
        let batches = known.batches.iter().map(|batch| (batch.sequences, batch.offsets));
        (*id, known.epoch, known.coordinator, known.open_since, batches.collect::<Vec<_>>())
    });
    same("producers", producers.collect::<Vec<_>>(), modelled.collect())
}

/// What it answers to questions, some of them drawn from `random`.
pub(super) fn answers_agree(log: &Log, model: &Model, random: &mut Random) -> Result<(), String> {
    let latest = model.epochs.last().map_or(0, |last| last.0);
    for epoch in -1..=latest + 1 {
        let found = log.end_offset_for_epoch(LeaderEpoch::new(epoch)).map(|end| (end.epoch.get(), end.end.get()));
        same(&format!("end of epoch {epoch}"), found, model.end_of_epoch(epoch))?;
    }
    for _ in 0..3 {
        let time = model.now - 3000 + random.below(4000).cast_signed();
        let found = log.offset_for_time(TimeTarget::At(Timestamp::new(time))).map_err(|error| error.to_string())?;
        let found =
            found.map(|found| (found.offset.get(), found.timestamp.get(), found.leader_epoch.map(LeaderEpoch::get)));
        same(&format!("offset for time {time}"), found, first_at(model, time))?;
    }
    for isolation in [Isolation::LogEnd, Isolation::HighWatermark, Isolation::TxnCommitted] {
        let bound = match isolation {
            Isolation::LogEnd => model.end,
            Isolation::HighWatermark => model.high_watermark,
            Isolation::TxnCommitted if model.is_last_stable_sure() => log.last_stable_offset().get(),
            Isolation::TxnCommitted => continue,
        };
        // Everything in turn, as a consumer goes, and single reads from anywhere.
        let mut from = model.start;
        while let Some(next) = read_agrees(log, model, (isolation, bound), from, 1 << 20, true)? {
            from = next;
        }
        for _ in 0..4 {
            let span = u64::try_from(model.end - model.start + 4).map_err(|error| error.to_string())?;
            let from = model.start - 2 + random.below(span).cast_signed();
            let max = MAX_BYTES[usize::try_from(random.below(5)).unwrap_or(0)];
            read_agrees(log, model, (isolation, bound), from, max, !random.one_in(4))?;
        }
    }
    Ok(())
}

/// The first record at or behind a time, in the first segment that says to have one.
fn first_at(model: &Model, time: i64) -> Option<(i64, i64, Option<i32>)> {
    let base = model.segments.iter().find(|base| model.largest_of(**base) >= time)?;
    let records = model.in_segment(*base).flat_map(|batch| {
        batch.times.iter().zip(batch.base..).map(|(time, offset)| (offset, *time, Some(batch.epoch)))
    });
    records.into_iter().find(|(offset, at, _)| *offset >= model.start && *at >= time)
}

/// One read; where the next one goes on, if this gave a batch.
fn read_agrees(
    log: &Log,
    model: &Model,
    (isolation, bound): (Isolation, i64),
    from: i64,
    max: u64,
    min_one: bool,
) -> Result<Option<i64>, String> {
    let what = format!("read from={from} max={max} isolation={isolation:?} min-one={min_one}");
    let read = match log.read(Offset::new(from), max, isolation, min_one) {
        Err(Error::OffsetOutOfRange { .. }) if from < model.start || from > model.end => return Ok(None),
        read => read.map_err(|error| format!("{what}: {error}"))?,
    };
    if from < model.start || from > model.end {
        return Err(format!("{what}: is outside the log and was answered"));
    }
    let bytes =
        read.slice.as_ref().map_or(Ok(Vec::new()), |slice| slice.read_to_vec()).map_err(|error| error.to_string())?;
    let first = model.batches().iter().find(|batch| batch.last >= from).filter(|_| from < bound);
    let readable: Vec<&Batch> = first.map_or(Vec::new(), |first| {
        let segment = model.in_segment(model.segment_of(first.base));
        segment.filter(|batch| batch.base >= first.base && batch.last < bound).collect()
    });
    let mut expected: Vec<u8> = readable.iter().flat_map(|batch| &batch.bytes).copied().collect();
    let least = readable.first().filter(|_| min_one).map_or(0, |first| first.bytes.len());
    expected.truncate(usize::try_from(max).map_err(|error| error.to_string())?.max(least));
    same(&what, bytes.as_slice(), expected.as_slice())?;
    if let Some(aborted) = &read.aborted {
        let listed: Vec<_> = aborted.iter().map(|txn| (txn.producer_id.get(), txn.first_offset.get())).collect();
        aborted_agree(model, &readable, &listed, expected.len()).map_err(|wrong| format!("{what}: {wrong}"))?;
    }
    let is_whole = readable.iter().map(|batch| batch.bytes.len()).sum::<usize>() == expected.len();
    Ok(readable.last().filter(|_| is_whole).map(|last| last.last + 1))
}

/// Every transaction that is listed was aborted, and every one is listed whose records are among the bytes.
fn aborted_agree(model: &Model, read: &[&Batch], listed: &[(i64, i64)], mut bytes: usize) -> Result<(), String> {
    let aborted = model.aborted();
    if let Some(wrong) = listed.iter().find(|(id, first)| !model.was_aborted(*id, *first)) {
        return Err(format!("transaction {wrong:?} was not aborted"));
    }
    for batch in read {
        let Some(rest) = bytes.checked_sub(batch.bytes.len()) else { return Ok(()) };
        bytes = rest;
        let Some(stamp) = batch.stamp.filter(|stamp| stamp.is_transactional_data()) else { continue };
        let is_of = |txn: &&super::producers::EndedTxn| {
            txn.id == stamp.id && txn.first <= batch.base && batch.base < txn.marker
        };
        let is_listed = |txn: &&super::producers::EndedTxn| {
            listed.iter().any(|(id, first)| *id == txn.id && (txn.first..=batch.base).contains(first))
        };
        if let Some(txn) = aborted.iter().find(is_of).filter(|txn| !is_listed(txn)) {
            return Err(format!("{txn:?} is not listed, and the batch at {} is of it", batch.base));
        }
    }
    Ok(())
}
