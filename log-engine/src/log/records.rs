//! Records that the log itself makes a batch of.

use std::cell::Cell;

use super::Log;
use super::append::{AppendAsLeader, Appended, Call};
use super::config::LogConfig;
use crate::batch::{AppendOrigin, BatchBuilder, BuildError, Built, Header, MAX_DECOMPRESSED, TimestampType};
use crate::compress::{Codec, Compression};
use crate::error::{Refusal, Result};
use crate::units::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// A thread keeps the memory of its last batch for the next one; above so many bytes it goes back to the allocator.
const MAX_KEPT_BYTES: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A record to be appended.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// When it happened; the time of the append without.
    pub timestamp: Option<Timestamp>,
    /// What compaction keeps the last record of; `None` and no bytes are not the same.
    pub key: Option<&'a [u8]>,
    /// `None` deletes the key in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// In this order, keys may repeat.
    pub headers: &'a [Header<'a>],
}

/// Who sends the records, where they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The producer's id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The count of the first record.
    pub base_sequence: Sequence,
    /// The records are part of the producer's transaction.
    pub is_transactional: bool,
}

impl Log {
    /// Makes one batch of `records`, compressed with the topic's codec if it names one, and appends it.
    ///
    /// # Errors
    /// As [`Log::append_as_leader`]; [`Refusal::InvalidBatch`] for records that no batch can hold: a timestamp below -1, a sender
    /// without epoch or sequence, more than 2 GiB.
    pub fn append_records<'a>(
        &self,
        records: impl IntoIterator<Item = NewRecord<'a>>,
        sender: Option<Sender>,
        how: &AppendAsLeader,
    ) -> Result<Appended> {
        let config = self.config.load();
        let now = self.now();
        let mut builder = builder(&config, sender);
        for record in records {
            let timestamp = record.timestamp.unwrap_or(now);
            builder.push(timestamp, record.key, record.value, record.headers).map_err(refusal)?;
        }
        self.append_builder(builder, &Call { how, config: &config, now })
    }

    /// Makes the batch and appends it.
    pub(super) fn append_builder(&self, builder: BatchBuilder, call: &Call<'_>) -> Result<Appended> {
        let built = builder.built();
        let mut batch = builder.into_batch().map_err(refusal)?;
        let appended = if is_known_to_be_sound(&built, call) {
            self.append_built(&mut batch, &built, call)
        } else {
            self.append_as_leader(&mut batch, call.how)
        };
        if batch.capacity() <= MAX_KEPT_BYTES {
            KEPT.set(batch);
        }
        appended
    }
}

/// A builder for records of a log with these settings, with the memory that the thread has kept.
pub(super) fn builder(config: &LogConfig, sender: Option<Sender>) -> BatchBuilder {
    let (codec, level) = match config.compression {
        Compression::Producer => (Codec::None, None),
        Compression::Codec(codec, level) => (codec, level),
    };
    let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, level).reusing(KEPT.take());
    if let Some(sender) = sender {
        builder = builder.producer(sender.id, sender.epoch, sender.base_sequence);
        if sender.is_transactional {
            builder = builder.transactional();
        }
    }
    builder
}

/// Whether no record of the batch can break a rule. Where one might, the batch is looked at as if somebody else had made it: that
/// finds out which.
fn is_known_to_be_sound(built: &Built, call: &Call<'_>) -> bool {
    let config = call.config;
    let most = config.max_decompressed_bytes.min(MAX_DECOMPRESSED);
    built.count > 0
        && matches!(call.how.origin, AppendOrigin::Client | AppendOrigin::Coordinator)
        && is_sound((built.min_timestamp, built.max_timestamp), built.has_all_keys, call.now, config)
        && built.codec == config.compression.target(Codec::None).0
        && (built.codec == Codec::None || built.records_len <= most)
}

