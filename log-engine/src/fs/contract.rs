//! What every disk has to do, the real one and the simulated one alike, as long as nothing crashes.

use std::io::{self, IoSlice};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::sim::SimFs;
use super::{Kind, LockHolder, OpenMode, OsFs, Source, WriteFs, replace, write_all_at};
use crate::error::{Error, Result};

/// Runs a case on both disks, in an empty folder.
fn on_both(case: impl Fn(&dyn WriteFs, &Path)) {
    let real = tempfile::tempdir().unwrap();
    case(&OsFs, real.path());
    case(&SimFs::with_folder("/data"), Path::new("/data"));
}

/// What the system said.
fn kind_of<T: std::fmt::Debug>(result: Result<T>) -> io::ErrorKind {
    match result {
        Err(Error::Io { source, .. }) => source.kind(),
        other => panic!("{other:?}"),
    }
}

fn put(fs: &dyn WriteFs, path: &Path, bytes: &[u8]) {
    let file = fs.open_write(path, OpenMode::Any).unwrap();
    file.set_len(0).unwrap();
    write_all_at(&*file, path, bytes, 0).unwrap();
}

fn get(fs: &dyn WriteFs, path: &Path) -> Vec<u8> {
    Source::open(fs, path).unwrap().read_all(1 << 20).unwrap()
}

/// The names in a folder, sorted.
fn names(fs: &dyn WriteFs, dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs.list(dir).unwrap().iter().map(|e| e.name.to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_opened_as_the_mode_says() {
    on_both(|fs, dir| {
        let file = dir.join("file");
        assert_eq!(kind_of(fs.open(&file)), io::ErrorKind::NotFound);
        assert_eq!(kind_of(fs.open_write(&file, OpenMode::Existing)), io::ErrorKind::NotFound);
        fs.open_write(&file, OpenMode::New).unwrap();
        assert_eq!(kind_of(fs.open_write(&file, OpenMode::New)), io::ErrorKind::AlreadyExists);
        put(fs, &file, b"kept");
        fs.open_write(&file, OpenMode::Any).unwrap();
        fs.open_write(&file, OpenMode::Existing).unwrap();
        assert_eq!(get(fs, &file), b"kept");
        for mode in [OpenMode::Existing, OpenMode::New, OpenMode::Any] {
            assert!(matches!(fs.open_write(dir, mode), Err(Error::NotReadable { .. })), "{mode:?}");
            assert_eq!(kind_of(fs.open_write(&file.join("below"), mode)), io::ErrorKind::NotADirectory, "{mode:?}");
            let nowhere = dir.join("none").join("file");
            assert_eq!(kind_of(fs.open_write(&nowhere, mode)), io::ErrorKind::NotFound, "{mode:?}");
        }
        assert!(matches!(fs.open(dir), Err(Error::NotReadable { .. })));
    });
}

#[test]
fn bytes_are_read_where_they_were_written() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        let file = fs.open_write(&path, OpenMode::New).unwrap();
        let reader = fs.open(&path).unwrap();
        assert_eq!(file.write_at(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")], 3).unwrap(), 5);
        assert_eq!(file.write_at(&[], 100).unwrap(), 0);
        assert_eq!(file.write_at(&[IoSlice::new(b"")], 100).unwrap(), 0);
        write_all_at(&*file, &path, b"xyz!", 0).unwrap();
        assert_eq!((file.size().unwrap(), reader.size().unwrap()), (8, 8));
        assert_eq!(get(fs, &path), b"xyz!bcde");
        let mut into = [0; 5];
        assert_eq!((reader.read_at(&mut into, 6).unwrap(), &into[..2]), (2, &b"de"[..]));
        assert_eq!(reader.read_at(&mut into, 8).unwrap(), 0);
        assert_eq!(reader.read_at(&mut into, 1 << 40).unwrap(), 0);
        write_all_at(&*file, &path, b"q", 10).unwrap();
        assert_eq!(get(fs, &path), b"xyz!bcde\0\0q");
    });
}

// conformance: FRC-014
#[test]
fn a_file_is_cut_and_grows_by_zeros() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        let file = fs.open_write(&path, OpenMode::New).unwrap();
        write_all_at(&*file, &path, b"abcdef", 0).unwrap();
        file.set_len(2).unwrap();
        file.set_len(4).unwrap();
        assert_eq!(get(fs, &path), b"ab\0\0");
        for len in [6, 3] {
            match file.allocate(len) {
                Err(e) if e.kind() == io::ErrorKind::Unsupported => file.set_len(6).unwrap(),
                other => other.unwrap(),
            }
        }
        file.allocate(0).unwrap();
        assert_eq!(get(fs, &path), b"ab\0\0\0\0");
    });
}

