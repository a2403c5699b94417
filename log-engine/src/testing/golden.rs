//! The golden directories of `log-engine/tests/golden` as folders on the disk.
//!
//! They are stored as archives. An archive is unpacked under `target/golden/` when it is first asked for; the folder's name holds
//! the archive's checksum, so another archive is another folder, and processes that come later find it there. Such folders are shared:
//! read them only, and take a [`private_copy`] (or a [`damage`] case, which is one) to change anything.
//!
//! # Panics
//! Everything here panics when an archive is missing or unknown, or the disk refuses: a test that has no input has failed.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

/// Where the sets are stored.
const STORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
/// Where archives are unpacked.
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/golden");
/// Files of `kafka/metadata` that hold nothing but zeros and are not stored: active indexes at full size, with their bytes.
const ZEROS: [(&str, u64); 2] = [
    ("dir/__cluster_metadata-0/00000000000000000158.timeindex", 10_485_756),
    ("dir/__cluster_metadata-0/00000000000000000158.index", 10_485_760),
];

/// A damaged log directory of its own, removed when this is dropped.
#[derive(Debug)]
pub struct Damaged {
    /// Holds `before` and `after`; kept for its drop.
    _folder: TempDir,
    before: PathBuf,
    after: PathBuf,
    case: PathBuf,
    truth: Value,
}

impl Damaged {
    /// The log directory as the broker found it. Nobody else uses it: tests may change it.
    #[must_use]
    pub fn before(&self) -> &Path {
        &self.before
    }

    /// The log directory as it was after the broker had started on it (and was stopped as `truth` says).
    ///
    /// Laid out anew at each call, whatever was done to `before`.
    #[must_use]
    pub fn after(&self) -> &Path {
        if self.after.exists() {
            must("remove", &self.after, fs::remove_dir_all(&self.after));
        }
        lay_out_before(&self.case, &self.truth, &self.after);
        lay_out_after(&self.case, &self.after);
        &self.after
    }

    /// `truth.json`: the damage, what the broker did, its log lines, what the consumer read.
    #[must_use]
    pub fn truth(&self) -> &Value {
        &self.truth
    }
}

/// The names of the cases of `kafka/`, in order: `plain`, `crash/before` and so on.
#[must_use]
pub fn kafka_cases() -> Vec<String> {
    let mut cases = Vec::new();
    for name in archives("kafka") {
        let top = unpacked("kafka", &name).join(&name);
        if top.join("dir").is_dir() {
            cases.push(name);
        } else {
            cases.extend(names(&top).into_iter().map(|stage| format!("{name}/{stage}")));
        }
    }
    cases
}

/// A case of `kafka/`: the folder that holds `dir` (the log directory; several in the case `dirs`) and `expected*`. Shared: read only.
#[must_use]
pub fn kafka(case: &str) -> PathBuf {
    let archive = case.split('/').next().unwrap_or(case);
    existing(unpacked("kafka", archive).join(case))
}

/// The names of the cases of `damage/`, in order: `plain/crc-value-middle__killed` and so on.
#[must_use]
pub fn damage_cases() -> Vec<String> {
    let topics = archives("damage").into_iter().filter(|name| !["bases", "dump", "extras"].contains(&name.as_str()));
    topics
        .flat_map(|topic| {
            let cases = names(&unpacked("damage", &topic).join("cases").join(&topic));
            cases.into_iter().map(move |case| format!("{topic}/{case}"))
        })
        .collect()
}

/// A case of `damage/`, laid out whole: the undamaged base, less the files that the damage removed, under those it changed or added.
#[must_use]
pub fn damage(case: &str) -> Damaged {
    let topic = case.split('/').next().unwrap_or(case);
    let case = existing(unpacked("damage", topic).join("cases").join(case));
    let truth = json(&case.join("truth.json"));
    let folder = must("make", Path::new("a temporary folder"), tempfile::tempdir());
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    lay_out_before(&case, &truth, &before);
    Damaged { _folder: folder, before, after, case, truth }
}

