//! What a consumer would read: nothing before the log's start, nothing behind its end or the last stable offset, no control records
//! and, if it asks for committed ones, no aborted ones.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use log_engine::log::{Damage as LogDamage, LogRecord, OnDamage, Reading, RecordItem, View};
use log_engine::{LogReader, Offset};

use super::damage::{Damage, code_of};
use super::{BatchView, Sink, Unit, Walk};
use crate::error::CliError;
use crate::select::targets::Series;
use crate::select::{Bounds, Control};

/// Which records a consumer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Isolation {
    /// Those of committed transactions and those of none, up to the last stable offset
    #[value(name = "read_committed")]
    Committed,
    /// All of them
    #[value(name = "read_uncommitted")]
    Uncommitted,
}

impl Isolation {
    const fn view(self) -> View {
        match self {
            Self::Committed => View::ReadCommitted,
            Self::Uncommitted => View::ReadUncommitted,
        }
    }
}

/// What is wanted of a partition, in the words of its reader.
struct Wanted {
    bounds: Bounds,
    reading: Reading,
}

impl Walk {
    /// Gives `sink` what is wanted of what a consumer would read of `series`.
    pub(super) fn run_as_consumer(
        &mut self,
        series: &Series,
        isolation: Isolation,
        sink: &mut dyn Sink,
    ) -> Result<(), CliError> {
        let Some(folder) = &series.folder else {
            return Err(CliError::usage(
                "--isolation needs a partition's folder: one file does not say where its log ends",
            ));
        };
        sink.series(series)?;
        match self.read_as_consumer(series, folder, isolation, sink) {
            Err(CliError::Engine(error)) => self.failed(&error),
            other => return other,
        }
        Ok(())
    }

    fn read_as_consumer(
        &mut self,
        series: &Series,
        folder: &Path,
        isolation: Isolation,
        sink: &mut dyn Sink,
    ) -> Result<(), CliError> {
        let fs = Arc::clone(&self.fs);
        let log = LogReader::open(&*fs, folder)?;
        let range = log.range_of(isolation.view())?;
        let bounds = self.options.selection.bounds(range.start.get(), range.end.get());
        let from = range.start.max(Offset::new(bounds.from));
        let to = range.end.min(Offset::new(bounds.to));
        let reading = Reading {
            view: isolation.view(),
            with_control: self.control_as_consumer() != Control::No,
            on_damage: if self.options.stop_on_damage { OnDamage::Stop } else { OnDamage::GoOn },
        };
        let wanted = Wanted { bounds, reading };
        let mut last = None;
        let ended = log.records(from..to, wanted.reading, |item| match item {
            RecordItem::Damage(damage) if damage.is_tail && series.is_live => ControlFlow::Continue(()),
            RecordItem::Damage(damage) => self.damage_as_consumer(series, &damage, sink),
            RecordItem::Record(found) => self.record_as_consumer(series, &wanted, &found, &mut last, sink),
        })?;
        ended.unwrap_or(Ok(()))
    }

    fn control_as_consumer(&self) -> Control {
        self.options.selection.control().unwrap_or(Control::No)
    }

    fn record_as_consumer(
        &mut self,
        series: &Series,
        wanted: &Wanted,
        found: &LogRecord<'_>,
        last: &mut Option<(Offset, u64)>,
        sink: &mut dyn Sink,
    ) -> ControlFlow<Result<(), CliError>> {
        let (batch, record) = (&found.batch.batch, &found.record);
        let selection = &self.options.selection;
        let here = (found.batch.segment, found.batch.position.get());
        let is_new = *last != Some(here);
        let is_wanted = selection.wants_batch(batch, self.control_as_consumer())
            && selection.wants(&wanted.bounds, batch, record)
            && (is_new || self.options.unit == Unit::Records);
        let slot = series.segments.binary_search_by_key(&here.0.get(), |segment| segment.base);
        let segment = slot.ok().filter(|_| is_wanted).and_then(|slot| series.segments.get(slot));
        let Some(segment) = segment else {
            return ControlFlow::Continue(());
        };
        let view = BatchView { segment, position: here.1, batch: *batch, crc_ok: Some(true) };
        if is_new {
            *last = Some(here);
            or_break(sink.batch(&view))?;
        }
        if self.options.unit == Unit::Records && or_break(sink.record(&view, record))?.is_break() {
            return ControlFlow::Break(Ok(()));
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.met.is_full = true;
            return ControlFlow::Break(Ok(()));
        }
        ControlFlow::Continue(())
    }

    fn damage_as_consumer(
        &mut self,
        series: &Series,
        found: &LogDamage,
        sink: &mut dyn Sink,
    ) -> ControlFlow<Result<(), CliError>> {
        let position = found.what.position.get();
        let bytes = found.resumes.map(|end| end.get().saturating_sub(position));
        let damage = match found.stop {
            Some(stop) => Damage::of_stop(stop, position, bytes, false),
            None => Damage {
                code: code_of(&found.what.rule),
                position,
                bytes,
                offset: None,
                message: found.what.rule.to_string(),
            },
        };
        let Some(segment) = series.segments.iter().find(|segment| segment.base == found.segment.get()) else {
            return ControlFlow::Continue(());
        };
        match damage.code {
            Some(_) => self.met.damaged = self.met.damaged.saturating_add(1),
            None => self.met.left_out = self.met.left_out.saturating_add(1),
        }
        if or_break(sink.damage(segment, &damage))?.is_break() {
            ControlFlow::Break(Ok(()))
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// An error as the value to end with.
fn or_break<T>(result: Result<T, CliError>) -> ControlFlow<Result<(), CliError>, T> {
    match result {
        Ok(value) => ControlFlow::Continue(value),
        Err(error) => ControlFlow::Break(Err(error)),
    }
}
