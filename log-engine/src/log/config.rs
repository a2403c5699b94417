//! What can be set for one log: Kafka's topic configs by Kafka's names, with its defaults.

use super::ticket::Durability;
use crate::batch::TimestampType;
use crate::compress::Compression;
use crate::segment::SegmentOptions;

/// The settings of one log. Names, units and defaults are Kafka's; [`Self::default`] is a topic nobody configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is full when the next append would take it above this. 1 GiB.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is full when a batch is this much younger than its first one. 7 days.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to this much is taken off [`Self::segment_ms`], drawn for each segment. 0.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: the most bytes an index may have. 10 MiB.
    pub segment_index_bytes: usize,
    /// `index.interval.bytes`: an index entry is due when more bytes than this were appended since the last one. 4096.
    pub index_interval_bytes: u64,
    /// `max.message.bytes`: the largest batch that a client may append. 1 MiB and 12 bytes.
    pub max_message_bytes: u64,
    /// `max.decompressed.message.bytes`: the largest record in a compressed batch, as large as any by default. A whole batch is
    /// held to [`MAX_DECOMPRESSED`](crate::batch::MAX_DECOMPRESSED) all the same.
    pub max_decompressed_bytes: usize,
    /// `flush.messages`, `flush.ms`, or every append: how soon what is appended becomes durable. When the system pleases.
    pub durability: Durability,
    /// The most bytes that are written and not durable, whatever [`Self::durability`] says: the append that goes above it syncs. When
    /// the log is opened after a crash, damage with a sound batch more than this behind it is known not to be the crash's. 1 GiB.
    pub max_unsynced_bytes: u64,
    /// `retention.bytes`: the oldest segments go while the log keeps at least this many bytes; `None` keeps all. None.
    pub retention_bytes: Option<u64>,
    /// `retention.ms`: segments go whose largest timestamp is older than this; `None` keeps all. 7 days.
    pub retention_ms: Option<i64>,
    /// `file.delete.delay.ms`: how long a deleted segment's files keep a `.deleted` name. 1 minute.
    pub file_delete_delay_ms: i64,
    /// `cleanup.policy` holds `delete`. Yes.
    pub delete: bool,
    /// `cleanup.policy` holds `compact`: every record needs a key. No.
    pub compact: bool,
    /// `max.compaction.lag.ms`: a compacted topic's segments are full after this, if it is less than [`Self::segment_ms`]. Never.
    pub max_compaction_lag_ms: i64,
    /// `compression.type`. The producer's.
    pub compression: Compression,
    /// `message.timestamp.type`. The time the producer says.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's time may lie before the append. Any.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record's time may lie behind the append. 1 hour.
    pub message_timestamp_after_max_ms: i64,
    /// `preallocate`: a `.log` grows by zeros, in steps of this many bytes or up to [`Self::segment_bytes`], and is cut when the
    /// segment is full or the log closes; `None` lets it grow with the data. A step of a whole segment is Kafka's `true`: taken
    /// when the file is made, and never again. None.
    pub preallocate: Option<u64>,
    /// `producer.id.expiration.ms`: a producer is forgotten after this long without a batch. 1 day.
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable`: the first batch of a transaction must have been announced by its coordinator.
    /// No: Kafka's default is yes, but only a broker has a coordinator to ask.
    pub transaction_verification: bool,
}

impl LogConfig {
    /// What a segment needs to know of them.
    pub(crate) const fn segment_options(&self) -> SegmentOptions {
        SegmentOptions {
            index_interval_bytes: self.index_interval_bytes,
            segment_index_bytes: self.segment_index_bytes,
            preallocate: self.preallocate,
            segment_bytes: self.segment_bytes,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: crate::segment::DEFAULT_INDEX_INTERVAL,
            max_message_bytes: (1 << 20) + 12,
            max_decompressed_bytes: 0x7fff_fff7,
            durability: Durability::Os,
            max_unsynced_bytes: 1 << 30,
            retention_bytes: None,
            retention_ms: Some(604_800_000),
            file_delete_delay_ms: 60_000,
            delete: true,
            compact: false,
            max_compaction_lag_ms: i64::MAX,
            compression: Compression::Producer,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            preallocate: None,
            producer_id_expiration_ms: crate::producer::Expiry::DEFAULT_MS,
            transaction_verification: false,
        }
    }
}
