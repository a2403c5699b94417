//! `producers`: the snapshots of producers beside the logs.

mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family, ShowArguments};
use super::rebuild::{self, RebuildArguments};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show, check and rebuild producer snapshots: .snapshot
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
    Show(ShowArguments),
    /// Hold producer snapshots against their logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli producers check /var/lib/kafka/data
  log-cli producers check orders-3 --json | jq '.files[] | select(.state != \"ok\")'")]
    Check(CheckArguments),
    /// Make producer snapshots that are wrong or missing again, from their logs
    ///
    /// Only files that are wrong are made, and no record is touched; damage in the logs stays what it is. Without --apply only the plan is shown; what
    /// is replaced is kept beside the log directory. Exits 0 if it was done or nothing is to do, 1 if a plan has something to do, 3 if something is wrong
    /// that the logs do not mend, 5 if a broker holds the directory.
    #[command(after_help = "\
Examples:
  log-cli producers rebuild /var/lib/kafka/data
  log-cli producers rebuild orders-3 --apply")]
    Rebuild(RebuildArguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Producers, arguments, global),
        What::Rebuild(arguments) => rebuild::run(Family::Producers, arguments, global),
    }
}
