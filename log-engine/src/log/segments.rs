//! The open segments of a log in order: an immutable set, made anew when a segment comes or goes, so that readers hold one without
//! a lock.

use std::collections::BTreeMap;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::segment::Segment;
use crate::units::Offset;

/// Segments by their base offset.
///
/// Kafka: `LogSegments`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    by_base: BTreeMap<Offset, Arc<Segment>>,
}

impl Segments {
    /// The set with `segment` in it, in the place of one with the same base.
    pub(crate) fn with(&self, segment: Arc<Segment>) -> Self {
        let mut set = self.clone();
        set.by_base.insert(segment.base(), segment);
        set
    }

    /// The set without the segments that begin at `bases`.
    pub(crate) fn without(&self, bases: &[Offset]) -> Self {
        let mut set = self.clone();
        set.by_base.retain(|base, _| !bases.contains(base));
        set
    }

    pub(crate) fn len(&self) -> usize {
        self.by_base.len()
    }

    pub(crate) fn contains(&self, base: Offset) -> bool {
        self.by_base.contains_key(&base)
    }

    pub(crate) fn first(&self) -> Option<&Arc<Segment>> {
        self.by_base.first_key_value().map(|(_, segment)| segment)
    }

    /// The one that is appended to.
    pub(crate) fn last(&self) -> Option<&Arc<Segment>> {
        self.by_base.last_key_value().map(|(_, segment)| segment)
    }

    /// The last segment that begins at `offset` or before.
    pub(crate) fn floor(&self, offset: Offset) -> Option<&Arc<Segment>> {
        self.by_base.range(..=offset).next_back().map(|(_, segment)| segment)
    }

    /// The first segment that begins behind `base`.
    pub(crate) fn higher(&self, base: Offset) -> Option<&Arc<Segment>> {
        self.by_base.range((std::ops::Bound::Excluded(base), std::ops::Bound::Unbounded)).next().map(|(_, s)| s)
    }

    /// Segments whose bases lie in `bases`.
    pub(crate) fn range(&self, bases: impl RangeBounds<Offset>) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.by_base.range(bases).map(|(_, segment)| segment)
    }

    /// Segments that hold offsets from `from` up to, and without, `until`, with the one before if `from` lies in it; none if there is no
    /// offset between the two.
    ///
    /// Kafka: `LogSegments.values(from, to)`.
    pub(crate) fn holding(&self, from: Offset, until: Offset) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        let first = self.floor(from).map_or(from, |segment| segment.base());
        let until = if from < until { until } else { first };
        self.by_base.range(first..until).map(|(_, segment)| segment)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.by_base.values()
    }

    /// Bytes of all `.log` files.
    pub(crate) fn size(&self) -> u64 {
        self.iter().fold(0, |sum, segment| sum.saturating_add(segment.size()))
    }
}

impl FromIterator<Arc<Segment>> for Segments {
    fn from_iter<T: IntoIterator<Item = Arc<Segment>>>(segments: T) -> Self {
        Self { by_base: segments.into_iter().map(|segment| (segment.base(), segment)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fs::{OpenMode, OsFs, WriteFs};
    use crate::segment::{MAX_SEGMENT_BYTES, SegmentFile, SegmentOptions};
    use crate::units::Timestamp;

    const OPTIONS: SegmentOptions = SegmentOptions {
        index_interval_bytes: 4096,
        segment_index_bytes: 1000,
        preallocate: None,
        segment_bytes: 1 << 30,
    };

    /// Segments of so many bytes, which are not there.
    fn segments(dir: &Path, bases: &[i64], size: u64) -> Segments {
        let fs: Arc<dyn WriteFs> = Arc::new(OsFs);
        let open = |base: &i64| {
            let base = Offset::new(*base);
            fs.open_write(&dir.join(SegmentFile::Log.name(base)), OpenMode::New).unwrap().set_len(size).unwrap();
            Arc::new(Segment::open(&fs, dir, base, &OPTIONS, Timestamp::new(0)).unwrap())
        };
        bases.iter().map(open).collect()
    }

    fn base(segment: Option<&Arc<Segment>>) -> Option<i64> {
        segment.map(|segment| segment.base().get())
    }

    fn bases<'s>(segments: impl Iterator<Item = &'s Arc<Segment>>) -> Vec<i64> {
        segments.map(|segment| segment.base().get()).collect()
    }

    // conformance: SGS-002
    #[test]
    fn segments_are_in_the_order_of_their_bases() {
        let dir = tempfile::tempdir().unwrap();
        let one_by_one = segments(dir.path(), &[3, 1, 4, 2], 0);
        let mut set = Segments::default();
        assert_eq!((base(set.first()), base(set.last())), (None, None));
        for segment in one_by_one.iter() {
            set = set.with(Arc::clone(segment));
            assert_eq!((base(set.first()), base(set.last())), (Some(1), Some(segment.base().get())));
        }
        let holding = |from, until| bases(set.holding(Offset::new(from), Offset::new(until)));
        let none: [i64; 0] = [];
        assert_eq!(holding(1, 1), none);
        assert_eq!((holding(1, 2), holding(1, 4), holding(4, 5)), (vec![1], vec![1, 2, 3], vec![4]));
        // Kafka throws, and nobody asks.
        assert_eq!(holding(4, 1), none);
        assert_eq!(bases(set.without(&[Offset::new(1), Offset::new(4)]).iter()), [2, 3]);
    }

    // conformance: ULG-017
    #[test]
    fn offsets_lead_to_the_segments_that_hold_them() {
        let dir = tempfile::tempdir().unwrap();
        let set = segments(dir.path(), &[0, 10, 20], 0);
        for (from, until, expected) in [
            (0, 21, &[0, 10, 20][..]),
            (1, 5, &[0]),
            (13, 21, &[10, 20]),
            (13, 17, &[10]),
            (10, 10, &[]),
            (15, 15, &[]),
            (15, 5, &[]),
        ] {
            assert_eq!(bases(set.holding(Offset::new(from), Offset::new(until))), expected, "{from} to {until}");
        }
    }

    // conformance: SGS-003 SGS-004
    #[test]
    fn the_nearest_segments_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let set = segments(dir.path(), &[1, 3, 5, 7, 9], 0);
        let floor = |offset| base(set.floor(Offset::new(offset)));
        assert_eq!([0, 2, 3].map(floor), [None, Some(1), Some(3)]);
        let lower = |offset| base(set.range(..Offset::new(offset)).next_back());
        assert_eq!([1, 3, 4].map(lower), [None, Some(1), Some(3)]);
        let higher = |offset| base(set.higher(Offset::new(offset)));
        assert_eq!([0, 1, 4, 5, 8, 9].map(higher), [Some(1), Some(3), Some(5), Some(7), Some(9), None]);
        let all_higher = |offset: i64| bases(set.range(Offset::new(offset + 1)..));
        assert_eq!(all_higher(0), [1, 3, 5, 7, 9]);
        assert_eq!((all_higher(1), all_higher(8), all_higher(9)), (vec![3, 5, 7, 9], vec![9], vec![]));
    }

    // conformance: SGS-005
    #[test]
    fn a_log_may_be_larger_than_a_segment_can_be() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(segments(dir.path(), &[0, 1], MAX_SEGMENT_BYTES).size(), 2 * (i32::MAX as u64));
    }
}
