//! What an interrupted deletion, cleaning or split left behind, and what becomes of it before any segment is opened.
//!
//! First it is decided what to do, then it is done: who does not take what does not hold looks at the decision before.
//!
//! Kafka: `LogLoader.removeTempFilesAndCollectSwapFiles`, the first three passes of `LogLoader.load`.

use super::names::{Names, number_of};
use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFs};
use crate::segment::{Leftover, OffsetIndex, Scan, SegmentFile, Step, next_offset};
use crate::units::Offset;

/// A file that the Raft layer deletes, not the loader.
const SNAPSHOT_DELETED: &str = ".checkpoint.deleted";

/// What is to be done about leftovers, in this order.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    /// Files that are removed: `.deleted` and `.cleaned` ones, and `.swap` ones that go with a `.cleaned`.
    pub(super) removed: Vec<String>,
    /// Finished segments that are to take the place of others: their `.log.swap` files.
    pub(super) swaps: Vec<String>,
    /// Plain files that finished segments replace.
    pub(super) replaced: Vec<String>,
    /// `.swap` files that become what they are without the ending.
    pub(super) renamed: Vec<String>,
}

impl Tidying {
    /// Decides. Reads the end of each `.log.swap`; changes nothing.
    pub(super) fn plan(fs: &dyn WriteFs, names: &Names) -> Result<Self> {
        let mut tidying = Self::default();
        let deleted = names.ending_in(Leftover::Deleted);
        tidying.removed.extend(deleted.into_iter().filter(|name| !name.ends_with(SNAPSHOT_DELETED)));
        let cleaned = names.ending_in(Leftover::Cleaned);
        let mut least_cleaned = None;
        for name in &cleaned {
            let base = names.required_number(name)?;
            least_cleaned = Some(least_cleaned.map_or(base, |least: Offset| least.min(base)));
        }
        for name in names.ending_in(Leftover::Swap) {
            let base = names.required_number(&name)?;
            if least_cleaned.is_some_and(|least| base >= least) {
                tidying.removed.push(name);
            } else {
                tidying.renamed.push(name);
            }
        }
        tidying.removed.extend(cleaned);
        tidying.plan_swaps(fs, names)?;
        Ok(tidying)
    }

    /// The offsets that finished `.log.swap` files hold are theirs.
    fn plan_swaps(&mut self, fs: &dyn WriteFs, names: &Names) -> Result<()> {
        let log_swap = swap_name(SegmentFile::Log.suffix());
        let mut range: Option<(Offset, Offset)> = None;
        for name in self.renamed.iter().filter(|name| name.ends_with(&log_swap)) {
            let base = names.required_number(name)?;
            let log = Source::open(fs, &names.path(&swap_name(&SegmentFile::Log.name(base))))?;
            let next = next_offset(&log, &swap_index(fs, names, base)?)?;
            range = Some(range.map_or((base, next), |(low, high)| (low.min(base), high.max(next))));
            self.swaps.push(name.clone());
        }
        if let Some((low, high)) = range {
            let plain = names.all().into_iter().filter(|name| !name.ends_with(Leftover::Swap.suffix()));
            let in_range = plain.filter(|name| number_of(name).is_some_and(|number| number >= low && number < high));
            self.replaced = in_range.filter(|name| !self.removed.contains(name)).collect();
        }
        Ok(())
    }

    /// True if finished segments take the place of others.
    pub(super) fn is_swap(&self) -> bool {
        !self.renamed.is_empty()
    }

    /// Does it. Every step can be the last before a crash: what is left then is decided the same way.
    pub(super) fn carry_out(&self, fs: &dyn WriteFs, names: &mut Names, dir: &std::path::Path) -> Result<()> {
        for name in self.removed.iter().chain(&self.replaced) {
            names.remove(name)?;
        }
        if !self.renamed.is_empty() {
            // A name that came back would stand beside the segment that replaces it.
            fs.sync_dir(dir)?;
        }
        for name in &self.renamed {
            names.rename(name, name.strip_suffix(Leftover::Swap.suffix()).unwrap_or(name))?;
        }
        Ok(())
    }

    /// Makes the index that a finished segment lacks, empty: a broker makes one at full size when it looks for the segment's end, and
    /// takes it for the segment's own from then on.
    pub(super) fn make_missing_indexes(&mut self, fs: &dyn WriteFs, names: &mut Names) -> Result<()> {
        for name in &self.swaps {
            let index = swap_name(&SegmentFile::OffsetIndex.name(names.required_number(name)?));
            if !names.has(&index) {
                fs.open_write(&names.path(&index), OpenMode::New)?;
                names.put(&index, 0);
                self.renamed.push(index);
            }
        }
        Ok(())
    }

    /// Whether each finished segment is sound to its last byte.
    ///
    /// # Errors
    /// [`Error::Corrupt`] at the first byte that is no sound batch.
    pub(super) fn check_swaps(&self, fs: &dyn WriteFs, names: &Names) -> Result<()> {
        for name in &self.swaps {
            let mut scan = Scan::new(Source::open(fs, &names.path(name))?);
            loop {
                let (position, checked) = match scan.next()? {
                    Step::Batch(frame) => (frame.position(), frame.check_crc()),
                    Step::Stop(crate::batch::Stop::End) => break,
                    Step::Stop(stop) => (scan.position(), Err(stop.malformed())),
                };
                checked.map_err(|malformed| malformed.in_file(&names.path(name), position))?;
            }
        }
        Ok(())
    }
}

fn swap_index(fs: &dyn WriteFs, names: &Names, base: Offset) -> Result<OffsetIndex> {
    let name = swap_name(&SegmentFile::OffsetIndex.name(base));
    if !names.has(&name) {
        return Ok(OffsetIndex::new(names.path(&name), base, Vec::new()));
    }
    match Source::open(fs, &names.path(&name)).and_then(|source| OffsetIndex::read(&source, base)) {
        Err(Error::Corrupt(_)) => Ok(OffsetIndex::new(names.path(&name), base, Vec::new())),
        other => other,
    }
}

fn swap_name(name: &str) -> String {
    format!("{name}{}", Leftover::Swap.suffix())
}
