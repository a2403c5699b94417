//! The answer of `stats` as JSON; the text is written from the same values.
//!
//! 64-bit numbers are numbers, times are milliseconds since 1970 in UTC, sizes are bytes.

use log_engine::Codec;
use log_engine::inspect::{Histogram, Named, Span, StatsOptions, Top};
use schemars::JsonSchema;
use serde::Serialize;

use super::count::Counted;

/// Counts over batches and records.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// The version of this form.
    pub(crate) schema: Version,
    pub(crate) partitions: usize,
    pub(crate) segments: usize,
    pub(crate) batches: u64,
    /// Batches that are part of a transaction.
    pub(crate) transactional_batches: u64,
    /// Data records.
    pub(crate) records: u64,
    /// Transaction markers and other control records.
    pub(crate) control_records: u64,
    /// Bytes of the batches in the files.
    pub(crate) bytes: u64,
    /// Bytes of all records before compression.
    pub(crate) uncompressed_bytes: u64,
    pub(crate) first_offset: Option<i64>,
    pub(crate) last_offset: Option<i64>,
    pub(crate) null_keys: u64,
    /// Records without a value.
    pub(crate) tombstones: u64,
    pub(crate) records_with_headers: u64,
    pub(crate) times: Times,
    pub(crate) sizes: Sizes,
    pub(crate) magics: Vec<MagicCount>,
    pub(crate) codecs: Vec<CodecCount>,
    /// Data records by the hour of their time, hours without any left out.
    pub(crate) hours: Vec<Period>,
    /// Records whose hours are too many to be counted one by one.
    pub(crate) records_of_other_hours: u64,
    pub(crate) producers: Names,
    pub(crate) leader_epochs: Names,
    /// Null unless asked for with `--by key`.
    pub(crate) keys: Option<Names>,
    /// Null unless asked for with `--by header`.
    pub(crate) headers: Option<Names>,
    /// Places that could not be read and were passed over.
    pub(crate) damaged: u64,
}

/// The version of the form.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) enum Version {
    /// This one.
    #[serde(rename = "stats/1")]
    One,
}

/// The times of data records.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Times {
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// Records without a time.
    pub(crate) without_time: u64,
    /// Records with a time later than now: retention by time waits for them.
    pub(crate) in_future: u64,
    /// Records with an earlier time than the record before them in their partition.
    pub(crate) steps_back: u64,
    pub(crate) largest_step_back_ms: u64,
    /// Batches by whose clock their times are of: `CreateTime`, `LogAppendTime`, `NoTimestampType`.
    pub(crate) types: Vec<TypeCount>,
}

/// Batches with times of one kind.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeCount {
    #[serde(rename = "type")]
    pub(crate) name: &'static str,
    pub(crate) batches: u64,
}

/// How large things are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sizes {
    /// Bytes of a data record before compression.
    pub(crate) record_bytes: Spread,
    /// Bytes of a key that is not null.
    pub(crate) key_bytes: Spread,
    /// Bytes of a value that is not null.
    pub(crate) value_bytes: Spread,
    /// Bytes of a batch in its file.
    pub(crate) batch_bytes: Spread,
    pub(crate) records_per_batch: Spread,
}

/// How values are spread.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spread {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) min: Option<u64>,
    pub(crate) mean: Option<f64>,
    /// Half of the values are not larger; the upper end of a class, so up to twice the exact value. The others likewise.
    pub(crate) p50: Option<u64>,
    pub(crate) p90: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) max: Option<u64>,
    /// Classes that double; those without values are left out.
    pub(crate) classes: Vec<ClassCount>,
}

/// Values from `from` to `to`, both included.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClassCount {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) count: u64,
}

/// Batches of one message format.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MagicCount {
    pub(crate) magic: i8,
    pub(crate) batches: u64,
}

/// What one codec did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CodecCount {
    pub(crate) codec: String,
    pub(crate) batches: u64,
    pub(crate) records: u64,
    /// Bytes of the batches in the files.
    pub(crate) bytes: u64,
    /// Bytes of their records before compression.
    pub(crate) uncompressed_bytes: u64,
    /// How many bytes of records became one byte of the file, heads of batches included.
    pub(crate) ratio: Option<f64>,
}

/// What an hour holds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Period {
    /// Its first millisecond.
    pub(crate) from: i64,
    pub(crate) records: u64,
    /// Before compression.
    pub(crate) bytes: u64,
}

/// The names that occur most.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Names {
    /// Different names; at least so many if the counts are not exact.
    pub(crate) distinct: usize,
    /// False if there were too many different names to count all: then `count` is at most so much too high as `error` says.
    pub(crate) exact: bool,
    pub(crate) top: Vec<Name>,
}

