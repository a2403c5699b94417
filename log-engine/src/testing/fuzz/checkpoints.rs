//! Any bytes as each of the small text files.

use std::fmt::Debug;
use std::path::Path;

use super::assert_in_file;
use crate::checkpoint::{
    CleanShutdown, EpochCheckpoint, MetaProperties, OffsetCheckpoint, PartitionMetadata, QuorumState, TextFault, Uuid,
};
use crate::epoch::LeaderEpochs;
use crate::error::Result;

/// Reads the bytes as an offset checkpoint, an epoch file, `partition.metadata`, `meta.properties`, `quorum-state` and the clean
/// marker.
///
/// # Panics
/// If what was read is not what comes back from its own bytes, or an error lies outside the file.
pub fn checkpoints(data: &[u8]) {
    assert_comes_back(data, OffsetCheckpoint::parse, OffsetCheckpoint::encode, Clone::clone);
    assert_comes_back(data, PartitionMetadata::parse, PartitionMetadata::encode, Clone::clone);
    assert_comes_back(data, MetaProperties::parse, MetaProperties::encode, said);
    assert_comes_back(data, QuorumState::parse, QuorumState::encode, Clone::clone);
    assert_comes_back(data, CleanShutdown::parse, CleanShutdown::encode, Clone::clone);
    if let Some(file) = assert_comes_back(data, EpochCheckpoint::parse, EpochCheckpoint::encode, Clone::clone) {
        assert_epochs_rise(&file);
    }
}

/// What a `meta.properties` says, without where it says it.
fn said(file: &MetaProperties) -> (i32, Option<String>, Option<i32>, Option<Uuid>, Vec<String>) {
    let unknown = file.unknown_keys().map(str::to_owned).collect();
    (file.version(), file.cluster_id().map(str::to_owned), file.node_id(), file.directory_id(), unknown)
}

fn assert_comes_back<T: Debug, S: PartialEq + Debug>(
    data: &[u8],
    parse: impl Fn(&[u8], &Path) -> Result<T>,
    encode: impl Fn(&T) -> Vec<u8>,
    said: impl Fn(&T) -> S,
) -> Option<T> {
    let file = Path::new("the file");
    match parse(data, file) {
        Ok(read) => {
            let bytes = encode(&read);
            let again = parse(&bytes, file).unwrap_or_else(|error| panic!("{read:?} does not come back: {error}"));
            assert_eq!(said(&again), said(&read));
            assert_eq!(encode(&again), bytes);
            Some(read)
        }
        Err(error) => {
            let _ = TextFault::of(&error);
            assert_in_file(&error, file, data.len());
            None
        }
    }
}

/// Whatever order a file has, the epochs of a log rise, and so do their starts.
fn assert_epochs_rise(file: &EpochCheckpoint) {
    let epochs = LeaderEpochs::load(file);
    let entries = epochs.to_checkpoint();
    assert!(entries.entries.is_sorted_by(|a, b| a.epoch < b.epoch && a.start < b.start), "{entries:?}");
    assert_eq!(LeaderEpochs::load(&entries).to_checkpoint(), entries);
}
