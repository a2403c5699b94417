//! From the segments of a partition to the batches and records that are wanted of them, in order.

mod consumer;
mod damage;
mod frames;

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use log_engine::segment::Frame;
use log_engine::{Batch, Error, Fs, Malformed, Record, Scratch};

pub(crate) use consumer::Isolation;
pub(crate) use damage::Damage;
pub(crate) use frames::Tail;
use frames::{Ended, Frames, Visit};

use crate::error::CliError;
use crate::progress::Progress;
use crate::select::targets::{Segment, Series};
use crate::select::{Bounds, Control, Selection};

/// Whether to go on.
pub(crate) type Flow = Result<ControlFlow<()>, CliError>;

/// A batch and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchView<'a> {
    /// The segment it is in.
    pub(crate) segment: &'a Segment,
    /// Its first byte.
    pub(crate) position: u64,
    /// Itself.
    pub(crate) batch: Batch<'a>,
    /// Whether its checksum fits; `None` if nobody looked.
    pub(crate) crc_ok: Option<bool>,
}

/// Who takes what a walk finds.
pub(crate) trait Sink {
    /// A partition, or a file alone, begins.
    fn series(&mut self, series: &Series) -> Result<(), CliError>;

    /// A batch of which something is wanted. Its records follow.
    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError>;

    /// True if the sink took a sound batch of which everything is wanted, and needs nothing else of it.
    fn whole_batch(&mut self, _: &BatchView<'_>) -> Result<bool, CliError> {
        Ok(false)
    }

    /// A record that is wanted, of the batch before.
    fn record(&mut self, batch: &BatchView<'_>, record: &Record<'_>) -> Flow;

    /// No more records of this batch come.
    fn end_of_batch(&mut self, _: &BatchView<'_>) -> Result<(), CliError> {
        Ok(())
    }

    /// Bytes that could not be read.
    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow;
}

/// What is walked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// The records.
    Records,
    /// The batches: records are decoded only where their tests need it.
    Batches,
}

/// How to walk.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Which records are wanted.
    pub(crate) selection: Selection,
    /// What is walked for.
    pub(crate) unit: Unit,
    /// Whether checksums are computed.
    pub(crate) verify: bool,
    /// Whether damage ends the walk.
    pub(crate) stop_on_damage: bool,
    /// What a consumer would read; `None`: everything that lies in the files.
    pub(crate) isolation: Option<Isolation>,
}

/// What was met on all walks so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Places that are damaged.
    pub(crate) damaged: u64,
    /// Batches that are too large to be shown.
    pub(crate) left_out: u64,
    /// True once the system refused to open or read something.
    pub(crate) failed: bool,
    /// True once the limit of records was reached.
    pub(crate) is_full: bool,
}

impl Met {
    /// What was met on other walks as well.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.damaged = self.damaged.saturating_add(other.damaged);
        self.left_out = self.left_out.saturating_add(other.left_out);
        self.failed |= other.failed;
        self.is_full |= other.is_full;
    }
}

/// Where in a partition a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The base offset of the segment.
    pub(crate) segment: i64,
    /// The first byte of it that was not read.
    pub(crate) position: u64,
}

impl Cursor {
    /// Before everything.
    pub(crate) const START: Self = Self { segment: i64::MIN, position: 0 };
}

/// Walks over partitions, one after the other.
#[derive(Debug)]
pub(crate) struct Walk {
    fs: Arc<dyn Fs>,
    options: Options,
    scratch: Scratch,
    /// Records that may still be given.
    left: u64,
    /// What was met so far.
    pub(crate) met: Met,
    /// True if nobody is told what the system refuses.
    is_silent: bool,
    /// Shows how far the walk is.
    pub(crate) progress: Option<Progress>,
}

impl Walk {
    /// A walk over files of `fs`.
    pub(crate) fn new(fs: Arc<dyn Fs>, options: Options) -> Self {
        let left = options.selection.limit.unwrap_or(u64::MAX);
        Self { fs, options, scratch: Scratch::default(), left, met: Met::default(), is_silent: false, progress: None }
    }

    /// The same, but nobody is told what the system refuses: a walk before the one that counts.
    pub(crate) fn silent(fs: Arc<dyn Fs>, options: Options) -> Self {
        Self { is_silent: true, ..Self::new(fs, options) }
    }

    /// True if nothing more is wanted of any partition.
    pub(crate) fn is_over(&self) -> bool {
        (self.left == 0 && !self.options.selection.per_partition)
            || (self.options.stop_on_damage && self.met.damaged > 0)
    }

