//! Tests that cover a behaviour of Kafka cite its row in `tests/conformance.tsv` (`conformance:` and its ids). What the library has no
//! place for stands with a reason in `tests/conformance-not-applicable.tsv`. Here both are held against the rows, so that a mistyped id
//! does not count as covered and no row of an area that is complete is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use log_engine::testing::golden;

/// Areas of which every row is cited or has a reason.
const COMPLETE: &[&str] = &[
    "checkpoint",
    "compression",
    "dump-tool",
    "epoch-cache",
    "index",
    "load/recovery",
    "log",
    "producer-state",
    "record",
    "segment",
    "validator",
];

/// The ids cited in a source text: after the word `conformance:`, to the end of the line, between blanks or commas.
fn cited(source: &str) -> impl Iterator<Item = &str> {
    let lists = source.lines().filter_map(|line| Some(line.split_once(concat!("/", "/ conformance:"))?.1));
    lists.flat_map(|list| list.split([' ', ',']).filter(|id| !id.is_empty()))
}

/// The lines of a table below its head, cut into columns.
fn table(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The area of each row of `conformance.tsv`.
fn rows() -> BTreeMap<String, String> {
    table("conformance.tsv").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// What is cited in all sources, and in which file.
fn citations() -> BTreeMap<String, String> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut citations = BTreeMap::new();
    for folder in ["log-engine", "log-cli", "benches", "fuzz"].map(|folder| workspace.join(folder)) {
        for crate_part in ["src", "tests", "support", "fuzz_targets"].map(|part| folder.join(part)) {
            if !crate_part.is_dir() {
                continue;
            }
            for file in golden::files(&crate_part).iter().filter(|file| file.extension().is_some_and(|end| end == "rs"))
            {
                let path = crate_part.join(file);
                let source = fs::read_to_string(&path).unwrap();
                citations.extend(cited(&source).map(|id| (id.to_owned(), path.display().to_string())));
            }
        }
    }
    citations
}

/// The ids that no test can cite.
fn listed() -> BTreeSet<String> {
    let mut listed = BTreeSet::new();
    for line in table("conformance-not-applicable.tsv") {
        let [id, reason] = &line[..] else { panic!("{line:?}: an id and a reason") };
        assert!(reason.len() >= 10, "{id}: {reason:?} is no reason");
        assert!(listed.insert(id.clone()), "{id} is listed twice");
    }
    listed
}

#[test]
fn what_is_cited_or_listed_is_a_row_and_not_both() {
    let (rows, citations, listed) = (rows(), citations(), listed());
    let unknown: Vec<_> = citations.iter().filter(|(id, _)| !rows.contains_key(*id)).collect();
    assert!(unknown.is_empty(), "no such row in conformance.tsv: {unknown:?}");
    let unknown: Vec<_> = listed.iter().filter(|id| !rows.contains_key(*id)).collect();
    assert!(unknown.is_empty(), "no such row in conformance.tsv: {unknown:?}");
    let both: Vec<_> = listed.iter().filter_map(|id| citations.get_key_value(id)).collect();
    assert!(both.is_empty(), "cited, and listed as not applicable: {both:?}");
}

#[test]
fn every_row_of_a_complete_area_is_cited_or_has_a_reason() {
    let (citations, listed) = (citations(), listed());
    let mut areas: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, area) in rows() {
        areas.entry(area).or_default().push(id);
    }
    let mut missing = Vec::new();
    for (area, ids) in &areas {
        let count = |is: &dyn Fn(&String) -> bool| ids.iter().filter(|id| is(id)).count();
        let (cited, reasons) = (count(&|id| citations.contains_key(id)), count(&|id| listed.contains(id)));
        println!("{area}: {cited} cited, {reasons} listed of {}", ids.len());
        if COMPLETE.contains(&area.as_str()) {
            missing.extend(ids.iter().filter(|id| !citations.contains_key(*id) && !listed.contains(*id)));
        }
    }
    assert!(COMPLETE.iter().all(|area| areas.contains_key(*area)), "{COMPLETE:?}");
    assert!(missing.is_empty(), "neither cited nor listed: {missing:?}");
}

#[test]
fn ids_are_found_in_a_citation() {
    let source = concat!(
        "/",
        "/ conformance: RB-021 VAR-007, LOG-1\nlet x = 1; /",
        "/ conformance: A-1\nconformance: no comment"
    );
    assert_eq!(cited(source).collect::<Vec<_>>(), ["RB-021", "VAR-007", "LOG-1", "A-1"]);
    assert!(rows().contains_key("RB-021"));
}
