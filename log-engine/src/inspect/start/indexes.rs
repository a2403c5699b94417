//! A segment recovered: checked batch by batch, cut at the first that does not hold, its indexes made again and held against
//! those on the disk.
//!
//! Kafka: `LogSegment.recover`.

use std::ops::ControlFlow;

use super::StartOptions;
use super::failure::{FailureEffect, Halt, Outcome, StartFailure, StartRule};
use super::picture::{Content, Picture, Rebuilt};
use super::producers::Producers;
use crate::error::{Malformed, Result, Rule};
use crate::fs::Source;
use crate::inspect::HELD;
use crate::segment::{Frame, IndexFault, Indexer, RebuildEnd, Scan, SegmentFile, TxnIndex, TxnIndexBuilder, rebuild};
use crate::units::{FilePosition, Offset};

/// Bytes of an index on the disk that are looked at at once.
const PIECE: usize = 64 << 10;

/// What recovering a segment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// So many bytes were cut off.
    Cut(u64),
    /// An offset is not above the last one in the index. The segment is as it was, but for its indexes.
    NotRising { offset: Offset, last: Offset },
    /// An offset cannot be told relative to the base. The segment is as it was, but for its indexes.
    TooFar { offset: Offset },
}

/// Recovers the segment at `base`; `producers` is the state before it, and then that behind it.
pub(super) fn recover(
    picture: &mut Picture<'_>,
    base: Offset,
    interval: u64,
    options: &StartOptions,
    producers: &mut Producers,
) -> Outcome<Recovered> {
    let log = picture.log(base)?;
    let mut indexer = Indexer::new(base, interval);
    if let Some(bytes) = options.segment_index_bytes {
        indexer = indexer.with_index_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let mut follower = Follower { producers, txns: TxnIndexBuilder::new(base), fatal: None };
    let made = rebuild(&mut Scan::new(log.clone()).holding(HELD), indexer, |frame| follower.follow(frame))?;
    let Follower { txns, fatal, .. } = follower;

    // Trimmed files end behind the last entry. In those that a recovery leaves in the middle, old bytes follow.
    let is_finished = matches!(made.end, RebuildEnd::Stop(_) | RebuildEnd::Corrupt(_));
    let rest = if is_finished { Rest::Trimmed } else { Rest::Under };
    let (offsets, times) = (&made.indexes.offsets, &made.indexes.times);
    put_index(picture, SegmentFile::OffsetIndex, base, offsets.bytes(), rest, offsets.last())?;
    put_index(picture, SegmentFile::TimeIndex, base, times.bytes(), rest, None)?;
    put_txn_index(picture, base, &txns.finish(&SegmentFile::TxnIndex.name(base)))?;

    match (fatal, made.end) {
        (Some((position, rule)), _) => Err(StartFailure::new(FailureEffect::Fatal, log.path(), position, rule).into()),
        (None, RebuildEnd::Refused(fault)) => refused(&log, made.valid_end, fault),
        (None, _) => {
            let keep = made.valid_end.get();
            picture.cut(&SegmentFile::Log.name(base), keep);
            Ok(Recovered::Cut(log.len().saturating_sub(keep)))
        }
    }
}

/// Empties the segment at `base`, whose indexes a recovery left in the middle: nothing before the base is in it.
///
/// Kafka: `LogSegment.truncateTo`.
pub(super) fn empty(picture: &mut Picture<'_>, base: Offset) -> Outcome<u64> {
    let bytes = picture.log(base)?.len();
    picture.cut(&SegmentFile::Log.name(base), 0);
    let index = SegmentFile::OffsetIndex.name(base);
    if let Some(Content::Rebuilt(rebuilt)) = picture.get(&index) {
        let rebuilt = Rebuilt { last: None, ..*rebuilt };
        picture.put(&index, Content::Rebuilt(rebuilt));
    }
    let txns = SegmentFile::TxnIndex.name(base);
    if picture.has(&txns) {
        picture.put(&txns, Content::Empty);
    }
    Ok(bytes)
}

fn refused(log: &Source, position: FilePosition, fault: IndexFault) -> Outcome<Recovered> {
    match fault {
        IndexFault::InvalidOffset { offset, last } => Ok(Recovered::NotRising { offset, last }),
        IndexFault::Overflow { offset, .. } => Ok(Recovered::TooFar { offset }),
        fault => Err(StartFailure::new(FailureEffect::Fatal, log.path(), position, fatal_rule(fault)).into()),
    }
}

/// Takes the batches of a segment into the producers' state, and writes the transactions down that end in it.
struct Follower<'p> {
    producers: &'p mut Producers,
    txns: TxnIndexBuilder,
    fatal: Option<(FilePosition, StartRule)>,
}

impl Follower<'_> {
    /// Breaks with what is wrong with the batch if the walk ends behind it as if it were damaged, with nothing if the process
    /// ends.
    fn follow(&mut self, frame: &Frame<'_>) -> ControlFlow<Option<Malformed>> {
        if frame.magic() < 2 {
            return ControlFlow::Continue(());
        }
        let rule = match self.producers.apply(frame) {
            Ok(completed) => match completed.and_then(|txn| txn.aborted_txn()).map(|txn| self.txns.append(&txn)) {
                Some(Err(fault)) => fatal_rule(fault),
                _ => {
                    let last = frame.last_offset().unwrap_or(frame.offset());
                    self.producers.advance(last.next());
                    return ControlFlow::Continue(());
                }
            },
            Err(Malformed { rule: rule @ (Rule::NotTransactional { .. } | Rule::Mismatch { .. }), .. }) => rule.into(),
            Err(malformed) => return ControlFlow::Break(Some(malformed)),
        };
        self.fatal = Some((frame.position(), rule));
        ControlFlow::Break(None)
    }
}

