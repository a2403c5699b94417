//! X001: the `.txnindex` of a segment, by itself and against the transactions that were aborted in the segment.

use std::path::PathBuf;

use super::code::FindingCode;
use super::finding::{Findings, Place, Severity, Weight};
use super::plan::{Facts, SegmentPlan};
use super::slots::{Slot, Slots};
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::producer::CompletedTransaction;
use crate::segment::{AbortedTxn, SegmentFile};

const FIRST: &str = "first offset";
const LAST_STABLE: &str = "last stable offset";
/// The fields of an entry: name and first byte.
const FIELDS: [(&str, u64); 4] = [("producer id", 2), (FIRST, 10), ("last offset", 18), (LAST_STABLE, 26)];

fn fields(entry: &AbortedTxn) -> [i64; 4] {
    [entry.producer_id.get(), entry.first_offset.get(), entry.last_offset.get(), entry.last_stable_offset.get()]
}

/// What can be seen of a `.txnindex` without its log: size, versions, offsets below the segment.
pub(super) fn check_shape(fs: &dyn Fs, plan: &SegmentPlan, out: &mut Findings) -> Result<()> {
    if plan.files.txn_index.is_none() {
        return Ok(());
    }
    let file = plan.file(SegmentFile::TxnIndex);
    let mut slots = Slots::<AbortedTxn>::new(Source::open(fs, &plan.path(SegmentFile::TxnIndex))?);
    while let Some(slot) = slots.peek()? {
        slots.pass();
        let (version, last, base) = (slot.entry.stored_version, slot.entry.last_offset, plan.base);
        if version != 0 {
            out.add(FindingCode::X001, Severity::Error, Place::at(&file, slot.at), || {
                format!("entry has version {version}; 0 is known")
            });
        } else if last < base {
            let place = Place::at(&file, slot.at.saturating_add(18)).offset(last.get());
            out.add(FindingCode::X001, Severity::Error, place, || {
                format!("entry ends at offset {last}, below the segment's base {base}")
            });
        }
    }
    let odd = slots.file_len() - slots.slots_len();
    if odd > 0 {
        out.add(FindingCode::X001, Severity::Error, Place::at(&file, slots.slots_len()), || {
            format!("size {} is no multiple of 34: {odd} bytes are left behind the last entry", slots.file_len())
        });
    }
    Ok(())
}

/// The aborted transactions of one segment against its `.txnindex`, in order.
#[derive(Debug)]
pub(super) struct TxnIndexCheck {
    file: PathBuf,
    slots: Option<Slots<AbortedTxn>>,
    /// Transactions that began before this may be unknown to the replay.
    known_from: i64,
    weight: Weight,
    /// The first difference was told, or the log is damaged: nothing more can be said.
    is_over: bool,
}

impl TxnIndexCheck {
    pub(super) fn open(fs: &dyn Fs, plan: &SegmentPlan, known_from: i64) -> Result<Self> {
        let slots = match plan.files.txn_index {
            Some(_) => Some(Slots::new(Source::open(fs, &plan.path(SegmentFile::TxnIndex))?)),
            None => None,
        };
        let file = plan.file(SegmentFile::TxnIndex);
        Ok(Self { file, slots, known_from, weight: plan.facts.history_weight(Severity::Error), is_over: false })
    }

    /// Nothing more can be said.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
    }

    /// The log aborted a transaction; the index must say the same next. `start_is_unsure`: not where it began.
    pub(super) fn aborted(
        &mut self,
        txn: &CompletedTransaction,
        start_is_unsure: bool,
        out: &mut Findings,
    ) -> Result<()> {
        if self.is_over {
            return Ok(());
        }
        let is = [txn.producer_id.get(), txn.first_offset.get(), txn.last_offset.get(), txn.last_stable_offset.get()];
        let Some(slot) = self.next_for(&is)? else {
            self.is_over = true;
            let (at, what) = match &self.slots {
                Some(slots) => (slots.slots_len(), "ends"),
                None => (0, "is missing"),
            };
            out.add(FindingCode::X001, self.weight, Place::at(&self.file, at).offset(txn.first_offset.get()), || {
                let [producer, first, last, _] = is;
                format!("{what}, but producer {producer} aborted a transaction from offset {first} to {last}")
            });
            return Ok(());
        };
        let says = fields(&slot.entry);
        let differing = FIELDS.iter().zip(says.iter().zip(&is)).find(|((name, _), (says, is))| {
            // The broker that wrote a higher last stable offset did not know the transaction that is open here: a wrong batch.
            let is_excused = (*name == FIRST && start_is_unsure) || (*name == LAST_STABLE && says > is);
            says != is && !is_excused
        });
        if let Some(((name, at), (says, is))) = differing {
            self.is_over = true;
            let place = Place::at(&self.file, slot.at.saturating_add(*at)).offset(txn.first_offset.get());
            out.add(FindingCode::X001, self.weight, place, || {
                format!("{name} of the entry is {says}; in the log it is {is}")
            });
        }
        Ok(())
    }

    /// The entry to compare with: those of transactions that began before the log is known are passed.
    fn next_for(&mut self, is: &[i64; 4]) -> Result<Option<Slot<AbortedTxn>>> {
        let Some(slots) = &mut self.slots else { return Ok(None) };
        while let Some(slot) = slots.peek()? {
            slots.pass();
            if slot.entry.first_offset.get() >= self.known_from || fields(&slot.entry) == *is {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// The segment is over: no entry may be left.
    pub(super) fn finish(mut self, facts: &Facts, out: &mut Findings) -> Result<()> {
        if self.is_over || facts.level != super::VerifyLevel::Deep {
            return Ok(());
        }
        if let Some(slot) = self.next_for(&[i64::MIN; 4])? {
            let entry = slot.entry;
            let place = Place::at(&self.file, slot.at).offset(entry.first_offset.get());
            out.add(FindingCode::X001, self.weight, place, || {
                let (producer, first, last) = (entry.producer_id, entry.first_offset, entry.last_offset);
                format!("names an aborted transaction of producer {producer}, offsets {first} to {last}, that the log does not have")
            });
        }
        Ok(())
    }
}
