//! What lies in a log directory and in a partition's folder, by name and size only. Nothing is opened.
//!
//! A log directory holds one folder a partition, `<topic>-<number>`, and small files of its own; a partition's folder holds the
//! files of its segments. Everything that Kafka does not expect there is kept apart, so that somebody can speak of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::checkpoint::{CleanShutdown, EpochCheckpoint, MetaProperties, OffsetCheckpoint, PartitionMetadata};
use crate::error::Result;
use crate::fs::{Entry, Fs, Kind};
use crate::segment::{Leftover, SegmentFile, SegmentName};
use crate::units::{Offset, TopicPartition};

/// Why a partition's folder has a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirectoryState {
    /// No suffix: the partition itself.
    Live,
    /// `-delete`: removed at the next start, or sooner.
    Delete,
    /// `-future`: a copy that is on its way into this log directory.
    Future,
    /// `-stray`: set aside because it does not belong here.
    Stray,
}

impl DirectoryState {
    /// The states that a suffix tells.
    const SUFFIXED: [Self; 3] = [Self::Delete, Self::Future, Self::Stray];

    /// The suffix, with its dash; empty for a live folder.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Delete => "-delete",
            Self::Future => "-future",
            Self::Stray => "-stray",
        }
    }
}

/// The name of a partition's folder, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionName {
    /// Which partition. For suffixed folders the topic may be cut to fit a file name.
    pub partition: TopicPartition,
    /// Live, or why not.
    pub state: DirectoryState,
}

impl PartitionName {
    /// Takes a folder's name apart; `None` where Kafka refuses to start because of it.
    ///
    /// The last dash stands between topic and number. A suffix needs `.<id>` before it, and everything from the last dot on is
    /// cut off first.
    ///
    /// Kafka: `LocalLog.parseTopicPartitionName`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let suffixed = DirectoryState::SUFFIXED.into_iter().find(|state| name.ends_with(state.suffix()));
        let (plain, state) = match suffixed {
            None => (name, DirectoryState::Live),
            Some(state) => (without_id(name, state.suffix())?, state),
        };
        let (topic, number) = plain.rsplit_once('-')?;
        if topic.is_empty() {
            return None;
        }
        let partition = TopicPartition { topic: topic.to_owned(), partition: number.parse().ok()? };
        Some(Self { partition, state })
    }
}

/// `topic-number` of `topic-number.id-suffix`.
fn without_id<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let rest = name.strip_suffix(suffix)?;
    let fits = |(dot, _): (usize, &str)| {
        let (left, id) = (rest.get(..dot)?, rest.get(dot + 1..)?);
        let dash = left.get(1..)?.find('-')? + 1;
        (!id.is_empty() && dash + 1 < left.len()).then_some(())
    };
    if name.contains(char::is_whitespace) || !rest.match_indices('.').any(|dot| fits(dot).is_some()) {
        return None;
    }
    name.rsplit_once('.').map(|(plain, _)| plain)
}

/// The files of one segment: the bytes of each that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentFiles {
    /// Bytes of the `.log`.
    pub log: Option<u64>,
    /// Bytes of the `.index`.
    pub offset_index: Option<u64>,
    /// Bytes of the `.timeindex`.
    pub time_index: Option<u64>,
    /// Bytes of the `.txnindex`.
    pub txn_index: Option<u64>,
}

/// The folder of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// What its name says; `None` for a copy under another name.
    pub name: Option<PartitionName>,
    /// Segments by base offset: those with a `.log` and those of which only indexes are left.
    pub segments: BTreeMap<Offset, SegmentFiles>,
    /// Producer snapshots by their offset, with their bytes.
    pub snapshots: BTreeMap<Offset, u64>,
    /// Segment files on their way in or out.
    pub leftovers: Vec<(SegmentName, Entry)>,
    /// Bytes of `leader-epoch-checkpoint`.
    pub epochs: Option<u64>,
    /// Bytes of `partition.metadata`.
    pub metadata: Option<u64>,
    /// Everything else: unknown names, folders, links, FIFOs, segment names that are not 20 digits. Sorted by name.
    pub others: Vec<Entry>,
}

