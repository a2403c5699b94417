//! Random scripts: ours beside Kafka's own storage classes.
//!
//! `KAFKA_ORACLE=$PWD/log-engine/tests/kafka-oracle cargo test -p log-engine --test all -- --nocapture oracle` where Java and Maven are at
//! hand; without the variable the test says that it was left out. The oracle makes up `ORACLE_SCRIPTS` scripts (200), and the generator
//! that the model has as many; all are carried out by both and compared. `ORACLE_SEED=n` begins at another seed.

use std::path::{Path, PathBuf};
use std::process::Command;

use log_engine::testing::script::Expected;

use super::random::{number, run};
use super::scripts::partition;

const OPERATIONS: usize = 60;

/// Runs a command of the oracle.
fn call(oracle: &Path, args: &[&str], files: &[PathBuf]) {
    let out = Command::new(oracle.join("run")).args(args).args(files).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// The scripts in a folder, in order.
fn scripts_in(folder: &Path) -> Vec<PathBuf> {
    let mut scripts: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    scripts
}

#[test]
fn random_scripts_are_answered_as_kafka_answers_them() {
    let Some(oracle) = std::env::var_os("KAFKA_ORACLE").map(PathBuf::from) else {
        println!(
            "SKIPPED: KAFKA_ORACLE does not name the folder of Kafka's classes (tests/kafka-oracle; wants Java and Maven)"
        );
        return;
    };
    let count = number("ORACLE_SCRIPTS", 200);
    let seed = number("ORACLE_SEED", 20_000);
    let work = tempfile::tempdir().unwrap();
    let (made, answered) = (work.path().join("scripts"), work.path().join("answers"));
    let (from, many, operations) = (seed.to_string(), count.to_string(), OPERATIONS.to_string());
    let into = made.to_str().unwrap();
    let args = ["random", "--into", into, "--seed", &from, "--count", &many, "--ops", &operations, "--profile", "all"];
    call(&oracle, &args, &[]);
    for seed in seed..seed + count {
        let (_folder, dir) = partition();
        let ran = run(seed, OPERATIONS, &dir).unwrap_or_else(|(wrong, script)| panic!("{wrong}\n{script}"));
        std::fs::write(made.join(format!("model-{seed}.script")), ran.script).unwrap();
    }
    let scripts = scripts_in(&made);
    call(&oracle, &["corpus", answered.to_str().unwrap()], &scripts);

    let (mut wrong, mut stuck) = (Vec::new(), 0);
    for path in &scripts {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let answers = text(answered.join(format!("{name}.out.ndjson")));
        let files = text(answered.join(format!("{name}.files.txt")));
        let (_folder, dir) = partition();
        let verdict = Expected { answers: &answers, files: &files }.judge(&text(path.clone()), &dir).unwrap();
        stuck += usize::from(verdict.is_stuck);
        if !verdict.differences.is_empty() {
            wrong.push(format!("{name}:\n  {}", verdict.differences.join("\n  ")));
        }
    }
    let result = format!(
        "{} of {} random scripts are equal to Kafka's own classes, {stuck} of them up to where Kafka gets stuck; seeds from {seed}",
        scripts.len() - wrong.len(),
        scripts.len()
    );
    assert!(wrong.is_empty(), "{}\n{result}", wrong.join("\n"));
    println!("{result}");
}
