//! The golden directories are whole: every archive unpacks, and every file is byte for byte the one that a broker wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use log_engine::testing::expected::expected_findings;
use log_engine::testing::golden;
use sha2::{Digest, Sha256};

const SETS: [&str; 4] = ["kafka", "damage", "replicas", "scripts"];

fn sha256(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What lies below a folder, with each file's checksum.
fn sums(folder: &Path) -> BTreeMap<PathBuf, String> {
    golden::files(folder).into_iter().map(|file| (file.clone(), sha256(&folder.join(file)))).collect()
}

/// `SHA256SUMS.zst`: path (with its set in front) to checksum.
fn listed() -> BTreeMap<PathBuf, String> {
    let list = fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/SHA256SUMS.zst")).unwrap();
    let mut text = String::new();
    zstd::Decoder::new(list).unwrap().read_to_string(&mut text).unwrap();
    text.lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, path)| (PathBuf::from(path), sum.to_owned()))
        .collect()
}

#[test]
fn every_unpacked_file_is_as_listed() {
    let zero_files = 2; // of kafka/metadata, which are not stored
    let mut found = BTreeMap::new();
    for set in SETS {
        for archive in golden::archives(set) {
            for (file, sum) in sums(&golden::unpacked(set, &archive)) {
                found.insert(Path::new(set).join(file), sum);
            }
        }
    }
    let listed = listed();
    for (file, sum) in &listed {
        let hint = "has a test changed target/golden? remove that folder";
        assert_eq!(found.get(file), Some(sum), "{} is not as listed; {hint}", file.display());
    }
    assert_eq!(found.len(), listed.len() + zero_files);
}

#[test]
fn no_case_is_missing() {
    let kafka = golden::kafka_cases();
    assert_eq!(kafka.len(), 27, "{kafka:?}");
    for case in kafka {
        let folder = golden::kafka(&case);
        assert!(!golden::files(&folder.join("dir")).is_empty(), "{case} has no log directory");
    }
    assert_eq!(golden::damage_cases().len(), 323);
    assert_eq!(golden::replica_scenarios().len(), 5);
    assert_eq!(golden::script_names().len(), 49);
    assert_eq!(golden::files(&golden::damage_dumps()).len(), 36);
    assert_eq!(golden::files(&golden::damage_extras()).len(), 4);
}

#[test]
fn all_zero_files_are_made_again() {
    let folder = golden::kafka("metadata").join("dir/__cluster_metadata-0");
    for (name, len) in [("00000000000000000158.index", 10_485_760), ("00000000000000000158.timeindex", 10_485_756)] {
        let bytes = fs::read(folder.join(name)).unwrap();
        assert_eq!(bytes.len(), len, "{name}");
        assert!(bytes.iter().all(|&byte| byte == 0), "{name}");
    }
}

#[test]
fn samples_are_the_cases_they_are_said_to_be() {
    assert_eq!(sums(&golden::sample()), sums(&golden::kafka("txn").join("dir")));
    assert_eq!(sums(&golden::sample_damaged()), sums(golden::damage("plain/crc-value-middle__killed").before()));
}

/// `damage.changes` says how long each file is after planting, `after.tsv` which bytes the broker left: the layouts must agree.
#[test]
fn damage_is_laid_out_as_it_was_planted_and_as_the_broker_left_it() {
    for case in golden::damage_cases() {
        let damaged = golden::damage(&case);
        for change in damaged.truth()["damage"]["changes"].as_array().unwrap() {
            let file = change["file"].as_str().unwrap();
            let found = fs::metadata(damaged.before().join(file)).ok().map(|found| found.len());
            let planted = change.get("size_after").unwrap_or(&change["size"]).as_u64();
            let planted = planted.filter(|_| change["op"] != "removed");
            assert_eq!(found, planted, "{case}: {file} before");
        }

        let after = damaged.after();
        let topic = case.split('/').next().unwrap();
        let list = golden::unpacked("damage", topic).join("cases").join(&case).join("after.tsv");
        for line in fs::read_to_string(list).unwrap().lines().skip(1) {
            let [file, state, _, _, sum] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{case}: {line}") };
            if state == "gone" {
                assert!(!after.join(file).exists(), "{case}: {file} after");
            } else {
                assert_eq!(sha256(&after.join(file)), sum, "{case}: {file} after");
            }
        }
    }
}

/// The table of expected findings speaks of every case, of files that are (or were) there, and of places in them.
#[test]
fn every_damaged_case_has_an_expected_finding() {
    let table = expected_findings();
    let cases: BTreeSet<String> = table.iter().map(|line| line.case.clone()).collect();
    assert_eq!(cases, BTreeSet::from_iter(golden::damage_cases()));
    for case in &cases {
        let lines: Vec<_> = table.iter().filter(|line| line.case == *case).collect();
        let findings: Vec<_> = lines.iter().filter_map(|line| line.finding.as_ref()).collect();
        if findings.iter().any(|finding| finding.position > Some(0)) {
            let damaged = golden::damage(case);
            for finding in &findings {
                let len = fs::metadata(damaged.before().join(&finding.file)).map_or(0, |found| found.len());
                assert!(
                    finding.position.unwrap_or(0) <= len,
                    "{case}: {finding:?} lies behind the {len} bytes of the file"
                );
            }
        }
        let exit = i32::from(findings.iter().any(|finding| finding.severity != 'i'));
        assert!(lines.iter().all(|line| line.exit == exit), "{case}: exit code");
    }
}
