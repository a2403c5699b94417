//! What a start makes of the log directories themselves: identity, lock, marker, checkpoints, names of folders.
//!
//! Kafka: `MetaPropertiesEnsemble.verify`, `LogManager.loadLogs`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::failure::{FailureEffect, StartFailure, StartRule};
use super::partition::PartitionStart;
use super::{DirectoryPrediction, PartitionPrediction, StartOptions, StartPrediction, StartRecovery};
use crate::checkpoint::{MAX_TEXT_BYTES, MetaProperties, OffsetCheckpoint, TextFault, Uuid};
use crate::error::{Error, Result, Rule};
use crate::fs::{Fs, Source};
use crate::log::{DirectoryState, LogDirectory, PartitionName, root_files};
use crate::units::{Offset, TopicPartition};

/// What the small files of the directories decide, and which partitions there are to load.
#[derive(Debug)]
pub struct StartPlan {
    directories: Vec<DirectoryStart>,
}

/// The same of one directory.
#[derive(Debug)]
pub struct DirectoryStart {
    path: PathBuf,
    is_clean: bool,
    /// The process ends before any partition is loaded.
    before: Vec<StartFailure>,
    /// The directory counts as failed while its partitions are loaded.
    meanwhile: Vec<StartFailure>,
    /// Found when all partitions are loaded.
    after: Vec<StartFailure>,
    partitions: Vec<PartitionStart>,
}

impl DirectoryStart {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its partitions, sorted by the names of their folders.
    #[must_use]
    pub fn partitions(&self) -> &[PartitionStart] {
        &self.partitions
    }

    fn read(fs: &dyn Fs, path: &Path) -> Result<Self> {
        let dir = LogDirectory::list(fs, path)?;
        let mut start = Self {
            path: path.to_owned(),
            is_clean: dir.has_clean_marker(),
            before: Vec::new(),
            meanwhile: Vec::new(),
            after: Vec::new(),
            partitions: Vec::new(),
        };
        let lock = path.join(root_files::LOCK);
        if fs.lock_holder(&lock)?.is_some() {
            start.before.push(StartFailure::whole(FailureEffect::Fatal, &lock, StartRule::Locked));
        }
        let (recovery_points, failed) = checkpoint(fs, &dir, OffsetCheckpoint::RECOVERY_POINT)?;
        start.meanwhile.extend(failed);
        let (log_starts, failed) = checkpoint(fs, &dir, OffsetCheckpoint::LOG_START)?;
        start.meanwhile.extend(failed);
        let foreign = dir.foreign.iter().map(|name| path.join(name));
        start
            .before
            .extend(foreign.map(|path| StartFailure::whole(FailureEffect::Fatal, &path, StartRule::ForeignFolder)));
        for name in [OffsetCheckpoint::HIGH_WATERMARK, OffsetCheckpoint::CLEANER] {
            start.after.extend(checkpoint(fs, &dir, name)?.1);
        }
        let (recovery_points, log_starts) = (recovery_points.by_partition(), log_starts.by_partition());
        let at = |points: &HashMap<&TopicPartition, Offset>, partition: &TopicPartition| {
            points.get(partition).copied().unwrap_or(Offset::ZERO)
        };
        for (name, folder) in &dir.partitions {
            let is_metadata_log = folder.file_name().is_some_and(|name| name == root_files::METADATA_LOG);
            let recovery = match (is_metadata_log, start.is_clean) {
                (true, _) => StartRecovery::From(Offset::ZERO),
                (false, true) => StartRecovery::Skipped,
                (false, false) => StartRecovery::From(at(&recovery_points, &name.partition)),
            };
            let log_start = if is_metadata_log { Offset::ZERO } else { at(&log_starts, &name.partition) };
            start.partitions.push(PartitionStart::new(folder.clone(), Some(name.clone()), recovery, log_start));
        }
        start.futures_beside_live(&dir.partitions);
        Ok(start)
    }

