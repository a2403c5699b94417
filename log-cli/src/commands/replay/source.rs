//! The records of several partitions in one order: one partition after the other, or by time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use log_engine::{Fs, Record};

use crate::error::CliError;
use crate::rows::{BatchFacts, Emptied, Row};
use crate::select::targets::{Segment, Series};
use crate::threads::joined;
use crate::walk::{BatchView, Damage, Flow, Met, Options, Sink, Walk};

/// Partitions that can be put in one order by time: each is read by a thread of its own.
pub(super) const MAX_MERGED: usize = 256;
/// Records that wait for their turn, of each partition.
const AHEAD: usize = 256;

/// What comes of a source.
pub(super) enum Event {
    Row(Row),
    Emptied(Emptied),
}

/// Takes what comes, with its source's place among the sources; breaks to end.
pub(super) type Take<'t> = dyn FnMut(usize, Event) -> Result<ControlFlow<()>, CliError> + 't;

/// One source as events.
struct Events<'t> {
    take: &'t mut dyn FnMut(Event) -> Flow,
    facts: Arc<BatchFacts>,
    /// Plain data only: no control records, nothing of batches.
    is_plain: bool,
    label: String,
    quiet: bool,
    ended: bool,
}

impl<'t> Events<'t> {
    fn new(is_plain: bool, quiet: bool, take: &'t mut dyn FnMut(Event) -> Flow) -> Self {
        Self { take, facts: Arc::default(), is_plain, label: String::new(), quiet, ended: false }
    }
}

impl Sink for Events<'_> {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.label = series.label();
        Ok(())
    }

    fn batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        let facts = BatchFacts::of(&batch.batch);
        self.facts = Arc::new(if self.is_plain { facts.as_plain() } else { facts });
        Ok(())
    }

    fn record(&mut self, batch: &BatchView<'_>, record: &Record<'_>) -> Flow {
        if self.is_plain && batch.batch.is_control() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut row = Row::of(&self.facts, record);
        if self.is_plain {
            row.sequence = None;
        }
        let flow = (self.take)(Event::Row(row))?;
        self.ended |= flow.is_break();
        Ok(flow)
    }

    fn end_of_batch(&mut self, batch: &BatchView<'_>) -> Result<(), CliError> {
        match Emptied::of(&batch.batch) {
            Some(emptied) if !self.is_plain => {
                let flow = (self.take)(Event::Emptied(emptied))?;
                self.ended |= flow.is_break();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        if !self.quiet {
            anstream::eprintln!("left out{}", crate::render::damage_line(&self.label, segment, damage));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// How sources are read.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) options: Options,
    pub(super) is_plain: bool,
    pub(super) quiet: bool,
}

impl Reader {
    /// Gives all of the first source, then all of the next.
    pub(super) fn one_by_one(&self, series: &[Series], take: &mut Take<'_>) -> Result<Met, CliError> {
        let mut walk = Walk::new(Arc::clone(&self.fs), self.options.clone());
        for (index, one) in series.iter().enumerate() {
            let mut take_one = |event| take(index, event);
            let mut events = Events::new(self.is_plain, self.quiet, &mut take_one);
            walk.run(one, &mut events)?;
            if events.ended || walk.is_over() {
                break;
            }
        }
        Ok(walk.met)
    }

    /// Gives the records of all sources in order of their times, those of one source in the order in which they lie there.
    pub(super) fn by_time(&self, series: &[Series], take: &mut Take<'_>) -> Result<Met, CliError> {
        if series.len() > MAX_MERGED {
            return Err(CliError::Usage {
                message: format!("{} partitions cannot be replayed at once, {MAX_MERGED} can", series.len()),
                hint: Some("choose with -t and -p, or use --rate max".to_owned()),
            });
        }
        let mut left = self.options.selection.limit.filter(|_| !self.options.selection.per_partition);
        thread::scope(|scope| {
            let mut sources = Vec::new();
            for one in series {
                let (to, from) = sync_channel(AHEAD);
                sources.push((from, scope.spawn(move || self.send(one, &to))));
            }
            let mut result = Ok(());
            let (receivers, threads): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
            let mut merged = Merged::new(&receivers);
            while left != Some(0)
                && let Some((index, event)) = merged.next(&receivers)
            {
                match take(index, event) {
                    Ok(ControlFlow::Continue(())) => left = left.map(|left| left.saturating_sub(1)),
                    Ok(ControlFlow::Break(())) => break,
                    Err(error) => {
                        result = Err(error);
                        break;
                    }
                }
            }
            // Whoever still sends stops.
            drop(receivers);
            let mut met = Met::default();
            for thread in threads {
                match joined(thread) {
                    Ok(one) => met.merge(&one),
                    Err(error) => result = result.and(Err(error)),
                }
            }
            result.map(|()| met)
        })
    }

    fn send(&self, series: &Series, to: &SyncSender<Event>) -> Result<Met, CliError> {
        let mut walk = Walk::new(Arc::clone(&self.fs), self.options.clone());
        let mut send =
            |event| Ok(if to.send(event).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        walk.run(series, &mut Events::new(self.is_plain, self.quiet, &mut send))?;
        Ok(walk.met)
    }
}

/// The next event of each source, by time and then by the source's place.
struct Merged {
    waiting: BTreeMap<(i64, usize), Event>,
    /// The latest time of each source: one that goes back waits for nobody.
    latest: Vec<i64>,
}

impl Merged {
    fn new(receivers: &[Receiver<Event>]) -> Self {
        let mut merged = Self { waiting: BTreeMap::new(), latest: vec![i64::MIN; receivers.len()] };
        (0..receivers.len()).for_each(|index| merged.pull(receivers, index));
        merged
    }

    fn pull(&mut self, receivers: &[Receiver<Event>], index: usize) {
        let Some(Ok(event)) = receivers.get(index).map(Receiver::recv) else { return };
        let time = match &event {
            Event::Row(row) => row.timestamp,
            Event::Emptied(emptied) => emptied.max_timestamp,
        };
        if let Some(latest) = self.latest.get_mut(index) {
            *latest = (*latest).max(time);
            self.waiting.insert((*latest, index), event);
        }
    }

    fn next(&mut self, receivers: &[Receiver<Event>]) -> Option<(usize, Event)> {
        let ((_, index), event) = self.waiting.pop_first()?;
        self.pull(receivers, index);
        Some((index, event))
    }
}
