//! The golden scripts: operations on one log, with the answers and the files of Kafka's own storage classes. Ours must be the same.
//!
//! What may differ in every script is said in `testing::script::compare`; what else does, with its reason, in
//! `tests/script-exceptions.tsv`, which has room for five lines.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use log_engine::OsFs;
use log_engine::testing::golden;
use log_engine::testing::script::{Op, Runner, compare_manifests, compare_rows, facts, manifest};
use serde_json::Value;

/// More exceptions than this are bugs.
const MOST_EXCEPTIONS: usize = 5;

fn text(name: &str, ending: &str) -> String {
    let path = golden::scripts().join(format!("{name}{ending}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn answers(name: &str) -> Vec<Value> {
    text(name, ".out.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder for a partition: in memory where the system has such a place, because scripts sync often.
fn partition() -> (tempfile::TempDir, std::path::PathBuf) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let partition = folder.path().join("orders-0");
    (folder, partition)
}

/// Where we differ from Kafka in answers and files.
fn differences(name: &str) -> Vec<String> {
    let (_folder, dir) = partition();
    let mut runner = Runner::new(Arc::new(OsFs), &dir).unwrap();
    let ops = Op::parse_all(&text(name, ".script")).unwrap();
    let rows: Vec<_> = ops.iter().map(|op| runner.run(op).unwrap().into_value()).collect();
    drop(runner);
    let mut differences = compare_rows(&answers(name), &rows);
    let files = manifest(&facts(&OsFs, &dir).unwrap());
    differences.extend(compare_manifests(&text(name, ".files.txt"), &files));
    differences
}

/// Name of the script and beginning of the difference, of those that have a reason.
fn exceptions() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/script-exceptions.tsv");
    let table = fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let [script, difference, reason] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(reason.len() > 20, "{line}: a reason is a sentence");
        (script.to_owned(), difference.to_owned())
    };
    table.lines().skip(1).map(line).collect()
}

#[test]
fn every_script_is_answered_as_kafka_answers_it() {
    let exceptions = exceptions();
    assert!(exceptions.len() <= MOST_EXCEPTIONS, "{} exceptions", exceptions.len());
    let mut unused = exceptions.clone();
    let (mut wrong, names) = (Vec::new(), golden::script_names());
    for name in &names {
        let is_known = |difference: &String| {
            let known = |(script, begins): &(String, String)| script == name && difference.starts_with(begins);
            unused.retain(|exception| !known(exception));
            exceptions.iter().any(known)
        };
        let mut differences = differences(name);
        let mut is_known = is_known;
        differences.retain(|difference| !is_known(difference));
        if !differences.is_empty() {
            wrong.push(format!("{name}:\n  {}", differences.join("\n  ")));
        }
    }
    println!("{} of {} scripts", names.len() - wrong.len(), names.len());
    assert!(wrong.is_empty(), "{} of {} scripts\n{}", names.len() - wrong.len(), names.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
}

#[test]
fn every_script_is_understood_and_answered_line_by_line() {
    for name in golden::script_names() {
        let ops = Op::parse_all(&text(&name, ".script")).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let (asked, answers): (Vec<_>, _) = (ops.iter().map(|op| (op.line, op.name.clone())).collect(), answers(&name));
        let answered = answers.iter().map(|row| {
            (
                row["line"].as_u64().and_then(|line| line.try_into().ok()).unwrap(),
                row["op"].as_str().unwrap().to_owned(),
            )
        });
        assert_eq!(asked, answered.collect::<Vec<_>>(), "{name}");
        assert_eq!(compare_rows(&answers, &answers), [""; 0], "{name}");
        let files = text(&name, ".files.txt");
        assert_eq!(compare_manifests(&files, &files), [""; 0], "{name}");
    }
}
