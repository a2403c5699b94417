//! A `.log` file as Kafka's tool reads it: which batches and records it sees, and where it throws.

use std::fmt;
use std::path::Path;

use log_engine::batch::{Attributes, BatchHeader, FRAMING_LEN, HEADER_LEN, MIN_SIZE, Records, Stop};
use log_engine::fs::Source;
use log_engine::segment::{Frame, MAX_BUFFERED_BATCH, Scan, Step};
use log_engine::{Batch, Codec, Error, FilePosition, Malformed, OsFs, Record, Rule, Scratch};

use super::java::JavaFile;
use super::messages::Message;
use super::thrown::{Ended, Thrown};
use super::words;

/// An open `.log` file.
#[derive(Debug)]
pub(super) struct LogRecords {
    file: JavaFile,
    source: Source,
    size: i32,
}

/// Opens `file` to read; a symbolic link is followed, as Kafka does.
pub(super) fn open(file: &JavaFile) -> Result<Source, Error> {
    match Source::open(&OsFs, file.path()) {
        Err(Error::NotReadable { .. }) => {
            let target = std::fs::canonicalize(file.path()).unwrap_or_else(|_| file.path().to_owned());
            Source::open(&OsFs, &target)
        }
        opened => opened,
    }
}

/// True if a folder stands at `path`, perhaps behind a link.
pub(super) fn is_folder(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

impl LogRecords {
    pub(super) fn open(file: JavaFile) -> Result<Self, Ended> {
        let source = match open(&file) {
            Ok(source) => source,
            // Java opens a folder, and notices at the first read.
            Err(Error::NotReadable { .. }) if is_folder(file.path()) => {
                return Err(Thrown::kafka("java.io.IOException: Is a directory").into());
            }
            Err(Error::Io { source, .. }) => return Err(Thrown::cannot_open(&file, &source).into()),
            Err(other) => return Err(Ended::Refused(other.to_string())),
        };
        let size = i32::try_from(source.len()).map_err(|_| {
            let bytes = source.len();
            Thrown::kafka(format!(
                "The size of segment {file} ({bytes}) is larger than the maximum allowed segment size of {}",
                i32::MAX
            ))
        })?;
        Ok(Self { file, source, size })
    }

    /// The part from `position` on, of `size` bytes or as many as there are.
    pub(super) fn slice(&self, position: i32, size: i32) -> Result<Slice<'_>, Thrown> {
        if position < 0 {
            return Err(Thrown::illegal_argument(format!("Invalid position: {position} in read from {self}")));
        }
        if position > self.size {
            let message = format!("Slice from position {position} exceeds end position of {self}");
            return Err(Thrown::illegal_argument(message));
        }
        if size < 0 {
            return Err(Thrown::illegal_argument(format!("Invalid size: {size} in read from {self}")));
        }
        let end = position.checked_add(size).map_or(self.size, |end| end.min(self.size));
        Ok(Slice { records: self, start: position, end })
    }
}

impl fmt::Display for LogRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRecords(size={}, file={}, start=0, end={})", self.size, self.file, i32::MAX)
    }
}

/// A part of a `.log` file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice<'a> {
    records: &'a LogRecords,
    start: i32,
    end: i32,
}

impl<'a> Slice<'a> {
    pub(super) const fn len(&self) -> i32 {
        self.end - self.start
    }

    /// Its first byte in the file.
    pub(super) fn start(&self) -> u64 {
        u64::from(self.start.unsigned_abs())
    }

    /// The next batch of `walk`; `None` where Kafka sees the end of the slice.
    pub(super) fn next<'w>(&self, walk: &'w mut Walk) -> Result<Option<Seen<'w>>, Ended>
    where
        'a: 'w,
    {
        let end = u64::from(self.end.unsigned_abs());
        if walk.at.saturating_add(FRAMING_LEN as u64) >= end {
            return Ok(None);
        }
        let path = self.records.file.path();
        match walk.scan.next().map_err(|error| Ended::reading(path, &error))? {
            Step::Stop(Stop::Size { size }) => Err(Thrown::corrupt_record(format!(
                "Found record size {size} smaller than minimum record overhead ({MIN_SIZE}) in file {}.",
                self.records.file
            ))
            .into()),
            Step::Batch(frame) if frame.end().get() <= end => {
                walk.at = frame.end().get();
                Ok(Some(Seen { frame, slice: *self }))
            }
            Step::Batch(_) | Step::Stop(_) => Ok(None),
        }
    }
}

impl fmt::Display for Slice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, start, end } = self;
        write!(f, "FileRecords(size={}, file={}, start={start}, end={end})", self.len(), records.file)
    }
}

/// A walk over the batches of a file, to be led through slices of it.
#[derive(Debug)]
pub(super) struct Walk {
    scan: Scan,
    /// The first byte behind the batch that came last.
    at: u64,
}

impl Walk {
    /// A walk that begins at the start of the file.
    pub(super) fn over(records: &LogRecords) -> Self {
        Self { scan: Scan::new(records.source.clone()), at: 0 }
    }

    /// Goes to `position` of the file that `slice` is a part of.
    pub(super) fn seek(&mut self, slice: &Slice<'_>, position: u64) -> Result<(), Ended> {
        self.at = position;
        let path = slice.records.file.path();
        self.scan.seek(FilePosition::new(self.at)).map_err(|error| Ended::reading(path, &error))
    }

