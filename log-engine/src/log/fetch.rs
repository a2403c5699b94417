//! One record by its offset, decoded: with as little reading as that takes.

use std::ops::Range;

use super::Log;
use super::published::LogEnd;
use super::read::Isolation;
use crate::batch::{Batch, Record, Scratch};
use crate::error::Result;
use crate::fs::AlignedBuffer;
use crate::segment::SegmentFile;
use crate::units::{FilePosition, Offset};

/// Room for the batch that a record is in. Kept between records, so that memory is asked for once.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    bytes: AlignedBuffer,
    scratch: Scratch,
}

impl Log {
    /// The record at `offset`; `None` if readers of this isolation do not reach it yet, or compaction has removed it. Records of
    /// aborted transactions and markers are records like others here.
    ///
    /// No checksum is looked at, as in [`Self::read`].
    ///
    /// # Errors
    /// [`crate::Error::OffsetOutOfRange`] below the log's start or beyond its end; [`crate::Error::Corrupt`] where what stands there is no
    /// batch, or the record does not decode; [`crate::Error::Io`].
    pub fn record<'b>(
        &self,
        offset: Offset,
        isolation: Isolation,
        buffer: &'b mut RecordBuffer,
    ) -> Result<Option<Record<'b>>> {
        let found = self.undisturbed(|end| self.read_batch(&end, offset, isolation, &mut buffer.bytes))?;
        let Some(Found { base, position, range }) = found else {
            return Ok(None);
        };
        let RecordBuffer { bytes, scratch } = buffer;
        let bytes = bytes.as_slice().get(range).unwrap_or_default();
        let record = Batch::parse(bytes).and_then(|batch| batch.record_at(offset, scratch));
        record.map_err(|malformed| malformed.in_file(&self.dir().join(SegmentFile::Log.name(base)), position))
    }

    /// Brings the batch that may hold the record into `bytes`.
    fn read_batch(
        &self,
        end: &LogEnd,
        offset: Offset,
        isolation: Isolation,
        bytes: &mut AlignedBuffer,
    ) -> Result<Option<Found>> {
        let bound = match isolation {
            Isolation::LogEnd => end.offset,
            Isolation::HighWatermark => self.high_watermark().min(end.offset),
            Isolation::TxnCommitted => self.last_stable_offset().min(end.offset),
        };
        let segments = self.segments();
        let mut segment = segments.floor(offset);
        if offset < self.start() || offset > end.offset || (offset < end.offset && segment.is_none()) {
            return Err(self.outside(offset, end));
        }
        if offset >= bound {
            return Ok(None);
        }
        while let Some(here) = segment.filter(|here| here.base() <= end.base) {
            if let Some((position, range)) = here.read_batch(offset, bytes)? {
                return Ok(Some(Found { base: here.base(), position, range }));
            }
            segment = segments.higher(here.base());
        }
        Ok(None)
    }
}

/// Where a batch is.
struct Found {
    /// Base offset of its segment.
    base: Offset,
    /// In the `.log`.
    position: FilePosition,
    /// In memory.
    range: Range<usize>,
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::batch::BatchBuilder;
    use crate::compress::Codec;
    use crate::error::Error;
    use crate::fs::sim::SimFs;
    use crate::log::{LogConfig, OpenOptions};
    use crate::units::{LeaderEpoch, Timestamp};

    /// The batch of `base` and so many offsets; some of them have no record if `gaps` says so.
    fn batch(base: i64, offsets: i64, size: usize, codec: Codec, gaps: bool) -> Vec<u8> {
        let last = Offset::new(base + offsets - 1);
        let mut builder = BatchBuilder::new(Offset::new(base)).codec(codec, None).last_offset(last);
        builder = builder.leader_epoch(LeaderEpoch::new(0));
        for offset in (base..base + offsets).filter(|offset| !gaps || offset % 3 == 1) {
            let value = [&offset.to_be_bytes()[..], &vec![7; size]].concat();
            builder.push_at(Offset::new(offset), Timestamp::new(0), None, Some(&value), &[]).unwrap();
        }
        let mut out = Vec::new();
        builder.finish(&mut out).unwrap();
        out
    }

    /// Every record is found, and nothing where none is: in small and large batches, compressed ones, ones with gaps, over several
    /// segments, whether an index entry leads there or not.
    #[test]
    fn every_record_is_found_by_its_offset() {
        let fs = Arc::new(SimFs::with_folder("/"));
        let config = LogConfig { segment_bytes: 60_000, ..LogConfig::default() };
        let (log, _) = Log::open(fs, Path::new("/t-0"), config, OpenOptions::default()).unwrap();
        let shapes = [(1, 50), (1, 50), (40, 10), (3, 5_000), (30, 200), (1, 20_000), (2, 0), (200, 100)];
        let (mut expected, mut next) = (Vec::new(), 0);
        for round in 0..12 {
            for (n, (offsets, size)) in shapes.into_iter().enumerate() {
                let codec = if (round + n) % 5 == 4 { Codec::Lz4 } else { Codec::None };
                let gaps = offsets > 2 && (round + n) % 4 == 3;
                log.append_as_follower(&batch(next, offsets, size, codec, gaps), LeaderEpoch::new(0)).unwrap();
                expected.extend((next..next + offsets).map(|offset| !gaps || offset % 3 == 1));
                next += offsets;
            }
        }
        assert!(log.segments().len() > 5);
        let mut buffer = RecordBuffer::default();
        for (offset, is_there) in (0..).zip(expected) {
            let record = log.record(Offset::new(offset), Isolation::LogEnd, &mut buffer).unwrap();
            let found = record.map(|record| (record.offset.get(), record.value.unwrap()[..8].to_vec()));
            assert_eq!(found, is_there.then(|| (offset, offset.to_be_bytes().to_vec())), "offset {offset}");
        }
        let mut at =
            |offset, isolation| log.record(Offset::new(offset), isolation, &mut buffer).map(|found| found.is_some());
        assert!(!at(next, Isolation::LogEnd).unwrap(), "not yet");
        assert!(!at(5, Isolation::HighWatermark).unwrap(), "nothing is committed");
        for beyond in [-1, next + 1] {
            assert!(matches!(at(beyond, Isolation::LogEnd), Err(Error::OffsetOutOfRange { .. })));
        }
        log.set_high_watermark(Offset::new(6)).unwrap();
        assert!(at(5, Isolation::HighWatermark).unwrap() && !at(6, Isolation::TxnCommitted).unwrap());
    }

    #[test]
    fn what_does_not_decode_is_an_error_with_its_place() {
        let fs = Arc::new(SimFs::with_folder("/"));
        let (log, _) =
            Log::open(Arc::clone(&fs) as _, Path::new("/t-0"), LogConfig::default(), OpenOptions::default()).unwrap();
        for base in 0..3 {
            log.append_as_follower(&batch(base, 1, 10, Codec::None, false), LeaderEpoch::new(0)).unwrap();
        }
        let size = usize::try_from(log.size()).unwrap() / 3;
        fs.flip(Path::new("/t-0/00000000000000000000.log"), size + 61, 1).unwrap();
        let mut buffer = RecordBuffer::default();
        let Err(Error::Corrupt(corrupt)) = log.record(Offset::new(1), Isolation::LogEnd, &mut buffer) else { panic!() };
        assert!((size as u64..2 * size as u64).contains(&corrupt.position.get()), "{corrupt}");
        assert!(log.record(Offset::new(2), Isolation::LogEnd, &mut buffer).unwrap().is_some());
    }
}
