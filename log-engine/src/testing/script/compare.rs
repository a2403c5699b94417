//! Holds the answers and the files of two engines against each other.
//!
//! What may differ:
//! - texts for people (`message`);
//! - sizes and checksums of the active segment's index files in a log that was not closed: Kafka allocates them whole, and cuts them
//!   when the segment is full or the log closes;
//! - index files of a log that was not closed in the end, as its start failed: a broker that breaks off has emptied some of them;
//! - checksums of index files that wait to be removed: entries that a truncation took stay in Kafka's files, behind their end, and
//!   nobody reads them again. One of ours may be one more: Kafka makes such a file when it first has cause to;
//! - the order of producers in a snapshot: Kafka's is that of a hash map;
//! - everything from where Kafka gets stuck ([`stuck_at`]): nobody is asked to follow it there.

use std::collections::BTreeMap;

use serde_json::Value;

/// Where the answers differ, a line each; `expected` and `found` are documents, one an operation.
#[must_use]
pub fn compare_rows(expected: &[Value], found: &[Value]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut closed = false;
    for (expected, found) in expected.iter().zip(found) {
        let op = expected["op"].as_str().unwrap_or_default();
        closed = is_closed_after(expected, closed);
        let active = if closed { None } else { active_base(&names_in(&expected["files"])) };
        let place = format!("line {}: {op}", expected["line"]);
        compare(&place, expected, found, active.as_deref(), &mut differences);
    }
    if expected.len() != found.len() {
        differences.push(format!("{} answers were expected, {} came", expected.len(), found.len()));
    }
    differences
}

/// True if these answers end with a log that was closed in good order, or is closed after it had been: its files are whole.
#[must_use]
pub fn ends_closed(answers: &[Value]) -> bool {
    answers.iter().fold(false, |closed, answer| is_closed_after(answer, closed))
}

fn is_closed_after(answer: &Value, closed: bool) -> bool {
    let op = answer["op"].as_str().unwrap_or_default();
    match op {
        // Also a start that breaks off: it may have begun to make indexes anew.
        "reopen" => false,
        "close" => closed || answer.get("error").is_none(),
        _ => closed,
    }
}

/// The first of these answers with which Kafka is stuck, if it gets stuck. There are two ways (`tests/kafka-oracle/README.md`):
///
/// - A follower's append rolled at an offset beyond the log's end and was then refused. The active segment lies beyond the end from
///   then on, a flush takes the recovery point there, and no append fits any more.
/// - Recovery finds more index entries than a small `segment.index.bytes` has room for, and the log does not open.
#[must_use]
pub fn stuck_at(answers: &[Value]) -> Option<usize> {
    let is_beyond = |answer: &Value| {
        let log = &answer["log"];
        answer["op"] == "append-follower"
            && answer["rolled"] == true
            && log["recovery_point"].as_i64() > log["log_end"].as_i64()
    };
    let cannot_roll = |answer: &Value| {
        let message = answer["message"].as_str().unwrap_or_default();
        answer["error"] == "KafkaException" && message.starts_with("Trying to roll a new log segment")
    };
    let cannot_open = |answer: &Value| answer["op"] == "reopen" && answer["error"] == "IllegalArgumentException";
    let is_stuck = |answer: &Value| is_beyond(answer) || cannot_roll(answer) || cannot_open(answer);
    answers.iter().position(is_stuck)
}

/// Where the files of two logs differ, a line each; both as the manifests of their folders. `is_closed`: the log was closed in good
/// order ([`ends_closed`]).
#[must_use]
pub fn compare_manifests(expected: &str, found: &str, is_closed: bool) -> Vec<String> {
    let (mut expected, mut found) = (manifest_lines(expected), manifest_lines(found));
    if !is_closed {
        expected.retain(|name, _| !is_index(name));
        found.retain(|name, _| !is_index(name));
    }
    let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let is_one_more = |name: &str| is_deleted_index(name) && !expected.contains_key(name);
    let differ = names.into_iter().filter(|name| expected.get(*name) != found.get(*name) && !is_one_more(name));
    differ.map(|name| format!("{name}: expected {:?}, found {:?}", expected.get(name), found.get(name))).collect()
}

/// Size and checksum by name; of a snapshot the checksum of its sorted form, if it has one.
fn manifest_lines(text: &str) -> BTreeMap<&str, (&str, &str)> {
    text.lines().filter_map(manifest_line).collect()
}

fn manifest_line(line: &str) -> Option<(&str, (&str, &str))> {
    let mut parts = line.split(' ');
    let (sha256, size, name) = (parts.next()?, parts.next()?, parts.next()?);
    let checksum = parts.next().filter(|sorted| *sorted != "-").unwrap_or(sha256);
    Some((name, (size, if is_deleted_index(name) { "" } else { checksum })))
}

/// The files of a row: a map of names to sizes, or a list of facts.
fn names_in(files: &Value) -> Vec<&str> {
    match files {
        Value::Object(files) => files.keys().map(String::as_str).collect(),
        Value::Array(files) => files.iter().filter_map(|file| file["name"].as_str()).collect(),
        _ => Vec::new(),
    }
}

