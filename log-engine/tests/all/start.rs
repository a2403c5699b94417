//! What a start would do, held against what real brokers did.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use log_engine::OsFs;
use log_engine::inspect::{
    DirectoryPrediction, PartitionPrediction, StartOptions, StartPrediction, StartRecovery, StartRule, predict_start,
};
use log_engine::testing::golden;
use log_engine::testing::memory_fs::MemoryFs;
use proptest::prelude::*;
use serde_json::Value;

/// Cases whose outcome no single directory tells, each with the words that differ and why.
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

/// The number behind `key` in a line.
fn number(line: &str, key: &str) -> Option<i64> {
    let rest = line.split_once(key)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The partition that a line of the broker's log speaks of.
fn partition_of<'l>(line: &'l str, before: &str) -> Option<&'l str> {
    line.split_once(before)?.1.split([',', '/']).next()
}

#[test]
fn crashed_directories_start_as_the_broker_said() {
    let mut seen = 0;
    for crash in ["crash", "crash-cut", "crash-flip", "crash-garbage"] {
        let before = golden::kafka(&format!("{crash}/before")).join("dir");
        let said = golden::kafka(&format!("{crash}/after")).join("expected/broker.log.txt");
        let said = fs::read_to_string(said).unwrap();
        let start = predict_start(&OsFs, &[before], &StartOptions::default()).unwrap();
        assert!(start.starts && !start.directories[0].is_clean);
        for partition in &start.directories[0].partitions {
            seen += 1;
            let name = partition.path.file_name().unwrap().to_str().unwrap();
            let loaded = said.lines().find(|line| partition_of(line, "Completed load of Log(dir=$DIR/") == Some(name));
            let loaded = loaded.unwrap_or_else(|| panic!("{crash}: nothing is said of {name}"));
            let ends = (partition.log_start.map(|o| o.get()), partition.log_end.map(|o| o.get()));
            let expected = (number(loaded, "logStartOffset="), number(loaded, "logEndOffset="));
            assert_eq!(ends, expected, "{crash}: {name}");
            let of_cut = format!("[LogLoader partition={name}, dir=$DIR] Corruption found in segment ");
            let cut: Vec<_> = said.lines().filter_map(|line| number(line, &of_cut)).collect();
            let bases = partition.cuts.iter().map(|cut| number(&cut.file, "").unwrap());
            assert_eq!(bases.collect::<Vec<_>>(), cut, "{crash}: {name}");
            assert_eq!(partition.failure, None, "{crash}: {name}");
            // A bit flipped in the middle takes the intact batches behind it along.
            assert!(partition.records_dropped == 0 || crash == "crash-flip", "{crash}: {name}");
        }
    }
    assert_eq!(seen, 31);
}

/// An undamaged directory in memory, under each of `roots`.
fn copies(case: &str, roots: &[&str]) -> MemoryFs {
    let case = MemoryFs::load(golden::damage(case).before());
    let mut copies = MemoryFs::default();
    for (path, bytes) in case.files() {
        for root in roots {
            copies.put_file(Path::new(root).join(path.strip_prefix("/").unwrap()), bytes);
        }
    }
    copies
}

fn start(fs: &MemoryFs, dirs: &[&str], options: &StartOptions) -> StartPrediction {
    predict_start(fs, &dirs.iter().map(PathBuf::from).collect::<Vec<_>>(), options).unwrap()
}

fn rules(directory: &DirectoryPrediction) -> Vec<&StartRule> {
    directory.failures.iter().map(|failure| &failure.rule).collect()
}

fn partition(directory: &DirectoryPrediction) -> &PartitionPrediction {
    directory.partitions.iter().find(|p| !p.path.to_str().unwrap().contains("__")).unwrap()
}

#[test]
fn an_identity_that_the_broker_does_not_have_is_fatal_before_anything_is_touched() {
    let fs = copies("plain/none__killed", &["/a"]);
    let with = |cluster: Option<&str>, node| {
        let options = StartOptions { cluster_id: cluster.map(str::to_owned), node_id: node, ..StartOptions::default() };
        start(&fs, &["/a"], &options)
    };
    assert!(with(Some("q0JvYnNlcnZlZC1iYXNlMQ"), Some(1)).starts);
    for (other, what) in [(with(Some("another"), None), "cluster.id"), (with(None, Some(2)), "node.id")] {
        assert!(!other.starts && !other.directories[0].is_offline);
        let is_it = |rule: &&StartRule| matches!(rule, StartRule::OtherIdentity { what: w, .. } if *w == what);
        assert!(rules(&other.directories[0]).iter().any(is_it), "{what}");
        let untouched = partition(&other.directories[0]);
        assert_eq!((untouched.log_end, untouched.files_rebuilt.len()), (None, 0));
    }
}