    /// Gives `sink` what is wanted of all of `series`.
    pub(crate) fn run(&mut self, series: &Series, sink: &mut dyn Sink) -> Result<(), CliError> {
        if self.options.selection.per_partition {
            self.left = self.options.selection.limit.unwrap_or(u64::MAX);
        }
        if self.left == 0 {
            return Ok(());
        }
        if let Some(isolation) = self.options.isolation {
            return self.run_as_consumer(series, isolation, sink);
        }
        let Some(bounds) = self.bounds(series)? else {
            return Ok(());
        };
        sink.series(series)?;
        let tail = if series.is_live { Tail::Open } else { Tail::Closed };
        self.run_from(series, Cursor::START, &bounds, tail, sink).map(drop)
    }

    /// Gives `sink` what is wanted of `series` from `cursor` on; where it ended, and how many bytes there may become a batch.
    pub(crate) fn run_from(
        &mut self,
        series: &Series,
        cursor: Cursor,
        bounds: &Bounds,
        tail: Tail,
        sink: &mut dyn Sink,
    ) -> Result<(Cursor, u64), CliError> {
        let mut at = cursor;
        let last = series.segments.len().saturating_sub(1);
        for (i, segment) in series.segments.iter().enumerate() {
            let behind = series.segments.get(i + 1).map_or(i64::MAX, |next| next.base);
            if segment.base < cursor.segment || behind <= bounds.from || (segment.base >= bounds.to && i > 0) {
                continue;
            }
            let position = if segment.base == cursor.segment { cursor.position } else { 0 };
            let before = std::mem::replace(&mut at, Cursor { segment: segment.base, position });
            let source = match segment.open(&*self.fs) {
                Ok(source) => source,
                // Whoever follows a log lists it again.
                Err(Error::Io { source, .. }) if tail == Tail::Open && source.kind() == ErrorKind::NotFound => {
                    return Ok((before, 0));
                }
                Err(error) => {
                    self.failed(&error);
                    continue;
                }
            };
            let mut frames = Frames::new(source, position, if i == last { tail } else { Tail::Closed });
            let mut visitor = Visitor {
                options: &self.options,
                scratch: &mut self.scratch,
                left: &mut self.left,
                met: &mut self.met,
                progress: self.progress.as_ref(),
                bounds,
                segment,
                sink: &mut *sink,
                beyond: 0,
            };
            let ended = frames.run(&mut visitor);
            let is_beyond = visitor.is_beyond();
            at.position = frames.position();
            match ended {
                Ok(Ended::Complete) => {}
                Ok(Ended::Stopped) if is_beyond => {}
                Ok(Ended::Stopped) => return Ok((at, 0)),
                Ok(Ended::Unfinished(bytes)) => return Ok((at, bytes)),
                Err(CliError::Engine(error)) => self.failed(&error),
                Err(error) => return Err(error),
            }
        }
        Ok((at, 0))
    }

