//! `man`: the manual, made of the same words as the help.

use std::io::Write;
use std::path::PathBuf;

use crate::cli;
use crate::error::{CliError, Exit};
use crate::output;

/// Print the manual page, or write one a command
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write `log-cli.1` and a page a command into this folder, which must exist
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    match &arguments.output {
        Some(dir) => clap_mangen::generate_to(cli::command(), dir)?,
        None => {
            let mut out = output::raw_stdout();
            clap_mangen::Man::new(cli::command()).render(&mut out)?;
            out.flush()?;
        }
    }
    Ok(Exit::Fine)
}