#[test]
fn a_partition_in_two_directories_is_fatal_and_so_is_an_id_that_two_directories_share() {
    let mut fs = copies("plain/none__clean", &["/a", "/b"]);
    let one = start(&fs, &["/a", "/b"], &StartOptions::default());
    assert!(!one.starts);
    assert!(rules(&one.directories[1]).iter().any(|rule| matches!(rule, StartRule::SameDirectoryId { .. })));

    let meta = String::from_utf8(fs.bytes(Path::new("/b/meta.properties")).unwrap().to_vec()).unwrap();
    let id = meta.lines().find(|line| line.starts_with("directory.id=")).unwrap();
    fs.put_file("/b/meta.properties", meta.replace(id, "directory.id=c2Vjb25kLWRpcmVjdG9yeQ").into_bytes());
    let two = start(&fs, &["/a", "/b"], &StartOptions::default());
    assert!(!two.starts);
    assert!(rules(&two.directories[0]).is_empty());
    let is_duplicate = |rule: &&StartRule| matches!(rule, StartRule::Duplicate { other } if other.starts_with("/a"));
    assert!(rules(&two.directories[1]).iter().all(is_duplicate));
    assert_eq!(partition(&two.directories[0]).log_end.map(|o| o.get()), Some(239), "both were loaded by then");
}

#[test]
fn an_open_transaction_makes_a_failed_checkpoint_fatal() {
    for (case, is_fatal) in [("txn/none__killed", true), ("plain/none__killed", false)] {
        let mut fs = copies(case, &["/a"]);
        fs.put_file("/a/recovery-point-offset-checkpoint", *b"0\n1\nnonsense\n");
        let found = start(&fs, &["/a"], &StartOptions::default());
        let directory = &found.directories[0];
        assert!(!found.starts);
        assert_eq!(directory.is_offline, !is_fatal, "{case}");
        let partition = partition(directory);
        assert_eq!(partition.recovery, StartRecovery::From(log_engine::Offset::ZERO));
        assert_eq!(partition.log_end.is_none(), is_fatal, "{case}");
        let rule = partition.failure.as_ref().map(|failure| &failure.rule);
        assert_eq!(matches!(rule, Some(StartRule::OpenTransaction { .. })), is_fatal, "{case}");
    }
}

#[test]
fn an_index_that_has_no_room_is_fatal() {
    let fs = copies("plain/none__killed", &["/a"]);
    let with =
        |bytes| start(&fs, &["/a"], &StartOptions { segment_index_bytes: Some(bytes), ..StartOptions::default() });
    assert!(with(512).starts);
    let full = with(24);
    let rule = partition(&full.directories[0]).failure.as_ref().map(|failure| &failure.rule);
    assert!(!full.starts && matches!(rule, Some(StartRule::IndexFull { .. })), "{rule:?}");
}

/// What is done to one file: which one, how, and with what numbers.
type Blow = (prop::sample::Index, u8, prop::sample::Index, u8);

fn strike(fs: &mut MemoryFs, (file, how, at, byte): &Blow) {
    let files: Vec<PathBuf> = fs.files().map(|(path, _)| path.to_owned()).collect();
    let path = file.get(&files);
    let mut bytes = fs.bytes(path).unwrap().to_vec();
    let at = at.index(bytes.len() + 1);
    match how % 6 {
        0 => bytes.truncate(at),
        1 => bytes.extend(std::iter::repeat_n(*byte, at.min(4096))),
        2 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = *byte),
        3 => bytes.iter_mut().skip(at).take(64).for_each(|b| *b = *byte),
        4 => {
            let suffix = ["deleted", "cleaned", "swap", "log", "index", "snapshot"][usize::from(byte % 6)];
            fs.put_file(format!("{}.{suffix}", path.display()), bytes.clone());
        }
        _ => return fs.remove(path),
    }
    fs.put_file(path, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_damage_leads_to_an_answer(
        case in prop::sample::select(&["plain/none__clean", "txn/none__killed", "compact/none__killed"][..]),
        blows in prop::collection::vec(any::<Blow>(), 1..8),
    ) {
        let mut fs = copies(case, &["/a"]);
        blows.iter().for_each(|blow| strike(&mut fs, blow));
        let found = start(&fs, &["/a"], &StartOptions::default());
        for partition in &found.directories[0].partitions {
            prop_assert!(!partition.statements().is_empty());
            prop_assert!(partition.log_start <= partition.log_end || partition.log_end == Some(log_engine::Offset::ZERO));
        }
    }
}
