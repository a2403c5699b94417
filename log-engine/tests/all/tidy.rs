//! The tree stays readable: files are small, say what lives in them, and the text speaks of the project alone.

use std::path::{Path, PathBuf};

/// No file may be longer.
const MOST_LINES: usize = 600;
/// Half of the files must be shorter.
const MEDIAN_LINES: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust files of the workspace's crates.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["log-engine", "log-cli", "benches", "fuzz"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_owned();
            if path.is_dir() && name != "target" && name != "golden" && name != "corpus" {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn files_are_small_and_say_what_lives_in_them() {
    let mut lengths = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines hold two concepts", path.display());
        let begins_well =
            text.starts_with("//!") || path.starts_with(root().join("fuzz")) && text.starts_with("#![no_main]");
        assert!(begins_well, "{}: the first line says what lives here", path.display());
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(lengths.len() > 50 && median < MEDIAN_LINES, "{} files, median {median} lines", lengths.len());
}

#[test]
fn nothing_is_left_undone() {
    for path in sources() {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("dbg", "!(")]
        {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}
