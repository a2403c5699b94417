//! What holds: `log_engine::testing::fuzz::segment_recover`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::segment_recover);
