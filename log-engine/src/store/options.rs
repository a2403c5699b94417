//! What a store is told when it is opened, and what it tells then.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoint::Uuid;
use crate::error::Error;
use crate::log::{Clock, LogConfig, RecoveryMode, RecoveryReport, SystemClock};
use crate::units::TopicPartition;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What is done about damage in a log.
    pub mode: RecoveryMode,
    /// The settings of logs that have none of their own.
    pub config: LogConfig,
    /// Settings by topic.
    pub topics: Vec<(String, LogConfig)>,
    /// Whose the directories are. A new directory gets a `meta.properties` that says so; one that says something else is not opened.
    pub identity: Option<Identity>,
    /// Threads that open logs; as many as the machine has processors without.
    pub threads: Option<NonZeroUsize>,
    /// Kafka: `log.retention.check.interval.ms`. 5 minutes.
    pub retention_check_interval_ms: i64,
    /// How often the recovery points are written down while they move. 1 second: Kafka's
    /// `log.flush.offset.checkpoint.interval.ms` is a minute, but what lies below them is what a crash is sure not to have touched.
    pub recovery_point_interval_ms: i64,
    /// Kafka: `replica.high.watermark.checkpoint.interval.ms`. 5 seconds.
    pub high_watermark_interval_ms: i64,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            mode: RecoveryMode::default(),
            config: LogConfig::default(),
            topics: Vec::new(),
            identity: None,
            threads: None,
            retention_check_interval_ms: 300_000,
            recovery_point_interval_ms: 1000,
            high_watermark_interval_ms: 5000,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl StoreOptions {
    /// The settings of the logs of `topic`.
    pub(super) fn config_of(&self, topic: &str) -> LogConfig {
        let own = self.topics.iter().find(|(name, _)| name == topic);
        own.map_or_else(|| self.config.clone(), |(_, config)| config.clone())
    }
}

/// Whose a log directory is, as `meta.properties` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Kafka: `cluster.id`.
    pub cluster_id: String,
    /// Kafka: `node.id`.
    pub node_id: i32,
    /// Kafka: `directory.id`, of a new directory. With more than one new directory they need different ones: the second's is this
    /// one plus 1, and so on.
    pub directory_id: Uuid,
}

/// What was found and done when a store was opened.
#[derive(Debug, Default)]
pub struct StoreReport {
    /// In the order in which the directories were given.
    pub directories: Vec<DirectoryReport>,
}

/// The same of one log directory.
#[derive(Debug)]
pub struct DirectoryReport {
    /// Where it is.
    pub path: PathBuf,
    /// Why nothing of it is open, if nothing is.
    pub offline: Option<Error>,
    /// The marker of a clean stop was there: no log had to be recovered.
    pub was_clean: bool,
    /// Checkpoint files that could not be read, and why. What they would have said was not used.
    pub unreadable: Vec<Error>,
    /// Logs that are open, and what opening them took; sorted by folder.
    pub opened: Vec<(TopicPartition, RecoveryReport)>,
    /// Partitions whose log could not be opened, and why.
    pub failed: Vec<(TopicPartition, Error)>,
    /// Folders that are no partition in use: set aside (`-stray`), on their way in (`-future`), or nothing of Kafka's. Left alone.
    pub left_alone: Vec<PathBuf>,
    /// Folders of deleted partitions, which upkeep removes.
    pub to_be_removed: Vec<PathBuf>,
}

impl DirectoryReport {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            offline: None,
            was_clean: false,
            unreadable: Vec::new(),
            opened: Vec::new(),
            failed: Vec::new(),
            left_alone: Vec::new(),
            to_be_removed: Vec::new(),
        }
    }
}
