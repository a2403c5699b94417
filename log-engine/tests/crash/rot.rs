//! A bit that turns over in a batch that was durable: told as damage or left where it is, and never a reason to cut.

use std::path::PathBuf;

use log_engine::checkpoint::OffsetCheckpoint;
use log_engine::fs::sim::SimFs;
use log_engine::{Batch, Error, Log, Walk};

use super::check::{Checked, contents_of_logs, hold, try_open};
use super::history::{Expected, History};
use super::random::Random;
use super::workload::{DIR, partition};

/// A batch on the disk.
struct Place {
    file: PathBuf,
    position: usize,
    len: usize,
    first: i64,
    last: i64,
    /// Another one follows in the file.
    is_followed: bool,
}

/// Turns a bit of a durable batch over, opens the log, and looks at what it says.
pub(super) fn check(history: &History, disk: &SimFs, expected: &Expected, seed: u64) -> Checked {
    let mut random = Random::new(seed);
    let places = durable_batches(disk, expected.durable);
    if places.is_empty() {
        return Ok(());
    }
    let place = &places[random.below(places.len() as u64) as usize];
    let (byte, bit) = (random.below(place.len as u64) as usize, random.below(8) as u8);
    // An offset or a leader epoch that rises where nothing follows can be true.
    if (byte < 8 || (12..16).contains(&byte)) && !place.is_followed {
        return Ok(());
    }
    let rotten = format!("bit {bit} of byte {byte} of the batch {}..={} is rotten", place.first, place.last);
    disk.flip(&place.file, place.position + byte, bit).unwrap();
    let (point, before) = (recovery_point(disk), contents_of_logs(disk));
    match try_open(disk, &history.config)? {
        Err(Error::Corrupt(_)) => {
            hold!(before == contents_of_logs(disk), "{rotten}: damage was told and a file was changed");
            Ok(())
        }
        Err(error) => Err(format!("{rotten}: {error}")),
        Ok(None) => Err(format!("{rotten}: the partition is gone")),
        // Where nobody knows that it was durable, it is a torn tail.
        Ok(Some(_)) if place.last >= point => Ok(()),
        Ok(Some((_store, log))) => {
            let logs = contents_of_logs(disk);
            for Place { file, position, len, first, .. } in places.iter().filter(|place| place.last < point) {
                let is_there = logs.get(file).is_some_and(|bytes| bytes.len() >= position + len);
                hold!(is_there, "{rotten}, with the recovery point {point}, and batch {first} was cut");
            }
            epochs(history, expected, &log).map_err(|wrong| format!("{rotten}: {wrong}"))
        }
    }
}

fn durable_batches(disk: &SimFs, durable: i64) -> Vec<Place> {
    let mut places = Vec::new();
    for (file, bytes) in contents_of_logs(disk) {
        let mut walk = Walk::new(&bytes).peekable();
        while let Some((position, Ok(batch))) = walk.next() {
            let (first, last) = (batch.base_offset().get(), batch.last_offset().get());
            if batch.check_crc().is_ok() && last < durable {
                let is_followed = matches!(walk.peek(), Some((_, Ok(_))));
                let len = batch.bytes().len();
                places.push(Place { file: file.clone(), position, len, first, last, is_followed });
            }
        }
    }
    places
}

/// The recovery point that the next start goes by.
fn recovery_point(disk: &SimFs) -> i64 {
    let path = PathBuf::from(DIR).join(OffsetCheckpoint::RECOVERY_POINT);
    let bytes = disk.files().remove(&path).unwrap_or_default();
    let Ok(checkpoint) = OffsetCheckpoint::parse(&bytes, &path) else { return 0 };
    checkpoint.entries.iter().find(|entry| entry.partition == partition()).map_or(0, |entry| entry.offset.get())
}

/// No epoch that is known comes from a rotten head.
fn epochs(history: &History, expected: &Expected, log: &Log) -> Checked {
    let of = |bytes: &[u8]| Batch::parse(bytes).unwrap().header().unwrap().leader_epoch().get();
    for (nth, entry) in log.leader_epochs().into_iter().enumerate() {
        let (epoch, start) = (entry.epoch.get(), entry.start.get());
        let first = expected.batches.iter().find(|batch| of(&batch.bytes) == epoch).map(|batch| batch.first);
        let is_right = match first {
            Some(first) => start == first || nth == 0 || start < first && !holds(expected, start),
            None => epoch <= history.last_epoch,
        };
        hold!(is_right, "epoch {epoch} begins at {start}; its first batch was {first:?}");
    }
    Ok(())
}

/// Whether a batch begins at an offset.
fn holds(expected: &Expected, offset: i64) -> bool {
    expected.batches.iter().any(|batch| batch.first == offset)
}
