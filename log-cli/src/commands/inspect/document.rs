//! The answer of `inspect` as JSON; the text is written from the same values.
//!
//! 64-bit numbers are numbers, times are milliseconds since 1970 in UTC, sizes are bytes.

use schemars::JsonSchema;
use serde::Serialize;

/// What lies in the directories, partitions and files that were named.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The version of this form.
    pub(crate) schema: Version,
    /// One entry a log directory, in the order of the arguments.
    pub(crate) log_dirs: Vec<LogDir>,
    /// Partitions that were named by their own folders.
    pub(crate) partitions: Vec<Single>,
    /// Files that were named.
    pub(crate) files: Vec<File>,
    /// All log directories and partitions together.
    pub(crate) total: Contents,
    /// What starting a broker on all of them scans; several directories are scanned side by side.
    pub(crate) next_start: NextStart,
    /// Arguments that could not be looked at.
    pub(crate) failed: Vec<Failure>,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub(crate) enum Version {
    /// This one.
    #[default]
    #[serde(rename = "inspect/1")]
    One,
}

/// A path and why it could not be looked at.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    pub(crate) path: String,
    pub(crate) message: String,
}

/// One log directory.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogDir {
    pub(crate) path: String,
    #[serde(flatten)]
    pub(crate) root: Root,
    pub(crate) contents: Contents,
    pub(crate) next_start: NextStart,
    /// What is on its way in or out, and what becomes of it.
    pub(crate) leftovers: Vec<Leftovers>,
    /// What a person should know before a broker starts here, worst first.
    pub(crate) attention: Vec<Attention>,
    /// Sorted by the names of their folders.
    pub(crate) partitions: Vec<Partition>,
}

/// A partition that was named by its own folder, and the root files of the log directory it lies in, if it does.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Single {
    #[serde(flatten)]
    pub(crate) root: Root,
    #[serde(flatten)]
    pub(crate) partition: Partition,
    pub(crate) contents: Contents,
    pub(crate) next_start: NextStart,
    pub(crate) leftovers: Vec<Leftovers>,
    pub(crate) attention: Vec<Attention>,
}

/// The files at the root of a log directory.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Root {
    /// Whose directory it is; null without `meta.properties`.
    pub(crate) broker: Option<Broker>,
    /// The clean-shutdown marker is there, whatever is in it: the next start skips recovery.
    pub(crate) clean: bool,
    /// The epoch that the marker names.
    pub(crate) broker_epoch: Option<i64>,
    /// Somebody holds `.lock`; null where the system does not say.
    pub(crate) in_use: Option<bool>,
    /// The process that holds it, where the kernel names one.
    pub(crate) lock_pid: Option<i32>,
    /// The four offset checkpoints.
    pub(crate) checkpoints: Vec<Checkpoint>,
}

impl Root {
    /// True if there is any file that a broker keeps at the root of its directories.
    pub(crate) fn is_brokers(&self) -> bool {
        self.broker.is_some() || self.clean || self.checkpoints.iter().any(|file| file.state != FileState::Missing)
    }
}

/// What `meta.properties` says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broker {
    /// The file's version: 0 was written by brokers with ZooKeeper, 1 by brokers with KRaft.
    pub(crate) version: Option<i32>,
    pub(crate) node_id: Option<i32>,
    pub(crate) cluster_id: Option<String>,
    pub(crate) directory_id: Option<String>,
    /// Why the file cannot be read, if so.
    pub(crate) error: Option<String>,
}

/// One offset checkpoint.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checkpoint {
    pub(crate) file: &'static str,
    pub(crate) state: FileState,
    pub(crate) entries: usize,
    pub(crate) error: Option<String>,
}

/// How a small file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FileState {
    Ok,
    /// 0 bytes: reads as "no entries".
    Empty,
    Missing,
    Unreadable,
}

/// How much there is, folders on their way in or out left aside.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contents {
    pub(crate) partitions: u64,
    pub(crate) topics: u64,
    pub(crate) segments: u64,
    /// All files in the partitions' folders.
    pub(crate) bytes: u64,
    /// The `.log` files.
    pub(crate) log_bytes: u64,
    /// Message formats, by the first batch of each segment.
    pub(crate) magics: Vec<Magic>,
    /// Codecs, by the first batch of each segment.
    pub(crate) codecs: Vec<CodecShare>,
    /// Segments that have no first batch.
    pub(crate) segments_without_batch: u64,
}

/// Segments whose first batch has this format.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Magic {
    pub(crate) magic: i8,
    pub(crate) segments: u64,
}

/// Segments whose first batch has this codec.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodecShare {
    pub(crate) codec: String,
    pub(crate) segments: u64,
    /// Bytes of the `.log` files of these segments.
    pub(crate) log_bytes: u64,
}

/// What the next start of a broker scans, and how long that takes.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NextStart {
    /// Partitions of which something is scanned.
    pub(crate) partitions: u64,
    /// Segments that are scanned.
    pub(crate) segments: u64,
    /// Bytes of their `.log` files.
    pub(crate) bytes: u64,
    /// Segments among them that are scanned in any case, because their offset index is missing.
    pub(crate) segments_without_index: u64,
    /// Why, with the bytes that are scanned for this reason, most first.
    pub(crate) reasons: Vec<Reason>,
    /// Recovery threads of each log directory that the times are for.
    pub(crate) threads: u64,
    /// Bytes a second and thread that are assumed: the slow and the fast end.
    pub(crate) assumed_bytes_per_second: [u64; 2],
    /// How long it takes, at the fast and at the slow rate.
    pub(crate) millis: [u64; 2],
    /// The same with eight threads.
    pub(crate) millis_with_eight_threads: [u64; 2],
}

