//! Faults of power cuts and disks: torn and padded ends, sectors of zeros.

use std::path::PathBuf;

use super::fault::{Change, MAX_SHOWN};
use super::kind::{Kind, Planned};
use super::pick::Where;
use super::site::{Site, changed};
use crate::segment::SegmentFile;
use crate::units::{FilePosition, Offset};

pub(super) const KINDS: &[Kind] = &[
    Kind::new("tail-cut-mid-batch", "the last segment ends inside the records of its last batch", |s| {
        cut(s, |s, len| 62 + s.random.below(len.saturating_sub(63)))
    }),
    Kind::new("tail-cut-in-header", "the last segment ends inside the head of its last batch", |s| {
        cut(s, |s, _| 18 + s.random.below(42))
    }),
    Kind::new("tail-cut-stub", "of the last batch less than 12 bytes are there", |s| {
        cut(s, |s, _| 1 + s.random.below(11))
    }),
    Kind::new("tail-cut-at-boundary", "the last batch is not there", |s| cut(s, |_, _| 0)),
    Kind::new("tail-plus-1", "a byte stands behind the last batch", |s| at_end(s, |s| s.garbage(1))),
    Kind::new("tail-plus-5", "5 bytes stand behind the last batch", |s| at_end(s, |s| s.garbage(5))),
    Kind::new("tail-plus-11", "11 bytes stand behind the last batch", |s| at_end(s, |s| s.garbage(11))),
    Kind::new("tail-zeros-100", "100 zeros stand behind the last batch", |s| at_end(s, |_| vec![0; 100])),
    Kind::new("tail-zeros-4096", "4096 zeros stand behind the last batch", |s| at_end(s, |_| vec![0; 4096])),
    Kind::new("tail-garbage", "200 random bytes stand behind the last batch", |s| at_end(s, |s| s.garbage(200))),
    Kind::new("segment-tail-garbage", "60 random bytes stand at the end of an earlier segment", |s| {
        at_inner_end(s, |s| s.garbage(60))
    }),
    Kind::new("segment-tail-zeros", "64 zeros stand at the end of an earlier segment", |s| {
        at_inner_end(s, |_| vec![0; 64])
    }),
    Kind::new("sector-zero-512", "a sector of 512 bytes holds zeros", |s| sector(s, 512)),
    Kind::new("page-zero-4096", "a page of 4096 bytes holds zeros", |s| sector(s, 4096)),
    Kind::new("segment-zero-whole", "a segment holds nothing but zeros", segment_of_zeros),
    Kind::new("sector-doubled", "a sector is there twice, and all behind it moves on", doubled),
    Kind::new("sectors-swapped", "two sectors have changed places", swapped),
    Kind::new("sector-stale", "a sector holds the bytes of another", stale),
];

/// Of the last batch only so many bytes are left as `keep` says for its length.
fn cut(site: &mut Site<'_>, keep: fn(&mut Site<'_>, usize) -> usize) -> Planned {
    let Some(batch) = site.pick(Where::Last, |_| true)? else { return Ok(None) };
    let left = keep(site, batch.bytes.len());
    let Some(file_len) = site.len(&batch.file)? else { return Ok(None) };
    let position = batch.position.saturating_add(left as u64);
    let old: Vec<u8> = batch.bytes.iter().skip(left).take(MAX_SHOWN).copied().collect();
    let old_len = file_len.saturating_sub(position);
    let is_cut = left < batch.bytes.len();
    Ok(is_cut.then(|| {
        vec![Change::Bytes {
            file: batch.file.clone(),
            position: FilePosition::new(position),
            old_len,
            old,
            new: Vec::new(),
        }]
    }))
}

/// Bytes behind the end of a file.
fn appended(site: &mut Site<'_>, base: Offset, len: u64, new: fn(&mut Site<'_>) -> Vec<u8>) -> Change {
    let new = new(site);
    let file = site.file(base, SegmentFile::Log);
    Change::Bytes { file, position: FilePosition::new(len), old_len: 0, old: Vec::new(), new }
}