/// Whether records with these timestamps, the smallest but -1 and the largest, keep the log's rules at the time `now`.
pub(super) fn is_sound(times: (Timestamp, Timestamp), has_keys: bool, now: Timestamp, config: &LogConfig) -> bool {
    let is_unchecked = config.message_timestamp_type == TimestampType::LogAppendTime || times.1 == Timestamp::NONE;
    let at_most = |from: Timestamp, to: Timestamp, most| to.get().checked_sub(from.get()).is_some_and(|ms| ms <= most);
    let are_times_sound = is_unchecked
        || (at_most(times.0, now, config.message_timestamp_before_max_ms)
            && at_most(now, times.1, config.message_timestamp_after_max_ms));
    are_times_sound && (has_keys || !config.compact)
}

pub(super) fn refusal(error: BuildError) -> Refusal {
    let (what, found) = match error {
        BuildError::Timestamp(timestamp) => ("timestamp of a record", timestamp),
        _ => ("batch of records", -1),
    };
    Refusal::InvalidBatch { what, found, expected: "what a batch can hold" }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::fs::sim::SimFs;
    use crate::log::{ManualClock, OpenOptions};
    use crate::units::LeaderEpoch;

    const NOW: i64 = 1_700_000_000_000;
    const DIR: &str = "/data/t-0";

    /// The outcome of one append to a new log: what is answered and what is in the file.
    fn outcome(config: &LogConfig, append: impl FnOnce(&Log) -> Result<Appended>) -> (String, Vec<u8>) {
        let fs = Arc::new(SimFs::with_folder("/data"));
        let clock = Arc::new(ManualClock::at(Timestamp::new(NOW)));
        let options = OpenOptions { clock, ..OpenOptions::default() };
        let (log, _) = Log::open(Arc::clone(&fs) as _, Path::new(DIR), config.clone(), options).unwrap();
        let answer = match append(&log) {
            Ok(appended) => format!(
                "{:?} {:?} {} {:?} {} {:?} {:?}",
                appended.first_offset,
                appended.last_offset,
                appended.max_timestamp,
                appended.append_time,
                appended.valid_bytes,
                appended.source_codec,
                appended.batch_epoch,
            ),
            Err(Error::Refused(refusal)) => format!("{refusal:?}"),
            Err(other) => panic!("{other}"),
        };
        let path = Path::new(DIR).join("00000000000000000000.log");
        (answer, fs.files().remove(&path).unwrap())
    }

    /// A batch of the log's own is not looked at again. That gives what looking at it would give, whatever the settings: for good
    /// records, and at and beyond each bound.
    #[test]
    fn a_batch_made_here_fares_as_one_that_came_from_outside() {
        let compressed = |codec| Compression::Codec(codec, None);
        let configs = [
            LogConfig::default(),
            LogConfig { message_timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() },
            LogConfig { compact: true, ..LogConfig::default() },
            LogConfig {
                message_timestamp_before_max_ms: 100,
                message_timestamp_after_max_ms: 50,
                ..LogConfig::default()
            },
            LogConfig { max_message_bytes: 200, ..LogConfig::default() },
            LogConfig { compression: compressed(Codec::Lz4), max_decompressed_bytes: 60, ..LogConfig::default() },
            LogConfig { compression: compressed(Codec::Zstd), ..LogConfig::default() },
        ];
        let times = [-1, 0, NOW - 101, NOW - 100, NOW, NOW + 50, NOW + 51, NOW + 3_600_001];
        for config in configs {
            for (i, time) in times.into_iter().enumerate() {
                for (key, value) in [(None, 10), (Some(&b"k"[..]), 10), (Some(b"k"), 40), (None, 150)] {
                    let value = vec![b'v'; value];
                    let records = || {
                        [Some(Timestamp::new(time)), None, Some(Timestamp::new(times[(i + 3) % times.len()]))]
                            .map(|timestamp| NewRecord { timestamp, key, value: Some(&value), headers: &[] })
                    };
                    let how = AppendAsLeader::client(LeaderEpoch::new(3));
                    let made = outcome(&config, |log| log.append_records(records(), None, &how));
                    let mut built = builder(&config, None);
                    for record in records() {
                        let time = record.timestamp.unwrap_or(Timestamp::new(NOW));
                        built.push(time, record.key, record.value, &[]).unwrap();
                    }
                    let mut batch = built.into_batch().unwrap();
                    let came = outcome(&config, |log| log.append_as_leader(&mut batch, &how));
                    assert_eq!(made, came, "{config:?} {time}");
                }
            }
        }
    }
}
