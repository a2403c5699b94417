//! What an interrupted deletion, cleaning or split left behind, and what becomes of it before any segment is opened.
//!
//! Kafka: `LogLoader.removeTempFilesAndCollectSwapFiles`, the first three passes of `LogLoader.load`.

use super::failure::{FailureEffect, Outcome, StartFailure, StartRule};
use super::picture::{Content, Picture, fatal_if_corrupt, number_of};
use crate::segment::{Leftover, SegmentFile};
use crate::units::Offset;

/// A file that the Raft layer deletes, not the loader.
const SNAPSHOT_DELETED: &str = ".checkpoint.deleted";

/// Removes `.deleted` and `.cleaned` files and lets finished `.swap` files take the places of the segments that they replace.
pub(super) fn tidy(picture: &mut Picture<'_>) -> Outcome<()> {
    let deleted = named(picture, Leftover::Deleted);
    for name in deleted.iter().filter(|name| !name.ends_with(SNAPSHOT_DELETED)) {
        picture.remove(name);
    }
    let cleaned = named(picture, Leftover::Cleaned);
    let mut least_cleaned = None;
    for name in &cleaned {
        let base = required_number(picture, name)?;
        least_cleaned = Some(least_cleaned.map_or(base, |least: Offset| least.min(base)));
    }
    for name in named(picture, Leftover::Swap) {
        let base = required_number(picture, &name)?;
        if least_cleaned.is_some_and(|least| base >= least) {
            picture.remove(&name);
        }
    }
    for name in &cleaned {
        picture.remove(name);
    }
    swap_in(picture)
}

/// The offsets that finished `.log.swap` files hold are theirs; then all that ends in `.swap` becomes what it is without.
fn swap_in(picture: &mut Picture<'_>) -> Outcome<()> {
    let log_swap = swap_name(SegmentFile::Log.suffix());
    let mut replaced: Option<(Offset, Offset)> = None;
    for name in picture.names().iter().filter(|name| name.ends_with(&log_swap)) {
        let base = required_number(picture, name)?;
        let index_name = swap_name(&SegmentFile::OffsetIndex.name(base));
        if !picture.has(&index_name) {
            // Opening the segment makes an index at full size, and it stays.
            picture.put(&index_name, Content::Empty);
        }
        let index = picture.offset_index(&index_name, base)?;
        let log = picture.log_named(&swap_name(&SegmentFile::Log.name(base)))?;
        let next = crate::segment::next_offset(&log, &index).map_err(fatal_if_corrupt)?;
        replaced = Some(replaced.map_or((base, next), |(low, high)| (low.min(base), high.max(next))));
    }
    if let Some((low, high)) = replaced {
        for name in picture.names().iter().filter(|name| !name.ends_with(Leftover::Swap.suffix())) {
            if number_of(name).is_some_and(|number| number >= low && number < high) {
                picture.remove(name);
            }
        }
    }
    for name in named(picture, Leftover::Swap) {
        let plain = name.strip_suffix(Leftover::Swap.suffix()).unwrap_or(&name);
        picture.rename(&name, plain);
    }
    Ok(())
}

fn swap_name(name: &str) -> String {
    format!("{name}{}", Leftover::Swap.suffix())
}

/// The names that end in this suffix, whatever stands before it.
fn named(picture: &Picture<'_>, leftover: Leftover) -> Vec<String> {
    picture.names().into_iter().filter(|name| name.ends_with(leftover.suffix())).collect()
}

/// The number before the first dot, which has to be there.
pub(super) fn required_number(picture: &Picture<'_>, name: &str) -> Outcome<Offset> {
    let missing = || StartFailure::whole(FailureEffect::Fatal, &picture.path(name), StartRule::NoNumber);
    Ok(number_of(name).ok_or_else(missing)?)
}
