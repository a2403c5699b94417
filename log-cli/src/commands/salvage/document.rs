//! What `salvage` says to programs, and leaves in `report.json`.

use std::path::Path;

use log_engine::Offset;
use log_engine::inspect::{Finding, Severity};
use log_engine::salvage::{
    Lost, NextOfProducer, OpenAtGap, PartitionReport, Report, SetAside, SourceReport, Unreadable,
};
use schemars::JsonSchema;
use serde::Serialize;

/// What was salvaged.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// Nothing is lost and nothing was set aside.
    complete: bool,
    /// What was made.
    output: String,
    /// The folder with what could not be salvaged; null if everything was.
    lost_and_found: Option<String>,
    /// In order of topic and number.
    partitions: Vec<PartitionRow>,
}

/// One partition.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PartitionRow {
    /// The topic; null for copies under other names.
    topic: Option<String>,
    /// The partition's number.
    partition: Option<i32>,
    /// Where it is now.
    path: String,
    /// Nothing is lost and nothing was set aside.
    complete: bool,
    /// The copies that it was salvaged from.
    sources: Vec<SourceRow>,
    /// The place among the sources of the copy whose history this is.
    leader: usize,
    /// Segments written.
    segments: u64,
    /// Batches kept.
    batches: u64,
    /// Data records in them.
    records: u64,
    /// Bytes of these batches.
    bytes: u64,
    /// The first offset; null if nothing was kept.
    first_offset: Option<i64>,
    /// The last offset.
    last_offset: Option<i64>,
    /// Offsets that the salvaged log does not have.
    lost: Vec<LostRow>,
    /// Batches whose checksum fits and which cannot stand in the log.
    set_aside: Vec<AsideRow>,
    /// Bytes of sources that are no sound batch.
    unreadable: Vec<UnreadableRow>,
    /// The log shows that it was cleaned: offsets that no damage took are missing without a word.
    cleaned: bool,
    /// There are so many producers that their state was not written: the next start makes it from the log.
    left_out_producers: bool,
    /// What was found when the salvaged log was read again.
    verified: VerifiedRow,
}

/// A copy.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SourceRow {
    /// Its folder.
    path: String,
    /// Its segments.
    segments: u64,
    /// Bytes of their `.log` files.
    bytes: u64,
    /// Batches that were taken from it.
    batches: u64,
}

/// Offsets that are missing.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LostRow {
    /// The first.
    from: i64,
    /// The last; null if it is not known how far the log went on.
    last: Option<i64>,
    /// One word for the likely cause.
    cause: &'static str,
    /// The same in words.
    why: String,
    /// The file in which they should stand.
    file: Option<String>,
    /// Where.
    position: Option<u64>,
    /// Transactions that were open in front of them: readers of committed records may see these differently.
    transactions: Vec<TransactionRow>,
    /// How many more there are.
    more_transactions: u64,
}

/// A transaction that was open in front of lost offsets.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TransactionRow {
    producer_id: i64,
    producer_epoch: i16,
    /// Where it began.
    first_offset: i64,
    /// What its producer has next behind the lost offsets.
    next: NextWord,
    /// Where.
    next_offset: Option<i64>,
}

/// What a producer has next.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NextWord {
    /// Nothing: the transaction stays open.
    Nothing,
    /// Records.
    Data,
    /// A marker that commits.
    Commit,
    /// A marker that aborts.
    Abort,
}

/// Batches that were set aside for one reason.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AsideRow {
    /// The place of their copy among the sources.
    source: usize,
    file: String,
    position: u64,
    bytes: u64,
    /// As they say.
    first_offset: i64,
    /// As they say.
    last_offset: i64,
    batches: u64,
    /// As they say.
    records: u64,
    /// One word for why.
    reason: &'static str,
    /// The same in words.
    why: String,
    /// The file in the folder beside the output that holds them.
    kept_as: String,
}

/// Bytes that are no sound batch.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UnreadableRow {
    /// The place of their copy among the sources.
    source: usize,
    file: String,
    position: u64,
    bytes: u64,
    /// The offset that should stand there first; null where nothing says it.
    expected_offset: Option<i64>,
    /// The offset of the next sound batch that was kept.
    next_offset: Option<i64>,
    /// One word for the likely cause.
    cause: &'static str,
    /// The same in words.
    why: String,
    /// The rule that the bytes break.
    rule: String,
    /// The search for the next sound batch was given up: what follows in the file was not looked at.
    gave_up: bool,
    /// Another copy had what should stand there.
    healed: bool,
    /// The file in the folder beside the output that holds them.
    kept_as: String,
}

