//! Names that no broker writes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::testing::memory_fs::MemoryFs;

/// Beside a segment's files.
const FILES: &[&[u8]] = &[
    b"9223372036854775807.log",
    b"09223372036854775807.log",
    b"09223372036854775808.log",
    b"99999999999999999999.log",
    b"0000000000000000000.log",
    b"000000000000000000000.log",
    b"0000000000000000000042.log",
    b"-0000000000000000001.log",
    b"00000000000000000 42.log",
    b"0000000000000000004\xb2.log",
    b"\xff\xfe\xfd.log",
    b"\xff.index",
    b"...log",
    b"..log",
    b".log",
    b"00000000000000000042.log.deleted.deleted",
    b"00000000000000000042.log.swap",
    b"00000000000000000042.log.cleaned",
    b"09223372036854775807.snapshot",
    b"09223372036854775807.index",
    b"09223372036854775807.timeindex.swap",
    b"leader-epoch-checkpoint.tmp",
    b"a name\nof two lines",
];
/// Beside the folders of partitions, each with a file in it.
const FOLDERS: &[&[u8]] = &[
    b"..-0/00000000000000000000.log",
    b".-0/00000000000000000000.log",
    b"orders-2147483647/00000000000000000000.log",
    b"orders-2147483648/00000000000000000000.log",
    b"orders-99999999999999999999/00000000000000000000.log",
    b"orders--1/00000000000000000000.log",
    b"orders-/00000000000000000000.log",
    b"-0/00000000000000000000.log",
    b"\xff\xfe-0/00000000000000000000.log",
    b"orders-0.deadbeefdeadbeefdeadbeefdeadbeef-delete/00000000000000000000.log",
    b"orders-0.deadbeefdeadbeefdeadbeefdeadbeef-future/00000000000000000000.log",
    b"orders-0.x-stray/00000000000000000000.log",
    b"lost+found/file",
    b"remote-log-index-cache/file",
];

/// Each odd name, as a path in the directory, with the file whose copy gets it.
#[must_use]
pub fn odd_names(base: &MemoryFs) -> Vec<(PathBuf, PathBuf)> {
    let is_log = |file: &&Path| file.extension() == Some(OsStr::new("log"));
    let Some(log) = base.files().map(|(file, _)| file).find(is_log) else { return Vec::new() };
    let root = log.parent().and_then(Path::parent).unwrap_or(log);
    let beside = |name: &&[u8]| log.with_file_name(OsStr::from_bytes(name));
    let above = |name: &&[u8]| root.join(OsStr::from_bytes(name));
    let names = FILES.iter().map(beside).chain(FOLDERS.iter().map(above));
    names.map(|name| (log.to_owned(), name)).collect()
}
