//! The golden scripts: operations on one log, with the answers and the files of Kafka's own storage classes.

use std::fs;

use log_engine::testing::golden;
use log_engine::testing::script::{Op, compare_manifests, compare_rows};
use serde_json::Value;

fn text(name: &str, ending: &str) -> String {
    let path = golden::scripts().join(format!("{name}{ending}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn answers(name: &str) -> Vec<Value> {
    text(name, ".out.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
