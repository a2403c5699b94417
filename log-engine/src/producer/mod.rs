//! Who wrote what last in one log: the producers' state as it lies on disk.

mod snapshot;

pub use snapshot::{ProducerSnapshot, SnapshotEntry};
