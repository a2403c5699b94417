//! Why a log does not take batches: Kafka's errors of an append, each with the values that disagree.
use super::Malformed;

/// How many records of one batch are named at most when it is refused.
pub const MAX_RECORD_ERRORS: usize = 1 << 20;

/// Why batches are not appended. Names are those of Kafka's protocol errors where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Bytes that are no batch, or whose checksum does not fit. Kafka: `CORRUPT_MESSAGE`.
    #[error("corrupt batch: {0}")]
    CorruptMessage(Malformed),
    /// A batch that a client may not send. Kafka: `INVALID_RECORD`.
    #[error("invalid batch: {what} is {found}, but {expected} is allowed")]
    InvalidBatch {
        /// Which part of it.
        what: &'static str,
        /// As it came.
        found: i64,
        /// What may stand there.
        expected: &'static str,
    },
    /// Records of a batch break a rule; all of them are named. Kafka: `INVALID_RECORD`.
    #[error("{} invalid records, the first at index {}", errors.len(), errors.first().map_or(0, |e| e.index))]
    InvalidRecords {
        /// Each record and its rule, up to [`MAX_RECORD_ERRORS`].
        errors: Vec<RecordError>,
    },
    /// Records of a batch break a rule, at least one that about timestamps. Kafka: `INVALID_TIMESTAMP`.
    #[error("{} records with invalid timestamps, the first at index {}", errors.len(), errors.first().map_or(0, |e| e.index))]
    InvalidTimestamps {
        /// Each record and its rule, up to [`MAX_RECORD_ERRORS`].
        errors: Vec<RecordError>,
    },
    /// A batch is larger than the topic allows. Kafka: `MESSAGE_TOO_LARGE`.
    #[error("a batch of {size} bytes is above max.message.bytes of {limit}")]
    MessageTooLarge {
        /// Of the batch, in bytes.
        size: u64,
        /// `max.message.bytes`.
        limit: u64,
    },
    /// Batches are larger than a segment may be. Kafka: `RECORD_LIST_TOO_LARGE`.
    #[error("batches of {size} bytes are above segment.bytes of {limit}")]
    RecordListTooLarge {
        /// Of all batches, in bytes.
        size: u64,
        /// `segment.bytes`.
        limit: u64,
    },
    /// Records that do not decode. Kafka: `INVALID_RECORD`.
    #[error("invalid record: {0}")]
    InvalidRecord(Malformed),
    /// Records that cannot be reached: they do not decompress, or not within the limit, or the lengths of a message of format 0 or 1
    /// do not fit; or a producer's control record that ends no transaction. Kafka: `UNKNOWN_SERVER_ERROR`, from `KafkaException` or `IllegalArgumentException`.
    #[error("the records cannot be reached: {0}")]
    Undecodable(Malformed),
    /// Codec bits that name no codec. Kafka: `UNKNOWN_SERVER_ERROR`, from `IllegalArgumentException`.
    #[error("codec {codec} does not exist")]
    UnknownCodec {
        /// The codec bits.
        codec: u8,
    },
    /// Records that were accepted and cannot be written anew in the log's format and codec. Kafka: `UNKNOWN_SERVER_ERROR`, from
    /// `IllegalArgumentException`.
    #[error("the batch cannot be built anew: {reason}")]
    NotRebuilt {
        /// What the new batch cannot hold.
        reason: String,
    },
    /// Records whose offsets cannot be kept in their compressed batch. Kafka: `UNKNOWN_SERVER_ERROR`, from
    /// `UnsupportedOperationException`.
    #[error("the record at index {index} of a compressed batch has offset delta {found}")]
    UnsupportedOffsets {
        /// Of the first such record.
        index: usize,
        /// Its delta; its index would fit.
        found: i64,
    },
    /// A producer's batch does not follow its last one. Kafka: `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    #[error("producer {producer} sent sequence {found} for offset {offset}, but its last one is {last}")]
    OutOfOrderSequence {
        /// The producer's id.
        producer: i64,
        /// Where the batch would have gone.
        offset: i64,
        /// Its first sequence.
        found: i32,
        /// The last sequence that is known, or the lowest that was announced; -1 if none.
        last: i32,
    },
    /// A producer was replaced by one with a higher epoch. Kafka: `INVALID_PRODUCER_EPOCH`.
    #[error("producer {producer} sent epoch {found} for offset {offset}, but its epoch is {current}")]
    InvalidProducerEpoch {
        /// The producer's id.
        producer: i64,
        /// Where the batch would have gone.
        offset: i64,
        /// The epoch of the batch.
        found: i16,
        /// The epoch that is known.
        current: i16,
    },
    /// A marker by a coordinator that was replaced. Kafka: `TRANSACTION_COORDINATOR_FENCED`.
    #[error("coordinator epoch {found} of a marker of producer {producer} is below {current}")]
    TransactionCoordinatorFenced {
        /// The producer's id.
        producer: i64,
        /// The coordinator epoch of the marker.
        found: i32,
        /// The one that is known.
        current: i32,
    },
    /// A batch that does not fit its producer's transaction. Kafka: `INVALID_TXN_STATE`.
    #[error("producer {producer} at offset {offset}: {reason}")]
    InvalidTxnState {
        /// The producer's id.
        producer: i64,
        /// Where the batch would have gone.
        offset: i64,
        /// What does not fit.
        reason: &'static str,
    },
    /// A coordinator's marker that does not say the version of its transaction. Kafka: `UNKNOWN_SERVER_ERROR`, from
    /// `IllegalArgumentException`.
    #[error("a marker of producer {producer} came without a transaction version")]
    MissingTransactionVersion {
        /// The producer's id.
        producer: i64,
    },
    /// A leader epoch that cannot be one, or not begin there. Kafka: `UNKNOWN_SERVER_ERROR`, from `IllegalArgumentException`.
    #[error("leader epoch {epoch} from offset {offset}: neither can be negative")]
    InvalidLeaderEpoch {
        /// The epoch.
        epoch: i32,
        /// Where it begins: the first offset of the batch that names it.
        offset: i64,
    },
    /// A follower's batches whose offsets do not rise. Kafka: `UNKNOWN_SERVER_ERROR`, from `OffsetsOutOfOrderException`.
    #[error("batches out of order: one ends at offset {found}, the one before it at {previous}")]
    OffsetsOutOfOrder {
        /// The last offset of the batch.
        found: i64,
        /// The last offset of the one before.
        previous: i64,
    },
    /// A follower's batches that begin below the log's end. Kafka: `UNKNOWN_SERVER_ERROR`, from `UnexpectedAppendOffsetException`.
    #[error("batches from offset {first} to {last} were to be appended to a log that ends at {end}")]
    UnexpectedAppendOffset {
        /// The first offset.
        first: i64,
        /// The last offset.
        last: i64,
        /// Where the log ends.
        end: i64,
    },
    /// A batch whose offsets no segment can hold. Kafka: `UNKNOWN_SERVER_ERROR`, from `LogSegmentOffsetOverflowException` or
    /// `KafkaException`.
    #[error("offset {offset} cannot be told relative to the segment that begins at {base}")]
    OffsetOverflow {
        /// The last offset of the batch.
        offset: i64,
        /// Of the segment.
        base: i64,
    },
    /// An index has no room for the entries that the batches need. Kafka: `UNKNOWN_SERVER_ERROR`, from `IllegalArgumentException`.
    #[error("an index of the segment is full with {entries} entries")]
    IndexFull {
        /// How many it has.
        entries: usize,
    },
}

