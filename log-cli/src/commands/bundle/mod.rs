//! `bundle`: what somebody elsewhere needs to see of a damaged directory, in one archive, without a key, a value or a header.

mod archive;
mod files;
mod manifest;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_engine::inspect::{StartOptions, Target, VerifyLevel, VerifyOptions, verify};
use log_engine::{Fs, Timestamp, TopicPartition};
use serde::Serialize;

use self::archive::Archive;
use self::files::Places;
use self::manifest::Manifest;
use super::verify::document::Document as Verified;
use super::verify::{Found, find, predict, total_bytes};
use super::{inspect, stats};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::human;
use crate::new_file::NewFile;
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::select::targets::TargetArgs;
use crate::select::time;

/// Put what inspect, verify and stats say, and the small files, into one archive that holds no customer data
///
/// What goes in is on a list: the three answers; offset checkpoints, leader epochs, partition.metadata, meta.properties, quorum-state, the
/// clean-shutdown marker; producer snapshots. Each is read and written anew from what it says, so that no byte that it does not need comes along; one
/// that cannot be read stays out. Keys, values and headers, .log files, indexes (any bytes read as an index) and unknown files never go in. Names
/// of topics, paths, and ids of the cluster, the node and producers do. manifest.json lists what is in it, with checksums, and what was left out, and why.
/// Exits 0 if all is in, 3 if something of the list had to stay out, 5 if FILE exists.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli bundle /var/lib/kafka/data -o incident.tar.zst
  log-cli bundle data -t orders -p 3 -o orders-3.tar
  log-cli bundle /disk1/kafka /disk2/kafka -o incident.tar.zst --json | jq '.leftOut[] | select(.listed)'
  tar -xOf incident.tar.zst manifest.json | jq -r '.files[].name'

The same files and the same --now make the same archive, byte for byte.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// The archive to write, which must not exist: .tar.zst or .tar; - for a .tar on standard output
    #[arg(short, long, value_name = "FILE", required_unless_present = "schema")]
    output: Option<PathBuf>,
    /// The time to go by [default: the clock's]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    now: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let Some(output) = arguments.output.as_ref().filter(|_| !global.schema) else {
        output::schema::<Manifest>()?;
        return Ok(Exit::Fine);
    };
    let fs = global.fs();
    let clock = jiff::Timestamp::now().as_millisecond();
    let now = arguments.now.as_deref().map_or(Ok(clock), |text| time::parse(text, clock)).map_err(CliError::usage)?;
    let found = find(&*fs, &arguments.targets)?;
    if let Some(Target::File(path)) = found.targets.iter().find(|target| matches!(target, Target::File(_))) {
        return Err(CliError::usage(format!("{} is a file: name partitions or log directories", path.display())));
    }
    found.failed.iter().for_each(|error| complain(error));
    if found.targets.is_empty() {
        return Ok(Exit::Failed);
    }
    refuse_inside(output, &found)?;
    let mut archive = open(output)?;
    let mut manifest = Manifest::new(now);
    let reports = Reports { fs: &fs, arguments, found: &found, now: Timestamp::new(now), global };
    reports.write(&mut archive, &mut manifest)?;
    let places = Places::of(&found.targets, &arguments.targets.wanted()?, &mut manifest);
    places.write(&*fs, &mut archive, &mut manifest)?;
    archive.add("manifest.json", &json(&manifest)?)?;
    archive.finish()?;
    let to_stdout = output.as_os_str() == "-";
    match global.document() {
        Format::Json | Format::Ndjson if !to_stdout => output::json(&manifest)?,
        _ if global.quiet => {}
        _ => anstream::eprintln!("{}", manifest.summary(output)),
    }
    Ok(match (found.failed.is_empty(), manifest.is_whole()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::LeftOut,
        (true, true) => Exit::Fine,
    })
}

