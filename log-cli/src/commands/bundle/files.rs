//! Which files go into a bundle, and as what bytes.

use std::path::{Path, PathBuf};

use log_engine::checkpoint::{
    CleanShutdown, EpochCheckpoint, MAX_TEXT_BYTES, MetaProperties, OffsetCheckpoint, PartitionMetadata, QuorumState,
};
use log_engine::fs::{Entry, Kind, Source};
use log_engine::inspect::Target;
use log_engine::producer::{MAX_SNAPSHOT_BYTES, ProducerSnapshot};
use log_engine::segment::{SegmentFile, SegmentName};
use log_engine::{Error, Fs};
use serde_json::Value;

use super::archive::Archive;
use super::manifest::Manifest;
use crate::commands::check::Family;
use crate::error::CliError;
use crate::select::targets::Wanted;

/// The folders whose files are looked at, in the order of the archive.
pub(super) struct Places(Vec<(String, PathBuf)>);

impl Places {
    /// `dir-1` for the first directory that was named, and so on, with the folders of wanted partitions below it.
    pub(super) fn of(targets: &[Target], wanted: &Wanted, manifest: &mut Manifest) -> Self {
        let mut places = Vec::new();
        for (n, target) in targets.iter().enumerate() {
            let name = format!("dir-{}", n.saturating_add(1));
            match target {
                Target::File(_) => {}
                Target::Partition(partition) => {
                    manifest.folder(&name, partition.path.display().to_string());
                    places.push((name, partition.path.clone()));
                }
                Target::LogDirectory(dir) => {
                    manifest.folder(&name, dir.path.display().to_string());
                    let mut below: Vec<_> = dir.partitions.iter().collect();
                    below.sort_by(|(_, a), (_, b)| a.cmp(b));
                    places.push((name.clone(), dir.path.clone()));
                    for (of, path) in below {
                        if wanted.takes(Some(&of.partition.topic), Some(of.partition.partition)) {
                            let folder = path.file_name().unwrap_or_default().to_string_lossy();
                            places.push((format!("{name}/{folder}"), path.clone()));
                        }
                    }
                }
            }
        }
        Self(places)
    }

    /// Adds the files that are on the list.
    pub(super) fn write(&self, fs: &dyn Fs, archive: &mut Archive, manifest: &mut Manifest) -> Result<(), CliError> {
        for (folder, path) in &self.0 {
            let mut entries = match fs.list(path) {
                Ok(entries) => entries,
                Err(error) => {
                    manifest.lost(folder.clone(), 0, without_quotes(&error.to_string()));
                    continue;
                }
            };
            entries.retain(|entry| entry.stat.kind != Kind::Directory);
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            for entry in entries {
                one(fs, folder, path, &entry, archive, manifest)?;
            }
        }
        Ok(())
    }
}

fn one(
    fs: &dyn Fs,
    folder: &str,
    path: &Path,
    entry: &Entry,
    archive: &mut Archive,
    manifest: &mut Manifest,
) -> Result<(), CliError> {
    let plain = entry.name.to_string_lossy();
    let name = format!("{folder}/{plain}");
    let Some(listed) = Listed::of(&plain).filter(|_| entry.stat.kind == Kind::File) else {
        manifest.passed(name, entry.stat.len, why_not(&plain, entry.stat.kind));
        return Ok(());
    };
    let file = path.join(&entry.name);
    match Source::open(fs, &file).and_then(|source| source.read_all(listed.most())) {
        Ok(bytes) => match listed.anew(&bytes, &file) {
            Ok(anew) => {
                archive.add(&name, &anew)?;
                manifest.took(&name, &anew, anew != bytes);
            }
            Err(error) => manifest.lost(name, entry.stat.len, without_quotes(&error.to_string())),
        },
        Err(error) => manifest.lost(name, entry.stat.len, without_quotes(&error.to_string())),
    }
    Ok(())
}

/// A file that goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Offsets,
    Epochs,
    Partition,
    Identity,
    Marker,
    Quorum,
    Snapshot,
}

impl Listed {
    /// What a file with this name is; `None` if it stays out.
    fn of(name: &str) -> Option<Self> {
        match name {
            OffsetCheckpoint::RECOVERY_POINT
            | OffsetCheckpoint::LOG_START
            | OffsetCheckpoint::HIGH_WATERMARK
            | OffsetCheckpoint::CLEANER => Some(Self::Offsets),
            EpochCheckpoint::FILE_NAME => Some(Self::Epochs),
            PartitionMetadata::FILE_NAME => Some(Self::Partition),
            MetaProperties::FILE_NAME => Some(Self::Identity),
            CleanShutdown::FILE_NAME => Some(Self::Marker),
            QuorumState::FILE_NAME => Some(Self::Quorum),
            _ => Family::Producers.takes(name).then_some(Self::Snapshot),
        }
    }

