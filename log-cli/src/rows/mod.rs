//! Records on their way from one log to another: each with all that is known of it and of its batch, and how batches are made of
//! them again.

mod batcher;
mod folders;
mod line;
mod reader;
mod writer;

use std::sync::Arc;

use log_engine::batch::TimestampType;
use log_engine::{Batch, Codec, Record};

pub(crate) use batcher::Batching;
use batcher::{Batcher, Refused};
pub(crate) use folders::{Folders, NotWritten, Written, check_unused, config, one_partition};
pub(crate) use reader::{Input, Item, Named};
pub(crate) use writer::write_line;

/// What the records of one batch share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchFacts {
    /// The offset that it begins at, which need not be that of a record; `None` where nothing says what belongs together.
    pub(crate) first_offset: Option<i64>,
    /// The offset that it reaches to, likewise.
    pub(crate) last_offset: Option<i64>,
    /// -1: none.
    pub(crate) leader_epoch: i32,
    /// Id and epoch of who wrote it.
    pub(crate) producer: Option<(i64, i16)>,
    pub(crate) is_transactional: bool,
    pub(crate) is_control: bool,
    /// The timestamps are the broker's.
    pub(crate) is_append_time: bool,
    /// Milliseconds: when its tombstones may go.
    pub(crate) delete_horizon: Option<i64>,
    pub(crate) codec: Codec,
}

impl Default for BatchFacts {
    fn default() -> Self {
        Self {
            first_offset: None,
            last_offset: None,
            leader_epoch: -1,
            producer: None,
            is_transactional: false,
            is_control: false,
            is_append_time: false,
            delete_horizon: None,
            codec: Codec::None,
        }
    }
}

impl BatchFacts {
    /// Those of a batch in a log.
    pub(crate) fn of(batch: &Batch<'_>) -> Self {
        Self {
            first_offset: Some(batch.base_offset().get()),
            last_offset: Some(batch.last_offset().get()),
            leader_epoch: batch.leader_epoch().map_or(-1, |epoch| epoch.get()),
            producer: batch.producer().map(|producer| (producer.id.get(), producer.epoch.get())),
            is_transactional: batch.is_transactional(),
            is_control: batch.is_control(),
            is_append_time: batch.timestamp_type() == TimestampType::LogAppendTime,
            delete_horizon: batch.delete_horizon().map(|time| time.get()),
            codec: batch.codec().unwrap_or(Codec::None),
        }
    }

    /// The same of a message of format 0 or 1, which says nothing of what belongs together.
    pub(crate) fn into_message(self) -> Self {
        Self { first_offset: None, last_offset: None, ..self }
    }

    /// The same as plain data: of no producer, in no transaction, in batches of any cut.
    pub(crate) fn as_plain(&self) -> Self {
        let Self { leader_epoch, is_append_time, codec, .. } = *self;
        Self { leader_epoch, is_append_time, codec, ..Self::default() }
    }
}

/// A header's name and value.
pub(crate) type HeaderBytes = (Vec<u8>, Option<Vec<u8>>);

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) batch: Arc<BatchFacts>,
    /// `None`: the next one.
    pub(crate) offset: Option<i64>,
    /// Milliseconds; -1: none.
    pub(crate) timestamp: i64,
    /// Its producer's count.
    pub(crate) sequence: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<HeaderBytes>,
}

impl Row {
    /// `record` of the batch that `batch` tells of.
    pub(crate) fn of(batch: &Arc<BatchFacts>, record: &Record<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            batch: Arc::clone(batch),
            offset: Some(record.offset.get()),
            timestamp: record.timestamp.get(),
            sequence: record.sequence.map(|sequence| sequence.get()),
            key: owned(record.key),
            value: owned(record.value),
            headers: record.headers.map(|header| (header.key.to_vec(), owned(header.value))).collect(),
        }
    }

    /// Bytes of its key, value and headers.
    pub(crate) fn len(&self) -> usize {
        let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len().saturating_add(of(value)));
        headers.fold(of(&self.key).saturating_add(of(&self.value)), usize::saturating_add)
    }
}

/// A batch whose records are all gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emptied {
    /// With both offsets.
    pub(crate) batch: BatchFacts,
    /// The count of its first record.
    pub(crate) base_sequence: Option<i32>,
    /// Milliseconds.
    pub(crate) max_timestamp: i64,
}

impl Emptied {
    /// `batch`, if it has no records.
    pub(crate) fn of(batch: &Batch<'_>) -> Option<Self> {
        let sequence = batch.producer().and_then(|producer| producer.base_sequence);
        (batch.record_count() == Some(0)).then(|| Self {
            batch: BatchFacts::of(batch),
            base_sequence: sequence.map(|sequence| sequence.get()),
            max_timestamp: batch.max_timestamp().get(),
        })
    }
}
