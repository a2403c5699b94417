//! `producers`: the snapshots of producers beside the logs.

mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show and check producer snapshots: .snapshot
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the producers of each snapshot
    #[command(after_help = "\
Examples:
  log-cli producers show orders-3
  log-cli producers show orders-3/00000000000004498112.snapshot --json | jq 'select(.openSince != null)'")]
    Show(show::Arguments),
    /// Hold producer snapshots against their logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli producers check /var/lib/kafka/data
  log-cli producers check orders-3 --json | jq '.files[] | select(.state != \"ok\")'")]
    Check(CheckArguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Producers, arguments, global),
    }
}
