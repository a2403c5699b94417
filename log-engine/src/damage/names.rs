//! Faults of people: names that nobody expects, folders copied, renamed and gone.

use std::path::PathBuf;

use super::fault::Change;
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::log::DirectoryState;
use crate::segment::SegmentFile::{OffsetIndex, TimeIndex};
use crate::units::Offset;

pub(super) const KINDS: &[Kind] = &[
    Kind::new("unknown-file", "a file that is none of Kafka's", |s| beside(s, "notes.txt", b"hello")),
    Kind::new("unknown-file-log-name", "a .log without a number", |s| beside(s, "backup.log", b"hello")),
    Kind::new("unknown-file-index-name", "an .index without a number", |s| beside(s, "backup.index", b"hello")),
    Kind::new("unknown-file-log-short-number", "a .log whose number has one digit", |s| beside(s, "5.log", b"")),
    Kind::new("unknown-file-log-bak", "a .log.bak", |s| beside(s, "00000000000000000000.log.bak", &[b'x'; 40])),
    Kind::new("unknown-orphan-index", "an .index without a .log", |s| orphan(s, OffsetIndex, 8)),
    Kind::new("unknown-orphan-timeindex", "a .timeindex without a .log", |s| orphan(s, TimeIndex, 12)),
    Kind::new("unknown-subdirectory", "a folder in a partition's folder", |s| beside(s, "sub/x.txt", b"hello")),
    Kind::new("root-unknown-file", "a file at the root that is none of Kafka's", |s| {
        at_root(s, "README.txt", b"hello")
    }),
    Kind::new("root-unknown-directory", "a folder at the root that is no partition's", |s| {
        at_root(s, "backup/x.txt", b"hello")
    }),
    Kind::new("root-lost-and-found", "what a file system's check leaves", |s| at_root(s, "lost+found/.keep", b"")),
    Kind::new("root-hidden-directory", "what a file system's snapshots are called", |s| {
        at_root(s, ".snapshots/.keep", b"")
    }),
    Kind::new("root-dash-directory", "a folder that is called as if it were a partition's", |s| {
        at_root(s, "my-backup/x.txt", b"hello")
    }),
    Kind::new("root-unknown-topic", "a copy of the partition as one of a topic that nobody knows", |s| {
        copied(s, "ghost-0", false)
    }),
    Kind::new("root-partition-9", "a copy of the partition as number 9", |s| {
        let Some(partition) = s.partition() else { return Ok(None) };
        let name = format!("{}-9", partition.topic);
        copied(s, &name, false)
    }),
    Kind::new("root-delete-directory", "a copy of the partition as -delete", |s| {
        suffixed(s, DirectoryState::Delete, false)
    }),
    Kind::new("root-stray-directory", "a copy of the partition as -stray", |s| {
        suffixed(s, DirectoryState::Stray, false)
    }),
    Kind::new("root-future-directory", "a copy of the partition as -future", |s| {
        suffixed(s, DirectoryState::Future, false)
    }),
    Kind::new("root-delete-is-the-only-copy", "the partition is there as -delete only", |s| {
        suffixed(s, DirectoryState::Delete, true)
    }),
    Kind::new("root-stray-is-the-only-copy", "the partition is there as -stray only", |s| {
        suffixed(s, DirectoryState::Stray, true)
    }),
    Kind::new("partition-missing", "the partition's folder is gone", |s| gone(s)),
];

fn new_file(site: &Site<'_>, file: PathBuf, bytes: &[u8]) -> Planned {
    Ok(site.is_free(&file)?.then(|| vec![Change::NewFile { file, bytes: bytes.to_vec() }]))
}

fn beside(site: &Site<'_>, name: &str, bytes: &[u8]) -> Planned {
    new_file(site, site.beside(name), bytes)
}

fn at_root(site: &Site<'_>, name: &str, bytes: &[u8]) -> Planned {
    site.at_root(name).map_or(Ok(None), |file| new_file(site, file, bytes))
}

/// An index of zeros at an offset at which no segment begins.
fn orphan(site: &Site<'_>, file: crate::segment::SegmentFile, len: usize) -> Planned {
    let taken = |base: &Offset| site.folder.segments.contains_key(base);
    let Some(base) = (7..).map(Offset::new).find(|base| !taken(base)) else { return Ok(None) };
    new_file(site, site.file(base, file), &vec![0; len])
}

/// The partition's folder is there under another name: as well, or only.
fn copied(site: &Site<'_>, name: &str, is_moved: bool) -> Planned {
    let Some(folder) = site.at_root(name) else { return Ok(None) };
    if !site.is_free(&folder)? {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for file in site.all_files()? {
        let to = folder.join(file.file_name().unwrap_or_default());
        changes.push(Change::Copy { from: vec![file], to, cut: 0 });
    }
    if is_moved {
        let Some(gone) = gone(site)? else { return Ok(None) };
        changes.extend(gone);
    }
    Ok(Some(changes))
}

fn suffixed(site: &mut Site<'_>, state: DirectoryState, is_moved: bool) -> Planned {
    let Some(partition) = site.partition().cloned() else { return Ok(None) };
    let id = u128::from(site.random.next()) << 64 | u128::from(site.random.next());
    copied(site, &format!("{partition}.{id:032x}{}", state.suffix()), is_moved)
}

fn gone(site: &Site<'_>) -> Planned {
    // Not the directory that was given: a fault lies in it.
    let Some(folder) = site.folder.path.file_name().and_then(|name| site.at_root(name.to_str()?)) else {
        return Ok(None);
    };
    let mut changes = Vec::new();
    let files = site.all_files()?;
    if files.len() < site.fs.list(&site.folder.path)?.len() {
        return Ok(None);
    }
    for file in files {
        changes.extend(site.removal(file)?);
    }
    changes.push(Change::RemovedFolder { folder });
    Ok(Some(changes))
}
