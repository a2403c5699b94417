//! Copies out of damaged partitions what is good in them, byte for byte, and puts the rest beside it.
//!
//! Sources are only read. Everything is written under another name first and read again there, so that what stands under the name that
//! was asked for is whole. Memory: that of the walks, and some 150 bytes for each place where a log is damaged.

mod aside;
mod chain;
mod commit;
mod forgiving;
mod history;
mod hole;
mod lost;
mod merge;
mod output;
mod partition;
mod refused;
mod replica;
mod report;
mod run;
mod survey;
mod syncer;
mod transactions;

pub use aside::Reason;
pub use commit::Salvaged;
pub use hole::Cause;
pub use partition::MAX_RUNS;
pub use refused::{Refused, SalvageError};
pub use report::{Lost, PartitionReport, Report, SetAside, SourceReport, Unreadable, WhyLost};
pub use transactions::{MAX_NAMED_TRANSACTIONS, NextOfProducer, OpenAtGap};

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use commit::Workplace;
use partition::Surveyed;

use crate::fs::{Fs, WriteFs};
use crate::log::PartitionDirectory;
use crate::units::{Offset, Timestamp};

/// A copy of a partition.
#[derive(Clone, Debug)]
pub struct SalvageSource {
    /// Its folder.
    pub folder: PartitionDirectory,
    /// Only the segment that begins here.
    pub only: Option<Offset>,
}

/// What to salvage, and where to.
#[derive(Clone, Debug)]
pub struct SalvageRequest {
    /// The partitions, each with its copies.
    pub partitions: Vec<Vec<SalvageSource>>,
    /// What to make: the folder of the only partition, or with [`Self::is_log_directory`] a folder with those of all.
    pub output: PathBuf,
    /// Only batches with offsets in this range; all if there is none. What lies outside is neither lost nor set aside.
    pub offsets: Option<Range<Offset>>,
    /// Give each partition a folder of its own in the output.
    pub is_log_directory: bool,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// The time, for the check of what was written.
    pub now: Timestamp,
}

/// Salvages. What is written does not have its name yet: [`Salvaged::commit`] gives it, and without that everything goes again. `done`
/// counts bytes: those of all `.log` files three times, as they are looked at, copied and read again.
///
/// # Errors
/// [`SalvageError::Refused`] before anything is written, or if a source changed meanwhile; [`SalvageError::Failed`] where the system
/// refuses.
pub fn salvage<'f>(
    from: &dyn Fs,
    to: &'f dyn WriteFs,
    request: &SalvageRequest,
    done: &AtomicU64,
) -> Result<Salvaged<'f>, SalvageError> {
    commit::refuse_bad_places(to, request)?;
    let mut surveyed = Vec::new();
    for sources in &request.partitions {
        surveyed.push(Surveyed::look(from, sources, request, done)?);
    }
    let needed = surveyed.iter().fold(0_u64, |sum, partition| sum.saturating_add(partition.needed()));
    let place = Workplace::begin(to, request, needed)?;
    let mut reports = Vec::new();
    for partition in surveyed {
        reports.push(partition.write(from, &place, request, done)?);
    }
    place.finish(reports)
}
