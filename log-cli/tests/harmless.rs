//! Nothing is harmed: every command leaves every byte, name and time of a directory as it was, and asks the system for nothing
//! but reading.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use log_engine::testing::golden;
use sha2::{Digest, Sha256};

/// Every command that looks, with the arguments before the path.
const READERS: &[&[&str]] = &[
    &["inspect"],
    &["inspect", "--json", "--segments"],
    &["ls", "--files", "-l"],
    &["dump", "--format", "ndjson", "--bytes", "hex"],
    &["dump", "--batches"],
    &["dump", "--isolation", "read_committed"],
    &["grep", "v"],
    &["find", "--offset", "0"],
    &["find", "--max-timestamp"],
    &["tail", "-n", "3"],
    &["verify"],
    &["verify", "--level", "deep", "--json"],
    &["stats"],
    &["export", "--output", "-"],
    &["undelete"],
    &["index", "show"],
    &["index", "check"],
    &["checkpoint", "show"],
    &["checkpoint", "check"],
    &["producers", "show"],
    &["producers", "check"],
    &["retention", "--ms", "1"],
    &["retention", "--free", "1GiB"],
    &["bundle", "--output", "-"],
];

/// What a file is: its bytes, its time of change, its mode.
type Print = (String, i64, i64, u32);

fn fingerprint(root: &Path) -> BTreeMap<PathBuf, Print> {
    let mut prints = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let digest = if metadata.is_file() {
                format!("{:x}", Sha256::digest(std::fs::read(&path).unwrap()))
            } else {
                String::new()
            };
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            prints.insert(path, (digest, metadata.mtime(), metadata.mtime_nsec(), metadata.mode()));
        }
    }
    prints
}

fn log_cli() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-cli"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The folders of partitions in a log directory.
fn partitions(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[test]
fn no_command_changes_a_byte_a_name_or_a_time() {
    let copies = [
        golden::private_copy(&golden::sample()),
        golden::private_copy(&golden::sample_damaged()),
        golden::private_copy(&golden::kafka("crash-garbage/before").join("dir")),
        golden::private_copy(&golden::kafka("compacted").join("dir")),
    ];
    for copy in &copies {
        let before = fingerprint(copy.path());
        let targets: Vec<_> = partitions(copy.path()).into_iter().take(2).chain([copy.path().to_owned()]).collect();
        for args in READERS {
            for target in &targets {
                let status = log_cli().args(*args).arg(target).status().unwrap();
                // `find` answers for one partition; whoever looks at all of them may meet damage.
                let is_refused = args[0] == "find" && target == copy.path();
                let codes = if is_refused { 2..=2 } else { 0..=1 };
                assert!(
                    status.code().is_some_and(|code| codes.contains(&code)),
                    "{args:?} {}: {status}",
                    target.display()
                );
            }
        }
        assert_eq!(fingerprint(copy.path()), before);
    }
}

/// What may not be asked for: anything that writes, locks or maps a file of the directory.
#[test]
fn the_system_is_asked_for_nothing_but_reading() {
    if !Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace is not installed, so what the system is asked for was not seen");
        return;
    }
    let dir = golden::sample();
    let trace = tempfile::NamedTempFile::new().unwrap();
    for args in [&["dump", "--format", "ndjson"][..], &["verify", "--level", "deep"]] {
        let status = Command::new("strace")
            .args(["-f", "-y", "-qq", "-e", "trace=write,pwrite64,writev,pwritev,openat,open,creat,mmap,flock,fcntl,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate,fallocate,fsync,fdatasync"])
            .arg("-o")
            .arg(trace.path())
            .arg(env!("CARGO_BIN_EXE_log-cli"))
            .args(args)
            .arg(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if !matches!(status.code(), Some(0 | 1)) {
            eprintln!("SKIPPED: strace cannot trace here ({status})");
            return;
        }
        let text = std::fs::read_to_string(trace.path()).unwrap();
        let of_the_directory: Vec<_> =
            text.lines().filter(|line| line.contains(dir.to_str().unwrap()) && !line.contains(" resumed>")).collect();
        assert!(!of_the_directory.is_empty(), "the trace shows no file of the directory");
        for line in of_the_directory {
            let call = line.split_whitespace().find(|word| word.contains('(')).unwrap_or(line);
            let opens_to_read = call.starts_with("openat(") && line.contains("O_RDONLY") && !line.contains("O_CREAT");
            let asks_for_a_lock =
                call.starts_with("fcntl(") && ["F_GETLK", "F_GETFL", "F_GETFD"].iter().any(|ask| line.contains(ask));
            assert!(opens_to_read || asks_for_a_lock, "{args:?}: {line}");
        }
        let to_write = |line: &&str| ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
        for line in text.lines().filter(to_write) {
            assert!(line.contains("\"/dev/") || line.contains("\"/proc/self/"), "{args:?}: {line}");
        }
    }
}
