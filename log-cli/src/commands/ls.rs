//! `ls`: partitions, segments or files, one a line.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use log_engine::fs::{Entry, Kind};
use log_engine::inspect::Target;
use log_engine::log::{DirectoryState, PartitionDirectory, PartitionName};
use log_engine::segment::{SegmentFile, SegmentName};
use log_engine::{Fs, LogReader};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::error::{CliError, Exit, complain};
use crate::human;
use crate::output::{self, Format};
use crate::render::escaped;
use crate::select::targets::{TargetArgs, Wanted, resolve};
use crate::writer::Rows;

/// List partitions, segments or files, one a line
///
/// Looks at names and sizes only; -l also opens the last segment of each partition, for its end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli ls data                              the folders of partitions
  log-cli ls data -l --sort size               how many segments, how large, from where to where
  log-cli ls orders-3 --segments -l
  log-cli ls data --files --json | jq -r 'select(.kind==\"other\").path'")]
pub(crate) struct Arguments {
    #[command(flatten)]
    targets: TargetArgs,
    /// Segments instead of partitions
    #[arg(long, conflicts_with = "files")]
    segments: bool,
    /// All files of the partitions' folders
    #[arg(long)]
    files: bool,
    /// A table: sizes, offsets, times
    #[arg(short, long)]
    long: bool,
    /// In which order: the largest, the lowest offset, or the newest first
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// The other way round
    #[arg(short, long)]
    reverse: bool,
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// The largest
    Size,
    /// The lowest offset
    Offset,
    /// The newest
    Time,
}

/// What one line stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum RowKind {
    Partition,
    Segment,
    Log,
    Index,
    Timeindex,
    Txnindex,
    Snapshot,
    Checkpoint,
    Other,
}

/// One line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Partition, segment, or what a file is.
    kind: RowKind,
    /// The topic; null where no folder says it.
    topic: Option<String>,
    /// The partition's number; null where no folder says it.
    partition: Option<i32>,
    /// live, delete, future or stray, by the folder's suffix.
    state: &'static str,
    /// The folder or file.
    path: String,
    /// The first offset: base of the first segment, of the segment, or the number in a file's name.
    offset: Option<i64>,
    /// The offset behind the last record: with -l; for segments that have one behind them without it too.
    end_offset: Option<i64>,
    /// How many segments a partition has.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<usize>,
    /// Bytes of the batches.
    log_bytes: u64,
    /// Bytes of everything.
    bytes: u64,
    /// When something in it changed last: milliseconds since 1970.
    modified: Option<i64>,
    #[serde(skip)]
    name: String,
}

/// A partition's folder with what lies in it.
struct Folder {
    directory: PartitionDirectory,
    /// By name.
    entries: Vec<Entry>,
}

impl Folder {
    fn read(fs: &dyn Fs, path: &Path) -> Result<Self, log_engine::Error> {
        let mut entries = fs.list(path)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { directory: PartitionDirectory::list(fs, path)?, entries })
    }

    fn label(&self) -> String {
        let path = &self.directory.path;
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// A line about `path` of this folder, with nothing in it yet.
    fn row(&self, kind: RowKind, path: &Path, name: String) -> Row {
        let parsed = self.directory.name.as_ref();
        Row {
            kind,
            topic: parsed.map(|name| name.partition.topic.clone()),
            partition: parsed.map(|name| name.partition.partition),
            state: match parsed.map_or(DirectoryState::Live, |name| name.state) {
                DirectoryState::Live => "live",
                DirectoryState::Delete => "delete",
                DirectoryState::Future => "future",
                DirectoryState::Stray => "stray",
            },
            path: path.display().to_string(),
            offset: None,
            end_offset: None,
            segments: None,
            log_bytes: 0,
            bytes: 0,
            modified: None,
            name,
        }
    }

    /// The line of the partition.
    fn partition(&self, end: Option<i64>) -> Row {
        let logs: Vec<_> = self.directory.logs().collect();
        let files = self.entries.iter().filter(|entry| entry.stat.kind == Kind::File);
        Row {
            offset: logs.first().map(|(base, _)| base.get()),
            end_offset: end,
            segments: Some(logs.len()),
            log_bytes: logs.iter().map(|(_, len)| *len).fold(0, u64::saturating_add),
            bytes: files.clone().map(|entry| entry.stat.len).fold(0, u64::saturating_add),
            modified: files.filter_map(|entry| millis(entry.stat.modified)).max(),
            ..self.row(RowKind::Partition, &self.directory.path, self.label())
        }
    }

    /// A line for each segment; `end` is the offset behind the last one.
    fn segments(&self, end: Option<i64>) -> Vec<Row> {
        let bases: Vec<_> = self.directory.logs().collect();
        let ends = bases.iter().skip(1).map(|(base, _)| Some(base.get())).chain([end]);
        let of_segment = |base| {
            self.entries.iter().filter(move |entry| {
                let name = entry.name.to_str().and_then(SegmentName::parse);
                name.is_some_and(|name| {
                    name.base == base && name.leftover.is_none() && name.file != SegmentFile::Snapshot
                })
            })
        };
        bases
            .iter()
            .zip(ends)
            .map(|((base, len), end)| {
                let path = self.directory.file(*base, SegmentFile::Log);
                let name = format!("{}/{}", self.label(), SegmentFile::Log.name(*base));
                Row {
                    offset: Some(base.get()),
                    end_offset: end,
                    log_bytes: *len,
                    bytes: of_segment(*base).map(|entry| entry.stat.len).fold(0, u64::saturating_add),
                    modified: of_segment(*base).filter_map(|entry| millis(entry.stat.modified)).max(),
                    ..self.row(RowKind::Segment, &path, name)
                }
            })
            .collect()
    }

    /// A line for each name in the folder.
    fn files(&self) -> Vec<Row> {
        let line = |entry: &Entry| {
            let name = entry.name.to_string_lossy();
            let parsed = SegmentName::parse(&name).filter(|_| entry.stat.kind == Kind::File);
            let kind = match parsed.map(|name| name.file) {
                Some(SegmentFile::Log) => RowKind::Log,
                Some(SegmentFile::OffsetIndex) => RowKind::Index,
                Some(SegmentFile::TimeIndex) => RowKind::Timeindex,
                Some(SegmentFile::TxnIndex) => RowKind::Txnindex,
                Some(SegmentFile::Snapshot) => RowKind::Snapshot,
                None if ["leader-epoch-checkpoint", "partition.metadata"].contains(&&*name) => RowKind::Checkpoint,
                None => RowKind::Other,
            };
            Row {
                offset: parsed.map(|name| name.base.get()),
                log_bytes: if kind == RowKind::Log { entry.stat.len } else { 0 },
                bytes: entry.stat.len,
                modified: millis(entry.stat.modified),
                ..self.row(kind, &self.directory.path.join(&entry.name), format!("{}/{name}", self.label()))
            }
        };
        self.entries.iter().map(line).collect()
    }
}

