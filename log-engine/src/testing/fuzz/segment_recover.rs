//! Any bytes as the `.log` and the indexes of a segment that has to be recovered.

use std::path::Path;
use std::sync::Arc;

use super::whole_log::{self, FOLDER, NOW, batches, files, options, read_from};
use crate::batch::{Batch, BatchHeader, Scratch, Walk};
use crate::error::{Error, Result};
use crate::fs::sim::SimFs;
use crate::log::{
    AppendAsLeader, Isolation, Log, LogConfig, ManualClock, NewRecord, OpenOptions, RecoveryMode, RecoveryReport,
};
use crate::producer::Marker;
use crate::segment::SegmentFile;
use crate::units::{LeaderEpoch, Offset};

/// Files that recovery writes.
const SETTLED: [&str; 5] = [".log", ".index", ".timeindex", ".txnindex", "leader-epoch-checkpoint"];
/// Where the checksum of a batch of format 2 stands.
const CRC_AT: usize = 17;
/// Larger files are not searched byte by byte.
const NAIVE_SEARCH: usize = 4096;

/// Recovers the segment that the bytes describe in every mode: a byte that is odd where the checksums of its batches are to be put
/// right, the lengths of its offset, time and transaction index in two bytes each, these, and its `.log`.
///
/// # Panics
/// If what is left is no prefix of sound batches, if one before the first damage is lost, also by who believes that the log was
/// closed, if a mode cuts what it must not cut or changes files and then refuses, if a second recovery finds something to do, or the
/// log cannot be used afterwards.
pub fn segment_recover(data: &[u8]) {
    let Some((mends, data)) = data.split_first() else { return };
    let (indexes, log) = split(data);
    let log = &if mends % 2 == 1 { with_checksums(log) } else { log.to_vec() };
    let before = disk(&indexes, log);
    let sound = sound_prefix(log);
    let strict = recover(&before, RecoveryMode::Strict, false);
    let torn = recover(&before, RecoveryMode::TornTail, false);
    let kafka = recover(&before, RecoveryMode::Kafka, false);
    let believed = recover(&before, RecoveryMode::TornTail, true);
    if let Ok(strict) = &strict {
        assert_eq!(&strict.log, log, "the strict mode cuts nothing");
        let torn = torn.as_ref().expect("what the strict mode takes, the default takes");
        assert_eq!(strict.files, torn.files);
    }
    if let Ok(torn) = &torn {
        assert_eq!(torn.log.len(), sound.end, "cuts where the first damage is");
        assert_eq!(torn.report.bytes_cut(), (log.len() - sound.end) as u64);
        if log.len() <= NAIVE_SEARCH {
            assert_no_sound_batch(log, &sound);
        }
    }
    if let Ok(kafka) = &kafka {
        assert!(kafka.log.len() <= sound.checked_end, "keeps what is no batch");
        if sound.end == sound.checked_end {
            assert_eq!(kafka.log.len(), sound.end, "cuts where the first damage is");
        }
    }
    if let Ok(believed) = &believed {
        assert!(believed.log.len() >= sound.end, "cuts before the first damage");
    }
    for (mode, recovered) in [("strict", &strict), ("torn tail", &torn), ("kafka", &kafka), ("believed", &believed)] {
        match recovered {
            Ok(recovered) => assert!(log.starts_with(&recovered.log), "{mode}: a prefix stays"),
            Err(error) => assert!(matches!(error, Error::Corrupt(_) | Error::NotReadable { .. }), "{mode}: {error}"),
        }
    }
}

/// What recovery left behind.
struct Recovered {
    /// The bytes of all `.log` files, in order.
    log: Vec<u8>,
    files: Vec<(std::path::PathBuf, Vec<u8>)>,
    report: RecoveryReport,
}

/// Any sound batch behind damage says that no crash has made it.
fn open(fs: &SimFs, options: OpenOptions) -> Result<(Log, RecoveryReport)> {
    whole_log::open(fs, LogConfig { max_unsynced_bytes: 0, ..whole_log::config() }, options)
}

/// Opens the log, with a clean marker beside it or without, and once more.
fn recover(before: &SimFs, mode: RecoveryMode, clean: bool) -> Result<Recovered> {
    let fs = before.restart();
    let clock = Arc::new(ManualClock::at(NOW));
    let how = || OpenOptions { clean, ..options(mode, &clock) };
    let opened = open(&fs, how());
    let (log, report) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if mode != RecoveryMode::Kafka {
                assert_eq!(fs.files(), before.files(), "{mode:?}: refused, and changed files: {error}");
            }
            return Err(error);
        }
    };
    drop(log);
    let once = files(&fs, &SETTLED);
    let fs = fs.restart();
    let (log, again) = open(&fs, how()).expect("what was recovered opens");
    assert_eq!(files(&fs, &SETTLED), once, "{mode:?}: a second recovery changes nothing");
    assert!(again.is_untouched() && again.files_rebuilt.is_empty(), "{mode:?}: {again:?}");
    let log_bytes = once.iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "log"));
    let log_bytes: Vec<u8> = log_bytes.flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    if mode != RecoveryMode::Kafka && !clean {
        assert_usable(log, &fs, &clock, &log_bytes);
    }
    Ok(Recovered { log: log_bytes, files: once, report })
}

