//! Counts over batches and records: how many, how large, when, by whom. Fed one by one, merged in any order; knows no file.
//!
//! Memory is bounded whatever is fed: histograms have fixed classes, and of names only so many are counted at a time.

mod histogram;
mod hours;
mod order;
mod top;

use std::collections::BTreeMap;

pub use histogram::{Class, Histogram};
pub use hours::{Hours, MAX_HOURS, Span};
pub use order::TimeOrder;
pub use top::{Named, Top};

use crate::batch::{Batch, Record, TimestampType};
use crate::units::{Offset, Timestamp};

/// Records, and the bytes that belong to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Records, control records included.
    pub records: u64,
    /// Bytes of the records before compression.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn merge(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What one codec did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodecStats {
    /// Batches.
    pub batches: u64,
    /// Bytes of the batches in the file.
    pub stored: u64,
    /// Their records before compression.
    pub records: Amount,
}

/// What to count beside what is always counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsOptions {
    /// Which keys occur most.
    pub keys: bool,
    /// Which header names occur most.
    pub headers: bool,
    /// What counts as the future: later than this.
    pub now: Option<Timestamp>,
}

/// Counts over batches and records.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    options: StatsOptions,
    /// Bytes of each batch in the file.
    pub batch_bytes: Histogram,
    /// Records that were counted of each batch.
    pub records_per_batch: Histogram,
    /// Bytes of each data record before compression.
    pub record_bytes: Histogram,
    /// Bytes of each key that is not null.
    pub key_bytes: Histogram,
    /// Bytes of each value that is not null.
    pub value_bytes: Histogram,
    /// Data records without a key.
    pub null_keys: u64,
    /// Data records without a value: tombstones where the log is compacted.
    pub null_values: u64,
    /// Data records with headers.
    pub with_headers: u64,
    /// Data records.
    pub data: Amount,
    /// Control records: markers of transactions and the like.
    pub control: Amount,
    /// Batches that are part of a transaction.
    pub transactional_batches: u64,
    /// By codec bits; 5 to 7 are no codec.
    pub codecs: [CodecStats; 8],
    /// Batches by message format.
    pub magics: BTreeMap<i8, u64>,
    /// Batches by whose clock their times are of.
    pub timestamp_types: BTreeMap<TimestampType, u64>,
    /// Data records by the hour of their time.
    pub hours: Hours,
    /// The earliest and the latest time of a data record.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Data records without a time.
    pub without_time: u64,
    /// Data records with a time later than now.
    pub in_future: u64,
    /// The smallest and the largest offset.
    pub offsets: Option<(Offset, Offset)>,
    /// Records by producer id, -1 for none, as text.
    pub producers: Top,
    /// Records by leader epoch, -1 for none, as text.
    pub leader_epochs: Top,
    /// Data records by key; empty unless asked for.
    pub keys: Top,
    /// Headers by name; empty unless asked for.
    pub headers: Top,
}

impl Stats {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(options: StatsOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Counts a batch of which `records` were counted one by one.
    pub fn batch(&mut self, batch: &Batch<'_>, records: Amount) {
        let stored = batch.bytes().len() as u64;
        self.batch_bytes.add(stored);
        self.records_per_batch.add(records.records);
        self.transactional_batches += u64::from(batch.is_transactional());
        *self.magics.entry(batch.magic()).or_default() += 1;
        *self.timestamp_types.entry(batch.timestamp_type()).or_default() += 1;
        if let Some(codec) = self.codecs.get_mut(usize::from(batch.attributes().codec_bits())) {
            codec.batches += 1;
            codec.stored = codec.stored.saturating_add(stored);
            codec.records.merge(records);
        }
        let producer = batch.producer().map_or(-1, |producer| producer.id.get());
        let epoch = batch.leader_epoch().map_or(-1, |epoch| epoch.get());
        self.producers.add_many(producer.to_string().as_bytes(), records);
        self.leader_epochs.add_many(epoch.to_string().as_bytes(), records);
    }

    /// Counts a record of `batch`, and in `of_batch` for [`Self::batch`].
    #[inline]
    pub fn record(&mut self, batch: &Batch<'_>, record: &Record<'_>, of_batch: &mut Amount) {
        let bytes = record.encoded_len as u64;
        of_batch.add(bytes);
        let (first, last) = self.offsets.unwrap_or((record.offset, record.offset));
        self.offsets = Some((first.min(record.offset), last.max(record.offset)));
        if batch.is_control() {
            self.control.add(bytes);
            return;
        }
        self.data.add(bytes);
        self.record_bytes.add(bytes);
        match record.key {
            None => self.null_keys += 1,
            Some(key) => self.key_bytes.add(key.len() as u64),
        }
        match record.value {
            None => self.null_values += 1,
            Some(value) => self.value_bytes.add(value.len() as u64),
        }
        self.time(record.timestamp, bytes);
        if !record.headers.is_empty() {
            self.with_headers += 1;
            if self.options.headers {
                for header in record.headers {
                    let len = header.key.len() + header.value.map_or(0, <[u8]>::len);
                    self.headers.add(header.key, len as u64);
                }
            }
        }
        if let (true, Some(key)) = (self.options.keys, record.key) {
            self.keys.add(key, bytes);
        }
    }

    fn time(&mut self, time: Timestamp, bytes: u64) {
        if time == Timestamp::NONE {
            self.without_time += 1;
            return;
        }
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        self.in_future += u64::from(self.options.now.is_some_and(|now| time > now));
        self.hours.add(time, bytes);
    }

    /// Counts everything in that `other` counted.
    pub fn merge(&mut self, other: Self) {
        for (histogram, more) in [
            (&mut self.batch_bytes, &other.batch_bytes),
            (&mut self.records_per_batch, &other.records_per_batch),
            (&mut self.record_bytes, &other.record_bytes),
            (&mut self.key_bytes, &other.key_bytes),
            (&mut self.value_bytes, &other.value_bytes),
        ] {
            histogram.merge(more);
        }
        self.null_keys += other.null_keys;
        self.null_values += other.null_values;
        self.with_headers += other.with_headers;
        self.data.merge(other.data);
        self.control.merge(other.control);
        self.transactional_batches += other.transactional_batches;
        for (codec, more) in self.codecs.iter_mut().zip(other.codecs) {
            codec.batches += more.batches;
            codec.stored = codec.stored.saturating_add(more.stored);
            codec.records.merge(more.records);
        }
        for (magic, batches) in other.magics {
            *self.magics.entry(magic).or_default() += batches;
        }
        for (kind, batches) in other.timestamp_types {
            *self.timestamp_types.entry(kind).or_default() += batches;
        }
        self.hours.merge(other.hours);
        self.times = outer(self.times, other.times);
        self.without_time += other.without_time;
        self.in_future += other.in_future;
        self.offsets = outer(self.offsets, other.offsets);
        self.producers.merge(other.producers);
        self.leader_epochs.merge(other.leader_epochs);
        self.keys.merge(other.keys);
        self.headers.merge(other.headers);
    }
}

/// The range that holds both.
fn outer<T: Ord>(a: Option<(T, T)>, b: Option<(T, T)>) -> Option<(T, T)> {
    match (a, b) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests;
