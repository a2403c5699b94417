//! The records of a log in order, as they lie in the files or as a consumer would read them.

use std::collections::HashSet;
use std::ops::{ControlFlow, Range};

use super::LogReader;
use super::batches::{BatchItem, LogBatch};
use super::walk::{Damage, OnDamage};
use crate::batch::{Batch, Record, Scratch};
use crate::error::{Corrupt, Malformed, Result};
use crate::producer::{CompletedTransaction, Marker};
use crate::units::{Offset, ProducerId};

/// Which records are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// All that lie in the files, control records and repeated offsets among them.
    #[default]
    Everything,
    /// What a consumer reads that does not ask whether transactions were committed.
    ReadUncommitted,
    /// What a consumer reads that waits for transactions to end, and leaves out the aborted ones.
    ReadCommitted,
}

/// How to read records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Which records.
    pub view: View,
    /// Control records too, which no consumer hands out.
    pub with_control: bool,
    /// What to do about damage.
    pub on_damage: OnDamage,
}

impl Reading {
    /// As a consumer at this level reads, but going on behind damage.
    #[must_use]
    pub const fn view(view: View) -> Self {
        Self { view, with_control: false, on_damage: OnDamage::GoOn }
    }
}

/// A record of a log, and its batch.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// The batch that holds it.
    pub batch: LogBatch<'a>,
    /// The record.
    pub record: Record<'a>,
}

/// What a log holds next.
#[derive(Debug)]
pub enum RecordItem<'a> {
    /// A record.
    Record(LogRecord<'a>),
    /// Something that is no batch, or a batch whose records do not decode.
    Damage(Damage),
}

impl LogReader<'_> {
    /// The offsets that a view spans: everything in the files, or from the log start to the log end or last stable offset.
    ///
    /// # Errors
    /// As [`Self::log_end`] and [`Self::last_stable_offset`].
    pub fn range_of(&self, view: View) -> Result<Range<Offset>> {
        Ok(match view {
            View::Everything => Offset::new(i64::MIN)..Offset::new(i64::MAX),
            View::ReadUncommitted => self.log_start()..self.log_end()?,
            View::ReadCommitted => self.log_start()..self.last_stable_offset()?,
        })
    }

    /// Hands the records of `range` to `each`, in order, until it breaks; what it broke with, if it did.
    ///
    /// Whose range ends at the last stable offset, or at the log end, is the caller's to say: [`Self::range_of`].
    ///
    /// Memory: that of [`Self::batches`] and one decompressed batch; for [`View::ReadCommitted`] also the aborted transactions
    /// of the range.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where reading fails; never for what the bytes say.
    pub fn records<B>(
        &self,
        range: Range<Offset>,
        reading: Reading,
        mut each: impl FnMut(RecordItem<'_>) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        let mut filter = Filter::new(self, &range, reading)?;
        let mut scratch = Scratch::default();
        let mut batches = self.batches(range, reading.on_damage);
        while let Some(item) = batches.next()? {
            let flow = match item {
                BatchItem::Damage(damage) => each(RecordItem::Damage(damage)),
                BatchItem::Batch(batch) => match self.hand_out(batch, &mut filter, &mut scratch, &mut each) {
                    Ok(flow) => flow,
                    Err(malformed) => {
                        let flow = each(RecordItem::Damage(self.undecodable(&batch, malformed)));
                        if reading.on_damage == OnDamage::Stop && flow.is_continue() {
                            return Ok(None);
                        }
                        flow
                    }
                },
            };
            if let ControlFlow::Break(value) = flow {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn hand_out<B>(
        &self,
        batch: LogBatch<'_>,
        filter: &mut Filter,
        scratch: &mut Scratch,
        each: &mut impl FnMut(RecordItem<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, Malformed> {
        if !filter.wants_batch(&batch.batch, scratch)? {
            return Ok(ControlFlow::Continue(()));
        }
        for record in batch.batch.records(scratch)? {
            let record = record?;
            if filter.wants(&record) {
                let flow = each(RecordItem::Record(LogRecord { batch, record }));
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn undecodable(&self, batch: &LogBatch<'_>, malformed: Malformed) -> Damage {
        let file = self.folder().file(batch.segment, crate::segment::SegmentFile::Log);
        let what = Corrupt { file, position: batch.position, rule: malformed.rule };
        let resumes = Some(batch.position.plus(batch.batch.bytes().len() as u64));
        Damage { segment: batch.segment, what, stop: None, resumes, is_tail: false }
    }
}

/// Lets through what is wanted.
struct Filter {
    reading: Reading,
    range: Range<Offset>,
    /// The next offset that a consumer takes; it passes over smaller ones.
    next: Offset,
    /// Aborted transactions that no batch has reached yet, the next one last.
    waiting: Vec<CompletedTransaction>,
    /// Producers inside an aborted transaction.
    aborting: HashSet<ProducerId>,
}

impl Filter {
    fn new(log: &LogReader<'_>, range: &Range<Offset>, reading: Reading) -> Result<Self> {
        let mut waiting = match reading.view {
            View::ReadCommitted => log.aborted_transactions(range.clone())?,
            View::Everything | View::ReadUncommitted => Vec::new(),
        };
        waiting.reverse();
        Ok(Self { reading, range: range.clone(), next: range.start, waiting, aborting: HashSet::new() })
    }

    /// Whether records of a batch can be wanted at all.
    ///
    /// Kafka: `CompletedFetch.nextFetchedRecord` of the consumer.
    fn wants_batch(&mut self, batch: &Batch<'_>, scratch: &mut Scratch) -> Result<bool, Malformed> {
        if let (View::ReadCommitted, Some(producer)) = (self.reading.view, batch.producer()) {
            while let Some(txn) = self.waiting.pop_if(|txn| txn.first_offset <= batch.last_offset()) {
                self.aborting.insert(txn.producer_id);
            }
            if batch.is_control() {
                if Marker::of(batch, scratch)?.is_some_and(|marker| !marker.commit) {
                    self.aborting.remove(&producer.id);
                }
            } else if batch.is_transactional() && self.aborting.contains(&producer.id) {
                return Ok(false);
            }
        }
        Ok(!batch.is_control() || self.reading.with_control || self.reading.view == View::Everything)
    }

    fn wants(&mut self, record: &Record<'_>) -> bool {
        if !self.range.contains(&record.offset) {
            return false;
        }
        let is_repeated = self.reading.view != View::Everything && record.offset < self.next;
        self.next = self.next.max(record.offset.next());
        !is_repeated
    }
}
