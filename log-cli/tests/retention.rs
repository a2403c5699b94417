//! `retention`: which segments go, what pins the others, what could be freed.

use std::path::Path;

use log_engine::testing::golden;
use serde_json::Value;

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

/// The undamaged directory of six segments with times of 2023-11-14, as `before`.
const CASE: &str = "plain/none__clean";
const NOW: &str = "2023-11-20T00:00:00Z";

fn retention(path: &Path, flags: &[&str]) -> (i32, Value) {
    let output = run(&[&["retention", "--json", "--now", NOW, arg(path)], flags].concat());
    let documents = lines(&output);
    assert_valid("retention", &documents);
    (output.status.code().unwrap(), documents.into_iter().next().unwrap())
}

/// `(segments that go, the reason of each segment)` of the first partition.
fn reasons(document: &Value) -> Vec<&str> {
    document["partitions"][0]["segments"].as_array().unwrap().iter().map(|it| it["reason"].as_str().unwrap()).collect()
}

#[test]
fn age_size_and_log_start_say_what_goes() {
    let case = golden::damage(CASE);
    let dir = case.before();
    let (exit, document) = retention(dir, &[]);
    assert_eq!((exit, reasons(&document)[0]), (1, "young"));
    let (exit, document) = retention(dir, &["--ms", "1000"]);
    assert_eq!((exit, reasons(&document)), (0, vec!["age"; 6]), "the last one as well, if all are old");
    let (exit, document) = retention(dir, &["--ms", "-1", "--bytes", "10KiB"]);
    let sizes = reasons(&document);
    assert_eq!((exit, sizes[0], sizes[5]), (0, "size", "behindKept"));
    let kept = document["partitions"][0]["segments"].as_array().unwrap().iter().filter(|it| it["verdict"] == "keep");
    let kept: u64 =
        kept.map(|it| std::fs::metadata(dir.join("plain-0").join(it["file"].as_str().unwrap())).unwrap().len()).sum();
    assert!(kept >= 10 << 10, "{kept}");

    std::fs::write(dir.join("log-start-offset-checkpoint"), "0\n1\nplain 0 100\n").unwrap();
    let (_, document) = retention(dir, &["--ms", "-1"]);
    assert_eq!(reasons(&document)[..3], ["belowLogStart", "belowLogStart", "young"]);
    std::fs::write(dir.join("replication-offset-checkpoint"), "0\n1\nplain 0 60\n").unwrap();
    let (_, document) = retention(dir, &["--ms", "1"]);
    assert_eq!(reasons(&document)[..3], ["belowLogStart", "aboveHighWatermark", "behindKept"]);
}

#[test]
fn what_pins_a_segment_is_named() {
    let case = golden::damage("plain/timeindex-future__clean");
    let mut command = log_cli();
    command.args(["retention", "--ms", "3600000", "--now", NOW, "before"]);
    let output = command.current_dir(case.before().parent().unwrap()).output().unwrap();
    assert_expected("retention.txt", &stdout(&output));
}

#[test]
fn what_could_go_is_named_until_there_is_enough() {
    let case = golden::damage(CASE);
    let (exit, document) = retention(case.before(), &["--free", "4KiB"]);
    let steps = document["free"]["steps"].as_array().unwrap();
    assert_eq!((exit, steps.len()), (0, 2));
    assert!(steps[0]["file"].as_str().unwrap().ends_with("plain-0/00000000000000000000.log"));
    assert!(document["free"]["freed"].as_u64() >= document["free"]["asked"].as_u64());
    assert_eq!(document["free"]["partitions"][0]["beforeOffset"], 81);
    let (exit, document) = retention(case.before(), &["--free", "1GiB"]);
    assert_eq!((exit, document["free"]["steps"].as_array().unwrap().len()), (1, 5), "the last segment stays");
    let text = stdout(&run(&["retention", "--free", "4KiB", arg(case.before())]));
    assert!(text.contains("records before offset 81  (2 segments, ") && text.contains("never rm"), "{text}");
}

#[test]
fn compacted_topics_and_wrong_arguments() {
    let sample = golden::sample();
    let (_, document) = retention(&sample.join("__consumer_offsets-0"), &["--ms", "0"]);
    assert_eq!(reasons(&document), ["compacted"]);
    let log = sample.join("txn-0/00000000000000000000.log");
    assert_eq!(run(&["retention", arg(&log)]).status.code(), Some(2));
    assert_eq!(run(&["retention", "no such directory"]).status.code(), Some(4));
    for wrong in
        [&["--bytes", "many"][..], &["--bytes", "-2"], &["--free", "0"], &["--now", "some day"], &["--ms", "x"]]
    {
        assert_eq!(run(&[&["retention", arg(&sample)], wrong].concat()).status.code(), Some(2), "{wrong:?}");
    }
}
