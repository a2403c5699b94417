//! The corruption sweep: three directories that brokers wrote, each damaged in every way that `testing::sweep` knows, one at a time.
//!
//! Whatever the damage: no panic, no hang, no more memory than the engine's bound (which the allocator here refuses), damage that a
//! checksum shows is found, and every batch that it does not touch can still be read. Nothing can be written: `Fs` has no verb for it.
//!
//! By default a small part of the list is tried. `SWEEP=17` tries one damage in 17, more than 20,000; `SWEEP=1` all of them.
#![allow(clippy::disallowed_methods, reason = "a case that hangs is told by the clock")]

use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cap::Cap;
use log_engine::testing::golden;
use log_engine::testing::memory_fs::MemoryFs;
use log_engine::testing::sweep::{Damage, damages, look};

/// The engine's bound on memory, whatever it reads.
const MEMORY: usize = 256 << 20;
/// No case may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Every how many-th damage is tried by default. A prime, so that no field is always left out.
const STRIDE: usize = 199;
/// The directories: no producers, transactions after a clean stop, cleaned.
const BASES: [&str; 3] = ["plain-killed", "txn-clean", "compact-killed"];

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

#[test]
fn every_damage_is_survived_and_what_it_spares_can_be_read() {
    let stride = std::env::var("SWEEP").map_or(STRIDE, |stride| stride.parse().expect("SWEEP is a number"));
    let (mut tried, mut listed) = (0, 0);
    for base in BASES {
        let base = MemoryFs::load(&golden::unpacked("damage", "bases").join("bases").join(base));
        let all = damages(&base);
        listed += all.len();
        let all: Vec<Damage> = all.into_iter().step_by(stride).collect();
        tried += all.len();
        let failures = try_all(&base, &all);
        assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
    }
    println!("{tried} of {listed} damages; {} bytes of memory at most", ALLOCATOR.max_allocated());
    assert!(listed >= 300_000, "{listed}");
}

/// What went wrong, a line a damage.
fn try_all(base: &MemoryFs, all: &[Damage]) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(damage) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let tried = catch_unwind(AssertUnwindSafe(|| look(base, damage)));
                    let said = match tried {
                        Err(_) => "panics".to_owned(),
                        Ok(Err(wrong)) => wrong,
                        Ok(Ok(())) if began.elapsed() > PATIENCE => format!("takes {:?}", began.elapsed()),
                        Ok(Ok(())) => continue,
                    };
                    failures.lock().unwrap().push(format!("{damage}: {said}"));
                }
            });
        }
    });
    failures.into_inner().unwrap()
}
