//! `index`: the index files beside the logs.

mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show and check index files: .index, .timeindex, .txnindex
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
    Show(show::Arguments),
    /// Hold index files against their logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli index check /var/lib/kafka/data
  log-cli index check data -t orders --json | jq -r '.files[] | select(.state != \"ok\").path'
  log-cli index check orders-3/00000000000004410021.timeindex -v")]
    Check(CheckArguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Indexes, arguments, global),
    }
}
