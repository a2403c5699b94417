//! Which records: the flags that `dump`, `grep`, `tail` and their like share, and what they mean.
//!
//! Everything here is pure: text in, tests and ranges out. Where the log begins and ends comes from outside.

mod batches;
mod offsets;
mod records;
pub(crate) mod targets;
pub(crate) mod time;

use log_engine::{Batch, Record};
use regex::bytes::Regex;

pub(crate) use batches::CodecName;
pub(crate) use batches::Control;
use batches::{BatchTests, EpochRange};
use offsets::{OffsetRange, Range};
pub(crate) use records::KeyTest;
use records::{HeaderTest, RecordTests, ValueTest};

use crate::error::CliError;

/// Which records are wanted.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(crate) struct SelectArgs {
    /// From where to where: 500, 500:900 (half-open), :900, 500:+20, -100 (the last hundred offsets), start, end, @T1:T2 (times)
    #[arg(short, long, value_name = "RANGE", allow_hyphen_values = true)]
    offset: Option<String>,
    /// Records of this time or later: RFC 3339, a date, 13 digits (ms), 10 digits (s), -2h, now
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    since: Option<String>,
    /// Records of before this time
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    until: Option<String>,
    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
    /// Count --limit in each partition anew
    #[arg(long, requires = "limit")]
    per_partition: bool,
    /// Records with exactly this key
    #[arg(short, long, value_name = "S")]
    key: Vec<String>,
    /// Records with exactly this key, in hexadecimal
    #[arg(long, value_name = "HEX")]
    key_hex: Vec<String>,
    /// Records with a key that fits
    #[arg(long, value_name = "RE")]
    key_regex: Vec<String>,
    /// Records without a key
    #[arg(long)]
    null_key: bool,
    /// Records with this header, byte for byte
    #[arg(short = 'H', long, value_name = "NAME[=VALUE]")]
    header: Vec<String>,
    /// Records whose value holds this text
    #[arg(long, value_name = "S")]
    value_contains: Vec<String>,
    /// Records with a value that fits
    #[arg(long, value_name = "RE")]
    value_regex: Vec<String>,
    /// Records without a value
    #[arg(long)]
    tombstone: bool,
    /// Batches of this producer (-1: of none)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    producer_id: Vec<i64>,
    /// Batches of this epoch of their producer
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    producer_epoch: Option<i16>,
    /// Batches of this leader epoch, or of N to before M
    #[arg(long, value_name = "N[:M]", value_parser = EpochRange::parse)]
    leader_epoch: Option<EpochRange>,
    /// Batches of this codec
    #[arg(long, value_enum)]
    codec: Vec<CodecName>,
    /// Batches of this message format
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    magic: Vec<i8>,
    /// Transaction markers and other control records: beside the data, nothing else, or none
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "only|no")]
    control: Option<Control>,
    /// Records that do not pass the tests of keys, headers, values and batches
    #[arg(short = 'v', long)]
    invert: bool,
}

/// The same, understood; everything by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    offsets: Option<OffsetRange>,
    /// Milliseconds: from here on.
    since: Option<i64>,
    /// Milliseconds: before here.
    until: Option<i64>,
    /// How many records at most.
    pub(crate) limit: Option<u64>,
    /// Whether the limit is one of each partition.
    pub(crate) per_partition: bool,
    batches: BatchTests,
    records: RecordTests,
    control: Option<Control>,
    invert: bool,
    /// Whether control records are wanted whatever they hold.
    keeps_markers: bool,
}

/// The ranges that hold in one partition, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The first offset wanted.
    pub(crate) from: i64,
    /// The first offset behind.
    pub(crate) to: i64,
    since: i64,
    until: i64,
}

impl SelectArgs {
    /// Understands the arguments; `now` in milliseconds.
    pub(crate) fn selection(&self, now: i64) -> Result<Selection, CliError> {
        let regex = |text: &String| Regex::new(text).map_err(|e| CliError::usage(e.to_string()));
        let moment = |text: &String| time::parse(text, now).map_err(CliError::usage);
        let mut since = self.since.as_ref().map(moment).transpose()?;
        let mut until = self.until.as_ref().map(moment).transpose()?;
        let range = self.offset.as_ref().map(|text| Range::parse(text, now)).transpose().map_err(CliError::usage)?;
        let offsets = match range {
            None => None,
            Some(Range::Offsets(range)) => Some(range),
            Some(Range::Times(from, to)) => {
                since = Some(since.map_or(from, |since| since.max(from)));
                until = [until, to].into_iter().flatten().min();
                None
            }
        };
        let mut keys: Vec<KeyTest> = self.key.iter().map(|key| KeyTest::Is(key.clone().into_bytes())).collect();
        for key in &self.key_hex {
            keys.push(KeyTest::Is(records::hex(key).map_err(CliError::usage)?));
        }
        for key in &self.key_regex {
            keys.push(KeyTest::Matches(regex(key)?));
        }
        keys.extend(self.null_key.then_some(KeyTest::Null));
        let mut values: Vec<ValueTest> = self.value_contains.iter().map(|text| ValueTest::contains(text)).collect();
        for value in &self.value_regex {
            values.push(ValueTest::Matches(regex(value)?));
        }
        values.extend(self.tombstone.then_some(ValueTest::Tombstone));
        Ok(Selection {
            offsets,
            since,
            until,
            limit: self.limit,
            per_partition: self.per_partition,
            batches: BatchTests {
                producer_id: self.producer_id.clone(),
                producer_epoch: self.producer_epoch,
                leader_epoch: self.leader_epoch,
                codec: self.codec.clone(),
                magic: self.magic.clone(),
            },
            records: RecordTests {
                keys,
                headers: self.header.iter().map(|header| HeaderTest::parse(header)).collect(),
                values,
            },
            control: self.control,
            invert: self.invert,
            keeps_markers: false,
        })
    }
}

