//! The settings of a script's log, by Kafka's names.

use super::args::number;
use crate::batch::TimestampType;
use crate::checkpoint::Uuid;
use crate::compress::{Codec, Compression};
use crate::log::{Durability, LogConfig};

/// What `config` and `update-config` set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of the log.
    pub config: LogConfig,
    /// `topic.id`: what `partition.metadata` will hold.
    pub topic_id: Option<Uuid>,
}

impl Settings {
    /// Sets one value.
    ///
    /// # Errors
    /// If there is no such setting, or it cannot have this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let config = &mut self.config;
        match name {
            "segment.bytes" => config.segment_bytes = number(name, value)?,
            "segment.ms" => config.segment_ms = number(name, value)?,
            "segment.jitter.ms" => return Err("segment.jitter.ms is random".to_owned()),
            "segment.index.bytes" => config.segment_index_bytes = number(name, value)?,
            "index.interval.bytes" => config.index_interval_bytes = number(name, value)?,
            "max.message.bytes" => config.max_message_bytes = number(name, value)?,
            "max.decompressed.message.bytes" => config.max_decompressed_bytes = number(name, value)?,
            "flush.messages" => config.durability = flush_messages(number(name, value)?),
            "retention.bytes" => config.retention_bytes = u64::try_from(number::<i64>(name, value)?).ok(),
            "retention.ms" => config.retention_ms = Some(number::<i64>(name, value)?).filter(|ms| *ms >= 0),
            "file.delete.delay.ms" => config.file_delete_delay_ms = number(name, value)?,
            "cleanup.policy" => (config.delete, config.compact) = policies(value)?,
            "max.compaction.lag.ms" => config.max_compaction_lag_ms = number(name, value)?,
            "compression.type" => config.compression = compression(value)?,
            "message.timestamp.type" => config.message_timestamp_type = timestamp_type(value)?,
            "message.timestamp.before.max.ms" => config.message_timestamp_before_max_ms = number(name, value)?,
            "message.timestamp.after.max.ms" => config.message_timestamp_after_max_ms = number(name, value)?,
            "producer.id.expiration.ms" => config.producer_id_expiration_ms = number(name, value)?,
            "transaction.partition.verification.enable" => config.transaction_verification = flag(name, value)?,
            "topic.id" => self.topic_id = Some(Uuid::parse(value).ok_or_else(|| format!("{value} is no topic id"))?),
            // Kafka allocates a whole segment at once.
            "preallocate" => config.preallocate = flag(name, value)?.then_some(u64::MAX),
            // Without meaning for a log alone.
            "transaction.max.timeout.ms" => _ = number::<i32>(name, value)?,
            "min.cleanable.dirty.ratio" | "delete.retention.ms" | "min.compaction.lag.ms" | "min.insync.replicas" => {}
            _ => return Err(format!("unknown config {name}")),
        }
        Ok(())
    }
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    value.to_ascii_lowercase().parse().map_err(|_| format!("{name} must be true or false, not {value}"))
}

/// Whether segments are deleted, and whether they are compacted.
fn policies(value: &str) -> Result<(bool, bool), String> {
    let (mut delete, mut compact) = (false, false);
    for policy in value.split(',').filter(|policy| !policy.is_empty()) {
        match policy {
            "delete" => delete = true,
            "compact" => compact = true,
            _ => return Err(format!("there is no cleanup.policy {policy}")),
        }
    }
    Ok((delete, compact))
}

fn compression(value: &str) -> Result<Compression, String> {
    let codec = match value {
        "producer" => return Ok(Compression::Producer),
        "uncompressed" => Codec::None,
        "gzip" => Codec::Gzip,
        "snappy" => Codec::Snappy,
        "lz4" => Codec::Lz4,
        "zstd" => Codec::Zstd,
        _ => return Err(format!("there is no compression.type {value}")),
    };
    Ok(Compression::Codec(codec, None))
}

fn timestamp_type(value: &str) -> Result<TimestampType, String> {
    match value {
        "CreateTime" => Ok(TimestampType::CreateTime),
        "LogAppendTime" => Ok(TimestampType::LogAppendTime),
        _ => Err(format!("there is no message.timestamp.type {value}")),
    }
}

/// A number of offsets that nobody reaches asks for no sync.
fn flush_messages(offsets: i64) -> Durability {
    match u64::try_from(offsets) {
        Ok(offsets) if offsets < i64::MAX.unsigned_abs() => Durability::EveryN(offsets),
        _ => Durability::Os,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_by_kafkas_names() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("segment.bytes", "200"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("message.timestamp.type", "LogAppendTime"),
            ("topic.id", "AAAAAAAAAAEAAAAAAAAAAg"),
        ] {
            settings.set(name, value).unwrap();
        }
        let config = &settings.config;
        assert_eq!((config.segment_bytes, config.retention_ms, config.retention_bytes), (200, None, None));
        assert_eq!((config.delete, config.compact), (false, true));
        assert_eq!(config.compression, Compression::Codec(Codec::None, None));
        assert_eq!(config.message_timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(settings.topic_id.map(|id| id.to_string()).as_deref(), Some("AAAAAAAAAAEAAAAAAAAAAg"));
    }

    #[test]
    fn what_cannot_be_set_is_refused_by_name() {
        for (name, value) in
            [("segment.jitter.ms", "1"), ("segment.bites", "1"), ("segment.bytes", "x"), ("compression.type", "none")]
        {
            let refused = Settings::default().set(name, value).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
