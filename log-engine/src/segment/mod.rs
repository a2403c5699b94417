//! One `.log` file and the indexes beside it.
//!
//! Here the bytes meet the disk for the first time: errors get a file and a position. Knows nothing of other segments.

mod entries;
mod index_builder;
mod interval;
mod live;
mod lookup;
mod name;
mod offset_index;
mod rebuild;
mod resync;
mod scan;
mod time_index;
mod txn_index;
mod window;

pub use entries::{Index, IndexEntry, MAX_INDEX_BYTES};
pub use index_builder::{IndexFault, OffsetIndexBuilder, TimeIndexBuilder, TxnIndexBuilder};
pub use interval::{IndexInterval, IntervalSamples, MAX_INTERVAL_SAMPLES, SegmentSamples};
pub use live::{Installed, MAX_SEGMENT_BYTES, RollFacts, Segment, SegmentOptions, SegmentRead};
pub use lookup::{BatchPosition, TimedRecord, find_by_timestamp, next_offset, translate};
pub use name::{Leftover, SegmentFile, SegmentName};
pub use offset_index::{OffsetEntry, OffsetIndex, OffsetPosition};
pub use rebuild::{DEFAULT_INDEX_INTERVAL, Indexer, Indexes, RebuildEnd, Rebuilt, rebuild};
pub use resync::Resync;
pub use scan::{Frame, MAX_BUFFERED_BATCH, Scan, Step};
pub use time_index::{TimeEntry, TimeIndex, TimestampOffset};
pub use txn_index::{AbortedTxn, AbortedTxns, TxnIndex, TxnIndexState};
