//! Every input of the committed fuzz corpora, without a fuzzer: what once failed, or taught something, is tried on each change.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use log_engine::testing::fuzz::{TARGETS, canary};
use log_engine::testing::golden;

fn corpus(target: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus")).join(target)
}

#[test]
fn every_input_of_every_corpus_keeps_the_invariants() {
    for (target, check) in TARGETS {
        let inputs = golden::files(&corpus(target));
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for input in inputs {
            let bytes = fs::read(corpus(target).join(&input)).unwrap();
            if catch_unwind(|| check(&bytes)).is_err() {
                panic!("{target} fails on fuzz/corpus/{target}/{}", input.display());
            }
        }
    }
}

#[test]
fn the_canary_fails_when_told_to_and_only_then() {
    for input in golden::files(&corpus("canary")) {
        canary(&fs::read(corpus("canary").join(input)).unwrap());
    }
    catch_unwind(|| canary(b"CRASHME")).expect_err("it was told to fail");
}

#[test]
fn every_target_is_one_of_the_fuzzing_workspace() {
    let manifest = fs::read_to_string(corpus("../Cargo.toml")).unwrap();
    for (target, _) in TARGETS {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")),
            "{target} is not in fuzz/Cargo.toml"
        );
    }
}
