//! Copies of what was set aside: a folder as it is, or segments that become a log again.

use std::path::Path;
use std::sync::Arc;

use log_engine::checkpoint::PartitionMetadata;
use log_engine::fs::{Kind, OpenMode, Source, write_all_at};
use log_engine::segment::{Scan, SegmentFile, Step};
use log_engine::{Error, FilePosition, Fs, Log, Offset, OpenOptions, OsFs, WriteFs};

use super::LeftOut;
use super::find::{Found, State, deleted_logs};
use crate::error::CliError;
use crate::rows;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;
/// What a segment may grow to when its log is opened: nothing is appended.
const SEGMENT_BYTES: u64 = 1 << 30;

/// Copies it to the new folder `to`, durably but for the folder's own name. What cannot be copied is told.
pub(super) fn restore(fs: &dyn Fs, found: &Found, to: &Path, left_out: &mut Vec<LeftOut>) -> Result<(), CliError> {
    if found.state == State::Deleted {
        return rejoin(fs, found, to, left_out);
    }
    OsFs.create_dir(to)?;
    let mut entries = fs.list(&found.folder.path)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let from = found.folder.path.join(&entry.name);
        if entry.stat.kind == Kind::File {
            copy(fs, &from, &to.join(&entry.name))?;
        } else {
            left_out.push(LeftOut::new(&from, "no regular file"));
        }
    }
    Ok(OsFs.sync_dir(to)?)
}

/// A segment that the log may be made of.
struct Piece {
    base: Offset,
    /// The offset behind its last batch.
    end: Offset,
    is_live: bool,
}

/// Makes one log of the segments that are there and of those set aside that do not overlap them, or each other.
fn rejoin(fs: &dyn Fs, found: &Found, to: &Path, left_out: &mut Vec<LeftOut>) -> Result<(), CliError> {
    let folder = &found.folder;
    let mut pieces = Vec::new();
    for (base, _) in folder.logs() {
        let end = end_of(fs, &folder.file(base, SegmentFile::Log), base)?;
        pieces.push(Piece { base, end, is_live: true });
    }
    for (base, _) in deleted_logs(folder) {
        let path = deleted(found, base);
        let end = end_of(fs, &path, base)?;
        if let Some(other) =
            pieces.iter().find(|other| base < other.end.max(other.base.next()) && other.base < end.max(base.next()))
        {
            let whose = if other.is_live { "a segment that is there" } else { "another .deleted segment" };
            let why = format!("its offsets overlap {whose}, which begins at {}; log-cli dump shows it", other.base);
            left_out.push(LeftOut::new(&path, why));
            continue;
        }
        pieces.push(Piece { base, end, is_live: false });
    }
    pieces.sort_by_key(|piece| piece.base);
    OsFs.create_dir(to)?;
    let last = pieces.len().saturating_sub(1);
    for (n, piece) in pieces.iter().enumerate() {
        // An empty segment is no loss where others follow.
        if piece.end == piece.base && n < last {
            continue;
        }
        let log = SegmentFile::Log.name(piece.base);
        let from = if piece.is_live { folder.path.join(&log) } else { deleted(found, piece.base) };
        copy(fs, &from, &to.join(log))?;
    }
    if folder.metadata.is_some() {
        copy(fs, &folder.path.join(PartitionMetadata::FILE_NAME), &to.join(PartitionMetadata::FILE_NAME))?;
    }
    OsFs.sync_dir(to)?;
    recover(to, pieces.first().map_or(Offset::ZERO, |piece| piece.base))
}

fn deleted(found: &Found, base: Offset) -> std::path::PathBuf {
    found.folder.path.join(format!("{}.deleted", SegmentFile::Log.name(base)))
}

/// The offset behind the last batch of a segment, by the heads of its batches.
fn end_of(fs: &dyn Fs, path: &Path, base: Offset) -> Result<Offset, Error> {
    let mut scan = Scan::heads(Source::open(fs, path)?, FilePosition::START);
    let mut end = base;
    while let Step::Batch(frame) = scan.next()? {
        if let Ok(last) = frame.last_offset() {
            end = end.max(last.next());
        }
    }
    Ok(end)
}

/// Looks at every batch, and makes the indexes, snapshots and leader epochs that belong to them.
fn recover(folder: &Path, log_start: Offset) -> Result<(), CliError> {
    let options = OpenOptions { log_start, ..OpenOptions::default() };
    let (log, _) = Log::open(Arc::new(OsFs), folder, rows::config(SEGMENT_BYTES), options)?;
    log.close()?;
    Ok(())
}

/// A file, copied, durable but for its name, and read back.
fn copy(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), CliError> {
    let source = Source::open(fs, from)?;
    let file = OsFs.open_write(to, OpenMode::New)?;
    let mut position = 0;
    each_piece(&source, |piece| {
        write_all_at(&*file, to, piece, position)?;
        position = position.saturating_add(piece.len() as u64);
        Ok(())
    })?;
    file.sync().map_err(|source| Error::Io { op: "sync", path: to.to_owned(), source })?;
    let written = Source::open(&OsFs, to)?;
    let (mut at, mut is_same) = (0, written.len() == position);
    let mut there = vec![0; PIECE];
    each_piece(&source, |piece| {
        let n = written.read_at(&mut there, at)?;
        is_same &= there.get(..n.min(piece.len())) == Some(piece);
        at = at.saturating_add(piece.len() as u64);
        Ok(())
    })?;
    if is_same {
        return Ok(());
    }
    Err(CliError::Refused {
        message: format!("{} changed while it was copied", from.display()),
        hint: Some("a broker may be running there: stop it first".to_owned()),
    })
}

fn each_piece(source: &Source, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut buffer = vec![0; PIECE];
    let mut position = 0_u64;
    loop {
        let n = source.read_at(&mut buffer, position)?;
        if n == 0 {
            return Ok(());
        }
        take(buffer.get(..n).unwrap_or_default())?;
        position = position.saturating_add(n as u64);
    }
}
