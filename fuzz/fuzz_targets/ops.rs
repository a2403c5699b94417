//! What holds: `log_engine::testing::fuzz::ops`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::ops);
