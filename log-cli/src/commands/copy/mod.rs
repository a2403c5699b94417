//! `copy`: chosen records as segments of Kafka's.

mod copier;
mod sources;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::ValueEnum;
use log_engine::inspect::{Severity, Target, VerifyOptions, verify};
use log_engine::log::View;
use log_engine::{BatchBuilder, Codec, LogReader, Offset, OsFs, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use self::copier::{Copier, Counts, Rewrite};
use super::dump::{ConsumerArgs, nothing_found};
use super::import::{PartitionReport, tell_partitions};
use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::human;
use crate::new_folder::NewFolder;
use crate::output::{self, Format};
use crate::progress::Progress;
use crate::redact::RedactArgs;
use crate::render::escaped;
use crate::rows::{self, Batching, Folders, NotWritten, one_partition};
use crate::select::targets::TargetArgs;
use crate::select::{CodecName, SelectArgs};
use crate::throttle::Size;
use crate::walk::{Options, Unit, Walk};

/// Write chosen records as Kafka's segments, with everything that is known of them
///
/// A batch of which every record is chosen, and that is not to be changed, is copied byte for byte. Another one is made anew, in format 2,
/// and those of its records that are chosen and follow each other share a batch; offsets, timestamps, headers, producers, sequences, leader
/// epochs and transactions stay. Markers of transactions stay wherever their offsets are chosen, whatever keys and values are asked for. A
/// batch that is damaged, or lies where it cannot, is left out and told. DIR named like a partition (orders-3) becomes that partition's
/// folder; in any other DIR each partition gets one. It is filled as DIR.partial, checked, and then gets its name.
/// Exits 3 if something was left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli copy data -t orders -o spare                                  what lies there, byte for byte
  log-cli copy broker3/orders-3 --offset 500:900 -o small/orders-3
  log-cli copy orders-3 -o shareable/orders-3 --redact keys=hash --redact values,headers=length
  log-cli copy data --since 2026-01-14 --isolation read_committed -o day --recompress zstd:9
  log-cli copy old/orders-3 -o new/orders-3 --to-magic 2 --rebase 0 --segment-bytes 64MiB")]
#[command(mut_arg("offset", |arg| arg.short(None)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// The folder to make, which must not exist
    #[arg(short = 'o', long, value_name = "DIR", required_unless_present = "schema")]
    output: Option<PathBuf>,
    /// Compress data so, whatever it was: none, gzip, snappy, lz4, zstd, and a level if it has some
    #[arg(long, value_name = "CODEC[:LEVEL]")]
    recompress: Option<Recompress>,
    /// Begin a new segment before it is larger than this, such as 64MiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    segment_bytes: Size,
    /// Make batches of format 2 of older messages
    #[arg(long, value_name = "2", value_parser = clap::value_parser!(u8).range(2..=2))]
    to_magic: Option<u8>,
    /// The first offset of each partition becomes this, and all others follow
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    rebase: Option<i64>,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    consumer: ConsumerArgs,
    #[command(flatten)]
    redact: RedactArgs,
}

/// A codec, and a level that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recompress {
    codec: Codec,
    level: Option<i32>,
}

impl FromStr for Recompress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = match text.split_once(':') {
            None => (text, None),
            Some((name, level)) => (name, Some(level.parse().map_err(|_| format!("{level:?} is no level"))?)),
        };
        let codec = CodecName::from_str(name, false)
            .map_err(|_| format!("{name:?} is no codec; none, gzip, snappy, lz4 and zstd are"))?
            .codec();
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, level);
        let built = builder.push(Timestamp::new(0), None, None, &[]).and_then(|()| builder.finish(&mut Vec::new()));
        built.map(|()| Self { codec, level }).map_err(|error| error.to_string())
    }
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// In order of topic and number.
    partitions: Vec<PartitionReport>,
    /// Batches that are what they were, byte for byte but for their offset if that was asked for.
    copied: u64,
    /// Batches that were made anew, or of which records were taken.
    rebuilt: u64,
    /// Places that are damaged, and batches that cannot stand where they are: they are not there.
    left_out: u64,
    /// Partitions of which a reader of committed records sees only a part, because a transaction has no end there.
    open_transactions: Vec<OpenTransaction>,
}

