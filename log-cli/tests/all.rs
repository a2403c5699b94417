//! One binary for all tests of the command; each module is one command or one promise.

mod bench;
mod cli_args;
mod copy;
mod damage;
mod diff;
mod dump;
mod export;
mod find;
mod grep;
mod harmless;
mod import;
mod inspect;
mod kafka_dump_log;
mod kafka_dump_log_twin;
mod kill;
mod ls;
mod replay;
mod salvage;
mod skeleton;
mod small_files;
mod stats;
mod support;
mod sweep;
mod tail;
mod verify;
mod words;