/// What a fault means where it ends the process.
fn fatal_rule(fault: IndexFault) -> StartRule {
    match fault {
        IndexFault::InvalidOffset { offset, last } => StartRule::NotRising { offset: offset.get(), last: last.get() },
        IndexFault::Full { entries } => StartRule::IndexFull { room: entries as u64 },
        IndexFault::Overflow { offset, base } => StartRule::CannotSplit { offset: offset.get(), base: base.get() },
        IndexFault::Position { position } => StartRule::SegmentTooLarge { len: position.get(), most: i32::MAX as u64 },
    }
}

/// What follows the entries of an index that was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Nothing, or zeros.
    Trimmed,
    /// What stood there before.
    Under,
}

fn put_index(
    picture: &mut Picture<'_>,
    file: SegmentFile,
    base: Offset,
    bytes: &[u8],
    rest: Rest,
    last: Option<crate::segment::OffsetEntry>,
) -> Result<()> {
    let name = file.name(base);
    let differs = differs(picture.original(&name)?.as_ref(), bytes, rest)?;
    picture.put(&name, Content::Rebuilt(Rebuilt { differs, last }));
    Ok(())
}

/// The index of aborted transactions is cut to nothing at first, and made only when there is an entry.
fn put_txn_index(picture: &mut Picture<'_>, base: Offset, index: &TxnIndex) -> Result<()> {
    let name = SegmentFile::TxnIndex.name(base);
    if !index.is_empty() || picture.has(&name) {
        let differs = differs(picture.original(&name)?.as_ref(), index.bytes(), Rest::Trimmed)?;
        picture.put(&name, Content::Rebuilt(Rebuilt { differs, last: None }));
    }
    Ok(())
}

/// The index files whose bytes are not those on the disk, or that are new: by name.
pub(super) fn rebuilt(picture: &Picture<'_>) -> Result<Vec<String>> {
    const INDEXES: [SegmentFile; 3] = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex];
    let mut found = Vec::new();
    for (name, content) in picture.iter() {
        if INDEXES.iter().any(|file| name.ends_with(file.suffix())) && is_rebuilt(picture, name, content)? {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

fn is_rebuilt(picture: &Picture<'_>, name: &str, content: &Content) -> Result<bool> {
    match content {
        Content::Rebuilt(rebuilt) => Ok(rebuilt.differs),
        Content::Disk(stretch) if stretch.name == name => Ok(false),
        Content::Disk(_) => match (picture.original(name)?, picture.source(name)?) {
            (Some(before), Some(after)) => files_differ(&before, &after),
            _ => Ok(true),
        },
        Content::Empty | Content::Snapshot(_) => differs(picture.original(name)?.as_ref(), &[], Rest::Trimmed),
    }
}

/// Whether `bytes` and the rest differ from the file that is there, zeros at the end aside. A new file differs.
fn differs(before: Option<&Source>, bytes: &[u8], rest: Rest) -> Result<bool> {
    let Some(before) = before else {
        return Ok(true);
    };
    let mut piece = vec![0; PIECE.min(bytes.len())];
    for (n, ours) in bytes.chunks(PIECE).enumerate() {
        let read = before.read_at(piece.get_mut(..ours.len()).unwrap_or_default(), (n * PIECE) as u64)?;
        let (same, behind) = ours.split_at(read.min(ours.len()));
        if piece.get(..same.len()) != Some(same) || behind.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
    }
    match rest {
        Rest::Under => Ok(false),
        Rest::Trimmed => has_data_behind(before, bytes.len() as u64),
    }
}

/// Whether two files differ, zeros at the end aside.
fn files_differ(before: &Source, after: &Source) -> Result<bool> {
    let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
    let common = before.len().min(after.len());
    let mut at = 0;
    while at < common {
        let len = usize::try_from(common.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let (ours, theirs) = (ours.get_mut(..len).unwrap_or_default(), theirs.get_mut(..len).unwrap_or_default());
        before.read_at(ours, at)?;
        after.read_at(theirs, at)?;
        if ours != theirs {
            return Ok(true);
        }
        at = at.saturating_add(len as u64);
    }
    Ok(has_data_behind(before, common)? || has_data_behind(after, common)?)
}

/// Whether there is any byte but zeros from `position` on.
fn has_data_behind(file: &Source, position: u64) -> Result<bool> {
    let mut piece = vec![0; PIECE];
    let mut at = position;
    while let Some(data) = file.next_data(at)? {
        let read = file.read_at(&mut piece, data)?;
        if read == 0 {
            return Ok(false);
        }
        if piece.iter().take(read).any(|byte| *byte != 0) {
            return Ok(true);
        }
        at = data.saturating_add(read as u64);
    }
    Ok(false)
}

/// Offsets that do not rise, where no recovery is to follow.
pub(super) fn not_rising_is_fatal(log: &Source, offset: Offset, last: Offset) -> Halt {
    let rule = StartRule::NotRising { offset: offset.get(), last: last.get() };
    StartFailure::whole(FailureEffect::Fatal, log.path(), rule).into()
}
