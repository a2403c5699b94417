//! Faults that know nothing of what they hit: any bit, any length, any field of any file.

use std::path::{Path, PathBuf};

use super::fields::{Bound, fields, head_bytes};
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::error::Result;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("bit-flip", "a bit of any file flips", |s| {
        edit(s, |s, _, new| {
            let at = s.random.below(new.len());
            flip(s, new, at);
        })
    }),
    Kind::new("bit-flip-in-head", "a bit of the head of any batch flips, or of any other small file", |s| {
        edit(s, |s, file, new| {
            let heads: Vec<usize> = head_bytes(file, new).collect();
            if let Some(&at) = heads.get(s.random.below(heads.len())) {
                flip(s, new, at);
            }
        })
    }),
    Kind::new("field-at-bound", "a field of any file is 0, -1, the largest, the smallest, or off by one", |s| {
        edit(s, |s, file, new| field(s, file, new, false))
    }),
    Kind::new("field-at-bound-sealed", "a field is at a bound, under a checksum that fits", |s| {
        edit(s, |s, file, new| field(s, file, new, true))
    }),
    Kind::new("file-cut", "any file ends early", |s| {
        edit(s, |s, _, new| {
            let len = s.random.below(new.len());
            new.truncate(len);
        })
    }),
    Kind::new("file-empty", "any file has 0 bytes", |s| edit(s, |_, _, new| new.clear())),
    Kind::new("file-missing", "any file is gone", |s| {
        let Some(file) = any(s)?.into_iter().next() else { return Ok(None) };
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
];

/// The files of the partition and of the root around it, beginning with any of them.
fn any(site: &mut Site<'_>) -> Result<Vec<PathBuf>> {
    let mut files = site.all_files()?;
    files.extend(site.root_files()?);
    let first = site.random.below(files.len());
    files.rotate_left(first);
    Ok(files)
}

/// The first of them that `change` changes.
fn edit(site: &mut Site<'_>, change: fn(&mut Site<'_>, &Path, &mut Vec<u8>)) -> Planned {
    for file in any(site)? {
        let Some(old) = site.read(&file)? else { continue };
        let mut new = old.clone();
        change(site, &file, &mut new);
        if let Some(changed) = site.rewritten(file, &old, &new) {
            return Ok(Some(vec![changed]));
        }
    }
    Ok(None)
}

fn flip(site: &mut Site<'_>, bytes: &mut [u8], at: usize) {
    let bit = site.random.below(8);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn field(site: &mut Site<'_>, file: &Path, bytes: &mut Vec<u8>, is_sealed: bool) {
    let found: Vec<_> = fields(file, bytes).into_iter().filter(|field| field.is_sealed || !is_sealed).collect();
    let bound = Bound::ALL.get(site.random.below(Bound::ALL.len()));
    if let (Some(field), Some(bound)) = (found.get(site.random.below(found.len())), bound) {
        field.set(*bound, bytes);
        if is_sealed {
            field.seal(bytes);
        }
    }
}
