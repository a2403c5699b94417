//! The text files and producer snapshots that real brokers wrote: decoded and encoded again they are the same bytes, and damaged
//! ones are refused the way a broker refused them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::Result;
use log_engine::checkpoint::{
    CleanShutdown, EpochCheckpoint, MetaProperties, OffsetCheckpoint, PartitionMetadata, QuorumState, TextFault,
};
use log_engine::epoch::LeaderEpochs;
use log_engine::producer::ProducerSnapshot;
use log_engine::testing::golden;

/// A kind of side file, by its name.
fn kind(file: &Path) -> Option<&'static str> {
    const NAMES: [&str; 9] = [
        OffsetCheckpoint::RECOVERY_POINT,
        OffsetCheckpoint::LOG_START,
        OffsetCheckpoint::HIGH_WATERMARK,
        OffsetCheckpoint::CLEANER,
        EpochCheckpoint::FILE_NAME,
        PartitionMetadata::FILE_NAME,
        MetaProperties::FILE_NAME,
        CleanShutdown::FILE_NAME,
        QuorumState::FILE_NAME,
    ];
    let name = file.file_name()?.to_str()?;
    let known = NAMES.into_iter().find(|known| *known == name);
    known.or_else(|| name.ends_with(".snapshot").then_some(".snapshot"))
}

/// The bytes that come of `bytes` when they are decoded and encoded.
fn there_and_back(kind: &str, bytes: &[u8], file: &Path) -> Result<Vec<u8>> {
    Ok(match kind {
        EpochCheckpoint::FILE_NAME => EpochCheckpoint::parse(bytes, file)?.encode(),
        PartitionMetadata::FILE_NAME => PartitionMetadata::parse(bytes, file)?.encode(),
        MetaProperties::FILE_NAME => MetaProperties::parse(bytes, file)?.encode(),
        CleanShutdown::FILE_NAME => CleanShutdown::parse(bytes, file)?.encode(),
        QuorumState::FILE_NAME => QuorumState::parse(bytes, file)?.encode(),
        ".snapshot" => ProducerSnapshot::decode(bytes, file)?.encode(),
        _ => OffsetCheckpoint::parse(bytes, file)?.encode(),
    })
}

/// Encodes every side file below `folder` again, and counts them by kind.
fn round_trips(folder: &Path, counts: &mut BTreeMap<&'static str, u32>) {
    for file in golden::files(folder) {
        let Some(kind) = kind(&file) else { continue };
        let path = folder.join(&file);
        let bytes = fs::read(&path).unwrap();
        let again = there_and_back(kind, &bytes, &path).unwrap();
        // Checkpoints are empty until they are first written; to encode no entries is such a first write.
        let written = if bytes.is_empty() && kind.ends_with("-checkpoint") { b"0\n0\n".to_vec() } else { bytes };
        assert_eq!(again, written, "{}", path.display());
        *counts.entry(kind).or_default() += 1;
    }
}

#[test]
fn undamaged_files_are_encoded_to_the_same_bytes() {
    let mut counts = BTreeMap::new();
    for case in golden::kafka_cases() {
        round_trips(&golden::kafka(&case), &mut counts);
    }
    for scenario in golden::replica_scenarios() {
        round_trips(&golden::replicas(&scenario), &mut counts);
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 10, "each kind occurs: {counts:?}");
}

#[test]
fn epochs_of_undamaged_files_load_whole() {
    for scenario in golden::replica_scenarios() {
        let folder = golden::replicas(&scenario);
        for file in golden::files(&folder) {
            if kind(&file) == Some(EpochCheckpoint::FILE_NAME) {
                let path = folder.join(&file);
                let checkpoint = EpochCheckpoint::parse(&fs::read(&path).unwrap(), &path).unwrap();
                assert_eq!(LeaderEpochs::load(&checkpoint).to_checkpoint(), checkpoint, "{}", path.display());
            }
        }
    }
}

/// What a broker did with its only log directory.
#[derive(Debug, PartialEq)]
enum Outcome {
    Started,
    Offline,
    Ended,
}

/// What a broker does with a damaged text file.
fn predicted(kind: &str, outcome: &Result<Vec<u8>>) -> Outcome {
    match (kind, outcome.as_ref().map_err(TextFault::of)) {
        (_, Ok(_)) => Outcome::Started,
        (MetaProperties::FILE_NAME, Err(_)) => Outcome::Ended,
        (CleanShutdown::FILE_NAME | ".snapshot", Err(_)) => Outcome::Started,
        (_, Err(TextFault::Storage)) => Outcome::Offline,
        (EpochCheckpoint::FILE_NAME | PartitionMetadata::FILE_NAME, Err(TextFault::Runtime)) => Outcome::Ended,
        (_, Err(TextFault::Runtime)) => Outcome::Started,
    }
}

#[test]
fn damaged_files_are_refused_as_a_broker_did() {
    let mut refused = 0;
    let stores = golden::archives("damage").into_iter().map(|name| golden::unpacked("damage", &name).join("cases"));
    let cases = stores.filter(|cases| cases.is_dir()).flat_map(|cases| {
        let truths: Vec<PathBuf> =
            golden::files(&cases).into_iter().filter(|file| file.ends_with("truth.json")).collect();
        truths.into_iter().map(move |file| cases.join(file))
    });
    for path in cases {
        let truth = golden::json(&path);
        let damaged = truth["damage"]["file"].as_str().unwrap_or_default();
        let file = path.with_file_name("before").join(damaged);
        let Some(kind) = kind(&file).filter(|_| file.exists()) else { continue };
        let outcome = there_and_back(kind, &fs::read(&file).unwrap(), &file);
        refused += u32::from(outcome.is_err());
        if kind == MetaProperties::FILE_NAME && outcome.is_ok() {
            continue; // Whether it is the right cluster's and node's, no file says.
        }
        let seen = match (&truth["broker"]["started"], &truth["broker"]["log_dir_offline"]) {
            (_, offline) if offline == true => Outcome::Offline,
            (started, _) if started == true => Outcome::Started,
            _ => Outcome::Ended,
        };
        assert_eq!(predicted(kind, &outcome), seen, "{}: {outcome:?}", path.display());
    }
    println!("{refused} files refused");
    assert!(refused >= 20, "{refused}");
}