impl Selection {
    /// Whether the tests are to be inverted; from here on they are not.
    pub(crate) fn take_invert(&mut self) -> bool {
        std::mem::take(&mut self.invert)
    }

    /// From here on markers are wanted where their offsets are, whatever the tests of records say: without them a transaction would not
    /// end. Unless the arguments say which control records are wanted.
    pub(crate) fn keep_markers(&mut self) {
        if self.control.is_none() {
            (self.control, self.keeps_markers) = (Some(Control::Yes), true);
        }
    }

    fn keeps(&self, batch: &Batch<'_>) -> bool {
        self.keeps_markers && batch.is_control()
    }

    /// Which control records are wanted, where the arguments say it.
    pub(crate) const fn control(&self) -> Option<Control> {
        self.control
    }

    /// True if nothing is chosen.
    pub(crate) fn is_everything(&self) -> bool {
        let has_ranges = self.offsets.is_some() || self.since.is_some() || self.until.is_some() || self.limit.is_some();
        !has_ranges && self.control.is_none() && self.asks_nothing()
    }

    /// True if the end of the log must be known to say which offsets are wanted.
    pub(crate) fn needs_end(&self) -> bool {
        self.offsets.is_some_and(|range| range.needs_end())
    }

    /// The ranges as numbers, in a log from `start` to `end`.
    pub(crate) fn bounds(&self, start: i64, end: i64) -> Bounds {
        let (from, to) = self.offsets.map_or((i64::MIN, i64::MAX), |range| range.resolve(start, end));
        Bounds { from, to, since: self.since.unwrap_or(i64::MIN), until: self.until.unwrap_or(i64::MAX) }
    }

    /// True if all records of a batch are wanted that lies within the bounds and passes [`Self::wants_batch`].
    pub(crate) const fn takes_all_records(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether `record` of `batch`, which [`Self::wants_batch`], is wanted, and lies within `bounds`.
    pub(crate) fn wants(&self, bounds: &Bounds, batch: &Batch<'_>, record: &Record<'_>) -> bool {
        if self.keeps(batch) {
            return bounds.contain_offset(record);
        }
        bounds.contain(record) && self.wants_record(batch, record)
    }

    /// False if no record of `batch` can be wanted. `default` says whether control records are, where nothing else does.
    pub(crate) fn wants_batch(&self, batch: &Batch<'_>, default: Control) -> bool {
        if !self.control.unwrap_or(default).wants(batch.is_control()) {
            return false;
        }
        if self.keeps(batch) {
            return true;
        }
        // Inverted, a batch that fails its tests is wanted whole; one that passes still has records that may fail theirs.
        let passes = self.batches.pass(batch);
        if self.invert { !(passes && self.records.is_empty()) || self.asks_nothing() } else { passes }
    }

    fn wants_record(&self, batch: &Batch<'_>, record: &Record<'_>) -> bool {
        if !self.invert || self.asks_nothing() {
            return self.records.pass(record);
        }
        !(self.batches.pass(batch) && self.records.pass(record))
    }

    /// True without any test that could be inverted.
    fn asks_nothing(&self) -> bool {
        self.batches.is_empty() && self.records.is_empty()
    }
}

impl Bounds {
    /// False if no record of `batch` lies within. The head of a message of format 0 or 1 names its last offset only.
    pub(crate) fn touch(&self, batch: &Batch<'_>) -> bool {
        let first = if batch.header().is_some() { batch.base_offset().get() } else { i64::MIN };
        // Markers and messages without a time have -1; the largest time of a batch is a bound, the smallest is not known.
        batch.last_offset().get() >= self.from && first < self.to && batch.max_timestamp().get() >= self.since
    }

    /// True if `record` lies within.
    fn contain(&self, record: &Record<'_>) -> bool {
        let timestamp = record.timestamp.get();
        self.contain_offset(record) && timestamp >= self.since && timestamp < self.until
    }

    /// True if `record` lies within the offsets, whatever its time.
    fn contain_offset(&self, record: &Record<'_>) -> bool {
        (self.from..self.to).contains(&record.offset.get())
    }

    /// True if every record of `batch` lies within, by its head alone.
    pub(crate) fn contain_all(&self, batch: &Batch<'_>) -> bool {
        let is_any_time = self.since == i64::MIN && self.until == i64::MAX;
        let first = if batch.header().is_some() { batch.base_offset().get() } else { i64::MIN };
        is_any_time && first >= self.from && batch.last_offset().get() < self.to
    }
}

/// A range of offsets of which no end depends on where a log ends: the first offset, and the first behind it.
pub(crate) fn absolute_offsets(text: &str) -> Result<(i64, i64), String> {
    match Range::parse(text, 0)? {
        Range::Offsets(range) if !range.needs_end() => {
            let (from, until) = range.resolve(0, i64::MAX);
            if from < until { Ok((from, until)) } else { Err(format!("{text:?} holds no offset")) }
        }
        _ => Err(format!("{text:?} is no range of numbers: where a damaged log ends is not known before")),
    }
}

#[cfg(test)]
mod tests;
