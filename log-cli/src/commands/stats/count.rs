//! Counting over the segments of partitions, on several threads; one walk a segment.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use log_engine::inspect::{Amount, Stats, StatsOptions, TimeOrder};
use log_engine::{Fs, Record};

use crate::error::CliError;
use crate::select::Bounds;
use crate::select::targets::{Segment, Series};
use crate::threads::joined;
use crate::walk::{BatchView, Cursor, Damage, Flow, Met, Options, Sink, Tail, Walk};

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) stats: Stats,
    pub(super) order: TimeOrder,
    pub(super) met: Met,
    pub(super) segments: usize,
}

/// A segment of a partition, and what is wanted of it.
struct Job {
    series: Series,
    bounds: Bounds,
    tail: Tail,
    /// Which partition it belongs to, counted from 0.
    of: usize,
    bytes: u64,
}

/// Bytes of the segments' files.
pub(super) fn bytes(fs: &dyn Fs, series: &[Series]) -> u64 {
    series
        .iter()
        .flat_map(|series| &series.segments)
        .map(|segment| segment_bytes(fs, segment))
        .fold(0, u64::saturating_add)
}

fn segment_bytes(fs: &dyn Fs, segment: &Segment) -> u64 {
    let stat = segment.path.as_ref().and_then(|path| fs.stat(path).ok().flatten());
    stat.map_or(0, |stat| stat.len)
}

/// Counts what `options` want of `series`; `done` is raised by the bytes of each segment that is finished.
pub(super) fn count(
    fs: &Arc<dyn Fs>,
    series: &[Series],
    options: &Options,
    wanted: StatsOptions,
    threads: NonZeroUsize,
    done: &AtomicU64,
) -> Result<Counted, CliError> {
    if options.selection.limit.is_some() {
        return count_in_order(fs, series, options, wanted);
    }
    let (jobs, met) = jobs(fs, series, options)?;
    let next = AtomicUsize::new(0);
    let orders = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || -> Result<(Stats, Met), CliError> {
        let mut counter = Counter::new(wanted, options);
        let mut walk = Walk::new(Arc::clone(fs), options.clone());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else { break };
            walk.run_from(&job.series, Cursor::START, &job.bounds, job.tail, &mut counter)?;
            let order = std::mem::take(&mut counter.order);
            orders.lock().unwrap_or_else(PoisonError::into_inner).push((at, job.of, order));
            done.fetch_add(job.bytes, Ordering::Relaxed);
        }
        Ok((counter.finish(), walk.met))
    };
    let threads = threads.get().min(jobs.len()).max(1);
    let parts: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        std::iter::once(own).chain(running.into_iter().map(joined)).collect()
    });
    let mut counted = Counted { stats: Stats::new(wanted), met, segments: jobs.len(), ..Counted::default() };
    for part in parts {
        let (stats, met) = part?;
        counted.stats.merge(stats);
        counted.met.merge(&met);
    }
    counted.order = in_order(orders.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(counted)
}

/// One job a segment of which anything can be wanted.
fn jobs(fs: &Arc<dyn Fs>, series: &[Series], options: &Options) -> Result<(Vec<Job>, Met), CliError> {
    let mut walk = Walk::new(Arc::clone(fs), options.clone());
    let mut jobs = Vec::new();
    for (of, series) in series.iter().enumerate() {
        let Some(bounds) = walk.bounds(series)? else { continue };
        for (at, segment) in series.segments.iter().enumerate() {
            let next = series.segments.get(at + 1);
            let is_behind = segment.base >= bounds.to && at > 0;
            if is_behind || next.is_some_and(|next| next.base <= bounds.from) {
                continue;
            }
            let tail = if series.is_live && next.is_none() { Tail::Open } else { Tail::Closed };
            let bytes = segment_bytes(&**fs, segment);
            let one = Series {
                topic: series.topic.clone(),
                partition: series.partition,
                folder: series.folder.clone(),
                segments: vec![segment.clone()],
                is_live: series.is_live,
            };
            jobs.push(Job { series: one, bounds, tail, of, bytes });
        }
    }
    Ok((jobs, walk.met))
}

/// With a limit of records the order counts, so one thread goes from first to last.
fn count_in_order(
    fs: &Arc<dyn Fs>,
    series: &[Series],
    options: &Options,
    wanted: StatsOptions,
) -> Result<Counted, CliError> {
    let mut walk = Walk::new(Arc::clone(fs), options.clone());
    let mut counter = Counter::new(wanted, options);
    let mut order = TimeOrder::default();
    for series in series {
        walk.run(series, &mut counter)?;
        order.merge(std::mem::take(&mut counter.order));
        if walk.is_over() {
            break;
        }
    }
    let segments = series.iter().map(|series| series.segments.len()).sum();
    Ok(Counted { stats: counter.finish(), order, met: walk.met, segments })
}

/// The order of times over the segments of each partition, and over all partitions.
fn in_order(mut orders: Vec<(usize, usize, TimeOrder)>) -> TimeOrder {
    orders.sort_unstable_by_key(|(at, ..)| *at);
    let mut all = TimeOrder::default();
    let mut current: Option<(usize, TimeOrder)> = None;
    for (_, of, order) in orders {
        match &mut current {
            Some((partition, so_far)) if *partition == of => so_far.follow(order),
            _ => {
                if let Some((_, finished)) = current.replace((of, order)) {
                    all.merge(finished);
                }
            }
        }
    }
    if let Some((_, finished)) = current {
        all.merge(finished);
    }
    all
}

/// Counts what a walk gives it.
struct Counter {
    stats: Stats,
    order: TimeOrder,
    /// What was counted of the batch whose records come.
    batch: Amount,
    /// False if only records that pass tests come: a batch counts if one of its records does.
    takes_all: bool,
}

impl Counter {
    fn new(wanted: StatsOptions, options: &Options) -> Self {
        let takes_all = options.selection.takes_all_records();
        Self { stats: Stats::new(wanted), order: TimeOrder::default(), batch: Amount::default(), takes_all }
    }

    fn finish(self) -> Stats {
        self.stats
    }
}

impl Sink for Counter {
    fn series(&mut self, _: &Series) -> Result<(), CliError> {
        Ok(())
    }

    fn batch(&mut self, _: &BatchView<'_>) -> Result<(), CliError> {
        self.batch = Amount::default();
        Ok(())
    }

    fn record(&mut self, view: &BatchView<'_>, record: &Record<'_>) -> Flow {
        self.stats.record(&view.batch, record, &mut self.batch);
        if !view.batch.is_control() {
            self.order.add(record.timestamp);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn end_of_batch(&mut self, view: &BatchView<'_>) -> Result<(), CliError> {
        if self.takes_all || self.batch.records > 0 {
            self.stats.batch(&view.batch, self.batch);
        }
        Ok(())
    }

    fn damage(&mut self, _: &Segment, _: &Damage) -> Flow {
        Ok(ControlFlow::Continue(()))
    }
}
