//! A planned fault becomes a real one. Written, not synced: a copy that is damaged need not survive a crash.

use std::io;
use std::path::Path;

use super::fault::{Change, Fault};
use crate::error::{Error, Result};
use crate::fs::{File, OpenMode, Source, WriteFile, WriteFs, write_all_at};

/// Bytes that are moved at a time.
const PIECE: usize = 64 << 10;

impl Fault {
    /// Changes the files below `dir`, which has to be as it was when the fault was planned.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses, also in the middle.
    pub fn apply(&self, fs: &dyn WriteFs, dir: &Path) -> Result<()> {
        self.changes.iter().try_for_each(|change| change.apply(fs, dir))
    }
}

impl Change {
    fn apply(&self, fs: &dyn WriteFs, dir: &Path) -> Result<()> {
        let path = dir.join(self.path());
        match self {
            Self::Bytes { position, old_len, new, .. } => {
                let file = fs.open_write(&path, OpenMode::Existing)?;
                splice(&*file, &path, position.get(), *old_len, new)
            }
            Self::NewFile { bytes, .. } => {
                let file = new_file(fs, &path)?;
                write_all_at(&*file, &path, bytes, 0)
            }
            Self::Copy { from, cut, .. } => {
                let file = new_file(fs, &path)?;
                let mut end = 0_u64;
                for source in from {
                    end = end.saturating_add(append(&Source::open(fs, &dir.join(source))?, &*file, &path, end)?);
                }
                file.set_len(end.saturating_sub(*cut)).map_err(|e| Error::io("truncate", &path, e))
            }
            Self::Removed { .. } => fs.remove(&path),
            Self::RemovedFolder { .. } => fs.remove_dir(&path),
        }
    }
}

/// A file under a name that is free; folders above it are made.
fn new_file(fs: &dyn WriteFs, path: &Path) -> Result<std::sync::Arc<dyn WriteFile>> {
    let mut missing = Vec::new();
    for folder in path.ancestors().skip(1) {
        if fs.stat(folder)?.is_some() {
            break;
        }
        missing.push(folder);
    }
    missing.iter().rev().try_for_each(|folder| fs.create_dir(folder))?;
    fs.open_write(path, OpenMode::New)
}

/// All of `source` to `position` of `file`; how many bytes that were.
fn append(source: &Source, file: &dyn WriteFile, path: &Path, position: u64) -> Result<u64> {
    let mut buffer = vec![0; PIECE];
    let mut done = 0_u64;
    loop {
        let n = source.read_at(&mut buffer, done)?;
        if n == 0 {
            return Ok(done);
        }
        write_all_at(file, path, buffer.get(..n).unwrap_or_default(), position.saturating_add(done))?;
        done = done.saturating_add(n as u64);
    }
}

/// `new` in the place of the `old_len` bytes at `at`.
fn splice(file: &dyn WriteFile, path: &Path, at: u64, old_len: u64, new: &[u8]) -> Result<()> {
    let size = file.size().map_err(|e| Error::io("stat", path, e))?;
    let (from, to) = (at.saturating_add(old_len), at.saturating_add(new.len() as u64));
    let behind = size.saturating_sub(from);
    if from != to {
        move_bytes(file, path, from, to, behind)?;
    }
    write_all_at(file, path, new, at)?;
    if to < from {
        file.set_len(to.saturating_add(behind)).map_err(|e| Error::io("truncate", path, e))?;
    }
    Ok(())
}

/// The `len` bytes at `from` go to `to`, which may lie among them.
fn move_bytes(file: &dyn WriteFile, path: &Path, from: u64, to: u64, len: u64) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut moved = 0;
    while moved < len {
        let piece = (len - moved).min(PIECE as u64);
        // What would be overwritten is moved first.
        let at = if to > from { len - moved - piece } else { moved };
        let bytes = buffer.get_mut(..usize::try_from(piece).unwrap_or(PIECE)).unwrap_or_default();
        read_exact_at(file, bytes, from.saturating_add(at)).map_err(|e| Error::io("read", path, e))?;
        write_all_at(file, path, bytes, to.saturating_add(at))?;
        moved += piece;
    }
    Ok(())
}

fn read_exact_at(file: &(impl File + ?Sized), into: &mut [u8], position: u64) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position.saturating_add(filled as u64))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled = filled.saturating_add(n),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::SimFs;

    #[test]
    fn bytes_behind_a_change_move_however_long_they_are() {
        let path = Path::new("/file");
        for len in [0, 1, 5, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let old: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            for (at, old_len, new) in [(0, 0, 5), (0, 5, 0), (2, 3, 3), (1, 4, PIECE + 3), (0, len, 2), (len, 0, 9)] {
                if at + old_len > len {
                    continue;
                }
                let disk = SimFs::with_files([(path, &old)]);
                let new = vec![0xee; new];
                let file = disk.open_write(path, OpenMode::Existing).unwrap();
                splice(&*file, path, at as u64, old_len as u64, &new).unwrap();
                let mut expected = old.clone();
                expected.splice(at..at + old_len, new);
                assert!(disk.files()[path] == expected, "{len} bytes, {old_len} at {at}");
            }
        }
    }
}