/// Why something is scanned.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reason {
    pub(crate) why: Why,
    pub(crate) partitions: u64,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
}

/// Why a partition is scanned, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Why {
    /// Not scanned: the last stop was a clean one.
    CleanShutdown,
    /// Not scanned: the folder will be removed.
    Deleted,
    /// From the recovery point on: the last stop was not a clean one.
    RecoveryPoint,
    /// Wholly: the recovery point is 0.
    RecoveryPointZero,
    /// Wholly: the recovery points do not name it.
    NotNamed,
    /// Wholly: there is no file of recovery points.
    FileMissing,
    /// Wholly: the file of recovery points is empty.
    FileEmpty,
    /// Wholly: the file of recovery points cannot be read.
    FileUnreadable,
    /// Wholly: the metadata log always is.
    MetadataLog,
    /// Single segments: their offset index is missing.
    IndexMissing,
}

/// Files or folders of one kind that are on their way in or out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Leftovers {
    /// `-delete`, `-stray`, `-future`, `.deleted`, `.swap`, `.cleaned`.
    pub(crate) kind: &'static str,
    /// What the next start does with them.
    pub(crate) fate: Fate,
    pub(crate) bytes: u64,
    /// Files, or files in the folders.
    pub(crate) files: u64,
    /// Their paths, below the log directory.
    pub(crate) paths: Vec<String>,
}

/// What becomes of a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Fate {
    /// Erased at the next start.
    Removed,
    /// Stays where it is.
    Kept,
    /// Takes the place of the segments it was made from.
    ReplacesSegments,
    /// The move goes on.
    MoveGoesOn,
}

/// Something that a person should know.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attention {
    pub(crate) level: Level,
    /// A name for the kind of thing.
    pub(crate) kind: &'static str,
    /// What it is about, below the log directory where it lies there.
    pub(crate) path: String,
    /// What is so, and what a broker does with it.
    pub(crate) message: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Level {
    /// The broker does not start.
    Fatal,
    /// The log directory goes offline.
    Offline,
    /// Something is lost, set aside or slow.
    Warn,
    /// Worth knowing.
    Info,
}

/// One partition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Partition {
    pub(crate) path: String,
    /// Null where the folder's name is no partition's.
    pub(crate) topic: Option<String>,
    pub(crate) partition: Option<i32>,
    /// `live`, `delete`, `future` or `stray`.
    pub(crate) state: &'static str,
    pub(crate) topic_id: Option<String>,
    /// The first offset that can be read.
    pub(crate) log_start: Option<i64>,
    /// The offset behind the last whole batch.
    pub(crate) log_end: Option<i64>,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) recovery_point: Option<i64>,
    /// The first offset that the cleaner has not seen.
    pub(crate) cleaner_offset: Option<i64>,
    /// The largest timestamp of the first batch.
    pub(crate) first_timestamp: Option<i64>,
    /// The largest timestamp of the last batch.
    pub(crate) last_timestamp: Option<i64>,
    pub(crate) leader_epochs: Vec<LeaderEpoch>,
    pub(crate) bytes: u64,
    pub(crate) log_bytes: u64,
    /// Producer snapshots.
    pub(crate) snapshots: usize,
    /// Bytes behind the last whole batch of the last segment.
    pub(crate) bytes_behind_last_batch: u64,
    /// Whether, and why, the next start scans it.
    pub(crate) next_scan: NextScan,
    pub(crate) segments: Vec<Segment>,
}

/// Where a leader epoch begins.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaderEpoch {
    pub(crate) epoch: i32,
    pub(crate) start: i64,
}

/// What the next start scans of one partition.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NextScan {
    pub(crate) why: Why,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    /// Segments among them that are scanned in any case, because their offset index is missing.
    pub(crate) without_index: u64,
    /// Base offset of the first segment that is scanned.
    pub(crate) from: Option<i64>,
}

/// One segment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    /// The next segment's base offset; the log end for the last.
    pub(crate) end_offset: Option<i64>,
    pub(crate) log_bytes: u64,
    /// Null where the file is missing; the same for the others.
    pub(crate) index_bytes: Option<u64>,
    pub(crate) timeindex_bytes: Option<u64>,
    pub(crate) txnindex_bytes: Option<u64>,
    /// Of the first batch; null where there is none.
    pub(crate) magic: Option<i8>,
    pub(crate) codec: Option<String>,
    pub(crate) first_timestamp: Option<i64>,
    /// The next start scans it.
    pub(crate) scanned: bool,
}

/// One file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// What it holds, such as `log segment`, `offset index`; null where nothing tells.
    pub(crate) holds: Option<&'static str>,
    /// The number in its name.
    pub(crate) base_offset: Option<i64>,
    /// What stands in it, a name and a value each.
    pub(crate) facts: serde_json::Map<String, serde_json::Value>,
    /// Why it cannot be read, if so.
    pub(crate) error: Option<String>,
}