    /// More bytes are not read.
    const fn most(self) -> usize {
        if matches!(self, Self::Snapshot) { MAX_SNAPSHOT_BYTES } else { MAX_TEXT_BYTES }
    }

    /// The file written anew from what it says: bytes that say nothing are not in it.
    fn anew(self, bytes: &[u8], path: &Path) -> Result<Vec<u8>, Error> {
        Ok(match self {
            // An empty file is not one without entries.
            Self::Offsets | Self::Epochs if bytes.is_empty() => Vec::new(),
            Self::Offsets => OffsetCheckpoint::parse(bytes, path)?.encode(),
            Self::Epochs => EpochCheckpoint::parse(bytes, path)?.encode(),
            Self::Partition => PartitionMetadata::parse(bytes, path)?.encode(),
            Self::Identity => identity(&MetaProperties::parse(bytes, path)?),
            Self::Marker => CleanShutdown::parse(bytes, path)?.encode(),
            Self::Quorum => QuorumState::parse(bytes, path)?.encode(),
            Self::Snapshot => ProducerSnapshot::decode(bytes, path)?.encode(),
        })
    }
}

/// The keys that Kafka writes, and no other, nor comments.
fn identity(identity: &MetaProperties) -> Vec<u8> {
    let node_key = if identity.version() == 0 { "broker.id" } else { "node.id" };
    let values = [
        ("cluster.id", identity.cluster_id().map(str::to_owned)),
        ("directory.id", identity.directory_id().map(|id| id.to_string())),
        (node_key, identity.node_id().map(|id| id.to_string())),
        ("version", Some(identity.version().to_string())),
    ];
    let lines = values.into_iter().filter_map(|(key, value)| Some(format!("{key}={}\n", value?)));
    lines.collect::<String>().into_bytes()
}

/// Why a file stays out that is not on the list.
fn why_not(name: &str, kind: Kind) -> &'static str {
    let file = SegmentName::parse(name).map(|name| name.file);
    match (kind, file) {
        (Kind::Link | Kind::Special, _) => "no regular file",
        (_, Some(SegmentFile::Log)) => "holds records",
        (_, Some(SegmentFile::Snapshot)) => "on its way in or out",
        (_, Some(_)) => "any bytes read as an index, so they could be a record's",
        (_, None) => "not on the list",
    }
}

/// Takes out of all texts what is quoted in them.
pub(super) fn drop_quotes(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_quotes(text),
        Value::Array(values) => values.iter_mut().for_each(drop_quotes),
        Value::Object(object) => object.values_mut().for_each(drop_quotes),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text without what stands between its first and its last quotation mark.
fn without_quotes(text: &str) -> String {
    match text.split_once('"').map(|(before, rest)| (before, rest.rsplit_once('"'))) {
        Some((before, Some((_, after)))) => format!("{before}\"...\"{after}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_taken_out_whatever_is_in_them() {
        for (text, expected) in [
            ("line 3 is \"secret\"; expected a number", "line 3 is \"...\"; expected a number"),
            ("\"a\\\"b\" and \"c\"", "\"...\""),
            ("one \" only", "one \" only"),
            ("none", "none"),
        ] {
            assert_eq!(without_quotes(text), expected);
        }
    }

    #[test]
    fn what_a_file_does_not_need_is_not_in_it() {
        let anew = |name: &str, bytes: &str| {
            let written = Listed::of(name).unwrap().anew(bytes.as_bytes(), Path::new(name)).unwrap();
            String::from_utf8(written).unwrap()
        };
        assert_eq!(
            anew("partition.metadata", "version: 0\ntopic_id: 6HZtaoFuTWK1JxohrG_zCQ\nsecret"),
            "version: 0\ntopic_id: 6HZtaoFuTWK1JxohrG_zCQ"
        );
        let meta = "#secret\nversion=1\nsecret=1\nnode.id=3\ncluster.id=c\n";
        assert_eq!(anew("meta.properties", meta), "cluster.id=c\nnode.id=3\nversion=1\n");
        assert_eq!(
            anew(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":7,\"x\":\"secret\"}"),
            "{\"version\":0,\"brokerEpoch\":7}"
        );
        assert_eq!(anew("leader-epoch-checkpoint", ""), "");
        for name in [
            "00000000000000000000.log",
            "00000000000000000000.index",
            "server.properties",
            "00000000000000000000.snapshot.deleted",
        ] {
            assert_eq!(Listed::of(name), None, "{name}");
        }
    }
}
