//! The golden scripts: operations on one log, with the answers and the files of Kafka's own storage classes. Ours must be the same.
//!
//! What may differ is said in `testing::script::compare`, for every script alike.

use std::fs;
use std::path::Path;

use log_engine::testing::golden;
use log_engine::testing::script::{Expected, Op, compare_manifests, compare_rows};
use serde_json::Value;

fn text(name: &str, ending: &str) -> String {
    let path = golden::scripts().join(format!("{name}{ending}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn answers(name: &str) -> Vec<Value> {
    text(name, ".out.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder for a partition: in memory where the system has such a place, because scripts sync often.
pub(super) fn partition() -> (tempfile::TempDir, std::path::PathBuf) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let partition = folder.path().join("orders-0");
    (folder, partition)
}

/// Where we differ from Kafka in answers and files.
fn differences(name: &str) -> Vec<String> {
    let (_folder, dir) = partition();
    let (answers, files) = (text(name, ".out.ndjson"), text(name, ".files.txt"));
    let verdict = Expected { answers: &answers, files: &files }.judge(&text(name, ".script"), &dir).unwrap();
    assert!(!verdict.is_stuck, "{name}");
    verdict.differences
}

#[test]
fn every_script_is_answered_as_kafka_answers_it() {
    let (mut wrong, names) = (Vec::new(), golden::script_names());
    for name in &names {
        let differences = differences(name);
        if !differences.is_empty() {
            wrong.push(format!("{name}:\n  {}", differences.join("\n  ")));
        }
    }
    println!("{} of {} scripts", names.len() - wrong.len(), names.len());
    assert!(wrong.is_empty(), "{} of {} scripts\n{}", names.len() - wrong.len(), names.len(), wrong.join("\n"));
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
        assert_eq!(compare_manifests(&files, &files, true), [""; 0], "{name}");
    }
}