impl PartitionDirectory {
    /// Reads the names in the folder `path`.
    ///
    /// # Errors
    /// As [`Fs::list`].
    pub fn list(fs: &dyn Fs, path: &Path) -> Result<Self> {
        Ok(Self::of(path, fs.list(path)?))
    }

    fn of(path: &Path, mut entries: Vec<Entry>) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(PartitionName::parse);
        let mut folder = Self {
            path: path.to_owned(),
            name,
            segments: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            leftovers: Vec::new(),
            epochs: None,
            metadata: None,
            others: Vec::new(),
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            folder.place(entry);
        }
        folder
    }

    fn place(&mut self, entry: Entry) {
        let len = entry.stat.len;
        let known = entry.name.to_str().filter(|_| entry.stat.kind == Kind::File);
        match known {
            Some(EpochCheckpoint::FILE_NAME) => self.epochs = Some(len),
            Some(PartitionMetadata::FILE_NAME) => self.metadata = Some(len),
            _ => match known.and_then(SegmentName::parse).filter(SegmentName::is_canonical) {
                None => self.others.push(entry),
                Some(name) if name.leftover.is_some() => self.leftovers.push((name, entry)),
                Some(name) => self.place_segment_file(name, len),
            },
        }
    }

    fn place_segment_file(&mut self, name: SegmentName, len: u64) {
        if name.file == SegmentFile::Snapshot {
            self.snapshots.insert(name.base, len);
            return;
        }
        let files = self.segments.entry(name.base).or_default();
        let place = match name.file {
            SegmentFile::Log | SegmentFile::Snapshot => &mut files.log,
            SegmentFile::OffsetIndex => &mut files.offset_index,
            SegmentFile::TimeIndex => &mut files.time_index,
            SegmentFile::TxnIndex => &mut files.txn_index,
        };
        *place = Some(len);
    }

    /// Base offsets and bytes of the `.log` files, ascending.
    pub fn logs(&self) -> impl DoubleEndedIterator<Item = (Offset, u64)> + '_ {
        self.segments.iter().filter_map(|(base, files)| Some((*base, files.log?)))
    }

    /// Where a segment's file is, or would be.
    #[must_use]
    pub fn file(&self, base: Offset, file: SegmentFile) -> PathBuf {
        self.path.join(file.name(base))
    }

    /// Leftovers with this second suffix.
    pub fn leftovers_of(&self, leftover: Leftover) -> impl Iterator<Item = &(SegmentName, Entry)> {
        self.leftovers.iter().filter(move |(name, _)| name.leftover == Some(leftover))
    }

    /// True if there is anything that only a partition's folder has.
    fn looks_like_one(&self) -> bool {
        self.epochs.is_some()
            || self.metadata.is_some()
            || !(self.segments.is_empty() && self.snapshots.is_empty() && self.leftovers.is_empty())
    }
}

/// Names of the files that Kafka keeps at the root of a log directory.
pub mod root_files {
    /// Identity of the directory.
    pub const META_PROPERTIES: &str = super::MetaProperties::FILE_NAME;
    /// Its presence says that the last stop was a clean one.
    pub const CLEAN_SHUTDOWN: &str = super::CleanShutdown::FILE_NAME;
    /// Held by a running broker.
    pub const LOCK: &str = ".lock";
    /// The metadata that a new cluster begins with.
    pub const BOOTSTRAP: &str = "bootstrap.checkpoint";
    /// The folder of the metadata log, which the Raft layer loads.
    pub const METADATA_LOG: &str = "__cluster_metadata-0";
    /// A cache of tiered storage; the one folder that is no partition and may be there.
    pub const REMOTE_INDEX_CACHE: &str = "remote-log-index-cache";
}

