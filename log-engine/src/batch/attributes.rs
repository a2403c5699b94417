//! The attribute bits of a batch, shared by all message formats. Only the low byte is ever read.

use crate::compress::Codec;
use crate::error::{Malformed, Rule};

const CODEC_MASK: u8 = 0x07;
const LOG_APPEND_TIME: u8 = 0x08;
const TRANSACTIONAL: u8 = 0x10;
const CONTROL: u8 = 0x20;
const DELETE_HORIZON: u8 = 0x40;

/// Whose clock the timestamps of a batch come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimestampType {
    /// Messages of format 0 have no timestamps.
    None,
    /// The producer's: each record has its own.
    CreateTime,
    /// The broker's at the append: one for the whole batch.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(u8);

impl Attributes {
    /// The bits as they stand in the low byte.
    #[must_use]
    pub const fn new(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The codec of the records; bits 0 to 2.
    ///
    /// # Errors
    /// [`Rule::Codec`] for the values 5 to 7, which name none. `at` is 0: the caller knows where the bits stand.
    pub fn codec(self, magic: i8) -> Result<Codec, Malformed> {
        let id = self.0 & CODEC_MASK;
        Codec::from_bits(id).ok_or(Malformed::new(0, Rule::Codec { id, magic }))
    }

    /// The codec bits, known or not.
    #[must_use]
    pub const fn codec_bits(self) -> u8 {
        self.0 & CODEC_MASK
    }

    /// Whose clock; bit 3.
    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Part of a transaction; bit 4.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Markers and other control records instead of data; bit 5.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// The base timestamp is the time at which tombstones may go; bit 6.
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// The same with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !CODEC_MASK | codec.bits())
    }

    /// The same with this timestamp type.
    #[must_use]
    pub const fn with_log_append_time(self, on: bool) -> Self {
        self.with(LOG_APPEND_TIME, on)
    }

    /// The same, transactional or not.
    #[must_use]
    pub const fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL, on)
    }

    /// The same, control batch or not.
    #[must_use]
    pub const fn with_control(self, on: bool) -> Self {
        self.with(CONTROL, on)
    }

    /// The same, with the base timestamp as delete horizon or not.
    #[must_use]
    pub const fn with_delete_horizon(self, on: bool) -> Self {
        self.with(DELETE_HORIZON, on)
    }

    /// The bits that mean something.
    pub(super) const fn known(self) -> Self {
        Self(self.0 & 0x7f)
    }

    const fn with(self, bit: u8, on: bool) -> Self {
        if on { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}
