//! Any bytes as a producer snapshot.

use std::path::Path;

use super::assert_in_file;
use crate::encoding::crc32c;
use crate::producer::{ProducerSnapshot, ProducerStates};

/// Reads the bytes as they are, and with the version and checksum that fit them.
///
/// # Panics
/// If a file that is accepted is not written again byte for byte, an error lies outside it, or states made of it are not those of
/// their own snapshot.
pub fn producer_snapshot(data: &[u8]) {
    assert_same_bytes(data);
    let mut fitting = data.to_vec();
    if let Some((head, checked)) = fitting.split_at_mut_checked(6) {
        head[..2].copy_from_slice(&[0, 1]);
        head[2..].copy_from_slice(&crc32c(checked).to_be_bytes());
        assert_same_bytes(&fitting);
    }
}

fn assert_same_bytes(bytes: &[u8]) {
    let file = Path::new("00000000000000000042.snapshot");
    match ProducerSnapshot::decode(bytes, file) {
        Ok(snapshot) => {
            assert_eq!(snapshot.encode(), bytes);
            let taken = ProducerStates::from_snapshot(&snapshot, None).snapshot();
            assert!(taken.entries.len() <= snapshot.entries.len());
            assert_eq!(ProducerStates::from_snapshot(&taken, None).snapshot(), taken);
        }
        Err(error) => assert_in_file(&error, file, bytes.len()),
    }
}
