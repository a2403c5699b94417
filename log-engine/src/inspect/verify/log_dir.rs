//! What concerns a log directory as a whole: C001, C002, D001 to D007.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::VerifyOptions;
use super::code::FindingCode;
use super::finding::{Findings, Place, Severity};
use super::names;
use super::partition::{Around, reason};
use super::report::PartitionReport;
use crate::checkpoint::{CleanShutdown, MetaProperties, OffsetCheckpoint, PartitionMetadata};
use crate::fs::Fs;
use crate::inspect::{Checkpoints, RootFiles, SmallFile};
use crate::log::{DirectoryState, LogDirectory, PartitionName, root_files};
use crate::units::{Offset, TopicPartition};

/// A log directory and what its small files say.
pub(super) struct Root<'a> {
    pub(super) dir: &'a LogDirectory,
    pub(super) files: RootFiles,
}

impl<'a> Root<'a> {
    pub(super) fn read(fs: &dyn Fs, dir: &'a LogDirectory) -> Self {
        Self { dir, files: RootFiles::read(fs, &dir.path) }
    }

    /// True if a broker holds the lock.
    pub(super) fn in_use(&self) -> bool {
        matches!(self.files.lock, Ok(Some(_)))
    }

    fn is_zookeeper(&self) -> bool {
        self.files.identity.content().is_some_and(|identity| identity.version() == 0)
    }

