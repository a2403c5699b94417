//! `index.interval.bytes` of a partition, which stands in no file of its folder.

use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::log::PartitionDirectory;
use crate::segment::{IntervalSamples, OffsetIndex, Scan, SegmentFile};
use crate::units::Offset;

/// So many indexes are looked at.
const MAX_TEACHERS: usize = 8;
/// Batches of more bytes are not held: only where they begin is asked.
const HELD: usize = 1 << 20;

/// The interval that the indexes of `folder` show, of those segments of which `is_sound` says yes.
pub(super) fn index_interval(
    fs: &dyn Fs,
    folder: &PartitionDirectory,
    is_sound: impl Fn(Offset) -> bool,
) -> Result<u64> {
    let mut samples = IntervalSamples::default();
    let with_index = folder.segments.iter().filter(|(_, files)| files.log.is_some() && files.offset_index.is_some());
    for (base, _) in with_index.filter(|(base, _)| is_sound(**base)).take(MAX_TEACHERS) {
        let index = OffsetIndex::read(&Source::open(fs, &folder.file(*base, SegmentFile::OffsetIndex))?, *base)?;
        let log = Source::open(fs, &folder.file(*base, SegmentFile::Log))?;
        samples.learn(&index, &mut Scan::new(log).holding(HELD))?;
    }
    Ok(samples.estimate().bytes)
}
