//! What a simulated disk forgets, keeps and refuses.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::fs::{Fs, Source, WriteFile, replace};

const FOLDER: &str = "/data";

fn path() -> &'static Path {
    Path::new("/data/file")
}

fn open(fs: &SimFs, path: &Path) -> Arc<dyn WriteFile> {
    fs.open_write(path, OpenMode::Any).unwrap()
}

fn write(fs: &SimFs, path: &Path, bytes: &[u8]) {
    write_all_at(&*open(fs, path), path, bytes, 0).unwrap();
}

fn read(fs: &SimFs, path: &Path) -> Option<Vec<u8>> {
    fs.stat(path).unwrap()?;
    Some(Source::open(fs, path).unwrap().read_all(1 << 20).unwrap())
}

fn kind_of<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.unwrap_err().kind()
}

/// Crashes after every operation in every way; what `judge` gives for one of them.
fn find<T>(fs: &SimFs, mut judge: impl FnMut(usize, &SimFs) -> Option<T>) -> Option<T> {
    let mut replay = fs.replay();
    loop {
        let done = replay.done();
        for outcome in Outcome::SIMPLE.into_iter().chain([Outcome::Mixed]) {
            for seed in 0..20 {
                if let Some(found) = judge(done, &replay.after_crash(outcome, seed)) {
                    return Some(found);
                }
            }
        }
        replay.step()?;
    }
}

/// Replaces "old" by "new", with the steps that matter or without them; the operations after which it was promised.
fn replace_carelessly(fs: &SimFs, sync: bool, sync_dir: bool) -> usize {
    let temporary = Path::new("/data/file.tmp");
    let file = open(fs, temporary);
    write_all_at(&*file, temporary, b"new", 0).unwrap();
    if sync {
        file.sync().unwrap();
    }
    fs.rename(temporary, path()).unwrap();
    if sync_dir {
        fs.sync_dir(Path::new(FOLDER)).unwrap();
    }
    fs.operations()
}

/// The first image that is neither old nor new, or old although new was promised.
fn broken_promise(fs: &SimFs, promised: usize) -> Option<(usize, Option<Vec<u8>>)> {
    find(fs, |done, image| {
        let found = read(image, path());
        let kept = found.as_deref() == Some(b"new") || (done < promised && found.as_deref() == Some(b"old"));
        (!kept).then_some((done, found))
    })
}

#[test]
fn a_replaced_file_is_old_or_new_after_any_crash_and_new_once_promised() {
    let fs = SimFs::with_files([(path(), "old")]);
    replace(&fs, path(), b"new").unwrap();
    assert_eq!(broken_promise(&fs, fs.operations()), None);

    for (sync, sync_dir) in [(false, true), (true, false)] {
        let fs = SimFs::with_files([(path(), "old")]);
        let promised = replace_carelessly(&fs, sync, sync_dir);
        assert!(broken_promise(&fs, promised).is_some(), "sync {sync}, sync_dir {sync_dir}");
    }
    let fs = SimFs::with_files([(path(), "old")]);
    let promised = replace_carelessly(&fs, true, true);
    assert_eq!(broken_promise(&fs, promised), None);
}

#[test]
fn a_machine_that_stops_at_any_operation_leaves_old_or_new() {
    for stops_after in 0.. {
        let fs = SimFs::with_files([(path(), "old")]);
        fs.set_faults(Faults { stops_after: Some(stops_after), ..Faults::default() });
        let promised = replace(&fs, path(), b"new").is_ok();
        assert_eq!(promised, !fs.has_stopped());
        for seed in 0..50 {
            let found = read(&fs.after_crash(Outcome::Mixed, seed), path()).unwrap();
            assert!(found == b"new" || (!promised && found == b"old"), "stopped after {stops_after}: {found:?}");
        }
        if promised {
            assert!(stops_after > 4);
            break;
        }
        assert!(fs.open(path()).is_err() && fs.list(Path::new(FOLDER)).is_err() && fs.stat(path()).is_err());
    }
}