/// The name, without its ending, of the last segment among these files.
fn active_base(names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| name.strip_suffix(".log")).max().map(str::to_owned)
}

/// True for the names of index files.
fn is_index(name: &str) -> bool {
    [".index", ".timeindex", ".txnindex"].iter().any(|ending| name.ends_with(ending))
}

/// True for the names of index files that wait to be removed.
fn is_deleted_index(name: &str) -> bool {
    name.ends_with(".index.deleted") || name.ends_with(".timeindex.deleted")
}

/// True for the names of the active segment's index files.
fn is_active_index(name: &str, active: Option<&str>) -> bool {
    let ending = active.and_then(|base| name.strip_prefix(base));
    matches!(ending, Some(".index" | ".timeindex"))
}

fn compare(place: &str, expected: &Value, found: &Value, active: Option<&str>, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let name = expected.get("name").and_then(Value::as_str).unwrap_or_default();
            let may_differ = |key: &str| match key {
                "message" => true,
                "size" => is_active_index(name, active),
                "sha256" => is_active_index(name, active) || is_deleted_index(name),
                _ => false,
            };
            let told = |key: &&String| !may_differ(key);
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
        assert_eq!(
            compare_rows(&refused(1), &refused(2)),
            [""; 0],
            "a start may break off while it makes indexes anew"
        );
    }

    #[test]
    fn checksums_of_index_files_on_their_way_out_may_differ_and_their_sizes_not() {
        let list = |size, sha256: &str| {
            vec![json!({"files": [{"name": "1.timeindex.deleted", "size": size, "sha256": sha256}]})]
        };
        assert_eq!(compare_rows(&list(5, "a"), &list(5, "b")), [""; 0]);
        assert_eq!(compare_rows(&list(5, "a"), &list(6, "a")).len(), 1);
        assert_eq!(compare_manifests("aa 5 1.index.deleted\n", "bb 5 1.index.deleted\n", true), [""; 0]);
        assert_eq!(compare_manifests("aa 5 1.index.deleted\n", "aa 6 1.index.deleted\n", true).len(), 1);
        assert_eq!(compare_manifests("aa 5 1.log.deleted\n", "bb 5 1.log.deleted\n", true).len(), 1);
        assert_eq!(compare_manifests("", "bb 5 1.index.deleted\n", true), [""; 0]);
        assert_eq!(compare_manifests("bb 5 1.index.deleted\n", "", true).len(), 1);
    }

    #[test]
    fn files_of_a_log_that_did_not_close_are_compared_but_for_its_indexes() {
        let op = |op: &str| json!({"op": op});
        let failed = |op: &str| json!({"op": op, "error": "E"});
        assert!(ends_closed(&[op("open"), op("close")]));
        assert!(!ends_closed(&[op("close"), failed("reopen"), failed("close")]));
        assert!(!ends_closed(&[op("close"), op("reopen"), failed("append-leader")]));
        let files = |size, log| format!("aa 5 1.index\naa {log} 2.log\naa {size} 2.txnindex\n");
        assert_eq!(compare_manifests(&files(1, 9), &files(2, 9), false), [""; 0]);
        assert_eq!(compare_manifests(&files(1, 9), &files(1, 8), false).len(), 1);
        assert_eq!(compare_manifests(&files(1, 9), &files(2, 9), true).len(), 1);
    }

    #[test]
    fn kafka_is_stuck_from_the_first_answer_that_shows_it() {
        let offsets = |recovery_point| json!({"log_end": 5, "recovery_point": recovery_point});
        let append = |op: &str, rolled, point| json!({"op": op, "rolled": rolled, "error": "E", "log": offsets(point)});
        let failed = |op: &str, error: &str, message: &str| json!({"op": op, "error": error, "message": message});
        assert_eq!(stuck_at(&[append("append-follower", true, 5), append("append-follower", true, 6)]), Some(1));
        assert_eq!(stuck_at(&[append("append-leader", true, 6), append("append-follower", false, 6)]), None);
        let message = "Trying to roll a new log segment for topic partition orders-0 with start offset 120 =max(";
        assert_eq!(
            stuck_at(&[failed("roll", "KafkaException", "cannot decompress"), failed("roll", "E", message)]),
            None
        );
        assert_eq!(stuck_at(&[failed("append-follower", "KafkaException", message)]), Some(0));
        assert_eq!(stuck_at(&[failed("reopen", "IllegalArgumentException", "no room")]), Some(0));
        assert_eq!(stuck_at(&[failed("reopen", "CorruptRecordException", "")]), None);
    }

    #[test]
    fn snapshots_are_compared_with_their_producers_in_order() {
        let expected = "aa 10 1.log\nbb 56 1.snapshot dd\nee 9 2.snapshot -\n";
        assert_eq!(compare_manifests(expected, "aa 10 1.log\ncc 56 1.snapshot dd\nee 9 2.snapshot -\n", true), [""; 0]);
        assert_eq!(compare_manifests(expected, "aa 10 1.log\nbb 56 1.snapshot cc\nff 9 2.snapshot -\n", true).len(), 2);
        assert_eq!(compare_manifests(expected, "ab 10 1.log\nbb 56 1.snapshot dd\n", true).len(), 2);
    }
}
