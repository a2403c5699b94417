//! Faults planted on purpose, one at a time: so that a test of crashes shows that it finds them.
//!
//! Only with the feature `plant`, for tests alone. Without it nothing is ever planted, and the compiler takes out what asks for it.

#[cfg(feature = "plant")]
use std::sync::atomic::{AtomicUsize, Ordering};

/// A way to lose data, or to give out other data, that a rule of the engine prevents. Planted, that rule is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was written is called durable, and no sync is made.
    AnswerBeforeSync,
    /// The folder is not synced when a new segment's records are promised.
    NoFolderSync,
    /// A sync takes the last segment alone; the full ones before it are forgotten.
    FullSegmentNotSynced,
    /// The recovery point that is written down is the log's end, synced or not.
    RecoveryPointTooFar,
    /// The recovery point that is written down does not wait for the index of a full segment.
    SealNotWaitedFor,
    /// The recovery point stands where it was when the log is cut below it.
    RecoveryPointNotLowered,
    /// A truncation is reported as done before the cut was synced.
    CutNotSynced,
    /// The epochs of what a truncation cut stay.
    EpochsNotCut,
    /// The newest of the segments that retention deletes goes first.
    DeletedNewestFirst,
    /// A sync that failed is tried again, and the log goes on.
    SyncRetried,
    /// What is read behind a failed sync is believed, though only memory has it.
    CacheBelieved,
    /// What a failed write left stays, and the next one goes behind it.
    FailedWriteKept,
    /// No checksum is looked at in recovery.
    ChecksumNotLookedAt,
    /// Recovery keeps the indexes that it finds.
    IndexBelieved,
    /// Recovery takes the leader epoch of a head, which no checksum covers, for what it says.
    EpochOfRottenHeader,
    /// Damage below the recovery point is cut as if a crash had left it.
    DamageCut,
    /// Recovery leaves the torn tail where it is.
    TornTailKept,
    /// A small file is replaced without a sync of its folder.
    NamesNotSynced,
    /// A small file is written over where it stands.
    ReplacedInPlace,
    /// The marker of a clean stop stays when the log is opened.
    MarkerKept,
}

/// Which fault is planted: its number from 1 on, or 0 for none.
#[cfg(feature = "plant")]
static PLANTED: AtomicUsize = AtomicUsize::new(0);

#[cfg(feature = "plant")]
impl Fault {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::AnswerBeforeSync,
        Self::NoFolderSync,
        Self::FullSegmentNotSynced,
        Self::RecoveryPointTooFar,
        Self::SealNotWaitedFor,
        Self::RecoveryPointNotLowered,
        Self::CutNotSynced,
        Self::EpochsNotCut,
        Self::DeletedNewestFirst,
        Self::SyncRetried,
        Self::CacheBelieved,
        Self::FailedWriteKept,
        Self::ChecksumNotLookedAt,
        Self::IndexBelieved,
        Self::EpochOfRottenHeader,
        Self::DamageCut,
        Self::TornTailKept,
        Self::NamesNotSynced,
        Self::ReplacedInPlace,
        Self::MarkerKept,
    ];

    /// Plants `fault` in the whole process, in place of the one before.
    pub fn plant(fault: Option<Self>) {
        PLANTED.store(fault.map_or(0, Self::number), Ordering::Relaxed);
    }

    const fn number(self) -> usize {
        (self as usize).saturating_add(1)
    }

    /// True if it is the one that is planted.
    pub(crate) fn is_planted(self) -> bool {
        PLANTED.load(Ordering::Relaxed) == self.number()
    }
}

#[cfg(not(feature = "plant"))]
impl Fault {
    /// Never.
    pub(crate) const fn is_planted(self) -> bool {
        false
    }
}
