//! What holds: `log_engine::testing::fuzz::log_dir`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::log_dir);
