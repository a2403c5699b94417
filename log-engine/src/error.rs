//! What can go wrong, as values to match: file, position, rule and both numbers that disagree.
//!
//! The engine gives evidence; advice (what to run next) belongs to the command line. `encoding`, `compress` and `batch` know no
//! file: they return [`Malformed`], a place within their slice, and the room that knows the file makes [`Corrupt`] of it.

mod refusal;

use std::io;
use std::path::{Path, PathBuf};

pub use self::refusal::{MAX_RECORD_ERRORS, RecordError, RecordRule, Refusal};
use crate::units::FilePosition;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes of a file break a rule of their format.
    #[error(transparent)]
    Corrupt(Box<Corrupt>),
    /// The operating system refused.
    #[error("cannot {op} {}: {source}", path.display())]
    Io {
        /// The verb, such as `open` or `read`.
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a file or folder that this crate reads: a FIFO, a socket, a link, a device, or a folder that is no Kafka directory.
    #[error("{}: {what}", path.display())]
    NotReadable {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// A lock is held by another process, or by another holder in this one.
    #[error("{} is locked{}", path.display(), holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process, where the kernel names it.
        holder: Option<i32>,
    },
    /// The log was closed; it can be opened again.
    #[error("{} is closed", path.display())]
    Closed {
        /// The folder of the partition.
        path: PathBuf,
    },
    /// A write or a sync failed earlier, so that nobody knows what the disk holds: nothing more is written until the log is opened
    /// again. Reading goes on.
    #[error("{} takes no writes until it is opened again: {cause}", path.display())]
    Poisoned {
        /// The folder of the partition.
        path: PathBuf,
        /// What failed.
        cause: String,
    },
    /// What was being read has been cut off or deleted meanwhile.
    #[error("the log was cut to {start} to {end} while it was read at offset {at}")]
    Overtaken {
        /// Where the reader was.
        at: i64,
        /// The first offset that can be read now.
        start: i64,
        /// The first offset that does not exist now.
        end: i64,
    },
    /// Batches that the log does not take. Nothing of them was written.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// An offset outside the log was asked for.
    #[error("offset {asked} is outside the log, which holds {start} to {end}")]
    OffsetOutOfRange {
        /// What was asked for.
        asked: i64,
        /// The first offset that can be read.
        start: i64,
        /// The first offset that does not exist yet.
        end: i64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Error {
    /// True if the file system has no room: what was asked for works again when there is some.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }

    /// An operating-system error with its verb and path.
    pub(crate) fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { op, path: path.to_owned(), source }
    }

    /// A broken rule at a place in a file.
    pub(crate) fn corrupt(file: &Path, position: FilePosition, rule: Rule) -> Self {
        Self::Corrupt(Box::new(Corrupt { file: file.to_owned(), position, rule }))
    }
}

/// Where a rule is broken, which rule, and the values that disagree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {position}: {rule}", file.display())]
pub struct Corrupt {
    /// The file that breaks the rule.
    pub file: PathBuf,
    /// The first byte of the batch, entry or line that breaks it.
    pub position: FilePosition,
    /// The rule.
    pub rule: Rule,
}

/// A broken rule at a place in a slice: what a decoder knows before anybody has told it which file it reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at} of the slice: {rule}")]
pub struct Malformed {
    /// Bytes from the start of the slice that was given to the decoder.
    pub at: usize,
    /// The rule.
    pub rule: Rule,
}

impl Malformed {
    /// A broken rule at `at`.
    #[must_use]
    pub const fn new(at: usize, rule: Rule) -> Self {
        Self { at, rule }
    }

    /// The same, seen from a slice that begins `by` bytes earlier.
    #[must_use]
    pub fn shifted(self, by: usize) -> Self {
        Self { at: self.at.saturating_add(by), rule: self.rule }
    }

    /// The same, in a file whose byte `base` is the slice's first.
    #[must_use]
    pub fn in_file(self, file: &Path, base: FilePosition) -> Error {
        Error::corrupt(file, base.plus(self.at as u64), self.rule)
    }
}

/// The rules that bytes can break. Both values are in each: what stands there, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// A value needs more bytes than are left.
    #[error("{needed} bytes are needed here, {present} are left")]
    Short {
        /// Bytes the value needs.
        needed: u64,
        /// Bytes that are there.
        present: u64,
    },
    /// A checksum does not fit its bytes.
    #[error("checksum is {stored:08x} on disk but {computed:08x} computed")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As computed over the bytes.
        computed: u32,
    },
    /// A batch claims fewer bytes than its format's smallest.
    #[error("size {size} is below the minimum of {minimum}")]
    SizeTooSmall {
        /// The size field: bytes that follow it.
        size: i32,
        /// The least it can be.
        minimum: i32,
    },
    /// A length field promises more than is there.
    #[error("{field} promises {promised} bytes, {present} are there")]
    Length {
        /// Which field.
        field: &'static str,
        /// What it says.
        promised: i64,
        /// What is left for it.
        present: u64,
    },
    /// A length or count is negative where it cannot be.
    #[error("{field} is {value}; it cannot be negative")]
    Negative {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: i64,
    },
    /// A variable-length integer does not end in time.
    #[error("variable-length integer runs past its {max} bytes")]
    Varint {
        /// The longest legal form.
        max: usize,
    },
    /// A format version this code does not know.
    #[error("{what} version is {found}; {known} is known")]
    Version {
        /// Of which format.
        what: &'static str,
        /// What stands there.
        found: i64,
        /// What is understood.
        known: &'static str,
    },
    /// A compression codec that does not exist, or not in this format.
    #[error("compression codec {id} is not known in message format {magic}")]
    Codec {
        /// The codec bits.
        id: u8,
        /// The batch's magic.
        magic: i8,
    },
    /// A compressed block does not decode.
    #[error("{codec} data does not decode: {reason}")]
    Compressed {
        /// Which codec.
        codec: &'static str,
        /// What its decoder met.
        reason: String,
    },
    /// More would come out than may be held in memory.
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// More things would be read than are read at once.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A key or field that the format demands is not there.
    #[error("{what} is missing")]
    Missing {
        /// Which key or field.
        what: &'static str,
    },
    /// Two numbers that must be equal are not.
    #[error("{what} is {found}, but {expected} fits")]
    Mismatch {
        /// Which number.
        what: &'static str,
        /// As stored.
        found: i64,
        /// As it would have to be.
        expected: i64,
    },
    /// Two texts that must be equal are not.
    #[error("{what} is {found:?}, but {expected:?} fits")]
    OtherText {
        /// Which text.
        what: &'static str,
        /// As stored.
        found: String,
        /// As it would have to be.
        expected: String,
    },
    /// A number is smaller than it can be.
    #[error("{what} is {found}, below {least}")]
    Below {
        /// Which number.
        what: &'static str,
        /// As stored.
        found: i64,
        /// The least it can be.
        least: i64,
    },
    /// Bytes are left where the format ends.
    #[error("{left} bytes are left after the end of {what}")]
    Trailing {
        /// What ended.
        what: &'static str,
        /// How many bytes follow.
        left: u64,
    },
    /// A line of text is not what it must be.
    #[error("line {line} is {found:?}; expected {expected}")]
    Text {
        /// Counted from 1.
        line: u64,
        /// What stands there (cut to a bound).
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A number in a line of text is none, or does not fit its type.
    #[error("line {line}: {found:?} is not a {expected}")]
    Number {
        /// Counted from 1.
        line: u64,
        /// What stands there (cut to a bound).
        found: String,
        /// The type.
        expected: &'static str,
    },
    /// A nested compressed message, which the format does not allow.
    #[error("a compressed message holds another compressed message")]
    Nested,
    /// A compressed wrapper message without messages in it.
    #[error("a compressed message holds no messages")]
    EmptyWrapper,
    /// An index points at a place where no batch begins.
    #[error("no batch begins at byte {position} of the log")]
    NoBatch {
        /// Where the index points.
        position: u64,
    },
    /// An index names an offset that its segment does not hold.
    #[error("the segment does not hold offset {offset}")]
    NoOffset {
        /// What the index names.
        offset: i64,
    },
    /// An offset that no index entry of its segment can say.
    #[error("offset {offset} cannot be told relative to the segment that begins at {base}")]
    OffsetOverflow {
        /// The last offset of the batch.
        offset: i64,
        /// The base offset of the segment.
        base: i64,
    },
    /// A data batch outside the transaction that its producer has open.
    #[error("the batch is not transactional, but its producer {producer} has a transaction open since offset {since}")]
    NotTransactional {
        /// The producer's id.
        producer: i64,
        /// Where its transaction began.
        since: i64,
    },
}
