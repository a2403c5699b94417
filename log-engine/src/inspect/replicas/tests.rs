//! The three replicas of each scenario that brokers left, against what was read from the files then.

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::batch::{BatchBuilder, Header};
use crate::compress::Codec;
use crate::fs::OsFs;
use crate::testing::golden;
use crate::units::Timestamp;

/// The replicas of each stage of each scenario, with what is known of them.
fn stages() -> Vec<(String, Vec<PathBuf>, Value, Value)> {
    let mut stages = Vec::new();
    for scenario in golden::replica_scenarios() {
        let folder = golden::replicas(&scenario);
        let truth: Value = serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
        for (stage, known) in truth["stages"].as_object().unwrap() {
            let dirs = [1, 2, 3].map(|node| folder.join("dirs").join(stage).join(node.to_string()).join("orders-0"));
            stages.push((format!("{scenario}, {stage}"), dirs.into(), known.clone(), truth.clone()));
        }
    }
    stages
}

fn compare(dirs: &[PathBuf], by: CompareBy) -> Comparison {
    let replicas: Vec<_> = dirs.iter().map(|dir| LogReader::open(&OsFs, dir).unwrap()).collect();
    compare_replicas(&replicas, by).unwrap()
}

#[test]
fn replicas_part_where_the_files_say() {
    let mut diverged = 0;
    for (name, dirs, known, _) in stages() {
        let by_batches = compare(&dirs, CompareBy::Batches);
        for comparison in [&by_batches, &compare(&dirs, CompareBy::Records)] {
            let expected = known["divergence"].as_array().unwrap();
            assert_eq!(comparison.pairs.len(), expected.len(), "{name}");
            for (pair, expected) in comparison.pairs.iter().zip(expected) {
                let relation = match pair.relation {
                    Relation::Identical => "identical",
                    Relation::Prefix => "prefix",
                    Relation::Diverged => "diverged",
                    Relation::Apart => "apart",
                };
                assert_eq!(relation, expected["kind"], "{name}: {pair:?}");
                assert_eq!(pair.common_end.get(), expected["common_until_offset"], "{name}: {pair:?}");
                let ends = pair.replicas.map(|n| comparison.replicas[n].log_end.get());
                assert_eq!(serde_json::json!(ends), expected["log_ends"], "{name}");
            }
        }
        for (pair, expected) in by_batches.pairs.iter().zip(known["divergence"].as_array().unwrap()) {
            let place = |next: &Option<Next>| {
                let next = next.unwrap();
                serde_json::json!({"epoch": next.epoch.unwrap().get(), "base_offset": next.offsets.0.get(), "last_offset": next.offsets.1.get()})
            };
            if pair.relation == Relation::Diverged {
                diverged += 1;
                assert_eq!(Value::from_iter(pair.at.iter().map(place)), expected["at_difference"], "{name}");
            }
        }
        for (n, replica) in by_batches.replicas.iter().enumerate() {
            let epochs = known["nodes"][(n + 1).to_string()]["leader_epochs"].as_array().unwrap();
            assert_eq!(replica.epoch.unwrap().get(), epochs.last().unwrap()["epoch"], "{name}");
            assert!(!replica.is_damaged, "{name}");
        }
        let same = known["divergence"].as_array().unwrap().iter().all(|pair| pair["kind"] == "identical");
        assert_eq!(by_batches.is_identical(), same, "{name}");
    }
    assert!(diverged > 4);
}

#[test]
fn an_old_leader_loses_what_it_lost_in_the_end() {
    let (_, dirs, _, truth) =
        stages().into_iter().find(|(name, ..)| name == "leader-failure, old-leader-down").unwrap();
    let comparison = compare(&dirs, CompareBy::Batches);
    let under =
        |leader, follower| comparison.elections.iter().find(|e| (e.leader, e.follower) == (leader, follower)).unwrap();
    let lost = under(1, 0);
    let offsets = lost.loses.offsets.map(|(first, last)| [first.get(), last.get()]);
    assert_eq!(lost.loses.records, truth["acked_but_lost"]["count"]);
    assert_eq!(serde_json::json!(offsets), truth["acked_but_lost"]["offsets"]);
    assert_eq!((lost.truncates_to, lost.keeps), (Some(Offset::new(72)), None));
    assert_eq!(under(1, 2).loses, Held::default());
    // Were the old leader elected again, the others would lose all that they wrote since.
    assert_eq!(under(0, 1).loses.records, 109 - 72);
}

