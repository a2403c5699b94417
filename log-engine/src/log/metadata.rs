//! An offset together with where it lies, if that is known.

use crate::units::Offset;

/// An offset and the place of its batch.
///
/// Kafka: `LogOffsetMetadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetMetadata {
    /// The offset.
    pub offset: Offset,
    /// Where its batch begins; `None` where only the offset was told.
    pub place: Option<SegmentPosition>,
}

/// A place in a log: which segment, and where in its `.log` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPosition {
    /// Base offset of the segment.
    pub base: Offset,
    /// Bytes from the start of its `.log` file.
    pub position: u64,
}

impl OffsetMetadata {
    /// An offset of which nothing else is known.
    #[must_use]
    pub const fn only(offset: Offset) -> Self {
        Self { offset, place: None }
    }

    /// An offset in the segment `base`, `position` bytes into it.
    #[must_use]
    pub const fn at(offset: Offset, base: Offset, position: u64) -> Self {
        Self { offset, place: Some(SegmentPosition { base, position }) }
    }

    /// How far a read in the segment `base`, which holds `size` bytes, may go if it ends before this offset; `None` if that is not
    /// known, and then nothing is read.
    pub(super) fn limit_in(&self, base: Offset, size: u64) -> Option<u64> {
        let place = self.place?;
        match base.cmp(&place.base) {
            std::cmp::Ordering::Less => Some(size),
            std::cmp::Ordering::Equal => Some(place.position),
            std::cmp::Ordering::Greater => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_ends_at_the_place_of_its_bound() {
        let bound = OffsetMetadata::at(Offset::new(50), Offset::new(40), 700);
        assert_eq!(bound.limit_in(Offset::new(0), 900), Some(900), "an older segment is read whole");
        assert_eq!(bound.limit_in(Offset::new(40), 900), Some(700));
        assert_eq!(bound.limit_in(Offset::new(60), 900), None, "a newer one not at all");
        assert_eq!(OffsetMetadata::only(Offset::new(50)).limit_in(Offset::new(0), 900), None);
    }
}
