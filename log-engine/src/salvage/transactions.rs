//! The transactions that were open in front of a gap: a marker of theirs may have been lost in it.

use std::collections::BTreeMap;

use crate::batch::BatchHeader;
use crate::producer::{Marker, ProducerEntry, ProducerStates};
use crate::units::{Offset, ProducerEpoch, ProducerId};

/// As many transactions are named a gap; what is beyond is counted.
pub const MAX_NAMED_TRANSACTIONS: usize = 100;
/// As many are watched at a time.
const MAX_WATCHED: usize = 10_000;

/// A transaction that was open in front of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAtGap {
    /// Whose it is.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// Where it began.
    pub first_offset: Offset,
    /// What its producer has next behind the gap.
    pub next: NextOfProducer,
}

/// What a producer has behind a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextOfProducer {
    /// Nothing: the transaction stays open, and who reads committed records only stops in front of it.
    Nothing,
    /// Records. If the gap held the marker, they are in another transaction than those before it, and are taken for the same one.
    Data {
        /// The first of them.
        offset: Offset,
    },
    /// A marker. If the gap held another one, this one decides about both transactions.
    Marker {
        /// Its offset.
        offset: Offset,
        /// Committed, or else aborted.
        commit: bool,
    },
}

/// Watches what becomes of transactions behind gaps.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// For each watched producer, the gaps and places in their lists that wait for its next batch.
    waiting: BTreeMap<ProducerId, Vec<(usize, usize)>>,
    watched: usize,
    /// For each gap its transactions, and how many more there were.
    gaps: Vec<(Vec<OpenAtGap>, u64)>,
}

impl Watch {
    /// A gap; its number.
    pub(super) fn gap(&mut self, states: &ProducerStates) -> usize {
        let gap = self.gaps.len();
        let (mut named, mut more) = (Vec::new(), 0_u64);
        for open in states.open_transactions() {
            if named.len() >= MAX_NAMED_TRANSACTIONS || self.watched >= MAX_WATCHED {
                more = more.saturating_add(1);
                continue;
            }
            let epoch = states.producer(open.producer_id).map(ProducerEntry::epoch);
            self.waiting.entry(open.producer_id).or_default().push((gap, named.len()));
            self.watched = self.watched.saturating_add(1);
            named.push(OpenAtGap {
                producer_id: open.producer_id,
                producer_epoch: epoch.unwrap_or_default(),
                first_offset: open.first_offset,
                next: NextOfProducer::Nothing,
            });
        }
        self.gaps.push((named, more));
        gap
    }

    /// The next batch of a producer.
    pub(super) fn saw(&mut self, header: &BatchHeader, marker: Option<Marker>) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(places) = self.waiting.remove(&header.producer_id()) else { return };
        self.watched = self.watched.saturating_sub(places.len());
        let offset = header.base_offset();
        let next = match marker {
            Some(marker) => NextOfProducer::Marker { offset, commit: marker.commit },
            None => NextOfProducer::Data { offset },
        };
        for (gap, place) in places {
            if let Some(open) = self.gaps.get_mut(gap).and_then(|(named, _)| named.get_mut(place)) {
                open.next = next;
            }
        }
    }

    /// The transactions of each gap, and how many more there were.
    pub(super) fn finish(self) -> Vec<(Vec<OpenAtGap>, u64)> {
        self.gaps
    }
}
