//! What a walk says of bytes that it cannot read as batches or records.

use log_engine::batch::Stop;
use log_engine::segment::Frame;
use log_engine::{Malformed, Rule};

/// Bytes that were passed over, or records that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The finding it is; `None` if nothing is wrong, but it is too large to be shown.
    pub(crate) code: Option<&'static str>,
    /// The first byte.
    pub(crate) position: u64,
    /// How many bytes it concerns, where that is known.
    pub(crate) bytes: Option<u64>,
    /// The offset that the batch claims, where there is one.
    pub(crate) offset: Option<i64>,
    /// What is wrong, with both values.
    pub(crate) message: String,
}

impl Damage {
    /// A batch that is not sound as a whole.
    pub(crate) fn of_batch(frame: &Frame<'_>, fault: &Malformed) -> Self {
        Self::at(frame, fault)
    }

    /// A batch with a fitting checksum whose records cannot be read, from some place on.
    pub(crate) fn of_records(frame: &Frame<'_>, fault: &Malformed) -> Self {
        let code = if matches!(fault.rule, Rule::TooLarge { .. }) { None } else { Some("B007") };
        Self { code, ..Self::at(frame, fault) }
    }

    fn at(frame: &Frame<'_>, fault: &Malformed) -> Self {
        Self {
            code: code_of(&fault.rule),
            position: frame.position().get(),
            bytes: Some(frame.len()),
            offset: Some(frame.offset().get()),
            message: fault.rule.to_string(),
        }
    }

    /// Bytes from `position` on that are no batch; `is_zero` if there is nothing but zeros to the end of the file.
    pub(crate) fn of_stop(stop: Stop, position: u64, bytes: Option<u64>, is_zero: bool) -> Self {
        let (code, message) = match stop {
            _ if is_zero => ("B013", "zeros from here to the end of the file".to_owned()),
            Stop::End => ("B013", "nothing".to_owned()),
            Stop::Remainder { left } => ("B013", format!("{left} bytes behind the last batch are too few for another")),
            Stop::Size { size } => {
                ("B002", format!("size {size} is below the minimum of {}", log_engine::batch::MIN_SIZE))
            }
            Stop::PastEnd { size, left } => (
                "B003",
                format!("a batch of {} bytes runs past the end of the file, {left} are there", i64::from(size) + 12),
            ),
        };
        Self { code: Some(code), position, bytes, offset: None, message }
    }
}

/// The finding for a batch as a whole that breaks a rule; `None` if it is only too large.
pub(super) const fn code_of(rule: &Rule) -> Option<&'static str> {
    match rule {
        Rule::Checksum { .. } => Some("B001"),
        Rule::SizeTooSmall { .. } => Some("B002"),
        Rule::Version { .. } => Some("B004"),
        Rule::TooLarge { .. } => None,
        _ => Some("B007"),
    }
}
