//! `inspect`: who is this, is it healthy, what will the next start do. Cheap: names, sizes, heads, small files.

mod attention;
mod build;
pub(super) mod document;
mod file;
mod next_start;
mod text;

use std::path::{Path, PathBuf};

use log_engine::Fs;
use log_engine::inspect::{DirectorySummary, FileSummary, PartitionSummary, RootFiles, Target};

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::select::targets::{TargetArgs, Wanted, resolve};
use document::{Failure, Report};

/// Where the help lists what is asked of the answer.
const SHOWN: &str = "What to show";

/// Say what a directory is, how it was left, and what the next start of a broker does with it
///
/// Reads names, sizes, the small text files, the first batch of each segment and the end of the last one; takes no lock. Whether
/// the data in between is sound is for `verify` to say. Works on log directories, partitions and single files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli inspect /var/lib/kafka/data             one directory
  log-cli inspect /disk1/kafka /disk2/kafka       all directories of a broker
  log-cli inspect --recovery /var/lib/kafka/data  how long will the next start take, and why
  log-cli inspect --segments data/orders-3        every segment of a partition
  log-cli inspect --json data | jq .nextStart

Exit codes: 0 done, 4 something could not be looked at.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// One line a segment
    #[arg(long, help_heading = SHOWN)]
    segments: bool,
    /// Only what the next start scans, partition by partition
    #[arg(long, conflicts_with = "segments", help_heading = SHOWN)]
    recovery: bool,
    /// Recovery threads a log directory (num.recovery.threads.per.data.dir) that the times are for
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = SHOWN, value_parser = clap::value_parser!(u64).range(1..=1024))]
    recovery_threads: u64,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let paths = arguments.targets.all_paths(&*fs)?;
    let report = report(&*fs, &paths, arguments.targets.wanted()?, arguments.recovery_threads, global)?;
    match global.document() {
        Format::Text => text::write(&report, arguments.segments, arguments.recovery)?,
        Format::Json | Format::Ndjson => output::json(&report)?,
    }
    for failure in &report.failed {
        anstream::eprintln!("error: {}", failure.message);
    }
    Ok(if report.failed.is_empty() { Exit::Fine } else { Exit::Failed })
}

/// What `paths` are; times are for so many recovery threads a log directory.
pub(super) fn report(
    fs: &dyn Fs,
    paths: &[PathBuf],
    wanted: Wanted,
    recovery_threads: u64,
    global: &Global,
) -> Result<Report, CliError> {
    Looker { fs, wanted, global, recovery_threads }.report(paths)
}

/// What a look needs to know.
struct Looker<'a> {
    fs: &'a dyn Fs,
    wanted: Wanted,
    global: &'a Global,
    recovery_threads: u64,
}

impl Looker<'_> {
    fn report(&self, paths: &[PathBuf]) -> Result<Report, CliError> {
        let mut report = Report::default();
        for path in paths {
            if path.as_os_str() == "-" {
                return Err(CliError::Usage {
                    message: "inspect looks at names and ends of files: standard input has neither".to_owned(),
                    hint: Some("`log-cli stats -` or `log-cli dump -` read a segment from there".to_owned()),
                });
            }
            if let Err(error) = self.look(path, &mut report) {
                report.failed.push(Failure { path: path.display().to_string(), message: error.to_string() });
            }
        }
        let starts = report.log_dirs.iter().map(|dir| &dir.next_start);
        let starts = starts.chain(report.partitions.iter().map(|single| &single.next_start));
        report.next_start = next_start::together(starts, self.recovery_threads);
        report.total = build::total(&report.log_dirs, &report.partitions);
        attention::between(&mut report);
        Ok(report)
    }

    fn look(&self, path: &Path, report: &mut Report) -> Result<(), log_engine::Error> {
        let threads = self.recovery_threads;
        match Target::of(self.fs, &resolve(path)?)? {
            Target::LogDirectory(directory) => {
                let wanted = |name: &log_engine::log::PartitionName| {
                    self.wanted.takes(Some(&name.partition.topic), Some(name.partition.partition))
                };
                let summary = DirectorySummary::of(self.fs, directory, wanted, self.global.threads());
                report.log_dirs.push(build::log_dir(path, &summary, threads));
            }
            Target::Partition(directory) => {
                let around = directory.path.parent().unwrap_or(&directory.path);
                let root = RootFiles::read(self.fs, around);
                let summary = PartitionSummary::of(self.fs, directory, &root);
                report.partitions.push(build::single(path, summary, &root, threads));
            }
            Target::File(file) => report.files.push(file::document(path, &FileSummary::of(self.fs, &file)?)),
        }
        Ok(())
    }
}
