//! `diff`: the replicas of a partition side by side.

mod document;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use document::Document;
use log_engine::inspect::{CompareBy, Comparison, Election, Held, compare_replicas};
use log_engine::{LeaderEpoch, Offset};

use crate::cli::Global;
use crate::error::{CliError, Exit};
use crate::output::{self, Format};
use crate::render::escaped;
use crate::select::targets::open_partition;

/// Compare the replicas of a partition: where they part, and what is lost under each leader
///
/// Batches are the same if offsets, leader epoch and checksum are: followers store what the leader sent, byte for byte. What a replica
/// loses under a leader follows from their leader epochs, as a broker goes by them. Nothing below the highest log start is compared.
/// Exits 0 if all are identical, 1 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  log-cli diff b1/orders-3 b2/orders-3 b3/orders-3
  log-cli diff --records orders-3 recompressed/orders-3
  log-cli diff b1/orders-3 b2/orders-3 --json | jq .commonEnd")]
pub(crate) struct Arguments {
    /// The folders of the replicas
    #[arg(value_name = "DIR", num_args = 2.., required_unless_present = "schema")]
    dirs: Vec<PathBuf>,
    /// Compare offsets, times, keys, values and headers of records, however they are batched and compressed
    #[arg(long)]
    records: bool,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, CliError> {
    if global.schema {
        output::schema::<Document>()?;
        return Ok(Exit::Fine);
    }
    let dirs = &arguments.dirs;
    refuse_same_folder(dirs)?;
    let fs = global.fs();
    let replicas = dirs.iter().map(|dir| open_partition(&*fs, dir)).collect::<Result<Vec<_>, _>>()?;
    let by = if arguments.records { CompareBy::Records } else { CompareBy::Batches };
    let comparison = compare_replicas(&replicas, by)?;
    match global.document() {
        Format::Text => print(&comparison, dirs)?,
        Format::Json | Format::Ndjson => output::json(&Document::new(&comparison, dirs))?,
    }
    Ok(if comparison.is_identical() { Exit::Fine } else { Exit::No })
}

/// A replica given twice is a slip of the hand: it would be found identical.
fn refuse_same_folder(dirs: &[PathBuf]) -> Result<(), CliError> {
    let mut seen = Vec::new();
    for dir in dirs {
        // What is not there is refused where it is opened.
        let Ok(place) = dir.canonicalize() else { continue };
        if seen.contains(&place) {
            return Err(CliError::usage(format!("{} is given twice", dir.display())));
        }
        seen.push(place);
    }
    Ok(())
}

/// What tells the folders apart: their paths without the names at the end that all have.
fn labels(dirs: &[PathBuf]) -> Vec<String> {
    let mut short: Vec<&Path> = dirs.iter().map(PathBuf::as_path).collect();
    while let Some(name) = short.first().and_then(|path| path.file_name()) {
        let parents: Option<Vec<&Path>> = short
            .iter()
            .map(|path| path.parent().filter(|parent| path.file_name() == Some(name) && parent.file_name().is_some()))
            .collect();
        let Some(parents) = parents else { break };
        short = parents;
    }
    short.into_iter().map(|path| escaped(&path.display().to_string())).collect()
}

fn counted(held: &Held) -> String {
    let offsets = held.offsets.map_or(String::new(), |(first, last)| format!(" ({first}..{last})"));
    format!("{} record{}{offsets}", held.records, if held.records == 1 { "" } else { "s" })
}

/// Writes the comparison for people.
fn print(comparison: &Comparison, dirs: &[PathBuf]) -> io::Result<()> {
    let labels = labels(dirs);
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let name = |n: usize| labels.get(n).map_or("", String::as_str);
    let epoch = |epoch: Option<LeaderEpoch>| epoch.map_or("no epoch".to_owned(), |epoch| format!("epoch {epoch}"));
    let mut out = output::stdout();
    let from =
        if comparison.from == Offset::ZERO { String::new() } else { format!(" from offset {}", comparison.from) };
    if comparison.common_end > comparison.from {
        writeln!(out, "identical{from} to offset {} ({})", comparison.common_end, epoch(comparison.epoch))?;
    } else {
        writeln!(out, "nothing in common{from}")?;
    }
    for (n, replica) in comparison.replicas.iter().enumerate() {
        let ends = format!("ends {} {}", replica.log_end, epoch(replica.epoch));
        let mut words = vec![ends];
        if replica.behind.records > 0 {
            words.push(format!("{} past the common prefix", counted(&replica.behind)));
            if replica.epoch > comparison.epoch {
                words.push("written by a later leader".to_owned());
            }
        }
        if replica.is_damaged {
            words.push(format!(
                "DAMAGED: log-cli verify {}",
                escaped(&dirs.get(n).map_or_else(String::new, |dir| dir.display().to_string()))
            ));
        }
        writeln!(out, "{:<width$}  {}", name(n), words.join(", "))?;
    }
    for leader in 0..comparison.replicas.len() {
        let losses: Vec<String> = comparison
            .elections
            .iter()
            .filter(|election| election.leader == leader)
            .flat_map(|election| words(election, name(election.follower)))
            .collect();
        if !losses.is_empty() {
            writeln!(out, "if {} leads: {}", name(leader), losses.join("; "))?;
        }
    }
    out.flush()
}

/// What becomes of a follower, where that is worth a word.
fn words(election: &Election, follower: &str) -> Vec<String> {
    let mut words = Vec::new();
    if election.loses.records > 0 {
        words.push(format!("{follower} loses {}", counted(&election.loses)));
    }
    if let Some((first, last)) = election.keeps {
        words.push(format!(
            "{follower} KEEPS DIFFERENT RECORDS at {first}..{last}: leader epochs do not tell them apart"
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_what_differs() {
        for (dirs, expected) in [
            (["b1/orders-3", "b2/orders-3"], ["b1", "b2"]),
            (["/data/a/x/orders-3", "/data/b/x/orders-3"], ["/data/a", "/data/b"]),
            (["orders-3", "b2/orders-3"], ["orders-3", "b2/orders-3"]),
            (["orders-3", "old-3"], ["orders-3", "old-3"]),
            (["./orders-3", "b/orders-3"], ["./orders-3", "b/orders-3"]),
        ] {
            assert_eq!(labels(&dirs.map(PathBuf::from)), expected, "{dirs:?}");
        }
    }
}
