//! What the next start scans and how long it takes, added up over partitions.

use std::collections::BTreeMap;

use log_engine::Offset;
use log_engine::inspect::{NextScan as Scan, RECOVERY_BYTES_PER_SECOND, Recovery, RecoveryPoint, recovery_millis};

use super::document::{NextScan, NextStart, Reason, Why};

/// Threads for the second answer: what somebody who cannot wait would configure.
const MANY_THREADS: u64 = 8;

/// Why a partition is scanned, or is not.
pub(super) fn why(scan: &Scan) -> Why {
    match scan.recovery {
        Recovery::Skipped | Recovery::Deleted if scan.without_index > 0 => Why::IndexMissing,
        Recovery::Skipped => Why::CleanShutdown,
        Recovery::Deleted => Why::Deleted,
        Recovery::From(RecoveryPoint::At(Offset::ZERO)) => Why::RecoveryPointZero,
        Recovery::From(RecoveryPoint::At(_)) => Why::RecoveryPoint,
        Recovery::From(RecoveryPoint::NotNamed) => Why::NotNamed,
        Recovery::From(RecoveryPoint::FileMissing) => Why::FileMissing,
        Recovery::From(RecoveryPoint::FileEmpty) => Why::FileEmpty,
        Recovery::From(RecoveryPoint::FileUnreadable) => Why::FileUnreadable,
        Recovery::From(RecoveryPoint::MetadataLog) => Why::MetadataLog,
    }
}

pub(super) fn next_scan(scan: &Scan) -> NextScan {
    NextScan {
        why: why(scan),
        segments: scan.segments,
        bytes: scan.bytes,
        without_index: scan.without_index,
        from: scan.from.map(Offset::get),
    }
}

/// The scans of one log directory, which share its threads.
pub(super) fn of_directory<'a>(scans: impl Iterator<Item = &'a NextScan> + Clone, threads: u64) -> NextStart {
    let work: Vec<u64> = scans.clone().map(|scan| scan.bytes).collect();
    let [slow, fast] = RECOVERY_BYTES_PER_SECOND;
    let millis = |threads| [fast, slow].map(|rate| recovery_millis(&work, threads, rate));
    let mut sum = NextStart {
        reasons: reasons(scans.clone()),
        threads,
        assumed_bytes_per_second: RECOVERY_BYTES_PER_SECOND,
        millis: millis(threads),
        millis_with_eight_threads: millis(MANY_THREADS),
        ..NextStart::default()
    };
    for scan in scans {
        sum.partitions += u64::from(scan.segments > 0);
        sum.segments += scan.segments;
        sum.bytes = sum.bytes.saturating_add(scan.bytes);
        sum.segments_without_index += scan.without_index;
    }
    sum
}

fn reasons<'a>(scans: impl Iterator<Item = &'a NextScan>) -> Vec<Reason> {
    let mut reasons = BTreeMap::new();
    for scan in scans.filter(|scan| scan.segments > 0) {
        let reason = reasons.entry(scan.why).or_insert(Reason { why: scan.why, partitions: 0, segments: 0, bytes: 0 });
        reason.partitions += 1;
        reason.segments += scan.segments;
        reason.bytes = reason.bytes.saturating_add(scan.bytes);
    }
    let mut reasons: Vec<Reason> = reasons.into_values().collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.bytes));
    reasons
}

/// Several directories, scanned side by side: the amounts add up, the slowest decides the time.
pub(super) fn together<'a>(starts: impl Iterator<Item = &'a NextStart>, threads: u64) -> NextStart {
    let mut all = NextStart { threads, assumed_bytes_per_second: RECOVERY_BYTES_PER_SECOND, ..NextStart::default() };
    let mut reasons: BTreeMap<Why, Reason> = BTreeMap::new();
    for start in starts {
        all.partitions += start.partitions;
        all.segments += start.segments;
        all.bytes = all.bytes.saturating_add(start.bytes);
        all.segments_without_index += start.segments_without_index;
        for (slowest, millis) in
            [(&mut all.millis, start.millis), (&mut all.millis_with_eight_threads, start.millis_with_eight_threads)]
        {
            for (slowest, millis) in slowest.iter_mut().zip(millis) {
                *slowest = (*slowest).max(millis);
            }
        }
        for reason in &start.reasons {
            let sum =
                reasons.entry(reason.why).or_insert(Reason { partitions: 0, segments: 0, bytes: 0, why: reason.why });
            sum.partitions += reason.partitions;
            sum.segments += reason.segments;
            sum.bytes = sum.bytes.saturating_add(reason.bytes);
        }
    }
    all.reasons = reasons.into_values().collect();
    all.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.bytes));
    all
}
