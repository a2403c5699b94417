//! Every crash of the histories of many seeds, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use log_engine::fs::sim::Outcome;

use super::check::{Crash, check};
use super::history::History;
use super::workload;

/// Every way in which a crash can leave a disk, and the death of the process alone.
const CRASHES: [Crash; 8] = [
    Crash::Killed,
    Crash::Machine(Outcome::Nothing),
    Crash::Machine(Outcome::Everything),
    Crash::Machine(Outcome::Prefix),
    Crash::Machine(Outcome::Sectors),
    Crash::Machine(Outcome::SizeOnly),
    Crash::Machine(Outcome::Mixed),
    Crash::Rot,
];

/// What is looked at.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The first seed.
    pub(super) first: u64,
    /// The states after which it ends.
    pub(super) states: u64,
    /// The state that is looked at alone: seed, operation, outcome.
    pub(super) only: Option<(u64, usize, String)>,
}

/// What was looked at, and what was found.
#[derive(Debug)]
pub(super) struct Searched {
    pub(super) states: u64,
    /// The seed behind the last.
    pub(super) next: u64,
    /// Operations of all histories.
    pub(super) operations: u64,
    /// What was wrong with a state, where something was.
    pub(super) wrong: Option<String>,
}

/// How a search has come along.
#[derive(Default)]
struct Progress {
    states: AtomicU64,
    next: AtomicU64,
    operations: AtomicU64,
    is_over: AtomicBool,
    wrong: Mutex<Option<String>>,
}

impl Search {
    /// Looks at states until there are enough or one is wrong.
    pub(super) fn run(&self) -> Searched {
        let progress = Progress { next: AtomicU64::new(self.first), ..Progress::default() };
        let threads = if self.only.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.seeds(&progress));
            }
        });
        Searched {
            states: progress.states.into_inner(),
            next: progress.next.into_inner(),
            operations: progress.operations.into_inner(),
            wrong: progress.wrong.into_inner().unwrap(),
        }
    }

    fn seeds(&self, progress: &Progress) {
        while !progress.is_over.load(Ordering::Relaxed) {
            let seed = progress.next.fetch_add(1, Ordering::Relaxed);
            let explored = match caught(|| Ok(workload::run(seed))) {
                Ok(history) => {
                    progress.operations.fetch_add(history.disk.operations() as u64, Ordering::Relaxed);
                    let explored = self.explore(&history, seed, progress);
                    explored.map_err(|wrong| format!("{wrong}\nhistory:\n{history}"))
                }
                Err(wrong) => Err(format!("CRASH_SEED={seed}, before any crash: {wrong}")),
            };
            if let Err(wrong) = explored {
                progress.wrong.lock().unwrap().get_or_insert(wrong);
                progress.is_over.store(true, Ordering::Relaxed);
            }
            if self.only.is_some() {
                break;
            }
        }
    }

    /// Crashes one history after each operation.
    fn explore(&self, history: &History, seed: u64, progress: &Progress) -> Result<(), String> {
        let mut replay = history.disk.replay();
        loop {
            for crash in CRASHES {
                let name = format!("{crash:?}");
                let is_wanted =
                    |(_, operation, outcome): &(_, usize, String)| *operation == replay.done() && *outcome == name;
                if !self.only.as_ref().is_none_or(is_wanted) || !history.can_be_judged(replay.done(), crash) {
                    continue;
                }
                if progress.is_over.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let looked_at = progress.states.fetch_add(1, Ordering::Relaxed) + 1;
                if looked_at >= self.states {
                    progress.is_over.store(true, Ordering::Relaxed);
                }
                caught(|| check(history, &replay, crash, seed))
                    .map_err(|wrong| format!("CRASH_ONLY={seed}:{}:{name}: {wrong}", replay.done()))?;
            }
            if replay.step().is_none() {
                return Ok(());
            }
        }
    }
}

impl History {
    /// Whether it is known what a process that dies there has to find again: names that a failed sync lost are seen and are not there.
    fn can_be_judged(&self, done: usize, crash: Crash) -> bool {
        crash != Crash::Killed || self.lost_names.is_none_or(|lost| done <= lost)
    }
}

/// A panic as an error.
fn caught<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}
