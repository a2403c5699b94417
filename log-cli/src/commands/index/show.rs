//! `index show`: the entries of index files, each with whether it fits the log.

use std::path::Path;

use log_engine::fs::Source;
use log_engine::inspect::{Fit, fit_offset_entries, fit_time_entries, fit_txn_entries};
use log_engine::segment::{Index, IndexEntry, OffsetIndex, SegmentFile, SegmentName, TimeIndex, TxnIndex};
use log_engine::{Error, Fs, Offset};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::commands::check::{Family, ShowArguments, show};
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::render::escaped;
use crate::writer::Rows;

/// One entry of an index file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    file: String,
    /// Which entry of the file, from 0 on.
    slot: usize,
    /// Its first byte in the file.
    at: u64,
    #[serde(flatten)]
    entry: Entry,
    /// Whether it says what is so in the log; null if there is no log beside the index.
    fits: Option<bool>,
    /// What is wrong with it, in words.
    because: Option<&'static str>,
}

/// What an entry says.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
enum Entry {
    /// Of a `.index`.
    Offset { offset: i64, position: i32 },
    /// Of a `.timeindex`.
    Time { timestamp: i64, offset: i64 },
    /// Of a `.txnindex`.
    Aborted { version: i16, producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64 },
}

impl Entry {
    /// For people.
    fn text(&self) -> String {
        match self {
            Self::Offset { offset, position } => format!("offset {offset:>12}  position {position:>10}"),
            Self::Time { timestamp, offset } => {
                format!("offset {offset:>12}  time {timestamp:>13} ({})", human::time(*timestamp))
            }
            Self::Aborted { version, producer_id, first_offset, last_offset, last_stable_offset } => format!(
                "version {version}  producer {producer_id:>6}  offsets {first_offset}..{last_offset}  last stable offset {last_stable_offset}"
            ),
        }
    }
}

/// One index file with its entries and how they fit.
struct File {
    kind: &'static str,
    bytes: u64,
    rows: Vec<Row>,
    /// Empty slots at the end.
    unused: usize,
    /// Bytes behind the last whole slot.
    odd_bytes: usize,
}

pub(super) fn run(arguments: &ShowArguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Row>()?;
        return Ok(Exit::Fine);
    }
    show(Family::Indexes, &arguments.targets, global, |fs, path, name, out| {
        write(out, &read(fs, path, name)?, name, global.stream())
    })
}

fn read(fs: &dyn Fs, path: &Path, name: &str) -> Result<File, Error> {
    let source = Source::open(fs, path)?;
    let segment = path.file_name().and_then(|name| name.to_str()).and_then(SegmentName::parse);
    let base = segment.map_or(Offset::ZERO, |segment| segment.base);
    let log = path.with_file_name(SegmentFile::Log.name(base));
    let log = if fs.stat(&log)?.is_some() { Some(Source::open(fs, &log)?) } else { None };
    Ok(match segment.map(|segment| segment.file) {
        Some(SegmentFile::TimeIndex) => {
            let index = TimeIndex::read(&source, base)?;
            let fits = log.map(|log| fit_time_entries(&index, &log)).transpose()?;
            File::of(name, "time index", &index, fits, |entry| Entry::Time {
                timestamp: entry.timestamp.get(),
                offset: entry.offset(base).get(),
            })
        }
        Some(SegmentFile::TxnIndex) => {
            let index = TxnIndex::read(&source, base)?;
            let fits = log.map(|log| fit_txn_entries(&index, &log)).transpose()?;
            File::of(name, "transaction index", &index, fits, |entry| Entry::Aborted {
                version: entry.stored_version,
                producer_id: entry.producer_id.get(),
                first_offset: entry.first_offset.get(),
                last_offset: entry.last_offset.get(),
                last_stable_offset: entry.last_stable_offset.get(),
            })
        }
        _ => {
            let index = OffsetIndex::read(&source, base)?;
            let fits = log.map(|log| fit_offset_entries(&index, &log)).transpose()?;
            File::of(name, "offset index", &index, fits, |entry| Entry::Offset {
                offset: entry.offset(base).get(),
                position: entry.position,
            })
        }
    })
}

impl File {
    /// Slots behind the last one that is in use are left out: an index that a broker has open is full of them.
    fn of<E: IndexEntry>(
        name: &str,
        kind: &'static str,
        index: &Index<E>,
        fits: Option<Vec<Fit>>,
        entry: impl Fn(E) -> Entry,
    ) -> Self {
        let fit = |slot: usize| fits.as_ref().and_then(|fits| fits.get(slot).copied());
        let row = |(slot, it): (usize, E)| Row {
            file: name.to_owned(),
            slot,
            at: index.position_of(slot).get(),
            entry: entry(it),
            fits: fit(slot).map(|fit| fit == Fit::Fits),
            because: fit(slot).filter(|fit| *fit != Fit::Fits).map(Fit::name),
        };
        Self {
            kind,
            bytes: index.bytes().len() as u64,
            rows: index.used().enumerate().map(row).collect(),
            unused: index.len() - index.used_len(),
            odd_bytes: index.odd_bytes(),
        }
    }
}

fn write(out: &mut Rows, file: &File, name: &str, format: Format) -> Result<(), CliError> {
    if format != Format::Text {
        return file.rows.iter().try_for_each(|row| out.json(row));
    }
    let mut head = format!(
        "{}  {}, {}, {}",
        escaped(name),
        file.kind,
        human::bytes(file.bytes),
        human::counted(file.rows.len() as u64, "entry", "entries")
    );
    for (count, what) in [(file.unused, "empty at the end"), (file.odd_bytes, "bytes left over")] {
        if count > 0 {
            head.push_str(&format!(", {} {what}", human::count(count as i128)));
        }
    }
    out.row(|out| out.extend_from_slice(format!("{head}\n").as_bytes()))?;
    for row in &file.rows {
        let fits = match (row.fits, row.because) {
            (Some(true), _) => "fits",
            (Some(false), Some(because)) => because,
            _ => "no log to compare with",
        };
        let line = format!("  {:>6}  {}  {fits}\n", row.slot, row.entry.text());
        out.row(|out| out.extend_from_slice(line.as_bytes()))?;
    }
    Ok(())
}
