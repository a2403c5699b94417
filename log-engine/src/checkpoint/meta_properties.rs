//! `meta.properties` of a log directory: whose it is. Which keys there are and which must be; the text form is `properties`'.

use std::path::Path;

use super::java::{excerpt, parse_int};
use super::properties::{Properties, Property};
use super::uuid::Uuid;
use crate::error::{Malformed, Result, Rule};
use crate::units::FilePosition;

const VERSION: &str = "version";
const CLUSTER_ID: &str = "cluster.id";
const BROKER_ID: &str = "broker.id";
const NODE_ID: &str = "node.id";
const DIRECTORY_ID: &str = "directory.id";

/// The identity of a log directory.
///
/// | key            | version 0 (or no `version`) | version 1 |
/// |----------------|-----------------------------|-----------|
/// | `cluster.id`   | optional                    | required  |
/// | `broker.id`    | optional                    | -         |
/// | `node.id`      | -                           | required  |
/// | `directory.id` | optional                    | optional  |
///
/// A broker ends before it touches anything if the file is missing or [`Self::parse`] fails, and also if cluster or node id are
/// missing in version 0; without a directory id it starts, but its partitions have no leader.
///
/// Kafka: `MetaProperties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    version: i32,
    cluster_id: Option<String>,
    node_id: Option<i32>,
    directory_id: Option<Uuid>,
    properties: Properties,
}

impl MetaProperties {
    /// The name of the file.
    pub const FILE_NAME: &'static str = "meta.properties";

    /// Version 1, of a new directory.
    #[must_use]
    pub fn new(cluster_id: &str, node_id: i32, directory_id: Uuid) -> Self {
        let values = [
            (CLUSTER_ID, cluster_id.to_owned()),
            (DIRECTORY_ID, directory_id.to_string()),
            (NODE_ID, node_id.to_string()),
            (VERSION, "1".to_owned()),
        ];
        let properties = Properties::of(values);
        let (cluster_id, node_id) = (Some(cluster_id.to_owned()), Some(node_id));
        Self { version: 1, cluster_id, node_id, directory_id: Some(directory_id), properties }
    }

    /// Reads a file's bytes. A file of 0 bytes is version 0 with nothing in it.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) at the line of an unknown version, of a number or id that is none, or of a broken
    /// escape; at byte 0 if version 1 lacks a key.
    ///
    /// Kafka: `MetaProperties.Builder`.
    pub fn parse(bytes: &[u8], file: &Path) -> Result<Self> {
        Self::parse_bytes(bytes).map_err(|malformed| malformed.in_file(file, FilePosition::START))
    }

    fn parse_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let properties = Properties::parse(bytes)?;
        let version = match properties.get(VERSION) {
            // Java's `trim` takes all control characters off.
            Some(property) => number(property, property.value.trim_matches(|c| c <= ' '))?,
            None => 0,
        };
        let node_key = match version {
            0 => BROKER_ID,
            1 => NODE_ID,
            _ => {
                let at = properties.get(VERSION).map_or(0, |property| property.at);
                let rule = Rule::Version { what: Self::FILE_NAME, found: i64::from(version), known: "0 or 1" };
                return Err(Malformed::new(at, rule));
            }
        };
        let node_id = properties.get(node_key).map(|property| number(property, &property.value)).transpose()?;
        let cluster_id = properties.get(CLUSTER_ID).map(|property| property.value.clone());
        let directory_id = properties.get(DIRECTORY_ID).map(id).transpose()?;
        if version == 1 {
            for (what, present) in [(NODE_ID, node_id.is_some()), (CLUSTER_ID, cluster_id.is_some())] {
                if !present {
                    return Err(Malformed::new(0, Rule::Missing { what }));
                }
            }
        }
        Ok(Self { version, cluster_id, node_id, directory_id, properties })
    }

    /// The bytes of the file: as read if Kafka wrote it, comments included; other spellings come out as Kafka would write them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.properties.encode()
    }

    /// The version of the file: 0 or 1.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The cluster that the directory belongs to; there in version 1.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The node that the directory belongs to: `broker.id` in version 0, `node.id` in version 1 and there.
    #[must_use]
    pub const fn node_id(&self) -> Option<i32> {
        self.node_id
    }

    /// The id of the directory among those of the node.
    #[must_use]
    pub const fn directory_id(&self) -> Option<Uuid> {
        self.directory_id
    }

    /// The keys that mean nothing in this version, in the order of the file.
    pub fn unknown_keys(&self) -> impl Iterator<Item = &str> {
        let node_key = if self.version == 0 { BROKER_ID } else { NODE_ID };
        let known = [VERSION, CLUSTER_ID, node_key, DIRECTORY_ID];
        self.properties.iter().map(|property| property.key.as_str()).filter(move |key| !known.contains(key))
    }
}

