//! What the fuzz targets assert: functions from any bytes that panic when an invariant breaks.
//!
//! They stand here and not beside libFuzzer (`fuzz/` at the root), so that plain tests replay the corpora on any Rust. A file a
//! target. "Never panics, never hangs" is asserted by running; everything beyond that is in the functions.

mod batch;
mod batch_gen;
mod canary;
mod checkpoints;
mod decompress;
mod epoch_truncate;
mod indexed_log;
mod indexes;
mod legacy;
mod log_dir;
mod ops;
mod producer_snapshot;
mod record_varint;
mod segment_recover;
mod segment_scan;
mod whole_log;

pub use batch::batch;
pub use batch_gen::batch_gen;
pub use canary::canary;
pub use checkpoints::checkpoints;
pub use decompress::decompress;
pub use epoch_truncate::epoch_truncate;
pub use indexes::{index, timeindex, txnindex};
pub use legacy::legacy_v0_v1;
pub use log_dir::{log_dir, pack};
pub use ops::ops;
pub use producer_snapshot::producer_snapshot;
pub use record_varint::record_varint;
pub use segment_recover::{pack_segment, segment_recover};
pub use segment_scan::segment_scan;

use std::path::Path;

use crate::error::{Error, Malformed};

/// A target: its name, which is also that of its corpus, and what it asserts of any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets of this crate but the canary, whose failure is its success.
pub const TARGETS: &[Target] = &[
    ("batch", batch),
    ("batch_gen", batch_gen),
    ("record_varint", record_varint),
    ("legacy_v0_v1", legacy_v0_v1),
    ("decompress", decompress),
    ("segment_scan", segment_scan),
    ("index", index),
    ("timeindex", timeindex),
    ("txnindex", txnindex),
    ("producer_snapshot", producer_snapshot),
    ("checkpoints", checkpoints),
    ("log_dir", log_dir),
    ("segment_recover", segment_recover),
    ("ops", ops),
    ("epoch_truncate", epoch_truncate),
];

/// What a batch may become when it is decompressed here: small, so that the limit is met often.
const OUTPUT_LIMIT: usize = 1 << 20;

/// That an error lies within a slice of `len` bytes, or at its end.
#[track_caller]
fn assert_within(malformed: &Malformed, len: usize) {
    assert!(malformed.at <= len, "{malformed}, which has {len} bytes");
}

/// That an error names `file` and a place in its `len` bytes, or their end.
#[track_caller]
fn assert_in_file(error: &Error, file: &Path, len: usize) {
    match error {
        Error::Corrupt(corrupt) => {
            assert_eq!(corrupt.file, file, "{error}");
            assert!(corrupt.position.get() <= len as u64, "{error}, which has {len} bytes");
        }
        other => panic!("bytes in memory fail only by what they say: {other}"),
    }
}
