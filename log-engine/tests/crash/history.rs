//! What a run did and promised, each with the number of operations on the disk before and behind it.

use std::fmt;
use std::sync::Arc;

use log_engine::LogConfig;
use log_engine::fs::sim::SimFs;

/// A batch as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) bytes: Arc<[u8]>,
}

/// One thing that was done, between two operations of the journal.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) begins: usize,
    pub(super) ends: usize,
    /// It failed: it may have happened, in part or not at all, and promises nothing.
    pub(super) failed: bool,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A batch went to the end.
    Append(Appended),
    /// A batch was to go to the end, and the log says that it did not.
    Attempt(Appended),
    /// Everything below is durable, said the log.
    Durable(i64),
    /// The log was cut before an offset.
    Truncate(i64),
    /// The log begins at an offset.
    Start(i64),
    /// The high watermark.
    HighWatermark(i64),
    /// A sync failed: what the disk has of what was written is not known.
    SyncFailed,
    /// A start behind a fault found the log's end here.
    Found(i64),
    /// Something that changes no record, for who reads the history.
    Other(&'static str),
}

/// A run and the disk it ran on.
pub(super) struct History {
    pub(super) disk: SimFs,
    pub(super) events: Vec<Event>,
    /// What the log was opened with.
    pub(super) config: LogConfig,
    /// The last epoch that was elected.
    pub(super) last_epoch: i32,
    /// The operation that was a failed sync of a folder, if one was. The process cannot know its names any more, and the run ended.
    pub(super) lost_names: Option<usize>,
}

/// What may be found and what must be, after so many operations.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// All batches that may be there, in order; what is found begins somewhere in them and goes on without a gap.
    pub(super) batches: Vec<Appended>,
    /// What may be found instead, as long as nothing that stands in its place is durable: what a failed append or cut can leave.
    pub(super) instead: Vec<Vec<Appended>>,
    /// Everything below was durable.
    pub(super) durable: i64,
    /// Everything below was written.
    pub(super) written: i64,
    /// The log begins here, or anywhere before: a log start is durable when its checkpoint is.
    pub(super) start: i64,
    /// A sync has failed, and nothing that was promised since says what became of the bytes.
    pub(super) is_unsure: bool,
}

impl History {
    /// What is expected when the first `done` operations were done and no more.
    pub(super) fn expected(&self, done: usize) -> Expected {
        expected(&self.events, done)
    }
}

/// What is expected behind the first `done` operations of a run.
pub(super) fn expected(events: &[Event], done: usize) -> Expected {
    let mut expected = Expected::default();
    for event in events.iter().take_while(|event| event.begins < done || event.ends <= done) {
        expected.note(event, event.ends <= done && !event.failed);
    }
    expected
}

impl Expected {
    /// The offset behind everything that may be there.
    pub(super) fn most(&self) -> i64 {
        let ends = self.instead.iter().chain([&self.batches]).filter_map(|batches| Some(batches.last()?.last + 1));
        ends.max().unwrap_or(0).max(self.start)
    }

    fn note(&mut self, event: &Event, is_over: bool) {
        match &event.what {
            What::Append(batch) => {
                self.batches.push(batch.clone());
                if is_over && !self.is_unsure {
                    self.written = batch.last + 1;
                }
            }
            What::Attempt(batch) => {
                let before = self.batches.iter().filter(|before| before.last < batch.first);
                self.instead.push(before.chain([batch]).cloned().collect());
            }
            What::Durable(end) if is_over => {
                // Where a cut inside a batch put the log's end behind the last one, there is nothing in between to promise.
                let held = self.batches.last().map_or(0, |batch| batch.last + 1);
                self.durable = self.durable.max(held.min(*end));
                self.written = self.written.max(self.durable);
                self.instead.clear();
                self.is_unsure = false;
            }
            What::Truncate(target) => self.truncate(*target, is_over),
            What::Start(start) => self.start = self.start.max(*start),
            What::SyncFailed => {
                self.written = self.written.min(self.durable);
                self.is_unsure = true;
            }
            What::Found(end) => {
                let kept = self.batches.iter().take_while(|batch| batch.last < *end).count();
                if kept < self.batches.len() {
                    self.instead.push(self.batches.clone());
                    self.batches.truncate(kept);
                }
            }
            What::Durable(_) | What::HighWatermark(_) | What::Other(_) => {}
        }
    }

    fn truncate(&mut self, target: i64, is_over: bool) {
        // A batch is never cut: the one that holds the target goes whole.
        let kept = self.batches.iter().take_while(|batch| batch.last < target).count();
        // Recovery finds the log's end behind the last batch, which a cut inside another left below the target.
        let before = kept.checked_sub(1).and_then(|last| self.batches.get(last));
        let end = before.map_or(0, |batch| batch.last + 1).min(target);
        if is_over {
            self.batches.truncate(kept);
            self.instead.clear();
        }
        self.durable = self.durable.min(end);
        self.written = self.written.min(end);
        self.start = self.start.min(target);
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { begins, ends, failed, what } in &self.events {
            write!(f, "  {begins:>4}..{ends:<4} {}", if *failed { "failed: " } else { "" })?;
            match what {
                What::Append(batch) => {
                    writeln!(f, "append {}..={}, {} bytes", batch.first, batch.last, batch.bytes.len())?
                }
                What::Attempt(batch) => {
                    writeln!(f, "no append {}..={}, {} bytes", batch.first, batch.last, batch.bytes.len())?
                }
                What::Durable(end) => writeln!(f, "durable below {end}")?,
                What::Truncate(target) => writeln!(f, "truncate to {target}")?,
                What::Start(start) => writeln!(f, "log start {start}")?,
                What::HighWatermark(offset) => writeln!(f, "high watermark {offset}")?,
                What::SyncFailed => writeln!(f, "a sync fails")?,
                What::Found(end) => writeln!(f, "the log's end is found at {end}")?,
                What::Other(what) => writeln!(f, "{what}")?,
            }
        }
        Ok(())
    }
}
