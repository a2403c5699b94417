//! Where a replay goes, and what of it is there already.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use log_engine::log::PartitionDirectory;
use log_engine::{Fs, OsFs, TopicPartition};

use super::source::Event;
use crate::error::CliError;
use crate::rows::{self, Batching, Folders, NotWritten, write_line};
use crate::select::targets::Series;
use crate::walk::log_end;
use crate::writer::Rows;

/// What `--to` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Partition folders in a log directory.
    Dir(PathBuf),
    /// Lines on standard output.
    Lines,
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text == "-" => Ok(Self::Lines),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            _ => Err(format!("{text:?} is no target; dir:PATH or - is one")),
        }
    }
}

/// Takes records.
pub(super) enum Target {
    Folders(Box<Folders>),
    /// Lines, and the next offset of each partition.
    Lines(Box<Rows>, BTreeMap<TopicPartition, i64>),
    /// Nothing is written; behind what lies in this folder.
    Dry(Option<PathBuf>),
}

impl Target {
    /// Opens it: an empty place, or with `resume` what is there, to go on behind it.
    pub(super) fn open(to: &To, resume: bool, segment_bytes: u64) -> Result<Self, CliError> {
        match to {
            To::Lines if resume => Err(nowhere_to_go_on()),
            To::Lines => Ok(Self::Lines(Box::new(Rows::new(false)), BTreeMap::new())),
            To::Dir(dir) => {
                if !resume {
                    rows::check_unused(dir)?;
                }
                let folders = Folders::directory(dir, rows::config(segment_bytes), Batching::default())?;
                Ok(Self::Folders(Box::new(folders)))
            }
        }
    }

    /// Takes everything and writes nothing.
    pub(super) fn dry(to: &To, resume: bool) -> Result<Self, CliError> {
        match to {
            To::Lines if resume => Err(nowhere_to_go_on()),
            To::Dir(dir) if resume => Ok(Self::Dry(Some(dir.clone()))),
            To::Dir(_) | To::Lines => Ok(Self::Dry(None)),
        }
    }

    /// True if nothing is written.
    pub(super) const fn is_dry(&self) -> bool {
        matches!(self, Self::Dry(_))
    }

    /// The offset behind the last one that a partition had before this replay.
    pub(super) fn end(&self, partition: &TopicPartition) -> Result<i64, CliError> {
        match self {
            Self::Folders(folders) => Ok(folders.end(partition).unwrap_or(0)),
            Self::Dry(Some(dir)) => {
                let folder = dir.join(partition.to_string());
                if OsFs.stat(&folder)?.is_none() {
                    return Ok(0);
                }
                log_end(&OsFs, &Series::of_folder(&OsFs, &PartitionDirectory::list(&OsFs, &folder)?))
            }
            Self::Lines(..) | Self::Dry(None) => Ok(0),
        }
    }

    /// Takes a record or a batch without records.
    pub(super) fn add(&mut self, partition: &TopicPartition, event: Event) -> Result<(), CliError> {
        match (self, event) {
            (Self::Dry(_), _) | (Self::Lines(..), Event::Emptied(_)) => Ok(()),
            (Self::Folders(folders), Event::Row(row)) => {
                folders.add(partition, &row).map_err(|error| error.while_walking(partition))
            }
            (Self::Folders(folders), Event::Emptied(emptied)) => {
                folders.add_emptied(partition, &emptied).map_err(|error| error.while_walking(partition))
            }
            (Self::Lines(rows, ends), Event::Row(mut row)) => {
                let end = ends.entry(partition.clone()).or_default();
                let offset = row.offset.unwrap_or(*end);
                row.offset = Some(offset);
                *end = offset.saturating_add(1);
                rows.row(|out| write_line(out, partition, &row))
            }
        }
    }

    /// Lets everybody see what came so far.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        match self {
            Self::Folders(folders) => folders.cut().map_err(NotWritten::at_the_end),
            Self::Lines(rows, _) => rows.flush(),
            Self::Dry(_) => Ok(()),
        }
    }

    /// Nothing follows: closes it.
    pub(super) fn finish(self) -> Result<(), CliError> {
        match self {
            Self::Folders(folders) => folders.finish().map(drop).map_err(NotWritten::at_the_end),
            Self::Lines(rows, _) => rows.finish(),
            Self::Dry(_) => Ok(()),
        }
    }
}

fn nowhere_to_go_on() -> CliError {
    CliError::usage("--resume needs a target that knows where it ends: --to dir:PATH")
}