impl Refusal {
    /// The name of the error that a client gets for it in Kafka's protocol.
    ///
    /// Kafka: `Errors.forException`.
    #[must_use]
    pub const fn protocol_name(&self) -> &'static str {
        match self {
            Self::CorruptMessage(_) => "CORRUPT_MESSAGE",
            Self::InvalidBatch { .. } | Self::InvalidRecord(_) | Self::InvalidRecords { .. } => "INVALID_RECORD",
            Self::InvalidTimestamps { .. } => "INVALID_TIMESTAMP",
            Self::MessageTooLarge { .. } => "MESSAGE_TOO_LARGE",
            Self::RecordListTooLarge { .. } => "RECORD_LIST_TOO_LARGE",
            Self::OutOfOrderSequence { .. } => "OUT_OF_ORDER_SEQUENCE_NUMBER",
            Self::InvalidProducerEpoch { .. } => "INVALID_PRODUCER_EPOCH",
            Self::TransactionCoordinatorFenced { .. } => "TRANSACTION_COORDINATOR_FENCED",
            Self::InvalidTxnState { .. } => "INVALID_TXN_STATE",
            Self::Undecodable(_)
            | Self::UnknownCodec { .. }
            | Self::NotRebuilt { .. }
            | Self::InvalidLeaderEpoch { .. }
            | Self::UnsupportedOffsets { .. }
            | Self::MissingTransactionVersion { .. }
            | Self::OffsetsOutOfOrder { .. }
            | Self::UnexpectedAppendOffset { .. }
            | Self::OffsetOverflow { .. }
            | Self::IndexFull { .. } => "UNKNOWN_SERVER_ERROR",
        }
    }
}

/// What is wrong with one record of a refused batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index}: {rule}")]
pub struct RecordError {
    /// Which record, counted from 0 in its batch.
    pub index: usize,
    /// What it breaks.
    pub rule: RecordRule,
}

/// What a record must keep to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordRule {
    /// Records of a compacted topic need keys.
    #[error("it has no key, but the topic is compacted")]
    NoKey,
    /// A record in a compressed message is of another format than that message.
    #[error("its message format is {found}, but that of its batch is {expected}")]
    Magic {
        /// Of the record.
        found: i8,
        /// Of the batch.
        expected: i8,
    },
    /// The time lies too far from the time of the append.
    #[error("its timestamp {found} is not between {least} and {most}")]
    TimestampOutOfRange {
        /// Of the record.
        found: i64,
        /// The earliest that is allowed.
        least: i64,
        /// The latest that is allowed.
        most: i64,
    },
    /// A producer may not say that its times are the broker's.
    #[error("its timestamp type is LogAppendTime, which only a broker sets")]
    TimestampType,
}

impl RecordRule {
    /// True for the rules that make a refusal [`Refusal::InvalidTimestamps`].
    #[must_use]
    pub const fn is_about_timestamps(self) -> bool {
        matches!(self, Self::TimestampOutOfRange { .. } | Self::TimestampType)
    }
}
