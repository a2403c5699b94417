//! A walk over one segment that looks at every checksum, says what is damaged, and goes on behind it.

use std::path::Path;

use crate::batch::{BatchHeader, Stop};
use crate::error::{Corrupt, Malformed, Result, Rule};
use crate::fs::Source;
use crate::segment::{Frame, Resync, Scan, Step};
use crate::units::{FilePosition, Offset};

/// Bytes of a `.log` file that are no sound batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The base offset of the segment.
    pub segment: Offset,
    /// The file, the first byte of what is wrong, and which rule it breaks.
    pub what: Corrupt,
    /// Why no batch could be cut out of the file here; `None` if one could, and is wrong in itself.
    pub stop: Option<Stop>,
    /// Where the next sound batch of the segment begins, if one follows.
    pub resumes: Option<FilePosition>,
    /// Nothing sound follows in the whole log: a tail that was torn off, or that is being written right now.
    pub is_tail: bool,
}

/// What to do about damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Say it, and go on at the next sound batch.
    #[default]
    GoOn,
    /// Say it and end there, as a consumer does.
    Stop,
}

/// What stands next in a segment.
#[derive(Debug)]
pub(super) enum Met {
    /// A batch whose checksum fits.
    Batch {
        /// `None` for a message of format 0 or 1: a compressed one has it inside.
        first: Option<Offset>,
        last: Offset,
    },
    Damage(Damage),
    End,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct SegmentWalk {
    scan: Scan,
    base: Offset,
    is_last: bool,
    /// Where to go on after a batch that cannot be held.
    over: Option<FilePosition>,
}

impl SegmentWalk {
    pub(super) fn new(log: Source, from: FilePosition, base: Offset, is_last: bool) -> Self {
        Self { scan: Scan::starting_at(log, from), base, is_last, over: None }
    }

    pub(super) fn path(&self) -> &Path {
        self.scan.source().path()
    }

    /// Goes one step further. After [`Met::Damage`] the walk stands at the next sound batch, or at the end.
    pub(super) fn step(&mut self) -> Result<Met> {
        if let Some(position) = self.over.take() {
            self.scan.seek(position)?;
        }
        let (rule, stop) = match self.scan.next()? {
            Step::Stop(Stop::End) => return Ok(Met::End),
            Step::Stop(stop) => (stop.malformed().rule, Some(stop)),
            Step::Batch(frame) => match check(&frame) {
                Ok(met) => return Ok(met),
                Err(Malformed { rule: rule @ Rule::TooLarge { .. }, .. }) => {
                    let (position, end) = (frame.position(), frame.end());
                    self.over = Some(end);
                    return Ok(Met::Damage(self.damage(position, rule, None, Some(end))));
                }
                Err(Malformed { rule, .. }) => (rule, None),
            },
        };
        let position = self.scan.position();
        let resumes = match self.scan.resync()? {
            Resync::Found(position) => Some(position),
            Resync::None | Resync::GaveUp(_) => {
                self.scan.seek(FilePosition::new(self.scan.source().len()))?;
                None
            }
        };
        Ok(Met::Damage(self.damage(position, rule, stop, resumes)))
    }

    fn damage(&self, position: FilePosition, rule: Rule, stop: Option<Stop>, resumes: Option<FilePosition>) -> Damage {
        let what = Corrupt { file: self.path().to_owned(), position, rule };
        Damage { segment: self.base, what, stop, resumes, is_tail: self.is_last && resumes.is_none() }
    }

    /// The batch that [`Self::step`] met last.
    pub(super) fn current(&mut self) -> Result<Frame<'_>> {
        let position = self.scan.position();
        self.scan.seek(position)?;
        let path = self.path().to_owned();
        match self.scan.next()? {
            Step::Batch(frame) => Ok(frame),
            // Only a file that became shorter meanwhile.
            Step::Stop(stop) => Err(stop.malformed().in_file(&path, position)),
        }
    }
}

fn check(frame: &Frame<'_>) -> Result<Met, Malformed> {
    let batch = frame.batch()?;
    batch.check_crc()?;
    let first = batch.header().map(BatchHeader::base_offset);
    Ok(Met::Batch { first, last: batch.last_offset() })
}
