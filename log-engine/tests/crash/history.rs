//! What a run did and promised, each with the number of operations on the disk before and behind it.

use std::fmt;
use std::sync::Arc;

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
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A batch went to the end.
    Append(Appended),
    /// Everything below is durable, said the log.
    Durable(i64),
    /// The log was cut before an offset.
    Truncate(i64),
    /// The log begins at an offset.
    Start(i64),
    /// The high watermark.
    HighWatermark(i64),
    /// Something that changes no record, for who reads the history.
    Other(&'static str),
}

/// A run and the disk it ran on.
pub(super) struct History {
    pub(super) disk: SimFs,
    pub(super) events: Vec<Event>,
}

/// What may be found and what must be, after so many operations.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// All batches that may be there, in order; what is found begins somewhere in them and goes on without a gap.
    pub(super) batches: Vec<Appended>,
    /// Everything below was durable.
    pub(super) durable: i64,
    /// Everything below was written.
    pub(super) written: i64,
    /// The log begins here, or anywhere before: a log start is durable when its checkpoint is.
    pub(super) start: i64,
}

impl History {
    /// What is expected when the first `done` operations were done and no more.
    pub(super) fn expected(&self, done: usize) -> Expected {
        let mut expected = Expected::default();
        for event in self.events.iter().take_while(|event| event.begins < done || event.ends <= done) {
            let is_over = event.ends <= done;
            match &event.what {
                What::Append(batch) => {
                    expected.batches.push(batch.clone());
                    if is_over {
                        expected.written = batch.last + 1;
                    }
                }
                What::Durable(end) if is_over => {
                    // Where a cut inside a batch put the log's end behind the last one, there is nothing in between to promise.
                    let held = expected.batches.last().map_or(0, |batch| batch.last + 1);
                    expected.durable = expected.durable.max(held.min(*end));
                }
                What::Truncate(target) => {
                    // A batch is never cut: the one that holds the target goes whole.
                    let kept = expected.batches.iter().take_while(|batch| batch.last < *target).count();
                    // Recovery finds the log's end behind the last batch, which a cut inside another left below the target.
                    let before = kept.checked_sub(1).and_then(|last| expected.batches.get(last));
                    let end = before.map_or(0, |batch| batch.last + 1).min(*target);
                    if is_over {
                        expected.batches.truncate(kept);
                    }
                    expected.durable = expected.durable.min(end);
                    expected.written = expected.written.min(end);
                    expected.start = expected.start.min(*target);
                }
                What::Start(start) => expected.start = expected.start.max(*start),
                What::Durable(_) | What::HighWatermark(_) | What::Other(_) => {}
            }
        }
        expected
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { begins, ends, what } in &self.events {
            write!(f, "  {begins:>4}..{ends:<4} ")?;
            match what {
                What::Append(batch) => {
                    writeln!(f, "append {}..={}, {} bytes", batch.first, batch.last, batch.bytes.len())?
                }
                What::Durable(end) => writeln!(f, "durable below {end}")?,
                What::Truncate(target) => writeln!(f, "truncate to {target}")?,
                What::Start(start) => writeln!(f, "log start {start}")?,
                What::HighWatermark(offset) => writeln!(f, "high watermark {offset}")?,
                What::Other(what) => writeln!(f, "{what}")?,
            }
        }
        Ok(())
    }
}
