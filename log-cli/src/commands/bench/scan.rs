//! Reading a log back: by fetches, with every checksum computed and every record decoded.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use log_engine::fs::OpenMode;
use log_engine::log::PartitionDirectory;
use log_engine::{Batch, Isolation, Log, Offset, OsFs, Refusal, Scratch, WriteFs};

use super::latency::Latencies;
use super::load::Done;
use crate::error::CliError;
use crate::threads::joined;

/// Bytes of a fetch.
const FETCH: u64 = 1 << 20;
/// Offsets that a thread takes at once.
const SHARE: u64 = 100_000;

/// Reads everything by `threads`.
pub(super) fn read(log: &Log, threads: u64) -> Result<Done, CliError> {
    let next = AtomicU64::new(0);
    let began = Instant::now();
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| read_shares(log, &next))).collect();
        threads.into_iter().map(joined).collect::<Result<Vec<_>, CliError>>()
    })?;
    Ok(Done::of(parts, began.elapsed()))
}

fn read_shares(log: &Log, next: &AtomicU64) -> Result<(u64, Latencies), CliError> {
    let (mut records, mut latencies, mut scratch) = (0_u64, Latencies::new(), Scratch::default());
    let mut buffer = Vec::new();
    loop {
        let share = next.fetch_add(SHARE, Ordering::Relaxed);
        let (from, end) = (i64::try_from(share).unwrap_or(i64::MAX), log.end().get());
        if from >= end {
            return Ok((records, latencies));
        }
        let until = Offset::new(from.saturating_add_unsigned(SHARE).min(end));
        let mut at = Offset::new(from);
        while at < until {
            let start = Instant::now();
            let (following, count) = fetch(log, at, until, &mut buffer, &mut scratch)?;
            latencies.add(start.elapsed());
            records = records.saturating_add(count);
            at = following;
        }
    }
}

/// One fetch: the offset behind the last record, and how many there are from `from` to before `until`.
fn fetch(
    log: &Log,
    from: Offset,
    until: Offset,
    buffer: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Result<(Offset, u64), CliError> {
    let read = log.read(from, FETCH, Isolation::LogEnd, true)?;
    let Some(slice) = read.slice else { return Ok((until, 0)) };
    buffer.resize(usize::try_from(slice.len()).unwrap_or(usize::MAX), 0);
    let len = slice.copy_to(buffer)?;
    let mut rest = buffer.get(..len).unwrap_or_default();
    let (mut following, mut count) = (from, 0_u64);
    while let Ok(batch) = Batch::parse(rest) {
        let wrong = |fault| CliError::Engine(Refusal::CorruptMessage(fault).into());
        batch.check_crc().map_err(wrong)?;
        for record in batch.records(scratch).map_err(wrong)? {
            let offset = record.map_err(wrong)?.offset;
            count = count.saturating_add(u64::from(offset >= from && offset < until));
        }
        following = batch.last_offset().next();
        rest = rest.get(batch.bytes().len()..).unwrap_or_default();
        if following >= until {
            break;
        }
    }
    Ok((following, count))
}

/// Lets the next reads of a partition's segments come from the disk.
pub(super) fn forget(folder: &Path) -> Result<(), CliError> {
    let listed = PartitionDirectory::list(&OsFs, folder)?;
    for (base, _) in listed.logs() {
        let path = listed.file(base, log_engine::segment::SegmentFile::Log);
        let file = OsFs.open_write(&path, OpenMode::Existing)?;
        let failed = |source| log_engine::Error::Io { op: "sync", path: path.clone(), source };
        file.sync().map_err(failed)?;
        file.forget_cached().map_err(failed)?;
    }
    Ok(())
}
