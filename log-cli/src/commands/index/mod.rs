//! `index`: the index files beside the logs.

mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family, ShowArguments};
use super::rebuild::{self, RebuildArguments};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show, check and rebuild index files: .index, .timeindex, .txnindex
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the entries, each with whether it fits the log
    #[command(after_help = "\
Examples:
  log-cli index show orders-3/00000000000004410021.index
  log-cli index show orders-3 --json | jq -c 'select(.fits | not)'

An entry of .txnindex fits if its marker is there; whether the transaction began where the entry says, index check knows.")]
    Show(ShowArguments),
    /// Hold index files against their logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli index check /var/lib/kafka/data
  log-cli index check data -t orders --json | jq -r '.files[] | select(.state != \"ok\").path'
  log-cli index check orders-3/00000000000004410021.timeindex -v")]
    Check(CheckArguments),
    /// Make index files that are wrong or missing again, from their logs
    ///
    /// Only files that are wrong are made, and no record is touched; damage in the logs stays what it is. Without --apply only the plan is shown; what
    /// is replaced is kept beside the log directory. Exits 0 if it was done or nothing is to do, 1 if a plan has something to do, 3 if something is wrong
    /// that the logs do not mend, 5 if a broker holds the directory.
    #[command(after_help = "\
Examples:
  log-cli index rebuild /var/lib/kafka/data             what would be made
  log-cli index rebuild /var/lib/kafka/data --apply
  log-cli index rebuild orders-3/00000000000004410021.index --apply")]
    Rebuild(RebuildArguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Indexes, arguments, global),
        What::Rebuild(arguments) => rebuild::run(Family::Indexes, arguments, global),
    }
}
