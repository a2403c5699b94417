//! The form that all checkpoint files share.

use std::path::Path;

use super::*;
use crate::units::FilePosition;

/// An entry that is a word, so that only the form is tested.
#[derive(Debug, PartialEq)]
struct Word(String);

impl Entry for Word {
    const FORM: &'static str = "a word";

    fn from_parts<'a>(parts: &[&'a str]) -> Result<Option<Self>, NotANumber<'a>> {
        let [word] = *parts else { return Ok(None) };
        Ok(Some(Self(word.to_owned())))
    }

    fn line(&self) -> String {
        self.0.clone()
    }
}

fn words(text: &str) -> Result<Vec<String>, Malformed> {
    parse_entries::<Word>(text.as_bytes()).map(|words| words.into_iter().map(|word| word.0).collect())
}

fn fault(malformed: Malformed) -> TextFault {
    TextFault::of(&malformed.in_file(Path::new("checkpoint"), FilePosition::START))
}

#[test]
fn a_file_without_entries_may_end_anywhere_in_its_head() {
    for text in ["", "0", "0\n", "0\n0", "0\n0\n", "+0\r\n-0\r\n"] {
        assert_eq!(words(text), Ok(Vec::new()), "{text:?}");
    }
    assert_eq!(words("0\n1\na"), Ok(vec!["a".to_owned()]), "the last line end may be missing");
}

// conformance: OCF-004
#[test]
fn another_version_is_a_storage_fault() {
    let error = words("1\n0\n").unwrap_err();
    assert_eq!(error, Malformed::new(0, Rule::Version { what: "checkpoint", found: 1, known: "0" }));
    assert_eq!(fault(error), TextFault::Storage);
    assert_eq!(fault(words("-1\n").unwrap_err()), TextFault::Storage);
}

#[test]
fn a_head_that_is_no_number_is_a_malformed_line() {
    for (text, line, at) in
        [("\n", 1, 0), ("x\n0\n", 1, 0), (" 0\n0\n", 1, 0), ("0\n\n", 2, 2), ("0\n3000000000\n", 2, 2)]
    {
        let error = words(text).unwrap_err();
        assert!(
            matches!(error, Malformed { at: a, rule: Rule::Text { line: l, .. } } if (l, a) == (line, at)),
            "{error}"
        );
        assert_eq!(fault(error), TextFault::Storage, "{text:?}");
    }
}

#[test]
fn the_count_must_be_that_of_the_lines() {
    for (text, found, expected) in [("0\n2\na\n", 2, 1), ("0\n0\na\n", 0, 1), ("0\n2147483647\n", 2_147_483_647, 0)] {
        let error = words(text).unwrap_err();
        assert_eq!(error, Malformed::new(2, Rule::Mismatch { what: "entry count", found, expected }));
        assert_eq!(fault(error), TextFault::Storage, "{text:?}");
    }
}

/// Java refuses to make a list of negative size, which is no I/O error.
#[test]
fn a_negative_count_is_a_runtime_fault() {
    let error = words("0\n-1\n").unwrap_err();
    assert_eq!(error, Malformed::new(2, Rule::Negative { field: "entry count", value: -1 }));
    assert_eq!(fault(error), TextFault::Runtime);
}

#[test]
fn a_blank_line_and_one_part_too_many_are_malformed() {
    assert_eq!(words("0\n1\na b\n").unwrap_err().at, 4);
    let rule = Rule::Text { line: 4, found: String::new(), expected: "a word" };
    // A blank line has one part, the empty one, in Java: too few for every real entry.
    assert_eq!(words("0\n1\na\n\n"), Err(Malformed::new(6, rule)));
}

#[test]
fn text_that_is_not_utf8_is_a_storage_fault_whatever_stands_before_it() {
    let error = parse_entries::<Word>(b"x\n\xff\n").unwrap_err();
    let rule = Rule::Text { line: 2, found: "\u{fffd}".to_owned(), expected: "UTF-8 text" };
    assert_eq!(error, Malformed::new(2, rule));
    assert_eq!(fault(error), TextFault::Storage);
}
