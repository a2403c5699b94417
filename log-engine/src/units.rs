//! Numbers of different kinds as different types.
//!
//! An offset is not a position and an epoch is not a sequence; here the compiler knows it. The raw number goes in by `new` and
//! comes out by `get`, at the edges only. What an invalid value means (Kafka's -1) is said where the value is read.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($raw);

        impl $name {
            /// The number as this kind.
            #[must_use]
            pub const fn new(raw: $raw) -> Self {
                Self(raw)
            }

            /// The bare number.
            #[must_use]
            pub const fn get(self) -> $raw {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// A record's place in its log: counted in records from 0; never a byte count.
    Offset(i64)
}
number! {
    /// How far an offset lies past the base offset of its batch or segment.
    OffsetDelta(i32)
}
number! {
    /// A place in one file, in bytes from its first byte.
    FilePosition(u64)
}
number! {
    /// The reign of one leader of a partition; -1 where a batch names none.
    LeaderEpoch(i32)
}
number! {
    /// Who wrote a batch: assigned once by the cluster; -1 stands for "nobody in particular" and is `None` above `batch`.
    ProducerId(i64)
}
number! {
    /// The incarnation of a producer id; a higher one fences the lower.
    ProducerEpoch(i16)
}
number! {
    /// A producer's own count of its records in one partition; wraps from `i32::MAX` to 0. -1 stands for "not counted".
    Sequence(i32)
}
number! {
    /// Milliseconds since 1970-01-01T00:00:00Z. -1 stands for "none" and is written so by Kafka itself.
    Timestamp(i64)
}

impl Offset {
    /// The first offset of any log.
    pub const ZERO: Self = Self(0);

    /// The offset `delta` records further; `None` past the last representable one.
    #[must_use]
    pub fn checked_add(self, delta: i64) -> Option<Self> {
        self.0.checked_add(delta).map(Self)
    }

    /// The next offset; stays at the last representable one, which only damaged files hold.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How far `self` lies past `base`; `None` if an index entry cannot say it (below the base, or past `i32::MAX`).
    #[must_use]
    #[inline]
    pub fn delta_from(self, base: Self) -> Option<OffsetDelta> {
        let delta = self.0.checked_sub(base.0)?;
        i32::try_from(delta).ok().filter(|delta| *delta >= 0).map(OffsetDelta)
    }
}

impl FilePosition {
    /// The first byte of a file.
    pub const START: Self = Self(0);

    /// The place `bytes` further; stays at the last representable one.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl Sequence {
    /// The sequence `n` records later, wrapping from `i32::MAX` to 0.
    ///
    /// Kafka: `DefaultRecordBatch.incrementSequence`.
    #[must_use]
    pub const fn plus(self, n: i32) -> Self {
        if self.0 > i32::MAX.wrapping_sub(n) {
            Self(n.wrapping_sub(i32::MAX.wrapping_sub(self.0)).wrapping_sub(1))
        } else {
            Self(self.0.wrapping_add(n))
        }
    }

    /// The sequence `n` records earlier, wrapping from 0 to `i32::MAX`.
    ///
    /// Kafka: `DefaultRecordBatch.decrementSequence`.
    #[must_use]
    pub const fn minus(self, n: i32) -> Self {
        if self.0 < n {
            Self(i32::MAX.wrapping_sub(n.wrapping_sub(self.0)).wrapping_add(1))
        } else {
            Self(self.0.wrapping_sub(n))
        }
    }
}

impl Timestamp {
    /// Kafka's "no timestamp".
    pub const NONE: Self = Self(-1);
}

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name: 1 to 249 characters of `[a-zA-Z0-9._-]`, not `.` or `..`.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_refused_below_the_base_and_past_i32() {
        let base = Offset::new(100);
        assert_eq!(Offset::new(99).delta_from(base), None);
        assert_eq!(Offset::new(100).delta_from(base), Some(OffsetDelta::new(0)));
        let last = Offset::new(100 + i64::from(i32::MAX));
        assert_eq!(last.delta_from(base), Some(OffsetDelta::new(i32::MAX)));
        assert_eq!(last.next().delta_from(base), None);
        assert_eq!(Offset::new(i64::MAX).delta_from(Offset::new(-1)), None);
    }

    // conformance: RB-021
    #[test]
    fn sequences_wrap_past_i32_max_to_zero_and_back() {
        let last = Sequence::new(i32::MAX);
        assert_eq!(last.plus(1), Sequence::new(0));
        assert_eq!(Sequence::new(i32::MAX - 1).plus(2), Sequence::new(0));
        assert_eq!(last.plus(i32::MAX), Sequence::new(i32::MAX - 1));
        assert_eq!(Sequence::new(0).minus(1), last);
        assert_eq!(Sequence::new(5).minus(5), Sequence::new(0));
        assert_eq!(Sequence::new(0).plus(i32::MAX), last);
        // A negative step stands in damaged batches only; seen in Kafka's own dump of one.
        assert_eq!(Sequence::new(736_845_433).plus(-286_511_265), Sequence::new(-1_697_149_480));
    }
}
