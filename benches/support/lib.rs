//! Support for the benches: data from seeds, and ratios to a floor measured in the same run.
//!
//! A throughput is a property of the machine; a ratio to a floor that is measured alternately with it, round by round, survives a
//! change of machine and a noisy neighbour. The tables that the README shows are printed by these.

mod engine;
mod floor;
#[cfg(feature = "peers")]
pub mod peers;
mod rounds;

use std::path::{Path, PathBuf};

pub use engine::{engine, folder};
pub use floor::{Aligned, read_and_checksum, touch_memory, write_pieces};
use log_engine::segment::SegmentFile;
use log_engine::{BatchBuilder, Codec, LeaderEpoch, Offset, Timestamp};
pub use rounds::{Ratio, Runs, Sample, Subject, interleave, quantile, ratio, rounds, timed};

/// What the records of generated batches look like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes of each value; there is no key.
    pub value: usize,
    /// Records in a batch.
    pub records: usize,
    /// How the batches are compressed.
    pub codec: Codec,
}

/// Records of 100 bytes, 148 to a batch: 16 KiB batches.
pub const SMALL_RECORDS: Shape = Shape { value: 91, records: 148, codec: Codec::None };

/// One batch of this shape. Values are text-like bytes from a seed, so that codecs have something to do.
#[must_use]
pub fn batch(shape: Shape, base: Offset, seed: u64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(base).leader_epoch(LeaderEpoch::new(0)).codec(shape.codec, None);
    let mut state = seed | 1;
    let mut value = vec![0; shape.value];
    for i in 0..shape.records {
        for byte in &mut value {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = b'a' + (state % 23) as u8;
        }
        let timestamp = Timestamp::new(1_700_000_000_000 + base.get() + i as i64);
        builder.push(timestamp, None, Some(&value), &[]).expect("a record that fits");
    }
    let mut out = Vec::new();
    builder.finish(&mut out).expect("a batch that fits");
    out
}

/// Batches of this shape, one behind the other with rising offsets, of about `bytes` in all.
#[must_use]
pub fn log(shape: Shape, bytes: usize) -> Vec<u8> {
    let mut template = batch(shape, Offset::ZERO, 0x5eed);
    let mut out = Vec::with_capacity(bytes + template.len());
    let mut base = 0;
    while out.len() < bytes {
        log_engine::batch::assign(&mut template, Offset::new(base), LeaderEpoch::new(0)).expect("a v2 batch");
        out.extend_from_slice(&template);
        base += shape.records as i64;
    }
    out
}

/// A partition's folder with segments of `segment` bytes and `bytes` in all, with the indexes that Kafka would have; its path.
///
/// # Panics
/// If the disk refuses.
#[must_use]
pub fn partition(root: &Path, shape: Shape, segment: usize, bytes: usize) -> PathBuf {
    let dir = root.join("bench-0");
    std::fs::create_dir_all(&dir).expect("a folder");
    let mut template = batch(shape, Offset::ZERO, 0x5eed);
    let mut base = 0;
    let mut written = 0;
    while written < bytes {
        let first = Offset::new(base);
        let (mut log, mut index) = (Vec::with_capacity(segment), Vec::new());
        let mut indexed = 0;
        while log.is_empty() || log.len() + template.len() <= segment {
            log_engine::batch::assign(&mut template, Offset::new(base), LeaderEpoch::new(0)).expect("a v2 batch");
            let last = base + shape.records as i64 - 1;
            if log.len() - indexed > 4096 {
                index.extend_from_slice(&u32::try_from(last - first.get()).expect("fits").to_be_bytes());
                index.extend_from_slice(&u32::try_from(log.len()).expect("fits").to_be_bytes());
                indexed = log.len();
            }
            log.extend_from_slice(&template);
            base += shape.records as i64;
        }
        written += log.len();
        let mut time = (1_700_000_000_000_i64 + shape.records as i64 - 1).to_be_bytes().to_vec();
        time.extend_from_slice(&u32::try_from(shape.records - 1).expect("fits").to_be_bytes());
        for (file, content) in
            [(SegmentFile::Log, log), (SegmentFile::OffsetIndex, index), (SegmentFile::TimeIndex, time)]
        {
            std::fs::write(dir.join(file.name(first)), content).expect("a file");
        }
    }
    std::fs::write(dir.join("leader-epoch-checkpoint"), "0\n1\n0 0\n").expect("a file");
    std::fs::write(dir.join("partition.metadata"), "version: 0\ntopic_id: AAAAAAAAAAEAAAAAAAAAAg").expect("a file");
    dir
}
