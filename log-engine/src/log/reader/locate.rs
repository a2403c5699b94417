//! Which record an offset means, and how it was found.

use std::ops::ControlFlow;

use super::LogReader;
use super::batches::{BatchItem, LogBatch};
use super::walk::OnDamage;
use crate::batch::{Record, Scratch};
use crate::error::{Corrupt, Result};
use crate::units::{FilePosition, LeaderEpoch, Offset, Timestamp};

/// How an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// From where the indexes point, after the batches there bore them out.
    Index,
    /// By reading a segment from its beginning, because an index is missing, empty, or says what is not so.
    Scan,
}

/// A record, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp; -1 where it has none.
    pub timestamp: Timestamp,
    /// The leader epoch of its batch, where that names one.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The base offset of its segment.
    pub segment: Offset,
    /// The first byte of its batch in the `.log` file.
    pub position: FilePosition,
    /// The batch's own offset: its first one for v2, its last one for older messages.
    pub batch_offset: Offset,
}

impl Located {
    pub(super) fn new(batch: &LogBatch<'_>, record: &Record<'_>) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            leader_epoch: batch.batch.leader_epoch(),
            segment: batch.segment,
            position: batch.position,
            batch_offset: batch.batch.base_offset(),
        }
    }
}

/// What was found, how, and which indexes told untruths on the way. These do not change what is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The record; `None` if there is no such one.
    pub found: Option<Located>,
    /// How.
    pub via: Via,
    /// Each place in an index that says what the batches do not bear out.
    pub doubts: Vec<Corrupt>,
}

/// What was found wrong in indexes.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts(Vec<Corrupt>);

impl Doubts {
    pub(super) fn add(&mut self, doubt: Corrupt) {
        if !self.0.contains(&doubt) {
            self.0.push(doubt);
        }
    }

    pub(super) fn list(&self) -> &[Corrupt] {
        &self.0
    }

    pub(super) fn into_list(self) -> Vec<Corrupt> {
        self.0
    }
}

impl LogReader<'_> {
    /// The record at `offset`, or the next one if compaction or damage left none there; control records count. Whether clients see
    /// the offset does not matter: what is in the files is found.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails.
    pub fn find_offset(&self, offset: Offset) -> Result<Answer> {
        let mut batches = self.batches(offset..Offset::new(i64::MAX), OnDamage::GoOn);
        let mut scratch = Scratch::default();
        let mut found = None;
        while let Some(item) = batches.next()? {
            let BatchItem::Batch(batch) = item else { continue };
            if let ControlFlow::Break(located) = first_record(&batch, &mut scratch, |record| record.offset >= offset) {
                found = Some(located);
                break;
            }
        }
        Ok(Answer { found, via: batches.via(), doubts: batches.doubts().to_vec() })
    }
}

/// The first record of a batch that is wanted. Records that do not decode, and those behind them, are none.
pub(super) fn first_record(
    batch: &LogBatch<'_>,
    scratch: &mut Scratch,
    wanted: impl Fn(&Record<'_>) -> bool,
) -> ControlFlow<Located> {
    let Ok(records) = batch.batch.records(scratch) else {
        return ControlFlow::Continue(());
    };
    match records.map_while(Result::ok).find(wanted) {
        Some(record) => ControlFlow::Break(Located::new(batch, &record)),
        None => ControlFlow::Continue(()),
    }
}
