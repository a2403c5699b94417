//! `producers show`: who stands in the snapshots.

use std::path::Path;

use log_engine::fs::Source;
use log_engine::producer::{MAX_SNAPSHOT_BYTES, ProducerSnapshot, SnapshotEntry};
use log_engine::{Error, Fs, Offset, Sequence};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::Global;
use crate::commands::check::{Family, ShowArguments, show};
use crate::error::{CliError, Exit};
use crate::human;
use crate::output::{self, Format};
use crate::render::escaped;
use crate::writer::Rows;

/// One producer in a snapshot.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    file: String,
    producer_id: i64,
    producer_epoch: i16,
    /// The sequence of its last record; null if none is remembered.
    last_sequence: Option<i32>,
    /// The offset of its last record; null if none is remembered.
    last_offset: Option<i64>,
    /// How far that lies past the first record of the same batch.
    offset_delta: i32,
    /// When it was last heard of: milliseconds since 1970.
    timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker; null if there was none.
    coordinator_epoch: Option<i32>,
    /// Where its open transaction began; null if none is open.
    open_since: Option<i64>,
}

impl Row {
    fn of(file: &str, entry: &SnapshotEntry) -> Self {
        Self {
            file: file.to_owned(),
            producer_id: entry.producer_id.get(),
            producer_epoch: entry.producer_epoch.get(),
            last_sequence: entry.last_sequence.map(Sequence::get),
            last_offset: entry.last_offset.map(Offset::get),
            offset_delta: entry.offset_delta.get(),
            timestamp: entry.timestamp.get(),
            coordinator_epoch: entry.coordinator_epoch,
            open_since: entry.txn_first_offset.map(Offset::get),
        }
    }

    /// For people.
    fn text(&self) -> String {
        let some = |number: Option<i64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
        let open = self.open_since.map_or_else(String::new, |since| format!("  TRANSACTION OPEN since offset {since}"));
        format!(
            "  producer {:>6}  epoch {:>4}  last sequence {:>8}  last offset {:>10}  {}{open}\n",
            self.producer_id,
            self.producer_epoch,
            some(self.last_sequence.map(i64::from)),
            some(self.last_offset),
            human::time(self.timestamp)
        )
    }
}

pub(super) fn run(arguments: &ShowArguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Row>()?;
        return Ok(Exit::Fine);
    }
    show(Family::Producers, &arguments.targets, global, |fs, path, name, out| {
        write(out, &read(fs, path)?, name, global.stream())
    })
}

fn read(fs: &dyn Fs, path: &Path) -> Result<ProducerSnapshot, Error> {
    ProducerSnapshot::decode(&Source::open(fs, path)?.read_all(MAX_SNAPSHOT_BYTES)?, path)
}

fn write(out: &mut Rows, snapshot: &ProducerSnapshot, name: &str, format: Format) -> Result<(), CliError> {
    let rows = snapshot.entries.iter().map(|entry| Row::of(name, entry));
    if format != Format::Text {
        return rows.into_iter().try_for_each(|row| out.json(&row));
    }
    let producers = human::counted(snapshot.entries.len() as u64, "producer", "producers");
    out.row(|out| out.extend_from_slice(format!("{}  {producers}\n", escaped(name)).as_bytes()))?;
    rows.into_iter().try_for_each(|row| out.row(|out| out.extend_from_slice(row.text().as_bytes())))
}