    /// The first byte behind the batch that came last.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }
}

/// A batch as Kafka's tool sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) frame: Frame<'a>,
    slice: Slice<'a>,
}

impl<'a> Seen<'a> {
    /// The head for a magic of 2 and more. Kafka reads its 61 bytes even where the batch is shorter.
    pub(super) fn header(&self) -> Result<Option<&'a BatchHeader>, Thrown> {
        match self.frame.header() {
            None if self.frame.magic() >= 2 => {
                let position = self.frame.position();
                let message = format!("Failed to load record batch at position {position} from {}", self.slice);
                Err(Thrown::kafka(message))
            }
            header => Ok(header),
        }
    }

    pub(super) fn last_offset(&self) -> Result<i64, Thrown> {
        Ok(self.header()?.map_or(self.frame.offset(), BatchHeader::last_offset).get())
    }

    fn bytes(&self) -> Result<&'a [u8], Ended> {
        self.frame.bytes().ok_or_else(|| {
            let (file, position) = (&self.slice.records.file, self.frame.position());
            Ended::Refused(format!("{file}: the batch at {position} is larger than {MAX_BUFFERED_BATCH} bytes"))
        })
    }

    /// Gives the records that Kafka's reader gives, until it throws.
    pub(super) fn for_each_record(
        &self,
        scratch: &mut Scratch,
        mut each: impl FnMut(&Shown<'_>) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        match self.header()? {
            Some(header) => self.for_each_v2(header, scratch, &mut |record| each(&Shown::Record(record))),
            None => super::messages::for_each(self.bytes()?, scratch, &mut each),
        }
    }

    fn for_each_v2(
        &self,
        header: &BatchHeader,
        scratch: &mut Scratch,
        each: &mut impl FnMut(&Record<'_>) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        if self.frame.len() < HEADER_LEN as u64 {
            return Err(Thrown::out_of_bounds().into());
        }
        let count = header.records_count();
        if count == 0 {
            return Ok(());
        }
        codec(header.attributes())?;
        if count < 0 {
            return Err(words::negative_count(count, self.frame.magic()).into());
        }
        let bytes = self.bytes()?;
        if self.frame.magic() == 2 {
            return read_v2(bytes, count, scratch, each);
        }
        // Kafka reads every later format as the second, the engine none of them.
        let mut copy = bytes.to_vec();
        if let Some(magic) = copy.get_mut(FRAMING_LEN - 1) {
            *magic = 2;
        }
        read_v2(&copy, count, scratch, each)
    }
}

/// What a record line shows.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    /// A record that the engine decoded.
    Record(&'a Record<'a>),
    /// A message of format 0 or 1 in a damaged batch, field by field.
    Message(&'a Message<'a>),
}

impl Shown<'_> {
    pub(super) fn offset(&self) -> i64 {
        match self {
            Self::Record(record) => record.offset.get(),
            Self::Message(message) => message.offset,
        }
    }

    pub(super) fn timestamp(&self) -> Result<i64, Thrown> {
        match self {
            Self::Record(record) => Ok(record.timestamp.get()),
            Self::Message(message) => message.timestamp(),
        }
    }
}

/// The codec of a batch. Kafka: `CompressionType.forId`.
pub(super) fn codec(attributes: Attributes) -> Result<Codec, Thrown> {
    let id = attributes.codec_bits();
    Codec::from_bits(id).ok_or_else(|| Thrown::illegal_argument(format!("Unknown compression type id: {id}")))
}

/// Records that are not compressed come one by one, and Kafka looks for bytes left over when it reads the last of them;
/// compressed ones are all read before the first is shown.
fn read_v2(
    bytes: &[u8],
    count: i32,
    scratch: &mut Scratch,
    each: &mut impl FnMut(&Record<'_>) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let Ok(batch) = Batch::parse(bytes) else {
        return Err(Thrown::out_of_bounds().into());
    };
    let compressed = batch.attributes().codec_bits() != 0;
    let outcome = match batch.records(scratch) {
        Err(_) => Err(None),
        Ok(records) if compressed && records.clone().any(|record| record.is_err()) => Err(None),
        Ok(records) => feed(records, count, each),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(Some(ended)) => Err(ended),
        Err(None) => Err(match batch.payload(scratch) {
            Ok(payload) => words::of_records(payload, count, compressed).into(),
            Err(Malformed { rule: rule @ Rule::TooLarge { .. }, .. }) => Ended::Refused(rule.to_string()),
            Err(_) => words::of_stream(&batch).into(),
        }),
    }
}

/// Gives the records that decode to `each`, the last of `count` only if nothing is left behind it. The error is `each`'s, or none
/// if it lies in the records.
fn feed(
    mut records: Records<'_>,
    count: i32,
    each: &mut impl FnMut(&Record<'_>) -> Result<(), Ended>,
) -> Result<(), Option<Ended>> {
    for _ in 1..count {
        let record = records.next().and_then(Result::ok).ok_or(None)?;
        each(&record).map_err(Some)?;
    }
    let last = records.next().and_then(Result::ok).ok_or(None)?;
    if records.next().is_some() {
        return Err(None);
    }
    each(&last).map_err(Some)
}
