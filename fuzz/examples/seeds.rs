//! Makes the first inputs of every corpus from the golden directories: `cargo run --release --example seeds`, in `fuzz/`.
//!
//! Other inputs beside them are kept: only names that begin with `golden-` are written.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::testing::fuzz::{pack, pack_segment};
use log_engine::testing::golden;
use log_engine::testing::memory_fs::MemoryFs;
use log_engine::{Batch, Codec, Walk};
use log_engine::batch::{BatchHeader, HEADER_LEN};

/// Longer files and batches are left out: a fuzzer does more with short ones.
const LONGEST: usize = 2048;
/// A directory needs more.
const LONGEST_DIRECTORY: usize = 12 << 10;
/// Inputs made for one target.
const MOST: usize = 40;

fn main() {
    let files = golden_files();
    for (target, ending) in [
        ("index", "index"),
        ("timeindex", "timeindex"),
        ("txnindex", "txnindex"),
        ("producer_snapshot", "snapshot"),
        ("segment_scan", "log"),
    ] {
        let of_kind = files.iter().filter(|path| path.extension() == Some(OsStr::new(ending)));
        let of_kind = of_kind.map(|path| trimmed(fs::read(path).expect("a golden file")));
        put_all(target, of_kind.filter(|file| file.len() <= LONGEST));
    }
    let segments = files.iter().filter(|path| path.extension() == Some(OsStr::new("log")));
    put_all("segment_recover", segments.filter_map(|path| segment(path)));
    let texts = files.iter().filter(|path| is_text(path));
    put_all("checkpoints", texts.map(|path| fs::read(path).expect("a golden file")));

    let logs = files.iter().filter(|path| path.extension() == Some(OsStr::new("log")));
    let logs: Vec<Vec<u8>> = logs.map(|path| fs::read(path).expect("a golden file")).collect();
    let batches: Vec<Batch<'_>> =
        logs.iter().flat_map(|log| Walk::new(log)).filter_map(|(_, batch)| batch.ok()).collect();
    let mut kinds = BTreeSet::new();
    let different: Vec<&Batch<'_>> =
        batches.iter().filter(|batch| batch.bytes().len() <= LONGEST && kinds.insert(kind(batch))).collect();
    put_all("batch", different.iter().map(|batch| batch.bytes().to_vec()));
    put_all("batch_gen", different.iter().map(|batch| batch.bytes().to_vec()));
    put_all(
        "record_varint",
        different.iter().map(|batch| batch.bytes().iter().copied().skip(HEADER_LEN).take(24).collect()),
    );
    let legacy = batches.iter().filter(|batch| batch.magic() < 2 && batch.bytes().len() <= LONGEST);
    put_all("legacy_v0_v1", legacy.map(|batch| batch.bytes().to_vec()));
    put_all("decompress", different.iter().filter_map(|batch| compressed(batch)));
    put_all("log_dir", directories().into_iter());
    put_all("canary", [b"a bird".to_vec()].into_iter());
}

/// A `.log` and its indexes as `segment_recover` takes them.
fn segment(log: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(log).expect("a golden file");
    let indexes = ["index", "timeindex", "txnindex"].map(|ending| {
        fs::read(log.with_extension(ending)).map(|bytes| if ending == "txnindex" { bytes } else { trimmed(bytes) })
    });
    let indexes = indexes.map(Result::unwrap_or_default);
    let indexes = indexes.each_ref().map(Vec::as_slice);
    (bytes.len() <= LONGEST).then(|| pack_segment(indexes, &bytes))
}

/// The undamaged directories under the damaged ones, and a damaged one, each with as many of its files as fit.
fn directories() -> Vec<Vec<u8>> {
    let bases = golden::unpacked("damage", "bases").join("bases");
    let names = ["plain-clean", "plain-killed", "comp-killed", "txn-clean", "txn-killed", "compact-clean"];
    let folders = names.map(|name| bases.join(name));
    folders.iter().chain([&golden::sample_damaged()]).map(|folder| packed(folder)).collect()
}

fn packed(folder: &Path) -> Vec<u8> {
    let mut left = LONGEST_DIRECTORY;
    let mut part = MemoryFs::default();
    for (path, bytes) in MemoryFs::load(folder).files() {
        let bytes = if path.extension() == Some(OsStr::new("log")) { bytes.to_vec() } else { trimmed(bytes.to_vec()) };
        if let Some(rest) = left.checked_sub(bytes.len() + path.as_os_str().len() + 4) {
            left = rest;
            part.put_file(path, bytes);
        }
    }
    pack(&part)
}

/// All files of the golden directories, in order.
fn golden_files() -> Vec<PathBuf> {
    let kafka = golden::kafka_cases().into_iter().map(|case| golden::kafka(&case));
    let mut found: Vec<PathBuf> = kafka.flat_map(|case| below(&case)).collect();
    found.extend(below(&golden::sample_damaged()));
    found
}

fn below(folder: &Path) -> Vec<PathBuf> {
    golden::files(folder).into_iter().map(|file| folder.join(file)).collect()
}

fn is_text(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.ends_with("-checkpoint")
        || ["partition.metadata", "meta.properties", "quorum-state", ".kafka_cleanshutdown"].contains(&name)
}

/// A file less the zeros of its unused end, but a few.
fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used + 24);
    bytes
}

/// What tells batches apart that are decoded differently.
fn kind(batch: &Batch<'_>) -> (i8, u8, bool, u32) {
    let count = batch.header().map_or(0, BatchHeader::records_count);
    (batch.magic(), batch.attributes().bits(), batch.producer().is_some(), count.unsigned_abs().min(4))
}

/// The compressed part of a v2 batch, behind the byte that chooses its codec.
fn compressed(batch: &Batch<'_>) -> Option<Vec<u8>> {
    batch.header()?;
    let codec = Codec::ALL.iter().position(|codec| batch.codec() == Ok(*codec))?;
    // Byte / 8 % 3 is the message format, byte % 5 the codec.
    let choice = (0..=u8::MAX).find(|byte| byte / 8 % 3 == 2 && usize::from(byte % 5) == codec)?;
    let mut input = vec![choice];
    input.extend(batch.bytes().iter().skip(HEADER_LEN));
    Some(input)
}

fn put_all(target: &str, inputs: impl Iterator<Item = Vec<u8>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder for the corpus");
    let inputs: BTreeSet<Vec<u8>> = inputs.filter(|input| input.len() <= LONGEST_DIRECTORY).collect();
    let step = inputs.len().div_ceil(MOST).max(1);
    for (n, input) in inputs.into_iter().step_by(step).enumerate() {
        fs::write(folder.join(format!("golden-{n:02}")), input).expect("a place for the input");
    }
}
