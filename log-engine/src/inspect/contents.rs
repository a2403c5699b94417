//! What is inside a batch, decompressed and decoded, and whether its offsets make sense.

use crate::batch::{Batch, HEADER_LEN, Scratch};
use crate::error::{Malformed, Rule};
use crate::units::Offset;

/// What was met in a batch whose records can all be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Records.
    pub(crate) count: u64,
    /// The offset of the first record; `None` if there is no record.
    pub(crate) first: Option<Offset>,
    /// The latest time of a record; [`i64::MIN`] if there is no record.
    pub(crate) max_timestamp: i64,
    /// The first thing that does not fit although everything can be decoded: an offset that does not rise or lies outside the batch, a
    /// message's checksum.
    pub(crate) wrong: Option<String>,
}

impl Contents {
    /// Looks at every record of `batch`.
    ///
    /// # Errors
    /// As [`Batch::records`]; [`Rule::Trailing`] for bytes behind no records.
    pub(crate) fn read(batch: &Batch<'_>, scratch: &mut Scratch) -> Result<Self, Malformed> {
        let header = batch.header();
        let left = batch.bytes().len().saturating_sub(HEADER_LEN);
        if header.is_some_and(|header| header.records_count() == 0) && left > 0 {
            return Err(Malformed::new(HEADER_LEN, Rule::Trailing { what: "no records", left: left as u64 }));
        }
        let last = batch.last_offset();
        // A compressed message of an old format has its first offset inside.
        let base = (header.is_some() || batch.attributes().codec_bits() == 0).then(|| batch.base_offset());
        let mut contents = Self { count: 0, first: None, max_timestamp: i64::MIN, wrong: None };
        let mut previous = None;
        for record in batch.records(scratch)? {
            let record = record?;
            let is_inside = record.offset <= last && base.is_none_or(|base| record.offset >= base);
            if contents.wrong.is_none() && !(is_inside && previous.is_none_or(|previous| record.offset > previous)) {
                contents.wrong = Some(format!(
                    "record {} of batch {}..{last} has offset {}; offsets must rise within the batch",
                    contents.count,
                    base.unwrap_or(last),
                    record.offset
                ));
            }
            let crc = record.legacy_checksum.filter(|crc| crc.stored != crc.computed && contents.wrong.is_none());
            if let Some(crc) = crc {
                contents.wrong = Some(format!(
                    "message at offset {} has checksum {:08x} stored, {:08x} computed",
                    record.offset, crc.stored, crc.computed
                ));
            }
            previous = Some(record.offset);
            contents.first.get_or_insert(record.offset);
            contents.count = contents.count.saturating_add(1);
            contents.max_timestamp = contents.max_timestamp.max(record.timestamp.get());
        }
        Ok(contents)
    }
}
