//! What a log leaves to be done later: a queue that somebody else runs, with the time as an argument.

use std::path::PathBuf;
use std::sync::Arc;

use crate::segment::Segment;
use crate::units::{Offset, Timestamp};

/// Kafka's `producer.id.expiration.check.interval.ms`.
pub(super) const EXPIRY_INTERVAL_MS: i64 = 600_000;

/// Work that waits. Each carries what it needs, so that it does no harm if the log has gone on meanwhile.
#[derive(Debug)]
pub(super) enum Task {
    /// Behind a roll: sync the producers' snapshot, then the log up to the new segment.
    Flush { snapshot: Option<PathBuf>, until: Offset },
    /// Write the leader epochs down.
    WriteEpochs,
    /// Write `partition.metadata`.
    WriteMetadata,
    /// Remove the files of segments that have a `.deleted` name.
    RemoveSegments(Vec<Arc<Segment>>),
    /// Remove snapshots that have a `.deleted` name.
    RemoveSnapshots(Vec<PathBuf>),
    /// Forget producers that were not heard of.
    ExpireProducers,
}

/// What a task is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskName {
    /// Sync what a roll left behind.
    FlushLog,
    /// Write the leader epochs down.
    FlushLeaderEpochs,
    /// Write the topic id down.
    FlushMetadataFile,
    /// Remove the files of deleted segments.
    DeleteFile,
    /// Remove the snapshots of deleted segments.
    DeleteProducerSnapshot,
    /// Forget producers that were not heard of.
    ProducerExpirationCheck,
}

impl Task {
    pub(super) const fn name(&self) -> TaskName {
        match self {
            Self::Flush { .. } => TaskName::FlushLog,
            Self::WriteEpochs => TaskName::FlushLeaderEpochs,
            Self::WriteMetadata => TaskName::FlushMetadataFile,
            Self::RemoveSegments(_) => TaskName::DeleteFile,
            Self::RemoveSnapshots(_) => TaskName::DeleteProducerSnapshot,
            Self::ExpireProducers => TaskName::ProducerExpirationCheck,
        }
    }

    /// It comes back after it has run.
    const fn repeats(&self) -> bool {
        matches!(self, Self::ExpireProducers)
    }
}

/// Which of the waiting tasks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunTasks {
    /// Those that wait for nothing.
    Immediate,
    /// Those whose time has come.
    Due,
    /// Those whose time has come, and all that run once, whatever they wait for.
    All,
}

#[derive(Debug)]
struct Waiting {
    due: Timestamp,
    number: u64,
    has_delay: bool,
    task: Task,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    waiting: Vec<Waiting>,
    submitted: u64,
}

impl Tasks {
    /// Lets `task` wait for `delay_ms` from `now`.
    pub(super) fn submit(&mut self, task: Task, now: Timestamp, delay_ms: i64) {
        let number = self.submitted;
        self.submitted = self.submitted.saturating_add(1);
        let due = Timestamp::new(now.get().saturating_add(delay_ms));
        self.waiting.push(Waiting { due, number, has_delay: delay_ms > 0, task });
    }

    /// Takes out the next task to run, the earliest first. One that repeats is put back by who ran it.
    pub(super) fn next(&mut self, which: RunTasks, now: Timestamp) -> Option<Task> {
        let wanted = |waiting: &Waiting| match which {
            RunTasks::Immediate => !waiting.has_delay,
            RunTasks::Due => waiting.due <= now,
            RunTasks::All => waiting.due <= now || !waiting.task.repeats(),
        };
        let candidates = self.waiting.iter().enumerate().filter(|(_, waiting)| wanted(waiting));
        let (at, _) = candidates.min_by_key(|(_, waiting)| (waiting.due, waiting.number))?;
        Some(self.waiting.remove(at).task)
    }

    /// The names of those that wait and run once, in the order in which they came.
    pub(super) fn names(&self) -> Vec<TaskName> {
        self.waiting.iter().filter(|waiting| !waiting.task.repeats()).map(|waiting| waiting.task.name()).collect()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_by_time_and_age_and_repeating_ones_only_when_due() {
        let at = Timestamp::new;
        let mut tasks = Tasks::default();
        tasks.submit(Task::ExpireProducers, at(0), EXPIRY_INTERVAL_MS);
        tasks.submit(Task::RemoveSnapshots(Vec::new()), at(0), 1000);
        tasks.submit(Task::WriteEpochs, at(5), 0);
        tasks.submit(Task::WriteMetadata, at(5), 0);
        let run = |tasks: &mut Tasks, which, now| -> Vec<TaskName> {
            std::iter::from_fn(|| tasks.next(which, at(now)).map(|task| task.name())).collect()
        };
        assert_eq!(run(&mut tasks, RunTasks::Immediate, 5), [TaskName::FlushLeaderEpochs, TaskName::FlushMetadataFile]);
        assert_eq!(run(&mut tasks, RunTasks::Due, 999), []);
        assert_eq!(tasks.names(), [TaskName::DeleteProducerSnapshot], "the repeating one is not told");
        assert_eq!(run(&mut tasks, RunTasks::All, 999), [TaskName::DeleteProducerSnapshot]);
        assert_eq!(run(&mut tasks, RunTasks::Due, EXPIRY_INTERVAL_MS), [TaskName::ProducerExpirationCheck]);
    }
}
