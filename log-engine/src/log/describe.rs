//! What an open log knows of itself.

use super::Log;
use crate::checkpoint::EpochEntry;
use crate::error::Result;
use crate::producer::ProducerEntry;
use crate::units::{Offset, ProducerId, Timestamp};

/// The state of an open log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// [`Log::start`].
    pub log_start: Offset,
    /// [`Log::end`].
    pub log_end: Offset,
    /// [`Log::recovery_point`].
    pub recovery_point: Offset,
    /// [`Log::high_watermark`].
    pub high_watermark: Offset,
    /// [`Log::last_stable_offset`].
    pub last_stable: Offset,
    /// [`Log::first_unstable_offset`].
    pub first_unstable: Option<Offset>,
    /// By their base offsets; the last one is appended to.
    pub segments: Vec<SegmentState>,
    /// Rising.
    pub leader_epochs: Vec<EpochEntry>,
    /// By their ids.
    pub producers: Vec<(ProducerId, ProducerEntry)>,
    /// The producers are those before this offset.
    pub producer_map_end: Offset,
}

/// One segment of [`LogState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentState {
    /// Its first offset.
    pub base: Offset,
    /// Bytes of batches.
    pub size: u64,
    /// Slots of its offset index.
    pub index_entries: usize,
    /// Slots of its time index.
    pub time_index_entries: usize,
    /// Entries of its transaction index.
    pub txn_index_entries: usize,
    /// The largest timestamp, as far as the time index and appends say one.
    pub largest_timestamp: Option<Timestamp>,
}

impl Log {
    /// Everything the log knows of itself.
    ///
    /// # Errors
    /// [`crate::Error::Io`], [`crate::Error::Corrupt`] where an index that is not in memory cannot be read.
    pub fn describe(&self) -> Result<LogState> {
        let writer = self.locked();
        let mut segments = Vec::new();
        for segment in self.segments().iter() {
            let (index_entries, time_index_entries, txn_index_entries) = segment.index_entries()?;
            let largest = segment.max_timestamp()?.timestamp;
            segments.push(SegmentState {
                base: segment.base(),
                size: segment.size(),
                index_entries,
                time_index_entries,
                txn_index_entries,
                largest_timestamp: (largest.get() >= 0).then_some(largest),
            });
        }
        Ok(LogState {
            log_start: self.start(),
            log_end: self.end(),
            recovery_point: self.recovery_point(),
            high_watermark: self.high_watermark(),
            last_stable: self.last_stable_offset(),
            first_unstable: self.first_unstable_offset(),
            segments,
            leader_epochs: writer.epochs.iter().collect(),
            producers: writer.producers.states().iter().map(|(id, entry)| (id, entry.clone())).collect(),
            producer_map_end: writer.producers.map_end(),
        })
    }
}