fn millis(time: Option<SystemTime>) -> Option<i64> {
    let since = time?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// The folders of partitions that a path names, those with a suffix too, in order of their names.
fn folders(fs: &dyn Fs, path: &Path, wanted: &Wanted) -> Result<Vec<PathBuf>, log_engine::Error> {
    let takes = |name: Option<&PartitionName>| {
        wanted.takes(name.map(|name| &*name.partition.topic), name.map(|name| name.partition.partition))
    };
    Ok(match Target::of(fs, &resolve(path)?)? {
        Target::File(path) => {
            return Err(log_engine::Error::NotReadable {
                path,
                what: "a file; ls lists partitions and log directories",
            });
        }
        Target::Partition(folder) => {
            Some(folder).into_iter().filter(|one| takes(one.name.as_ref())).map(|one| one.path).collect()
        }
        Target::LogDirectory(dir) => {
            let mut found: Vec<_> = dir.partitions.into_iter().filter(|(name, _)| takes(Some(name))).collect();
            found.sort();
            found.into_iter().map(|(_, path)| path).collect()
        }
    })
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Row>()?;
        return Ok(Exit::Fine);
    }
    let fs = global.fs();
    let wanted = arguments.targets.wanted()?;
    let (mut rows, mut failed) = (Vec::new(), false);
    for path in arguments.targets.all_paths(&*fs)? {
        let listed = folders(&*fs, &path, &wanted).and_then(|folders| {
            folders.iter().map(|folder| rows_of(&*fs, folder, arguments)).collect::<Result<Vec<_>, _>>()
        });
        match listed {
            Ok(listed) => rows.extend(listed.into_iter().flatten()),
            Err(error) => {
                failed = true;
                complain(&error);
            }
        }
    }
    sort(&mut rows, arguments);
    print(&rows, arguments.long, global.stream())?;
    Ok(if failed { Exit::Failed } else { Exit::Fine })
}

fn rows_of(fs: &dyn Fs, path: &Path, arguments: &Arguments) -> Result<Vec<Row>, log_engine::Error> {
    let folder = Folder::read(fs, path)?;
    if arguments.files {
        return Ok(folder.files());
    }
    let end = if arguments.long { Some(LogReader::open(fs, path)?.log_end()?.get()) } else { None };
    Ok(if arguments.segments { folder.segments(end) } else { vec![folder.partition(end)] })
}

fn sort(rows: &mut [Row], arguments: &Arguments) {
    match arguments.sort {
        None => {}
        Some(Sort::Size) => rows.sort_by_key(|row| Reverse(row.bytes)),
        Some(Sort::Offset) => rows.sort_by_key(|row| row.offset),
        Some(Sort::Time) => rows.sort_by_key(|row| Reverse(row.modified)),
    }
    if arguments.reverse {
        rows.reverse();
    }
}

fn print(rows: &[Row], long: bool, format: Format) -> Result<(), CliError> {
    let mut out = Rows::new(format == Format::Json);
    if format != Format::Text {
        for row in rows {
            out.json(row)?;
        }
    } else if long {
        for line in table(rows) {
            out.row(|out| out.extend_from_slice(line.as_bytes()))?;
        }
    } else {
        for row in rows {
            out.row(|out| out.extend_from_slice(format!("{}\n", escaped(&row.name)).as_bytes()))?;
        }
    }
    out.finish()
}

/// The rows in columns, numbers to the right, under a head.
fn table(rows: &[Row]) -> Vec<String> {
    const HEAD: [&str; 6] = ["SIZE", "SEGMENTS", "FROM", "TO", "CHANGED", "NAME"];
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    let cells = rows.iter().map(|row| {
        let state = if row.state == "live" { String::new() } else { format!("  ({})", row.state) };
        let time = row.modified.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        [
            human::bytes(row.bytes),
            row.segments.map_or("-".to_owned(), |segments| segments.to_string()),
            number(row.offset),
            number(row.end_offset),
            time.map_or("-".to_owned(), |time| format!("{time:.0}")),
            format!("{}{state}", escaped(&row.name)),
        ]
    });
    let cells: Vec<_> = [HEAD.map(str::to_owned)].into_iter().chain(cells).collect();
    let mut widths = [0; 6];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    cells
        .iter()
        .map(|line| {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(widths).take(5) {
                text.push_str(&format!("{cell:>width$}  "));
            }
            text.push_str(line.last().map_or("", String::as_str));
            text.push('\n');
            text
        })
        .collect()
}