/// What Kafka's dump tool printed of some damaged files, one `<topic>_<case>.txt` each. Shared: read only.
#[must_use]
pub fn damage_dumps() -> PathBuf {
    existing(unpacked("damage", "dump").join("dump"))
}

/// `locks.txt`, `gap.json`, `rewind.json`, `seeks.json`: see `damage/README.md`. Shared: read only.
#[must_use]
pub fn damage_extras() -> PathBuf {
    existing(unpacked("damage", "extras").join("extras"))
}

/// The scenarios of `replicas/`, in order.
#[must_use]
pub fn replica_scenarios() -> Vec<String> {
    archives("replicas")
}

/// A scenario of `replicas/`: the folder that holds `dirs/<stage>/<node>`, `truth.json` and `acked.jsonl`. Shared: read only.
#[must_use]
pub fn replicas(scenario: &str) -> PathBuf {
    existing(unpacked("replicas", scenario).join(scenario))
}

/// The names of the scripts of operations, in order: `01-append-and-read` and so on.
#[must_use]
pub fn script_names() -> Vec<String> {
    names(&scripts()).iter().filter_map(|name| name.strip_suffix(".script")).map(str::to_owned).collect()
}

/// The folder of the scripts: `NAME.script`, `NAME.out.ndjson` and `NAME.files.txt` each. Shared: read only.
#[must_use]
pub fn scripts() -> PathBuf {
    unpacked("scripts", "scripts")
}

/// The small undamaged directory that lies unpacked beside the archives: the case `txn` of `kafka/`. Read only.
#[must_use]
pub fn sample() -> PathBuf {
    existing(Path::new(STORE).join("sample"))
}

/// The small damaged directory that lies unpacked beside the archives: `plain/crc-value-middle__killed` of `damage/`. Read only.
#[must_use]
pub fn sample_damaged() -> PathBuf {
    existing(Path::new(STORE).join("sample-damaged"))
}

/// A copy of `folder` that may be changed, removed when it is dropped.
#[must_use]
pub fn private_copy(folder: &Path) -> TempDir {
    let copy = must("make", Path::new("a temporary folder"), tempfile::tempdir());
    copy_all(folder, copy.path());
    copy
}

/// All files below `folder`, in order, as paths relative to it.
#[must_use]
pub fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| Path::new(&name).join(file)));
        } else {
            found.insert(PathBuf::from(name));
        }
    }
    found
}

/// The JSON document in `file`.
#[must_use]
pub fn json(file: &Path) -> Value {
    must("parse", file, serde_json::from_slice(&must("read", file, fs::read(file))))
}

/// The archives of a set, without their ending, in order.
#[must_use]
pub fn archives(set: &str) -> Vec<String> {
    let stored = names(&Path::new(STORE).join(set));
    stored.iter().filter_map(|name| name.strip_suffix(".tar.zst")).map(str::to_owned).collect()
}

/// The folder into which an archive was unpacked, as it is stored: no case laid out, no file recreated but the all-zero ones.
#[must_use]
pub fn unpacked(set: &str, archive: &str) -> PathBuf {
    /// One archive at a time: threads that ask for the same one wait for the first.
    static UNPACKING: Mutex<()> = Mutex::new(());
    let _one = UNPACKING.lock().unwrap_or_else(PoisonError::into_inner);

    let stored = Path::new(STORE).join(set).join(format!("{archive}.tar.zst"));
    let bytes = must("read", &stored, fs::read(&stored));
    let folder = Path::new(CACHE).join(format!("{set}-{archive}-{:08x}", crc32c::crc32c(&bytes)));
    if !folder.exists() {
        must("make", Path::new(CACHE), fs::create_dir_all(CACHE));
        let half = must("make", Path::new(CACHE), tempfile::tempdir_in(CACHE));
        let tar = must("decompress", &stored, zstd::Decoder::new(bytes.as_slice()));
        must("unpack", &stored, tar::Archive::new(tar).unpack(half.path()));
        if (set, archive) == ("kafka", "metadata") {
            add_zeros(&half.path().join(archive));
        }
        // Another process may have been faster: then its folder stands, and ours goes with `half`.
        if let Err(error) = fs::rename(half.path(), &folder) {
            assert!(folder.exists(), "cannot rename to {}: {error}", folder.display());
        }
    }
    folder
}

