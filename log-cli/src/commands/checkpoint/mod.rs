//! `checkpoint`: the small text files of log directories and partitions.

mod set;
mod show;

use clap::Subcommand;

use super::check::{self, CheckArguments, Family, ShowArguments};
use super::rebuild::{self, RebuildArguments};
use crate::cli::Global;
use crate::error::{CliError, Exit};

/// Show, check, rebuild and set the small text files: offset checkpoints, leader epochs, the clean-shutdown marker, identities
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
    Show(ShowArguments),
    /// Hold the files against the logs, and say what a broker starting now does with each
    ///
    /// Exits 0 if nothing is wrong, 1 if something is, 4 if something could not be read.
    #[command(after_help = "\
Examples:
  log-cli checkpoint check /var/lib/kafka/data
  log-cli checkpoint check data/recovery-point-offset-checkpoint
  log-cli checkpoint check data --json | jq -r '.files[] | select(.state != \"ok\") | .path, .broker'")]
    Check(CheckArguments),
    /// Make recovery points and leader epochs that are wrong or missing again, from the logs, and keep the readable lines of other checkpoints
    ///
    /// Only files that are wrong are made, and no record is touched; damage in the logs stays what it is. Without --apply only the plan is shown; what
    /// is replaced is kept beside the log directory. Exits 0 if it was done or nothing is to do, 1 if a plan has something to do, 3 if something is wrong
    /// that the logs do not mend, 5 if a broker holds the directory.
    #[command(after_help = "\
Examples:
  log-cli checkpoint rebuild /var/lib/kafka/data
  log-cli checkpoint rebuild data/recovery-point-offset-checkpoint --apply
  log-cli checkpoint rebuild data -t orders --apply

High watermarks and log starts stand nowhere else: checkpoint set can write them.")]
    Rebuild(RebuildArguments),
    /// Write what the checkpoints say of one partition, and its topic's id
    ///
    /// For what nothing else knows: a log start or a high watermark that was lost. Offsets outside the log are refused: brokers delete all segments of
    /// a log that ends before its start. Without --apply only the plan is shown. Exits 0 if it was done or nothing is to do, 1 if a plan has something
    /// to do, 5 if a broker holds the directory or --confirm is missing.
    #[command(after_help = "\
Examples:
  log-cli checkpoint set data/orders-3 --high-watermark 4498112
  log-cli checkpoint set data/orders-3 --log-start 4000000 --apply --confirm orders-3
  log-cli checkpoint set data/orders-3 --topic-id 6HZtaoFuTWK1JxohrG_zCQ --apply")]
    Set(set::Arguments),
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    match &arguments.what {
        What::Show(arguments) => show::run(arguments, global),
        What::Check(arguments) => check::run(Family::Checkpoints, arguments, global),
        What::Rebuild(arguments) => rebuild::run(Family::Checkpoints, arguments, global),
        What::Set(arguments) => set::run(arguments, global),
    }
}
