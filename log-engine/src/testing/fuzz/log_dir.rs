//! Any files under any names as a directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::testing::look::{Place, look_around, segment_logs, sound_batches};
use crate::testing::memory_fs::{MemoryFs, Node};

/// Files of one directory; more are cut off.
const MOST_FILES: usize = 64;
/// What the kind byte of an entry says; anything else is a file.
const DIRECTORY: u8 = 1;
const LINK: u8 = 2;
const SPECIAL: u8 = 3;
const UNREADABLE: u8 = 4;

/// Looks at the directory that the bytes describe: see [`pack`].
///
/// # Panics
/// If a batch of a segment whose checksum fits is not read, or one is read that is none.
pub fn log_dir(data: &[u8]) {
    let fs = unpack(data);
    let Ok(seen) = look_around(&fs) else { return };
    let mut expected: BTreeSet<Place> = BTreeSet::new();
    for file in segment_logs(&fs) {
        if let Ok(places) = sound_batches(&fs, &file) {
            expected.extend(places.into_iter().map(|at| (file.clone(), at)));
        }
    }
    assert!(seen.batches.is_subset(&expected), "read what is no sound batch: {:?}", seen.batches);
    if !seen.refused {
        assert_eq!(seen.batches, expected);
    }
}

/// The bytes that [`log_dir`] takes for a directory. An entry a file: length of its path in one byte, path, kind in one byte, length
/// of its content in two, content; files too long for that are left out.
#[must_use]
pub fn pack(fs: &MemoryFs) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, bytes) in fs.files() {
        let name = path.strip_prefix("/").unwrap_or(path).as_os_str().as_bytes();
        if let (Ok(name_len), Ok(len)) = (u8::try_from(name.len()), u16::try_from(bytes.len())) {
            out.push(name_len);
            out.extend(name);
            out.push(0);
            out.extend(len.to_be_bytes());
            out.extend(bytes);
        }
    }
    out
}

fn unpack(mut data: &[u8]) -> MemoryFs {
    let mut fs = MemoryFs::default();
    fs.put("/", Node::Directory);
    for _ in 0..MOST_FILES {
        let Some((path, kind, content, rest)) = take_entry(data) else { break };
        data = rest;
        // Only names that a folder can hold.
        let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
        if path.components().count() == 0 || !path.components().all(is_name) || path.as_os_str().as_bytes().contains(&0)
        {
            continue;
        }
        let path: PathBuf = Path::new("/").join(path).components().collect();
        match kind {
            DIRECTORY => fs.put(path, Node::Directory),
            LINK => fs.put(path, Node::Link),
            SPECIAL => fs.put(path, Node::Special),
            UNREADABLE => fs.put(path, Node::Unreadable),
            _ => fs.put_file(path, content),
        }
    }
    fs
}

fn take_entry(data: &[u8]) -> Option<(&Path, u8, &[u8], &[u8])> {
    let (&name_len, data) = data.split_first()?;
    let (name, data) = data.split_at_checked(name_len.into())?;
    let (&kind, data) = data.split_first()?;
    let (len, data) = data.split_first_chunk()?;
    let (content, rest) = data.split_at(usize::from(u16::from_be_bytes(*len)).min(data.len()));
    Some((Path::new(OsStr::from_bytes(name)), kind, content, rest))
}