#[test]
fn syncing_and_forgetting_change_no_byte() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        let file = fs.open_write(&path, OpenMode::New).unwrap();
        write_all_at(&*file, &path, b"abc", 0).unwrap();
        file.forget_cached().unwrap();
        assert_eq!(get(fs, &path), b"abc");
        file.sync().unwrap();
        file.forget_cached().unwrap();
        fs.sync_dir(dir).unwrap();
        assert_eq!(get(fs, &path), b"abc");
        assert_eq!(kind_of(fs.sync_dir(&dir.join("none"))), io::ErrorKind::NotFound);
        assert_eq!(kind_of(fs.sync_dir(&path)), io::ErrorKind::NotADirectory);
        assert!(fs.free_space(dir).unwrap() > 0);
        assert_eq!(kind_of(fs.free_space(&dir.join("none"))), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_name_is_moved_over_another_and_open_files_stay_what_they_were() {
    on_both(|fs, dir| {
        let (from, to) = (dir.join("from"), dir.join("to"));
        put(fs, &from, b"new");
        put(fs, &to, b"old");
        let moved = fs.open_write(&from, OpenMode::Existing).unwrap();
        let replaced = fs.open(&to).unwrap();
        fs.rename(&from, &to).unwrap();
        assert_eq!(names(fs, dir), ["to"]);
        assert_eq!(get(fs, &to), b"new");
        write_all_at(&*moved, &from, b"NEW", 0).unwrap();
        assert_eq!(get(fs, &to), b"NEW");
        let mut into = [0; 3];
        assert_eq!((replaced.read_at(&mut into, 0).unwrap(), &into), (3, b"old"));
        fs.rename(&to, &to).unwrap();
        assert_eq!(get(fs, &to), b"NEW");
        assert_eq!(kind_of(fs.rename(&from, &to)), io::ErrorKind::NotFound);
    });
}

#[test]
fn folders_are_moved_whole_and_only_over_empty_ones() {
    on_both(|fs, dir| {
        let (one, two, file) = (dir.join("one"), dir.join("two"), dir.join("file"));
        fs.create_dir(&one).unwrap();
        put(fs, &one.join("inside"), b"kept");
        put(fs, &file, b"file");
        fs.rename(&one, &two).unwrap();
        assert_eq!(get(fs, &two.join("inside")), b"kept");
        fs.create_dir(&one).unwrap();
        assert_eq!(kind_of(fs.rename(&one, &two)), io::ErrorKind::DirectoryNotEmpty);
        fs.rename(&two, &one).unwrap();
        assert_eq!(get(fs, &one.join("inside")), b"kept");
        assert_eq!(kind_of(fs.rename(&file, &one)), io::ErrorKind::IsADirectory);
        assert_eq!(kind_of(fs.rename(&one, &file)), io::ErrorKind::NotADirectory);
        assert_eq!(kind_of(fs.rename(&one, &one.join("below"))), io::ErrorKind::InvalidInput);
        fs.rename(&one.join("inside"), &two).unwrap();
        assert_eq!(names(fs, dir), ["file", "one", "two"]);
    });
}

#[test]
fn a_removed_file_is_read_on_by_who_has_it_open() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        put(fs, &path, b"abc");
        let open = fs.open_write(&path, OpenMode::Existing).unwrap();
        fs.remove(&path).unwrap();
        assert_eq!(fs.stat(&path).unwrap(), None);
        assert_eq!(kind_of(fs.remove(&path)), io::ErrorKind::NotFound);
        write_all_at(&*open, &path, b"d", 3).unwrap();
        put(fs, &path, b"another");
        let mut into = [0; 9];
        assert_eq!((open.read_at(&mut into, 0).unwrap(), &into[..4]), (4, &b"abcd"[..]));
        assert_eq!(get(fs, &path), b"another");
    });
}

