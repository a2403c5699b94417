//! The command `log-cli`: arguments, run, exit code. A closed pipe is not an error.

#![allow(dead_code)] // until every command has joined

mod cli;
mod commands;
mod error;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match cli::run(args) {
        Ok(code) => code.into(),
        Err(error) => error.report(),
    }
}
