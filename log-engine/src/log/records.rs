//! Records that the log itself makes a batch of.

use std::sync::PoisonError;

use super::Log;
use super::append::{AppendAsLeader, Appended};
use crate::batch::{BatchBuilder, BuildError, Header};
use crate::compress::{Codec, Compression};
use crate::error::{Refusal, Result};
use crate::units::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Buffers of encoded batches that are kept for the next ones.
const POOLED_BUFFERS: usize = 8;
/// Larger ones are given back to the allocator.
const POOLED_BYTES: usize = 4 << 20;

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
        let now = self.now();
        let (codec, level) = match self.config.load().compression {
            Compression::Producer => (Codec::None, None),
            Compression::Codec(codec, level) => (codec, level),
        };
        let mut builder = BatchBuilder::new(Offset::ZERO).codec(codec, level).reusing(self.buffers.take());
        if let Some(sender) = sender {
            builder = builder.producer(sender.id, sender.epoch, sender.base_sequence);
            if sender.is_transactional {
                builder = builder.transactional();
            }
        }
        for record in records {
            let timestamp = record.timestamp.unwrap_or(now);
            builder.push(timestamp, record.key, record.value, record.headers).map_err(refusal)?;
        }
        let mut batch = builder.into_batch().map_err(refusal)?;
        let appended = self.append_as_leader(&mut batch, how);
        self.buffers.give(batch);
        appended
    }
}

fn refusal(error: BuildError) -> Refusal {
    let (what, found) = match error {
        BuildError::Timestamp(timestamp) => ("timestamp of a record", timestamp),
        _ => ("batch of records", -1),
    };
    Refusal::InvalidBatch { what, found, expected: "what a batch can hold" }
}

/// Buffers that wait for their next use.
#[derive(Debug, Default)]
pub(super) struct Buffers(std::sync::Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < POOLED_BUFFERS && buffer.capacity() <= POOLED_BYTES {
            buffers.push(buffer);
        }
    }
}