#[test]
fn folders_are_made_listed_and_removed_when_they_are_empty() {
    on_both(|fs, dir| {
        let (folder, file) = (dir.join("folder"), dir.join("folder").join("file"));
        assert_eq!(kind_of(fs.create_dir(&folder.join("below"))), io::ErrorKind::NotFound);
        fs.create_dir(&folder).unwrap();
        assert_eq!(kind_of(fs.create_dir(&folder)), io::ErrorKind::AlreadyExists);
        put(fs, &file, b"abc");
        assert_eq!(kind_of(fs.remove_dir(&folder)), io::ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind_of(fs.remove_dir(&file)), io::ErrorKind::NotADirectory);
        assert_eq!(kind_of(fs.remove(&folder)), io::ErrorKind::IsADirectory);
        assert_eq!(kind_of(fs.list(&file)), io::ErrorKind::NotADirectory);
        let listed = fs.list(&folder).unwrap();
        assert_eq!((listed[0].stat.kind, listed[0].stat.len, listed.len()), (Kind::File, 3, 1));
        assert_eq!(fs.stat(&folder).unwrap().unwrap().kind, Kind::Directory);
        assert_eq!(fs.stat(&file.join("below")).unwrap(), None);
        fs.remove(&file).unwrap();
        fs.remove_dir(&folder).unwrap();
        assert_eq!(kind_of(fs.list(&folder)), io::ErrorKind::NotFound);
        assert_eq!(kind_of(fs.remove_dir(&folder)), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_file_keeps_the_time_that_it_was_given() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        put(fs, &path, b"abc");
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        fs.open_write(&path, OpenMode::Existing).unwrap().set_modified(time).unwrap();
        assert_eq!(fs.stat(&path).unwrap().unwrap().modified, Some(time));
        let moved = dir.join("moved");
        fs.rename(&path, &moved).unwrap();
        assert_eq!(fs.stat(&moved).unwrap().unwrap().modified, Some(time));
    });
}

#[test]
fn a_lock_has_one_holder_until_it_is_dropped_or_its_file_removed() {
    on_both(|fs, dir| {
        let path = dir.join(".lock");
        assert_eq!(fs.lock_holder(&path).unwrap(), None);
        let lock = fs.lock(&path).unwrap();
        assert_eq!(names(fs, dir), [".lock"]);
        assert_eq!(fs.lock_holder(&path).unwrap(), Some(LockHolder { pid: None }));
        match fs.lock(&path) {
            Err(Error::Locked { path: found, holder }) => {
                assert_eq!((found, holder), (path.clone(), i32::try_from(std::process::id()).ok()));
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert_eq!(fs.lock_holder(&path).unwrap(), None);
        let lock = fs.lock(&path).unwrap();
        fs.remove(&path).unwrap();
        let another = fs.lock(&path).unwrap();
        drop(lock);
        assert!(matches!(fs.lock(&path), Err(Error::Locked { .. })), "{another:?}");
        assert!(matches!(fs.lock(dir), Err(Error::NotReadable { .. })));
    });
}

#[test]
fn a_small_file_is_replaced_whole() {
    on_both(|fs, dir| {
        let path = dir.join("file");
        put(fs, &dir.join("file.tmp"), b"left by a crash, and longer");
        for bytes in [&b"a longer content"[..], b"new", b""] {
            replace(fs, &path, bytes).unwrap();
            assert_eq!(get(fs, &path), bytes);
            assert_eq!(names(fs, dir), ["file"]);
        }
        fs.create_dir(&dir.join("folder")).unwrap();
        assert_eq!(kind_of(replace(fs, &dir.join("folder"), b"new")), io::ErrorKind::IsADirectory);
        assert_eq!(names(fs, dir), ["file", "folder"], "no temporary file is left");
    });
}
