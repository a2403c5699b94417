//! What holds: `log_engine::testing::fuzz::decompress`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::decompress);
