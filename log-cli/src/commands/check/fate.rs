//! What a broker starting now does with one file as it is.

use std::path::Path;

use log_engine::inspect::{
    DirectoryPrediction, FailureEffect, Finding, PartitionPrediction, Severity, StartFailure, StartPrediction,
    StartStatement,
};
use log_engine::segment::{SegmentFile, SegmentName};

use crate::commands::verify::document::Starts;

/// In a sentence without its full stop, or in the words of the worst finding's code; `None` if nothing is wrong with the file and nothing is
/// known of a start, or nothing `is_there`.
pub(super) fn fate(path: &Path, is_there: bool, worst: Option<&Finding>, starts: &Starts) -> Option<String> {
    let wrong = worst.filter(|finding| finding.severity > Severity::Info);
    let in_general = || wrong.map(|finding| finding.code.explanation().broker.to_owned());
    let Some((start, directory)) = around(path, starts) else { return in_general() };
    if let Some(failure) = failures(start).find(|failure| failure.file == path) {
        return Some(StartStatement::Fails(failure).to_string());
    }
    let partition = directory.partitions.iter().find(|partition| Some(&*partition.path) == path.parent());
    if let Some(done) = partition.and_then(|partition| remade(path, partition)) {
        return Some(done);
    }
    if let Some(fatal) = failures(start).find(|failure| failure.effect == FailureEffect::Fatal) {
        return Some(format!("the broker ends before the file matters: {fatal}"));
    }
    in_general().or_else(|| is_there.then(|| "taken as it is".to_owned()))
}

/// The start of the log directory that `path` lies in.
fn around<'s>(path: &Path, starts: &'s Starts) -> Option<(&'s StartPrediction, &'s DirectoryPrediction)> {
    starts.predictions().find_map(|start| {
        let directory = start.directories.iter().find(|directory| path.starts_with(&directory.path))?;
        Some((start, directory))
    })
}

fn failures(start: &StartPrediction) -> impl Iterator<Item = &StartFailure> {
    start.directories.iter().flat_map(|directory| {
        directory.failures.iter().chain(directory.partitions.iter().filter_map(|partition| partition.failure.as_ref()))
    })
}

/// What the load of its partition makes of the file.
fn remade(path: &Path, partition: &PartitionPrediction) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if partition.failure.as_ref().is_some_and(|failure| failure.effect == FailureEffect::Stray) {
        return Some("set aside with its folder, and an empty log is served in its place".to_owned());
    }
    if partition.files_rebuilt.iter().any(|file| file == name) {
        return Some("made again from the log".to_owned());
    }
    let log = SegmentFile::Log.name(SegmentName::parse(name)?.base);
    let is_deleted =
        SegmentName::parse(name)?.file != SegmentFile::Snapshot && partition.segments_deleted.contains(&log);
    is_deleted.then(|| "removed with its segment".to_owned())
}
