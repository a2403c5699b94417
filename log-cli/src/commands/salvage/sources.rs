//! The copies that a command line names, partition by partition.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_engine::inspect::Target;
use log_engine::log::{DirectoryState, PartitionDirectory, PartitionName};
use log_engine::salvage::SalvageSource;
use log_engine::segment::SegmentName;
use log_engine::{Fs, Offset, TopicPartition};

use crate::error::CliError;
use crate::select::targets::{TargetArgs, Wanted, resolve};

/// Partitions with their copies.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) partitions: Vec<Vec<SalvageSource>>,
    /// Bytes of all `.log` files.
    pub(super) bytes: u64,
}

impl Sources {
    /// Whether the folder of each partition says which it is.
    pub(super) fn all_are_named(&self) -> bool {
        let is_named = |source: &SalvageSource| source.folder.name.is_some();
        self.partitions.iter().all(|copies| copies.iter().any(is_named))
    }
}

/// Whether the folder `path` is named as a partition's.
pub(super) fn is_partition_name(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).and_then(PartitionName::parse).is_some()
}

/// Finds what the paths name. Folders of partitions and files are copies of one partition; in log directories each partition that is
/// wanted is one, and those of several log directories are copies.
pub(super) fn find(fs: &dyn Fs, targets: &TargetArgs) -> Result<Sources, CliError> {
    let wanted = targets.wanted()?;
    let mut alone: Vec<SalvageSource> = Vec::new();
    let mut in_dirs: BTreeMap<TopicPartition, Vec<SalvageSource>> = BTreeMap::new();
    for path in targets.all_paths(fs)? {
        if path.as_os_str() == "-" {
            return Err(CliError::usage("salvage reads files, some of them twice: standard input cannot be"));
        }
        // Copies are told apart by where they are.
        let path = resolve(&path)?;
        let path = path.canonicalize().unwrap_or(path);
        match Target::of(fs, &path)? {
            Target::File(path) => alone.push(of_file(fs, &path)?),
            Target::Partition(folder) => alone.push(SalvageSource { folder, only: None }),
            Target::LogDirectory(dir) => {
                for (name, path) in dir.partitions.iter().filter(|(name, _)| takes(&wanted, name)) {
                    let folder = PartitionDirectory::list(fs, path)?;
                    in_dirs.entry(name.partition.clone()).or_default().push(SalvageSource { folder, only: None });
                }
            }
        }
    }
    let mut partitions = Vec::new();
    if alone.is_empty() {
        partitions.extend(in_dirs.into_values());
    } else {
        // Beside a partition that is named by hand, log directories give their copies of it.
        let named = alone.iter().find_map(|source| source.folder.name.as_ref()).map(|name| name.partition.clone());
        alone.extend(named.and_then(|named| in_dirs.remove(&named)).into_iter().flatten());
        partitions.push(alone);
    }
    if partitions.is_empty() {
        return Err(CliError::Engine(log_engine::Error::NotReadable {
            path: targets.all_paths(fs)?.into_iter().next().unwrap_or_default(),
            what: "no partition here is asked for",
        }));
    }
    let bytes = |source: &SalvageSource| source.folder.logs().map(|(_, bytes)| bytes).sum::<u64>();
    let bytes = partitions.iter().flatten().map(bytes).sum();
    Ok(Sources { partitions, bytes })
}

fn takes(wanted: &Wanted, name: &PartitionName) -> bool {
    let TopicPartition { topic, partition } = &name.partition;
    name.state == DirectoryState::Live && wanted.takes(Some(topic), Some(*partition))
}

/// One segment by its `.log`.
fn of_file(fs: &dyn Fs, path: &Path) -> Result<SalvageSource, CliError> {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(SegmentName::parse);
    let base: Option<Offset> = name.filter(SegmentName::is_canonical).map(|name| name.base);
    let what = "no .log of a segment; name one, a partition's folder or a log directory";
    let base = base.ok_or_else(|| log_engine::Error::NotReadable { path: path.to_owned(), what })?;
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    Ok(SalvageSource { folder: PartitionDirectory::list(fs, &folder)?, only: Some(base) })
}