fn add_zeros(case: &Path) {
    for (file, bytes) in ZEROS {
        let path = case.join(file);
        must("make", &path, File::create_new(&path).and_then(|file| file.set_len(bytes)));
    }
}

/// The base's files, less `before.removed`, under `before/` of the case; folders that have become empty go.
fn lay_out_before(case: &Path, truth: &Value, target: &Path) {
    let base = truth["before"]["base"].as_str().unwrap_or_default();
    copy_all(&existing(unpacked("damage", "bases").join("bases").join(base)), target);
    for removed in truth["before"]["removed"].as_array().into_iter().flatten() {
        let path = target.join(removed.as_str().unwrap_or_default());
        must("remove", &path, fs::remove_file(&path));
    }
    if case.join("before").is_dir() {
        copy_all(&case.join("before"), target);
    }
    remove_empty_folders(target);
}

/// `after.tsv`, applied to a laid out `before`: each line says what became of one file.
fn lay_out_after(case: &Path, target: &Path) {
    let list = case.join("after.tsv");
    let text = must("read", &list, fs::read_to_string(&list));
    let lines = text.lines().skip(1).map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [file, state, _, size, ..] => (file, state, size),
        _ => panic!("{}: {line:?} has too few columns", list.display()),
    });
    // First what was renamed: its old bytes may be gone, or others, after the next lines.
    for (file, state, _) in lines.clone() {
        if let Some(old) = state.strip_prefix("renamed from ") {
            copy(&target.join(old), &target.join(file));
        }
    }
    for (file, state, size) in lines.filter(|(_, state, _)| !state.starts_with("renamed from ")) {
        let (path, stored) = (target.join(file), case.join("after").join(file));
        if state == "gone" {
            must("remove", &path, fs::remove_file(&path));
            continue;
        }
        make_parent(&path);
        if stored.exists() {
            copy(&stored, &path);
        }
        // What is not stored are zeros behind the old bytes, or nothing but zeros.
        let keep = stored.exists() || state.starts_with("extended with zeros");
        let opened = File::options().write(true).create(true).truncate(!keep).open(&path);
        must("extend", &path, opened.and_then(|file| file.set_len(must("parse", &list, size.parse()))));
    }
}

fn copy_all(from: &Path, to: &Path) {
    for file in files(from) {
        copy(&from.join(&file), &to.join(&file));
    }
}

/// One file, into a folder that may have to be made.
fn copy(from: &Path, to: &Path) {
    make_parent(to);
    must("copy", to, fs::copy(from, to));
}

fn make_parent(file: &Path) {
    must("make the folder of", file, file.parent().map_or(Ok(()), fs::create_dir_all));
}

/// Removes the folders below `folder` that hold no file.
fn remove_empty_folders(folder: &Path) {
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() && files(&path).is_empty() {
            must("remove", &path, fs::remove_dir_all(&path));
        } else if path.is_dir() {
            remove_empty_folders(&path);
        }
    }
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = must("list", folder, fs::read_dir(folder));
    let mut names: Vec<String> =
        entries.map(|entry| must("list", folder, entry).file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "there is no {}", path.display());
    path
}

fn must<T, E: Display>(verb: &str, path: &Path, done: Result<T, E>) -> T {
    done.unwrap_or_else(|error| panic!("cannot {verb} {}: {error}", path.display()))
}