    /// The ranges of the selection as numbers for this log; `None` if the log's end is asked and cannot be read.
    pub(crate) fn bounds(&mut self, series: &Series) -> Result<Option<Bounds>, CliError> {
        let selection = &self.options.selection;
        let start = series.segments.first().map_or(0, |segment| segment.base);
        if !selection.needs_end() {
            return Ok(Some(selection.bounds(start, i64::MAX)));
        }
        match log_end(&*self.fs, series) {
            Ok(end) => Ok(Some(selection.bounds(start, end))),
            Err(CliError::Engine(error)) => {
                self.failed(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn failed(&mut self, error: &Error) {
        self.met.failed = true;
        if !self.is_silent {
            crate::error::complain(error);
        }
    }
}

/// The offset behind the last sound batch of a log: the base of its last segment if that is empty.
pub(crate) fn log_end(fs: &dyn Fs, series: &Series) -> Result<i64, CliError> {
    /// Looks at heads only.
    struct End(i64);

    impl Visit for End {
        fn wants(&mut self, _: &Frame<'_>) -> bool {
            true
        }

        fn batch(&mut self, frame: &Frame<'_>, fault: Option<&Malformed>) -> Flow {
            if let (None, Ok(batch)) = (fault, frame.batch()) {
                self.0 = self.0.max(batch.last_offset().get().saturating_add(1));
            }
            Ok(ControlFlow::Continue(()))
        }

        fn damage(&mut self, _: Damage) -> Flow {
            Ok(ControlFlow::Continue(()))
        }
    }

    let Some(last) = series.segments.last() else {
        return Ok(0);
    };
    if last.path.is_none() {
        return Err(CliError::usage("standard input is read once: where it ends cannot be known before"));
    }
    let mut end = End(last.base);
    Frames::new(last.open(fs)?, 0, Tail::Open).run(&mut end)?;
    Ok(end.0)
}

/// Takes the batches of one segment apart.
struct Visitor<'w> {
    options: &'w Options,
    scratch: &'w mut Scratch,
    left: &'w mut u64,
    met: &'w mut Met,
    progress: Option<&'w Progress>,
    bounds: &'w Bounds,
    segment: &'w Segment,
    sink: &'w mut dyn Sink,
    /// Sound batches in a row that lie behind the wanted offsets. One alone may have a wrong offset, which no checksum covers.
    beyond: u32,
}

impl Visitor<'_> {
    /// True once nothing wanted can follow in the segment.
    const fn is_beyond(&self) -> bool {
        self.beyond >= 2
    }

    /// Whether every record of a batch is wanted, by its head alone.
    fn wants_all_of(&self, batch: &Batch<'_>) -> bool {
        self.options.selection.takes_all_records() && self.bounds.contain_all(batch)
    }

    /// Gives the wanted records of a batch to the sink.
    fn records(&mut self, frame: &Frame<'_>, view: &BatchView<'_>) -> Flow {
        let selection = &self.options.selection;
        let all = self.wants_all_of(&view.batch);
        let records = match view.batch.records(self.scratch) {
            Ok(records) => records,
            Err(fault) => return self.tell(&Damage::of_records(frame, &fault)),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(fault) => return self.tell(&Damage::of_records(frame, &fault)),
            };
            if !(all || selection.wants(self.bounds, &view.batch, &record)) {
                continue;
            }
            let flow = self.sink.record(view, &record)?;
            *self.left = self.left.saturating_sub(1);
            if *self.left == 0 || flow.is_break() {
                self.met.is_full |= *self.left == 0;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether any record of the batch is wanted.
    fn any_record(&mut self, batch: &Batch<'_>) -> bool {
        let selection = &self.options.selection;
        if self.wants_all_of(batch) {
            return true;
        }
        let Ok(mut records) = batch.records(self.scratch) else { return false };
        records.any(|record| record.is_ok_and(|record| selection.wants(self.bounds, batch, &record)))
    }

    /// True if all records of the batch can be decoded: then it is shown although its checksum does not fit.
    fn is_legible(&mut self, batch: &Batch<'_>) -> bool {
        batch.records(self.scratch).is_ok_and(|mut records| records.all(|record| record.is_ok()))
    }

    fn tell(&mut self, damage: &Damage) -> Flow {
        let flow = self.sink.damage(self.segment, damage)?;
        if damage.code.is_none() {
            self.met.left_out = self.met.left_out.saturating_add(1);
            return Ok(flow);
        }
        self.met.damaged = self.met.damaged.saturating_add(1);
        Ok(if self.options.stop_on_damage { ControlFlow::Break(()) } else { flow })
    }
}

impl Visit for Visitor<'_> {
    fn wants(&mut self, frame: &Frame<'_>) -> bool {
        if !self.options.verify {
            return false;
        }
        frame.batch().map_or(true, |batch| {
            self.bounds.touch(&batch) && self.options.selection.wants_batch(&batch, Control::Yes)
                || batch.base_offset().get() >= self.bounds.to
        })
    }

    fn batch(&mut self, frame: &Frame<'_>, fault: Option<&Malformed>) -> Flow {
        if let Some(progress) = self.progress {
            progress.counter().fetch_add(frame.len(), Ordering::Relaxed);
        }
        if let Some(fault) = fault
            && self.tell(&Damage::of_batch(frame, fault))?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        let Ok(batch) = frame.batch() else {
            return Ok(ControlFlow::Continue(()));
        };
        if !self.bounds.touch(&batch) || !self.options.selection.wants_batch(&batch, Control::Yes) {
            let is_beyond = fault.is_none() && batch.base_offset().get() >= self.bounds.to;
            self.beyond = if is_beyond { self.beyond.saturating_add(1) } else { 0 };
            return Ok(if self.is_beyond() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        self.beyond = 0;
        let crc_ok = self.options.verify.then_some(fault.is_none());
        let view = BatchView { segment: self.segment, position: frame.position().get(), batch, crc_ok };
        match self.options.unit {
            Unit::Records => {
                if fault.is_some() && !self.is_legible(&batch) {
                    return Ok(ControlFlow::Continue(()));
                }
                let is_whole = fault.is_none() && self.wants_all_of(&batch) && self.options.selection.limit.is_none();
                if is_whole && self.sink.whole_batch(&view)? {
                    return Ok(ControlFlow::Continue(()));
                }
                self.sink.batch(&view)?;
                let flow = self.records(frame, &view)?;
                self.sink.end_of_batch(&view)?;
                Ok(flow)
            }
            Unit::Batches => {
                if self.any_record(&batch) {
                    self.sink.batch(&view)?;
                    *self.left = self.left.saturating_sub(1);
                    self.met.is_full |= *self.left == 0;
                }
                Ok(if *self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
        }
    }

    fn damage(&mut self, damage: Damage) -> Flow {
        self.tell(&damage)
    }
}
