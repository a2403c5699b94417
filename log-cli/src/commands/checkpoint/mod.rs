//! `checkpoint`: the small text files of log directories and partitions.

mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show and check the small text files: offset checkpoints, leader epochs, the clean-shutdown marker, identities
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print what the files say
    #[command(after_help = "\
Examples:
  log-cli checkpoint show /var/lib/kafka/data
  log-cli checkpoint show data -t orders -p 3
  log-cli checkpoint show data/recovery-point-offset-checkpoint --json | jq .offset

With -t and -p, of the files of a log directory the lines about these partitions are shown.")]
    Show(show::Arguments),
    /// Hold the files against the logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli checkpoint check /var/lib/kafka/data
  log-cli checkpoint check data/recovery-point-offset-checkpoint
  log-cli checkpoint check data --json | jq -r '.files[] | select(.state != \"ok\") | .path, .broker'")]
    Check(CheckArguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Checkpoints, arguments, global),
    }
}
