//! What holds: `log_engine::testing::fuzz::legacy_v0_v1`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::legacy_v0_v1);