/// One log directory: an entry of Kafka's `log.dirs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// Folders whose names are partitions', sorted by name.
    pub partitions: Vec<(PartitionName, PathBuf)>,
    /// Plain files at the root, sorted by name.
    pub files: Vec<Entry>,
    /// Folders that are no partition: each keeps a broker from starting. The cache of tiered storage is not among them.
    pub foreign: Vec<OsString>,
    /// Links, FIFOs and the like, sorted by name.
    pub special: Vec<Entry>,
}

impl LogDirectory {
    /// Reads the names in the folder `path`.
    ///
    /// # Errors
    /// As [`Fs::list`].
    pub fn list(fs: &dyn Fs, path: &Path) -> Result<Self> {
        Ok(Self::of(path, fs.list(path)?))
    }

    fn of(path: &Path, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut dir = Self {
            path: path.to_owned(),
            partitions: Vec::new(),
            files: Vec::new(),
            foreign: Vec::new(),
            special: Vec::new(),
        };
        for entry in entries {
            match entry.stat.kind {
                Kind::File => dir.files.push(entry),
                Kind::Link | Kind::Special => dir.special.push(entry),
                Kind::Directory if entry.name == root_files::REMOTE_INDEX_CACHE => {}
                Kind::Directory => match entry.name.to_str().and_then(PartitionName::parse) {
                    Some(name) => dir.partitions.push((name, path.join(&entry.name))),
                    None => dir.foreign.push(entry.name),
                },
            }
        }
        dir
    }

    /// Bytes of a plain file at the root, if it is there.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<u64> {
        self.files.iter().find(|entry| entry.name == name).map(|entry| entry.stat.len)
    }

    /// True if the clean-shutdown marker is there, whatever is in it: the next start skips recovery.
    #[must_use]
    pub fn has_clean_marker(&self) -> bool {
        self.file(root_files::CLEAN_SHUTDOWN).is_some()
    }

    /// True if a file is there that only the root of a log directory has.
    fn has_root_file(&self) -> bool {
        const KNOWN: [&str; 6] = [
            root_files::META_PROPERTIES,
            root_files::CLEAN_SHUTDOWN,
            OffsetCheckpoint::RECOVERY_POINT,
            OffsetCheckpoint::LOG_START,
            OffsetCheckpoint::HIGH_WATERMARK,
            OffsetCheckpoint::CLEANER,
        ];
        KNOWN.iter().any(|name| self.file(name).is_some())
    }
}

/// What a folder is, by the names in it.
#[derive(Clone, Debug)]
pub(crate) enum Folder {
    Partition(PartitionDirectory),
    LogDirectory(LogDirectory),
    /// Neither.
    Other,
}

