//! `dump` against what real consumers read, and every form of its output.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use log_engine::testing::golden;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{arg, assert_expected, assert_valid, lines, log_cli, run, stdout};

/// A consumer's readout: partition, isolation level, lines.
fn readouts(case: &Path) -> Vec<(String, &'static str, Vec<Value>)> {
    let mut found = Vec::new();
    let expected = case.join("expected");
    if !expected.is_dir() {
        return found;
    }
    for file in golden::files(&expected) {
        let name = file.to_string_lossy().into_owned();
        let Some(name) = name.strip_prefix("consumer-").and_then(|name| name.strip_suffix(".jsonl")) else { continue };
        let (partition, isolation) = match name.strip_suffix(".read_committed") {
            Some(partition) => (partition, "read_committed"),
            None => (name, "read_uncommitted"),
        };
        let text = std::fs::read_to_string(expected.join(&file)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        found.push((partition.to_owned(), isolation, lines));
    }
    found
}

/// A record of a dump in the words of the consumer's readout, which has long values as length and checksum.
fn as_consumed(line: &Value, like: &Value) -> Value {
    let headers: Vec<Value> =
        line["headers"].as_array().unwrap().iter().map(|header| json!([header["key"], header["value"]])).collect();
    let mut consumed = json!({
        "offset": line["offset"], "timestamp": line["timestamp"], "timestampType": line["timestampType"],
        "leaderEpoch": line["leaderEpoch"], "key": line["key"],
    });
    if like.get("valueSha256").is_some() {
        let value = unhex(line["value"].as_str().unwrap());
        consumed["valueLength"] = value.len().into();
        consumed["valueSha256"] = hex(&Sha256::digest(&value)).into();
    } else {
        consumed["value"] = line["value"].clone();
    }
    consumed["headers"] = headers.into();
    consumed
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder of a partition of a case, in its one log directory or in one of several; the crash cases keep changed partitions only.
fn partition_folder(case: &Path, partition: &str) -> Option<std::path::PathBuf> {
    let roots = ["dir", "dir/disk1", "dir/disk2"];
    let found = roots.iter().map(|root| case.join(root).join(partition)).find(|folder| folder.is_dir());
    assert!(found.is_some() || arg(case).contains("/crash-"), "{partition} is nowhere in {}", case.display());
    found
}

#[test]
fn a_dump_with_the_eyes_of_a_consumer_carries_what_real_consumers_read() {
    let (mut read, mut records) = ([0, 0], 0);
    for case in golden::kafka_cases() {
        for (partition, isolation, consumed) in readouts(&golden::kafka(&case)) {
            let Some(folder) = partition_folder(&golden::kafka(&case), &partition) else { continue };
            let flags = ["--format", "ndjson", "--bytes", "hex", "--isolation", isolation];
            let dumped = lines(&run(&[&["dump", arg(&folder)], &flags[..]].concat()));
            // A consumer stops where it fails; a dump says the damage and goes on.
            let failed = consumed.iter().find(|line| line.get("error").is_some());
            let stopped = failed.map_or(i64::MAX, |line| line["position"].as_i64().unwrap());
            let is_damage = |line: &&Value| line.get("type").is_some();
            assert_eq!(failed.is_some(), dumped.iter().any(|line| is_damage(&line)), "{case} {partition}");
            let dumped: Vec<_> =
                dumped.iter().filter(|line| !is_damage(line) && line["offset"].as_i64() < Some(stopped)).collect();
            let consumed: Vec<_> = consumed.iter().filter(|line| line.get("error").is_none()).collect();
            let offsets =
                |lines: &[&Value]| lines.iter().map(|line| line["offset"].as_i64().unwrap()).collect::<Vec<_>>();
            assert_eq!(offsets(&dumped), offsets(&consumed), "{case} {partition} {isolation}");
            for (line, record) in dumped.iter().zip(&consumed) {
                assert_eq!(as_consumed(line, record), **record, "{case} {partition} {isolation}");
            }
            read[usize::from(isolation == "read_committed")] += 1;
            records += consumed.len();
        }
    }
    assert!(read[0] > 100 && read[1] > 10 && records > 5000, "{records} records of {read:?} readouts");
}

#[test]
fn without_isolation_everything_is_shown_and_with_it_control_records_on_request() {
    let folder = golden::sample().join("txn-0");
    let count = |flags: &[&str]| {
        let found = lines(&run(&[&["dump", arg(&folder), "--json"], flags].concat()));
        let control = found.iter().filter(|line| line["isControl"] == true).count();
        (found.len(), control)
    };
    let (all, markers) = count(&[]);
    assert!(markers > 3);
    assert_eq!(count(&["--control=no"]), (all - markers, 0));
    assert_eq!(count(&["--control=only"]), (markers, markers));
    assert_eq!(count(&["--isolation", "read_uncommitted"]), (all - markers, 0));
    assert_eq!(count(&["--isolation", "read_uncommitted", "--control"]), (all, markers));
    let (committed, none) = count(&["--isolation", "read_committed"]);
    assert!(committed < all - markers && none == 0);
    assert_eq!(count(&["--isolation", "read_committed", "-n", "2"]), (2, 0));
    let file = folder.join("00000000000000000000.log");
    assert_eq!(run(&["dump", arg(&file), "--isolation", "read_committed"]).status.code(), Some(2));
}

#[test]
fn every_line_is_valid_by_the_schema() {
    for case in ["plain", "codecs", "txn", "legacy", "compacted", "append-time", "crash-flip/before", "metadata"] {
        let dir = golden::kafka(case).join("dir");
        for flags in [
            &["--json"][..],
            &["--json", "--bytes", "hex", "--int64", "string", "--no-values"],
            &["--json", "--batches"],
            &["--json", "--bytes", "json", "--time-format", "rfc3339", "--no-verify"],
        ] {
            let output = run(&[&["dump", arg(&dir)], flags].concat());
            let found = lines(&output);
            assert!(found.len() > 10, "{case} {flags:?}");
            assert_valid("dump", &found);
        }
    }
}

#[test]
fn a_json_document_has_the_same_records() {
    let (sample, damaged) = (golden::sample(), golden::sample_damaged());
    for dir in [arg(&sample), arg(&damaged)] {
        let document: Value = serde_json::from_slice(&run(&["dump", dir, "--format", "json"]).stdout).unwrap();
        assert_eq!(document, Value::Array(lines(&run(&["dump", dir, "--format", "ndjson"]))));
    }
    let none = run(&["dump", arg(&sample), "--format", "json", "-n", "0"]);
    assert_eq!(serde_json::from_slice::<Value>(&none.stdout).unwrap(), json!([]));
}

#[test]
fn every_form_is_as_expected() {
    let (sample, damaged) = (golden::sample(), golden::sample_damaged());
    for (name, dir, flags) in [
        ("dump.txt", &sample, &["-t", "txn"][..]),
        ("dump.ndjson", &sample, &["--json", "-t", "txn*", "-n", "3", "--per-partition"]),
        ("dump-hex.ndjson", &sample, &["--json", "--bytes", "hex", "-p", "0", "-t", "txn", "-o", "3:+4"]),
        ("dump.csv", &sample, &["--format", "csv", "-t", "txn", "-p", "1"]),
        ("dump-batches.txt", &sample, &["--batches", "-t", "txn-seg"]),
        ("dump-batches.ndjson", &sample, &["--batches", "--json", "-t", "txn", "-p", "1"]),
        ("dump-raw.txt", &sample, &["--format", "raw", "-t", "txn", "-p", "0", "--control=no", "--delimiter", ";\\n"]),
        (
            "dump-template.txt",
            &sample,
            &["-f", "%t-%p %o %d %d{rfc3339} %k{hex} %v{base64} %V %x:%y %e %a{compression} %i%%\\n", "-t", "txn"],
        ),
        ("dump-damaged.txt", &damaged, &["-o", "118:130"]),
        ("dump-damaged.ndjson", &damaged, &["--json", "-o", "118:130"]),
        ("dump-short.txt", &damaged, &["-n", "20", "--max-value-bytes", "8", "--time-format", "ms"]),
    ] {
        let output = run(&[&["dump", arg(dir)], flags].concat());
        assert_expected(name, &stdout(&output));
    }
}

#[test]
fn damage_is_a_line_and_exit_1_and_the_dump_goes_on_behind_it() {
    let case = golden::damage("plain/crc-value-middle__killed");
    let dir = arg(case.before());
    let output = run(&["dump", dir, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let all = lines(&output);
    let at = all.iter().position(|line| line["type"] == "damage").unwrap();
    assert_eq!(all[at]["code"], "B001");
    assert!(all[at]["message"].as_str().unwrap().contains("checksum"), "{}", all[at]);
    // Its records can be decoded, and say that their checksum does not fit.
    assert_eq!(all[at + 1]["position"], all[at]["position"]);
    assert_eq!(all[at + 1]["crcOk"], false);
    let behind = all.iter().rev().find(|line| line.get("type").is_none()).unwrap();
    assert_eq!(behind["crcOk"], true);
    assert!(behind["offset"].as_i64() > all[at]["offset"].as_i64());

    let stopped = run(&["dump", dir, "--json", "--stop-on-damage"]);
    assert_eq!((stopped.status.code(), lines(&stopped).len()), (Some(1), at + 1));
    let unchecked = run(&["dump", dir, "--json", "--no-verify"]);
    assert_eq!(unchecked.status.code(), Some(0));
    assert!(lines(&unchecked).iter().all(|line| line["crcOk"].is_null()));
    let csv = run(&["dump", dir, "--format", "csv"]);
    assert_eq!(csv.status.code(), Some(1));
    assert!(String::from_utf8(csv.stderr).unwrap().contains("damage B001"));
}

#[test]
fn exit_codes_say_what_happened() {
    let sample = golden::sample();
    let dir = arg(&sample);
    for (args, code) in [
        (&["dump", dir][..], 0),
        (&["cat", dir, "-k", "nothing-has-this-key"], 0),
        (&["dump", dir, "-t", "no-such-topic"], 1),
        (&["dump"], 2),
        (&["dump", dir, "-o", "five"], 2),
        (&["dump", dir, "-f", "%q"], 2),
        (&["dump", dir, "--batches", "--format", "csv"], 2),
        (&["dump", "/no/such/directory"], 4),
        (&["dump", dir, "/no/such/directory"], 4),
        (&["dump", "/"], 4),
    ] {
        assert_eq!(run(args).status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn standard_input_is_a_segment() {
    let segment = golden::sample().join("txn-0/00000000000000000005.log");
    let mut child = log_cli()
        .args(["dump", "-", "--base-offset", "5", "--json", "-o", "6:8"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(&segment).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let found = lines(&output);
    assert_eq!(found.iter().map(|line| line["offset"].as_i64().unwrap()).collect::<Vec<_>>(), [6, 7]);
    assert!(found.iter().all(|line| line["topic"].is_null() && line["segment"] == "-"));
    let of_file = lines(&run(&["dump", arg(&segment), "--json", "-o", "6:8"]));
    assert!(of_file.iter().all(|line| line["topic"] == "txn" && line["partition"] == 0));
    let folder = segment.parent().unwrap();
    let here = log_cli()
        .args(["dump", "--json", "-n", "1", segment.file_name().unwrap().to_str().unwrap()])
        .current_dir(folder)
        .output();
    assert_eq!(lines(&here.unwrap())[0]["topic"], "txn", "a bare name has the folder's topic");
    assert_eq!(run(&["dump", "-", "-o", "-5"]).status.code(), Some(2), "the end of a stream is not known before");
}

#[test]
fn a_closed_pipe_ends_a_dump_quietly() {
    let dir = golden::kafka("big").join("dir");
    let mut child =
        log_cli().args(["dump", arg(&dir), "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &[][..]));
}
