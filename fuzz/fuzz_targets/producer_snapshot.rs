//! What holds: `log_engine::testing::fuzz::producer_snapshot`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::producer_snapshot);
