//! The `.txnindex` file: the aborted transactions whose markers lie in the segment.
//!
//! | at | bytes | field                                                            |
//! |---:|------:|------------------------------------------------------------------|
//! |  0 |     2 | version: 0                                                       |
//! |  2 |     8 | producer id                                                      |
//! | 10 |     8 | first offset of the transaction, perhaps in an earlier segment   |
//! | 18 |     8 | last offset: that of the ABORT marker                            |
//! | 26 |     8 | last stable offset when it was aborted                           |
//!
//! Never preallocated, and missing where nothing was aborted. Offsets are absolute. Kafka: `TransactionIndex`, `AbortedTxn`.

use zerocopy::big_endian::{I16, I64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::entries::{Index, IndexEntry};
use crate::error::{Error, Result, Rule};
use crate::units::{Offset, ProducerId};

/// The only version of an entry.
const VERSION: i16 = 0;
/// Where the last offset stands in an entry.
const LAST_OFFSET_AT: u64 = 18;

/// The `.txnindex` file of one segment.
pub type TxnIndex = Index<AbortedTxn>;

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// As stored: 0 unless damaged. Kafka refuses what is above 0.
    pub stored_version: i16,
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its first record.
    pub first_offset: Offset,
    /// Its marker.
    pub last_offset: Offset,
    /// The offset below which no transaction was open when it was aborted, its own left aside.
    pub last_stable_offset: Offset,
}

/// Which transactions in a range were aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbortedTxns {
    /// In the order of the index.
    pub transactions: Vec<AbortedTxn>,
    /// True if no later segment can add to them.
    pub is_complete: bool,
}

/// What a broker does about the entries of a `.txnindex` when it opens a segment.
#[derive(Debug)]
#[must_use]
pub enum TxnIndexState {
    /// It takes them as they are.
    Accepted,
    /// An entry ends below the segment's base: it recovers the segment and makes the index again.
    Recovered(Error),
    /// An entry has a version above 0: it does not start.
    Fatal(Error),
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Slot {
    version: I16,
    producer_id: I64,
    first_offset: I64,
    last_offset: I64,
    last_stable_offset: I64,
}

impl IndexEntry for AbortedTxn {
    const LEN: usize = size_of::<Slot>();

    fn encode(&self, out: &mut Vec<u8>) {
        let slot = Slot {
            version: self.stored_version.into(),
            producer_id: self.producer_id.get().into(),
            first_offset: self.first_offset.get().into(),
            last_offset: self.last_offset.get().into(),
            last_stable_offset: self.last_stable_offset.get().into(),
        };
        out.extend_from_slice(slot.as_bytes());
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let slot = Slot::ref_from_bytes(slot).ok()?;
        Some(Self {
            stored_version: slot.version.get(),
            producer_id: ProducerId::new(slot.producer_id.get()),
            first_offset: Offset::new(slot.first_offset.get()),
            last_offset: Offset::new(slot.last_offset.get()),
            last_stable_offset: Offset::new(slot.last_stable_offset.get()),
        })
    }
}

const _: () = assert!(AbortedTxn::LEN == 34);
const _: () = assert!(std::mem::offset_of!(Slot, last_offset) as u64 == LAST_OFFSET_AT);

impl TxnIndex {
    /// The aborted transactions that reach into the offsets from `from` up to, and without, `until`.
    ///
    /// Kafka: `TransactionIndex.collectAbortedTxns`.
    ///
    /// # Errors
    /// [`Rule::Version`] for an entry with a version above 0, unless the answer is complete before it.
    pub fn collect(&self, from: Offset, until: Offset) -> Result<AbortedTxns> {
        let mut found = AbortedTxns::default();
        for (slot, txn) in self.iter().enumerate() {
            self.check_version(slot, &txn)?;
            if txn.last_offset >= from && txn.first_offset < until {
                found.transactions.push(txn);
            }
            if txn.last_stable_offset >= until {
                found.is_complete = true;
                break;
            }
        }
        Ok(found)
    }

    /// What opening the segment makes of the index: the first entry that is wrong decides.
    ///
    /// Kafka: `TransactionIndex.sanityCheck`.
    pub fn state(&self) -> TxnIndexState {
        for (slot, txn) in self.iter().enumerate() {
            if let Err(error) = self.check_version(slot, &txn) {
                return TxnIndexState::Fatal(error);
            }
            if txn.last_offset < self.base() {
                let (found, least) = (txn.last_offset.get(), self.base().get());
                let rule = Rule::Below { what: "the last offset of a transaction", found, least };
                return TxnIndexState::Recovered(self.corrupt(slot, LAST_OFFSET_AT, rule));
            }
        }
        TxnIndexState::Accepted
    }

