//! `.timeindex` files: an entry a line, each held against the batch that ends at its offset.

use log_engine::segment::{OffsetIndex, TimeIndex};
use log_engine::{Error, Offset, Rule, Scratch};

use super::arguments::Arguments;
use super::java::{JavaFile, parse_long};
use super::offset_index::read;
use super::printer::Printer;
use super::records::{LogRecords, Slice, Walk};
use super::report::Report;
use super::thrown::{Ended, Thrown};

/// What stands for no timestamp.
const NO_TIMESTAMP: i64 = -1;

pub(super) fn dump(
    file: &JavaFile,
    arguments: &Arguments,
    printer: &mut Printer,
    report: &mut Report,
) -> Result<(), Ended> {
    let base = Offset::new(parse_long(file.stem())?);
    let records = LogRecords::open(file.companion(".log"))?;
    let offsets = file.companion(".index");
    let offsets = OffsetIndex::new(offsets.path(), base, read(&offsets)?);
    let index = TimeIndex::new(file.path(), base, read(file)?);
    if arguments.has("index-sanity-check") {
        index.check().map_err(|error| corrupt(file, &index, &error))?;
        printer.line(&format!("{file} passed sanity check."));
        return Ok(());
    }
    let mut finder = Finder { walk: Walk::over(&records), whole_from: None, scratch: Scratch::default() };
    let mut previous = NO_TIMESTAMP;
    for (n, entry) in index.iter().enumerate() {
        let (offset, timestamp) = (entry.offset(base), entry.timestamp.get());
        // The zeros behind the last entry of a file that was not trimmed.
        if offset == base && n > 0 {
            break;
        }
        let slice = records.slice(offsets.lookup(offset).position, i32::MAX)?;
        match finder.find(&slice, offset.get())? {
            Found::Nothing => report.not_found(file, offset.get(), -1),
            Found::Behind { last_offset } => report.not_found(file, offset.get(), last_offset),
            Found::Batch { max_timestamp } => {
                if max_timestamp != timestamp {
                    report.timestamp_mismatch(file, timestamp, max_timestamp);
                }
                if previous >= timestamp {
                    report.out_of_order(file, timestamp, previous);
                }
            }
        }
        if !arguments.has("verify-index-only") {
            printer.line(&format!("timestamp: {timestamp} offset: {offset}"));
            printer.hand_over()?;
        }
        previous = timestamp;
    }
    Ok(())
}

/// The first batch of a slice that reaches an offset.
#[derive(Debug)]
enum Found {
    Nothing,
    /// It ends behind the offset.
    Behind {
        last_offset: i64,
    },
    /// It ends there.
    Batch {
        /// The largest timestamp of its records.
        max_timestamp: i64,
    },
}

/// Looks for batches in slices that all end at the file's end.
#[derive(Debug)]
struct Finder {
    walk: Walk,
    /// The first byte of a batch from which on a walk met nothing wrong up to the end of the file.
    whole_from: Option<u64>,
    scratch: Scratch,
}

impl Finder {
    /// Kafka lists all batches of the slice first, so that a broken one behind the one that is looked for is an error too.
    fn find(&mut self, slice: &Slice<'_>, offset: i64) -> Result<Found, Ended> {
        let start = slice.start();
        if !self.is_on_a_whole_walk(slice, start)? {
            self.walk.seek(slice, start)?;
            while slice.next(&mut self.walk)?.is_some() {}
        }
        self.whole_from = Some(start);
        self.walk.seek(slice, start)?;
        while let Some(batch) = slice.next(&mut self.walk)? {
            let last_offset = batch.last_offset()?;
            if last_offset < offset {
                continue;
            }
            if last_offset > offset {
                return Ok(Found::Behind { last_offset });
            }
            let mut max_timestamp = NO_TIMESTAMP;
            batch.for_each_record(&mut self.scratch, |shown| {
                max_timestamp = max_timestamp.max(shown.timestamp()?);
                Ok(())
            })?;
            return Ok(Found::Batch { max_timestamp });
        }
        Ok(Found::Nothing)
    }

    /// True if the walk that is known to be whole has a batch that begins at `start`: then the one from there is whole too.
    fn is_on_a_whole_walk(&mut self, slice: &Slice<'_>, start: u64) -> Result<bool, Ended> {
        let Some(from) = self.whole_from.filter(|from| *from <= start) else {
            return Ok(false);
        };
        self.walk.seek(slice, from)?;
        while self.walk.at() < start && slice.next(&mut self.walk)?.is_some() {}
        Ok(self.walk.at() == start)
    }
}

fn corrupt(file: &JavaFile, index: &TimeIndex, error: &Error) -> Thrown {
    let path = file.absolute();
    let path = path.display();
    let last = index.last_entry();
    let message = match error {
        Error::Corrupt(corrupt)
            if corrupt.rule == (Rule::Trailing { what: "the time index", left: index.odd_bytes() as u64 }) =>
        {
            format!(
                "Time index file {path} is corrupt, found {} bytes which is neither positive nor a multiple of 12",
                index.bytes().len()
            )
        }
        _ => match index.get(0).filter(|first| last.timestamp < first.timestamp) {
            Some(first) => format!(
                "Corrupt time index found, time index file ({path}) has non-zero size but the last timestamp is {} which is \
                 less than the first timestamp {}",
                last.timestamp, first.timestamp
            ),
            None => format!(
                "Corrupt time index found, time index file ({path}) has non-zero size but the last offset is {} which is less \
                 than the first offset {}",
                last.offset,
                index.base()
            ),
        },
    };
    Thrown::corrupt_index(message)
}