impl Folder {
    /// Reads the names in `path` once and decides. A file of the root makes a log directory, whatever was dropped there besides;
    /// then segment files and their like make a partition, then a partition's name makes one of an empty folder, and folders of
    /// partitions make a log directory.
    pub(crate) fn of(fs: &dyn Fs, path: &Path) -> Result<Self> {
        let entries = fs.list(path)?;
        let partition = PartitionDirectory::of(path, entries.clone());
        let dir = LogDirectory::of(path, entries);
        Ok(if dir.has_root_file() {
            Self::LogDirectory(dir)
        } else if partition.looks_like_one() {
            Self::Partition(partition)
        } else if !dir.partitions.is_empty() {
            Self::LogDirectory(dir)
        } else if partition.name.is_some() {
            Self::Partition(partition)
        } else {
            Self::Other
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::OsFs;

    fn live(topic: &str, partition: i32) -> Option<PartitionName> {
        let partition = TopicPartition { topic: topic.to_owned(), partition };
        Some(PartitionName { partition, state: DirectoryState::Live })
    }

    fn in_state(topic: &str, partition: i32, state: DirectoryState) -> Option<PartitionName> {
        live(topic, partition).map(|name| PartitionName { state, ..name })
    }

    // conformance: LLG-024 LLG-028 LLG-029 LLG-030 LLG-031
    #[test]
    fn folder_names_are_taken_apart_at_the_last_dash() {
        assert_eq!(PartitionName::parse("orders-3"), live("orders", 3));
        assert_eq!(PartitionName::parse("a-b.c_d-12"), live("a-b.c_d", 12));
        assert_eq!(PartitionName::parse("__cluster_metadata-0"), live("__cluster_metadata", 0));
        for (name, state) in [
            ("or-ders-3.0123456789abcdef0123456789abcdef-delete", DirectoryState::Delete),
            ("or-ders-3.0123456789abcdef0123456789abcdef-future", DirectoryState::Future),
            ("or-ders-3.0123456789abcdef0123456789abcdef-stray", DirectoryState::Stray),
        ] {
            assert_eq!(PartitionName::parse(name), in_state("or-ders", 3, state), "{name}");
        }
        let dotted = "foo.bar-testtopic-42.0123456789abcdef0123456789abcdef-delete";
        assert_eq!(PartitionName::parse(dotted), in_state("foo.bar-testtopic", 42, DirectoryState::Delete));
        for name in [
            "",
            "orders",
            "-3",
            "orders-",
            "orders-x",
            "orders-99999999999",
            "lost+found",
            "orders-3-delete",
            "orders-3.-delete",
            "3.id-delete",
            "orders-3.id-delete.bak",
            "-1999",
            "test_topic-1999a",
            "non_kafka_dir",
            "non_kafka_dir-delete",
            "-1999.0123456789abcdef-delete",
            "test_topic-.0123456789abcdef-delete",
            "test_topic-1999a.0123456789abcdef-delete",
        ] {
            assert_eq!(PartitionName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_folder_is_known_by_what_lies_in_it() {
        let root = tempfile::tempdir().unwrap();
        let make = |dir: &str, files: &[&str]| {
            let dir = root.path().join(dir);
            std::fs::create_dir_all(&dir).unwrap();
            for file in files {
                std::fs::write(dir.join(file), b"x").unwrap();
            }
            dir
        };
        let log = "00000000000000000000.log";
        let partition = make("data/orders-0", &[log, "00000000000000000000.index.deleted", "7.log", "notes.txt"]);
        make("data/lost+found", &[]);
        make("data", &["meta.properties", log]);
        let renamed = make("backup", &[log]);
        let empty = make("empty-0", &[]);
        let other = make("other", &["x"]);

        let Folder::Partition(found) = Folder::of(&OsFs, &partition).unwrap() else { panic!("no partition") };
        assert_eq!(found.name, live("orders", 0));
        assert_eq!(found.logs().collect::<Vec<_>>(), [(Offset::ZERO, 1)]);
        assert_eq!(found.leftovers_of(Leftover::Deleted).count(), 1);
        assert_eq!(found.others.iter().map(|e| e.name.to_str().unwrap()).collect::<Vec<_>>(), ["7.log", "notes.txt"]);

        let Folder::LogDirectory(found) = Folder::of(&OsFs, &root.path().join("data")).unwrap() else {
            panic!("no log dir")
        };
        assert_eq!(found.partitions, [(live("orders", 0).unwrap(), partition)]);
        assert_eq!(found.file("meta.properties"), Some(1));
        assert_eq!(found.foreign, [OsString::from("lost+found")]);
        let Folder::Partition(found) = Folder::of(&OsFs, &renamed).unwrap() else { panic!("no partition") };
        assert_eq!(found.name, None);
        assert!(matches!(Folder::of(&OsFs, &empty).unwrap(), Folder::Partition(_)));
        assert!(matches!(Folder::of(&OsFs, &other).unwrap(), Folder::Other));
    }
}
