//! What holds: `log_engine::testing::fuzz::txnindex`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::txnindex);
