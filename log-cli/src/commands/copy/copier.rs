//! Takes what a walk finds and gives it to the new partition: whole batches as they are, of others the records that are wanted.

use std::ops::ControlFlow;
use std::sync::Arc;

use log_engine::batch::assign;
use log_engine::{Batch, Codec, LeaderEpoch, Offset, Record, Scratch, TopicPartition};

use crate::error::CliError;
use crate::redact::Redaction;
use crate::render::damage_line;
use crate::rows::{BatchFacts, Folders, Row};
use crate::select::targets::{Segment, Series};
use crate::walk::{BatchView, Damage, Flow, Sink};

/// What is to be changed of batches.
#[derive(Clone, Debug)]
pub(super) struct Rewrite {
    /// The codec of data.
    pub(super) codec: Option<Codec>,
    /// Whether data that has the codec is compressed again.
    pub(super) is_level_given: bool,
    /// Older messages become batches of format 2.
    pub(super) to_magic_2: bool,
    /// What the first offset becomes.
    pub(super) rebase: Option<i64>,
    /// What is taken out of records.
    pub(super) redaction: Option<Redaction>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Batches as they were.
    pub(super) copied: u64,
    /// Batches made anew.
    pub(super) rebuilt: u64,
    /// Batches that do not follow what is before them.
    pub(super) misplaced: u64,
}

impl Counts {
    /// What was done elsewhere as well.
    pub(super) fn add(&mut self, other: &Self) {
        self.copied = self.copied.saturating_add(other.copied);
        self.rebuilt = self.rebuilt.saturating_add(other.rebuilt);
        self.misplaced = self.misplaced.saturating_add(other.misplaced);
    }
}

/// Copies one source.
pub(super) struct Copier<'f> {
    folders: &'f mut Folders,
    partition: TopicPartition,
    rewrite: &'f Rewrite,
    quiet: bool,
    label: String,
    /// How far offsets move, once the first is known.
    shift: Option<i64>,
    /// The offset behind the last one, in the source.
    end: i64,
    open: Option<Open>,
    scratch: Scratch,
    counts: Counts,
}

/// The offset at which a batch begins, and how many records it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    first: i64,
    count: usize,
}

/// A batch of which records come.
struct Open {
    /// Itself, if it may be copied as it is.
    whole: Option<(Vec<u8>, Extent)>,
    /// How many records it has, where that is known.
    count: Option<usize>,
    facts: Arc<BatchFacts>,
    rows: Vec<Row>,
}

impl<'f> Copier<'f> {
    pub(super) fn new(folders: &'f mut Folders, partition: TopicPartition, rewrite: &'f Rewrite, quiet: bool) -> Self {
        Self {
            folders,
            partition,
            rewrite,
            quiet,
            label: String::new(),
            shift: None,
            end: i64::MIN,
            open: None,
            scratch: Scratch::default(),
            counts: Counts::default(),
        }
    }

    /// Nothing follows.
    pub(super) fn finish(mut self) -> Result<Counts, CliError> {
        self.close()?;
        Ok(self.counts)
    }

    /// Whether a batch can be copied as it is.
    fn stays(&self, batch: &Batch<'_>) -> bool {
        let Rewrite { codec, is_level_given, to_magic_2, rebase, redaction } = self.rewrite;
        let is_old = batch.header().is_none();
        // Offsets within compressed messages of format 0 are not those of their wrapper: they cannot be moved with it.
        if is_old && (*to_magic_2 || rebase.is_some()) {
            return false;
        }
        let keeps_codec = codec.is_none_or(|to| batch.codec() == Ok(to) && (!is_level_given || to == Codec::None));
        (keeps_codec && redaction.is_none()) || batch.is_control() || batch.record_count() == Some(0)
    }

    /// False for a batch that lies before the end of what came: nothing can stand there any more.
    fn follows(&mut self, batch: &BatchView<'_>) -> bool {
        let (first, last) = (batch.batch.base_offset().get(), batch.batch.last_offset().get());
        if first >= self.end.max(0) && last >= first {
            return true;
        }
        self.counts.misplaced = self.counts.misplaced.saturating_add(1);
        if !self.quiet {
            let (name, at, end) = (&batch.segment.name, batch.position, self.end);
            anstream::eprintln!("left out {}: {name} @{at}: offsets {first}..{last} behind {end}", self.label);
        }
        false
    }

    /// How far an offset moves that is the first, if no other was.
    fn shift(&mut self, first: i64) -> i64 {
        let rebase = self.rewrite.rebase;
        *self.shift.get_or_insert_with(|| rebase.map_or(0, |to| to.saturating_sub(first)))
    }

    fn copy_whole(&mut self, batch: &Batch<'_>, extent: Extent) -> Result<(), CliError> {
        let shift = self.shift(extent.first);
        let moved;
        let epoch = batch.leader_epoch().unwrap_or(LeaderEpoch::new(0));
        let batch = if shift == 0 && epoch.get() >= 0 {
            *batch
        } else {
            let mut bytes = batch.bytes().to_vec();
            let base = Offset::new(batch.base_offset().get().saturating_add(shift));
            // No log takes a batch without an epoch.
            let placed = assign(&mut bytes, base, epoch.max(LeaderEpoch::new(0)));
            moved = bytes;
            placed.and_then(|()| Batch::parse(&moved)).map_err(|_| too_far(&self.partition))?
        };
        let (first, count) = (extent.first.saturating_add(shift), extent.count as u64);
        self.folders
            .add_batch(&self.partition, &batch, first, count)
            .map_err(|error| error.while_walking(&self.partition))?;
        self.counts.copied = self.counts.copied.saturating_add(1);
        Ok(())
    }

