//! What a broker's next start will scan of one partition, and why; pure.
//!
//! The amount only: what the scan will cut is the verification's to say. A broker scans from the segment that holds the recovery
//! point to the last one, unless it was stopped cleanly; segments without an offset index it scans in any case.
//! Kafka: `LogManager.loadLogs`, `LogLoader.recoverLog`, `LogLoader.loadSegmentFiles`.

use crate::log::SegmentFiles;
use crate::units::Offset;

/// Where the recovery of a partition begins, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryPoint {
    /// The checkpoint names the partition.
    At(Offset),
    /// Everything is scanned: the checkpoint does not name the partition.
    NotNamed,
    /// Everything is scanned: the file is missing.
    FileMissing,
    /// Everything is scanned: the file has 0 bytes, which reads as "no entries".
    FileEmpty,
    /// Everything is scanned: the file cannot be read, and all its entries are forgotten.
    FileUnreadable,
    /// Everything is scanned: the Raft layer, which loads the metadata log, keeps no recovery points.
    MetadataLog,
}

impl RecoveryPoint {
    /// The offset that recovery begins at.
    #[must_use]
    pub const fn offset(self) -> Offset {
        match self {
            Self::At(offset) => offset,
            _ => Offset::ZERO,
        }
    }
}

/// Whether a partition is recovered at the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// No: the last stop was a clean one.
    Skipped,
    /// No: the folder is on its way out.
    Deleted,
    /// Yes.
    From(RecoveryPoint),
}

/// What the next start scans of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextScan {
    /// Whether, and from where on.
    pub recovery: Recovery,
    /// Segments that are scanned, each counted once.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them are scanned, whatever the recovery says, because their offset index is missing.
    pub without_index: u64,
    /// The segment that recovery begins with; `None` where nothing is recovered.
    pub from: Option<Offset>,
}

impl NextScan {
    /// What is scanned of these segments, which come in order.
    pub(super) fn of<'a>(
        recovery: Recovery,
        segments: impl DoubleEndedIterator<Item = (&'a Offset, &'a SegmentFiles)> + Clone,
    ) -> Self {
        let logs = segments.filter_map(|(base, files)| Some((*base, files.log?, files.offset_index.is_none())));
        let from = match recovery {
            Recovery::Skipped | Recovery::Deleted => None,
            Recovery::From(point) => {
                let holder = logs.clone().rev().find(|(base, ..)| *base <= point.offset());
                holder.or_else(|| logs.clone().next()).map(|(base, ..)| base)
            }
        };
        let mut scan = Self { recovery, segments: 0, bytes: 0, without_index: 0, from };
        for (base, bytes, without_index) in logs {
            if without_index || scan.recovers(base) {
                scan.segments = scan.segments.saturating_add(1);
                scan.bytes = scan.bytes.saturating_add(bytes);
                scan.without_index = scan.without_index.saturating_add(u64::from(without_index));
            }
        }
        scan
    }

    /// Whether recovery comes to the segment that begins at `base`.
    #[must_use]
    pub fn recovers(&self, base: Offset) -> bool {
        self.from.is_some_and(|from| base >= from)
    }
}

/// Bytes that one recovery thread is assumed to scan in a second, the disk keeping up: the slow and the fast end of what is
/// usual. Much less where many small batches or a network disk are scanned.
pub const RECOVERY_BYTES_PER_SECOND: [u64; 2] = [160 << 20, 250 << 20];

/// How long the scans of one log directory take, in milliseconds: `partitions` are the bytes of each. A partition is scanned by
/// one thread from first to last, so the largest one bounds it from below.
#[must_use]
pub fn recovery_millis(partitions: &[u64], threads: u64, bytes_per_second: u64) -> u64 {
    let total = partitions.iter().fold(0_u64, |sum, bytes| sum.saturating_add(*bytes));
    let largest = partitions.iter().copied().max().unwrap_or(0);
    let serial = total.div_ceil(threads.max(1)).max(largest);
    u64::try_from(u128::from(serial) * 1000 / u128::from(bytes_per_second.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn segments(bases: &[i64]) -> BTreeMap<Offset, SegmentFiles> {
        let files = SegmentFiles { log: Some(10), offset_index: Some(8), ..SegmentFiles::default() };
        bases.iter().map(|base| (Offset::new(*base), files)).collect()
    }

    /// Segments scanned, their bytes, where recovery begins.
    fn scanned(recovery: Recovery, segments: &BTreeMap<Offset, SegmentFiles>) -> (u64, u64, Option<i64>) {
        let scan = NextScan::of(recovery, segments.iter());
        (scan.segments, scan.bytes, scan.from.map(Offset::get))
    }

    #[test]
    fn recovery_begins_with_the_segment_that_holds_the_point() {
        let three = segments(&[10, 20, 30]);
        for (point, expected) in [
            (0, (3, 30, Some(10))),
            (10, (3, 30, Some(10))),
            (19, (3, 30, Some(10))),
            (20, (2, 20, Some(20))),
            (30, (1, 10, Some(30))),
            (i64::MAX, (1, 10, Some(30))),
            (-1, (3, 30, Some(10))),
        ] {
            let recovery = Recovery::From(RecoveryPoint::At(Offset::new(point)));
            assert_eq!(scanned(recovery, &three), expected, "{point}");
        }
        for point in [RecoveryPoint::NotNamed, RecoveryPoint::FileEmpty, RecoveryPoint::MetadataLog] {
            assert_eq!(scanned(Recovery::From(point), &three), (3, 30, Some(10)), "{point:?}");
        }
        assert_eq!(scanned(Recovery::From(RecoveryPoint::NotNamed), &segments(&[])), (0, 0, None));
    }

    #[test]
    fn behind_a_marker_only_what_has_no_index_is_scanned() {
        let mut three = segments(&[10, 20, 30]);
        assert_eq!(scanned(Recovery::Skipped, &three), (0, 0, None));
        three.get_mut(&Offset::new(20)).unwrap().offset_index = None;
        assert_eq!(scanned(Recovery::Skipped, &three), (1, 10, None));
        assert_eq!(scanned(Recovery::Deleted, &three), (1, 10, None));
        let last = Recovery::From(RecoveryPoint::At(Offset::new(30)));
        assert_eq!(scanned(last, &three), (2, 20, Some(30)));
        assert_eq!(NextScan::of(last, three.iter()).without_index, 1);
        // An index without its log is no segment.
        three.get_mut(&Offset::new(30)).unwrap().log = None;
        assert_eq!(scanned(last, &three), (1, 10, Some(20)));
    }

    #[test]
    fn the_largest_partition_or_the_share_of_a_thread_decides_the_time() {
        assert_eq!(recovery_millis(&[], 2, 100), 0);
        assert_eq!(recovery_millis(&[100, 100, 100, 100], 2, 100), 2000);
        assert_eq!(recovery_millis(&[100, 300], 2, 100), 3000);
        assert_eq!(recovery_millis(&[100, 300], 1, 100), 4000);
        assert_eq!(recovery_millis(&[u64::MAX, u64::MAX], 0, 0), u64::MAX);
    }
}
