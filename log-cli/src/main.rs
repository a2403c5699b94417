//! The command `log-cli`: arguments, run, exit code. A closed pipe is not an error.

use std::process::ExitCode;

fn main() -> ExitCode {
    log_cli::run(std::env::args_os().collect()).into()
}