#[test]
fn what_was_not_synced_may_vanish_bytes_and_names_apart() {
    let fs = SimFs::with_folder(FOLDER);
    write(&fs, path(), b"abc");
    open(&fs, path()).sync().unwrap();
    assert_eq!(read(&fs.after_crash(Outcome::Nothing, 0), path()), None, "a synced file without a synced name");
    fs.sync_dir(Path::new(FOLDER)).unwrap();
    assert_eq!(read(&fs.after_crash(Outcome::Nothing, 0), path()).unwrap(), b"abc");

    write(&fs, path(), b"ABCdef");
    fs.rename(path(), Path::new("/data/moved")).unwrap();
    let nothing = fs.after_crash(Outcome::Nothing, 0);
    assert_eq!(nothing.files(), BTreeMap::from([(path().to_owned(), b"abc".to_vec())]));
    let everything = fs.after_crash(Outcome::Everything, 0);
    assert_eq!(everything.files(), BTreeMap::from([(PathBuf::from("/data/moved"), b"ABCdef".to_vec())]));
    let size_only = fs.after_crash(Outcome::SizeOnly, 0);
    assert_eq!(size_only.files(), BTreeMap::from([(PathBuf::from("/data/moved"), b"abc\0\0\0".to_vec())]));

    fs.remove(Path::new("/data/moved")).unwrap();
    assert_eq!(read(&fs.after_crash(Outcome::Nothing, 0), path()).unwrap(), b"abc", "a removal that was not synced");
    fs.sync_dir(Path::new(FOLDER)).unwrap();
    assert!(fs.after_crash(Outcome::Nothing, 0).files().is_empty());
}

#[test]
fn what_lies_in_a_folder_without_a_synced_name_goes_with_it() {
    let fs = SimFs::with_folder(FOLDER);
    let folder = Path::new("/data/topic-0");
    fs.create_dir(folder).unwrap();
    write(&fs, &folder.join("log"), b"abc");
    open(&fs, &folder.join("log")).sync().unwrap();
    fs.sync_dir(folder).unwrap();
    assert!(fs.after_crash(Outcome::Nothing, 0).files().is_empty());
    fs.sync_dir(Path::new(FOLDER)).unwrap();
    assert_eq!(read(&fs.after_crash(Outcome::Nothing, 0), &folder.join("log")).unwrap(), b"abc");
}

#[test]
fn a_renamed_file_has_one_of_its_names_after_any_crash() {
    let fs = SimFs::with_files([(path(), "first")]);
    let (aside, second) = (Path::new("/data/aside"), b"second");
    fs.rename(path(), aside).unwrap();
    write(&fs, path(), second);
    open(&fs, path()).sync().unwrap();
    fs.rename(aside, Path::new("/data/further")).unwrap();
    let lost = find(&fs, |done, image| {
        let there = image.files().values().filter(|bytes| *bytes == b"first").count();
        (there != 1).then(|| (done, image.files()))
    });
    assert_eq!(lost, None);
}

#[test]
fn every_name_change_may_survive_without_those_of_other_names() {
    let fs = SimFs::with_folder(FOLDER);
    let names = ["a", "b", "c"].map(|name| Path::new(FOLDER).join(name));
    names.iter().for_each(|name| write(&fs, name, b""));
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        seen.insert(fs.after_crash(Outcome::Sectors, seed).files().into_keys().collect::<Vec<_>>());
    }
    assert_eq!(seen.len(), 8, "all subsets");
    for seed in 0..200 {
        let found = fs.after_crash(Outcome::Prefix, seed).files().len();
        assert!(fs.after_crash(Outcome::Prefix, seed).files().into_keys().eq(names.iter().take(found).cloned()));
    }
}

