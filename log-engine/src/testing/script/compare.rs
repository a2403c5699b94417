//! Holds the answers and the files of two engines against each other.
//!
//! What may differ:
//! - texts for people (`message`);
//! - sizes and checksums of the active segment's index files in a log that was not closed: Kafka allocates them whole, and cuts them
//!   when the segment is full or the log closes;
//! - the order of producers in a snapshot: Kafka's is that of a hash map.

use std::collections::BTreeMap;

use serde_json::Value;

/// Where the answers differ, a line each; `expected` and `found` are documents, one an operation.
#[must_use]
pub fn compare_rows(expected: &[Value], found: &[Value]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut closed = false;
    for (expected, found) in expected.iter().zip(found) {
        let op = expected["op"].as_str().unwrap_or_default();
        if expected.get("error").is_none() {
            closed = closed && op != "reopen" || op == "close";
        }
        let active = if closed { None } else { active_base(&expected["files"]) };
        let place = format!("line {}: {op}", expected["line"]);
        compare(&place, expected, found, active.as_deref(), &mut differences);
    }
    if expected.len() != found.len() {
        differences.push(format!("{} answers were expected, {} came", expected.len(), found.len()));
    }
    differences
}

/// Where the files of two closed logs differ, a line each; both as the manifests of their folders.
#[must_use]
pub fn compare_manifests(expected: &str, found: &str) -> Vec<String> {
    let (expected, found) = (manifest_lines(expected), manifest_lines(found));
    let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let differ = names.into_iter().filter(|name| expected.get(*name) != found.get(*name));
    differ.map(|name| format!("{name}: expected {:?}, found {:?}", expected.get(name), found.get(name))).collect()
}

/// Size and checksum by name; of a snapshot the checksum of its sorted form, if it has one.
fn manifest_lines(text: &str) -> BTreeMap<&str, (&str, &str)> {
    text.lines().filter_map(manifest_line).collect()
}

fn manifest_line(line: &str) -> Option<(&str, (&str, &str))> {
    let mut parts = line.split(' ');
    let (sha256, size, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some((name, (size, parts.next().filter(|sorted| *sorted != "-").unwrap_or(sha256))))
}

/// The name, without its ending, of the last segment among the files of a row: a map of names to sizes, or a list of facts.
fn active_base(files: &Value) -> Option<String> {
    let names: Vec<&str> = match files {
        Value::Object(files) => files.keys().map(String::as_str).collect(),
        Value::Array(files) => files.iter().filter_map(|file| file["name"].as_str()).collect(),
        _ => return None,
    };
    names.into_iter().filter_map(|name| name.strip_suffix(".log")).max().map(str::to_owned)
}

/// True for the names of the active segment's index files.
fn is_active_index(name: &str, active: Option<&str>) -> bool {
    let ending = active.and_then(|base| name.strip_prefix(base));
    matches!(ending, Some(".index" | ".timeindex"))
}

fn compare(place: &str, expected: &Value, found: &Value, active: Option<&str>, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let unallocated =
                expected.get("name").and_then(Value::as_str).is_some_and(|name| is_active_index(name, active));
            let told =
                |key: &&String| *key != "message" && !(unallocated && ["size", "sha256"].contains(&key.as_str()));
            let (keys, found_keys): (Vec<_>, Vec<_>) =
                (expected.keys().filter(told).collect(), found.keys().filter(told).collect());
            if keys != found_keys {
                differences.push(format!("{place}: expected {keys:?}, found {found_keys:?}"));
            }
            for key in keys.into_iter().filter(|key| !is_active_index(key, active)) {
                if let (Some(expected), Some(found)) = (expected.get(key), found.get(key)) {
                    compare(&format!("{place}: {key}"), expected, found, active, differences);
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}[{i}]"), expected, found, active, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("{place}: expected {expected}, found {found}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_may_differ_and_nothing_else() {
        let row = json!({"line": 1, "op": "read", "error": "E", "message": "a", "list": [{"message": 1, "index": 0}]});
        let one = |row: &Value| vec![row.clone()];
        let mut other = row.clone();
        other["message"] = json!("b");
        other["list"][0]["message"] = json!(2);
        assert_eq!(compare_rows(&one(&row), &one(&other)), [""; 0]);
        other["list"][0]["index"] = json!(1);
        assert_eq!(compare_rows(&one(&row), &one(&other)), ["line 1: read: list[0]: index: expected 0, found 1"]);
        other.as_object_mut().unwrap().shift_remove("error");
        assert_eq!(compare_rows(&one(&row), &one(&other)).len(), 2);
        let turned =
            json!({"op": "read", "line": 1, "error": "E", "message": "a", "list": [{"message": 1, "index": 0}]});
        assert_eq!(compare_rows(&one(&row), &one(&turned)).len(), 1, "the order of keys");
        assert_eq!(compare_rows(&one(&row), &[]), ["1 answers were expected, 0 came"]);
    }

    #[test]
    fn index_files_of_the_active_segment_may_differ_until_the_log_closes() {
        let files =
            |op: &str, size| json!({"op": op, "files": {"1.index": 5, "1.log": 1, "2.index": size, "2.log": 1}});
        let list =
            |name: &str, size| json!({"op": "files", "files": [{"name": "2.log"}, {"name": name, "size": size}]});
        let close = || json!({"op": "close"});
        let different = |op: &str, a, b| compare_rows(&[json!({"op": op}), a], &[json!({"op": op}), b]).len();
        assert_eq!(different("open", files("state", 7), files("state", 8)), 0);
        assert_eq!(different("close", files("files", 7), files("files", 8)), 1);
        assert_eq!(different("open", list("2.timeindex", 7), list("2.timeindex", 8)), 0);
        assert_eq!(different("open", list("1.timeindex", 7), list("1.timeindex", 8)), 1);
        assert_eq!(different("open", list("2.index", 7), list("1.index", 7)), 1);
        let reopened = |size| [close(), json!({"op": "reopen"}), files("state", size)];
        assert_eq!(compare_rows(&reopened(1), &reopened(2)), [""; 0]);
        let refused = |size| [close(), json!({"op": "reopen", "error": "E"}), files("files", size)];
        assert_eq!(compare_rows(&refused(1), &refused(2)).len(), 1);
    }

    #[test]
    fn snapshots_are_compared_with_their_producers_in_order() {
        let expected = "aa 10 1.log\nbb 56 1.snapshot dd\nee 9 2.snapshot -\n";
        assert_eq!(compare_manifests(expected, "aa 10 1.log\ncc 56 1.snapshot dd\nee 9 2.snapshot -\n"), [""; 0]);
        assert_eq!(compare_manifests(expected, "aa 10 1.log\nbb 56 1.snapshot cc\nff 9 2.snapshot -\n").len(), 2);
        assert_eq!(compare_manifests(expected, "ab 10 1.log\nbb 56 1.snapshot dd\n").len(), 2);
    }
}
