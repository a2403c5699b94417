//! The segments that are not known to be on the disk checked, and where the log ends then.
//!
//! Kafka: `LogLoader.recoverLog`, `LogLoader.deleteSegmentsIfLogStartGreaterThanLogEnd`.

use super::failure::Outcome;
use super::indexes::{Recovered, empty, recover};
use super::opening::TooFar;
use super::partition::Loader;
use super::picture::Content;
use super::producers::Producers;
use crate::segment::SegmentFile;
use crate::units::Offset;

impl Loader<'_> {
    /// Recovers the segments from the one that holds `point` on. Bytes that are cut off one take all later ones with them. A
    /// segment that has to be split first ends it.
    pub(super) fn recover_from(&mut self, point: Offset) -> Outcome<Option<TooFar>> {
        let first = self.segments.range(..=point).next_back().copied();
        let bases: Vec<Offset> = self.segments.range(first.unwrap_or(point)..).copied().collect();
        let bases = if first.is_some() { bases } else { self.segments.iter().copied().collect() };
        for (n, base) in bases.iter().copied().enumerate() {
            let mut producers = Producers::before(&mut self.picture, &self.segments, self.log_start, base, false)?;
            let interval = self.interval()?;
            let bytes = match recover(&mut self.picture, base, interval, self.options, &mut producers)? {
                Recovered::Cut(bytes) => {
                    producers.write_down(&mut self.picture);
                    bytes
                }
                Recovered::NotRising { .. } => empty(&mut self.picture, base)?,
                Recovered::TooFar { offset } => return Ok(Some(TooFar { base, offset })),
            };
            self.note_cut(base, bytes)?;
            if bytes > 0 {
                bases.iter().skip(n + 1).for_each(|base| self.delete_segment(*base));
                break;
            }
        }
        Ok(None)
    }

    /// Where the log ends, by its last segment. If that is below the log start, or there is no segment, the log begins anew at
    /// the log start.
    pub(super) fn find_end(&mut self) -> Outcome<Offset> {
        if let Some(last) = self.segments.last() {
            let end = self.picture.next_offset(*last)?;
            if end >= self.log_start {
                return Ok(end);
            }
        }
        for base in self.segments.clone() {
            self.delete_segment(base);
        }
        self.make_segment(self.log_start);
        Ok(self.log_start)
    }

    pub(super) fn make_segment(&mut self, base: Offset) {
        for file in [SegmentFile::Log, SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            self.picture.put(&file.name(base), Content::Empty);
        }
        self.segments.insert(base);
    }

    fn delete_segment(&mut self, base: Offset) {
        self.picture.delete_segment(base);
        self.segments.remove(&base);
    }
}
