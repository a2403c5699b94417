//! What the targets share that open a log: a disk in memory, and all that a log says of itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::{Batch, Scratch, Walk};
use crate::error::Result;
use crate::fs::WriteFs;
use crate::fs::sim::SimFs;
use crate::log::{Isolation, Log, LogConfig, ManualClock, OpenOptions, RecoveryMode, RecoveryReport};
use crate::segment::AbortedTxn;
use crate::units::{Offset, Timestamp};

/// The folder of the partition.
pub(super) const FOLDER: &str = "/data/orders-0";
/// When everything happens, until a target moves its clock.
pub(super) const NOW: Timestamp = Timestamp::new(1_700_000_000_000);
/// Bytes of one read: small, so that a log takes several.
const READ_BYTES: u64 = 700;

/// Small segments and indexes with many entries.
pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        segment_index_bytes: 512,
        index_interval_bytes: 64,
        retention_ms: Some(60_000),
        ..LogConfig::default()
    }
}

/// What is known of the log from outside when it is opened.
pub(super) fn options(mode: RecoveryMode, clock: &Arc<ManualClock>) -> OpenOptions {
    OpenOptions { mode, clock: Arc::clone(clock) as _, ..OpenOptions::default() }
}

pub(super) fn open(fs: &SimFs, config: LogConfig, options: OpenOptions) -> Result<(Log, RecoveryReport)> {
    let fs: Arc<dyn WriteFs> = Arc::new(fs.clone());
    Log::open(fs, Path::new(FOLDER), config, options)
}

/// Files of the partition whose names end so, and their bytes, in order.
pub(super) fn files(fs: &SimFs, endings: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let is_wanted = |path: &Path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending));
    fs.files().into_iter().filter(|(path, _)| is_wanted(path)).collect()
}

/// All whole batches that readers see from `from` on, and the aborted transactions among them.
pub(super) fn read_from(log: &Log, from: Offset, isolation: Isolation) -> (Vec<u8>, Vec<AbortedTxn>) {
    let (mut bytes, mut aborted, mut next) = (Vec::new(), Vec::new(), from);
    loop {
        let read = log.read(next, READ_BYTES, isolation, true).expect("within the log");
        let Some(slice) = read.slice else { return (bytes, aborted) };
        let slice = slice.read_to_vec().expect("nobody cuts the log meanwhile");
        let mut walk = Walk::new(&slice);
        let last = walk.by_ref().last().map(|(_, batch)| batch.expect("a sound log").last_offset());
        next = last.expect("the first batch comes whole").next();
        bytes.extend_from_slice(&slice[..walk.position()]);
        for transaction in read.aborted.unwrap_or_default() {
            if !aborted.contains(&transaction) {
                aborted.push(transaction);
            }
        }
    }
}

/// The batches in `bytes`, which are all whole.
pub(super) fn batches(bytes: &[u8]) -> Vec<Batch<'_>> {
    Walk::new(bytes).map(|(_, batch)| batch.expect("a whole batch")).collect()
}

/// Offsets and values of the records of a batch.
pub(super) fn values(batch: &Batch<'_>) -> Vec<(i64, Vec<u8>)> {
    let mut scratch = Scratch::default();
    let records = batch.records(&mut scratch).expect("records of our own");
    let records = records.map(|record| record.expect("a record of our own"));
    records.map(|record| (record.offset.get(), record.value.unwrap_or_default().to_vec())).collect()
}