    /// What its partitions need to know of it.
    pub(super) fn around(&self) -> impl Fn(Option<&PartitionName>) -> Around + '_ {
        let offsets = self.files.checkpoints().map(|(_, file)| by_partition(file));
        let around = Around {
            is_known: self.files.any(),
            marker: self.files.is_clean(),
            in_use: self.in_use(),
            is_zookeeper: self.is_zookeeper(),
            checkpoints: Checkpoints::default(),
        };
        move |name| {
            // Checkpoints speak of the partition itself, not of copies on their way in or out.
            let live = name.filter(|name| name.state == DirectoryState::Live).map(|name| &name.partition);
            let [recovery_point, log_start, high_watermark, cleaner] =
                offsets.each_ref().map(|offsets| offsets.get(live?).copied());
            Around { checkpoints: Checkpoints { recovery_point, log_start, high_watermark, cleaner }, ..around }
        }
    }

    /// Looks at everything but the partitions' content.
    pub(super) fn check(&self, fs: &dyn Fs, options: &VerifyOptions, out: &mut Findings) {
        self.names(out);
        if !self.files.any() {
            // A folder of copied partitions is no broker's directory.
            return;
        }
        self.identity(options, out);
        self.unreadable(out);
        self.missing(out);
        self.folders(out);
        self.topic_ids(fs, out);
        self.in_use_or_not(out);
    }

    /// D002, D006: files and folders by their names.
    fn names(&self, out: &mut Findings) {
        for name in &self.dir.foreign {
            out.add(FindingCode::D006, Severity::Error, Place::folder(Path::new(name)), || {
                "a folder that is no partition's: the broker does not start".to_owned()
            });
        }
        for entry in &self.dir.special {
            names::special(Path::new(&entry.name), entry.stat.kind, out);
        }
        for entry in &self.dir.files {
            let path = Path::new(&entry.name);
            let name = entry.name.to_string_lossy();
            if name.ends_with(".tmp") {
                out.add(FindingCode::D002, Severity::Info, Place::file(path), || {
                    "a file that was being written; nobody reads it".to_owned()
                });
            } else if !is_known(&name) {
                out.add(FindingCode::D006, Severity::Info, Place::file(path), || {
                    "an unknown file; brokers leave it alone".to_owned()
                });
            }
        }
    }

    /// D004.
    fn identity(&self, options: &VerifyOptions, out: &mut Findings) {
        let place = Place::file(Path::new(MetaProperties::FILE_NAME));
        let mut wrong = |severity, message: String| out.add(FindingCode::D004, severity, place, || message);
        let identity = match &self.files.identity {
            SmallFile::Missing if self.dir.partitions.is_empty() => return,
            SmallFile::Missing => return wrong(Severity::Error, "is missing: the broker does not start".to_owned()),
            SmallFile::Unreadable(error) => return wrong(Severity::Error, reason(error)),
            SmallFile::Read { content, .. } => content,
        };
        if identity.node_id().is_none() || identity.cluster_id().is_none() {
            return wrong(Severity::Error, "names no node or no cluster: the broker does not start".to_owned());
        }
        if let (Some(found), Some(expected)) = (identity.cluster_id(), &options.cluster_id)
            && found != expected
        {
            wrong(Severity::Error, format!("belongs to cluster {found}, not {expected}: the broker does not start"));
        }
        if let (Some(found), Some(expected)) = (identity.node_id(), options.node_id)
            && found != expected
        {
            wrong(Severity::Error, format!("belongs to node {found}, not {expected}: the broker does not start"));
        }
        if identity.version() > 0 && identity.directory_id().is_none() {
            wrong(
                Severity::Warning,
                "has no directory.id: the broker starts, and its partitions have no leader".to_owned(),
            );
        }
    }

    /// C001.
    fn unreadable(&self, out: &mut Findings) {
        for (name, file) in self.files.checkpoints() {
            if let Some(error) = file.error() {
                out.add(FindingCode::C001, Severity::Error, Place::file(Path::new(name)), || reason(error));
            }
        }
    }

    /// C002.
    fn missing(&self, out: &mut Findings) {
        let live: Vec<_> = self.live().collect();
        if live.is_empty() {
            return;
        }
        let mut tell = |name: &str, severity, message: &str| {
            out.add(FindingCode::C002, severity, Place::file(Path::new(name)), || message.to_owned());
        };
        let (points, watermarks) = (&self.files.recovery_points, &self.files.high_watermarks);
        if points.is_missing() {
            tell(
                OffsetCheckpoint::RECOVERY_POINT,
                Severity::Warning,
                "is missing: everything is recovered from offset 0",
            );
        } else if points.is_empty() {
            let is_first_minute = !self.files.is_clean() && self.files.log_starts.is_empty();
            let severity = if is_first_minute { Severity::Info } else { Severity::Error };
            tell(OffsetCheckpoint::RECOVERY_POINT, severity, "is empty: everything is recovered from offset 0");
        } else if let Some(content) = points.content() {
            let named: BTreeSet<_> = content.entries.iter().map(|entry| &entry.partition).collect();
            if !live.iter().any(|partition| named.contains(partition)) {
                let message = "names none of the folders: everything is recovered from offset 0";
                tell(OffsetCheckpoint::RECOVERY_POINT, Severity::Warning, message);
            }
        }
        if watermarks.is_missing() {
            tell(OffsetCheckpoint::HIGH_WATERMARK, Severity::Warning, "is missing: high watermarks begin at 0");
        }
    }

    /// Live partitions but the metadata log, which no checkpoint names.
    fn live(&self) -> impl Iterator<Item = &TopicPartition> {
        let partitions = self.dir.partitions.iter().filter(|(_, path)| !is_metadata_log(path));
        partitions.filter(|(name, _)| name.state == DirectoryState::Live).map(|(name, _)| &name.partition)
    }

    /// D001 (twice in this directory), D002 and D007 for folders.
    fn folders(&self, out: &mut Findings) {
        let live: BTreeSet<_> = self.live().collect();
        let named = by_partition(&self.files.recovery_points);
        for (name, path) in &self.dir.partitions {
            let folder = PathBuf::from(path.file_name().unwrap_or_default());
            let place = Place::folder(&folder);
            let partition = &name.partition;
            match name.state {
                DirectoryState::Live => {}
                DirectoryState::Future if live.contains(partition) => {
                    out.add(FindingCode::D002, Severity::Error, place, || {
                        format!("a move that cannot end: {partition} itself lies in this directory, and the broker does not start")
                    });
                }
                DirectoryState::Future => out.add(FindingCode::D002, Severity::Info, place, || {
                    "a copy on its way into this directory; the broker goes on with it".to_owned()
                }),
                DirectoryState::Delete | DirectoryState::Stray => {
                    let is_only_copy = named.contains_key(partition) && !live.contains(partition);
                    let severity = if is_only_copy { Severity::Warning } else { Severity::Info };
                    out.add(FindingCode::D002, severity, place, || {
                        let what = if name.state == DirectoryState::Delete {
                            "is removed by the next start"
                        } else {
                            "is set aside"
                        };
                        if is_only_copy {
                            format!("{what}, but the recovery points name {partition} and no other folder holds it")
                        } else {
                            what.to_owned()
                        }
                    });
                }
            }
        }
        self.unnamed(&live, &named, out);
    }

    /// D007.
    fn unnamed(&self, live: &BTreeSet<&TopicPartition>, named: &HashMap<TopicPartition, Offset>, out: &mut Findings) {
        // Without any match the file is another's, which C002 says.
        if !live.is_empty() && !live.iter().any(|partition| named.contains_key(*partition)) {
            return;
        }
        for partition in live.iter().filter(|partition| !named.contains_key(**partition)) {
            let severity = if self.files.is_clean() { Severity::Warning } else { Severity::Info };
            out.add(FindingCode::D007, severity, Place::folder(Path::new(&partition.to_string())), || {
                "the recovery points do not name it: it is recovered from offset 0".to_owned()
            });
        }
        let folders: BTreeSet<_> = self.dir.partitions.iter().map(|(name, _)| &name.partition).collect();
        let lost: BTreeSet<_> = named.keys().filter(|partition| !folders.contains(partition)).collect();
        for partition in lost {
            out.add(FindingCode::D007, Severity::Info, Place::folder(Path::new(&partition.to_string())), || {
                "the recovery points name it, but there is no folder".to_owned()
            });
        }
    }

    /// D003 for one topic id under two names: the folder that the recovery points do not know is the wrong one.
    fn topic_ids(&self, fs: &dyn Fs, out: &mut Findings) {
        let named = by_partition(&self.files.recovery_points);
        let mut topics: BTreeMap<_, BTreeMap<&str, Vec<&TopicPartition>>> = BTreeMap::new();
        let live = self.dir.partitions.iter().filter(|(name, _)| name.state == DirectoryState::Live);
        for (name, path) in live {
            let file = path.join(PartitionMetadata::FILE_NAME);
            if let Some(metadata) = SmallFile::read(fs, &file, PartitionMetadata::parse).content() {
                let of_id = topics.entry(metadata.topic_id.to_bytes()).or_default();
                of_id.entry(&name.partition.topic).or_default().push(&name.partition);
            }
        }
        for names in topics.values().filter(|names| names.len() > 1) {
            for partition in names.values().flatten().filter(|partition| !named.contains_key(**partition)) {
                out.add(FindingCode::D003, Severity::Warning, Place::folder(Path::new(&partition.to_string())), || {
                    let all: Vec<_> = names.keys().copied().collect();
                    format!("its topic id is that of another topic, too: {}", all.join(", "))
                });
            }
        }
    }

    /// D005, for information.
    fn in_use_or_not(&self, out: &mut Findings) {
        if let Ok(Some(holder)) = self.files.lock {
            let lock = Path::new(root_files::LOCK);
            out.add(FindingCode::D005, Severity::Info, Place::file(lock), || match holder.pid {
                Some(pid) => format!("the directory is in use by process {pid}"),
                None => "the directory is in use".to_owned(),
            });
        } else if !self.files.is_clean() {
            let marker = Path::new(CleanShutdown::FILE_NAME);
            out.add(FindingCode::D005, Severity::Info, Place::file(marker), || {
                "no clean shutdown: the next start recovers the logs".to_owned()
            });
        }
    }

    /// D005: a marker that no clean stop wrote.
    pub(super) fn marker(&self, partitions: &[PartitionReport], out: &mut Findings) {
        let place = Place::file(Path::new(CleanShutdown::FILE_NAME));
        let unflushed = partitions.iter().find_map(|partition| Some((partition, partition.unflushed_from?)));
        let name =
            |partition: &PartitionReport| partition.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let padded = partitions.iter().find(|partition| partition.index_is_padded);
        let message = match (&self.files.marker, unflushed) {
            (SmallFile::Missing, _) => return,
            (SmallFile::Unreadable(error), _) => reason(error),
            (_, Some((partition, from))) => {
                let (name, end) = (name(partition), partition.log_end);
                format!("no clean stop wrote it: the recovery point of {name} is {from}, its log ends at {end}")
            }
            (SmallFile::Read { content, .. }, None) if content.broker_epoch == Some(-1) => {
                "names broker epoch -1: written by hand, and the broker counts as not cleanly shut down".to_owned()
            }
            _ => match padded {
                Some(partition) => {
                    let name = name(partition);
                    format!(
                        "no clean stop wrote it: the active offset index of {name} ends in empty slots, which a clean stop cuts off"
                    )
                }
                None => return,
            },
        };
        out.add(FindingCode::D005, Severity::Warning, place, || message);
    }
}

