//! Offsets by time, as a broker answers `ListOffsets`.

use std::time::UNIX_EPOCH;

use super::LogReader;
use super::batches::LogBatch;
use super::locate::{Answer, Doubts, Located, Via, first_record};
use super::segment::{Largest, SegmentReader};
use crate::batch::Scratch;
use crate::error::Result;
use crate::segment::SegmentFile;
use crate::units::Timestamp;

impl LogReader<'_> {
    /// The first record at or after the log start whose timestamp is not below `timestamp`, in the first segment that reaches that
    /// time; control records count. In that segment only: a broker looks into no other, even if there all such records lie
    /// before the log start. Of a segment without timestamps the time is that of its file.
    ///
    /// A broker answers "none" if the record lies behind what the asking client may see, which is the caller's to say.
    ///
    /// Kafka: `UnifiedLog.fetchOffsetByTimestamp`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn offset_for_time(&self, timestamp: Timestamp) -> Result<Answer> {
        let mut doubts = Doubts::default();
        let mut via = Via::Index;
        for segment in self.segments() {
            let largest = segment.largest_timestamp(&mut doubts)?;
            via = via.max(largest.via);
            if self.reach(&segment, largest)?.is_none_or(|reach| reach < timestamp) {
                continue;
            }
            let (log, from, how) = segment.seek_time(timestamp, self.log_start(), &mut doubts)?;
            let mut scratch = Scratch::default();
            let found = segment.find(&log, from, |position, batch, _| {
                if batch.max_timestamp() < timestamp {
                    return None;
                }
                let batch = LogBatch { segment: segment.base, position, batch: *batch };
                let start = self.log_start();
                first_record(&batch, &mut scratch, |r| r.timestamp >= timestamp && r.offset >= start).break_value()
            })?;
            return Ok(Answer { found, via: via.max(how), doubts: doubts.into_list() });
        }
        Ok(Answer { found: None, via, doubts: doubts.into_list() })
    }

    /// The first record with the largest timestamp of the log, wherever the log starts. None if its batch is a message of
    /// format 0, which has no timestamps.
    ///
    /// Kafka: `UnifiedLog.fetchOffsetByTimestamp` with `ListOffsetsRequest.MAX_TIMESTAMP`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn offset_for_max_timestamp(&self) -> Result<Answer> {
        let mut doubts = Doubts::default();
        let mut via = Via::Index;
        let mut best: Option<(SegmentReader<'_>, Largest)> = None;
        for segment in self.segments() {
            let largest = segment.largest_timestamp(&mut doubts)?;
            via = via.max(largest.via);
            if best.as_ref().is_none_or(|(_, best)| largest.timestamp > best.timestamp) {
                best = Some((segment, largest));
            }
        }
        let found = match best {
            Some((segment, largest)) => first_with(&segment, largest, &mut doubts)?,
            None => None,
        };
        Ok(Answer { found, via, doubts: doubts.into_list() })
    }

    /// The time up to which a segment reaches.
    ///
    /// Kafka: `LogSegment.largestTimestamp`.
    fn reach(&self, segment: &SegmentReader<'_>, largest: Largest) -> Result<Option<Timestamp>> {
        if largest.timestamp > Timestamp::NONE {
            return Ok(Some(largest.timestamp));
        }
        self.modified(segment)
    }

    /// When a segment's `.log` was changed last, where the file system says so.
    pub(super) fn modified(&self, segment: &SegmentReader<'_>) -> Result<Option<Timestamp>> {
        let stat = self.fs.stat(&self.folder.file(segment.base, SegmentFile::Log))?;
        let modified = stat.and_then(|stat| stat.modified?.duration_since(UNIX_EPOCH).ok());
        Ok(modified.map(|age| Timestamp::new(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))))
    }
}

/// The first record of a segment that has its largest timestamp.
fn first_with(segment: &SegmentReader<'_>, largest: Largest, doubts: &mut Doubts) -> Result<Option<Located>> {
    let (log, from, _) = segment.seek(largest.offset, doubts)?;
    let mut scratch = Scratch::default();
    let found = segment.find(&log, from, |position, batch, _| {
        if batch.max_timestamp() != largest.timestamp {
            return None;
        }
        let batch = LogBatch { segment: segment.base, position, batch: *batch };
        let located = first_record(&batch, &mut scratch, |record| record.timestamp == largest.timestamp);
        Some(located.break_value().filter(|_| batch.batch.magic() >= 1))
    })?;
    Ok(found.flatten())
}
