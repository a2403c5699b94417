//! `completions`: what a shell needs to complete this command.

use std::io::Write;

use clap_complete::Shell;

use crate::cli;
use crate::error::{CliError, Exit};
use crate::output;

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cli::command(), "log-cli", &mut script);
    let mut out = output::raw_stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Exit::Fine)
}
