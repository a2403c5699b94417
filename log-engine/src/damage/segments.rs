//! Faults of whole segments: files gone or emptied.

use super::fault::{Change, MAX_SHOWN};
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::segment::SegmentFile;
use crate::units::{FilePosition, Offset};

pub(super) const KINDS: &[Kind] = &[
    Kind::new("segment-missing", "all files of a segment are gone", |s| {
        inner(s).map_or(Ok(None), |base| missing(s, base))
    }),
    Kind::new("segment-log-missing", "a segment's .log is gone, and its indexes are not", |s| {
        let Some(base) = inner(s) else { return Ok(None) };
        let file = s.file(base, SegmentFile::Log);
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
    Kind::new("segment-first-missing", "all files of the first segment are gone", |s| {
        s.logs().first().map_or(Ok(None), |(base, _)| missing(s, *base))
    }),
    Kind::new("segment-last-missing", "all files of the last segment are gone", |s| {
        s.last_segment().map_or(Ok(None), |(base, _)| missing(s, base))
    }),
    Kind::new("segment-empty", "a segment's .log has 0 bytes", empty),
];

fn inner(site: &mut Site<'_>) -> Option<Offset> {
    site.inner_segment().map(|(base, _)| base)
}

fn missing(site: &Site<'_>, base: Offset) -> Planned {
    let mut changes = Vec::new();
    for file in site.segment_files(base) {
        changes.extend(site.removal(file)?);
    }
    Ok(Some(changes))
}

fn empty(site: &mut Site<'_>) -> Planned {
    let Some((base, old_len)) = site.inner_segment() else { return Ok(None) };
    let file = site.file(base, SegmentFile::Log);
    let mut old = vec![0; MAX_SHOWN];
    let n = site.open(&file)?.read_at(&mut old, 0)?;
    old.truncate(n);
    Ok(Some(vec![Change::Bytes { file, position: FilePosition::START, old_len, old, new: Vec::new() }]))
}