#[test]
fn a_failed_sync_loses_for_ever_what_is_still_read() {
    let mut lost = 0;
    for seed in 0..50 {
        let fs = SimFs::with_files([(path(), "old")]);
        let file = open(&fs, path());
        fs.set_faults(Faults { seed, failing_sync: Some(1), ..Faults::default() });
        file.sync().unwrap();
        write_all_at(&*file, path(), &[7; 2000], 3).unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let whole = [&b"old"[..], &[7; 2000]].concat();
        assert_eq!(read(&fs, path()).unwrap(), whole);
        assert_eq!(read(&fs.restart(), path()).unwrap(), whole, "the processes die, the memory of the kernel does not");
        let after = read(&fs.after_crash(Outcome::Everything, 0), path()).unwrap();
        lost += usize::from(after != whole);
        file.forget_cached().unwrap();
        assert_eq!(read(&fs, path()).unwrap(), after);
        // The journal tells the same.
        let mut replay = fs.replay();
        while replay.step().is_some() {}
        assert_eq!(read(&replay.after_crash(Outcome::Everything, 0), path()).unwrap(), after);
        assert_eq!(replay.restart().files(), fs.files());
    }
    assert!(lost > 25, "{lost}");
}

#[test]
fn a_failed_sync_of_a_folder_loses_names() {
    let mut lost = 0;
    for seed in 0..50 {
        let fs = SimFs::with_folder(FOLDER);
        fs.set_faults(Faults { seed, failing_sync: Some(0), ..Faults::default() });
        write(&fs, path(), b"");
        assert!(fs.sync_dir(Path::new(FOLDER)).is_err());
        fs.sync_dir(Path::new(FOLDER)).unwrap();
        assert_eq!(read(&fs, path()).unwrap(), b"");
        lost += usize::from(fs.after_crash(Outcome::Everything, 0).files().is_empty());
    }
    assert!((10..40).contains(&lost), "{lost}");
}

#[test]
fn a_write_is_cut_short_then_finds_no_room_then_goes_on() {
    let (mut short, mut none) = (0, 0);
    for seed in 0..100 {
        let fs = SimFs::with_folder(FOLDER);
        let file = open(&fs, path());
        fs.set_faults(Faults { seed, short_write: Some(1), ..Faults::default() });
        write_all_at(&*file, path(), b"abc", 0).unwrap();
        let error = write_all_at(&*file, path(), b"defgh", 3).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        let found = read(&fs, path()).unwrap();
        assert!(b"abcdefg".starts_with(&found) && found.len() >= 3, "{found:?}");
        (short, none) = (short + usize::from(found.len() > 3), none + usize::from(found.len() == 3));
        write_all_at(&*file, path(), b"DEFGH", 3).unwrap();
        assert_eq!(read(&fs, path()).unwrap(), b"abcDEFGH");
    }
    assert!(short > 50 && none > 5, "{short} {none}");
}

#[test]
fn a_failed_write_may_have_written() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let fs = SimFs::with_folder(FOLDER);
        fs.set_faults(Faults { seed, failing_write: Some(0), ..Faults::default() });
        let file = open(&fs, path());
        assert!(write_all_at(&*file, path(), b"abc", 0).is_err());
        lengths.insert(file.size().unwrap());
        write_all_at(&*file, path(), b"abc", 0).unwrap();
    }
    assert_eq!(lengths, (0..=3).collect());
}

#[test]
fn a_quota_bounds_all_files_together() {
    let fs = SimFs::with_files([("/data/other", [0; 10])]);
    fs.set_faults(Faults { quota: Some(16), ..Faults::default() });
    let file = open(&fs, path());
    assert_eq!(fs.free_space(Path::new(FOLDER)).unwrap(), 6);
    let write = |bytes: &[u8], at| file.write_at(&[io::IoSlice::new(bytes)], at);
    assert_eq!(write(&[1; 5], 0).unwrap(), 5);
    assert_eq!(write(&[2; 2], 5).unwrap(), 1, "short");
    assert_eq!(kind_of(write(&[2; 1], 6)), io::ErrorKind::StorageFull);
    assert_eq!(write(&[3; 6], 0).unwrap(), 6, "over what is there");
    assert_eq!(kind_of(file.set_len(7)), io::ErrorKind::StorageFull);
    assert_eq!(kind_of(file.allocate(7)), io::ErrorKind::StorageFull);
    file.allocate(6).unwrap();
    fs.remove(Path::new("/data/other")).unwrap();
    assert_eq!(write(&[2; 2], 6).unwrap(), 2, "there is room again");
    assert_eq!(fs.free_space(Path::new(FOLDER)).unwrap(), 8);
    open(&fs, Path::new("/data/next")).set_len(3).unwrap();
    fs.rename(Path::new("/data/next"), path()).unwrap();
    assert_eq!(fs.free_space(Path::new(FOLDER)).unwrap(), 13, "what was replaced takes no room");
}

