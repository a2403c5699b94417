//! What to say of a start, in the order in which it matters: what keeps anything from being served first, then what is lost,
//! then what is only made again.

use std::fmt;

use super::failure::{FailureEffect, StartFailure};
use super::{DirectoryPrediction, HiddenRecords, LogCut, PartitionPrediction};

/// One thing to say of a start; shown as a sentence without its full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartStatement<'p> {
    /// The process ends, the directory is given up, or the partition is set aside: which file, which rule.
    Fails(&'p StartFailure),
    /// A `.log` file becomes shorter.
    Cut(&'p LogCut),
    /// Segments are removed, or replaced by what a finished cleaning left.
    Deleted(&'p [String]),
    /// Intact records are lost.
    Dropped {
        /// How many.
        records: u64,
        /// Bytes of their batches.
        bytes: u64,
    },
    /// The log end moves back over records that stay in the file, and nothing in the broker's log says so.
    MovedBack(&'p HiddenRecords),
    /// Index files are made again.
    Rebuilt(&'p [String]),
    /// Nothing else is to be said: the partition is served as it is.
    LosesNothing,
}

impl PartitionPrediction {
    /// What to say of the partition, most important first; never empty.
    #[must_use]
    pub fn statements(&self) -> Vec<StartStatement<'_>> {
        let mut said: Vec<StartStatement<'_>> = self.failure.iter().map(StartStatement::Fails).collect();
        said.extend(self.cuts.iter().map(StartStatement::Cut));
        if !self.segments_deleted.is_empty() {
            said.push(StartStatement::Deleted(&self.segments_deleted));
        }
        if self.records_dropped > 0 {
            said.push(StartStatement::Dropped { records: self.records_dropped, bytes: self.bytes_dropped });
        }
        said.extend(self.hidden.iter().map(StartStatement::MovedBack));
        if !self.files_rebuilt.is_empty() {
            said.push(StartStatement::Rebuilt(&self.files_rebuilt));
        }
        if said.is_empty() {
            said.push(StartStatement::LosesNothing);
        }
        said
    }
}

impl DirectoryPrediction {
    /// What to say of the directory itself, most important first; empty if it is as it should be.
    #[must_use]
    pub fn statements(&self) -> Vec<StartStatement<'_>> {
        let mut failures: Vec<&StartFailure> = self.failures.iter().collect();
        failures.sort_by_key(|failure| failure.effect);
        failures.into_iter().map(StartStatement::Fails).collect()
    }
}

impl fmt::Display for StartStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(failure) => {
                let effect = match failure.effect {
                    FailureEffect::Fatal => "the broker ends, and with it every partition",
                    FailureEffect::Offline => "the log directory goes offline",
                    FailureEffect::Stray => "the folder is set aside as stray, and an empty log is served in its place",
                };
                write!(f, "{effect}: {failure}")
            }
            Self::Cut(LogCut { file, position, bytes }) => {
                write!(f, "{file} is cut at byte {position}; {bytes} bytes go")
            }
            Self::Deleted(files) => write!(f, "{} {} removed: {}", files.len(), of_segments(files), List(files)),
            Self::Dropped { records, bytes } => write!(f, "{records} intact records are lost ({bytes} bytes)"),
            Self::MovedBack(HiddenRecords { file, records }) => {
                write!(
                    f,
                    "the log ends where {file} begins: {records} records in it are no longer served, without a word"
                )
            }
            Self::Rebuilt(files) => write!(f, "index files are made again: {}", List(files)),
            Self::LosesNothing => write!(f, "starts, loses nothing"),
        }
    }
}

const fn of_segments(files: &[String]) -> &'static str {
    if files.len() == 1 { "segment is" } else { "segments are" }
}

/// Names with commas between them; of many only the first.
struct List<'p>(&'p [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// So many names tell enough.
        const SHOWN: usize = 3;
        for (n, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{name}", if n == 0 { "" } else { ", " })?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::inspect::start::{StartRecovery, StartRule};
    use crate::units::FilePosition;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("{n}.log")).collect()
    }

    #[test]
    fn a_partition_speaks_of_what_matters_most_first() {
        let mut partition = PartitionPrediction::untouched(Path::new("orders-0"), StartRecovery::Skipped);
        let said = |partition: &PartitionPrediction| -> Vec<String> {
            partition.statements().iter().map(ToString::to_string).collect()
        };
        assert_eq!(said(&partition), ["starts, loses nothing"]);

        partition.files_rebuilt = vec!["0.index".to_owned()];
        partition.hidden = Some(HiddenRecords { file: "9.log".to_owned(), records: 33 });
        partition.records_dropped = 5;
        partition.bytes_dropped = 400;
        partition.segments_deleted = names(5);
        partition.cuts = vec![LogCut { file: "7.log".to_owned(), position: FilePosition::new(10), bytes: 90 }];
        let file = Path::new("orders-0/partition.metadata");
        partition.failure = Some(StartFailure::whole(FailureEffect::Fatal, file, StartRule::Missing));
        assert_eq!(
            said(&partition),
            [
                "the broker ends, and with it every partition: orders-0/partition.metadata at byte 0: is missing",
                "7.log is cut at byte 10; 90 bytes go",
                "5 segments are removed: 0.log, 1.log, 2.log and 2 more",
                "5 intact records are lost (400 bytes)",
                "the log ends where 9.log begins: 33 records in it are no longer served, without a word",
                "index files are made again: 0.index",
            ]
        );
    }

    #[test]
    fn a_directory_speaks_of_the_fatal_before_the_rest() {
        let failure = |effect| StartFailure::whole(effect, Path::new("x"), StartRule::Missing);
        let directory = DirectoryPrediction {
            path: "data".into(),
            is_clean: true,
            is_offline: false,
            failures: vec![failure(FailureEffect::Offline), failure(FailureEffect::Fatal)],
            partitions: Vec::new(),
        };
        let fatal = failure(FailureEffect::Fatal);
        assert_eq!(directory.statements()[0], StartStatement::Fails(&fatal));
    }

    #[test]
    fn of_many_names_three_are_told() {
        let shown = |n| List(&names(n)).to_string();
        assert_eq!(shown(0), "");
        assert_eq!(shown(3), "0.log, 1.log, 2.log");
        assert_eq!(shown(4), "0.log, 1.log, 2.log and 1 more");
    }
}
