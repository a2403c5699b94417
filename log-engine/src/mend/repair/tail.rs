//! Cutting what lies behind the last sound batch of a log.

use crate::batch::Stop;
use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFs};
use crate::log::PartitionDirectory;
use crate::mend::Overlay;
use crate::segment::{Resync, Scan, SegmentFile, Step};

/// Cuts it off the last segment, on the overlay; true if there was anything.
pub(super) fn cut(overlay: &Overlay, folder: &PartitionDirectory) -> Result<bool> {
    let Some((base, len)) = folder.logs().next_back() else { return Ok(false) };
    let path = folder.file(base, SegmentFile::Log);
    let end = sound_end(Source::open(overlay, &path)?)?;
    if end >= len {
        return Ok(false);
    }
    let file = overlay.open_write(&path, OpenMode::Existing)?;
    file.set_len(end).map_err(|e| Error::io("cut", &path, e))?;
    Ok(true)
}

/// Behind the last batch whose checksum fits, whatever lies before it.
fn sound_end(source: Source) -> Result<u64> {
    let mut scan = Scan::new(source);
    let mut end = 0;
    loop {
        let is_sound = match scan.next()? {
            Step::Batch(frame) if frame.check_crc().is_ok() => {
                end = frame.end().get();
                true
            }
            Step::Stop(Stop::End) => return Ok(end),
            Step::Batch(_) | Step::Stop(_) => false,
        };
        if !is_sound && !matches!(scan.resync()?, Resync::Found(_)) {
            return Ok(end);
        }
    }
}
