//! What Kafka's tool throws, and why a dump ends early.

use std::fmt;
use std::io;
use std::path::Path;

use super::java::JavaFile;
use log_engine::Error;

/// An exception that nobody catches: it ends the tool with exit code 1, and its first line goes to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    class: &'static str,
    message: Option<String>,
}

impl Thrown {
    pub(super) fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: Some(message.into()) }
    }

    pub(super) const fn without_message(class: &'static str) -> Self {
        Self { class, message: None }
    }

    pub(super) fn illegal_argument(message: impl Into<String>) -> Self {
        Self::new("java.lang.IllegalArgumentException", message)
    }

    pub(super) fn invalid_record(message: impl Into<String>) -> Self {
        Self::new("org.apache.kafka.common.InvalidRecordException", message)
    }

    pub(super) fn corrupt_record(message: impl Into<String>) -> Self {
        Self::new("org.apache.kafka.common.errors.CorruptRecordException", message)
    }

    pub(super) fn corrupt_index(message: impl Into<String>) -> Self {
        Self::new("org.apache.kafka.storage.internals.log.CorruptIndexException", message)
    }

    pub(super) fn kafka(message: impl Into<String>) -> Self {
        Self::new("org.apache.kafka.common.KafkaException", message)
    }

    /// A buffer was asked for bytes behind its end.
    pub(super) const fn out_of_bounds() -> Self {
        Self::without_message("java.lang.IndexOutOfBoundsException")
    }

    /// What `java.nio.file` throws where the system refuses to open `file`.
    pub(super) fn cannot_open(file: &JavaFile, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::new("java.nio.file.NoSuchFileException", file.to_string()),
            io::ErrorKind::PermissionDenied => Self::new("java.nio.file.AccessDeniedException", file.to_string()),
            _ => Self::new("java.nio.file.FileSystemException", format!("{file}: {}", reason(error))),
        }
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class)?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

/// What the system says, without Rust's number behind it.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Why a dump ends early.
#[derive(Debug)]
pub(super) enum Ended {
    /// Kafka's tool throws here too.
    Thrown(Thrown),
    /// Ours alone cannot go on.
    Refused(String),
    /// Nobody reads the output any more.
    Closed,
}

impl From<Thrown> for Ended {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

impl Ended {
    /// Reading `file` failed after it had been opened.
    pub(super) fn reading(file: &Path, error: &Error) -> Self {
        match error {
            Error::Io { source, .. } => Thrown::kafka(format!("java.io.IOException: {}", reason(source))).into(),
            other => Self::Refused(format!("{}: {other}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: DMP-011
    #[test]
    fn a_file_that_cannot_be_opened_is_told_with_its_name() {
        let thrown = |kind: io::ErrorKind| Thrown::cannot_open(&JavaFile::new(b"x/9.log"), &kind.into()).to_string();
        assert_eq!(thrown(io::ErrorKind::PermissionDenied), "java.nio.file.AccessDeniedException: x/9.log");
        assert_eq!(thrown(io::ErrorKind::NotFound), "java.nio.file.NoSuchFileException: x/9.log");
        assert_eq!(thrown(io::ErrorKind::IsADirectory), "java.nio.file.FileSystemException: x/9.log: is a directory");
    }
}
