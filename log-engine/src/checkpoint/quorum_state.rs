//! `quorum-state` of the metadata log: whom this node voted for. One line of JSON.

use std::path::Path;

use serde_json::{Map, Value};

use super::json::{field, object};
use super::uuid::Uuid;
use crate::error::{Malformed, Result, Rule};
use crate::units::{FilePosition, LeaderEpoch};

/// The election state of a node.
///
/// Kafka: `FileQuorumStateStore`, `QuorumStateData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The leader of the epoch, if the node knows it.
    pub leader_id: Option<i32>,
    /// The latest epoch that the node has seen; -1 in a quorum that never elected.
    pub leader_epoch: LeaderEpoch,
    /// Whom the node voted for in that epoch, if it did.
    pub voted_id: Option<i32>,
    /// What depends on the version of the file.
    pub form: QuorumForm,
}

/// What only one version of the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumForm {
    /// `data_version` 0: the voters stand here.
    V0 {
        /// Empty in all of Kafka's files.
        cluster_id: String,
        /// 0 in all of Kafka's files.
        applied_offset: i64,
        /// The ids of the voters.
        current_voters: Option<Vec<i32>>,
    },
    /// `data_version` 1: the voters stand in the log.
    V1 {
        /// The directory of the node voted for; [`Uuid::ZERO`] if unknown.
        voted_directory_id: Uuid,
    },
}

impl QuorumState {
    /// The name of the file.
    pub const FILE_NAME: &'static str = "quorum-state";

    /// Reads a file's bytes; what follows the first line is not looked at.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the first line is no JSON object, or a field is missing or not of its type, or
    /// `data_version` is neither 0 nor 1. A broker ends then.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::parse_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let end = memchr::memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
        let object = object(bytes.split_at(end).0)?;
        let form = match field(&object, "data_version", "a version number", Value::as_i64)? {
            0 => QuorumForm::V0 {
                cluster_id: field(&object, "clusterId", "a text", Value::as_str)?.to_owned(),
                applied_offset: field(&object, "appliedOffset", "a 64-bit number", Value::as_i64)?,
                current_voters: field(&object, "currentVoters", "a list of `{\"voterId\":N}`, or null", voters)?,
            },
            1 => QuorumForm::V1 {
                voted_directory_id: field(&object, "votedDirectoryId", "an id of 22 characters", uuid)?,
            },
            found => return Err(Malformed::new(0, Rule::Version { what: Self::FILE_NAME, found, known: "0 or 1" })),
        };
        let number = |name| field(&object, name, "a 32-bit number", int);
        Ok(Self {
            leader_id: some_id(number("leaderId")?),
            leader_epoch: LeaderEpoch::new(number("leaderEpoch")?),
            voted_id: some_id(number("votedId")?),
            form,
        })
    }

    /// The bytes of the file, as Kafka writes them: fields in this order, no blanks, no line end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let id = |id: Option<i32>| id.unwrap_or(-1).into();
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        if let QuorumForm::V0 { cluster_id, .. } = &self.form {
            put("clusterId", cluster_id.as_str().into());
        }
        put("leaderId", id(self.leader_id));
        put("leaderEpoch", self.leader_epoch.get().into());
        put("votedId", id(self.voted_id));
        match &self.form {
            QuorumForm::V0 { applied_offset, current_voters, .. } => {
                put("appliedOffset", (*applied_offset).into());
                let voter = |id: &i32| Value::from_iter([("voterId", *id)]);
                put(
                    "currentVoters",
                    current_voters.as_ref().map(|ids| ids.iter().map(voter).collect::<Value>()).into(),
                );
                put("data_version", 0.into());
            }
            QuorumForm::V1 { voted_directory_id } => {
                put("votedDirectoryId", voted_directory_id.to_string().into());
                put("data_version", 1.into());
            }
        }
        Value::Object(object).to_string().into_bytes()
    }
}

/// -1 stands for nobody.
fn some_id(id: i32) -> Option<i32> {
    (id != -1).then_some(id)
}

fn int(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

fn uuid(value: &Value) -> Option<Uuid> {
    Uuid::parse(value.as_str()?)
}

/// The ids in a list of voters; `Some(None)` for null.
fn voters(value: &Value) -> Option<Option<Vec<i32>>> {
    if value.is_null() {
        return Some(None);
    }
    value.as_array()?.iter().map(|voter| int(voter.get("voterId")?)).collect::<Option<Vec<i32>>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Rule {
        QuorumState::parse_bytes(text.as_bytes()).unwrap_err().rule
    }

    #[test]
    fn version_0_reads_and_writes_as_kafkas() {
        let text = r#"{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;
        let state = QuorumState::parse_bytes(text.as_bytes()).unwrap();
        let form = QuorumForm::V0 { cluster_id: String::new(), applied_offset: 0, current_voters: Some(vec![1]) };
        let expected = QuorumState { leader_id: Some(1), leader_epoch: LeaderEpoch::new(2), voted_id: None, form };
        assert_eq!(state, expected);
        assert_eq!(state.encode(), text.as_bytes());
        let nobody = text.replace(r#"[{"voterId":1}]"#, "null");
        assert_eq!(QuorumState::parse_bytes(nobody.as_bytes()).unwrap().encode(), nobody.as_bytes());
    }

    #[test]
    fn version_1_reads_and_writes_as_kafkas() {
        let text = r#"{"leaderId":-1,"leaderEpoch":2,"votedId":1,"votedDirectoryId":"J8aAPcfLQt2bqs1JT_rMgQ","data_version":1}"#;
        let state = QuorumState::parse_bytes(format!("{text}\nmore").as_bytes()).unwrap();
        let form = QuorumForm::V1 { voted_directory_id: Uuid::parse("J8aAPcfLQt2bqs1JT_rMgQ").unwrap() };
        let expected = QuorumState { leader_id: None, leader_epoch: LeaderEpoch::new(2), voted_id: Some(1), form };
        assert_eq!(state, expected);
        assert_eq!(state.encode(), text.as_bytes());
    }

    #[test]
    fn missing_fields_wrong_types_and_other_versions_are_refused() {
        assert!(matches!(refused(""), Rule::Text { .. }));
        assert_eq!(refused("{}"), Rule::Missing { what: "data_version" });
        assert_eq!(refused(r#"{"data_version":1}"#), Rule::Missing { what: "votedDirectoryId" });
        let version = Rule::Version { what: "quorum-state", found: 2, known: "0 or 1" };
        assert_eq!(refused(r#"{"data_version":2}"#), version);
        let voters = r#"{"data_version":0,"clusterId":"","appliedOffset":0,"currentVoters":[{"voter":1}]}"#;
        assert!(matches!(refused(voters), Rule::Text { found, .. } if found.starts_with("currentVoters: ")));
        let epoch =
            r#"{"data_version":1,"votedDirectoryId":"J8aAPcfLQt2bqs1JT_rMgQ","leaderId":1,"leaderEpoch":2147483648}"#;
        assert!(matches!(refused(epoch), Rule::Text { found, .. } if found == "leaderEpoch: 2147483648"));
    }
}