/// The archive that is asked for; the name says whether it is compressed.
fn open(output: &Path) -> Result<Archive, CliError> {
    let name = output.to_string_lossy();
    if name == "-" {
        if output::is_terminal() {
            return Err(CliError::usage("an archive is nothing for a terminal: name a file, or redirect"));
        }
        return Ok(Archive::plain(Box::new(std::io::stdout().lock())));
    }
    if name.ends_with(".tar.zst") {
        Ok(Archive::compressed(Box::new(NewFile::create(output)?))?)
    } else if name.ends_with(".tar") {
        Ok(Archive::plain(Box::new(NewFile::create(output)?)))
    } else {
        Err(CliError::usage(format!("{}: the name of an archive ends in .tar.zst or .tar", output.display())))
    }
}

/// A file in a directory that is looked at would be looked at as well, and does not belong to Kafka.
fn refuse_inside(output: &Path, found: &Found) -> Result<(), CliError> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    let dirs = found.targets.iter().filter_map(|target| match target {
        Target::LogDirectory(dir) => Some(&dir.path),
        Target::Partition(partition) => Some(&partition.path),
        Target::File(_) => None,
    });
    for dir in dirs {
        if output.as_os_str() != "-" && dir.canonicalize().is_ok_and(|dir| folder.starts_with(dir)) {
            return Err(CliError::usage(format!("{} lies in {}: write it elsewhere", output.display(), dir.display())));
        }
    }
    Ok(())
}

/// A document as it stands in the archive.
fn json(document: &impl Serialize) -> Result<Vec<u8>, CliError> {
    let mut bytes = serde_json::to_vec_pretty(document).map_err(std::io::Error::other)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The answers of other commands.
struct Reports<'a> {
    fs: &'a Arc<dyn Fs>,
    arguments: &'a Arguments,
    found: &'a Found,
    now: Timestamp,
    global: &'a Global,
}

impl Reports<'_> {
    fn write(&self, archive: &mut Archive, manifest: &mut Manifest) -> Result<(), CliError> {
        let targets = &self.arguments.targets;
        /// Of a broker as it is delivered.
        const RECOVERY_THREADS: u64 = 2;
        let paths = targets.all_paths(&**self.fs)?;
        let inspected = inspect::report(&**self.fs, &paths, targets.wanted()?, RECOVERY_THREADS, self.global)?;
        self.add("inspect.json", &inspected, archive, manifest)?;
        self.add("verify.json", &self.verified()?, archive, manifest)?;
        let counted = stats::report(self.fs, &targets.find(&**self.fs)?, self.now, self.global)?;
        self.add("stats.json", &counted, archive, manifest)
    }

    fn verified(&self) -> Result<Verified, CliError> {
        let wanted = self.arguments.targets.wanted()?;
        let selected = |partition: Option<&TopicPartition>| wanted.takes_partition(partition);
        let (fs, targets) = (&**self.fs, &self.found.targets);
        let options =
            VerifyOptions { level: VerifyLevel::Deep, jobs: self.global.threads(), ..VerifyOptions::new(self.now) };
        let progress = Progress::start("verify", total_bytes(fs, targets), self.global.quiet);
        let report = verify(fs, targets, &options, &selected, progress.counter())?;
        drop(progress);
        let start = StartOptions { jobs: Some(self.global.threads()), ..StartOptions::default() };
        Ok(Verified::of(&report, &predict(fs, &start, targets), &self.found.given))
    }

    /// Adds an answer without what it quotes from files: a text file that is damaged may hold anything.
    fn add(
        &self,
        name: &str,
        document: &impl Serialize,
        archive: &mut Archive,
        manifest: &mut Manifest,
    ) -> Result<(), CliError> {
        let mut document = serde_json::to_value(document).map_err(std::io::Error::other)?;
        files::drop_quotes(&mut document);
        let bytes = json(&document)?;
        archive.add(name, &bytes)?;
        manifest.took(name, &bytes, false);
        Ok(())
    }
}

impl Manifest {
    fn summary(&self, output: &Path) -> String {
        let (files, bytes) = self.size();
        let kept = match self.listed_left_out() {
            0 => String::new(),
            count => format!("; {} left out, which manifest.json names", human::counted(count, "file", "files")),
        };
        format!("{} ({}) in {}{kept}", human::counted(files, "file", "files"), human::bytes(bytes), output.display())
    }
}
