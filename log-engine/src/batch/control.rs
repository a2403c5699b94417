//! Control records: what the cluster itself writes between the data.
//!
//! Key: `i16` version 0, `i16` type. Values by type:
//!
//! | type | name              | value                                                                   |
//! |-----:|-------------------|-------------------------------------------------------------------------|
//! |    0 | `ABORT`           | `i16` version 0, `i32` coordinator epoch                                |
//! |    1 | `COMMIT`          | the same                                                                |
//! |    2 | `LEADER_CHANGE`   | `i16` version, `i32` leader, compact arrays of voters and granting ones |
//! |    3 | `SNAPSHOT_HEADER` | `i16` version, `i64` last contained log timestamp, tags                 |
//! |    4 | `SNAPSHOT_FOOTER` | `i16` version, tags                                                     |
//! |    5 | `KRAFT_VERSION`   | `i16` version, `i16` version of KRaft, tags                             |
//! |    6 | `KRAFT_VOTERS`    | `i16` version, compact array of voters with endpoints, tags             |
//!
//! Kafka: `ControlRecordType`, `EndTransactionMarker`, the messages of the same names.

use super::record::Record;
use crate::encoding::{Reader, Writer};
use crate::error::{Malformed, Rule};

/// No cluster has more voters than this; a longer array is damage.
const MAX_VOTERS: usize = 1_000;

/// Which control record a key announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// Ends a transaction; its records do not count.
    Abort,
    /// Ends a transaction; its records count.
    Commit,
    /// A new leader of the metadata quorum.
    LeaderChange,
    /// First record of a metadata snapshot.
    SnapshotHeader,
    /// Last record of a metadata snapshot.
    SnapshotFooter,
    /// The version of KRaft.
    KRaftVersion,
    /// The voters of the metadata quorum.
    KRaftVoters,
    /// One that this code does not know; readers leave it alone.
    Unknown(i16),
}

impl ControlType {
    /// The type that the key of a control record announces.
    ///
    /// # Errors
    /// [`Rule::Short`] below 4 bytes, [`Rule::Version`] for a negative version; higher ones are read as version 0.
    ///
    /// Kafka: `ControlRecordType.parse`.
    pub fn parse(key: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(key);
        let (version, id) = (reader.take_i16()?, reader.take_i16()?);
        if version < 0 {
            return Err(Malformed::new(0, Rule::Version { what: "control record", found: version.into(), known: "0" }));
        }
        Ok(match id {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KRaftVersion,
            6 => Self::KRaftVoters,
            other => Self::Unknown(other),
        })
    }

    /// The number in the key.
    #[must_use]
    pub const fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KRaftVersion => 5,
            Self::KRaftVoters => 6,
            Self::Unknown(id) => id,
        }
    }

    /// Kafka's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abort => "ABORT",
            Self::Commit => "COMMIT",
            Self::LeaderChange => "LEADER_CHANGE",
            Self::SnapshotHeader => "SNAPSHOT_HEADER",
            Self::SnapshotFooter => "SNAPSHOT_FOOTER",
            Self::KRaftVersion => "KRAFT_VERSION",
            Self::KRaftVoters => "KRAFT_VOTERS",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// A voter of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// Node id.
    pub id: i32,
    /// Id of its log directory, where the record says it.
    pub directory_id: Option<[u8; 16]>,
    /// Where it listens; empty in leader changes.
    pub endpoints: Vec<VoterEndpoint>,
    /// The versions of KRaft it understands, lowest and highest; (0, 0) in leader changes.
    pub kraft_versions: (i16, i16),
}

/// Where a voter listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    /// Listener name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A decoded control record. `version` is that of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRecord {
    /// A transaction ended.
    EndTransaction {
        /// Committed, or else aborted.
        commit: bool,
        /// Version of the value.
        version: i16,
        /// Epoch of the coordinator that ended it.
        coordinator_epoch: i32,
    },
    /// A new leader of the metadata quorum.
    LeaderChange {
        /// Version of the value.
        version: i16,
        /// The leader's node id.
        leader_id: i32,
        /// All voters.
        voters: Vec<Voter>,
        /// Those who voted for it.
        granting: Vec<Voter>,
    },
    /// First record of a metadata snapshot.
    SnapshotHeader {
        /// Version of the value.
        version: i16,
        /// Append time of the last batch that the snapshot contains.
        last_contained_log_timestamp: i64,
    },
    /// Last record of a metadata snapshot.
    SnapshotFooter {
        /// Version of the value.
        version: i16,
    },
    /// The version of KRaft.
    KRaftVersion {
        /// Version of the value.
        version: i16,
        /// The version it announces.
        kraft_version: i16,
    },
    /// The voters of the metadata quorum.
    KRaftVoters {
        /// Version of the value.
        version: i16,
        /// The voters.
        voters: Vec<Voter>,
    },
    /// One that this code does not know.
    Unknown {
        /// The number in its key.
        id: i16,
    },
}

