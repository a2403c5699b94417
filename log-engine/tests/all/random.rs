//! Random scripts: a log beside a model in memory.
//!
//! `RANDOM_SCRIPTS=10000` carries so many out instead of some hundreds, `RANDOM_SEED=n` begins at another seed. A failure names the seed
//! and shows the script.

#[path = "../random/agree.rs"]
mod agree;
#[path = "../random/model.rs"]
mod model;
#[path = "../random/producers.rs"]
mod producers;
#[path = "../crash/random.rs"]
mod rng;
#[path = "../random/run.rs"]
mod run;
#[path = "../random/steps.rs"]
mod steps;

pub(crate) use self::run::run;

const OPERATIONS: usize = 60;

pub(super) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn random_scripts_agree_with_the_model() {
    let (first, count) = (number("RANDOM_SEED", 0), number("RANDOM_SCRIPTS", 300));
    let (mut refused, mut starts, mut stuck) = (0, 0, 0);
    for seed in first..first + count {
        let (_folder, dir) = super::scripts::partition();
        let ran = run(seed, OPERATIONS, &dir);
        let ran = ran.unwrap_or_else(|(wrong, script)| panic!("RANDOM_SEED={seed}: {wrong}\n{script}"));
        refused += ran.refused;
        starts += ran.starts;
        stuck += ran.stuck;
    }
    println!(
        "{count} of {count} random scripts agree with the model: {refused} refusals, {starts} starts, {stuck} ended early, seeds from {first}"
    );
    assert!(stuck as u64 <= count / 50, "{stuck} scripts ended early");
    assert!(refused as u64 > count && starts as u64 > count, "the scripts are too tame");
}
