//! What holds: `log_engine::testing::fuzz::record_varint`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::record_varint);
