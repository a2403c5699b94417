//! A replica as a sequence of things that are the same in another one, or not.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::{CompareBy, Next};
use crate::batch::{Batch, Scratch};
use crate::error::{Malformed, Result};
use crate::log::{BatchItem, Batches, LogReader, OnDamage};
use crate::units::{LeaderEpoch, Offset};

/// A batch, or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) offsets: (Offset, Offset),
    epoch: Option<LeaderEpoch>,
    /// What it holds: a checksum, or a hash of all that a record says.
    contents: u64,
    pub(super) records: u64,
    by: CompareBy,
}

impl Item {
    /// Whether two replicas have the same here.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        // Whoever copies records may give their batches another epoch.
        self.offsets == other.offsets
            && self.contents == other.contents
            && (self.by == CompareBy::Records || self.epoch == other.epoch)
    }

    pub(super) const fn place(&self) -> Next {
        Next { epoch: self.epoch, offsets: self.offsets }
    }

    fn of_batch(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Self, Malformed> {
        let records = match batch.record_count() {
            Some(count) => u64::try_from(count).unwrap_or(0),
            None => batch.records(scratch)?.count() as u64,
        };
        Ok(Self {
            offsets: (batch.base_offset(), batch.last_offset()),
            epoch: batch.leader_epoch(),
            contents: batch.stored_crc().into(),
            records,
            by: CompareBy::Batches,
        })
    }
}

/// The items of one replica that reach into a range of offsets. Damage is passed over.
#[derive(Debug)]
pub(super) struct Items<'r> {
    batches: Batches<'r>,
    by: CompareBy,
    scratch: Scratch,
    /// Records of the batch that was read last.
    records: VecDeque<Item>,
    is_damaged: bool,
}

impl<'r> Items<'r> {
    pub(super) fn new(replica: &'r LogReader<'_>, range: Range<Offset>, by: CompareBy) -> Self {
        let batches = replica.batches(range, OnDamage::GoOn);
        Self { batches, by, scratch: Scratch::default(), records: VecDeque::new(), is_damaged: false }
    }

    /// Whether anything was passed over.
    pub(super) const fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            let batch = match self.batches.next()? {
                None => return Ok(None),
                Some(BatchItem::Damage(_)) => {
                    self.is_damaged = true;
                    continue;
                }
                Some(BatchItem::Batch(found)) => found.batch,
            };
            let read = match self.by {
                CompareBy::Batches => {
                    Item::of_batch(&batch, &mut self.scratch).map(|item| self.records.push_back(item))
                }
                CompareBy::Records => records(&batch, &mut self.scratch, &mut self.records),
            };
            self.is_damaged |= read.is_err();
        }
    }
}

/// Adds the records of a batch.
fn records(batch: &Batch<'_>, scratch: &mut Scratch, into: &mut VecDeque<Item>) -> Result<(), Malformed> {
    let (epoch, is_control) = (batch.leader_epoch(), batch.is_control());
    for record in batch.records(scratch)? {
        let record = record?;
        let mut hasher = DefaultHasher::new();
        (is_control, record.timestamp.get(), record.key, record.value).hash(&mut hasher);
        for header in record.headers {
            (header.key, header.value).hash(&mut hasher);
        }
        let offsets = (record.offset, record.offset);
        into.push_back(Item { offsets, epoch, contents: hasher.finish(), records: 1, by: CompareBy::Records });
    }
    Ok(())
}
