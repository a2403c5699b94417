//! The pages of the crate's documentation that promise something name a test for each promise, and the tests are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every page, and every README of the crate that names tests.
const PAGES: [&str; 2] = ["docs/durability.md", "docs/crash-safety.md"];

fn names_of_tests(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names_of_tests(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let names = source
                .lines()
                .filter_map(|line| line.trim().strip_prefix("fn ")?.split_once('('))
                .map(|(name, _)| name);
            into.extend(names.map(str::to_owned));
        }
    }
}

/// What a page says wrongly: a promise without a test, a test that is not there.
fn complaints(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("- ")) {
        let Some((_, named)) = line.rsplit_once(" (").filter(|(_, named)| named.starts_with('`')) else {
            found.push(format!("no test is named: {line}"));
            continue;
        };
        for name in named.trim_end_matches(')').split(", ").map(|name| name.trim_matches('`')) {
            if !tests.contains(name) {
                found.push(format!("there is no test {name}: {line}"));
            }
        }
    }
    found
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests", "../log-cli/tests"] {
        names_of_tests(&root.join(folder), &mut tests);
    }
    for page in PAGES {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let found = complaints(&text, &tests);
        assert!(found.is_empty(), "{page}:\n{}", found.join("\n"));
        assert!(text.lines().filter(|line| line.starts_with("- ")).count() > 8, "{page} promises little");
    }
    assert_eq!(complaints("- x (`no_such_test`)\n- y\n", &tests).len(), 2);
}