/// One name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Name {
    /// As text; null if it is no UTF-8.
    pub(crate) text: Option<String>,
    /// In hexadecimal; null if `text` says it.
    pub(crate) hex: Option<String>,
    /// Bytes of the whole name; more than are shown if it is long.
    pub(crate) length: u64,
    pub(crate) count: u64,
    pub(crate) error: u64,
    /// Bytes before compression.
    pub(crate) bytes: u64,
}

/// The answer for what was counted in so many partitions, with the first `top` of each list of names.
pub(super) fn report(counted: &Counted, partitions: usize, wanted: StatsOptions, top: usize) -> Report {
    let stats = &counted.stats;
    let order = &counted.order;
    Report {
        schema: Version::One,
        partitions,
        segments: counted.segments,
        batches: stats.batch_bytes.count(),
        transactional_batches: stats.transactional_batches,
        records: stats.data.records,
        control_records: stats.control.records,
        bytes: stats.batch_bytes.sum(),
        uncompressed_bytes: stats.data.bytes.saturating_add(stats.control.bytes),
        first_offset: stats.offsets.map(|(first, _)| first.get()),
        last_offset: stats.offsets.map(|(_, last)| last.get()),
        null_keys: stats.null_keys,
        tombstones: stats.null_values,
        records_with_headers: stats.with_headers,
        times: Times {
            first: stats.times.map(|(first, _)| first.get()),
            last: stats.times.map(|(_, last)| last.get()),
            without_time: stats.without_time,
            in_future: stats.in_future,
            steps_back: order.steps_back,
            largest_step_back_ms: order.largest_step_back,
            types: stats
                .timestamp_types
                .iter()
                .map(|(kind, batches)| TypeCount { name: kind.name(), batches: *batches })
                .collect(),
        },
        sizes: Sizes {
            record_bytes: spread(&stats.record_bytes),
            key_bytes: spread(&stats.key_bytes),
            value_bytes: spread(&stats.value_bytes),
            batch_bytes: spread(&stats.batch_bytes),
            records_per_batch: spread(&stats.records_per_batch),
        },
        magics: stats.magics.iter().map(|(magic, batches)| MagicCount { magic: *magic, batches: *batches }).collect(),
        codecs: codecs(&stats.codecs),
        hours: stats.hours.spans(1).iter().map(period).collect(),
        records_of_other_hours: stats.hours.others.records,
        producers: names(&stats.producers, top),
        leader_epochs: names(&stats.leader_epochs, top),
        keys: wanted.keys.then(|| names(&stats.keys, top)),
        headers: wanted.headers.then(|| names(&stats.headers, top)),
        damaged: counted.met.damaged,
    }
}

fn spread(histogram: &Histogram) -> Spread {
    Spread {
        count: histogram.count(),
        sum: histogram.sum(),
        min: histogram.min(),
        mean: histogram.mean(),
        p50: histogram.quantile(50),
        p90: histogram.quantile(90),
        p99: histogram.quantile(99),
        max: histogram.max(),
        classes: histogram
            .classes()
            .map(|class| ClassCount { from: class.from, to: class.to, count: class.count })
            .collect(),
    }
}

fn codecs(codecs: &[log_engine::inspect::CodecStats; 8]) -> Vec<CodecCount> {
    let mut counts: Vec<CodecCount> = (0_u8..)
        .zip(codecs)
        .filter(|(_, codec)| codec.batches > 0)
        .map(|(bits, codec)| CodecCount {
            codec: Codec::from_bits(bits).map_or_else(|| format!("unknown ({bits})"), |codec| codec.name().to_owned()),
            batches: codec.batches,
            records: codec.records.records,
            bytes: codec.stored,
            uncompressed_bytes: codec.records.bytes,
            ratio: (codec.stored > 0).then(|| codec.records.bytes as f64 / codec.stored as f64),
        })
        .collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.bytes));
    counts
}

fn period(span: &Span) -> Period {
    Period { from: span.from.get(), records: span.amount.records, bytes: span.amount.bytes }
}

fn names(top: &Top, n: usize) -> Names {
    Names { distinct: top.distinct(), exact: top.is_exact(), top: top.most(n).into_iter().map(name).collect() }
}

fn name(named: Named) -> Name {
    let Named { name, len, count, bytes, error } = named;
    let (text, hex) = match String::from_utf8(name) {
        Ok(text) => (Some(text), None),
        Err(bytes) => (None, Some(bytes.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect())),
    };
    Name { text, hex, length: len, count, error, bytes }
}
