//! What holds: `log_engine::testing::fuzz::segment_scan`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::segment_scan);