    /// Writes what came of the batch that is open.
    fn close(&mut self) -> Result<(), CliError> {
        let Some(open) = self.open.take().filter(|open| !open.rows.is_empty()) else { return Ok(()) };
        if let Some((bytes, extent)) = open.whole.filter(|(_, extent)| extent.count == open.rows.len()) {
            let batch = Batch::parse(&bytes).map_err(|_| too_far(&self.partition))?;
            return self.copy_whole(&batch, extent);
        }
        let first = open.rows.first().and_then(|row| row.offset).unwrap_or(0);
        let shift = self.shift(first);
        let is_whole = open.count == Some(open.rows.len());
        let mut facts = Arc::new(moved(&open.facts, shift, self.rewrite.rebase));
        let runs = if is_whole { vec![open.rows] } else { runs(open.rows) };
        for run in runs {
            if !is_whole {
                facts = Arc::new(bounded(&facts, &run, shift));
            }
            for row in run {
                let offset = row.offset.map(|offset| offset.saturating_add(shift));
                let row = Row { batch: Arc::clone(&facts), offset, ..row };
                let added = self.folders.add(&self.partition, &row);
                added.map_err(|error| error.while_walking(&self.partition))?;
            }
        }
        self.counts.rebuilt = self.counts.rebuilt.saturating_add(1);
        Ok(())
    }

    /// The extent of a batch; `None` for a message that cannot be decoded. Messages of formats 0 and 1 name their last offset only.
    fn extent(&mut self, batch: &Batch<'_>) -> Option<Extent> {
        if let Some(count) = batch.record_count() {
            return Some(Extent { first: batch.base_offset().get(), count: usize::try_from(count).ok()? });
        }
        let mut records = batch.records(&mut self.scratch).ok()?;
        let first = records.next()?.ok()?.offset.get();
        Some(Extent { first, count: records.count().saturating_add(1) })
    }
}

/// What a batch says, moved; with offsets that begin at `rebase` nothing reaches below it.
fn moved(facts: &BatchFacts, shift: i64, rebase: Option<i64>) -> BatchFacts {
    let moved = |offset: i64| offset.saturating_add(shift).max(rebase.unwrap_or(i64::MIN));
    BatchFacts {
        first_offset: facts.first_offset.map(moved),
        last_offset: facts.last_offset.map(moved),
        ..facts.clone()
    }
}

/// What the batch of a run says: it begins and ends with its records. A message of format 0 or 1 shares a batch with its neighbours.
fn bounded(facts: &BatchFacts, run: &[Row], shift: i64) -> BatchFacts {
    let offset = |row: Option<&Row>| row.and_then(|row| row.offset).map(|offset| offset.saturating_add(shift));
    let is_old = facts.first_offset.is_none();
    let bound = |row| offset(row).filter(|_| !is_old);
    BatchFacts { first_offset: bound(run.first()), last_offset: bound(run.last()), ..facts.clone() }
}

/// Records that follow each other without a gap stay together.
fn runs(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut runs: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        let next = |run: &Vec<Row>| run.last().and_then(|last| last.offset?.checked_add(1));
        match runs.last_mut() {
            Some(run) if next(run) == row.offset => run.push(row),
            _ => runs.push(vec![row]),
        }
    }
    runs
}

fn too_far(partition: &TopicPartition) -> CliError {
    CliError::Refused { message: format!("{partition}: a batch cannot be moved"), hint: None }
}

impl Sink for Copier<'_> {
    fn series(&mut self, series: &Series) -> Result<(), CliError> {
        self.label = series.label();
        Ok(())
    }

    fn whole_batch(&mut self, view: &BatchView<'_>) -> Result<bool, CliError> {
        if !self.stays(&view.batch) {
            return Ok(false);
        }
        self.close()?;
        if !self.follows(view) {
            return Ok(true);
        }
        let Some(extent) = self.extent(&view.batch) else { return Ok(false) };
        self.end = view.batch.last_offset().get().saturating_add(1);
        self.copy_whole(&view.batch, extent)?;
        Ok(true)
    }

    fn batch(&mut self, view: &BatchView<'_>) -> Result<(), CliError> {
        self.close()?;
        // What does not fit its checksum was told as damage.
        if view.crc_ok == Some(false) || !self.follows(view) {
            return Ok(());
        }
        let batch = &view.batch;
        self.end = batch.last_offset().get().saturating_add(1);
        let extent = self.extent(batch);
        let facts = BatchFacts::of(batch);
        let facts = if batch.header().is_some() { facts } else { facts.into_message() };
        let whole = extent.filter(|_| self.stays(batch)).map(|extent| (batch.bytes().to_vec(), extent));
        let count = extent.map(|extent| extent.count);
        self.open = Some(Open { whole, count, facts: Arc::new(facts), rows: Vec::new() });
        Ok(())
    }

    fn record(&mut self, _: &BatchView<'_>, record: &Record<'_>) -> Flow {
        if let Some(open) = &mut self.open {
            let mut row = Row::of(&open.facts, record);
            if let (Some(redaction), false) = (&self.rewrite.redaction, open.facts.is_control) {
                redaction.row(&mut row);
            }
            open.rows.push(row);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn damage(&mut self, segment: &Segment, damage: &Damage) -> Flow {
        if !self.quiet {
            anstream::eprintln!("left out{}", damage_line(&self.label, segment, damage));
        }
        Ok(ControlFlow::Continue(()))
    }
}