#[test]
fn reads_fail_once_and_descriptors_run_out() {
    let fs = SimFs::with_files([(path(), "abc")]);
    fs.set_faults(Faults { failing_read: Some(1), descriptors: Some(2), ..Faults::default() });
    let file = fs.open(path()).unwrap();
    let mut into = [0; 3];
    assert_eq!(file.read_at(&mut into, 0).unwrap(), 3);
    assert!(file.read_at(&mut into, 0).is_err());
    assert_eq!(file.read_at(&mut into, 0).unwrap(), 3);
    let second = open(&fs, path());
    assert!(fs.open(path()).is_err());
    let made = Path::new("/data/made");
    assert!(fs.open_write(made, OpenMode::New).is_err());
    assert_eq!(fs.stat(made).unwrap(), None, "nothing is made without a descriptor");
    drop(second);
    fs.open_write(made, OpenMode::New).unwrap();
}

#[test]
fn a_flipped_bit_is_read_and_stays() {
    let fs = SimFs::with_files([(path(), "abc")]);
    fs.flip(path(), 1, 0).unwrap();
    fs.flip(path(), 100, 0).unwrap();
    assert_eq!(read(&fs, path()).unwrap(), b"acc");
    assert_eq!(read(&fs.after_crash(Outcome::Nothing, 0), path()).unwrap(), b"acc");
    assert!(fs.flip(Path::new(FOLDER), 0, 0).is_err());
}

#[test]
fn after_a_restart_nothing_is_missing_locked_or_more_durable() {
    let fs = SimFs::with_folder(FOLDER);
    let _lock = fs.lock(&path().with_extension("lock")).unwrap();
    write(&fs, path(), b"abc");
    let again = fs.restart();
    assert_eq!(again.files(), fs.files());
    again.lock(&path().with_extension("lock")).unwrap();
    assert!(again.after_crash(Outcome::Nothing, 0).files().is_empty());
    write(&again, path(), b"ABC");
    assert_eq!(read(&fs, path()).unwrap(), b"abc", "the old machine is another one");
}

#[test]
fn the_same_seed_gives_the_same_disk_and_the_journal_the_same_as_the_run() {
    let fs = SimFs::with_folder(FOLDER);
    for n in 0_u8..10 {
        write(&fs, &Path::new(FOLDER).join(n.to_string()), &[n; 1000]);
    }
    let mut replay = fs.replay();
    let mut told = Vec::new();
    while let Some(operation) = replay.step() {
        told.push(operation.to_string());
    }
    assert_eq!(told[..2], ["create /data/0", "write /data/0: 1000 bytes at 0"]);
    assert_eq!((told.len(), replay.done()), (20, fs.operations()));
    let mut images = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let found = fs.after_crash(Outcome::Mixed, seed).files();
        assert_eq!(found, fs.after_crash(Outcome::Mixed, seed).files());
        assert_eq!(found, replay.after_crash(Outcome::Mixed, seed).files());
        images.insert(found);
    }
    assert!(images.len() > 25, "{}", images.len());
}

#[test]
fn a_position_that_nobody_can_mean_takes_no_memory() {
    let fs = SimFs::with_folder(FOLDER);
    let file = open(&fs, path());
    let bytes = [io::IoSlice::new(b"x")];
    assert_eq!(kind_of(file.write_at(&bytes, disk::MAX_FILE)), io::ErrorKind::FileTooLarge);
    assert_eq!(kind_of(file.write_at(&bytes, u64::MAX)), io::ErrorKind::FileTooLarge);
    assert_eq!(kind_of(file.set_len(disk::MAX_FILE + 1)), io::ErrorKind::FileTooLarge);
    assert_eq!(file.size().unwrap(), 0);
}
