//! The beginning of a log taken away: whole segments go, the rest of one is hidden by the log start.

use super::{Subject, TruncateError, Truncation};
use crate::checkpoint::{EpochCheckpoint, OffsetCheckpoint};
use crate::mend::Change;
use crate::mend::places::Edit;
use crate::segment::SegmentFile;
use crate::units::Offset;

impl Subject<'_> {
    /// Takes away what lies before `asked`.
    ///
    /// Kafka: `UnifiedLog.maybeIncrementLogStartOffset`, and what retention does then.
    pub(super) fn cut_start(self, asked: Offset) -> Result<Truncation, TruncateError> {
        if asked > self.end {
            return Err(self.outside(asked));
        }
        // At the start itself, segments may be left that lie below.
        if asked < self.start {
            return Ok(self.unchanged());
        }
        if let Some(high_watermark) = self.reader.high_watermark().filter(|watermark| asked > *watermark) {
            return Err(TruncateError::AboveHighWatermark { asked, high_watermark });
        }
        let bases: Vec<Offset> = self.folder.logs().map(|(base, _)| base).collect();
        let gone = bases.iter().skip(1).take_while(|next| **next <= asked).count();
        let first_kept = bases.get(gone).copied().unwrap_or(asked);
        if asked > first_kept && !self.places.is_log_directory {
            return Err(TruncateError::NoLogDirectory);
        }
        let raised = |before: Option<Offset>| Some(before.map_or(asked, |before| before.max(asked)));
        let raised_if_there = |before: Option<Offset>| before.map(|before| before.max(asked));
        let follow: [(&str, Edit<'_>); 2] =
            [(OffsetCheckpoint::LOG_START, &raised), (OffsetCheckpoint::RECOVERY_POINT, &raised_if_there)];
        let mut changes = self.places.edited(self.fs.as_ref(), &follow)?;
        changes.extend(self.epochs_from(asked)?);
        // The oldest goes first: what is left is a log without its beginning at any moment.
        let mut bytes = 0_u64;
        for (base, files) in self.folder.segments.range(..first_kept) {
            let there = [
                (SegmentFile::Log, files.log),
                (SegmentFile::OffsetIndex, files.offset_index),
                (SegmentFile::TimeIndex, files.time_index),
                (SegmentFile::TxnIndex, files.txn_index),
            ];
            for (file, len) in there.into_iter().filter_map(|(file, len)| Some((file, len?))) {
                bytes = bytes.saturating_add(if file == SegmentFile::Log { len } else { 0 });
                changes.push(Change::Remove { path: self.file(&file.name(*base)) });
            }
        }
        for offset in self.folder.snapshots.range(..first_kept).map(|(offset, _)| offset) {
            changes.push(Change::Remove { path: self.file(&SegmentFile::Snapshot.name(*offset)) });
        }
        Ok(Truncation {
            records: self.count(self.start, asked)?,
            bytes,
            changes,
            log_start: (self.start, asked),
            log_end: (self.end, self.end),
            ..self.unchanged()
        })
    }

    /// The epoch file without the epochs that ended before `start`.
    fn epochs_from(&self, start: Offset) -> Result<Option<Change>, TruncateError> {
        let mut epochs = self.reader.epochs()?;
        let before = epochs.to_checkpoint();
        epochs.truncate_from_start(start);
        if epochs.to_checkpoint() == before {
            return Ok(None);
        }
        let bytes = epochs.to_checkpoint().encode().into();
        Ok(Some(Change::Write { path: self.file(EpochCheckpoint::FILE_NAME), bytes }))
    }
}
