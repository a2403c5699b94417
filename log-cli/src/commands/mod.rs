//! The commands: one file each, one enum, one match.

mod apply;
mod bench;
mod bundle;
mod check;
mod checkpoint;
mod completions;
mod copy;
mod damage;
mod diff;
mod dump;
mod explain;
mod export;
mod find;
mod grep;
mod import;
mod index;
mod inspect;
pub(crate) mod kafka_dump_log;
mod ls;
mod man;
mod producers;
mod rebuild;
mod repair;
mod replay;
mod retention;
mod salvage;
mod stats;
mod tail;
mod truncate;
mod undelete;
mod verify;

use clap::Subcommand;

use crate::cli::Global;
use crate::error::{CliError, Exit};

/// What can be done. The doc comment of each is its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print records, or batches, in order
    #[command(visible_alias = "cat")]
    Dump(Box<dump::Arguments>),
    /// Say what a directory is, how it was left, and what the next start does with it
    #[command(visible_alias = "info")]
    Inspect(inspect::Arguments),
    /// Check everything that can be checked, and say what a broker starting now would do
    #[command(visible_aliases = ["doctor", "fsck"])]
    Verify(Box<verify::Arguments>),
    /// Say what a finding's code means, what a broker does with it, and what to run
    Explain(explain::Arguments),
    /// Find the record of an offset or a time, and where it lies
    Find(find::Arguments),
    /// Compare the replicas of a partition: where they part, and what is lost under each leader
    Diff(diff::Arguments),
    /// Print the records in which a pattern is found
    Grep(Box<grep::Arguments>),
    /// Print the last records, and follow what is appended
    Tail(Box<tail::Arguments>),
    /// List partitions, segments or files, one a line
    Ls(ls::Arguments),
    /// Count what is in a log: sizes, times, codecs, producers, keys
    Stats(Box<stats::Arguments>),
    /// Write all there is of records into a file: JSON lines for programs and for import, CSV for spreadsheets
    Export(Box<export::Arguments>),
    /// Make a partition's folder of an export, or of lines that somebody wrote by hand
    Import(import::Arguments),
    /// Repair a log directory where it lies: indexes, snapshots, epochs, checkpoints; with --level more
    Repair(Box<repair::Arguments>),
    /// Write records once more: into other partitions or as lines, at their own pace or another
    Replay(Box<replay::Arguments>),
    /// Show, check and rebuild index files: .index, .timeindex, .txnindex
    Index(index::Arguments),
    /// Show, check, rebuild and set the small text files: offset checkpoints, leader epochs, the clean-shutdown marker, identities
    Checkpoint(checkpoint::Arguments),
    /// Show, check and rebuild producer snapshots: .snapshot
    Producers(producers::Arguments),
    /// Copy out every batch that checks, byte for byte, and put the rest beside it
    Salvage(Box<salvage::Arguments>),
    /// Write chosen records as Kafka's segments: copied byte for byte, or made anew
    Copy(Box<copy::Arguments>),
    /// Say which segments retention deletes, and why it keeps the others
    Retention(Box<retention::Arguments>),
    /// Put what inspect, verify and stats say, and the small files, into one archive that holds no customer data
    Bundle(bundle::Arguments),
    /// Take records off the end of a log, or off its beginning
    Truncate(truncate::Arguments),
    /// Copy out what a broker is about to remove: -delete, -stray and -future folders, and .deleted segments
    Undelete(undelete::Arguments),
    /// Measure the engine on this disk
    Bench(bench::Arguments),
    /// Damage a copy of a directory as power cuts, disks and people do: the same faults for the same seed
    Damage(damage::Arguments),
    /// Print the completions of a shell
    Completions(completions::Arguments),
    /// Do what Kafka 4.4.0's kafka-dump-log does: same arguments, same output, same exit codes
    #[command(disable_help_flag = true, disable_version_flag = true)]
    KafkaDumpLog(kafka_dump_log::RawArguments),
    /// Print the manual page, or write one a command
    Man(man::Arguments),
}

impl Command {
    /// True for the commands whose rows are records.
    const fn prints_records(&self) -> bool {
        matches!(self, Self::Dump(_) | Self::Grep(_) | Self::Tail(_) | Self::Export(_))
    }

    /// Does it.
    pub(crate) fn run(self, global: &Global) -> Result<Exit, CliError> {
        if global.format.is_for_records() && !self.prints_records() {
            return Err(CliError::usage("--format csv and raw are for records: dump, grep, tail, export"));
        }
        match self {
            Self::Dump(arguments) => dump::run(&arguments, global),
            Self::Inspect(arguments) => inspect::run(&arguments, global),
            Self::Verify(arguments) => verify::run(&arguments, global),
            Self::Explain(arguments) => explain::run(&arguments, global),
            Self::Find(arguments) => find::run(&arguments, global),
            Self::Diff(arguments) => diff::run(&arguments, global),
            Self::Grep(arguments) => grep::run(&arguments, global),
            Self::Tail(arguments) => tail::run(&arguments, global),
            Self::Ls(arguments) => ls::run(&arguments, global),
            Self::Stats(arguments) => stats::run(&arguments, global),
            Self::Export(arguments) => export::run(&arguments, global),
            Self::Import(arguments) => import::run(&arguments, global),
            Self::Repair(arguments) => repair::run(&arguments, global),
            Self::Replay(arguments) => replay::run(&arguments, global),
            Self::Salvage(arguments) => salvage::run(&arguments, global),
            Self::Index(arguments) => index::run(&arguments, global),
            Self::Checkpoint(arguments) => checkpoint::run(&arguments, global),
            Self::Producers(arguments) => producers::run(&arguments, global),
            Self::Copy(arguments) => copy::run(&arguments, global),
            Self::Retention(arguments) => retention::run(&arguments, global),
            Self::Bundle(arguments) => bundle::run(&arguments, global),
            Self::Truncate(arguments) => truncate::run(&arguments, global),
            Self::Undelete(arguments) => undelete::run(&arguments, global),
            Self::Bench(arguments) => bench::run(&arguments, global),
            Self::Damage(arguments) => damage::run(&arguments, global),
            Self::Completions(arguments) => completions::run(&arguments),
            Self::KafkaDumpLog(arguments) => kafka_dump_log::run_raw(&arguments.args),
            Self::Man(arguments) => man::run(&arguments),
        }
    }
}