fn number(property: &Property, text: &str) -> Result<i32, Malformed> {
    parse_int(text).ok_or_else(|| {
        let rule = Rule::Number { line: property.line, found: excerpt(text), expected: "32-bit number" };
        Malformed::new(property.at, rule)
    })
}

fn id(property: &Property) -> Result<Uuid, Malformed> {
    Uuid::parse(&property.value).ok_or_else(|| {
        let rule =
            Rule::Text { line: property.line, found: excerpt(&property.value), expected: "an id of 22 characters" };
        Malformed::new(property.at, rule)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn parse(text: &str) -> Result<MetaProperties> {
        MetaProperties::parse(text.as_bytes(), Path::new(MetaProperties::FILE_NAME))
    }

    fn refused(text: &str) -> (u64, Rule) {
        match parse(text).unwrap_err() {
            Error::Corrupt(corrupt) => (corrupt.position.get(), corrupt.rule),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn version_1_reads_and_writes_as_kafkas() {
        let text = "#\n#Tue Nov 24 13:45:20 UTC 2026\nnode.id=1\ndirectory.id=QLhwzjAnpwgDDpEbbNMefQ\nversion=1\n\
                    cluster.id=6E3ty7YoGVuJlsxfDzPhyg\n";
        let meta = parse(text).unwrap();
        assert_eq!((meta.version(), meta.cluster_id(), meta.node_id()), (1, Some("6E3ty7YoGVuJlsxfDzPhyg"), Some(1)));
        assert_eq!(meta.directory_id().map(|id| id.to_string()).as_deref(), Some("QLhwzjAnpwgDDpEbbNMefQ"));
        assert_eq!(meta.unknown_keys().count(), 0);
        assert_eq!(meta.encode(), text.as_bytes());
    }

    #[test]
    fn version_0_needs_nothing_and_calls_the_node_broker() {
        let meta = parse("#\n#date\ncluster.id=abc\nversion=0\nbroker.id=7\nnode.id=x\n").unwrap();
        assert_eq!((meta.version(), meta.cluster_id(), meta.node_id()), (0, Some("abc"), Some(7)));
        assert_eq!(meta.unknown_keys().collect::<Vec<_>>(), ["node.id"]);
        let empty = parse("").unwrap();
        assert_eq!((empty.version(), empty.cluster_id(), empty.node_id(), empty.directory_id()), (0, None, None, None));
    }

    #[test]
    fn version_1_without_a_required_key_names_it() {
        assert_eq!(refused("version=1\ncluster.id=abc\n"), (0, Rule::Missing { what: "node.id" }));
        assert_eq!(refused("version=1\nnode.id=1\n"), (0, Rule::Missing { what: "cluster.id" }));
        assert_eq!(refused("version=1\nbroker.id=1\ncluster.id=a\n"), (0, Rule::Missing { what: "node.id" }));
    }

    #[test]
    fn versions_numbers_and_ids_are_refused_where_they_stand() {
        let version = |found| Rule::Version { what: "meta.properties", found, known: "0 or 1" };
        assert_eq!(refused("#\nversion=2\n"), (2, version(2)));
        assert_eq!(refused("version=-1\n"), (0, version(-1)));
        let number = |line, found: &str| Rule::Number { line, found: found.to_owned(), expected: "32-bit number" };
        assert_eq!(refused("version=one\n"), (0, number(1, "one")));
        assert_eq!(refused("version=1\ncluster.id=a\nnode.id=1 \n"), (23, number(3, "1 ")));
        assert_eq!(parse("version= 1 \ncluster.id=a\nnode.id=+1\n").unwrap().node_id(), Some(1));
        let id = Rule::Text { line: 1, found: "short".to_owned(), expected: "an id of 22 characters" };
        assert_eq!(refused("directory.id=short\n"), (0, id));
    }
}
