//! Commands that change a directory, killed at each call that writes: every file is old or new then, running again ends as if nothing had
//! happened, and undoing brings every byte back.
//!
//! By default at some calls; `KILLS=all` kills at each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use log_engine::OsFs;
use log_engine::mend::Undo;
use log_engine::testing::golden;

use crate::support::log_cli;

/// The calls that change something.
const CALLS: [&str; 9] = [
    "pwrite64",
    "pwritev",
    "ftruncate",
    "fsync",
    "fdatasync",
    "rename,renameat,renameat2",
    "unlink,unlinkat",
    "mkdir,mkdirat",
    "chown,fchown,fchownat,chmod,fchmod",
];
/// Of so many calls of a kind one is the last, unless all are asked for.
const STEP: usize = 7;
/// No command makes so many calls of a kind.
const MOST: usize = 500;

/// Files with their bytes, but for the lock, which a killed process leaves.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = golden::files(dir).into_iter().filter(|file| !file.ends_with(".lock"));
    files.map(|file| (file.clone(), std::fs::read(dir.join(file)).unwrap())).collect()
}

/// Runs the command in the folder `root`, killed at its `n`th call of this kind; false if it ended before.
fn killed_at(call: &str, n: usize, args: &[&str], root: &Path) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let status = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
        .arg(env!("CARGO_BIN_EXE_log-cli"))
        .args(args)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !matches!(status.code(), Some(0..=5))
}

/// The files that are not the same in both.
fn differing<'t>(a: &'t BTreeMap<PathBuf, Vec<u8>>, b: &'t BTreeMap<PathBuf, Vec<u8>>) -> Vec<&'t Path> {
    let names: BTreeSet<_> = a.keys().chain(b.keys()).filter(|name| a.get(*name) != b.get(*name)).collect();
    names.into_iter().map(PathBuf::as_path).collect()
}

/// Undoes all runs that are kept, the last one first.
fn undo_all(backup: &Path) {
    let mut runs: Vec<_> = std::fs::read_dir(backup).into_iter().flatten().map(|run| run.unwrap()).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.metadata().unwrap().created().unwrap()));
    for run in runs {
        Undo::open(Arc::new(OsFs), &run.path()).unwrap().carry_out().unwrap();
    }
}

#[test]
fn killed_at_any_call_they_can_be_finished_and_undone() {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace is not installed or cannot trace here, so nothing was killed");
        return;
    }
    let step = if std::env::var("KILLS").is_ok_and(|kills| kills == "all") { 1 } else { STEP };
    let mut kills = 0;
    for (case, args) in [
        (
            "plain/none__clean",
            &["truncate", "data/plain-0", "--to-offset", "100", "--apply", "--confirm", "plain-0"][..],
        ),
        ("txn/none__killed", &["truncate", "data/txn-0", "--to-offset", "60", "--apply", "--confirm", "txn-0"]),
        ("plain/none__clean", &["truncate", "data/plain-0", "--before", "100", "--apply", "--confirm", "plain-0"]),
        ("plain/none__killed", &["truncate", "data/plain-0", "--to-hw", "--apply", "--confirm", "plain-0"]),
        ("plain/none__killed", &["checkpoint", "set", "data/plain-0", "--high-watermark", "200", "--apply"]),
        ("plain/index-garbage__clean", &["index", "rebuild", "data", "--apply", "-j", "1"]),
        ("txn/snapshot-crc__clean", &["producers", "rebuild", "data", "--apply", "-j", "1"]),
        ("plain/index-garbage__clean", &["repair", "data", "--apply", "-j", "1"]),
        (
            "plain/tail-cut-mid-batch__killed",
            &["repair", "data", "--level", "tail", "--mark-clean", "--apply", "-j", "1"],
        ),
        (
            "plain/crc-value-middle__killed",
            &["repair", "data", "--level", "broker", "--apply", "--confirm", "plain-0", "-j", "1"],
        ),
        ("plain/epochs-decreasing__clean", &["checkpoint", "rebuild", "data", "--apply", "-j", "1"]),
    ] {
        let damaged = golden::damage(case);
        let before = tree(damaged.before());
        let laid_out = || {
            let root = tempfile::tempdir().unwrap();
            std::fs::rename(golden::private_copy(damaged.before()).keep(), root.path().join("data")).unwrap();
            root
        };
        let whole = laid_out();
        assert_eq!(log_cli().args(args).current_dir(whole.path()).output().unwrap().status.code(), Some(0), "{args:?}");
        let after = tree(&whole.path().join("data"));
        assert_ne!(before, after, "{args:?}");
        let mut over = BTreeSet::new();
        let mut killed = 0;
        for (call, n) in CALLS.iter().flat_map(|call| (1..MOST).step_by(step).map(move |n| (*call, n))) {
            if over.contains(call) {
                continue;
            }
            let root = laid_out();
            let (data, backup) = (root.path().join("data"), root.path().join("data.log-cli"));
            if !killed_at(call, n, args, root.path()) {
                over.insert(call);
                continue;
            }
            killed += 1;
            let at = format!("{args:?} killed at {call} {n}");
            let found = tree(&data);
            for (file, bytes) in &found {
                let is_known = before.get(file) == Some(bytes) || after.get(file) == Some(bytes);
                assert!(is_known, "{at}: {} is neither old nor new", file.display());
            }
            let lost = before.keys().find(|file| after.contains_key(*file) && !found.contains_key(*file));
            assert_eq!(lost, None, "{at}");
            let again = log_cli().args(args).current_dir(root.path()).output().unwrap();
            assert_eq!(again.status.code(), Some(0), "{at}: {again:?}");
            // What a first start renamed, a second one removes.
            let is_removed = |file: &&Path| args.contains(&"broker") && file.extension() == Some("deleted".as_ref());
            let now = tree(&data);
            let other: Vec<_> = differing(&now, &after).into_iter().filter(|file| !is_removed(file)).collect();
            assert_eq!(other, [] as [&Path; 0], "{at}, done again");
            undo_all(&backup);
            assert_eq!(differing(&tree(&data), &before), [] as [&Path; 0], "{at}, undone");
        }
        assert!(killed > 3, "{args:?} was killed {killed} times");
        kills += killed;
    }
    println!("{kills} kills");
}
