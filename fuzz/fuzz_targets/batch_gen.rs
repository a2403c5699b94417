//! What holds: `log_engine::testing::fuzz::batch_gen`.
#![no_main]

log_fuzz::target!(log_engine::testing::fuzz::batch_gen);
