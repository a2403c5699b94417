//! Logs of ours and folders to put them in.

use std::path::Path;
use std::sync::Arc;

use log_engine::{Log, LogConfig, OpenOptions, OsFs};

/// An empty folder below `BENCH_DIR`, or where temporary files go; it is gone when the result is dropped.
///
/// # Panics
/// If the disk refuses.
#[must_use]
pub fn folder() -> tempfile::TempDir {
    let made = std::env::var_os("BENCH_DIR").map_or_else(tempfile::tempdir, tempfile::tempdir_in);
    made.expect("a folder")
}

/// The log in `dir`, made if it is not there.
///
/// # Panics
/// If it cannot be opened.
#[must_use]
pub fn engine(dir: &Path, config: LogConfig) -> Log {
    Log::open(Arc::new(OsFs), dir, config, OpenOptions::default()).expect("a log").0
}