    /// A copy that is complete cannot be renamed onto the folder that stands in the same directory.
    fn futures_beside_live(&mut self, partitions: &[(PartitionName, PathBuf)]) {
        let of_state = |wanted| partitions.iter().filter(move |(name, _)| name.state == wanted);
        for (future, path) in of_state(DirectoryState::Future) {
            if let Some((_, other)) =
                of_state(DirectoryState::Live).find(|(name, _)| name.partition == future.partition)
            {
                let rule = StartRule::FutureBesideLive { other: other.clone() };
                self.after.push(StartFailure::whole(FailureEffect::Fatal, path, rule));
            }
        }
    }

    /// What took the directory offline before its partitions were loaded.
    fn offline_by(&self) -> Option<&StartFailure> {
        self.meanwhile.first()
    }
}

impl StartPlan {
    /// Reads the small files of `dirs` and the names in them.
    ///
    /// # Errors
    /// As [`super::predict_start`].
    pub fn read(fs: &dyn Fs, dirs: &[PathBuf], options: &StartOptions) -> Result<Self> {
        let mut directories = dirs.iter().map(|dir| DirectoryStart::read(fs, dir)).collect::<Result<Vec<_>>>()?;
        identities(fs, &mut directories, options)?;
        duplicates(&mut directories);
        if directories.iter().any(|directory| !directory.before.is_empty()) {
            let partitions = directories.iter_mut().flat_map(|directory| &mut directory.partitions);
            partitions.for_each(PartitionStart::leave_alone);
        }
        Ok(Self { directories })
    }

    /// The directories, in the order given.
    #[must_use]
    pub fn directories(&self) -> &[DirectoryStart] {
        &self.directories
    }

    /// The whole, from what was predicted for the partitions of each directory. Partitions that nobody asked for may be left
    /// out; what they would take down is then not known.
    #[must_use]
    pub fn conclude(self, partitions: Vec<Vec<PartitionPrediction>>) -> StartPrediction {
        let mut predictions: Vec<_> = self
            .directories
            .iter()
            .zip(partitions.into_iter().chain(std::iter::repeat_with(Vec::new)))
            .map(|(directory, mut partitions)| {
                directory.refuse_open_transactions(&mut partitions);
                DirectoryPrediction {
                    path: directory.path.clone(),
                    is_clean: directory.is_clean,
                    is_offline: false,
                    failures: [&directory.before, &directory.meanwhile, &directory.after]
                        .into_iter()
                        .flatten()
                        .cloned()
                        .collect(),
                    partitions,
                }
            })
            .collect();
        let of_partitions = |directory: &DirectoryPrediction, effect| {
            directory.partitions.iter().any(|p| p.failure.as_ref().is_some_and(|f| f.effect == effect))
        };
        let not_loaded = self.directories.iter().any(|directory| !directory.before.is_empty())
            || predictions.iter().any(|directory| of_partitions(directory, FailureEffect::Fatal));
        if not_loaded {
            for partition in predictions.iter_mut().flat_map(|directory| &mut directory.partitions) {
                (partition.log_start, partition.log_end) = (None, None);
            }
        }
        let of_directory =
            |directory: &DirectoryPrediction, effect| directory.failures.iter().any(|f| f.effect == effect);
        let is_fatal = not_loaded || predictions.iter().any(|directory| of_directory(directory, FailureEffect::Fatal));
        for directory in &mut predictions {
            let is_given_up =
                of_directory(directory, FailureEffect::Offline) || of_partitions(directory, FailureEffect::Offline);
            directory.is_offline = is_given_up && !is_fatal;
        }
        let starts = !is_fatal && predictions.iter().any(|directory| !directory.is_offline);
        StartPrediction { starts, directories: predictions }
    }
}

impl DirectoryStart {
    /// A transaction that is open at the end of a log has to be located, which a directory that failed refuses: fatal.
    fn refuse_open_transactions(&self, partitions: &mut [PartitionPrediction]) {
        let Some(by) = self.offline_by() else { return };
        for partition in partitions.iter_mut().filter(|partition| partition.ends_in_transaction) {
            let rule = StartRule::OpenTransaction { by: by.file.clone() };
            partition.failure.get_or_insert_with(|| StartFailure::whole(FailureEffect::Fatal, &partition.path, rule));
        }
    }
}

