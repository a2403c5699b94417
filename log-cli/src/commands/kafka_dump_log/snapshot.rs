//! `.snapshot` files: a producer a line. A damaged one is said on standard error, and the dump goes on.

use std::fmt::Write;

use log_engine::producer::{ProducerSnapshot, SnapshotEntry};
use log_engine::{Error, Malformed, Rule, Sequence};

use super::java::JavaFile;
use super::printer::Printer;
use super::records::{is_folder, open};
use super::thrown::{Ended, Thrown, reason};

/// Larger files are refused: a million producers need less.
const MAX_BYTES: usize = 64 << 20;

pub(super) fn dump(file: &JavaFile, printer: &mut Printer) -> Result<(), Ended> {
    let bytes = match open(file).and_then(|source| source.read_all(MAX_BYTES)) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) => return Err(Thrown::cannot_open(file, &source).into()),
        Err(Error::NotReadable { .. }) if is_folder(file.path()) => {
            return Err(Thrown::new("java.io.IOException", reason(&std::io::ErrorKind::IsADirectory.into())).into());
        }
        Err(other) => return Err(Ended::Refused(other.to_string())),
    };
    match ProducerSnapshot::decode_prefix(&bytes) {
        Ok(snapshot) => {
            for entry in &snapshot.entries {
                printer.line(&line(entry));
                printer.hand_over()?;
            }
            Ok(())
        }
        Err(malformed) => printer.error_line(words(&malformed, &bytes)),
    }
}

fn line(entry: &SnapshotEntry) -> String {
    let (id, epoch, timestamp) = (entry.producer_id, entry.producer_epoch, entry.timestamp);
    let coordinator = entry.coordinator_epoch.unwrap_or(-1);
    // Kafka takes every negative offset for none.
    let first = entry.txn_first_offset.filter(|offset| offset.get() >= 0);
    let first = first.map_or("OptionalLong.empty".to_owned(), |offset| format!("OptionalLong[{offset}]"));
    let mut line = format!(
        "producerId: {id} producerEpoch: {epoch} coordinatorEpoch: {coordinator} currentTxnFirstOffset: {first} \
         lastTimestamp: {timestamp}"
    );
    if let Some(last_offset) = entry.last_offset.filter(|offset| offset.get() >= 0) {
        let delta = entry.offset_delta;
        let last = entry.last_sequence.unwrap_or(Sequence::new(-1));
        let first = last.minus(delta.get());
        let _ = write!(
            line,
            " firstSequence: {first} lastSequence: {last} lastOffset: {last_offset} offsetDelta: {delta} timestamp: {timestamp}"
        );
    }
    line
}

/// What Kafka says of a snapshot that it does not take.
fn words(malformed: &Malformed, bytes: &[u8]) -> String {
    let schema = |reason: String| format!("Snapshot failed schema validation: {reason}");
    match &malformed.rule {
        Rule::Version { found, .. } => schema(format!("Snapshot contained an unknown file version {found}")),
        Rule::Checksum { stored, computed } => {
            format!("Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}")
        }
        Rule::Negative { .. } => schema("non-nullable field producerEntries was serialized as null".into()),
        _ => {
            // Kafka holds the number of entries against the bytes behind it before it reads the first.
            let count = bytes.get(6..).and_then(|rest| rest.first_chunk()).map(|count| i32::from_be_bytes(*count));
            let left = bytes.len().saturating_sub(10);
            match count.filter(|count| usize::try_from(*count).is_ok_and(|count| count > left)) {
                Some(count) => schema(format!(
                    "Tried to allocate a collection of size {count}, but there are only {left} bytes remaining."
                )),
                None => schema("null".into()),
            }
        }
    }
}
