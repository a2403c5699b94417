//! What the head of one batch tells, without its records: the samples that a summary is made of.

use std::path::Path;

use crate::batch::{BatchHeader, Framing, HEADER_LEN, LegacyHeader, Stop, framing};
use crate::compress::Codec;
use crate::error::Result;
use crate::fs::{Fs, Source};
use crate::units::{LeaderEpoch, Offset, Timestamp};

/// The head of one batch. Nothing was checked, not even the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchGlimpse {
    /// The message format as stored.
    pub magic: i8,
    /// The three codec bits; see [`Self::codec`].
    pub codec_bits: u8,
    /// Offset of the first record; of the last one for a wrapper of format 0 or 1.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The largest timestamp of its records, or the append time; -1 where there is none.
    pub max_timestamp: Timestamp,
    /// The epoch of the leader that appended it, where the batch names one.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl BatchGlimpse {
    /// What the first bytes of a batch say, laid out as their magic wants it; `None` if they are too few.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let legacy = LegacyHeader::at_start_of(head)?;
        if legacy.magic < 2 {
            return Some(Self {
                magic: legacy.magic,
                codec_bits: legacy.attributes.codec_bits(),
                base_offset: legacy.offset,
                last_offset: legacy.offset,
                max_timestamp: legacy.timestamp,
                leader_epoch: None,
            });
        }
        let header = BatchHeader::at_start_of(head)?;
        Some(Self {
            magic: header.magic(),
            codec_bits: header.attributes().codec_bits(),
            base_offset: header.base_offset(),
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp(),
            leader_epoch: Some(header.leader_epoch()).filter(|epoch| epoch.get() != -1),
        })
    }

    /// The codec of its records; `None` for bits that name none.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_bits(self.codec_bits)
    }
}

/// What stands at the start of a `.log` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBatch {
    /// No byte at all.
    Empty,
    /// A batch.
    Batch(BatchGlimpse),
    /// Bytes that are no whole batch.
    None(Stop),
}

impl FirstBatch {
    /// Looks at the first bytes of the `.log` file at `path`.
    ///
    /// # Errors
    /// As [`Source::open`] and [`Source::read_at`].
    pub(super) fn read(fs: &dyn Fs, path: &Path) -> Result<Self> {
        let source = Source::open(fs, path)?;
        let mut head = [0; HEADER_LEN];
        let n = source.read_at(&mut head, 0)?;
        let head = head.get(..n).unwrap_or_default();
        Ok(match framing(head, source.len()) {
            Framing::Stop(Stop::End) => Self::Empty,
            Framing::Stop(stop) => Self::None(stop),
            Framing::Batch { .. } => {
                BatchGlimpse::of(head).map_or(Self::None(Stop::Remainder { left: source.len() }), Self::Batch)
            }
        })
    }

    /// The batch, if there is one.
    #[must_use]
    pub const fn batch(&self) -> Option<&BatchGlimpse> {
        match self {
            Self::Batch(batch) => Some(batch),
            Self::Empty | Self::None(_) => None,
        }
    }
}