/// D001, D004 between several log directories: each list of findings is that of the directory at the same place.
pub(super) fn check_together(roots: &[Root<'_>], out: &mut [Findings]) {
    let mut seen: BTreeMap<&TopicPartition, &Path> = BTreeMap::new();
    let mut first: Option<(&Path, &MetaProperties)> = None;
    for (root, out) in roots.iter().zip(out) {
        for partition in root.live() {
            if let Some(other) = seen.insert(partition, &root.dir.path) {
                let folder = partition.to_string();
                out.add(FindingCode::D001, Severity::Error, Place::folder(Path::new(&folder)), || {
                    format!("lies in {}, too: the broker does not start", other.display())
                });
            }
        }
        let Some(identity) = root.files.identity.content() else { continue };
        let (path, other) = *first.get_or_insert((&root.dir.path, identity));
        if (identity.cluster_id(), identity.node_id()) != (other.cluster_id(), other.node_id()) {
            out.add(FindingCode::D004, Severity::Error, Place::file(Path::new(MetaProperties::FILE_NAME)), || {
                format!("names another cluster or node than {}: the broker does not start", path.display())
            });
        }
    }
}

fn by_partition(file: &SmallFile<OffsetCheckpoint>) -> HashMap<TopicPartition, Offset> {
    let entries = file.content().map(|content| content.entries.iter()).into_iter().flatten();
    entries.map(|entry| (entry.partition.clone(), entry.offset)).collect()
}

fn is_metadata_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == root_files::METADATA_LOG)
}

/// Names that Kafka gives to files at the root.
fn is_known(name: &str) -> bool {
    const KNOWN: [&str; 7] = [
        MetaProperties::FILE_NAME,
        CleanShutdown::FILE_NAME,
        root_files::LOCK,
        OffsetCheckpoint::RECOVERY_POINT,
        OffsetCheckpoint::LOG_START,
        OffsetCheckpoint::HIGH_WATERMARK,
        OffsetCheckpoint::CLEANER,
    ];
    KNOWN.contains(&name) || name.ends_with(".checkpoint")
}