#[test]
fn three_histories_from_one_offset_on() {
    let (_, dirs, ..) = stages().into_iter().find(|(name, ..)| name == "unclean-election, diverged").unwrap();
    let comparison = compare(&dirs, CompareBy::Batches);
    assert_eq!(comparison.common_end, Offset::new(65));
    for election in &comparison.elections {
        assert_eq!(election.truncates_to, Some(Offset::new(65)), "{election:?}");
        assert_eq!(election.loses, comparison.replicas[election.follower].behind, "{election:?}");
    }
}

#[test]
fn replicas_of_one_epoch_that_differ_are_not_told_apart_by_their_epochs() {
    let (_, dirs, ..) = stages().into_iter().find(|(name, ..)| name == "leader-failure, old-leader-down").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let other = scratch.path().join("orders-0");
    std::fs::create_dir(&other).unwrap();
    for file in golden::files(&dirs[1]) {
        std::fs::copy(dirs[1].join(&file), other.join(&file)).unwrap();
    }
    // The second replica says that all of it is of epoch 0.
    std::fs::write(other.join("leader-epoch-checkpoint"), "0\n1\n0 0\n").unwrap();
    let comparison = compare(&[dirs[0].clone(), other], CompareBy::Batches);
    let follows = comparison.elections.iter().find(|election| election.follower == 1).unwrap();
    assert_eq!(follows.truncates_to, Some(Offset::new(109)));
    assert_eq!(follows.keeps, Some((Offset::new(72), Offset::new(108))));
    assert_eq!(follows.loses, Held::default());
}

#[test]
fn records_are_the_same_however_they_are_batched_and_compressed() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |name: &str, sizes: &[i64], codec, values: &str| {
        let dir = scratch.path().join(name).join("orders-0");
        std::fs::create_dir_all(&dir).unwrap();
        let (mut bytes, mut offset) = (Vec::new(), 0);
        for size in sizes {
            let mut builder = BatchBuilder::new(Offset::new(offset)).codec(codec, None);
            for n in offset..offset + size {
                let header = [Header { key: b"h", value: None }];
                builder.push(Timestamp::new(n), Some(b"k"), Some(format!("{values} {n}").as_bytes()), &header).unwrap();
            }
            builder.finish(&mut bytes).unwrap();
            offset += size;
        }
        std::fs::write(dir.join("00000000000000000000.log"), bytes).unwrap();
        dir
    };
    let plain = write("plain", &[3, 4], Codec::None, "value");
    let zstd = write("zstd", &[1, 6], Codec::Zstd, "value");
    let other = write("other", &[3, 4], Codec::None, "other");
    assert!(compare(&[plain.clone(), zstd.clone()], CompareBy::Records).is_identical());
    assert_eq!(compare(&[plain.clone(), zstd], CompareBy::Batches).common_end, Offset::ZERO);
    let different = compare(&[plain.clone(), other], CompareBy::Records);
    assert_eq!((different.pairs[0].relation, different.common_end), (Relation::Diverged, Offset::ZERO));

    // The leader epoch is behind no checksum.
    let later = write("later", &[3, 4], Codec::None, "value");
    let log = later.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    crate::batch::assign(&mut bytes, Offset::ZERO, LeaderEpoch::new(1)).unwrap();
    std::fs::write(&log, bytes).unwrap();
    let pair = [plain, later];
    assert_eq!(compare(&pair, CompareBy::Batches).pairs[0].relation, Relation::Diverged);
    assert!(compare(&pair, CompareBy::Records).is_identical());
}
