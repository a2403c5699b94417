//! The files of a family below the paths of a command line.

use std::path::{Path, PathBuf};

use log_engine::fs::Kind;
use log_engine::inspect::Target;
use log_engine::{Error, Fs};

use super::Family;
use crate::cli::Global;
use crate::commands::verify::find;
use crate::error::{CliError, Exit, complain};
use crate::output::Format;
use crate::select::targets::TargetArgs;
use crate::writer::Rows;

/// What the paths name.
struct Files {
    /// Each with its name as whoever gave it, or a folder above it, would write it. In the order of the arguments, then of the names.
    files: Vec<(PathBuf, String)>,
    /// What could not be looked at.
    failed: Vec<Error>,
}

/// Lets `each` write the rows of one file after the other, under the name that it is given; a file that cannot be read is told, and the
/// others are shown all the same.
pub(in crate::commands) fn show(
    family: Family,
    arguments: &TargetArgs,
    global: &Global,
    each: impl Fn(&dyn Fs, &Path, &str, &mut Rows) -> Result<(), CliError>,
) -> Result<Exit, CliError> {
    let fs = global.fs();
    let found = files(&*fs, family, arguments)?;
    let mut is_complete = found.failed.is_empty();
    found.failed.iter().for_each(|error| complain(error));
    let mut out = Rows::new(global.stream() == Format::Json);
    for (path, name) in &found.files {
        match each(&*fs, path, name, &mut out) {
            Err(CliError::Engine(error)) => {
                complain(&error);
                is_complete = false;
            }
            written => written?,
        }
    }
    out.finish()?;
    Ok(if is_complete { Exit::Fine } else { Exit::Failed })
}

fn files(fs: &dyn Fs, family: Family, arguments: &TargetArgs) -> Result<Files, CliError> {
    let found = find(fs, arguments)?;
    let wanted = arguments.wanted()?;
    let mut paths = Vec::new();
    let mut failed = found.failed;
    let mut folder = |path: &Path, paths: &mut Vec<PathBuf>| match in_folder(fs, family, path) {
        Ok(files) => paths.extend(files),
        Err(error) => failed.push(error),
    };
    for target in &found.targets {
        match target {
            Target::File(path) => {
                family.refuse_other(path)?;
                paths.push(path.clone());
            }
            Target::Partition(partition) => folder(&partition.path, &mut paths),
            Target::LogDirectory(dir) => {
                folder(&dir.path, &mut paths);
                let partitions = dir.partitions.iter();
                let partitions = partitions
                    .filter(|(name, _)| wanted.takes(Some(&name.partition.topic), Some(name.partition.partition)));
                partitions.for_each(|(_, path)| folder(path, &mut paths));
            }
        }
    }
    let named = |path: PathBuf| {
        let name = found.given.name(&path).display().to_string();
        (path, name)
    };
    Ok(Files { files: paths.into_iter().map(named).collect(), failed })
}

/// The files of the family in a folder, by name.
fn in_folder(fs: &dyn Fs, family: Family, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut entries = fs.list(folder)?;
    entries.retain(|entry| entry.stat.kind == Kind::File && entry.name.to_str().is_some_and(|name| family.takes(name)));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries.into_iter().map(|entry| folder.join(entry.name)).collect())
}