fn at_end(site: &mut Site<'_>, new: fn(&mut Site<'_>) -> Vec<u8>) -> Planned {
    let Some((base, len)) = site.last_segment() else { return Ok(None) };
    Ok(Some(vec![appended(site, base, len, new)]))
}

fn at_inner_end(site: &mut Site<'_>, new: fn(&mut Site<'_>) -> Vec<u8>) -> Planned {
    let last = site.last_segment().map(|(base, _)| base);
    let Some((base, len)) = site.inner_segment().filter(|(base, _)| Some(*base) != last) else { return Ok(None) };
    Ok(Some(vec![appended(site, base, len, new)]))
}

/// The bytes of a range of a segment.
struct Piece {
    file: PathBuf,
    at: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn becomes(&self, new: &[u8]) -> Option<Change> {
        changed(self.file.clone(), FilePosition::new(self.at), &self.bytes, new)
    }
}

/// The `n`th sector of a segment; the last one may be short.
fn piece(site: &Site<'_>, base: Offset, n: usize, size: usize) -> Result<Piece, crate::error::Error> {
    let file = site.file(base, SegmentFile::Log);
    let at = (n as u64).saturating_mul(size as u64);
    let mut bytes = vec![0; size];
    let read = site.open(&file)?.read_at(&mut bytes, at)?;
    bytes.truncate(read);
    Ok(Piece { file, at, bytes })
}

fn sectors(len: u64, size: usize) -> usize {
    usize::try_from(len.div_ceil(size as u64)).unwrap_or(usize::MAX)
}

/// A sector that holds other bytes than zeros; not the first one, if there are others.
fn sector(site: &mut Site<'_>, size: usize) -> Planned {
    let Some((base, len)) = site.inner_segment() else { return Ok(None) };
    let count = sectors(len, size);
    let n = if count > 1 { 1 + site.random.below(count - 1) } else { 0 };
    let piece = piece(site, base, n, size)?;
    Ok(piece.becomes(&vec![0; piece.bytes.len()]).map(|change| vec![change]))
}

fn segment_of_zeros(site: &mut Site<'_>) -> Planned {
    let Some((base, _)) = site.inner_segment() else { return Ok(None) };
    let file = site.file(base, SegmentFile::Log);
    let Some(old) = site.read(&file)? else { return Ok(None) };
    let zeros = vec![0; old.len()];
    Ok(site.rewritten(file, &old, &zeros).map(|change| vec![change]))
}

/// Two sectors of a segment, the first one before the other; `None` if there are not as many whole ones.
fn two(site: &mut Site<'_>) -> Result<Option<(Piece, Piece)>, crate::error::Error> {
    const SECTOR: usize = 512;
    let Some((base, len)) = site.inner_segment() else { return Ok(None) };
    let whole = sectors(len, SECTOR).saturating_sub(1);
    if whole < 2 {
        return Ok(None);
    }
    let one = site.random.below(whole);
    let other = (one + 1 + site.random.below(whole - 1)) % whole;
    let (first, second) = (one.min(other), one.max(other));
    Ok(Some((piece(site, base, first, SECTOR)?, piece(site, base, second, SECTOR)?)))
}

fn doubled(site: &mut Site<'_>) -> Planned {
    let Some((one, _)) = two(site)? else { return Ok(None) };
    Ok(one.becomes(&[&one.bytes[..], &one.bytes].concat()).map(|change| vec![change]))
}

fn swapped(site: &mut Site<'_>) -> Planned {
    let Some((one, other)) = two(site)? else { return Ok(None) };
    Ok(one.becomes(&other.bytes).zip(other.becomes(&one.bytes)).map(|(a, b)| vec![a, b]))
}

fn stale(site: &mut Site<'_>) -> Planned {
    let Some((one, other)) = two(site)? else { return Ok(None) };
    Ok(other.becomes(&one.bytes).map(|change| vec![change]))
}
