//! What holds: `log_engine::testing::fuzz::checkpoints`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::checkpoints);
