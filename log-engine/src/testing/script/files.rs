//! The files of a partition's folder: their sizes and checksums.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::encoding::crc32c;
use crate::error::Result;
use crate::fs::{Fs, Kind, Source};

/// Bytes of a producer snapshot in front of its entries: version, checksum, number of entries.
const SNAPSHOT_HEAD: usize = 10;
/// Bytes of one entry, which begins with the producer's id.
const SNAPSHOT_ENTRY: usize = 46;
/// The checksum covers all from here on.
const SNAPSHOT_CRC_FROM: usize = 6;

/// What is told of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// In bytes.
    pub size: u64,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
    /// Of a producer snapshot: the checksum it would have with its entries in the order of producer ids. `None` where it cannot be
    /// read as one.
    pub sorted: Option<String>,
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// All bytes of a file.
pub(super) fn read_all(fs: &dyn Fs, path: &Path) -> Result<Vec<u8>> {
    Source::open(fs, path)?.read_all(usize::MAX)
}

/// The names of the plain files in a folder, in order.
///
/// # Errors
/// If the folder cannot be listed.
pub(super) fn names(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>> {
    let files = fs.list(dir)?.into_iter().filter(|entry| entry.stat.kind == Kind::File);
    let mut names: Vec<_> = files.map(|entry| entry.name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// The plain files in a folder, by name.
///
/// # Errors
/// If the folder cannot be listed or a file not be read.
pub fn facts(fs: &dyn Fs, dir: &Path) -> Result<BTreeMap<String, FileFacts>> {
    let describe = |name: String| {
        let bytes = read_all(fs, &dir.join(&name))?;
        let sorted = name.contains(".snapshot").then(|| sorted_snapshot(&bytes)).flatten();
        let facts =
            FileFacts { size: bytes.len() as u64, sha256: sha256(&bytes), sorted: sorted.as_deref().map(sha256) };
        Ok((name, facts))
    };
    names(fs, dir)?.into_iter().map(describe).collect()
}

/// A line for each file, as the oracle writes it: `sha256 size name`, and for a producer snapshot a fourth column, its checksum with
/// the entries in order, `-` if it is none.
#[must_use]
pub fn manifest(facts: &BTreeMap<String, FileFacts>) -> String {
    facts.iter().fold(String::new(), |mut text, (name, file)| {
        // Writing to a string cannot fail.
        _ = write!(text, "{} {} {name}", file.sha256, file.size);
        if name.contains(".snapshot") {
            _ = write!(text, " {}", file.sorted.as_deref().unwrap_or("-"));
        }
        text.push('\n');
        text
    })
}

/// The snapshot with its entries in the order of producer ids.
fn sorted_snapshot(bytes: &[u8]) -> Option<Vec<u8>> {
    let (head, entries) = bytes.split_at_checked(SNAPSHOT_HEAD)?;
    let count = head.get(SNAPSHOT_CRC_FROM..).and_then(|count| count.try_into().ok()).map(i32::from_be_bytes)?;
    let mut entries: Vec<_> = entries.chunks(SNAPSHOT_ENTRY).collect();
    if entries.iter().any(|entry| entry.len() != SNAPSHOT_ENTRY) || usize::try_from(count) != Ok(entries.len()) {
        return None;
    }
    let id = |entry: &[u8]| entry.first_chunk().map(|id| i64::from_be_bytes(*id));
    entries.sort_by_key(|entry| id(entry));
    let mut sorted = [head, &entries.concat()].concat();
    let crc = crc32c(sorted.get(SNAPSHOT_CRC_FROM..)?);
    sorted.get_mut(2..SNAPSHOT_CRC_FROM)?.copy_from_slice(&crc.to_be_bytes());
    Some(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFs;
    use crate::testing::golden;

    #[test]
    fn a_snapshot_sorted_is_a_snapshot_whose_checksum_fits() {
        let entry = |id: i64| [&id.to_be_bytes()[..], &[7; SNAPSHOT_ENTRY - 8]].concat();
        let snapshot = |ids: &[i64]| {
            let entries: Vec<u8> = ids.iter().flat_map(|id| entry(*id)).collect();
            let body = [&u32::try_from(ids.len()).unwrap().to_be_bytes()[..], &entries].concat();
            [&[0, 1][..], &crc32c(&body).to_be_bytes(), &body].concat()
        };
        assert_eq!(sorted_snapshot(&snapshot(&[17, -3, 4])), Some(snapshot(&[-3, 4, 17])));
        assert_eq!(sorted_snapshot(&snapshot(&[])), Some(snapshot(&[])));
        assert_eq!(sorted_snapshot(&snapshot(&[1])[..55]), None);
        assert_eq!(sorted_snapshot(&[0; 9]), None);
    }

    #[test]
    fn a_manifest_has_a_line_a_file() {
        let files = facts(&OsFs, &golden::sample().join("txn-0")).unwrap();
        let text = manifest(&files);
        assert_eq!(text.lines().count(), files.len());
        let snapshots: Vec<_> = text.lines().filter(|line| line.contains(".snapshot")).collect();
        assert!(!snapshots.is_empty() && snapshots.iter().all(|line| line.split(' ').count() == 4), "{text}");
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