impl ControlRecord {
    /// What a record of a control batch says.
    ///
    /// # Errors
    /// As [`ControlType::parse`]; [`Rule::Short`] and its like if the value is not what its type must be. Longer values are
    /// accepted.
    pub fn parse(record: &Record<'_>) -> Result<Self, Malformed> {
        let kind = ControlType::parse(record.key.unwrap_or_default())?;
        if let ControlType::Unknown(id) = kind {
            return Ok(Self::Unknown { id });
        }
        let mut reader = Reader::new(record.value.unwrap_or_default());
        let version = reader.take_i16()?;
        if version < 0 {
            return Err(Malformed::new(
                0,
                Rule::Version { what: kind.name(), found: version.into(), known: "0 and 1" },
            ));
        }
        Ok(match kind {
            ControlType::Abort | ControlType::Commit => Self::EndTransaction {
                commit: kind == ControlType::Commit,
                version,
                coordinator_epoch: reader.take_i32()?,
            },
            ControlType::LeaderChange => {
                let leader_id = reader.take_i32()?;
                let with_directory = version >= 1;
                Self::LeaderChange {
                    version,
                    leader_id,
                    voters: take_array(&mut reader, |reader| take_plain_voter(reader, with_directory))?,
                    granting: take_array(&mut reader, |reader| take_plain_voter(reader, with_directory))?,
                }
            }
            ControlType::SnapshotHeader => {
                Self::SnapshotHeader { version, last_contained_log_timestamp: reader.take_i64()? }
            }
            ControlType::SnapshotFooter => Self::SnapshotFooter { version },
            ControlType::KRaftVersion => Self::KRaftVersion { version, kraft_version: reader.take_i16()? },
            ControlType::KRaftVoters => Self::KRaftVoters { version, voters: take_array(&mut reader, take_voter)? },
            ControlType::Unknown(id) => Self::Unknown { id },
        })
    }
}

/// Key and value of the marker that ends a transaction.
pub(crate) fn end_transaction(commit: bool, coordinator_epoch: i32) -> (Vec<u8>, Vec<u8>) {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let kind = if commit { ControlType::Commit } else { ControlType::Abort };
    let mut writer = Writer::new(&mut key);
    writer.put_i16(0);
    writer.put_i16(kind.id());
    let mut writer = Writer::new(&mut value);
    writer.put_i16(0);
    writer.put_i32(coordinator_epoch);
    (key, value)
}

/// A compact array: the count plus one as an unsigned varint, then the elements; 0 is null and read as empty.
fn take_array<T>(
    reader: &mut Reader<'_>,
    take: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let at = reader.at();
    let count = reader.take_uvarint()?.saturating_sub(1);
    let bound = usize::try_from(count).ok().filter(|count| *count <= MAX_VOTERS);
    let count = bound.ok_or(Malformed::new(at, Rule::TooLarge { what: "an array", limit: MAX_VOTERS as u64 }))?;
    (0..count).map(|_| take(reader)).collect()
}

fn take_plain_voter(reader: &mut Reader<'_>, with_directory: bool) -> Result<Voter, Malformed> {
    let id = reader.take_i32()?;
    let directory_id = if with_directory { Some(take_uuid(reader)?) } else { None };
    take_tags(reader)?;
    Ok(Voter { id, directory_id, endpoints: Vec::new(), kraft_versions: (0, 0) })
}

fn take_voter(reader: &mut Reader<'_>) -> Result<Voter, Malformed> {
    let id = reader.take_i32()?;
    let directory_id = Some(take_uuid(reader)?);
    let endpoints = take_array(reader, |reader| {
        let (name, host) = (take_string(reader)?, take_string(reader)?);
        let port = reader.take_u16()?;
        take_tags(reader)?;
        Ok(VoterEndpoint { name, host, port })
    })?;
    let kraft_versions = (reader.take_i16()?, reader.take_i16()?);
    take_tags(reader)?;
    take_tags(reader)?;
    Ok(Voter { id, directory_id, endpoints, kraft_versions })
}

fn take_uuid(reader: &mut Reader<'_>) -> Result<[u8; 16], Malformed> {
    let mut uuid = [0; 16];
    uuid.copy_from_slice(reader.take_bytes(16)?);
    Ok(uuid)
}

fn take_string(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let len = reader.take_uvarint()?.saturating_sub(1);
    let bytes = reader.take_bytes(usize::try_from(len).unwrap_or(usize::MAX))?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// Tagged fields, none of which is known here: a count, then tag, size and bytes of each.
fn take_tags(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..reader.take_uvarint()? {
        reader.take_uvarint()?;
        let size = reader.take_uvarint()?;
        reader.take_bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // conformance: CRT-001 CRT-002 CRT-003
    #[test]
    fn a_key_says_its_type_in_any_later_version() {
        for id in 0..7 {
            let kind = ControlType::parse(&[0, 0, 0, id]).unwrap();
            assert_eq!(kind.id(), i16::from(id));
            assert_ne!(kind, ControlType::Unknown(id.into()));
        }
        for commit in [false, true] {
            let (key, _) = end_transaction(commit, 9);
            assert_eq!(ControlType::parse(&key).unwrap() == ControlType::Commit, commit);
        }
        let unknown = [0, 0, 337_i16.to_be_bytes()[0], 337_i16.to_be_bytes()[1]];
        assert_eq!(ControlType::parse(&unknown), Ok(ControlType::Unknown(337)));
        assert_eq!(ControlType::parse(&[0, 5, 0, 0, 1, 2, 3]), Ok(ControlType::Abort));
    }

    #[test]
    fn a_key_that_is_none_says_why() {
        for len in 0..4 {
            assert!(matches!(ControlType::parse(&[0; 4][..len]), Err(Malformed { rule: Rule::Short { .. }, .. })));
        }
        let refused = ControlType::parse(&[0xff, 0xff, 0, 1]).unwrap_err();
        assert_eq!(refused.rule, Rule::Version { what: "control record", found: -1, known: "0" });
    }
}
