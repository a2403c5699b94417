//! Faults in the lists of aborted transactions.

use super::fields::{TXN_ENTRY_LEN, TXN_FIRST_OFFSET, TXN_LAST_OFFSET, TXN_VERSION, read_number, write_number};
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::segment::SegmentFile;
use crate::units::Offset;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("txnindex-missing", "a transaction index is gone", |s| {
        let Some((base, _)) = listed(s)? else { return Ok(None) };
        let file = s.file(base, SegmentFile::TxnIndex);
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
    Kind::new("txnindex-empty", "a transaction index has 0 bytes", |s| edit(s, |_, _, new| new.clear())),
    Kind::new("txnindex-truncated", "a transaction index lacks its last 10 bytes", |s| {
        edit(s, |_, _, new| new.truncate(new.len().saturating_sub(10)))
    }),
    Kind::new("txnindex-version", "a transaction index begins with version 1", |s| {
        edit(s, |_, _, new| write_number(new, TXN_VERSION, 1))
    }),
    Kind::new("txnindex-below-base", "an aborted transaction ends below its segment", |s| {
        edit(s, |_, base, new| write_number(new, TXN_LAST_OFFSET, base.get().saturating_sub(5)))
    }),
    Kind::new("txnindex-first-offset", "an aborted transaction begins 4 offsets early", |s| {
        edit(s, |_, _, new| {
            let first = read_number(new, TXN_FIRST_OFFSET);
            write_number(new, TXN_FIRST_OFFSET, first.saturating_sub(4).max(0));
        })
    }),
    Kind::new("txnindex-garbage", "an entry of a transaction index holds random bytes", |s| {
        edit(s, |s, _, new| new.iter_mut().take(TXN_ENTRY_LEN).skip(2).for_each(|byte| *byte = s.byte()))
    }),
];

/// A transaction index with an entry, and its bytes.
fn listed(site: &mut Site<'_>) -> Result<Option<(Offset, Vec<u8>)>, crate::error::Error> {
    let has_entry = |len: Option<u64>| len.is_some_and(|len| len >= TXN_ENTRY_LEN as u64);
    let bases: Vec<Offset> =
        site.folder.segments.iter().filter(|(_, files)| has_entry(files.txn_index)).map(|(base, _)| *base).collect();
    let Some(base) = bases.get(site.random.below(bases.len())).copied() else { return Ok(None) };
    Ok(site.read(&site.file(base, SegmentFile::TxnIndex))?.map(|bytes| (base, bytes)))
}

fn edit(site: &mut Site<'_>, change: fn(&mut Site<'_>, Offset, &mut Vec<u8>)) -> Planned {
    let Some((base, old)) = listed(site)? else { return Ok(None) };
    let mut new = old.clone();
    change(site, base, &mut new);
    Ok(site.rewritten(site.file(base, SegmentFile::TxnIndex), &old, &new).map(|change| vec![change]))
}
