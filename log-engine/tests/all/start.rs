//! What a start would do, held against what real brokers did.

use std::collections::{BTreeMap, BTreeSet};

use log_engine::testing::golden;
use log_engine::{OsFs, PartitionPrediction, StartOptions, StartPrediction, predict_start};
use serde_json::Value;

/// Cases whose outcome no single directory tells, each with what differs and why: `broker-start` rules cannot know it.
const EXCEPTIONS: &str = include_str!("../golden/damage/start-exceptions.tsv");

/// What is compared of a start, word by word.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    starts: bool,
    offline: bool,
    log_start: Option<i64>,
    log_end: Option<i64>,
    dropped: u64,
    deleted: BTreeSet<String>,
    rebuilt: BTreeSet<String>,
}

const WORDS: [&str; 7] =
    ["started", "log_dir_offline", "log_start", "log_end", "records_dropped", "segments_deleted", "files_rebuilt"];

impl Words {
    /// What the broker did.
    fn seen(truth: &Value) -> Self {
        let broker = &truth["broker"];
        let base_name = |file: &str| file.rsplit('/').next().unwrap().to_owned();
        let names = |list: &Value, key: Option<&str>| {
            let files = list.as_array().unwrap().iter().map(|entry| key.map_or(entry, |key| &entry[key]));
            files.map(|file| base_name(file.as_str().unwrap())).collect::<BTreeSet<_>>()
        };
        let mut rebuilt = names(&broker["files_rebuilt"], Some("file"));
        rebuilt.retain(|name| name.ends_with("index"));
        Self {
            starts: broker["started"].as_bool().unwrap(),
            offline: broker["log_dir_offline"].as_bool().unwrap(),
            log_start: broker["log_start"].as_i64(),
            log_end: broker["log_end"].as_i64(),
            dropped: broker["valid_records_dropped"].as_u64().unwrap(),
            deleted: names(&broker["segments_deleted"], None),
            rebuilt,
        }
    }

    /// What was predicted for the folder of `partition`, or for the first one that stands for it.
    fn predicted(start: &StartPrediction, partition: &str) -> Self {
        let directory = &start.directories[0];
        let of = |p: &&PartitionPrediction| {
            let name = p.path.file_name().unwrap().to_str().unwrap();
            name.strip_prefix(partition).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = directory.partitions.iter().find(of);
        Self {
            starts: start.starts,
            offline: directory.is_offline,
            log_start: found.and_then(|p| p.log_start).map(|offset| offset.get()),
            log_end: found.and_then(|p| p.log_end).map(|offset| offset.get()),
            dropped: found.map_or(0, |p| p.records_dropped),
            deleted: found.map(|p| p.segments_deleted.iter().cloned().collect()).unwrap_or_default(),
            rebuilt: found.map(|p| p.files_rebuilt.iter().cloned().collect()).unwrap_or_default(),
        }
    }

    /// The words in which two differ.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            self.starts == other.starts,
            self.offline == other.offline,
            self.log_start == other.log_start,
            self.log_end == other.log_end,
            self.dropped == other.dropped,
            self.deleted == other.deleted,
            self.rebuilt == other.rebuilt,
        ];
        WORDS.into_iter().zip(same).filter(|(_, same)| !same).map(|(word, _)| word).collect()
    }
}

fn exceptions() -> BTreeMap<&'static str, Vec<&'static str>> {
    let lines = EXCEPTIONS.lines().skip(1).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let [case, words, _why] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line:?}") };
            (case, words.split(',').collect())
        })
        .collect()
}

#[test]
fn every_damaged_directory_starts_as_it_did() {
    let mut expected = exceptions();
    let (mut agree, mut of_word, mut wrong) = (0, BTreeMap::new(), Vec::new());
    let cases = golden::damage_cases();
    for case in &cases {
        let damaged = golden::damage(case);
        let truth = damaged.truth();
        let start = predict_start(&OsFs, &[damaged.before().to_owned()], &StartOptions::default()).unwrap();
        let partition = format!("{}-0", truth["cluster"]["topic"].as_str().unwrap());
        let (seen, predicted) = (Words::seen(truth), Words::predicted(&start, &partition));
        let differences = seen.differences(&predicted);
        for word in WORDS.iter().filter(|word| !differences.contains(word)) {
            *of_word.entry(*word).or_insert(0) += 1;
        }
        agree += usize::from(differences.is_empty());
        if differences != expected.remove(case.as_str()).unwrap_or_default() {
            wrong.push(format!("{case}: {differences:?}\n  seen      {seen:?}\n  predicted {predicted:?}"));
        }
    }
    eprintln!("start: {agree} of {} cases agree in all words; {of_word:?}", cases.len());
    assert!(wrong.is_empty(), "{} cases are not as expected:\n{}", wrong.len(), wrong.join("\n"));
    assert!(expected.is_empty(), "no such cases: {expected:?}");
}
