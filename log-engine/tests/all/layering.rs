//! Rooms look down, never up, and every file says what lives in it.
//!
//! The order of the rooms is the table below. A room that needs something from above takes it as an argument.

use std::fs;
use std::path::Path;

use log_engine::testing::golden;

/// Lowest first. A room may use itself and the rooms on earlier lines; those on one line do not know each other.
const ROOMS: &[&[&str]] = &[
    &["units", "plant", "sync", "random"],
    &["error"],
    &["encoding"],
    &["compress"],
    &["batch", "fs"],
    &["segment", "checkpoint"],
    &["producer", "epoch"],
    &["log"],
    &["inspect"],
    &["mend", "salvage", "damage"],
    &["store"],
    &["testing"],
];

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|line| line.contains(&room))
}

/// The source without comments and without the tests at its foot, which may look anywhere.
fn product_lines(source: &str) -> impl Iterator<Item = &str> {
    let end = source.find("#[cfg(test)]\nmod ").unwrap_or(source.len());
    source[..end].lines().map(|line| line.split("//").next().unwrap_or_default())
}

/// The words behind every `crate::` of a line: rooms, if all is well.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest))
}

/// What is wrong with one file below `src`, a line each.
fn complaints(file: &Path, source: &str) -> Vec<String> {
    let first = file.iter().next().unwrap().to_str().unwrap();
    let room = first.strip_suffix(".rs").unwrap_or(first);
    let mut found = Vec::new();
    if !source.starts_with("//!") {
        found.push("does not begin with //!".to_owned());
    }
    // The facade sees every room; files of tests may look anywhere.
    if room == "lib" || file.ends_with("tests.rs") || file.iter().any(|folder| folder == "tests") {
        return found;
    }
    let Some(own) = rank(room) else {
        found.push(format!("{room} has no place in the table of rooms"));
        return found;
    };
    for word in product_lines(source).flat_map(named).filter(|&word| word != room) {
        match rank(word) {
            None => found.push(format!("crate::{word} names no room (`crate::room::Name`, one room a `use`)")),
            Some(other) if other >= own => found.push(format!("{room} looks up to {word}")),
            Some(_) => {}
        }
    }
    found
}

#[test]
fn every_file_says_what_it_is_and_looks_down_only() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut found = Vec::new();
    for file in golden::files(src).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")) {
        let source = fs::read_to_string(src.join(&file)).unwrap();
        found.extend(complaints(&file, &source).iter().map(|complaint| format!("src/{}: {complaint}", file.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn looking_up_sideways_or_nowhere_is_seen() {
    let see = |file: &str, source: &str| complaints(Path::new(file), &format!("//! Doc.\n{source}"));
    assert_eq!(see("batch/header.rs", "use crate::segment::scan;"), ["batch looks up to segment"]);
    assert_eq!(see("fs/os/read.rs", "use crate::batch::Batch;"), ["fs looks up to batch"]);
    assert_eq!(see("epoch.rs", "let x = crate::log::Log::open();"), ["epoch looks up to log"]);
    assert_eq!(see("attic/old.rs", ""), ["attic has no place in the table of rooms"]);
    assert!(see("batch/mod.rs", "use crate::{units, log};")[0].contains("names no room"));
    assert_eq!(complaints(Path::new("units.rs"), "use std::fmt;"), ["does not begin with //!"]);

    assert!(see("log/mod.rs", "use crate::segment::scan;\nuse crate::log::roll;").is_empty());
    assert!(
        see("batch/mod.rs", "// as crate::log does\n#[cfg(test)]\nmod tests {\n use crate::log::Log;\n}").is_empty()
    );
    assert!(see("batch/tests.rs", "use crate::log::Log;").is_empty());
    assert!(see("lib.rs", "pub use crate::log::Log;").is_empty());
}
