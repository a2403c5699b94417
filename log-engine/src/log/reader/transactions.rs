//! Which transactions hold back readers of committed records, and which were aborted.
//!
//! The batches say it. A transaction index is a shortcut that may be missing or wrong; what a broker would make of it is asked
//! for apart.

use std::ops::Range;

use super::LogReader;
use super::batches::BatchItem;
use super::walk::OnDamage;
use crate::batch::Scratch;
use crate::error::{Error, Result};
use crate::fs::Source;
use crate::log::read_snapshot;
use crate::producer::{CompletedTransaction, Marker, ProducerSnapshot, ProducerStates};
use crate::segment::{AbortedTxn, SegmentFile, TxnIndex};
use crate::units::Offset;

impl LogReader<'_> {
    /// The producers at the log end: from the newest snapshot that can be read, and the batches behind it.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails.
    pub fn producers(&self) -> Result<ProducerStates> {
        let end = self.log_end()?;
        let (start, mut states) = self.state_before(end.next());
        states.advance_high_watermark(Offset::new(i64::MAX));
        self.replay(start..end, &mut states, |_, _| true)?;
        Ok(states)
    }

    /// How far a consumer may read that wants committed records only: to the first transaction that is open, else to the log end.
    ///
    /// All of the log counts as replicated. What a broker had reached is [`Self::high_watermark`].
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails.
    pub fn last_stable_offset(&self) -> Result<Offset> {
        Ok(self.producers()?.last_stable_offset(self.log_start(), self.log_end()?))
    }

    /// The aborted transactions that reach into `range`, by their first offset, as the markers in the batches say it.
    ///
    /// A first offset is no smaller than the first batch that was looked at; for what lies in the range that is no difference.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails.
    pub fn aborted_transactions(&self, range: Range<Offset>) -> Result<Vec<CompletedTransaction>> {
        let base = self.bases.get(self.slot_of(range.start)).copied().unwrap_or_default();
        let mut states =
            self.snapshot(base).map_or_else(ProducerStates::default, |s| ProducerStates::from_snapshot(&s, None));
        states.advance_high_watermark(Offset::new(i64::MAX));
        let mut aborted = Vec::new();
        self.replay(base..Offset::new(i64::MAX), &mut states, |states, (next, completed)| {
            aborted.extend(
                completed.filter(|txn| txn.aborted && txn.last_offset >= range.start && txn.first_offset < range.end),
            );
            // Behind the range only the transactions matter that it left open.
            next < range.end || states.first_undecided_offset().is_some_and(|first| first < range.end)
        })?;
        aborted.sort_by_key(|txn| txn.first_offset);
        Ok(aborted)
    }

    /// The aborted transactions that a broker names to a consumer which fetches `range`: what the transaction indexes say.
    ///
    /// Kafka: `LocalLog.addAbortedTransactions`.
    ///
    /// # Errors
    /// As [`TxnIndex::collect`]; [`Error::Io`] where reading fails.
    pub fn aborted_by_index(&self, range: Range<Offset>) -> Result<Vec<AbortedTxn>> {
        let mut aborted = Vec::new();
        for base in self.bases.iter().skip(self.slot_of(range.start)) {
            let source = match Source::open(self.fs, &self.folder.file(*base, SegmentFile::TxnIndex)) {
                Ok(source) => source,
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let found = TxnIndex::read(&source, *base)?.collect(range.start, range.end)?;
            aborted.extend(found.transactions);
            if found.is_complete {
                break;
            }
        }
        Ok(aborted)
    }

    /// The newest snapshot below `limit` that can be read, and its offset; else nothing, at the first segment.
    fn state_before(&self, limit: Offset) -> (Offset, ProducerStates) {
        let newest =
            self.folder.snapshots.keys().rev().filter(|offset| **offset < limit && **offset > self.log_start());
        newest
            .copied()
            .find_map(|offset| Some((offset, ProducerStates::from_snapshot(&self.snapshot(offset)?, None))))
            .unwrap_or((self.first_base(), ProducerStates::default()))
    }

    /// The snapshot at `offset`, if there is a sound one.
    fn snapshot(&self, offset: Offset) -> Option<ProducerSnapshot> {
        let path = self.folder.file(offset, SegmentFile::Snapshot);
        read_snapshot(self.fs, &path).ok()
    }

    /// Applies the batches of `range` while `each` says so; it gets the offset behind the batch, and the transaction that it ended.
    /// A batch that breaks a rule of transactions, and a marker that does not decode, change nothing.
    fn replay(
        &self,
        range: Range<Offset>,
        states: &mut ProducerStates,
        mut each: impl FnMut(&ProducerStates, (Offset, Option<CompletedTransaction>)) -> bool,
    ) -> Result<()> {
        let mut scratch = Scratch::default();
        let start = range.start;
        let mut batches = self.batches(range, OnDamage::GoOn);
        while let Some(item) = batches.next()? {
            let BatchItem::Batch(batch) = item else { continue };
            let Some(header) = batch.batch.header().filter(|header| header.base_offset() >= start) else { continue };
            let marker = Marker::of(&batch.batch, &mut scratch);
            let completed = marker.and_then(|marker| states.apply(header, marker)).unwrap_or_default();
            if !each(states, (header.last_offset().next(), completed)) {
                break;
            }
        }
        Ok(())
    }
}
