//! The corruption sweep through the binary: damaged directories on the disk, a command each.
//!
//! No panic, no hang, bounded memory, the right exit code, and no byte changed. The same list as log-engine's `tests/sweep.rs`.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log_engine::testing::golden;
use log_engine::testing::memory_fs::MemoryFs;
use log_engine::testing::sweep::{Damage, damages};

/// The directories: no producers, transactions after a clean stop, cleaned; and a partition of each.
const BASES: [(&str, &str); 3] = [("plain-killed", "plain-0"), ("txn-clean", "txn-0"), ("compact-killed", "compact-0")];
/// Damages of each directory.
const EACH: usize = 170;
/// No command may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a command may do with its memory, in KiB: `ulimit -d`.
const MEMORY: usize = 256 << 10;
/// The commands, in turn, and whether they look at the whole directory rather than at a partition.
const COMMANDS: [(&[&str], bool); 8] = [
    (&["verify", "--level", "deep", "--format", "json"], true),
    (&["dump", "--format", "ndjson"], true),
    (&["inspect", "--format", "json"], true),
    (&["verify"], true),
    (&["dump", "--batches"], false),
    (&["find", "--max-timestamp"], false),
    (&["find", "--offset", "50", "--format", "json"], false),
    (&["stats", "--format", "json"], true),
];

#[test]
fn five_hundred_damaged_directories_are_looked_at_and_left_alone() {
    let mut tried = 0;
    for (base, partition) in BASES {
        let base = MemoryFs::load(&golden::unpacked("damage", "bases").join("bases").join(base));
        let all = damages(&base);
        for (n, damage) in all.iter().step_by(all.len() / EACH).enumerate() {
            let (args, is_whole) = COMMANDS[n % COMMANDS.len()];
            let damaged = damage.applied_to(&base);
            let root = tempfile::tempdir().unwrap();
            damaged.write_to(root.path());
            let target = if is_whole { root.path().to_owned() } else { root.path().join(partition) };
            assert_looked(args, &target, damage, damage.is_certain(&base));
            assert_unchanged(&damaged, root.path(), damage);
            tried += 1;
        }
    }
    assert!(tried >= 500, "{tried}");
}

fn assert_looked(args: &[&str], target: &Path, damage: &Damage, is_certain: bool) {
    let began = Instant::now();
    let status = run(args, target);
    assert!(began.elapsed() < PATIENCE, "{args:?} takes {:?} with {damage}", began.elapsed());
    let code = status.code().unwrap_or(-1);
    assert!([0, 1, 4].contains(&code), "{args:?} ends with {status}: {damage}");
    if is_certain && (args.contains(&"verify") || args.contains(&"dump")) {
        assert_eq!(code, 1, "{args:?} says nothing of {damage}");
    }
}

/// Runs the command within its memory.
fn run(args: &[&str], target: &Path) -> ExitStatus {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -d {MEMORY}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_log-cli"));
    command.args(args).arg(target).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap()
}

/// That the folder holds the bytes that were written, and nothing else.
fn assert_unchanged(written: &MemoryFs, root: &Path, damage: &Damage) {
    for (path, bytes) in written.files() {
        let there = root.join(path.strip_prefix("/").unwrap());
        assert!(std::fs::read(&there).is_ok_and(|now| now == bytes), "{} changed: {damage}", there.display());
    }
    assert_eq!(count(root), written.len(), "files came or went: {damage}");
}

/// Files, folders and all else below a folder, itself included.
fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let below = entries.map(|entry| if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 });
    1 + below.sum::<usize>()
}