/// What was found when the output was read again.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct VerifiedRow {
    /// Sound batches.
    batches: u64,
    /// What is worth a word; missing offsets among it.
    findings: Vec<FindingRow>,
}

/// A finding as `verify` has it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FindingRow {
    code: &'static str,
    severity: &'static str,
    file: String,
    position: Option<u64>,
    offset: Option<i64>,
    message: String,
}

impl Document {
    pub(super) fn new(report: &Report, output: &Path) -> Self {
        Self {
            complete: report.is_complete(),
            output: shown(output),
            lost_and_found: report.lost_and_found.as_deref().map(shown),
            partitions: report.partitions.iter().map(PartitionRow::new).collect(),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl PartitionRow {
    fn new(report: &PartitionReport) -> Self {
        let findings = report.findings.iter().filter(|finding| finding.severity > Severity::Info);
        Self {
            topic: report.partition.as_ref().map(|it| it.topic.clone()),
            partition: report.partition.as_ref().map(|it| it.partition),
            path: shown(&report.path),
            complete: report.is_complete(),
            sources: report.sources.iter().map(SourceRow::new).collect(),
            leader: report.leader,
            segments: report.segments,
            batches: report.batches,
            records: report.records,
            bytes: report.bytes,
            first_offset: report.offsets.map(|(first, _)| first.get()),
            last_offset: report.offsets.map(|(_, last)| last.get()),
            lost: report.lost.iter().map(LostRow::new).collect(),
            set_aside: report.aside.iter().map(AsideRow::new).collect(),
            unreadable: report.unreadable.iter().map(UnreadableRow::new).collect(),
            cleaned: report.is_cleaned,
            left_out_producers: report.left_out_producers,
            verified: VerifiedRow {
                batches: report.verified_batches,
                findings: findings.map(FindingRow::new).collect(),
            },
        }
    }
}

impl SourceRow {
    fn new(source: &SourceReport) -> Self {
        Self { path: shown(&source.path), segments: source.segments, bytes: source.bytes, batches: source.batches }
    }
}

impl LostRow {
    fn new(lost: &Lost) -> Self {
        let (file, position) = lost.place.as_ref().map(|(file, position)| (shown(file), *position)).unzip();
        Self {
            from: lost.from.get(),
            last: lost.until.map(|until| until.get().saturating_sub(1)),
            cause: lost.why.name(),
            why: lost.why.to_string(),
            file,
            position,
            transactions: lost.transactions.iter().map(TransactionRow::new).collect(),
            more_transactions: lost.more_transactions,
        }
    }
}

impl TransactionRow {
    fn new(open: &OpenAtGap) -> Self {
        let (next, next_offset) = match open.next {
            NextOfProducer::Data { offset } => (NextWord::Data, Some(offset)),
            NextOfProducer::Marker { offset, commit: true } => (NextWord::Commit, Some(offset)),
            NextOfProducer::Marker { offset, commit: false } => (NextWord::Abort, Some(offset)),
            _ => (NextWord::Nothing, None),
        };
        Self {
            producer_id: open.producer_id.get(),
            producer_epoch: open.producer_epoch.get(),
            first_offset: open.first_offset.get(),
            next,
            next_offset: next_offset.map(Offset::get),
        }
    }
}

impl AsideRow {
    fn new(aside: &SetAside) -> Self {
        Self {
            source: aside.source,
            file: shown(&aside.file),
            position: aside.position,
            bytes: aside.bytes,
            first_offset: aside.offsets.0.get(),
            last_offset: aside.offsets.1.get(),
            batches: aside.batches,
            records: aside.records,
            reason: aside.reason.name(),
            why: aside.reason.to_string(),
            kept_as: shown(&aside.kept_as),
        }
    }
}

impl UnreadableRow {
    fn new(unreadable: &Unreadable) -> Self {
        Self {
            source: unreadable.source,
            file: shown(&unreadable.file),
            position: unreadable.position,
            bytes: unreadable.bytes,
            expected_offset: unreadable.offsets.0.map(Offset::get),
            next_offset: unreadable.offsets.1.map(Offset::get),
            cause: unreadable.cause.name(),
            why: unreadable.cause.to_string(),
            rule: unreadable.rule.clone(),
            gave_up: unreadable.gave_up,
            healed: unreadable.is_healed,
            kept_as: shown(&unreadable.kept_as),
        }
    }
}

impl FindingRow {
    fn new(finding: &Finding) -> Self {
        Self {
            code: finding.code.name(),
            severity: finding.severity.name(),
            file: shown(&finding.file),
            position: finding.position,
            offset: finding.offset.map(Offset::get),
            message: finding.message.clone(),
        }
    }
}