    fn check_version(&self, slot: usize, txn: &AbortedTxn) -> Result<()> {
        if txn.stored_version <= VERSION {
            return Ok(());
        }
        let rule = Rule::Version { what: "aborted transaction", found: txn.stored_version.into(), known: "0" };
        Err(self.corrupt(slot, 0, rule))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn txn(producer: i64, first: i64, last: i64, last_stable: i64) -> AbortedTxn {
        AbortedTxn {
            stored_version: 0,
            producer_id: ProducerId::new(producer),
            first_offset: Offset::new(first),
            last_offset: Offset::new(last),
            last_stable_offset: Offset::new(last_stable),
        }
    }

    fn index(base: i64, txns: &[AbortedTxn]) -> TxnIndex {
        let mut bytes = Vec::new();
        txns.iter().for_each(|txn| txn.encode(&mut bytes));
        TxnIndex::new("x.txnindex", Offset::new(base), bytes)
    }

    fn four() -> [AbortedTxn; 4] {
        [txn(0, 0, 10, 11), txn(1, 5, 15, 13), txn(2, 18, 35, 25), txn(3, 32, 50, 40)]
    }

    // conformance: TXI-007
    #[test]
    fn an_entry_is_its_thirty_four_bytes() {
        let mut bytes = vec![0, 0];
        for number in [4000_i64, 100, 105, 103] {
            bytes.extend(number.to_be_bytes());
        }
        assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0]);
        let mut out = Vec::new();
        txn(4000, 100, 105, 103).encode(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(AbortedTxn::decode(&bytes), Some(txn(4000, 100, 105, 103)));
        assert_eq!(AbortedTxn::decode(&bytes[..33]), None);
    }

    // conformance: TXI-005
    #[test]
    fn aborted_transactions_that_reach_into_a_range_are_collected() {
        let index = index(0, &four());
        let all = &[0, 1, 2, 3][..];
        for (from, until, which, is_complete) in [
            (0, 100, all, false),
            (0, 32, &all[..3], true),
            (0, 35, all, true),
            (10, 35, all, true),
            (11, 35, &all[1..], true),
            (20, 41, &all[2..], false),
        ] {
            let transactions = which.iter().map(|&n: &usize| four()[n]).collect();
            let found = index.collect(Offset::new(from), Offset::new(until)).unwrap();
            assert_eq!(found, AbortedTxns { transactions, is_complete }, "{from} to {until}");
        }
    }

    // conformance: TXI-002
    #[test]
    fn an_entry_below_the_base_has_the_segment_recovered() {
        assert!(matches!(index(10, &four()).state(), TxnIndexState::Accepted));
        let TxnIndexState::Recovered(error) = index(100, &four()).state() else { panic!("accepted") };
        assert_eq!(error.to_string(), "x.txnindex at byte 18: the last offset of a transaction is 10, below 100");
    }

    #[test]
    fn a_version_above_0_is_fatal_and_one_below_is_not() {
        let with = |stored_version| AbortedTxn { stored_version, ..txn(7, 20, 30, 30) };
        assert!(matches!(index(0, &[with(0), with(-1), with(i16::MIN)]).state(), TxnIndexState::Accepted));
        for version in [1, 255, 256, i16::MAX] {
            assert!(matches!(index(0, &[with(version)]).state(), TxnIndexState::Fatal(_)), "{version}");
        }

        let fatal = index(15, &[txn(1, 5, 16, 16), with(1), txn(0, 0, 10, 11)]);
        let TxnIndexState::Fatal(error) = fatal.state() else { panic!("not fatal") };
        assert_eq!(error.to_string(), "x.txnindex at byte 34: aborted transaction version is 1; 0 is known");
        assert!(fatal.collect(Offset::new(0), Offset::new(100)).is_err());
        let before = fatal.collect(Offset::new(0), Offset::new(16)).unwrap();
        assert_eq!((before.transactions.len(), before.is_complete), (1, true));
    }

    proptest! {
        #[test]
        fn any_bytes_answer_every_question(
            bytes in prop::collection::vec(any::<u8>(), 0..200), base: i64, from: i64, until: i64,
        ) {
            let index = TxnIndex::new("x.txnindex", Offset::new(base), bytes);
            let _ = index.state();
            let _ = index.collect(Offset::new(from), Offset::new(until));
        }
    }
}
