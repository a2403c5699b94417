//! The codes of findings: the contract between `verify` and those who read its output. A code never changes its meaning.

use std::fmt;

use super::finding::Severity;

/// What a code stands for, to be read by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, and how it comes about.
    pub meaning: &'static str,
    /// What a Kafka 4.4.0 broker was seen to do with it.
    pub broker: &'static str,
}

macro_rules! codes {
    ($($code:ident $severity:ident $title:literal $meaning:literal $broker:literal)*) => {
        /// Which rule a finding is about: a letter for the kind of file, and a number.
        #[allow(missing_docs, reason = "each code has a title and an explanation of its own")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingCode {
            $(#[doc = $title] $code,)*
        }

        impl FindingCode {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];

            /// The code as it is written: `B001`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),* }
            }

            /// One line.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$code => $title),* }
            }

            /// What it weighs at worst; a single finding can weigh less where the damage is harmless.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity),* }
            }

            /// What it means, and what a broker does with it.
            #[must_use]
            pub const fn explanation(self) -> Explanation {
                match self { $(Self::$code => Explanation { meaning: $meaning, broker: $broker }),* }
            }
        }
    };
}

codes! {
    B001 Error "a batch's checksum does not fit its bytes"
        "The bytes of the batch changed after they were written: a bad disk, a torn page, a stray write. Its records cannot be trusted. The walk goes on at the next batch whose checksum fits; the finding says where that is."
        "Without a clean-shutdown marker and above the recovery point, the start cuts the segment here and deletes all later segments, sound batches included. Behind a marker, or below the recovery point, nothing is read or cut, and every consumer that reaches the batch stops with an error."
    B002 Error "a batch's length is below the minimum"
        "The length field is damaged: no batch is that short. Where the next batch begins is found by its checksum."
        "Without a marker: as B001. In the last segment behind a marker the broker may not start at all."
    B003 Error "a batch runs past the end of the file"
        "In the last segment: a write that was not finished before the crash (a torn tail). In an older segment, or with sound batches behind it: a damaged length field. In a directory that is in use: a batch that is being written."
        "Without a marker the start cuts a torn tail, which was never acknowledged as durable. Behind a marker it is not cut: the whole last segment may vanish from view and its offsets be given out again."
    B004 Error "a batch has an unknown message format"
        "The byte that names the format is not covered by the checksum. Formats 0 and 1 are old and are reported for information."
        "Recovery accepts a format above 2 and consumers stop there. A format of 0, 1 or below zero in a newer log does not check: cut as B001."
    B005 Error "offsets do not rise"
        "A batch begins at or below an offset that stands before it, below the segment's base, or reaches into the next segment. The fields are not covered by the checksum; batches may also have been copied or swapped."
        "Consumers skip what stands in the wrong place, without an error. Offsets that jump up make recovery empty the whole segment if an index entry follows; offsets below the base can keep the broker from starting."
    B006 Error "an offset lies too far above the segment's base"
        "Index entries count offsets from the segment's base in 31 bits; this one does not fit."
        "In the last batch of the log: the segment is split in two and the log end jumps. Elsewhere, without a marker: the broker fails at every start."
    B007 Error "the records in a batch do not add up"
        "The checksum fits, but the records cannot be decompressed or decoded, or their number and offsets contradict the batch's head. A batch with fewer records than its offsets promise is normal where the cleaner has been."
        "Not noticed at the start, which never looks inside a batch. Consumers fail here."
    B008 Warning "a batch's largest timestamp is not that of its records"
        "The head and the records disagree about time."
        "The time index and retention by time follow the wrong value."
    B009 Warning "a timestamp lies far ahead, or before 2001"
        "More than a year ahead of the clock: often microseconds or nanoseconds taken for milliseconds. Timestamps of 0, -1 and other small values are reported for information."
        "Retention by time keeps the segment until that time has come."
    B010 Error "a batch's leader epoch is wrong"
        "It is negative, below the one before, or stands alone against its neighbours and the epoch file. The checksum does not cover it."
        "A start without a marker enters a higher epoch in the epoch file, which pushes right entries out at the next leadership. A lower one is kept as it is."
    B011 Warning "a producer's sequence numbers do not follow each other"
        "Idempotent producers count their records. A gap or a repeat means that a batch is missing, double, or not this producer's. Normal where the cleaner has been."
        "Not noticed at the start. A producer that is still running may be refused."
    B012 Warning "offsets are missing"
        "A gap between batches or segments that compaction does not explain: a file that is missing or empty, a batch that was cut out. The finding names the missing file, or the batch behind the gap."
        "Kept as it is, without a word. Consumers go on behind the gap."
    B013 Error "zeros or foreign bytes follow the last batch"
        "Space that was reserved and not written, or the rest of a write that never became a batch."
        "Without a marker the start cuts them off the last segment. Behind a marker zeros keep the broker from starting, and a few foreign bytes swallow every later append: acknowledged, never readable. In an older segment consumers stop there."
    B014 Error "the end of the log is missing"
        "The last segment ends with a whole batch, but other files speak of more: the recovery point, the high watermark, a snapshot, index entries. Records that were there are gone."
        "Without a word. Behind a marker the log end may even fall back to the base of the last segment."
    I001 Warning "an offset index has an odd size"
        "Entries have 8 bytes; a part of one is left at the end."
        "Ignored. A rebuild repairs it."
    I002 Error "an offset index entry lies below the segment's base"
        "The entry is damaged."
        "Believed behind a marker and below the recovery point: look-ups land on a wrong batch. Rebuilt where the start recovers the segment."
    I003 Error "offset index entries do not rise"
        "Entries stand in the wrong order, or are empty (zeros). Zeros at the end of the active segment's index are normal while the broker runs and after a crash."
        "Believed behind a marker and below the recovery point: look-ups land on a wrong batch. Rebuilt where the start recovers the segment."
    I004 Error "an offset index entry points to no batch"
        "Its position is negative, past the end of the log, or inside a batch. Old entries of a tail that a follower cut off are normal in the active segment after a crash."
        "Believed behind a marker and below the recovery point: readers skip to the next segment without an error; in the last segment the log end falls back to the segment's base. Rebuilt where the start recovers the segment."
    I005 Error "an offset index entry names a wrong offset"
        "The batch at its position does not reach that offset, or begins behind it. An offset that is in the batch but not its last is normal and reported for information."
        "As I004."
    I006 Warning "an offset index is missing or empty"
        "The file is gone, or has no entry although the segment is long enough for one."
        "A missing file makes the start recover the segment, also behind a marker. An empty one makes look-ups slow and is otherwise harmless."
    T001 Warning "a time index has an odd size, or its entries do not rise"
        "Entries have 12 bytes; times and offsets rise from one to the next. Zeros at the end of the active segment's index are normal while the broker runs and after a crash."
        "Not noticed. Look-ups by time answer wrong or not at all."
    T002 Warning "a time index entry contradicts the batches"
        "Its offset is not in the segment, or its time is not the largest up to that offset."
        "Not noticed. Look-ups by time answer wrong or not at all, and retention goes by the wrong time."
    T003 Warning "a time index is missing, empty or too short"
        "The file is gone or does not reach the segment's largest timestamp."
        "A missing file is made anew, empty. Look-ups by time find nothing in this segment."
    X001 Error "a transaction index differs from the log"
        "The aborted transactions that it lists are not those of the log, or an entry is damaged."
        "Short or missing: readers of committed records get aborted ones. A wrong version: the broker does not start. An entry below the base: the index is rebuilt."
    X002 Error "a batch stands outside its producer's transaction"
        "A producer that writes in transactions wrote a batch outside, or a batch opens a transaction that nothing else knows. The batch's attributes or producer id are wrong."
        "Inside a transaction that is open, without a marker: the broker does not start. Otherwise kept; readers of committed records see too much or wait for ever."
    S001 Warning "a producer snapshot is damaged"
        "Its length or its checksum does not fit."
        "Deleted at the start; an older one is taken and the log replayed from there."
    S002 Warning "a producer snapshot has an unknown version"
        "Version 1 is the only one."
        "Deleted at the start; an older one is taken and the log replayed from there."
    S003 Warning "a producer snapshot belongs to no place in the log"
        "It lies above the log's end, or (for information) matches no segment."
        "Deleted at the start."
    S004 Warning "a producer snapshot differs from the log"
        "Its checksum fits, but the replayed log says something else; or there is none where one must be. Producers that were idle for long are left out of snapshots, which is normal."
        "Believed. With none at all behind a marker, open transactions are forgotten and readers of committed records read into them."
    S005 Warning "a segment has no producer snapshot"
        "Older segments have one."
        "Made anew where the start replays the log."
    C001 Error "a checkpoint file cannot be read"
        "A line is malformed, the number of lines is not the promised one, or a number is none."
        "Malformed: the log directory goes offline (recovery points and log starts: after everything was recovered from offset 0). Not a number: recovery points and log starts count as 0, high watermarks leave partitions without a leader, an epoch file keeps the broker from starting."
    C002 Error "a checkpoint file is missing, empty, or names nobody"
        "Recovery points or high watermarks are gone."
        "Every segment is recovered from offset 0, without a word, which can take hours; without high watermarks nothing visible happens."
    C003 Warning "a checkpoint lies beyond the log's end"
        "The checkpoint is wrong, or the log lost its end."
        "High watermarks are clamped; a recovery point beyond the end lets only the last segment be recovered."
    C004 Error "the log start lies beyond the log's end"
        "The checkpoint is wrong, or the log lost its end."
        "All segments are deleted and an empty log begins at that offset."
    E001 Warning "an epoch file is missing, empty or out of order"
        "Epochs and start offsets rise together from line to line."
        "Lines that do not rise push others out without a word. Without a file the history of epochs is rebuilt only as far as segments are recovered; followers may diverge after the next failover."
    E002 Warning "an epoch begins beyond the log's end"
        "An epoch that begins at the end is normal: a leader that wrote nothing yet."
        "The entry is dropped."
    E003 Warning "the epoch file disagrees with the batches"
        "Many batches have another epoch than the file says for their offsets."
        "Believed. Followers may diverge after the next failover."
    D001 Error "a partition lies in two log directories"
        "Both folders carry the same name."
        "The broker does not start and asks to remove one."
    D002 Warning "files or folders that the next start removes or completes"
        "Remains of a deletion, a cleaning or a move. For information if the data is elsewhere, too; a warning for the only copy and for every .swap, which the start puts in the place of segments."
        "Deleted, cleaned and -delete are removed, also when they are the only copy. A .swap replaces segments, also when it is torn. A -future folder beside the plain one keeps the broker from starting."
    D003 Error "partition.metadata is missing or unreadable"
        "It says which topic the folder belongs to, by id."
        "Missing: the folder is renamed -stray and an empty log is served in its place. Empty: the broker does not start. Unreadable: the log directory goes offline."
    D004 Error "meta.properties is missing, incomplete, or another's"
        "It says which cluster and node the directory belongs to."
        "The broker does not start and touches nothing. Without a directory id it starts, and the partitions have no leader."
    D005 Warning "what the clean-shutdown marker promises is not so"
        "The marker is there, but no clean stop wrote it: it cannot be read, or the recovery points and indexes are those of a crash. For information: that there is no marker, or that the directory is in use."
        "With the marker there, recovery is skipped, whatever is in it and whatever state the logs are in."
    D006 Error "a file or folder that does not belong here"
        "Harmless if it is a plain file with a name of its own. Links and special files are not opened and not followed."
        "A foreign folder in a log directory, or a segment file without a number in a partition, keeps the broker from starting. An index without its log is removed. The rest is left alone."
    D007 Warning "folders and recovery points do not name the same partitions"
        "A folder that the recovery points do not know was put there by somebody; a partition without a folder was moved or lost."
        "The folder is recovered from offset 0. For a missing folder an empty log may be made."
    K001 Error "the metadata log begins above 0 and no snapshot covers what is missing"
        "The beginning of the cluster's metadata is lost in this directory."
        "The node cannot build its metadata from here."
}

impl FindingCode {
    /// The code with this name, in any case of letters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_name() {
        assert_eq!(FindingCode::ALL.len(), 45);
        for code in FindingCode::ALL {
            assert_eq!(FindingCode::parse(&code.name().to_lowercase()), Some(*code));
            assert!(code.severity() > Severity::Info, "{code}");
            assert!(!code.title().ends_with('.') && code.explanation().meaning.ends_with('.'), "{code}");
        }
        assert_eq!(FindingCode::parse("B000"), None);
    }
}
