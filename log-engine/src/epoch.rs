//! The leader epochs of one log: which epoch an offset has, where an epoch ends.
//!
//! In memory only: whoever changes the epochs writes the file (`checkpoint::EpochCheckpoint`) when a change says that it must.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use crate::checkpoint::{EpochCheckpoint, EpochEntry};
use crate::units::{LeaderEpoch, Offset};

/// Where each epoch of a log begins. Epochs and start offsets rise together.
///
/// Kafka: `LeaderEpochFileCache`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    starts: BTreeMap<LeaderEpoch, Offset>,
}

/// Where an epoch ends, as a leader answers a follower that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch that was asked for, or the largest one below it that the log has.
    pub epoch: LeaderEpoch,
    /// The first offset of the next epoch; the log end for the latest.
    pub end: Offset,
}

impl LeaderEpochs {
    /// The epochs that a broker has after it has loaded `file`: each line is [assigned](Self::assign) in turn, so lines that do not
    /// rise push others out, without a word.
    #[must_use]
    pub fn load(file: &EpochCheckpoint) -> Self {
        let mut epochs = Self::default();
        for entry in &file.entries {
            epochs.assign(*entry);
        }
        epochs
    }

    /// The file that says these epochs.
    #[must_use]
    pub fn to_checkpoint(&self) -> EpochCheckpoint {
        EpochCheckpoint { entries: self.iter().collect() }
    }

    /// Notes where an epoch begins; whether that changed anything.
    ///
    /// Nothing changes if it is the latest epoch and began no later. Otherwise the latest entries go until the rest are below in
    /// epoch and start: with (5, 11), (6, 12), (7, 13), assigning (7, 12) leaves (5, 11), (7, 12). A negative epoch or offset
    /// names none and changes nothing.
    ///
    /// Kafka: `LeaderEpochFileCache.assign`, which throws on negative values.
    pub fn assign(&mut self, entry: EpochEntry) -> bool {
        let EpochEntry { epoch, start } = entry;
        if self.knows(entry) || epoch < LeaderEpoch::new(0) || start < Offset::ZERO {
            return false;
        }
        self.remove_latest_while(|latest| latest.epoch >= epoch || latest.start >= start);
        self.starts.insert(epoch, start);
        true
    }

    /// Whether the entry's epoch is the latest one and began no later: nothing to note.
    #[must_use]
    pub fn knows(&self, entry: EpochEntry) -> bool {
        self.latest().is_some_and(|latest| latest.epoch == entry.epoch && latest.start <= entry.start)
    }

    /// Forgets the epochs that begin at `end` or later; whether there were any. A negative `end` changes nothing.
    ///
    /// Kafka: `LeaderEpochFileCache.truncateFromEndAsyncFlush`.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        end >= Offset::ZERO && self.remove_latest_while(|latest| latest.start >= end)
    }

    /// Lets the log begin at `start`: the epoch of that offset begins there, those before are forgotten. Whether any entry began
    /// at or before it. The latest epoch stays, even if `start` lies beyond the log.
    ///
    /// Kafka: `LeaderEpochFileCache.truncateFromStartAsyncFlush`.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let mut first = None;
        while let Some(entry) = self.earliest().filter(|entry| entry.start <= start) {
            self.starts.remove(&entry.epoch);
            first = Some(entry.epoch);
        }
        if let Some(epoch) = first {
            self.starts.insert(epoch, start);
        }
        first.is_some()
    }

    /// The last epoch and its start.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.starts.last_key_value().map(entry)
    }

    /// The first epoch and its start.
    #[must_use]
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.starts.first_key_value().map(entry)
    }

    /// The last epoch before `epoch`.
    #[must_use]
    pub fn before(&self, epoch: LeaderEpoch) -> Option<EpochEntry> {
        self.starts.range(..epoch).next_back().map(entry)
    }

    /// The first epoch after `epoch`.
    #[must_use]
    pub fn after(&self, epoch: LeaderEpoch) -> Option<EpochEntry> {
        self.starts.range((Excluded(epoch), Unbounded)).next().map(entry)
    }

    /// The epochs, rising.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EpochEntry> {
        self.starts.iter().map(entry)
    }

    /// The epoch that a record at `offset` belongs to; `None` before the first start.
    ///
    /// Kafka: `LeaderEpochFileCache.epochForOffset`.
    #[must_use]
    pub fn epoch_for(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.iter().rev().find(|entry| entry.start <= offset).map(|entry| entry.epoch)
    }

    /// Where `epoch` ends in a log that ends at `log_end`; `None` where Kafka says (-1, -1): nothing is known, or the epoch is
    /// above all.
    ///
    /// An epoch between two is answered with the lower one and the higher one's start; one below all with itself and the first
    /// start.
    ///
    /// Kafka: `LeaderEpochFileCache.endOffsetFor`.
    #[must_use]
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<EpochEnd> {
        if epoch == LeaderEpoch::new(-1) {
            return None;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return Some(EpochEnd { epoch, end: log_end });
        }
        let next = self.after(epoch)?;
        let floor = self.starts.range(..=epoch).next_back().map_or(epoch, |(floor, _)| *floor);
        Some(EpochEnd { epoch: floor, end: next.start })
    }

    /// Where a follower with these epochs, whose log ends at `log_end`, cuts it before it follows a leader with the epochs `leader`,
    /// whose log ends at `leader_end`. `None` where no epoch is known to both: the follower goes by its high watermark then.
    ///
    /// Kafka: `AbstractFetcherThread.getOffsetTruncationState`, asked again until the truncation is complete.
    #[must_use]
    pub fn truncation(&self, log_end: Offset, leader: &Self, leader_end: Offset) -> Option<Offset> {
        let (mut epoch, mut end) = (self.latest()?.epoch, log_end);
        loop {
            let theirs = leader.end_offset_for(epoch, leader_end)?;
            let Some(ours) = self.end_offset_for(theirs.epoch, log_end) else { return Some(theirs.end.min(end)) };
            end = end.min(ours.end);
            if ours.epoch == theirs.epoch {
                return Some(theirs.end.min(end));
            }
            epoch = ours.epoch;
        }
    }

    fn remove_latest_while(&mut self, goes: impl Fn(EpochEntry) -> bool) -> bool {
        let before = self.starts.len();
        while let Some(latest) = self.latest().filter(|latest| goes(*latest)) {
            self.starts.remove(&latest.epoch);
        }
        self.starts.len() < before
    }
}

fn entry((epoch, start): (&LeaderEpoch, &Offset)) -> EpochEntry {
    EpochEntry { epoch: *epoch, start: *start }
}

#[cfg(test)]
mod tests;
