//! Faults in the files that say whose a directory is, and how it was left.

use super::fault::Change;
use super::kind::{Kind, Planned};
use super::site::Site;
use crate::checkpoint::{CleanShutdown, MetaProperties, PartitionMetadata};

/// A topic's id that is no topic's.
const OTHER_TOPIC_ID: &str = "c29tZS1vdGhlci1pZC0xMQ";
/// The id that stands for none.
const ZERO_TOPIC_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

pub(super) const KINDS: &[Kind] = &[
    Kind::new("partition-metadata-missing", "partition.metadata is gone", |s| {
        Ok(s.removal(s.beside(PartitionMetadata::FILE_NAME))?.map(|change| vec![change]))
    }),
    Kind::new("partition-metadata-empty", "partition.metadata has 0 bytes", |s| partition_metadata(s, "")),
    Kind::new("partition-metadata-garbage", "partition.metadata cannot be read", |s| {
        partition_metadata(s, "version 0\nnothing")
    }),
    Kind::new("partition-metadata-other-id", "partition.metadata names another topic id", |s| {
        partition_metadata(s, &format!("version: 0\ntopic_id: {OTHER_TOPIC_ID}"))
    }),
    Kind::new("partition-metadata-zero-id", "partition.metadata names no topic id", |s| {
        partition_metadata(s, &format!("version: 0\ntopic_id: {ZERO_TOPIC_ID}"))
    }),
    Kind::new("meta-properties-missing", "meta.properties is gone", |s| {
        let Some(file) = s.at_root(MetaProperties::FILE_NAME) else { return Ok(None) };
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
    Kind::new("meta-properties-empty", "meta.properties has 0 bytes", |s| meta_properties(s, |_| None)),
    Kind::new("meta-properties-other-cluster", "meta.properties names another cluster", |s| {
        property(s, "cluster.id", Some("b3RoZXItY2x1c3Rlci0xMQ"))
    }),
    Kind::new("meta-properties-other-node", "meta.properties names node 9", |s| property(s, "node.id", Some("9"))),
    Kind::new("meta-properties-no-directory-id", "meta.properties names no directory id", |s| {
        property(s, "directory.id", None)
    }),
    Kind::new("meta-properties-other-directory-id", "meta.properties names another directory id", |s| {
        property(s, "directory.id", Some("b3RoZXItZGlyZWN0LTExMQ"))
    }),
    Kind::new("meta-properties-version-9", "meta.properties is of version 9", |s| property(s, "version", Some("9"))),
    Kind::new("marker-by-hand", "a clean-shutdown marker that no clean stop wrote", |s| marker(s, by_hand())),
    Kind::new("marker-empty-file", "a clean-shutdown marker of 0 bytes", |s| marker(s, Vec::new())),
    Kind::new("marker-garbage", "a clean-shutdown marker that cannot be read", |s| {
        marker(s, b"\xff\0not json".to_vec())
    }),
    Kind::new("marker-missing", "the clean-shutdown marker is gone", |s| {
        let Some(file) = s.at_root(CleanShutdown::FILE_NAME) else { return Ok(None) };
        Ok(s.removal(file)?.map(|change| vec![change]))
    }),
    Kind::new("marker-by-hand-torn-tail", "a marker by hand, over a last segment that ends inside a batch", |s| {
        with_marker(s, "tail-cut-mid-batch")
    }),
    Kind::new("marker-by-hand-zeros-tail", "a marker by hand, over a last segment that ends with zeros", |s| {
        with_marker(s, "tail-zeros-100")
    }),
    Kind::new("marker-by-hand-crc-middle", "a marker by hand, over a record with a bit that flipped", |s| {
        with_marker(s, "crc-value-middle")
    }),
];

fn partition_metadata(site: &Site<'_>, new: &str) -> Planned {
    let file = site.beside(PartitionMetadata::FILE_NAME);
    let Some(old) = site.read(&file)? else { return Ok(None) };
    Ok(site.rewritten(file, &old, new.as_bytes()).map(|change| vec![change]))
}

/// What becomes of each line of the file.
fn meta_properties(site: &Site<'_>, line: impl Fn(&str) -> Option<String>) -> Planned {
    let Some(file) = site.at_root(MetaProperties::FILE_NAME) else { return Ok(None) };
    let Some(old) = site.read(&file)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&old);
    let new: String = text.lines().filter_map(line).flat_map(|line| [line, "\n".to_owned()]).collect();
    Ok(site.rewritten(file, &old, new.as_bytes()).map(|change| vec![change]))
}

/// A key has another value, or none.
fn property(site: &Site<'_>, key: &str, value: Option<&str>) -> Planned {
    meta_properties(site, |line| match line.split_once('=') {
        Some((found, _)) if found == key => value.map(|value| format!("{key}={value}")),
        _ => Some(line.to_owned()),
    })
}

/// What someone writes who wants a broker to start at once.
fn by_hand() -> Vec<u8> {
    CleanShutdown { broker_epoch: Some(-1) }.encode()
}

fn marker(site: &Site<'_>, bytes: Vec<u8>) -> Planned {
    let Some(file) = site.at_root(CleanShutdown::FILE_NAME) else { return Ok(None) };
    let changed = match site.read(&file)? {
        Some(old) => site.rewritten(file, &old, &bytes),
        None => Some(Change::NewFile { file, bytes }),
    };
    Ok(changed.map(|change| vec![change]))
}

/// A marker that lies about a fault of another kind.
fn with_marker(site: &mut Site<'_>, other: &str) -> Planned {
    let Some(marked) = marker(site, by_hand())? else { return Ok(None) };
    let Some(kind) = Kind::named(other) else { return Ok(None) };
    Ok(kind.plan(site)?.map(|changes| [marked, changes].concat()))
}
