//! What `verify` has to say about each damaged golden directory: the table `damage/expected-findings.tsv`.
//!
//! It was derived from the damage by `damage/expected-findings.py`, never from this program's output; the script says the rules.

use std::fs;
use std::path::Path;

/// The table.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/damage/expected-findings.tsv");

/// One line of the table: something that must be found in a case, or that there is nothing to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The case, as [`damage_cases`](super::golden::damage_cases) names it.
    pub case: String,
    /// What must be found; `None` where there is no damage, or none that one directory can show.
    pub finding: Option<Finding>,
    /// The exit code of `verify` for the whole case: 0 when no finding is above info, else 1.
    pub exit: i32,
}

/// A finding that must be among those of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Such as `B001`.
    pub code: String,
    /// `e` error, `w` warning, `i` info.
    pub severity: char,
    /// Relative to the log directory, without a slash at the end.
    pub file: String,
    /// Bytes from the file's first; `None` where no place can be known, which is not to be compared.
    pub position: Option<u64>,
}

/// The table, in the order of the cases. A case has more than one line when more than one thing must be found.
///
/// # Panics
/// When the table is missing or a line is not as `expected-findings.py` writes it.
#[must_use]
pub fn expected_findings() -> Vec<Expected> {
    let text = fs::read_to_string(Path::new(TABLE)).unwrap_or_else(|error| panic!("cannot read {TABLE}: {error}"));
    text.lines().skip(1).map(|line| parse(line).unwrap_or_else(|| panic!("{TABLE}: cannot read {line:?}"))).collect()
}

fn parse(line: &str) -> Option<Expected> {
    let [case, code, severity, file, position, exit] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let finding = match code {
        "-" => None,
        code => Some(Finding {
            code: code.to_owned(),
            severity: severity.chars().next().filter(|letter| "ewi".contains(*letter))?,
            file: file.to_owned(),
            position: if position == "-" { None } else { Some(position.parse().ok()?) },
        }),
    };
    Some(Expected { case: case.to_owned(), finding, exit: exit.parse().ok()? })
}
