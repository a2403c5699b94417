//! What fails on the disk of a life, and what its journal says of failed syncs.

use log_engine::fs::sim::{Faults, SimFs};

use super::history::{Event, What};
use super::random::Random;

/// One kind of fault, that strikes soon.
pub(super) fn draw(random: &mut Random, disk: &SimFs) -> Faults {
    let faults = Faults { seed: random.next(), ..Faults::default() };
    match random.below(6) {
        0 | 1 => Faults { failing_sync: Some(random.below(6)), ..faults },
        2 => Faults { short_write: Some(random.below(8)), ..faults },
        3 => Faults { failing_write: Some(random.below(8)), ..faults },
        4 => Faults { failing_read: Some(random.below(8)), ..faults },
        _ => {
            let used: usize = disk.files().values().map(Vec::len).sum();
            Faults { quota: Some(used as u64 + random.below(1000)), ..faults }
        }
    }
}

/// The operations that were failed syncs: their numbers, and whether of a folder.
fn failed_syncs(disk: &SimFs) -> Vec<(usize, bool)> {
    let (mut replay, mut found) = (disk.replay(), Vec::new());
    while let Some(text) = replay.step().map(ToString::to_string) {
        if text.ends_with("which fails") {
            found.push((replay.done() - 1, text.starts_with("sync the folder")));
        }
    }
    found
}

pub(super) fn has_failed_sync(disk: &SimFs) -> bool {
    !failed_syncs(disk).is_empty()
}

/// The first operation that was a failed sync of a folder.
pub(super) fn lost_names(disk: &SimFs) -> Option<usize> {
    failed_syncs(disk).into_iter().find_map(|(operation, is_folder)| is_folder.then_some(operation))
}

/// The events, and behind each in which a sync failed one that says so.
pub(super) fn with_failed_syncs(events: Vec<Event>, disk: &SimFs) -> Vec<Event> {
    let mut failed = failed_syncs(disk).into_iter().peekable();
    let mut all = Vec::new();
    for event in events {
        let ends = event.ends;
        all.push(event);
        while let Some((operation, _)) = failed.next_if(|(operation, _)| *operation < ends) {
            all.push(Event { begins: operation, ends: operation + 1, failed: false, what: What::SyncFailed });
        }
    }
    all
}
