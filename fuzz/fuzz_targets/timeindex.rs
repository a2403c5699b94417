//! What holds: `log_engine::testing::fuzz::timeindex`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::timeindex);