/// Reads an offset checkpoint. One that is missing has no entries; of one that is wrong all entries are forgotten, and the
/// directory goes offline unless it is only a number that is none.
fn checkpoint(fs: &dyn Fs, dir: &LogDirectory, name: &str) -> Result<(OffsetCheckpoint, Option<StartFailure>)> {
    if dir.file(name).is_none() {
        return Ok((OffsetCheckpoint::default(), None));
    }
    let path = dir.path.join(name);
    let parsed = Source::open(fs, &path)?.read_all(MAX_TEXT_BYTES);
    match parsed.and_then(|bytes| OffsetCheckpoint::parse(&bytes, &path)) {
        Ok(checkpoint) => Ok((checkpoint, None)),
        Err(error) => {
            let fault = TextFault::of(&error);
            let Error::Corrupt(corrupt) = error else { return Err(error) };
            let failure = (fault == TextFault::Storage).then(|| StartFailure::of(FailureEffect::Offline, *corrupt));
            Ok((OffsetCheckpoint::default(), failure))
        }
    }
}

/// What `meta.properties` says of a directory.
struct Identity {
    cluster: String,
    node: i32,
    directory: Option<Uuid>,
}

/// Holds the identities of the directories against each other and the broker's.
fn identities(fs: &dyn Fs, directories: &mut [DirectoryStart], options: &StartOptions) -> Result<()> {
    let mut cluster = options.cluster_id.clone();
    let mut node = options.node_id;
    let mut ids: HashMap<Uuid, PathBuf> = HashMap::new();
    for directory in directories {
        let path = directory.path.join(MetaProperties::FILE_NAME);
        let fatal = |rule| StartFailure::whole(FailureEffect::Fatal, &path, rule);
        let mut found = Vec::new();
        match identity(fs, &path)? {
            Err(failure) => found.push(failure),
            Ok(identity) => {
                let expected = cluster.get_or_insert_with(|| identity.cluster.clone());
                if *expected != identity.cluster {
                    found.push(fatal(other("cluster.id", identity.cluster, expected.clone())));
                }
                let expected = *node.get_or_insert(identity.node);
                if expected != identity.node {
                    found.push(fatal(other("node.id", identity.node.to_string(), expected.to_string())));
                }
                let earlier = identity.directory.and_then(|id| ids.insert(id, directory.path.clone()));
                found.extend(earlier.map(|other| fatal(StartRule::SameDirectoryId { other })));
            }
        }
        // The identity is looked at before anything else.
        directory.before.splice(..0, found);
    }
    Ok(())
}

fn other(what: &'static str, found: String, expected: String) -> StartRule {
    StartRule::OtherIdentity { what, found, expected }
}

/// The identity in `path`, or why the broker does not start with it.
fn identity(fs: &dyn Fs, path: &Path) -> Result<std::result::Result<Identity, StartFailure>> {
    let fatal = |rule| Ok(Err(StartFailure::whole(FailureEffect::Fatal, path, rule)));
    if fs.stat(path)?.is_none() {
        return fatal(StartRule::Missing);
    }
    let read = Source::open(fs, path)?.read_all(MAX_TEXT_BYTES);
    let meta = match read.and_then(|bytes| MetaProperties::parse(&bytes, path)) {
        Ok(meta) => meta,
        Err(Error::Corrupt(corrupt)) => return Ok(Err(StartFailure::of(FailureEffect::Fatal, *corrupt))),
        Err(error) => return Err(error),
    };
    match (meta.cluster_id(), meta.node_id()) {
        (Some(cluster), Some(node)) => {
            Ok(Ok(Identity { cluster: cluster.to_owned(), node, directory: meta.directory_id() }))
        }
        (None, _) => fatal(Rule::Missing { what: "cluster.id" }.into()),
        (_, None) => fatal(Rule::Missing { what: "node.id" }.into()),
    }
}

/// Finds partitions that stand in two places.
fn duplicates(directories: &mut [DirectoryStart]) {
    let mut places: HashMap<TopicPartition, PathBuf> = HashMap::new();
    for directory in directories {
        let live = directory.partitions.iter().filter_map(PartitionStart::live);
        for (partition, path) in live {
            if let Some(other) = places.get(partition) {
                let rule = StartRule::Duplicate { other: other.clone() };
                directory.after.push(StartFailure::whole(FailureEffect::Fatal, path, rule));
            } else {
                places.insert(partition.clone(), path.to_owned());
            }
        }
    }
}
