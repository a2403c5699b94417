//! `.kafka_cleanshutdown` of a log directory: the marker that lets a broker skip recovery.
//!
//! Only that the file exists matters for recovery; its content says which incarnation of the broker stopped. What a marker proves
//! about the logs is not judged here.

use std::path::Path;

use super::json::{field, object};
use crate::error::{Malformed, Result};
use crate::units::FilePosition;

/// The content of the marker.
///
/// Kafka: `CleanShutdownFileHandler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch of the broker's last registration; -1 if it had none, `None` in the empty file of older brokers.
    pub broker_epoch: Option<i64>,
}

impl CleanShutdown {
    /// The name of the file.
    pub const FILE_NAME: &'static str = ".kafka_cleanshutdown";

    /// Reads a file's bytes: nothing, or `{"version":0,"brokerEpoch":N}` with whatever other fields.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if it is neither. A broker skips recovery then as well, and knows no epoch.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::parse_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let object = object(bytes)?;
        let broker_epoch = field(&object, "brokerEpoch", "a broker epoch, a 64-bit number", serde_json::Value::as_i64)?;
        Ok(Self { broker_epoch: Some(broker_epoch) })
    }

    /// The bytes of the file, as Kafka writes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self.broker_epoch {
            Some(epoch) => format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}").into_bytes(),
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Rule;

    fn epoch(bytes: &[u8]) -> Result<Option<i64>, Rule> {
        CleanShutdown::parse_bytes(bytes).map(|marker| marker.broker_epoch).map_err(|malformed| malformed.rule)
    }

    // conformance: CSF-002
    #[test]
    fn kafkas_markers_read_and_write() {
        for (text, expected) in [
            ("", None),
            (r#"{"version":0,"brokerEpoch":119}"#, Some(119)),
            (r#"{"version":0,"brokerEpoch":-1}"#, Some(-1)),
        ] {
            assert_eq!(epoch(text.as_bytes()), Ok(expected));
            assert_eq!(CleanShutdown { broker_epoch: expected }.encode(), text.as_bytes());
        }
    }

    #[test]
    fn other_fields_are_not_looked_at() {
        assert_eq!(epoch(br#"{"brokerEpoch": 5, "later": [1]}"#), Ok(Some(5)));
    }

    #[test]
    fn garbage_and_a_missing_epoch_are_refused() {
        assert!(matches!(epoch(b"\xff\0not json"), Err(Rule::Text { .. })));
        assert_eq!(epoch(br#"{"version":0}"#), Err(Rule::Missing { what: "brokerEpoch" }));
        assert!(matches!(epoch(br#"{"version":0,"brokerEpoch":null}"#), Err(Rule::Text { .. })));
        assert!(matches!(epoch(br#"{"version":0,"brokerEpoch":9223372036854775808}"#), Err(Rule::Text { .. })));
    }
}
