//! The bytes of a file that does not change any more: mapped, or read into memory.
//!
//! The only place with `unsafe` in it.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd};

use memmap2::{Mmap, MmapOptions};

use super::File;

/// The first bytes of a file, as a slice.
#[derive(Debug)]
pub struct Mapping(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// Reads the first `len` bytes of a file into memory.
pub(super) fn read<F: File + ?Sized>(file: &F, len: u64) -> io::Result<Mapping> {
    let mut bytes = vec![0; present(len, file.size()?)?];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled = filled.saturating_add(n),
        }
    }
    Ok(Mapping(Bytes::Read(bytes)))
}

/// Maps the first `len` bytes of a file of `size` bytes, which nobody may change or cut as long as the mapping lives.
pub(super) fn map(file: BorrowedFd<'_>, len: u64, size: u64) -> io::Result<Mapping> {
    let len = present(len, size)?;
    if len == 0 {
        // The system maps no empty range.
        return Ok(Mapping(Bytes::Read(Vec::new())));
    }
    Ok(Mapping(Bytes::Mapped(map_shared(file, len)?)))
}

#[expect(unsafe_code, reason = "a mapping is sound only as long as nobody changes the file")]
fn map_shared(file: BorrowedFd<'_>, len: usize) -> io::Result<Mmap> {
    // SAFETY: `File::map` asks of its callers that nobody changes or cuts the file as long as the mapping lives. They map indexes alone,
    // let go of the mapping before they change the file, and work in a directory that is locked against other processes.
    unsafe { MmapOptions::new().len(len).map(file.as_raw_fd()) }
}

/// A length that the file has.
fn present(len: u64, size: u64) -> io::Result<usize> {
    if len > size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::sim::SimFs;
    use crate::fs::{Fs, MemoryFile, OpenMode, OsFs, WriteFs, write_all_at};

    #[test]
    fn mapped_and_read_bytes_are_the_same_and_a_longer_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let written = OsFs.open_write(&path, OpenMode::New).unwrap();
        write_all_at(&*written, &path, b"0123456789", 0).unwrap();
        let simulated = SimFs::with_files([("/file", "0123456789")]);
        let files: [Arc<dyn File>; 4] = [
            written,
            OsFs.open(&path).unwrap(),
            simulated.open("/file".as_ref()).unwrap(),
            Arc::new(MemoryFile::new(*b"0123456789")),
        ];
        for (nth, file) in files.iter().enumerate() {
            assert_eq!(*file.map(10).unwrap(), *b"0123456789");
            assert_eq!(*file.map(4).unwrap(), *b"0123");
            assert_eq!(*file.map(0).unwrap(), *b"");
            for longer in [11, u64::MAX] {
                assert_eq!(file.map(longer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            }
            // Only who may write, and so holds the directory, maps.
            assert_eq!(matches!(file.map(10).unwrap().0, Bytes::Mapped(_)), nth == 0);
        }
    }

    #[test]
    fn a_mapping_outlives_the_name_and_the_handle_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = OsFs.open_write(&path, OpenMode::New).unwrap();
        write_all_at(&*file, &path, &[7; 10_000], 0).unwrap();
        let mapping = file.map(10_000).unwrap();
        drop(file);
        OsFs.remove(&path).unwrap();
        assert!(*mapping == [7; 10_000]);
    }
}
