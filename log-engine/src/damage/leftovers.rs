//! Faults of operations that a crash left half done: segment files on their way in or out.

use std::path::PathBuf;

use super::fault::Change;
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::checkpoint::{EpochCheckpoint, OffsetCheckpoint};
use crate::error::Result;
use crate::segment::SegmentFile::{self, Log, OffsetIndex, Snapshot, TimeIndex};
use crate::segment::{Leftover, SegmentName};
use crate::units::Offset;

const SEGMENT: &[SegmentFile] = &[Log, OffsetIndex, TimeIndex];

pub(super) const KINDS: &[Kind] = &[
    Kind::new("leftover-deleted", "a segment's files are there once more as .deleted", |s| {
        beside(s, Leftover::Deleted, &[Log, OffsetIndex, TimeIndex, Snapshot])
    }),
    Kind::new("leftover-deleted-only-copy", "a segment's files are there as .deleted only", |s| {
        instead(s, Leftover::Deleted)
    }),
    Kind::new("leftover-cleaned", "a segment's files are there once more as .cleaned", |s| {
        beside(s, Leftover::Cleaned, SEGMENT)
    }),
    Kind::new("leftover-cleaned-only-copy", "a segment's files are there as .cleaned only", |s| {
        instead(s, Leftover::Cleaned)
    }),
    Kind::new("leftover-swap-same-segment", "a segment's files are there once more as .swap", |s| {
        beside(s, Leftover::Swap, SEGMENT)
    }),
    Kind::new("leftover-swap-only-copy", "a segment's files are there as .swap only", |s| instead(s, Leftover::Swap)),
    Kind::new("leftover-swap-log-only", "a .log is there once more as .swap, its indexes are not", |s| {
        beside(s, Leftover::Swap, &[Log])
    }),
    Kind::new("leftover-swap-index-only", "indexes are there once more as .swap, their .log is not", |s| {
        beside(s, Leftover::Swap, &[OffsetIndex, TimeIndex])
    }),
    Kind::new("leftover-swap-merged", "a .swap that holds two segments, both still there", |s| merged(s, 0)),
    Kind::new("leftover-swap-torn", "a .swap that holds two segments and lacks its last 37 bytes", |s| merged(s, 37)),
    Kind::new("leftover-swap-and-cleaned", "a .swap of two segments beside a .cleaned of an earlier one", |s| {
        let Some(mut changes) = merged(s, 0)? else { return Ok(None) };
        let Some((first, _)) = s.logs().first().copied() else { return Ok(None) };
        let Some(cleaned) = copies(s, first, Leftover::Cleaned, &[Log])? else { return Ok(None) };
        changes.extend(cleaned);
        changes.push(Change::NewFile { file: leftover(s, first, OffsetIndex, Leftover::Cleaned), bytes: Vec::new() });
        Ok(Some(changes))
    }),
    Kind::new("leftover-tmp", "half a leader-epoch file under its temporary name", |s| {
        let file = s.beside(&format!("{}.tmp", EpochCheckpoint::FILE_NAME));
        Ok(s.is_free(&file)?.then(|| vec![Change::NewFile { file, bytes: b"0\n1\n0".to_vec() }]))
    }),
    Kind::new("leftover-root-tmp", "half a file of recovery points under its temporary name", |s| {
        let Some(file) = s.at_root(&format!("{}.tmp", OffsetCheckpoint::RECOVERY_POINT)) else { return Ok(None) };
        Ok(s.is_free(&file)?.then(|| vec![Change::NewFile { file, bytes: b"0\n".to_vec() }]))
    }),
];

fn leftover(site: &Site<'_>, base: Offset, file: SegmentFile, leftover: Leftover) -> PathBuf {
    site.beside(&SegmentName { base, file, leftover: Some(leftover), digits: 20 }.to_string())
}

/// Copies of those of the files that are there; `None` if the `.log`'s or a copy's name is taken.
fn copies(site: &Site<'_>, base: Offset, suffix: Leftover, files: &[SegmentFile]) -> Result<Option<Vec<Change>>> {
    let mut changes = Vec::new();
    for file in files {
        let (from, to) = (site.file(base, *file), leftover(site, base, *file, suffix));
        if !site.is_free(&to)? {
            return Ok(None);
        }
        if site.len(&from)?.is_some() {
            changes.push(Change::Copy { from: vec![from], to, cut: 0 });
        }
    }
    Ok(Some(changes))
}

fn beside(site: &mut Site<'_>, suffix: Leftover, files: &[SegmentFile]) -> Planned {
    let Some((base, _)) = site.inner_segment() else { return Ok(None) };
    copies(site, base, suffix, files)
}

fn instead(site: &mut Site<'_>, suffix: Leftover) -> Planned {
    let Some((base, _)) = site.inner_segment() else { return Ok(None) };
    let Some(mut changes) = copies(site, base, suffix, SEGMENT)? else { return Ok(None) };
    for file in site.segment_files(base) {
        changes.extend(site.removal(file)?);
    }
    Ok(Some(changes))
}

/// Two neighbouring segments as one, as the cleaner makes it, before it takes their place; without its last `cut` bytes.
fn merged(site: &mut Site<'_>, cut: u64) -> Planned {
    let logs: Vec<_> = site.logs().into_iter().filter(|(_, len)| *len > 0).collect();
    // The last segment is never cleaned.
    let Some(pairs) = logs.len().checked_sub(2).filter(|pairs| *pairs > 0) else { return Ok(None) };
    let n = site.random.below(pairs);
    let (Some((base, _)), Some((second, _))) = (logs.get(n), logs.get(n + 1)) else { return Ok(None) };
    let to = leftover(site, *base, Log, Leftover::Swap);
    if !site.is_free(&to)? {
        return Ok(None);
    }
    let from = vec![site.file(*base, Log), site.file(*second, Log)];
    let mut changes = vec![Change::Copy { from, to, cut }];
    for index in [OffsetIndex, TimeIndex] {
        let file = leftover(site, *base, index, Leftover::Swap);
        if site.is_free(&file)? {
            changes.push(Change::NewFile { file, bytes: Vec::new() });
        }
    }
    Ok(Some(changes))
}
