//! What holds: `log_engine::testing::fuzz::epoch_truncate`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::epoch_truncate);
