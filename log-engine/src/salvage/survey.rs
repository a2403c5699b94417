//! One walk over a source segment: its sound batches as runs, what cannot stand in a log, and the bytes that are no batch.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::aside::{Aside, Reason};
use super::hole::{Ended, Hole};
use super::run::{Entry, Growing, Place, Run};
use crate::batch::{HEADER_LEN, MAX_DECOMPRESSED, Scratch, Stop};
use crate::error::{Malformed, Result, Rule};
use crate::fs::Source;
use crate::inspect::{Contents, HELD};
use crate::producer::Marker;
use crate::segment::{Frame, MAX_BUFFERED_BATCH, Resync, Scan, Step};
use crate::units::Offset;

/// Batches are decompressed up to this size while others are walked beside them.
const HELD_DECOMPRESSED: usize = 4 << 20;
/// Bytes between two reports of how far the work is.
const REPORT: u64 = 1 << 20;
/// A segment with more gaps than this between batches that touch each other was cleaned: damage does not look like this.
const MAX_GAPS: usize = 1000;

/// What those who walk the segments of a partition side by side share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    /// Somebody saw that the log was cleaned.
    is_cleaned: AtomicBool,
    /// Locked by who takes more memory for a batch than all can have.
    large: Mutex<()>,
    /// Bytes that were looked at.
    done: &'a AtomicU64,
}

impl<'a> Shared<'a> {
    pub(super) fn new(is_cleaned: bool, done: &'a AtomicU64) -> Self {
        Self { is_cleaned: AtomicBool::new(is_cleaned), large: Mutex::new(()), done }
    }

    /// Whether anything shows that the log was cleaned.
    pub(super) fn is_cleaned(&self) -> bool {
        self.is_cleaned.load(Ordering::Relaxed)
    }
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(super) struct Surveyed {
    pub(super) runs: Vec<Run>,
    pub(super) aside: Vec<Aside>,
    pub(super) holes: Vec<Hole>,
}

/// Walks the segment at `place`.
///
/// # Errors
/// [`crate::Error::Io`] where reading fails.
pub(super) fn survey(source: &Source, place: Place, shared: &Shared<'_>) -> Result<Surveyed> {
    let mut surveyor = Surveyor {
        source,
        place,
        shared,
        scratch: Scratch::with_limit(HELD_DECOMPRESSED),
        found: Surveyed::default(),
        growing: None,
        expected: None,
        gaps: 0,
    };
    let mut scan = Scan::new(source.clone()).holding(HELD);
    let mut unreported = 0;
    loop {
        let ended = match scan.next()? {
            Step::Stop(Stop::End) => break,
            Step::Stop(stop) => Ended::Stop(stop),
            Step::Batch(frame) => match frame.check_crc() {
                Ok(()) => {
                    surveyor.batch(&frame)?;
                    unreported += frame.len();
                    if unreported >= REPORT {
                        shared.done.fetch_add(std::mem::take(&mut unreported), Ordering::Relaxed);
                    }
                    continue;
                }
                Err(wrong) => Ended::Batch { end: frame.end().get(), rule: wrong.rule },
            },
        };
        let start = scan.position().get();
        let resync = scan.resync()?;
        let end = match resync {
            Resync::Found(next) => next.get(),
            Resync::None | Resync::GaveUp(_) => source.len(),
        };
        unreported = unreported.saturating_add(end.saturating_sub(start));
        surveyor.hole(start..end, ended, resync)?;
        if end == source.len() {
            break;
        }
    }
    shared.done.fetch_add(unreported, Ordering::Relaxed);
    surveyor.close();
    Ok(surveyor.found)
}

struct Surveyor<'a> {
    source: &'a Source,
    place: Place,
    shared: &'a Shared<'a>,
    scratch: Scratch,
    found: Surveyed,
    growing: Option<Growing>,
    /// The offset behind the last batch, whatever was made of it.
    expected: Option<Offset>,
    gaps: usize,
}

