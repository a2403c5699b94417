//! The tests that see log-engine from outside, in one binary.

#[path = "all/golden_set.rs"]
mod golden_set;