/// Everything is read, the next record gets the offset behind the last, and the log closes and opens cleanly.
fn assert_usable(log: Log, fs: &SimFs, clock: &Arc<ManualClock>, bytes: &[u8]) {
    let (seen, _) = read_from(&log, log.start(), Isolation::LogEnd);
    assert_eq!(seen, bytes, "readers see what was kept");
    let end = batches(bytes).last().map_or(Offset::ZERO, |batch| batch.last_offset().next());
    assert_eq!(log.end(), end);
    let epoch = log.latest_epoch().unwrap_or(LeaderEpoch::new(0));
    let record = NewRecord { value: Some(b"behind"), ..NewRecord::default() };
    match log.append_records([record], None, &AppendAsLeader::client(epoch)) {
        Ok(appended) => assert_eq!(appended.first_offset, Some(end)),
        Err(Error::Refused(_)) => return,
        Err(error) => panic!("{error}"),
    }
    let closed = log.close().expect("nothing fails");
    let known =
        OpenOptions { clean: true, recovery_point: closed.recovery_point, ..options(RecoveryMode::Strict, clock) };
    let (log, report) = open(&fs.restart(), known).expect("a closed log opens");
    assert!(report.is_untouched() && report.files_rebuilt.is_empty(), "{report:?}");
    assert_eq!(log.end(), end.next());
}

fn split(data: &[u8]) -> ([&[u8]; 3], &[u8]) {
    let Some((lens, mut rest)) = data.split_at_checked(6) else { return ([&[]; 3], &[]) };
    let mut indexes = [&[][..]; 3];
    for (index, len) in indexes.iter_mut().zip(lens.chunks_exact(2)) {
        let len = usize::from(u16::from_be_bytes([len[0], len[1]])).min(rest.len());
        (*index, rest) = rest.split_at(len);
    }
    (indexes, rest)
}

/// The bytes of a segment's files as [`segment_recover`] takes them.
#[must_use]
pub fn pack_segment(indexes: [&[u8]; 3], log: &[u8]) -> Vec<u8> {
    let lens = indexes.iter().map(|index| u16::try_from(index.len()).unwrap_or(u16::MAX));
    let mut packed: Vec<u8> = [0].into_iter().chain(lens.flat_map(u16::to_be_bytes)).collect();
    packed.extend(indexes.iter().flat_map(|index| &index[..index.len().min(usize::from(u16::MAX))]));
    packed.extend_from_slice(log);
    packed
}

/// The batches of format 2 with checksums that fit.
fn with_checksums(log: &[u8]) -> Vec<u8> {
    let mut mended = log.to_vec();
    for (at, batch) in Walk::new(log) {
        let Ok(batch) = batch else { break };
        if batch.header().is_some() {
            mended[at + CRC_AT..at + CRC_AT + 4].copy_from_slice(&batch.computed_crc().to_be_bytes());
        }
    }
    mended
}

/// An index of no bytes is one that is not there.
fn disk(indexes: &[&[u8]; 3], log: &[u8]) -> SimFs {
    let kinds = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex];
    let there = kinds.into_iter().zip(indexes.iter().copied()).filter(|(_, bytes)| !bytes.is_empty());
    let all = there.chain([(SegmentFile::Log, log)]);
    SimFs::with_files(all.map(|(kind, bytes)| (Path::new(FOLDER).join(kind.name(Offset::ZERO)), bytes)))
}

/// How far a `.log` is sound.
struct Sound {
    /// Where the first batch is whose checksum does not fit, or that is none.
    checked_end: usize,
    /// The same or before: where the first batch is that cannot follow the one before.
    end: usize,
    /// The offset behind the last batch before `end`.
    next: Offset,
}

fn sound_prefix(log: &[u8]) -> Sound {
    let mut sound = Sound { checked_end: 0, end: 0, next: Offset::ZERO };
    let mut epoch = LeaderEpoch::new(-1);
    let mut is_orderly = true;
    for (at, batch) in Walk::new(log) {
        let Ok(batch) = batch else { break };
        if batch.check_crc().is_err() {
            break;
        }
        sound.checked_end = at + batch.bytes().len();
        is_orderly &= follows(&batch, sound.next, &mut epoch);
        if is_orderly {
            sound.end = sound.checked_end;
            sound.next = batch.last_offset().next();
        }
    }
    sound
}

fn follows(batch: &Batch<'_>, next: Offset, epoch: &mut LeaderEpoch) -> bool {
    let known = *epoch;
    let of_batch = batch.header().map(BatchHeader::leader_epoch).filter(|epoch| epoch.get() >= 0);
    *epoch = of_batch.unwrap_or(known).max(known);
    let has_producer = batch.header().is_some_and(BatchHeader::has_producer);
    let is_marker = !has_producer || Marker::of(batch, &mut Scratch::default()).is_ok();
    let fits_index = i32::try_from(batch.last_offset().get()).is_ok();
    (0..=2).contains(&batch.magic())
        && batch.base_offset() >= next
        && batch.last_offset() >= batch.base_offset()
        && of_batch.is_none_or(|epoch| epoch >= known)
        && is_marker
        && fits_index
}

/// Behind what the default mode cut nothing sound may stand that could follow what it kept.
fn assert_no_sound_batch(log: &[u8], sound: &Sound) {
    for at in sound.end + 1..log.len() {
        let Some((_, Ok(batch))) = Walk::new(&log[at..]).next() else { continue };
        let can_follow = batch.base_offset() >= sound.next && batch.base_offset().delta_from(Offset::ZERO).is_some();
        let is_sound = (0..=2).contains(&batch.magic()) && batch.check_crc().is_ok();
        assert!(!(can_follow && is_sound), "cut a sound batch at {at}, behind {}", sound.end);
    }
}