impl Surveyor<'_> {
    /// A batch whose checksum fits.
    fn batch(&mut self, frame: &Frame<'_>) -> Result<()> {
        if frame.bytes().is_some() || frame.len() > MAX_BUFFERED_BATCH as u64 {
            self.judge(frame);
            return Ok(());
        }
        // Nobody else has so much memory meanwhile.
        let shared = self.shared;
        let _permit = shared.large.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scan = Scan::starting_at(self.source.clone(), frame.position());
        if let Step::Batch(frame) = scan.next()? {
            let scratch = std::mem::take(&mut self.scratch);
            self.judge(&frame);
            self.scratch = scratch;
        }
        Ok(())
    }

    fn judge(&mut self, frame: &Frame<'_>) {
        let Some(mut entry) = Entry::of(frame, self.expected) else {
            // A checksum that fits needs a whole head.
            return;
        };
        let looked = self.look(frame, &entry);
        self.expected = Some(entry.id.last.next());
        match looked {
            Err(reason) => self.set_aside(&entry, reason),
            Ok(None) => self.add(&entry, false),
            Ok(Some(contents)) => {
                entry.records = contents.count;
                if let Some(first) = contents.first.filter(|_| entry.id.epoch.is_none()) {
                    entry.id.first = first;
                }
                let is_emptied = contents.count == 0 && frame.len() == HEADER_LEN as u64;
                if is_emptied || frame.header().is_some_and(|header| header.attributes().has_delete_horizon()) {
                    self.shared.is_cleaned.store(true, Ordering::Relaxed);
                }
                self.add(&entry, contents.count < entry.id.offsets());
            }
        }
    }

    /// Looks into a batch; `None` if it is too large for that, which says nothing against it.
    fn look(&mut self, frame: &Frame<'_>, entry: &Entry) -> Result<Option<Contents>, Reason> {
        if frame.magic() > 2 || frame.magic() < 0 {
            return Err(Reason::Format { magic: frame.magic() });
        }
        if entry.id.last < entry.id.first {
            return Err(Reason::Backwards);
        }
        let Ok(batch) = frame.batch() else { return Ok(None) };
        let read = |scratch: &mut Scratch| {
            let contents = Contents::read(&batch, scratch)?;
            Marker::of(&batch, scratch)?;
            Ok(contents)
        };
        let mut contents = read(&mut self.scratch);
        if is_too_large(&contents) && self.scratch.limit() < MAX_DECOMPRESSED {
            let _permit = self.shared.large.lock().unwrap_or_else(PoisonError::into_inner);
            contents = read(&mut Scratch::default());
        }
        match contents {
            Ok(Contents { wrong: Some(wrong), .. }) => Err(Reason::Contents { what: wrong }),
            Ok(contents) if frame.header().is_some() && contents.count > entry.id.offsets() => {
                let what = format!("it holds {} records, its offsets promise {}", contents.count, entry.id.offsets());
                Err(Reason::Contents { what })
            }
            Ok(contents) => Ok(Some(contents)),
            Err(Malformed { rule: Rule::TooLarge { .. }, .. }) => Ok(None),
            Err(Malformed { rule, .. }) => Err(Reason::Contents { what: rule.to_string() }),
        }
    }

    fn add(&mut self, entry: &Entry, is_sparse: bool) {
        let is_cleaned = self.shared.is_cleaned();
        if let Some(growing) = &mut self.growing {
            let run = growing.run();
            let touches = run.bytes.end == entry.bytes.0 && run.epoch == entry.id.epoch;
            let follows = entry.id.first == run.last.next();
            let is_gap = entry.id.first > run.last.next();
            if touches && (follows && run.is_sparse == is_sparse || is_cleaned && (follows || is_gap)) {
                growing.add(entry, is_sparse);
                return;
            }
            if touches && is_gap {
                self.gaps += 1;
                if self.gaps > MAX_GAPS {
                    self.shared.is_cleaned.store(true, Ordering::Relaxed);
                }
            }
        }
        self.close();
        self.growing = Some(Growing::new(self.place, entry, is_sparse));
    }

    fn close(&mut self) {
        self.found.runs.extend(self.growing.take().map(Growing::finish));
    }

    fn set_aside(&mut self, entry: &Entry, reason: Reason) {
        self.close();
        self.found.aside.push(Aside::of_batch(self.place, entry, reason));
    }

    fn hole(&mut self, bytes: Range<u64>, ended: Ended, resync: Resync) -> Result<()> {
        self.close();
        let expected = self.expected;
        self.found.holes.push(Hole::look(self.source, self.place, bytes, ended, resync, expected)?);
        Ok(())
    }
}

fn is_too_large<T>(read: &Result<T, Malformed>) -> bool {
    matches!(read, Err(Malformed { rule: Rule::TooLarge { .. }, .. }))
}

/// Joins the runs that only gaps and sparse batches keep apart: in a cleaned log these mean nothing.
pub(super) fn join_cleaned(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.touches(&run) && last.epoch == run.epoch && run.first > last.last => last.join(&run),
            _ => joined.push(run),
        }
    }
    joined
}
