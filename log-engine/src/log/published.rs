//! The log's end and where its bytes end, published together: who reads one must not see the other's next value.

use super::metadata::OffsetMetadata;
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use crate::units::Offset;

/// The end of a log, as far as readers may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEnd {
    /// The offset of the next record.
    pub(super) offset: Offset,
    /// Base offset of the segment that is appended to.
    pub(super) base: Offset,
    /// Bytes that this segment has.
    pub(super) position: u64,
    /// How often the log was cut: what was found in it before a cut may be gone behind it, and is not to be mixed with what is found
    /// then.
    pub(super) cuts: u64,
}

impl LogEnd {
    pub(super) const fn metadata(&self) -> OffsetMetadata {
        OffsetMetadata::at(self.offset, self.base, self.position)
    }
}

/// Two places, of which one is read while the other is written. One thread at a time may store: who holds the append lock.
#[derive(Debug)]
pub(super) struct PublishedEnd {
    /// How often something was stored. The place of the last one is that of the same parity.
    count: AtomicU64,
    places: [Place; 2],
}

#[derive(Debug, Default)]
struct Place {
    offset: AtomicI64,
    base: AtomicI64,
    position: AtomicU64,
    cuts: AtomicU64,
}

impl PublishedEnd {
    pub(super) fn new(end: LogEnd) -> Self {
        let published = Self { count: AtomicU64::new(0), places: Default::default() };
        published.store(end);
        published
    }

    pub(super) fn store(&self, end: LogEnd) {
        let count = self.count.load(Ordering::Acquire).wrapping_add(1);
        let place = self.place(count);
        // Who sees one of these sees the count that was stored before them, and knows that the place was written anew.
        place.offset.store(end.offset.get(), Ordering::Release);
        place.base.store(end.base.get(), Ordering::Release);
        place.position.store(end.position, Ordering::Release);
        place.cuts.store(end.cuts, Ordering::Release);
        // In one order with the counter of those who wait: see `tail`.
        self.count.store(count, Ordering::SeqCst);
    }

    /// What was stored last. Waits for nobody; begins anew if something was stored meanwhile.
    pub(super) fn load(&self) -> LogEnd {
        loop {
            let count = self.count.load(Ordering::SeqCst);
            let place = self.place(count);
            let end = LogEnd {
                offset: Offset::new(place.offset.load(Ordering::Acquire)),
                base: Offset::new(place.base.load(Ordering::Acquire)),
                position: place.position.load(Ordering::Acquire),
                cuts: place.cuts.load(Ordering::Acquire),
            };
            if self.count.load(Ordering::Acquire) == count {
                return end;
            }
        }
    }

    const fn place(&self, count: u64) -> &Place {
        let [even, odd] = &self.places;
        if count.is_multiple_of(2) { even } else { odd }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    fn end(n: i64) -> LogEnd {
        let number = n.unsigned_abs();
        LogEnd { offset: Offset::new(n), base: Offset::new(n + 1), position: number + 2, cuts: number + 3 }
    }

    #[test]
    fn what_is_loaded_was_stored_together() {
        let published = PublishedEnd::new(end(0));
        std::thread::scope(|scope| {
            scope.spawn(|| (1..20_000).for_each(|n| published.store(end(n))));
            let mut last = 0;
            while last < 19_999 {
                let loaded = published.load();
                assert!(loaded.offset.get() >= last, "goes back");
                assert_eq!(loaded, end(loaded.offset.get()));
                last = loaded.offset.get();
            }
        });
    }
}
