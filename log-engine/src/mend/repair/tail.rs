//! Cutting what lies behind the last sound batch of a log.

use crate::error::{Error, Result};
use crate::fs::{OpenMode, Source, WriteFs};
use crate::log::PartitionDirectory;
use crate::mend::Overlay;
use crate::segment::{Scan, SegmentFile};

/// Cuts it off the last segment, on the overlay; true if there was anything.
pub(super) fn cut(overlay: &Overlay, folder: &PartitionDirectory) -> Result<bool> {
    let Some((base, len)) = folder.logs().next_back() else { return Ok(false) };
    let path = folder.file(base, SegmentFile::Log);
    let mut end = 0;
    Scan::new(Source::open(overlay, &path)?).each_sound(|frame| end = frame.end().get())?;
    if end >= len {
        return Ok(false);
    }
    let file = overlay.open_write(&path, OpenMode::Existing)?;
    file.set_len(end).map_err(|e| Error::io("cut", &path, e))?;
    Ok(true)
}
