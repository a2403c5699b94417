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

    /// Segments that hold offsets from `from` up to, and without, `until`, with the one before if `from` lies in it.
    ///
    /// Kafka: `LogSegments.values(from, to)`.
    pub(crate) fn holding(&self, from: Offset, until: Offset) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        let first = self.floor(from).map_or(from, |segment| segment.base());
        self.by_base.range(first..until.max(first)).map(|(_, segment)| segment)
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
