//! The tests that see log-engine from outside, in one binary.
#![allow(clippy::disallowed_methods, reason = "tests prepare folders")]

#[path = "all/conformance.rs"]
mod conformance;
#[path = "all/fuzz_corpora.rs"]
mod fuzz_corpora;
#[path = "all/golden_set.rs"]
mod golden_set;
#[path = "all/indexes.rs"]
mod indexes;
#[path = "all/inspect.rs"]
mod inspect;
#[path = "all/layering.rs"]
mod layering;
#[path = "all/load.rs"]
mod load;
#[path = "all/log_append.rs"]
mod log_append;
#[path = "all/log_faults.rs"]
mod log_faults;
#[path = "all/log_life.rs"]
mod log_life;
#[path = "all/log_producers.rs"]
mod log_producers;
#[path = "all/log_read.rs"]
mod log_read;
#[path = "all/log_reader.rs"]
mod log_reader;
#[path = "all/log_reopen.rs"]
mod log_reopen;
#[path = "all/log_retention.rs"]
mod log_retention;
#[path = "all/log_transactions.rs"]
mod log_transactions;
#[path = "all/log_truncate.rs"]
mod log_truncate;
#[path = "all/oracle.rs"]
mod oracle;
#[path = "all/pages.rs"]
mod pages;
#[path = "all/partition.rs"]
mod partition;
#[path = "all/producer_life.rs"]
mod producer_life;
#[path = "all/producers.rs"]
mod producers;
#[path = "all/random.rs"]
mod random;
#[path = "all/repair.rs"]
mod repair;
#[path = "all/round_trip.rs"]
mod round_trip;
#[path = "all/salvage.rs"]
mod salvage;
#[path = "all/salvage_disk.rs"]
mod salvage_disk;
#[path = "all/scripts.rs"]
mod scripts;
#[path = "all/side_files.rs"]
mod side_files;
#[path = "all/start.rs"]
mod start;
#[path = "all/store_life.rs"]
mod store_life;
#[path = "all/tidy.rs"]
mod tidy;
#[path = "all/verify.rs"]
mod verify;
