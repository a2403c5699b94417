//! The command `log-cli` as a function from arguments to an exit code, so that the program, tests and fuzz targets run the same.

mod cli;
mod commands;
mod error;
mod human;
mod new_file;
mod new_folder;
mod output;
mod progress;
mod redact;
mod render;
mod rows;
mod select;
mod threads;
mod throttle;
mod walk;
mod writer;

use std::ffi::OsString;

/// Does what `args` ask for, the program's name first: data to standard output, talk to standard error. Gives the exit code.
#[must_use]
pub fn run(args: Vec<OsString>) -> u8 {
    match cli::run(args) {
        Ok(exit) => exit as u8,
        Err(error) => error.report(),
    }
}
