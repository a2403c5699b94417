//! What an operation answered, as one JSON document whose keys keep the order in which they came.

use std::fmt;

use serde_json::{Map, Value, json};

use super::op::Op;
use crate::error::{Error, RecordError, Refusal, Rule};

/// The answer to one operation. `Display` gives its line of JSON, without an end of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// Begins the answer to `op`.
    #[must_use]
    pub fn new(op: &Op) -> Self {
        let mut row = Self(Map::new());
        row.put("line", op.line);
        row.put("op", op.name.as_str());
        row
    }

    /// Adds a key.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Adds what went wrong.
    pub fn fail(&mut self, failure: &Failure) {
        failure.put(&mut self.0);
    }

    /// Adds what went wrong with a background task.
    pub fn fail_task(&mut self, failure: &Failure) {
        let mut task = Map::new();
        failure.put(&mut task);
        self.put("task_failed", task);
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The whole document.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Maps of strings, numbers and lists can always be written.
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

/// What went wrong, by Kafka's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The class of Kafka's (or Java's) exception.
    error: &'static str,
    /// The error of Kafka's protocol that a client gets.
    code: &'static str,
    /// For people.
    message: String,
    /// The class of what is behind it.
    cause: Option<&'static str>,
    /// The records that a leader refuses.
    records: Option<Vec<RecordError>>,
}

impl Failure {
    /// Something that a broker does not expect.
    #[must_use]
    pub fn unexpected(error: &'static str, message: impl Into<String>) -> Self {
        Self { error, code: "UNKNOWN_SERVER_ERROR", message: message.into(), cause: None, records: None }
    }

    fn put(&self, into: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| into.insert(key.to_owned(), value);
        put("error", self.error.into());
        put("code", self.code.into());
        put("message", self.message.as_str().into());
        if let Some(cause) = self.cause {
            put("cause", cause.into());
        }
        if let Some(records) = &self.records {
            let records =
                records.iter().map(|record| json!({"index": record.index, "message": record.rule.to_string()}));
            put("record_errors", records.collect());
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let (error, code) = match &error {
            Error::Refused(refusal) => return refused(refusal),
            Error::OffsetOutOfRange { .. } => ("OffsetOutOfRangeException", "OFFSET_OUT_OF_RANGE"),
            // A broker asks the producers' rules also while it loads a log.
            Error::Corrupt(corrupt) if matches!(corrupt.rule, Rule::NotTransactional { .. }) => {
                ("InvalidTxnStateException", "INVALID_TXN_STATE")
            }
            _ => ("KafkaStorageException", "KAFKA_STORAGE_ERROR"),
        };
        Self { error, code, message, cause: None, records: None }
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let (error, cause, records) = match refusal {
        Refusal::CorruptMessage(_) => ("CorruptRecordException", None, None),
        Refusal::InvalidBatch { .. } | Refusal::InvalidRecord(_) => ("InvalidRecordException", None, None),
        Refusal::InvalidRecords { errors } => {
            ("RecordValidationException", Some("InvalidRecordException"), Some(errors))
        }
        Refusal::InvalidTimestamps { errors } => {
            ("RecordValidationException", Some("InvalidTimestampException"), Some(errors))
        }
        Refusal::MessageTooLarge { .. } => ("RecordTooLargeException", None, None),
        Refusal::RecordListTooLarge { .. } => ("RecordBatchTooLargeException", None, None),
        Refusal::Undecodable(_) => ("KafkaException", None, None),
        Refusal::UnsupportedOffsets { .. } => ("UnsupportedOperationException", None, None),
        Refusal::OutOfOrderSequence { .. } => ("OutOfOrderSequenceException", None, None),
        Refusal::InvalidProducerEpoch { .. } => ("InvalidProducerEpochException", None, None),
        Refusal::TransactionCoordinatorFenced { .. } => ("TransactionCoordinatorFencedException", None, None),
        Refusal::InvalidTxnState { .. } => ("InvalidTxnStateException", None, None),
        Refusal::UnknownCodec { .. }
        | Refusal::NotRebuilt { .. }
        | Refusal::InvalidLeaderEpoch { .. }
        | Refusal::MissingTransactionVersion { .. }
        | Refusal::IndexFull { .. } => ("IllegalArgumentException", None, None),
        Refusal::OffsetsOutOfOrder { .. } => ("OffsetsOutOfOrderException", None, None),
        Refusal::UnexpectedAppendOffset { .. } => ("UnexpectedAppendOffsetException", None, None),
        Refusal::OffsetOverflow { .. } => ("LogSegmentOffsetOverflowException", None, None),
    };
    Failure { error, code: refusal.protocol_name(), message: refusal.to_string(), cause, records: records.cloned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RecordRule;

    #[test]
    fn keys_keep_their_order_and_failures_stand_behind_what_was_known() {
        let op = Op::parse(3, "roll").unwrap().unwrap();
        let mut row = Row::new(&op);
        row.put("rolled", false);
        let errors = vec![RecordError { index: 1, rule: RecordRule::NoKey }];
        row.fail(&Error::from(Refusal::InvalidRecords { errors }).into());
        row.fail_task(&Failure::unexpected("IOException", "gone"));
        let text = concat!(
            r#"{"line":3,"op":"roll","rolled":false,"error":"RecordValidationException","code":"INVALID_RECORD","#,
            r#""message":"1 invalid records, the first at index 1","cause":"InvalidRecordException","#,
            r#""record_errors":[{"index":1,"message":"it has no key, but the topic is compacted"}],"#,
            r#""task_failed":{"error":"IOException","code":"UNKNOWN_SERVER_ERROR","message":"gone"}}"#,
        );
        assert_eq!(row.to_string(), text);
    }
}
