//! Crash exploration: a random history of a store on a simulated disk, a crash after every single operation, in every way in which one
//! can leave the disk, and what must hold of what is found then. In half of the histories the disk fails now and then as well.
//!
//! `CRASH_STATES=100000 cargo test --release -p log-engine --test crash` looks at that many; without it a few thousand are enough for
//! every run of the tests. `CRASH_SEED=n` begins at another seed. A failure names the seed, the operation and the outcome, and
//! `CRASH_ONLY=seed:operation:outcome` looks at that state alone.

#[path = "crash/check.rs"]
mod check;
#[path = "crash/explore.rs"]
mod explore;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/history.rs"]
mod history;
#[path = "crash/random.rs"]
mod random;
#[path = "crash/rot.rs"]
mod rot;
#[path = "crash/workload.rs"]
mod workload;

use self::explore::Search;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The state that is asked for alone: seed, operation, outcome.
fn only() -> Option<(u64, usize, String)> {
    let text = std::env::var("CRASH_ONLY").ok()?;
    let mut parts = text.splitn(3, ':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
}

#[test]
fn whatever_a_crash_leaves_is_recovered_with_all_that_was_promised() {
    let only = only();
    let first = only.as_ref().map_or_else(|| number("CRASH_SEED", 0), |(seed, ..)| *seed);
    let searched = Search { first, states: number("CRASH_STATES", 1500), only }.run();
    if let Some(wrong) = searched.wrong {
        panic!("{wrong}");
    }
    let (states, operations, next) = (searched.states, searched.operations, searched.next);
    println!(
        "{states} crash states at {operations} operations of the histories with the seeds {first}..{next}: 0 violations"
    );
}
