//! From times to offsets.

use super::Log;
use crate::batch::Scratch;
use crate::error::Result;
use crate::segment::TimedRecord;
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// What ListOffsets asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTarget {
    /// -1: the log's end.
    Latest,
    /// -2: the log's start.
    Earliest,
    /// -3: the first record with the largest timestamp.
    MaxTimestamp,
    /// -4: the start of what is on this disk, which is the log's start.
    EarliestLocal,
    /// -5: the end of what was moved to other storage, which is nothing.
    LatestTiered,
    /// The first record at or behind a time.
    At(Timestamp),
}

impl Log {
    /// The offset for a time: with -1 as its timestamp where the target is no record's. `None` if no record is meant.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] where what an index points at is no batch, or records do not decode; [`crate::Error::Io`].
    ///
    /// Kafka: `UnifiedLog.fetchOffsetByTimestamp`.
    pub fn offset_for_time(&self, target: TimeTarget) -> Result<Option<TimedRecord>> {
        match target {
            TimeTarget::Latest => {
                let epoch = self.latest_epoch();
                Ok(Some(TimedRecord { timestamp: Timestamp::NONE, offset: self.end(), leader_epoch: epoch }))
            }
            TimeTarget::Earliest | TimeTarget::EarliestLocal => Ok(Some(self.earliest())),
            TimeTarget::LatestTiered => Ok(Some(TimedRecord {
                timestamp: Timestamp::NONE,
                offset: Offset::new(-1),
                leader_epoch: Some(LeaderEpoch::new(-1)),
            })),
            TimeTarget::MaxTimestamp => self.first_with_max_timestamp(),
            TimeTarget::At(timestamp) => self.first_at(timestamp),
        }
    }

    fn earliest(&self) -> TimedRecord {
        let start = self.start();
        let first = self.epochs.load().earliest().filter(|first| first.start <= start);
        TimedRecord { timestamp: Timestamp::NONE, offset: start, leader_epoch: first.map(|first| first.epoch) }
    }

    /// Kafka: `UnifiedLog.searchOffsetInLocalLog`.
    fn first_at(&self, timestamp: Timestamp) -> Result<Option<TimedRecord>> {
        self.undisturbed(|end| {
            let segments = self.segments();
            for segment in segments.range(..=end.base) {
                if segment.largest_timestamp()? >= timestamp {
                    return self.published(segment.find_by_timestamp(timestamp, self.start(), &mut Scratch::default()));
                }
            }
            Ok(None)
        })
    }

    /// Without a record whose append is still under way.
    fn published(&self, found: Result<Option<TimedRecord>>) -> Result<Option<TimedRecord>> {
        found.map(|found| found.filter(|record| record.offset < self.end()))
    }

    fn first_with_max_timestamp(&self) -> Result<Option<TimedRecord>> {
        self.undisturbed(|end| {
            let segments = self.segments();
            let mut best = None;
            for segment in segments.range(..=end.base) {
                let max = segment.max_timestamp()?;
                if best.is_none_or(|(timestamp, _)| max.timestamp > timestamp) {
                    best = Some((max.timestamp, segment));
                }
            }
            match best {
                Some((timestamp, segment)) if timestamp > Timestamp::NONE => {
                    self.published(segment.find_by_timestamp(timestamp, segment.base(), &mut Scratch::default()))
                }
                _ => Ok(None),
            }
        })
    }
}
