//! Faults in the snapshots of producers.

use super::fault::Change;
use super::fields::{SNAPSHOT_CRC, SNAPSHOT_HEAD_LEN, SNAPSHOT_VERSION, write_number};
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::encoding::crc32c;
use crate::error::Result;
use crate::segment::SegmentFile;
use crate::units::Offset;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("snapshot-crc", "a bit of the newest snapshot flips", |s| {
        newest(s, |_, new| new.last_mut().into_iter().for_each(|byte| *byte ^= 1))
    }),
    Kind::new("snapshot-crc-all", "a bit of each snapshot's checksum flips", |s| {
        let mut changes = Vec::new();
        for offset in offsets(s) {
            changes.extend(edit(s, offset, |_, new| new.iter_mut().skip(3).take(1).for_each(|byte| *byte ^= 1))?);
        }
        Ok(Some(changes))
    }),
    Kind::new("snapshot-missing", "the newest snapshot is gone", |s| {
        let Some(offset) = offsets(s).pop() else { return Ok(None) };
        let file = s.file(offset, SegmentFile::Snapshot);
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
    Kind::new("snapshot-missing-all", "all snapshots are gone", |s| {
        let mut changes = Vec::new();
        for offset in offsets(s) {
            changes.extend(s.removal(s.file(offset, SegmentFile::Snapshot))?);
        }
        Ok(Some(changes))
    }),
    Kind::new("snapshot-newer", "there is a snapshot of an offset behind the log's end", |s| {
        let Some(end) = s.log_end()? else { return Ok(None) };
        copied(s, Offset::new(end.saturating_add(100)))
    }),
    Kind::new("snapshot-stray", "there is a snapshot of an offset at which no segment begins", |s| {
        let Some((base, _)) = s.inner_segment() else { return Ok(None) };
        copied(s, base.next())
    }),
    Kind::new("snapshot-trailing", "three zeros stand behind the newest snapshot", |s| {
        newest(s, |_, new| new.extend([0; 3]))
    }),
    Kind::new("snapshot-empty", "the newest snapshot has 0 bytes", |s| newest(s, |_, new| new.clear())),
    Kind::new("snapshot-version", "the newest snapshot is of version 2", |s| {
        newest(s, |_, new| write_number(new, SNAPSHOT_VERSION, 2))
    }),
    Kind::new(
        "snapshot-wrong-epoch",
        "the newest snapshot gives a producer epoch 99, under a checksum that fits",
        |s| {
            newest(s, |_, new| {
                if new.len() > SNAPSHOT_HEAD_LEN {
                    write_number(new, (SNAPSHOT_HEAD_LEN + 8, 2), 99);
                    seal(new);
                }
            })
        },
    ),
    Kind::new("snapshot-garbage-sealed", "bytes of the newest snapshot are others, under a checksum that fits", |s| {
        newest(s, |s, new| {
            let at = SNAPSHOT_CRC.0 + SNAPSHOT_CRC.1;
            let at = at + s.random.below(new.len().saturating_sub(at));
            new.iter_mut().skip(at).take(4).for_each(|byte| *byte = s.byte());
            seal(new);
        })
    }),
];

fn offsets(site: &Site<'_>) -> Vec<Offset> {
    site.folder.snapshots.keys().copied().collect()
}

fn edit(site: &mut Site<'_>, offset: Offset, change: fn(&mut Site<'_>, &mut Vec<u8>)) -> Result<Option<Change>> {
    let file = site.file(offset, SegmentFile::Snapshot);
    let Some(old) = site.read(&file)? else { return Ok(None) };
    let mut new = old.clone();
    change(site, &mut new);
    Ok(site.rewritten(file, &old, &new))
}

fn newest(site: &mut Site<'_>, change: fn(&mut Site<'_>, &mut Vec<u8>)) -> Planned {
    let Some(offset) = offsets(site).pop() else { return Ok(None) };
    Ok(edit(site, offset, change)?.map(|change| vec![change]))
}

/// The newest snapshot is there under another name, too.
fn copied(site: &Site<'_>, to: Offset) -> Planned {
    let Some(newest) = offsets(site).pop() else { return Ok(None) };
    let to = site.file(to, SegmentFile::Snapshot);
    let from = vec![site.file(newest, SegmentFile::Snapshot)];
    Ok(site.is_free(&to)?.then(|| vec![Change::Copy { from, to, cut: 0 }]))
}

/// Writes the checksum that fits.
fn seal(snapshot: &mut [u8]) {
    let from = SNAPSHOT_CRC.0 + SNAPSHOT_CRC.1;
    let checksum = crc32c(snapshot.get(from..).unwrap_or_default());
    write_number(snapshot, SNAPSHOT_CRC, i64::from(checksum));
}
