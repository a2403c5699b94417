//! What the observers need of one sound batch, taken out of it once.

use crate::batch::{Attributes, BatchHeader, LegacyHeader};
use crate::segment::Frame;

/// One batch whose checksum fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    /// Its frame, to look inside.
    pub(super) frame: &'a Frame<'a>,
    /// Its first byte.
    pub(super) position: u64,
    /// Its first offset; unknown for compressed messages of the old formats.
    pub(super) base: Option<i64>,
    /// Its last offset.
    pub(super) last: i64,
    /// Its largest timestamp.
    pub(super) max_timestamp: i64,
    /// Its head, for format 2.
    pub(super) header: Option<&'a BatchHeader>,
    attributes: Attributes,
}

impl<'a> Seen<'a> {
    /// What stands in `frame`; `None` if it is too short for its format, which a fitting checksum rules out.
    pub(super) fn of(frame: &'a Frame<'a>) -> Option<Self> {
        let position = frame.position().get();
        if let Some(header) = frame.header() {
            return Some(Self {
                frame,
                position,
                base: Some(header.base_offset().get()),
                last: header.last_offset().get(),
                max_timestamp: header.max_timestamp().get(),
                header: Some(header),
                attributes: header.attributes(),
            });
        }
        let message = LegacyHeader::at_start_of(frame.head())?;
        let offset = message.offset.get();
        Some(Self {
            frame,
            position,
            base: (message.attributes.codec_bits() == 0).then_some(offset),
            last: offset,
            max_timestamp: message.timestamp.get(),
            header: None,
            attributes: message.attributes,
        })
    }

    /// The lowest offset that is surely in it.
    pub(super) fn lowest(&self) -> i64 {
        self.base.unwrap_or(self.last)
    }

    /// True for markers and other control records.
    pub(super) fn is_control(&self) -> bool {
        self.header.is_some() && self.attributes.is_control()
    }

    /// True if its timestamps are the broker's.
    pub(super) fn has_append_time(&self) -> bool {
        matches!(self.attributes.timestamp_type(), crate::batch::TimestampType::LogAppendTime)
    }

    /// True for a batch that compaction left without records.
    pub(super) fn is_emptied(&self) -> bool {
        self.header.is_some_and(|header| header.records_count() == 0)
            && self.frame.len() == crate::batch::HEADER_LEN as u64
    }

    /// True if only the cleaner leaves such a batch.
    pub(super) fn shows_cleaning(&self) -> bool {
        self.header.is_some() && (self.attributes.has_delete_horizon() || self.is_emptied())
    }

    /// How many records its head promises; `None` for compressed messages of the old formats.
    pub(super) fn record_count(&self) -> Option<u64> {
        match self.header {
            Some(header) => Some(u64::try_from(header.records_count()).unwrap_or(0)),
            None => self.base.map(|_| 1),
        }
    }
}
