//! Tests that cover a behaviour of Kafka cite its row in `tests/conformance.tsv` (`conformance:` and its ids); here the citations are
//! held against the rows, so that a mistyped one does not count as covered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use log_engine::testing::golden;

/// The ids cited in a source text: after the word `conformance:`, to the end of the line, between blanks or commas.
fn cited(source: &str) -> impl Iterator<Item = &str> {
    let lists = source.lines().filter_map(|line| Some(line.split_once(concat!("/", "/ conformance:"))?.1));
    lists.flat_map(|list| list.split([' ', ',']).filter(|id| !id.is_empty()))
}

/// The first column of `conformance.tsv`.
fn rows() -> BTreeSet<String> {
    let table = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance.tsv")).unwrap();
    table.lines().skip(1).map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn every_citation_is_a_row() {
    let (rows, workspace) = (rows(), Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
    let mut unknown = Vec::new();
    for folder in ["log-engine", "log-cli", "benches", "fuzz"].map(|folder| workspace.join(folder)) {
        for crate_part in ["src", "tests", "support", "fuzz_targets"].map(|part| folder.join(part)) {
            if !crate_part.is_dir() {
                continue;
            }
            for file in golden::files(&crate_part).iter().filter(|file| file.extension().is_some_and(|end| end == "rs"))
            {
                let path = crate_part.join(file);
                let source = fs::read_to_string(&path).unwrap();
                let wrong = cited(&source).filter(|&id| !rows.contains(id));
                unknown.extend(wrong.map(|id| format!("{} cites {id:?}", path.display())));
            }
        }
    }
    assert!(unknown.is_empty(), "no such row in conformance.tsv:\n{}", unknown.join("\n"));
}

#[test]
fn ids_are_found_in_a_citation() {
    let source = concat!(
        "/",
        "/ conformance: RB-021 VAR-007, LOG-1\nlet x = 1; /",
        "/ conformance: A-1\nconformance: no comment"
    );
    assert_eq!(cited(source).collect::<Vec<_>>(), ["RB-021", "VAR-007", "LOG-1", "A-1"]);
    assert!(rows().contains("RB-021"));
}