/// A partition with a transaction that has no end.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OpenTransaction {
    partition: String,
    /// Where a reader of committed records stops.
    last_stable_offset: i64,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let (Some(output), false) = (&arguments.output, global.schema) else {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    };
    let fs = global.fs();
    let found = arguments.targets.find(&*fs)?;
    found.failed.iter().for_each(|error| complain(error));
    if found.series.is_empty() {
        return Ok(if found.failed.is_empty() { nothing_found(global) } else { Exit::Failed });
    }
    let only = one_partition(output);
    let partitions = sources::partitions(&found, only.as_ref())?;
    let new = NewFolder::create(output)?;
    let mut options = options(arguments)?;
    if options.selection.is_everything() {
        new.refuse_short_space(found.bytes())?;
    }
    options.selection.keep_markers();
    let how = Batching {
        records: None,
        codec: arguments.recompress.map(|to| to.codec),
        level: arguments.recompress.and_then(|to| to.level),
    };
    let mut folders = Folders::loose(new.inside(), rows::config(arguments.segment_bytes.bytes()), how)?;
    for (partition, series) in partitions.iter().zip(&found.series) {
        if let Some(topic_id) = sources::topic_id(&*fs, series) {
            folders.set_topic_id(partition.clone(), topic_id);
        }
    }
    let rewrite = Rewrite {
        codec: how.codec,
        is_level_given: how.level.is_some(),
        to_magic_2: arguments.to_magic.is_some(),
        rebase: arguments.rebase,
        redaction: arguments.redact.redaction(),
    };
    let mut walk = Walk::new(Arc::clone(&fs), options);
    walk.met.failed = !found.failed.is_empty();
    walk.progress = Some(Progress::start("copy", found.bytes(), global.quiet));
    let mut counts = Counts::default();
    for (partition, series) in partitions.into_iter().zip(&found.series) {
        let mut copier = Copier::new(&mut folders, partition, &rewrite, global.quiet);
        walk.run(series, &mut copier)?;
        counts.add(&copier.finish()?);
        if walk.is_over() {
            break;
        }
    }
    walk.progress = None;
    let written = folders.finish().map_err(NotWritten::at_the_end)?;
    let places: Vec<PathBuf> = match only {
        Some(_) => vec![new.inside().to_owned()],
        None => written.iter().map(|one| new.inside().join(one.partition.to_string())).collect(),
    };
    let open_transactions = check(&places, global)?;
    new.publish()?;
    let met = &walk.met;
    let report = Report {
        partitions: written.into_iter().map(PartitionReport::from).collect(),
        copied: counts.copied,
        rebuilt: counts.rebuilt,
        left_out: met.damaged.saturating_add(met.left_out).saturating_add(counts.misplaced),
        open_transactions,
    };
    tell(&report, output, global)?;
    Ok(match report.left_out {
        _ if met.failed => Exit::Failed,
        0 => Exit::Fine,
        _ => Exit::LeftOut,
    })
}

fn options(arguments: &Arguments) -> Result<Options, CliError> {
    let selection = arguments.select.selection(jiff::Timestamp::now().as_millisecond())?;
    let options = Options { selection, unit: Unit::Records, verify: true, stop_on_damage: false, isolation: None };
    Ok(options.with_isolation(&arguments.consumer))
}

/// Reads back what was written.
fn check(written: &[PathBuf], global: &Global) -> Result<Vec<OpenTransaction>, CliError> {
    let now = Timestamp::new(jiff::Timestamp::now().as_millisecond());
    let options = VerifyOptions { jobs: global.threads(), ..VerifyOptions::new(now) };
    let targets = written.iter().map(|folder| Target::of(&OsFs, folder)).collect::<Result<Vec<_>, _>>()?;
    let report = verify(&OsFs, &targets, &options, &|_| true, &AtomicU64::new(0))?;
    if let Some(found) = report.findings().find(|found| found.severity == Severity::Error) {
        return Err(CliError::Refused {
            message: format!("what was written is not sound: {} {}", found.code, found.message),
            hint: Some(format!("it is left in {}", found.file.display())),
        });
    }
    let mut open = Vec::new();
    for partition in &report.partitions {
        let log = LogReader::open(&OsFs, &partition.path)?;
        let last_stable_offset = log.range_of(View::ReadCommitted)?.end;
        if last_stable_offset < log.range_of(View::ReadUncommitted)?.end {
            let name = partition.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            open.push(OpenTransaction { partition: name, last_stable_offset: last_stable_offset.get() });
        }
    }
    Ok(open)
}

fn tell(report: &Report, output: &Path, global: &Global) -> Result<(), CliError> {
    if global.document() != Format::Text {
        return Ok(output::json(report)?);
    }
    if global.quiet {
        return Ok(());
    }
    tell_partitions(&report.partitions, output);
    let batches = |count| human::counted(count, "batch", "batches");
    anstream::eprintln!("{} as they were, {} made anew", batches(report.copied), human::count(report.rebuilt));
    for open in &report.open_transactions {
        let name = escaped(&open.partition);
        let offset = open.last_stable_offset;
        anstream::eprintln!("{name}: a transaction has no end here: readers of committed records stop at {offset}");
    }
    if report.left_out > 0 {
        anstream::eprintln!("{} left out", human::counted(report.left_out, "place", "places"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_may_have_a_level() {
        let parsed = |text: &str| text.parse::<Recompress>();
        assert_eq!(parsed("zstd:9"), Ok(Recompress { codec: Codec::Zstd, level: Some(9) }));
        assert_eq!(parsed("lz4"), Ok(Recompress { codec: Codec::Lz4, level: None }));
        assert_eq!(parsed("none"), Ok(Recompress { codec: Codec::None, level: None }));
        for wrong in ["zip", "zstd:x", "zstd:99", "gzip:10", "snappy:1", ""] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
