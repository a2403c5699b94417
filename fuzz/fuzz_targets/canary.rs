//! What holds: `log_engine::testing::fuzz::canary`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::canary);
