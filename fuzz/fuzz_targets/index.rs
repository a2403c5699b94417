//! What holds: `log_engine::testing::fuzz::index`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::index);
