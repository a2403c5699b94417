//! `.txnindex` files: an aborted transaction a line.

use log_engine::segment::TxnIndex;
use log_engine::{Error, Offset};

use super::java::{JavaFile, parse_long};
use super::printer::Printer;
use super::records::{is_folder, open};
use super::thrown::{Ended, Thrown};

pub(super) fn dump(file: &JavaFile, printer: &mut Printer) -> Result<(), Ended> {
    let base = Offset::new(parse_long(file.stem())?);
    let bytes = match open(file).and_then(|source| source.read_all(log_engine::segment::MAX_INDEX_BYTES)) {
        Ok(bytes) => bytes,
        // A segment without aborted transactions has no such file.
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(Error::Io { source, .. }) => return Err(Thrown::cannot_open(file, &source).into()),
        Err(Error::NotReadable { .. }) if is_folder(file.path()) => {
            let message = format!("{file}: Is a directory");
            return Err(Thrown::new("java.nio.file.FileSystemException", message).into());
        }
        Err(other) => return Err(Ended::Refused(other.to_string())),
    };
    let index = TxnIndex::new(file.path(), base, bytes);
    if let Some(txn) = index.iter().find(|txn| txn.stored_version != 0) {
        let (version, path) = (txn.stored_version, file.absolute());
        let path = path.display();
        return Err(Thrown::kafka(format!(
            "Unexpected aborted transaction version {version} in transaction index {path}, supported version range is 0 to 0"
        ))
        .into());
    }
    for txn in index.iter() {
        let (producer, first, last) = (txn.producer_id, txn.first_offset, txn.last_offset);
        let stable = txn.last_stable_offset;
        printer.line(&format!(
            "version: 0 producerId: {producer} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
        ));
        printer.hand_over()?;
    }
    Ok(())
}
