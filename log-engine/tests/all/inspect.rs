//! A look at a directory against what a full walk of it finds, and against what real brokers said while they started on it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use log_engine::fs::{Kind, Source};
use log_engine::inspect::{DirectorySummary, FileContent, FileSummary, PartitionSummary, Target};
use log_engine::segment::{Scan, SegmentFile, Step};
use log_engine::testing::golden;
use log_engine::{Fs, Offset, OsFs};
use serde_json::Value;

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

fn summary(dir: &Path) -> DirectorySummary {
    match Target::of(&OsFs, dir).unwrap() {
        Target::LogDirectory(directory) => DirectorySummary::of(&OsFs, directory, |_| true, THREADS),
        other => panic!("{} is no log directory but {other:?}", dir.display()),
    }
}

/// The log directories of all undamaged golden sets.
fn sound_directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for case in golden::kafka_cases().into_iter().filter(|case| !case.starts_with("crash-")) {
        let dir = golden::kafka(&case).join("dir");
        match Target::of(&OsFs, &dir) {
            Ok(Target::LogDirectory(_)) => found.push(dir),
            _ => found.extend(OsFs.list(&dir).unwrap().into_iter().map(|entry| dir.join(entry.name))),
        }
    }
    for scenario in golden::replica_scenarios() {
        for stage in OsFs.list(&golden::replicas(&scenario).join("dirs")).unwrap() {
            let stage = golden::replicas(&scenario).join("dirs").join(stage.name);
            found.extend(OsFs.list(&stage).unwrap().into_iter().map(|node| stage.join(node.name)));
        }
    }
    found
}

/// The offset behind the last batch of the segment's file, by a walk over all of it.
fn walked_end(partition: &PartitionSummary, base: Offset) -> Offset {
    let mut scan = Scan::new(Source::open(&OsFs, &partition.directory.file(base, SegmentFile::Log)).unwrap());
    let mut end = base;
    while let Step::Batch(frame) = scan.next().unwrap() {
        end = frame.batch().unwrap().last_offset().next();
    }
    end
}

#[test]
fn the_end_found_from_the_index_is_that_of_a_walk_over_the_file() {
    let mut partitions = 0;
    for dir in sound_directories() {
        for partition in summary(&dir).partitions {
            let Some((base, _)) = partition.directory.logs().next_back() else { continue };
            assert_eq!(
                partition.log_end(),
                Some(walked_end(&partition, base)),
                "{}",
                partition.directory.path.display()
            );
            partitions += 1;
        }
    }
    assert!(partitions > 150, "{partitions}");
}

/// Base offsets of the segments that a broker's log lines say were recovered.
fn recovered(lines: &[&str], partition: &str) -> Vec<i64> {
    let of_partition = lines.iter().filter(|line| line.ends_with(&format!(" recovered for {partition}.")));
    let base = |line: &&str| line.split("Recovering unflushed segment ").nth(1)?.split('.').next()?.parse().ok();
    of_partition.filter_map(base).collect()
}

/// Base offsets of the segments that the next start scans because of the recovery point.
fn scanned(partition: &PartitionSummary) -> Vec<i64> {
    partition
        .directory
        .logs()
        .filter(|(base, _)| partition.next_scan.recovers(*base))
        .map(|(base, _)| base.get())
        .collect()
}

/// Damages whose log lines cannot be compared, and why.
const UNLIKE: [(&str, &str); 4] = [
    ("leftover-", "segments appear or go while the folder is loaded"),
    ("base-offset-beyond-i32-last", "a segment is split and its partition loaded again"),
    ("root-delete-directory", "a second folder of the same partition speaks"),
    ("two-dirs-same-partition", "a second folder of the same partition speaks"),
];

