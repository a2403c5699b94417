//! `import`: lines of an export as a partition's folder.

use std::path::{Path, PathBuf};

use log_engine::TopicPartition;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::rows::{self, Batching, Folders, Input, Item, Named, NotWritten, Written};
use crate::select::CodecName;
use crate::throttle::Size;

/// Make a partition's folder of an export, or of lines that somebody wrote by hand
///
/// Offsets, times, producers, transactions and leader epochs stay as the lines say, and records that shared a batch share one again.
/// A line needs nothing: without an offset it gets the next one, without a time the present, without a batch it shares one with its
/// neighbours. DIR named like a partition (orders-3) becomes that partition's folder, whatever partition the lines name; any other
/// DIR becomes a log directory with a folder for each partition that they name.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli import orders-3.ndjson -o copy/orders-3
  zstdcat orders.ndjson.zst | log-cli import - -o copy --codec zstd
  echo '{\"key\":\"k\",\"value\":\"v\"}' | log-cli import - -o small/test-0

A line: {\"topic\":\"t\",\"partition\":0,\"offset\":5,\"timestamp\":1700000000000,\"key\":\"k\",\"value\":\"/wA=\",\"valueEnc\":\"base64\",
\"headers\":[{\"key\":\"h\",\"value\":null}]}; see `log-cli export --schema` for the other fields.")]
pub(crate) struct Arguments {
    /// Lines of JSON as export writes them; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// The folder to make; what is there must be empty
    #[arg(short, long, value_name = "DIR", required_unless_present = "schema")]
    output: Option<PathBuf>,
    /// Compress data so, whatever it was
    #[arg(long, value_enum)]
    codec: Option<CodecName>,
    /// Records of a batch, whatever they say of the batch they were in
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_records: Option<u32>,
    /// Begin a new segment before it is larger than this, such as 64MiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    segment_bytes: Size,
}

/// What was written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// In order of topic and number.
    partitions: Vec<PartitionReport>,
    /// Lines that stood for damage: what they stood for is not there.
    left_out: u64,
    /// Records of batches whose checksum did not fit; they have a fitting one now.
    doubtful: u64,
}

/// What was written of one partition.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartitionReport {
    topic: String,
    partition: i32,
    records: u64,
    batches: u64,
    /// Bytes of the batches.
    bytes: u64,
    /// The first offset.
    start: i64,
    /// The offset behind the last one.
    end: i64,
}

impl From<Written> for PartitionReport {
    fn from(written: Written) -> Self {
        let Written { partition: TopicPartition { topic, partition }, records, batches, bytes, offsets } = written;
        Self { topic, partition, records, batches, bytes, start: offsets.start, end: offsets.end }
    }
}

impl PartitionReport {
    /// One line for people.
    pub(super) fn line(&self) -> String {
        format!(
            "{}-{}  {} in {}, {}, offsets {}..{}",
            self.topic,
            self.partition,
            human::counted(self.records, "record", "records"),
            human::counted(self.batches, "batch", "batches"),
            human::bytes(self.bytes),
            self.start,
            self.end,
        )
    }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    let (Some(file), Some(output), false) = (&arguments.file, &arguments.output, global.schema) else {
        output::schema::<Report>()?;
        return Ok(Exit::Fine);
    };
    let mut input = Input::open(file, jiff::Timestamp::now().as_millisecond())?;
    rows::check_unused(output)?;
    let how = Batching { records: arguments.batch_records, codec: arguments.codec.map(CodecName::codec), level: None };
    let mut folders = Folders::open(output, rows::config(arguments.segment_bytes.bytes()), how)?;
    let mut report = Report { partitions: Vec::new(), left_out: 0, doubtful: 0 };
    if let Err(error) = fill(&mut folders, &mut input, &mut report) {
        if !global.quiet {
            anstream::eprintln!("{} holds what came before, and is not closed", output.display());
        }
        return Err(error);
    }
    let written = folders.finish().map_err(|error| not_written(error, &input))?;
    report.partitions = written.into_iter().map(PartitionReport::from).collect();
    tell(&report, output, global)?;
    Ok(if report.left_out > 0 { Exit::LeftOut } else { Exit::Fine })
}

fn fill(folders: &mut Folders, input: &mut Input, report: &mut Report) -> Result<(), CliError> {
    let mut first: Option<Named> = None;
    while let Some((named, item)) = input.next()? {
        let partition = match folders.only() {
            Some(only) => {
                let first = first.get_or_insert_with(|| named.clone());
                if *first != named {
                    return Err(input.wrong("partition", "a second partition, for a folder that is one"));
                }
                only.clone()
            }
            None => match named {
                (Some(topic), Some(partition)) => TopicPartition { topic, partition },
                _ => return Err(input.wrong("topic", "a line for a log directory names its topic and partition")),
            },
        };
        let written = match item {
            Item::Damage => {
                report.left_out = report.left_out.saturating_add(1);
                continue;
            }
            Item::Emptied(emptied) => folders.add_emptied(&partition, &emptied),
            Item::Row { row, is_sound } => {
                report.doubtful = report.doubtful.saturating_add(u64::from(!is_sound));
                folders.add(&partition, &row)
            }
        };
        written.map_err(|error| not_written(error, input))?;
    }
    Ok(())
}

/// The line that could not be taken, where it is the line's fault.
fn not_written(error: NotWritten, input: &Input) -> CliError {
    match error {
        NotWritten::Refused(refused) => input.wrong("offset", &refused.to_string()),
        NotWritten::Failed(CliError::Engine(refused @ log_engine::Error::Refused(_))) => {
            input.wrong("offset", &format!("the batch before this line is refused: {refused}"))
        }
        NotWritten::Failed(error) => error,
    }
}

/// Says to people what was written to `output`.
pub(super) fn tell_partitions(partitions: &[PartitionReport], output: &Path) {
    for partition in partitions {
        anstream::eprintln!("{}", partition.line());
    }
    if partitions.is_empty() {
        anstream::eprintln!("no records: {} is empty", output.display());
    }
}

fn tell(report: &Report, output: &Path, global: &Global) -> Result<(), CliError> {
    if global.document() != Format::Text {
        return Ok(output::json(report)?);
    }
    if global.quiet {
        return Ok(());
    }
    tell_partitions(&report.partitions, output);
    if report.left_out > 0 {
        let damage = human::counted(report.left_out, "line", "lines");
        anstream::eprintln!("{damage} of damage: what stood there is missing");
    }
    if report.doubtful > 0 {
        let records = human::counted(report.doubtful, "record", "records");
        anstream::eprintln!("{records} of batches whose checksum did not fit: they are in, with one that fits");
    }
    Ok(())
}
