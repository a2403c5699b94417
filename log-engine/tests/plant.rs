//! The proof that crash exploration finds something: with faults planted in the engine, one after the other, it has to.
//!
//! `cargo test --release -p log-engine --features plant --test plant -- --nocapture` says after how many states each fell.

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

use log_engine::plant::Fault;

use self::explore::Search;

/// States within which a planted fault has to be found.
const MOST_STATES: u64 = 60_000;
/// Faults that so many states do not show; `PLANT=Name` looks for one all the same. The first two need a sync that fails, a second one
/// that does not, and a machine that stops then; what the third leaves, the next write or recovery takes away.
const RARE: [Fault; 3] = [Fault::SyncRetried, Fault::CacheBelieved, Fault::FailedWriteKept];

#[test]
fn planted_faults_are_found() {
    // What is found is a panic now and then; only what is missed is told at length.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted = std::env::var("PLANT").ok();
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        let name = format!("{fault:?}");
        match &wanted {
            Some(wanted) if *wanted != name => continue,
            None if RARE.contains(&fault) => {
                println!("{name}: not looked for");
                continue;
            }
            _ => {}
        }
        Fault::plant(Some(fault));
        let searched = Search { first: 0, states: MOST_STATES, only: None }.run();
        Fault::plant(None);
        match searched.wrong {
            Some(wrong) => {
                let wrong = wrong.lines().next().unwrap_or_default();
                let (states, operations, next) = (searched.states, searched.operations, searched.next);
                println!("{name}: found after {states} states, {operations} operations, seeds below {next}: {wrong}");
            }
            None => missed.push(name),
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not found within {MOST_STATES} states: {missed:?}");
}
