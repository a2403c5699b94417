//! Crash exploration: a random history of a store on a simulated disk, a crash after every single operation, in every way in which one
//! can leave the disk, and what must hold of what is found then.
//!
//! `CRASH_STATES=100000 cargo test --release -p log-engine --test crash` looks at that many; without it a few thousand are enough for
//! every run of the tests. `CRASH_SEED=n` begins at another seed. A failure names the seed, the operation and the outcome, and
//! `CRASH_ONLY=seed:operation:outcome` looks at that state alone.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/history.rs"]
mod history;
#[path = "crash/random.rs"]
mod random;
#[path = "crash/workload.rs"]
mod workload;

use std::sync::atomic::{AtomicU64, Ordering};

use log_engine::fs::sim::Outcome;

use self::check::{Crash, check};
use self::history::History;

/// Every way in which a crash can leave a disk, and the death of the process alone.
const CRASHES: [Crash; 7] = [
    Crash::Killed,
    Crash::Machine(Outcome::Nothing),
    Crash::Machine(Outcome::Everything),
    Crash::Machine(Outcome::Prefix),
    Crash::Machine(Outcome::Sectors),
    Crash::Machine(Outcome::SizeOnly),
    Crash::Machine(Outcome::Mixed),
];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The state that is asked for alone: seed, operation, outcome.
fn only() -> Option<(u64, usize, String)> {
    let text = std::env::var("CRASH_ONLY").ok()?;
    let mut parts = text.splitn(3, ':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
}

/// Crashes one history after each operation; how many states were looked at, or what was wrong with one.
fn explore(history: &History, seed: u64, limit: u64) -> Result<u64, String> {
    let mut replay = history.disk.replay();
    let mut states = 0;
    let only = only();
    loop {
        for crash in CRASHES {
            let is_wanted = only
                .as_ref()
                .is_none_or(|(_, operation, name)| *operation == replay.done() && *name == format!("{crash:?}"));
            if !is_wanted {
                continue;
            }
            if states == limit {
                return Ok(states);
            }
            states += 1;
            let state = format!("CRASH_ONLY={seed}:{}:{crash:?}", replay.done());
            let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(history, &replay, crash, seed)));
            match wrong {
                Ok(Ok(())) => {}
                Ok(Err(wrong)) => return Err(format!("{state}: {wrong}")),
                Err(_) => return Err(format!("{state}: a panic")),
            }
        }
        if replay.step().is_none() {
            return Ok(states);
        }
    }
}

#[test]
fn whatever_a_crash_leaves_is_recovered_with_all_that_was_promised() {
    let wanted = number("CRASH_STATES", 1500);
    let first = only().map_or_else(|| number("CRASH_SEED", 0), |(seed, ..)| seed);
    let (states, next) = (AtomicU64::new(0), AtomicU64::new(first));
    let threads = if only().is_some() { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    std::thread::scope(|scope| {
        let search = || {
            while states.load(Ordering::Relaxed) < wanted {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let history = workload::run(seed);
                let left = wanted.saturating_sub(states.load(Ordering::Relaxed));
                match explore(&history, seed, left) {
                    Ok(looked_at) => states.fetch_add(looked_at, Ordering::Relaxed),
                    Err(wrong) => panic!("{wrong}\nhistory:\n{history}"),
                };
                if only().is_some() {
                    break;
                }
            }
        };
        for _ in 0..threads {
            scope.spawn(search);
        }
    });
    let (states, next) = (states.into_inner(), next.into_inner());
    println!("{states} crash states of seeds {first}..{next}: all that was promised is there");
}