#[test]
fn the_next_start_scans_the_segments_that_the_broker_scanned() {
    let log = std::fs::read_to_string(golden::kafka("crash/after").join("expected/broker.log.txt")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let crash = summary(&golden::kafka("crash/before").join("dir"));
    for partition in &crash.partitions {
        let name = partition.directory.name.as_ref().unwrap().partition.to_string();
        assert_eq!(scanned(partition), recovered(&lines, &name), "{name}");
    }
    assert_eq!(crash.partitions.len(), 10);

    let (mut compared, mut whole) = (0, 0);
    for case in golden::damage_cases() {
        if UNLIKE.iter().any(|(kind, _)| case.contains(kind)) {
            continue;
        }
        let damaged = golden::damage(&case);
        let lines: Vec<&str> =
            damaged.truth()["log_lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let Ok(Target::LogDirectory(directory)) = Target::of(&OsFs, damaged.before()) else { continue };
        let looked = DirectorySummary::of(&OsFs, directory, |_| true, THREADS);
        for partition in &looked.partitions {
            let Some(name) = &partition.directory.name else { continue };
            let broker = recovered(&lines, &name.partition.to_string());
            let ours = scanned(partition);
            if broker.is_empty() {
                // The broker had a marker, or ended before it came to this partition.
                assert!(!looked.root.is_clean() || ours.is_empty(), "{case}: {ours:?}");
                continue;
            }
            // The broker stops where it has to cut.
            assert!(ours.starts_with(&broker), "{case}: {ours:?}, broker {broker:?}");
            compared += 1;
            whole += usize::from(ours == broker);
        }
    }
    println!("{compared} partitions compared, {whole} scanned to the end");
    assert!(compared > 100 && whole > 50, "{compared} compared, {whole} whole");
}

#[test]
fn strange_entries_are_told_and_hinder_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let copy = golden::private_copy(&golden::sample());
    std::fs::rename(copy.path(), &dir).unwrap();
    let partition = dir.join("txn-0");
    let not_utf8 = std::ffi::OsStr::from_bytes(b"caf\xe9-0");
    for (folder, log) in [(&dir, not_utf8), (&partition, std::ffi::OsStr::from_bytes(b"\xff.log"))] {
        std::fs::create_dir(folder.join(log)).unwrap();
    }
    for folder in [&dir, &partition] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.join("00000000000000009000.log"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("00000000000000009001.log")).unwrap();
        std::fs::write(folder.join("000000000000000000042.log"), b"21 digits").unwrap();
        std::fs::write(folder.join("99999999999999999999.log"), b"past i64").unwrap();
        std::fs::File::create(folder.join("00000000000000009003.log")).unwrap().set_len(8 << 40).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(partition.join("00000000000000009002.log")).unwrap();
    std::os::unix::fs::symlink(&partition, dir.join("link-0")).unwrap();

    let looked = summary(&dir);
    let specials: Vec<_> = looked.directory.special.iter().map(|entry| entry.stat.kind).collect();
    assert_eq!(specials, [Kind::Special, Kind::Link, Kind::Link]);
    assert_eq!(looked.directory.foreign, [not_utf8]);
    let strange = looked.partitions.iter().find(|found| found.directory.path == partition).unwrap();
    let others: Vec<_> = strange.directory.others.iter().map(|entry| entry.stat.kind).collect();
    let kinds = [Kind::File, Kind::Special, Kind::Link, Kind::Special, Kind::File, Kind::Directory];
    assert_eq!(others, kinds, "{:?}", strange.directory.others);
    // The sparse file is a segment by its name; eight TiB of zeros are no batch, and are not read.
    assert_eq!(strange.log_end(), Some(Offset::new(9003)));
    for entry in &strange.directory.others {
        let _ = FileSummary::of(&OsFs, &partition.join(&entry.name));
    }
}

#[test]
fn every_file_of_the_golden_directories_is_known_by_name_or_content() {
    for dir in sound_directories() {
        for file in golden::files(&dir) {
            let file = dir.join(file);
            let looked = FileSummary::of(&OsFs, &file).unwrap();
            let known = !matches!(looked.content, FileContent::Unknown | FileContent::Broken(_));
            let nameless = file.ends_with(".lock") || file.extension().is_some_and(|ending| ending == "tmp");
            assert!(known || nameless, "{}: {:?}", file.display(), looked.content);
        }
    }
}
