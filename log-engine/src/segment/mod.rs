//! One `.log` file and the indexes beside it.
//!
//! Here the bytes meet the disk for the first time: errors get a file and a position. Knows nothing of other segments.

mod name;
mod resync;
mod scan;
mod window;

pub use name::{Leftover, SegmentFile, SegmentName};
pub use resync::Resync;
pub use scan::{Frame, MAX_BUFFERED_BATCH, Scan, Step};
