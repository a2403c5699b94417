//! `.index` files: an entry a line, each held against the batch that it points at.

use log_engine::segment::OffsetIndex;
use log_engine::{Error, Offset, Rule};

use super::arguments::Arguments;
use super::java::{JavaFile, parse_long};
use super::printer::Printer;
use super::records::{LogRecords, Walk, is_folder, open};
use super::report::Report;
use super::thrown::{Ended, Thrown, reason};

pub(super) fn dump(
    file: &JavaFile,
    arguments: &Arguments,
    printer: &mut Printer,
    report: &mut Report,
) -> Result<(), Ended> {
    let max_message_size = arguments.max_message_size()?;
    let base = Offset::new(parse_long(file.stem())?);
    let records = LogRecords::open(file.companion(".log"))?;
    let index = OffsetIndex::new(file.path(), base, read(file)?);
    if index.is_empty() {
        printer.line(&format!("{file} is empty."));
        return Ok(());
    }
    if arguments.has("index-sanity-check") {
        index.check().map_err(|error| corrupt(file, &index, &error))?;
        printer.line(&format!("{file} passed sanity check."));
        return Ok(());
    }
    let mut walk = Walk::over(&records);
    for (n, entry) in index.iter().enumerate() {
        let offset = entry.offset(base);
        // The zeros behind the last entry of a file that was not trimmed.
        if offset == base && n > 0 {
            break;
        }
        let slice = records.slice(entry.position, max_message_size)?;
        walk.seek(&slice, slice.start())?;
        let batch = slice.next(&mut walk)?.ok_or_else(no_batch)?;
        let last_offset = batch.last_offset()?;
        if last_offset != offset.get() {
            report.offset_mismatch(file, offset.get(), last_offset);
        }
        if !arguments.has("verify-index-only") {
            printer.line(&format!("offset: {offset} position: {}", entry.position));
            printer.hand_over()?;
        }
    }
    Ok(())
}

/// The bytes of an index file. Where there is none, Kafka's tool makes an empty one and then fails; here nothing is made.
pub(super) fn read(file: &JavaFile) -> Result<Vec<u8>, Ended> {
    let not_found = |why: &str| Thrown::new("java.io.FileNotFoundException", format!("{file} ({why})"));
    let opened = open(file).and_then(|source| source.read_all(log_engine::segment::MAX_INDEX_BYTES));
    opened.map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Thrown::illegal_argument("Invalid max index size: -1").into()
        }
        Error::Io { source, .. } => not_found(&reason(&source)).into(),
        Error::NotReadable { .. } if is_folder(file.path()) => not_found("Is a directory").into(),
        other => Ended::Refused(other.to_string()),
    })
}

/// What an iterator without a batch throws.
fn no_batch() -> Thrown {
    Thrown::without_message("java.util.NoSuchElementException")
}

fn corrupt(file: &JavaFile, index: &OffsetIndex, error: &Error) -> Thrown {
    let path = file.absolute();
    let path = path.display();
    let message = match error {
        Error::Corrupt(corrupt) if matches!(corrupt.rule, Rule::Below { .. }) => format!(
            "Corrupt index found, index file {path} has non-zero size but the last offset is {} which is less than the base \
             offset {}",
            index.last_offset(),
            index.base()
        ),
        _ => format!(
            "Index file {path} is corrupt, found {} bytes which is neither positive nor a multiple of 8",
            index.bytes().len()
        ),
    };
    Thrown::corrupt_index(message)
}
